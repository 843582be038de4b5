"""Authorities and certificates for tests, made by OpenSSL."""
import os
import subprocess


def run(*args, data=None):
    done = subprocess.run(["openssl", *args], input=data, capture_output=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"openssl {' '.join(args)}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


class Authority:
    """One that signs; its files lie in the folder."""

    def __init__(self, folder, name="Test Authority", issuer=None, kind=("EC", "ec_paramgen_curve:P-256"), digest="sha256"):
        self.folder, self.name, self.issuer = str(folder), name, issuer
        self.cert, self.key = self.path(f"{name}.pem"), self.path(f"{name}.key")
        self.make(name, self.cert, self.key, f"/CN={name}", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n",
                  issuer, kind, digest)

    def path(self, name):
        return os.path.join(self.folder, name.replace(" ", "-").replace("*", "star"))

    def make(self, name, cert, key, subject, extensions, issuer, kind=("EC", "ec_paramgen_curve:P-256"), digest="sha256",
             days=("-days", "30"), dates=None):
        run("genpkey", "-algorithm", kind[0], *(["-pkeyopt", kind[1]] if kind[1] else []), "-out", key)
        request = run("req", "-new", "-key", key, "-subj", subject)
        config = self.path(f"{name}.cnf")
        with open(config, "w") as f:
            f.write(extensions)
        by = ["-CA", issuer.cert, "-CAkey", issuer.key, "-CAcreateserial"] if issuer else ["-signkey", key]
        if dates:  # only `openssl ca` sets both ends, and faketime is not everywhere
            self.sign_dated(request, cert, config, issuer, dates)
            return
        run("x509", "-req", *by, f"-{digest}", *days, "-extfile", config, "-out", cert, data=request)

    def sign_dated(self, request, cert, extensions, issuer, dates):
        base = self.path("database")
        os.makedirs(base, exist_ok=True)
        open(os.path.join(base, "index"), "w").close()
        with open(os.path.join(base, "serial"), "w") as f:
            f.write("1000\n")
        config = os.path.join(base, "config")
        with open(config, "w") as f:
            f.write(f"[ca]\ndefault_ca=d\n[d]\ndir={base}\ndatabase={base}/index\nserial={base}/serial\nnew_certs_dir={base}\n"
                    "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n")
        file = os.path.join(base, "request")
        with open(file, "wb") as f:
            f.write(request)
        run("ca", "-batch", "-config", config, "-cert", issuer.cert, "-keyfile", issuer.key, "-in", file, "-notext",
            "-startdate", dates[0], "-enddate", dates[1], "-extfile", extensions, "-out", cert)

    def issue(self, name, names=None, kind=("EC", "ec_paramgen_curve:P-256"), digest="sha256", dates=None, client=False, subject=None):
        """A certificate; (chain, key) as paths. `names` are as in subjectAltName."""
        cert, key = self.path(f"{name}.crt"), self.path(f"{name}.key")
        names = [f"DNS:{name}"] if names is None else names
        use = "clientAuth" if client else "serverAuth"
        extensions = f"basicConstraints=CA:FALSE\nextendedKeyUsage={use}\n"
        if names:
            extensions += f"subjectAltName={','.join(names)}\n"
        self.make(name, cert, key, subject or f"/CN={name}", extensions, self, kind, digest, dates=dates)
        if self.issuer:
            with open(cert, "a") as out, open(self.cert) as more:
                out.write(more.read())
        return cert, key

"""The examples, and the programs in docs/, do what they are there for: a server serves and stops, and answers the curl commands below
it; a test passes; another program ends with 0. (scripts/check-docs compiles them, tutorial_test.py has the tutorial.)"""
import glob
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from support import HERE, NEXUS, echo, free_port, written

DOCS = os.path.abspath(os.path.join(HERE, "../../docs"))
EXAMPLES = os.path.abspath(os.path.join(HERE, "../../examples"))
NEXUS = os.path.abspath(NEXUS)
# What a program finds where it runs.
COMPUTE = """(module (func $fibonacci (export "fibonacci") (param $n i32) (result i32)
  (if (result i32) (i32.lt_s (local.get $n) (i32.const 2)) (then (local.get $n))
    (else (i32.add (call $fibonacci (i32.sub (local.get $n) (i32.const 1))) (call $fibonacci (i32.sub (local.get $n) (i32.const 2))))))))"""
FILES = {"config.json": json.dumps({"server": {"host": "localhost"}, "users": [{"name": "Ada", "age": 36}]}), "avatars/none": "", "compute.wasm": COMPUTE,
         "public/index.html": "<p>hello", "dist/app.js": "", "reports/latest.pdf": "%PDF", "uploads/a.txt": "a", "me.png": "png",
         "page.html": "<p>chat", "index.html": "<p>hello", "prices.csv": "name,price\napple,3\n", "input.txt": "hello\n", "app.toml": '[server]\nport = 8080\n[[sites]]\nhost = "a"\n',
         "library.c": "int add(int a, int b) { return a + b; }\n", "api/data": "some\n"}
# What examples are told behind `--`.
ARGUMENTS = {"proxy": ["127.0.0.1:3000", "http://127.0.0.1:3001"]}
PORT = re.compile(r"\.port = (\d+)|argv\[1\], NULL, 10\)\) : (\d+)|argv\[1\], NULL, 10\) : (\d+)")


def read_some(fd):
    """What is there; empty when there is nothing more."""
    try:
        return os.read(fd, 1 << 16)
    except BlockingIOError:
        return b""


def programs():
    """(page, line, code, curl commands up to the next program)."""
    for page in sorted(glob.glob(os.path.join(DOCS, "*.md"))):
        if page.endswith("/tutorial.md"):
            continue
        with open(page) as f:
            text = f.read()
        blocks = list(re.finditer(r"^```c\n(.*?)^```$", text, re.S | re.M))
        for i, block in enumerate(blocks):
            code = block[1]
            if "#include" not in code or '#include "./' in code or not re.search(r"\bint main\(|^NX_(TEST|BENCH)", code, re.M):
                continue  # a part of a program
            if '"./libcaller.so"' in code:
                continue  # ffi_test.py makes that
            below = text[block.end():blocks[i + 1].start() if i + 1 < len(blocks) else len(text)].split("\n## ")[0]
            yield os.path.basename(page), text[:block.start()].count("\n") + 1, code, re.findall(r"^    (?:\$ )?(curl .*)$", below, re.M)


class Docs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        subprocess.run([NEXUS, "cert"], cwd=cls.home.name, env={**os.environ, "HOME": cls.home.name, "XDG_DATA_HOME": ""}, check=True,
                       capture_output=True)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, contents in FILES.items():
            path = os.path.join(self.folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(contents)
        for name in ("localhost.crt", "localhost.key"):
            shutil.copy(os.path.join(self.home.name, name), self.folder)
        self.env = {**os.environ, "COOKIE_KEY": "0123456789abcdef" * 4, "COOKIE_KEY_OLD": "fedcba9876543210" * 4, "NO_COLOR": "1",
                    "SHORTENER_TOKEN": "s3cret"}

    def save(self, name, code):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(code)
        return path

    def may(self, code, port=None):
        """The least that it needs: its folder, which is the test's, its port, and what else it names."""
        flags = ["--permissions=none", "--allow-read=.", "--allow-write=."]  # one of the examples has a table of its own
        if port:
            flags.append(f"--allow-listen=:{port}")
        for kind, names in (("env", re.findall(r'(?:nx_env\w*|getenv)\("(\w+)"', code)), ("run", re.findall(r'nx_run\(.*?NX_ARGV\("(\w+)"', code)),
                            ("connect", re.findall(r'nx_dns_lookup\("(\w+)"', code) + re.findall(r"https?://(127\.0\.0\.1)", code)),
                            ("ffi", [path for path in glob.glob("/usr/lib*/libm.so.6") + glob.glob("/usr/lib/*/libm.so.6") if "libm.so.6" in code])):
            if names:
                flags.append(f"--allow-{kind}=" + ",".join(sorted(set(names))))
        return flags

    def server(self, code, curls, fail=(), arguments=()):
        port = str(free_port())
        found = PORT.search(code)
        usual = next(filter(None, found.groups())) if found else "3000"
        path = self.save("app.c", code.replace(usual, port).replace("nx_http_server_new()", f"nx_http_server_new(.port = {port})"))
        authority = os.path.join(self.home.name, ".local/share/nexus/authority.crt")
        if "localhost.crt" in code:
            curls = curls or [f"curl --cacert {authority} https://localhost:{port}/"]
        with tempfile.TemporaryFile() as log:
            app = subprocess.Popen([NEXUS, "run", *self.may(" ".join((code, *arguments)), port), path, "--", *(a.replace(usual, port) for a in arguments)],
                                   cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                end = time.time() + 60
                while True:
                    try:
                        socket.create_connection(("127.0.0.1", int(port)), timeout=120).close()
                        break
                    except OSError:
                        if app.poll() is not None or time.time() > end:
                            self.fail(written(log))
                        time.sleep(0.02)
                for command in curls or [f"curl localhost:{port}/"]:
                    words = shlex.split(command.replace(usual, port).replace("~/", self.home.name + "/"), comments=True)
                    streams = "-N" in words or "events" in command  # these go on until somebody hangs up
                    run = subprocess.run([words[0], "-sS", "-m", "3" if streams else "60", *fail, *words[1:]], cwd=self.folder, capture_output=True, text=True)
                    self.assertIn(run.returncode, (0, 28) if streams else (0,), f"{command}\n{run.stderr}")
                app.send_signal(signal.SIGTERM)
                code = app.wait(60)
                self.assertEqual(code, 0, written(log))
            finally:
                if app.poll() is None:
                    app.kill()
                    app.wait()

    def test_examples(self):
        """Each serves, answers the curl commands that it begins with by no error, and stops; its tests pass."""
        for name in sorted(os.listdir(EXAMPLES)):
            with self.subTest(name):
                folder = os.path.join(EXAMPLES, name)
                if not os.path.exists(os.path.join(folder, "app.c")):
                    continue  # guests alone: polyglot_test.py has them
                shutil.copytree(folder, self.folder, dirs_exist_ok=True)
                with open(os.path.join(folder, "app.c")) as f:
                    code = f.read()
                if "nx_http_listen(" not in code:
                    continue  # fs_test.py tries that
                curls = re.findall(r"^ \*\s+(curl .*?)(?: \*/)?$", code, re.M)
                if os.path.exists(os.path.join(folder, "README.md")):
                    with open(os.path.join(folder, "README.md")) as f:
                        curls += re.findall(r"^    (curl .*)$", f.read(), re.M)
                self.server(code, curls, ["--fail"] if curls else [], ARGUMENTS.get(name, ()))
                if glob.glob(f"{folder}/*_test.c"):
                    run = subprocess.run([NEXUS, "test", folder], env=self.env, capture_output=True, text=True, timeout=200)
                    self.assertEqual(run.returncode, 0, run.stdout + run.stderr)

    def asking(self, path):
        """On a terminal it is answered; off one it fails, and says why though the program does not."""
        command = [NEXUS, "run", path]
        run = subprocess.run(command, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(run.returncode, 19)
        self.assertIn("is no terminal", run.stderr)
        master, slave = pty.openpty()
        try:
            app = subprocess.Popen(command, cwd=self.folder, env=self.env, stdin=slave, stdout=slave, stderr=slave)
            os.write(master, b"Ada\n")
            self.assertEqual(app.wait(30), 0)
            os.set_blocking(master, False)
            shown = b"".join(iter(lambda: read_some(master), b""))  # what it wrote at once may come in parts
            self.assertIn(b"Hello, Ada!", shown)
        finally:
            os.close(master)
            os.close(slave)

    def echoing(self, code):
        """It gives back what it gets, and stops."""
        port = free_port()
        app = subprocess.Popen([NEXUS, "run", f"--allow-listen=127.0.0.1:{port}", self.save("app.c", code.replace("3000", str(port)))], cwd=self.folder,
                               env=self.env, stdin=subprocess.DEVNULL)
        try:
            self.assertEqual(echo(app, port, b"hello"), b"hello")
            app.send_signal(signal.SIGTERM)
            self.assertEqual(app.wait(60), 0)
        finally:
            if app.poll() is None:
                app.kill()
                app.wait()

    def fetching(self, code):
        """It gets what a server has."""
        port = free_port()
        server = subprocess.Popen([sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)], cwd=self.folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.time() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=120).close()
                    break
                except OSError:
                    self.assertLess(time.time(), end)
                    time.sleep(0.02)
            run = subprocess.run([NEXUS, "run", f"--allow-connect=localhost:{port}", self.save("app.c", code.replace("3000", str(port)))], cwd=self.folder,
                                 env=self.env, capture_output=True, text=True, timeout=60)
            self.assertEqual((run.returncode, run.stdout), (0, "200: some\n\n"), run.stderr)
        finally:
            server.kill()
            server.wait()

    def test_programs(self):
        count = 0
        for page, line, code, curls in programs():
            count += 1
            if "<nexus-guest.h>" in code:
                continue  # it is for WebAssembly: wasm_nexus_test.py has it
            with self.subTest(f"docs/{page}:{line}"):
                if "nx_http_listen(" in code:
                    self.server(code, curls)
                elif "nx_net_serve(" in code:
                    self.echoing(code)
                elif "nx_fetch(" in code:
                    self.fetching(code)
                elif "nx_prompt(" in code:
                    self.asking(self.save("app.c", code))
                elif "int main(" in code:
                    run = subprocess.run([NEXUS, "run", *self.may(code), self.save("app.c", code)], cwd=self.folder, env=self.env,
                                         input='[{"name":"Ada"}]', capture_output=True, text=True, timeout=60)
                    # 8: it has no tests; 19: this Nexus has no WebAssembly, which is what the program says
                    engine = os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")
                    wanted = 8 if "nx_test_main(" in code else 19 if "<nexus/wasm.h>" in code and not os.path.exists(engine) else 0
                    self.assertEqual(run.returncode, wanted, run.stdout + run.stderr)
                else:
                    run = subprocess.run([NEXUS, "test", self.save("app_test.c", code)], cwd=self.folder, env=self.env,
                                         capture_output=True, text=True, timeout=60)
                    self.assertIn(run.returncode, (0,) if "NX_TEST" in code else (0, 8), run.stdout + run.stderr)
        self.assertGreater(count, 20)


if __name__ == "__main__":
    unittest.main()

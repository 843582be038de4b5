#!/usr/bin/env python3
"""Cryptography from outside: the examples, under the launcher's limits; NEXUS=path/to/nexus python3 tests/e2e/crypto_test.py."""
import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import unittest

from command import Base, wait_for
from support import HERE, free_port

EXAMPLES = os.path.abspath(os.path.join(HERE, "../../examples"))


class SealFile(Base):
    def setUp(self):
        super().setUp()
        shutil.copy(os.path.join(EXAMPLES, "seal-file/app.c"), os.path.join(self.dir, "app.c"))

    def run_it(self, *args, password="correct horse", flags=("--allow-read=.", "--allow-write=.")):
        return self.nexus("run", "app.c", "--allow-env=SEAL_PASSWORD", *flags, "--", *args, env={**os.environ, "SEAL_PASSWORD": password})

    def read(self, name):
        with open(os.path.join(self.dir, name), "rb") as f:
            return f.read()

    def test_the_example(self):
        text = os.urandom(300_000)
        with open(os.path.join(self.dir, "notes.txt"), "wb") as f:
            f.write(text)
        result = self.run_it("seal", "notes.txt", "notes.sealed")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        sealed = self.read("notes.sealed")
        self.assertEqual(len(sealed), 16 + 40 + len(text) + 5 * 16)
        result = self.run_it("open", "notes.sealed", "again.txt")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(self.read("again.txt"), text)

        result = self.run_it("open", "notes.sealed", "wrong.txt", password="wrong horse")
        self.assertEqual(result.returncode, 14)
        self.assertIn("the key or the context is another", result.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "wrong.txt")) and self.read("wrong.txt"))

        with open(os.path.join(self.dir, "cut.sealed"), "wb") as f:
            f.write(sealed[:-1000])
        result = self.run_it("open", "cut.sealed", "cut.txt")
        self.assertEqual(result.returncode, 14)
        self.assertIn("chunk 5", result.stderr)

        with open(os.path.join(self.dir, "short.sealed"), "wb") as f:
            f.write(sealed[:10])
        result = self.run_it("open", "short.sealed", "short.txt")
        self.assertIn("too short", result.stderr)
        self.assertEqual(self.run_it("what").returncode, 2)

    def test_refused(self):
        result = self.run_it("seal", "app.c", "out", flags=("--allow-read=.",))
        self.assertEqual(result.returncode, 7)
        self.assertIn('writing "out" is not allowed; run with --allow-write=out', result.stderr)


class JwtApi(Base):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        with open(os.path.join(EXAMPLES, "jwt-api/app.c")) as f:
            self.write("app.c", f.read().replace("3000", str(self.port)))
        self.start("run", f"--allow-net=:{self.port}", "app.c")
        wait_for(self.listens, 30)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
            return True
        except OSError:
            return False

    def test_the_example(self):
        self.assertEqual(self.ask("POST", "/login", {"name": "ada", "password": "wrong"})[0], 401)
        self.assertEqual(self.ask("POST", "/login", {"name": "nobody", "password": "correct horse"})[0], 401)
        status, answer = self.ask("POST", "/login", {"name": "ada", "password": "correct horse"})
        self.assertEqual(status, 200)
        token = answer["token"]
        self.assertEqual(self.ask("GET", "/me", token=token), (200, {"name": "ada"}))
        self.assertEqual(self.ask("GET", "/me")[0], 401)
        head, claims, signature = token.split(".")
        forged = json.loads(base64.urlsafe_b64decode(claims + "=="))
        forged["sub"] = "grace"
        forged = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip("=")
        none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        for bad in (f"{head}.{forged}.{signature}", f"{none}.{claims}.", f"{head}.{claims}.", "a.b.c", token[:-2]):
            self.assertEqual(self.ask("GET", "/me", token=bad)[0], 401, bad)

    def ask(self, method, path, body=None, token=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        fields = {"content-type": "application/json"} if body else {}
        if token:
            fields["authorization"] = "Bearer " + token
        try:
            connection.request(method, path, json.dumps(body) if body else None, fields)
            response = connection.getresponse()
            text = response.read()
            return response.status, json.loads(text) if response.status == 200 else text
        finally:
            connection.close()


class Sealed(Base):
    def test_randomness_where_nothing_is_allowed(self):
        """The launcher's limits leave the kernel's randomness."""
        self.write("app.c", r"""
#include <nexus.h>
int main(void)
{
    nx_digest digest;
    nx_bytes text;
    char uuid[NX_UUID_TEXT];
    NX_TRY(nx_hash_of(NX_SHA256, nx_str("abc"), &digest));
    NX_TRY(nx_hex_encode(nx_digest_bytes(&digest), &text));
    nx_println("%s %s", nx_uuid_format(nx_uuid_v4(), uuid), text.data);
    return NX_OK;
}
""")
        said = set()
        for _ in range(2):
            result = self.nexus("run", "app.c")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            uuid, digest = result.stdout.split()
            self.assertEqual(digest, hashlib.sha256(b"abc").hexdigest())
            said.add(uuid)
        self.assertEqual(len(said), 2)


if __name__ == "__main__":
    unittest.main()

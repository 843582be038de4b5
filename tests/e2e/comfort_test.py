#!/usr/bin/env python3
"""What the command says when something is wrong, and that it says it: NEXUS=path/to/nexus python3 tests/e2e/comfort_test.py."""
import http.client
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
import unittest

from cli_test import NEXUS, SERVER, SLOW, Base, free_port, get, sanitized, wait_for

LISTENS = r"""
#include <nexus/http.h>
#include <stdlib.h>
static nx_err root(nx_request *req, nx_response *res) { (void)req; return nx_response_send(res, "one"); }
int main(int argc, char **argv)
{
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.host = "127.0.0.1", .port = (uint16_t)atoi(argc > 1 ? argv[1] : "0"));
    nx_http_route(server, "GET", "/", root);
    return nx_http_listen(server);
}
"""


class Terminal:
    """A command on a terminal of its own; `seen` is what it has written there, without colours."""

    def __init__(self, *args, cwd, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd)
                os.execve(NEXUS, [NEXUS, *args], {**os.environ, **(env or {})})
            finally:
                os._exit(127)
        self.raw, self.code = b"", None

    def read(self, seconds):
        """Reads what comes in that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.fd, 4096)
        except OSError:
            piece = b""
        self.raw += piece
        return piece != b""

    @property
    def seen(self):
        return re.sub(r"\x1b\[[0-9;]*[mK]", "", self.raw.decode(errors="replace")).replace("\r\n", "\n")

    def said(self, text, seconds=10):
        end = time.monotonic() + seconds * SLOW
        while text not in self.seen:
            if not self.read(0.05) or time.monotonic() > end:
                raise AssertionError(f"{text!r} is not in {self.seen!r}")

    def end(self, keys=b"", seconds=10):
        """Types the keys and waits for the end; returns the exit code."""
        if self.code is None:
            if keys:
                os.write(self.fd, keys)
            end = time.monotonic() + seconds * SLOW
            while self.read(0.05):
                if time.monotonic() > end:
                    os.kill(self.pid, signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.fd)
        return self.code


class Words(Base):
    def terminal(self, *args, **options):
        terminal = Terminal(*args, cwd=self.dir, **options)
        self.addCleanup(terminal.end, b"\x03")
        return terminal


class Errors(Words):
    def test_an_error_that_main_returns_is_said(self):
        self.write("listens.c", LISTENS)
        port = free_port()
        result = self.nexus("listens.c", str(port))
        self.assertEqual((result.returncode, result.stderr),
                         (7, f"nexus: listening on 127.0.0.1:{port} is not allowed; run with --allow-net=127.0.0.1:{port}\n"))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            result = self.nexus("listens.c", str(port), "--allow-net")
        self.assertEqual(result.returncode, 11)
        self.assertTrue(result.stderr.startswith(f"nexus: cannot listen on 127.0.0.1:{port}: address in use"), result.stderr)
        self.write("reads.c", "#include <nexus/fs.h>\nint main(void) { nx_bytes text; NX_TRY(nx_fs_read_file(\"none\", &text)); return 0; }")
        result = self.nexus("reads.c", "--allow-read")
        self.assertEqual((result.returncode, result.stderr), (8, 'nexus: cannot read "none": no such file\n'))


class Start(Words):
    def test_where_it_listens_is_said(self):
        self.write("answer.h", '#define ANSWER "one"\n')
        self.write("app.c", LISTENS.replace("#include", '#include "answer.h"\n#include', 1))
        port = free_port()
        terminal = self.terminal("app.c", str(port), "--allow-net")
        terminal.said(f"nexus: http://127.0.0.1:{port} (started in ")
        self.assertEqual(get(port), "one")
        self.assertEqual(terminal.end(b"\x03"), 0)
        self.assertNotIn("watching", terminal.seen)
        with self.start("run", "app.c", str(port), "--allow-net", "--watch") as app:
            app.serving(port)
            self.assertRegex(app.errors, rf"^nexus: http://127.0.0.1:{port} \(started in \d+ ms\), watching 2 files\n$")
            self.write("answer.h", '#define ANSWER "two"\n')  # the socket goes on, and so it is not said again
            app.said("started anew")
            app.stop()
            self.assertEqual(app.errors.count("http://"), 1)
        with self.start("run", "app.c", str(port), "--allow-net") as app:
            app.serving(port)
            app.stop()
            self.assertEqual(app.errors, "")

    def test_addresses(self):
        self.server()
        path = os.path.join(self.dir, "s")
        for host, port, said in (("0.0.0.0", free_port(), "http://localhost:%d (on every address, started in "),
                                 ("::1", free_port(), "http://[::1]:%d (started in "), (f"unix:{path}", 0, f"nexus: unix:{path} (started in "),
                                 ("127.0.0.1", 0, None)):
            with self.start("run", "app.c", str(port), host, "--allow-net", "--watch") as app:
                app.said("started in", 15)
                if said:
                    self.assertIn(said % port if "%d" in said else said, app.errors)
                else:
                    self.assertRegex(app.errors, r"http://127.0.0.1:[1-9]\d+ ")
                app.stop()


if __name__ == "__main__":
    unittest.main(verbosity=2 if sys.stdout.isatty() else 1)

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


class Errors(Base):
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


if __name__ == "__main__":
    unittest.main(verbosity=2 if sys.stdout.isatty() else 1)

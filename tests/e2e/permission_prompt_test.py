#!/usr/bin/env python3
"""Questions about permissions on a terminal: NEXUS=path/to/nexus python3 tests/e2e/permission_prompt_test.py [-k name]."""
import os
import pty
import select
import socket
import threading
import time
import unittest

from command import NEXUS, SLOW, Base
from support import free_port

# Connects to each address that it is told, and says how that ended; with "listen:" before one it asks whether it may listen there, with
# "serve:" it does.
PROGRAM = r"""
#include <nexus.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        nx_conn *conn = NULL;
        nx_listener *listener = NULL;
        nx_err err = strncmp(argv[i], "listen:", 7) == 0 ? nx_permission_request(NX_PERMISSION_LISTEN, argv[i] + 7)
                     : strncmp(argv[i], "serve:", 6) == 0 ? nx_net_listen(&listener, argv[i] + 6)
                                                         : nx_net_connect(&conn, argv[i]);
        printf("[%s]\n", err ? nx_err_text(err) : "done");
        fflush(stdout);
        nx_conn_close(conn);
        nx_listener_close(listener);
    }
    return 0;
}
"""


class Asked(Base):
    def setUp(self):
        super().setUp()
        self.write("app.c", PROGRAM)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.listener.close)
        self.peer = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.listener.accept()[0].close()
            except OSError:
                return

    def ask(self, answers, *words, flags=()):
        """Answers one question after the other; returns how often it was asked, and what was said."""
        pid, terminal = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.dir)
                os.execv(NEXUS, [NEXUS, "run", *flags, "app.c", "--", *words])
            finally:
                os._exit(127)
        seen, asked, end = b"", 0, time.monotonic() + 60 * SLOW
        while time.monotonic() < end:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
            if seen.count(b"for always: ") > asked:
                self.assertLess(asked, len(answers), seen)
                os.write(terminal, answers[asked].encode() + b"\n")
                asked += 1
        os.waitpid(pid, 0)
        os.close(terminal)
        text = seen.decode()
        return asked, ["done" in line for line in text.splitlines() if line.startswith("[")], text

    def toml(self):
        with open(os.path.join(self.dir, "nexus.toml")) as f:
            return f.read()

    def test_once_and_for_this_run(self):
        self.assertEqual(self.ask("y", self.peer, self.peer, self.peer)[:2], (1, [True] * 3))
        self.assertEqual(self.ask("oon", self.peer, self.peer, self.peer)[:2], (3, [True, True, False]))
        self.assertEqual(self.ask(["n", "", "y"], self.peer, self.peer, self.peer, self.peer)[:2], (3, [False, False, True, True]))
        self.assertFalse(os.path.exists(os.path.join(self.dir, "nexus.toml")))

    def test_listening_once(self):
        own = f"serve:127.0.0.1:{free_port()}"
        self.assertEqual(self.ask("oon", own, own, own)[:2], (3, [True, True, False]))
        self.assertEqual(self.ask("ny", own, own, own)[:2], (2, [False, True, True]))

    def test_connecting_is_no_listening(self):
        own = f"127.0.0.1:{free_port()}"
        self.assertEqual(self.ask("yyn", f"listen:{own}", self.peer, own, self.peer)[:2], (3, [True, True, False, True]))

    def test_always(self):
        asked, done, text = self.ask("a", self.peer, self.peer)
        self.assertEqual((asked, done), (1, [True, True]), text)
        self.assertEqual(self.toml(), f'[permissions]\nconnect = ["{self.peer}"]\n')
        self.assertEqual(self.ask("", self.peer)[:2], (0, [True]))
        own = f"127.0.0.1:{free_port()}"
        self.assertEqual(self.ask("a", self.peer, f"listen:{own}")[:2], (1, [True, True]))
        self.assertEqual(self.toml(), f'[permissions]\nlisten = ["{own}"]\nconnect = ["{self.peer}"]\n')

    def test_always_keeps_what_is_there(self):
        for before, after, flags in (
                ('# mine\nmain = "app.c"', '# mine\nmain = "app.c"\n\n[permissions]\nconnect = ["PEER"]\n', ()),
                ('[permissions] # so\nread = ["x"]\n[wasm]\n', '[permissions] # so\nconnect = ["PEER"]\nread = ["x"]\n[wasm]\n', ()),
                ('[permissions]\nconnect = [ # these\n  "a.b:1",\n]\n', '[permissions]\nconnect = ["PEER",  # these\n  "a.b:1",\n]\n', ()),
                ('[permissions]\nconnect = []', '[permissions]\nconnect = ["PEER"]', ()),
                ('[permissions]', '[permissions]\nconnect = ["PEER"]\n', ()),
                ('[permissions.dev]\nread = ["x"]\n', '[permissions.dev]\nread = ["x"]\n\n[permissions]\nconnect = ["PEER"]\n', ()),
                ('[permissions]\nread = ["x"]\n[permissions.dev]\n', '[permissions]\nread = ["x"]\n[permissions.dev]\nconnect = ["PEER"]\n',
                 ["--permissions=dev"])):
            with self.subTest(before):
                self.write("nexus.toml", before)
                asked, done, text = self.ask("a", self.peer, flags=flags)
                self.assertEqual((asked, done, self.toml()), (1, [True], after.replace("PEER", self.peer)), text)
                self.assertEqual(self.ask("", self.peer, flags=flags)[:2], (0, [True]))

    def test_always_where_that_can_not_be(self):
        for before, flags, why in (
                ("", ["--allow-write=."], "the program may write"), (None, ["--allow-write=."], "the program could write nexus.toml"),
                (None, ["--permissions=none"], "leaves nexus.toml out"),
                ('permissions = {read = ["x"]}\n', [], "no table with a header of its own"), ('permissions.read = ["x"]\n', [], "header of its own")):
            with self.subTest(before=before, flags=flags):
                if before is None:
                    os.unlink(os.path.join(self.dir, "nexus.toml")) if os.path.exists(os.path.join(self.dir, "nexus.toml")) else None
                else:
                    self.write("nexus.toml", before)
                asked, done, text = self.ask("a", self.peer, self.peer, flags=flags)
                self.assertEqual((asked, done, "for this run alone" in text), (1, [True, True], True), text)
                self.assertIn(why, " ".join(text.split()))
                if before is not None:
                    self.assertEqual(self.toml(), before)


if __name__ == "__main__":
    unittest.main()

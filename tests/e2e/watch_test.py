#!/usr/bin/env python3
"""nexus run --watch end to end: NEXUS=path/to/nexus python3 tests/e2e/watch_test.py [-k name]."""
import http.client
import os
import re
import signal
import socket
import sys
import threading
import time
import unittest

from command import SERVER, SLOW, Base, get, sanitized, wait_for
from support import free_port


class Watch(Base):
    def watch(self, *flags, **options):
        self.port = free_port()
        return self.start("run", "app.c", str(self.port), "--allow-net", "--watch", *flags, **options)

    def test_edit_and_no_connection_is_lost(self):
        self.server("one")
        app = self.watch().serving(self.port, "one")
        failures, done = [], threading.Event()

        def hammer():
            while not done.is_set():
                try:
                    get(self.port)
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))

        clients = [threading.Thread(target=hammer) for _ in range(4)]
        for client in clients:
            client.start()
        for answer in ("two", "three", "four"):
            self.server(answer)
            wait_for(lambda: get(self.port) == answer)
            time.sleep(0.05)
        done.set()
        for client in clients:
            client.join()
        self.assertEqual(failures, [])
        self.assertEqual(app.stop(), 0)

    def test_request_in_flight_is_answered_by_the_old(self):
        self.write("app.c", (SERVER % {"answer": "old"}).replace("NX_MS(500)", "NX_S(8)"))
        app = self.watch().serving(self.port, "old")
        answer = []
        client = threading.Thread(target=lambda: answer.append(get(self.port, "/slow")))
        client.start()
        app.said("slow begins")
        self.server("new")
        wait_for(lambda: get(self.port) == "new")
        self.assertEqual(answer, [])
        client.join()
        self.assertEqual(answer, ["old"])

    def test_compile_error_keeps_the_old(self):
        self.server("one")
        app = self.watch().serving(self.port, "one")
        self.write("app.c", "int main(void) { return }")
        app.said("the running program stays")
        self.assertEqual(get(self.port), "one")
        self.server("mended")
        wait_for(lambda: get(self.port) == "mended")

    def test_first_compile_fails(self):
        self.write("app.c", "int main(void) { return }")
        app = self.watch()
        app.said("waiting for a change")
        self.server("mended")
        app.serving(self.port, "mended")
        self.assertEqual(app.stop(), 0)

    def ask(self, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120 * SLOW)
        try:
            connection.request(method, "/", body)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    def test_a_program_that_fails_at_start(self):
        self.server("one")
        app = self.watch().serving(self.port, "one")
        failures = [("int main(void) { return 3; }", "app.c ended with exit code 3"),
                    ("int main(void) { *(volatile int *)8 = 1; }", "app.c ended (Segmentation fault)"),
                    ("int main(void) { return }", '"app.c" does not compile')]
        for text, why in failures:
            self.write("app.c", text)
            app.said("waiting for a change")
            app.errors = ""
            status, headers, body = self.ask()
            self.assertEqual((status, headers["refresh"], headers["connection"]), (503, "1", "close"))
            self.assertTrue(body.startswith(why + "."), body)
        self.assertEqual(self.ask("HEAD")[2], "")
        self.assertEqual(self.ask("POST", b"x" * 1000000)[0], 503)  # read to its end, or the answer would be lost
        with socket.create_connection(("127.0.0.1", self.port), timeout=120 * SLOW) as s:
            s.sendall(b"\x16\x03\x01")
            self.assertEqual(s.recv(100), b"")
        # More than there is room for, which say nothing, hold up the others for no longer than their time.
        idle = [socket.create_connection(("127.0.0.1", self.port), timeout=120 * SLOW) for _ in range(20)]
        self.assertEqual(self.ask()[0], 503)
        # Who has not asked yet is left to the new program.
        fresh = socket.create_connection(("127.0.0.1", self.port), timeout=120 * SLOW)
        time.sleep(0.05)
        self.server("mended")
        wait_for(lambda: self.ask()[2] == "mended")
        self.assertEqual(fresh.recv(100), b"")
        for s in (*idle, fresh):
            s.close()
        self.assertEqual(app.stop(), 0)

    def test_connections_that_waited_for_a_program_that_fails(self):
        self.server("one")
        self.watch().serving(self.port, "one")
        self.write("app.c", f"#include <unistd.h>\nint main(void) {{ usleep({500000 * SLOW}); return 4; }}")
        answers = []

        def refused():  # the first that comes after the change waits meanwhile
            answers.append(self.ask())
            return answers[-1][0] != 200
        wait_for(refused)
        self.assertEqual(answers[-1][0], 503)
        self.assertIn("exit code 4", answers[-1][2])

    def test_included_files_and_ways_to_save(self):
        text = (SERVER % {"answer": ""}).replace('#define ANSWER ""', '#include "answer.h"')
        self.write("app.c", text)
        self.write("answer.h", '#define ANSWER "one"\n')
        self.watch().serving(self.port, "one")
        path = os.path.join(self.dir, "answer.h")
        with open(path, "w") as f:  # in place
            f.write('#define ANSWER "two"\n')
        wait_for(lambda: get(self.port) == "two")
        os.rename(path, path + "~")  # vim: the old one aside, a new one in its place
        with open(path, "w") as f:
            f.write('#define ANSWER "three"\n')
        wait_for(lambda: get(self.port) == "three")
        self.write("answer.h", '#define ANSWER "four"\n')  # a rename over it
        wait_for(lambda: get(self.port) == "four")

    def test_without_a_cache(self):
        self.write("plugin.c", "int plugin(void) { return 1; }")
        self.write("app.c", (SERVER % {"answer": "one"}).replace("    const char *port", "    nx_module *plugin;\n"
                   "    NX_TRY(nx_import(&plugin, \"./plugin.c\"));\n    const char *port", 1))
        cache = self.write("file", "")
        app = self.watch(env={**os.environ, "NEXUS_CACHE": cache + "/cache", "TMPDIR": self.dir}).serving(self.port, "one")
        before = get(self.port, "/pid")
        self.server("one")  # without the import, so it is another program
        wait_for(lambda: get(self.port, "/pid") != before)
        before = get(self.port, "/pid")
        self.server("one")  # saved without a change
        time.sleep(0.3)
        self.assertEqual(get(self.port, "/pid"), before)
        with self.assertRaises((OSError, http.client.HTTPException)):
            get(self.port, "/crash")
        self.assertEqual(get(self.port), "one")
        app.said("crash")
        if not sanitized():  # else the report is the sanitizer's own
            wait_for(lambda: re.search(r"  crash +/.*/app\.c:\d+\n", app.errors))
        self.assertEqual(app.stop(), 0)
        self.assertEqual(app.errors.count("cannot use the compile cache"), 1, app.errors)
        self.assertEqual(sorted(os.listdir(self.dir)), ["app.c", "file", "plugin.c"])

    def test_other_files_do_not_restart(self):
        self.server("one")
        self.watch().serving(self.port, "one")
        before = get(self.port, "/pid")
        self.write("other.c", "int x;")
        self.write("notes.txt", "x")
        self.server("one")  # saved without a change
        time.sleep(0.3)
        self.assertEqual(get(self.port, "/pid"), before)

    def test_imported_files(self):
        self.write("plugin.c", 'const char *answer(void) { return "one"; }')
        self.write("app.c", (SERVER % {"answer": ""})
                   .replace("int main(", "static const char *(*imported)(void);\nint main(")
                   .replace('#define ANSWER ""', "static const char *(*imported)(void);\n#define ANSWER imported()")
                   .replace("    const char *port", """    nx_module *plugin;
    NX_TRY(nx_import(&plugin, "./plugin.c"));
    NX_TRY(nx_module_symbol(plugin, "answer", &imported));
    const char *port""", 1))
        self.watch().serving(self.port, "one")
        self.write("plugin.c", 'const char *answer(void) { return "two"; }')
        wait_for(lambda: get(self.port) == "two")
        self.write("plugin.c", 'const char *answer(void) { return "three"; }')
        wait_for(lambda: get(self.port) == "three")

    def test_ended_program_starts_again_on_change(self):
        self.write("app.c", "int main(void) { return 3; }")
        app = self.start("run", "app.c", "--watch")
        app.said("ended with exit code 3; waiting for a change")
        self.write("app.c", "int main(void) { return 4; }")
        app.said("ended with exit code 4; waiting for a change")
        self.assertEqual(app.stop(signal.SIGINT), 130)

    def test_other_address_after_a_change(self):
        self.server("one")
        self.watch().serving(self.port, "one")
        self.write("app.c", (SERVER % {"answer": "two"}).replace("127.0.0.1", "0.0.0.0"))
        wait_for(lambda: self.try_get() == "two")

    def try_get(self):
        try:
            return get(self.port)
        except (OSError, http.client.HTTPException):
            return None


if __name__ == "__main__":
    unittest.main(verbosity=2 if sys.stdout.isatty() else 1)

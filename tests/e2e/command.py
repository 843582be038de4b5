"""The command, run in a folder with a program: what cli_test.py and watch_test.py share."""
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

from support import without_reports

NEXUS = os.path.abspath(os.environ.get("NEXUS", "build/bin/nexus"))
SLOW = 10 if os.environ.get("NEXUS_SLOW") else 1  # under sanitizers or an emulator
# A crash is to end the program as it would without a sanitizer.
os.environ.setdefault("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:handle_sigbus=0:detect_leaks=0")

SERVER = r"""
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define ANSWER "%(answer)s"
static nx_err root(nx_request *req, nx_response *res) { (void)req; return nx_response_send(res, ANSWER); }
static nx_err slow(nx_request *req, nx_response *res)
{
    (void)req;
    fprintf(stderr, "slow begins\n");
    NX_TRY(nx_sleep(NX_MS(500)));
    return nx_response_send(res, ANSWER);
}
static nx_err held(nx_request *req, nx_response *res)
{
    (void)req;
    fprintf(stderr, "held begins\n");
    NX_TRY(nx_sleep(NX_S(600)));
    return nx_response_send(res, ANSWER);
}
static nx_err crash(nx_request *req, nx_response *res) { (void)req; (void)res; *(volatile int *)8 = 1; return NX_OK; }
static nx_err pid(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("pid", (int)getpid()));
}
int main(int argc, char **argv)
{
    const char *port = argc > 1 ? argv[1] : "0";
    nx_http_server *server = nx_http_server_new(.host = argc > 2 ? argv[2] : "127.0.0.1", .port = (uint16_t)atoi(port));
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/slow", slow);
    nx_http_route(server, "GET", "/held", held);
    nx_http_route(server, "GET", "/crash", crash);
    nx_http_route(server, "GET", "/pid", pid);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "app: %%s\n", nx_error_last()->message);
    nx_http_server_free(server);
    return err;
}
"""


def get(port, path="/", timeout=120):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout * SLOW)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def wait_for(what, seconds=60.0):
    end = time.monotonic() + seconds * SLOW
    while time.monotonic() < end:
        result = what()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError("did not happen in time")


def sanitized():
    with open(NEXUS, "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(p) for p in f.read().split()]
    except OSError:
        return []


class Running:
    """A `nexus run`, or another program, in the background, with its stderr collected."""

    def __init__(self, *args, cwd, program=NEXUS, **options):
        self.process = subprocess.Popen([program, *args], cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, errors="replace", **options)
        self.errors = ""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            self.errors += line

    def serving(self, port, text=None):
        def answers():
            try:
                answer = get(port)
            except (OSError, http.client.HTTPException):
                if self.process.poll() is not None:
                    raise AssertionError(f"ended with {self.process.returncode}: {self.errors}")
                return False
            return text is None or answer == text

        wait_for(answers)
        return self

    def said(self, text, seconds=60):
        try:
            wait_for(lambda: text in self.errors, seconds)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {self.errors!r}") from None

    def stop(self, signo=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(signo)
        return self.wait()

    def wait(self, timeout=120):
        code = self.process.wait(timeout * SLOW)
        self.reader.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        if not self.process.stdout.closed:
            self.wait()


class Base(unittest.TestCase):
    def setUp(self):
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="nexus-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        aside = path + ".aside"
        with open(aside, "w") as f:
            f.write(text)
        os.rename(aside, path)
        return path

    def server(self, answer="one", name="app.c"):
        return self.write(name, SERVER % {"answer": answer})

    def nexus(self, *args, env=None, watchdog=False, **options):
        full = dict(os.environ, **(env or {}))
        result = subprocess.run([NEXUS, *args], cwd=self.dir, capture_output=True, text=True, errors="replace", timeout=200 * SLOW,
                                stdin=subprocess.DEVNULL, env=full, **options)
        if not watchdog:
            result.stderr = without_reports(result.stderr)
        return result

    def start(self, *args, **options):
        running = Running(*args, cwd=self.dir, **options)
        self.addCleanup(running.__exit__)
        return running

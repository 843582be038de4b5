"""A program under nexus dev, and what its tests share."""
import html
import http.client
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import time
import unittest

from command import SLOW
from support import NEXUS, free_port, grants, written

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

APP = r"""#include <nexus/fiber.h>
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>
#include "store.h"

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "content-type", "text/html; charset=utf-8");
    return nx_response_send(res, "<!doctype html><title>all is well</title><h1>VERSION</h1>");
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    fprintf(stderr, "about to follow a <pointer>\n");
    return store_crash(res);
}

static nx_err boom(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(store_load("missing.json"));
    return nx_response_send(res, "never");
}

static nx_err bare(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return NX_EIO;
}

static int compare(const void *a, const void *b)
{
    const int *none = NULL;
    return *none + *(const int *)a + *(const int *)b;
}

static nx_err library(nx_request *req, nx_response *res)
{
    (void)req;
    int v[] = {4, 3, 2, 1};
    qsort(v, 4, sizeof *v, compare);
    return nx_response_json(res, nx_obj("v", v[0]));
}

static nx_err in_strlen(nx_request *req, nx_response *res)
{
    (void)req;
    const char *volatile none = NULL;
    return nx_response_json(res, nx_obj("length", (int)strlen(none)));
}

static nx_err child_main(void *arg)
{
    *(volatile int *)arg = 1;
    return NX_OK;
}

static nx_err child(nx_request *req, nx_response *res)
{
    (void)req;
    nx_fiber *fiber;
    NX_TRY(nx_spawn(&fiber, child_main, NULL));
    NX_TRY(nx_join(fiber));
    return nx_response_send(res, "never");
}

static nx_err late(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_write(res, nx_str("begun")));
    abort();
}

static int deep(volatile char *above)
{
    volatile char here[1024];
    here[0] = above[0];
    return deep(here) + here[0];
}

static nx_err overflow(nx_request *req, nx_response *res)
{
    (void)req;
    volatile char none = 0;
    return nx_response_json(res, nx_obj("n", deep(&none)));
}

static nx_err quit(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    fprintf(stderr, "\033[31mleaving\033[0m\n");
    exit(11);
}

int main(int argc, char **argv)
{
    (void)argc;
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)strtol(argv[1], NULL, 10));
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "*", "/crash", crash);
    nx_http_route(server, "GET", "/crash/*rest", crash);
    nx_http_route(server, "GET", "/boom", boom);
    nx_http_route(server, "GET", "/bare", bare);
    nx_http_route(server, "GET", "/library", library);
    nx_http_route(server, "GET", "/strlen", in_strlen);
    nx_http_route(server, "GET", "/child", child);
    nx_http_route(server, "GET", "/late", late);
    nx_http_route(server, "GET", "/overflow", overflow);
    nx_http_route(server, "GET", "/quit", quit);
    return nx_http_listen(server);
}
"""

STORE_H = """#include <nexus/http.h>

nx_err store_crash(nx_response *res);
nx_err store_load(const char *name);
"""

STORE_C = """#include "store.h"

struct note {
    int id;
    char *title;
};

static struct note *find(int id)
{
    (void)id;
    return NULL;
}

nx_err store_crash(nx_response *res)
{
\tstruct note *note = find(7);
\treturn nx_response_send(res, note->title);\t/* \u65e5\u672c\u8a9e, and <b>tags</b> */
}

nx_err store_load(const char *name)
{
    return nx_fail(NX_ENOENT, "cannot read \\"%s\\": no such <file>", name);
}
"""


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read().decode()


class Project:
    """A program under nexus dev, or another command, in a folder of its own."""

    def __init__(self, *flags, command="dev", files=None, env=None, wait=True, terminal=False):
        self.folder = tempfile.TemporaryDirectory()
        self.dir = os.path.realpath(self.folder.name)
        self.cache = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.port = free_port()
        for name, text in (files or {"app.c": APP, "store.h": STORE_H, "store.c": STORE_C, "nexus.toml": 'main = "app.c"\n'}).items():
            self.write(name, text)
        self.log = tempfile.TemporaryFile()
        self.terminal = None
        error = self.log
        if terminal:
            self.terminal, error = pty.openpty()
        self.process = subprocess.Popen([NEXUS, command, *grants(self.port, flags=flags), "app.c", "--", str(self.port)], cwd=self.dir,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=error,
                                        env={**os.environ, "NEXUS_CACHE": self.cache.name, "TERM": "xterm", **(env or {})})
        if terminal:
            os.close(error)
        if wait:
            try:
                self.wait_for(lambda: self.ask("/").status == 200)
            except BaseException:
                self.close()
                raise

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + "~", "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        os.rename(path + "~", path)

    def ask(self, path="/", method="GET", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15 * SLOW)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def browse(self, path="/", **more):
        return self.ask(path, headers=HTML, **more)

    def wait_for(self, condition, seconds=60):
        end = time.time() + seconds * SLOW
        while time.time() < end and self.process.poll() is None:
            try:
                if condition():
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise AssertionError("never true\n" + self.output())

    def said(self, text, seconds=60):
        self.wait_for(lambda: text in self.output(), seconds)

    def output(self):
        if self.terminal is not None:
            self.screen = getattr(self, "screen", b"")
            while select.select([self.terminal], [], [], 0)[0]:
                try:
                    data = os.read(self.terminal, 65536)
                except OSError:
                    break
                if not data:
                    break
                self.screen += data
            return self.screen.decode(errors="replace")
        return written(self.log)

    def break_it(self, text, name="app.c"):
        """Saves what does not compile, and waits until that is known."""
        before = self.output().count("waiting for a change")
        self.write(name, text)
        self.wait_for(lambda: self.output().count("waiting for a change") > before)
        time.sleep(0.15 * SLOW)  # connections that were open already may bring one more request to the old program

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            finally:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()
        if self.terminal is not None:
            os.close(self.terminal)
        self.log.close()
        self.folder.cleanup()
        self.cache.cleanup()


class DevTest(unittest.TestCase):
    def project(self, *flags, **more):
        project = Project(*flags, **more)
        self.addCleanup(project.close)
        return project


def visible(page):
    """The text of a page, tags taken out."""
    page = re.sub(r"(?s)<(style|script)\b.*?</\1>", "", page)
    return html.unescape(re.sub(r"<[^>]*>", "", page))


BROKEN = APP.replace('    (void)req;\n    nx_response_header', '    int unused;\n    (void)req;\n\tint x = "\u65e5\u672c" + undeclared_thing;\n    nx_response_header', 1)

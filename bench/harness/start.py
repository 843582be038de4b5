"""The program: how soon it runs, how soon an edit shows, and how large it is."""
import json
import os
import shutil
import statistics
import time

from . import peers, proc
from .peers import Server, TOOLS, WORK
from .proc import Failed
from .row import RUNTIMES, SCRIPTS, SERVERS, Group, Row, at_most, below, every


def _starts(command, port, quick):
    tool = [str(TOOLS / "bench_start")] + (["--port", str(port)] if port else [])
    text = proc.output(tool + ["3" if quick else "15"] + command, env=peers.environment(), cwd=WORK)
    return statistics.median(json.loads(text)[1:])  # the first one warms the caches


def _cold_main(name, wanted, quick):
    command = [str(TOOLS / "bench_floor_main")]
    if name != "floor":
        command = peers.script_command(name, "main.js", "micro/main.c")
    return {"cold_start_main": _starts(command, 0, quick)}


def _cold_http(name, wanted, quick):
    port = peers.free_port()
    return {"cold_start_http": _starts(peers.server_command(name, port), port, quick)}

C_SERVER = """#include "local.h"
#include <nexus/http.h>
#include <stdlib.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("edit", %d));
}

int main(int argc, char **argv)
{
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    nx_http_route(server, "GET", "/", root);
    return nx_http_listen(server);
}
"""
JS_HANDLER = "const edit = () => JSON.stringify({ edit: %d });\n"
JS_HEAD = 'const headers = { "content-type": "application/json" };\n'
JS_SERVERS = {
    "node": """const handler = (q, r) => { const b = edit();
    r.writeHead(200, { ...headers, "content-length": b.length }); r.end(b); };
require("node:http").createServer(handler).listen(+process.argv[2], "127.0.0.1");
""",
    "bun": 'Bun.serve({ port: +process.argv[2], hostname: "127.0.0.1", fetch: () => new Response(edit(), { headers }) });\n',
    "deno": 'Deno.serve({ port: +Deno.args[0], hostname: "127.0.0.1" }, () => new Response(edit(), { headers }));\n',
}


def _padded(text, line, lines):
    """The text with as many lines of `line` (which gets a number) behind it as make `lines` in all."""
    missing = lines - text.count("\n")
    return text + "".join(line % i for i in range(missing))


def _edit_project(name):
    """Makes the program to edit. Returns its path and a function from the number of the edit to its text."""
    folder = WORK / f"edit-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name == "nexus":
        header = "/* Functions that the server does not call. */\n"
        header = _padded(header, "static inline int local_%d(int x) { return x + 1; }\n", 500)
        (folder / "local.h").write_text(header)
        return folder / "app.c", lambda edit: _padded(C_SERVER % edit, "/* line %d */\n", 112)
    text = JS_HEAD + JS_HANDLER + JS_SERVERS[name]
    return folder / "app.js", lambda edit: _padded(text.replace("%d", str(edit)), "// line %d\n", 112)


def _edit(name, row, compiler, quick, nexus=("run", "--watch")):
    if name == "nexus" and not shutil.which(compiler):
        raise Failed(f"{compiler} is not installed")
    path, text = _edit_project(name)
    path.write_text(text(0))
    watch = {
        "nexus": [*nexus, "--allow-listen=127.0.0.1", str(path), "--"],
        "node": ["--watch", str(path)],
        "bun": ["--watch", str(path)],
        "deno": ["run", "--watch", "--allow-net", str(path)],
    }[name]

    def command(port):
        return [peers.program(name), *watch, str(port)]

    env = peers.environment()
    env["CC"] = compiler
    took = []
    with Server(name, command, core=False, env=env, expect=b'{"edit":0}') as server:
        time.sleep(0.5)
        for edit in range(1, 3 if quick else 6):
            content, want = text(edit).encode(), b'{"edit":%d}' % edit
            start = time.monotonic()
            with open(path, "wb") as file:
                file.write(content)
            while _answer(server.port) != want:
                if time.monotonic() - start > 10:
                    raise Failed("the edit did not show within 10 s")
            took.append((time.monotonic() - start) * 1000)
            time.sleep(0.3)
    return {row: statistics.median(took)}


def _answer(port):
    try:
        return peers.ask(port)[1]
    except (OSError, ValueError):
        time.sleep(0.0002)
        return b""


def _size(name, wanted, quick):
    stripped = WORK / f"stripped-{name}"
    path = shutil.copyfile(os.path.realpath(peers.program(name)), stripped)
    # The peers' are measured as they are shipped: Bun and Deno carry data behind the program that strip would cut.
    if name == "nexus":
        proc.output(["strip", str(path)])
    size = os.path.getsize(path)
    os.unlink(path)
    return {"binary_size": size}


GROUPS = [
    Group([Row("cold_start_main", "start to main", "ms", "lower", "at most 5 and below bun; aim 2",
               lambda v: every(v["nexus"] <= 5, at_most(v, "bun", 1)))],
          SCRIPTS, _cold_main, not_for="nginx runs no program"),
    Group([Row("cold_start_http", "start to first HTTP answer", "ms", "lower", "at most 5 and below bun; aim 2",
               lambda v: every(v["nexus"] <= 5, at_most(v, "bun", 1)))],
          SERVERS, _cold_http),
    Group([Row("edit_to_answer_tcc", "edit to first answer, tcc (peers: --watch)", "ms", "lower", "at most 50",
               below(50))],
          RUNTIMES, lambda name, wanted, quick: _edit(name, "edit_to_answer_tcc", "tcc", quick),
          not_for="it has no watch mode"),
    Group([Row("edit_to_answer_gcc", "edit to first answer, gcc", "ms", "lower", "at most 150", below(150))],
          ["nexus"], lambda name, wanted, quick: _edit(name, "edit_to_answer_gcc", "gcc", quick),
          not_for="no compiler: its value is in edit_to_answer_tcc"),
    Group([Row("edit_to_answer_dev", "the same under nexus dev, tcc", "ms", "lower", "at most 50", below(50))],
          ["nexus"], lambda name, wanted, quick: _edit(name, "edit_to_answer_dev", "tcc", quick, ["dev"]),
          not_for="its value is in edit_to_answer_tcc"),
    Group([Row("edit_to_answer_dev_gcc", "the same under nexus dev, gcc", "ms", "lower", "at most 150", below(150))],
          ["nexus"], lambda name, wanted, quick: _edit(name, "edit_to_answer_dev_gcc", "gcc", quick, ["dev"]),
          not_for="no compiler: its value is in edit_to_answer_tcc"),
    Group([Row("binary_size", "size of the program, stripped", "bytes", "lower", "below 5,000,000", below(4_999_999))],
          ["nexus", "node", "bun", "deno", "nginx"], _size, rounds=1, not_for="it is no product"),
]

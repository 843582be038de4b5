"""The rows: what is measured, for whom, and how one round of it goes.

A group measures one peer for one round and gives the values of one or more rows."""
import json
import os
import shutil
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from . import http2, peers, proc
from .peers import Server, TOOLS, WORK
from .proc import Failed

SERVERS = ["nexus", "floor", "node", "bun", "deno", "nginx"]
SCRIPTS = ["nexus", "floor", "node", "bun", "deno"]
RUNTIMES = ["nexus", "node", "bun", "deno"]
IDLE_CONNECTIONS = 10_000


@dataclass
class Row:
    name: str
    title: str
    unit: str
    better: str
    target: str = ""
    reached: Callable = None  # from the values to True or False; None where there is nothing to reach


@dataclass
class Group:
    """Rows that are measured together. `measure(peer, wanted, quick)` gives {row: value}."""

    rows: list
    peers: list
    measure: Callable
    rounds: int = 0  # 0: as asked for
    not_for: str = ""  # why the other peers have no value


def _http(name, wanted, quick):
    values = {}
    with Server(name) as server:
        server.load("--seconds", 0.3 if quick else 1.5)  # let caches and compilers warm up
        closed = None
        if {"http_user_cpu", "http_total_cpu"} & wanted:
            cpu_values, closed = _http_cpu(server, 0.4 if quick else 10)
            values.update(cpu_values)
        if "loop_latency_p99" in wanted:
            closed = closed or server.load("--seconds", 0.3 if quick else 1.5)["rate"]
            half = server.load("--seconds", 0.5 if quick else 3, "--rate", round(closed / 2))
            values["loop_latency_p99"] = half["latency_us"]["p99"]
        if "http_pipelined_16" in wanted:
            if not quick:
                server.load("--seconds", 1, "--depth", 16)
            values["http_pipelined_16"] = server.load("--seconds", 0.4 if quick else 3, "--depth", 16)["rate"]
    return values


def _http_cpu(server, enough, path="/"):
    """CPU a request, over as many loads as it takes for the server to use `enough` seconds of CPU."""
    sampler = proc.Sampler(proc.cores()[0])
    user_ticks = total = 0.0
    requests = user_samples = samples = rate = 0
    for _ in range(4):
        before = proc.Cpu(server.pid)
        if sampler.ok:
            sampler.begin()
        seen = server.load("--seconds", max(0.3, (enough - total) * 1.05), "--path", path)
        if sampler.ok:
            user, all_of_it, _ = sampler.end(server.pid)
            user_samples += user
            samples += all_of_it
        user, used = proc.Cpu(server.pid).since(before)
        user_ticks += user
        total += used
        requests += seen["requests"]
        rate = max(rate, seen["rate"])
        if total >= enough:
            break
    sampler.close()
    user_part = user_samples / samples if samples else user_ticks / total
    return {"http_user_cpu": total * user_part / requests * 1e6, "http_total_cpu": total / requests * 1e6}, rate


def _json_document():
    """A list of users of 10 KB as a browser sends it, and what the servers answer to it."""
    users = [{"id": 1000 + i, "name": f"User Number {i}", "email": f"user{i}@example.com", "active": i % 3 > 0,
              "paid": i * 37, "score": round(i * 1.37, 2), "tags": ["alpha", "beta"], "city": "Ko\u0308ln" if i % 5 else "Riga",
              "note": None} for i in range(65)]
    text = json.dumps({"users": users}, ensure_ascii=False, separators=(",", ":"))
    answer = {"count": len(users), "paid": sum(user["paid"] for user in users)}
    return text.encode(), json.dumps(answer, separators=(",", ":")).encode()


def _json_10k(name, wanted, quick):
    text, answer = _json_document()
    path = WORK / "users.json"
    path.write_bytes(text)

    def command(port):
        if name == "nexus":
            return [peers.program(name), "run", "--release", "--allow-all", str(peers.BENCH / "http" / "json.c"), "--", str(port)]
        run = ["run", "--allow-net"] if name == "deno" else []
        return [peers.program(name), *run, str(peers.BENCH / "peers" / "json.mjs"), str(port)]

    with Server(name, command) as server:
        server.load("--body", path, "--seconds", 0.3 if quick else 1.5, expect=answer)
        return {"json_10k": server.load("--body", path, "--seconds", 0.4 if quick else 3, expect=answer)["rate"]}


def _added(name, row, path, with_it, without, quick):
    """The user CPU a request that something adds: two servers, one after the other."""
    cpu = []
    for arguments in (without, with_it):
        def command(port, arguments=arguments):
            source = str(peers.BENCH / "http" / "routes.c")
            return [peers.program(name), "run", "--release", "--allow-all", source, "--", str(port), *arguments]
        with Server(name, command) as server:
            server.load("--seconds", 0.3 if quick else 1.5, "--path", path)
            cpu.append(_http_cpu(server, 0.4 if quick else 10, path)[0]["http_user_cpu"])
    return {row: cpu[1] - cpu[0]}


def _middleware(name, wanted, quick):
    return _added(name, "middleware_10", "/", ("10", "1"), ("0", "1"), quick)


def _routes(name, wanted, quick):
    return _added(name, "routes_1000", "/api/v1/group0/12345", ("0", "333"), ("0", "1"), quick)


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
    return {"cold_start_http": _starts(peers.server_command(name, port, sealed=True), port, quick)}


def _idle(name, wanted, quick):
    values = {}
    with Server(name) as server:
        time.sleep(0.3 if quick else 1)
        before, _ = proc.memory(server.pid)
        values["idle_rss"] = before / 1024
        if "idle_connections_10k" in wanted:
            count = min(IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
            if count < IDLE_CONNECTIONS:
                print(f"note: the limit of open files allows {count} idle connections only (ulimit -Hn)")
            command = [str(TOOLS / "bench_load"), "--port", str(server.port), "--idle", str(count)]
            client = proc.start(command, proc.cores()[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                if not client.stdout.readline():
                    raise Failed(f"could not hold {count} connections")
                time.sleep(0.2 if quick else 1)
                after, _ = proc.memory(server.pid)
                client.stdin.close()
                closed = json.loads(client.stdout.readline() or '{"closed":-1}')["closed"]
                if closed:
                    raise Failed(f"{closed} of {count} idle connections were closed")
            finally:
                client.stdin = None
                proc.stop(client)
            values["idle_connections_10k"] = (after - before) / count
    return values


def _ws_server(name):
    def command(port):
        if name == "nexus":
            return [peers.program(name), "run", "--release", "--allow-all", str(peers.BENCH / "http" / "ws.c"), "--", str(port)]
        if name == "floor":
            return [str(TOOLS / "bench_floor_ws"), str(port)]
        if name == "bun":
            return [peers.program(name), str(peers.BENCH / "peers" / "ws.bun.js"), str(port)]
        package = peers.MODULES / "ws" / "wrapper.mjs"
        if not package.exists():
            raise Failed("the package ws is not installed; install it with: bench/setup")
        return [peers.program(name), str(peers.BENCH / "peers" / "ws.mjs"), str(port), str(package)]
    return Server(name, command, expect=b"hello", json_body=False)


def _ws_rate(server, quick, *arguments):
    """Messages that a second of the server's CPU carries."""
    def run(seconds):
        command = [str(TOOLS / "bench_ws"), arguments[0], str(server.port), *map(str, arguments[1:]), str(seconds)]
        return json.loads(proc.output(command, 120, proc.cores()[1]))["messages"]
    run(0.3 if quick else 1)
    before = proc.Cpu(server.pid)
    messages = run(0.4 if quick else 4)
    return messages / proc.Cpu(server.pid).since(before)[1]


def _ws_idle(server, path, count, quick):
    """Bytes of the server's memory for each connection that is held."""
    before, _ = proc.memory(server.pid)
    command = [str(TOOLS / "bench_ws"), "idle", str(server.port), path, str(count)]
    client = proc.start(command, proc.cores()[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if not client.stdout.readline():
            raise Failed(f"could not hold {count} connections")
        time.sleep(0.2 if quick else 1)
        return (proc.memory(server.pid)[0] - before) / count
    finally:
        client.stdin.close()
        client.stdin = None
        proc.stop(client)


def _http2(name, wanted, quick):
    values = {}
    if "http2_requests" in wanted:
        values["http2_requests"] = http2.requests(name, quick)
    if "http2_idle_10k" in wanted:
        count = min(IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
        values["http2_idle_10k"] = http2.idle(name, quick, count)
    return values


def _ws(name, wanted, quick):
    values = {}
    path = "/callbacks" if name == "nexus" else "/"
    count = min(IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
    for row, depth, size in (("ws_echo_64", 1, 64), ("ws_echo_64_many", 64, 64), ("ws_echo_16k", 16, 16384)):
        if row in wanted:
            with _ws_server(name) as server:
                values[row] = _ws_rate(server, quick, "echo", path, 64, depth, size)
    for row, one in (("ws_idle_callbacks", path), ("ws_idle_loop", "/loop")):
        if row in wanted and (row == "ws_idle_callbacks" or name == "nexus"):
            with _ws_server(name) as server:
                values[row] = _ws_idle(server, one, count, quick)
    if "ws_publish_10k" in wanted and name != "floor":
        with _ws_server(name) as server:
            values["ws_publish_10k"] = _ws_rate(server, quick, "publish", "/publish", count, 64)
    return values


def _tls(name, wanted, quick):
    """What a second of the server's CPU does: connections with a handshake and a request each, megabytes of a file."""
    folder = WORK / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "1m.bin").exists():
        (folder / "1m.bin").write_bytes(os.urandom(1 << 20))
    values = {}
    with Server(name, lambda port: peers.tls_command(name, port, folder), tls=True) as server:
        def load(*options, seconds):
            before = proc.Cpu(server.pid)
            command = [str(TOOLS / "bench_tls"), "--port", str(server.port), "--seconds", str(seconds), *options]
            seen = json.loads(proc.output(command, 120, proc.cores()[1]))
            return seen, proc.Cpu(server.pid).since(before)[1]

        load(seconds=0.2 if quick else 1)
        for row, options in (("tls_handshake", []), ("tls_resumed", ["--resume"]), ("tls_bulk", ["--path", "/files/1m.bin"])):
            if row not in wanted:
                continue
            seen, cpu = load(*options, seconds=0.4 if quick else 5)
            if row == "tls_resumed" and seen["resumed"] < seen["requests"] - 2:
                raise Failed(f"only {seen['resumed']} of {seen['requests']} sessions were taken up again")
            values[row] = (seen["bytes"] / 1e6 if row == "tls_bulk" else seen["requests"]) / cpu
        if "tls_idle_10k" in wanted:
            count = min(1000 if quick else IDLE_CONNECTIONS, proc.raise_file_limit() - 500)
            before, _ = proc.memory(server.pid)
            client = proc.start([str(TOOLS / "bench_tls"), "--port", str(server.port), "--idle", str(count)], proc.cores()[1],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                if not client.stdout.readline():
                    raise Failed(f"could not hold {count} connections")
                time.sleep(0.2 if quick else 1)
                values["tls_idle_10k"] = (proc.memory(server.pid)[0] - before) / count
            finally:
                client.stdin.close()
                client.stdin = None
                proc.stop(client)
    return values


STATIC = {"static_1k": ("1k.bin", 1 << 10, 64), "static_1m": ("1m.bin", 1 << 20, 8), "static_1g": ("1g.bin", 1 << 30, 2)}


def _static(name, wanted, quick):
    """What a second of the server's CPU sends: requests of the small file, megabytes of the others."""
    folder = WORK / "static"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_bytes(peers.BODY)
    values = {}
    for row, (file, size, _) in STATIC.items():
        if row in wanted and not ((folder / file).exists() and (folder / file).stat().st_size == size):
            with open(folder / file, "wb") as out:
                for _ in range(0, size, 1 << 20):
                    out.write(os.urandom(min(size, 1 << 20)))
    with Server(name, lambda port: peers.static_command(name, port, folder), json_body=False) as server:
        for row, (file, size, connections) in STATIC.items():
            if row not in wanted:
                continue
            if size > 1 << 10:
                tool = [str(TOOLS / "bench_stream"), str(server.port), f"/{file}", str(connections)]
            else:
                tool = [str(TOOLS / "bench_load"), "--port", str(server.port), "--path", f"/{file}", "--connections",
                        str(connections), "--seconds"]
            core = proc.cores()[1]
            proc.output(tool + [str(0.3 if quick else 1)], 120, core)
            before = proc.Cpu(server.pid)
            seen = json.loads(proc.output(tool + [str(0.5 if quick else 4)], 120, core))
            _, used = proc.Cpu(server.pid).since(before)
            values[row] = (seen["bytes"] / 1e6 if size > 1 << 10 else seen["requests"]) / used
    return values


def _files_made(quick):
    """A large file, 10,000 small ones, a tree of 100,000 entries. Made once."""
    folder = WORK / "files"
    large = 64 if quick else 1024
    path = folder / "large"
    if not path.exists() or path.stat().st_size != large << 20:
        folder.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as out:
            for _ in range(large):
                out.write(os.urandom(1 << 20))
    for name, folders, files, size in (("small", 100, 100, 2048), ("tree", 1000, 99, 0)):
        if (folder / name / "whole").exists():
            continue
        for i in range(folders):
            (folder / name / str(i)).mkdir(parents=True, exist_ok=True)
            for j in range(files):
                with open(folder / name / str(i) / str(j), "wb") as out:
                    out.write(b"x" * size)
        (folder / name / "whole").touch()
    return folder, large


def _files(name, wanted, quick):
    folder, large = _files_made(quick)
    values = {}
    for row, mode, *arguments in (("file_read_1g", "read", folder / "large"), ("file_write_1g", "write", folder / f"out-{name}", large),
                                  ("pipe_upper_1g", "pipe", folder / "large", folder / f"out-{name}"),
                                  ("pipe_copy_1g", "copy", folder / "large", folder / f"out-{name}"), ("files_small_10k", "small", folder / "small"), ("walk_100k", "walk", folder / "tree")):
        if row not in wanted:
            continue
        command = peers.files_command(name, folder, mode, *arguments)
        rates = []
        writes = mode in ("write", "pipe", "copy")
        for _ in range(1 if quick or writes else 6):
            if writes:
                os.sync()  # nobody waits for what was written before
            rates.append(json.loads(proc.output(command, 120, env=peers.environment(), cwd=WORK))["rate"])
        values[row] = statistics.median(rates[1:] or rates)  # the first one fills the page cache
        (folder / f"out-{name}").unlink(missing_ok=True)
    return values


def _crypto(name, wanted, quick):
    values = {}
    for row, mode in (("sha256_1g", "sha256"), ("blake3_1g", "blake3"), ("seal_aes_1g", "aes"), ("seal_chacha_1g", "chacha")):
        if row in wanted and not (mode == "blake3" and name not in ("nexus", "floor")):
            command = peers.crypto_command(name, mode, 64 if quick else 1024)
            values[row] = json.loads(proc.output(command, 120, proc.cores()[0], env=peers.environment(), cwd=WORK))["rate"]
    return values


def _fiber(name, wanted, quick):
    command = peers.script_command(name, "fiber.mjs", "micro/fiber.c")
    seen = json.loads(proc.output(command, core=proc.cores()[0], env=peers.environment(), cwd=WORK))
    return {"fiber_switch": seen["switch"], "fiber_spawn_join": seen["spawn_join"]}


def _worker(name, wanted, quick):
    # Both cores: threads that wake each other are what is measured.
    command = [str(TOOLS / "bench_floor_worker")] if name == "floor" else peers.script_command(name, "worker.mjs", "micro/worker.c")
    seen = json.loads(proc.output(command, 120, env=peers.environment(), cwd=WORK))
    rows = {"worker_start": "start", "worker_round_trip": "round_trip", "worker_parcel_1m": "parcel", "parallel_speedup": "speedup",
            "worker_process_start": "process_start", "worker_process_round_trip": "process_round_trip"}
    return {row: seen[key] for row, key in rows.items() if row in wanted and key in seen}


def _timer(name, wanted, quick):
    values = {}
    # span in ms, sleeps, lanes: a second or so each
    for ms, count, lanes in ((1, 1000, 1), (10, 400, 4), (100, 200, 20)):
        row = f"timer_error_{ms}ms"
        if row not in wanted:
            continue
        count = max(lanes, count // 4) if quick else count
        command = [str(TOOLS / "bench_floor_timer"), str(ms), str(count), str(lanes)]
        if name != "floor":
            command = peers.script_command(name, "timer.mjs", "micro/timer.c", ms, count, lanes)
        text = proc.output(command, core=proc.cores()[0], env=peers.environment(), cwd=WORK)
        values[row] = json.loads(text)["p99"]
    return values


def _net(name, wanted, quick):
    script = str(peers.BENCH / "peers" / "net.mjs")
    if name == "floor":
        command = [str(TOOLS / "bench_floor_net")]
    elif name == "nexus":
        command = [peers.program(name), "run", "--release", "--allow-net", str(peers.BENCH / "micro" / "net.c"), "--"]
    else:
        command = [peers.program(name), *(["run", "--allow-net"] if name == "deno" else []), script]
    text = proc.output([*command, "1" if quick else "10"], 120, proc.cores()[0], env=peers.environment(), cwd=WORK)
    seen = json.loads(text)
    rows = {"net_echo": "echo", "net_connect": "connect", "net_udp": "udp"}
    return {row: seen[key] for row, key in rows.items() if row in wanted and key in seen}


def _client(name, wanted, quick):
    """The server has the first core, as ever, and the client what the load generator else has."""
    count = 10_000 if quick else 100_000
    with Server("floor") as server:
        url = f"http://127.0.0.1:{server.port}/"
        script = str(peers.BENCH / "peers" / "client.mjs")
        if name == "nexus":
            command = [peers.program(name), "run", "--release", f"--allow-net=127.0.0.1:{server.port}",
                       str(peers.BENCH / "micro" / "client.c"), "--", url, str(count)]
        elif name == "go":
            built = WORK / "client-go"
            proc.output([peers.program(name), "build", "-o", str(built), str(peers.BENCH / "peers" / "client.go")], 300,
                        env=dict(peers.environment(), GOCACHE=str(WORK / "go"), GOFLAGS="-mod=mod"), cwd=WORK)
            command = [str(built), url, str(count)]
        elif name == "node":
            undici = peers.MODULES / "undici" / "index.js"
            if not undici.exists():
                raise Failed("undici is not installed; install it with: bench/setup")
            command = [peers.program(name), script, url, str(count), str(undici)]
        else:
            command = [peers.program(name), *(["run", "--allow-net"] if name == "deno" else []), script, url, str(count)]
        text = proc.output(command, 120, proc.cores()[1], env=peers.environment(), cwd=WORK)
    return {"client_h1": json.loads(text)["rate"]}


def _log(name, wanted, quick):
    path = WORK / f"log-{name}"
    if name == "nexus":
        command = [peers.program(name), "run", "--release", f"--allow-write={path}", str(peers.BENCH / "micro" / "log.c"),
                   "--", str(path)]
        text = proc.output(command, env=peers.environment(), cwd=WORK)
    else:
        # Its standard output is the file, so it gives the result on the other.
        command = peers.script_command(name, "log.mjs", "micro/log.c")
        shell = ["sh", "-c", 'exec "$@" 2>&1 >"$0"', str(path), *command]
        text = proc.output(shell, env=peers.environment(), cwd=WORK)
    if not path.read_text().endswith("}\n"):
        raise Failed("the log is not whole")
    path.unlink()
    return {"log_line": json.loads(text)["line"]}


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
        "nexus": [*nexus, "--allow-all", str(path), "--"],
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


def _ratio(values, other, limit):
    """Whether nexus is at most `limit` times another; None when either is missing."""
    if "nexus" not in values or other not in values:
        return None
    return values["nexus"] <= limit * values[other]


def _least(values, other, limit):
    if "nexus" not in values or other not in values:
        return None
    return values["nexus"] >= limit * values[other]


def _ahead(values):
    """Of Node, Bun and Deno, as far as they are there."""
    others = [values[name] for name in ("node", "bun", "deno") if name in values]
    return values["nexus"] > max(others) if others else None


def _below(limit):
    return lambda v: v["nexus"] <= limit


def _all(*answers):
    return None if None in answers else all(answers)


GROUPS = [
    Group([
        Row("http_user_cpu", "user CPU a request, depth 1, 64 connections", "us", "lower", "at most 0.35", _below(0.35)),
        Row("http_total_cpu", "total CPU a request, depth 1, 64 connections", "us", "lower", "at most 1.05 of the floor",
            lambda v: _ratio(v, "floor", 1.05)),
        Row("http_pipelined_16", "16 pipelined, one core", "requests/s", "higher",
            "at least 10 of node and 0.6 of the floor",
            lambda v: _all(_least(v, "node", 10), _least(v, "floor", 0.6))),
        Row("loop_latency_p99", "HTTP latency p99 at half of the greatest load", "us", "lower", "at most 100",
            _below(100)),
    ], SERVERS, _http),
    Group([Row("json_10k", "parse 10 KB of JSON and answer, one core", "requests/s", "higher",
               "at least 5 of node, and above bun", lambda v: _all(_least(v, "node", 5), _least(v, "bun", 1)))],
          RUNTIMES, _json_10k, not_for="it parses no JSON"),
    Group([Row("middleware_10", "user CPU a request that ten middleware add", "us", "lower", "at most 0.1", _below(0.1))],
          ["nexus"], _middleware, not_for="it is not compared"),
    Group([Row("routes_1000", "user CPU a request that 998 more routes add", "us", "lower", "at most 0.02, which is noise",
               _below(0.02))],
          ["nexus"], _routes, not_for="it is not compared"),
    Group([Row("cold_start_main", "start to main", "ms", "lower", "at most 5 and below bun; aim 2",
               lambda v: _all(v["nexus"] <= 5, _ratio(v, "bun", 1)))],
          SCRIPTS, _cold_main, not_for="nginx runs no program"),
    Group([Row("cold_start_http", "start to first HTTP answer", "ms", "lower", "at most 5 and below bun; aim 2",
               lambda v: _all(v["nexus"] <= 5, _ratio(v, "bun", 1)))],
          SERVERS, _cold_http),
    Group([
        Row("idle_rss", "RSS of an idle HTTP server, all its processes", "KiB", "lower", "below 5,000 (5 MB)",
            _below(5000)),
        Row("idle_connections_10k", "process memory of an idle connection, of 10,000", "bytes", "lower",
            "at most 1,024", _below(1024)),
    ], SERVERS, _idle),
    Group([Row("ws_echo_64", "echo of 64 bytes, 64 WebSockets, one on the way", "messages/CPU s", "higher", "ahead of bun",
               lambda v: _least(v, "bun", 1)),
           Row("ws_echo_64_many", "the same with 64 on the way", "messages/CPU s", "higher", "ahead of bun, 5 of ws on node",
               lambda v: _all(_least(v, "bun", 1), _least(v, "node", 5))),
           Row("ws_echo_16k", "echo of 16 KiB, 64 WebSockets, 16 on the way", "messages/CPU s", "higher", "ahead of bun",
               lambda v: _least(v, "bun", 1)),
           Row("ws_idle_callbacks", "memory of an idle WebSocket, of 10,000", "bytes", "lower", "at most 2,048 above plain", _below(2900)),
           Row("ws_idle_loop", "the same, with a handler that loops", "bytes", "lower", "at most 12,288 above plain", _below(13000)),
           Row("ws_publish_10k", "64 bytes to 10,000 listeners", "messages/CPU s", "higher", "ahead of bun", lambda v: _least(v, "bun", 1))],
          ["nexus", "floor", "node", "bun"], _ws, not_for="only bun and the package ws are compared"),
    Group([
        Row("tls_handshake", "connections with TLS 1.3 and a request each", "1/CPU s", "higher", "ahead of nginx, 5 of node",
            lambda v: _all(_least(v, "nginx", 1), _least(v, "node", 5))),
        Row("tls_resumed", "the same, sessions taken up again", "1/CPU s", "higher", "ahead of nginx, 5 of node",
            lambda v: _all(_least(v, "nginx", 1), _least(v, "node", 5))),
        Row("tls_bulk", "file of 1 MiB by HTTPS", "MB/CPU s", "higher", "ahead of nginx, 3 of node",
            lambda v: _all(_least(v, "nginx", 1), _least(v, "node", 3))),
        Row("tls_idle_10k", "process memory of an idle connection with TLS, of 10,000", "bytes", "lower"),
    ], ["nexus", "node", "bun", "nginx"], _tls, not_for="it has no TLS of its own"),
    Group([
        Row("http2_requests", "HTTP/2, 10 connections of 32 streams", "requests/CPU s", "higher", "ahead of nginx, 10 of node",
            lambda v: _all(_least(v, "nginx", 1), _least(v, "node", 10))),
        Row("http2_idle_10k", "process memory of an idle connection of HTTP/2, of 10,000", "bytes", "lower"),
    ], ["nexus", "node", "nginx"], _http2, not_for="HTTP/2 with prior knowledge is not measured there"),
    Group([
        Row("static_1k", "file of 1 KiB, 64 connections", "requests/CPU s", "higher", "ahead of nginx",
            lambda v: _least(v, "nginx", 1)),
        Row("static_1m", "file of 1 MiB, 8 connections", "MB/CPU s", "higher", "ahead of nginx",
            lambda v: _least(v, "nginx", 1)),
        Row("static_1g", "file of 1 GiB, 2 connections", "MB/CPU s", "higher", "ahead of nginx",
            lambda v: _least(v, "nginx", 1)),
    ], ["nexus", "node", "bun", "nginx"], _static, not_for="no file server of its own is measured"),
    Group([
        Row("file_read_1g", "read a file of 1 GiB that is in memory", "MB/s", "higher", "0.95 of the floor, ahead of the others",
            lambda v: _all(_least(v, "floor", 0.95), _ahead(v))),
        Row("file_write_1g", "write 1 GiB, with fsync", "MB/s", "higher", "0.95 of the floor, ahead of the others",
            lambda v: _all(_least(v, "floor", 0.95), _ahead(v))),
        Row("pipe_upper_1g", "a file of 1 GiB in capitals into another", "MB/s", "higher", "0.9 of the floor, ahead of the others",
            lambda v: _all(_least(v, "floor", 0.9), _ahead(v))),
        Row("pipe_copy_1g", "a file of 1 GiB into another as it is", "MB/s", "higher", "0.9 of the floor",
            lambda v: _least(v, "floor", 0.9)),
        Row("files_small_10k", "read 10,000 files of 2 KiB", "files/s", "higher", "5 of node, ahead of bun, 1 / 1.15 of the floor",
            lambda v: _all(_least(v, "floor", 1 / 1.15), _least(v, "node", 5), _least(v, "bun", 1))),
        Row("walk_100k", "walk a tree of 100,000 entries", "entries/s", "higher", "5 of node, ahead of bun, 1 / 1.15 of the floor",
            lambda v: _all(_least(v, "floor", 1 / 1.15), _least(v, "node", 5), _least(v, "bun", 1))),
    ], SCRIPTS, _files, not_for="it runs no program"),
    Group([Row(name, text, "MB/s", "higher", "0.95 of the floor", lambda v: _least(v, "floor", 0.95)) for name, text in (
        ("sha256_1g", "SHA-256 of 1 GiB in pieces of 1 MiB"), ("blake3_1g", "BLAKE3 of 1 GiB in pieces of 1 MiB"),
        ("seal_aes_1g", "seal 1 GiB with AES-256-GCM in chunks of 64 KiB"),
        ("seal_chacha_1g", "seal 1 GiB with ChaCha20-Poly1305 in chunks of 64 KiB"))],
          SCRIPTS, _crypto, not_for="it runs no program"),
    Group([
        Row("fiber_switch", "from a fiber's yield into the next fiber (peers: await)", "ns", "lower", "below 10",
            _below(10)),
        Row("fiber_spawn_join", "spawn and join a fiber (peers: call and await)", "ns", "lower", "below 200",
            _below(200)),
    ], RUNTIMES, _fiber, not_for="it has no fibers"),
    Group([
        Row("worker_start", "start and join a worker", "us", "lower", "4 of the floor", lambda v: _ratio(v, "floor", 4)),
        Row("worker_round_trip", "a message to a worker and back", "us", "lower", "1.25 of the floor, below node and bun",
            lambda v: _all(_ratio(v, "floor", 1.25), _ratio(v, "node", 1), _ratio(v, "bun", 1))),
        Row("worker_parcel_1m", "1 MiB to a worker and back, handed over", "us", "lower", "1.25 of the floor's message",
            lambda v: _ratio(v, "floor", 1.25)),
        Row("worker_process_start", "start and join a process worker (peers: fork, a message and its answer)", "us", "lower",
            "below node and bun", lambda v: _all(_ratio(v, "node", 1), _ratio(v, "bun", 1))),
        Row("worker_process_round_trip", "64 bytes to a process worker and back", "us", "lower", "2 of the floor, below node and bun",
            lambda v: _all(_ratio(v, "floor", 2), _ratio(v, "node", 1), _ratio(v, "bun", 1))),
        Row("parallel_speedup", "a loop over items, on all cores against one", "times", "higher", "at least 1.8", lambda v: v["nexus"] >= 1.8),
    ], SCRIPTS, _worker, not_for="it runs no program"),
    Group([Row(f"timer_error_{ms}ms", f"error of a timer of {ms} ms, p99", "us", "lower", "at most 1,000", _below(1000))
           for ms in (1, 10, 100)], SCRIPTS, _timer, not_for="it runs no program"),
    Group([
        Row("net_echo", "round trip of 64 bytes over TCP, both ends on one core", "us", "lower", "below node",
            lambda v: _ratio(v, "node", 1)),
        Row("net_connect", "connections made, accepted and closed", "connections/s", "higher", "above node", lambda v: _least(v, "node", 1)),
        Row("net_udp", "datagrams of 1,200 bytes sent and received", "datagrams/s", "higher", "at least 3 of node",
            lambda v: _least(v, "node", 3)),
    ], SCRIPTS, _net, not_for="it runs no program"),
    Group([Row("client_h1", "requests of the HTTP client, 64 at a time (node: undici.request; bun and deno: fetch; go: net/http)",
               "requests/s", "higher", "above all", lambda v: _all(*(_least(v, peer, 1) for peer in ("node", "bun", "deno", "go"))))],
          ["nexus", "node", "bun", "deno", "go"], _client, not_for="it is no client"),
    Group([Row("log_line", "log line with three fields, in the caller (peers: process.stdout.write of JSON)", "ns",
               "lower", "below 300", _below(300))],
          RUNTIMES, _log, not_for="it logs nothing"),
    Group([Row("edit_to_answer_tcc", "edit to first answer, tcc (peers: --watch)", "ms", "lower", "at most 50",
               _below(50))],
          RUNTIMES, lambda name, wanted, quick: _edit(name, "edit_to_answer_tcc", "tcc", quick),
          not_for="it has no watch mode"),
    Group([Row("edit_to_answer_gcc", "edit to first answer, gcc", "ms", "lower", "at most 150", _below(150))],
          ["nexus"], lambda name, wanted, quick: _edit(name, "edit_to_answer_gcc", "gcc", quick),
          not_for="no compiler: its value is in edit_to_answer_tcc"),
    Group([Row("edit_to_answer_dev", "the same under nexus dev, tcc", "ms", "lower", "at most 50", _below(50))],
          ["nexus"], lambda name, wanted, quick: _edit(name, "edit_to_answer_dev", "tcc", quick, ["dev"]),
          not_for="its value is in edit_to_answer_tcc"),
    Group([Row("edit_to_answer_dev_gcc", "the same under nexus dev, gcc", "ms", "lower", "at most 150", _below(150))],
          ["nexus"], lambda name, wanted, quick: _edit(name, "edit_to_answer_dev_gcc", "gcc", quick, ["dev"]),
          not_for="no compiler: its value is in edit_to_answer_tcc"),
    Group([Row("binary_size", "size of the program, stripped", "bytes", "lower", "below 5,000,000", _below(4_999_999))],
          ["nexus", "node", "bun", "deno", "nginx"], _size, rounds=1, not_for="it is no product"),
]

ROWS = [row for group in GROUPS for row in group.rows]

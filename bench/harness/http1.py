"""HTTP/1.1: what a request costs, and what a server that waits holds."""
import json
import subprocess
import time

from . import peers, proc
from .peers import Server, TOOLS, WORK
from .proc import Failed
from .row import IDLE_CONNECTIONS, RUNTIMES, SERVERS, Group, Row, at_least, at_most, below, every


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
            return [peers.program(name), "run", "--release", f"--allow-listen=127.0.0.1:{port}", str(peers.BENCH / "http" / "json.c"), "--", str(port)]
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
            return [peers.program(name), "run", "--release", f"--allow-listen=127.0.0.1:{port}", source, "--", str(port), *arguments]
        with Server(name, command) as server:
            server.load("--seconds", 0.3 if quick else 1.5, "--path", path)
            cpu.append(_http_cpu(server, 0.4 if quick else 10, path)[0]["http_user_cpu"])
    return {row: cpu[1] - cpu[0]}


def _middleware(name, wanted, quick):
    return _added(name, "middleware_10", "/", ("10", "1"), ("0", "1"), quick)


def _routes(name, wanted, quick):
    return _added(name, "routes_1000", "/api/v1/group0/12345", ("0", "333"), ("0", "1"), quick)


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


GROUPS = [
    Group([
        Row("http_user_cpu", "user CPU a request, depth 1, 64 connections", "us", "lower", "at most 0.35", below(0.35)),
        Row("http_total_cpu", "total CPU a request, depth 1, 64 connections", "us", "lower", "at most 1.05 of the floor",
            lambda v: at_most(v, "floor", 1.05)),
        Row("http_pipelined_16", "16 pipelined, one core", "requests/s", "higher",
            "at least 10 of node and 0.6 of the floor",
            lambda v: every(at_least(v, "node", 10), at_least(v, "floor", 0.6))),
        Row("loop_latency_p99", "HTTP latency p99 at half of the greatest load", "us", "lower", "at most 100",
            below(100)),
    ], SERVERS, _http),
    Group([Row("json_10k", "parse 10 KB of JSON and answer, one core", "requests/s", "higher",
               "at least 5 of node, and above bun", lambda v: every(at_least(v, "node", 5), at_least(v, "bun", 1)))],
          RUNTIMES, _json_10k, not_for="it parses no JSON"),
    Group([Row("middleware_10", "user CPU a request that ten middleware add", "us", "lower", "at most 0.1", below(0.1))],
          ["nexus"], _middleware, not_for="it is not compared"),
    Group([Row("routes_1000", "user CPU a request that 998 more routes add", "us", "lower", "at most 0.02, which is noise",
               below(0.02))],
          ["nexus"], _routes, not_for="it is not compared"),
    Group([
        Row("idle_rss", "RSS of an idle HTTP server, all its processes", "KiB", "lower", "below 5,000 (5 MB)",
            below(5000)),
        Row("idle_connections_10k", "process memory of an idle connection, of 10,000", "bytes", "lower",
            "at most 1,024", below(1024)),
    ], SERVERS, _idle),
]

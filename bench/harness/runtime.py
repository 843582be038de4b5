"""What the runtime itself costs: fibers, workers, timers, sockets, the log."""
import json

from . import peers, proc
from .peers import TOOLS, WORK
from .proc import Failed
from .row import RUNTIMES, SCRIPTS, Group, Row, at_least, at_most, below, every


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


def _wasm_lacks():
    there = (peers.nexus_path.parent / "../lib/libnexus-engine.so").exists()
    return "" if there else 'it was built without WebAssembly; make with cargo 1.95 or newer builds it'


def _wasm(name, wanted, quick):
    command = peers.script_command(name, "wasm.mjs", "micro/wasm.c", "0.1" if quick else "1")
    seen = json.loads(proc.output(command, 120, proc.cores()[0], env=peers.environment(), cwd=WORK))
    return {f"wasm_{row}": seen[row] for row in ("call", "batch", "host", "instantiate")}


GROUPS = [
    Group([
        Row("fiber_switch", "from a fiber's yield into the next fiber (peers: await)", "ns", "lower", "below 10",
            below(10)),
        Row("fiber_spawn_join", "spawn and join a fiber (peers: call and await)", "ns", "lower", "below 200",
            below(200)),
    ], RUNTIMES, _fiber, not_for="it has no fibers"),
    Group([
        Row("worker_start", "start and join a worker", "us", "lower", "4 of the floor", lambda v: at_most(v, "floor", 4)),
        Row("worker_round_trip", "a message to a worker and back", "us", "lower", "1.25 of the floor, below node and bun",
            lambda v: every(at_most(v, "floor", 1.25), at_most(v, "node", 1), at_most(v, "bun", 1))),
        Row("worker_parcel_1m", "1 MiB to a worker and back, handed over", "us", "lower", "1.25 of the floor's message",
            lambda v: at_most(v, "floor", 1.25)),
        Row("worker_process_start", "start and join a process worker (peers: fork, a message and its answer)", "us", "lower",
            "below node and bun", lambda v: every(at_most(v, "node", 1), at_most(v, "bun", 1))),
        Row("worker_process_round_trip", "64 bytes to a process worker and back", "us", "lower", "2 of the floor, below node and bun",
            lambda v: every(at_most(v, "floor", 2), at_most(v, "node", 1), at_most(v, "bun", 1))),
        Row("parallel_speedup", "a loop over items, on all cores against one", "times", "higher", "at least 1.8", lambda v: v["nexus"] >= 1.8),
    ], SCRIPTS, _worker, not_for="it runs no program"),
    Group([Row(f"timer_error_{ms}ms", f"error of a timer of {ms} ms, p99", "us", "lower", "at most 1,000", below(1000))
           for ms in (1, 10, 100)], SCRIPTS, _timer, not_for="it runs no program"),
    Group([
        Row("wasm_call", "a call of a WebAssembly function, prepared", "ns", "lower", "at most 12", below(12)),
        Row("wasm_batch", "the same, each of 16 at once (peers: one call)", "ns", "lower", "at most 3, below node and bun",
            lambda v: every(v["nexus"] <= 3, at_most(v, "node", 1), at_most(v, "bun", 1))),
        Row("wasm_host", "a call from WebAssembly into the program", "ns", "lower", "at most 3", below(3)),
        Row("wasm_instantiate", "a guest of a module that is there, made and dropped", "us", "lower", "at most 5", below(5)),
    ], RUNTIMES, _wasm, not_for="it runs no WebAssembly", lacks=_wasm_lacks),
    Group([
        Row("net_echo", "round trip of 64 bytes over TCP, both ends on one core", "us", "lower", "below node",
            lambda v: at_most(v, "node", 1)),
        Row("net_connect", "connections made, accepted and closed", "connections/s", "higher", "above node", lambda v: at_least(v, "node", 1)),
        Row("net_udp", "datagrams of 1,200 bytes sent and received", "datagrams/s", "higher", "at least 3 of node",
            lambda v: at_least(v, "node", 3)),
    ], SCRIPTS, _net, not_for="it runs no program"),
    Group([Row("log_line", "log line with three fields, in the caller (peers: process.stdout.write of JSON)", "ns",
               "lower", "below 300", below(300))],
          RUNTIMES, _log, not_for="it logs nothing"),
]

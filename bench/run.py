#!/usr/bin/env python3
"""The benchmark suite: Nexus, its peers and the floor on the same work in one run. docs/bench.md explains it."""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from harness import peers, proc, report, rows
from harness.peers import BENCH, ROOT, WORK


def build_tools():
    build = ROOT / "build" / "bench-tools"
    commands = [["cmake", "-S", str(BENCH), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"],
                ["cmake", "--build", str(build)]]
    for command in commands:
        if not shutil.which("cmake"):
            sys.exit("bench: cmake is not installed; install it with: bench/setup")
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            sys.exit("bench: cannot build the floor and the load generator:\n" + done.stdout.decode())


def arguments():
    names = [row.name for row in rows.ROWS]
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument("--only", default=os.environ.get("ONLY", ""), metavar="ROW[,ROW]",
                        help="only these rows: " + ", ".join(names))
    parser.add_argument("--peers", default="", metavar="PEER[,PEER]", help="only these of: " + ", ".join(peers.NAMES))
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS") or 0), metavar="N",
                        help="rounds, 7 by default (1 with --quick)")
    parser.add_argument("--nexus", type=pathlib.Path, default=peers.nexus_path, metavar="PROGRAM",
                        help="the nexus to measure, dist/bin/nexus by default")
    parser.add_argument("--quick", action="store_true",
                        help="very short rounds: shows that every row works, and no more")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is not reached")
    options = parser.parse_args()
    options.only = set(filter(None, options.only.split(","))) or set(names)
    options.peers = set(filter(None, options.peers.split(","))) or set(peers.NAMES)
    for given, known, what in ((options.only, names, "row"), (options.peers, peers.NAMES, "peer")):
        for name in sorted(given - set(known)):
            parser.error(f"there is no {what} \"{name}\"; choose from: {', '.join(known)}")
    peers.nexus_path = options.nexus.resolve()
    options.rounds = options.rounds or (1 if options.quick else 7)
    return options


def warn_of_noise():
    for warning in proc.machine_noise():
        print(f"warning: the machine is not quiet: {warning}", flush=True)


def run_group(group, wanted, options, figures, absent):
    """All rounds of a group. A peer that fails is left out of the rest of it, with the reason."""
    for row in wanted:
        for peer in peers.NAMES:
            if peer in options.peers and peer not in group.peers and group.not_for and peer not in peers.GUESTS:
                figures.miss(row, peer, group.not_for)
    chosen = [peer for peer in group.peers if peer in options.peers]
    for peer in [p for p in chosen if p in absent]:
        for row in wanted:
            figures.miss(row, peer, absent[peer])
    chosen = [peer for peer in chosen if peer not in absent]
    if group.lacks and "nexus" in chosen and (reason := group.lacks()):
        chosen.remove("nexus")
        for row in wanted:
            figures.miss(row, "nexus", reason)
    rounds = group.rounds or options.rounds
    for number in range(rounds):
        # Each round begins with another peer, so that nobody always follows the same one.
        turn = number % len(chosen) if chosen else 0
        for peer in chosen[turn:] + chosen[:turn]:
            print(f"round {number + 1}/{rounds} {peer}: {', '.join(sorted(wanted))}", file=sys.stderr, flush=True)
            try:
                values = group.measure(peer, wanted, options.quick)
            except proc.Failed as failure:
                chosen = [p for p in chosen if p != peer]
                for row in wanted:
                    figures.miss(row, peer, str(failure))
                continue
            for row in wanted & values.keys():
                figures.add(row, peer, values[row])
    return chosen


def main():
    options = arguments()
    WORK.mkdir(parents=True, exist_ok=True)
    build_tools()
    proc.raise_file_limit()
    # Ended by a signal, the `with` blocks still kill the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if len(os.sched_getaffinity(0)) < 2:
        print("warning: there is one core only; server and client share it")
    if not (sampler := proc.Sampler(proc.cores()[0])).ok:
        print("note: perf_event_open is refused, so the user part of CPU comes from clock ticks, which are coarse")
    sampler.close()
    absent = {name: reason for name in peers.NAMES if (reason := peers.absent(name))}
    for name in sorted(options.peers & absent.keys()):
        print(f"note: {absent[name]}")

    figures = report.Figures()
    began = time.monotonic()
    for group in rows.GROUPS:
        wanted = {row.name for row in group.rows} & options.only
        if wanted:
            warn_of_noise()
            run_group(group, wanted, options, figures, absent)

    chosen = [row for row in rows.ROWS if row.name in options.only]
    if options.quick:
        print("\nA QUICK RUN: it shows that the rows work; the figures mean little.")
    all_reached = True
    for row in chosen:
        all_reached &= report.show(row, figures)
    path = ROOT / "build" / "bench.json"
    report.write(path, chosen, figures, options.quick)
    print(f"\n{options.rounds} round(s) in {time.monotonic() - began:.0f} s; written to {path.relative_to(ROOT)}")
    lacking = {row.name for group in rows.GROUPS if group.lacks and group.lacks() for row in group.rows}
    failed = "nexus" in options.peers and any(
        "nexus" in figures.missing.get(row.name, {}) and "nexus" not in absent for row in chosen if row.name not in lacking)
    return 1 if failed or (options.check and not all_reached) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

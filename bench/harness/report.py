"""The figures: medians, spread, the printed table and build/bench.json."""
import json
import statistics


class Figures:
    """All values of all rounds, and why some are missing."""

    def __init__(self):
        self.rounds = {}
        self.missing = {}

    def add(self, row, peer, value):
        self.rounds.setdefault(row, {}).setdefault(peer, []).append(value)

    def miss(self, row, peer, reason):
        self.missing.setdefault(row, {}).setdefault(peer, reason)

    def medians(self, row):
        return {peer: statistics.median(values) for peer, values in self.rounds.get(row, {}).items()}


def _figure(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def _times(values, peer, other):
    if other not in values or peer == other or not values[other]:
        return ""
    return f"{values[peer] / values[other]:.3g}"


def show(row, figures):
    """Prints one row's table; returns False if it has a target that is not reached."""
    values = figures.medians(row.name)
    rounds = figures.rounds.get(row.name, {})
    print(f"\n{row.name}: {row.title} ({row.unit}, {row.better} is better)")
    if values:
        print(f"  {'':7}{'median':>12}  {'least .. most':>23}{'/ floor':>10}{'/ node':>10}")
    for peer in values:
        spread = f"{_figure(min(rounds[peer]))} .. {_figure(max(rounds[peer]))}"
        print(f"  {peer:7}{_figure(values[peer]):>12}  {spread:>23}{_times(values, peer, 'floor'):>10}"
              f"{_times(values, peer, 'node'):>10}")
    for peer, reason in figures.missing.get(row.name, {}).items():
        note = " (in some rounds)" if peer in values else ""
        print(f"  {peer:7}-{note} {reason}")
    reached = row.reached(values) if row.reached and "nexus" in values else None
    if row.target:
        verdict = {True: "reached", False: "NOT REACHED", None: "not to be told"}[reached]
        print(f"  to reach: {row.target}: {verdict}")
    return reached is not False


def write(path, rows, figures, quick):
    """Writes the medians as JSON. `spread` is [least, most] of the rounds; `quick` marks figures that mean little."""
    out = []
    for row in rows:
        values = figures.medians(row.name)
        if not values:
            continue
        rounds = figures.rounds[row.name]
        entry = {"name": row.name, "unit": row.unit, "better": row.better, "values": values,
                 "spread": {peer: [min(v), max(v)] for peer, v in rounds.items()},
                 "rounds": max(map(len, rounds.values()))}
        if quick:
            entry["quick"] = True
        out.append(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(out, indent=1) + "\n")

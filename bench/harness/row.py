"""What a row and a group of rows are, and how a row's target is told."""
from dataclasses import dataclass
from typing import Callable

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
    lacks: Callable = None  # gives why this Nexus was built without it, or ""


def at_most(values, other, limit):
    """Whether nexus is at most `limit` times another; None when either is missing."""
    if "nexus" not in values or other not in values:
        return None
    return values["nexus"] <= limit * values[other]


def at_least(values, other, limit):
    if "nexus" not in values or other not in values:
        return None
    return values["nexus"] >= limit * values[other]


def ahead(values):
    """Of Node, Bun and Deno, as far as they are there."""
    others = [values[name] for name in ("node", "bun", "deno") if name in values]
    return values["nexus"] > max(others) if others else None


def below(limit):
    return lambda v: v["nexus"] <= limit


def every(*answers):
    return None if None in answers else all(answers)

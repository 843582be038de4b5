"""Files that a program reads and writes, and what it computes of them."""
import json
import os
import statistics

from . import peers, proc
from .peers import WORK
from .row import SCRIPTS, Group, Row, ahead, at_least, every


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


GROUPS = [
    Group([
        Row("file_read_1g", "read a file of 1 GiB that is in memory", "MB/s", "higher", "0.95 of the floor, ahead of the others",
            lambda v: every(at_least(v, "floor", 0.95), ahead(v))),
        Row("file_write_1g", "write 1 GiB, with fsync", "MB/s", "higher", "0.95 of the floor, ahead of the others",
            lambda v: every(at_least(v, "floor", 0.95), ahead(v))),
        Row("pipe_upper_1g", "a file of 1 GiB in capitals into another", "MB/s", "higher", "0.9 of the floor, ahead of the others",
            lambda v: every(at_least(v, "floor", 0.9), ahead(v))),
        Row("pipe_copy_1g", "a file of 1 GiB into another as it is", "MB/s", "higher", "0.9 of the floor",
            lambda v: at_least(v, "floor", 0.9)),
        Row("files_small_10k", "read 10,000 files of 2 KiB", "files/s", "higher", "5 of node, ahead of bun, 1 / 1.15 of the floor",
            lambda v: every(at_least(v, "floor", 1 / 1.15), at_least(v, "node", 5), at_least(v, "bun", 1))),
        Row("walk_100k", "walk a tree of 100,000 entries", "entries/s", "higher", "5 of node, ahead of bun, 1 / 1.15 of the floor",
            lambda v: every(at_least(v, "floor", 1 / 1.15), at_least(v, "node", 5), at_least(v, "bun", 1))),
    ], SCRIPTS, _files, not_for="it runs no program"),
    Group([Row(name, text, "MB/s", "higher", "0.95 of the floor", lambda v: at_least(v, "floor", 0.95)) for name, text in (
        ("sha256_1g", "SHA-256 of 1 GiB in pieces of 1 MiB"), ("blake3_1g", "BLAKE3 of 1 GiB in pieces of 1 MiB"),
        ("seal_aes_1g", "seal 1 GiB with AES-256-GCM in chunks of 64 KiB"),
        ("seal_chacha_1g", "seal 1 GiB with ChaCha20-Poly1305 in chunks of 64 KiB"))],
          SCRIPTS, _crypto, not_for="it runs no program"),
]

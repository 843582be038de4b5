#!/usr/bin/env python3
"""WebAssembly in whole programs: NEXUS=path/to/nexus python3 tests/e2e/wasm_test.py [-k name]."""
import json
import os
import platform
import shutil
import subprocess
import unittest

from command import NEXUS, Base

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples")

# Writes its arguments, then its variables, one behind the other with their NULs, to stdout.
ECHO = r"""
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func $say (param $at i32) (param $len i32)
    (i32.store (i32.const 16) (local.get $at))
    (i32.store (i32.const 20) (local.get $len))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
  (func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 1024) (i32.const 4096)))
    (call $say (i32.const 4096) (i32.load (i32.const 4)))
    (drop (call $env_sizes (i32.const 0) (i32.const 4)))
    (drop (call $env (i32.const 1024) (i32.const 8192)))
    (call $say (i32.const 8192) (i32.load (i32.const 4)))))
"""

# Reads "note" in its first directory and writes what it says.
READ = r"""
(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "PATH")
  (data (i32.const 0) "\00\04\00\00\00\04\00\00")
  (func (export "_start") (local $error i32)
    (local.set $error (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const LEN) (i32.const 0) (i64.const 2) (i64.const 0)
      (i32.const 0) (i32.const 8)))
    (if (local.get $error) (then (call $exit (local.get $error))))
    (drop (call $read (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))
"""

# Opens "note" of its first directory again and again, to read or with CREATE and WRITE, and exits with the error that it gets.
OPEN = r"""
(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "note")
  (func $again (export "_start") (local $error i32) (local $left i32)
    (local.set $left (i32.const TIMES))
    (loop $again
      (local.set $error (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4) (i32.const FLAGS) (i64.const RIGHTS) (i64.const 0)
        (i32.const 0) (i32.const 8)))
      (if (local.get $error) (then (call $exit (local.get $error))))
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
"""

# Writes to stdout for ever.
FLOOD = r"""
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\00\00\00\00\00\00\01\00")
  (func (export "_start") (loop $again (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12))) (br $again))))
"""

# Waits for an hour.
SLEEP = r"""
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 2048)))))
"""

# Writes 32 random bytes, then the time of either clock.
WORLD = r"""
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\30\00\00\00")
  (func (export "_start")
    (drop (call $random (i32.const 64) (i32.const 32)))
    (drop (call $time (i32.const 0) (i64.const 0) (i32.const 96)))
    (drop (call $time (i32.const 1) (i64.const 0) (i32.const 104)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))))
"""

TRAP = """(module (func $divide (param i32) (result i32) i32.const 1 local.get 0 i32.div_s)
  (func $main (export "_start") i32.const 0 call $divide drop))"""

BADF = 8  # errors of WASI; the others are loop, notdir, perm, notcapable
REFUSALS = (32, 54, 63, 76)


def section(number, content):
    return bytes([number, len(content)]) + content


def body(code):
    return bytes([len(code) + 2, 0]) + code + b"\x0b"


class Wasm(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")

    def test_arguments_and_environment(self):
        self.write("echo.wat", ECHO)
        for flags in (["--env", "LEVEL=5", "--env=A=b=c"], ["--env=LEVEL=5", "--env", "A=b=c"]):
            result = self.nexus("run", *flags, "echo.wat", "first", "--", "--second", "")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(result.stdout.split("\0"), ["echo.wat", "first", "--second", "", "LEVEL=5", "A=b=c", ""])
        self.assertEqual(self.nexus("echo.wat").stdout, "echo.wat\0")

    def read(self, path, *flags):
        self.write("read.wat", READ.replace("PATH", path).replace("LEN", str(len(path))))
        return self.nexus("run", *flags, "read.wat")

    def test_directories(self):
        os.mkdir(os.path.join(self.dir, "data"))
        self.write("data/note", "of paper")
        self.write("secret", "not for guests")
        os.symlink("../secret", os.path.join(self.dir, "data/link"))
        for flags in (["--dir", "data"], ["--dir=data::/"], ["--dir", "data::/elsewhere"]):
            result = self.read("note", *flags)
            self.assertEqual((result.returncode, result.stdout), (0, "of paper"))
        self.assertEqual(self.read("note").returncode, BADF)
        for path in ("../secret", "link", "note/../../secret"):
            result = self.read(path, "--dir", "data")
            self.assertIn(result.returncode, REFUSALS, path)
            self.assertEqual(result.stdout, "")
        self.assertNotEqual(self.read(os.path.join(self.dir, "secret"), "--dir", "data").returncode, 0)
        result = self.read("note", "--dir", "none")
        self.assertEqual(result.returncode, 1)
        self.assertIn('cannot open the directory "none"', result.stderr)

    def test_a_trap_is_told_with_the_guests_stack(self):
        self.write("trap.wat", TRAP)
        result = self.nexus("run", "trap.wat")
        self.assertEqual((result.returncode, result.stdout), (30, ""))
        self.assertIn("integer divide by zero, in divide, called by main", result.stderr)
        self.assertRegex(result.stderr, r"    at divide at 0x[0-9a-f]+\n    at main at 0x")

    def test_what_is_no_program(self):
        self.write("library.wat", '(module (func (export "f")))')
        self.write("imports.wat", '(module (import "env" "f" (func)) (func (export "_start")))')
        self.write("broken.wat", "(module (func")
        self.write("text.wasm", "hello")
        for name, code, said in (("library.wat", 19, "nx_wasm_open"), ("imports.wat", 8, "env::f"), ("broken.wat", 18, ":1:14"),
                                 ("text.wasm", 18, "not valid WebAssembly")):
            result = self.nexus("run", name)
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
            self.assertIn(said, result.stderr)

    def test_compiled_to_a_file(self):
        self.write("echo.wat", ECHO)
        for args, made in ((["echo.wat"], "echo.cwasm"), (["echo.wat", "-o", "a.cwasm"], "a.cwasm"),
                           (["--output=b.cwasm", "echo.wat"], "b.cwasm"),
                           (["--target", "x86_64-unknown-linux-gnu", "echo.wat", "-o", "c.cwasm"], "c.cwasm")):
            if made == "c.cwasm" and platform.machine() != "x86_64":
                continue
            result = self.nexus("compile", *args)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
            result = self.nexus("run", "--env", "A=b", made, "x")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(result.stdout.split("\0"), [made, "x", "A=b", ""])
        other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
        result = self.nexus("compile", f"--target={other}-unknown-linux-gnu", "echo.wat", "-o", "other.cwasm")
        self.assertEqual(result.returncode, 18)
        self.assertIn(f"cannot compile for {other}-unknown-linux-gnu: ", result.stderr)
        self.assertEqual(sorted(name for name in os.listdir(self.dir) if name.startswith("other")), [])
        for args, code, said in ((["compile"], 2, "needs a file"), (["compile", "a.c"], 2, ".wasm or .wat"), (["compile", "a", "b"], 2, "one file"),
                                 (["compile", "echo.wat", "-o"], 2, "needs a value"), (["compile", "echo.wat", "-o", "x.so"], 2, ".cwasm"),
                                 (["compile", "--target=arm", "echo.wat"], 2, "no target"), (["compile", "none.wat"], 8, "none.wat"),
                                 (["compile", "--fue", "echo.wat"], 2, "did you mean --fuel"),
                                 (["compile", "echo.wat", "-o", "none/x.cwasm"], 8, "none/x.cwasm")):
            result = self.nexus(*args)
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
            self.assertIn(said, result.stderr)

    def test_a_compiled_file_is_checked(self):
        self.write("echo.wat", ECHO)
        self.assertEqual(self.nexus("compile", "echo.wat").returncode, 0)
        with open(os.path.join(self.dir, "echo.cwasm"), "rb") as file:
            good = file.read()
        at = len(good) - 128  # where the description begins: magic, format, settings, metered, processor, hash

        def changed(offset, to):
            return good[:offset] + to + good[offset + len(to):]

        cases = {
            "code": (changed(5000, bytes([good[5000] ^ 1])), 4, "has been changed"),
            "hash": (changed(len(good) - 1, b"!"), 4, "has been changed"),
            "magic": (changed(at, b"x"), 4, "no compiled WebAssembly"),
            "format": (changed(at + 12, b"\7"), 4, "another version"),
            "settings": (changed(at + 16, b"\377"), 4, "another version"),
            "processor": (changed(at + 24, b"pdp11" + bytes(35)), 4, "for the processor pdp11"),
            "metered": (changed(at + 20, b"\2"), 4, "no compiled WebAssembly"),
            "name": (changed(at + 24, b"x" * 40), 4, "no compiled WebAssembly"),
            "cut": (good[:-1], 4, "no compiled WebAssembly"),
            "tail alone": (good[at:], 4, "no compiled WebAssembly"),
            "empty": (b"", 4, "no compiled WebAssembly"),
            "text": (b"(module)" * 100, 4, "no compiled WebAssembly"),
        }
        for name, (content, code, said) in cases.items():
            with self.subTest(name), open(os.path.join(self.dir, "bad.cwasm"), "wb") as file:
                file.write(content)
                file.flush()
                result = self.nexus("run", "bad.cwasm")
                self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
                self.assertIn(said, result.stderr)
        # Whole by its own hash, and no machine code: that is the engine's to find.
        path = os.path.join(self.dir, "echo.cwasm")
        os.chmod(path, 0o666)
        result = self.nexus("run", "echo.cwasm")
        self.assertEqual((result.returncode, result.stdout), (10, ""))
        self.assertIn("can be written by, somebody else", result.stderr)
        os.chmod(path, 0o600)
        # In a program of C it is native code like any other.
        self.write("app.c", '#include <nexus/wasm.h>\nint main(void)\n{\n    nx_wasm_module *m;\n'
                            '    return nx_wasm_load(&m, "./echo.cwasm");\n}\n')
        result = self.nexus("run", "app.c")
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertIn("--allow-ffi", result.stderr)
        self.assertEqual(self.nexus("run", "--allow-ffi", "app.c").returncode, 0)

    def refused(self, program, *flags, code, said):
        self.write("limited.wat", program)
        result = self.nexus("run", *flags, "limited.wat", "--")
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertIn(said, result.stderr)

    def test_limits(self):
        spin = '(module (func $spin (export "_start") (loop $l br $l)))'
        start = '(module (start $spin) (func $spin (loop $l br $l)) (func (export "_start")))'
        for program, doing in ((spin, "running"), (start, "starting")):
            self.refused(program, "--max-cpu-time=50ms", code=6, said=f'{doing} "limited.wat": it took more than max_cpu_time, 50 ms, in spin')
            self.refused(program, "--deadline=50ms", code=6, said=f'{doing} "limited.wat": it was not done by its deadline of 50 ms, in spin')
            self.refused(program, "--fuel=1000", code=13, said=f'{doing} "limited.wat": it used more than its fuel, 1000, in spin')
        grow = """(module (memory 1) (func $grow (export "_start") (loop $l (drop (memory.grow (i32.const 1))) (br $l))))"""
        self.refused(grow, "--max-memory=1M", code=13, said="it wanted more than max_memory, 1048576 bytes, in grow")
        table = """(module (table 1 funcref) (func $grow (export "_start")
            (loop $l (drop (table.grow 0 (ref.null func) (i32.const 100))) (br $l))))"""
        self.refused(table, "--max-table-elements=1000", code=13, said="it wanted more than max_table_elements, 1000, in grow")
        deep = '(module (func $deep (export "_start") call $deep))'
        self.refused(deep, code=30, said="it used more than its 512 KiB of stack, in deep")
        self.refused(deep, "--max-stack=60K", code=30, said="it used more than its 64 KiB of stack, in deep")
        self.refused(deep, "--max-stack=1M", code=4, said="max_stack is 512 KiB at most")
        # What is within them runs.
        self.write("echo.wat", ECHO)
        result = self.nexus("run", "--fuel=1M", "--max-stack=32K", "--deadline=60s", "--max-cpu-time=60s", "--max-memory=1M", "--env", "A=b", "echo.wat")
        self.assertEqual((result.returncode, result.stdout), (0, "echo.wat\0A=b\0"), result.stderr)

    def test_fuel_of_a_compiled_file(self):
        self.write("spin.wat", '(module (func (export "_start") (loop $l br $l)))')
        self.write("echo.wat", ECHO)
        for args in (["echo.wat", "-o", "plain.cwasm"], ["echo.wat", "--fuel", "-o", "echo.cwasm"], ["spin.wat", "--fuel"]):
            self.assertEqual(self.nexus("compile", *args).returncode, 0)
        result = self.nexus("run", "--fuel=1000", "spin.cwasm")
        self.assertEqual(result.returncode, 13)
        self.assertIn("its fuel, 1000", result.stderr)
        for flags in ([], ["--fuel=100000"]):
            result = self.nexus("run", *flags, "echo.cwasm")
            self.assertEqual((result.returncode, result.stdout), (0, "echo.cwasm\0"), result.stderr)
        result = self.nexus("run", "--fuel=100000", "plain.cwasm")
        self.assertEqual(result.returncode, 4)
        self.assertIn("nexus compile --fuel", result.stderr)

    def test_a_deadline_ends_what_waits(self):
        for program in (FLOOD, SLEEP):
            self.write("wait.wat", program)
            # Nobody reads, so that what floods comes to a stop in the kernel.
            with subprocess.Popen([NEXUS, "run", "--deadline=300ms", "wait.wat"], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as process:
                self.assertEqual(process.wait(60), 6)
                self.assertIn("it was not done by its deadline of 300 ms", process.stderr.read())

    def test_open_files_and_directories_to_read(self):
        os.mkdir(os.path.join(self.dir, "data"))
        self.write("data/note", "of paper")

        def guest(times, flags, rights):
            return OPEN.replace("TIMES", str(times)).replace("FLAGS", str(flags)).replace("RIGHTS", str(rights))

        self.refused(guest(1000, 0, 2), "--dir", "data", "--max-open-files=20", code=13, said="it wanted more than max_open_files, 20, in again")
        self.refused(guest(10000, 0, 2), "--dir", "data", code=13, said="it wanted more than max_open_files, 1024, in again")
        for flag, flags, rights, good in (("--dir", 0, 2, True), ("--dir", 1, 66, True), ("--dir-ro", 0, 2, True), ("--dir-ro", 1, 66, False),
                                          ("--dir-ro", 0, 66, False), ("--dir-ro", 8, 2, False)):
            self.write("open.wat", guest(3, flags, rights))
            self.write("data/note", "of paper")
            result = self.nexus("run", f"{flag}=data", "open.wat")
            self.assertEqual(result.returncode == 0, good, (flag, flags, rights, result.returncode, result.stderr))
            with open(os.path.join(self.dir, "data/note"), encoding="utf-8") as file:
                self.assertEqual(file.read(), "of paper")

    def test_a_world_that_stands_still(self):
        self.write("world.wat", WORLD)

        def world(*flags):
            done = subprocess.run([NEXUS, "run", *flags, "world.wat"], cwd=self.dir, stdout=subprocess.PIPE, check=True, timeout=60)
            self.assertEqual(len(done.stdout), 48)
            return done.stdout[:32], int.from_bytes(done.stdout[32:40], "little"), int.from_bytes(done.stdout[40:], "little")

        self.assertNotEqual(world()[0], world()[0])
        self.assertEqual(world("--random-seed=7")[0], world("--random-seed=7")[0])
        self.assertNotEqual(world("--random-seed=7")[0], world("--random-seed=8")[0])
        self.assertEqual(world("--clock=1700000000s")[1:], (1700000000 * 10**9, 0))
        self.assertGreater(world()[1], 1700000000 * 10**9)

    def test_limits_of_a_project(self):
        self.write("spin.wat", '(module (func $spin (export "_start") (loop $l br $l)))')
        self.write("echo.wat", ECHO)
        self.write("nexus.toml", '[wasm]\nmax_cpu_time = "50ms"\n')
        self.refused('(module (func $spin (export "_start") (loop $l br $l)))', code=6, said="max_cpu_time, 50 ms")
        self.refused('(module (func $spin (export "_start") (loop $l br $l)))', "--max-cpu-time=70ms", code=6, said="max_cpu_time, 70 ms")
        self.write("nexus.toml", '[wasm]\nfuel = "10K"\nmax_memory = 131072\nmax_stack = "64K"\nenv = ["A=b", "C="]\n')
        self.refused('(module (func $spin (export "_start") (loop $l br $l)))', code=13, said="its fuel, 10240")
        self.refused("(module (memory 3) (func (export \"_start\")))", code=13, said="max_memory, 131072")
        self.assertEqual(self.nexus("run", "echo.wat").stdout, "echo.wat\0A=b\0C=\0")
        os.mkdir(os.path.join(self.dir, "data"))
        self.write("data/note", "of paper")
        for key in ('dirs = ["data"]', 'read_only_dirs = ["data::/elsewhere"]'):
            self.write("nexus.toml", f"[wasm]\n{key}\n")
            self.assertEqual(self.read("note").stdout, "of paper")
        os.symlink("/", os.path.join(self.dir, "link"))
        for text, said in (("[wasm]\nmax_fuel = 1\n", 'nexus.toml:2:12: [wasm] has no key "max_fuel"'), ("wasm = 1\n", "has to be a table"),
                           ("[wasm]\nfuel = -1\n", "needs a value above 0"), ("[wasm]\ndeadline = 5\n", 'as in deadline = "10s"'),
                           ('[wasm]\ndirs = [".."]\n', "leads out of the project"), ('[wasm]\ndirs = ["link"]\n', "leads out of the project"),
                           ('[wasm]\ndirs = ["/"]\n', "no directory of the project"), ('[wasm]\ndirs = "data"\n', "a list of strings"),
                           ('[wasm]\nenv = ["A"]\n', "NAME=VALUE"), ("[wasm\n", "nexus.toml:1:")):
            self.write("nexus.toml", text)
            result = self.nexus("run", "echo.wat")
            self.assertEqual((result.returncode, result.stdout), (4, ""), result.stderr)
            self.assertIn(said, result.stderr)

    def test_flags_of_limits(self):
        self.write("spin.wat", '(module (func (export "_start")))')
        self.write("app.c", "int main(void) { return 0; }")
        for args, said in ((["--fuel", "spin.wat"], "--fuel=100M"), (["--fuel=0", "spin.wat"], "above 0"), (["--deadline=x", "spin.wat"], "--deadline=10s"),
                           (["--max-stack=-1", "spin.wat"], "--max-stack=64K"), (["--fuel=5", "app.c"], "for programs that are WebAssembly")):
            result = self.nexus("run", *args)
            self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
            self.assertIn(said, result.stderr)

    def test_a_header_of_a_module(self):
        # (func (export "add") (param i32 i32) (result i32)), "scale" (i64 f32 f64) -> f64, "swap!" (i32 i32) -> i32 i32, "ref" (funcref),
        # "open" (), "9" () -> i64
        def names(*items):
            return bytes([len(items)]) + b"".join(items)

        def export(name, index):
            return bytes([len(name)]) + name + b"\0" + bytes([index])

        def module(constant):
            return (b"\0asm\1\0\0\0" + section(1, names(b"\x60\2\x7f\x7f\1\x7f", b"\x60\3\x7e\x7d\x7c\1\x7c", b"\x60\2\x7f\x7f\2\x7f\x7f",
                                                       b"\x60\1\x70\0", b"\x60\0\0", b"\x60\0\1\x7e"))
                    + section(3, names(b"\0", b"\1", b"\2", b"\3", b"\4", b"\5"))
                    + section(7, names(export(b"add", 0), export(b"scale", 1), export(b"swap!", 2), export(b"ref", 3), export(b"open", 4),
                                       export(b"9", 5)))
                    + section(10, names(body(b"\x20\0\x20\1\x6a"), body(b"\x20\0\xb9\x20\1\xbb\xa0\x20\2\xa0"), body(b"\x20\1\x20\0"), body(b""),
                                        body(b""), body(b"\x42" + bytes([constant])))))

        app = """#include "./lib/my-math.wasm.h"
#include <stdio.h>
int main(void)
{
    my_math m;
    int32_t n, a, b;
    double d;
    int64_t nine;
    NX_TRY(my_math_open(&m, .policy.max_memory = 1 << 20));
    NX_TRY(my_math_add(&m, &n, 40, 2));
    NX_TRY(my_math_scale(&m, &d, 1, 0.5F, 0.25));
    NX_TRY(my_math_swap_(&m, &a, &b, 1, 2));
    NX_TRY(my_math_9(&m, &nine));
    printf("%d %g %d %d %d\\n", (int)n, d, (int)a, (int)b, (int)nine);
    my_math_close(&m);
    return NX_OK;
}
"""
        os.mkdir(os.path.join(self.dir, "lib"))
        self.write("app.c", app)

        def write(content):
            with open(os.path.join(self.dir, "lib/my-math.wasm"), "wb") as file:
                file.write(content)

        for flags in ([], ["--compiler=gcc"]):
            for constant in (9, 9, 5):
                write(module(constant))
                result = self.nexus("run", *flags, "app.c")
                self.assertEqual((result.returncode, result.stdout), (0, f"42 1.75 2 1 {constant}\n"), result.stderr)
        # The types are the module's own.
        self.write("app.c", app.replace("my_math_9(&m, &nine)", "my_math_9(&m, &d)"))
        self.assertIn("incompatible pointer type", self.nexus("run", "--compiler=gcc", "app.c").stderr)
        self.write("app.c", app.replace("my_math_add", "my_math_ad"))
        self.assertEqual(self.nexus("run", "app.c").returncode, 18)
        self.write("app.c", app)
        write(b"\0asm\1\0\0\0\7\5\1")
        result = self.nexus("run", "app.c")
        self.assertEqual(result.returncode, 18)
        self.assertIn("is no WebAssembly module", result.stderr)
        os.unlink(os.path.join(self.dir, "lib/my-math.wasm"))
        result = self.nexus("run", "app.c")
        self.assertEqual(result.returncode, 18)
        self.assertIn("lib/my-math.wasm to make a header of", result.stderr)
        write(module(7))
        self.assertEqual(self.nexus("run", "app.c").stdout, "42 1.75 2 1 7\n")

    def test_modules_that_are_cut_or_changed(self):
        # A memory, a table with an element, data, and a program that calls through the table.
        good = (b"\0asm\1\0\0\0" + section(1, b"\2\x60\1\x7f\1\x7f\x60\0\0") + section(3, b"\2\0\1") + section(4, b"\1\x70\0\2") + section(5, b"\1\0\1")
                + section(7, b"\2\6memory\2\0\6_start\0\1") + section(9, b"\1\0\x41\0\x0b\1\0")
                + section(10, b"\2" + body(b"\x20\0\x41\1\x6a") + body(b"\x41\5\x41\0\x11\0\0\x1a")) + section(11, b"\1\0\x41\x08\x0b\2hi"))
        with open(os.path.join(self.dir, "good.wasm"), "wb") as file:
            file.write(good)
        self.assertEqual(self.nexus("run", "good.wasm").returncode, 0)
        cases = [good[:n] for n in range(0, len(good), 5)]
        cases += [good[:i] + bytes([good[i] ^ (1 << i % 8)]) + good[i + 1:] for i in range(0, len(good), 2)]
        for i, content in enumerate(cases):
            name = f"bad{i}.wasm"
            with open(os.path.join(self.dir, name), "wb") as file:
                file.write(content)
            result = self.nexus("run", "--deadline=10s", "--max-memory=64M", name)
            # It runs, is no program, lacks something, is refused, or ends by a limit or a trap: it never takes the runtime with it.
            self.assertIn(result.returncode, (0, 4, 6, 8, 13, 18, 19, 30), (content.hex(), result.stderr))
            self.assertNotIn("signal", result.stderr)
            if len(content) < len(good):
                self.assertNotEqual(result.returncode, 0, content.hex())

    def test_inspect(self):
        self.write("m.wat", r'''(module (import "env" "f" (func (param i32 f64) (result i64))) (import "env" "g" (global i64))
            (memory (export "memory") 1 16) (table (export "table") 5 funcref) (global (export "v") (mut v128) (v128.const i64x2 0 0))
            (func (export "a \1b\22b\22") (result i32 i32) i32.const 1 i32.const 2))''')
        result = self.nexus("wasm", "inspect", "m.wat")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, "imports\n  function  env.f: i32, f64 -> i64\n  global    env.g: i64\n"
                                        "exports\n  memory    memory: 1 to 16 pages of 64 KiB\n  table     table: 5 or more of funcref\n"
                                        "  global    v: mutable v128\n  function  a \"b\": -> i32, i32\n")
        result = self.nexus("wasm", "inspect", "m.wat", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        said = json.loads(result.stdout)
        self.assertEqual(said["imports"][0], {"module": "env", "name": "f", "kind": "function", "params": ["i32", "f64"], "results": ["i64"]})
        self.assertEqual(said["exports"][0], {"name": "memory", "kind": "memory", "minimum": 1, "maximum": 16, "page_size": 65536,
                                              "shared": False, "memory64": False})
        self.assertEqual(said["exports"][1]["maximum"], None)
        self.assertEqual(said["exports"][3]["name"], 'a \x1b"b"')
        for args, code, text in ((["wasm"], 2, "needs an action"), (["wasm", "look"], 2, "there is inspect"), (["wasm", "inspect"], 2, "needs a file"),
                                 (["wasm", "inspect", "a", "b"], 2, "one file"), (["wasm", "inspect", "--x"], 2, "--json"),
                                 (["wasm", "inspect", "none.wasm"], 8, "no such file")):
            result = self.nexus(*args)
            self.assertEqual((result.returncode, result.stdout), (code, ""))
            self.assertIn(text, result.stderr)

    def test_without_the_engine(self):
        self.write("echo.wat", ECHO)
        self.assertEqual(self.nexus("run", "echo.wat").returncode, 0)
        result = self.nexus("run", "echo.wat", env={"NEXUS_LIBDIR": self.dir})
        self.assertEqual(result.returncode, 19)
        self.assertIn("NEXUS_LIBDIR", result.stderr)

    def test_the_example(self):
        shutil.copytree(os.path.join(EXAMPLES, "wasm-call"), os.path.join(self.dir, "wasm-call"))
        for _ in range(2):
            result = self.nexus("run", "wasm-call/app.c")
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(result.stdout, "the guest says: counting the rabbits\nfibonacci(10) = 55\n"
                                            "the sum of 4 numbers in 64 KiB of memory = 42\n")

    def test_a_crash_below_a_guest_is_reported(self):
        self.write("g.wat", '(module (import "env" "f" (func $f)) (func (export "run") call $f))')
        self.write("app.c", """#include <nexus/wasm.h>
static nx_err boom(nx_wasm *wasm, void *arg, nx_wasm_value *v) { (void)wasm; (void)arg; (void)v; *(volatile int *)8 = 1; return NX_OK; }
int main(void)
{
    nx_wasm *wasm;
    nx_wasm_imports *imports = nx_wasm_imports_new();
    nx_wasm_import(imports, "env", "f", "->", boom, NULL);
    NX_TRY(nx_wasm_open(&wasm, "./g.wat", .imports = imports));
    return nx_wasm_call(wasm, "run", NULL);
}
""")
        result = self.nexus("run", "app.c")
        self.assertEqual(result.returncode, 139)
        self.assertIn("segmentation fault at address 0x8", result.stderr)
        self.assertRegex(result.stderr, r"boom +.*app\.c:2")

    def test_a_changed_module_is_compiled_anew(self):
        self.write("app.c", '#include <nexus/wasm.h>\n#include <stdio.h>\nint main(void)\n{\n    nx_wasm *wasm;\n    int n;\n'
                            '    NX_TRY(nx_wasm_open(&wasm, "./n.wat"));\n    NX_TRY(nx_wasm_call(wasm, "n", &n));\n    printf("%d\\n", n);\n'
                            '    return NX_OK;\n}\n')
        for n in (1, 2, 3):
            self.write("n.wat", f'(module (func (export "n") (result i32) i32.const {n}))')
            result = self.nexus("run", "app.c")
            self.assertEqual((result.returncode, result.stdout), (0, f"{n}\n"), result.stderr)

    def test_modules_from_outside_the_project_take_a_grant(self):
        os.mkdir(os.path.join(self.dir, "project"))
        self.write("project/app.c", r"""
#include <nexus.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        nx_wasm_module *module = NULL;
        nx_err err = nx_wasm_load(&module, argv[i]);
        printf("%s\n", err ? nx_error_last()->message : "done");
        nx_wasm_module_free(module);
    }
    return 0;
}
""")
        own, other = "./own.wat", os.path.join(self.dir, "other.wat")
        self.write("project/own.wat", "(module)")
        self.write("other.wat", "(module)")
        for flags, said in (([], ["done", f'loading "{other}" is not allowed; run with --allow-wasm={other}']),
                            ([f"--allow-wasm={other}"], ["done", "done"]), (["--allow-wasm"], ["done", "done"]),
                            (["--deny-wasm=project"], [f'loading "{self.dir}/project/own.wat" is denied by --deny-wasm',
                                                       f'loading "{other}" is not allowed; run with --allow-wasm={other}']),
                            (["--allow-wasm", "--deny-wasm"], ['loading "./own.wat" is denied by --deny-wasm',
                                                              f'loading "{other}" is denied by --deny-wasm'])):
            with self.subTest(flags):
                run = self.nexus("run", *flags, "project/app.c", "--", own, other)
                self.assertEqual((run.stdout.splitlines(), run.stderr), (said, ""))


if __name__ == "__main__":
    unittest.main()

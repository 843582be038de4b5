#!/usr/bin/env python3
"""WebAssembly in whole programs: NEXUS=path/to/nexus python3 tests/e2e/wasm_test.py [-k name]."""
import json
import os
import shutil
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

TRAP = """(module (func $divide (param i32) (result i32) i32.const 1 local.get 0 i32.div_s)
  (func $main (export "_start") i32.const 0 call $divide drop))"""

BADF = 8  # errors of WASI; the others are loop, notdir, perm, notcapable
REFUSALS = (32, 54, 63, 76)


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


if __name__ == "__main__":
    unittest.main()

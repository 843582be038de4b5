#!/usr/bin/env python3
"""WebAssembly components as programs: NEXUS=path/to/nexus python3 tests/e2e/wasm_component_test.py [-k name]."""
import json
import os
import signal
import subprocess
import unittest

from command import NEXUS, SLOW, Base

# A program of WASI 0.2 with the parts that BODY uses. Its functions get memory from $grow, which never gives any back.
PROGRAM = r"""
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $failed))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $stream (sub resource)))
    (alias outer 1 $failed (type $failed))
    (export "error" (type $error (eq $failed)))
    (type $stream-error (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $ended (eq $stream-error)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $stream)) (param "contents" (list u8)) (result (result (error $ended)))))))
  (alias export $streams "output-stream" (type $stream))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $stream (type $stream))
    (export "output-stream" (type $out (eq $stream)))
    (export "get-stdout" (func (result (own $out))))))
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $pollable))
    (export "pollable" (type $timer (eq $pollable)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $timer))))))
  (import "wasi:filesystem/types@0.2.0" (instance $types (export "descriptor" (type (sub resource)))))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $descriptor))
    (export "descriptor" (type $directory (eq $descriptor)))
    (export "get-directories" (func (result (list (tuple (own $directory) string)))))))

  (core module $base
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 4096))
    (func $grow (export "grow") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (local.get $new)))))
  (core instance $base (instantiate $base))
  (alias core export $base "memory" (core memory $memory))
  (alias core export $base "grow" (core func $grow))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory) (realloc $grow)))
  (core func $arguments (canon lower (func $environment "get-arguments") (memory $memory) (realloc $grow)))
  (core func $variables (canon lower (func $environment "get-environment") (memory $memory) (realloc $grow)))
  (core func $directories (canon lower (func $preopens "get-directories") (memory $memory) (realloc $grow)))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $wait (canon lower (func $poll "[method]pollable.block")))
  (core module $main
    (import "base" "memory" (memory 1))
    (import "host" "stdout" (func $stdout (result i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "arguments" (func $arguments (param i32)))
    (import "host" "variables" (func $variables (param i32)))
    (import "host" "directories" (func $directories (param i32)))
    (import "host" "exit" (func $exit (param i32)))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "wait" (func $wait (param i32)))
    (data (i32.const 64) "\n")
    (global $to (mut i32) (i32.const -1))
    (func $out (result i32)
      (if (i32.eq (global.get $to) (i32.const -1)) (then (global.set $to (call $stdout))))
      (global.get $to))
    (func $say (param $at i32)
      (call $write (call $out) (i32.load (local.get $at)) (i32.load offset=4 (local.get $at)) (i32.const 32)))
    (func $line (call $write (call $out) (i32.const 64) (i32.const 1) (i32.const 32)))
    ;; The texts of a list whose items have so many bytes, and the first text so far from their beginning.
    (func $say-all (param $size i32) (param $first i32) (local $left i32) (local $item i32) (local $at i32)
      (local.set $item (i32.load (i32.const 16)))
      (local.set $left (i32.load (i32.const 20)))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $at (local.get $first))
        (loop $text
          (call $say (i32.add (local.get $item) (local.get $at)))
          (call $line)
          (br_if $text (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (local.get $size))))
        (local.set $item (i32.add (local.get $item) (local.get $size)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next))))
    (func $recurse (call $recurse) (call $line))
    (func $run (export "run") (result i32)
      BODY
      (i32.const 0)))
  (core instance $main (instantiate $main
    (with "base" (instance $base))
    (with "host" (instance (export "stdout" (func $stdout)) (export "write" (func $write)) (export "arguments" (func $arguments))
      (export "variables" (func $variables)) (export "directories" (func $directories)) (export "exit" (func $exit))
      (export "after" (func $after)) (export "wait" (func $wait))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $run (export "run" (func $run)))
  (export "wasi:cli/run@VERSION" (instance $run)))
"""

ECHO = """(call $arguments (i32.const 16)) (call $say-all (i32.const 8) (i32.const 0))
  (call $variables (i32.const 16)) (call $say-all (i32.const 16) (i32.const 0))
  (call $directories (i32.const 16)) (call $say-all (i32.const 12) (i32.const 4))"""


SHAPES = """
(component
  (import "acme:shapes/types@1.2.0" (instance
    (export "canvas" (type $canvas (sub resource)))
    (type $a (record (field "x" f64) (field "y" f64)))
    (export "point" (type $point (eq $a)))
    (type $b (variant (case "full") (case "torn" u8)))
    (export "failure" (type $failure (eq $b)))
    (type $c (flags "dotted" "wide"))
    (export "style" (type $style (eq $c)))
    (type $d (enum "red" "green"))
    (export "colour" (type $colour (eq $d)))
    (type $e (list $point))
    (export "path" (type $path (eq $e)))
    (export "[constructor]canvas" (func (param "size" u32) (result (own $canvas))))
    (export "[method]canvas.draw" (func (param "self" (borrow $canvas)) (param "along" $path) (param "how" (tuple $style $colour))
      (result (result $point (error $failure)))))
    (export "clear" (func))))
  (import "now" (func (result (option u64)))))
"""

WIT = """world {
    import acme:shapes/types@1.2.0 {
        resource canvas;
        record point { x: f64, y: f64 }
        variant failure { full, torn(u8) }
        flags style { dotted, wide }
        enum colour { red, green }
        type path = list<point>;
        [constructor]canvas: func(size: u32) -> canvas;
        [method]canvas.draw: func(self: borrow<canvas>, along: list<point>, how: tuple<style, colour>) -> result<point, failure>;
        clear: func();
    }
    import now: func() -> option<u64>;
}
"""


class Component(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")

    def run_program(self, body, *flags, version="0.2.0"):
        self.write("a.wat", PROGRAM.replace("BODY", body).replace("VERSION", version))
        return self.nexus("run", *flags)

    def test_arguments_environment_and_directories(self):
        os.mkdir(os.path.join(self.dir, "data"))
        for version in ("0.2.0", "0.2.6"):
            result = self.run_program(ECHO, "--env", "LEVEL=5", "--dir", "data::/there", "--dir-ro=data", "a.wat", "first", "--", "--second", "",
                                      version=version)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual(result.stdout.split("\n"), ["a.wat", "first", "--second", "", "LEVEL", "5", "/there", "data", ""])
        self.assertEqual(self.nexus("a.wat").stdout, "a.wat\n")
        self.write("nexus.toml", '[wasm]\nenv = ["A=b"]\ndirs = ["data::/d"]\n')
        self.assertEqual(self.nexus("run", "a.wat").stdout, "a.wat\nA\nb\n/d\n")

    def test_exit_codes(self):
        for body, code in (("", 0), ("(return (i32.const 1))", 1), ("(call $exit (i32.const 0)) unreachable", 0), ("(call $exit (i32.const 1))", 1)):
            result = self.run_program(body, "a.wat")
            self.assertEqual((result.returncode, result.stdout, result.stderr), (code, "", ""), body)

    def test_a_trap_is_told_with_the_guests_stack(self):
        result = self.run_program("unreachable", "a.wat")
        self.assertEqual((result.returncode, result.stdout), (30, ""))
        self.assertIn("`unreachable` instruction executed, in run", result.stderr)
        self.assertRegex(result.stderr, r"    at run at 0x")

    def test_limits(self):
        grow = "(drop (memory.grow (i32.const 200)))"
        for body, flags, code, said in (("(loop $again (br $again))", ["--max-cpu-time=50ms"], 6, "max_cpu_time, 50 ms"),
                                        ("(loop $again (br $again))", ["--deadline=50ms"], 6, "deadline of 50 ms"),
                                        ("(loop $again (call $line) (br $again))", ["--deadline=50ms"], 6, "deadline of 50 ms"),
                                        ("(loop $again (br $again))", ["--fuel=1M"], 13, "its fuel, 1048576"),
                                        (grow, ["--max-memory=1M"], 13, "max_memory, 1048576 bytes"),
                                        ("(loop $again (drop (call $stdout)) (br $again))", ["--max-open-files=100"], 13, "max_open_files, 100"),
                                        ("(call $recurse)", [], 30, "KiB of stack")):
            result = self.run_program(body, *flags, "a.wat")
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(said, result.stderr)
        result = self.run_program(grow + ECHO, "--max-memory=16M", "a.wat")
        self.assertEqual((result.returncode, result.stdout), (0, "a.wat\n"))

    def test_a_deadline_ends_it_where_it_waits(self):
        wait = "(call $wait (call $after (i64.const %d)))"
        result = self.run_program(wait % 3_600_000_000_000, "--deadline=50ms", "a.wat")
        self.assertEqual(result.returncode, 6)
        self.assertIn("deadline of 50 ms", result.stderr)
        result = self.run_program(wait % 1_000_000 + ECHO, "--deadline=1h", "a.wat")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "a.wat\n", ""))

    def test_what_is_no_program(self):
        for text, code, said in (("(component)", 8, "no exported instance named `wasi:cli/run@0.2"),
                                 ('(component (import "acme:lib/part" (instance (export "f" (func)))))', 8, "acme:lib/part"),
                                 ("(component (type (func", 18, ":1:23")):
            self.write("b.wat", text)
            result = self.nexus("run", "b.wat")
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
            self.assertIn(said, result.stderr)

    def test_compiled_to_a_file(self):
        self.write("a.wat", PROGRAM.replace("BODY", ECHO).replace("VERSION", "0.2.0"))
        self.assertEqual(self.nexus("compile", "a.wat").returncode, 0)
        result = self.nexus("run", "a.cwasm", "x")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "a.cwasm\nx\n", ""))

    def test_c_programs_hear_that_it_is_none_of_theirs(self):
        self.write("a.wat", "(component)")
        self.write("app.c", '#include <nexus/wasm.h>\nint main(void) { NX_AUTO(nx_wasm) *w = NULL; return nx_wasm_open(&w, "./a.wat"); }\n')
        result = self.nexus("run", "--allow-all", "app.c")
        self.assertEqual(result.returncode, 19)
        self.assertIn("it is a component", result.stderr)

    def test_inspect(self):
        self.write("a.wat", SHAPES)
        result = self.nexus("wasm", "inspect", "a.wat")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, WIT, ""))
        result = self.nexus("wasm", "inspect", "--json", "a.wat")
        self.assertEqual((result.returncode, json.loads(result.stdout)), (0, {"wit": WIT}))
        self.write("b.wat", "(component)")
        self.assertEqual(self.nexus("wasm", "inspect", "b.wat").stdout, "world {\n}\n")

    def test_stdout_that_nobody_reads(self):
        self.write("a.wat", PROGRAM.replace("BODY", "(loop $again (call $line) (br $again))").replace("VERSION", "0.2.0"))
        with subprocess.Popen([NEXUS, "run", "a.wat"], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as app:
            self.assertEqual(app.stdout.read(2), b"\n\n")
            app.stdout.close()
            app.stderr.read()
            self.assertEqual(app.wait(60 * SLOW), 128 + signal.SIGPIPE)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What `nexus run` gives to guests by the module "nexus": NEXUS=path/to/nexus python3 tests/e2e/wasm_nexus_test.py [-k name]."""
import http.server
import os
import subprocess
import threading
import unittest

from command import NEXUS, Base
from polyglot_test import LACKS, ROOT

# Asks for URL, and writes the answer's body, or the words of the error and exits with that.
FETCH = r"""
(module
  (import "nexus" "nexus_http_fetch" (func $fetch (param i32 i32) (result i32)))
  (import "nexus" "nexus_read" (func $read (param i32 i32 i32) (result i32)))
  (import "nexus" "nexus_error" (func $error (param i32 i32) (result i32)))
  (import "nexus" "nexus_log" (func $log (param i32 i32 i32)))
  (import "nexus" "nexus_sleep" (func $sleep (param i64) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "URL")
  (data (i32.const 512) "asked")
  (func $say (param $len i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (local.get $len))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12))))
  (func (export "_start") (local $answer i32) (local $n i32)
    (drop (call $sleep (i64.const 1000000)))
    (local.set $answer (call $fetch (i32.const 64) (i32.const LEN)))
    (if (i32.lt_s (local.get $answer) (i32.const 0)) (then
      (call $say (call $error (i32.const 1024) (i32.const 1024)))
      (call $exit (i32.sub (i32.const 0) (local.get $answer)))))
    (call $log (i32.const 3) (i32.const 512) (i32.const 5))
    (loop $more
      (local.set $n (call $read (local.get $answer) (i32.const 1024) (i32.const 1000)))
      (if (i32.gt_s (local.get $n) (i32.const 0)) (then (call $say (local.get $n)) (br $more))))))
"""

# Copies data/from to data/to, and exits with the first error.
COPY = r"""
(module
  (import "nexus" "nexus_fs_open" (func $open (param i32 i32 i32) (result i32)))
  (import "nexus" "nexus_read" (func $read (param i32 i32 i32) (result i32)))
  (import "nexus" "nexus_write" (func $write (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "data/from")
  (data (i32.const 128) "data/to")
  (func $check (param $n i32) (result i32)
    (if (i32.lt_s (local.get $n) (i32.const 0)) (then (call $exit (i32.sub (i32.const 0) (local.get $n)))))
    (local.get $n))
  (func (export "_start") (local $from i32) (local $to i32) (local $n i32)
    (local.set $from (call $check (call $open (i32.const 64) (i32.const 9) (i32.const 1))))
    (local.set $to (call $check (call $open (i32.const 128) (i32.const 7) (i32.const 14))))
    (loop $more
      (local.set $n (call $check (call $read (local.get $from) (i32.const 1024) (i32.const 1000))))
      (if (local.get $n) (then
        (drop (call $check (call $write (local.get $to) (i32.const 1024) (local.get $n))))
        (br $more))))))
"""

# Stores a value of 1000 bytes under each of so many keys.
STORE = r"""
(module
  (import "nexus" "nexus_kv_set" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local $left i32)
    (local.set $left (i32.const TIMES))
    (loop $more
      (i32.store (i32.const 0) (local.get $left))
      (drop (call $set (i32.const 0) (i32.const 4) (i32.const 1024) (i32.const 1000)))
      (br_if $more (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))
"""

# All of <nexus-guest.h>, in C.
EVERYTHING = r"""
#include <nexus-guest.h>
#include <stdio.h>
#include <string.h>
#define CHECK(condition) do { if (!(condition)) { fprintf(stderr, "line %d\n", __LINE__); return 1; } } while (0)

int main(int argc, char **argv)
{
    char text[100] = "";
    int64_t begin = nexus_time_now();
    CHECK(argc == 2);
    CHECK(nexus_sleep(2000000) == 0 && nexus_time_now() - begin >= 2000000);
    CHECK(nexus_time_wall() / 1000000000 > 1700000000);
    nexus_log(NEXUS_WARN, NEXUS_TEXT("a guest's line"));
    CHECK(nexus_kv_get(NEXUS_TEXT("key"), text, sizeof text) == -NEXUS_ENOENT);
    CHECK(nexus_kv_set(NEXUS_TEXT("key"), NEXUS_TEXT("value")) == 0);
    CHECK(nexus_kv_get(NEXUS_TEXT("key"), text, sizeof text) == 5 && memcmp(text, "value", 5) == 0);
    CHECK(nexus_kv_delete(NEXUS_TEXT("key")) == 1);
    int32_t file = nexus_fs_open(NEXUS_TEXT("data/new"), NEXUS_READ | NEXUS_WRITE | NEXUS_CREATE | NEXUS_TRUNCATE);
    CHECK(file > 0 && nexus_write(file, "hello", 5) == 5 && nexus_size(file) == 5 && nexus_close(file) == 0);
    file = nexus_fs_open(NEXUS_TEXT("data/new"), NEXUS_WRITE | NEXUS_APPEND);
    CHECK(nexus_write(file, "!", 1) == 1 && nexus_close(file) == 0);
    CHECK((file = nexus_fs_open(NEXUS_TEXT("data/new"), NEXUS_READ)) > 0);
    CHECK(nexus_read(file, text, sizeof text) == 6 && memcmp(text, "hello!", 6) == 0 && nexus_read(file, text, sizeof text) == 0);
    CHECK(nexus_fs_remove(NEXUS_TEXT("data/new")) == 0);
    CHECK(nexus_fs_open(NEXUS_TEXT("data/new"), NEXUS_READ) == -NEXUS_ENOENT);
    CHECK(nexus_error(text, sizeof text) > 0 && strstr(text, "new"));
    int32_t answer = nexus_http_request(NEXUS_TEXT("POST"), argv[1], strlen(argv[1]), NEXUS_TEXT("x-color: blue\n"), "body", 4);
    CHECK(answer > 0 && nexus_http_status(answer) == 201);
    CHECK(nexus_http_header(answer, NEXUS_TEXT("x-method"), text, sizeof text) == 4 && memcmp(text, "POST", 4) == 0);
    CHECK(nexus_read(answer, text, sizeof text) == 9 && memcmp(text, "blue body", 9) == 0);
    CHECK((answer = nexus_http_fetch(argv[1], strlen(argv[1]))) > 0 && nexus_http_status(answer) == 200);
    puts("done");
    return 0;
}
"""

BODY = "".join(f"line {i}\n" for i in range(500))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/never":
            self.server.done.wait()
            return
        self.send_response(200)
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY.encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(201)
        self.send_header("x-method", self.command)
        answer = self.headers["x-color"].encode() + b" " + body
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


class Guests(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.done = threading.Event()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.server.done.set)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"

    def fetch(self, url, *flags):
        self.write("fetch.wat", FETCH.replace("URL", url).replace("LEN", str(len(url))))
        return self.nexus("run", *flags, "fetch.wat")

    def test_requests(self):
        for flag in (f"--allow-net={self.host}", f"--allow-connect={self.host}", "--allow-net"):
            result = self.fetch(f"http://{self.host}/", flag)
            self.assertEqual((result.returncode, result.stdout), (0, BODY), result.stderr)
            self.assertRegex(result.stderr, r"asked.*guest.*fetch\.wat")

    def test_hosts_that_are_not_granted(self):
        for flags in ([], ["--allow-net=127.0.0.1:1"], ["--allow-net", f"--deny-net={self.host}"]):
            result = self.fetch(f"http://{self.host}/", *flags)
            self.assertEqual(result.returncode, 7, result.stderr)
            self.assertIn(self.host, result.stdout)

    def test_nobody_there(self):
        result = self.fetch("http://127.0.0.1:1/", "--allow-net")
        self.assertEqual(result.returncode, 27, result.stderr)

    def test_a_deadline_reaches_a_request(self):
        result = self.fetch(f"http://{self.host}/never", "--allow-net", "--deadline=300ms")
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertIn("deadline of 300 ms", result.stderr)

    def test_the_header(self):
        if LACKS["c"]:
            self.skipTest(LACKS["c"])
        os.mkdir(os.path.join(self.dir, "data"))
        self.write("guest.c", EVERYTHING)
        made = subprocess.run(["clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "guest.c", "-o", "guest.wasm"],
                              cwd=self.dir, capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)
        result = self.nexus("run", f"--allow-net={self.host}", "--dir", "data", "guest.wasm", f"http://{self.host}/")
        self.assertEqual((result.returncode, result.stdout), (0, "done\n"), result.stderr)
        self.assertRegex(result.stderr, "a guest's line.*guest.wasm")

    def test_keys_and_values(self):
        def store(times, *flags):
            self.write("store.wat", STORE.replace("TIMES", str(times)))
            result = self.nexus("run", *flags, "store.wat")
            return result.returncode, result.stderr

        self.assertEqual(store(9, "--max-kv=10K"), (0, ""))
        code, said = store(10, "--max-kv=10K")
        self.assertEqual(code, 13)
        self.assertIn("max_kv, 10240 bytes", said)
        self.write("nexus.toml", '[wasm]\nmax_kv = "2K"\n')
        code, said = store(2)
        self.assertEqual(code, 13)
        self.assertIn("max_kv, 2048 bytes", said)

    def test_files(self):
        os.mkdir(os.path.join(self.dir, "data"))
        self.write("data/from", BODY)
        self.write("copy.wat", COPY)
        self.assertEqual(self.nexus("run", "copy.wat").returncode, 7)
        self.assertEqual(self.nexus("run", "--dir-ro", "data", "copy.wat").returncode, 7)
        self.assertFalse(os.path.exists(os.path.join(self.dir, "data/to")))
        result = self.nexus("run", "--dir", "data", "copy.wat")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        with open(os.path.join(self.dir, "data/to"), encoding="utf-8") as file:
            self.assertEqual(file.read(), BODY)
        result = self.nexus("run", "--dir", "data", "--max-open-files=1", "copy.wat")
        self.assertEqual(result.returncode, 13)
        self.assertIn("max_open_files, 1", result.stderr)


if __name__ == "__main__":
    unittest.main()

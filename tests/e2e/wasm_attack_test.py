"""Hostile WebAssembly: each tests/attack/guest_*.wat tries a way to what it was not given, and once more with it given, when it has to get in.
There its engine holds it, and the functions that it is given: a guest has no system calls."""
import glob
import http.server
import os
import re
import subprocess
import tempfile
import threading
import unittest

from support import HERE, NEXUS

ATTACKS = sorted(glob.glob(os.path.join(HERE, "../attack/guest_*.wat")))
ENGINE = os.path.join(os.path.dirname(os.path.abspath(NEXUS)), "../lib/libnexus-engine.so")
# What a refusal looks like: ACCES, BADF, FAULT, ILSEQ, INVAL, LOOP, NOENT, NOTDIR, NOTSOCK, NOTSUP, PERM, ROFS, XDEV, NOTCAPABLE; and the end by a trap.
REFUSED = {2, 8, 21, 25, 28, 32, 44, 54, 57, 58, 63, 69, 75, 76}
HEAD = r"""(module
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_stat (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times" (func $path_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  NEXUS
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\03\00\00\06\00\00\00")  ;; 6 bytes at 768
  (data (i32.const 64) "$PATH")
  ;; A path from the first directory; its descriptor is at 8.
  (func $open (param $lookup i32) (param $how i32) (param $rights i64) (result i32)
    (call $path_open (i32.const 3) (local.get $lookup) (i32.const 64) (i32.const $LEN) (local.get $how) (local.get $rights) (i64.const 0) (i32.const 0)
      (i32.const 8)))
  ;; Where that went well: whether it is the secret.
  (func $read_secret (param $error i32) (result i32)
    (if (local.get $error) (then (return (local.get $error))))
    (drop (call $read (i32.load (i32.const 8)) (i32.const 0) (i32.const 1) (i32.const 16)))
    (select (i32.const 0) (i32.const 44) (i32.eq (i32.load (i32.const 768)) (i32.const 0x72636573))))
  (func (export "_start") (call $exit (call $attack)))
"""
FETCH = '(import "nexus" "nexus_http_fetch" (func $http_fetch (param i32 i32) (result i32)))'


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@unittest.skipUnless(os.path.exists(ENGINE), "this Nexus has no WebAssembly: make it with cargo")
class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def tried(self, body, about, given):
        """The guest's exit code."""
        with tempfile.TemporaryDirectory() as folder:
            folder = os.path.realpath(folder)
            for name, text in (("closed/secret", "secret"), ("closed/over", "over"), ("open/note", "note"), ("open/in/deep", "deep")):
                os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
                with open(f"{folder}/{name}", "w") as f:
                    f.write(text)
            os.mkdir(f"{folder}/closed/empty")
            os.symlink("../closed/secret", f"{folder}/open/out")
            os.symlink(f"{folder}/closed/secret", f"{folder}/open/out_whole")
            os.symlink("../closed", f"{folder}/open/out_folder")
            above = given and about["grant"] in ("above", "all")
            path = about.get("path", "note or note").split(" or ")[above or about["grant"] not in ("above", "all") and given]
            path = path.replace("CLOSED", f"{folder}/closed").replace("PORT", str(self.server.server_port))
            note = "open/note" if above else "note"
            text = HEAD + body + ")\n"
            for name, value in (("$NOTELEN", str(len(note))), ("NOTE", note), ("$LEN", str(len(path.replace("\\00", "0")))), ("$PATH", path),
                                ("NEXUS", FETCH if "$http_fetch" in body else "")):
                text = text.replace(name, value)
            with open(f"{folder}/guest.wat", "w") as f:
                f.write(text)
            read_only = about["grant"] == "write" and not given
            flags = ["--dir-ro" if read_only else "--dir", (folder if above else f"{folder}/open") + "::."]
            if given and about["grant"] == "env":
                flags += ["--env", "SECRET=1"]
            if given and about["grant"] == "net":
                flags += [f"--allow-connect=127.0.0.1:{self.server.server_port}"]
            run = subprocess.run([NEXUS, "run", "--no-prompt", *flags, "guest.wat"], cwd=folder, env={**os.environ, "SECRET": "1"}, stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=120, check=False)
            with open(f"{folder}/closed/secret") if os.path.exists(f"{folder}/closed/secret") else open(os.devnull) as f:
                kept = f.read() == "secret"
        return run.returncode, run.stderr, kept

    def test_attacks(self):
        self.assertGreater(len(ATTACKS), 30)
        for path in ATTACKS:
            with open(path) as f:
                body = f.read()
            about = dict(re.findall(r"^;; (stands for|grant|path): (.*)$", body, re.M))
            with self.subTest(os.path.basename(path), **about):
                code, said, kept = self.tried(body, about, False)
                self.assertTrue(code in REFUSED or "nexus: " in said and code, f"{code}: {said}")
                self.assertTrue(kept, "what is not the guest's is there no more")
                if about["grant"] == "none":
                    continue  # nothing gives that
                code, said, _ = self.tried(body, about, True)
                self.assertEqual((code, said), (0, ""))


if __name__ == "__main__":
    unittest.main()

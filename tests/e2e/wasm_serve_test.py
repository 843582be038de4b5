#!/usr/bin/env python3
"""nexus serve: NEXUS=path/to/nexus python3 tests/e2e/wasm_serve_test.py [-k name]."""
import concurrent.futures
import contextlib
import http.client
import os
import signal
import socket
import ssl
import threading
import subprocess
import unittest

from command import NEXUS, SLOW, Base, wait_for

# A service of WASI 0.2. What it does with a request is said by the path's first letter.
SERVICE = r"""
(component
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $io-error))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $pollable))
    (export "pollable" (type $timer (eq $pollable)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $timer))))))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "input-stream" (type $input (sub resource)))
    (export "output-stream" (type $output (sub resource)))
    (alias outer 1 $io-error (type $failed))
    (export "error" (type $error (eq $failed)))
    (type $stream-error (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $ended (eq $stream-error)))
    (export "[method]input-stream.blocking-read"
      (func (param "self" (borrow $input)) (param "len" u64) (result (result (list u8) (error $ended)))))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $ended)))))))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $cli
    (alias outer 1 $output (type $a))
    (export "output-stream" (type $output (eq $a)))
    (export "get-stdout" (func (result (own $output))))))
  (import "wasi:http/types@0.2.0" (instance $http
    (alias outer 1 $input (type $a))
    (export "input-stream" (type $input (eq $a)))
    (alias outer 1 $output (type $b))
    (export "output-stream" (type $output (eq $b)))
    (type $c (record (field "rcode" (option string)) (field "info-code" (option u16))))
    (export "DNS-error-payload" (type $dns (eq $c)))
    (type $d (record (field "alert-id" (option u8)) (field "alert-message" (option string))))
    (export "TLS-alert-received-payload" (type $alert (eq $d)))
    (type $e (record (field "field-name" (option string)) (field "field-size" (option u32))))
    (export "field-size-payload" (type $size (eq $e)))
    (type $f (variant (case "DNS-timeout") (case "DNS-error" $dns) (case "destination-not-found") (case "destination-unavailable")
      (case "destination-IP-prohibited") (case "destination-IP-unroutable") (case "connection-refused") (case "connection-terminated")
      (case "connection-timeout") (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached")
      (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" $alert) (case "HTTP-request-denied")
      (case "HTTP-request-length-required") (case "HTTP-request-body-size" (option u64)) (case "HTTP-request-method-invalid")
      (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long") (case "HTTP-request-header-section-size" (option u32))
      (case "HTTP-request-header-size" (option $size)) (case "HTTP-request-trailer-section-size" (option u32))
      (case "HTTP-request-trailer-size" $size) (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" (option u32))
      (case "HTTP-response-header-size" $size) (case "HTTP-response-body-size" (option u64))
      (case "HTTP-response-trailer-section-size" (option u32)) (case "HTTP-response-trailer-size" $size)
      (case "HTTP-response-transfer-coding" (option string)) (case "HTTP-response-content-coding" (option string))
      (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected")
      (case "configuration-error") (case "internal-error" (option string))))
    (export "error-code" (type $code (eq $f)))
    (export "fields" (type $fields (sub resource)))
    (export "incoming-request" (type $request (sub resource)))
    (export "incoming-body" (type $coming (sub resource)))
    (export "outgoing-response" (type $response (sub resource)))
    (export "outgoing-body" (type $body (sub resource)))
    (export "response-outparam" (type $out (sub resource)))
    (export "[constructor]fields" (func (result (own $fields))))
    (export "[method]incoming-request.path-with-query" (func (param "self" (borrow $request)) (result (option string))))
    (export "[method]incoming-request.consume" (func (param "self" (borrow $request)) (result (result (own $coming)))))
    (export "[method]incoming-body.stream" (func (param "self" (borrow $coming)) (result (result (own $input)))))
    (export "[constructor]outgoing-response" (func (param "headers" (own $fields)) (result (own $response))))
    (export "[method]outgoing-response.body" (func (param "self" (borrow $response)) (result (result (own $body)))))
    (export "[method]outgoing-body.write" (func (param "self" (borrow $body)) (result (result (own $output)))))
    (export "[static]outgoing-body.finish"
      (func (param "this" (own $body)) (param "trailers" (option (own $fields))) (result (result (error $code)))))
    (export "[static]response-outparam.set"
      (func (param "param" (own $out)) (param "response" (result (own $response) (error $code)))))))
  (alias export $http "incoming-request" (type $request))
  (alias export $http "response-outparam" (type $out))

  (core module $base
    (memory (export "memory") 2)
    (global $top (mut i32) (i32.const 4096))
    (func (export "grow") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
      (global.set $top (i32.add (local.get $at) (local.get $new)))
      (local.get $at))
    ;; What was given so far is given again: a piece that has been written is done with.
    (func (export "again") (global.set $top (i32.const 4096))))
  (core instance $base (instantiate $base))
  (alias core export $base "memory" (core memory $memory))
  (alias core export $base "grow" (core func $grow))
  (core func $after (canon lower (func $clock "subscribe-duration")))
  (core func $wait (canon lower (func $poll "[method]pollable.block")))
  (core func $read (canon lower (func $streams "[method]input-stream.blocking-read") (memory $memory) (realloc $grow)))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory) (realloc $grow)))
  (core func $stdout (canon lower (func $cli "get-stdout")))
  (core func $fields (canon lower (func $http "[constructor]fields")))
  (core func $path (canon lower (func $http "[method]incoming-request.path-with-query") (memory $memory) (realloc $grow)))
  (core func $consume (canon lower (func $http "[method]incoming-request.consume") (memory $memory)))
  (core func $stream (canon lower (func $http "[method]incoming-body.stream") (memory $memory)))
  (core func $response (canon lower (func $http "[constructor]outgoing-response")))
  (core func $body (canon lower (func $http "[method]outgoing-response.body") (memory $memory)))
  (core func $open (canon lower (func $http "[method]outgoing-body.write") (memory $memory)))
  (core func $finish (canon lower (func $http "[static]outgoing-body.finish") (memory $memory) (realloc $grow)))
  (core func $set (canon lower (func $http "[static]response-outparam.set") (memory $memory) (realloc $grow)))
  (core func $drop (canon resource.drop $output))
  (core module $main
    (import "base" "memory" (memory 1))
    (import "base" "again" (func $again))
    (import "host" "after" (func $after (param i64) (result i32)))
    (import "host" "wait" (func $wait (param i32)))
    (import "host" "read" (func $read (param i32 i64 i32)))
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "stdout" (func $stdout (result i32)))
    (import "host" "fields" (func $fields (result i32)))
    (import "host" "path" (func $path (param i32 i32)))
    (import "host" "consume" (func $consume (param i32 i32)))
    (import "host" "stream" (func $stream (param i32 i32)))
    (import "host" "response" (func $response (param i32) (result i32)))
    (import "host" "body" (func $body (param i32 i32)))
    (import "host" "open" (func $open (param i32 i32)))
    (import "host" "finish" (func $finish (param i32 i32 i32 i32)))
    (import "host" "set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (import "host" "drop" (func $drop (param i32)))
    (data (i32.const 64) "hello\n0\n")
    (global $served (mut i32) (i32.const 48))
    (func $echo (param $request i32) (param $to i32) (local $from i32)
      (call $consume (local.get $request) (i32.const 16))
      (call $stream (i32.load (i32.const 20)) (i32.const 16))
      (local.set $from (i32.load (i32.const 20)))
      (block $end (loop $next
        (call $again)
        (call $read (local.get $from) (i64.const 4096) (i32.const 16))
        (br_if $end (i32.load8_u (i32.const 16)))
        (call $write (local.get $to) (i32.load (i32.const 20)) (i32.load (i32.const 24)) (i32.const 32))
        (br_if $end (i32.load8_u (i32.const 32)))
        (br $next))))
    ;; 400 KiB, or as much as goes out.
    (func $print (local $to i32) (local $left i32)
      (local.set $to (call $stdout))
      (local.set $left (i32.const 100))
      (loop $next
        (call $write (local.get $to) (i32.const 8192) (i32.const 4096) (i32.const 32))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $next (local.get $left)))
      (call $drop (local.get $to)))
    (func (export "handle") (param $request i32) (param $out i32) (local $what i32) (local $body i32) (local $to i32) (local $answer i32)
      (call $path (local.get $request) (i32.const 16))
      (local.set $what (i32.load8_u offset=1 (i32.load (i32.const 20))))
      (if (i32.eq (local.get $what) (i32.const 116)) (then unreachable)) ;; trap
      (if (i32.eq (local.get $what) (i32.const 110)) (then (return))) ;; no answer
      (if (i32.eq (local.get $what) (i32.const 115)) (then (loop $spin (br $spin))))
      (if (i32.eq (local.get $what) (i32.const 109)) (then (drop (memory.grow (i32.const 1000)))))
      (if (i32.eq (local.get $what) (i32.const 112)) (then (call $print)))
      (if (i32.eq (local.get $what) (i32.const 119)) (then (call $wait (call $after (i64.const 100_000_000)))))
      (if (i32.eq (local.get $what) (i32.const 104)) (then (call $wait (call $after (i64.const 3600_000_000_000)))))
      (local.set $answer (call $response (call $fields)))
      (call $body (local.get $answer) (i32.const 16))
      (local.set $body (i32.load (i32.const 20)))
      (call $set (local.get $out) (i32.const 0) (local.get $answer) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 0))
      (call $open (local.get $body) (i32.const 16))
      (local.set $to (i32.load (i32.const 20)))
      (global.set $served (i32.add (global.get $served) (i32.const 1)))
      (i32.store8 (i32.const 70) (global.get $served))
      (if (i32.eq (local.get $what) (i32.const 99)) ;; count
        (then (call $write (local.get $to) (i32.const 70) (i32.const 2) (i32.const 32))))
      (if (i32.eq (local.get $what) (i32.const 101)) ;; echo
        (then (call $echo (local.get $request) (local.get $to)))
        (else (if (i32.ne (local.get $what) (i32.const 99))
          (then (call $write (local.get $to) (i32.const 64) (i32.const 6) (i32.const 32))))))
      (if (i32.eq (local.get $what) (i32.const 98)) (then unreachable)) ;; begun: nothing has gone out yet
      (if (i32.eq (local.get $what) (i32.const 108)) ;; late
        (then (call $write (local.get $to) (i32.const 64) (i32.const 6) (i32.const 32)) unreachable))
      (call $drop (local.get $to))
      (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 128))))
  (core instance $main (instantiate $main
    (with "base" (instance $base))
    (with "host" (instance (export "after" (func $after)) (export "wait" (func $wait)) (export "read" (func $read)) (export "write" (func $write))
      (export "stdout" (func $stdout))
      (export "fields" (func $fields)) (export "path" (func $path)) (export "consume" (func $consume)) (export "stream" (func $stream))
      (export "response" (func $response)) (export "body" (func $body)) (export "open" (func $open)) (export "finish" (func $finish))
      (export "set" (func $set)) (export "drop" (func $drop))))))
  (func $handle (param "request" (own $request)) (param "response-out" (own $out)) (canon lift (core func $main "handle")))
  (instance $handler (export "handle" (func $handle)))
  (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))
"""


APP = r"""
#include <nexus/wasm_service.h>
#include <stdio.h>
static nx_http_server *server;
static nx_wasm_service *img;
static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "from C\n");
}
static nx_err own(nx_request *req, nx_response *res)
{
    nx_response_header(res, "x-own", "yes");
    return nx_wasm_service_answer(img, req, res);
}
static nx_err say(void **state, void *context)
{
    (void)state;
    (void)context;
    printf("http://127.0.0.1:%u\n", nx_http_port(server));
    fflush(stdout);
    return NX_OK;
}
int main(int argc, char **argv)
{
    NX_TRY(nx_wasm_service_open(&img, argc > 1 ? argv[1] : "./a.wat", .policy.max_memory = 1 << 20, .reuse = 2));
    server = nx_http_server_new(.port = NX_HTTP_ANY_PORT, .worker_start = say);
    nx_http_get(server, "/", root);
    nx_http_get(server, "/own", own);
    nx_http_mount(server, "/img", nx_wasm_service_router(img));
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    nx_wasm_service_close(img);
    return err;
}
"""


class Serve(Base):
    def setUp(self):
        super().setUp()
        if not os.path.exists(os.path.join(os.path.dirname(NEXUS), "../lib/libnexus-engine.so")):
            self.skipTest("this Nexus is built without WebAssembly")
        self.write("a.wat", SERVICE)

    def serve(self, *flags, name="a.wat"):
        app = self.start("serve", "--addr=127.0.0.1:0", *flags, name)
        line = app.process.stdout.readline()
        if not line:
            app.wait()
        self.assertRegex(line, r"^http://127\.0\.0\.1:\d+\n$", app.errors)
        return app, int(line.rsplit(":", 1)[1])

    def ask(self, port, path, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120 * SLOW)
        try:
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def stop(self, app):
        self.assertEqual(app.stop(), 0, app.errors)

    def test_answers(self):
        app, port = self.serve()
        for method, path in (("GET", "/"), ("GET", "/?q=1"), ("POST", "/x/y"), ("DELETE", "/")):
            self.assertEqual(self.ask(port, path, method), (200, b"hello\n"))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(set(pool.map(lambda _: self.ask(port, "/wait"), range(64))), {(200, b"hello\n")})
        self.stop(app)

    def test_bodies(self):
        app, port = self.serve()
        for size in (0, 1, 4096, 100_000, 3_000_000):
            body = os.urandom(size)
            self.assertEqual(self.ask(port, "/echo", "POST", body), (200, body))
        # Both ways at once: a piece comes back before the next one goes.
        with socket.create_connection(("127.0.0.1", port), timeout=120 * SLOW) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            got = b""
            for piece in (b"one", b"two", b"three"):
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
                while piece not in got:
                    more = connection.recv(4096)
                    self.assertTrue(more)
                    got += more
            connection.sendall(b"0\r\n\r\n")
            while not got.endswith(b"0\r\n\r\n"):
                got += connection.recv(4096)
        self.stop(app)

    def test_what_fails_fails_alone(self):
        app, port = self.serve("--max-memory=1M", "--max-cpu-time=100ms", "--deadline=2s")
        for path, status in (("/trap", 500), ("/no-answer", 500), ("/memory", 500), ("/spin", 500), ("/hang", 504), ("/begun", 500)):
            self.assertEqual(self.ask(port, path)[0], status, path)
            self.assertEqual(self.ask(port, "/"), (200, b"hello\n"))
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.ask(port, "/late")
        self.assertEqual(self.ask(port, "/"), (200, b"hello\n"))
        self.stop(app)
        for words in ("`unreachable` instruction executed, in ", "has not answered", "max_memory, 1048576", "max_cpu_time, 100 ms"):
            self.assertIn(words, app.errors)

    def test_a_guest_that_spins_lets_others_on(self):
        app, port = self.serve("--max-cpu-time=3s", "--watchdog=0")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            spins = pool.submit(self.ask, port, "/spin")
            for _ in range(10):
                self.assertEqual(self.ask(port, "/wait"), (200, b"hello\n"))
            self.assertFalse(spins.done())
            self.assertEqual(spins.result()[0], 500)
        self.stop(app)

    def test_a_graceful_stop(self):
        app, port = self.serve()
        with socket.create_connection(("127.0.0.1", port), timeout=120 * SLOW) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
            got = b""
            while b"abc" not in got:
                got += connection.recv(4096)
            app.process.send_signal(signal.SIGTERM)
            wait_for(lambda: not self.listens(port))
            connection.sendall(b"def")
            while b"def" not in got:
                more = connection.recv(4096)
                self.assertTrue(more)
                got += more
        self.assertEqual(app.wait(), 0, app.errors)

    def listens(self, port):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=120).close()
            return True
        except (ConnectionRefusedError, ConnectionResetError):
            return False

    def test_an_instance_for_each_request_or_for_some(self):
        for flags, counts in (([], "1111"), (["--reuse=3"], "1231")):
            app, port = self.serve(*flags)
            self.assertEqual("".join(self.ask(port, "/count")[1].decode()[0] for _ in range(4)), counts)
            # One that has trapped answers nothing any more.
            self.assertEqual(self.ask(port, "/trap")[0], 500)
            self.assertEqual(self.ask(port, "/count"), (200, b"1\n"))
            self.stop(app)

    def test_one_that_leaves(self):
        app, port = self.serve()
        with socket.create_connection(("127.0.0.1", port), timeout=120 * SLOW) as connection:
            connection.sendall(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(self.ask(port, "/"), (200, b"hello\n"))
        # It waits for nobody: what is still in flight at a stop ends it with an error.
        self.stop(app)

    def test_limits_of_requests(self):
        app, port = self.serve("--max-body=1K", "--max-instances=2")
        self.assertEqual(self.ask(port, "/echo", "POST", b"a" * 1024), (200, b"a" * 1024))
        self.assertEqual(self.ask(port, "/echo", "POST", b"a" * 1025)[0], 413)
        try:
            status = self.ask(port, "/echo", "POST", iter([b"a" * 1000] * 100))[0]  # chunked: its length is not told
        except (http.client.HTTPException, OSError):
            status = 413  # the answer had begun, and was cut off
        self.assertEqual(status, 413)
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=120 * SLOW))
                connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
                self.assertTrue(connection.recv(4096))
            self.assertEqual(self.ask(port, "/")[0], 503)
        wait_for(lambda: self.ask(port, "/")[0] == 200)
        self.stop(app)

    def test_https(self):
        made = self.nexus("cert", "127.0.0.1", env={"XDG_DATA_HOME": self.dir})
        self.assertEqual(made.returncode, 0, made.stderr)
        app = self.start("serve", "--addr=127.0.0.1:0", "--cert=127.0.0.1.crt", "--key=127.0.0.1.key", "a.wat")
        line = app.process.stdout.readline()
        self.assertRegex(line, r"^https://127\.0\.0\.1:\d+\n$", app.errors)
        connection = http.client.HTTPSConnection("127.0.0.1", int(line.rsplit(":", 1)[1]), timeout=120 * SLOW,
                                                 context=ssl._create_unverified_context())
        connection.request("POST", "/echo", b"secret")
        self.assertEqual(connection.getresponse().read(), b"secret")
        connection.close()
        self.stop(app)

    def test_workers(self):
        app, port = self.serve("--workers=3", "--reuse=1000")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            bodies = [os.urandom(size) for size in (10, 1000, 100_000) * 20]
            self.assertEqual(list(pool.map(lambda body: self.ask(port, "/echo", "POST", body)[1], bodies)), bodies)
        self.stop(app)

    def test_another_version_loses_no_request(self):
        app, port = self.serve()
        failed, over = [], threading.Event()

        def ask_on():
            while not over.is_set():
                answer = self.ask(port, "/")
                if answer not in ((200, b"hello\n"), (200, b"again\n")):
                    failed.append(answer)

        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(ask_on) for _ in range(3)]
            with socket.create_connection(("127.0.0.1", port), timeout=120 * SLOW) as connection:
                connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
                got = b""
                while b"abc" not in got:
                    got += connection.recv(4096)
                self.write("a.wat", SERVICE.replace("hello", "again"))
                app.process.send_signal(signal.SIGHUP)
                wait_for(lambda: self.ask(port, "/")[1] == b"again\n")
                connection.sendall(b"def")
                while b"def" not in got:
                    more = connection.recv(4096)
                    self.assertTrue(more)
                    got += more
            self.write("a.wat", "(component)")
            app.process.send_signal(signal.SIGHUP)
            app.said("wasi:http")
            self.assertEqual(self.ask(port, "/"), (200, b"again\n"))
            over.set()
            for each in asking:
                each.result()
        self.assertEqual(failed, [])
        self.stop(app)

    def test_watch(self):
        app, port = self.serve("--watch")
        self.assertEqual(self.ask(port, "/"), (200, b"hello\n"))
        self.write("a.wat", SERVICE.replace("hello", "again"))
        wait_for(lambda: self.ask(port, "/") == (200, b"again\n"))
        self.stop(app)

    def test_on_the_routes_of_a_program(self):
        self.write("app.c", APP)
        app = self.start("run", "app.c", "--allow-net")
        line = app.process.stdout.readline()
        self.assertTrue(line, app.errors)
        port = int(line.rsplit(":", 1)[1])
        self.assertEqual(self.ask(port, "/"), (200, b"from C\n"))
        self.assertEqual(self.ask(port, "/img/x"), (200, b"hello\n"))
        self.assertEqual(self.ask(port, "/img"), (200, b"hello\n"))
        self.assertEqual(self.ask(port, "/own"), (200, b"hello\n"))
        self.stop(app)
        self.write("none.wat", "(component)")
        self.write("module.wat", "(module)")
        for name, code, said in (("./none.wat", 8, "wasi:http"), ("./module.wat", 19, "it is a module"), ("./gone.wat", 8, "gone.wat")):
            result = self.nexus("run", "app.c", "--allow-net", "--", name)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn(said, result.stderr)

    def test_what_guests_print(self):
        """Nobody reads it, and then nobody is there any more: the others are served, and it stops."""
        app, port = self.serve()
        for _ in range(5):
            self.assertEqual(self.ask(port, "/print"), (200, b"hello\n"))
        app.process.stdout.close()
        for _ in range(5):
            self.assertEqual(self.ask(port, "/print"), (200, b"hello\n"))
            self.assertEqual(self.ask(port, "/"), (200, b"hello\n"))
        app.process.terminate()
        self.assertEqual(app.process.wait(60 * SLOW), 0)

    def test_usage(self):
        self.write("module.wat", '(module (func (export "_start")))')
        self.write("none.wat", "(component)")
        self.write("app.c", "int main(void) { return 0; }")
        for args, code, said in ((["--addr", "nowhere", "a.wat"], 2, "HOST:PORT"), (["--addr=127.0.0.1:", "a.wat"], 2, "HOST:PORT"),
                                 (["--addr=127.0.0.1:70000", "a.wat"], 2, "HOST:PORT"), (["app.c"], 2, "nexus run"), (["--cert=a.crt", "a.wat"], 2, "--key"),
                                 (["--addr=127.0.0.1:0", "--dir", "nowhere", "a.wat"], 8, 'cannot give guests the directory "nowhere": no such file'),
                                 (["--addr=127.0.0.1:0", "module.wat"], 19, "it is a module"),
                                 (["--addr=127.0.0.1:0", "none.wat"], 8, "wasi:http")):
            result = self.nexus("serve", *args)
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
            self.assertIn(said, result.stderr)


if __name__ == "__main__":
    unittest.main()

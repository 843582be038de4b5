"""Workers: one server on several loops, each on a thread of its own."""
import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from support import NEXUS, App, ServerTest, read_response
from events_test import Stream, wait_for


class Client:
    """A connection that stays open, and the worker that has it."""

    def __init__(self, app, path="/"):
        self.socket = app.connect()
        self.file = self.socket.makefile("rb")
        answer = self.ask(path)
        self.worker, self.thread = answer["worker"], answer.get("thread")

    def send(self, path, method="GET", body=b""):
        head = f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)

    def receive(self):
        return read_response(self.file)

    def ask(self, path, method="GET", body=b""):
        self.send(path, method, body)
        r = self.receive()
        assert r.status == 200, (r.status, r.body)
        return json.loads(r.body)

    def close(self):
        self.file.close()
        self.socket.close()


def one_of_each(app, workers, most=400):
    """A client at each of the workers."""
    clients = {}
    for _ in range(most):
        client = Client(app)
        if client.worker in clients:
            client.close()
        else:
            clients[client.worker] = client
        if len(clients) == workers:
            return clients
    raise AssertionError(f"only workers {sorted(clients)} answer")


def close_all(clients):
    for client in clients.values():
        client.close()


def read_by_each(app, workers):
    """What has been sent to each worker by now has been read there: its loop takes connections in turn, and these are the last."""
    clients = one_of_each(app, workers)
    for client in clients.values():
        client.ask("/")
    close_all(clients)


class Blocked:
    """Workers that hold their loops up, until another is asked for /release."""

    def __init__(self, test, workers):
        self.test, self.workers = test, workers

    def __enter__(self):
        for worker in self.workers:
            before = self.test.app.output().count(f"worker {worker} blocks\n")
            self.test.clients[worker].send("/block")
            self.test.assertTrue(wait_for(lambda: self.test.app.output().count(f"worker {worker} blocks\n") > before))

    def __exit__(self, *_):
        self.test.clients[0].ask("/release")
        for worker in self.workers:
            self.test.assertEqual(self.test.clients[worker].receive().status, 200)


class Workers(ServerTest):
    app_source = "workers.c"
    app_args = ("4",)

    def setUp(self):
        self.clients = one_of_each(self.app, 4)
        self.addCleanup(close_all, self.clients)

    def test_each_is_a_thread(self):
        answers = [c.ask("/") for c in self.clients.values()]
        self.assertEqual({a["worker"] for a in answers}, {0, 1, 2, 3})
        self.assertEqual(len({a["thread"] for a in answers}), 4)
        self.assertEqual(len({a["pid"] for a in answers}), 1)
        for a in answers:
            self.assertEqual(a["state"], a["worker"], "what worker_start has given is the worker's own")

    def test_a_blocked_worker_stops_no_other(self):
        with Blocked(self, [2]):
            for worker in (0, 1, 3):
                for _ in range(20):
                    self.assertEqual(self.clients[worker].ask("/")["worker"], worker)
            self.assertTrue(wait_for(lambda: "of worker 2 has blocked the loop" in self.app.output()), self.app.output())

    def test_two_are_blocked_at_once(self):
        with Blocked(self, [1, 3]):
            for worker in (1, 3):
                self.assertTrue(wait_for(lambda: f"of worker {worker} has blocked" in self.app.output()), self.app.output())

    def test_fibers_and_the_pool(self):
        for c in self.clients.values():
            c.send("/spawn")
        for worker, c in self.clients.items():
            self.assertEqual(json.loads(c.receive().body)["worker"], worker)

    def test_statistics_are_sums(self):
        before = self.clients[0].ask("/stats")
        for _ in range(10):
            for c in self.clients.values():
                c.ask("/")
        after = self.clients[3].ask("/stats")
        self.assertEqual(after["requests"] - before["requests"], 41)
        self.assertGreaterEqual(after["connections"], 4)

    def test_signals_are_not_for_workers(self):
        self.assertEqual(self.clients[1].ask("/signals")["err"], 21, "NX_ESTATE")

    def listening(self, streams):
        """What one is told first it is told before it listens."""
        self.assertTrue(wait_for(lambda: self.clients[1].ask("/stats")["listeners"] == len(streams)))

    def test_topics_reach_all(self):
        streams, workers = [], set()
        while len(workers) < 4 and len(streams) < 400:
            s = Stream(self.app, "/topic")
            s.until(lambda text: "data: " in text and text.endswith("\n\n"))
            workers.add(int(re.search(r"data: (\d)", s.text())[1]))
            streams.append(s)
        self.assertEqual(workers, {0, 1, 2, 3})
        self.listening(streams)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            def publish(worker):
                for n in range(50):
                    self.clients[worker].ask("/send", "POST", f"{worker}-{n}".encode())
            list(pool.map(publish, self.clients))
        orders = set()
        for s in streams:
            s.until(lambda text: len(re.findall(r"data: \d-\d+\n\n", text)) == 200)
            got = re.findall(r"data: (\d-\d+)", s.text())
            self.assertEqual(len(set(got)), 200)
            for worker in range(4):
                own = [int(e[2:]) for e in got if e[0] == str(worker)]
                self.assertEqual(own, list(range(50)), "in the order in which one has sent them")
            orders.add(tuple(got))
        self.assertEqual(len(orders), 1, "every listener has the same order")
        # Who comes back, to whatever worker, misses nothing.
        ids = re.findall(r"id: (\S+)", streams[0].text())
        again = Stream(self.app, "/topic", headers=[f"last-event-id: {ids[149]}"])
        again.until(lambda text: len(re.findall(r"data: \d-\d+\n\n", text)) == 50)
        self.assertEqual(re.findall(r"id: (\S+)", again.text()), ids[150:])
        for s in [*streams, again]:
            s.socket.close()
        self.assertTrue(wait_for(lambda: self.clients[1].ask("/stats")["listeners"] == 0))

    def test_a_blocked_worker_holds_no_topic_up(self):
        streams = []
        while len({s.worker for s in streams}) < 4 and len(streams) < 400:
            s = Stream(self.app, "/topic")
            s.until(lambda text: "data: " in text and text.endswith("\n\n"))
            s.worker = int(re.search(r"data: (\d)", s.text())[1])
            streams.append(s)
        self.listening(streams)
        with Blocked(self, [2]):
            self.clients[1].ask("/send", "POST", b"quick")
            for s in streams:
                if s.worker != 2:
                    s.until(lambda text: "data: quick" in text)
        for s in streams:
            s.until(lambda text: "data: quick" in text)
            s.socket.close()

    def test_a_rate_limit_counts_all(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            def asks(_):
                with self.app.connect() as s, s.makefile("rb") as f:
                    statuses = []
                    for _ in range(10):
                        s.sendall(b"GET /limited HTTP/1.1\r\nhost: a\r\n\r\n")
                        statuses.append(read_response(f).status)
                    return statuses
            statuses = [s for each in pool.map(asks, range(30)) for s in each]
        self.assertEqual((statuses.count(200), statuses.count(429)), (100, 200))

    def test_access_log_and_ids(self):
        for c in self.clients.values():
            for _ in range(25):
                c.ask("/slow/0?log")
        def lines():
            return [json.loads(line) for line in self.app.output().splitlines() if '"query":"log"' in line]
        self.assertTrue(wait_for(lambda: len(lines()) == 100), len(lines()))
        self.assertEqual(len({line["id"] for line in lines()}), 100)

    def test_a_second_server_does_not_slip_in(self):
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps/workers.c")
        r = subprocess.run([NEXUS, "run", f"--allow-listen=:{self.app.port}", source, "--", str(self.app.port), "4"],
                           capture_output=True, text=True, timeout=120)
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("address in use", r.stderr)


class Life(unittest.TestCase):
    def app(self, *args, **kwargs):
        app = App("workers.c", *args, **kwargs)
        self.addCleanup(app.kill)
        return app

    def test_sigterm_loses_nothing(self):
        app = self.app("4")
        clients = one_of_each(app, 4)
        more = [Client(app) for _ in range(40)]
        for c in [*clients.values(), *more]:
            c.send("/slow/3000")
        read_by_each(app, 4)
        app.process.send_signal(signal.SIGTERM)
        for c in [*clients.values(), *more]:
            r = c.receive()
            self.assertEqual((r.status, r.headers["connection"]), (200, "close"))
        self.assertEqual(app.process.wait(60), 0, app.output())
        for worker in range(4):
            self.assertRegex(app.output(), f"worker {worker} stops after [1-9]")
        self.assertRegex(app.output(), r"after \d+ requests, 0 open")

    def test_sigterm_under_load(self):
        # The kernel resets who comes in the microsecond between a worker's last look and its close; it is longer where that one is held up there.
        fresh = next((fresh for fresh in (self.sigterm_under_load() for _ in range(4)) if len(fresh) <= 1), None)
        self.assertIsNotNone(fresh, "each time more than one is reset")

    def sigterm_under_load(self):
        app = self.app("4")
        lost, fresh, answered, stop = [], [], [0] * 8, threading.Event()

        def load(n):
            while not stop.is_set():
                try:
                    s = app.connect()
                except OSError:
                    return  # it listens no more
                with s, s.makefile("rb") as f:
                    for asked in range(5):
                        try:
                            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                            r = read_response(f)
                        except OSError as e:
                            (lost if asked else fresh).append(repr(e))
                            return
                        if not r:
                            lost.append("closed without an answer")
                            return
                        answered[n] += 1
                        if r.headers.get("connection") == "close":
                            return

        threads = [threading.Thread(target=load, args=(n,)) for n in range(8)]
        for t in threads:
            t.start()
        time.sleep(1)
        wait_for(lambda: sum(answered) > 100)
        app.process.send_signal(signal.SIGTERM)
        self.assertEqual(app.process.wait(60), 0, app.output())
        stop.set()
        for t in threads:
            t.join()
        self.assertGreater(sum(answered), 100)
        self.assertEqual(lost, [])
        return fresh

    def test_stop_from_any_worker(self):
        for how in ("stop", "shutdown"):
            for worker in (0, 3):
                app = self.app("4")
                clients = one_of_each(app, 4)
                clients[1].send("/slow/300")
                read_by_each(app, 4)
                self.assertEqual(clients[worker].ask(f"/end/{how}")["worker"], worker)
                self.assertEqual(clients[1].receive().status, 200)
                self.assertEqual(app.process.wait(60), 0, app.output())
                close_all(clients)

    def test_readiness_while_it_stops(self):
        app = self.app("2")
        clients = one_of_each(app, 2)
        self.assertEqual(clients[1].ask("/ready"), {"status": "ok"})
        close_all(clients)
        self.assertEqual(app.stop(), 0)

    def test_a_crash_is_reported_and_all_start_again(self):
        app = self.app("4")
        clients = one_of_each(app, 4)
        clients[3].send("/crash")
        self.assertTrue(wait_for(lambda: "starting it again" in app.output()), app.output())
        self.assertRegex(app.output(), r'crashed in fiber "http" of worker 3: segmentation fault at address 0, serving GET /crash')
        app.wait_listening()
        close_all(clients)
        close_all(one_of_each(app, 4))
        self.assertEqual(app.stop(), 0, app.output())

    def test_a_start_that_fails(self):
        for worker in ("0", "2"):
            app = self.app("4", "fail", worker, wait=False)
            self.assertEqual(app.process.wait(60), 15, app.output())  # NX_EIO
            where = "worker 2: " if worker == "2" else ""
            self.assertIn(f"listen: {where}the database does not answer\n", app.output())
            self.assertEqual(app.output().count(" starts\n"), 3)
            self.assertEqual(app.output().count(" stops after 0\n"), 3)

    def test_too_many(self):
        app = self.app("257", wait=False)
        self.assertNotEqual(app.process.wait(60), 0)
        self.assertIn("listen: workers is 257, more than 256\n", app.output())

    def test_what_lingers_is_told(self):
        app = self.app("2", "linger")
        app.process.send_signal(signal.SIGTERM)
        self.assertEqual(app.process.wait(60), 0, app.output())
        self.assertIn("nexus: worker 1 is still waiting for 1 timer; a second signal ends it\n", app.output())

    def test_a_share_of_the_connections(self):
        app = self.app("4", "few")  # max_connections is 6
        sockets = [app.connect() for _ in range(40)]
        for s in sockets:
            s.sendall(b"GET /stats HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertTrue(wait_for(lambda: sum(map(self.ready, sockets)) >= 4), "one worker serves nobody")
        time.sleep(0.5)
        self.assertLessEqual(sum(map(self.ready, sockets)), 6)
        done = 0
        while sockets and done < 40:  # as one goes, the next of its worker comes
            ready = [s for s in sockets if self.ready(s)]
            self.assertTrue(ready or wait_for(lambda: any(self.ready(s) for s in sockets), 60), f"{len(sockets)} wait")
            for s in ready:
                with s.makefile("rb") as f:
                    self.assertEqual(read_response(f).status, 200)
                s.close()
                sockets.remove(s)
                done += 1
        self.assertEqual(done, 40)
        self.assertEqual(app.stop(), 0)

    @staticmethod
    def ready(s):
        s.setblocking(False)
        try:
            return bool(s.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            s.settimeout(30)

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "w.sock")
            app = self.app("4", "unix", path, flags=(f"--allow-listen=unix:{path}",), wait=False)

            def connect(timeout=120):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(timeout)
                s.connect(path)
                return s
            app.connect = connect
            with socket.socket(socket.AF_UNIX) as s:
                self.assertTrue(wait_for(lambda: s.connect_ex(path) == 0), app.output())
            self.assertIn(Client(app).worker, range(4))
            # Connections go to workers that have nothing else to do.
            busy = []
            for _ in range(4):
                c = Client(app)
                self.assertNotIn(c.worker, [b.worker for b in busy])
                busy.append(c)
                if len(busy) == 4:
                    break
                c.send("/block")
                self.assertTrue(wait_for(lambda: f"worker {c.worker} blocks\n" in app.output()), app.output())
            self.assertEqual({b.worker for b in busy}, {0, 1, 2, 3})
            busy[3].ask("/release")
            for b in busy[:3]:
                self.assertEqual(b.receive().status, 200)
            self.assertEqual(app.stop(), 0, app.output())
            self.assertFalse(os.path.exists(path))

    def test_all_cores(self):
        cpus = sorted(os.sched_getaffinity(0))
        for own in ({cpus[0]}, set(cpus[:2])):
            os.sched_setaffinity(0, own)
            try:
                app = self.app("all")
            finally:
                os.sched_setaffinity(0, cpus)
            close_all(one_of_each(app, len(own)))
            self.assertEqual(app.stop(), 0)
            self.assertEqual(app.output().count(" starts\n"), len(own))

    def test_another_number_after_a_change(self):
        """Under --watch the sockets stay, and those too many are served out."""
        with tempfile.TemporaryDirectory() as d:
            path = os.path.join(d, "app.c")

            def write(workers):
                with open(path + "~", "w") as f:
                    f.write(f"""#include <nexus.h>
#include <stdlib.h>
#include <unistd.h>
static nx_err root(nx_request *req, nx_response *res)
{{
    (void)req;
    return nx_response_json(res, nx_obj("worker", nx_worker_index(), "pid", getpid(), "workers", {workers}));
}}
int main(int argc, char **argv)
{{
    (void)argc;
    nx_http_server *server = nx_http_server_new(.port = (uint16_t)strtoul(argv[1], NULL, 10), .workers = {workers});
    nx_http_get(server, "/", root);
    return nx_http_listen(server);
}}
""")
                os.rename(path + "~", path)
            write(4)
            app = App(path, flags=("--watch",))
            self.addCleanup(app.kill)
            lost, seen, stop = [], set(), threading.Event()

            def load():
                while not stop.is_set():
                    try:
                        with app.connect() as s, s.makefile("rb") as f:
                            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                            seen.add(json.loads(read_response(f).body)["workers"])
                    except Exception as e:
                        lost.append(repr(e))
                    time.sleep(0.001)

            threads = [threading.Thread(target=load) for _ in range(4)]
            for t in threads:
                t.start()
            for workers in (1, 3, 2, 4):
                write(workers)
                self.assertTrue(wait_for(lambda: workers in seen, 60), app.output())
                seen.discard(workers)
                seen.clear()
            stop.set()
            for t in threads:
                t.join()
            self.assertEqual(lost, [], app.output())
            close_all(one_of_each(app, 4))
            self.assertEqual(app.stop(), 0, app.output())


if __name__ == "__main__":
    unittest.main()

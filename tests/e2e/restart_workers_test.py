"""Processes as workers, and restarts of programs that have them, or threads."""
import contextlib
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from restarting import Base, Client, GET, SOURCE, wait_for
from support import HERE, NEXUS


class Workers(Base):
    def setUp(self):
        super().setUp()
        self.write(1)

    def workers(self, tries=400):
        """Who answers fresh connections: index to pid."""
        seen = {}
        for _ in range(tries):
            with Client(self.address) as client:
                answer = client.json()
                seen[answer["worker"]] = answer["pid"]
        return seen

    def full(self, count, not_these=()):
        def look():
            seen = self.workers(100)
            return len(seen) == count and not set(seen.values()) & set(not_these) and seen
        return wait_for(look, why=f"there are not {count} workers:\n{self.output()}")

    def test_each_serves(self):
        self.start("4")
        seen = self.full(4)
        self.assertEqual(sorted(seen), [0, 1, 2, 3])
        self.assertEqual(set(seen.values()), set(self.processes()))
        self.assertEqual(self.stop(), 0, self.output())
        self.assert_refused()

    def test_unix_socket_is_shared(self):
        self.address = os.path.join(self.folder, "s")
        self.start("3")
        wait_for(lambda: len(self.processes()) == 3)
        idle = [self.client() for _ in range(12)]
        wait_for(lambda: len(self.workers(50)) > 1, why="only one answers")
        self.write(2)
        self.restart()
        for client in idle:
            self.moves(client, 2)
        self.assertEqual(self.stop(), 0, self.output())
        self.assertFalse(os.path.exists(self.address))

    def test_a_crash_takes_one(self):
        self.start("3")
        before = self.full(3)
        idle = {}
        while len(idle) < 3:
            client = self.client()
            idle[client.json()["worker"]] = client
        idle[1].send(b"GET /crash HTTP/1.1\r\nhost: a\r\n\r\n")
        self.said("worker 1 of app.c crashed (Segmentation fault): starting it again")
        after = self.full(3, [before[1]])
        self.assertEqual((after[0], after[2]), (before[0], before[2]))
        for index in (0, 2):
            self.assertEqual(idle[index].json()["pid"], before[index], "the others have not noticed")
        self.assertEqual(self.stop(), 0, self.output())

    def test_crashes_without_end_are_given_up(self):
        self.start("3")
        self.full(3)
        end = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < end:
            try:
                with Client(self.address) as client:
                    client.ask("/crash")
            except (OSError, AssertionError):
                time.sleep(0.05)
        self.assertEqual(self.process.wait(60), 128 + signal.SIGSEGV)
        self.assertIn("crashed 5 times in 10 s", self.output())

    def test_one_that_leaves_ends_them_all(self):
        self.start("3")
        self.full(3)
        self.client().ask("/leave")
        self.assertEqual(self.process.wait(60), 0, self.output())

    def test_restart_replaces_all(self):
        self.start("4")
        before = self.full(4)
        idle = [self.client() for _ in range(40)]
        for client in idle:
            client.ask()
        self.write(2)
        self.restart()
        answers = [self.moves(client, 2) for client in idle]
        self.assertFalse({a["pid"] for a in answers} & set(before.values()))
        self.full(4, before.values())
        wait_for(lambda: len(self.processes()) == 4)
        self.assertEqual(self.stop(), 0, self.output())

    def test_load_over_restarts_and_other_counts(self):
        """New connections all the while; the number of workers changes, and what waits at a socket that goes is passed on."""
        self.start("4")
        self.full(4)
        failures, stop, answered = [], threading.Event(), [0]

        def load():
            while not stop.is_set():
                try:
                    with Client(self.address) as client:
                        client.json()
                        client.json()
                        answered[0] += 1
                except (OSError, AssertionError, ValueError) as error:
                    failures.append(repr(error))

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        for generation, count in enumerate((4, 2, 1, 3, 4), 2):
            text = SOURCE.replace("argc > 2 ? (uint32_t)atoi(argv[2]) : 1", str(count))
            self.write(generation, text=f"#define GENERATION {generation}\n{text}")
            self.restart()
            wait_for(lambda: len(self.processes()) == count)
            time.sleep(2.3)  # sockets that nobody takes are closed after two seconds
        wait_for(lambda: answered[0] > 500 or failures, why="few are answered")
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        self.full(4)
        self.assertEqual(self.stop(), 0, self.output())

    def test_a_restart_fails_when_one_worker_does(self):
        self.start("3")
        before = self.full(3)
        self.write(2, "if (nx_worker_index() == 2) return 4;")
        self.process.send_signal(signal.SIGHUP)
        self.said("not restarted: the new program ended with exit code 4 before it listened")
        wait_for(lambda: len(self.processes()) == 3)
        self.assertEqual(self.full(3), before)

    def test_watch(self):
        self.start("2", flags=("--watch",))
        before = self.full(2)
        client = self.client()
        client.ask()
        self.write(2)
        self.said("started anew")
        self.full(2, before.values())
        self.moves(client, 2)
        self.assertEqual(self.stop(), 0, self.output())

    def test_all_cores_and_any_port(self):
        text = SOURCE.replace("(uint32_t)atoi(argv[2])", "NX_ALL_CORES").replace("(uint16_t)atoi(at)", "NX_HTTP_ANY_PORT")
        text = text.replace("static nx_err crash(", 'static nx_err tell(void *arg) { (void)arg; while (!nx_http_port(server)) NX_TRY(nx_sleep(NX_MS(10))); nx_logf_info("port %u of %u", nx_http_port(server), nx_worker_index()); return NX_OK; }\nstatic nx_err crash(', 1)
        text = text.replace("nx_err err = nx_http_listen", "NX_TRY(nx_spawn(NULL, tell, NULL));\n    nx_err err = nx_http_listen")
        self.write(1, text=text)
        self.start("all", flags=("--allow-listen=127.0.0.1",), wait=False)
        count = len(os.sched_getaffinity(0))
        wait_for(lambda: len(re.findall(r"port \d+ of \d+\n", self.output())) >= min(count, 64), why="some do not listen")
        self.assertEqual(len(set(re.findall(r"port (\d+) of", self.output()))), 1, self.output())
        self.assertEqual(len(self.processes()), min(count, 64))

    def test_another_program_on_the_port(self):
        """That the address is shared does not mean with strangers."""
        self.start("2")
        self.full(2)
        other = subprocess.run([NEXUS, "run", f"--allow-listen=127.0.0.1:{self.address[1]}", "app.c", "--", str(self.address[1]), "2"], cwd=self.folder, capture_output=True, text=True, timeout=120)
        self.assertEqual(other.returncode, 11)
        self.assertIn("address in use", other.stderr)

    def test_too_many(self):
        self.start("65", wait=False)
        self.assertEqual(self.process.wait(60), 4)
        self.assertIn("cannot start 65 worker processes: 64 at most", self.output())

    def test_without_a_launcher(self):
        library = os.path.join(os.path.dirname(NEXUS), "../lib/libnexus.a")
        if not os.path.exists(library):
            self.skipTest(f"there is no {library}")
        built = os.path.join(self.folder, "app")
        subprocess.run(["gcc", os.path.join(self.folder, "app.c"), "-I", os.path.join(HERE, "../../include"), library, "-Wl,--wrap=main", "-lm", "-pthread", "-o", built], check=True)
        r = subprocess.run([built, str(self.address[1]), "4"], capture_output=True, text=True, timeout=120)
        self.assertEqual(r.returncode, 19)
        self.assertIn("was not started by nexus run", r.stderr)


class Threads(Workers):
    """Workers that are threads of one process, which hands over what each of them has."""

    def write(self, generation, at_start="", text=None):
        super().write(generation, at_start, text)
        path = os.path.join(self.folder, "app.c")
        with open(path) as f:
            text = f.read()
        with open(path + "~", "w") as f:
            f.write(text.replace(".worker_processes = argc > 2, ", ""))
        os.rename(path + "~", path)

    def workers(self, tries=400):
        """Who answers fresh connections: index to pid and index, for there is one pid."""
        return {index: (pid, index) for index, pid in super().workers(tries).items()}

    def test_each_serves(self):
        self.start("4")
        seen = self.full(4)
        self.assertEqual({pid for pid, _ in seen.values()}, set(self.processes()))
        self.assertEqual(self.stop(), 0, self.output())
        self.assert_refused()

    def test_unix_socket_is_shared(self):
        self.address = os.path.join(self.folder, "s")
        self.start("3")
        idle = [self.client() for _ in range(12)]
        for client in idle:
            client.ask()
        self.write(2)
        self.restart()
        for client in idle:
            self.moves(client, 2)
        self.assertEqual(idle[0].json("/stats")["handed"], 12)
        self.assertEqual(self.stop(), 0, self.output())
        self.assertFalse(os.path.exists(self.address))

    def test_restart_replaces_all(self):
        self.start("4")
        before = self.full(4)
        idle = [self.client() for _ in range(40)]
        of = [client.json()["worker"] for client in idle]
        self.write(2)
        self.restart()
        answers = [self.moves(client, 2) for client in idle]
        self.assertEqual([a["worker"] for a in answers], of, "each has come to the one of the same number")
        self.assertEqual(idle[0].json("/stats")["handed"], 40)
        self.full(4, before.values())
        wait_for(lambda: len(self.processes()) == 1)
        self.assertEqual(self.stop(), 0, self.output())

    def test_load_over_restarts_and_other_counts(self):
        """New connections and old ones all the while; the number of workers changes, and whether they are processes."""
        self.start("4")
        self.full(4)
        for _ in range(3):
            # Where the machine stands still, so do those whose connections are kept.
            fresh, kept = self.load_over_counts()
            if fresh < 1.5 + kept:
                break
        self.assertLess(fresh, 1.5 + kept, "nobody waits until the sockets are closed")
        self.full(4)
        self.assertEqual(self.stop(), 0, self.output())

    def load_over_counts(self):
        failures, stop, answered, slowest = [], threading.Event(), [0], [0, 0]

        def load(kept):
            client = None
            try:
                while not stop.is_set():
                    begun = time.monotonic()
                    client = client or Client(self.address)
                    client.json()
                    slowest[kept] = max(slowest[kept], time.monotonic() - begun)
                    answered[0] += 1
                    time.sleep(0.002)
                    if not kept:
                        client.close()
                        client = None
            except (OSError, AssertionError, ValueError) as error:
                failures.append((kept, repr(error)))

        threads = [threading.Thread(target=load, args=(i % 2,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for generation, (count, processes) in enumerate(((4, 0), (2, 0), (1, 0), (3, 0), (4, 1), (2, 0), (1, 1), (4, 0)), 2):
            text = SOURCE.replace("argc > 2 ? (uint32_t)atoi(argv[2]) : 1", str(count))
            if processes:
                text = text.replace(".worker_processes = argc > 2,", ".worker_processes = true,")
            self.write(generation, text=f"#define GENERATION {generation}\n{text}")
            self.restart()
            wait_for(lambda: len(self.processes()) == (count if processes else 1))
            time.sleep(2.3 if generation < 6 else 0.3)  # sockets that nobody takes are closed after two seconds
        wait_for(lambda: answered[0] > 500 or failures, why="few are answered")
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        return slowest

    def test_watch(self):
        self.start("2", flags=("--watch",))
        before = self.full(2)
        idle = [self.client() for _ in range(20)]
        for client in idle:
            client.ask()
        self.write(2)
        self.said("started anew")
        for client in idle:
            self.moves(client, 2)
        self.full(2, before.values())
        self.assertEqual(self.stop(), 0, self.output())

    def test_stop_while_the_old_one_drains(self):
        self.start("3")
        slow = [self.client() for _ in range(9)]
        for client in slow:
            client.send(b"GET /slow/1200 HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.1)
        self.write(2)
        self.restart()
        time.sleep(0.4)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):  # the old one may be done
                os.kill(pid, signal.SIGTERM)
        self.assertEqual(self.stop(), 0, self.output())
        for client in slow:
            self.assertEqual(client.read().status, 200)

    def test_a_crash_takes_one(self):
        """It takes them all: they share their memory."""
        self.start("3")
        before = self.full(3)
        self.client().send(b"GET /crash HTTP/1.1\r\nhost: a\r\n\r\n")
        self.said("crashed (Segmentation fault): starting it again")
        self.full(3, before.values())
        self.assertEqual(self.stop(), 0, self.output())

    def test_more_than_there_are_sockets_for(self):
        self.start("70")
        idle = [self.client() for _ in range(200)]
        for client in idle:
            client.ask()
        self.write(2)
        self.restart()
        for client in idle:
            self.moves(client, 2)
        self.assertEqual(self.stop(), 0, self.output())

    test_without_a_launcher = test_a_restart_fails_when_one_worker_does = test_all_cores_and_any_port = test_too_many = None


if __name__ == "__main__":
    unittest.main()

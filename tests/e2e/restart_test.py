"""Restart without a lost connection: what becomes of each, and of restarts that fail."""
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time
import unittest

from restarting import Base, Client, GET, SOURCE, wait_for
from support import free_port, need, read_response, with_time

# A program that begins when go() says so.
HELD = 'nx_logf_info("it waits"); while (access("go", F_OK)) NX_TRY(nx_sleep(NX_MS(10)));'


class Restart(Base):
    def test_the_same_connection_answers_before_and_after(self):
        self.write(1)
        self.start()
        idle = [self.client() for _ in range(5)]  # one has never asked
        pids = {client.json()["pid"] for client in idle[1:]}
        self.assertEqual(len(pids), 1)
        for generation in (2, 3, 4):
            self.write(generation)
            self.restart()
            for client in idle:
                answer = self.moves(client, generation)
                self.assertNotIn(answer["pid"], pids)
            pids.add(answer["pid"])
            stats = idle[0].json("/stats")
            self.assertEqual((stats["handed"], stats["connections"], stats["accepted"]), (5, 5, 0))
        wait_for(lambda: len(self.processes()) == 1, why="the old ones do not end")
        self.assertEqual(self.stop(), 0, self.output())

    def test_unix_socket(self):
        self.address = os.path.join(self.folder, "s")
        self.write(1)
        self.start()
        idle = self.client()
        self.assertEqual(idle.json()["generation"], 1)
        self.write(2)
        self.restart()
        self.moves(idle, 2)
        self.assertEqual(self.client().json()["generation"], 2)
        self.assertEqual(self.stop(), 0, self.output())
        self.assertFalse(os.path.exists(self.address))

    def test_load_over_ten_restarts(self):
        """Sixteen connections that never stop asking: no error, and not one is made anew."""
        self.write(1)
        self.start()
        failures, answered, generations, stop = [], [0] * 16, set(), threading.Event()

        def load(index):
            try:
                client = Client(self.address)
                last = 0
                while not stop.is_set():
                    pipelined = 1 + answered[index] % 3
                    client.send(GET * pipelined)
                    for _ in range(pipelined):
                        response = client.read()
                        generation = json.loads(response.body)["generation"]
                        if response.headers.get("connection") == "close" or generation < last:
                            failures.append(f"{response.headers} {generation} after {last}")
                        last = generation
                        generations.add(generation)
                        answered[index] += 1
                client.close()
            except (OSError, AssertionError, ValueError) as error:
                failures.append(repr(error))

        threads = [threading.Thread(target=load, args=(i,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for generation in range(1, 12):
            if generation > 1:
                self.write(generation)
                self.restart()
            wait_for(lambda: generation in generations or failures, why=f"generation {generation} serves nobody")
            time.sleep(0.1)
        wait_for(lambda: min(answered) > 50 or failures, why="some are hardly answered")
        with Client(self.address) as client:
            self.moves(client, 11)

            def all_there():
                stats = client.json("/stats")
                return stats if stats["handed"] + stats["accepted"] >= 17 or failures else None

            stats = wait_for(all_there)
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        self.assertEqual(generations, set(range(1, 12)))
        # The last came to the new process, or to the old one, which handed it on.
        self.assertIn((stats["handed"], stats["accepted"]), ((16, 1), (17, 0)))
        self.assertEqual(self.stop(), 0, self.output())

    @need("wrk")
    def test_wrk(self):
        self.write(1)
        self.start()
        wrk = subprocess.Popen(["wrk", "-t1", "-c32", "-d500", "--timeout=100", f"http://127.0.0.1:{self.address[1]}/"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(wrk.kill)
        for _ in range(10):
            time.sleep(0.25)
            self.restart()
        wait_for(lambda: len(self.processes()) == 1, why="the old ones do not end")
        wrk.send_signal(signal.SIGINT)  # it tells what it has seen
        out, _ = wrk.communicate(timeout=60)
        self.assertRegex(out, r"[1-9]\d* requests in")
        self.assertNotIn("Socket errors", out)
        self.assertNotIn("Non-2xx", out)
        self.assertEqual(self.client().json("/stats")["accepted"], 1, "nobody had to connect anew")

    def test_in_the_middle_of_things(self):
        """Each is finished by the process that began it, with keep-alive kept, and then goes on with the next."""
        self.write(1)
        self.start()
        half, slow, upload, download, pipelined = (self.client() for _ in range(5))
        half.send(GET[:20])
        slow.send(b"GET /slow/700 HTTP/1.1\r\nhost: a\r\n\r\n")
        upload.send(b"POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n" + b"x" * 300)
        download.send(b"GET /download HTTP/1.1\r\nhost: a\r\n\r\n")
        # What is behind the first has been read into memory by then.
        pipelined.send(b"GET /slow/300 HTTP/1.1\r\nhost: a\r\n\r\n" + GET * 2 + GET[:10])
        last = self.client()
        last.ask()  # the loop takes them in turn: the others have been read
        self.write(2)
        self.restart()
        self.moves(self.client(), 2)
        half.send(GET[20:])
        response = half.read()
        self.assertEqual(json.loads(response.body)["generation"], 1)
        self.assertNotIn("connection", response.headers)
        for _ in range(3):
            self.assertEqual(json.loads(pipelined.read().body)["generation"], 1)
        pipelined.send(GET[10:])
        self.assertEqual(json.loads(pipelined.read().body)["generation"], 1)
        for _ in range(7):
            time.sleep(0.05)
            upload.send(b"y" * 100)
        response = upload.read()
        self.assertEqual((json.loads(response.body)["generation"], json.loads(response.body)["length"]), (1, 1000))
        self.assertNotIn("connection", response.headers)
        self.assertEqual(json.loads(slow.read().body)["generation"], 1)
        response = download.read()
        self.assertEqual(response.body, b"0123456789" * 20)
        for client in (half, slow, upload, download, pipelined, last):
            self.moves(client, 2)
        # The one that asked right after the restart came to the new process, or to the old one, which handed it on; and there is who asks now.
        stats = self.client().json("/stats")
        self.assertIn((stats["handed"], stats["accepted"]), ((6, 2), (7, 1)))
        wait_for(lambda: len(self.processes()) == 1, why="the old one does not end")

    def test_streams_of_events_are_told_to_come_back(self):
        self.write(1)
        self.start()
        looping, listening = self.client(), self.client()
        looping.send(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
        listening.send(b"GET /topic HTTP/1.1\r\nhost: a\r\n\r\n")
        for client in (looping, listening):
            client.file.peek(1)  # it has begun
        self.write(2)
        self.restart()
        for client, data in ((looping, b"data: 0\n\n"), (listening, b"data: hello\n\n")):
            body = client.read().body
            self.assertTrue(body.startswith(data), body)
            self.assertTrue(body.endswith(b"\n\nretry: 100\n\n"), body)
        self.moves(looping, 2)  # the connection itself is kept
        # Not at an ordinary stop.
        looping.send(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
        looping.file.peek(1)
        self.process.send_signal(signal.SIGTERM)
        self.assertNotIn(b"retry", looping.read().body)

    def test_idle_deadline_starts_anew_and_requests_count_on(self):
        with_time(self.idle_deadline_starts_anew)

    def idle_deadline_starts_anew(self, scale):
        text = SOURCE.replace(".max_connections = 20000", f".max_connections = 3, .max_requests = 4, .idle_deadline = NX_MS({900 * scale})")
        self.write(1, text=text)
        if self.process:
            self.stop()
        self.start()
        first, second, third = (self.client() for _ in range(3))
        for client in (first, second, third):
            client.ask()
        time.sleep(0.5 * scale)
        self.restart()
        time.sleep(0.6 * scale)
        self.assertNotIn("connection", second.ask().headers, "two thirds have passed")
        self.assertNotIn("connection", second.ask().headers)
        self.assertEqual(second.ask().headers["connection"], "close", "its fourth request")
        self.assertEqual(first.socket.recv(1), b"", "its deadline has passed")

    def test_a_new_program_that_takes_fewer_closes_the_others(self):
        self.write(1)
        self.start()
        clients = [self.client() for _ in range(20)]
        for client in clients:
            client.ask()
        self.write(2, text="#define GENERATION 2\n" + SOURCE.replace(".max_connections = 20000", ".max_connections = 8"))
        self.restart()
        kept = 0
        for client in clients:
            try:
                while client.json()["generation"] != 2:  # the old one has it for a moment yet
                    pass
                kept += 1
            except (AssertionError, OSError):
                pass
        self.assertEqual(kept, 8)
        self.assertEqual(self.stop(), 0, self.output())

    def test_ten_thousand_idle_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(10000, hard - 200)
        if count < 10000:
            print(f"\nonly {count} connections: the limit on descriptors is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.write(1)
        self.start()
        old = self.client().json()["pid"]
        before = len(os.listdir(f"/proc/{old}/fd"))
        idle = []
        self.addCleanup(lambda: [s.close() for s in idle])
        for _ in range(count):
            idle.append(socket.create_connection(self.address, timeout=20))
        wait_for(lambda: len(os.listdir(f"/proc/{old}/fd")) >= before + count)
        self.write(2)
        self.restart()
        asker = self.client()
        new = self.moves(asker, 2)["pid"]
        self.gone(old)
        wait_for(lambda: len(os.listdir(f"/proc/{new}/fd")) >= count)
        for s in idle[::97] + [idle[-1]]:
            s.sendall(GET)
            with s.makefile("rb") as f:
                self.assertEqual(json.loads(read_response(f).body)["pid"], new)
        launcher = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        self.assertLess(launcher, 30, "the launcher keeps none")
        for s in idle:
            s.close()
        wait_for(lambda: len(os.listdir(f"/proc/{new}/fd")) <= before + 2, why="descriptors are left")
        wait_for(lambda: asker.json("/stats")["connections"] <= 2)
        self.write(3)
        self.restart()
        self.moves(asker, 3)
        self.assertLessEqual(asker.json("/stats")["handed"], 3)
        self.assertEqual(self.stop(), 0, self.output())


class Failures(Base):
    def setUp(self):
        super().setUp()
        self.write(1)

    def go(self):
        with open(os.path.join(self.folder, "go"), "w"):
            pass

    def kept(self, client, pid, *said):
        for text in said:
            self.said(text)
        self.assertEqual(client.json(), {"pid": pid, "generation": 1, "worker": 0})
        self.assertEqual(self.client().json()["pid"], pid)

    def refused(self, client, pid, at_start, said):
        with open(os.path.join(self.folder, "log"), "w"):
            pass
        self.write(2, at_start)
        self.process.send_signal(signal.SIGHUP)
        self.kept(client, pid, said)
        wait_for(lambda: len(self.processes()) == 1, why="the new one does not go")

    def test_new_programs_that_do_not_listen(self):
        self.start(flags=("--restart-deadline=2500", "--allow-listen=127.0.0.1"))
        client = self.client()
        pid = client.json()["pid"]
        for at_start, said in (
                ("NX_TRY(nx_sleep(NX_S(600)));", f"not restarted: the new program does not listen on 127.0.0.1:{self.address[1]} after 2.5 s"),
                ("for (;;) usleep(1000);", "after 2.5 s (see --restart-deadline)"),
                (f"at = \"{free_port()}\";", f"does not listen on 127.0.0.1:{self.address[1]}")):
            self.refused(client, pid, at_start, said)
        self.assertEqual(self.stop(), 0, self.output())

    def test_new_programs_that_will_not_do(self):
        self.start(flags=("--restart-deadline=120000",))
        client = self.client()
        pid = client.json()["pid"]
        for at_start, said in (
                ("return 3;", "not restarted: the new program ended with exit code 3 before it listened; the old one serves on"),
                ("*(volatile int *)8 = 1;", "not restarted: the new program ended before it listened (Segmentation fault)")):
            self.refused(client, pid, at_start, said)
        self.write(2, text="int main(void) { return }")
        self.process.send_signal(signal.SIGHUP)
        self.kept(client, pid, "app.c:1", "not restarted; the running program stays")
        self.write(5)
        self.restart()
        self.moves(client, 5)
        self.assertEqual(self.stop(), 0, self.output())

    def test_what_the_new_one_has_taken_goes_back(self):
        """It listens where the old one does, and nowhere else where it should: what it has accepted meanwhile is not lost."""
        with_time(self.taken_and_given_back)

    def taken_and_given_back(self, scale):
        if self.process:
            self.stop()
        second = free_port()
        extra = f"""
            static nx_err more(void *arg)
            {{ (void)arg; return nx_http_listen(nx_http_server_new(.port = {second})); }}
            int main("""
        self.write(1, text=SOURCE.replace("int main(", extra).replace("topic = nx_topic_new();", "topic = nx_topic_new(); NX_TRY(nx_spawn(NULL, more, NULL));"))
        self.start(flags=(f"--restart-deadline={3000 * scale}", "--allow-listen=127.0.0.1"))
        pid = self.client().json()["pid"]
        self.write(2)
        self.process.send_signal(signal.SIGHUP)
        taken = []

        def connect():
            fresh = [self.client() for _ in range(20)]  # both are woken; with one at a time it may be the same that wins
            taken.extend(fresh)
            return 2 in {client.json()["generation"] for client in fresh}

        wait_for(connect, 2.5 * scale, "the new one takes none")
        self.said("the old one serves on")
        self.assertEqual([client.json()["pid"] for client in taken], [pid] * len(taken))

    def test_two_at_once(self):
        self.start()
        client = self.client()
        client.ask()
        self.write(2, HELD)
        self.process.send_signal(signal.SIGHUP)
        self.said("it waits")
        for _ in range(4):
            self.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        self.write(3)
        self.go()
        self.said(": restarted, ", 2)
        time.sleep(0.3)
        self.assertEqual(self.output().count(": restarted, "), 2, self.output())
        self.moves(client, 3)
        wait_for(lambda: len(self.processes()) == 1)

    def test_one_after_the_other_while_the_old_ones_drain(self):
        self.start()
        slow = []
        for generation in range(2, 6):
            slow.append((generation - 1, self.client()))
            slow[-1][1].send(b"GET /slow/1000 HTTP/1.1\r\nhost: a\r\n\r\n")
            self.all_read()
            self.write(generation)
            self.restart()
        for generation, client in slow:
            self.assertEqual(json.loads(client.read().body)["generation"], generation)
        for _, client in slow:
            self.moves(client, 5)
        wait_for(lambda: len(self.processes()) == 1)

    def test_stop_during_a_restart(self):
        for delay in (0, 0.02, 0.1):
            self.write(1)
            self.start(flags=("--restart-deadline=600000",))  # no stop waits for that
            slow = self.client()
            slow.send(b"GET /slow/600 HTTP/1.1\r\nhost: a\r\n\r\n")
            self.all_read()
            self.write(2, "NX_TRY(nx_sleep(NX_MS(50)));")
            self.process.send_signal(signal.SIGHUP)
            time.sleep(delay)
            self.assertEqual(self.stop(), 0, self.output())
            self.assertEqual(json.loads(slow.read().body)["generation"], 1, "what is in flight is answered")
            self.assert_refused()

    def test_stop_as_soon_as_a_restart_is_done(self):
        for generation in range(2, 12):
            self.write(generation - 1)
            self.start()
            self.write(generation)
            self.restart()
            self.assertEqual(self.stop(), 0, self.output())

    def test_stop_while_the_old_one_drains(self):
        self.start()
        slow, idle = self.client(), self.client()
        idle.ask()
        slow.send(b"GET /slow/5000 HTTP/1.1\r\nhost: a\r\n\r\n")
        self.all_read()
        self.restart()
        time.sleep(0.4)
        # As systemd does it: each process has the signal, and the launcher forwards its own.
        for pid in self.processes():
            os.kill(pid, signal.SIGTERM)
        self.assertEqual(self.stop(), 0, self.output())
        response = slow.read()
        self.assertEqual((response.status, response.headers["connection"]), (200, "close"))

    def test_the_old_one_crashes_meanwhile(self):
        self.start()
        client = self.client()
        old = client.json()["pid"]
        self.write(2, HELD)
        self.process.send_signal(signal.SIGHUP)
        self.said("it waits")
        client.send(b"GET /crash HTTP/1.1\r\nhost: a\r\n\r\n")
        self.gone(old)
        self.go()
        self.said(": restarted, ")
        self.serves(2)
        self.assertEqual(self.stop(), 0, self.output())

    def test_no_server_gets_the_signal_itself(self):
        self.write(1, text="#include <nexus.h>\nint main(void) { nx_logf_info(\"it runs\"); return nx_sleep(NX_S(30)); }")
        self.start(wait=False)
        self.said("it runs")
        self.assertEqual(self.stop(signal.SIGHUP), 128 + signal.SIGHUP)

    def test_rubbish_in_the_channels(self):
        """What a program hands over may be anything; the next one takes connections alone, and the launcher none."""
        rubbish = r"""
            #include <sys/socket.h>
            #include <fcntl.h>
            static void rubbish(void)
            {
                for (int fd = 5; fd < 64; fd++) {
                    int type = 0; socklen_t len = sizeof type;
                    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_SEQPACKET) continue;
                    uint32_t words[130] = {0x4e584844, 3};
                    int fds[3] = {open("/dev/null", O_RDONLY), fd, 3};
                    union { struct cmsghdr h; char space[CMSG_SPACE(sizeof fds)]; } control;
                    control.h = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fds)};
                    memcpy(CMSG_DATA(&control.h), fds, sizeof fds);
                    for (size_t size = 0; size < sizeof words; size += 5) {
                        struct iovec part = {words, size};
                        struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
                        sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
                        send(fd, words, size, MSG_DONTWAIT | MSG_NOSIGNAL);
                    }
                }
            }
            static nx_err root("""
        self.write(1, text=SOURCE.replace("static nx_err root(", rubbish, 1).replace('return nx_response_json(res, nx_obj("pid"', 'rubbish(); return nx_response_json(res, nx_obj("pid"', 1))
        self.start()
        client = self.client()
        client.ask()
        self.write(2)
        self.restart()
        self.moves(client, 2)
        stats = client.json("/stats")
        self.assertEqual((stats["handed"], stats["connections"]), (1, 1))
        self.assertLess(len(os.listdir(f"/proc/{stats['pid']}/fd")), 20)
        self.assertEqual(self.stop(), 0, self.output())


class Watch(Base):
    def test_connections_outlive_a_save(self):
        self.write(1)
        self.start(flags=("--watch",))
        clients = [self.client() for _ in range(20)]
        for client in clients:
            client.ask()
        for generation in (2, 3, 4):
            self.write(generation)
            self.said("started anew", generation - 1)
            for client in clients:
                self.moves(client, generation)
        self.assertEqual(self.stop(), 0, self.output())

    def test_a_program_that_fails_has_its_page_on_connections_that_are_there(self):
        self.write(1)
        self.start(flags=("--watch",))
        asks, waits = self.client(), self.client()
        old = asks.json()["pid"]
        waits.ask()
        self.write(2, "return 3;")
        self.said("waiting for a change")
        self.gone(old)  # which answers until then
        response = asks.ask()
        self.assertEqual((response.status, b"exit code 3" in response.body), (503, True))
        self.write(3)
        self.serves(3)
        self.moves(waits, 3)  # who has not asked goes on

    def test_hang_up_restarts_too(self):
        self.write(1)
        self.start(flags=("--watch",))
        client = self.client()
        pid = client.json()["pid"]
        self.restart()
        wait_for(lambda: client.json()["pid"] != pid)


class Dev(Base):
    command = "dev"

    def test_connections_go_to_the_new_program_or_its_page(self):
        self.write(1)
        self.start()
        asks, waits = self.client(), self.client()
        for client in (asks, waits):
            client.ask()
        self.write(2)
        self.said("started anew")
        for client in (asks, waits):
            self.moves(client, 2)
        old = asks.json()["pid"]
        self.write(3, text="int main(void) { return }")
        self.said("waiting for a change")
        self.gone(old)
        response = asks.ask()
        self.assertEqual((response.status, b"does not compile" in response.body.lower()), (503, True), response.body)
        self.write(4)
        self.serves(4)
        self.moves(waits, 4)
        self.assertEqual(self.stop(), 0, self.output())


if __name__ == "__main__":
    unittest.main()

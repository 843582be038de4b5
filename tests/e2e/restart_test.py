"""Restart without a lost connection, and processes as workers."""
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import unittest.mock

from support import HERE, NEXUS, free_port, need, read_response

with open(os.path.join(HERE, "apps", "restart.c")) as f:
    SOURCE = f.read()
os.environ.setdefault("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:handle_sigbus=0:detect_leaks=0")
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def wait_for(what, seconds=15, why="did not happen in time"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = what()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(why)


class Client:
    """One connection, kept for as long as the test lasts."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        response = read_response(self.file)
        assert response, "closed without an answer"
        return response

    def ask(self, path="/"):
        self.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        return self.read()

    def json(self, path="/"):
        return json.loads(self.ask(path).body)

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Base(unittest.TestCase):
    command = "run"

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.address = ("127.0.0.1", free_port())
        self.process = None

    def write(self, generation, at_start="", text=None):
        path = os.path.join(self.folder, "app.c")
        with open(path + "~", "w") as f:
            f.write(text if text is not None else
                    f"#define GENERATION {generation}\n#define AT_START {at_start}\n{SOURCE}")
        os.rename(path + "~", path)

    def start(self, *args, flags=(), wait=True):
        self.log = open(os.path.join(self.folder, "log"), "a")
        self.addCleanup(self.log.close)
        at = f"unix:{self.address}" if isinstance(self.address, str) else str(self.address[1])
        self.process = subprocess.Popen([NEXUS, self.command, "--allow-all", *flags, "app.c", "--", at, *args], cwd=self.folder,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.addCleanup(self.kill)
        if wait:
            wait_for(self.listens, why="it does not listen")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def listens(self):
        if self.process.poll() is not None:
            raise AssertionError("it has ended:\n" + self.output())
        try:
            self.client().close()
            return True
        except OSError:
            return False

    def client(self):
        client = Client(self.address)
        self.addCleanup(client.close)
        return client

    def output(self):
        with open(os.path.join(self.folder, "log")) as f:
            return f.read()

    def said(self, text, count=1):
        wait_for(lambda: self.output().count(text) >= count, why=f"it does not say {text!r}:\n{self.output()}")

    def restart(self):
        before = self.output().count(": restarted, ")
        self.process.send_signal(signal.SIGHUP)
        self.said(": restarted, ", before + 1)

    def moves(self, client, generation):
        """The old process has the connection for a moment after the launcher has said so, and may answer on it. Returns the new one's answer."""
        last = 0
        end = time.monotonic() + 10
        while last != generation:
            answer = client.json()
            self.assertGreaterEqual(answer["generation"], last)
            last = answer["generation"]
            self.assertLess(time.monotonic(), end, f"generation {last} still has it")
        return answer

    def stop(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        return self.process.wait(20)

    def processes(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(c) for c in f.read().split()]

    def assert_refused(self):
        with self.assertRaises(OSError):
            Client(self.address)


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
        for generation in range(2, 12):
            time.sleep(0.1)
            self.write(generation)
            self.restart()
        time.sleep(0.2)
        with Client(self.address) as client:
            stats = client.json("/stats")
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(failures, [])
        self.assertEqual(generations, set(range(1, 12)))
        self.assertGreater(min(answered), 50)
        self.assertEqual((stats["handed"], stats["accepted"]), (16, 1))
        self.assertEqual(self.stop(), 0, self.output())

    @need("wrk")
    def test_wrk(self):
        self.write(1)
        self.start()
        wrk = subprocess.Popen(["wrk", "-t1", "-c32", "-d4", f"http://127.0.0.1:{self.address[1]}/"], stdout=subprocess.PIPE, text=True)
        for _ in range(10):
            time.sleep(0.25)
            self.restart()
        out, _ = wrk.communicate(timeout=30)
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
        time.sleep(0.1)
        self.write(2)
        self.restart()
        self.assertEqual(self.client().json()["generation"], 2)
        time.sleep(0.1)
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
        for client in (half, slow, upload, download, pipelined):
            self.moves(client, 2)
        self.assertEqual(self.client().json("/stats")["handed"], 5)
        wait_for(lambda: len(self.processes()) == 1, why="the old one does not end")

    def test_streams_of_events_are_told_to_come_back(self):
        self.write(1)
        self.start()
        looping, listening = self.client(), self.client()
        looping.send(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
        listening.send(b"GET /topic HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.2)
        self.write(2)
        self.restart()
        for client, data in ((looping, b"data: 0\n\n"), (listening, b"data: hello\n\n")):
            body = client.read().body
            self.assertTrue(body.startswith(data), body)
            self.assertTrue(body.endswith(b"\n\nretry: 100\n\n"), body)
        self.moves(looping, 2)  # the connection itself is kept
        # Not at an ordinary stop.
        looping.send(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.2)
        self.process.send_signal(signal.SIGTERM)
        self.assertNotIn(b"retry", looping.read().body)

    def test_idle_deadline_starts_anew_and_requests_count_on(self):
        text = SOURCE.replace(".max_connections = 20000", ".max_connections = 3, .max_requests = 4, .idle_deadline = NX_MS(900)")
        self.write(1, text=text)
        self.start()
        first, second, third = (self.client() for _ in range(3))
        for client in (first, second, third):
            client.ask()
        time.sleep(0.5)
        self.restart()
        time.sleep(0.6)
        self.assertNotIn("connection", second.ask().headers, "0.6 of 0.9 s have passed")
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
                kept += client.json()["generation"] == 2
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
        begun = time.monotonic()
        self.restart()
        new = self.client().json()["pid"]
        wait_for(lambda: not os.path.exists(f"/proc/{old}"), 10, "the old one does not end")
        took = time.monotonic() - begun
        wait_for(lambda: len(os.listdir(f"/proc/{new}/fd")) >= count)
        self.assertLess(took, 5)
        for s in idle[::97] + [idle[-1]]:
            s.sendall(GET)
            with s.makefile("rb") as f:
                self.assertEqual(json.loads(read_response(f).body)["pid"], new)
        launcher = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        self.assertLess(launcher, 30, "the launcher keeps none")
        for s in idle:
            s.close()
        wait_for(lambda: len(os.listdir(f"/proc/{new}/fd")) <= before + 2, why="descriptors are left")
        wait_for(lambda: self.client().json("/stats")["connections"] <= 3)
        self.restart()
        self.assertEqual(self.client().json("/stats")["handed"] <= 3, True)
        self.assertEqual(self.stop(), 0, self.output())


class Failures(Base):
    def setUp(self):
        super().setUp()
        self.write(1)

    def kept(self, client, pid, *said):
        for text in said:
            self.said(text)
        self.assertEqual(client.json(), {"pid": pid, "generation": 1, "worker": 0})
        self.assertEqual(self.client().json()["pid"], pid)

    def test_new_programs_that_will_not_do(self):
        self.start(flags=("--restart-deadline=2500",))
        client = self.client()
        pid = client.json()["pid"]
        for at_start, said in (
                ("return 3;", "not restarted: the new program ended with exit code 3 before it listened; the old one serves on"),
                ("*(volatile int *)8 = 1;", "not restarted: the new program ended before it listened (Segmentation fault)"),
                ("NX_TRY(nx_sleep(NX_S(60)));", f"not restarted: the new program does not listen on 127.0.0.1:{self.address[1]} after 2.5 s"),
                ("for (;;) usleep(1000);", "after 2.5 s (see --restart-deadline)"),
                (f"at = \"{free_port()}\";", f"does not listen on 127.0.0.1:{self.address[1]}")):
            with open(os.path.join(self.folder, "log"), "w"):
                pass
            self.write(2, at_start)
            self.process.send_signal(signal.SIGHUP)
            self.kept(client, pid, said)
            wait_for(lambda: len(self.processes()) == 1, why="the new one does not go")
        self.write(2, text="int main(void) { return }")
        self.process.send_signal(signal.SIGHUP)
        self.kept(client, pid, "app.c:1", "not restarted; the running program stays")
        self.write(5)
        self.restart()
        self.moves(client, 5)
        self.assertEqual(self.stop(), 0, self.output())

    def test_what_the_new_one_has_taken_goes_back(self):
        """It listens where the old one does, and nowhere else where it should: what it has accepted meanwhile is not lost."""
        second = free_port()
        extra = f"""
            static nx_err more(void *arg)
            {{ (void)arg; return nx_http_listen(nx_http_server_new(.port = {second})); }}
            int main("""
        self.write(1, text=SOURCE.replace("int main(", extra).replace("topic = nx_topic_new();", "topic = nx_topic_new(); NX_TRY(nx_spawn(NULL, more, NULL));"))
        self.start(flags=("--restart-deadline=3000",))
        pid = self.client().json()["pid"]
        self.write(2)
        self.process.send_signal(signal.SIGHUP)
        taken = []

        def connect():
            fresh = [self.client() for _ in range(20)]  # both are woken; with one at a time it may be the same that wins
            taken.extend(fresh)
            return 2 in {client.json()["generation"] for client in fresh}

        wait_for(connect, 2.5, "the new one takes none")
        self.said("the old one serves on")
        self.assertEqual([client.json()["pid"] for client in taken], [pid] * len(taken))

    def test_two_at_once(self):
        self.start()
        client = self.client()
        client.ask()
        self.write(2, "NX_TRY(nx_sleep(NX_MS(300)));")
        for _ in range(5):
            self.process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        self.write(3)
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
            time.sleep(0.05)
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
            self.start()
            slow = self.client()
            slow.send(b"GET /slow/600 HTTP/1.1\r\nhost: a\r\n\r\n")
            time.sleep(0.1)
            self.write(2, "NX_TRY(nx_sleep(NX_MS(50)));")
            self.process.send_signal(signal.SIGHUP)
            time.sleep(delay)
            begun = time.monotonic()
            self.assertEqual(self.stop(), 0, self.output())
            self.assertLess(time.monotonic() - begun, 5)
            self.assertEqual(json.loads(slow.read().body)["generation"], 1, "what is in flight is answered")
            self.assert_refused()

    def test_stop_while_the_old_one_drains(self):
        self.start()
        slow, idle = self.client(), self.client()
        idle.ask()
        slow.send(b"GET /slow/1200 HTTP/1.1\r\nhost: a\r\n\r\n")
        time.sleep(0.1)
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
        self.write(2, "NX_TRY(nx_sleep(NX_MS(500)));")
        self.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        client = self.client()
        client.send(b"GET /crash HTTP/1.1\r\nhost: a\r\n\r\n")
        self.said(": restarted, ")
        wait_for(lambda: self.client().json()["generation"] == 2)
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


class Upgrade(Base):
    """Another version of nexus in the place of the one that runs: here the same program, copied."""

    def setUp(self):
        super().setUp()
        self.nexus = os.path.join(self.folder, "nexus")
        shutil.copy(NEXUS, self.nexus)
        self.write(1)

    def put(self, data=None):
        """In the place of the one that runs, as a package manager does it."""
        fresh = self.nexus + ".new"
        if data is None:
            shutil.copy(NEXUS, fresh)
        else:
            with open(fresh, "wb") as f:
                f.write(data)
            os.chmod(fresh, 0o755)
        os.rename(fresh, self.nexus)

    def runs_new(self):
        return os.stat(f"/proc/{self.process.pid}/exe").st_ino == os.stat(self.nexus).st_ino

    def start_copy(self, *args):
        with unittest.mock.patch(f"{__name__}.NEXUS", self.nexus):
            self.start(*args)

    def test_the_launcher_is_replaced_and_no_connection_is_closed(self):
        self.start_copy()
        idle, slow = self.client(), self.client()
        before = idle.json()["pid"]
        for generation in (2, 3):
            descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            slow.send(b"GET /slow/500 HTTP/1.1\r\nhost: a\r\n\r\n")
            time.sleep(0.05)
            self.write(generation)
            self.put()
            self.assertFalse(self.runs_new())
            self.restart()
            self.assertTrue(self.runs_new())
            answer = self.moves(idle, generation)
            self.assertNotEqual(answer["pid"], before)
            self.assertEqual(json.loads(slow.read().body)["generation"], generation - 1)
            self.moves(slow, generation)
            wait_for(lambda: len(self.processes()) == 1)
            self.assertEqual(len(os.listdir(f"/proc/{self.process.pid}/fd")), descriptors)
            self.assertEqual(idle.json("/stats")["told"], 0, "the program does not see how it came about")
        # What was handed over is held as ever: crashes, another restart, the stop.
        idle.send(b"GET /crash HTTP/1.1\r\nhost: a\r\n\r\n")
        self.said("crashed (Segmentation fault): starting it again")
        wait_for(lambda: self.listens() and self.client().json()["generation"] == 3)
        self.restart()
        self.assertEqual(self.stop(), 0, self.output())
        self.assert_refused()

    def test_workers_and_a_unix_socket(self):
        self.address = os.path.join(self.folder, "s")
        self.start_copy("3")
        wait_for(lambda: len(self.processes()) == 3)
        idle = [self.client() for _ in range(9)]
        self.write(2)
        self.put()
        self.restart()
        self.assertTrue(self.runs_new())
        for client in idle:
            self.moves(client, 2)
        wait_for(lambda: len(self.processes()) == 3)
        self.assertEqual(self.stop(), 0, self.output())
        self.assertFalse(os.path.exists(self.address))

    def test_what_will_not_do_is_not_executed(self):
        self.start_copy()
        client = self.client()
        marked = b"#!/bin/sh\n# nexus launcher state 1\n"
        for generation, data in ((2, b""), (3, b"#!/bin/sh\ntouch ran\n"), (4, marked + b"exit 1\n"), (5, marked + b"sleep 60\n")):
            self.put(data)
            self.write(generation)
            self.restart()
            self.assertEqual(self.output().count("cannot take over"), generation - 1)
            self.moves(client, generation)  # the one that runs does it
        self.assertFalse(os.path.exists(os.path.join(self.folder, "ran")))
        # One that says yes, and can't be executed then.
        self.put(marked + b"[ -e asked ] && exit 1\ntouch asked\nchmod -x \"$0\"\n")
        self.write(6)
        self.restart()
        self.assertIn("cannot execute", self.output())
        self.moves(client, 6)
        self.assertEqual(self.stop(), 0, self.output())

    def test_a_program_that_fails_under_the_new_version(self):
        self.start_copy()
        client = self.client()
        pid = client.json()["pid"]
        self.write(2, "return 3;")
        self.put()
        self.process.send_signal(signal.SIGHUP)
        self.said("the old one serves on")
        self.assertTrue(self.runs_new())
        self.assertEqual(client.json()["pid"], pid)
        self.write(3)
        self.restart()
        self.moves(client, 3)

    def test_rubbish_for_a_state(self):
        for value in ("", "x", "0", "2", "99999", "-1"):
            r = subprocess.run([NEXUS, "run", "app.c"], cwd=self.folder, capture_output=True, text=True, timeout=20,
                               env={**os.environ, "NEXUS_TAKE_OVER": value})
            self.assertEqual(r.returncode, 4, r.stderr)
            self.assertIn("NEXUS_TAKE_OVER is set to no state", r.stderr)
        for text in ("nexus launcher state 1\n%s\n" % line for line in
                     ("", "x", "generation 99 1 1 1 0 0 -1 x", "generation 0 1 65 1 0 0 -1 x", "process 0 0 1 1 1 0", "held 1 2",
                      "held 1 1 1 1 0 1 1 " + "x" * 400)):
            with tempfile.TemporaryFile() as f:
                f.write(text.encode())
                f.seek(0)
                r = subprocess.run([NEXUS, "run", "app.c"], cwd=self.folder, capture_output=True, text=True, timeout=20, pass_fds=[f.fileno()],
                                   env={**os.environ, "NEXUS_TAKE_OVER": str(f.fileno())})
                self.assertEqual(r.returncode, 4, text)


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
        asks.ask()
        waits.ask()
        self.write(2, "return 3;")
        self.said("waiting for a change")
        response = asks.ask()
        self.assertEqual((response.status, b"exit code 3" in response.body), (503, True))
        self.write(3)
        wait_for(lambda: self.client().json()["generation"] == 3)
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
        self.write(3, text="int main(void) { return }")
        self.said("waiting for a change")
        response = asks.ask()
        self.assertEqual((response.status, b"does not compile" in response.body.lower()), (503, True), response.body)
        self.write(4)
        wait_for(lambda: self.client().json()["generation"] == 4)
        self.moves(waits, 4)
        self.assertEqual(self.stop(), 0, self.output())


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
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            try:
                with Client(self.address) as client:
                    client.ask("/crash")
            except (OSError, AssertionError):
                time.sleep(0.05)
        self.assertEqual(self.process.wait(10), 128 + signal.SIGSEGV)
        self.assertIn("crashed 5 times in 10 s", self.output())

    def test_one_that_leaves_ends_them_all(self):
        self.start("3")
        self.full(3)
        self.client().ask("/leave")
        self.assertEqual(self.process.wait(10), 0, self.output())

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
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(failures, [])
        self.assertGreater(answered[0], 500)
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
        text = text.replace("static nx_err crash(", 'static nx_err tell(void *arg) { (void)arg; NX_TRY(nx_sleep(NX_MS(300))); nx_logf_info("port %u of %u", nx_http_port(server), nx_worker_index()); return NX_OK; }\nstatic nx_err crash(', 1)
        text = text.replace("nx_err err = nx_http_listen", "NX_TRY(nx_spawn(NULL, tell, NULL));\n    nx_err err = nx_http_listen")
        self.write(1, text=text)
        self.start("all", wait=False)
        count = len(os.sched_getaffinity(0))
        wait_for(lambda: self.output().count(" of ") >= min(count, 64), why=self.output())
        self.assertEqual(len(set(re.findall(r"port (\d+) of", self.output()))), 1, self.output())
        self.assertEqual(len(self.processes()), min(count, 64))

    def test_another_program_on_the_port(self):
        """That the address is shared does not mean with strangers."""
        self.start("2")
        self.full(2)
        other = subprocess.run([NEXUS, "run", "--allow-all", "app.c", "--", str(self.address[1]), "2"], cwd=self.folder, capture_output=True, text=True, timeout=30)
        self.assertEqual(other.returncode, 11)
        self.assertIn("address in use", other.stderr)

    def test_too_many(self):
        self.start("65", wait=False)
        self.assertEqual(self.process.wait(20), 4)
        self.assertIn("cannot start 65 worker processes: 64 at most", self.output())

    def test_without_a_launcher(self):
        library = os.path.join(os.path.dirname(NEXUS), "../lib/libnexus.a")
        if not os.path.exists(library):
            self.skipTest(f"there is no {library}")
        built = os.path.join(self.folder, "app")
        subprocess.run(["gcc", os.path.join(self.folder, "app.c"), "-I", os.path.join(HERE, "../../include"), library, "-Wl,--wrap=main", "-lm", "-pthread", "-o", built], check=True)
        r = subprocess.run([built, str(self.address[1]), "4"], capture_output=True, text=True, timeout=20)
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
        failures, stop, answered, slowest = [], threading.Event(), [0], [0]

        def load(kept):
            client = None
            try:
                while not stop.is_set():
                    begun = time.monotonic()
                    client = client or Client(self.address)
                    client.json()
                    slowest[0] = max(slowest[0], time.monotonic() - begun)
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
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(failures, [])
        self.assertGreater(answered[0], 500)
        self.assertLess(slowest[0], 1.5, "nobody waits until the sockets are closed")
        self.full(4)
        self.assertEqual(self.stop(), 0, self.output())

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

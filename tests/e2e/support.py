"""Starting programs under nexus, and asking them over raw sockets."""
import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
GIVEN, RANDOM = set(), random.SystemRandom()
# Who starts tests in the background may have these ignored, and so would every program.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
NEXUS = os.environ.get("NEXUS") or os.path.join(HERE, "../../dist/bin/nexus")


def ports():
    """Ports that the kernel gives to nobody who doesn't name them: none of its own choice takes one before the program that is told it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low, high = map(int, f.read().split())
    return range(10240, low) if low > 12000 else range(high + 1, 65536)


def free_port():
    """A port for a program that is about to start. It is never given twice, and none that a connection may come from: who asks
    whether it listens yet could else meet himself."""
    named = ports()
    while True:
        port = RANDOM.choice(named) if len(named) > 1000 else 0
        if port in GIVEN:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("", port))
            except OSError:
                continue
            port = s.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            try:
                s.bind(("", port))
            except OSError:
                continue
        GIVEN.add(port)
        return port


def short_deadlines(test):
    """A test in which deadlines of some 100 ms fire: where the machine stood still, one did that should not have, and the test is run once
    more. What is wrong is so each time."""
    @functools.wraps(test)
    def run(self):
        for _ in range(4):
            try:
                return test(self)
            except (AssertionError, OSError, EOFError, LookupError) as error:
                print(f"{test.__name__} once more: {error!r:.300}")
        return test(self)
    return run


def with_time(check, scales=(1, 4, 16)):
    """For what has a deadline that must not fire while the test goes on: where the machine was too slow for it, once more with a longer
    one. What is wrong at each scale is."""
    for scale in scales[:-1]:
        try:
            return check(scale)
        except (AssertionError, OSError, LookupError) as error:
            print(f"once more, slower than by {scale}: {error!r:.300}")
    return check(scales[-1])


def echo(process, port, data, seconds=60):
    """What a server gives back for all of `data`, once it listens."""
    end = time.time() + seconds
    while True:
        try:
            s = socket.create_connection(("127.0.0.1", port), timeout=seconds)
            break
        except OSError:
            if process.poll() is not None or time.time() > end:
                raise
            time.sleep(0.02)
    with s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: s.recv(1 << 16), b""))


def grants(port=None, args=(), env=None, flags=()):
    """The least that a program of the tests needs besides its own flags, if none of those grants anything: listening at its port, the
    variables that it is given, and reading the files that these, or its arguments, name, behind an option or not."""
    if any(flag.startswith("--allow-") for flag in flags):
        return list(flags)
    own = {name: value for name, value in (env or {}).items() if not name.startswith("NEXUS_")}
    named = [re.sub(r"^[\w-]+=", "", str(a)) for a in args]
    files = [path for path in named if os.path.isabs(path)] + [path for path in own.values() if os.path.isabs(path) and os.path.exists(path)]
    return [*([f"--allow-listen=:{port}"] if port else []), *(["--allow-read=" + ",".join(files)] if files else []),
            *(["--allow-env=" + ",".join(own)] if own else []), *flags]


class App:
    """A program under `nexus run`: a server on 127.0.0.1:port, ended with the test. `port` is how it is told its port."""

    def __init__(self, source, *args, flags=(), env=None, wait=True, port="{}", cwd=None, preexec=None):
        self.port = free_port()
        self.log = tempfile.TemporaryFile()
        path = source if os.path.isabs(source) else os.path.join(HERE, "apps", source)
        self.process = subprocess.Popen([os.path.abspath(NEXUS), "run", *grants(self.port, args, env, flags), path, "--", port.format(self.port), *args],
                                        stdout=self.log, stderr=self.log, env={**os.environ, **(env or {})}, cwd=cwd,
                                        preexec_fn=preexec)
        if wait:
            try:
                self.wait_listening()
            except AssertionError:
                self.kill()  # under --watch it would wait for a change, long after the test
                raise

    def wait_listening(self, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            try:
                self.connect().close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.01)
        raise AssertionError("the app does not listen:\n" + self.output())

    def output(self):
        return written(self.log)

    def connect(self, timeout=30):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def children(self):
        pid = self.process.pid
        try:
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                return [int(c) for c in f.read().split()]
        except FileNotFoundError:
            return []

    def app_pid(self):
        """The program's number, when it runs; after a crash that takes a moment."""
        end = time.monotonic() + 60
        while not (children := self.children()) and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        return children[0]

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.app_pid()}/fd"))

    def rss(self):
        """KiB of launcher and app together."""
        total = 0
        for pid in [self.process.pid, *self.children()]:
            with open(f"/proc/{pid}/status") as f:
                found = re.search(r"VmRSS:\s+(\d+)", f.read())  # not there in one that has just ended
                total += int(found[1]) if found else 0
        return total

    def stop(self, signo=signal.SIGTERM, seconds=60):
        if self.process.poll() is None:
            self.process.send_signal(signo)
        try:
            return self.process.wait(seconds)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


def eventually(check, seconds=60):
    """Until what it asserts holds; what it returns then. What a server writes of an answer may come a little behind it."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, LookupError, StopIteration, ValueError):
            if time.monotonic() > end:
                raise
        time.sleep(0.02)


def written(file):
    """What programs have written to a file of the test's by now. By a descriptor of its own: where one writes is a place that all who have the
    file's share, and to read it there would move it."""
    with open(f"/proc/self/fd/{file.fileno()}", "rb") as own:
        return own.read().decode(errors="replace")


def without_reports(text):
    """What a program has written, less what its watchdog says when the machine holds its loop up."""
    return re.sub(r"nexus: .* has blocked the loop .*\n(?:    .*\n)*", "", text)


def read_response(f, method="GET"):
    """One response from a buffered socket file; None at the end of the stream."""
    line = f.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = {}
    while True:
        line = f.readline()
        if line in (b"\r\n", b""):
            break
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if status == 100:
        return Response(status, headers, b"")
    body = b""
    if method == "HEAD" or status in (204, 304):
        pass
    elif "chunked" in headers.get("transfer-encoding", ""):
        pieces = []
        while True:
            size = int(f.readline().split(b";")[0], 16)
            if size == 0:
                break
            pieces.append(f.read(size))
            assert f.read(2) == b"\r\n"
        body = b"".join(pieces)
        while True:
            line = f.readline()
            if line in (b"\r\n", b""):
                break
            name, _, value = line.decode("latin-1").partition(":")
            headers["trailer:" + name.strip().lower()] = value.strip()
    elif "content-length" in headers:
        body = f.read(int(headers["content-length"]))
    else:
        body = f.read()
    return Response(status, headers, body)


class ServerTest(unittest.TestCase):
    """Tests against one app, started once a class."""

    app_source = "http.c"
    app_args = ()
    app_flags = ()
    app_env = None

    @classmethod
    def setUpClass(cls):
        cls.app = App(cls.app_source, *cls.app_args, flags=cls.app_flags, env=cls.app_env)

    @classmethod
    def tearDownClass(cls):
        code = cls.app.stop()
        assert code == 0, f"exit code {code}:\n{cls.app.output()}"

    def exchange(self, data, method="GET", parts=None, pause=0.0, app=None):
        """Sends raw bytes on a fresh connection and reads one response."""
        with (app or self.app).connect() as s:
            for part in parts or [data]:
                s.sendall(part)
                if pause:
                    time.sleep(pause)
            with s.makefile("rb") as f:
                return read_response(f, method)

    def ask(self, method, path, body=None, headers=()):
        head = f"{method} {path} HTTP/1.1\r\nhost: test\r\n" + "".join(f"{h}\r\n" for h in headers)
        if body is not None:
            head += f"content-length: {len(body)}\r\n"
        return self.exchange(head.encode() + b"\r\n" + (body or b""), method)

    def assert_serving(self):
        response = self.ask("GET", "/")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.body, b'{"message":"Hello from Nexus!"}')


def need(tool):
    """Skips, saying so, where a client is not installed."""
    return unittest.skipUnless(shutil.which(tool), f"{tool} is not installed")

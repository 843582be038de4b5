"""What the tests of restarts share: a program that is restarted, and connections that live through it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from support import HERE, NEXUS, free_port, grants, read_response

with open(os.path.join(HERE, "apps", "restart.c")) as f:
    SOURCE = f.read()
os.environ.setdefault("ASAN_OPTIONS", "handle_segv=0:handle_abort=0:handle_sigbus=0:detect_leaks=0")
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def wait_for(what, seconds=60, why="did not happen in time"):
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
        self.socket.settimeout(60)
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
        own = [f"--allow-listen={at}", *flags] if isinstance(self.address, str) else grants(at, flags=flags)
        self.process = subprocess.Popen([NEXUS, self.command, *own, "app.c", "--", at, *args], cwd=self.folder,
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

    def gone(self, pid):
        wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 60, "the old one does not end")

    def said(self, text, count=1):
        wait_for(lambda: self.output().count(text) >= count, why=f"it does not say {text!r}:\n{self.output()}")

    def restart(self):
        before = self.output().count(": restarted, ")
        self.process.send_signal(signal.SIGHUP)
        self.said(": restarted, ", before + 1)

    def moves(self, client, generation):
        """The old process has the connection for a moment after the launcher has said so, and may answer on it. Returns the new one's answer."""
        last = 0
        end = time.monotonic() + 60
        while last != generation:
            answer = client.json()
            self.assertGreaterEqual(answer["generation"], last)
            last = answer["generation"]
            self.assertLess(time.monotonic(), end, f"generation {last} still has it")
        return answer

    def all_read(self):
        """What has been sent to a loop by now has been read there: it takes its connections in turn, and this one is the last."""
        with Client(self.address) as last:
            last.ask()

    def serves(self, generation):
        """Waits until a fresh connection is answered by this one; before, it may be by another, by a page, or not at all."""
        def asked():
            try:
                with Client(self.address) as client:
                    return client.json()["generation"] == generation
            except (OSError, AssertionError, ValueError):
                return False

        wait_for(asked, why=f"generation {generation} does not serve:\n{self.output()}")

    def stop(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        return self.process.wait(60)

    def processes(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return [int(c) for c in f.read().split()]

    def assert_refused(self):
        with self.assertRaises(OSError):
            Client(self.address)

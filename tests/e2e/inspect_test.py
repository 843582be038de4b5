"""nexus run --inspect: an editor's debugger, with a real adapter behind it."""
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from command import wait_for
from dap import Client
from support import HERE, NEXUS, App, free_port, read_response

SOURCE = os.path.join(HERE, "apps", "inspect.c")
PART = os.path.join(HERE, "apps", "inspect_part.c")


def line(mark, path=SOURCE):
    with open(path) as f:
        for number, text in enumerate(f, 1):
            if f"/* {mark} */" in text:
                return number
    raise AssertionError(mark)


def gdb_speaks(path):
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        return int(re.search(r"(\d+)\.\d+\S*$", said.splitlines()[0])[1]) >= 14
    except (OSError, TypeError, IndexError):
        return False


def lldb():
    found = [p for d in os.environ["PATH"].split(":") for p in glob.glob(f"{d}/lldb-dap*") + glob.glob(f"{d}/lldb-vscode*")]
    return found[0] if found else None


def lldb_has_python():
    """Asks the lldb beside the adapter."""
    adapter = os.environ.get("NEXUS_DEBUGGER") or lldb() or ""
    program = os.path.join(os.path.dirname(adapter), re.sub(r"lldb-(dap|vscode)", "lldb", os.path.basename(adapter)))
    if not os.access(program, os.X_OK):
        return False
    said = subprocess.run([program, "--batch", "-o", "script print('py' + 'thon')"], capture_output=True, text=True).stdout
    return "\npython\n" in "\n" + said


class Inspected(App):
    """An app under --inspect, and questions to it that may have to wait."""

    def __init__(self, *more, source=SOURCE, env=None, wait=True, inspect="--inspect"):
        self.debug = free_port()
        super().__init__(source, flags=(f"{inspect}={self.debug}", *more), env=env, wait=wait)
        if not wait:
            self.wait_output("debuggers connect to")

    def app_pid(self):
        for pid in self.children():
            with open(f"/proc/{pid}/comm") as f:
                if "nexus inspect" not in f.read():
                    return pid
        raise AssertionError("there is no app")

    def wait_output(self, text, seconds=60):
        end = time.time() + seconds
        while text not in self.output():
            if time.time() > end:
                raise AssertionError(f"it does not say {text!r}:\n{self.output()}")
            time.sleep(0.02)

    def get(self, path, timeout=120):
        with self.connect(timeout) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n".encode())
            with s.makefile("rb") as f:
                return read_response(f)

    def asking(self, path):
        return Asking(self, path)


class Asking(threading.Thread):
    def __init__(self, app, path):
        super().__init__(daemon=True)
        self.app, self.path, self.response, self.error = app, path, None, None
        self.start()

    def run(self):
        try:
            self.response = self.app.get(self.path)
        except OSError as error:
            self.error = error

    def json(self, seconds=60):
        self.join(seconds)
        if not self.response or self.response.status != 200:
            raise AssertionError(f"{self.path}: {self.response and self.response.status} {self.error}\n{self.app.output()}")
        return json.loads(self.response.body)


class InspectCase(unittest.TestCase):
    env = {}

    def start(self, *more, **options):
        app = Inspected(*more, env={**self.env, **options.pop("env", {})}, **options)
        self.addCleanup(app.log.close)
        self.addCleanup(app.kill)
        return app

    def client(self, app):
        client = Client(app.debug)
        self.addCleanup(client.close)
        return client

    def session(self, app, breakpoints=None, **arguments):
        client = self.client(app)
        points = client.attach(breakpoints, **arguments)
        for point in points:
            if not point["verified"]:
                point.update(client.event("breakpoint")["breakpoint"])
            self.assertTrue(point["verified"], point)
        return client

    def assert_at(self, frames, function, number, path=SOURCE):
        top = frames[0]
        self.assertEqual((top["name"].split("(")[0], top["line"], os.path.realpath(top["source"]["path"])),
                         (function, number, os.path.realpath(path)))

    def assert_serving(self, app):
        self.assertEqual(json.loads(app.get("/").body), {"message": "Hello from Nexus!", "count": 42})

    def assert_stops(self, app, code=0):
        self.assertEqual(app.stop(), code, app.output())


class Basics:
    """What every adapter has to do."""

    def test_a_breakpoint_shows_the_program(self):
        app = self.start()
        client = self.session(app, {SOURCE: [line("HERE")]})
        asking = app.asking("/")
        reason, thread, frames = client.stopped()
        self.assertEqual(reason, "breakpoint")
        self.assert_at(frames, "root", line("HERE"))
        self.assertEqual(client.locals(frames[0]["id"])["count"], "41")
        self.assertEqual(client.get("evaluate", expression="count + 1", frameId=frames[0]["id"], context="watch")["result"], "42")
        self.assertIn(thread, [t["id"] for t in client.get("threads")["threads"]])
        client.get("next", threadId=thread)
        reason, thread, frames = client.stopped()
        self.assertEqual(reason, "step")
        self.assert_at(frames, "root", line("HERE") + 1)
        self.assertEqual(client.locals(frames[0]["id"])["count"], "42")
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json()["count"], 42)
        client.disconnect()
        self.assert_serving(app)
        self.assert_stops(app)
        self.assertIn("a debugger has attached", app.output())

    def test_stepping_into_and_out(self):
        app = self.start()
        client = self.session(app, {SOURCE: [line("HERE")]})
        asking = app.asking("/")
        _, thread, _ = client.stopped()
        client.get("stepIn", threadId=thread)
        _, _, frames = client.stopped()
        self.assertEqual([f["name"].split("(")[0] for f in frames[:2]], ["add", "root"])
        self.assertEqual({k: v for k, v in client.locals(frames[0]["id"]).items() if k != "sum"}, {"a": "41", "b": "1"})
        client.get("stepOut", threadId=thread)
        _, _, frames = client.stopped()
        self.assertEqual(frames[0]["name"].split("(")[0], "root")
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json()["count"], 42)
        self.assert_stops(app)

    def test_a_step_over_a_call_that_suspends_comes_back_to_the_same_fiber(self):
        app = self.start()
        client = self.session(app, {SOURCE: [line("WAIT")]})
        asking = app.asking("/wait/300")
        _, thread, frames = client.stopped()
        self.assert_at(frames, "wait", line("WAIT"))
        client.breakpoints(SOURCE, [])
        others = [app.asking("/") for _ in range(3)]  # are served while the one that is stepped sleeps
        client.get("next", threadId=thread)
        client.stopped()
        client.get("next", threadId=thread)
        _, _, frames = client.stopped()
        self.assert_at(frames, "wait", line("RESUMED"))
        self.assertEqual(client.locals(frames[0]["id"])["own"], "300")
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json(), {"own": 300, "after": 300})
        for other in others:
            self.assertEqual(other.json()["count"], 42)
        self.assert_stops(app)

    def test_a_condition_and_an_imported_source(self):
        app = self.start()
        client = self.client(app)
        points = client.attach({PART: [line("PART", PART)]})
        self.assertFalse(points[0]["verified"])  # it is not loaded yet
        # gdb does not heed a condition that comes before it has attached.
        client.breakpoints(SOURCE, [{"line": line("WAIT"), "condition": "own == 7"}])
        self.assertEqual(app.get("/wait/1").status, 200)
        asking = app.asking("/wait/7")
        _, thread, frames = client.stopped()
        self.assertEqual(client.locals(frames[0]["id"])["own"], "7")
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json()["own"], 7)
        asking = app.asking("/import")
        _, thread, frames = client.stopped()
        self.assert_at(frames, "twice", line("PART", PART), PART)
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json(), {"twice": 42})
        self.assert_stops(app)

    def test_pause_and_continue(self):
        app = self.start()
        client = self.session(app)
        thread = client.get("threads")["threads"][0]["id"]
        client.get("pause", threadId=thread)
        client.event("stopped")
        asking = app.asking("/")
        time.sleep(0.3)
        self.assertIsNone(asking.response)
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json()["count"], 42)
        self.assert_stops(app)

    def test_who_goes_away_leaves_no_breakpoint(self):
        for way in ("disconnect", "close", "close while it is stopped", "disconnect while it is stopped"):
            with self.subTest(way):
                app = self.start()
                client = self.session(app, {SOURCE: [line("HERE")]})
                asking = None
                if "stopped" in way:
                    asking = app.asking("/")
                    client.stopped()
                if "disconnect" in way:
                    client.disconnect()
                else:
                    client.close()
                app.wait_output("the debugger has detached")
                if asking:
                    self.assertEqual(asking.json()["count"], 42)
                self.assert_serving(app)
                with open(f"/proc/{app.app_pid()}/status") as f:
                    self.assertIn("TracerPid:\t0\n", f.read())
                client = self.session(app, {SOURCE: [line("HERE")]})  # and another may come
                asking = app.asking("/")
                client.stopped()
                self.assert_stops(app)
                self.assertEqual(asking.json()["count"], 42)

    def test_time_that_the_program_is_stopped_does_not_count(self):
        app = self.start("--watchdog=50")
        client = self.session(app, {SOURCE: [line("WAIT")]})
        asking = app.asking("/wait/10")  # of a server whose handlers have a second
        _, thread, _ = client.stopped()
        time.sleep(2)
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json(), {"own": 10, "after": 10})
        client.disconnect()
        self.assertEqual(app.get("/wait/3000").status, 503)
        self.assertNotIn("blocked", app.output())
        self.assert_stops(app)

    def test_a_crash_stops_where_it_is_and_the_session_comes_again(self):
        app = self.start()
        client = self.session(app)
        first = app.app_pid()
        asking = app.asking("/crash")
        reason, thread, frames = client.stopped()
        self.assertIn(reason, ("exception", "signal"))
        self.assert_at(frames, "crash", line("CRASH"))
        for _ in range(3):  # the fault itself, the fault again without fibers, the runtime raising it anew
            client.ask("continue", threadId=thread)
            try:
                _, thread, _ = client.stopped(2)
            except AssertionError:
                break
        asking.join(10)
        app.wait_output("starting it again")
        self.assertIn("crashed in fiber", app.output())
        again = self.session(app, {SOURCE: [line("HERE")]})
        self.assertNotEqual(app.app_pid(), first)
        asking = app.asking("/")
        again.stopped()
        self.assert_stops(app)

    def test_wait_stops_before_main(self):
        app = self.start(inspect="--inspect-wait", wait=False)
        time.sleep(0.3)
        with self.assertRaises(OSError):
            app.connect()
        client = self.session(app, {SOURCE: [line("MAIN")]}, command="launch", program="/no/such", pid=1)
        reason, thread, frames = client.stopped()
        self.assertEqual(reason, "breakpoint")
        self.assert_at(frames, "main", line("MAIN"))
        client.get("continue", threadId=thread)
        app.wait_listening()
        self.assert_serving(app)
        self.assert_stops(app)


@unittest.skipUnless(lldb(), "there is no lldb-dap and no lldb-vscode")
class LldbTest(InspectCase, Basics):
    @unittest.skipUnless(lldb_has_python(), "this lldb has no Python, which shows fibers")
    def test_fibers_are_threads(self):
        app = self.start()
        client = self.session(app, {SOURCE: [line("RESUMED")]})
        waiting = [app.asking("/wait/700") for _ in range(3)]
        time.sleep(0.2)
        asking = app.asking("/wait/10")
        _, thread, frames = client.stopped()
        self.assert_at(frames, "wait", line("RESUMED"))
        # lldb-vscode numbers them.
        threads = {t["id"]: re.sub(r"^Thread #\d+ ", "", t["name"]) for t in client.get("threads")["threads"]}
        self.assertEqual(threads[thread], "http GET /wait/10")
        self.assertEqual(sorted(threads.values()).count("http GET /wait/700"), 3)
        self.assertIn("main", threads.values())
        for other, name in threads.items():
            if name != "http GET /wait/700":
                continue
            own = [f for f in client.frames(other) if f.get("source", {}).get("path", "").endswith("inspect.c")]
            self.assertEqual([(f["name"].split("(")[0], f["line"]) for f in own], [("wait", line("SUSPENDS"))])
            self.assertEqual(client.locals(own[0]["id"])["own"], "700")
        client.breakpoints(SOURCE, [])
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json()["own"], 10)
        for asked in waiting:
            self.assertEqual(asked.json()["own"], 700)
        client.disconnect()
        self.assert_serving(app)
        self.assert_stops(app)

    @unittest.skipUnless(lldb_has_python(), "this lldb has no Python, which shows fibers")
    def test_a_step_stays_with_its_fiber_among_others_in_the_same_call(self):
        app = self.start()
        client = self.session(app, {SOURCE: [line("WAIT")]})
        asking = app.asking("/wait/500")
        _, thread, _ = client.stopped()
        client.breakpoints(SOURCE, [])
        others = [app.asking("/wait/20") for _ in range(4)]
        for expected in ("SUSPENDS", "RESUMED"):
            client.get("next", threadId=thread)
            _, thread, frames = client.stopped()
            self.assert_at(frames, "wait", line(expected))
            self.assertEqual(client.locals(frames[0]["id"])["own"], "500")
        client.get("continue", threadId=thread)
        self.assertEqual(asking.json()["own"], 500)
        for other in others:
            self.assertEqual(other.json()["own"], 20)
        self.assert_stops(app)


GDB = os.environ.get("NEXUS_TEST_GDB") or shutil.which("gdb")


@unittest.skipUnless(GDB and gdb_speaks(GDB), "there is no gdb of version 14 or later (NEXUS_TEST_GDB may name one)")
class GdbTest(InspectCase, Basics):
    env = {"NEXUS_DEBUGGER": GDB}


@unittest.skipUnless(lldb(), "there is no lldb-dap and no lldb-vscode")
class SessionTest(InspectCase):
    """What the bridge does, whatever the adapter."""

    def test_a_second_debugger_is_refused(self):
        app = self.start()
        first = self.session(app, {SOURCE: [line("HERE")]})
        second = self.client(app)
        response = second.ask("initialize", adapterID="nexus")
        self.assertFalse(response["success"])
        self.assertIn("another debugger is connected", response["message"])
        self.assertIn("another debugger", response["body"]["error"]["format"])
        self.assertTrue(second.wait_closed())
        idle = [socket.create_connection(("127.0.0.1", app.debug)) for _ in range(10)]
        asking = app.asking("/")
        _, thread, _ = first.stopped()
        first.get("continue", threadId=thread)
        self.assertEqual(asking.json()["count"], 42)
        for s in idle:
            s.close()
        self.assert_stops(app)

    def test_a_change_takes_the_session_along(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "app.c")
            shutil.copy(SOURCE, path)
            app = self.start("--watch", source=path)
            client = self.session(app, {path: [line("HERE")]})
            asking = app.asking("/")
            client.stopped()  # the change comes while it stands there
            with open(SOURCE) as f:
                text = f.read()
            with open(path + ".new", "w") as f:
                f.write("/* one line more */\n" + text.replace("count = 41", "count = 51"))
            os.rename(path + ".new", path)
            self.assertEqual(client.event("terminated"), {"restart": True})
            self.assertEqual(asking.json()["count"], 42)
            client.disconnect(restart=True)
            # The new program waits for the debugger that was told to come again, before its main.
            client = self.session(app, {path: [line("MAIN") + 1, line("HERE") + 1]})
            _, thread, frames = client.stopped()
            self.assert_at(frames, "main", line("MAIN") + 1, path)
            client.get("continue", threadId=thread)
            app.wait_listening()
            asking = app.asking("/")
            _, thread, frames = client.stopped()
            self.assert_at(frames, "root", line("HERE") + 1, path)
            self.assertEqual(client.locals(frames[0]["id"])["count"], "51")
            client.get("continue", threadId=thread)
            self.assertEqual(asking.json()["count"], 52)
            # Who is not there is not waited for longer than a moment.
            client.disconnect()
            with open(path, "a") as f:
                f.write("/* more */\n")
            app.wait_output("changed: started anew")
            self.assertEqual(app.get("/").status, 200)
            self.assert_stops(app)

    def test_a_session_waits_for_a_program_that_compiles(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "app.c")
            with open(path, "w") as f:
                f.write("int main(void) { return nothing; }\n")
            app = self.start("--watch", source=path, wait=False)
            client = self.client(app)
            client.initialize()
            number = client.send("attach")
            time.sleep(0.3)
            self.assertNotIn(number, client.responses)
            shutil.copy(SOURCE, path + ".new")
            os.rename(path + ".new", path)
            client.event("initialized", 60)
            client.breakpoints(path, [line("MAIN")])
            client.get("configurationDone")
            self.assertTrue(client.answer(number)["success"])
            _, _, frames = client.stopped()
            self.assert_at(frames, "main", line("MAIN"), path)
            self.assertIn(app.stop(), (0, 128 + signal.SIGTERM))

    def test_ctrl_c_while_it_is_stopped(self):
        app = self.start()
        client = self.session(app, {SOURCE: [line("HERE")]})
        asking = app.asking("/")
        client.stopped()
        app.process.send_signal(signal.SIGINT)
        self.assertEqual(client.event("terminated"), {})
        self.assertEqual(app.process.wait(60), 0, app.output())
        self.assertEqual(asking.json()["count"], 42)

    def test_the_editor_ends_the_run(self):
        for request in ({"command": "disconnect", "terminateDebuggee": True}, {"command": "terminate"}):
            with self.subTest(request["command"]):
                app = self.start()
                client = self.session(app)
                client.get(**request)
                self.assertEqual(app.process.wait(60), 0, app.output())

    def test_the_end_of_the_program_is_the_end_of_the_session(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "app.c")
            with open(path, "w") as f:
                f.write("#include <stdio.h>\nint main(void)\n{\n    puts(\"done\");\n    return 3;\n}\n")
            app = self.start(source=path, inspect="--inspect-wait", wait=False)
            client = self.session(app, {path: [4]})
            _, thread, _ = client.stopped()
            self.assertNotIn("done", app.output())
            client.get("continue", threadId=thread)
            self.assertEqual(client.event("exited")["exitCode"], 3)
            self.assertEqual(client.event("terminated"), {})
            self.assertEqual(app.process.wait(60), 3)
            self.assertIn("done", app.output())
            # The port is free at once.
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", app.debug))

    def test_an_adapter_that_dies_is_told(self):
        app = self.start()
        client = self.session(app)
        adapters = []
        for pid in app.children():
            with open(f"/proc/{pid}/task/{pid}/children") as f:
                adapters += [int(c) for c in f.read().split()]
        self.assertEqual(len(adapters), 1)
        os.kill(adapters[0], signal.SIGKILL)
        while "has ended" not in client.event("output")["output"]:
            pass  # what it has said before
        client.event("terminated")
        client.close()
        self.assert_serving(app)
        self.session(app).disconnect()
        self.assert_stops(app)

    def test_hostile_bytes(self):
        app = self.start()

        def frame(text):
            return b"Content-Length: %d\r\n\r\n%s" % (len(text), text)

        web = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        initialize = b'{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"x"}}'
        bad = [
            web + frame(initialize), b"GET / HTTP/1.1\r\n\r\n", b"P", b"\x16\x03\x01\x02\x00", b"\r\n" + frame(initialize),
            b"Content-Length: -1\r\n\r\n", b"Content-Length: 99999999999999999999\r\n\r\n", b"Content-Length: 4194305\r\n\r\n",
            b"Content-Length:\r\n\r\n", b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", b"Content-Length: 2\r\nHost: x\r\n\r\n{}",
            b"Content-Type: x\r\n\r\n", b"Content-Type: " + b"x" * 300, b"Content-Length: 0x2\r\n\r\n{}",
            frame(b""), frame(b"{"), frame(b"[]"), frame(b"{}"), frame(b'{"type":"request","seq":1}'), frame(b"[" * 100000),
            frame(b'{"type":"request","seq":1,"command":"' + b"x" * 5000 + b'"}'), frame(b'{"type":"request","command":"a\\u0000b"}'),
            frame(b'\xff\xfe{"type":"request"}'),
        ]
        for data in bad:
            with self.subTest(data[:60]):
                with socket.create_connection(("127.0.0.1", app.debug), timeout=120) as s:
                    s.sendall(data)
                    try:
                        self.assertEqual(s.recv(1), b"")
                    except ConnectionResetError:
                        pass
        self.assertEqual(app.output().count("did not speak the Debug Adapter Protocol"), 1)
        # Requests in the wrong order and of the wrong kind are answered, not passed on.
        client = self.client(app)
        self.assertFalse(client.ask("attach")["success"])
        client.initialize()
        client.send_raw(frame(b'{"type":"response","request_seq":1073741825,"command":"x","success":true}'))
        number = client.send("attach", pid="no number", program={"a": [1, 1.5, -1, 1e300, None, True, 2**63]}, initCommands=[])
        client.event("initialized", 60)
        self.assertFalse(client.ask("attach")["success"])
        client.get("configurationDone")
        self.assertTrue(client.answer(number)["success"])
        # Piece by piece.
        for byte in frame(json.dumps({"seq": 77, "type": "request", "command": "threads"}).encode()):
            client.send_raw(bytes([byte]))
        self.assertTrue(client.answer(77)["success"])
        client.disconnect()
        descriptors = len(os.listdir(f"/proc/{self.bridge(app)}/fd"))
        self.assertLessEqual(descriptors, 6)
        self.assert_serving(app)
        self.assert_stops(app)

    def bridge(self, app):
        return next(pid for pid in app.children() if pid != app.app_pid())

    def test_a_silent_client_holds_nothing_up(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "app.c")
            shutil.copy(SOURCE, path)
            app = self.start("--watch", source=path)
            with socket.create_connection(("127.0.0.1", app.debug)):
                with open(path, "a") as f:
                    f.write("/* more */\n")
                app.wait_output("changed: started anew")
                begun = time.time()
                app.wait_listening()
                self.assertEqual(app.get("/").status, 200)
                self.assertLess(time.time() - begun, 40)
            self.assert_stops(app)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "it takes root and setpriv to be another user")
    def test_another_user_is_refused(self):
        app = self.start()
        knock = ("import socket,sys\ns=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\n"
                 "s.sendall(b'Content-Length: 2\\r\\n\\r\\n{}')\nif sys.argv[2]=='close': sys.exit()\nprint(s.recv(1))")
        python = shutil.which("python3", path="/usr/bin:/bin") or "python3"
        for how in ("stay", "close"):
            said = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", python, "-c", knock, str(app.debug), how],
                                  capture_output=True, text=True, timeout=120)
            self.assertTrue(said.stdout == "b''\n" or "ConnectionReset" in said.stderr or how == "close", said)
        app.wait_output("another user's connection")
        self.session(app).disconnect()
        self.assert_stops(app)

    def test_an_address_for_others_is_warned_of(self):
        port, debug = free_port(), free_port()
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen([NEXUS, "run", f"--allow-listen=:{port}", f"--inspect=0.0.0.0:{debug}", SOURCE, "--", str(port)],
                                       stdout=log, stderr=log)
            self.addCleanup(process.kill)
            Client(debug).close()
            wait_for(lambda: b"whoever can connect to 0.0.0.0:" in os.pread(log.fileno(), 4096, 0))
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class FloodTest(InspectCase):
    env = {"NEXUS_DEBUGGER": "true"}  # which is not started before "initialize"

    def test_a_client_that_does_not_read_is_not_read_either(self):
        app = self.start()
        text = b'{"seq":1,"type":"request","command":"threads"}'
        requests = b"Content-Length: %d\r\n\r\n%s" % (len(text), text) * 10000
        with socket.create_connection(("127.0.0.1", app.debug), timeout=5) as s:
            with self.assertRaises(TimeoutError):
                for _ in range(60):  # 40 MB, and five times as much to be answered
                    s.sendall(requests)
        client = self.client(app)
        self.assertIn("begins with", client.ask("threads")["message"])
        self.assert_serving(app)


class RefusalTest(unittest.TestCase):
    """What is said where it can't be."""

    def run_nexus(self, *args, env=None):
        done = subprocess.run([NEXUS, "run", "--allow-listen=:3000", *args], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})})
        return done.returncode, done.stderr

    def test_no_debugger(self):
        with tempfile.TemporaryDirectory() as empty:
            code, said = self.run_nexus("--inspect", SOURCE, env={"PATH": empty})
            self.assertNotEqual(code, 0)
            self.assertIn("cannot find a debugger for --inspect", said)
            self.assertIn("apt install lldb", said)
            with open(os.path.join(empty, "gdb"), "w") as f:
                f.write("#!/bin/sh\necho 'GNU gdb (Debian 13.1-3) 13.1'\n")
            os.chmod(os.path.join(empty, "gdb"), 0o755)
            code, said = self.run_nexus("--inspect", SOURCE, env={"PATH": f"{empty}:/nowhere"})
            self.assertIn("gdb 13 is too old", said)
            code, said = self.run_nexus("--inspect", SOURCE, env={"NEXUS_DEBUGGER": "no-such"})
            self.assertIn('cannot find "no-such", which NEXUS_DEBUGGER names', said)

    def test_no_compiler_that_debuggers_read(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, target in (("tcc", shutil.which("tcc")), ("lldb-dap", "/bin/true")):
                os.symlink(target, os.path.join(folder, name))
            code, said = self.run_nexus("--inspect=0", SOURCE, env={"PATH": folder})
            self.assertNotEqual(code, 0)
            self.assertIn("cannot find gcc or clang, of which --inspect takes one", said)
            code, said = self.run_nexus("--inspect=0", "--compiler=tcc", SOURCE, env={"PATH": folder})
            self.assertIn("--inspect takes gcc or clang", said)

    @unittest.skipUnless(lldb(), "there is no lldb-dap and no lldb-vscode")
    def test_a_port_that_is_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            code, said = self.run_nexus(f"--inspect={port}", SOURCE)
            self.assertNotEqual(code, 0)
            self.assertIn(f"the port is taken; another one: --inspect={port + 1}", said)

    def test_values(self):
        for value in ("x", "", "127.0.0.1", "127.0.0.1:", ":4711", "65536", "-1", "4711x", "a" * 70 + ":4711"):
            with self.subTest(value):
                code, said = self.run_nexus(f"--inspect={value}", SOURCE)
                self.assertEqual(code, 2, said)
                self.assertIn("--inspect takes a port", said)


if __name__ == "__main__":
    unittest.main()

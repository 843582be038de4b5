"""A client of the Debug Adapter Protocol, as an editor has one."""
import json
import queue
import socket
import threading
import time


class Client:
    def __init__(self, port, host="127.0.0.1", timeout=60):
        end = time.time() + timeout
        while True:
            try:
                self.socket = socket.create_connection((host, port), timeout=timeout)
                break
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(0.02)
        self.socket.settimeout(None)
        self.file = self.socket.makefile("rb")
        self.number = 0
        self.events = queue.Queue()
        self.responses = {}
        self.closed = False
        self.arrived = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            while True:
                length = None
                while (line := self.file.readline()) != b"\r\n":
                    if not line:
                        raise EOFError
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                message = json.loads(self.file.read(length))
                if message["type"] == "event":
                    self.events.put(message)
                    continue
                with self.arrived:
                    self.responses[message["request_seq"]] = message
                    self.arrived.notify_all()
        except (EOFError, OSError, ValueError, TypeError):
            with self.arrived:
                self.closed = True
                self.arrived.notify_all()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, command, **arguments):
        self.number += 1
        text = json.dumps({"seq": self.number, "type": "request", "command": command, "arguments": arguments})
        self.send_raw(b"Content-Length: %d\r\n\r\n%s" % (len(text.encode()), text.encode()))
        return self.number

    def answer(self, number, seconds=60):
        with self.arrived:
            self.arrived.wait_for(lambda: number in self.responses or self.closed, seconds)
            if number not in self.responses:
                raise AssertionError("no answer: " + ("the connection is closed" if self.closed else "in time"))
            return self.responses[number]

    def ask(self, command, **arguments):
        """The whole response."""
        return self.answer(self.send(command, **arguments))

    def get(self, command, **arguments):
        """The body of a response that has to be a success."""
        response = self.ask(command, **arguments)
        if not response["success"]:
            raise AssertionError(f"{command}: {response}")
        return response.get("body")

    def event(self, name, seconds=60):
        """The body of the next event of that name; others are passed over."""
        end = time.time() + seconds
        seen = []
        while True:
            try:
                message = self.events.get(timeout=max(0.01, end - time.time()))
            except queue.Empty:
                raise AssertionError(f"no event {name}; there were {seen}") from None
            if message["event"] == name:
                return message.get("body", {})
            seen.append(message["event"])

    def wait_closed(self, seconds=60):
        with self.arrived:
            return self.arrived.wait_for(lambda: self.closed, seconds)

    def initialize(self):
        return self.get("initialize", clientID="test", adapterID="nexus", linesStartAt1=True, columnsStartAt1=True,
                        pathFormat="path")

    def attach(self, breakpoints=None, command="attach", **arguments):
        """The whole handshake, with {path: [line or breakpoint]}; gives what became of the breakpoints."""
        self.initialize()
        number = self.send(command, name="test", **arguments)
        self.event("initialized", 60)
        set_ = [self.breakpoints(path, lines) for path, lines in (breakpoints or {}).items()]
        self.get("configurationDone")
        response = self.answer(number)
        if not response["success"] or response["command"] != command:
            raise AssertionError(f"attach: {response}")
        return [b for body in set_ for b in body]

    def breakpoints(self, path, lines):
        points = [line if isinstance(line, dict) else {"line": line} for line in lines]
        return self.get("setBreakpoints", source={"path": path}, breakpoints=points)["breakpoints"]

    def frames(self, thread):
        return self.get("stackTrace", threadId=thread, startFrame=0, levels=20)["stackFrames"]

    def locals(self, frame):
        scopes = self.get("scopes", frameId=frame)["scopes"]
        found = {}
        for scope in scopes:
            if scope["name"].startswith(("Local", "Arg")):
                variables = self.get("variables", variablesReference=scope["variablesReference"])["variables"]
                found.update({v["name"]: v["value"] for v in variables})
        return found

    def stopped(self, seconds=20):
        """The next stop: (reason, thread, frames)."""
        body = self.event("stopped", seconds)
        return body["reason"], body["threadId"], self.frames(body["threadId"])

    def close(self):
        """Without a word, as when an editor is killed."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def disconnect(self, **arguments):
        self.get("disconnect", **arguments)
        if not self.wait_closed():
            raise AssertionError("the connection stays open")
        self.close()

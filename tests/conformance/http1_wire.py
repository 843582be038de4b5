"""Sends the bytes of a case and tells what came of it, in the words of http1_cases.py."""
import re
import socket
import time

PROBE = b"GET /probe HTTP/1.1\r\nHost: a\r\n\r\n"


class Reader:
    """All that comes on a connection until nothing has for a while."""

    def __init__(self, sock, quiet):
        self.sock, self.quiet, self.data, self.closed = sock, quiet, b"", False

    def read(self, enough=lambda data: False, most=20):
        end = time.time() + most
        while not self.closed and not enough(self.data) and time.time() < end:
            self.sock.settimeout(self.quiet)
            try:
                piece = self.sock.recv(65536)
            except TimeoutError:
                break
            except OSError:
                piece = b""
            self.data += piece
            self.closed = not piece
        return self.data


def answers(data, heads):
    """The statuses in the bytes; `heads`: how many of the first final answers are to HEAD. A body without its length ends the list."""
    found = []
    while data:
        head, end, rest = data.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3})", head)
        if not status or not end:
            return found + ["?"]
        code = int(status[1])
        found.append(str(code))
        data = rest
        if code < 200:
            continue
        bodiless = code in (204, 304) or heads > 0
        heads -= 1
        length = re.search(rb"(?i)\r\ncontent-length:[ \t]*(\d+)", head)
        if bodiless:
            continue
        if length:
            data = data[int(length[1]):]
        elif re.search(rb"(?i)\r\ntransfer-encoding:[ \t]*chunked", head):
            while True:
                size, end, data = data.partition(b"\r\n")
                if not end or not int(size, 16):
                    break
                data = data[int(size, 16) + 2:]
            data = data.partition(b"\r\n")[2]
        else:
            break
    return found


def observe(address, raw, quiet):
    """The outcome: "200 keep". `quiet` seconds without a byte are taken for the end of what comes."""
    with socket.create_connection(address, timeout=10) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(s, quiet)
        try:
            s.sendall(raw)
        except OSError:
            pass  # it has answered, and reads no more
        data = reader.read()
        found = answers(data, raw.startswith(b"HEAD "))
        if reader.closed:
            return " ".join(found + ["close"])
        try:
            s.sendall(PROBE)
        except OSError:
            return " ".join(found + ["close"])
        before, reader.data = reader.data, b""
        more = reader.read(lambda data: b"/probe" in data)
        if more.startswith(b"HTTP/1.1 200") and b"/probe" in more:
            return " ".join(found + ["keep"])
        if found and not more and reader.closed:
            return " ".join(found + ["close"])
        return " ".join(found + ["waits"])

"""examples/grpc asked by a real client, grpcio, also through examples/proxy."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../build/peers/python"))
try:
    import grpc
except ImportError:
    grpc = None

from support import App, free_port


def request(name="", count=0):
    """greet.Request; as protobuf writes it."""
    def varint(n):
        out = b""
        while n > 127:
            out, n = out + bytes([n & 127 | 128]), n >> 7
        return out + bytes([n])
    name = name.encode()
    return (b"\x0a" + varint(len(name)) + name if name else b"") + (b"\x10" + varint(count) if count else b"")


def reply(message):
    assert message[0] == 0x0a
    return message[2 if message[1] < 128 else 3:].decode()


@unittest.skipUnless(grpc, "grpcio is not there; it comes with: scripts/setup test")
class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.app = App(os.path.join(HERE, "../../examples/grpc/app.c"))
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{cls.app.port}")

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.app.stop() == 0, cls.app.output()

    def method(self, kind, name):
        return getattr(self.channel, kind)(f"/greet.Greeter/{name}", request_serializer=lambda r: r, response_deserializer=reply)

    def test_unary(self):
        hello = self.method("unary_unary", "Hello")
        for name in ("you", "x" * 300):
            self.assertEqual(hello(request(name), timeout=10), f"Hello, {name}!")

    def test_many_at_once(self):
        hello = self.method("unary_unary", "Hello")
        calls = [hello.future(request(str(i)), timeout=20) for i in range(500)]
        self.assertEqual([c.result() for c in calls], [f"Hello, {i}!" for i in range(500)])

    def test_errors(self):
        hello = self.method("unary_unary", "Hello")
        for asked, code in ((request(), grpc.StatusCode.INVALID_ARGUMENT), (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
                            (b"x" * 100_000, grpc.StatusCode.RESOURCE_EXHAUSTED)):
            with self.assertRaises(grpc.RpcError) as caught:
                hello(asked, timeout=10)
            self.assertEqual(caught.exception.code(), code)
        with self.assertRaises(grpc.RpcError) as caught:
            self.method("unary_unary", "Nothing")(request("x"), timeout=10)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    def test_server_streams(self):
        got = list(self.method("unary_stream", "Repeat")(request("you", 20000), timeout=30))
        self.assertEqual((len(got), got[-1]), (20000, "20000: hello, you"))

    def test_client_streams(self):
        answer = self.method("stream_unary", "Gather")((request("x" * 100, i) for i in range(1, 5001)), timeout=30)
        self.assertEqual(answer, f"5000 requests, {5000 * 5001 // 2} in all")

    def test_both_stream(self):
        """Each answer is there before the next is asked."""
        import queue
        asked = queue.Queue()
        answers = self.method("stream_stream", "Chat")(iter(asked.get, None), timeout=30)
        for i in range(200):
            asked.put(request(f"word {i}"))
            self.assertEqual(next(answers), f"word {i}?")
        asked.put(None)
        self.assertEqual(list(answers), [])
        self.assertEqual(answers.code(), grpc.StatusCode.OK)

    def test_cancelled(self):
        stream = self.method("unary_stream", "Repeat")(request("you", 1 << 30), timeout=30)
        next(stream)
        stream.cancel()
        self.assertEqual(self.method("unary_unary", "Hello")(request("you"), timeout=10), "Hello, you!")


class ThroughProxy(Grpc):
    """The same with a reverse proxy between, by HTTP/2 on both sides."""

    @classmethod
    def setUpClass(cls):
        cls.upstream = App(os.path.join(HERE, "../../examples/grpc/app.c"))
        port = free_port()
        cls.app = App(os.path.join(HERE, "../../examples/proxy/app.c"), f"127.0.0.1:{port}", f"http://127.0.0.1:{cls.upstream.port}", port="-2",
                      flags=("--allow-net=127.0.0.1",), wait=False)
        cls.app.port = port
        cls.app.wait_listening()
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        assert cls.upstream.stop() == 0, cls.upstream.output()


if __name__ == "__main__":
    unittest.main()

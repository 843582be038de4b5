"""The cases of Autobahn's WebSocket test suite, by its numbers: what a peer sends, and what comes back from one that echoes.

A case is a list of steps:
  ("send", frames, chop)   frames of (opcode, payload[, fin[, rsv]]); chop bytes at a time, 0: all at once
  ("get", opcode, payload) a message, or a pong, that comes back
  ("wait",)                nothing comes for a moment
  ("closed", codes)        the other side closes, with one of the codes (0: without one)
  ("echo", n, size, kind, fragment)   n messages there and back, for compression and for throughput
What ends without "closed" is closed by us, in order: the answer is our code."""
import json
import random
import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
HELLO = b"Hello, world!"


def send(*frames, chop=0):
    return ("send", frames, chop)


def close(code, reason=b""):
    return (CLOSE, struct.pack(">H", code) + reason)


def fragments(opcode, payload, size):
    pieces = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
    return [(0 if i else opcode, piece, i == len(pieces) - 1) for i, piece in enumerate(pieces)]


BAD = ("closed", (1002,))
BAD_TEXT = ("closed", (1007,))
CASES = {}


def case(number, *steps):
    assert number not in CASES, number
    CASES[number] = steps


def echo(number, opcode, payload, chop=0):
    case(number, send((opcode, payload), chop=chop), ("get", opcode, payload))


# 1: framing
for group, opcode in ((1, TEXT), (2, BINARY)):
    for i, (size, chop) in enumerate(((0, 0), (125, 0), (126, 0), (127, 0), (128, 0), (65535, 0), (65536, 0), (65536, 997)), 1):
        echo(f"1.{group}.{i}", opcode, b"*" * size, chop)

# 2: pings and pongs
for i, payload in enumerate((b"", HELLO, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125), 1):
    case(f"2.{i}", send((PING, payload)), ("get", PONG, payload))
case("2.5", send((PING, b"\xfe" * 126)), BAD)
case("2.6", send((PING, b"\xfe" * 125), chop=1), ("get", PONG, b"\xfe" * 125))
case("2.7", send((PONG, b"")), ("wait",))
case("2.8", send((PONG, b"unsolicited")), ("wait",))
case("2.9", send((PONG, b"unsolicited"), (PING, b"ping")), ("get", PONG, b"ping"))
for i, chop in ((10, 0), (11, 1)):
    many = [b"payload-%d" % n for n in range(10)]
    case(f"2.{i}", send(*((PING, p) for p in many), chop=chop), *(("get", PONG, p) for p in many))

# 3: reserved bits
case("3.1", send((TEXT, HELLO, True, 1)), BAD)
case("3.2", send((TEXT, HELLO), (TEXT, HELLO, True, 2), (PING, b"")), ("get", TEXT, HELLO), BAD)
case("3.3", send((TEXT, HELLO)), send((TEXT, HELLO, True, 3)), send((PING, b"")), ("get", TEXT, HELLO), BAD)
case("3.4", send((TEXT, HELLO), (TEXT, HELLO, True, 4), (PING, b""), chop=1), ("get", TEXT, HELLO), BAD)
case("3.5", send((BINARY, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", True, 5)), BAD)
case("3.6", send((PING, HELLO, True, 6)), BAD)
case("3.7", send((CLOSE, b"", True, 7)), BAD)

# 4: reserved opcodes
for group, first in ((1, 3), (2, 11)):
    case(f"4.{group}.1", send((first, b"")), BAD)
    case(f"4.{group}.2", send((first + 1, b"reserved opcode payload")), BAD)
    case(f"4.{group}.3", send((TEXT, HELLO), (first + 2, b""), (PING, b"")), ("get", TEXT, HELLO), BAD)
    case(f"4.{group}.4", send((TEXT, HELLO), (first + 3, HELLO), (PING, b"")), ("get", TEXT, HELLO), BAD)
    case(f"4.{group}.5", send((TEXT, HELLO), (first + 4, HELLO), (PING, b""), chop=1), ("get", TEXT, HELLO), BAD)

# 5: fragments
A, B = b"fragment1", b"fragment2"
case("5.1", send((PING, A, False), (0, B)), BAD)
case("5.2", send((PONG, A, False), (0, B)), BAD)
case("5.3", send((TEXT, A, False), (0, B)), ("get", TEXT, A + B))
case("5.4", send((TEXT, A, False)), send((0, B)), ("get", TEXT, A + B))
case("5.5", send((TEXT, A, False), (0, B), chop=1), ("get", TEXT, A + B))
case("5.6", send((TEXT, A, False), (PING, b"ping"), (0, B)), ("get", PONG, b"ping"), ("get", TEXT, A + B))
case("5.7", send((TEXT, A, False)), send((PING, b"ping")), send((0, B)), ("get", PONG, b"ping"), ("get", TEXT, A + B))
case("5.8", send((TEXT, A, False), (PING, b"ping"), (0, B), chop=1), ("get", PONG, b"ping"), ("get", TEXT, A + B))
for i, fin in ((9, True), (12, False)):
    case(f"5.{i}", send((0, b"non-continuation payload", fin), (TEXT, HELLO)), BAD)
    case(f"5.{i + 1}", send((0, b"non-continuation payload", fin)), send((TEXT, HELLO)), BAD)
    case(f"5.{i + 2}", send((0, b"non-continuation payload", fin), (TEXT, HELLO), chop=1), BAD)
case("5.15", send((TEXT, A, False), (0, B), (0, b"fragment3", False), (TEXT, b"fragment4")), ("get", TEXT, A + B), BAD)
case("5.16", *(send((0, A, False), (TEXT, B, False), (0, b"fragment3")),) * 2, BAD)
case("5.17", *(send((0, A), (TEXT, B, False), (0, b"fragment3")),) * 2, BAD)
case("5.18", send((TEXT, A, False), (TEXT, B)), BAD)
five = [(TEXT, b"fragment1", False), (0, b"fragment2", False), (PING, b"pongme 1!"), (0, b"fragment3", False), (0, b"fragment4", False),
        (PING, b"pongme 2!"), (0, b"fragment5")]
whole = b"".join(b"fragment%d" % i for i in range(1, 6))
case("5.19", send(*five[:3]), ("get", PONG, b"pongme 1!"), ("wait",), send(*five[3:]), ("get", PONG, b"pongme 2!"), ("get", TEXT, whole))
case("5.20", *(send(f) for f in five[:3]), ("get", PONG, b"pongme 1!"), ("wait",), *(send(f) for f in five[3:]),
     ("get", PONG, b"pongme 2!"), ("get", TEXT, whole))

# 6: text
echo("6.1.1", TEXT, b"")
case("6.1.2", send((TEXT, b"", False), (0, b"", False), (0, b"")), ("get", TEXT, b""))
case("6.1.3", send((TEXT, b"", False), (0, b"middle frame payload", False), (0, b"")), ("get", TEXT, b"middle frame payload"))
GREEK = bytes.fromhex("cebae1bdb9cf83cebcceb5")
LATIN = "Hello-µ@ßöäüàá-UTF-8!!".encode()
echo("6.2.1", TEXT, LATIN)
case("6.2.2", send((TEXT, "Hello-µ@ßöä".encode(), False), (0, "üàá-UTF-8!!".encode())), ("get", TEXT, LATIN))
case("6.2.3", send(*fragments(TEXT, LATIN, 1)), ("get", TEXT, LATIN))
case("6.2.4", send(*fragments(TEXT, GREEK, 1)), ("get", TEXT, GREEK))
WRONG = GREEK + b"\xed\xa0\x80" + b"edited"
case("6.3.1", send((TEXT, WRONG)), BAD_TEXT)
case("6.3.2", send(*fragments(TEXT, WRONG, 1)), BAD_TEXT)
# 6.4: as soon as it can be known, before the rest has come.
case("6.4.1", send((TEXT, GREEK, False)), ("wait",), send((0, b"\xf4\x90\x80\x80", False)), BAD_TEXT)
case("6.4.2", send((TEXT, GREEK + b"\xf4", False)), ("wait",), send((0, b"\x90", False)), BAD_TEXT)
case("6.4.3", ("part", (TEXT, GREEK + b"\xf4\x90\x80\x80" + b"edited"), len(GREEK) + 4), BAD_TEXT)
case("6.4.4", ("part", (TEXT, GREEK + b"\xf4\x90\x80\x80" + b"edited"), len(GREEK) + 2), BAD_TEXT)


def texts(group, sequences):
    for i, sequence in enumerate(sequences, 1):
        try:
            sequence.decode()
            echo(f"6.{group}.{i}", TEXT, sequence)
        except UnicodeDecodeError:
            case(f"6.{group}.{i}", send((TEXT, sequence)), BAD_TEXT)


def h(text):
    return [bytes.fromhex(s) for s in text.split(",")]


texts(5, [b"hello$world", "hello¢world".encode(), "hello€world".encode(), "hello𤭢world".encode(), GREEK])
texts(6, [GREEK[:i] for i in range(1, len(GREEK) + 1)])
texts(7, h("00,c280,e0a080,f0908080"))
texts(8, h("f888808080,fc8480808080"))
texts(9, h("7f,dfbf,efbfbf,f48fbfbf"))
texts(10, h("f7bfbfbf,fbbfbfbfbf,fdbfbfbfbfbf"))
texts(11, h("ed9fbf,ee8080,efbfbd,f48fbfbf,f4908080"))
texts(12, h("80,bf,80bf,80bf80,80bf80bf,80bf80bf80,80bf80bf80bf") + [bytes(range(0x80, 0xc0))])
texts(13, [b"".join(bytes([c, 0x20]) for c in range(a, b)) for a, b in ((0xc0, 0xe0), (0xe0, 0xf0), (0xf0, 0xf8), (0xf8, 0xfc), (0xfc, 0xfe))])
CUT = h("c0,e080,f08080,f8808080,fc80808080,df,efbf,f7bfbf,fbbfbfbf,fdbfbfbfbf")
texts(14, CUT)
texts(15, [b"".join(CUT)])
texts(16, h("fe,ff,fefeffff"))
texts(17, h("c0af,e080af,f08080af,f8808080af,fc80808080af"))
texts(18, h("c1bf,e09fbf,f08fbfbf,f887bfbfbf,fc83bfbfbfbf"))
texts(19, h("c080,e08080,f0808080,f880808080,fc8080808080"))
texts(20, h("eda080,edadbf,edae80,edafbf,edb080,edbe80,edbfbf"))
texts(21, h("eda080edb080,eda080edbfbf,edadbfedb080,edadbfedbfbf,edae80edb080,edae80edbfbf,edafbfedb080,edafbfedbfbf"))
texts(22, [chr(plane * 0x10000 + end).encode() for plane in range(17) for end in (0xfffe, 0xffff)])
texts(23, [chr(c).encode() for c in range(0xfff9, 0x10000)])

# 7: closing
case("7.1.1", send((TEXT, HELLO)), ("get", TEXT, HELLO))
case("7.1.2", send(close(1000), close(1000)), ("closed", (1000,)))
case("7.1.3", send(close(1000), (PING, b"")), ("closed", (1000,)))
case("7.1.4", send(close(1000), (TEXT, HELLO)), ("closed", (1000,)))
case("7.1.5", send((TEXT, A, False), close(1000), (0, B)), ("closed", (1000,)))
case("7.1.6", send((TEXT, b"BAsd7&jh23" * 26214), close(1000), (PING, b"")), ("closed", (1000, 0)))
case("7.3.1", send((CLOSE, b"")), ("closed", (1005,)))
case("7.3.2", send((CLOSE, b"a")), BAD)
case("7.3.3", send(close(1000)), ("closed", (1000,)))
case("7.3.4", send(close(1000, b"Hello World!")), ("closed", (1000,)))
case("7.3.5", send(close(1000, b"*" * 123)), ("closed", (1000,)))
case("7.3.6", send(close(1000, b"*" * 124)), BAD)
case("7.5.1", send(close(1000, WRONG)), BAD_TEXT)
for i, code in enumerate((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999), 1):
    case(f"7.7.{i}", send(close(code)), ("closed", (code,)))
for i, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
    case(f"7.9.{i}", send(close(code)), BAD)
for i, code in enumerate((5000, 65535), 1):  # RFC 6455 does not say; we refuse what nobody may use
    case(f"7.13.{i}", send(close(code)), BAD)

# 9: limits and many
MIB = 1 << 20
for group, opcode in ((1, TEXT), (2, BINARY)):
    for i, size in enumerate((MIB // 16, MIB // 4, MIB, 4 * MIB, 8 * MIB, 16 * MIB), 1):
        echo(f"9.{group}.{i}", opcode, b"*" * size)
for group, opcode in ((3, TEXT), (4, BINARY)):
    for i, size in enumerate((64, 256, 1024, 4096, 16384, 65536, MIB // 4, MIB, 4 * MIB), 1):
        case(f"9.{group}.{i}", send(*fragments(opcode, b"*" * 4 * MIB, size)), ("get", opcode, b"*" * 4 * MIB))
for group, opcode in ((5, TEXT), (6, BINARY)):
    for i, chop in enumerate((64, 128, 256, 512, 1024, 2048), 1):
        echo(f"9.{group}.{i}", opcode, b"*" * MIB, chop)
for group, kind in ((7, "text"), (8, "binary")):
    for i, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
        case(f"9.{group}.{i}", ("echo", 1000, size, kind, 0))

# 10: fragmented by itself
case("10.1.1", send(*fragments(TEXT, b"*" * 65536, 1300)), ("get", TEXT, b"*" * 65536))

# 12: compression, of five kinds of data; 13: with parameters that are asked for
SIZES = [(size, 0) for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)] + \
    [(8192, 256), (16384, 256), (32768, 256), (65536, 256), (131072, 256), (131072, 1024), (131072, 4096), (131072, 32768)]
KINDS = ("json", "noise", "words", "letters", "page")
OFFERS = {1: ((False, 0),), 2: ((True, 0),), 3: ((False, 9),), 4: ((False, 15),), 5: ((True, 9),), 6: ((True, 15),),
          7: ((True, 9), (True, 0), (False, 0))}
for group, kind in enumerate(KINDS, 1):
    for i, (size, fragment) in enumerate(SIZES, 1):
        case(f"12.{group}.{i}", ("echo", 1000, size, kind, fragment))
for group in OFFERS:  # the offers are of the client that plays the case; as a server it answers the first
    for i, (size, fragment) in enumerate(SIZES, 1):
        case(f"13.{group}.{i}", ("echo", 1000, size, "json", fragment))



def data(kind, size, n):
    """(opcode, payload) of one of many messages; not the same each time."""
    rng = random.Random(n * 7919 + size)
    if kind == "text":
        return TEXT, b"*" * size
    if kind == "binary":
        return BINARY, b"\xfe" * size
    if kind == "noise":
        return BINARY, rng.randbytes(size)
    if kind == "json":
        unit = json.dumps({"id": n, "name": f"user {rng.random()}", "tags": ["a", "b", rng.random()], "on": True})
    elif kind == "words":
        unit = " ".join(rng.choice(("the", "of", "message", "which", "Welt", "Geist", "und", "nicht", "a")) for _ in range(40))
    elif kind == "letters":
        unit = "".join(chr(rng.choice((0x3b1, 0x430, 0x4e00)) + rng.randrange(24)) for _ in range(60))
    else:
        unit = f"<li class=\"item\"><a href=\"/page/{rng.randrange(1000)}\">{rng.random()}</a></li>\n"
    text = unit.encode() * (size // len(unit.encode()) + 1)
    return TEXT, text[:size].decode(errors="ignore").encode()

"""What HTTP/1.1 peers send, well-formed and not: (name, RFC and section, bytes, what the server makes of it).

The last is the statuses of the answers in their order, and what becomes of the connection: "keep" (the next request on it is
answered), "close", or "waits" (nothing is answered yet: more has to come). A refused request ends the connection, since where the
next one would begin is unknown; what is behind it is never answered. RFC 9110 is the meaning of HTTP, RFC 9112 is HTTP/1.1.

The server answers every method and path with 200, but /status/N with N."""

HOST = b"Host: a\r\n"


def head(line, *fields, host=HOST, body=b""):
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def get(*fields, body=b""):
    return head(b"GET / HTTP/1.1", *fields, body=body)


def post(*fields, body=b""):
    return head(b"POST / HTTP/1.1", *fields, body=body)


def line(text):
    return head(text)


def host(value):
    return b"GET / HTTP/1.1\r\n" + value + b"\r\n\r\n"


def chunked(body, *fields):
    return post(b"Transfer-Encoding: chunked", *fields, body=body)


NEXT = get()  # behind a message; answered only if its end was where we think it is
OK = b"5\r\nhello\r\n0\r\n\r\n"

CASES = [
    # ---- The request line
    ("a plain request", "9112 3", get(), "200 keep"),
    ("two spaces behind the method", "9112 3", line(b"GET  / HTTP/1.1"), "400 close"),
    ("two spaces before the version", "9112 3", line(b"GET /  HTTP/1.1"), "400 close"),
    ("tabs in place of spaces", "9112 3", line(b"GET\t/\tHTTP/1.1"), "400 close"),
    ("a space before the method", "9112 3", line(b" GET / HTTP/1.1"), "400 close"),
    ("a space behind the version", "9112 3", line(b"GET / HTTP/1.1 "), "400 close"),
    ("one empty line before", "9112 2.2", b"\r\n" + get(), "200 keep"),
    ("two empty lines before", "9112 2.2", b"\r\n\r\n" + get(), "400 close"),
    ("a bare LF before", "9112 2.2", b"\n" + get(), "400 close"),
    ("a bare CR before", "9112 2.2", b"\r" + get(), "400 close"),
    ("a bare LF behind the request line", "9112 2.2", b"GET / HTTP/1.1\n" + HOST + b"\r\n", "400 close"),
    ("a bare CR behind the request line", "9112 2.2", b"GET / HTTP/1.1\r" + HOST + b"\r\n", "400 close"),
    ("a CR in the request line", "9112 2.2", line(b"GET /\r HTTP/1.1"), "400 close"),
    ("HTTP/0.9", "9112 3", b"GET /\r\n", "400 close"),
    ("no target", "9112 3", line(b"GET HTTP/1.1"), "400 close"),
    ("no method", "9112 3", line(b"/ HTTP/1.1"), "400 close"),
    ("a method in lower case is another one", "9110 9.1", line(b"get / HTTP/1.1"), "200 keep"),
    ("an unknown method", "9110 9.1", line(b"FROB / HTTP/1.1"), "200 keep"),
    ("a method with signs that tokens may have", "9110 5.6.2", line(b"A!#$%&'*+-.^_`|~9 / HTTP/1.1"), "200 keep"),
    ("a method that is no token", "9110 5.6.2", line(b"GE(T / HTTP/1.1"), "400 close"),
    ("a method with a NUL", "9110 5.6.2", line(b"G\0T / HTTP/1.1"), "400 close"),
    ("a method that is too long", "9112 3", line(b"A" * 100 + b" / HTTP/1.1"), "501 close"),
    ("a version in lower case", "9112 2.3", line(b"GET / http/1.1"), "400 close"),
    ("a later minor version", "9110 2.5", line(b"GET / HTTP/1.2"), "505 close"),
    ("HTTP/2.0", "9110 15.6.6", line(b"GET / HTTP/2.0"), "505 close"),
    ("HTTP/1.10", "9112 2.3", line(b"GET / HTTP/1.10"), "400 close"),
    ("HTTP/1", "9112 2.3", line(b"GET / HTTP/1"), "400 close"),
    ("HTTP/01.1", "9112 2.3", line(b"GET / HTTP/01.1"), "400 close"),
    ("something behind the version", "9112 2.3", line(b"GET / HTTP/1.1x"), "400 close"),
    ("another protocol", "9112 2.3", line(b"GET / RTSP/1.1"), "400 close"),
    ("a TLS hello", "9112 2.2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 close"),
    ("nearly the preface of HTTP/2", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", "505 close"),  # the right one is tried by http2_test.py
    ("a head that has not ended", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\n", "waits"),

    # ---- The target
    ("a query", "9112 3.2.1", line(b"GET /a?b=c&d HTTP/1.1"), "200 keep"),
    ("empty segments", "9112 3.2.1", line(b"GET //a//b HTTP/1.1"), "200 keep"),
    ("a fragment", "9112 3.2", line(b"GET /a#b HTTP/1.1"), "400 close"),
    ("bytes beyond ASCII", "9112 3.2", line(b"GET /\xc3\xa4 HTTP/1.1"), "400 close"),
    ("a space in the path", "9112 3.2", line(b"GET /a b HTTP/1.1"), "400 close"),
    ("a NUL in the path", "9112 3.2", line(b"GET /a\0b HTTP/1.1"), "400 close"),
    ("a control in the path", "9112 3.2", line(b"GET /a\x01b HTTP/1.1"), "400 close"),
    ("a bad escape in a path that is decoded", "9110 4.2.3", line(b"GET /%zz HTTP/1.1"), "400 keep"),
    ("an escaped NUL in a path that is decoded", "9110 4.2.3", line(b"GET /%00 HTTP/1.1"), "400 keep"),
    ("a path without its slash", "9112 3.2.1", line(b"GET abc HTTP/1.1"), "400 close"),
    ("a path that begins with dots", "9112 3.2.1", line(b"GET ../a HTTP/1.1"), "400 close"),
    ("a query alone", "9112 3.2.1", line(b"GET ?a HTTP/1.1"), "400 close"),
    ("8,192 bytes", "9112 3", line(b"GET /" + b"a" * 8191 + b" HTTP/1.1"), "200 keep"),
    ("one more", "9112 3", line(b"GET /" + b"a" * 8192 + b" HTTP/1.1"), "414 close"),
    ("absolute-form", "9112 3.2.2", line(b"GET http://a/b?c HTTP/1.1"), "200 keep"),
    ("absolute-form without a path", "9112 3.2.2", line(b"GET http://a HTTP/1.1"), "200 keep"),
    ("absolute-form with a query alone", "9112 3.2.2", line(b"GET http://a?b HTTP/1.1"), "200 keep"),
    ("absolute-form, scheme in upper case", "9110 4.2.3", line(b"GET HTTP://a/ HTTP/1.1"), "200 keep"),
    ("absolute-form goes before Host", "9112 3.2.2", line(b"GET http://b/ HTTP/1.1"), "200 keep"),
    ("absolute-form without Host", "9112 3.2", head(b"GET http://a/ HTTP/1.1", host=b""), "400 close"),
    ("absolute-form with a user", "9110 4.2.4", line(b"GET http://u:p@a/ HTTP/1.1"), "400 close"),
    ("absolute-form without a host", "9110 4.2.1", line(b"GET http:///b HTTP/1.1"), "400 close"),
    ("absolute-form of another scheme", "9112 3.2.2", line(b"GET ftp://a/ HTTP/1.1"), "400 close"),
    ("absolute-form with a bad port", "9112 3.2.2", line(b"GET http://a:x/ HTTP/1.1"), "400 close"),
    ("OPTIONS *", "9112 3.2.4", line(b"OPTIONS * HTTP/1.1"), "204 keep"),
    ("* with another method", "9112 3.2.4", line(b"GET * HTTP/1.1"), "400 close"),
    ("more than *", "9112 3.2.4", line(b"OPTIONS ** HTTP/1.1"), "400 close"),
    ("CONNECT", "9110 9.3.6", line(b"CONNECT a:443 HTTP/1.1"), "501 close"),
    ("CONNECT without a port", "9110 9.3.6", line(b"CONNECT a HTTP/1.1"), "400 close"),
    ("CONNECT with a path", "9112 3.2.3", line(b"CONNECT / HTTP/1.1"), "400 close"),
    ("authority-form with another method", "9112 3.2.3", line(b"GET a:80 HTTP/1.1"), "400 close"),

    # ---- Host
    ("no Host in HTTP/1.1", "9112 3.2", b"GET / HTTP/1.1\r\n\r\n", "400 close"),
    ("no Host in HTTP/1.0", "9112 3.2", b"GET / HTTP/1.0\r\n\r\n", "200 close"),
    ("two Hosts, the same", "9112 3.2", host(b"Host: a\r\nHost: a"), "400 close"),
    ("two Hosts that differ", "9112 3.2", host(b"Host: a\r\nhost: b"), "400 close"),
    ("an empty Host: there is no http URI without one", "9110 4.2.1", host(b"Host:"), "400 close"),
    ("Host with a port", "9110 7.2", host(b"Host: a:80"), "200 keep"),
    ("Host with an empty port", "9110 7.2", host(b"Host: a:"), "200 keep"),
    ("Host with a port that is none", "9110 7.2", host(b"Host: a:b"), "400 close"),
    ("Host with a port that is too large", "9110 7.2", host(b"Host: a:99999"), "400 close"),
    ("Host that is an IPv6 address", "9110 7.2", host(b"Host: [::1]:80"), "200 keep"),
    ("Host with half a bracket", "9110 7.2", host(b"Host: [::1"), "400 close"),
    ("Host with a space", "9110 7.2", host(b"Host: a b"), "400 close"),
    ("Host with a path", "9110 7.2", host(b"Host: a/b"), "400 close"),
    ("Host with a user", "9110 7.2", host(b"Host: u@a"), "400 close"),
    ("Host that is a list", "9110 7.2", host(b"Host: a, b"), "400 close"),
    ("Host with bytes beyond ASCII", "9110 7.2", host(b"Host: \xc3\xa4"), "400 close"),
    ("Host on a folded line", "9112 5.2", host(b"Host:\r\n a"), "400 close"),

    # ---- Fields
    ("a field without a colon", "9112 5", get(b"X"), "400 close"),
    ("a field without a name", "9112 5", get(b": a"), "400 close"),
    ("a space before the colon", "9112 5.1", get(b"X : a"), "400 close"),
    ("a tab before the colon", "9112 5.1", get(b"X\t: a"), "400 close"),
    ("a space in the name", "9110 5.1", get(b"X Y: a"), "400 close"),
    ("a bracket in the name", "9110 5.1", get(b"X(Y): a"), "400 close"),
    ("bytes beyond ASCII in the name", "9110 5.1", get(b"X\xe4: a"), "400 close"),
    ("a NUL in the name", "9110 5.1", get(b"X\0: a"), "400 close"),
    ("a space before the first field", "9112 2.2", b"GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n", "400 close"),
    ("a line folded with a space", "9112 5.2", get(b"X: a\r\n b"), "400 close"),
    ("a line folded with a tab", "9112 5.2", get(b"X: a\r\n\tb"), "400 close"),
    ("an empty value", "9110 5.5", get(b"X:"), "200 keep"),
    ("no space behind the colon", "9112 5", get(b"X:a"), "200 keep"),
    ("blanks round the value", "9112 5", get(b"X: \t a \t"), "200 keep"),
    ("a tab in the value", "9110 5.5", get(b"X: a\tb"), "200 keep"),
    ("bytes beyond ASCII in the value", "9110 5.5", get(b"X: \xe4\xff"), "200 keep"),
    ("a NUL in the value", "9110 5.5", get(b"X: a\0b"), "400 close"),
    ("a CR in the value", "9110 5.5", get(b"X: a\rb"), "400 close"),
    ("a control in the value", "9110 5.5", get(b"X: a\x07b"), "400 close"),
    ("a DEL in the value", "9110 5.5", get(b"X: a\x7fb"), "400 close"),
    ("a bare LF behind a field", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", "400 close"),
    ("a head that ends with bare LFs", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\n\n", "400 close"),
    ("two CRs at the end of a field", "9112 2.2", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "400 close"),
    ("a field that is there twice", "9110 5.3", get(b"X: a", b"X: b"), "200 keep"),
    ("100 fields", "9110 5.4", get(*[b"X: a"] * 99), "200 keep"),
    ("101 fields", "9110 5.4", get(*[b"X: a"] * 100), "431 close"),

    # ---- The body's length
    ("a body with a length", "9112 6.2", post(b"Content-Length: 5", body=b"hello") + NEXT, "200 200 keep"),
    ("a length of 0", "9112 6.2", post(b"Content-Length: 0") + NEXT, "200 200 keep"),
    ("no length at all", "9112 6.3", post() + NEXT, "200 200 keep"),
    ("a GET with a body", "9110 9.3.1", get(b"Content-Length: 5", body=b"hello") + NEXT, "200 200 keep"),
    ("a DELETE with a body", "9110 9.3.5", head(b"DELETE / HTTP/1.1", b"Content-Length: 5", body=b"hello") + NEXT, "200 200 keep"),
    ("a TRACE with a body", "9110 9.3.8", head(b"TRACE / HTTP/1.1", b"Content-Length: 5", body=b"hello"), "400 close"),
    ("blanks round the length", "9112 5", post(b"Content-Length:  5\t", body=b"hello") + NEXT, "200 200 keep"),
    ("the length twice, the same", "9112 6.3", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), "400 close"),
    ("the length twice, different", "9112 6.3", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"), "400 close"),
    ("the length as a list", "9110 8.6", post(b"Content-Length: 5, 5", body=b"hello"), "400 close"),
    ("a length with a plus", "9110 8.6", post(b"Content-Length: +5", body=b"hello"), "400 close"),
    ("a length below 0", "9110 8.6", post(b"Content-Length: -5", body=b"hello"), "400 close"),
    ("a length with leading zeros", "9112 6.2", post(b"Content-Length: 005", body=b"hello"), "400 close"),
    ("a length in hexadecimal", "9110 8.6", post(b"Content-Length: 0x5", body=b"hello"), "400 close"),
    ("a length with a fraction", "9110 8.6", post(b"Content-Length: 5.0", body=b"hello"), "400 close"),
    ("a length in two words", "9110 8.6", post(b"Content-Length: 5 5", body=b"hello"), "400 close"),
    ("a length with a parameter", "9110 8.6", post(b"Content-Length: 5;a=b", body=b"hello"), "400 close"),
    ("an empty length", "9110 8.6", post(b"Content-Length:"), "400 close"),
    ("a length past 64 bits", "9112 6.2", post(b"Content-Length: 18446744073709551621", body=b"hello"), "400 close"),
    ("a length past 63 bits", "9112 6.2", post(b"Content-Length: 9223372036854775808"), "400 close"),
    ("a length past what is taken", "9110 15.5.14", post(b"Content-Length: 9223372036854775807"), "413 close"),
    ("a length with a control before it", "9110 8.6", post(b"Content-Length: \x0b5", body=b"hello"), "400 close"),
    ("a space before the colon of the length", "9112 5.1", post(b"Content-Length : 5", body=b"hello"), "400 close"),
    ("Content_Length is another field", "9110 5.1", post(b"Content_Length: 5", body=b"hello\r\n\r\n"), "200 400 close"),
    ("a body that has not come yet", "9112 6.3", post(b"Content-Length: 500", body=b"hel"), "waits"),

    # ---- Transfer-Encoding
    ("chunked", "9112 7.1", chunked(OK) + NEXT, "200 200 keep"),
    ("chunked, in another case", "9112 7", post(b"Transfer-Encoding: ChunKed", body=OK) + NEXT, "200 200 keep"),
    ("chunked, blanks round it", "9112 5", post(b"Transfer-Encoding: \tchunked ", body=OK) + NEXT, "200 200 keep"),
    ("a length and chunked", "9112 6.3", post(b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + NEXT), "400 close"),
    ("chunked and a length", "9112 6.3", post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n" + NEXT), "400 close"),
    ("chunked and a length of 0", "9112 6.3", post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=OK), "400 close"),
    ("chunked in HTTP/1.0", "9112 6.1", head(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked", body=OK), "400 close"),
    ("identity", "9112 6.1", post(b"Transfer-Encoding: identity", body=NEXT), "400 close"),
    ("xchunked", "9112 6.1", post(b"Transfer-Encoding: xchunked", body=NEXT), "400 close"),
    ("gzip, chunked", "9112 6.1", post(b"Transfer-Encoding: gzip, chunked", body=OK), "501 close"),
    ("chunked, gzip", "9112 6.3", post(b"Transfer-Encoding: chunked, gzip", body=OK), "400 close"),
    ("chunked, identity", "9112 6.3", post(b"Transfer-Encoding: chunked, identity", body=OK), "400 close"),
    ("chunked twice in a list", "9112 6.1", post(b"Transfer-Encoding: chunked, chunked", body=OK), "400 close"),
    ("chunked on two lines", "9112 6.1", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=OK), "400 close"),
    ("chunked, then identity on a line of its own", "9112 6.1", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=OK), "400 close"),
    ("an empty Transfer-Encoding", "9112 6.1", post(b"Transfer-Encoding:", body=OK), "400 close"),
    ("chunked in quotes", "9112 7", post(b'Transfer-Encoding: "chunked"', body=OK), "400 close"),
    ("chunked with a parameter", "9112 7", post(b"Transfer-Encoding: chunked;a=b", body=OK), "400 close"),
    ("chunked with a comma behind it", "9112 6.1", post(b"Transfer-Encoding: chunked,", body=OK), "400 close"),
    ("chunked with a vertical tab before it", "9110 5.5", post(b"Transfer-Encoding:\x0bchunked", body=OK), "400 close"),
    ("chunked with a NUL behind it", "9110 5.5", post(b"Transfer-Encoding: chunked\0", body=OK), "400 close"),
    ("chunked with a no-break space", "9112 7", post(b"Transfer-Encoding: \xa0chunked", body=OK), "400 close"),
    ("a space before the colon of Transfer-Encoding", "9112 5.1", post(b"Transfer-Encoding : chunked", body=OK), "400 close"),
    ("Transfer-Encoding on a folded line", "9112 5.2", post(b"Transfer-Encoding:\r\n chunked", body=OK), "400 close"),
    ("Transfer_Encoding is another field", "9110 5.1", post(b"Transfer_Encoding: chunked", body=OK), "200 400 close"),
    ("Transfer-Encoding behind a bare LF", "9112 2.2", post(b"X: a\nTransfer-Encoding: chunked", body=OK), "400 close"),
    ("TE is no Transfer-Encoding", "9110 10.1.4", get(b"TE: chunked, trailers"), "200 keep"),

    # ---- Chunks
    ("no chunk but the last", "9112 7.1", chunked(b"0\r\n\r\n") + NEXT, "200 200 keep"),
    ("several chunks", "9112 7.1", chunked(b"1\r\na\r\nA\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n") + NEXT, "200 200 keep"),
    ("a size with leading zeros", "9112 7.1", chunked(b"0005\r\nhello\r\n000\r\n\r\n") + NEXT, "200 200 keep"),
    ("a chunk extension", "9112 7.1.1", chunked(b'5;a;b=c;d="e \\" f"\r\nhello\r\n0;x\r\n\r\n') + NEXT, "200 200 keep"),
    ("an extension with blanks", "9112 7.1.1", chunked(b"5 ; a = b\r\nhello\r\n0\r\n\r\n") + NEXT, "200 200 keep"),
    ("an extension without a name", "9112 7.1.1", chunked(b"5;\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("an extension with a bare LF", "9112 7.1.1", chunked(b"5;a\nhello\r\n0\r\n\r\n"), "400 close"),
    ("an extension with a bare CR", "9112 7.1.1", chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("an extension with quotes that stay open", "9112 7.1.1", chunked(b'5;a="\r\nhello\r\n0\r\n\r\n'), "400 close"),
    ("extensions without end", "9112 7.1.1", chunked(b"1;" + b"x" * 100000 + b"\r\na\r\n0\r\n\r\n"), "400 close"),
    ("an extension in each of many chunks", "9112 7.1.1", chunked((b"1;" + b"x" * 200 + b"\r\na\r\n") * 1000), "400 close"),
    ("a space behind the size", "9112 7.1", chunked(b"5 \r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a space before the size", "9112 7.1", chunked(b" 5\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("no size", "9112 7.1", chunked(b"\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size with a sign", "9112 7.1", chunked(b"+5\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size below 0", "9112 7.1", chunked(b"-5\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size with 0x", "9112 7.1", chunked(b"0x5\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size that is no number", "9112 7.1", chunked(b"5g\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size with an underscore", "9112 7.1", chunked(b"0_5\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size past 64 bits", "9112 7.1", chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a size of 64 bits, most of which has not come", "9112 7.1", chunked(b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), "waits"),
    ("a bare LF behind the size", "9112 7.1", chunked(b"5\nhello\r\n0\r\n\r\n"), "400 close"),
    ("a bare CR behind the size", "9112 7.1", chunked(b"5\rhello\r\n0\r\n\r\n"), "400 close"),
    ("a bare LF behind the data", "9112 7.1", chunked(b"5\r\nhello\n0\r\n\r\n"), "400 close"),
    ("nothing behind the data", "9112 7.1", chunked(b"5\r\nhello0\r\n\r\n"), "400 close"),
    ("more data than was said", "9112 7.1", chunked(b"5\r\nhello!\r\n0\r\n\r\n"), "400 close"),
    ("a bare LF at the end", "9112 7.1", chunked(b"5\r\nhello\r\n0\r\n\n"), "400 close"),
    ("a body without its last chunk", "9112 8", chunked(b"5\r\nhello\r\n"), "waits"),
    ("a trailer", "9112 7.1.2", chunked(b"5\r\nhello\r\n0\r\nX: a\r\nY: b\r\n\r\n") + NEXT, "200 200 keep"),
    ("a trailer that frames: Content-Length", "9110 6.5.1", chunked(b"0\r\nContent-Length: 5\r\n\r\n"), "400 close"),
    ("a trailer that frames: Transfer-Encoding", "9110 6.5.1", chunked(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), "400 close"),
    ("a trailer that routes: Host", "9110 6.5.1", chunked(b"0\r\nHost: b\r\n\r\n"), "400 close"),
    ("a trailer that authenticates", "9110 6.5.1", chunked(b"0\r\nAuthorization: Basic YTpi\r\n\r\n"), "400 close"),
    ("a trailer with a space before the colon", "9112 5.1", chunked(b"0\r\nX : a\r\n\r\n"), "400 close"),
    ("a trailer on a folded line", "9112 5.2", chunked(b"0\r\nX: a\r\n b\r\n\r\n"), "400 close"),
    ("a trailer without a colon", "9112 5", chunked(b"0\r\nX\r\n\r\n"), "400 close"),
    ("a trailer behind a bare LF", "9112 2.2", chunked(b"0\r\nX: a\nY: b\r\n\r\n"), "400 close"),
    ("trailers without end", "9112 7.1.2", chunked(b"0\r\n" + b"".join(b"T%d: v\r\n" % i for i in range(3000)) + b"\r\n"), "413 close"),
    ("a request behind the end in the same packet", "9112 9.3.2", chunked(OK + get()), "200 200 keep"),

    # ---- Expect
    ("an expectation", "9110 10.1.1", post(b"Content-Length: 5", b"Expect: 100-continue"), "100 waits"),
    ("an expectation, in another case", "9110 10.1.1", post(b"Content-Length: 5", b"Expect: 100-Continue"), "100 waits"),
    ("an expectation whose body is there", "9110 10.1.1", post(b"Content-Length: 5", b"Expect: 100-continue", body=b"hello") + NEXT, "200 200 keep"),
    ("an expectation without a body", "9110 10.1.1", post(b"Content-Length: 0", b"Expect: 100-continue") + NEXT, "200 200 keep"),
    ("an expectation in HTTP/1.0 is none", "9110 10.1.1", head(b"POST / HTTP/1.0", b"Content-Length: 5", b"Expect: 100-continue", body=b"hello"), "200 close"),
    ("an expectation and too large a body", "9110 10.1.1", post(b"Content-Length: 99999999999", b"Expect: 100-continue"), "413 close"),
    ("another expectation", "9110 10.1.1", post(b"Content-Length: 5", b"Expect: 200-maybe", body=b"hello"), "417 close"),

    # ---- The connection
    ("Connection: close", "9112 9.6", get(b"Connection: close") + NEXT, "200 close"),
    ("Connection: close, in another case and in a list", "9110 7.6.1", get(b"Connection: foo , CLOSE") + NEXT, "200 close"),
    ("Connection: close on the second of two lines", "9110 7.6.1", get(b"Connection: foo", b"Connection: close") + NEXT, "200 close"),
    ("Connection: close and keep-alive", "9112 9.3", get(b"Connection: keep-alive, close") + NEXT, "200 close"),
    ("Connection: keep-alive", "9112 9.3", get(b"Connection: keep-alive") + NEXT, "200 200 keep"),
    ("an empty Connection", "9110 5.6.1.2", get(b"Connection:") + NEXT, "200 200 keep"),
    ("a Connection that is no list of tokens", "9110 7.6.1", get(b'Connection: "close"'), "400 close"),
    ("Keep-Alive alone says nothing", "9112 9.3", get(b"Keep-Alive: timeout=5"), "200 keep"),
    ("HTTP/1.0", "9112 9.3", head(b"GET / HTTP/1.0"), "200 close"),
    ("HTTP/1.0 with keep-alive", "9112 9.3", head(b"GET / HTTP/1.0", b"Connection: Keep-Alive"), "200 keep"),
    ("HTTP/1.0 with Proxy-Connection", "9112 C.2.2", head(b"GET / HTTP/1.0", b"Proxy-Connection: keep-alive"), "200 close"),
    ("HTTP/1.0 with a body and no length", "9112 6.3", head(b"POST / HTTP/1.0", body=b"hello"), "200 close"),
    ("three requests at once", "9112 9.3.2", NEXT * 3, "200 200 200 keep"),
    ("requests behind a bad one", "9112 9.3.2", get() + get(b"X") + NEXT, "200 400 close"),
    ("a request behind a body that is bad in its middle", "9112 9.3.2", get() + chunked(b"5\r\nhello!\r\n0\r\n\r\n") + NEXT, "200 400 close"),
    ("an empty line between requests", "9112 2.2", get() + b"\r\n" + NEXT, "200 200 keep"),
    ("more behind a body than its length", "9112 6.3", post(b"Content-Length: 5", body=b"hello(\r\n\r\n"), "200 400 close"),

    # ---- Answers without a body
    ("HEAD", "9110 9.3.2", line(b"HEAD / HTTP/1.1") + NEXT, "200 200 keep"),
    ("HEAD with a body", "9110 9.3.2", head(b"HEAD / HTTP/1.1", b"Content-Length: 5", body=b"hello") + NEXT, "200 200 keep"),
    ("204", "9112 6.3", line(b"GET /status/204 HTTP/1.1") + NEXT, "204 200 keep"),
    ("304", "9112 6.3", line(b"GET /status/304 HTTP/1.1") + NEXT, "304 200 keep"),
    ("404 to HEAD", "9110 9.3.2", line(b"HEAD /status/404 HTTP/1.1") + NEXT, "404 200 keep"),

    # ---- Upgrade
    ("an upgrade that is not made", "9110 7.8", get(b"Connection: Upgrade", b"Upgrade: foo/2") + NEXT, "200 200 keep"),
    ("an upgrade to h2c", "9110 7.8", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__") + NEXT, "200 200 keep"),
    ("an upgrade without its Connection", "9110 7.8", get(b"Upgrade: websocket") + NEXT, "200 200 keep"),
    ("an upgrade with a body", "9110 7.8", post(b"Connection: Upgrade", b"Upgrade: foo", b"Content-Length: 5", body=b"hello") + NEXT, "200 200 keep"),
]

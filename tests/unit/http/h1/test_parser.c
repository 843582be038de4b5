/* The head parser: what it takes, what it refuses and why. */
#include "compare.h"
#include <nexus/test.h>
#include <stdio.h>

#define TEXT(literal) literal, sizeof(literal) - 1

static const struct nx__h1_limits limits = {NX__H1_DEFAULT_MAX_TARGET, NX__H1_DEFAULT_MAX_HEADERS,
                                            NX__H1_DEFAULT_MAX_HEAD};

enum { KEEP = 1, CHUNKED = 2, EXPECTS = 4, UPGRADE = 8, TE = 16 };

/* A head that is taken. NULL for `query` is none; -1 for `length` too. */
struct good {
    const char *text;
    size_t len;
    const char *method, *path, *query, *host;
    int minor, form, flags;
    int64_t length;
    int headers;
};

static const char *at(const char *text, struct nx__h1_slice slice)
{
    static char copies[8][256];
    static int next;
    char *copy = copies[next++ % 8];
    snprintf(copy, sizeof copies[0], "%.*s", slice.len, text + slice.off);
    return copy;
}

static void expect_good(const struct good *row)
{
    static struct h1_result r;
    const char *different = h1_compare(row->text, row->len, true, &limits, &r);
    nx_expect_eq(different, NULL);
    nx_expect_eq(r.status, NX__H1_DONE);
    if (r.status == NX__H1_DONE) {
        const struct nx__h1_head *h = &r.head;
        nx_expect_eq(at(row->text, h->method), row->method);
        nx_expect_eq(at(row->text, h->path), row->path);
        nx_expect_eq(h->has_query, row->query != NULL);
        nx_expect_eq(at(row->text, h->query), row->query ? row->query : "");
        nx_expect_eq(at(row->text, h->host), row->host);
        nx_expect_eq(h->minor, row->minor);
        nx_expect_eq(h->form, row->form);
        nx_expect_eq(h->keep_alive * KEEP + h->chunked * CHUNKED + h->expect_continue * EXPECTS +
                         h->upgrade * UPGRADE + h->te_trailers * TE,
                     row->flags);
        nx_expect_eq(h->has_content_length ? (int64_t)h->content_length : -1, row->length);
        nx_expect_eq(h->header_count, row->headers);
        nx_expect_eq(h->head_len, row->len);
    } else {
        nx_test_log("refused: %d %s", r.head.error, r.head.reason ? r.head.reason : "");
    }
}

#define GOOD(rows)                                                                                 \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                     \
        nx_subtest ("%s", (rows)[i].text) expect_good(&(rows)[i])

/* A head that is refused. */
struct bad {
    const char *text;
    size_t len;
    int error;
    const char *reason;
};

static void expect_bad(const struct bad *row)
{
    static struct h1_result r;
    const char *different = h1_compare(row->text, row->len, true, &limits, &r);
    nx_expect_eq(different, NULL);
    nx_expect_eq(r.status, NX__H1_ERROR);
    if (r.status == NX__H1_ERROR) {
        nx_expect_eq(r.head.error, row->error);
        nx_expect_eq(r.head.reason, row->reason);
    }
}

#define BAD(rows)                                                                                  \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                     \
        nx_subtest ("%s", (rows)[i].text) expect_bad(&(rows)[i])

#define ORIGIN NX__TARGET_ORIGIN
#define H      "Host: a\r\n"

NX_TEST("usual heads")
{
    static const struct good rows[] = {
        {TEXT("GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), "GET", "/", NULL, "127.0.0.1:8080",
         1, ORIGIN, KEEP, -1, 1},
        {TEXT("GET / HTTP/1.0\r\n\r\n"), "GET", "/", NULL, "", 0, ORIGIN, 0, -1, 0},
        {TEXT(
             "GET /a HTTP/1.1\r\nHost: localhost:3000\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"),
         "GET", "/a", NULL, "localhost:3000", 1, ORIGIN, KEEP, -1, 3},
        {TEXT(
             "POST /api/data?x=1&y=%20 HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"),
         "POST", "/api/data", "x=1&y=%20", "example.com", 1, ORIGIN, KEEP, 17, 3},
        {TEXT("PUT /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), "PUT", "/x", NULL, "a",
         1, ORIGIN, KEEP | CHUNKED, -1, 2},
        {TEXT("\r\nGET / HTTP/1.1\r\n" H "\r\n"), "GET", "/", NULL, "a", 1, ORIGIN, KEEP, -1, 1},
    };
    GOOD(rows);
}

NX_TEST("methods")
{
    static const char *const names[] = {"",
                                        "GET",
                                        "HEAD",
                                        "POST",
                                        "PUT",
                                        "DELETE",
                                        "PATCH",
                                        "OPTIONS",
                                        "CONNECT",
                                        "TRACE",
                                        "get",
                                        "GETS",
                                        "PU",
                                        "M-SEARCH",
                                        "!#$%&'*+-.^_`|~",
                                        "ABCDEFGHIJKLMNOPQRSTUVWXYZ123456"};
    for (int i = 1; i < (int)(sizeof names / sizeof *names); i++)
        nx_subtest ("%s", names[i]) {
            char text[128];
            const char *target = i == NX__METHOD_CONNECT ? "a:1" : "/";
            int len = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\n" H "\r\n", names[i], target);
            static struct h1_result r;
            const char *different = h1_compare(text, (size_t)len, true, &limits, &r);
            nx_expect_eq(different, NULL);
            nx_expect_eq(r.status, NX__H1_DONE);
            nx_expect_eq(at(text, r.head.method), names[i]);
            nx_expect_eq(r.head.method_id, i <= NX__METHOD_TRACE ? i : NX__METHOD_OTHER);
        }
    static const struct bad rows[] = {
        {TEXT("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567 / HTTP/1.1\r\n"), 501, "the method is too long"},
        {TEXT(" / HTTP/1.1\r\n"), 400, "bad method"},
        {TEXT("\tGET / HTTP/1.1\r\n"), 400, "bad method"},
        {TEXT("GE(T / HTTP/1.1\r\n"), 400, "bad method"},
        {TEXT("GET\t/ HTTP/1.1\r\n"), 400, "bad method"},
        {TEXT("GET\0 / HTTP/1.1\r\n"), 400, "bad method"},
        {TEXT("G\xc3\x89T / HTTP/1.1\r\n"), 400, "bad method"},
        {TEXT("\x16\x03\x01\x02"), 400, "bad method"}, /* TLS */
        {TEXT("\n"), 400, "LF without CR"},
        {TEXT("GET\r\n"), 400, "bad method"},
        {TEXT("\rGET / HTTP/1.1\r\n"), 400, "CR without LF"},
        {TEXT("\r\n\r\nGET / HTTP/1.1\r\n"), 400, "empty lines before the request"},
        {TEXT("\r\n\nGET / HTTP/1.1\r\n"), 400, "LF without CR"},
        {TEXT("\r\n\rGET / HTTP/1.1\r\n"), 400, "CR without LF"},
    };
    BAD(rows);
}

NX_TEST("targets")
{
    static const struct good rows[] = {
        {TEXT("GET /a//b/../c;d=1,2:@!$&'()*+~_-. HTTP/1.1\r\n" H "\r\n"), "GET",
         "/a//b/../c;d=1,2:@!$&'()*+~_-.", NULL, "a", 1, ORIGIN, KEEP, -1, 1},
        {TEXT("GET /? HTTP/1.1\r\n" H "\r\n"), "GET", "/", "", "a", 1, ORIGIN, KEEP, -1, 1},
        {TEXT("GET /a?b?c=/?&d\\e HTTP/1.1\r\n" H "\r\n"), "GET", "/a", "b?c=/?&d\\e", "a", 1,
         ORIGIN, KEEP, -1, 1},
        {TEXT(
             "GET /0123456789abcdef/0123456789abcdef?0123456789abcdef0123456789abcdef HTTP/1.1\r\n" H
             "\r\n"),
         "GET", "/0123456789abcdef/0123456789abcdef", "0123456789abcdef0123456789abcdef", "a", 1,
         ORIGIN, KEEP, -1, 1},
        {TEXT("GET /?q={a|b}^\"<c>`[] HTTP/1.1\r\n" H "\r\n"), "GET", "/", "q={a|b}^\"<c>`[]", "a",
         1, ORIGIN, KEEP, -1, 1},
        /* "\", which some take for "/", may stand in a query only. */
        {TEXT("M /a?\\ HTTP/1.1\r\n" H "\r\n"), "M", "/a", "\\", "a", 1, ORIGIN, KEEP, -1, 1},
        {TEXT("GET http://b.example/p/q?r HTTP/1.1\r\n" H "\r\n"), "GET", "/p/q", "r", "b.example",
         1, NX__TARGET_ABSOLUTE, KEEP, -1, 1},
        {TEXT("GET HTTPS://b.example:8443 HTTP/1.1\r\n" H "\r\n"), "GET", "/", NULL,
         "b.example:8443", 1, NX__TARGET_ABSOLUTE, KEEP, -1, 1},
        {TEXT("GET http://b?q HTTP/1.1\r\n" H "\r\n"), "GET", "/", "q", "b", 1, NX__TARGET_ABSOLUTE,
         KEEP, -1, 1},
        {TEXT("GET http://[::1]:80/ HTTP/1.0\r\n\r\n"), "GET", "/", NULL, "[::1]:80", 0,
         NX__TARGET_ABSOLUTE, 0, -1, 0},
        {TEXT("CONNECT b.example:443 HTTP/1.1\r\n" H "\r\n"), "CONNECT", "", NULL, "b.example:443",
         1, NX__TARGET_AUTHORITY, KEEP, -1, 1},
        {TEXT("CONNECT [::1]:443 HTTP/1.1\r\n" H "\r\n"), "CONNECT", "", NULL, "[::1]:443", 1,
         NX__TARGET_AUTHORITY, KEEP, -1, 1},
        {TEXT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "OPTIONS", "*", NULL, "a", 1, NX__TARGET_ASTERISK,
         KEEP, -1, 1},
        {TEXT("OPTIONS /x HTTP/1.1\r\n" H "\r\n"), "OPTIONS", "/x", NULL, "a", 1, ORIGIN, KEEP, -1,
         1},
    };
    GOOD(rows);
    static const struct bad bad[] = {
        {TEXT("GET  / HTTP/1.1\r\n"), 400,
         "more than one space, or no target, in the request line"},
        {TEXT("GET /  HTTP/1.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / x HTTP/1.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET /\tHTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /a\tb HTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /\0 HTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /\x7f HTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /\xc3\xa9 HTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /\xc0\xaf HTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /?\xff HTTP/1.1\r\n"), 400, "bad character in the request target"},
        {TEXT("GET /a#b HTTP/1.1\r\n"), 400, "fragment in the request target"},
        {TEXT("GET /a?b#c HTTP/1.1\r\n"), 400, "fragment in the request target"},
        {TEXT("GET /a# HTTP/1.1\r\n"), 400, "fragment in the request target"},
        {TEXT("GET /a\\..\\b HTTP/1.1\r\n"), 400, "backslash in the request target"},
        {TEXT("GET http://b/\\c HTTP/1.1\r\n"), 400, "backslash in the request target"},
        {TEXT("GET a HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET ?a HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET a/b HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET ftp://a/ HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET http:/a HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET http:// HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET http:///a HTTP/1.1\r\n"), 400, "bad host in the request target"},
        {TEXT("GET http://:80/ HTTP/1.1\r\n"), 400, "bad host in the request target"},
        {TEXT("GET http://user@b/ HTTP/1.1\r\n"), 400, "bad host in the request target"},
        {TEXT("GET http://b:x/ HTTP/1.1\r\n"), 400, "bad host in the request target"},
        {TEXT("GET http://b\\c/ HTTP/1.1\r\n"), 400, "bad host in the request target"},
        {TEXT("GET * HTTP/1.1\r\n"), 400, "only OPTIONS takes *"},
        {TEXT("OPTIONS ** HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("GET b.example:443 HTTP/1.1\r\n"), 400,
         "the request target is neither a path nor an http address"},
        {TEXT("CONNECT / HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT b.example HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT b.example: HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT :443 HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT 443 HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT [::1] HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT b:1:2 HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT u@b:443 HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT b:65536 HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
        {TEXT("CONNECT http://b:443/ HTTP/1.1\r\n"), 400, "CONNECT needs host:port"},
    };
    BAD(bad);
}

/* Each byte in the path, in the query, in a name and in a value, at each place of a vector. */
NX_TEST("every byte everywhere")
{
    static struct h1_result r;
    for (int place = 0; place < 4; place++) {
        for (int offset = 0; offset < 17; offset++) {
            for (int c = 0; c < 256; c++) {
                char text[256], filler[32];
                memset(filler, 'x', sizeof filler);
                static const char *const before[] = {"GET /", "GET /?", "GET / HTTP/1.1\r\n" H "a",
                                                     "GET / HTTP/1.1\r\n" H "a:b"};
                static const char *const behind[] = {
                    " HTTP/1.1\r\n" H "\r\n", " HTTP/1.1\r\n" H "\r\n", "a:b\r\n\r\n", "b\r\n\r\n"};
                int len = snprintf(text, sizeof text, "%s%.*s\x01%.*s%s", before[place], offset,
                                   filler, 20, filler, behind[place]);
                *strchr(text, '\x01') = (char)c;
                bool target = c > 0x20 && c < 0x7f && c != '#';
                bool good = place == 0   ? (target && c != '\\') || c == ' '
                            : place == 1 ? target || c == ' '
                            : place == 2
                                ? c == ':' || (c && c < 0x7f && nx__h1_is((char)c, NX__H1_TOKEN))
                                : c == '\t' || (c >= 0x20 && c != 0x7f);
                if (c == ' ' && place < 2) good = false;
                const char *different = h1_compare(text, (size_t)len, false, &limits, &r);
                if (different || (r.status == NX__H1_DONE) != good)
                    nx_test_fail("byte %02x in place %d at %d: %s", (unsigned)c, place, offset,
                                 different ? different
                                 : good    ? r.head.reason
                                           : "taken");
            }
        }
    }
}

NX_TEST("versions")
{
    static const struct bad rows[] = {
        {TEXT("GET /\r\n"), 400, "no HTTP version in the request line"},
        {TEXT("GET /\n"), 400, "no HTTP version in the request line"},
        {TEXT("GET / \r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/2.0\r\n"), 505, "only HTTP/1.0 and HTTP/1.1 are served here"},
        {TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505,
         "only HTTP/1.0 and HTTP/1.1 are served here"},
        {TEXT("GET / HTTP/3.1\r\n"), 505, "only HTTP/1.0 and HTTP/1.1 are served here"},
        {TEXT("GET / HTTP/0.9\r\n"), 505, "only HTTP/1.0 and HTTP/1.1 are served here"},
        {TEXT("GET / HTTP/1.2\r\n"), 505, "only HTTP/1.0 and HTTP/1.1 are served here"},
        {TEXT("GET / HTTP/1.9\r\n"), 505, "only HTTP/1.0 and HTTP/1.1 are served here"},
        {TEXT("GET / http/1.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/1.\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/11.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/01.01\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/1 .1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP /1.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/1,1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTPS/1.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / ICE/1.1\r\n"), 400, "bad HTTP version"},
        {TEXT("GET / HTTP/1.10\r\n"), 400, "bad end of the request line"},
        {TEXT("GET / HTTP/1.1 \r\n"), 400, "bad end of the request line"},
        {TEXT("GET / HTTP/1.1\t\r\n"), 400, "bad end of the request line"},
        {TEXT("GET / HTTP/1.1\n" H "\r\n"), 400, "LF without CR"},
        {TEXT("GET / HTTP/1.1\r" H "\r\n"), 400, "CR without LF"},
        {TEXT("GET / HTTP/1.1\r\r\n" H "\r\n"), 400, "CR without LF"},
        {TEXT("GET / HTTP/1.1\0\r\n" H "\r\n"), 400, "bad end of the request line"},
    };
    BAD(rows);
}

NX_TEST("header lines")
{
    static const struct good good[] = {
        {TEXT("GET / HTTP/1.1\r\n" H
              "A:\r\nB:  \t \r\nC:c\r\nD:\td\t\r\nE: e \t e  \r\nF: \xc3\xa9\xff\r\n\r\n"),
         "GET", "/", NULL, "a", 1, ORIGIN, KEEP, -1, 7},
        {TEXT(
             "GET / HTTP/1.1\r\n" H
             "!#$%&'*+-.^_`|~09azAZ: x\r\nA_Rather_Long_Name-Of-More-Than-Two-Vectors_1: x\r\n\r\n"),
         "GET", "/", NULL, "a", 1, ORIGIN, KEEP, -1, 3},
        {TEXT("GET / HTTP/1.1\r\n" H "A: :b:c:\r\n\r\n"), "GET", "/", NULL, "a", 1, ORIGIN, KEEP,
         -1, 2},
        {TEXT(
             "GET / HTTP/1.1\r\n" H
             "A: 0123456789012345678901234567890123456789012345678901234567890123456789\t\t\t\tx\r\n\r\n"),
         "GET", "/", NULL, "a", 1, ORIGIN, KEEP, -1, 2},
    };
    GOOD(good);
    static struct h1_result r;
    h1_parse_with(nx__h1_parse, good[0].text, good[0].len, 0, &limits, &r);
    static const char *const names[] = {"Host", "A", "B", "C", "D", "E", "F"},
                             *const values[] = {"a", "", "", "c", "d", "e \t e", "\xc3\xa9\xff"};
    for (size_t i = 0; i < 7; i++) {
        const struct nx__h1_header *f = &r.headers[i];
        nx_expect_eq(at(good[0].text, (struct nx__h1_slice){f->name_off, f->name_len}), names[i]);
        nx_expect_eq(at(good[0].text, (struct nx__h1_slice){f->value_off, f->value_len}),
                     values[i]);
    }
#define LINE(text) TEXT("GET / HTTP/1.1\r\n" H text "\r\n\r\n"), 400
    static const struct bad rows[] = {
        {LINE("A : b"), "white space in a header name or before its colon"},
        {LINE("A\t: b"), "white space in a header name or before its colon"},
        {LINE("A B: c"), "white space in a header name or before its colon"},
        {LINE("Transfer-Encoding : chunked"), "white space in a header name or before its colon"},
        {LINE("Content-Length : 5"), "white space in a header name or before its colon"},
        {LINE(" A: b"), "header line that begins with white space"},
        {LINE("A: b\r\n c"), "header line that begins with white space"},
        {LINE("A: b\r\n\tc"), "header line that begins with white space"},
        {LINE("Transfer-Encoding:\r\n chunked"), "bad Transfer-Encoding"},
        {LINE("A: b\r\n "), "header line that begins with white space"},
        {LINE(": b"), "empty header name"},
        {LINE(":"), "empty header name"},
        {LINE("A"), "header line without a colon"},
        {LINE("A\0: b"), "bad character in a header name"},
        {LINE("A(: b"), "bad character in a header name"},
        {LINE("A/b: c"), "bad character in a header name"},
        {LINE("A\x7f: b"), "bad character in a header name"},
        {LINE("\x01"), "bad character in a header name"},
        {LINE("\xc3\xa9: b"), "bad character in a header name"},
        {LINE("A: b\0c"), "control character in a header"},
        {LINE("A: \x0b"
              "b"),
         "control character in a header"},
        {LINE("A: b\x0c"), "control character in a header"},
        {LINE("A: \x1b[31m"), "control character in a header"},
        {LINE("A: b\x7f"), "control character in a header"},
        {LINE("A: b\rc"), "CR without LF"},
        {LINE("A: b\r"), "CR without LF"},
        {LINE("A\r: b"), "CR without LF"},
        {LINE("A: b\nB: c"), "LF without CR"},
        {LINE("A: b\n"), "LF without CR"},
        {LINE("A\n: b"), "LF without CR"},
        {LINE("\nA: b"), "LF without CR"},
        {TEXT("GET / HTTP/1.1\r\n A: b\r\n\r\n"), 400, "header line that begins with white space"},
        {TEXT("GET / HTTP/1.1\r\n" H "\n"), 400, "LF without CR"},
        {TEXT("GET / HTTP/1.1\r\n" H "\rX"), 400, "CR without LF"},
        {TEXT("GET / HTTP/1.1\r\n" H "\r\r\n"), 400, "CR without LF"},
    };
    BAD(rows);
}

NX_TEST("hosts")
{
    static const char *const good[] = {
        "a",
        "a.b",
        "A-b.c_d~e",
        "127.0.0.1",
        "a:0",
        "a:65535",
        "a:00080",
        "a:",
        "a%20b",
        "a!$&'()*+;=b",
        "[::]",
        "[::1]",
        "[1::]",
        "[1:2:3:4:5:6:7:8]",
        "[1:2:3:4:5:6:7::]",
        "[::2:3:4:5:6:7:8]",
        "[2001:DB8::a:0]:8080",
        "[::ffff:1.2.3.4]",
        "[1:2:3:4:5:6:1.2.3.4]",
        "[64:ff9b::255.255.255.255]",
        "xn--bcher-kva.example",
        "a-very-long-name.with-many-labels.of-which-each-is-fine.example:443"};
    static const char *const bad[] = {"",
                                      ":80",
                                      "a:b",
                                      "a:80:90",
                                      "a:65536",
                                      "a:99999",
                                      "a:000080x",
                                      "a:-1",
                                      "a:123456",
                                      "a:4294967376",
                                      "a b",
                                      "a,b",
                                      "a, b",
                                      "a/b",
                                      "a?b",
                                      "a#b",
                                      "a@b",
                                      "user:pw@a",
                                      "a\"",
                                      "a<b>",
                                      "a\\b",
                                      "a[b",
                                      "a]",
                                      "\xc3\xa9",
                                      "a%",
                                      "a%2",
                                      "a%2g",
                                      "a%zz",
                                      "[",
                                      "[]",
                                      "[:]",
                                      "[:::]",
                                      "[1]",
                                      "[::1",
                                      "[::1]x",
                                      "[::1]:x",
                                      "[::1]80",
                                      "[1:2:3:4:5:6:7]",
                                      "[1:2:3:4::5:6:7:8]",
                                      "[1:2:3:4:5:6:7:8:9]",
                                      "[1::2::3]",
                                      "[12345::]",
                                      "[::g]",
                                      "[1:]",
                                      "[:1]",
                                      "[::1%25eth0]",
                                      "[::1%eth0]",
                                      "[1.2.3.4]",
                                      "[::1.2.3]",
                                      "[::1.2.3.256]",
                                      "[::01.2.3.4]",
                                      "[::1.2.3.4:5]",
                                      "[1:2:3:4:5:6:7:1.2.3.4]",
                                      "[::1:2:3:4:5:6:1.2.3.4]",
                                      "[v1.a]",
                                      "[::1]]",
                                      "http://a"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        nx_subtest ("%s", good[i]) {
            char text[256];
            int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHOST: %s\r\n\r\n", good[i]);
            expect_good(&(struct good){text, (size_t)len, "GET", "/", NULL, good[i], 1, ORIGIN,
                                       KEEP, -1, 1});
        }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("%s", bad[i]) {
            char text[256];
            int len = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
            expect_bad(&(struct bad){text, (size_t)len, 400, "bad Host"});
        }
    static const struct bad rows[] = {
        {TEXT("GET / HTTP/1.1\r\n\r\n"), 400, "no Host"},
        {TEXT("GET / HTTP/1.1\r\nHosts: a\r\nXost: a\r\n\r\n"), 400, "no Host"},
        {TEXT("GET http://a/ HTTP/1.1\r\n\r\n"), 400, "no Host"},
        {TEXT("GET / HTTP/1.1\r\n" H H "\r\n"), 400, "more than one Host"},
        {TEXT("GET / HTTP/1.1\r\n" H "B: c\r\nhost: b\r\n\r\n"), 400, "more than one Host"},
        {TEXT("GET / HTTP/1.0\r\n" H H "\r\n"), 400, "more than one Host"},
        {TEXT("GET / HTTP/1.0\r\nHost: a b\r\n\r\n"), 400, "bad Host"},
        {TEXT("GET http://a/ HTTP/1.1\r\nHost: b b\r\n\r\n"), 400, "bad Host"},
    };
    BAD(rows);
}

NX_TEST("content length")
{
#define WITH_LENGTH(text, length)                                                                  \
    {                                                                                              \
        TEXT("POST / HTTP/1.1\r\n" H "Content-Length:" text "\r\n\r\n"), "POST", "/", NULL, "a",   \
            1, ORIGIN, KEEP, length, 2                                                             \
    }
    static const struct good good[] = {
        WITH_LENGTH("0", 0),
        WITH_LENGTH(" 5", 5),
        WITH_LENGTH("\t5\t ", 5),
        WITH_LENGTH("10", 10),
        WITH_LENGTH("9223372036854775807", INT64_MAX),
        {TEXT("POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\n"), "POST", "/", NULL, "", 0, ORIGIN, 0,
         5, 1},
        /* Names that are nearly it say nothing. */
        {TEXT(
             "POST / HTTP/1.1\r\n" H
             "Content_Length: 5\r\nContent-Lengt: 5\r\nContent-Lengths: 5\r\nTransfer_Encoding: chunked\r\n\r\n"),
         "POST", "/", NULL, "a", 1, ORIGIN, KEEP, -1, 5},
    };
    GOOD(good);
    static const char *const bad[] = {"",
                                      "-1",
                                      "-0",
                                      "+5",
                                      "00",
                                      "05",
                                      "0005",
                                      "0x5",
                                      "5a",
                                      "a",
                                      "5 5",
                                      "5,5",
                                      "5, 5",
                                      "5,6",
                                      ",5",
                                      "5,",
                                      "5;",
                                      "5.0",
                                      "1_000",
                                      "1e3",
                                      "9223372036854775808",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516160000000005",
                                      "\xd9\xa1",
                                      "\"5\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("%s", bad[i]) {
            char text[256];
            int len = snprintf(text, sizeof text,
                               "POST / HTTP/1.1\r\n" H "content-LENGTH: %s\r\n\r\n", bad[i]);
            expect_bad(&(struct bad){text, (size_t)len, 400, "bad Content-Length"});
        }
    static const struct bad rows[] = {
        {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), 400,
         "more than one Content-Length"},
        {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400,
         "more than one Content-Length"},
        {TEXT("POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
         400, "both Content-Length and Transfer-Encoding"},
        {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
         400, "both Content-Length and Transfer-Encoding"},
        {TEXT("TRACE / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n"), 400,
         "a body where the method has none"},
        {TEXT("TRACE / HTTP/1.0\r\n" H "Content-Length: 5\r\n\r\n"), 400,
         "a body where the method has none"},
        {TEXT("CONNECT a:1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"), 400,
         "a body where the method has none"},
    };
    BAD(rows);
}

NX_TEST("transfer encoding")
{
#define WITH_CODING(text)                                                                          \
    {                                                                                              \
        TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding:" text "\r\n\r\n"), "POST", "/", NULL,     \
            "a", 1, ORIGIN, KEEP | CHUNKED, -1, 2                                                  \
    }
    static const struct good good[] = {WITH_CODING("chunked"), WITH_CODING(" Chunked"),
                                       WITH_CODING("\tCHUNKED \t")};
    GOOD(good);
    static const struct {
        const char *value;
        int error;
        const char *reason;
    } rows[] = {
        {"", 400, "bad Transfer-Encoding"},
        {"gzip", 400, "Transfer-Encoding that does not end in chunked"},
        {"identity", 400, "Transfer-Encoding that does not end in chunked"},
        {"xchunked", 400, "Transfer-Encoding that does not end in chunked"},
        {"chunkedx", 400, "Transfer-Encoding that does not end in chunked"},
        {"chunke", 400, "Transfer-Encoding that does not end in chunked"},
        {"chunked, gzip", 400, "Transfer-Encoding with chunked before another coding"},
        {"chunked, chunked", 400, "Transfer-Encoding with chunked before another coding"},
        {"chunked,identity", 400, "Transfer-Encoding with chunked before another coding"},
        {"gzip, chunked", 501, "only chunked is served as Transfer-Encoding"},
        {"gzip,deflate , Chunked", 501, "only chunked is served as Transfer-Encoding"},
        {"identity, chunked", 501, "only chunked is served as Transfer-Encoding"},
        {",chunked", 400, "bad Transfer-Encoding"},
        {"chunked,", 400, "bad Transfer-Encoding"},
        {", ,", 400, "bad Transfer-Encoding"},
        {"chunked;q=1", 400, "bad Transfer-Encoding"},
        {"chunked gzip", 400, "bad Transfer-Encoding"},
        {"\"chunked\"", 400, "bad Transfer-Encoding"},
        {"'chunked'", 400, "Transfer-Encoding that does not end in chunked"},
        {"chunked\xc2\xa0", 400, "bad Transfer-Encoding"},
        {"chunked\x0b", 400, "control character in a header"},
        {"chunked\x0c", 400, "control character in a header"},
        {"\x0b"
         "chunked",
         400, "control character in a header"},
        {"chunked\r\nTransfer-Encoding: chunked", 400, "more than one Transfer-Encoding"},
        {"chunked\r\nTransfer-Encoding: identity", 400, "more than one Transfer-Encoding"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].value) {
            char text[256];
            int len =
                snprintf(text, sizeof text, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: %s\r\n\r\n",
                         rows[i].value);
            expect_bad(&(struct bad){text, (size_t)len, rows[i].error, rows[i].reason});
        }
    static const struct bad old[] = {
        {TEXT("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400,
         "Transfer-Encoding in HTTP/1.0"},
        {TEXT("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\0\r\n\r\n"), 400,
         "control character in a header"},
    };
    BAD(old);
}

NX_TEST("connection")
{
    static const struct {
        int minor;
        const char *lines;
        int flags, headers;
    } rows[] = {
        {1, "", KEEP, 1},
        {0, "", 0, 1},
        {1, "Connection: close\r\n", 0, 2},
        {1, "Connection: CLOSE\r\n", 0, 2},
        {1, "Connection: keep-alive\r\n", KEEP, 2},
        {0, "Connection: Keep-Alive\r\n", KEEP, 2},
        {0, "Connection: keep-alive, close\r\n", 0, 2},
        {1, "Connection: keep-alive , \t close\r\n", 0, 2},
        {1, "Connection: x,,y , ,\tclose,\r\n", 0, 2},
        {1, "Connection: x\r\nConnection: close\r\n", 0, 3},
        {0, "Connection: x\r\nConnection: keep-alive\r\n", KEEP, 3},
        {1, "Connection:\r\n", KEEP, 2},
        {1, "Connection: closed, xclose, close-\r\n", KEEP, 2},
        {1, "Connection: Upgrade\r\nUpgrade: websocket\r\n", KEEP | UPGRADE, 3},
        {1, "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n", KEEP | UPGRADE, 3},
        {1, "Upgrade: websocket\r\n", KEEP, 2},
        {1, "Connection: upgrade\r\n", KEEP, 2},
        {0, "Connection: upgrade\r\nUpgrade: websocket\r\n", 0, 3},
        {1, "TE: trailers\r\n", KEEP | TE, 2},
        {1, "te: gzip;q=0.5 ,  Trailers \r\n", KEEP | TE, 2},
        {1, "TE: trailer, gzip\r\n", KEEP, 2},
        {1, "TE:\r\n", KEEP, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("HTTP/1.%d %s", rows[i].minor, rows[i].lines) {
            char text[256];
            int len = snprintf(text, sizeof text, "GET / HTTP/1.%d\r\n" H "%s\r\n", rows[i].minor,
                               rows[i].lines);
            expect_good(&(struct good){text, (size_t)len, "GET", "/", NULL, "a", rows[i].minor,
                                       ORIGIN, rows[i].flags, -1, rows[i].headers});
        }
    static const struct bad bad[] = {
        {LINE("Connection: close keep-alive"), "bad Connection"},
        {LINE("Connection: \"close\""), "bad Connection"},
        {LINE("Connection: close;x"), "bad Connection"},
    };
    BAD(bad);
}

NX_TEST("expect")
{
    static const struct good good[] = {
        {TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n"), "POST",
         "/", NULL, "a", 1, ORIGIN, KEEP | EXPECTS, 5, 3},
        {TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
         "POST", "/", NULL, "a", 1, ORIGIN, KEEP | EXPECTS | CHUNKED, -1, 3},
        /* Without a body there is nothing to wait for; HTTP/1.0 does not wait. */
        {TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"), "POST",
         "/", NULL, "a", 1, ORIGIN, KEEP, 0, 3},
        {TEXT("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n"), "GET", "/", NULL, "a", 1,
         ORIGIN, KEEP, -1, 2},
        {TEXT("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"), "POST", "/",
         NULL, "", 0, ORIGIN, 0, 5, 2},
    };
    GOOD(good);
    static const struct bad bad[] = {
        {TEXT("POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n"), 417,
         "only 100-continue can be expected"},
        {TEXT("POST / HTTP/1.1\r\n" H "Expect: 100-continue, x\r\n\r\n"), 417,
         "only 100-continue can be expected"},
        {TEXT("POST / HTTP/1.1\r\n" H "Expect:\r\n\r\n"), 417, "only 100-continue can be expected"},
    };
    BAD(bad);
}

/* Text of `n` bytes 'x' between two others. */
static size_t filled(char *text, const char *before, size_t n, const char *behind)
{
    size_t len = strlen(before);
    memcpy(text, before, len);
    memset(text + len, 'x', n);
    len += n;
    memcpy(text + len, behind, strlen(behind));
    return len + strlen(behind);
}

/* "taken", or why the head is refused. */
static const char *outcome(const char *text, size_t len, const struct nx__h1_limits *with)
{
    static struct h1_result r;
    static char said[128];
    nx_expect_eq(h1_compare(text, len, len < 2000, with, &r), NULL);
    if (r.status == NX__H1_DONE) return "taken";
    if (r.status != NX__H1_ERROR) return "more is needed";
    (void)snprintf(said, sizeof said, "%d: %s", r.head.error, r.head.reason);
    return said;
}

NX_TEST("limits")
{
    static char text[200000];
    const char *end = " HTTP/1.1\r\n" H "\r\n";
    struct nx__h1_limits tight = {.max_target = 100, .max_headers = 3, .max_head = 500};
    nx_expect_eq(outcome(text, filled(text, "GET /", 99, end), &tight), "taken");
    nx_expect_eq(outcome(text, filled(text, "GET /", 100, end), &tight),
                 "414: the request target is too long");
    nx_expect_eq(outcome(text, filled(text, "GET /?", 99, end), &tight),
                 "414: the request target is too long");
    nx_expect_eq(outcome(text, filled(text, "GET /", 100, "\x01"), &tight),
                 "414: the request target is too long");
    nx_expect_eq(outcome(text, filled(text, "GET /", 99, "\x01"), &tight),
                 "400: bad character in the request target");
    nx_expect_eq(outcome(text, filled(text, "GET /", 1000, ""), &tight),
                 "414: the request target is too long");

    nx_expect_eq(
        outcome(text, filled(text, "GET / HTTP/1.1\r\n" H "A: ", 5, "\r\nB: b\r\n\r\n"), &tight),
        "taken");
    nx_expect_eq(outcome(text,
                         filled(text, "GET / HTTP/1.1\r\n" H "A: ", 5, "\r\nB: b\r\nC: c\r\n\r\n"),
                         &tight),
                 "431: too many header fields");

    const char *start = "GET / HTTP/1.1\r\n" H "A: ";
    size_t around = strlen(start) + 4;
    nx_expect_eq(outcome(text, filled(text, start, 500 - around, "\r\n\r\n"), &tight), "taken");
    nx_expect_eq(outcome(text, filled(text, start, 501 - around, "\r\n\r\n"), &tight),
                 "431: the request head is too large");
    nx_expect_eq(outcome(text, filled(text, start, 502 - around, "\r\n\r\n"), &tight),
                 "431: the request head is too large");
    nx_expect_eq(outcome(text, filled(text, start, 504 - around, "\r\n\r\n"), &tight),
                 "431: the request head is too large");
    nx_expect_eq(outcome(text, filled(text, "GET / HTTP/1.1\r\n" H, 500, ":\r\n\r\n"), &tight),
                 "431: the request head is too large");

    /* A target as long as the head may be. */
    struct nx__h1_limits same = {.max_target = 500, .max_headers = 3, .max_head = 500};
    nx_expect_eq(outcome(text, filled(text, "GET /", 600, end), &same),
                 "414: the request target is too long");

    /* Offsets have 16 bits, whatever the limits say. */
    struct nx__h1_limits wide = {
        .max_target = UINT32_MAX, .max_headers = UINT32_MAX, .max_head = UINT32_MAX};
    nx_expect_eq(outcome(text, filled(text, start, 65535 - around, "\r\n\r\n"), &wide), "taken");
    nx_expect_eq(outcome(text, filled(text, start, 65536 - around, "\r\n\r\n"), &wide),
                 "431: the request head is too large");
    nx_expect_eq(outcome(text, filled(text, "GET /", 65535 - 5 - strlen(end), end), &wide),
                 "taken");
    nx_expect_eq(outcome(text, filled(text, "GET /", 65536 - 5 - strlen(end), end), &wide),
                 "431: the request head is too large");
    nx_expect_eq(outcome(text, filled(text, "GET /", 150000, end), &wide),
                 "414: the request target is too long");
    size_t len = filled(text, "GET / HTTP/1.1\r\n" H, 0, "");
    for (int i = 0; i < NX__H1_MAX_HEADERS - 1; i++) len += filled(text + len, "A: b\r\n", 0, "");
    memcpy(text + len, "\r\n", 2);
    nx_expect_eq(outcome(text, len + 2, &wide), "taken");
    memcpy(text + len, "A: b\r\n\r\n", 8);
    nx_expect_eq(outcome(text, len + 8, &wide), "431: too many header fields");
}

/* Who sends byte by byte is not made to wait for the line's end when it can't come. */
NX_TEST("bad controls are seen at once")
{
    static const char *const texts[] = {"GET / HTTP/1.1\rHo", "GET / HTTP/1.1\nHo",
                                        "GET / HTTP/1.1\r\nHost: a\rB",
                                        "GET / HTTP/1.1\r\nHost: a\x01"};
    static struct h1_result r;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        nx_subtest ("%s", texts[i]) {
            size_t len = 1;
            do h1_parse_with(nx__h1_parse, texts[i], len, len - 1, &limits, &r);
            while (r.status == NX__H1_PARTIAL && len++ < strlen(texts[i]));
            nx_expect_eq(r.status, NX__H1_ERROR);
            nx_expect_eq(r.head.error, 400);
        }
}

/* One head behind another in the same buffer: only the first is looked at. */
NX_TEST("pipelined")
{
    static const char text[] =
        "GET /1 HTTP/1.1\r\n" H "\r\nGET /2 HTTP/1.1\r\n" H
        "X-Long: 0123456789012345678901234567890123456789\r\n\r\n\r\nGET /3 HTTP/1.1\r\n" H "\r\n";
    static struct h1_result r;
    size_t done = 0;
    for (int i = 1; i <= 3; i++) {
        h1_parse_with(nx__h1_parse, text + done, sizeof text - 1 - done, 0, &limits, &r);
        nx_expect_eq(r.status, NX__H1_DONE);
        char path[4];
        snprintf(path, sizeof path, "/%d", i);
        nx_expect_eq(at(text + done, r.head.path), path);
        done += r.head.head_len;
    }
    nx_expect_eq(done, sizeof text - 1);
    h1_parse_with(nx__h1_parse, text + done, 0, 0, &limits, &r);
    nx_expect_eq(r.status, NX__H1_PARTIAL);
}

NX_TEST("fields by name")
{
    static const char text[] =
        "GET / HTTP/1.1\r\nHost: a\r\nX^Y: 1\r\nx~y: 2\r\nContent-Type: t\r\nCONTENT-TYPE: u\r\nA-Name-Of-24-Bytes-12345: v\r\n\r\n";
    static struct h1_result r;
    h1_parse_with(nx__h1_parse, text, sizeof text - 1, 0, &limits, &r);
    static const struct {
        const char *name, *value;
    } rows[] = {{"host", "a"},
                {"HOST", "a"},
                {"content-type", "t"},
                {"x^y", "1"},
                {"X~Y", "2"},
                {"a-NAME-of-24-bytes-12345", "v"},
                {"hos", NULL},
                {"hosts", NULL},
                {"x>y", NULL},
                {"", NULL},
                {"a-NAME-of-24-bytes-12346", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].name) {
            const struct nx__h1_header *f = nx__h1_find(r.headers, r.head.header_count, text,
                                                        rows[i].name, strlen(rows[i].name));
            nx_expect_eq(f != NULL, rows[i].value != NULL);
            if (f)
                nx_expect_eq(at(text, (struct nx__h1_slice){f->value_off, f->value_len}),
                             rows[i].value);
        }
}

/* Every pair of bytes, at every length up to three words: equal if and only if equal but for the
 * case of letters. */
NX_TEST("whatever the case")
{
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            bool same = a == b || ((a ^ b) == 0x20 && (a | 0x20) >= 'a' && (a | 0x20) <= 'z');
            for (size_t len = 1; len <= 20; len += a < 128 && b < 128 ? 1 : 7) {
                char x[20], y[20];
                memset(x, 'k', sizeof x);
                memset(y, 'K', sizeof y);
                x[len / 2] = (char)a;
                y[len / 2] = (char)b;
                if (nx__ascii_ieq(x, y, len) != same)
                    nx_test_fail("%02x and %02x, length %zu", (unsigned)a, (unsigned)b, len);
            }
        }
    }
    nx_expect(nx__ascii_ieq("", "", 0));
}

/* ---- Heads made at random, and heads with mistakes in them */

static uint64_t seed = 88172645463325252ULL;

static uint32_t below(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 32) * n >> 32);
}

static size_t add(char *text, size_t len, const char *more)
{
    memcpy(text + len, more, strlen(more));
    return len + strlen(more);
}

static size_t random_head(char *text)
{
    static const char *const lines[] = {"GET / HTTP/1.1",
                                        "GET /a/b?c=d HTTP/1.1",
                                        "POST http://b:1/x?y HTTP/1.0",
                                        "OPTIONS * HTTP/1.1",
                                        "M-X /z HTTP/1.1",
                                        "DELETE /0123456789abcdef0123456789abcdef HTTP/1.1"};
    static const char *const fields[][2] = {
        {"Accept", "*/*"},
        {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
        {"X_y", "\t x \t"},
        {"A-Rather-Long-Name-Of-A-Field", ""},
        {"Connection", "keep-alive, upgrade"},
        {"TE", "trailers"},
        {"h", "a"},
        {"Upgrade", "x"},
        {"Content-Length", "5"},
        {"Transfer-Encoding", "chunked"},
        {"Expect", "100-continue"},
        {"Host", "a:80"}};
    enum { FIELDS = sizeof fields / sizeof *fields };
    size_t len = add(text, 0, lines[below(sizeof lines / sizeof *lines)]);
    len = add(text, len, "\r\nHost: a\r\n");
    for (uint32_t n = below(8); n; n--) {
        uint32_t name = below(below(2) ? FIELDS : 8), value = below(16) ? name : below(FIELDS);
        len = add(text, add(text, len, fields[name][0]), ": ");
        len = add(text, add(text, len, fields[value][1]), "\r\n");
    }
    return add(text, len, "\r\n");
}

NX_TEST("random heads")
{
    static const char bytes[] = "\r\n\t :\0\x7f\x80\xff,;/?#*aZ09-_";
    static struct h1_result r;
    int taken = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        char text[1200];
        size_t len = random_head(text);
        for (uint32_t n = below(3); n; n--) {
            size_t where = below((uint32_t)len);
            switch (below(3)) {
            case 0: text[where] = bytes[below(sizeof bytes - 1)]; break;
            case 1: memmove(text + where, text + where + 1, --len - where); break;
            default:
                memmove(text + where + 1, text + where, len++ - where);
                text[where] = bytes[below(sizeof bytes - 1)];
            }
        }
        const char *different = h1_compare(text, len, i % 20 == 0, &limits, &r);
        if (different) nx_test_fail("%s in: %.*s", different, (int)len, text);
        taken += r.status == NX__H1_DONE;
        refused += r.status == NX__H1_ERROR;
    }
    nx_expect(taken > 1000 && refused > 1000);
}

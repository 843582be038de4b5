/* Heads of answers: what is taken out of them, and what is refused. */
#include "http/client/answer.h"
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADERS = 8 };

struct parsed {
    enum nx__h1_status status;
    struct nx__answer_head head;
    struct nx__h1_header headers[HEADERS];
};

static const struct nx__h1_limits limits = {.max_headers = HEADERS, .max_head = 4096};

/* In memory that ends where the bytes do, so that a sanitizer sees what is read past them. */
static struct parsed parse_at(const char *text, size_t len, size_t resume)
{
    struct parsed p = {0};
    char *copy = malloc(len ? len : 1);
    nx_require(copy != NULL);
    memcpy(copy, text, len);
    p.status = nx__answer_parse(copy, len, resume, &limits, p.headers, &p.head);
    free(copy);
    return p;
}

/* Whole, and byte by byte: the same. */
static struct parsed parse(const char *text)
{
    size_t len = strlen(text), resume = 0;
    struct parsed whole = parse_at(text, len, 0), piece = {0};
    for (size_t n = 1; n <= len; n++) {
        piece = parse_at(text, n, resume);
        if (piece.status != NX__H1_PARTIAL) break;
        resume = n;
    }
    nx_expect_eq(piece.status, whole.status);
    if (whole.status == NX__H1_ERROR) nx_expect_eq(piece.head.reason, whole.head.reason);
    if (whole.status == NX__H1_DONE) nx_expect_eq(piece.head.head_len, whole.head.head_len);
    return whole;
}

NX_TEST("a head is taken apart")
{
    const char *text = "HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length:  12 \r\n"
                       "X-Empty:\r\n\r\nbody";
    struct parsed p = parse(text);
    nx_require_eq(p.status, NX__H1_DONE);
    nx_expect_eq(p.head.status, 404);
    nx_expect_eq(p.head.minor, 1);
    nx_expect_eq(p.head.header_count, 3);
    nx_expect(p.head.has_length && p.head.length == 12 && !p.head.chunked && p.head.keep_alive);
    nx_expect_eq(nx_slice(text + p.head.text.off, p.head.text.len), "Not Found");
    nx_expect_eq(p.head.head_len, strlen(text) - 4);
    nx_expect_eq(nx_slice(text + p.headers[1].value_off, p.headers[1].value_len), "12");
    nx_expect_eq(p.headers[2].value_len, 0);
}

NX_TEST("what is rare, and right")
{
    struct parsed p = parse("HTTP/1.1 200\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && p.head.status == 200 && p.head.text.len == 0);
    p = parse("HTTP/1.1 200 \r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && p.head.text.len == 0);
    p = parse("HTTP/1.0 200 OK\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && !p.head.keep_alive);
    p = parse("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && p.head.keep_alive);
    p = parse("HTTP/1.1 200 OK\r\nConnection: a, close\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && !p.head.keep_alive);
    p = parse("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && p.head.upgrade);
    p = parse("HTTP/1.1 200 caf\xc3\xa9\ttime\r\nTransfer-Encoding: Chunked\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && p.head.chunked && !p.head.has_length);
    p = parse("HTTP/1.1 999 x\r\n!#$%&'*+-.^_`|~: odd name\r\n\r\n");
    nx_expect(p.status == NX__H1_DONE && p.head.status == 999);
}

NX_TEST("where the body ends")
{
    struct nx__answer_head h = {.status = 200, .has_length = true, .length = 5};
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_LENGTH);
    nx_expect_eq(nx__answer_body(&h, true, false), NX__ANSWER_EMPTY);
    nx_expect_eq(nx__answer_body(&h, false, true), NX__ANSWER_TUNNEL);
    h.status = 204;
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_EMPTY);
    h.status = 304;
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_EMPTY);
    h.status = 101;
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_TUNNEL);
    h = (struct nx__answer_head){.status = 200};
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_CLOSE);
    h.chunked = true;
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_CHUNKED);
    h = (struct nx__answer_head){.status = 200, .has_length = true};
    nx_expect_eq(nx__answer_body(&h, false, false), NX__ANSWER_EMPTY);
}

NX_TEST("what two readers could take for different messages is refused")
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
         "more than one Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 05\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", "bad Content-Length"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         "both Content-Length and Transfer-Encoding"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
         "Transfer-Encoding but chunked"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n", "Transfer-Encoding but chunked"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
         "more than one Transfer-Encoding"},
        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "header line that begins with white space"},
        {"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "white space in a header name or before its colon"},
        {"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "empty header name"},
        {"HTTP/1.1 200 OK\r\nA\r\n\r\n", "header line without a colon"},
        {"HTTP/1.1 200 OK\r\nA: b\n\r\n", "LF without CR"},
        {"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "CR without LF"},
        {"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", "control character in a header"},
        {"HTTP/1.1 200 OK\nA: b\r\n\r\n", "control character in the status line"},
        {"HTTP/2.0 200 OK\r\n\r\n", "it is no HTTP/1.1 or HTTP/1.0"},
        {"HTTP/1.2 200 OK\r\n\r\n", "bad status line"},
        {"HTH", "it is no HTTP/1.1 or HTTP/1.0"},
        {"ICY 200 OK\r\n\r\n", "it is no HTTP/1.1 or HTTP/1.0"},
        {"HTTP/1.1 099 OK\r\n\r\n", "bad status"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "bad status"},
        {"HTTP/1.1  200 OK\r\n\r\n", "bad status"},
        {"HTTP/1.1 20\r\n\r\n", "bad status line"},
        {"HTTP/1.1 200 OK\r\n1:\r\n2:\r\n3:\r\n4:\r\n5:\r\n6:\r\n7:\r\n8:\r\n9:\r\n\r\n",
         "too many header fields"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            struct parsed p = parse(rows[i].text);
            nx_expect_eq(p.status, NX__H1_ERROR);
            nx_expect_eq(p.head.reason ? p.head.reason : "", rows[i].reason);
        }
}

NX_TEST("a head that does not end is refused at max_head")
{
    char *text = malloc(8192);
    nx_require(text != NULL);
    int n = snprintf(text, 8192, "HTTP/1.1 200 OK\r\nA: ");
    memset(text + n, 'a', 8192 - (size_t)n);
    struct parsed p = parse_at(text, 4095, 0);
    nx_expect_eq(p.status, NX__H1_PARTIAL);
    p = parse_at(text, 4096, 4095);
    nx_expect_eq(p.status, NX__H1_ERROR);
    nx_expect_eq(p.head.reason, "the head is too large");
    free(text);
}

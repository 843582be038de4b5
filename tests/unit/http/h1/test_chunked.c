/* The chunked coding: what comes out, and what is refused. */
#include "decode.h"
#include "http/h1/parser.h"
#include <nexus/test.h>
#include <stdio.h>

#define TEXT(literal) literal, sizeof(literal) - 1

/* Decodes in every way: whole, byte by byte, and in two pieces cut at each place. */
static const struct h1_decoded *decode(const char *text, size_t len)
{
    static struct h1_decoded whole, other;
    h1_decode(text, len, len, 0, sizeof whole.trailer, &whole);
    h1_decode(text, len, 0, 1, sizeof whole.trailer, &other);
    nx_expect(h1_decoded_eq(&whole, &other));
    for (size_t cut = 1; cut < len && len < 1000; cut++) {
        h1_decode(text, len, cut, 0, sizeof whole.trailer, &other);
        nx_expect(h1_decoded_eq(&whole, &other));
    }
    return &whole;
}

struct good {
    const char *text;
    size_t len;
    const char *body, *trailer, *rest;
};

static void expect_good(const struct good *row)
{
    const struct h1_decoded *d = decode(row->text, row->len);
    if (!nx_expect_eq(d->event, NX__CHUNK_END)) nx_test_log("%s", d->reason ? d->reason : "");
    nx_expect_eq(d->consumed, row->len - strlen(row->rest));
    nx_expect_eq(nx_slice(d->body, d->body_len), row->body);
    nx_expect_eq(nx_slice(d->trailer, d->trailer_len), row->trailer);
}

struct bad {
    const char *text;
    size_t len;
    int error;
    const char *reason;
};

static void expect_bad(const struct bad *row)
{
    const struct h1_decoded *d = decode(row->text, row->len);
    nx_expect_eq(d->event, NX__CHUNK_ERROR);
    nx_expect_eq(d->error, row->error);
    nx_expect_eq(d->reason, row->reason);
}

#define GOOD(rows)                                                                                 \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                     \
        nx_subtest ("%s", (rows)[i].text) expect_good(&(rows)[i])
#define BAD(rows)                                                                                  \
    for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++)                                     \
        nx_subtest ("%s", (rows)[i].text) expect_bad(&(rows)[i])

NX_TEST("bodies")
{
    static const struct good rows[] = {
        {TEXT("0\r\n\r\n"), "", "", ""},
        {TEXT("000\r\n\r\n"), "", "", ""},
        {TEXT("5\r\nhello\r\n0\r\n\r\n"), "hello", "", ""},
        {TEXT("1\r\na\r\n2\r\nbc\r\n0\r\n\r\nGET / HTTP/1.1\r\n"), "abc", "", "GET / HTTP/1.1\r\n"},
        {TEXT("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "01234567890123456789", "", ""},
        {TEXT("0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n"), "hello", "", ""},
        {TEXT("4\r\n\r\n\r\n\r\n0\r\n\r\n"), "\r\n\r\n", "", ""},
        {TEXT("1C\r\n0123456789abcdef0123456789ab\r\n0\r\n\r\n0\r\n\r\n"),
         "0123456789abcdef0123456789ab", "", "0\r\n\r\n"},
    };
    GOOD(rows);
}

NX_TEST("sizes")
{
    static const struct bad rows[] = {
        {TEXT("\r\n"), 400, "bad chunk size"},
        {TEXT("g\r\n"), 400, "bad chunk size"},
        {TEXT(" 5\r\nhello"), 400, "bad chunk size"},
        {TEXT("\t5\r\nhello"), 400, "bad chunk size"},
        {TEXT("+5\r\nhello"), 400, "bad chunk size"},
        {TEXT("-5\r\nhello"), 400, "bad chunk size"},
        {TEXT("0x5\r\nhello"), 400, "bad chunk size"},
        {TEXT("1_0\r\nhello"), 400, "bad chunk size"},
        {TEXT("5.\r\nhello"), 400, "bad chunk size"},
        {TEXT("5,\r\nhello"), 400, "bad chunk size"},
        {TEXT("5\0\r\nhello"), 400, "bad chunk size"},
        {TEXT("\xef\xbc\x95\r\n"), 400, "bad chunk size"},
        {TEXT("5\nhello\r\n"), 400, "bad chunk size"},
        {TEXT("5\rhello\r\n"), 400, "CR without LF behind a chunk size"},
        {TEXT("5\r\rhello\r\n"), 400, "CR without LF behind a chunk size"},
        {TEXT("00000000000000005\r\nhello"), 400, "the chunk size is too large"},
        {TEXT("10000000000000000\r\n"), 400, "the chunk size is too large"},
        {TEXT("FFFFFFFFFFFFFFFFF\r\n"), 400, "the chunk size is too large"},
        {TEXT("5\r\nhello\r\n\r\n0\r\n\r\n"), 400, "bad chunk size"},
        {TEXT("5\r\nhello0\r\n\r\n"), 400, "chunk longer than its size"},
        {TEXT("5\r\nhello!\r\n0\r\n\r\n"), 400, "chunk longer than its size"},
        {TEXT("5\r\nhello\n0\r\n\r\n"), 400, "chunk longer than its size"},
        {TEXT("5\r\nhello\r0\r\n\r\n"), 400, "CR without LF behind a chunk"},
        {TEXT("5\r\nhello\r\r\n0\r\n\r\n"), 400, "CR without LF behind a chunk"},
        {TEXT("5\r\nhell\r\n0\r\n\r\n"), 400, "chunk longer than its size"},
        {TEXT("0\r\n\n"), 400, "LF without CR"},
        {TEXT("0\n\n"), 400, "bad chunk size"},
        {TEXT("0\r\n\r0"), 400, "CR without LF"},
    };
    BAD(rows);
    const struct h1_decoded *d = decode(TEXT("FFFFFFFFFFFFFFFF\r\nabc"));
    nx_expect_eq(d->event, NX__CHUNK_MORE);
    nx_expect_eq(d->body_len, 3);
    nx_expect_eq(d->left, UINT64_MAX - 3);
    nx_expect_eq(decode(TEXT("5\r\nhell"))->event, NX__CHUNK_MORE);
    nx_expect_eq(decode(TEXT("5\r\nhello\r\n0\r\n\r"))->event, NX__CHUNK_MORE);
    nx_expect_eq(decode(TEXT(""))->event, NX__CHUNK_MORE);
}

NX_TEST("extensions")
{
#define EXTENDED(text)                                                                             \
    {                                                                                              \
        TEXT("5" text "\r\nhello\r\n0" text "\r\n\r\n"), "hello", "", ""                           \
    }
    static const struct good good[] = {
        EXTENDED(";a"),
        EXTENDED(";a=b"),
        EXTENDED(";a=\"b\""),
        EXTENDED(";a=\"\""),
        EXTENDED(";a;b=c;d=\"e\";f"),
        EXTENDED(" ; a = b"),
        EXTENDED("\t;\ta\t=\t\"b\" ; c"),
        EXTENDED(";a=\"\\\"\\\\\\ \""),
        EXTENDED(";a=\"b;c=d, \t\xc3\xa9\""),
        EXTENDED(";!#$%&'*+-.^_`|~=1"),
        EXTENDED(";5=5"),
    };
    GOOD(good);
#define BROKEN(text)                                                                               \
    {                                                                                              \
        TEXT("5" text "\r\nhello\r\n0\r\n\r\n"), 400, "bad chunk extension"                        \
    }
    static const struct bad bad[] = {
        BROKEN(" "),           BROKEN("\t"),
        BROKEN(";"),           BROKEN("; "),
        BROKEN(";;a"),         BROKEN(";a;"),
        BROKEN(";a "),         BROKEN(";a=b "),
        BROKEN(";a="),         BROKEN(";a=b=c"),
        BROKEN(";=a"),         BROKEN(" a"),
        BROKEN(";a b"),        BROKEN(";a=b c"),
        BROKEN(";a=\"b\"c"),   BROKEN(";a=\"b"),
        BROKEN(";a=\"b\\"),    BROKEN(";a,b"),
        BROKEN(";a\0"),        BROKEN(";a\x7f"),
        BROKEN(";a=\"\x01\""), BROKEN(";a=\"\\\x01\""),
        BROKEN(";a\n"),        BROKEN(";a\nb"),
        BROKEN(";\n"),         BROKEN(";a=\"b\n\""),
        BROKEN(";\r"),         BROKEN(";\xc3\xa9"),
    };
    BAD(bad);
    expect_bad(&(struct bad){TEXT("5;a\rb\r\nhello\r\n0\r\n\r\n"), 400,
                             "CR without LF behind a chunk size"});
}

NX_TEST("extension caps")
{
    static char text[1 << 17];
    size_t len = (size_t)snprintf(text, sizeof text, "1;%0*d\r\na\r\n0\r\n\r\n",
                                  NX__H1_MAX_CHUNK_EXTENSION - 1, 0);
    nx_expect_eq(decode(text, len)->event, NX__CHUNK_END);
    len = (size_t)snprintf(text, sizeof text, "1;%0*d\r\na\r\n0\r\n\r\n",
                           NX__H1_MAX_CHUNK_EXTENSION, 0);
    expect_bad(&(struct bad){text, len, 400, "the chunk extensions are too large"});
    int most = NX__H1_MAX_CHUNK_EXTENSIONS / 4;
    len = 0;
    for (int i = 0; i < most; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "1;a=b\r\na\r\n");
    memcpy(text + len, "0\r\n\r\n", 5);
    nx_expect_eq(decode(text, len + 5)->body_len, most);
    memcpy(text + len, "0;a\r\n\r\n", 7);
    expect_bad(&(struct bad){text, len + 7, 400, "the chunk extensions are too large"});
}

NX_TEST("trailers")
{
    static const struct good good[] = {
        {TEXT("0\r\nA: b\r\n\r\n"), "", "A: b\n", ""},
        {TEXT("5\r\nhello\r\n0\r\nX-Sum:\t1 \r\nB:\r\n\r\nnext"), "hello", "X-Sum:\t1 \nB:\n",
         "next"},
        {TEXT("0\r\nExpires: \xff\r\n\r\n"), "", "Expires: \xff\n", ""},
    };
    GOOD(good);
#define TRAILER(line)                                                                              \
    {                                                                                              \
        TEXT("0\r\n" line "\r\n\r\n"), 400, "bad trailer field"                                    \
    }
#define FORBIDDEN(name)                                                                            \
    {                                                                                              \
        TEXT("0\r\n" name ": x\r\n\r\n"), 400, "this field may not be a trailer"                   \
    }
    static const struct bad bad[] = {
        TRAILER("A"),
        TRAILER(":"),
        TRAILER(": b"),
        TRAILER("A : b"),
        TRAILER(" A: b"),
        TRAILER("A: b\r\n c"),
        TRAILER("A\0: b"),
        TRAILER("A: \0"),
        TRAILER("A: \x7f"),
        TRAILER("A(: b"),
        TRAILER("A: \x1b"),
        TRAILER("\xc3\xa9: b"),
        {TEXT("0\r\nA: b\n\r\n"), 400, "LF without CR"},
        {TEXT("0\r\nA: b\n"), 400, "LF without CR"},
        {TEXT("0\r\nA: b\rc\r\n\r\n"), 400, "CR without LF"},
        {TEXT("0\r\nA: b\r\r\n\r\n"), 400, "CR without LF"},
        {TEXT("0\r\nA: b\r\n\n"), 400, "LF without CR"},
        {TEXT("0\r\nA: b\r\n\rX"), 400, "CR without LF"},
        FORBIDDEN("Content-Length"),
        FORBIDDEN("transfer-encoding"),
        FORBIDDEN("HOST"),
        FORBIDDEN("Connection"),
        FORBIDDEN("Authorization"),
        FORBIDDEN("Content-Type"),
        FORBIDDEN("Content-Encoding"),
        FORBIDDEN("Content-Range"),
        FORBIDDEN("Cookie"),
        FORBIDDEN("Set-Cookie"),
        FORBIDDEN("Expect"),
        FORBIDDEN("TE"),
        FORBIDDEN("Trailer"),
        FORBIDDEN("Upgrade"),
        FORBIDDEN("Cache-Control"),
        FORBIDDEN("Range"),
        FORBIDDEN("If-None-Match"),
        FORBIDDEN("Proxy-Authorization"),
        FORBIDDEN("if-unmodified-since"),
        FORBIDDEN("Keep-Alive"),
    };
    BAD(bad);
    nx_expect(!nx__h1_forbidden_trailer("ETag", 4));
    nx_expect(!nx__h1_forbidden_trailer("Hosts", 5));
}

NX_TEST("trailer caps")
{
    static struct h1_decoded d;
    const char *text = "0\r\nA: b\r\nB: c\r\n\r\n";
    h1_decode(text, strlen(text), strlen(text), 0, 10, &d);
    nx_expect_eq(d.event, NX__CHUNK_END);
    h1_decode(text, strlen(text), strlen(text), 0, 9, &d);
    nx_expect_eq(d.event, NX__CHUNK_ERROR);
    nx_expect_eq(d.error, 431);
    h1_decode(text, strlen(text), strlen(text), 0, 0, &d);
    nx_expect_eq(d.error, 431);
    h1_decode("0\r\n\r\n", 5, 5, 0, 0, &d);
    nx_expect_eq(d.event, NX__CHUNK_END);

    static char many[1024];
    size_t len = 3;
    memcpy(many, "0\r\n", 3);
    for (int i = 0; i < NX__H1_MAX_TRAILERS; i++, len += 5) memcpy(many + len, "A:b\r\n", 5);
    memcpy(many + len, "\r\n", 2);
    nx_expect_eq(decode(many, len + 2)->event, NX__CHUNK_END);
    memcpy(many + len, "A:b\r\n", 5);
    expect_bad(&(struct bad){many, len + 5, 431, "too many trailer fields"});
}

/* After the end, and after an error, nothing more is taken. */
NX_TEST("the end stays")
{
    struct nx__h1_chunked d = {0};
    size_t consumed, data_len;
    const char *data;
    nx_expect_eq(nx__h1_chunked_feed(&d, "0\r\n\r\nxyz", 8, &consumed, &data, &data_len),
                 NX__CHUNK_END);
    nx_expect_eq(consumed, 5);
    nx_expect_eq(nx__h1_chunked_feed(&d, "xyz", 3, &consumed, &data, &data_len), NX__CHUNK_END);
    nx_expect_eq(consumed, 0);
    d = (struct nx__h1_chunked){0};
    nx_expect_eq(nx__h1_chunked_feed(&d, "xyz", 3, &consumed, &data, &data_len), NX__CHUNK_ERROR);
    nx_expect_eq(nx__h1_chunked_feed(&d, "0\r\n\r\n", 5, &consumed, &data, &data_len),
                 NX__CHUNK_ERROR);
    nx_expect_eq(consumed, 0);
}

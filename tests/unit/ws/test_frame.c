/* WebSocket frames: what is read however it is cut, what is refused, masks, text, and heads. */
#include "ws/frame.h"
#include "ws/handshake.h"
#include <nexus/test.h>
#include <stdio.h>

/* ---- Reading */

struct outcome {
    enum nx__ws_step step;
    size_t messages, controls;
    char said[512]; /* each message and control frame as "opcode:payload " */
};

/* Reads it all, `piece` bytes at a time. */
static struct outcome read_all(const char *bytes, size_t len, size_t piece, bool deflate)
{
    struct nx__ws_reader r = {.max_message = 1000, .masked = false, .deflate = deflate};
    struct nx__buffer message = {0};
    struct outcome o = {.step = NX__WS_MORE};
    size_t at = 0;
    for (size_t from = 0; from < len && o.step < NX__WS_BAD; from += piece) {
        nx_bytes in = nx_slice(bytes + from, len - from < piece ? len - from : piece);
        while ((o.step = nx__ws_read(&r, &in, &message)) == NX__WS_MESSAGE ||
               o.step == NX__WS_CONTROL) {
            bool whole = o.step == NX__WS_MESSAGE;
            nx_bytes data =
                whole ? nx_slice(message.data, message.len) : nx_slice(r.control, r.control_len);
            int n = snprintf(o.said + at, sizeof o.said - at, "%d:%.*s ", r.opcode, NX_FMT(data));
            at += (size_t)n < sizeof o.said - at ? (size_t)n : 0;
            if (whole) {
                o.messages++;
                message.len = 0;
            } else {
                o.controls++;
            }
        }
        if (o.step == NX__WS_MORE) nx_expect_eq(in.len, 0);
    }
    if (o.step == NX__WS_BAD) (void)snprintf(o.said + at, sizeof o.said - at, "!%d", r.code);
    nx__buffer_free(&message);
    return o;
}

#define BYTES(text) (text), sizeof(text) - 1

NX_TEST("frames, in pieces of any size")
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *said;
    } rows[] = {
        {"text", BYTES("\x81\x05Hello"), "1:Hello "},
        {"empty", BYTES("\x82\x00"), "2: "},
        {"two",
         BYTES("\x81\x01"
               "a\x82\x01"
               "b"),
         "1:a 2:b "},
        {"fragments", BYTES("\x01\x03Hel\x80\x02lo"), "1:Hello "},
        {"empty fragments", BYTES("\x01\x00\x00\x00\x80\x00"), "1: "},
        {"a ping between fragments", BYTES("\x01\x03Hel\x89\x02hi\x80\x02lo"), "9:hi 1:Hello "},
        {"text across fragments", BYTES("\x01\x01\xc3\x80\x01\xa4"), "1:\xc3\xa4 "},
        {"text across four", BYTES("\x01\x01\xf0\x00\x01\x9f\x00\x01\x98\x80\x01\x80"),
         "1:\xf0\x9f\x98\x80 "},
        {"pong and close", BYTES("\x8a\x00\x88\x02\x03\xe8"), "10: 8:\x03\xe8 "},
        /* What is wrong. */
        {"a reserved bit", BYTES("\xa1\x00"), "!1002"},
        {"compressed, unasked", BYTES("\xc1\x00"), "!1002"},
        {"masked, from a server", BYTES("\x81\x80\0\0\0\0"), "!1002"},
        {"a reserved opcode", BYTES("\x83\x00"), "!1002"},
        {"a reserved control opcode", BYTES("\x8b\x00"), "!1002"},
        {"a fragmented ping", BYTES("\x09\x00"), "!1002"},
        {"a long ping", BYTES("\x89\x7e\x00\x7e"), "!1002"},
        {"nothing to continue", BYTES("\x80\x00"), "!1002"},
        {"a message in another", BYTES("\x01\x00\x81\x00"), "!1002"},
        {"a long form of a short length", BYTES("\x82\x7e\x00\x7d"), "!1002"},
        {"a longer form", BYTES("\x82\x7f\0\0\0\0\0\0\xff\xff"), "!1002"},
        {"the highest bit", BYTES("\x82\x7f\x80\0\0\0\0\1\0\0"), "!1002"},
        {"too big", BYTES("\x82\x7e\x03\xe9"), "!1009"},
        {"too big, huge", BYTES("\x82\x7f\0\0\xff\xff\xff\xff\xff\xff"), "!1009"},
        {"not UTF-8", BYTES("\x81\x01\xff"), "!1007"},
        {"a surrogate", BYTES("\x81\x03\xed\xa0\x80"), "!1007"},
        {"half a character", BYTES("\x81\x01\xc3"), "!1007"},
        {"half a character, then another", BYTES("\x01\x01\xc3\x80\x01\x41"), "!1007"},
        {"overlong, over fragments", BYTES("\x01\x01\xe0\x80\x02\x80\x80"), "!1007"},
        {"too high, over fragments", BYTES("\x01\x01\xf4\x80\x01\x90"), "!1007"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece <= rows[i].len; piece++)
            nx_subtest ("%s, %zu at a time", rows[i].name, piece) {
                struct outcome o = read_all(rows[i].bytes, rows[i].len, piece, false);
                nx_expect_eq((const char *)o.said, rows[i].said);
            }
}

NX_TEST("with compression agreed on, the first frame of a message may have the bit")
{
    nx_expect_eq(read_all(BYTES("\xc1\x01\xff"), 3, true).messages, 1);
    nx_expect_eq(read_all(BYTES("\x41\x01\xff\x80\x01\xff"), 6, true).messages, 1);
    nx_expect_eq((const char *)read_all(BYTES("\x41\x00\xc0\x00"), 4, true).said, "!1002");
    nx_expect_eq((const char *)read_all(BYTES("\xc9\x00"), 2, true).said, "!1002");
    /* The next one is checked as text again. */
    nx_expect_eq((const char *)read_all(BYTES("\xc1\x01\xff\x81\x01\xff"), 6, true).said + 4,
                 "!1007");
}

NX_TEST("the sum of the fragments counts, not each")
{
    char bytes[3000];
    size_t len = 0;
    for (int i = 0; i < 9; i++) {
        bytes[len++] = i ? 0 : 2;
        bytes[len++] = 120;
        memset(bytes + len, 'x', 120);
        len += 120;
    }
    nx_expect_eq((const char *)read_all(bytes, len, 7, false).said, "!1009");
}

NX_TEST("wrong text is noticed as soon as it can't become right")
{
    struct nx__ws_reader r = {.max_message = 1000};
    struct nx__buffer message = {0};
    nx_bytes in = nx_slice("\x01\x10ok\xed\xa0", 6); /* ten bytes are still to come */
    nx_expect_eq(nx__ws_read(&r, &in, &message), NX__WS_BAD);
    nx_expect_eq(r.code, NX__WS_CLOSE_TEXT);
    nx__buffer_free(&message);
}

NX_TEST("UTF-8 in pieces is what it is whole")
{
    static const char text[] =
        "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xed\x9f\xbf\xee\x80\x80\xf4"
        "\x8f\xbf\xbf, and more text that is plain ASCII for a while\xc3\xb6";
    for (size_t a = 0; a < sizeof text; a++)
        for (size_t b = a; b < sizeof text; b++) {
            struct nx__ws_utf8 state = {0};
            bool good = nx__ws_utf8(&state, text, a) && nx__ws_utf8(&state, text + a, b - a) &&
                        nx__ws_utf8(&state, text + b, sizeof text - 1 - b) && !state.len;
            if (b < sizeof text) nx_require(good || b == sizeof text);
        }
    static const char *const bad[] = {"\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\x80",
                                      "\xc3(",
                                      "\xe2\x82(",
                                      "\xf0\x9f\x98(",
                                      "\xfe"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (size_t at = 0; at <= strlen(bad[i]); at++) {
            struct nx__ws_utf8 state = {0};
            bool good = nx__ws_utf8(&state, bad[i], at) &&
                        nx__ws_utf8(&state, bad[i] + at, strlen(bad[i]) - at) && !state.len;
            nx_expect(!good);
        }
}

NX_TEST("masks, whatever the length and the place")
{
    char in[300], out[310], wanted[300];
    const unsigned char mask[4] = {0x12, 0x80, 0xff, 0x01};
    uint32_t word;
    memcpy(&word, mask, 4);
    for (size_t i = 0; i < sizeof in; i++) in[i] = (char)(i * 37);
    for (size_t len = 0; len <= 290; len++) {
        uint64_t seen = 0;
        for (size_t i = 0; i < len; i++) {
            wanted[i] = (char)(in[i] ^ (char)mask[i % 4]);
            seen |= (unsigned char)wanted[i];
        }
        size_t shift = len % 7;
        out[shift + len] = 'x';
        uint64_t got = nx__ws_mask(out + shift, in, len, word);
        nx_require(memcmp(out + shift, wanted, len) == 0);
        nx_require(out[shift + len] == 'x');
        nx_require(!(got & 0x8080808080808080u) == !(seen & 0x80));
        (void)nx__ws_mask(out + shift, out + shift, len, word);
        nx_require(memcmp(out + shift, in, len) == 0);
    }
}

NX_TEST("masked frames in pieces")
{
    char frame[400], text[301];
    uint32_t mask;
    memcpy(&mask, "\x01\x02\x03\x04", 4);
    for (size_t i = 0; i < 300; i++) text[i] = (char)('a' + i % 26);
    size_t head = nx__ws_head(frame, NX__WS_TEXT, false, 300, &mask);
    (void)nx__ws_mask(frame + head, text, 300, mask);
    for (size_t piece = 1; piece < 310; piece++) {
        struct nx__ws_reader r = {.max_message = 1000, .masked = true};
        struct nx__buffer message = {0};
        enum nx__ws_step step = NX__WS_MORE;
        for (size_t at = 0; at < head + 300 && step == NX__WS_MORE; at += piece) {
            nx_bytes in = nx_slice(frame + at, head + 300 - at < piece ? head + 300 - at : piece);
            step = nx__ws_read(&r, &in, &message);
        }
        nx_require(step == NX__WS_MESSAGE && message.len == 300);
        nx_require(memcmp(message.data, text, 300) == 0);
        nx__buffer_free(&message);
    }
    nx_bytes unmasked = nx_slice("\x81\x00", 2);
    struct nx__ws_reader r = {.max_message = 1000, .masked = true};
    struct nx__buffer message = {0};
    nx_expect_eq(nx__ws_read(&r, &unmasked, &message), NX__WS_BAD);
    nx_expect_eq(r.code, NX__WS_CLOSE_PROTOCOL);
}

NX_TEST("heads")
{
    char head[NX__WS_HEAD_MOST];
    nx_expect_eq(nx__ws_head(head, NX__WS_TEXT, false, 125, NULL), 2);
    nx_expect(memcmp(head, "\x81\x7d", 2) == 0);
    nx_expect_eq(nx__ws_head(head, NX__WS_BINARY, true, 126, NULL), 4);
    nx_expect(memcmp(head, "\xc2\x7e\x00\x7e", 4) == 0);
    nx_expect_eq(nx__ws_head(head, NX__WS_BINARY, false, 65535, NULL), 4);
    nx_expect_eq(nx__ws_head(head, NX__WS_BINARY, false, 65536, NULL), 10);
    nx_expect(memcmp(head, "\x82\x7f\0\0\0\0\0\1\0\0", 10) == 0);
}

NX_TEST("close frames")
{
    static const struct {
        const char *payload;
        size_t len;
        int answer; /* 0: it is well formed */
    } rows[] = {
        {"", 0, 0},
        {"\x03\xe8", 2, 0},
        {"\x03\xe8"
         "bye",
         5, 0},
        {"\x0b\xb8", 2, 0},
        {"\x13\x87", 2, 0},
        {"\x03", 1, 1002},
        {"\x03\xec", 2, 1002}, /* 1004 */
        {"\x03\xed", 2, 1002}, /* 1005 */
        {"\x03\xee", 2, 1002}, /* 1006 */
        {"\x03\xf7", 2, 1002}, /* 1015 */
        {"\x07\xd0", 2, 1002}, /* 2000 */
        {"\x00\x00", 2, 1002},
        {"\x13\x88", 2, 1002}, /* 5000 */
        {"\x03\xe8\xff", 3, 1007},
        {"\x03\xe8\xc3", 3, 1007},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nx__ws_close close;
        uint16_t code = 0;
        bool good = nx__ws_close_read(&close, nx_slice(rows[i].payload, rows[i].len), &code);
        nx_expect_eq(good, rows[i].answer == 0);
        if (!good) nx_expect_eq(code, rows[i].answer);
    }
}

/* ---- The handshake's texts */

NX_TEST("keys")
{
    char accept[NX__WS_ACCEPT + 1], key[NX__WS_KEY + 1], other[NX__WS_KEY + 1];
    nx_require_ok(nx__ws_accept_key(nx_str("dGhlIHNhbXBsZSBub25jZQ=="), accept)); /* RFC 6455 1.3 */
    nx_expect_eq((const char *)accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    nx_expect(nx__ws_key_valid(nx_str("dGhlIHNhbXBsZSBub25jZQ==")));
    nx_expect(!nx__ws_key_valid(nx_str("dGhlIHNhbXBsZSBub25jZQ=")));
    nx_expect(!nx__ws_key_valid(nx_str("dGhlIHNhbXBsZSBub25jZQ!!")));
    nx_expect(!nx__ws_key_valid(nx_str("")));
    nx__ws_key_make(key);
    nx__ws_key_make(other);
    nx_expect(nx__ws_key_valid(nx_str(key)));
    nx_expect(strcmp(key, other) != 0);
}

NX_TEST("lists and origins")
{
    nx_expect(nx__ws_list_has(nx_str("keep-alive, Upgrade"), "upgrade"));
    nx_expect(nx__ws_list_has(nx_str(",, upgrade ,"), "upgrade"));
    nx_expect(!nx__ws_list_has(nx_str("upgraded"), "upgrade"));
    nx_expect(!nx__ws_list_has(nx_str(""), "upgrade"));
    static const char list[] = "https://a.example, https://*.b.example, http://localhost:3000";
    static const struct {
        const char *origin;
        bool allowed;
    } rows[] = {
        {"https://a.example", true},
        {"https://A.example", true},
        {"http://a.example", false},
        {"https://a.example:8443", false},
        {"https://x.b.example", true},
        {"https://x.y.b.example", true},
        {"https://b.example", false},
        {"https://evil.example/.b.example", false},
        {"https://x@b.example", false},
        {"https://a.example.evil.example", false},
        {"http://localhost:3000", true},
        {"http://localhost:3001", false},
        {"null", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_expect_eq(nx__ws_origin_allowed(list, nx_str(rows[i].origin)), rows[i].allowed);
    nx_expect(nx__ws_origin_allowed("*", nx_str("https://any.example")));
    nx_expect(nx__ws_origin_is_own(nx_str("https://a.example:3000"), nx_str("a.example:3000")));
    nx_expect(!nx__ws_origin_is_own(nx_str("https://a.example"), nx_str("a.example:3000")));
    nx_expect(!nx__ws_origin_is_own(nx_str("null"), nx_str("null")));
    nx_expect(!nx__ws_origin_is_own(nx_str("https://"), nx_str("")));
}

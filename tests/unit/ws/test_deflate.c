/* permessage-deflate: what is agreed on, and messages there and back. */
#include "ws/deflate.h"
#include <nexus/test.h>

NX_TEST("what a server agrees on")
{
    static const struct {
        const char *offer;
        bool fresh;
        uint8_t bits;
        const char *answer; /* NULL: none */
    } rows[] = {
        {"permessage-deflate", false, 15, "permessage-deflate"},
        {"permessage-deflate", true, 15,
         "permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
        {"Permessage-Deflate; client_max_window_bits", false, 15, "permessage-deflate"},
        {"permessage-deflate; client_max_window_bits", false, 10,
         "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10"},
        {"permessage-deflate", false, 10, "permessage-deflate; server_max_window_bits=10"},
        {"permessage-deflate; client_max_window_bits=9; server_max_window_bits=\"12\"", false, 15,
         "permessage-deflate; server_max_window_bits=12; client_max_window_bits=9"},
        {"permessage-deflate; server_no_context_takeover", false, 15,
         "permessage-deflate; server_no_context_takeover"},
        {"x-webkit-deflate-frame, permessage-deflate", false, 15, "permessage-deflate"},
        /* The next offer counts where one can't be met. */
        {"permessage-deflate; server_max_window_bits=8, permessage-deflate", false, 15,
         "permessage-deflate"},
        {"permessage-deflate; server_max_window_bits=8", false, 15, NULL},
        {"permessage-deflate; server_max_window_bits=16", false, 15, NULL},
        {"permessage-deflate; server_max_window_bits", false, 15, NULL},
        {"permessage-deflate; server_max_window_bits=09", false, 15, NULL},
        {"permessage-deflate; client_max_window_bits=7", false, 15, NULL},
        {"permessage-deflate; server_no_context_takeover=1", false, 15, NULL},
        {"permessage-deflate; client_no_context_takeover; client_no_context_takeover", false, 15,
         NULL},
        {"permessage-deflate; other", false, 15, NULL},
        {"permessage-deflate=1", false, 15, NULL},
        {"", false, 15, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].offer) {
            struct nx__ws_deflate agreed;
            char text[NX__WS_DEFLATE_TEXT];
            const struct nx__ws_deflate_wish wish = {rows[i].fresh, rows[i].bits};
            bool on = nx__ws_deflate_accept(&agreed, nx_str(rows[i].offer), &wish);
            nx_expect_eq(on, rows[i].answer != NULL);
            if (!on) continue;
            nx__ws_deflate_answer(&agreed, text);
            nx_expect_eq((const char *)text, rows[i].answer);
        }
}

NX_TEST("what a client offers, and takes for an answer")
{
    static const struct {
        bool fresh;
        uint8_t bits;
        const char *answer;
        bool good, on;
    } rows[] = {
        {false, 15, "permessage-deflate", true, true},
        {false, 15, "", true, false},
        {false, 15, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
         true, true},
        {false, 10, "permessage-deflate", false, false},
        {false, 10, "permessage-deflate; server_max_window_bits=11", false, false},
        {false, 10, "permessage-deflate; server_max_window_bits=9", true, true},
        {true, 15, "permessage-deflate", false, false},
        {true, 15, "permessage-deflate; server_no_context_takeover", true, true},
        {false, 15, "permessage-deflate; client_max_window_bits", false, false},
        {false, 15, "permessage-deflate; client_max_window_bits=8", false, false},
        {false, 15, "permessage-deflate, permessage-deflate", false, false},
        {false, 15, "other", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].answer) {
            struct nx__ws_deflate agreed;
            const struct nx__ws_deflate_wish wish = {rows[i].fresh, rows[i].bits};
            nx_expect_eq(nx__ws_deflate_agree(&agreed, nx_str(rows[i].answer), &wish),
                         rows[i].good);
            if (rows[i].good) nx_expect_eq(agreed.on, rows[i].on);
        }
    char text[NX__WS_DEFLATE_TEXT];
    nx__ws_deflate_offer(&(struct nx__ws_deflate_wish){false, 15}, text);
    nx_expect_eq((const char *)text, "permessage-deflate; client_max_window_bits");
    nx__ws_deflate_offer(&(struct nx__ws_deflate_wish){true, 9}, text);
    nx_expect_eq((const char *)text,
                 "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
                 "server_max_window_bits=9; client_max_window_bits=9");
}

NX_TEST("the examples of RFC 7692 7.2.3")
{
    static const struct {
        const char *data;
        size_t len;
    } rows[] = {
        {"\xf2\x48\xcd\xc9\xc9\x07\x00", 7},                          /* one block */
        {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11},         /* none compressed */
        {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8},                      /* BFINAL */
        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13}, /* two blocks */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nx__ws_inflater *inflater = nx__ws_inflater_new(15);
        struct nx__buffer out = {0};
        nx_require(inflater);
        nx_expect_eq(
            nx__ws_inflate(inflater, nx_slice(rows[i].data, rows[i].len), &out, 100, false), NX_OK);
        nx_expect(nx_bytes_is(nx_slice(out.data, out.len), "Hello"));
        nx__buffer_free(&out);
        nx__ws_inflater_free(inflater);
    }
    /* The same again, with the window of the first (7.2.3.2). */
    struct nx__ws_inflater *inflater = nx__ws_inflater_new(15);
    struct nx__buffer out = {0};
    nx_require(inflater);
    nx_expect_ok(
        nx__ws_inflate(inflater, nx_slice("\xf2\x48\xcd\xc9\xc9\x07\x00", 7), &out, 100, false));
    nx_expect_ok(nx__ws_inflate(inflater, nx_slice("\xf2\x00\x11\x00\x00", 5), &out, 100, false));
    nx_expect(nx_bytes_is(nx_slice(out.data, out.len), "HelloHello"));
    nx__buffer_free(&out);
    nx__ws_inflater_free(inflater);
}

NX_TEST("there and back")
{
    for (unsigned bits = 9; bits <= 15; bits++)
        for (int fresh = 0; fresh < 2; fresh++) {
            struct nx__ws_deflater *deflater = nx__ws_deflater_new(bits);
            struct nx__ws_inflater *inflater = nx__ws_inflater_new(bits);
            nx_require(deflater && inflater);
            for (size_t len = 0; len < 200000; len = len * 3 + 1) {
                struct nx__buffer packed = {0}, plain = {0};
                char *text = nx_alloc(len + 1);
                uint32_t seed = (uint32_t)len;
                for (size_t i = 0; i < len; i++) {
                    seed = seed * 1664525 + 1013904223;
                    text[i] = (char)('a' + (seed >> 24) % (i % 300 < 150 ? 3 : 26));
                }
                nx_require_ok(nx__ws_deflate(deflater, nx_slice(text, len), &packed, fresh));
                nx_require_ok(nx__ws_inflate(inflater, nx_slice(packed.data, packed.len), &plain,
                                             len, fresh));
                nx_require(nx_bytes_eq(nx_slice(plain.data, plain.len), nx_slice(text, len)));
                nx__buffer_free(&packed);
                nx__buffer_free(&plain);
            }
            nx__ws_deflater_free(deflater);
            nx__ws_inflater_free(inflater);
        }
}

NX_TEST("a bomb is stopped at the cap")
{
    struct nx__ws_deflater *deflater = nx__ws_deflater_new(15);
    struct nx__buffer packed = {0};
    size_t size = (size_t)16 << 20;
    nx_require(deflater);
    nx_require_ok(nx__ws_deflate(deflater, nx_slice(nx_alloc_zero(1, size), size), &packed, true));
    nx_expect_lt(packed.len, size / 100);
    for (size_t cap = 1; cap <= (size_t)1 << 20; cap *= 4) {
        struct nx__ws_inflater *inflater = nx__ws_inflater_new(15);
        struct nx__buffer out = {0};
        nx_require(inflater);
        nx_expect_eq(nx__ws_inflate(inflater, nx_slice(packed.data, packed.len), &out, cap, true),
                     NX_ETOOBIG);
        nx_expect_le(out.capacity, cap + 2 > 256 ? cap + 2 : 256);
        nx__buffer_free(&out);
        nx__ws_inflater_free(inflater);
    }
    nx__buffer_free(&packed);
    nx__ws_deflater_free(deflater);
}

NX_TEST("what is not compressed is no message")
{
    struct nx__ws_inflater *inflater = nx__ws_inflater_new(15);
    struct nx__buffer out = {0};
    nx_require(inflater);
    nx_expect_eq(nx__ws_inflate(inflater, nx_str("\xff\xff\xff"), &out, 100, true), NX_EPROTO);
    nx__buffer_free(&out);
    nx__ws_inflater_free(inflater);
}

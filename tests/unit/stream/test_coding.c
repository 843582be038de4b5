/* Compression, base64 and hexadecimal as transforms: any split gives the same. */
#include <nexus/encode.h>
#include <nexus/fiber.h>
#include <nexus/stream.h>
#include <nexus/test.h>
#include <nexus/timer.h>

/* ---- Pieces */

struct pieces {
    nx_bytes text;
    size_t step;
};

static nx_err pieces_next(void *arg, nx_bytes *piece)
{
    struct pieces *p = arg;
    *piece = nx_slice(p->text.data, p->step < p->text.len ? p->step : p->text.len);
    p->text = nx_slice(p->text.data + piece->len, p->text.len - piece->len);
    return NX_OK;
}

/* What a transform makes of the text when it comes in pieces of `step` bytes. */
static nx_err through(nx_stream *transform, nx_bytes text, size_t step, nx_bytes *out)
{
    struct pieces p = {text, step};
    return nx_pipe(nx_generator(pieces_next, &p), transform, nx_memory_writer(out, 16 << 20));
}

/* ---- Compression */

enum way { GZIP, DEFLATE, RAW, BR, ZSTD, WAYS };

static nx_stream *pack(enum way way, int level)
{
    switch (way) {
    case GZIP: return nx_gzip(.level = level);
    case DEFLATE: return nx_deflate(.level = level);
    case RAW: return nx_deflate(.level = level, .raw = true);
    case BR: return nx_brotli(.level = level);
    default: return nx_zstd(.level = level);
    }
}

static nx_stream *unpack(enum way way, uint64_t max, uint32_t max_ratio)
{
    switch (way) {
    case GZIP: return nx_gunzip(.max = max, .max_ratio = max_ratio);
    case DEFLATE: return nx_inflate(.max = max, .max_ratio = max_ratio);
    case RAW: return nx_inflate(.max = max, .max_ratio = max_ratio, .raw = true);
    case BR: return nx_unbrotli(.max = max, .max_ratio = max_ratio);
    default: return nx_unzstd(.max = max, .max_ratio = max_ratio);
    }
}

static nx_bytes text_make(size_t size)
{
    char *text = nx_alloc(size + 1);
    uint32_t x = 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1103515245 + 12345;
        text[i] = x >> 30 ? (char)('a' + i % 26) : (char)(x >> 16);
    }
    return nx_slice(text, size);
}

NX_TEST("what is compressed comes back, whatever the pieces", .deadline = NX_S(240))
{
    static const size_t sizes[] = {0, 1, 300, 40000}, steps[] = {7, 777, 1 << 20};
    for (int way = 0; way < WAYS; way++)
        for (int s = 0; s < 4; s++)
            for (int t = 0; t < 3; t++) {
                nx_subtest ("way %d, %zu bytes by %zu", way, sizes[s], steps[t]) {
                    nx_bytes text = text_make(sizes[s]), packed, back;
                    nx_require_ok(through(pack((enum way)way, 1 + t * 4), text, steps[t], &packed));
                    nx_expect_ok(through(unpack((enum way)way, 0, 0), packed, steps[t], &back));
                    nx_expect(nx_bytes_eq(back, text));
                }
            }
}

NX_TEST("what is cut off, damaged, or followed by something is told")
{
    for (int way = 0; way < WAYS; way++) {
        nx_subtest ("way %d", way) {
            nx_bytes text = text_make(2000), packed, out;
            nx_require_ok(through(pack((enum way)way, 0), text, 4096, &packed));
            for (size_t len = 0; len < packed.len; len += 1 + len / 8)
                nx_expect_err(NX_EPROTO, through(unpack((enum way)way, 0, 0),
                                                 nx_slice(packed.data, len), 512, &out));
            nx_expect_contains(nx_error_last()->message, "it is cut off");
            char *more = nx_alloc(packed.len + 5);
            memcpy(more, packed.data, packed.len);
            memcpy(more + packed.len, "rest!", 5);
            for (size_t step = 1; step < 4096; step += 600) {
                nx_expect_err(NX_EPROTO, through(unpack((enum way)way, 0, 0),
                                                 nx_slice(more, packed.len + 5), step, &out));
            }
            memset(more, 0xff, 20);
            nx_expect_err(NX_EPROTO, through(unpack((enum way)way, 0, 0),
                                             nx_slice(more, packed.len), 512, &out));
        }
    }
}

NX_TEST("members of gzip and frames of zstd follow each other, others don't")
{
    for (int way = 0; way < WAYS; way++) {
        nx_subtest ("way %d", way) {
            nx_bytes packed, out;
            nx_require_ok(through(pack((enum way)way, 0), nx_str("hello "), 4096, &packed));
            char *twice = nx_alloc(2 * packed.len);
            memcpy(twice, packed.data, packed.len);
            memcpy(twice + packed.len, packed.data, packed.len);
            for (size_t step = 1; step <= 2 * packed.len; step++) {
                nx_err err = through(unpack((enum way)way, 0, 0), nx_slice(twice, 2 * packed.len),
                                     step, &out);
                if (way == GZIP || way == ZSTD) {
                    nx_expect_ok(err);
                    nx_expect_eq(out, "hello hello ");
                } else {
                    nx_expect_err(NX_EPROTO, err);
                    nx_expect_contains(nx_error_last()->message, "what follows the end");
                }
            }
        }
    }
}

NX_TEST("a bomb meets its cap", .deadline = NX_S(60))
{
    char *zeros = nx_alloc_zero(2 << 20, 1);
    for (int way = 0; way < WAYS; way++) {
        nx_subtest ("way %d", way) {
            nx_bytes packed, out;
            nx_require_ok(
                through(pack((enum way)way, 0), nx_slice(zeros, 2 << 20), 1 << 20, &packed));
            nx_expect_ok(through(unpack((enum way)way, 2 << 20, 0), packed, 4096, &out));
            nx_expect_eq(out.len, 2 << 20);
            nx_expect_err(NX_ETOOBIG,
                          through(unpack((enum way)way, (2 << 20) - 1, 0), packed, 4096, &out));
            nx_expect_contains(nx_error_last()->message, "more than 2097151 bytes (max)");
            nx_expect_err(NX_ETOOBIG, through(unpack((enum way)way, 0, 100), packed, 4096, &out));
            nx_expect_contains(nx_error_last()->message, "(max_ratio)");
        }
    }
    /* A window of 16 MiB, which takes the option. */
    static const char frame[] = "\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00";
    nx_bytes out;
    nx_expect_err(NX_ETOOBIG, through(nx_unzstd(), nx_slice(frame, 9), 99, &out));
    nx_expect_contains(nx_error_last()->message, "large_window");
    nx_expect_ok(through(nx_unzstd(.large_window = true), nx_slice(frame, 9), 99, &out));
}

static nx_err endless(void *arg, nx_bytes *piece)
{
    *piece = *(nx_bytes *)arg;
    return NX_OK;
}

static nx_err nowhere(void *arg, nx_bytes bytes, nx_stream *next)
{
    (void)arg;
    (void)bytes;
    (void)next;
    return NX_OK;
}

struct work {
    nx_bytes text;
    enum way way;
};

static nx_err work(void *arg)
{
    struct work *w = arg;
    nx_bytes out;
    return nx_pipe(nx_generator(endless, &w->text), pack(w->way, 1), unpack(w->way, 0, 0),
                   nx_transform(nowhere, NULL), nx_memory_writer(&out, 1));
}

NX_TEST("what compresses for ever is cancelled, and lets others run meanwhile")
{
    for (int way = 0; way < WAYS; way++) {
        nx_subtest ("way %d", way) {
            struct work w = {text_make(100000), (enum way)way};
            nx_fiber *f;
            nx_require_ok(nx_spawn(&f, work, &w, .name = "works"));
            nx_expect_ok(nx_sleep(NX_MS(20)));
            nx_cancel(f);
            nx_expect_err(NX_ECANCELED, nx_join(f));
        }
    }
}

NX_TEST("levels that there are not are refused")
{
    nx_bytes out;
    nx_expect_err(NX_EINVAL, through(nx_gzip(.level = 10), nx_str("a"), 1, &out));
    nx_expect_eq(nx_error_last()->message, "the level of gzip is 10, not from 1 to 9");
    nx_expect_err(NX_EINVAL, through(nx_deflate(.level = -1), nx_str("a"), 1, &out));
    nx_expect_err(NX_EINVAL, through(nx_brotli(.level = 12), nx_str("a"), 1, &out));
    nx_expect_err(NX_EINVAL, through(nx_zstd(.level = 20), nx_str("a"), 1, &out));
}

/* ---- Base64 and hexadecimal */

NX_TEST("base64 by pieces is base64")
{
    for (size_t size = 0; size < 40; size++)
        for (size_t step = 1; step < 12; step++) {
            nx_subtest ("%zu bytes by %zu", size, step) {
                nx_bytes bytes = text_make(size), one, out;
                for (int url = 0; url < 2; url++)
                    for (int bare = 0; bare < 2; bare++) {
                        nx_require_ok(
                            nx_base64_encode(bytes, &one, .url = url, .no_padding = bare));
                        nx_expect_ok(through(nx_base64_encoder(.url = url, .no_padding = bare),
                                             bytes, step, &out));
                        nx_expect_eq(out, one);
                        nx_expect_ok(through(nx_base64_decoder(.url = url, .no_padding = bare), one,
                                             step, &out));
                        nx_expect(nx_bytes_eq(out, bytes));
                    }
                nx_require_ok(nx_hex_encode(bytes, &one));
                nx_expect_ok(through(nx_hex_encoder(), bytes, step, &out));
                nx_expect_eq(out, one);
                nx_expect_ok(through(nx_hex_decoder(), one, step, &out));
                nx_expect(nx_bytes_eq(out, bytes));
            }
        }
    nx_bytes large = text_make(300000), one, out;
    nx_require_ok(nx_base64_encode(large, &one));
    nx_expect_ok(through(nx_base64_encoder(), large, 1 << 20, &out));
    nx_expect(nx_bytes_eq(out, one));
    nx_expect_ok(through(nx_base64_decoder(), one, 100001, &out));
    nx_expect(nx_bytes_eq(out, large));
}

NX_TEST("base64 stands in lines")
{
    for (size_t step = 1; step < 12; step++) {
        nx_subtest ("%zu bytes at once", step) {
            nx_bytes out, back;
            nx_expect_ok(through(nx_base64_encoder(.line = 8), nx_str("abcdefghijk"), step, &out));
            nx_expect_eq(out, "YWJjZGVm\nZ2hpams=\n");
            nx_expect_ok(through(nx_base64_encoder(.line = 5, .crlf = true), nx_str("abcdefghijk"),
                                 step, &out));
            nx_expect_eq(out, "YWJjZ\r\nGVmZ2\r\nhpams\r\n=\r\n");
            nx_expect_ok(through(nx_base64_decoder(.spaces = true), out, step, &back));
            nx_expect_eq(back, "abcdefghijk");
            nx_expect_err(NX_EINVAL, through(nx_base64_decoder(), out, step, &back));
            nx_expect_ok(through(nx_base64_encoder(.line = 1), nx_str("abc"), step, &out));
            nx_expect_eq(out, "Y\nW\nJ\nj\n");
        }
    }
    nx_bytes out, back, large = text_make(300000);
    nx_expect_ok(through(nx_base64_encoder(.line = 76, .crlf = true), large, 100000, &out));
    nx_expect_ok(through(nx_base64_decoder(.spaces = true), out, 100000, &back));
    nx_expect(nx_bytes_eq(back, large));
}

NX_TEST("what is wrong is told by its place")
{
    static const struct {
        const char *text, *message;
        bool hex;
    } rows[] = {
        {"QUJD*UJD", "the base64 is wrong at character 5", false},
        {"QUI=QUI=", "the base64 is wrong at character 5", false},
        {"QUJDQ", "the base64 ends too early", false},
        {"QUJDQUI", "the base64 ends too early", false},
        {"0123g5", "the hexadecimal is wrong at character 5", true},
        {"012", "the hexadecimal ends too early", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t step = 1; step < 9; step++) {
            nx_subtest ("%s by %zu", rows[i].text, step) {
                nx_bytes out;
                nx_expect_err(NX_EINVAL,
                              through(rows[i].hex ? nx_hex_decoder() : nx_base64_decoder(),
                                      nx_str(rows[i].text), step, &out));
                nx_expect_eq(nx_error_last()->message, rows[i].message);
            }
        }
}

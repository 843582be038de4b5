/* A transform, how its input is cut, and the input: whatever the cuts, the same comes out; and what
 * an encoder makes, its decoder takes. */
#include "loop/loop.h"

#include <nexus/fiber.h>
#include <nexus/stream.h>
#include <stdlib.h>

static void check(bool good)
{
    if (!good) abort();
}

enum { MOST = 1 << 20 };

/* ---- The input in pieces */

struct cuts {
    nx_bytes left;
    unsigned seed; /* 0: one piece */
};

static nx_err next_piece(void *arg, nx_bytes *piece)
{
    struct cuts *c = arg;
    size_t len = c->left.len;
    if (c->seed && len) {
        c->seed = c->seed * 1103515245 + 12345;
        size_t most = c->seed >> 28 ? 1 + (c->seed >> 16) % 9 : len;
        if (len > most) len = most;
    }
    *piece = nx_slice(c->left.data, len);
    c->left = nx_slice(c->left.data + len, c->left.len - len);
    return NX_OK;
}

/* ---- The transforms */

enum { DECODERS = 8, ENCODERS = 3 };

static nx_stream *decoder(unsigned which)
{
    switch (which) {
    case 0: return nx_gunzip(.max = MOST);
    case 1: return nx_inflate(.max = MOST, .raw = true);
    case 2: return nx_unbrotli(.max = MOST);
    case 3: return nx_unzstd(.max_ratio = 16);
    case 4: return nx_hex_decoder();
    case 5: return nx_base64_decoder();
    case 6: return nx_base64_decoder(.spaces = true);
    default: return nx_base64_decoder(.url = true, .no_padding = true, .spaces = true);
    }
}

/* Of what the decoders from 5 on read. */
static nx_stream *encoder(unsigned which)
{
    switch (which) {
    case 0: return nx_base64_encoder();
    case 1: return nx_base64_encoder(.line = 5, .crlf = true);
    default: return nx_base64_encoder(.url = true, .no_padding = true, .line = 3);
    }
}

static nx_err through(nx_stream *transform, nx_bytes in, unsigned seed, nx_bytes *out)
{
    struct cuts cuts = {in, seed};
    return nx_pipe(nx_generator(next_piece, &cuts), transform, nx_memory_writer(out, 64 * MOST));
}

static void run(unsigned which, unsigned seed, nx_bytes in)
{
    nx_bytes one, other, back;
    if (which < DECODERS) {
        nx_err err = through(decoder(which), in, 0, &one);
        nx_err again = through(decoder(which), in, seed, &other);
        check(!err == !again && (err || nx_bytes_eq(one, other)));
        return;
    }
    which -= DECODERS;
    check(through(encoder(which), in, 0, &one) == NX_OK);
    check(through(encoder(which), in, seed, &other) == NX_OK && nx_bytes_eq(one, other));
    check(through(decoder(5 + which), one, seed, &back) == NX_OK && nx_bytes_eq(back, in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx_loop loop;
    static bool begun;
    nx_scope *scope;
    if (!begun) check(nx__loop_init(&loop, NULL) == NX_OK);
    begun = true;
    if (size < 2) return 0;
    /* In memory of its own, so that a read past the end is seen. */
    char *in = malloc(size - 2 ? size - 2 : 1);
    check(in && nx_scope_open(&scope) == NX_OK);
    if (size > 2) memcpy(in, data + 2, size - 2);
    run(data[0] % (DECODERS + ENCODERS), data[1], nx_slice(in, size - 2));
    check(nx_scope_close(&scope) == NX_OK);
    free(in);
    return 0;
}

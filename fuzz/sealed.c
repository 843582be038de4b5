/* Streams that are sealed in chunks. The input is a program of one change to a sealed stream of
 * some length: only what is unchanged opens, and what passes before an error is a beginning of what
 * was sealed, in whole chunks. The same with the input itself in place of a sealed stream. */
#include "crypto/chunks.h"
#include "loop/loop.h"
#include <stdlib.h>

enum { MOST = 3 * NX__CHUNK + 100, SEALED_MOST = MOST + 40 + 5 * NX__TAG };

static char plain[MOST], sealed[SEALED_MOST], changed[2 * SEALED_MOST], opened[2 * SEALED_MOST];

static void check(bool good)
{
    if (!good) abort();
}

struct memory {
    const char *from;
    char *to;
    size_t len, at, piece;
};

static nx_err give(void *state, void *data, size_t len, size_t *got)
{
    struct memory *m = state;
    size_t n = m->len - m->at;
    if (n > m->piece) n = m->piece;
    if (n > len) n = len;
    if (n) memcpy(data, m->from + m->at, n);
    m->at += n;
    *got = n;
    return NX_OK;
}

static nx_err take(void *state, nx_bytes bytes)
{
    struct memory *m = state;
    check(m->at + bytes.len <= m->len);
    memcpy(m->to + m->at, bytes.data, bytes.len);
    m->at += bytes.len;
    return NX_OK;
}

static const nx_stream_type source = {.size = sizeof source, .name = "a source", .read = give};
static const nx_stream_type sink = {.size = sizeof sink, .name = "a sink", .write = take};

/* Through the transform, in pieces; returns the error, and how much came out. */
static nx_err through(nx_stream *transform, const char *from, size_t len, char *to, size_t room,
                      size_t piece, size_t *out)
{
    struct memory in = {.from = from, .len = len, .piece = piece}, into = {.to = to, .len = room};
    nx_err err = nx_pipe(nx_stream_new(&source, &in), transform, nx_stream_new(&sink, &into));
    *out = into.at;
    return err;
}

/* One change: a byte, a piece that is cut out, doubled or moved, another end. */
static size_t change(const uint8_t *data, size_t size, size_t len)
{
    size_t a = (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16) % (len + 1);
    size_t b = (data[3] | (size_t)data[4] << 8 | (size_t)data[5] << 16) % (len + 1);
    size_t low = a < b ? a : b, high = a < b ? b : a;
    memcpy(changed, sealed, len);
    switch (data[6] % 6) {
    case 0:
        if (a < len) changed[a] = (char)(changed[a] ^ data[7]);
        return len;
    case 1: return a;
    case 2: memmove(changed + low, sealed + high, len - high); return len - (high - low);
    case 3: memcpy(changed + high, sealed + low, len - low); return high + len - low;
    case 4: memcpy(changed + len, data, size); return len + size;
    default: {
        size_t x = a / NX__CHUNK_SEALED * NX__CHUNK_SEALED + NX__CHUNKS_HEADER;
        size_t y = b / NX__CHUNK_SEALED * NX__CHUNK_SEALED + NX__CHUNKS_HEADER;
        if (x + NX__CHUNK_SEALED <= len && y + NX__CHUNK_SEALED <= len) {
            memcpy(changed + x, sealed + y, NX__CHUNK_SEALED);
            memcpy(changed + y, sealed + x, NX__CHUNK_SEALED);
        }
        return len;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 12 };
    static struct nx_loop loop;
    static bool begun;
    if (!begun) check(nx__loop_init(&loop, NULL) == NX_OK); /* pipes let others run */
    begun = true;
    if (size < HEAD || size > 4096) return 0;
    nx_cipher_key key;
    if (nx_cipher_key_from(&key, (nx_cipher)(data[8] % 3 + 1), nx_slice(plain, 32))) abort();
    size_t len = (data[9] % 4u * NX__CHUNK + data[10]) % (MOST + 1), piece = 1 + data[11] * 997u;
    size_t sealed_len, opened_len;
    for (size_t i = 0; i < len; i++) plain[i] = (char)(i * 31 + i / 256);
    check(!through(nx_sealing(&key), plain, len, sealed, sizeof sealed, piece + 64, &sealed_len));
    check(sealed_len == NX__CHUNKS_HEADER + len + NX__TAG * (len ? (len - 1) / NX__CHUNK + 1 : 1));
    size_t changed_len = change(data, size, sealed_len);
    nx_err err = through(nx_opening(&key), changed, changed_len, opened, sizeof opened, piece + 64,
                         &opened_len);
    bool same = changed_len == sealed_len && memcmp(changed, sealed, sealed_len) == 0;
    check(err == (same ? NX_OK : NX_EPROTO));
    check(opened_len <= len && memcmp(opened, plain, opened_len) == 0);
    check(same ? opened_len == len : opened_len % NX__CHUNK == 0);
    check(through(nx_opening(&key), (const char *)data, size, opened, sizeof opened, piece,
                  &opened_len) == NX_EPROTO &&
          !opened_len);
    return 0;
}

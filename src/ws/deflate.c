/* permessage-deflate over zlib. Its own streams and not those of src/codec: windows are agreed on,
 * and what came before is forgotten at will. */
#include "ws/deflate.h"

#include "ws/handshake.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <zlib.h>

enum {
    LEVEL = 1,             /* messages are short, and somebody waits */
    PIECE_LEAST = 1024,    /* of output */
    MEMORY_BELOW_BITS = 7, /* zlib's memLevel for a window of 2^n is n less this */
};

/* ---- Agreeing */

static const char NAME[] = "permessage-deflate";

/* Cuts the next parameter, "name" or "name=value", off an element; false at the end. */
static bool parameter_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value)
{
    if (!rest->len) return false;
    const char *end = memchr(rest->data, ';', rest->len);
    size_t len = end ? (size_t)(end - rest->data) : rest->len, skip = len + (end != NULL);
    nx_bytes item = nx_slice(rest->data, len);
    *rest = nx_slice(rest->data + skip, rest->len - skip);
    while (item.len && (*item.data == ' ' || *item.data == '\t'))
        item = nx_slice(item.data + 1, item.len - 1);
    while (item.len && (item.data[item.len - 1] == ' ' || item.data[item.len - 1] == '\t'))
        item.len--;
    const char *equals = item.len ? memchr(item.data, '=', item.len) : NULL;
    size_t name_len = equals ? (size_t)(equals - item.data) : item.len;
    *name = nx_slice(item.data, name_len);
    *value = equals ? nx_slice(equals + 1, item.len - name_len - 1) : (nx_bytes){0};
    if (value->len >= 2 && *value->data == '"' && value->data[value->len - 1] == '"')
        *value = nx_slice(value->data + 1, value->len - 2);
    return true;
}

static bool is(nx_bytes text, const char *wanted)
{
    size_t len = strlen(wanted);
    return text.len == len && strncasecmp(text.data, wanted, len) == 0;
}

/* 8 to 15 without leading zeros (RFC 7692 7.1.2); 0 for what is none. */
static unsigned bits_of(nx_bytes value)
{
    if (value.len == 1 && (*value.data == '8' || *value.data == '9'))
        return (unsigned)(*value.data - '0');
    if (value.len == 2 && *value.data == '1' && value.data[1] >= '0' && value.data[1] <= '5')
        return 10u + (unsigned)(value.data[1] - '0');
    return 0;
}

/* What an element says. */
struct said {
    bool server_fresh, client_fresh, server_named, client_named;
    unsigned server_bits, client_bits; /* 0: none was given */
};

/* False when it is not ours, or has what RFC 7692 does not know, or something twice. */
static bool element_read(nx_bytes element, struct said *said)
{
    nx_bytes name, value;
    *said = (struct said){0};
    if (!parameter_next(&element, &name, &value) || !is(name, NAME) || value.data) return false;
    while (parameter_next(&element, &name, &value)) {
        bool *flag = NULL;
        if (is(name, "server_no_context_takeover")) flag = &said->server_fresh;
        if (is(name, "client_no_context_takeover")) flag = &said->client_fresh;
        if (flag) {
            if (*flag || value.data) return false;
            *flag = true;
            continue;
        }
        bool server = is(name, "server_max_window_bits");
        if (!server && !is(name, "client_max_window_bits")) return false;
        bool *named = server ? &said->server_named : &said->client_named;
        unsigned *bits = server ? &said->server_bits : &said->client_bits;
        if (*named) return false;
        *named = true;
        *bits = value.data ? bits_of(value) : 0;
        if (!*bits && (server || value.data)) return false;
    }
    return true;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

bool nx__ws_deflate_accept(struct nx__ws_deflate *agreed, nx_bytes field,
                           const struct nx__ws_deflate_wish *wish)
{
    for (nx_bytes element; (element = nx__ws_list_next(&field)).len;) {
        struct said said;
        if (!element_read(element, &said)) continue;
        /* zlib's raw deflate has no window of 256 bytes. */
        if (said.server_bits && said.server_bits < NX__WS_BITS_LEAST) continue;
        unsigned client = said.client_bits ? said.client_bits : NX__WS_BITS_MOST;
        if (client < NX__WS_BITS_LEAST) client = NX__WS_BITS_LEAST; /* a larger one reads it too */
        *agreed = (struct nx__ws_deflate){
            .on = true,
            .server_fresh = said.server_fresh || wish->fresh,
            .client_fresh = said.client_fresh || wish->fresh,
            .server_bits = (uint8_t)least(said.server_bits ? said.server_bits : NX__WS_BITS_MOST,
                                          wish->max_bits),
            /* Without its word that it can, a client is not told to have a smaller one. */
            .client_bits =
                (uint8_t)(said.client_named ? least(client, wish->max_bits) : NX__WS_BITS_MOST)};
        return true;
    }
    return false;
}

static void put(char *out, const char *name, unsigned bits)
{
    size_t len = strlen(out);
    if (bits)
        (void)snprintf(out + len, NX__WS_DEFLATE_TEXT - len, "; %s=%u", name, bits);
    else
        (void)snprintf(out + len, NX__WS_DEFLATE_TEXT - len, "; %s", name);
}

void nx__ws_deflate_answer(const struct nx__ws_deflate *agreed, char *out)
{
    (void)snprintf(out, NX__WS_DEFLATE_TEXT, "%s", NAME);
    if (agreed->server_fresh) put(out, "server_no_context_takeover", 0);
    if (agreed->client_fresh) put(out, "client_no_context_takeover", 0);
    if (agreed->server_bits < NX__WS_BITS_MOST)
        put(out, "server_max_window_bits", agreed->server_bits);
    if (agreed->client_bits < NX__WS_BITS_MOST)
        put(out, "client_max_window_bits", agreed->client_bits);
}

void nx__ws_deflate_offer(const struct nx__ws_deflate_wish *wish, char *out)
{
    (void)snprintf(out, NX__WS_DEFLATE_TEXT, "%s", NAME);
    if (wish->fresh) put(out, "server_no_context_takeover", 0);
    if (wish->fresh) put(out, "client_no_context_takeover", 0);
    if (wish->max_bits < NX__WS_BITS_MOST) put(out, "server_max_window_bits", wish->max_bits);
    put(out, "client_max_window_bits", wish->max_bits < NX__WS_BITS_MOST ? wish->max_bits : 0);
}

bool nx__ws_deflate_agree(struct nx__ws_deflate *agreed, nx_bytes field,
                          const struct nx__ws_deflate_wish *wish)
{
    struct said said;
    *agreed = (struct nx__ws_deflate){.on = false};
    nx_bytes element = nx__ws_list_next(&field);
    if (!element.len) return true;
    if (nx__ws_list_next(&field).len || !element_read(element, &said)) return false;
    if (wish->fresh && !said.server_fresh) return false;
    if (wish->max_bits < NX__WS_BITS_MOST &&
        (!said.server_bits || said.server_bits > wish->max_bits))
        return false;
    if (said.client_named && (!said.client_bits || said.client_bits < NX__WS_BITS_LEAST))
        return false; /* 8 is allowed, but we can't (see nx__ws_deflate_accept) */
    unsigned server = said.server_bits ? said.server_bits : NX__WS_BITS_MOST;
    *agreed = (struct nx__ws_deflate){
        .on = true,
        .server_fresh = said.server_fresh,
        .client_fresh = said.client_fresh || wish->fresh,
        .server_bits = (uint8_t)(server < NX__WS_BITS_LEAST ? NX__WS_BITS_LEAST : server),
        .client_bits =
            (uint8_t)least(said.client_bits ? said.client_bits : NX__WS_BITS_MOST, wish->max_bits)};
    return true;
}

/* ---- Messages */

struct nx__ws_inflater {
    z_stream z;
};

struct nx__ws_deflater {
    z_stream z;
};

struct nx__ws_inflater *nx__ws_inflater_new(unsigned bits)
{
    struct nx__ws_inflater *i = calloc(1, sizeof *i);
    if (i && inflateInit2(&i->z, -(int)bits) == Z_OK) return i;
    free(i);
    return NULL;
}

struct nx__ws_deflater *nx__ws_deflater_new(unsigned bits)
{
    struct nx__ws_deflater *d = calloc(1, sizeof *d);
    int memory = (int)bits - MEMORY_BELOW_BITS;
    if (d && deflateInit2(&d->z, LEVEL, Z_DEFLATED, -(int)bits, memory, Z_DEFAULT_STRATEGY) == Z_OK)
        return d;
    free(d);
    return NULL;
}

void nx__ws_inflater_free(struct nx__ws_inflater *inflater)
{
    if (!inflater) return;
    (void)inflateEnd(&inflater->z);
    free(inflater);
}

void nx__ws_deflater_free(struct nx__ws_deflater *deflater)
{
    if (!deflater) return;
    (void)deflateEnd(&deflater->z);
    free(deflater);
}

static unsigned most_of(size_t n)
{
    return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

/* Decompresses one run of input, of which a message has two. */
static nx_err inflate_run(z_stream *z, nx_bytes in, struct nx__buffer *out, size_t most)
{
    z->next_in = (Bytef *)(uintptr_t)in.data;
    z->avail_in = (unsigned)in.len;
    for (;;) {
        /* A byte past the cap shows that there is more, and is where the NUL goes if not. */
        size_t room = most + 1 - out->len;
        size_t piece = in.len > PIECE_LEAST / 4 ? in.len * 4 : PIECE_LEAST;
        if (piece > room) piece = room;
        if (out->capacity - out->len < 2 &&
            nx__buffer_reserve(out, piece < 2 ? 2 : piece, most + 2))
            return NX_ENOMEM;
        size_t have = out->capacity - out->len - 1;
        if (have > room) have = room;
        z->next_out = (Bytef *)out->data + out->len;
        z->avail_out = most_of(have);
        unsigned before = z->avail_out;
        int result = inflate(z, Z_SYNC_FLUSH);
        out->len += before - z->avail_out;
        if (out->len > most) return NX_ETOOBIG;
        if (result == Z_MEM_ERROR) return NX_ENOMEM;
        if (result == Z_STREAM_END) { /* a last block; more may follow (RFC 7692 7.2.3.5) */
            if (inflateReset(z) != Z_OK) return NX_EPROTO;
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return NX_EPROTO;
        }
        if (!z->avail_in && z->avail_out) return NX_OK;
        if (result == Z_BUF_ERROR && z->avail_out) return NX_EPROTO;
    }
}

nx_err nx__ws_inflate(struct nx__ws_inflater *inflater, nx_bytes in, struct nx__buffer *out,
                      size_t most, bool fresh)
{
    if (in.len > UINT_MAX / 8) return NX_ETOOBIG;
    if (fresh && inflateReset(&inflater->z) != Z_OK) return NX_EPROTO;
    NX_TRY(inflate_run(&inflater->z, in, out, most));
    NX_TRY(inflate_run(&inflater->z, nx_slice("\0\0\xff\xff", 4), out, most));
    return nx__buffer_reserve(out, 1, most + 2) ? NX_ENOMEM : NX_OK;
}

nx_err nx__ws_deflate(struct nx__ws_deflater *deflater, nx_bytes in, struct nx__buffer *out,
                      bool fresh)
{
    z_stream *z = &deflater->z;
    if (in.len > UINT_MAX / 2) return NX_ENOMEM;
    /* zlib flushes nothing twice; this is what an empty message is (RFC 7692 7.2.3.6). */
    if (!in.len) return nx__buffer_append(out, "", 1, SIZE_MAX);
    if (fresh && deflateReset(z) != Z_OK) return NX_ENOMEM;
    z->next_in = (Bytef *)(uintptr_t)in.data;
    z->avail_in = (unsigned)in.len;
    size_t piece = in.len / 2 + 64;
    do {
        if (nx__buffer_reserve(out, piece, SIZE_MAX)) return NX_ENOMEM;
        size_t room = out->capacity - out->len;
        z->next_out = (Bytef *)out->data + out->len;
        z->avail_out = most_of(room);
        unsigned before = z->avail_out;
        int result = deflate(z, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR) return NX_ENOMEM;
        out->len += before - z->avail_out;
    } while (!z->avail_out);
    out->len -= 4; /* 00 00 ff ff, which the other side adds again (RFC 7692 7.2.1) */
    return NX_OK;
}

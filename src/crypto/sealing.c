/* The transforms that seal and open. */
#include "crypto/chunks.h"

#include <stdlib.h>

/* What has come of a chunk is held until more comes: only then it is not the last. */
struct sealing {
    struct nx__chunks chunks;
    bool begun;
    nx_cipher_key key; /* opening: until the header has come */
    char *context;
    size_t context_len;
    size_t header_len, held;
    uint8_t header[NX__CHUNKS_HEADER];
    uint8_t chunk[NX__CHUNK_SEALED];
};

static void sealing_close(void *state)
{
    struct sealing *s = state;
    if (s->begun) nx__chunks_end(&s->chunks);
    free(s->context);
    nx_wipe(s, sizeof *s);
    free(s);
}

/* Moves as much to dest as is missing there. */
static void fill(uint8_t *dest, size_t *have, size_t want, nx_bytes *bytes)
{
    size_t missing = want - *have, len = missing < bytes->len ? missing : bytes->len;
    if (len) memcpy(dest + *have, bytes->data, len);
    *have += len;
    *bytes = nx_slice(bytes->data + len, bytes->len - len);
}

/* ---- Sealing */

static nx_err seal_chunk(struct sealing *s, nx_bytes plain, bool last, nx_stream *next)
{
    void *room;
    NX_TRY(nx_stream_room(next, plain.len + NX__TAG, &room));
    NX_TRY(nx__chunks_seal(&s->chunks, plain, last, room));
    return nx_stream_commit(next, plain.len + NX__TAG);
}

static nx_err send_header(struct sealing *s, nx_stream *next)
{
    if (s->header_len) return NX_OK;
    s->header_len = sizeof s->header;
    return nx_stream_write(next, nx_slice(s->header, sizeof s->header));
}

static nx_err seal(void *state, nx_bytes bytes, nx_stream *next)
{
    struct sealing *s = state;
    NX_TRY(send_header(s, next));
    while (bytes.len) {
        if (!s->held && bytes.len > NX__CHUNK) {
            NX_TRY(seal_chunk(s, nx_slice(bytes.data, NX__CHUNK), false, next));
            bytes = nx_slice(bytes.data + NX__CHUNK, bytes.len - NX__CHUNK);
            continue;
        }
        fill(s->chunk, &s->held, NX__CHUNK, &bytes);
        if (!bytes.len) break;
        s->held = 0;
        NX_TRY(seal_chunk(s, nx_slice(s->chunk, NX__CHUNK), false, next));
    }
    return NX_OK;
}

static nx_err seal_finish(void *state, nx_stream *next)
{
    struct sealing *s = state;
    NX_TRY(send_header(s, next));
    return seal_chunk(s, nx_slice(s->chunk, s->held), true, next);
}

/* ---- Opening */

static nx_err open_chunk(struct sealing *s, nx_bytes sealed, bool last, nx_stream *next)
{
    void *room;
    size_t len = sealed.len > NX__TAG ? sealed.len - NX__TAG : 0;
    NX_TRY(nx_stream_room(next, len ? len : 1, &room));
    NX_TRY(nx__chunks_open(&s->chunks, sealed, last, room));
    return nx_stream_commit(next, len);
}

static nx_err begin_opening(struct sealing *s)
{
    NX_TRY(nx__chunks_open_begin(&s->chunks, &s->key, nx_slice(s->context, s->context_len),
                                 s->header));
    s->begun = true;
    nx_wipe(&s->key, sizeof s->key);
    return NX_OK;
}

static nx_err unseal(void *state, nx_bytes bytes, nx_stream *next)
{
    struct sealing *s = state;
    fill(s->header, &s->header_len, sizeof s->header, &bytes);
    if (!bytes.len) return NX_OK;
    if (!s->begun) NX_TRY(begin_opening(s));
    while (bytes.len) {
        if (!s->held && bytes.len > NX__CHUNK_SEALED) {
            NX_TRY(open_chunk(s, nx_slice(bytes.data, NX__CHUNK_SEALED), false, next));
            bytes = nx_slice(bytes.data + NX__CHUNK_SEALED, bytes.len - NX__CHUNK_SEALED);
            continue;
        }
        fill(s->chunk, &s->held, NX__CHUNK_SEALED, &bytes);
        if (!bytes.len) break;
        s->held = 0;
        NX_TRY(open_chunk(s, nx_slice(s->chunk, NX__CHUNK_SEALED), false, next));
    }
    return NX_OK;
}

static nx_err open_finish(void *state, nx_stream *next)
{
    struct sealing *s = state;
    if (!s->begun)
        return nx__error_set(NX_EPROTO, "cannot open the sealed stream: it ends behind %zu bytes",
                             s->header_len);
    return open_chunk(s, nx_slice(s->chunk, s->held), true, next);
}

/* ---- Making them */

/* NULL, with the error recorded, where it could not be made. */
static struct sealing *sealing_new(const nx_seal_options *o)
{
    if (o->nonce.data) {
        NX_IGNORE(nx__error_set(NX_EINVAL, "a stream is sealed with nonces of its own"));
        return NULL;
    }
    struct sealing *s = calloc(1, sizeof *s);
    if (s && o->context.len) {
        s->context_len = o->context.len;
        s->context = malloc(o->context.len);
        if (s->context) {
            memcpy(s->context, o->context.data, o->context.len);
        } else {
            free(s);
            s = NULL;
        }
    }
    if (!s) NX_IGNORE(nx__error_set(NX_ENOMEM, "cannot seal a stream: out of memory"));
    return s;
}

nx_stream *nx_sealing_with(const nx_cipher_key *key, const nx_seal_options *options)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a seal",
                                        .transform = seal,
                                        .finish = seal_finish,
                                        .close = sealing_close};
    NX__OPTIONS(nx_seal_options, o, options);
    struct sealing *s = sealing_new(&o);
    if (!s) return nx_stream_failed();
    if (nx__chunks_seal_begin(&s->chunks, key, o.context, s->header)) {
        nx_stream *failed = nx_stream_failed();
        sealing_close(s);
        return failed;
    }
    s->begun = true;
    return nx_stream_new(&type, s);
}

nx_stream *nx_opening_with(const nx_cipher_key *key, const nx_seal_options *options)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "an opened seal",
                                        .transform = unseal,
                                        .finish = open_finish,
                                        .close = sealing_close};
    NX__OPTIONS(nx_seal_options, o, options);
    struct sealing *s = nx__aead(key->cipher) ? sealing_new(&o) : NULL;
    if (!s) return nx_stream_failed();
    s->key = *key;
    return nx_stream_new(&type, s);
}

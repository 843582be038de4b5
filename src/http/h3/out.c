/* Bytes of a stream until the peer has them: QUIC sends them again from here. */
#include "http/h3/ends.h"

#include <stdlib.h>

struct nx__h3_chunk {
    struct nx__h3_chunk *next;
    size_t len;
    size_t acked;
    char data[];
};

bool nx__h3_out_put(struct nx__h3_out *out, nx_bytes bytes)
{
    struct nx__h3_chunk *chunk = malloc(sizeof *chunk + bytes.len);
    if (!chunk) return false;
    *chunk = (struct nx__h3_chunk){.len = bytes.len};
    if (bytes.data) memcpy(chunk->data, bytes.data, bytes.len);
    if (out->first)
        out->last->next = chunk;
    else
        out->first = chunk;
    out->last = chunk;
    if (!out->pulled) {
        out->pulled = chunk;
        out->pulled_at = 0;
    }
    out->len += bytes.len;
    return true;
}

size_t nx__h3_out_pull(struct nx__h3_out *out, nghttp3_vec *vec, size_t most)
{
    size_t count = 0;
    while (out->pulled && count < most) {
        struct nx__h3_chunk *chunk = out->pulled;
        if (chunk->len > out->pulled_at)
            vec[count++] =
                (nghttp3_vec){(uint8_t *)chunk->data + out->pulled_at, chunk->len - out->pulled_at};
        out->pulled = chunk->next;
        out->pulled_at = 0;
    }
    return count;
}

/* What was added without a byte has nothing to be acknowledged. */
static bool is_empty(const struct nx__h3_out *out)
{
    return out->first != out->pulled && out->first->acked == out->first->len;
}

void nx__h3_out_done(struct nx__h3_out *out, uint64_t len)
{
    out->len -= (size_t)len;
    while (out->first && (len || is_empty(out))) {
        struct nx__h3_chunk *chunk = out->first;
        size_t n = chunk->len - chunk->acked < len ? chunk->len - chunk->acked : (size_t)len;
        chunk->acked += n;
        len -= n;
        if (chunk->acked < chunk->len) break;
        out->first = chunk->next;
        if (!out->first) out->last = NULL;
        free(chunk);
    }
}

void nx__h3_out_clear(struct nx__h3_out *out)
{
    for (struct nx__h3_chunk *chunk = out->first, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *out = (struct nx__h3_out){0};
}

/* Decoding request bodies. */
#include "http/coding/coding.h"

static NX__THREAD_LOCAL unsigned decoders;

void nx__coded_body_end(struct nx__coded *coded)
{
    if (!coded->decoder) return;
    coded->codec->decoder_free(coded->decoder);
    coded->decoder = NULL;
    decoders--;
}

/* Looks at the encoding once; afterwards `codec` is set if the body has one. */
static nx_err begin(nx_request *req)
{
    struct nx__coded *coded = req->coded;
    if (coded->decoder || coded->ended || !req->server->coding->decode) return NX_OK;
    nx_bytes name = nx_request_header(req, "content-encoding");
    if (!name.len) return NX_OK;
    enum nx__coding coding = nx__coding_named(name);
    if (coding == NX__CODING_IDENTITY) return NX_OK;
    if (coding == NX__CODINGS) return nx__request_unsupported(req, name);
    if (decoders == NX__DECODERS_MOST) {
        (void)nx__error_set(NX_ELIMIT, "cannot read the body: %d others are being decoded",
                            NX__DECODERS_MOST);
        return nx__error_status_set(503);
    }
    coded->codec = nx__codec_of(coding);
    coded->decoder = coded->codec->decoder_new(NX__CODEC_WINDOW);
    coded->piece = nx__arena_alloc(&req->fiber->own.arena, NX__CODED_PIECE);
    if (!coded->decoder || !coded->piece)
        return nx__error_set(NX_ENOMEM, "cannot read the body: out of memory");
    decoders++;
    return NX_OK;
}

static nx_err bad(const char *why)
{
    return nx__error_peer(NX_EPROTO, "cannot read the body: %s", why);
}

static nx_err sizes_check(const nx_request *req)
{
    const struct nx__coded *coded = req->coded;
    uint64_t max_body = req->server->options.max_body;
    if (coded->received > max_body || coded->given > max_body)
        return nx__error_peer(NX_ETOOBIG, "cannot read the body: it is larger than max_body");
    if (coded->given > NX__CODED_RATIO_FREE &&
        coded->given / req->server->coding->max_ratio > coded->received)
        return nx__error_peer(
            NX_ETOOBIG, "cannot read the body: it grows to more than max_ratio times its size");
    return NX_OK;
}

nx_err nx__coded_read(nx_request *req, nx_bytes *chunk)
{
    struct nx__coded *coded = req->coded;
    NX_TRY(begin(req));
    *chunk = (nx_bytes){0};
    if (coded->ended) return NX_OK;
    if (!coded->decoder) return coded->wire->read(req, chunk);
    for (;;) {
        if (!coded->raw.len) {
            NX_TRY(coded->wire->read(req, &coded->raw));
            coded->received += coded->raw.len;
            if (!coded->raw.len && (coded->whole || !coded->received)) {
                coded->ended = true;
                nx__coded_body_end(coded);
                return NX_OK;
            }
        }
        bool end = !coded->raw.len;
        size_t len;
        enum nx__coded_state state =
            coded->codec->decode(coded->decoder, &coded->raw, coded->piece, NX__CODED_PIECE, &len);
        if (state == NX__CODED_NO_MEMORY)
            return nx__error_set(NX_ENOMEM, "cannot read the body: out of memory");
        if (state >= NX__CODED_BAD) return bad("it is not what its content-encoding says");
        coded->whole = state == NX__CODED_DONE;
        coded->given += len;
        NX_TRY(sizes_check(req));
        if (len) {
            *chunk = nx_slice(coded->piece, len);
            return NX_OK;
        }
        if (end && !coded->whole) return bad("it is cut off");
    }
}

nx_err nx__coded_body(nx_request *req, nx_bytes *body)
{
    struct nx__coded *coded = req->coded;
    NX_TRY(begin(req));
    if (!coded->decoder && !coded->ended) return coded->wire->body(req, body);
    struct nx__arena *arena = &req->fiber->own.arena;
    size_t len = 0, capacity = NX__CODED_PIECE;
    char *data = nx__arena_alloc(arena, capacity);
    for (;;) {
        nx_bytes chunk;
        if (!data) return nx__error_set(NX_ENOMEM, "cannot read the body: out of memory");
        NX_TRY(nx__coded_read(req, &chunk));
        if (!chunk.len) break;
        if (len + chunk.len + 1 > capacity) {
            size_t wanted = (len + chunk.len + 1) * 2;
            data = nx__arena_grow(arena, data, capacity, wanted);
            if (!data) continue;
            capacity = wanted;
        }
        memcpy(data + len, chunk.data, chunk.len);
        len += chunk.len;
    }
    data[len] = '\0';
    *body = nx_slice(data, len);
    return NX_OK;
}

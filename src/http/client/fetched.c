/* An answer: what it says, and its body. */
#include "http/client/client.h"

#include "base/utf8.h"
#include "codec/codec.h"
#include "http/coding/encoders.h"
#include "http/data.h"
#include "http/h1/syntax.h"
#include "stream/stream.h"
#include <stdlib.h>

enum {
    PIECE = 32 * 1024,           /* of what is decoded */
    BODY_FIRST = 16 * 1024,      /* of one whose length is not known */
    BODY_BELIEVED = 1024 * 1024, /* of one whose length is told: as much is taken at once */
};

/* ---- What it says */

int nx_fetched_status(const nx_fetched *res)
{
    return res->answer.status;
}

bool nx_fetched_ok(const nx_fetched *res)
{
    return res->answer.status >= 200 && res->answer.status < 300;
}

static nx_bytes find(const struct nx__field *fields, size_t count, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < count; i++)
        if (fields[i].name.len == len && nx__ascii_ieq(fields[i].name.data, name, len))
            return fields[i].value;
    return (nx_bytes){0};
}

nx_bytes nx_fetched_header(const nx_fetched *res, const char *name)
{
    return find(res->answer.fields, res->answer.field_count, name);
}

size_t nx_fetched_header_count(const nx_fetched *res)
{
    return res->answer.field_count;
}

bool nx_fetched_header_at(const nx_fetched *res, size_t index, nx_bytes *name, nx_bytes *value)
{
    if (index >= res->answer.field_count) return false;
    *name = res->answer.fields[index].name;
    *value = res->answer.fields[index].value;
    return true;
}

nx_bytes nx_fetched_trailer(const nx_fetched *res, const char *name)
{
    return find(res->trailers.items, res->trailers.count, name);
}

nx_bytes nx_fetched_url(const nx_fetched *res)
{
    return res->url.href;
}

uint32_t nx_fetched_redirects(const nx_fetched *res)
{
    return res->redirects;
}

nx_bytes nx_fetched_protocol(const nx_fetched *res)
{
    return res->answer.protocol;
}

int64_t nx_fetched_length(const nx_fetched *res)
{
    return res->answer.length == NX__LENGTH_UNKNOWN ? -1 : (int64_t)res->answer.length;
}

/* ---- The end */

void nx__fetched_let(nx_fetched *res)
{
    struct nx__exchange *x = res->x;
    if (!x) return;
    res->x = NULL;
    nx__upload_end(res->upload);
    res->upload = NULL;
    if (x->done) res->trailers = x->trailers;
    x->conn->driver->end(x);
    nx__client_pool_give(&res->client->pool, x->conn);
}

nx_err nx__fetched_over(nx_fetched *res)
{
    const struct nx__exchange *x = res->x;
    if (!x) return NX_OK;
    if (res->upload && !x->enough) {
        NX_TRY(nx__upload_wait(res->upload));
        /* A peer that has answered and gone has had what it wanted. */
        if (x->unsent && x->unsent->error.code != NX_ERESET) return nx__exchange_unsent(x);
    }
    nx__fetched_let(res);
    return NX_OK;
}

void nx_fetched_close(nx_fetched *res)
{
    if (!res) return;
    res->closed = true;
    nx__fetched_let(res);
    if (res->decode.decoder) res->decode.codec->decoder_free(res->decode.decoder);
    res->decode.decoder = NULL;
}

/* ---- The body, as it comes */

static nx_err failed(nx_fetched *res, nx_err err)
{
    res->failed = err;
    nx__fetch_failed(&res->url, err);
    nx__fetched_let(res);
    return err;
}

/* Empty at the end. */
static nx_err raw_read(nx_fetched *res, nx_bytes *piece)
{
    *piece = (nx_bytes){0};
    if (!res->x) return NX_OK;
    nx_err err = res->x->conn->driver->read(res->x, piece);
    if (err) return err;
    return piece->len ? NX_OK : nx__fetched_over(res);
}

/* ---- Decoded */

/* Looks at the encoding once. */
static nx_err decoding_begin(nx_fetched *res)
{
    nx_bytes name = nx_fetched_header(res, "content-encoding");
    res->decoding = true;
    if (res->raw || !name.len || res->answer.empty) return NX_OK;
    enum nx__coding coding = nx__coding_named(name);
    if (nx__text_ieq(name, "x-gzip")) coding = NX__CODING_GZIP;
    if (coding == NX__CODING_IDENTITY) return NX_OK;
    if (coding == NX__CODINGS) {
        char quoted[NX__QUOTED];
        return nx__error_set(NX_ENOTSUP, "its content-encoding \"%s\" is not known (see raw)",
                             nx__quoted(quoted, name));
    }
    struct nx__decoding *d = &res->decode;
    d->codec = nx__codec_of(coding);
    d->piece = nx__arena_alloc(res->arena, PIECE);
    if (d->piece) d->decoder = d->codec->decoder_new(NX__CODEC_WINDOW);
    return d->decoder ? NX_OK : nx__error_set(NX_ENOMEM, "out of memory");
}

static nx_err ratio_check(const nx_fetched *res)
{
    const struct nx__decoding *d = &res->decode;
    if (d->given > NX_UNPACK_RATIO_FREE && d->given / res->max_ratio > d->received)
        return nx__error_set(NX_ETOOBIG,
                             "its body grows to more than %u times its size (max_ratio)",
                             res->max_ratio);
    return NX_OK;
}

static nx_err decoded_read(nx_fetched *res, nx_bytes *piece)
{
    struct nx__decoding *d = &res->decode;
    *piece = (nx_bytes){0};
    while (!d->ended) {
        bool end = false;
        if (!d->raw.len && !d->full) {
            NX_TRY(raw_read(res, &d->raw));
            d->received += d->raw.len;
            end = !d->raw.len;
            if (end && (d->whole || !d->received)) break;
        }
        if (d->whole && !d->codec->many)
            return nx__error_set(NX_EPROTO, "something follows the end of its encoded body");
        size_t len;
        enum nx__coded_state state = d->codec->decode(d->decoder, &d->raw, d->piece, PIECE, &len);
        if (state == NX__CODED_NO_MEMORY) return nx__error_set(NX_ENOMEM, "out of memory");
        if (state == NX__CODED_LARGE)
            return nx__error_set(NX_ETOOBIG, "its body wants a larger window than 8 MiB");
        if (state == NX__CODED_BAD)
            return nx__error_set(NX_EPROTO, "its body is not what its content-encoding says");
        d->whole = state == NX__CODED_DONE;
        d->full = len == PIECE && !d->whole;
        d->given += len;
        NX_TRY(ratio_check(res));
        if (len) {
            *piece = nx_slice(d->piece, len);
            return NX_OK;
        }
        if (end && !d->whole) return nx__error_set(NX_EPROTO, "its encoded body is cut off");
    }
    d->ended = true;
    return NX_OK;
}

static nx_err piece_read(nx_fetched *res, nx_bytes *piece)
{
    *piece = (nx_bytes){0};
    if (!res->decoding) NX_TRY(decoding_begin(res));
    return res->decode.decoder ? decoded_read(res, piece) : raw_read(res, piece);
}

static nx_err ready(const nx_fetched *res, bool whole)
{
    const char *why = res->closed                 ? "it is closed"
                      : whole && res->in_pieces   ? "it has been read in pieces"
                      : !whole && res->read_whole ? "it has been read whole"
                      : res->failed               ? "reading it has failed"
                                                  : NULL;
    return why ? nx__error_set(NX_ESTATE, "cannot read the body of an answer: %s", why) : NX_OK;
}

nx_err nx_fetched_read(nx_fetched *res, nx_bytes *piece)
{
    *piece = (nx_bytes){0};
    NX_TRY(ready(res, false));
    res->in_pieces = true;
    nx_err err = piece_read(res, piece);
    return err ? failed(res, err) : NX_OK;
}

/* ---- The whole of it */

static nx_err whole_read(nx_fetched *res)
{
    uint64_t told = res->answer.length;
    if (!res->decoding) NX_TRY(decoding_begin(res));
    if (told != NX__LENGTH_UNKNOWN && told > res->max_body && !res->answer.empty)
        return nx__error_set(NX_ETOOBIG, "its body is larger than max_body");
    bool plain = told != NX__LENGTH_UNKNOWN && !res->decode.decoder && !res->answer.empty;
    size_t capacity = res->answer.empty ? 1
                      : !plain          ? BODY_FIRST
                                        : (told < BODY_BELIEVED ? (size_t)told : BODY_BELIEVED) + 1;
    size_t len = 0;
    char *data = nx__arena_alloc(res->arena, capacity);
    for (;;) {
        nx_bytes piece;
        if (!data) return nx__error_set(NX_ENOMEM, "out of memory");
        NX_TRY(piece_read(res, &piece));
        if (!piece.len) break;
        if (piece.len > res->max_body - len)
            return nx__error_set(NX_ETOOBIG, "its body is larger than max_body");
        if (len + piece.len + 1 > capacity) {
            size_t wanted = (len + piece.len + 1) * 2;
            data = nx__arena_grow(res->arena, data, capacity, wanted);
            if (!data) continue;
            capacity = wanted;
        }
        memcpy(data + len, piece.data, piece.len);
        len += piece.len;
    }
    data[len] = '\0';
    res->body = nx_slice(data, len);
    return NX_OK;
}

nx_err nx_fetched_body(nx_fetched *res, nx_bytes *body)
{
    *body = (nx_bytes){0};
    if (!res->body.data) {
        NX_TRY(ready(res, true));
        res->read_whole = true;
        nx_err err = whole_read(res);
        if (err) return failed(res, err);
    }
    *body = res->body;
    return NX_OK;
}

nx_err nx_fetched_text(nx_fetched *res, nx_bytes *text)
{
    NX_TRY(nx_fetched_body(res, text));
    if (nx__utf8_valid(text->data, text->len)) return NX_OK;
    *text = (nx_bytes){0};
    NX_IGNORE(nx__error_set(NX_EPROTO, "its body is no UTF-8"));
    return nx__fetch_failed(&res->url, NX_EPROTO);
}

nx_err nx_fetched_json(nx_fetched *res, nx_json *out)
{
    nx_bytes body;
    *out = (nx_json){0};
    NX_TRY(nx_fetched_body(res, &body));
    return nx_json_parse(body, out);
}

/* ---- As a stream */

struct source {
    nx_fetched *res;
    nx_bytes left;
};

static nx_err source_read(void *state, void *data, size_t len, size_t *got)
{
    struct source *s = state;
    if (!s->left.len) NX_TRY(nx_fetched_read(s->res, &s->left));
    *got = len < s->left.len ? len : s->left.len;
    if (!*got) return NX_OK;
    memcpy(data, s->left.data, *got);
    s->left = nx_slice(s->left.data + *got, s->left.len - *got);
    return NX_OK;
}

nx_stream *nx_fetched_stream(nx_fetched *res)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "an answer's body", .read = source_read, .close = free};
    struct source *s = malloc(sizeof *s);
    if (!s) return nx__stream_no_memory();
    *s = (struct source){.res = res};
    return nx_stream_new(&type, s);
}

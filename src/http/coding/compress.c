/* Compressing answers. */
#include "http/coding/coding.h"

#include "base/json.h"
#include "http/files/types.h"
#include "loop/files.h"

/* ---- Whether, and how */

static nx_bytes field_of(const nx_response *res, const char *name)
{
    for (uint32_t i = 0; i < res->fields.count; i++)
        if (strcasecmp(res->fields.items[i].name.data, name) == 0)
            return res->fields.items[i].value;
    return (nx_bytes){0};
}

static nx_bytes type_of(const nx_response *res)
{
    nx_bytes type = field_of(res, "content-type");
    if (type.data || !res->content_type) return type;
    const size_t name = sizeof "content-type: " - 1;
    return nx_slice(res->content_type->text + name, res->content_type->len - name - 2);
}

static bool type_listed(const char *const *types, nx_bytes type)
{
    const char *semicolon = type.len ? memchr(type.data, ';', type.len) : NULL;
    if (semicolon) type.len = (size_t)(semicolon - type.data);
    for (; *types; types++) {
        size_t len = strlen(*types);
        if (len > type.len || !len) continue;
        bool suffix = (*types)[0] == '+', prefix = (*types)[len - 1] == '/';
        if (!suffix && !prefix && len != type.len) continue;
        if (strncasecmp(suffix ? type.data + type.len - len : type.data, *types, len) == 0)
            return true;
    }
    return false;
}

static bool holds(nx_bytes text, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (strncasecmp(text.data + i, word, len) == 0) return true;
    return false;
}

static bool eligible(const nx_response *res)
{
    const struct nx__coding_config *config = res->req->server->coding;
    if (!config->compress || res->status < 200 || res->status == 204 || res->status == 206 ||
        res->status == 304)
        return false;
    nx_bytes type = type_of(res);
    if (!type.len ||
        !(config->types ? type_listed(config->types, type) : nx__type_compressible(type)))
        return false;
    return !field_of(res, "content-encoding").data && !field_of(res, "content-range").data &&
           !holds(field_of(res, "cache-control"), "no-transform");
}

/* What the client likes best; of what it likes as much, what costs the least for its gain. */
static enum nx__coding pick(const nx_request *req)
{
    static const enum nx__coding order[] = {NX__CODING_ZSTD, NX__CODING_BROTLI, NX__CODING_GZIP};
    nx_bytes field = nx_request_header(req, "accept-encoding");
    if (!field.len) return NX__CODING_IDENTITY;
    uint16_t weight[NX__CODINGS];
    nx__accept_codings(field, weight);
    enum nx__coding best = NX__CODING_IDENTITY;
    for (int i = 0; i < 3; i++) {
        uint16_t w = nx__codec_of(order[i])->encoder_new ? weight[order[i]] : 0;
        if (w && (best ? w > weight[best] : w >= weight[best])) best = order[i];
    }
    return best;
}

static nx_err vary(nx_response *res)
{
    return nx__response_field(res, nx_str("vary"), nx_str("accept-encoding"));
}

/* Says how the answer is encoded: its bytes are no longer those of its etag, nor those that ranges
 * count. */
static nx_err fields_mark(nx_response *res, enum nx__coding coding)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < res->fields.count; i++) {
        struct nx__field field = res->fields.items[i];
        if (strcasecmp(field.name.data, "accept-ranges") == 0) continue;
        if (strcasecmp(field.name.data, "etag") == 0 && field.value.len &&
            *field.value.data == '"') {
            char *weak = nx_format("W/%.*s", NX_FMT(field.value));
            if (!weak) return NX_ENOMEM;
            field.value = nx_str(weak);
        }
        res->fields.items[count++] = field;
    }
    res->fields.count = count;
    return nx__response_field(res, nx_str("content-encoding"), nx_str(nx__coding_names[coding]));
}

/* ---- Whole answers */

/* The body encoded, in memory of the request; false where that gains nothing. */
static bool encode_whole(const nx_response *res, enum nx__coding coding, nx_bytes *body)
{
    struct nx__arena *arena = &res->req->fiber->own.arena;
    size_t cap = body->len - body->len / 16; /* less is not worth the client's work */
    char *out = nx__arena_alloc(arena, cap);
    struct nx__encoder *encoder =
        out ? nx__encoder_take(coding, res->req->server->coding->level, body->len) : NULL;
    if (!encoder) return false;
    nx_bytes in = *body;
    size_t len = 0, got;
    enum nx__coded_state state;
    do {
        state =
            encoder->codec->encode(encoder->state, NX__CODE_END, &in, out + len, cap - len, &got);
        len += got;
    } while (state == NX__CODED_ON && len < cap && (got || in.len));
    nx__encoder_give(encoder);
    if (state != NX__CODED_DONE) return false;
    *body = nx_slice(out, len);
    return true;
}

nx_err nx__coded_send(nx_response *res, nx_bytes body)
{
    const struct nx__http_driver *wire = res->req->coded->wire;
    if (body.len < res->req->server->coding->min || !eligible(res)) return wire->send(res, body);
    enum nx__coding coding = pick(res->req);
    NX_TRY(vary(res));
    if (coding && encode_whole(res, coding, &body)) NX_TRY(fields_mark(res, coding));
    return wire->send(res, body);
}

nx_err nx__coded_send_json(nx_response *res, nx_value value)
{
    if (!eligible(res)) return res->req->coded->wire->send_json(res, value);
    nx_bytes text;
    NX_TRY(nx_json_write(value, &text));
    return nx__coded_send(res, text);
}

/* ---- In pieces */

/* Begins to encode an answer in pieces, if it may be. */
static nx_err stream_begin(nx_response *res, uint64_t size)
{
    struct nx__coded *coded = res->req->coded;
    if (!eligible(res)) return NX_OK;
    NX_TRY(vary(res));
    enum nx__coding coding = pick(res->req);
    if (!coding) return NX_OK;
    coded->out = nx__arena_alloc(&res->req->fiber->own.arena, NX__CODED_PIECE);
    if (!coded->out) return NX_OK;
    coded->encoder = nx__encoder_take(coding, res->req->server->coding->level, size);
    if (coded->encoder) res->length_known = false;
    return coded->encoder ? fields_mark(res, coding) : NX_OK;
}

static nx_err stream(nx_response *res, enum nx__code_op op, nx_bytes in)
{
    struct nx__coded *coded = res->req->coded;
    const struct nx__encoder *encoder = coded->encoder;
    for (;;) {
        size_t len;
        enum nx__coded_state state =
            encoder->codec->encode(encoder->state, op, &in, coded->out, NX__CODED_PIECE, &len);
        if (state >= NX__CODED_BAD)
            return nx__error_set(NX_ENOMEM, "cannot compress the answer: out of memory");
        if (len) NX_TRY(coded->wire->write(res, nx_slice(coded->out, len)));
        if (state == NX__CODED_DONE) return NX_OK;
    }
}

static bool bodiless(const nx_response *res)
{
    return nx_bytes_is(res->req->method, "HEAD");
}

nx_err nx__coded_write(nx_response *res, nx_bytes piece)
{
    struct nx__coded *coded = res->req->coded;
    if (res->state == NX__RESPONSE_OPEN) NX_TRY(stream_begin(res, 0));
    if (!coded->encoder || bodiless(res) || !piece.len) return coded->wire->write(res, piece);
    return stream(res, NX__CODE_FLUSH, piece);
}

nx_err nx__coded_end(nx_response *res)
{
    struct nx__coded *coded = res->req->coded;
    if (coded->encoder && res->state == NX__RESPONSE_STREAMING && !bodiless(res)) {
        NX_TRY(stream(res, NX__CODE_END, (nx_bytes){0}));
        nx__encoder_give(coded->encoder);
        coded->encoder = NULL;
    }
    return coded->wire->end(res);
}

/* ---- Files */

nx_err nx__coded_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces,
                           size_t count)
{
    struct nx__coded *coded = res->req->coded;
    uint64_t size = pieces->len, done = 0;
    if (count != 1 || pieces->bytes.len || size > NX__CODED_FILE_MOST ||
        size < res->req->server->coding->min)
        return coded->wire->send_file(res, fd, pieces, count);
    NX_TRY(stream_begin(res, size));
    if (!coded->encoder) return coded->wire->send_file(res, fd, pieces, count);
    if (bodiless(res)) {
        NX_TRY(coded->wire->write(res, (nx_bytes){0}));
        return coded->wire->end(res);
    }
    char *in = nx__arena_alloc(&res->req->fiber->own.arena, NX__CODED_PIECE);
    if (!in) return nx__error_set(NX_ENOMEM, "cannot compress the answer: out of memory");
    while (done < size) {
        size_t wanted = size - done < NX__CODED_PIECE ? (size_t)(size - done) : NX__CODED_PIECE;
        int64_t n = nx__file_read(fd, in, wanted, pieces->offset + done);
        if (n == 0)
            return nx__error_set(NX_EIO, "cannot send the answer: the file has become shorter");
        if (n < 0) return nx__error_system((int)-n, "cannot send the answer");
        done += (uint64_t)n;
        NX_TRY(stream(res, NX__CODE_MORE, nx_slice(in, (size_t)n)));
    }
    return nx__coded_end(res);
}

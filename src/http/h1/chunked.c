/* The chunked transfer coding, decoded. */
#include "http/h1/chunked.h"

#include "http/h1/parser.h"

enum state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER_START, TRAILER, TRAILER_LF, END_LF, ENDED, FAILED };

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

static enum nx__chunk_event fail(struct nx__h1_chunked *d, int status, const char *reason)
{
    d->state = FAILED;
    d->error = status;
    d->reason = reason;
    return NX__CHUNK_ERROR;
}

/* One byte of the part between two chunks; false on an error. */
static bool step(struct nx__h1_chunked *d, char c)
{
    switch ((enum state)d->state) {
    case SIZE: {
        int digit = hex(c);
        if (digit >= 0) {
            /* 15 digits cannot overflow with what follows, and no body is that long. */
            if (++d->digits > 15) return fail(d, 413, "the chunk size is too large") == NX__CHUNK_MORE;
            d->left = d->left << 4 | (uint64_t)digit;
            return true;
        }
        if (!d->digits) return fail(d, 400, "bad chunk size") == NX__CHUNK_MORE;
        d->extension = 0;
        if (c == '\r') {
            d->state = SIZE_LF;
            return true;
        }
        if (c != ';') return fail(d, 400, "bad chunk size") == NX__CHUNK_MORE;
        d->state = EXTENSION;
        return true;
    }
    case EXTENSION:
        if (c == '\r') {
            d->state = SIZE_LF;
            return true;
        }
        if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f) return fail(d, 400, "bad chunk extension") == NX__CHUNK_MORE;
        d->extensions++;
        if (++d->extension > NX__H1_MAX_CHUNK_EXTENSION || d->extensions > NX__H1_MAX_CHUNK_EXTENSIONS)
            return fail(d, 413, "the chunk extensions are too large") == NX__CHUNK_MORE;
        return true;
    case SIZE_LF:
        if (c != '\n') return fail(d, 400, "bad end of a chunk size") == NX__CHUNK_MORE;
        d->state = d->left ? DATA : TRAILER_START;
        return true;
    case DATA_CR:
        if (c != '\r') return fail(d, 400, "bad end of a chunk") == NX__CHUNK_MORE;
        d->state = DATA_LF;
        return true;
    case DATA_LF:
        if (c != '\n') return fail(d, 400, "bad end of a chunk") == NX__CHUNK_MORE;
        d->state = SIZE;
        d->digits = 0;
        return true;
    case TRAILER_START:
        if (c == '\r') {
            d->state = END_LF;
            return true;
        }
        if (++d->trailers > NX__H1_MAX_TRAILERS) return fail(d, 431, "too many trailer fields") == NX__CHUNK_MORE;
        d->line = d->trailer_len;
        d->state = TRAILER;
        break;
    case TRAILER: break;
    case TRAILER_LF: {
        if (c != '\n') return fail(d, 400, "CR without LF") == NX__CHUNK_MORE;
        struct nx__h1_header field;
        if (!nx__h1_parse_field(d->trailer + d->line, d->trailer_len - d->line, &field))
            return fail(d, 400, "bad trailer field") == NX__CHUNK_MORE;
        if (nx__h1_forbidden_trailer(d->trailer + d->line, field.name_len))
            return fail(d, 400, "this field may not be a trailer") == NX__CHUNK_MORE;
        d->trailer[d->trailer_len++] = '\n';
        d->state = TRAILER_START;
        return true;
    }
    case END_LF:
        if (c != '\n') return fail(d, 400, "CR without LF") == NX__CHUNK_MORE;
        d->state = ENDED;
        return true;
    default: return false;
    }
    /* A byte of a trailer line. */
    if (c == '\r') {
        d->state = TRAILER_LF;
        return true;
    }
    if (c == '\n') return fail(d, 400, "LF without CR") == NX__CHUNK_MORE;
    /* One byte is left for the line's end. */
    if (d->trailer_len + 1 >= d->trailer_cap) return fail(d, 431, "the trailers are too large") == NX__CHUNK_MORE;
    d->trailer[d->trailer_len++] = c;
    return true;
}

enum nx__chunk_event nx__h1_chunked_feed(struct nx__h1_chunked *d, const char *in, size_t len, size_t *consumed, const char **data,
                                         size_t *data_len)
{
    size_t at = 0;
    enum nx__chunk_event event = NX__CHUNK_MORE;
    if (d->state == FAILED) event = NX__CHUNK_ERROR;
    if (d->state == ENDED) event = NX__CHUNK_END;
    while (event == NX__CHUNK_MORE && at < len) {
        if (d->state == DATA) {
            *data = in + at;
            *data_len = len - at < d->left ? len - at : (size_t)d->left;
            at += *data_len;
            d->left -= *data_len;
            if (!d->left) d->state = DATA_CR;
            event = NX__CHUNK_DATA;
        } else if (!step(d, in[at])) {
            event = NX__CHUNK_ERROR;
        } else {
            at++;
            if (d->state == ENDED) event = NX__CHUNK_END;
        }
    }
    *consumed = at;
    return event;
}

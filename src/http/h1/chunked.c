/* The chunked transfer coding, decoded. */
#include "http/h1/chunked.h"

#include "http/h1/parser.h"
#include "http/h1/syntax.h"

/* What the next byte belongs to. Extensions: *( BWS ";" BWS name [ BWS "=" BWS ( token /
 * quoted-string ) ] ). */
enum state {
    SIZE,
    EXTENSION_END, /* white space behind a size or a value: only ";" may follow */
    NAME_START,
    NAME,
    NAME_END, /* white space behind a name */
    VALUE_START,
    VALUE,
    QUOTED,
    ESCAPED, /* behind a backslash in quotes */
    QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE_START, /* of the trailer section */
    LINE,
    LINE_LF,
    END_LF,
    ENDED,
    FAILED,
};

static enum state fail(struct nx__h1_chunked *d, int status, const char *reason)
{
    d->error = status;
    d->reason = reason;
    return FAILED;
}

static unsigned hex_value(char c)
{
    return nx__h1_is_digit(c) ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static enum state size(struct nx__h1_chunked *d, char c)
{
    if (nx__h1_is(c, NX__H1_HEX)) {
        if (d->digits++ == NX__H1_MAX_CHUNK_DIGITS)
            return fail(d, 400, "the chunk size is too large");
        d->left = d->left << 4 | hex_value(c);
        return SIZE;
    }
    if (!d->digits) return fail(d, 400, "bad chunk size");
    if (c == '\r') return SIZE_LF;
    if (c == ';') return NAME_START;
    return nx__h1_is(c, NX__H1_BLANK) ? EXTENSION_END : fail(d, 400, "bad chunk size");
}

/* A byte of the extensions, which nobody reads, but others may take for something else. */
static enum state extension(struct nx__h1_chunked *d, char c)
{
    bool blank = nx__h1_is(c, NX__H1_BLANK), token = nx__h1_is(c, NX__H1_TOKEN);
    switch ((enum state)d->state) {
    case NAME_START:
        if (blank) return NAME_START;
        if (token) return NAME;
        break;
    case NAME:
        if (token) return NAME;
        if (c == '\r') return SIZE_LF;
        NX__FALLTHROUGH;
    case NAME_END:
        if (blank) return NAME_END;
        if (c == '=') return VALUE_START;
        if (c == ';') return NAME_START;
        break;
    case VALUE_START:
        if (blank) return VALUE_START;
        if (token) return VALUE;
        if (c == '"') return QUOTED;
        break;
    case QUOTED:
        if (c == '"') return QUOTED_END;
        if (c == '\\') return ESCAPED;
        NX__FALLTHROUGH;
    case ESCAPED:
        if (nx__h1_is(c, NX__H1_VALUE)) return QUOTED;
        break;
    case VALUE:
        if (token) return VALUE;
        NX__FALLTHROUGH;
    case QUOTED_END:
        if (c == '\r') return SIZE_LF;
        NX__FALLTHROUGH;
    default: /* EXTENSION_END */
        if (blank) return EXTENSION_END;
        if (c == ';') return NAME_START;
        break;
    }
    return fail(d, 400, "bad chunk extension");
}

/* The line is complete, but for its LF. */
static enum state trailer(struct nx__h1_chunked *d)
{
    const char *line = d->trailer + d->line;
    struct nx__h1_header field;
    if (!nx__h1_parse_field(line, d->trailer_len - d->line, &field))
        return fail(d, 400, "bad trailer field");
    if (nx__h1_forbidden_trailer(line, field.name_len))
        return fail(d, 400, "this field may not be a trailer");
    d->trailer[d->trailer_len++] = '\n';
    return LINE_START;
}

static enum state trailer_byte(struct nx__h1_chunked *d, char c)
{
    if (c == '\r') return LINE_LF;
    if (c == '\n') return fail(d, 400, "LF without CR");
    /* One byte is left for the line's end. */
    if (d->trailer_len + 1 >= d->trailer_cap) return fail(d, 431, "the trailers are too large");
    d->trailer[d->trailer_len++] = c;
    return LINE;
}

/* The state behind a byte that is no data. */
static enum state step(struct nx__h1_chunked *d, char c)
{
    switch ((enum state)d->state) {
    case SIZE: return size(d, c);
    case SIZE_LF:
        d->extension = d->digits = 0;
        if (c != '\n') return fail(d, 400, "CR without LF behind a chunk size");
        return d->left ? DATA : LINE_START;
    case DATA_CR: return c == '\r' ? DATA_LF : fail(d, 400, "chunk longer than its size");
    case DATA_LF: return c == '\n' ? SIZE : fail(d, 400, "CR without LF behind a chunk");
    case LINE_START:
        if (c == '\r') return END_LF;
        if (d->trailers++ == NX__H1_MAX_TRAILERS) return fail(d, 431, "too many trailer fields");
        d->line = d->trailer_len;
        return trailer_byte(d, c);
    case LINE: return trailer_byte(d, c);
    case LINE_LF: return c == '\n' ? trailer(d) : fail(d, 400, "CR without LF");
    case END_LF: return c == '\n' ? ENDED : fail(d, 400, "CR without LF");
    default: return extension(d, c);
    }
}

enum nx__chunk_event nx__h1_chunked_feed(struct nx__h1_chunked *d, const char *in, size_t len,
                                         size_t *consumed, const char **data, size_t *data_len)
{
    size_t at = 0;
    while (at < len && d->state < ENDED) {
        if (d->state == DATA) {
            size_t have = len - at < d->left ? len - at : (size_t)d->left;
            *data = in + at;
            *data_len = have;
            *consumed = at + have;
            d->left -= have;
            if (!d->left) d->state = DATA_CR;
            return NX__CHUNK_DATA;
        }
        d->state = (uint8_t)step(d, in[at++]);
        if (d->state > SIZE && d->state < SIZE_LF) {
            d->extensions++;
            if (++d->extension > NX__H1_MAX_CHUNK_EXTENSION ||
                d->extensions > NX__H1_MAX_CHUNK_EXTENSIONS)
                d->state = (uint8_t)fail(d, 400, "the chunk extensions are too large");
        }
    }
    *consumed = at;
    return d->state == FAILED  ? NX__CHUNK_ERROR
           : d->state == ENDED ? NX__CHUNK_END
                               : NX__CHUNK_MORE;
}

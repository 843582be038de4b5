/* Rows into a stream. */
#include "csv/csv.h"

#include "base/compiler.h"
#include "base/error.h"
#include <stdlib.h>

enum { ROOM = 64 << 10 };

struct nx_csv_writer {
    nx_stream *into;
    char delimiter, quote;
    bool lf, quote_all, guard;
    bool begun;        /* something has been written, be it a byte order mark */
    bool special[256]; /* bytes that a field has to be quoted for */
    size_t len;
    char data[ROOM]; /* what is to be written */
};

static nx_err flush(nx_csv_writer *w)
{
    size_t len = w->len;
    w->len = 0;
    return len ? nx_stream_write(w->into, nx_slice(w->data, len)) : NX_OK;
}

static nx_err put(nx_csv_writer *w, nx_bytes bytes)
{
    if (bytes.len > ROOM - w->len) NX_TRY(flush(w));
    if (bytes.len > ROOM) return nx_stream_write(w->into, bytes);
    if (bytes.len) memcpy(w->data + w->len, bytes.data, bytes.len);
    w->len += bytes.len;
    return NX_OK;
}

static nx_err put_char(nx_csv_writer *w, char c)
{
    if (w->len == ROOM) NX_TRY(flush(w));
    w->data[w->len++] = c;
    return NX_OK;
}

/* ---- Fields */

/* "[+-]digits[.digits][e[+-]digits]" */
static bool is_number(nx_bytes field)
{
    const char *p = field.data, *end = p + field.len;
    size_t digits = 0;
    if (p < end && (*p == '+' || *p == '-')) p++;
    for (; p < end && ((*p >= '0' && *p <= '9') || *p == '.'); p++) digits += *p != '.';
    if (!digits) return false;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (p == end) return false;
        while (p < end && *p >= '0' && *p <= '9') p++;
    }
    return p == end;
}

static bool is_formula(nx_bytes field)
{
    return field.len && memchr("=+-@\t\r", field.data[0], 6) && !is_number(field);
}

static bool needs_quotes(const nx_csv_writer *w, nx_bytes field, bool alone)
{
    if (w->quote_all) return true;
    /* A line with nothing on it would be no row. */
    if (!field.len) return alone;
    /* At the very beginning these would be taken for a byte order mark. */
    unsigned char first = (unsigned char)field.data[0];
    if (!w->begun && (first == 0xef || first >= 0xfe)) return true;
    for (size_t i = 0; i < field.len; i++)
        if (w->special[(unsigned char)field.data[i]]) return true;
    return false;
}

static nx_err put_quoted(nx_csv_writer *w, nx_bytes field, bool guarded)
{
    const char *at = field.data, *end = at + field.len;
    NX_TRY(put_char(w, w->quote));
    if (guarded) NX_TRY(put_char(w, '\''));
    while (at < end) {
        const char *quote = memchr(at, w->quote, (size_t)(end - at));
        size_t n = quote ? (size_t)(quote - at) + 1 : (size_t)(end - at);
        NX_TRY(put(w, nx_slice(at, n)));
        if (quote) NX_TRY(put_char(w, w->quote));
        at += n;
    }
    return put_char(w, w->quote);
}

static nx_err put_field(nx_csv_writer *w, nx_bytes field, bool alone)
{
    bool guarded = w->guard && is_formula(field);
    bool quoted = needs_quotes(w, field, alone);
    w->begun = true;
    if (quoted) return put_quoted(w, field, guarded);
    if (guarded) NX_TRY(put_char(w, '\''));
    return put(w, field);
}

/* Field `i` of a row of `count`. */
static nx_err put_next(nx_csv_writer *w, nx_bytes field, size_t i, size_t count)
{
    if (i) NX_TRY(put_char(w, w->delimiter));
    return put_field(w, field, count == 1);
}

static nx_err end_row(nx_csv_writer *w, size_t count)
{
    if (!count)
        return nx__error_set(NX_EINVAL, "cannot write the CSV: a row has one field or more");
    return put(w, nx_str(w->lf ? "\n" : "\r\n"));
}

nx_err nx_csv_write(nx_csv_writer *w, const nx_bytes *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) NX_TRY(put_next(w, fields[i], i, count));
    return end_row(w, count);
}

nx_err nx_csv_write_strings_with(nx_csv_writer *w, const char *const *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) NX_TRY(put_next(w, nx_str(fields[i]), i, count));
    return end_row(w, count);
}

nx_err nx_csv_writer_finish(nx_csv_writer *w)
{
    NX_TRY(flush(w));
    return nx_stream_finish(w->into);
}

/* ---- Making */

nx_err nx_csv_writer_open_with(nx_csv_writer **out, nx_stream *into,
                               const nx_csv_writer_options *options)
{
    NX__OPTIONS(nx_csv_writer_options, o, options);
    char delimiter = o.delimiter ? o.delimiter : ',', quote = o.quote ? o.quote : '"';
    *out = NULL;
    nx_err err = nx__csv_check(delimiter, (unsigned char)quote);
    nx_csv_writer *w = err ? NULL : calloc(1, sizeof *w);
    if (!w) {
        nx_stream_close(into);
        return err ? err : nx__error_set(NX_ENOMEM, "cannot write the CSV: out of memory");
    }
    w->into = into;
    w->delimiter = delimiter;
    w->quote = quote;
    w->lf = o.lf;
    w->quote_all = o.quote_all;
    w->guard = o.guard_formulas;
    w->special[(unsigned char)delimiter] = w->special[(unsigned char)quote] = true;
    w->special['\r'] = w->special['\n'] = true;
    if (o.bom) {
        memcpy(w->data, "\xef\xbb\xbf", 3);
        w->len = 3;
        w->begun = true;
    }
    *out = w;
    return NX_OK;
}

void nx_csv_writer_close(nx_csv_writer *w)
{
    if (!w) return;
    nx_stream_close(w->into);
    free(w);
}

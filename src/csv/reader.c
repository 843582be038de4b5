/* Rows out of a stream. */
#include "csv/csv.h"

#include "base/compiler.h"
#include "base/error.h"
#include <stdlib.h>

enum { FIRST_ROOM = 128 << 10 }; /* what is read at once; rows that need more get it */

struct nx_csv_reader {
    nx_stream *from;
    bool last; /* nothing is left in it */
    struct nx__csv csv;
    char *data; /* what is between `begin` and `end` has yet to be read */
    size_t room, begin, end;
    nx_bytes *fields;
    size_t field_room;
    nx_csv_row row;
    enum nx_csv_ragged ragged;
    size_t width; /* fields that a row is to have; 0: the first one tells */
    nx_csv_row header;
    nx_bytes *names; /* with the text behind them */
    nx_err failed;
    char message[NX__ERROR_MESSAGE_MAX];
};

static NX__COLD nx_err failed(nx_csv_reader *r, nx_err err)
{
    r->failed = err;
    size_t len = strnlen(nx__error_last()->message, sizeof r->message - 1);
    memcpy(r->message, nx__error_last()->message, len);
    r->message[len] = '\0';
    r->row = (nx_csv_row){0};
    return err;
}

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot read the CSV: out of memory");
}

/* ---- Bytes */

static nx_err more_room(nx_csv_reader *r)
{
    size_t room = r->room ? 2 * r->room : FIRST_ROOM;
    char *data = realloc(r->data, room + NX__CSV_SLACK);
    if (!data) return no_memory();
    memset(data + r->end, 0, NX__CSV_SLACK);
    r->data = data;
    r->room = room;
    return NX_OK;
}

/* What is longer than a row may be has been refused before there would be no end to the room. */
static nx_err fill(nx_csv_reader *r)
{
    size_t got = 0;
    if (r->begin) {
        memmove(r->data, r->data + r->begin, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
    }
    if (r->end == r->room) NX_TRY(more_room(r));
    NX_TRY(nx_stream_read(r->from, r->data + r->end, r->room - r->end, &got));
    r->last = got == 0;
    r->end += got;
    memset(r->data + r->end, 0, NX__CSV_SLACK);
    return NX_OK;
}

/* ---- Rows */

static NX__COLD nx_err ragged(const nx_csv_reader *r)
{
    return nx__error_set(
        NX_EINVAL, "cannot read the CSV: line %zu: the row has %zu fields where the %s has %zu",
        r->csv.row_line + 1, r->csv.count, r->names ? "header" : "first one", r->width);
}

/* Tells the row that begins at `data`. */
static nx_err tell(nx_csv_reader *r, const char *data)
{
    size_t count = r->csv.count;
    if (!r->width) r->width = count;
    if (count != r->width && r->ragged == NX_CSV_RAGGED_REFUSE) return ragged(r);
    size_t wanted = r->ragged == NX_CSV_RAGGED_KEEP ? count : r->width;
    if (wanted > r->field_room) {
        nx_bytes *fields = realloc(r->fields, wanted * sizeof *fields);
        if (!fields) return no_memory();
        r->fields = fields;
        r->field_room = wanted;
    }
    for (size_t i = 0; i < wanted; i++)
        r->fields[i] = i < count ? nx_slice(data + r->csv.parts[i].begin, r->csv.parts[i].len)
                                 : nx_slice("", 0);
    r->row = (nx_csv_row){r->fields, wanted, r->csv.row_line + 1};
    return NX_OK;
}

static nx_err next(nx_csv_reader *r)
{
    r->row = (nx_csv_row){0};
    for (;;) {
        char *data = r->data + r->begin;
        enum nx__csv_outcome outcome = nx__csv_step(&r->csv, data, r->end - r->begin, r->last);
        r->begin += r->csv.used;
        switch (outcome) {
        case NX__CSV_ROW: return tell(r, data);
        case NX__CSV_END: return NX_OK;
        case NX__CSV_MORE: NX_TRY(fill(r)); break;
        default:
            return nx__error_set(r->csv.err, "cannot read the CSV: line %zu, column %zu: %s",
                                 r->csv.wrong_line + 1, r->csv.wrong_column + 1, r->csv.wrong);
        }
    }
}

nx_err nx_csv_read(nx_csv_reader *r, nx_csv_row *row)
{
    *row = (nx_csv_row){0};
    if (r->failed) return nx__error_set(r->failed, "%s", r->message);
    nx_err err = next(r);
    if (err) return failed(r, err);
    *row = r->row;
    return NX_OK;
}

/* ---- The header */

static nx_err keep_header(nx_csv_reader *r)
{
    nx_csv_row row;
    NX_TRY(nx_csv_read(r, &row));
    size_t len = 0;
    for (size_t i = 0; i < row.count; i++) len += row.fields[i].len;
    /* An empty file has no names, but a place for them. */
    r->names = malloc((row.count + 1) * sizeof *r->names + len);
    if (!r->names) return no_memory();
    char *text = (char *)(r->names + row.count + 1);
    for (size_t i = 0; i < row.count; i++) {
        if (row.fields[i].len) memcpy(text, row.fields[i].data, row.fields[i].len);
        r->names[i] = nx_slice(text, row.fields[i].len);
        text += row.fields[i].len;
    }
    r->header = (nx_csv_row){r->names, row.count, row.line};
    r->row = (nx_csv_row){0};
    return NX_OK;
}

nx_csv_row nx_csv_header(const nx_csv_reader *r)
{
    return r->header;
}

static size_t find(const nx_csv_reader *r, const char *name)
{
    size_t i = 0;
    while (i < r->header.count && !nx_bytes_is(r->names[i], name)) i++;
    return i;
}

nx_err nx_csv_column(const nx_csv_reader *r, const char *name, size_t *index)
{
    *index = find(r, name);
    if (*index < r->header.count) return NX_OK;
    if (!r->names)
        return nx__error_set(NX_ENOENT,
                             "the CSV has no field \"%.80s\": it is read without a header", name);
    return nx__error_set(NX_ENOENT, "the header of the CSV has no field \"%.80s\"", name);
}

nx_bytes nx_csv_field(const nx_csv_reader *r, const char *name)
{
    size_t i = find(r, name);
    return i < r->header.count && i < r->row.count ? r->row.fields[i] : (nx_bytes){0};
}

/* ---- Making */

static size_t or_default(size_t n, size_t by_default)
{
    return n ? n : by_default;
}

nx_err nx_csv_reader_open_with(nx_csv_reader **out, nx_stream *from,
                               const nx_csv_reader_options *options)
{
    NX__OPTIONS(nx_csv_reader_options, o, options);
    struct nx__csv_rules rules = {.delimiter = o.delimiter ? o.delimiter : ',',
                                  .quote = o.quote ? (unsigned char)o.quote : '"',
                                  .max_field = or_default(o.max_field, NX_CSV_FIELD_MOST),
                                  .max_row = or_default(o.max_row, NX_CSV_ROW_MOST),
                                  .max_fields = or_default(o.max_fields, NX_CSV_FIELDS_MOST)};
    *out = NULL;
    if (o.no_quotes) rules.quote = NX__CSV_NO_QUOTE;
    nx_err err = nx__csv_check(rules.delimiter, rules.quote);
    nx_csv_reader *r = err ? NULL : calloc(1, sizeof *r);
    if (!r) {
        nx_stream_close(from);
        return err ? err : no_memory();
    }
    r->from = from;
    r->csv.rules = rules;
    r->ragged = o.ragged;
    err = more_room(r);
    if (!err && o.header) err = keep_header(r);
    if (err) {
        nx_csv_reader_close(r);
        return err;
    }
    *out = r;
    return NX_OK;
}

void nx_csv_reader_close(nx_csv_reader *r)
{
    if (!r) return;
    nx_stream_close(r->from);
    free(r->csv.parts);
    free(r->data);
    free(r->fields);
    free(r->names);
    free(r);
}

/* The state machine that finds rows and fields. */
#include "csv/csv.h"

#include "base/compiler.h"
#include "base/error.h"
#include "csv/scan.h"
#include <stdlib.h>

nx_err nx__csv_check(char delimiter, int quote)
{
    bool ends_line = delimiter == '\n' || delimiter == '\r' || quote == '\n' || quote == '\r';
    bool ascii = (unsigned char)delimiter < 0x80 && quote < 0x80;
    if (!ends_line && ascii && delimiter != quote) return NX_OK;
    return nx__error_set(NX_EINVAL,
                         "delimiter and quote of CSV are two characters of ASCII, and no "
                         "ends of lines");
}

static NX__COLD enum nx__csv_outcome wrong_at(struct nx__csv *csv, nx_err err, const char *what,
                                              size_t line, size_t column)
{
    csv->err = err;
    csv->wrong = what;
    csv->wrong_line = line;
    csv->wrong_column = column;
    return NX__CSV_WRONG;
}

/* At the byte that comes next. */
static NX__COLD enum nx__csv_outcome wrong(struct nx__csv *csv, nx_err err, const char *what)
{
    return wrong_at(csv, err, what, csv->line, csv->at - csv->line_at);
}

/* ---- Fields */

static NX__COLD enum nx__csv_outcome more_parts(struct nx__csv *csv)
{
    if (csv->count >= csv->rules.max_fields)
        return wrong(csv, NX_ELIMIT, "the row has too many fields (max_fields)");
    size_t capacity = csv->capacity ? 2 * csv->capacity : 32;
    if (capacity > csv->rules.max_fields) capacity = csv->rules.max_fields;
    struct nx__csv_part *parts = realloc(csv->parts, capacity * sizeof *parts);
    if (!parts) return wrong(csv, NX_ENOMEM, "out of memory");
    csv->parts = parts;
    csv->capacity = capacity;
    return NX__CSV_MORE;
}

/* The field ends, and holds the bytes up to `end`. */
static NX__INLINE enum nx__csv_outcome add(struct nx__csv *csv, size_t end)
{
    if (nx__unlikely(csv->count == csv->capacity) && more_parts(csv) == NX__CSV_WRONG)
        return NX__CSV_WRONG;
    csv->parts[csv->count++] = (struct nx__csv_part){csv->begin, end - csv->begin};
    return NX__CSV_MORE;
}

static NX__COLD enum nx__csv_outcome long_row(struct nx__csv *csv)
{
    return wrong_at(csv, NX_ETOOBIG, "the row is too long (max_row)", csv->row_line, 0);
}

/* What a field holds has come as far as `end`: whether that is too much, of the field or the row.
 * It is what was too much first, so that it does not matter in which pieces the bytes came. */
static NX__INLINE enum nx__csv_outcome limits(struct nx__csv *csv, size_t end)
{
    const struct nx__csv_rules *rules = &csv->rules;
    bool long_field = end - csv->begin > rules->max_field;
    if (nx__likely(!long_field && csv->at <= rules->max_row)) return NX__CSV_MORE;
    if (!long_field || csv->begin + rules->max_field + (csv->at - end) >= rules->max_row)
        return long_row(csv);
    bool quoted = csv->state == NX__CSV_QUOTED;
    return wrong_at(csv, NX_ETOOBIG, "the field is too long (max_field)",
                    quoted ? csv->quote_line : csv->line,
                    quoted ? csv->quote_column : csv->begin - csv->line_at);
}

static enum nx__csv_outcome row(struct nx__csv *csv)
{
    if (csv->at > csv->rules.max_row) return long_row(csv);
    csv->used = csv->at;
    csv->state = NX__CSV_BEGIN;
    return NX__CSV_ROW;
}

/* What ends the field: a delimiter or the end of a line, which is the next byte. */
static NX__INLINE enum nx__csv_outcome ended(struct nx__csv *csv, char c, size_t end)
{
    if (nx__unlikely(add(csv, end) == NX__CSV_WRONG)) return NX__CSV_WRONG;
    csv->at++;
    csv->state = NX__CSV_FIELD;
    if (c == csv->rules.delimiter) return NX__CSV_MORE;
    csv->after_cr = c == '\r';
    csv->line++;
    return row(csv);
}

/* No byte is left to look at. */
static enum nx__csv_outcome exhausted(struct nx__csv *csv, bool last)
{
    if (!last) return NX__CSV_MORE;
    if (csv->state == NX__CSV_QUOTED)
        return wrong_at(csv, NX_EINVAL, "this quote is not closed", csv->quote_line,
                        csv->quote_column);
    size_t end = csv->state == NX__CSV_CLOSED ? csv->put : csv->at;
    return add(csv, end) == NX__CSV_WRONG ? NX__CSV_WRONG : row(csv);
}

/* ---- Quotes */

/* Up to the next quote, or all there is. */
static enum nx__csv_outcome quoted(struct nx__csv *csv, char *data, size_t len)
{
    const char quote = (char)csv->rules.quote;
    size_t from = csv->at;
    for (;;) {
        csv->at += nx__csv_find(data + csv->at, len - csv->at, quote, '\n', '\n');
        if (csv->at == len || data[csv->at] == quote) break;
        csv->line++;
        csv->line_at = ++csv->at;
    }
    if (csv->put != from) memmove(data + csv->put, data + from, csv->at - from);
    csv->put += csv->at - from;
    enum nx__csv_outcome outcome = limits(csv, csv->put);
    if (csv->at == len || outcome == NX__CSV_WRONG) return outcome;
    csv->at++;
    csv->state = NX__CSV_CLOSED;
    return NX__CSV_MORE;
}

static enum nx__csv_outcome closed(struct nx__csv *csv, char *data)
{
    char c = data[csv->at];
    if ((unsigned char)c == csv->rules.quote) { /* twice: it stands for itself */
        data[csv->put++] = c;
        csv->at++;
        csv->state = NX__CSV_QUOTED;
        return NX__CSV_MORE;
    }
    if (c == csv->rules.delimiter || c == '\n' || c == '\r') return ended(csv, c, csv->put);
    return wrong(csv, NX_EINVAL, "a field goes on behind its closing quote");
}

static void open_quote(struct nx__csv *csv)
{
    csv->quote_line = csv->line;
    csv->quote_column = csv->at - csv->line_at;
    csv->begin = csv->put = ++csv->at;
    csv->state = NX__CSV_QUOTED;
}

/* ---- Rows */

/* At the very beginning: passes over a byte order mark. */
static enum nx__csv_outcome start(struct nx__csv *csv, const char *data, size_t len, bool last)
{
    if (!last && len < 3 && memcmp(data, "\xef\xbb\xbf", len) == 0) return NX__CSV_MORE;
    if (len == 1 && !last && (*data == '\xff' || *data == '\xfe')) return NX__CSV_MORE;
    if (len >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0))
        return wrong(csv, NX_EINVAL, "this is UTF-16; UTF-8 is wanted");
    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) csv->at = csv->line_at = 3;
    csv->state = NX__CSV_BEGIN;
    csv->begin = csv->at;
    return NX__CSV_ROW;
}

/* Before a row: passes over lines with nothing on them. */
static bool begin(struct nx__csv *csv, const char *data, size_t len)
{
    for (; csv->at < len; csv->at++) {
        char c = data[csv->at];
        bool second = csv->after_cr && c == '\n';
        csv->after_cr = c == '\r';
        if (!second && c != '\n' && c != '\r') return true;
        if (!second) csv->line++;
    }
    return false;
}

enum nx__csv_outcome nx__csv_step(struct nx__csv *csv, char *data, size_t len, bool last)
{
    if (csv->wrong) return NX__CSV_WRONG;
    if (csv->used) { /* the row before is done with */
        csv->at = csv->begin = csv->line_at = csv->used = 0;
        csv->count = 0;
    }
    if (csv->state == NX__CSV_START) {
        enum nx__csv_outcome outcome = start(csv, data, len, last);
        if (outcome != NX__CSV_ROW) return outcome;
    }
    if (csv->state == NX__CSV_BEGIN) {
        if (!begin(csv, data, len)) {
            /* What was passed over is no part of a row. */
            csv->used = csv->at;
            return last ? NX__CSV_END : NX__CSV_MORE;
        }
        csv->row_line = csv->line;
        csv->line_at = csv->at;
        csv->state = NX__CSV_FIELD;
    }
    for (;;) {
        enum nx__csv_outcome outcome = NX__CSV_MORE;
        if (csv->state == NX__CSV_FIELD) csv->begin = csv->at;
        if (nx__unlikely(csv->at > csv->rules.max_row)) return long_row(csv);
        if (csv->at >= len) return exhausted(csv, last);
        switch (csv->state) {
        case NX__CSV_FIELD:
            if ((unsigned char)data[csv->at] == csv->rules.quote) {
                open_quote(csv);
                break;
            }
            csv->state = NX__CSV_PLAIN;
            NX__FALLTHROUGH;
        case NX__CSV_PLAIN:
            csv->at +=
                nx__csv_find(data + csv->at, len - csv->at, csv->rules.delimiter, '\n', '\r');
            outcome = limits(csv, csv->at);
            if (outcome == NX__CSV_MORE && csv->at < len)
                outcome = ended(csv, data[csv->at], csv->at);
            break;
        case NX__CSV_QUOTED: outcome = quoted(csv, data, len); break;
        default: outcome = closed(csv, data); break;
        }
        if (outcome != NX__CSV_MORE) return outcome;
    }
}

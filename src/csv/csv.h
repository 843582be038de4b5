/* Rows out of bytes, in pieces that end anywhere. Pure, but for the memory that the places of
 * fields take. */
#ifndef NX__CSV_H
#define NX__CSV_H

#include <nexus/csv.h>

enum { NX__CSV_NO_QUOTE = -1 };

struct nx__csv_rules {
    char delimiter;
    int quote; /* or NX__CSV_NO_QUOTE */
    size_t max_field, max_row, max_fields;
};

struct nx__csv_part {
    size_t begin, len; /* within the row */
};

enum nx__csv_outcome {
    NX__CSV_MORE, /* the row goes on behind what there is */
    NX__CSV_ROW,
    NX__CSV_END, /* there is no further row */
    NX__CSV_WRONG,
};

enum nx__csv_state {
    NX__CSV_START,
    NX__CSV_BEGIN,
    NX__CSV_FIELD,
    NX__CSV_PLAIN,
    NX__CSV_QUOTED,
    NX__CSV_CLOSED
};

/* All zero but for the rules at the beginning. Offsets are from where the row begins. */
struct nx__csv {
    struct nx__csv_rules rules;
    enum nx__csv_state state;
    bool after_cr;   /* an LF that comes first ends the same line */
    size_t at;       /* so much has been looked at */
    size_t begin;    /* of the field */
    size_t put;      /* where what it holds ends: behind quotes that stand for one */
    size_t line;     /* that `at` is on, from 0 */
    size_t line_at;  /* where it begins, unless in a row before */
    size_t row_line; /* that the row begins on */
    size_t used;     /* bytes that are done with: a row, or lines with nothing on them */
    size_t quote_line, quote_column; /* where the field's quote is opened */
    struct nx__csv_part *parts;
    size_t count, capacity;
    /* What is wrong, and where. */
    nx_err err;
    const char *wrong;
    size_t wrong_line, wrong_column; /* from 0 */
};

/* How many bytes behind `len` can be read, whatever they are. */
enum { NX__CSV_SLACK = 16 };

/* Goes on with a row that begins at `data`, of which `len` bytes are there; `last`: no more come.
 * The bytes of fields with quotes are moved together in place. On NX__CSV_ROW the row's fields are
 * `parts`. The next call is for what is behind `used` bytes, whatever the outcome. */
enum nx__csv_outcome nx__csv_step(struct nx__csv *csv, char *data, size_t len, bool last);

/* NX_EINVAL where delimiter and quote can't be told apart, or from ends of lines. */
NX_MUST_CHECK nx_err nx__csv_check(char delimiter, int quote);

#endif

/* Tables as text: CSV, and its like with other delimiters. */
#ifndef NEXUS_CSV_H
#define NEXUS_CSV_H

#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RFC 4180, and what else there is: rows end with CRLF, LF or CR, with or without an end of the
 * last; a byte order mark of UTF-8 and lines with nothing on them are passed over; a quote within a
 * field that does not begin with one stands for itself. What fields hold is any bytes. */

/* ---- Reading */

/* Reads rows from a stream, one at a time; a fiber's own. */
typedef struct nx_csv_reader nx_csv_reader;

/* What becomes of a row with more or fewer fields than the header, or else the first row, has. */
typedef enum nx_csv_ragged {
    NX_CSV_RAGGED_REFUSE, /* it is an error */
    NX_CSV_RAGGED_FIT,    /* what is missing is empty, what is too much is dropped */
    NX_CSV_RAGGED_KEEP,   /* it is told as it is */
} nx_csv_ragged;

#define NX_CSV_FIELD_MOST  ((size_t)1 << 20)
#define NX_CSV_ROW_MOST    ((size_t)16 << 20)
#define NX_CSV_FIELDS_MOST ((size_t)16384)

typedef struct nx_csv_reader_options {
    size_t size;
    char delimiter; /* ',' */
    char quote;     /* '"' */
    bool no_quotes; /* quotes stand for themselves, so that no field holds a delimiter */
    bool header;    /* the first row has the names of the fields */
    nx_csv_ragged ragged;
    size_t max_field;  /* bytes, NX_CSV_FIELD_MOST */
    size_t max_row;    /* bytes, with quotes and delimiters, NX_CSV_ROW_MOST */
    size_t max_fields; /* in a row, NX_CSV_FIELDS_MOST */
} nx_csv_reader_options;

/* A row; until the next is read. */
typedef struct nx_csv_row {
    const nx_bytes *fields; /* without their quotes; no NUL behind them */
    size_t count;           /* 0: behind the last row */
    size_t line;            /* that it begins at, from 1 */
} nx_csv_row;

/* Takes the stream over, and reads the header if there is to be one:
 *   NX_TRY(nx_csv_reader_open(&csv, nx_fs_reader("prices.csv"), .header = true));
 * On an error the stream is closed. NX_EINVAL (options that contradict each other; what nx_csv_read
 * says of a header), NX_ENOMEM, and what the stream says. Suspends when the stream does. */
NX_API NX_MUST_CHECK nx_err nx_csv_reader_open_with(nx_csv_reader **out, nx_stream *from,
                                                    const nx_csv_reader_options *options);
#define nx_csv_reader_open(out, from, ...)                                                         \
    nx_csv_reader_open_with(                                                                       \
        (out), (from),                                                                             \
        &(nx_csv_reader_options){.size = sizeof(nx_csv_reader_options), __VA_ARGS__})

/* Reads the next row. NX_EINVAL, with line and column in bytes (something behind a closing quote, a
 * quote that is not closed, a row of another length, UTF-16), NX_ETOOBIG (a field or row past its
 * limit), NX_ELIMIT (too many fields), NX_ENOMEM, and what the stream says; each again at every
 * further call. Suspends when the stream does. */
NX_API NX_MUST_CHECK nx_err nx_csv_read(nx_csv_reader *reader, nx_csv_row *row);

/* The names of the fields, as long as the reader; no fields without a header. */
NX_API nx_csv_row nx_csv_header(const nx_csv_reader *reader);

/* Where the field of that name is in each row: the first of them. NX_ENOENT. */
NX_API NX_MUST_CHECK nx_err nx_csv_column(const nx_csv_reader *reader, const char *name,
                                          size_t *index);

/* The field of that name in the row that was read last; `data` is NULL where there is none. Looks
 * through the names: for many rows nx_csv_column is quicker. */
NX_API nx_bytes nx_csv_field(const nx_csv_reader *reader, const char *name);

/* Closes the stream and frees it all; NULL is nothing. */
NX_API void nx_csv_reader_close(nx_csv_reader *reader);
static inline void nx_csv_reader_auto(nx_csv_reader **reader)
{
    nx_csv_reader_close(*reader);
    *reader = NULL;
}

/* ---- Writing */

/* Writes rows into a stream; a fiber's own. */
typedef struct nx_csv_writer nx_csv_writer;

typedef struct nx_csv_writer_options {
    size_t size;
    char delimiter; /* ',' */
    char quote;     /* '"' */
    bool lf;        /* rows end with LF instead of CRLF */
    bool bom;       /* a byte order mark in front, by which spreadsheets know UTF-8 */
    bool quote_all; /* and not only what needs it */
    /* A field that a spreadsheet would take for a formula (it begins with = + - @, a tab or a CR,
     * and is no number) gets a ' in front. It is another field then: for people to look at, not for
     * programs to read back. */
    bool guard_formulas;
} nx_csv_writer_options;

/* Takes the sink over; on an error it is closed. NX_EINVAL (options that contradict each other),
 * NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_csv_writer_open_with(nx_csv_writer **out, nx_stream *into,
                                                    const nx_csv_writer_options *options);
#define nx_csv_writer_open(out, into, ...)                                                         \
    nx_csv_writer_open_with(                                                                       \
        (out), (into),                                                                             \
        &(nx_csv_writer_options){.size = sizeof(nx_csv_writer_options), __VA_ARGS__})

/* Writes a row of one field or more. NX_EINVAL (none), and what the stream says. Suspends when the
 * stream does. */
NX_API NX_MUST_CHECK nx_err nx_csv_write(nx_csv_writer *writer, const nx_bytes *fields,
                                         size_t count);
/* The same of C strings: nx_csv_write_strings(csv, "name", "price"). */
NX_API NX_MUST_CHECK nx_err nx_csv_write_strings_with(nx_csv_writer *writer,
                                                      const char *const *fields, size_t count);
#define nx_csv_write_strings(writer, ...)                                                          \
    nx_csv_write_strings_with((writer), (const char *const[]){__VA_ARGS__},                        \
                              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* No more comes: what is still held is written, and the stream finished. */
NX_API NX_MUST_CHECK nx_err nx_csv_writer_finish(nx_csv_writer *writer);

/* Closes the stream and frees it all; NULL is nothing. What has not been finished is given up. */
NX_API void nx_csv_writer_close(nx_csv_writer *writer);
static inline void nx_csv_writer_auto(nx_csv_writer **writer)
{
    nx_csv_writer_close(*writer);
    *writer = NULL;
}

#ifdef __cplusplus
}
#endif

#endif

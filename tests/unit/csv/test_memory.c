/* CSV where memory runs out: at each allocation in turn it is told, and nothing is left behind. */
#include "oom.h"

#include <nexus/csv.h>
#include <nexus/test.h>
#include <stdlib.h>

/* Many fields, and one that is longer than what is read at once. */
static nx_bytes table(void)
{
    enum { LONG = 300 * 1000 };
    char *text = nx_alloc(LONG + 400);
    memset(text, 'x', LONG);
    for (int i = 0; i < 100; i++) memcpy(text + LONG + 2 * i, ",y", 2);
    memcpy(text + LONG + 200, "\n", 1);
    return nx_slice(text, LONG + 201);
}

static nx_err read_all(nx_bytes text)
{
    NX_AUTO(nx_csv_reader) *csv = NULL;
    nx_csv_row row;
    NX_TRY(nx_csv_reader_open(&csv, nx_memory_reader(text), .header = true));
    do NX_TRY(nx_csv_read(csv, &row));
    while (row.count);
    return NX_OK;
}

static nx_err write_all(void)
{
    NX_AUTO(nx_csv_writer) *csv = NULL;
    nx_bytes out;
    NX_TRY(nx_csv_writer_open(&csv, nx_memory_writer(&out, 1 << 20)));
    NX_TRY(nx_csv_write_strings(csv, "a", "b"));
    return nx_csv_writer_finish(csv);
}

static nx_err read_table(nx_bytes *text)
{
    return read_all(*text);
}

static nx_err write_table(nx_bytes *text)
{
    (void)text;
    return write_all();
}

/* Runs it with one allocation more each time, until that is enough. */
static void run_out(nx_err (*fn)(nx_bytes *), nx_bytes *text)
{
    for (long left = 0;; left++) {
        nx_require_lt(left, 100);
        oom_failed = false;
        oom_after = left;
        nx_err err = fn(text);
        oom_after = -1;
        if (!oom_failed) {
            nx_expect_ok(err);
            nx_expect_gt(left, 2);
            return;
        }
        nx_expect_eq(err, NX_ENOMEM);
        nx_expect_contains(nx_error_last()->message, "memory");
    }
}

NX_TEST("reading")
{
    nx_bytes text = table();
    run_out(read_table, &text);
}

NX_TEST("writing")
{
    run_out(write_table, NULL);
}

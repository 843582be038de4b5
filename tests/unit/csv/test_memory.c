/* CSV where memory runs out: at each allocation in turn it is told, and nothing is left behind. */
#include "faults.h"

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

static nx_bytes text;

static nx_err read_table(void)
{
    NX_AUTO(nx_csv_reader) *csv = NULL;
    nx_csv_row row;
    NX_TRY(nx_csv_reader_open(&csv, nx_memory_reader(text), .header = true));
    do NX_TRY(nx_csv_read(csv, &row));
    while (row.count);
    return NX_OK;
}

static nx_err write_table(void)
{
    NX_AUTO(nx_csv_writer) *csv = NULL;
    nx_bytes out;
    NX_TRY(nx_csv_writer_open(&csv, nx_memory_writer(&out, 1 << 20)));
    NX_TRY(nx_csv_write_strings(csv, "a", "b"));
    return nx_csv_writer_finish(csv);
}

NX_TEST("memory runs out")
{
    static const struct faults_scenario scenarios[] = {{.name = "reading", .run = read_table},
                                                       {.name = "writing", .run = write_table}};
    text = table();
    faults_run(FAULTS_MEMORY, scenarios, 2);
    faults_run(FAULTS_NO_MEMORY, scenarios, 2);
}

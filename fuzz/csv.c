/* A table as text: in any pieces it is the same rows, and what is written of them is read again.
 * The first byte says where it is cut, and how. */
#include "csv/csv.h"

#include "memory.h"

struct cell {
    nx_bytes bytes;
    bool first; /* of its row */
};

struct table {
    struct cell *cells;
    size_t count, room;
    bool wrong;
};

static void add(struct table *t, nx_bytes bytes, bool first)
{
    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = realloc(t->cells, t->room * sizeof *t->cells);
        check(t->cells != NULL);
    }
    char *copy = malloc(bytes.len + 1);
    check(copy != NULL);
    if (bytes.len) memcpy(copy, bytes.data, bytes.len);
    t->cells[t->count++] = (struct cell){nx_slice(copy, bytes.len), first};
}

static void clear(struct table *t)
{
    for (size_t i = 0; i < t->count; i++) free((void *)(uintptr_t)t->cells[i].bytes.data);
    free(t->cells);
}

/* Reads it in pieces of `step` bytes, each in memory of its own. */
static struct table read_in(nx_bytes text, size_t step, bool quotes)
{
    struct nx__csv csv = {.rules = {',', quotes ? '"' : NX__CSV_NO_QUOTE, 1000, 3000, 100}};
    struct table table = {0};
    char *data = calloc(1, NX__CSV_SLACK);
    size_t have = 0, at = 0;
    check(data != NULL);
    for (;;) {
        enum nx__csv_outcome outcome = nx__csv_step(&csv, data, have, at == text.len);
        if (outcome == NX__CSV_ROW)
            for (size_t i = 0; i < csv.count; i++)
                add(&table, nx_slice(data + csv.parts[i].begin, csv.parts[i].len), !i);
        if (outcome == NX__CSV_WRONG) table.wrong = true;
        if (outcome == NX__CSV_WRONG || outcome == NX__CSV_END) break;
        memmove(data, data + csv.used, have - csv.used);
        have -= csv.used;
        if (outcome == NX__CSV_MORE) {
            size_t n = text.len - at < step ? text.len - at : step;
            char *grown = malloc(have + n + NX__CSV_SLACK);
            check(grown != NULL && at < text.len);
            memcpy(grown, data, have);
            memcpy(grown + have, text.data + at, n);
            memset(grown + have + n, 0, NX__CSV_SLACK);
            free(data);
            data = grown;
            have += n;
            at += n;
        }
    }
    free(csv.parts);
    free(data);
    return table;
}

static void same(const struct table *a, const struct table *b)
{
    check(a->count == b->count && a->wrong == b->wrong);
    for (size_t i = 0; i < a->count; i++)
        check(a->cells[i].first == b->cells[i].first &&
              nx_bytes_eq(a->cells[i].bytes, b->cells[i].bytes));
}

static void written(const struct table *table)
{
    nx_bytes out, fields[100];
    nx_csv_writer *csv;
    check(nx_csv_writer_open(&csv, nx_memory_writer(&out, 1 << 20)) == NX_OK);
    for (size_t i = 0; i < table->count;) {
        size_t n = 0;
        do fields[n++] = table->cells[i++].bytes;
        while (i < table->count && !table->cells[i].first);
        check(nx_csv_write(csv, fields, n) == NX_OK);
    }
    check(nx_csv_writer_finish(csv) == NX_OK);
    nx_csv_writer_close(csv);
    struct table back = read_in(out, out.len + 1, true);
    if (!back.wrong) same(table, &back); /* quotes may make a row too long */
    clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    memory_begin();
    nx_bytes text = nx_slice(data + 1, size - 1);
    bool quotes = data[0] & 1;
    struct table whole = read_in(text, size, quotes),
                 pieces = read_in(text, 1 + data[0] / 2, quotes);
    same(&whole, &pieces);
    if (!whole.wrong) written(&whole);
    clear(&whole);
    clear(&pieces);
    memory_end();
    return 0;
}

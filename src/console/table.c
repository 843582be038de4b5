/* Tables. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "console/line.h"
#include "console/width.h"
#include <nexus/console.h>
#include <stdlib.h>

enum {
    GAP = 2,          /* columns between two */
    LEAST_COLUMN = 4, /* that one is cut to */
    ESCAPE_MOST = 6,  /* bytes that one byte can become */
    FLUSH_AT = 32768,
};

struct cell {
    const char *text;
    size_t len, width;
};

struct row {
    struct row *next;
    size_t count;
    struct cell cells[];
};

struct nx_table {
    struct nx__arena arena;
    struct row *rows, **end; /* the first one holds the headings */
    size_t columns;
    bool text[NX_TABLE_COLUMNS]; /* some cell is no number */
    size_t widths[NX_TABLE_COLUMNS];
    nx_err err;
};

static bool is_number(const nx_value *v)
{
    return v->kind == NX_VALUE_INT || v->kind == NX_VALUE_UINT || v->kind == NX_VALUE_DOUBLE;
}

static bool cell_text(nx_table *t, struct cell *cell, const char *text, size_t len)
{
    bool plain = nx__json_plain_scalar(text, len) == len;
    if (len > SIZE_MAX / ESCAPE_MOST) return false;
    size_t cap = plain ? len : len * ESCAPE_MOST;
    char *copy = nx__arena_alloc(&t->arena, cap ? cap : 1);
    if (!copy) return false;
    cell->text = copy;
    cell->len = nx__text_safe(copy, cap, nx_slice(text, len));
    return true;
}

/* As JSON has it; what JSON can't say, as in logs. */
static bool cell_other(nx_table *t, struct cell *cell, const nx_value *v)
{
    nx_err err;
    size_t len = nx__json_write(*v, NULL, 0, &err);
    if (err) return cell_text(t, cell, "?", 1);
    char *text = nx__arena_alloc(&t->arena, len + 1);
    if (!text) return false;
    (void)nx__json_write(*v, text, len, &err);
    return cell_text(t, cell, text, len);
}

static bool cell_set(nx_table *t, struct cell *cell, const nx_value *v)
{
    bool ok = v->kind == NX_VALUE_STRING ? cell_text(t, cell, v->as.string.data, v->as.string.len)
              : v->kind == NX_VALUE_NULL ? cell_text(t, cell, "", 0)
                                         : cell_other(t, cell, v);
    if (ok) cell->width = nx_text_width(nx_slice(cell->text, cell->len));
    return ok;
}

static void row_add(nx_table *t, const nx_value *cells, size_t count)
{
    struct row *row = nx__arena_alloc(&t->arena, sizeof *row + count * sizeof *row->cells);
    bool ok = row != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        ok = cell_set(t, &row->cells[i], &cells[i]);
        if (!ok) break;
        if (row->cells[i].width > t->widths[i]) t->widths[i] = row->cells[i].width;
        if (t->rows && !is_number(&cells[i]) && cells[i].kind != NX_VALUE_NULL) t->text[i] = true;
    }
    if (!ok) {
        t->err = NX_ENOMEM;
        return;
    }
    row->next = NULL;
    row->count = count;
    *t->end = row;
    t->end = &row->next;
}

nx_table *nx_table_new_with(const nx_value *headings, size_t count)
{
    nx_table *t = calloc(1, sizeof *t);
    if (!t) return NULL;
    t->end = &t->rows;
    t->columns = count < NX_TABLE_COLUMNS ? count : NX_TABLE_COLUMNS;
    if (count > NX_TABLE_COLUMNS) t->err = NX_EINVAL;
    row_add(t, headings, t->columns);
    return t;
}

void nx_table_row_with(nx_table *t, const nx_value *cells, size_t count)
{
    if (!t || t->err) return;
    if (count > t->columns)
        t->err = NX_EINVAL;
    else
        row_add(t, cells, count);
}

/* Narrows the widest columns until the row fits into `room`, or all are at their least. */
static void fit(const nx_table *t, size_t *widths, size_t room)
{
    size_t total = 0;
    for (size_t i = 0; i < t->columns; i++) {
        if (widths[i] > room) widths[i] = room;
        total += widths[i] + (i ? GAP : 0);
    }
    while (total > room) {
        size_t widest = 0;
        for (size_t i = 1; i < t->columns; i++)
            if (widths[i] > widths[widest]) widest = i;
        if (widths[widest] <= LEAST_COLUMN) return;
        widths[widest]--;
        total--;
    }
}

static nx_err pad(struct nx__buffer *out, size_t count)
{
    static const char spaces[] = "                                ";
    nx_err err = NX_OK;
    while (!err && count) {
        size_t n = count < sizeof spaces - 1 ? count : sizeof spaces - 1;
        err = nx__buffer_append(out, spaces, n, SIZE_MAX);
        count -= n;
    }
    return err;
}

static nx_err cell_write(struct nx__buffer *out, const struct cell *cell, size_t width, bool right,
                         bool last)
{
    size_t used = cell->width, len = cell->len;
    bool cut = used > width;
    if (cut) {
        len = nx__width_fit(nx_slice(cell->text, len), width - 1, &used);
        used++;
    }
    if (right) NX_TRY(pad(out, width - used));
    NX_TRY(nx__buffer_append(out, cell->text, len, SIZE_MAX));
    if (cut) NX_TRY(nx__buffer_append(out, "…", sizeof "…" - 1, SIZE_MAX));
    return right || last ? NX_OK : pad(out, width - used);
}

static nx_err row_write(const nx_table *t, struct nx__buffer *out, const struct row *row,
                        const size_t *widths)
{
    for (size_t i = 0; i < row->count; i++) {
        if (i) NX_TRY(pad(out, GAP));
        NX_TRY(cell_write(out, &row->cells[i], widths[i], !t->text[i] && t->rows->next,
                          i + 1 == row->count));
    }
    return NX_OK;
}

/* Strings outlive this: they are the literals of the escapes, or "". */
static nx_err print(nx_table *t, struct nx__buffer *out)
{
    size_t widths[NX_TABLE_COLUMNS];
    memcpy(widths, t->widths, sizeof widths);
    if (nx_is_terminal(NX_STDOUT)) fit(t, widths, nx_terminal_width(NX_STDOUT));
    for (const struct row *row = t->rows; row; row = row->next) {
        bool heading = row == t->rows;
        const char *bold = heading ? nx_style(NX_BOLD) : "", *plain = nx_style(NX_PLAIN);
        NX_TRY(nx__buffer_append(out, bold, strlen(bold), SIZE_MAX));
        NX_TRY(row_write(t, out, row, widths));
        if (heading) NX_TRY(nx__buffer_append(out, plain, strlen(plain), SIZE_MAX));
        NX_TRY(nx__buffer_append(out, "\n", 1, SIZE_MAX));
        if (out->len < FLUSH_AT && row->next) continue;
        NX_TRY(nx_print_bytes(NX_STDOUT, nx_slice(out->data, out->len)));
        out->len = 0;
    }
    return NX_OK;
}

nx_err nx_table_print(nx_table *t)
{
    if (!t || t->err == NX_ENOMEM)
        return nx__error_set(NX_ENOMEM, "cannot print a table: out of memory");
    if (t->err)
        return nx__error_set(t->err,
                             "cannot print a table: it has more than %d columns, or a row has more "
                             "cells than there are headings",
                             NX_TABLE_COLUMNS);
    struct nx__buffer out = {0};
    nx_err err = print(t, &out);
    nx__buffer_free(&out);
    return err == NX_ENOMEM ? nx__error_set(err, "cannot print a table: out of memory") : err;
}

void nx_table_free(nx_table *t)
{
    if (!t) return;
    nx__arena_reset(&t->arena);
    free(t);
}

/* Lines as a transform. */
#include "stream/stream.h"

#include <stdlib.h>

struct lines {
    nx_transform_fn fn;
    void *arg;
    size_t most;
    struct nx__buffer begun; /* the line that has come in part */
};

static nx_err too_long(const struct lines *l)
{
    return nx__error_set(NX_ETOOBIG, "a line is longer than %zu bytes", l->most);
}

static nx_err line_give(struct lines *l, nx_bytes line, nx_stream *next)
{
    if (line.len && line.data[line.len - 1] == '\r') line.len--;
    return line.len > l->most ? too_long(l) : l->fn(l->arg, line, next);
}

/* Keeps what may be the beginning of a line, and a "\r" that belongs to its end. */
static nx_err begun_add(struct lines *l, nx_bytes bytes)
{
    size_t cap = l->most < SIZE_MAX ? l->most + 1 : l->most;
    nx_err err = nx__buffer_append(&l->begun, bytes.data, bytes.len, cap);
    if (err == NX_ETOOBIG) return too_long(l);
    return err ? nx__error_set(NX_ENOMEM, "cannot keep a line: out of memory") : NX_OK;
}

static nx_err split(void *state, nx_bytes bytes, nx_stream *next)
{
    struct lines *l = state;
    while (bytes.len && !next->enough) {
        const char *end = memchr(bytes.data, '\n', bytes.len);
        if (!end) return begun_add(l, bytes);
        nx_bytes line = nx_slice(bytes.data, (size_t)(end - bytes.data));
        bytes = nx_slice(end + 1, bytes.len - line.len - 1);
        if (l->begun.len) {
            NX_TRY(begun_add(l, line));
            line = nx_slice(l->begun.data, l->begun.len);
            l->begun.len = 0;
        }
        NX_TRY(line_give(l, line, next));
    }
    return NX_OK;
}

static nx_err split_finish(void *state, nx_stream *next)
{
    struct lines *l = state;
    if (!l->begun.len || next->enough) return NX_OK;
    /* Without its "\n", a "\r" is part of it. */
    if (l->begun.len > l->most) return too_long(l);
    return l->fn(l->arg, nx_slice(l->begun.data, l->begun.len), next);
}

static void split_close(void *state)
{
    struct lines *l = state;
    nx__buffer_free(&l->begun);
    free(l);
}

nx_stream *nx_lines(nx_transform_fn fn, void *arg, size_t most)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "lines",
                                        .transform = split,
                                        .finish = split_finish,
                                        .close = split_close};
    struct lines *l = malloc(sizeof *l);
    if (!l) return nx__stream_no_memory();
    *l = (struct lines){.fn = fn, .arg = arg, .most = most};
    return nx_stream_new(&type, l);
}

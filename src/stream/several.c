/* Several streams as one: concatenated sources, and sinks of a tee. */
#include "stream/stream.h"

#include <stdlib.h>

struct several {
    nx_stream **streams;
    size_t count, at; /* those before `at` are closed */
};

static void several_close(void *state)
{
    struct several *s = state;
    for (size_t i = s->at; i < s->count; i++) nx_stream_close(s->streams[i]);
    free(s->streams);
    free(s);
}

static nx_stream *several_new(const nx_stream_type *type, nx_stream *const *streams, size_t count)
{
    nx_stream **copy = nx__streams_copy(streams, count, type->name);
    if (!copy) return nx_stream_failed();
    struct several *s = malloc(sizeof *s);
    if (s) {
        *s = (struct several){.streams = copy, .count = count};
        return nx_stream_new(type, s);
    }
    for (size_t i = 0; i < count; i++) nx_stream_close(copy[i]);
    free(copy);
    return nx__stream_no_memory();
}

/* ---- One after the other */

static nx_err concat_read(void *state, void *data, size_t len, size_t *got)
{
    struct several *s = state;
    while (s->at < s->count) {
        NX_TRY(nx_stream_read(s->streams[s->at], data, len, got));
        if (*got) break;
        nx_stream_close(s->streams[s->at++]);
    }
    return NX_OK;
}

nx_stream *nx_concat_with(nx_stream *const *sources, size_t count)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a concatenation",
                                        .read = concat_read,
                                        .close = several_close};
    return several_new(&type, sources, count);
}

/* ---- All at once */

static nx_err tee_write(void *state, nx_bytes bytes)
{
    const struct several *s = state;
    for (size_t i = 0; i < s->count; i++) NX_TRY(nx__stream_give(s->streams[i], bytes));
    return NX_OK;
}

static nx_err tee_transform(void *state, nx_bytes bytes, nx_stream *next)
{
    NX_TRY(tee_write(state, bytes));
    return nx_stream_write(next, bytes);
}

static nx_err tee_finish(void *state, nx_stream *next)
{
    const struct several *s = state;
    (void)next;
    for (size_t i = 0; i < s->count; i++) NX_TRY(nx_stream_finish(s->streams[i]));
    return NX_OK;
}

nx_stream *nx_tee_with(nx_stream *const *sinks, size_t count)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a tee",
                                        .write = tee_write,
                                        .transform = tee_transform,
                                        .finish = tee_finish,
                                        .close = several_close};
    return several_new(&type, sinks, count);
}

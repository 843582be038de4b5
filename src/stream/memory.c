/* Sources and sinks of memory, and of what a function gives. */
#include "base/arena.h"
#include "base/buffer.h"
#include "loop/loop.h"
#include "stream/stream.h"

#include <stdlib.h>

static nx_err memory_read(void *state, void *data, size_t len, size_t *got)
{
    nx_bytes *bytes = state;
    *got = len < bytes->len ? len : bytes->len;
    if (!*got) return NX_OK;
    memcpy(data, bytes->data, *got);
    *bytes = nx_slice(bytes->data + *got, bytes->len - *got);
    return NX_OK;
}

nx_stream *nx_memory_reader(nx_bytes bytes)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "memory", .read = memory_read, .close = free};
    nx_bytes *state = malloc(sizeof *state);
    if (!state) return nx__stream_no_memory();
    *state = bytes;
    return nx_stream_new(&type, state);
}

struct generator {
    nx_generator_fn fn;
    void *arg;
    nx_bytes piece;
    bool ended;
};

static nx_err generator_read(void *state, void *data, size_t len, size_t *got)
{
    struct generator *g = state;
    if (!g->piece.len && !g->ended) {
        NX_TRY(g->fn(g->arg, &g->piece));
        g->ended = !g->piece.len;
    }
    return memory_read(&g->piece, data, len, got);
}

nx_stream *nx_generator(nx_generator_fn fn, void *arg)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "a generator", .read = generator_read, .close = free};
    struct generator *g = malloc(sizeof *g);
    if (!g) return nx__stream_no_memory();
    *g = (struct generator){.fn = fn, .arg = arg};
    return nx_stream_new(&type, g);
}

struct gathering {
    struct nx__arena *arena;
    nx_bytes *out;
    size_t most;
    struct nx__buffer buffer;
};

static nx_err gather(void *state, nx_bytes bytes)
{
    struct gathering *g = state;
    nx_err err = nx__buffer_append(&g->buffer, bytes.data, bytes.len, g->most);
    if (err == NX_ETOOBIG)
        return nx__error_set(NX_ETOOBIG, "more than %zu bytes are written into memory", g->most);
    return err ? nx__error_set(err, "cannot write into memory: out of memory") : NX_OK;
}

static nx_err gather_finish(void *state, nx_stream *next)
{
    struct gathering *g = state;
    (void)next;
    char *data = nx__arena_alloc(g->arena, g->buffer.len + 1);
    if (!data) return nx__error_set(NX_ENOMEM, "cannot write into memory: out of memory");
    if (g->buffer.len) memcpy(data, g->buffer.data, g->buffer.len);
    data[g->buffer.len] = '\0';
    *g->out = nx_slice(data, g->buffer.len);
    return NX_OK;
}

static void gather_close(void *state)
{
    struct gathering *g = state;
    nx__buffer_free(&g->buffer);
    free(g);
}

nx_stream *nx_memory_writer(nx_bytes *out, size_t most)
{
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "memory",
                                        .write = gather,
                                        .finish = gather_finish,
                                        .close = gather_close};
    struct gathering *g = calloc(1, sizeof *g);
    *out = (nx_bytes){0};
    if (!g) return nx__stream_no_memory();
    *g = (struct gathering){.arena = nx__scope_arena(), .out = out, .most = most};
    return nx_stream_new(&type, g);
}

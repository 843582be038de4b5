/* A stream of two directions as two streams. */
#include "stream/stream.h"

#include <stdlib.h>

struct whole {
    nx_stream *stream;
    unsigned halves; /* open */
};

static nx_err half_read(void *state, void *data, size_t len, size_t *got)
{
    return nx_stream_read(((struct whole *)state)->stream, data, len, got);
}

static nx_err half_write(void *state, nx_bytes bytes)
{
    return nx__stream_give(((struct whole *)state)->stream, bytes);
}

static nx_err half_finish(void *state, nx_stream *next)
{
    (void)next;
    return nx_stream_finish(((struct whole *)state)->stream);
}

static bool half_direct(void *state, struct nx__direct *out)
{
    nx_stream *stream = ((struct whole *)state)->stream;
    return stream->direct && !nx__stream_ahead(stream).len && stream->direct(stream->state, out);
}

static void source_close(void *state)
{
    struct whole *w = state;
    if (--w->halves) return;
    nx_stream_close(w->stream);
    free(w);
}

/* A peer that waits for more would wait as long as the other half is open. */
static void sink_close(void *state)
{
    const nx_stream *stream = ((struct whole *)state)->stream;
    if (!stream->finished && stream->type.give_up) stream->type.give_up(stream->state);
    source_close(state);
}

static nx_err whole_new(nx_stream *duplex, struct whole **out)
{
    if (!duplex) return nx__error_set(NX_EINVAL, "there is no stream to split");
    NX_TRY(nx__stream_check(duplex));
    if (!duplex->type.read || !duplex->type.write)
        return nx__error_set(NX_EINVAL, "%s has not both directions",
                             duplex->type.name ? duplex->type.name : "a stream");
    *out = malloc(sizeof **out);
    if (!*out) return nx__error_set(NX_ENOMEM, "cannot split a stream: out of memory");
    **out = (struct whole){duplex, 2};
    duplex->split = true;
    return NX_OK;
}

nx_err nx_stream_split(nx_stream *duplex, nx_stream **source, nx_stream **sink)
{
    static const nx_stream_type reads = {
        .size = sizeof reads, .name = "a source half", .read = half_read, .close = source_close};
    static const nx_stream_type writes = {.size = sizeof writes,
                                          .name = "a sink half",
                                          .write = half_write,
                                          .finish = half_finish,
                                          .close = sink_close};
    struct whole *w = NULL;
    *source = *sink = NULL;
    nx_err err = whole_new(duplex, &w);
    if (err) {
        struct nx__context why = *nx__context();
        nx_stream_close(duplex);
        return nx__error_take(&why, err);
    }
    *source = nx__stream_direct(nx_stream_new(&reads, w), half_direct);
    *sink = nx__stream_direct(nx_stream_new(&writes, w), half_direct);
    return NX_OK;
}

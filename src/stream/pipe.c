/* Streams one behind the other. */
#include "loop/files.h"
#include "stream/stream.h"

#include <stdlib.h>

/* What is read at once. */
enum { PIECE = 256 * 1024 };

/* How many bytes could be copied in the time that a piece takes by itself. */
enum { PIECE_COST = 1024 };

/* Is it a stream for that place? */
static nx_err place_check(const nx_stream *stream, size_t place, size_t count)
{
    NX_TRY(nx__stream_check(stream));
    const nx_stream_type *type = &stream->type;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is a stream */
    const char *name = type->name ? type->name : "a stream";
    if (place == 0 && !type->read)
        return nx__error_set(NX_EINVAL, "a pipe can't begin with %s: it can't be read", name);
    if (place + 1 == count && !type->write)
        return nx__error_set(NX_EINVAL, "a pipe can't end with %s: it can't be written", name);
    if (place && place + 1 < count && !type->transform)
        return nx__error_set(NX_EINVAL, "%s can't stand within a pipe: it is no transform", name);
    return NX_OK;
}

/* Reads straight into the room of what follows. */
static nx_err piece_move(nx_stream *source, nx_stream *to, bool *more)
{
    void *room;
    size_t got;
    NX_TRY(nx_stream_room(to, PIECE, &room));
    NX_TRY(nx_stream_read(source, room, PIECE, &got));
    *more = got != 0;
    NX_TRY(nx_stream_commit(to, got));
    /* Streams that never wait let others run, too; a piece takes its time, however short it is. */
    int64_t turn = nx__file_turn(got + PIECE_COST);
    return turn < 0 ? nx__error_set(NX_ECANCELED, "cancelled") : NX_OK;
}

/* Has one of them said so? */
static bool enough(nx_stream *const *streams, size_t count)
{
    for (size_t i = 1; i < count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is a stream */
        if (streams[i]->enough) return true;
    return false;
}

static nx_err run(nx_stream *const *streams, size_t count)
{
    for (size_t i = 0; i < count; i++) NX_TRY(place_check(streams[i], i, count));
    for (size_t i = 1; i + 1 < count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is a stream */
        streams[i]->next = streams[i + 1];
    bool all = false, more = true;
    if (count == 2) NX_TRY(nx__direct_move(streams[0], streams[1], &all));
    while (more && !all && !enough(streams, count))
        NX_TRY(piece_move(streams[0], streams[1], &more));
    for (size_t i = 1; i < count; i++) NX_TRY(nx__stream_end(streams[i]));
    return NX_OK;
}

nx_err nx_pipe_with(nx_stream *const *streams, size_t count)
{
    nx_err err = NX_OK;
    if (count < 2) err = nx__error_set(NX_EINVAL, "a pipe has two ends at least");
    for (size_t i = 0; i < count && !err; i++)
        if (!streams[i]) err = nx__error_set(NX_EINVAL, "stream %zu of a pipe is none", i + 1);
    for (size_t i = 0; i < count && !err; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): there is a stream */
        if (!streams[i]->error) streams[i]->held = true;
    if (!err) err = run(streams, count);
    /* Closing may fail at something, but what it was for is the first. */
    struct nx__context first = *nx__context();
    for (size_t i = 0; i < count; i++) nx_stream_close(streams[i]);
    return err ? nx__error_take(&first, err) : NX_OK;
}

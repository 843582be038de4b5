/* Reading a source by what is in it. */
#include "base/arena.h"
#include "loop/loop.h"
#include "stream/stream.h"

#include <stdlib.h>

enum { PIECE = 16 * 1024 };

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot read a stream: out of memory");
}

/* Reads more behind what is there; `*more` is false at the end. */
static nx_err ahead_read(nx_stream *stream, bool *more)
{
    struct nx__buffer *ahead = &stream->ahead;
    /* What has been given goes once it is the larger part, so that each byte moves but once. */
    if (stream->ahead_taken && stream->ahead_taken >= ahead->len - stream->ahead_taken) {
        nx__buffer_consume(ahead, stream->ahead_taken);
        stream->ahead_taken = 0;
    }
    if (nx__buffer_reserve(ahead, PIECE, SIZE_MAX)) return no_memory();
    size_t got = 0;
    NX_TRY(stream->type.read(stream->state, ahead->data + ahead->len, ahead->capacity - ahead->len,
                             &got));
    ahead->len += got;
    *more = got != 0;
    return NX_OK;
}

static nx_err source_check(const nx_stream *stream, size_t most)
{
    NX_TRY(nx__stream_check(stream));
    if (!stream->type.read)
        return nx__error_set(NX_EINVAL, "%s is no stream that can be read",
                             stream->type.name ? stream->type.name : "this");
    if (most > NX_STREAM_ROOM_MOST)
        return nx__error_set(NX_ELIMIT, "a stream reads %zu bytes ahead at most",
                             NX_STREAM_ROOM_MOST);
    return NX_OK;
}

nx_err nx_stream_peek(nx_stream *stream, size_t least, nx_bytes *bytes)
{
    bool more = true;
    *bytes = (nx_bytes){0};
    NX_TRY(source_check(stream, least));
    while (more && nx__stream_ahead(stream).len < least) NX_TRY(ahead_read(stream, &more));
    *bytes = nx__stream_ahead(stream);
    return NX_OK;
}

static nx_err at_end(void)
{
    return nx__error_set(NX_ECLOSED, "the stream is at its end");
}

nx_err nx_stream_read_exact(nx_stream *stream, void *data, size_t len)
{
    size_t have = 0;
    NX_TRY(source_check(stream, 0));
    while (have < len) {
        size_t got;
        NX_TRY(nx_stream_read(stream, (char *)data + have, len - have, &got));
        have += got;
        if (got) continue;
        return have ? nx__error_set(NX_EPROTO, "the stream ends after %zu of %zu bytes", have, len)
                    : at_end();
    }
    return NX_OK;
}

nx_err nx_stream_read_until(nx_stream *stream, nx_bytes mark, size_t most, nx_bytes *bytes)
{
    *bytes = (nx_bytes){0};
    NX_TRY(source_check(stream, most));
    if (!mark.len) return nx__error_set(NX_EINVAL, "an empty mark is everywhere");
    bool more = true;
    for (size_t seen = 0;;) {
        nx_bytes ahead = nx__stream_ahead(stream);
        /* A mark may begin in what was there before. */
        size_t from = seen < mark.len ? 0 : seen - mark.len + 1;
        const char *at = ahead.len > from
                             ? memmem(ahead.data + from, ahead.len - from, mark.data, mark.len)
                             : NULL;
        size_t len = at ? (size_t)(at - ahead.data) + mark.len : ahead.len;
        if (len > most)
            return nx__error_set(NX_ETOOBIG, "no end is found within %zu bytes of a stream", most);
        if (at || !more) {
            if (!len) return at_end();
            *bytes = nx_slice(ahead.data, len);
            stream->ahead_taken += len;
            return NX_OK;
        }
        seen = ahead.len;
        NX_TRY(ahead_read(stream, &more));
    }
}

nx_err nx_stream_read_line(nx_stream *stream, size_t most, nx_bytes *line)
{
    /* The end counts for nothing, and what is too long by one may be its "\r". */
    size_t room = most < NX_STREAM_ROOM_MOST - 2 ? most + 2 : most;
    nx_err err = nx_stream_read_until(stream, nx_str("\n"), room, line);
    if (!err && line->data[line->len - 1] == '\n') {
        line->len--;
        if (line->len && line->data[line->len - 1] == '\r') line->len--;
    }
    if (!err && line->len > most) err = NX_ETOOBIG;
    if (err == NX_ETOOBIG) {
        *line = (nx_bytes){0};
        return nx__error_set(NX_ETOOBIG, "a line is longer than %zu bytes", most);
    }
    return err;
}

/* As memory of the scope. */
static nx_err keep(const struct nx__buffer *all, nx_bytes *bytes)
{
    char *data = nx__arena_alloc(nx__scope_arena(), all->len + 1);
    if (!data) return no_memory();
    if (all->data) memcpy(data, all->data, all->len);
    data[all->len] = '\0';
    *bytes = nx_slice(data, all->len);
    return NX_OK;
}

nx_err nx_stream_read_all(nx_stream *stream, size_t most, nx_bytes *bytes)
{
    struct nx__buffer all = {0};
    nx_err err = source_check(stream, 0);
    bool more = true;
    *bytes = (nx_bytes){0};
    while (!err && more) {
        size_t got;
        if (nx__buffer_reserve(&all, PIECE, SIZE_MAX)) {
            err = no_memory();
            break;
        }
        err = nx_stream_read(stream, all.data + all.len, all.capacity - all.len, &got);
        all.len += got;
        more = got != 0;
        if (!err && all.len > most)
            err = nx__error_set(NX_ETOOBIG, "a stream has more than %zu bytes", most);
    }
    if (!err) err = keep(&all, bytes);
    nx__buffer_free(&all);
    return err;
}

/* Streams one by one. */
#include "stream/stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* There is one where there is no memory for another. It is nobody's to free. */
static nx_stream no_memory = {.type = {.name = "a stream"}, .error = NX_ENOMEM};

nx_stream *nx__stream_no_memory(void)
{
    return &no_memory;
}

nx_stream *nx_stream_new(const nx_stream_type *type, void *state)
{
    nx_stream *stream = calloc(1, sizeof *stream);
    if (!stream) {
        if (type->close) type->close(state);
        return &no_memory;
    }
    size_t size = type->size < sizeof stream->type ? type->size : sizeof stream->type;
    memcpy(&stream->type, type, size);
    stream->state = state;
    return stream;
}

nx_stream *nx_stream_failed(void)
{
    const nx_error *error = nx__error_last();
    nx_stream *stream = error->code == NX_ENOMEM ? NULL : calloc(1, sizeof *stream);
    if (!stream) return &no_memory;
    stream->error = error->code ? error->code : NX_EFAILED;
    stream->message = strdup(error->message);
    return stream;
}

nx_stream *nx__stream_refused(nx_err code, const char *format, ...)
{
    char message[NX__ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    NX_IGNORE(nx__error_set(code, "%s", message));
    return nx_stream_failed();
}

nx_stream **nx__streams_copy(nx_stream *const *streams, size_t count, const char *what)
{
    size_t none = 0;
    while (none < count && streams[none]) none++;
    nx_stream **copy = none == count ? malloc((count ? count : 1) * sizeof *copy) : NULL;
    if (copy) {
        for (size_t i = 0; i < count; i++) {
            copy[i] = streams[i];
            if (!copy[i]->error) copy[i]->held = true;
        }
        return copy;
    }
    for (size_t i = 0; i < count; i++) nx_stream_close(streams[i]);
    NX_IGNORE(none < count ? nx__error_set(NX_EINVAL, "stream %zu of %s is none", none + 1, what)
                           : nx__error_set(NX_ENOMEM, "cannot make %s: out of memory", what));
    return NULL;
}

nx_err nx__stream_check(const nx_stream *stream)
{
    if (!stream->error) return NX_OK;
    if (stream->error == NX_ENOMEM)
        return nx__error_set(NX_ENOMEM, "cannot make a stream: out of memory");
    return nx__error_set(stream->error, "%s",
                         stream->message ? stream->message : nx_err_text(stream->error));
}

static nx_err misplaced(const nx_stream *stream, const char *what)
{
    return nx__error_set(NX_EINVAL, "%s is no stream that can be %s",
                         stream->type.name ? stream->type.name : "this", what);
}

nx_err nx_stream_read(nx_stream *stream, void *data, size_t len, size_t *got)
{
    *got = 0;
    NX_TRY(nx__stream_check(stream));
    if (!stream->type.read) return misplaced(stream, "read");
    nx_bytes ahead = nx__stream_ahead(stream);
    if (!ahead.len) return len ? stream->type.read(stream->state, data, len, got) : NX_OK;
    *got = len < ahead.len ? len : ahead.len;
    if (*got) memcpy(data, ahead.data, *got);
    stream->ahead_taken += *got;
    return NX_OK;
}

/* Whose room it is that is written into: what changes pieces in place has none of its own. */
static nx_stream *roomy(nx_stream *stream)
{
    while (stream->in_place && stream->next) stream = stream->next;
    return stream;
}

nx_err nx_stream_room(nx_stream *stream, size_t len, void **room)
{
    *room = NULL;
    NX_TRY(nx__stream_check(stream));
    stream = roomy(stream);
    struct nx__stream_buffer *buffer = &stream->buffers[stream->current];
    NX_TRY(nx__stream_check(stream));
    if (len > NX_STREAM_ROOM_MOST)
        return nx__error_set(NX_ELIMIT, "a stream has room for %zu bytes at most",
                             NX_STREAM_ROOM_MOST);
    if (len > buffer->size) {
        /* Nothing in it is of use any more. */
        free(buffer->data);
        buffer->data = malloc(len);
        buffer->size = buffer->data ? len : 0;
        if (!buffer->data) return nx__error_set(NX_ENOMEM, "cannot write a stream: out of memory");
    }
    *room = buffer->data;
    return NX_OK;
}

nx_err nx_stream_commit(nx_stream *stream, size_t len)
{
    nx_stream *last = roomy(stream);
    char *data = last->buffers[last->current].data;
    for (; len && stream != last; stream = stream->next) stream->in_place(stream->state, data, len);
    NX_TRY(nx__stream_check(stream));
    nx_bytes bytes = nx_slice(data, len);
    if (!len) return NX_OK;
    if (stream->type.write) stream->current ^= 1; /* a transform is done with them on return */
    return nx__stream_give(stream, bytes);
}

nx_err nx__stream_give(nx_stream *stream, nx_bytes bytes)
{
    NX_TRY(nx__stream_check(stream));
    if (stream->next && stream->type.transform)
        return stream->type.transform(stream->state, bytes, stream->next);
    if (!stream->type.write) return misplaced(stream, "written");
    return stream->type.write(stream->state, bytes);
}

nx_err nx_stream_write(nx_stream *stream, nx_bytes bytes)
{
    enum { PIECE = 256 * 1024 };
    while (bytes.len) {
        void *room;
        size_t len = bytes.len < PIECE ? bytes.len : PIECE;
        NX_TRY(nx_stream_room(stream, len, &room));
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there is room */
        memcpy(room, bytes.data, len);
        NX_TRY(nx_stream_commit(stream, len));
        bytes = nx_slice(bytes.data + len, bytes.len - len);
    }
    return nx__stream_check(stream);
}

nx_err nx__stream_end(nx_stream *stream)
{
    if (stream->finished || !stream->type.finish) return NX_OK;
    stream->finished = true;
    return stream->type.finish(stream->state, stream->next);
}

void nx_stream_enough(nx_stream *next)
{
    next->enough = true;
}

nx_err nx_stream_finish(nx_stream *stream)
{
    NX_TRY(nx__stream_check(stream));
    return nx__stream_end(stream);
}

void nx_stream_close(nx_stream *stream)
{
    if (!stream || stream == &no_memory) return;
    if (stream->type.close) stream->type.close(stream->state);
    free(stream->buffers[0].data);
    free(stream->buffers[1].data);
    nx__buffer_free(&stream->ahead);
    free(stream->message);
    free(stream);
}

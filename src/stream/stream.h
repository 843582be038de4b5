/* A stream, as its own room knows it. */
#ifndef NX__STREAM_H
#define NX__STREAM_H

#include "base/buffer.h"
#include "base/error.h"
#include "stream/direct.h"
#include <nexus/stream.h>

struct nx_stream {
    nx_stream_type type;
    void *state;
    nx__direct_fn direct; /* NULL: it is no descriptor */
    /* Of a transform that leaves each piece as long as it is: it changes it where it lies, in the
     * room of what follows. NULL: of any other. */
    void (*in_place)(void *state, void *data, size_t len);
    nx_stream *next; /* in a pipe */
    nx_err error;    /* what keeps it from working, with its message */
    char *message;   /* NULL: there was no memory for it */
    /* What is written lies in one of these until the other is full, so that a sink may still be at
     * it. */
    struct nx__stream_buffer {
        char *data;
        size_t size;
    } buffers[2];
    unsigned current;
    struct nx__buffer ahead; /* of a source: what has been read, */
    size_t ahead_taken;      /* from where on it has not been given */
    bool finished;
    bool held;   /* a pipe has it, and closes it */
    bool split;  /* its halves have it */
    bool enough; /* what comes before it need not go on */
};

/* What stands for a stream where there is no memory for one. */
nx_stream *nx__stream_no_memory(void);

/* A stream that could not be made, for that reason. */
nx_stream *nx__stream_refused(nx_err code, const char *format, ...) NX_PRINTF(2, 3);

/* What of the source has been read ahead. */
static inline nx_bytes nx__stream_ahead(const nx_stream *stream)
{
    return stream->ahead.len ? nx_slice(stream->ahead.data + stream->ahead_taken,
                                        stream->ahead.len - stream->ahead_taken)
                             : (nx_bytes){0};
}

/* Copies an array of streams. Where one can't be, or there is no memory, the result is NULL, the
 * reason recorded, and all of them are closed. */
nx_stream **nx__streams_copy(nx_stream *const *streams, size_t count, const char *what);

/* Writes bytes that stay until the stream's next call returns, without a copy. */
NX_MUST_CHECK nx_err nx__stream_give(nx_stream *stream, nx_bytes bytes);

/* Records the error that the stream was made with; NX_OK for one that works. */
nx_err nx__stream_check(const nx_stream *stream);

/* No more comes. Once. */
NX_MUST_CHECK nx_err nx__stream_end(nx_stream *stream);

#endif

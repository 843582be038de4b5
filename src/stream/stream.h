/* A stream, as its own room knows it. */
#ifndef NX__STREAM_H
#define NX__STREAM_H

#include "base/error.h"
#include <nexus/stream.h>

struct nx_stream {
    nx_stream_type type;
    void *state;
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
    bool finished;
};

/* What stands for a stream where there is no memory for one. */
nx_stream *nx__stream_no_memory(void);

/* Records the error that the stream was made with; NX_OK for one that works. */
nx_err nx__stream_check(const nx_stream *stream);

/* No more comes. Once. */
NX_MUST_CHECK nx_err nx__stream_end(nx_stream *stream);

#endif

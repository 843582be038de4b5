/* Streams: bytes on their way from a source through transforms into a sink. */
#ifndef NEXUS_STREAM_H
#define NEXUS_STREAM_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A source is read, a sink is written, a transform stands between. A stream that could not be made
 * (no such file, no memory) is one all the same: whoever uses it gets the error. A stream belongs
 * to the fiber that uses it. */
typedef struct nx_stream nx_stream;

/* ---- Going all the way */

/* Reads the first, sends what comes through those between, writes the last, until the source is at
 * its end; then finishes and closes them all, each once. Suspends whenever one of them does, so
 * that nobody is ahead of the slowest; what is on its way is less than 1 MiB for each.
 *
 * The first error of any ends it: NX_TRY(nx_pipe(nx_fs_reader("a"), nx_upper(),
 * nx_fs_writer("b"))). All are closed then too, sinks without being finished. NX_EINVAL (one that
 * is in the wrong place), NX_ECANCELED. */
NX_API NX_MUST_CHECK nx_err nx_pipe_with(nx_stream *const *streams, size_t count);
#define nx_pipe(...)                                                                               \
    nx_pipe_with((nx_stream *const[]){__VA_ARGS__},                                                \
                 sizeof((nx_stream *const[]){__VA_ARGS__}) / sizeof(nx_stream *))

/* ---- Step by step */

/* Reads what there is, at most `len` bytes, and waits for something to be; `*got` is 0 at the end.
 */
NX_API NX_MUST_CHECK nx_err nx_stream_read(nx_stream *stream, void *data, size_t len, size_t *got);

/* Writes all of it into a sink, or from within a transform into what follows. */
NX_API NX_MUST_CHECK nx_err nx_stream_write(nx_stream *stream, nx_bytes bytes);

/* The same without a copy: room for `len` bytes, at most NX_STREAM_ROOM_MOST, of which then as many
 * are written as there are. The room is the stream's, until it is committed. */
NX_API NX_MUST_CHECK nx_err nx_stream_room(nx_stream *stream, size_t len, void **room);
NX_API NX_MUST_CHECK nx_err nx_stream_commit(nx_stream *stream, size_t len);
#define NX_STREAM_ROOM_MOST ((size_t)16 << 20)

/* No more comes: what the sink still holds is written. */
NX_API NX_MUST_CHECK nx_err nx_stream_finish(nx_stream *stream);

/* Closes it, and frees it; NULL is nothing. A sink that has not been finished is given up. */
NX_API void nx_stream_close(nx_stream *stream);
static inline void nx_stream_auto(nx_stream **stream)
{
    nx_stream_close(*stream);
    *stream = NULL;
}

/* ---- Of memory */

/* Reads bytes that stay until it is closed. */
NX_API nx_stream *nx_memory_reader(nx_bytes bytes);
/* Gathers what is written, up to `most` bytes (NX_ETOOBIG past that), as memory of the scope that
 * it was made in; `*out` has it, with a NUL behind, once it is finished. */
NX_API nx_stream *nx_memory_writer(nx_bytes *out, size_t most);

/* ---- Transforms */

/* Calls fn(arg, bytes, next) for each piece, which writes what it makes of it into `next`. An error
 * ends the pipe. */
typedef nx_err (*nx_transform_fn)(void *arg, nx_bytes bytes, nx_stream *next);
NX_API nx_stream *nx_transform(nx_transform_fn fn, void *arg);

/* Calls fn(arg, data, len) for each piece, which changes it in place. */
typedef void (*nx_change_fn)(void *arg, char *data, size_t len);
NX_API nx_stream *nx_change(nx_change_fn fn, void *arg);

/* Lets `most` bytes through, and then says NX_ETOOBIG. */
NX_API nx_stream *nx_limit(uint64_t most);

/* ---- Of one's own */

/* What a stream does; what it doesn't is NULL. `state` is the stream's own. All may suspend. */
typedef struct nx_stream_type {
    size_t size;
    const char *name; /* for messages */
    nx_err (*read)(void *state, void *data, size_t len, size_t *got);
    /* The bytes stay until the call after returns, be it write, finish or close. */
    nx_err (*write)(void *state, nx_bytes bytes);
    nx_err (*transform)(void *state, nx_bytes bytes, nx_stream *next);
    nx_err (*finish)(void *state, nx_stream *next); /* `next` is NULL for a sink */
    void (*close)(void *state); /* once, whatever has happened; frees the state */
} nx_stream_type;

/* A stream of that type, which is copied; it takes the state over, also where memory is out. */
NX_API nx_stream *nx_stream_new(const nx_stream_type *type, void *state);

/* One that could not be made: its users get the calling fiber's last error. */
NX_API nx_stream *nx_stream_failed(void);

#ifdef __cplusplus
}
#endif

#endif

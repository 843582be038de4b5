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

/* ---- Reading a source by what is in it
 *
 * These read ahead into a buffer of the stream's, of NX_STREAM_ROOM_MOST bytes at most; what they
 * leave there is what nx_stream_read and nx_pipe get first. `*bytes` lies there, until the next
 * call for the stream. All suspend. */

/* The next `least` bytes or more, fewer only at the end; they stay unread. */
NX_API NX_MUST_CHECK nx_err nx_stream_peek(nx_stream *stream, size_t least, nx_bytes *bytes);

/* `len` bytes. NX_ECLOSED at the end, NX_EPROTO where it comes before all of them. */
NX_API NX_MUST_CHECK nx_err nx_stream_read_exact(nx_stream *stream, void *data, size_t len);

/* Up to and with the next `mark`, which is not empty; without one, what there is to the end.
 * NX_ECLOSED at the end, NX_ETOOBIG when more than `most` bytes come first, which stay unread. */
NX_API NX_MUST_CHECK nx_err nx_stream_read_until(nx_stream *stream, nx_bytes mark, size_t most,
                                                 nx_bytes *bytes);

/* The next line, without its end, which is "\n" or "\r\n" or that of the source; for lines of up
 * to `most` bytes. NX_ECLOSED at the end, NX_ETOOBIG. */
NX_API NX_MUST_CHECK nx_err nx_stream_read_line(nx_stream *stream, size_t most, nx_bytes *line);

/* The rest, up to `most` bytes (NX_ETOOBIG past that), as memory of the current scope with a NUL
 * behind; the stream stays the caller's to close. */
NX_API NX_MUST_CHECK nx_err nx_stream_read_all(nx_stream *stream, size_t most, nx_bytes *bytes);

/* ---- Sources and sinks of memory and of other streams */

/* Reads bytes that stay until it is closed. */
NX_API nx_stream *nx_memory_reader(nx_bytes bytes);
/* Gathers what is written, up to `most` bytes (NX_ETOOBIG past that), as memory of the scope that
 * it was made in; `*out` has it, with a NUL behind, once it is finished. */
NX_API nx_stream *nx_memory_writer(nx_bytes *out, size_t most);

/* A source of what a function gives: it puts the next piece into `*piece`, which stays until it is
 * called again; an empty one is the end. */
typedef nx_err (*nx_generator_fn)(void *arg, nx_bytes *piece);
NX_API nx_stream *nx_generator(nx_generator_fn fn, void *arg);

/* A source of several, one after the other. Each is closed as soon as it is at its end, the others
 * with this one. */
NX_API nx_stream *nx_concat_with(nx_stream *const *sources, size_t count);
#define nx_concat(...)                                                                             \
    nx_concat_with((nx_stream *const[]){__VA_ARGS__},                                              \
                   sizeof((nx_stream *const[]){__VA_ARGS__}) / sizeof(nx_stream *))

/* A source of several as they come, each piece whole, in no order between them: a fiber reads each,
 * and is one piece ahead at most; so what only its own fiber may read, such as a request's body, is
 * none for it. The first error of any is the merge's. Closing it cancels those fibers and waits for
 * them. NX_ENOMEM, NX_ELIMIT (--max-fibers). */
NX_API nx_stream *nx_merge_with(nx_stream *const *sources, size_t count);
#define nx_merge(...)                                                                              \
    nx_merge_with((nx_stream *const[]){__VA_ARGS__},                                               \
                  sizeof((nx_stream *const[]){__VA_ARGS__}) / sizeof(nx_stream *))

/* A source with transforms behind it as one source: nx_through(nx_fs_reader("a.gz"), nx_gunzip()).
 * A fiber runs them. Errors as nx_merge. */
NX_API nx_stream *nx_through_with(nx_stream *const *streams, size_t count);
#define nx_through(...)                                                                            \
    nx_through_with((nx_stream *const[]){__VA_ARGS__},                                             \
                    sizeof((nx_stream *const[]){__VA_ARGS__}) / sizeof(nx_stream *))

/* A sink of several, or a transform that lets all through and writes it into them too: each piece
 * into one after the other, so the slowest rules. The first error of any is the tee's. They are
 * finished and closed with it. */
NX_API nx_stream *nx_tee_with(nx_stream *const *sinks, size_t count);
#define nx_tee(...)                                                                                \
    nx_tee_with((nx_stream *const[]){__VA_ARGS__},                                                 \
                sizeof((nx_stream *const[]){__VA_ARGS__}) / sizeof(nx_stream *))

/* ---- Descriptors: pipes, sockets, terminals, files. From one to another, or to a file, the kernel
 * moves the bytes by itself where it can. */

typedef struct nx_fd_options {
    size_t size;
    bool keep;        /* it is not closed */
    const char *name; /* for messages, copied, cut at 31 bytes; "descriptor 5" */
} nx_fd_options;

/* Each takes the descriptor over and closes it with the stream, unless it is to be kept; also where
 * the stream could not be made. None of its flags is changed, since others may share it. A regular
 * file is read and written where the descriptor stands. Nobody else of this loop waits for it
 * meanwhile. Writing where nobody reads any more is NX_ERESET, and SIGPIPE no longer ends the
 * program. */
NX_API nx_stream *nx_fd_reader_with(int fd, const nx_fd_options *options);
NX_API nx_stream *nx_fd_writer_with(int fd, const nx_fd_options *options);
#define nx_fd_reader(fd, ...)                                                                      \
    nx_fd_reader_with((fd), &(nx_fd_options){.size = sizeof(nx_fd_options), __VA_ARGS__})
#define nx_fd_writer(fd, ...)                                                                      \
    nx_fd_writer_with((fd), &(nx_fd_options){.size = sizeof(nx_fd_options), __VA_ARGS__})

/* A connected socket, which is read and written. Finishing it ends what the peer reads, and goes on
 * reading what it writes. */
NX_API nx_stream *nx_fd_duplex_with(int fd, const nx_fd_options *options);
#define nx_fd_duplex(fd, ...)                                                                      \
    nx_fd_duplex_with((fd), &(nx_fd_options){.size = sizeof(nx_fd_options), __VA_ARGS__})

/* The two directions of a stream that has both, each for a fiber of its own. The stream is closed
 * once both are; on an error at once. NX_EINVAL, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_stream_split(nx_stream *duplex, nx_stream **source,
                                            nx_stream **sink);

/* ---- Transforms */

/* Calls fn(arg, bytes, next) for each piece, which writes what it makes of it into `next`. An error
 * ends the pipe. */
typedef nx_err (*nx_transform_fn)(void *arg, nx_bytes bytes, nx_stream *next);
NX_API nx_stream *nx_transform(nx_transform_fn fn, void *arg);

/* Says from within a transform that nothing else is wanted: the pipe reads no more, and finishes.
 */
NX_API void nx_stream_enough(nx_stream *next);

/* Calls fn(arg, data, len) for each piece, which changes it in place. */
typedef void (*nx_change_fn)(void *arg, char *data, size_t len);
NX_API nx_stream *nx_change(nx_change_fn fn, void *arg);

/* Calls fn(arg, line, next) for each line, as nx_stream_read_line has them: NX_ETOOBIG for one of
 * more than `most` bytes. What fn writes has the ends that it gives it. */
NX_API nx_stream *nx_lines(nx_transform_fn fn, void *arg, size_t most);

/* Lets `most` bytes through, and then says NX_ETOOBIG. */
NX_API nx_stream *nx_limit(uint64_t most);

/* Lets the first `count` bytes through, of which then nothing more is read; or all but them. */
NX_API nx_stream *nx_take(uint64_t count);
NX_API nx_stream *nx_drop(uint64_t count);

/* ---- Base64 and hexadecimal, as <nexus/encode.h> has them */

typedef struct nx_base64_stream_options {
    size_t size;
    bool url;        /* the alphabet for URLs and file names (RFC 4648, section 5) */
    bool no_padding; /* without = at the end: written so, and wanted so */
    bool spaces;     /* reading: spaces and ends of lines are passed over; they don't count where a
                        message tells the place of a character */
    bool crlf;       /* writing: lines end with "\r\n" */
    uint32_t line;   /* writing: characters in a line, such as 76 (RFC 2045); the last line has an
                        end too. 0: no lines */
} nx_base64_stream_options;

NX_API nx_stream *nx_base64_encoder_with(const nx_base64_stream_options *options);
#define nx_base64_encoder(...)                                                                     \
    nx_base64_encoder_with(                                                                        \
        &(nx_base64_stream_options){.size = sizeof(nx_base64_stream_options), __VA_ARGS__})
/* NX_EINVAL, as nx_base64_decode. */
NX_API nx_stream *nx_base64_decoder_with(const nx_base64_stream_options *options);
#define nx_base64_decoder(...)                                                                     \
    nx_base64_decoder_with(                                                                        \
        &(nx_base64_stream_options){.size = sizeof(nx_base64_stream_options), __VA_ARGS__})
NX_API nx_stream *nx_hex_encoder(void);
/* NX_EINVAL, as nx_hex_decode. */
NX_API nx_stream *nx_hex_decoder(void);

/* ---- Compression. Large pieces are compressed on a thread of the blocking pool. */

typedef struct nx_pack_options {
    size_t size;
    int level; /* 1 (fast) to 9 for gzip and deflate, 11 for br, 19 for zstd; 0: 6, 5, 3 */
    bool raw;  /* deflate: without zlib's head and checksum (RFC 1951) */
} nx_pack_options;

/* RFC 1952, 1950, 7932, 8878. NX_EINVAL (the level), NX_ENOTSUP (br, in a build without it). */
NX_API nx_stream *nx_gzip_with(const nx_pack_options *options);
NX_API nx_stream *nx_deflate_with(const nx_pack_options *options);
NX_API nx_stream *nx_brotli_with(const nx_pack_options *options);
NX_API nx_stream *nx_zstd_with(const nx_pack_options *options);
#define NX__PACK(...)                                                                              \
    &(nx_pack_options)                                                                             \
    {                                                                                              \
        .size = sizeof(nx_pack_options), __VA_ARGS__                                               \
    }
#define nx_gzip(...)    nx_gzip_with(NX__PACK(__VA_ARGS__))
#define nx_deflate(...) nx_deflate_with(NX__PACK(__VA_ARGS__))
#define nx_brotli(...)  nx_brotli_with(NX__PACK(__VA_ARGS__))
#define nx_zstd(...)    nx_zstd_with(NX__PACK(__VA_ARGS__))

/* A few bytes may become very many: what comes from outside gets one of the first two. */
typedef struct nx_unpack_options {
    size_t size;
    uint64_t max;       /* bytes that may come out; 0: any number */
    uint32_t max_ratio; /* how many times the size of what has come in they may be, past
                           NX_UNPACK_RATIO_FREE; 0: any number. HTTP has 100 */
    bool large_window;  /* zstd: up to 128 MiB of memory for the window that a stream asks for, as
                           `zstd --ultra` does; else 8 MiB */
    bool raw;           /* inflate: without zlib's head and checksum */
} nx_unpack_options;
#define NX_UNPACK_RATIO_FREE ((size_t)64 << 10)

/* The other way. gzip and zstd take several streams one behind the other, as their tools do.
 * NX_EPROTO (damaged, cut off, something else behind it), NX_ETOOBIG (max, max_ratio, the window).
 */
NX_API nx_stream *nx_gunzip_with(const nx_unpack_options *options);
NX_API nx_stream *nx_inflate_with(const nx_unpack_options *options);
NX_API nx_stream *nx_unbrotli_with(const nx_unpack_options *options);
NX_API nx_stream *nx_unzstd_with(const nx_unpack_options *options);
#define NX__UNPACK(...)                                                                            \
    &(nx_unpack_options)                                                                           \
    {                                                                                              \
        .size = sizeof(nx_unpack_options), __VA_ARGS__                                             \
    }
#define nx_gunzip(...)   nx_gunzip_with(NX__UNPACK(__VA_ARGS__))
#define nx_inflate(...)  nx_inflate_with(NX__UNPACK(__VA_ARGS__))
#define nx_unbrotli(...) nx_unbrotli_with(NX__UNPACK(__VA_ARGS__))
#define nx_unzstd(...)   nx_unzstd_with(NX__UNPACK(__VA_ARGS__))

/* ---- Of one's own */

/* What a stream does; what it doesn't is NULL: a source reads, a sink writes, a duplex does both.
 * `state` is the stream's own. All may suspend. */
typedef struct nx_stream_type {
    size_t size;
    const char *name; /* for messages */
    nx_err (*read)(void *state, void *data, size_t len, size_t *got);
    /* The bytes stay until the call after returns, be it write, finish or close. */
    nx_err (*write)(void *state, nx_bytes bytes);
    /* With both, it is a transform where something follows it. */
    nx_err (*transform)(void *state, nx_bytes bytes, nx_stream *next);
    nx_err (*finish)(void *state, nx_stream *next); /* `next` is NULL for a sink */
    void (*close)(void *state); /* once, whatever has happened; frees the state */
    /* Of a duplex, whose sink half is closed before it is finished while the other is still open:
     * no more is written. Does not suspend. */
    void (*give_up)(void *state);
} nx_stream_type;

/* A stream of that type, which is copied; it takes the state over, also where memory is out. */
NX_API nx_stream *nx_stream_new(const nx_stream_type *type, void *state);

/* One that could not be made: its users get the calling fiber's last error. */
NX_API nx_stream *nx_stream_failed(void);

#ifdef __cplusplus
}
#endif

#endif

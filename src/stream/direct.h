/* Bytes that go from one descriptor to another past the program: what streams say of theirs, and
 * who moves them. */
#ifndef NX__DIRECT_H
#define NX__DIRECT_H

#include <nexus/stream.h>

/* What knows of a descriptor that another fiber may close while bytes move. */
struct nx__direct_guard {
    bool (*is_open)(void *owner);
    /* Suspends until it may be readable or writable (one of them), for as long as its owner says.
     * The error is recorded. */
    nx_err (*wait)(void *owner, uint32_t event);
};

struct nx__direct {
    int fd;
    const struct nx__direct_guard *guard; /* NULL: the stream alone has it */
    void *owner;                          /* the guard's */
    uint64_t *position; /* of a file: where to go on, which moves; NULL: the descriptor's own */
    /* A sink's, which has no descriptor itself, but sends what is in a plain file. */
    nx_err (*send)(void *state, int fd, uint64_t at, uint64_t len);
};

/* Says what descriptor the stream is just now; false if it is none, or has bytes under way. May
 * suspend. */
typedef bool (*nx__direct_fn)(void *state, struct nx__direct *out);

/* Lets a new stream say so. Returns the stream. */
nx_stream *nx__stream_direct(nx_stream *stream, nx__direct_fn fn);

/* Moves from the source to the sink what the kernel moves by itself: all of it, some, or nothing.
 * The end, unless `*all` says that it is reached, and each failure but that of a wait are left to
 * those who read and write, who meet it again and know its name. */
NX_MUST_CHECK nx_err nx__direct_move(nx_stream *from, nx_stream *to, bool *all);

#endif

/* Bytes from descriptor to descriptor by the kernel. */
#include "stream/direct.h"

#include "base/sigpipe.h"
#include "loop/files.h"
#include "stream/stream.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <unistd.h>

enum {
    TURN = 256 * 1024,       /* bytes at once, where the loop stands still meanwhile */
    COPY = 16 * 1024 * 1024, /* and where it does not */
};

/* What can be moved how. */
enum kind { PLAIN, PIPE, SOCKET, NONE };

struct move {
    int from, to;
    off_t *from_at, *to_at; /* NULL: where the descriptor is */
    size_t len;
    ssize_t (*call)(const struct move *m);
    bool waits; /* the call may wait for a disk */
};

/* ---- The calls */

static ssize_t call_copy(const struct move *m)
{
    return copy_file_range(m->from, m->from_at, m->to, m->to_at, m->len, 0);
}

static ssize_t call_send(const struct move *m)
{
    return sendfile(m->to, m->from, m->from_at, m->len);
}

static ssize_t call_splice(const struct move *m)
{
    return splice(m->from, m->from_at, m->to, m->to_at, m->len, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
}

static int64_t run(void *arg)
{
    const struct move *m = arg;
    ssize_t n;
    do n = m->call(m);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* ---- Which */

static enum kind kind_of(int fd, bool written)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return NONE;
    if (S_ISFIFO(st.st_mode)) return PIPE;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return NONE;
    /* What there is in /proc says that it is empty, and nothing can be put in order behind what
     * others append. */
    if (S_ISREG(st.st_mode))
        return written ? (flags & O_APPEND ? NONE : PLAIN) : st.st_size ? PLAIN : NONE;
    /* Writing into a socket waits unless the socket says otherwise. */
    if (S_ISSOCK(st.st_mode)) return written && !(flags & O_NONBLOCK) ? NONE : SOCKET;
    return NONE;
}

/* False where the kernel has no way. */
static bool choose(struct move *m)
{
    enum kind from = kind_of(m->from, false), to = kind_of(m->to, true);
    if (from == NONE || to == NONE) return false;
    m->len = TURN;
    m->call = call_splice;
    m->waits = from == PLAIN || to == PLAIN;
    if (from == PLAIN && to == PLAIN) {
        m->call = call_copy;
        m->len = COPY;
    } else if (from == PLAIN && to == SOCKET) {
        m->call = call_send;
    } else {
        return from == PIPE || to == PIPE;
    }
    return true;
}

/* ---- Moving */

static bool ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, 0) != 0;
}

/* Of what others may close the descriptor is a copy: nobody else's, whatever happens meanwhile. */
static bool side_begin(struct nx__direct *s)
{
    if (s->guard) s->fd = s->guard->is_open(s->owner) ? fcntl(s->fd, F_DUPFD_CLOEXEC, 0) : -1;
    return s->fd >= 0;
}

static void side_end(const struct nx__direct *s)
{
    if (s->guard && s->fd >= 0) (void)close(s->fd);
}

static bool side_is_open(const struct nx__direct *s)
{
    return !s->guard || s->guard->is_open(s->owner);
}

/* `*more` is false where another way may do. */
static nx_err side_wait(const struct nx__direct *s, uint32_t event, bool *more)
{
    if (s->guard) return s->guard->wait(s->owner, event);
    int64_t result = nx__fd_wait(s->fd, event);
    *more = result == 0;
    return result == -ECANCELED ? nx__error_set(NX_ECANCELED, "cancelled") : NX_OK;
}

/* Whichever end it is that is not ready. Nothing comes between the look and the wait. */
static nx_err wait_ends(const struct nx__direct *source, const struct nx__direct *sink, bool *more)
{
    if (!ready(source->fd, POLLIN)) return side_wait(source, NX__READABLE, more);
    if (!ready(sink->fd, POLLOUT)) return side_wait(sink, NX__WRITABLE, more);
    return nx_yield();
}

static int64_t move_once(struct move *m)
{
    int64_t n = nx__file_turn(m->waits ? 0 : m->len);
    if (n < 0) return n;
    return m->waits ? nx__file_call(run, m) : run(m);
}

static nx_err move_all(const struct nx__direct *source, const struct nx__direct *sink)
{
    off_t from_at = source->position ? (off_t)*source->position : 0;
    off_t to_at = sink->position ? (off_t)*sink->position : 0;
    struct move m = {.from = source->fd,
                     .to = sink->fd,
                     .from_at = source->position ? &from_at : NULL,
                     .to_at = sink->position ? &to_at : NULL};
    if (!choose(&m)) return NX_OK;
    nx__sigpipe_quiet();
    for (bool more = true; more && side_is_open(source) && side_is_open(sink);) {
        int64_t n = move_once(&m);
        if (source->position) *source->position = (uint64_t)from_at;
        if (sink->position) *sink->position = (uint64_t)to_at;
        if (n == -ECANCELED) return nx__error_set(NX_ECANCELED, "cancelled");
        if (n == -EAGAIN)
            NX_TRY(wait_ends(source, sink, &more));
        else
            more = n > 0;
    }
    return NX_OK;
}

nx_stream *nx__stream_direct(nx_stream *stream, nx__direct_fn fn)
{
    if (!stream->error) stream->direct = fn;
    return stream;
}

/* Has the sink send a file. */
static nx_err file_send(nx_stream *to, const struct nx__direct *source,
                        const struct nx__direct *sink, bool *all)
{
    struct stat st;
    off_t at = source->position ? (off_t)*source->position : lseek(source->fd, 0, SEEK_CUR);
    if (fstat(source->fd, &st) != 0 || !S_ISREG(st.st_mode) || at < 0 || at >= st.st_size)
        return NX_OK;
    *all = true;
    return sink->send(to->state, source->fd, (uint64_t)at, (uint64_t)(st.st_size - at));
}

nx_err nx__direct_move(nx_stream *from, nx_stream *to, bool *all)
{
    struct nx__direct source, sink;
    *all = false;
    if (!from->direct || !to->direct || nx__stream_ahead(from).len ||
        !from->direct(from->state, &source) || !to->direct(to->state, &sink))
        return NX_OK;
    if (sink.send) return file_send(to, &source, &sink, all);
    bool begun = side_begin(&source);
    nx_err err = begun && side_begin(&sink) ? move_all(&source, &sink) : NX_OK;
    if (begun) side_end(&sink);
    side_end(&source);
    return err;
}

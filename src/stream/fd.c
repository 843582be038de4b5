/* Descriptors as streams: pipes, sockets, terminals, files, whatever is at the other end.
 *
 * A descriptor that came from elsewhere may be shared with other processes, down to its flags: one
 * that is set not to block would surprise a shell. So none is changed, and each call is one that
 * doesn't block by itself. */
#include "base/compiler.h"
#include "base/sigpipe.h"
#include "loop/files.h"
#include "stream/direct.h"
#include "stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME_MOST = 32, PIECE_MOST = 256 * 1024 };

/* How one reads or writes it without waiting. */
enum way {
    SOCKET, /* by a flag of the call */
    NOW,    /* by another such flag, if the kernel has it for what it is */
    POLLED, /* reading only: once poll says that there is something */
    PLAIN,  /* by who serves files */
};

struct end {
    int fd; /* -1: closed */
    enum way way;
    bool keep;
    char name[NAME_MOST];
};

/* ---- One end */

static nx_err failed(const struct end *e, int64_t result, const char *doing)
{
    if (result >= 0) return NX_OK;
    if (result == -ECANCELED) return nx__error_set(NX_ECANCELED, "cancelled");
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_system((int)-result, "cannot %s %s", doing, e->name);
}

/* Tells which way it goes; -errno. */
static int64_t end_open(struct end *e, int fd, const nx_fd_options *o)
{
    struct stat st;
    *e = (struct end){.fd = fd, .keep = o->keep};
    if (o->name)
        (void)snprintf(e->name, sizeof e->name, "%s", o->name);
    else
        (void)snprintf(e->name, sizeof e->name, "descriptor %d", fd);
    if (fstat(fd, &st) != 0) return -errno;
    e->way = S_ISSOCK(st.st_mode)                          ? SOCKET
             : S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) ? NOW
                                                           : PLAIN;
    return 0;
}

static int64_t close_run(void *arg)
{
    return close(*(int *)arg) == 0 ? 0 : -errno;
}

/* Closes it, if that is ours to do, where closing may have to wait. */
static int64_t end_settle(struct end *e)
{
    int fd = e->fd;
    if (fd < 0 || e->keep || e->way != PLAIN) return 0;
    e->fd = -1;
    int64_t result = nx__file_call(close_run, &fd);
    if (result == -ECANCELED) (void)close(fd); /* nobody has begun it */
    return result;
}

static void end_close(struct end *e)
{
    if (e->fd >= 0 && !e->keep) (void)close(e->fd);
    e->fd = -1;
}

static bool has_input(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) != 0;
}

/* Once, without waiting: -EAGAIN. */
static int64_t read_once(struct end *e, struct iovec piece)
{
    ssize_t n;
    switch (e->way) {
    case SOCKET: n = recv(e->fd, piece.iov_base, piece.iov_len, MSG_DONTWAIT); break;
    case NOW:
        n = preadv2(e->fd, &piece, 1, -1, RWF_NOWAIT);
        if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
            e->way = POLLED;
            return -EINTR;
        }
        break;
    case POLLED:
        if (!has_input(e->fd)) return -EAGAIN;
        n = read(e->fd, piece.iov_base, piece.iov_len);
        break;
    default: return nx__file_readv(e->fd, &piece, 1, NX__FILE_POSITION);
    }
    return n < 0 ? -errno : n;
}

static int64_t write_once(struct end *e, struct iovec piece)
{
    ssize_t n;
    switch (e->way) {
    case SOCKET: n = send(e->fd, piece.iov_base, piece.iov_len, MSG_DONTWAIT | MSG_NOSIGNAL); break;
    case NOW:
        n = pwritev2(e->fd, &piece, 1, -1, RWF_NOWAIT);
        if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
            e->way = PLAIN;
            return -EINTR;
        }
        break;
    default: return nx__file_writev(e->fd, &piece, 1, NX__FILE_POSITION);
    }
    return n < 0 ? -errno : n;
}

static int64_t end_read(struct end *e, struct iovec piece)
{
    if (piece.iov_len > PIECE_MOST) piece.iov_len = PIECE_MOST;
    int64_t n = nx__file_turn(piece.iov_len);
    while (n == 0) {
        n = read_once(e, piece);
        if (n == 0) break;
        if (n == -EINTR) n = 0;
        if (n == -EAGAIN) n = nx__fd_wait(e->fd, NX__READABLE);
    }
    return n;
}

static int64_t end_write(struct end *e, nx_bytes bytes)
{
    int64_t result = nx__file_turn(bytes.len);
    while (result == 0 && bytes.len) {
        size_t len = bytes.len < PIECE_MOST ? bytes.len : PIECE_MOST;
        int64_t n = write_once(e, (struct iovec){(void *)(uintptr_t)bytes.data, len});
        if (n > 0)
            bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
        else if (n == -EAGAIN)
            result = nx__fd_wait(e->fd, NX__WRITABLE);
        else if (n != -EINTR)
            result = n ? n : -EIO;
    }
    return result;
}

/* ---- Streams of one end, or of two */

struct both {
    struct end from, to;
};

static nx_err both_read(void *state, void *data, size_t len, size_t *got)
{
    struct both *b = state;
    int64_t n = end_read(&b->from, (struct iovec){data, len});
    if (n > 0) *got = (size_t)n;
    return failed(&b->from, n, "read");
}

static nx_err both_write(void *state, nx_bytes bytes)
{
    struct both *b = state;
    return failed(&b->to, end_write(&b->to, bytes), "write");
}

static nx_err both_finish(void *state, nx_stream *next)
{
    struct both *b = state;
    (void)next;
    return failed(&b->to, end_settle(&b->to), "close");
}

static nx_err half_close(void *state, nx_stream *next)
{
    struct both *b = state;
    (void)next;
    int64_t result = shutdown(b->to.fd, SHUT_WR) == 0 || errno == ENOTCONN ? 0 : -errno;
    return failed(&b->to, result, "finish");
}

static void half_give_up(void *state)
{
    (void)shutdown(((struct both *)state)->to.fd, SHUT_WR);
}

static void both_close(void *state)
{
    struct both *b = state;
    end_close(&b->from);
    end_close(&b->to);
    free(b);
}

static bool end_direct(const struct end *e, struct nx__direct *out)
{
    *out = (struct nx__direct){.fd = e->fd};
    return e->fd >= 0;
}

static bool reader_direct(void *state, struct nx__direct *out)
{
    return end_direct(&((struct both *)state)->from, out);
}

static bool writer_direct(void *state, struct nx__direct *out)
{
    return end_direct(&((struct both *)state)->to, out);
}

static struct both *both_new(int fd, const nx_fd_options *o)
{
    struct both *b = malloc(sizeof *b);
    if (!b && !o->keep) (void)close(fd);
    if (b) b->from.fd = b->to.fd = -1;
    return b;
}

/* The error is recorded. */
static nx_stream *refused(struct both *b)
{
    struct nx__context first = *nx__context();
    both_close(b);
    NX_IGNORE(nx__error_take(&first, first.error.code));
    return nx_stream_failed();
}

nx_stream *nx_fd_reader_with(int fd, const nx_fd_options *options)
{
    NX__OPTIONS(nx_fd_options, o, options);
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a descriptor's reader",
                                        .read = both_read,
                                        .close = both_close};
    struct both *b = both_new(fd, &o);
    if (!b) return nx__stream_no_memory();
    int64_t result = end_open(&b->from, fd, &o);
    if (failed(&b->from, result, "read")) return refused(b);
    return nx__stream_direct(nx_stream_new(&type, b), reader_direct);
}

nx_stream *nx_fd_writer_with(int fd, const nx_fd_options *options)
{
    NX__OPTIONS(nx_fd_options, o, options);
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a descriptor's writer",
                                        .write = both_write,
                                        .finish = both_finish,
                                        .close = both_close};
    struct both *b = both_new(fd, &o);
    if (!b) return nx__stream_no_memory();
    int64_t result = end_open(&b->to, fd, &o);
    if (failed(&b->to, result, "write")) return refused(b);
    nx__sigpipe_quiet();
    return nx__stream_direct(nx_stream_new(&type, b), writer_direct);
}

nx_stream *nx_fd_duplex_with(int fd, const nx_fd_options *options)
{
    NX__OPTIONS(nx_fd_options, o, options);
    static const nx_stream_type type = {.size = sizeof type,
                                        .name = "a socket",
                                        .read = both_read,
                                        .write = both_write,
                                        .finish = half_close,
                                        .close = both_close,
                                        .give_up = half_give_up};
    struct both *b = both_new(fd, &o);
    if (!b) return nx__stream_no_memory();
    int64_t result = end_open(&b->from, fd, &o);
    if (failed(&b->from, result, "use")) return refused(b);
    if (b->from.way != SOCKET) {
        NX_IGNORE(nx__error_set(NX_EINVAL, "%s is no socket", b->from.name));
        return refused(b);
    }
    /* Two descriptors, since each is waited for by one fiber. */
    b->to = b->from;
    b->to.keep = false;
    b->to.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (failed(&b->to, b->to.fd < 0 ? -errno : 0, "use")) return refused(b);
    return nx__stream_direct(nx_stream_new(&type, b), reader_direct);
}

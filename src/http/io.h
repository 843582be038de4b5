/* The bytes of a connection, plain or through TLS: what protocol drivers read and write with.
 *
 * Plain, each is the system call that it looks like. Through TLS the same holds for who calls, but
 * for two things. Bytes that were sealed are sent, also where the socket takes no more: then they
 * are in `out`, which is the driver's, and have to go as they are (nx__send) before anything else
 * is sent. And bytes may be there to be read of which the poller does not tell: nx__io_more. */
#ifndef NX__HTTP_IO_H
#define NX__HTTP_IO_H

#include "base/buffer.h"
#include "base/compiler.h"
#include "base/syscall.h"
#include "tls/session.h"
#include <sys/socket.h>

struct nx__http_io {
    int fd;
    struct nx__tls *tls; /* NULL: plain. Both are the driver's, which ends them by nx__io_close. */
};

/* The count, 0 at the end, or -errno. */
static NX__INLINE long nx__io_recv(const struct nx__http_io *io, void *data, size_t len)
{
    if (nx__unlikely(io->tls != NULL)) return nx__tls_recv(io->tls, data, len);
    return nx__recv(io->fd, data, len);
}

/* After a read of `got` bytes where there was room for `room`: whether the next one must not wait
 * for an event of the poller. */
static NX__INLINE bool nx__io_more(const struct nx__http_io *io, size_t got, size_t room)
{
    if (nx__unlikely(io->tls != NULL)) return nx__tls_more(io->tls);
    return got == room;
}

/* The count or -errno. `out` is empty before. */
static NX__INLINE long nx__io_send(const struct nx__http_io *io, const void *data, size_t len,
                                   struct nx__buffer *out)
{
    if (nx__unlikely(io->tls != NULL))
        return nx__tls_send(io->tls, &(struct iovec){(void *)(uintptr_t)data, len}, 1, out);
    return nx__send(io->fd, data, len);
}

/* The same for several pieces; `flags` are of send(2), for the plain socket. */
static NX__INLINE long nx__io_sendv(const struct nx__http_io *io, struct iovec *pieces,
                                    size_t count, int flags, struct nx__buffer *out)
{
    if (nx__unlikely(io->tls != NULL)) return nx__tls_send(io->tls, pieces, count, out);
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    ssize_t n = sendmsg(io->fd, &message, MSG_NOSIGNAL | flags);
    return n < 0 ? -errno : n;
}

/* Puts what is to be sent later behind what is in `out`, at most `most` bytes. NX_ETOOBIG,
 * NX_ENOMEM, NX_EPROTO. */
NX_MUST_CHECK static NX__INLINE nx_err nx__io_keep(const struct nx__http_io *io, const void *data,
                                                   size_t len, struct nx__buffer *out, size_t most)
{
    if (nx__unlikely(io->tls != NULL)) return nx__tls_keep(io->tls, data, len, out, most);
    return nx__buffer_append(out, data, len, most);
}

/* Ends what is sent: close_notify, and shutdown(2). False where the socket is gone. */
bool nx__io_end(const struct nx__http_io *io);

/* Closes and frees both. */
void nx__io_close(struct nx__http_io *io);

#endif

/* Descriptors that go along with bytes over a Unix socket (SCM_RIGHTS). */
#ifndef NX__DESCRIPTORS_H
#define NX__DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum { NX__DESCRIPTORS_MOST = 253 }; /* in one go; the kernel's SCM_MAX_FD */

/* Sends the parts as sendmsg does, and copies of `count` descriptors with their first byte: bytes
 * that have gone, or -errno. Neither waits for room unless the socket does, nor raises SIGPIPE. */
long nx__descriptors_send(int socket, const struct iovec *parts, size_t part_count, const int *fds,
                          size_t count, int flags);

/* Receives into the parts as recvmsg does, and the descriptors that came with the bytes, `*count`
 * at most; those that have come are the caller's, and closed on exec. `*cut`, which may be NULL,
 * says that there were more: those are gone, be it for want of room or that the process may open no
 * more. Bytes, 0 at the end, or -errno with `*count` 0. */
long nx__descriptors_receive(int socket, const struct iovec *parts, size_t part_count, int *fds,
                             size_t *count, bool *cut, int flags);

/* Closes them all. */
void nx__descriptors_close(const int *fds, size_t count);

#endif

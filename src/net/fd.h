/* A socket that fibers wait for, one for each direction. */
#ifndef NX__NET_FD_H
#define NX__NET_FD_H

#include "loop/loop.h"

struct nx__net_fd {
    struct nx__watch watch;         /* from the first wait on */
    struct nx__op *reader, *writer; /* who waits */
    struct nx_loop *loop;
    int fd; /* -1: closed */
};

/* Takes the descriptor, which is non-blocking, over. */
void nx__net_fd_init(struct nx__net_fd *f, int fd);

/* Suspends until the socket is, or may be, readable or writable (one of them), or the time
 * `deadline` (absolute) has come: whoever was told EAGAIN tries again. NX_ETIMEDOUT, NX_ECANCELED,
 * NX_ECLOSED (by another fiber), NX_ESTATE (another waits in this direction), NX_ELIMIT, NX_ENOMEM,
 * recorded. */
NX_MUST_CHECK nx_err nx__net_fd_wait(struct nx__net_fd *f, uint32_t event, nx_duration deadline);

/* Who waits goes on, with NX_ECLOSED; the descriptor is no longer watched, and is the caller's. */
int nx__net_fd_release(struct nx__net_fd *f);

/* Releases and closes it. Harmless again. */
void nx__net_fd_close(struct nx__net_fd *f);

/* ---- Waits of other kinds */

/* Suspends until somebody completes the operation, or the time `until` (absolute) has come:
 * -ETIMEDOUT. `*wait` is new each time, but for `on`; kind NX__WAIT_OTHER unless `on` is a watch.
 */
int64_t nx__net_wait(struct nx__timed_op *wait, struct nx_loop *loop, nx_duration until);

/* The runtime's error for such a result, recorded; NX_OK for 0 and more. */
nx_err nx__net_wait_error(int64_t result);

#endif

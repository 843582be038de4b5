/* A ring of io_uring for one call at a time, by system calls alone. */
#ifndef RING_H
#define RING_H

#include "attack.h"
#include <linux/io_uring.h>

struct ring {
    int fd;
    struct io_uring_params params;
    char *queue;
    struct io_uring_sqe *entries;
};

static inline int ring_make(struct ring *ring)
{
    memset(ring, 0, sizeof *ring);
    ring->fd = (int)syscall(SYS_io_uring_setup, 1, &ring->params);
    if (ring->fd < 0) return -1;
    size_t size = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe) +
                  ring->params.sq_off.array + 64;
    ring->queue =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
    ring->entries = mmap(NULL, sizeof *ring->entries, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
                         IORING_OFF_SQES);
    return ring->queue == MAP_FAILED || ring->entries == MAP_FAILED ? -1 : 0;
}

/* The call's result, -errno where it fails. */
static inline int ring_call(struct ring *ring, struct io_uring_sqe entry)
{
    unsigned *tail = (unsigned *)(ring->queue + ring->params.sq_off.tail),
             *array = (unsigned *)(ring->queue + ring->params.sq_off.array);
    ring->entries[0] = entry;
    array[0] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return -errno;
    struct io_uring_cqe *done = (struct io_uring_cqe *)(ring->queue + ring->params.cq_off.cqes);
    return done->res;
}

#endif

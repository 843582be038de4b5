/* io_uring as one of the two servants of file operations. */
#include "loop/uring.h"

#include "loop/files.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>

/* Memcheck does not see what the ring writes, so under it the pool serves. */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define VISIBLE() (!RUNNING_ON_VALGRIND)
#else
#define VISIBLE() true
#endif

enum { RING_ENTRIES = 64 };

bool nx__uring_refused;

struct ring {
    struct io_uring ring;
    struct nx__watch watch;
    struct nx_loop *loop;
};

/* One a loop, and a loop is a thread's. */
static NX__THREAD_LOCAL struct ring *ring;
static NX__THREAD_LOCAL bool tried;

static void reap(struct nx__watch *watch, uint32_t events)
{
    (void)events;
    struct ring *r = nx__container_of(watch, struct ring, watch);
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&r->ring, &cqe) == 0) {
        struct nx__op *op = io_uring_cqe_get_data(cqe);
        int64_t result = cqe->res;
        io_uring_cqe_seen(&r->ring, cqe);
        if (op) nx__op_complete(op, result); /* NULL: a request to cancel */
    }
}

static bool supported(struct io_uring *uring)
{
    static const int needed[] = {IORING_OP_OPENAT2,  IORING_OP_STATX,  IORING_OP_READV,
                                 IORING_OP_WRITEV,   IORING_OP_FSYNC,  IORING_OP_RENAMEAT,
                                 IORING_OP_UNLINKAT, IORING_OP_MKDIRAT};
    struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
    bool all = probe != NULL;
    for (size_t i = 0; all && i < sizeof needed / sizeof *needed; i++)
        all = io_uring_opcode_supported(probe, needed[i]);
    if (probe) io_uring_free_probe(probe);
    return all;
}

static struct ring *ring_new(struct nx_loop *loop)
{
    struct ring *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    if (io_uring_queue_init(RING_ENTRIES, &r->ring, 0) != 0) {
        free(r);
        return NULL;
    }
    r->loop = loop;
    r->watch.ready = reap;
    if (!supported(&r->ring) ||
        nx__poller_add(&loop->poller, &r->watch, r->ring.ring_fd, NX__READABLE)) {
        io_uring_queue_exit(&r->ring);
        free(r);
        return NULL;
    }
    loop->own_watches++;
    return r;
}

int nx__uring_probe(void)
{
    struct io_uring uring;
    int result = io_uring_queue_init(RING_ENTRIES, &uring, 0);
    if (result) return result;
    if (!supported(&uring)) result = -EOPNOTSUPP;
    io_uring_queue_exit(&uring);
    return result;
}

bool nx__uring_ready(struct nx_loop *loop)
{
    if (nx__likely(tried)) return ring != NULL;
    tried = true;
    if (!nx__uring_refused && VISIBLE()) ring = ring_new(loop);
    return ring != NULL;
}

static void prepare(struct io_uring_sqe *sqe, struct nx__file *file)
{
    switch (file->kind) {
    case NX__FILE_OPEN:
        io_uring_prep_openat2(sqe, file->fd, file->path, (struct open_how *)(uintptr_t)file->how);
        break;
    case NX__FILE_STAT:
        io_uring_prep_statx(sqe, file->fd, file->path, (int)file->flags, NX__FILE_STATX_MASK,
                            file->out);
        break;
    case NX__FILE_READ:
        io_uring_prep_readv(sqe, file->fd, file->pieces, (unsigned)file->count, file->offset);
        break;
    case NX__FILE_WRITE:
        io_uring_prep_writev(sqe, file->fd, file->pieces, (unsigned)file->count, file->offset);
        break;
    case NX__FILE_SYNC:
        io_uring_prep_fsync(sqe, file->fd, file->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case NX__FILE_RENAME:
        io_uring_prep_renameat(sqe, file->fd, file->path, file->fd2, file->path2, file->flags);
        break;
    case NX__FILE_REMOVE:
        io_uring_prep_unlinkat(sqe, file->fd, file->path, (int)file->flags);
        break;
    case NX__FILE_MKDIR: io_uring_prep_mkdirat(sqe, file->fd, file->path, file->mode); break;
    case NX__FILE_CALL: return;
    }
    io_uring_sqe_set_data(sqe, &file->job.op);
}

/* Hands the entry to the kernel. Where that takes nothing the entry is made harmless, so that a
 * later submit does not carry a dead pointer. */
static bool hand_over(struct io_uring_sqe *sqe)
{
    if (io_uring_submit(&ring->ring) >= 1) return true;
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, NULL);
    return false;
}

bool nx__uring_submit(struct nx__file *file)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);
    if (!sqe) return false;
    prepare(sqe, file);
    file->job.op.state = NX__OP_WAITING;
    if (hand_over(sqe)) return true;
    file->job.op.state = NX__OP_IDLE;
    return false;
}

void nx__uring_cancel(struct nx__op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);
    if (!sqe) return; /* it is waited for, then */
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
    (void)hand_over(sqe); /* refused: it is waited for, then */
}

void nx__uring_free(struct nx_loop *loop)
{
    tried = false;
    if (!ring || ring->loop != loop) return;
    nx__poller_remove(&loop->poller, &ring->watch);
    loop->own_watches--;
    io_uring_queue_exit(&ring->ring);
    free(ring);
    ring = NULL;
}

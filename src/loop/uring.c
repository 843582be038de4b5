/* io_uring as one of the two servants of file operations. */
#include "loop/uring.h"

#include "loop/files.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
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

/* The one of nx__uring_seal, until a loop takes it. */
static struct ring *_Atomic sealed;

static void ring_close(struct ring *r)
{
    io_uring_queue_exit(&r->ring);
    free(r);
}

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

static const uint8_t needed[] = {IORING_OP_OPENAT2,  IORING_OP_STATX,  IORING_OP_READV,
                                 IORING_OP_WRITEV,   IORING_OP_FSYNC,  IORING_OP_RENAMEAT,
                                 IORING_OP_UNLINKAT, IORING_OP_MKDIRAT};

static bool supported(struct io_uring *uring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(uring);
    bool all = probe != NULL;
    for (size_t i = 0; all && i < sizeof needed / sizeof *needed; i++)
        all = io_uring_opcode_supported(probe, needed[i]);
    if (probe) io_uring_free_probe(probe);
    return all;
}

static struct ring *ring_open(unsigned flags)
{
    struct ring *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    if (io_uring_queue_init(RING_ENTRIES, &r->ring, flags) != 0) {
        free(r);
        return NULL;
    }
    r->watch.ready = reap;
    if (supported(&r->ring)) return r;
    ring_close(r);
    return NULL;
}

static bool restrict_to_files(struct io_uring *uring)
{
    enum { COUNT = sizeof needed / sizeof *needed };
    static const uint8_t beside[] = {IORING_OP_ASYNC_CANCEL, IORING_OP_NOP};
    struct io_uring_restriction allowed[COUNT + sizeof beside] = {0};
    for (size_t i = 0; i < COUNT + sizeof beside; i++) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = i < COUNT ? needed[i] : beside[i - COUNT];
    }
    return io_uring_register_restrictions(uring, allowed, COUNT + sizeof beside) == 0 &&
           io_uring_enable_rings(uring) == 0;
}

void nx__uring_seal(bool files)
{
    if (files && !nx__uring_refused && VISIBLE()) sealed = ring_open(IORING_SETUP_R_DISABLED);
    nx__uring_refused = true;
    if (!sealed || restrict_to_files(&sealed->ring)) return;
    ring_close(sealed);
    sealed = NULL;
}

static struct ring *ring_take(void)
{
    struct ring *r = atomic_exchange(&sealed, NULL);
    return r || nx__uring_refused || !VISIBLE() ? r : ring_open(0);
}

static struct ring *ring_new(struct nx_loop *loop)
{
    struct ring *r = ring_take();
    if (!r) return NULL;
    r->loop = loop;
    if (nx__poller_add(&loop->poller, &r->watch, r->ring.ring_fd, NX__READABLE)) {
        ring_close(r);
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
    ring = ring_new(loop);
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
    ring_close(ring);
    ring = NULL;
}

/* Outlets: the thread that writes the ring out.
 *
 * The ring has many who put, under a lock, and one who takes, without: `tail` says up to where
 * bytes are whole, `head` up to where they are written. So a crash at any moment leaves a ring that
 * the writer goes on emptying, whoever holds the lock. */
#include "console/outlet.h"

#include "base/clock.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    THREAD_STACK = 64 * 1024,
    IDLE_DOZES = 20, /* without work, and the writer sleeps until it is woken */
};

static const nx_duration DOZE = NX_MS(5);       /* how long a line may lie */
static const nx_duration DOZE_SHORT = NX_MS(1); /* where something could not be done at once */
static const nx_duration RETRY = NX_MS(100);    /* after a write that failed for now */

/* ---- The writer */

/* Fills `iov` with what to write next: whole lines, where there is more than a batch. */
static size_t batch(const struct nx__outlet *o, uint64_t head, uint64_t end)
{
    size_t len = (size_t)(end - head);
    if (len <= NX__OUTLET_BATCH) return len;
    for (len = NX__OUTLET_BATCH; len; len--)
        if (o->ring[(head + len - 1) & (o->capacity - 1)] == '\n') return len;
    return NX__OUTLET_BATCH;
}

static ssize_t write_ring(const struct nx__outlet *o, uint64_t from, size_t len)
{
    size_t at = (size_t)(from & (o->capacity - 1)), first = o->capacity - at;
    if (first > len) first = len;
    struct iovec iov[2] = {{o->ring + at, first}, {o->ring, len - first}};
    return writev(o->fd, iov, len > first ? 2 : 1);
}

/* The system may take it later. */
static bool is_passing(int error)
{
    return error == ENOSPC || error == EDQUOT || error == ENOMEM || error == ENOBUFS;
}

/* Whether to try the write that has failed again. */
static bool again(struct nx__outlet *o, int error)
{
    if (error == EINTR) return true;
    if (error == EAGAIN) { /* somebody else has made it so; it is a shared descriptor */
        struct pollfd fd = {.fd = o->fd, .events = POLLOUT};
        (void)poll(&fd, 1, (int)(RETRY / NX_MS(1)));
        return !atomic_load(&o->quit);
    }
    if (!o->failing && o->hooks->failed) o->hooks->failed(o, error);
    o->failing = true;
    if (!is_passing(error)) return false;
    nx__outlet_nap(RETRY);
    if (o->hooks->prepare) o->hooks->prepare(o, 0); /* a file may be another by now */
    return !atomic_load(&o->quit);
}

/* Nothing that is in the ring can be written. */
static void discard(struct nx__outlet *o, uint64_t head, uint64_t end)
{
    uint64_t lines = 0;
    for (uint64_t at = head; at != end; at++) lines += o->ring[at & (o->capacity - 1)] == '\n';
    atomic_fetch_add(&o->lost, lines);
    atomic_store(&o->head, end);
}

static void broken(struct nx__outlet *o, int error)
{
    atomic_store(&o->error, error);
    struct sigaction action;
    if (error == EPIPE && atomic_load(&o->ends_program) && sigaction(SIGPIPE, NULL, &action) == 0 &&
        action.sa_handler == SIG_DFL)
        (void)kill(getpid(), SIGPIPE); /* to the process: this thread has all signals blocked */
}

/* Lines were dropped here: says how many. */
static void tell_lost(struct nx__outlet *o)
{
    uint64_t lines = atomic_exchange(&o->dropped, 0);
    if (!lines || !o->hooks->lost) return;
    char text[NX__OUTLET_LOST];
    size_t len = o->hooks->lost(o, text, lines);
    for (size_t at = 0; at < len;) {
        ssize_t n = write(o->fd, text + at, len - at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || !again(o, errno))
            return;
    }
}

/* Writes one batch, from `head` on. False when nothing can be written: then `error` is set, or the
 * writer is to end. */
static bool write_batch(struct nx__outlet *o, uint64_t head, size_t len)
{
    if (o->hooks->prepare) o->hooks->prepare(o, len);
    while (len) {
        ssize_t n = write_ring(o, head, len);
        if (n < 0) {
            int error = errno;
            if (again(o, error)) continue;
            if (!atomic_load(&o->quit)) broken(o, error);
            return false;
        }
        o->failing = false;
        head += (size_t)n;
        len -= (size_t)n;
        atomic_store(&o->head, head);
    }
    return true;
}

bool nx__outlet_empty(struct nx__outlet *o)
{
    if (o->hooks->prepare) o->hooks->prepare(o, 0);
    for (;;) {
        uint64_t head = atomic_load(&o->head), tail = atomic_load(&o->tail), end = tail;
        if (atomic_load(&o->error)) {
            discard(o, head, tail);
            atomic_store(&o->dropped, 0);
            head = tail;
        } else if (nx__unlikely(atomic_load(&o->dropped))) {
            uint64_t gap = atomic_load(&o->gap);
            if (gap == head) {
                tell_lost(o);
                continue;
            }
            if (!nx__outlet_reached(gap, tail)) end = gap; /* up to there first */
        }
        if (head != end && !write_batch(o, head, batch(o, head, end)) && !atomic_load(&o->error))
            return true;
        if (atomic_load(&o->waiting) && !nx__outlet_tell_waiting(o)) return false;
        if (head == end) return true;
    }
}

static void *writer_main(void *arg)
{
    struct nx__outlet *o = arg;
    for (int idle = 0; !atomic_load(&o->quit);) {
        uint64_t head = atomic_load(&o->head);
        bool done = nx__outlet_empty(o);
        idle = done && head == atomic_load(&o->tail) ? idle + 1 : 0;
        if (idle <= IDLE_DOZES) {
            atomic_store(&o->state, NX__WRITER_DOZING);
            struct timespec until;
            (void)clock_gettime(CLOCK_MONOTONIC, &until);
            until.tv_nsec += done ? DOZE : DOZE_SHORT;
            until.tv_sec += until.tv_nsec / NX_S(1);
            until.tv_nsec %= NX_S(1);
            (void)sem_clockwait(&o->wake, CLOCK_MONOTONIC, &until);
        } else {
            atomic_store(&o->state, NX__WRITER_ASLEEP);
            /* What was put before it could see that we sleep. */
            if (atomic_load(&o->tail) == atomic_load(&o->head) && !atomic_load(&o->waiting))
                (void)sem_wait(&o->wake);
            idle = 0;
        }
        atomic_store(&o->state, NX__WRITER_WORKING);
    }
    (void)nx__outlet_empty(o);
    (void)sem_post(&o->gone); /* the last that touches the outlet */
    return NULL;
}

void nx__outlet_start(struct nx__outlet *o)
{
    o->started = true;
    atomic_store(&o->state, NX__WRITER_WORKING);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        o->threadless = true;
        return;
    }
#if !defined(NX__ASAN) && !defined(NX__TSAN)
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
#endif
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_t thread;
    o->threadless = pthread_create(&thread, &attributes, writer_main, o) != 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
}

/* The poller over Linux's epoll, edge-triggered. */
#include "loop/poller.h"

#include "base/error.h"
#include "base/syscall.h"
#include "loop/loop.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static uint32_t to_epoll(uint32_t events)
{
    if (nx__unlikely(events & NX__SHARED)) return EPOLLET | EPOLLEXCLUSIVE | EPOLLIN;
    return EPOLLET | (events & NX__READABLE ? EPOLLIN | EPOLLRDHUP : 0) |
           (events & NX__WRITABLE ? EPOLLOUT : 0);
}

nx_err nx__poller_init(struct nx__poller *poller)
{
    *poller = (struct nx__poller){.fd = -1};
    poller->batch = malloc(NX__POLLER_BATCH * sizeof(struct epoll_event));
    if (!poller->batch) return nx__error_set(NX_ENOMEM, "cannot make an event loop: out of memory");
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        int error = errno;
        nx__poller_free(poller);
        return nx__error_system(error, "cannot make an event loop");
    }
    return NX_OK;
}

void nx__poller_free(struct nx__poller *poller)
{
    if (poller->fd >= 0) (void)close(poller->fd);
    free(poller->batch);
    *poller = (struct nx__poller){.fd = -1};
}

static nx_err control(struct nx__poller *poller, int what, struct nx__watch *watch)
{
    struct epoll_event event = {.events = to_epoll(watch->events), .data.ptr = watch};
    if (epoll_ctl(poller->fd, what, watch->fd, &event) == 0) return NX_OK;
    return nx__error_system(errno, "cannot watch descriptor %d", watch->fd);
}

nx_err nx__poller_add(struct nx__poller *poller, struct nx__watch *watch, int fd, uint32_t events)
{
    watch->fd = fd;
    watch->events = (uint8_t)events;
    nx_err err = control(poller, EPOLL_CTL_ADD, watch);
    if (err)
        watch->fd = -1;
    else
        poller->watches++;
    return err;
}

nx_err nx__poller_change(struct nx__poller *poller, struct nx__watch *watch, uint32_t events)
{
    watch->events = (uint8_t)events;
    return control(poller, EPOLL_CTL_MOD, watch);
}

void nx__poller_remove(struct nx__poller *poller, struct nx__watch *watch)
{
    if (watch->fd < 0) return;
    poller->watches--;
    (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, watch->fd, NULL);
    struct epoll_event *events = poller->batch;
    for (int i = poller->next; i < poller->count; i++)
        if (events[i].data.ptr == watch) events[i].data.ptr = NULL;
    watch->fd = -1;
}

/* `span` as for nx__poller_wait, in whole milliseconds rounded up: what kernels before 5.11 have.
 */
static NX__COLD int wait_coarse(struct nx__poller *poller, nx_duration span)
{
    nx_duration ms = span / NX_MS(1) + (span % NX_MS(1) != 0);
    return epoll_wait(poller->fd, poller->batch, NX__POLLER_BATCH,
                      ms > INT32_MAX ? INT32_MAX : (int)ms);
}

int nx__poller_wait(struct nx__poller *poller, nx_duration span)
{
    static atomic_bool coarse; /* there is no epoll_pwait2 */
    struct timespec t = {.tv_sec = span / NX_S(1), .tv_nsec = span % NX_S(1)};
    long n = -ENOSYS;
    if (nx__likely(!atomic_load_explicit(&coarse, memory_order_relaxed)))
        n = nx__syscall(SYS_epoll_pwait2, poller->fd, (long)(uintptr_t)poller->batch,
                        NX__POLLER_BATCH, span == NX_FOREVER ? 0 : (long)(uintptr_t)&t, 0, 0);
    if (nx__unlikely(n == -ENOSYS)) {
        atomic_store_explicit(&coarse, true, memory_order_relaxed);
        n = wait_coarse(poller, span);
    }
    poller->count = n < 0 ? 0 : (int)n;
    poller->next = 0;
    return poller->count;
}

void nx__poller_dispatch(struct nx__poller *poller)
{
    struct epoll_event *events = poller->batch;
    while (poller->next < poller->count) {
        struct epoll_event *event = &events[poller->next++];
        struct nx__watch *watch = event->data.ptr;
        if (!watch) continue;
        uint32_t ready = (event->events & (EPOLLIN | EPOLLRDHUP) ? NX__READABLE : 0u) |
                         (event->events & EPOLLOUT ? NX__WRITABLE : 0u) |
                         (event->events & (EPOLLHUP | EPOLLERR) ? NX__HANGUP : 0u) |
                         (event->events & EPOLLRDHUP ? NX__CLOSED : 0u);
        if (watch->waiter && (ready & (watch->waiting | (uint32_t)NX__HANGUP))) {
            struct nx__op *waiter = watch->waiter;
            watch->waiter = NULL;
            /* Its fiber only becomes ready here, so the watch is still there for the rest of the
             * edge. */
            nx__op_complete(waiter, 0);
            ready &= ~(watch->waiting | (uint32_t)NX__HANGUP);
        }
        if (ready) watch->ready(watch, ready);
    }
}

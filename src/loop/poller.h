/* Which descriptors are ready: one small interface, one file per kernel facility behind it. */
#ifndef NX__POLLER_H
#define NX__POLLER_H

#include <nexus/base.h>

enum {
    NX__READABLE = 1, /* data, or the end of it */
    NX__WRITABLE = 2,
    NX__HANGUP = 4, /* both ways closed, or an error: always reported */
    NX__CLOSED = 8, /* the peer sends no more; comes with NX__READABLE */
    /* Asked for together with NX__READABLE alone, and never changed: other loops watch the
     * descriptor too, and an event is for one or some of those that wait. */
    NX__SHARED = 16,
};

struct nx_loop;
struct nx__op;

/* A watched descriptor. Events are edges: one is reported once, when it comes up. */
struct nx__watch {
    void (*ready)(struct nx__watch *watch,
                  uint32_t events); /* runs in the loop's context, must not suspend */
    struct nx__op *waiter;          /* a fiber in nx__wait_fd */
    int fd;                         /* not owned; -1 while not watched */
    uint8_t events;                 /* asked for */
    uint8_t waiting;                /* what the waiter waits for */
};

enum { NX__POLLER_BATCH = 256 };

struct nx__poller {
    int fd;
    int count, next;  /* of the batch being handled */
    unsigned watches; /* descriptors that are watched */
    void *batch;      /* of the backend's event type */
};

NX_MUST_CHECK nx_err nx__poller_init(struct nx__poller *poller);
void nx__poller_free(struct nx__poller *poller);

/* Starts watching. NX_ENOMEM, NX_ELIMIT (kernel's), recorded. */
NX_MUST_CHECK nx_err nx__poller_add(struct nx__poller *poller, struct nx__watch *watch, int fd,
                                    uint32_t events);

/* Changes what is watched; what is ready now is reported anew. */
NX_MUST_CHECK nx_err nx__poller_change(struct nx__poller *poller, struct nx__watch *watch,
                                       uint32_t events);

/* Stops watching; no event of the batch at hand reaches the watch any more. The caller closes the
 * descriptor after. */
void nx__poller_remove(struct nx__poller *poller, struct nx__watch *watch);

/* Waits up to `span` (0: not at all, NX_FOREVER) and returns the number of events, 0 on a signal.
 */
int nx__poller_wait(struct nx__poller *poller, nx_duration span);

/* Hands the events of the batch to their watches. */
void nx__poller_dispatch(struct nx__poller *poller);

#endif

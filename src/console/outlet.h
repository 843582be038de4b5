/* Outlets: a descriptor that output goes to, a bounded buffer before it, and a thread that writes
 * the buffer out, so that nobody else waits for who reads. */
#ifndef NX__OUTLET_H
#define NX__OUTLET_H

#include "loop/loop.h"
#include <pthread.h>
#include <semaphore.h>

enum {
    NX__OUTLET_CAPACITY = 1 << 20, /* of the standard ones, and of the log's file */
    NX__OUTLET_BATCH = 64 * 1024,  /* bytes a write; and a put that stays together */
    NX__OUTLET_STATUS = 512,
    NX__OUTLET_LOST = 512,
};

/* A writer that works looks for more before it stops; one that dozes looks in a few milliseconds;
 * one that sleeps has to be woken. */
enum nx__writer_state { NX__WRITER_WORKING, NX__WRITER_DOZING, NX__WRITER_ASLEEP };

struct nx__outlet;

/* What the owner of an outlet wants to know; any may be NULL. On the writer's thread, where they
 * may block, but not put into this outlet. */
struct nx__outlet_hooks {
    /* Before each write of `len` bytes, and whenever the writer was woken (0): may change `fd`. */
    void (*prepare)(struct nx__outlet *outlet, size_t len);
    /* Writes into `out` the text that tells of `lines` lost ones; returns its length. */
    size_t (*lost)(struct nx__outlet *outlet, char out[NX__OUTLET_LOST], uint64_t lines);
    /* Writing has begun to fail. */
    void (*failed)(struct nx__outlet *outlet, int error);
};

struct nx__outlet {
    const struct nx__outlet_hooks *hooks;
    /* Under the lock, of those who put. */
    char *ring;
    size_t capacity;             /* a power of two */
    uint64_t stuck_at;           /* nothing was read from here on, when somebody last waited */
    nx_duration grace, grace_at; /* how long who puts may still wait, and when that was reckoned */
    struct nx__list waits;       /* of fibers */
    size_t status_len;
    pthread_mutex_t lock;
    sem_t wake, gone;
    /* Of the writer and of those who put. */
    _Atomic uint64_t tail;    /* bytes put */
    _Atomic uint64_t head;    /* bytes written */
    _Atomic uint64_t dropped; /* lines for which there was no room, and nobody was told yet */
    _Atomic uint64_t gap;     /* where the first of them would have been */
    _Atomic uint64_t lost;    /* lines, for whatever reason, all told */
    _Atomic unsigned waiting; /* fibers */
    atomic_int state;         /* of the writer */
    atomic_int error;    /* an errno: nothing that is put can be written any more; 0: all is well */
    int fd;              /* the writer's; -1: what is put goes nowhere */
    atomic_bool patient; /* at exit it is waited for, however long the reader takes */
    atomic_bool ends_program; /* a reader that is gone raises SIGPIPE */
    atomic_bool quit;
    bool failing; /* the writer's: the last write failed */
    bool file;    /* a regular file: it takes all, sooner or later */
    bool terminal;
    bool threadless;                            /* no thread could be had: who puts writes */
    bool started, stuck, status_shown, midline; /* under the lock, too */
    char status[NX__OUTLET_STATUS]; /* the line that stays below all others, on a terminal */
};

enum nx__full {
    NX__FULL_DROP,  /* at most a moment is waited */
    NX__FULL_WAIT,  /* the fiber waits, or else the thread */
    NX__FULL_BLOCK, /* the thread waits */
};

/* Prepares `*outlet`, all zero, for the descriptor, which stays the caller's. Nothing is started
 * before the first put. NX_ENOMEM, not recorded. */
NX_MUST_CHECK nx_err nx__outlet_open(struct nx__outlet *outlet, int fd, size_t capacity,
                                     const struct nx__outlet_hooks *hooks);

/* Writes what is left, as far as the reader takes it at once, and ends the thread. For tests. */
void nx__outlet_close(struct nx__outlet *outlet);

/* Puts the bytes behind those before. At most NX__OUTLET_BATCH stay together, in the file too where
 * they end in a newline; with NX__FULL_DROP there may not be more. NX_ELIMIT (dropped),
 * NX_ECANCELED, NX_ECLOSED, or what the descriptor's errno says; nothing is recorded, and errno is
 * kept. Any thread; NX__FULL_WAIT suspends. */
nx_err nx__outlet_put(struct nx__outlet *outlet, const char *data, size_t len, enum nx__full full);

/* Sets the line that stays below all others; "" takes it away. Without effect off a terminal, and
 * on one that takes nothing just now. `len` is less than NX__OUTLET_STATUS. */
void nx__outlet_status(struct nx__outlet *outlet, const char *text, size_t len);

/* Somebody else has ended the line: what was typed has been shown. */
void nx__outlet_newline(struct nx__outlet *outlet);

/* Waits until all that has been put is written. Suspends a fiber, else blocks. Errors as above. */
nx_err nx__outlet_flush(struct nx__outlet *outlet);

/* The same for at most `stall` without progress, and blocks. Async-signal-safe. False when that was
 * not enough. */
bool nx__outlet_drain(struct nx__outlet *outlet, nx_duration stall);

/* Has the writer look at its hooks. Async-signal-safe. */
void nx__outlet_wake(struct nx__outlet *outlet);

/* The outlet of the standard output or the standard error, which are one where both are the same
 * file, terminal or pipe. NULL when memory is out. `fd` is 1 or 2. */
struct nx__outlet *nx__outlet_standard(int fd);

/* Called at an exit, or in the handler of a crash, before the outlets are drained: puts right what
 * else there is. One function. */
void nx__outlet_on_end(void (*fn)(void));

/* ---- Between outlet.c, outlet_writer.c and outlet_ends.c */

/* Starts the writer; the lock is held. */
void nx__outlet_start(struct nx__outlet *outlet);

/* Writes what there is: the writer's work. False if there is something to come back to soon. */
bool nx__outlet_empty(struct nx__outlet *outlet);

/* Wakes the fibers whose wait is over. False if that can't be done just now: somebody holds the
 * lock, and in a crash it may be for ever. */
bool nx__outlet_tell_waiting(struct nx__outlet *outlet);

/* True once the program exits; then each put is written before it returns, by this. */
bool nx__outlet_finishing(void);
void nx__outlet_finish(struct nx__outlet *outlet);

/* Takes the line below all others away, unless somebody holds the lock. Async-signal-safe. */
void nx__outlet_clear(struct nx__outlet *outlet);

/* Sleeps. Async-signal-safe. */
void nx__outlet_nap(nx_duration span);

static inline bool nx__outlet_reached(uint64_t position, uint64_t until)
{
    return (int64_t)(position - until) >= 0;
}

#endif

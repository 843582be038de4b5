/* Topics inside: a log of events that all threads share, and for each loop a branch with the
 * listeners that it serves. */
#ifndef NX__HTTP_TOPIC_H
#define NX__HTTP_TOPIC_H

#include "http/events.h"
#include <pthread.h>

/* An event as others than streams of events get it, made when the first asks for it. */
struct nx__form {
    struct nx__form *next;
    uint32_t kind; /* theirs */
    uint32_t len;  /* 0: there is none of this kind */
    char bytes[];
};

/* An event: the head of a chunk, the event, CRLF, its id once more, and its data where that is not
 * in the event as it is. Never changes, but for `forms`. */
struct nx__frame {
    atomic_uint refs; /* logs that have it */
    uint32_t head, len, id_len;
    uint32_t data, data_len; /* where the data is in `text`; UINT32_MAX: there is none */
    bool binary;
    struct nx__form *_Atomic forms;
    char text[];
};

static inline nx_bytes nx__frame_data(const struct nx__frame *frame)
{
    return nx_slice(frame->text + frame->data, frame->data_len);
}

/* Events in order. Number n is at n % capacity, a power of two. */
struct nx__log {
    struct nx__frame **ring;
    size_t capacity, bytes;
    uint64_t first, next; /* numbers of the oldest that is kept, and of the one to come */
};

struct nx_topic {
    size_t max_queue;
    uint32_t replay;
    bool own_ids;
    char epoch[20]; /* what ids that it gives begin with: another run's are none of this one's */

    pthread_mutex_t lock; /* of all that follows, and of what branches say */
    struct nx__log log;
    struct nx__list branches;
    struct nx__list senders; /* that wait for room */
    unsigned sending;        /* calls under way, which may be those that wait */
    size_t listeners;
    uint64_t dropped;
    bool closing;
};

/* The listeners of one loop, there while there are any. For its own thread, but for what the lock
 * guards. */
struct nx__branch {
    nx_topic *topic;
    struct nx_loop *loop;
    /* Under the topic's lock. */
    struct nx__list link; /* in topic->branches */
    struct nx__post post; /* the pump */
    bool posted;
    bool all_have_all; /* of what was pulled */
    bool stuck;        /* its loop has not turned for long: nobody waits for it */
    uint64_t due_next; /* what those need that can take it; UINT64_MAX: they have all */
    /* The topic's log as it was when pulled last; `next` is changed under the lock. */
    struct nx__log log;

    /* Listeners: those that have all, those that are to be served, those whose peer takes no more,
     * and those that have gone but for the call of `left`. */
    struct nx__list current, due, blocked, gone;
    size_t listeners; /* those in none of the lists too, since their handler has not ended */
    size_t outside;   /* the latter */
    uint64_t told;    /* those who had all have been made due up to here */
    bool serving, telling;
    bool closing, told_closing;
};

/* ---- topic.c */

static inline struct nx__frame *nx__frame_at(const struct nx__log *log, uint64_t number)
{
    return log->ring[number & (log->capacity - 1)];
}

/* Puts the frame at the end, with a reference of the log's own. False when memory is out. */
bool nx__log_append(struct nx__log *log, struct nx__frame *frame);

/* Drops what is before number `first`. */
void nx__log_cut(struct nx__log *log, uint64_t first);

/* Lets go of what nobody needs, and of what is too much together with `more` bytes. The lock is
 * held, as for the next two. */
void nx__topic_trim(nx_topic *topic, size_t more);

/* Lets who waits for room look again; with an error, fail with it. */
void nx__topic_senders_wake(nx_topic *topic, int result);

/* Number of the event that follows the one with the id; the oldest for replay if that is not kept.
 */
uint64_t nx__topic_after_id(const nx_topic *topic, nx_bytes id);

/* Unlocks, and frees a topic that is closed and has neither branches nor senders. */
void nx__topic_unlock(nx_topic *topic);

/* ---- branch.c */

/* Makes the stream a listener, from the event after the last but `recent` on, or after the one with
 * the id if that is not empty. It is served for the first time by nx__stream_serve. NX_ENOMEM,
 * recorded. */
NX_MUST_CHECK nx_err nx__topic_join(nx_topic *topic, struct nx__stream *stream, nx_bytes id,
                                    uint32_t recent);

/* Has the branch pull what is new, and serve it. The lock is held. */
void nx__branch_wake(struct nx__branch *branch);

/* Pulls and serves now, on its thread: for who can't wait. The branch may be gone after. */
void nx__branch_pump(struct nx__branch *branch);

/* The calling thread's; NULL if there is none. The lock is held. */
struct nx__branch *nx__branch_here(const nx_topic *topic);

/* The number from which on it still needs the log. The lock is held. */
static inline uint64_t nx__branch_needs(const struct nx__branch *branch)
{
    return branch->due_next < branch->log.next ? branch->due_next : branch->log.next;
}

#endif

/* Outlets: putting bytes in, and waiting until they are out. */
#include "console/outlet.h"

#include "base/clock.h"
#include <errno.h>
#include <poll.h>

static const nx_duration NAP_FIRST = NX_US(20), NAP_MOST = NX_MS(1);
/* Who puts into a full ring waits a moment, so that a burst is not lost on a reader that is only a
 * little slower: this long at once, and a tenth of all time. A file takes all, so there it is
 * longer, as long as anything moves. */
static const nx_duration GRACE_MOST = NX_MS(20), FILE_PATIENCE = NX_MS(100);
enum { GRACE_SHARE = 10 };

static const char ERASE[] = "\r\033[K"; /* the line that the cursor is on */
enum { ERASE_LEN = sizeof ERASE - 1 };

void nx__outlet_nap(nx_duration span)
{
    struct timespec time = {.tv_sec = span / NX_S(1), .tv_nsec = span % NX_S(1)};
    (void)ppoll(NULL, 0, &time, NULL);
}

/* ---- Waking */

static void wake(struct nx__outlet *o, bool urgent)
{
    int state = atomic_load(&o->state);
    if (state == NX__WRITER_WORKING || (state == NX__WRITER_DOZING && !urgent)) return;
    if (atomic_exchange(&o->state, NX__WRITER_WORKING) != NX__WRITER_WORKING)
        (void)sem_post(&o->wake);
}

void nx__outlet_wake(struct nx__outlet *o)
{
    wake(o, true);
}

/* ---- Fibers that wait */

/* A fiber that waits for `head` to come to `until`. */
struct wait {
    struct nx__op op;
    struct nx__post post;
    struct nx__list link; /* in outlet->waits, under the lock */
    struct nx__outlet *outlet;
    struct nx_loop *loop;
    uint64_t until;
};

static void wait_posted(struct nx__post *post)
{
    nx__op_complete(&nx__container_of(post, struct wait, post)->op, 0);
}

bool nx__outlet_tell_waiting(struct nx__outlet *o)
{
    if (pthread_mutex_trylock(&o->lock) != 0) return false;
    uint64_t head = atomic_load(&o->head);
    for (struct nx__list *link = o->waits.next, *next; link != &o->waits; link = next) {
        next = link->next;
        struct wait *wait = nx__container_of(link, struct wait, link);
        if (!nx__outlet_reached(head, wait->until)) continue;
        nx__list_remove(link);
        atomic_fetch_sub(&o->waiting, 1);
        nx__loop_post(wait->loop, &wait->post);
    }
    (void)pthread_mutex_unlock(&o->lock);
    return true;
}

/* ---- Putting */

/* `position` moves behind the bytes. */
static void copy(struct nx__outlet *o, uint64_t *position, const char *data, size_t len)
{
    size_t at = (size_t)(*position & (o->capacity - 1)), first = o->capacity - at;
    if (first > len) first = len;
    memcpy(o->ring + at, data, first);
    if (len > first) memcpy(o->ring, data + first, len - first);
    *position += len;
}

static size_t room(const struct nx__outlet *o)
{
    return o->capacity - (size_t)(atomic_load_explicit(&o->tail, memory_order_relaxed) -
                                  atomic_load_explicit(&o->head, memory_order_acquire));
}

/* What a put of these bytes takes, with the line below erased and written again. */
static size_t need(const struct nx__outlet *o, const char *data, size_t len)
{
    size_t all = len;
    if (o->status_shown) all += ERASE_LEN;
    if (o->status_len && len && data[len - 1] == '\n') all += o->status_len;
    return all;
}

static nx_err error_of(const struct nx__outlet *o)
{
    int error = atomic_load(&o->error);
    return error == EBADF ? NX_ECLOSED : nx__error_from_errno(error);
}

/* There is room; the lock is held. */
static void commit(struct nx__outlet *o, const char *data, size_t len)
{
    uint64_t tail = atomic_load_explicit(&o->tail, memory_order_relaxed);
    if (nx__unlikely(o->status_shown)) copy(o, &tail, ERASE, ERASE_LEN);
    copy(o, &tail, data, len);
    if (len) o->midline = data[len - 1] != '\n';
    o->status_shown = nx__unlikely(o->status_len != 0) && !o->midline;
    if (o->status_shown) copy(o, &tail, o->status, o->status_len);
    atomic_store(&o->tail, tail);
}

/* Waits a moment for room, off the lock, which is held before and after. */
static void wait_moment(struct nx__outlet *o, size_t wanted)
{
    uint64_t head = atomic_load(&o->head);
    if (o->stuck && o->stuck_at == head) return;
    nx_duration now = nx__clock_monotonic(), begun = now;
    o->grace += (now - o->grace_at) / GRACE_SHARE;
    if (o->grace > GRACE_MOST) o->grace = GRACE_MOST;
    o->grace_at = now;
    nx_duration end = now + (o->file ? FILE_PATIENCE : o->grace), span = NAP_FIRST;
    uint64_t seen = head;
    while (now < end && room(o) < wanted && !atomic_load(&o->error)) {
        (void)pthread_mutex_unlock(&o->lock);
        wake(o, true);
        nx__outlet_nap(span);
        if (span < NAP_MOST) span *= 2;
        (void)pthread_mutex_lock(&o->lock);
        now = nx__clock_monotonic();
        uint64_t at = atomic_load(&o->head);
        if (o->file && at != seen) end = now + FILE_PATIENCE;
        seen = at;
    }
    o->grace -= now - begun;
    if (o->grace < 0) o->grace = 0;
    o->stuck = seen == head;
    o->stuck_at = head;
}

static void wait_cancel(struct nx__op *op)
{
    struct wait *wait = nx__container_of(op, struct wait, op);
    (void)pthread_mutex_lock(&wait->outlet->lock);
    bool there = !nx__list_empty(&wait->link); /* else its end is posted already */
    if (there) {
        nx__list_remove(&wait->link);
        atomic_fetch_sub(&wait->outlet->waiting, 1);
    }
    (void)pthread_mutex_unlock(&wait->outlet->lock);
    if (there) nx__op_complete(op, -ECANCELED);
}

/* Suspends the calling fiber until `head` has come to `until`. Takes the lock's place. */
static nx_err wait_in_fiber(struct nx__outlet *o, uint64_t until)
{
    struct wait wait = {.op.cancel = wait_cancel,
                        .post.fn = wait_posted,
                        .outlet = o,
                        .loop = nx__loop_current,
                        .until = until};
    nx__list_insert(&o->waits, &wait.link);
    atomic_fetch_add(&o->waiting, 1);
    (void)pthread_mutex_unlock(&o->lock);
    wake(o, true);
    int64_t result = nx__op_wait(&wait.op);
    return result == 0 ? NX_OK : result == -ECANCELED ? NX_ECANCELED : NX_ELIMIT;
}

/* Waits, off the lock, for room for `wanted` bytes. */
static nx_err wait_room(struct nx__outlet *o, size_t wanted, enum nx__full full)
{
    nx_err err = NX_OK;
    if (full == NX__FULL_WAIT && nx__fiber_running()) {
        uint64_t until = atomic_load(&o->tail) + wanted - o->capacity;
        err = wait_in_fiber(o, until);
        (void)pthread_mutex_lock(&o->lock);
        return err;
    }
    for (nx_duration span = NAP_FIRST; room(o) < wanted && !atomic_load(&o->error);) {
        (void)pthread_mutex_unlock(&o->lock);
        wake(o, true);
        nx__outlet_nap(span);
        if (span < NAP_MOST) span *= 2;
        (void)pthread_mutex_lock(&o->lock);
    }
    return err;
}

/* At most a batch. */
static nx_err put(struct nx__outlet *o, const char *data, size_t len, enum nx__full full)
{
    (void)pthread_mutex_lock(&o->lock);
    if (nx__unlikely(!o->started)) nx__outlet_start(o);
    nx_err err = NX_OK;
    while (!err && !atomic_load_explicit(&o->error, memory_order_relaxed) &&
           nx__unlikely(room(o) < need(o, data, len))) {
        if (full != NX__FULL_DROP) {
            err = wait_room(o, need(o, data, len), full);
            continue;
        }
        wait_moment(o, need(o, data, len));
        if (room(o) < need(o, data, len)) err = NX_ELIMIT;
    }
    bool dead = atomic_load_explicit(&o->error, memory_order_relaxed) != 0;
    if (err == NX_ELIMIT && full == NX__FULL_DROP) {
        if (!atomic_load(&o->dropped)) atomic_store(&o->gap, atomic_load(&o->tail));
        atomic_fetch_add(&o->dropped, 1);
    }
    if (dead) err = error_of(o);
    if (err)
        atomic_fetch_add(&o->lost, full != NX__FULL_WAIT);
    else
        commit(o, data, len);
    if (nx__unlikely(o->threadless)) (void)nx__outlet_empty(o);
    bool urgent = room(o) < o->capacity / 2;
    (void)pthread_mutex_unlock(&o->lock);
    wake(o, urgent);
    return err;
}

nx_err nx__outlet_put(struct nx__outlet *o, const char *data, size_t len, enum nx__full full)
{
    int saved = errno;
    nx_err err = NX_OK;
    while (!err && len > NX__OUTLET_BATCH) {
        err = put(o, data, NX__OUTLET_BATCH, full);
        data += NX__OUTLET_BATCH;
        len -= NX__OUTLET_BATCH;
    }
    if (!err && len) err = put(o, data, len, full);
    if (nx__unlikely(nx__outlet_finishing())) nx__outlet_finish(o);
    errno = saved;
    return err;
}

/* Writes the line below anew, unless there is no room for it: then it comes with the next line.
 * The lock is held. */
static void redraw(struct nx__outlet *o)
{
    if (!o->started) nx__outlet_start(o);
    if (room(o) >= o->status_len + ERASE_LEN && !atomic_load(&o->error)) commit(o, "", 0);
    if (nx__unlikely(o->threadless)) (void)nx__outlet_empty(o);
}

void nx__outlet_status(struct nx__outlet *o, const char *text, size_t len)
{
    if (!o->terminal) return;
    (void)pthread_mutex_lock(&o->lock);
    if (len >= sizeof o->status) len = sizeof o->status - 1;
    memcpy(o->status, text, len);
    o->status_len = len;
    redraw(o);
    (void)pthread_mutex_unlock(&o->lock);
    wake(o, false);
}

void nx__outlet_newline(struct nx__outlet *o)
{
    (void)pthread_mutex_lock(&o->lock);
    o->midline = false;
    if (o->status_len) redraw(o);
    (void)pthread_mutex_unlock(&o->lock);
    wake(o, false);
}

void nx__outlet_clear(struct nx__outlet *o)
{
    if (pthread_mutex_trylock(&o->lock) != 0) return;
    o->status_len = 0;
    if (o->status_shown) redraw(o);
    (void)pthread_mutex_unlock(&o->lock);
}

/* ---- Waiting for it to be written */

nx_err nx__outlet_flush(struct nx__outlet *o)
{
    nx_err err = NX_OK;
    if (!nx__fiber_running()) {
        (void)nx__outlet_drain(o, NX_FOREVER);
    } else {
        uint64_t tail = atomic_load(&o->tail);
        (void)pthread_mutex_lock(&o->lock);
        if (nx__outlet_reached(atomic_load(&o->head), tail))
            (void)pthread_mutex_unlock(&o->lock);
        else
            err = wait_in_fiber(o, tail);
    }
    return err ? err : error_of(o);
}

bool nx__outlet_drain(struct nx__outlet *o, nx_duration stall)
{
    uint64_t until = atomic_load(&o->tail), seen = atomic_load(&o->head);
    nx_duration span = NAP_FIRST, since = nx__clock_monotonic();
    for (;;) {
        uint64_t head = atomic_load(&o->head);
        if (nx__outlet_reached(head, until) && !atomic_load(&o->dropped)) return true;
        nx_duration now = nx__clock_monotonic();
        if (head != seen) since = now;
        seen = head;
        if (now - since > stall) return false;
        wake(o, true);
        nx__outlet_nap(span);
        if (span < NAP_MOST) span *= 2;
    }
}

/* Topics: the log of events, and sending. */
#include "http/topic.h"

#include "base/clock.h"
#include "loop/loop.h"
#include <errno.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

/* For so long who sends waits for another worker whose loop does not turn. */
static const nx_duration PATIENCE = NX_S(1);

enum {
    FIRST_RING = 64,
    CHUNK_HEAD = 24,
    FRAME_MOST = 192, /* of a frame, beside what it is asked to say: an id that the topic gives */
    QUEUE_LEAST = 1024,
};

struct sender {
    struct nx__op op;
    struct nx__timer timer;
    struct nx__post post;
    struct nx__list link; /* in topic->senders, under the lock */
    nx_topic *topic;
    struct nx_loop *loop;
    int result;
};

/* ---- The log */

static size_t frame_size(const struct nx__frame *frame)
{
    size_t size = sizeof *frame + frame->head + frame->len + 2 + frame->id_len;
    return frame->data != UINT32_MAX && frame->data >= size - sizeof *frame ? size + frame->data_len
                                                                            : size;
}

static void frame_release(struct nx__frame *frame)
{
    if (atomic_fetch_sub(&frame->refs, 1) != 1) return;
    struct nx__form *form = atomic_load(&frame->forms), *next;
    for (; form; form = next) {
        next = form->next;
        free(form);
    }
    free(frame);
}

/* What streams of events get of a binary message: a comment, which browsers do not show. */
static const nx_event nothing = {.comment = ""};

/* Whether the event has the data as they are, in its last line but one. */
static bool is_line(nx_bytes data)
{
    for (size_t i = 0; i < data.len; i++)
        if (data.data[i] == '\n' || data.data[i] == '\r') return false;
    return true;
}

/* With one reference, the caller's. */
static struct nx__frame *frame_new(const nx_event *event, nx_bytes data)
{
    nx_bytes shown = event->binary ? (nx_bytes){0} : data;
    const nx_event *as = event->binary ? &nothing : event;
    bool apart = data.data && (event->binary || !is_line(data));
    size_t len = nx__event_write(as, shown, NULL, 0);
    size_t id_len = event->id ? strlen(event->id) : 0;
    char head[CHUNK_HEAD];
    size_t head_len = (size_t)snprintf(head, sizeof head, "%zx\r\n", len);
    struct nx__frame *frame =
        malloc(sizeof *frame + head_len + len + 2 + id_len + (apart ? data.len : 0));
    if (!frame) return NULL;
    atomic_init(&frame->refs, 1);
    atomic_init(&frame->forms, NULL);
    frame->binary = event->binary;
    frame->data_len = (uint32_t)data.len;
    frame->data = UINT32_MAX;
    if (apart)
        frame->data = (uint32_t)(head_len + len + 2 + id_len);
    else if (data.data)
        frame->data = (uint32_t)(head_len + len - 2 - data.len); /* two line feeds end an event */
    frame->head = (uint32_t)head_len;
    frame->len = (uint32_t)len;
    frame->id_len = (uint32_t)id_len;
    char *at = frame->text;
    memcpy(at, head, head_len);
    at += head_len;
    (void)nx__event_write(as, shown, at, len);
    at += len;
    memcpy(at, "\r\n", 2);
    if (id_len) memcpy(at + 2, event->id, id_len);
    if (apart) memcpy(frame->text + frame->data, data.data, data.len);
    return frame;
}

static nx_bytes frame_id(const struct nx__frame *frame)
{
    return nx_slice(frame->text + frame->head + frame->len + 2, frame->id_len);
}

/* Makes room for one more in the ring. */
static bool ring_reserve(struct nx__log *log)
{
    size_t count = (size_t)(log->next - log->first);
    if (count < log->capacity) return true;
    size_t capacity = log->capacity ? log->capacity * 2 : FIRST_RING;
    struct nx__frame **ring = malloc(capacity * sizeof(struct nx__frame *));
    if (!ring) return false;
    for (uint64_t n = log->first; n < log->next; n++)
        ring[n & (capacity - 1)] = nx__frame_at(log, n);
    free(log->ring);
    log->ring = ring;
    log->capacity = capacity;
    return true;
}

bool nx__log_append(struct nx__log *log, struct nx__frame *frame)
{
    if (!ring_reserve(log)) return false;
    atomic_fetch_add(&frame->refs, 1);
    log->ring[log->next++ & (log->capacity - 1)] = frame;
    log->bytes += frame_size(frame);
    return true;
}

void nx__log_cut(struct nx__log *log, uint64_t first)
{
    while (log->first < first && log->first < log->next) {
        struct nx__frame *frame = nx__frame_at(log, log->first++);
        log->bytes -= frame_size(frame);
        frame_release(frame);
    }
}

static bool all_have_all(const nx_topic *topic)
{
    const struct nx__list *link = topic->branches.next;
    for (; link != &topic->branches; link = link->next) {
        const struct nx__branch *branch = nx__container_of(link, struct nx__branch, link);
        if (!branch->all_have_all || branch->log.next != topic->log.next) return false;
    }
    return true;
}

void nx__topic_trim(nx_topic *topic, size_t more)
{
    struct nx__log *log = &topic->log;
    bool unneeded = !more && all_have_all(topic);
    while (log->next > log->first && (log->bytes + more > topic->max_queue ||
                                      (unneeded && log->next - log->first > topic->replay)))
        nx__log_cut(log, log->first + 1);
}

uint64_t nx__topic_after_id(const nx_topic *topic, nx_bytes id)
{
    const struct nx__log *log = &topic->log;
    for (uint64_t n = log->next; n-- > log->first;) {
        if (nx_bytes_eq(frame_id(nx__frame_at(log, n)), id)) return n + 1;
    }
    uint64_t kept = log->next - log->first;
    return log->next - (kept < topic->replay ? kept : topic->replay);
}

/* ---- Life */

nx_topic *nx_topic_new_with(const nx_topic_options *options)
{
    nx_topic_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    nx_topic *topic = calloc(1, sizeof *topic);
    if (!topic) {
        (void)nx__error_set(NX_ENOMEM, "cannot make a topic: out of memory");
        return NULL;
    }
    topic->max_queue = o.max_queue ? o.max_queue : NX_TOPIC_MAX_QUEUE;
    if (topic->max_queue < QUEUE_LEAST) topic->max_queue = QUEUE_LEAST;
    if (topic->max_queue > UINT32_MAX / 2)
        topic->max_queue = UINT32_MAX / 2; /* cf. struct nx__frame */
    topic->replay = o.replay == NX_TOPIC_NO_REPLAY ? 0 : o.replay ? o.replay : NX_TOPIC_REPLAY;
    topic->own_ids = o.own_ids || !topic->replay;
    (void)snprintf(topic->epoch, sizeof topic->epoch, "%llx",
                   (unsigned long long)(nx_wall_time() / NX_MS(1)));
    (void)pthread_mutex_init(&topic->lock, NULL);
    nx__list_init(&topic->branches);
    nx__list_init(&topic->senders);
    return topic;
}

void nx__topic_unlock(nx_topic *topic)
{
    bool over = topic->closing && !topic->sending && nx__list_empty(&topic->branches);
    (void)pthread_mutex_unlock(&topic->lock);
    if (!over) return;
    nx__log_cut(&topic->log, topic->log.next);
    free(topic->log.ring);
    (void)pthread_mutex_destroy(&topic->lock);
    free(topic);
}

static void branches_wake(nx_topic *topic)
{
    for (struct nx__list *link = topic->branches.next; link != &topic->branches; link = link->next)
        nx__branch_wake(nx__container_of(link, struct nx__branch, link));
}

void nx_topic_free(nx_topic *topic)
{
    if (!topic) return;
    (void)pthread_mutex_lock(&topic->lock);
    topic->closing = true;
    nx__topic_senders_wake(topic, -EPIPE);
    branches_wake(topic);
    nx__topic_unlock(topic);
}

void nx_topic_stats_get(const nx_topic *topic, nx_topic_stats *stats)
{
    nx_topic_stats all = {.size = stats->size ? stats->size : sizeof all};
    if (topic) {
        pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&topic->lock;
        (void)pthread_mutex_lock(lock);
        all.listeners = topic->listeners;
        all.sent = topic->log.next;
        all.dropped = topic->dropped;
        all.queued = topic->log.bytes;
        (void)pthread_mutex_unlock(lock);
    }
    memcpy(stats, &all, all.size < sizeof all ? all.size : sizeof all);
}

/* ---- Waiting for room */

static void sender_posted(struct nx__post *post)
{
    struct sender *sender = nx__container_of(post, struct sender, post);
    nx__op_complete(&sender->op, sender->result);
}

void nx__topic_senders_wake(nx_topic *topic, int result)
{
    for (struct nx__list *link; (link = nx__list_pop(&topic->senders));) {
        struct sender *sender = nx__container_of(link, struct sender, link);
        sender->result = result;
        nx__loop_post(sender->loop, &sender->post);
    }
}

/* Ends the wait, unless that is under way already. */
static void sender_end(struct sender *sender, int result)
{
    (void)pthread_mutex_lock(&sender->topic->lock);
    bool waits = !nx__list_empty(&sender->link);
    nx__list_remove(&sender->link);
    (void)pthread_mutex_unlock(&sender->topic->lock);
    if (waits) nx__op_complete(&sender->op, result);
}

static void sender_cancel(struct nx__op *op)
{
    sender_end(nx__container_of(op, struct sender, op), -ECANCELED);
}

static void sender_expire(struct nx__timer *timer)
{
    sender_end(nx__container_of(timer, struct sender, timer), -ETIMEDOUT);
}

/* Number of the oldest event that is left when there is room for `size` bytes. */
static uint64_t first_with_room(const nx_topic *topic, size_t size)
{
    const struct nx__log *log = &topic->log;
    uint64_t number = log->first;
    for (size_t bytes = log->bytes; bytes + size > topic->max_queue && number < log->next; number++)
        bytes -= frame_size(nx__frame_at(log, number));
    return number;
}

/* A branch that still has to send what would be dropped for `size` bytes to those that can take it;
 * NULL if there is none. */
static struct nx__branch *behind(const nx_topic *topic, size_t size)
{
    uint64_t number = first_with_room(topic, size);
    const struct nx__list *link = topic->branches.next;
    for (; link != &topic->branches; link = link->next) {
        struct nx__branch *branch = nx__container_of(link, struct nx__branch, link);
        if (!branch->stuck && nx__branch_needs(branch) < number) return branch;
    }
    return NULL;
}

/* Waits off the lock, which is held before and after. -errno, or 0: look again. */
static int64_t wait_for_room(nx_topic *topic)
{
    struct nx_loop *loop = nx__loop();
    struct sender sender = {.op.cancel = sender_cancel,
                            .timer.fire = sender_expire,
                            .post.fn = sender_posted,
                            .topic = topic,
                            .loop = loop};
    if (nx__timer_set(&loop->timers, &sender.timer, nx__clock_monotonic() + PATIENCE))
        return -ENOMEM;
    nx__list_insert(&topic->senders, &sender.link);
    (void)pthread_mutex_unlock(&topic->lock);
    int64_t result = nx__op_wait(&sender.op);
    nx__timer_clear(&loop->timers, &sender.timer);
    (void)pthread_mutex_lock(&topic->lock);
    return result;
}

/* Waits until `size` bytes may be sent. The lock is held before and after. */
static nx_err make_room(nx_topic *topic, size_t size)
{
    for (struct nx__branch *branch; (branch = behind(topic, size));) {
        if (!nx__fiber_running()) {
            if (branch->loop != nx__loop_current) return NX_OK; /* nobody can wait here */
            (void)pthread_mutex_unlock(&topic->lock);
            nx__branch_pump(branch);
            (void)pthread_mutex_lock(&topic->lock);
            continue;
        }
        switch (wait_for_room(topic)) {
        case 0: break;
        case -ETIMEDOUT:
            branch = behind(topic, size);
            if (branch && branch->loop != nx__loop_current) branch->stuck = true;
            break;
        case -EPIPE: return nx__error_set(NX_ECLOSED, "cannot send the event: topic freed");
        case -ENOMEM: return nx__error_set(NX_ENOMEM, "cannot send the event: out of memory");
        case -ELIMIT_OPERATIONS: return nx__error_operations();
        default: return nx__error_set(NX_ECANCELED, "cannot send the event: cancelled");
        }
    }
    return NX_OK;
}

/* ---- Sending */

static nx_err append(nx_topic *topic, const nx_event *given, nx_bytes data)
{
    nx_event event = *given;
    char own_id[sizeof topic->epoch + 24];
    if (!event.id && !topic->own_ids) {
        (void)snprintf(own_id, sizeof own_id, "%s-%llu", topic->epoch,
                       (unsigned long long)topic->log.next);
        event.id = own_id;
    }
    struct nx__frame *frame = frame_new(&event, data);
    if (frame) nx__topic_trim(topic, frame_size(frame));
    bool good = frame && nx__log_append(&topic->log, frame);
    if (frame) frame_release(frame);
    if (!good) return nx__error_set(NX_ENOMEM, "cannot send the event: out of memory");
    branches_wake(topic);
    nx__topic_trim(topic, 0);
    return NX_OK;
}

nx_err nx_topic_send_with(nx_topic *topic, const nx_event *event)
{
    if (!topic) return nx__error_set(NX_ENOMEM, "cannot send the event: the topic had no memory");
    nx_event e = nx__event_of(event);
    struct nx__buffer json = {0};
    nx_bytes data;
    nx_err err = nx__event_data(&e, &json, &data);
    size_t size = 0;
    if (!err) {
        size = nx__event_write(&e, data, NULL, 0) + FRAME_MOST + (e.id ? strlen(e.id) : 0);
        if (e.binary || (data.data && !is_line(data))) size += data.len;
    }
    if (!err && size > topic->max_queue)
        err = nx__error_set(NX_ETOOBIG, "cannot send the event: it is larger than max_queue, %zu",
                            topic->max_queue);
    if (!err) {
        (void)pthread_mutex_lock(&topic->lock);
        topic->sending++;
        err = make_room(topic, size);
        if (!err) err = append(topic, &e, data);
        topic->sending--;
        nx__topic_unlock(topic);
    }
    nx__buffer_free(&json);
    return err;
}

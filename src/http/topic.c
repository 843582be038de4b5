/* Topics: a log of events, made once, and how far in it each listener is. */
#include "http/events.h"

#include "loop/loop.h"
#include <errno.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

/* Listeners served in one turn of the loop. Each costs a system call. */
enum { BATCH = 16 };

enum {
    FIRST_RING = 64,
    CHUNK_HEAD = 24,
    FRAME_MOST = 192, /* of a frame, beside what it is asked to say: an id that the topic gives */
    QUEUE_LEAST = 1024,
};

/* An event of the log: the head of a chunk, the event, CRLF, and its id once more. */
struct frame {
    uint32_t head, len, id_len;
    char text[];
};

struct nx_topic {
    struct nx_loop *loop;
    size_t max_queue;
    uint32_t replay;
    bool own_ids;
    char epoch[20]; /* what ids that it gives begin with: another run's are none of this one's */

    struct frame **ring; /* frame number n is at n % capacity, a power of two */
    size_t capacity, bytes;
    uint64_t first, next; /* numbers of the oldest that is kept, and of the one to come */

    /* Listeners: those that have all, those that are to be served, those whose peer takes no more,
     * and those that have gone but for the call of `left`. */
    struct nx__list current, due, blocked, gone;
    size_t listeners; /* those in none of the lists too, since their handler has not ended */
    size_t outside;   /* the latter */
    uint64_t dropped;
    struct nx__list senders; /* that wait for room */
    struct nx__post post;
    bool posted, serving, telling, closing;
};

struct sender {
    struct nx__op op;
    struct nx__list link;
};

static void pump(struct nx__post *post);

/* ---- The log */

static struct frame *frame_at(const nx_topic *topic, uint64_t number)
{
    return topic->ring[number & (topic->capacity - 1)];
}

static size_t frame_size(const struct frame *frame)
{
    return sizeof *frame + frame->head + frame->len + 2 + frame->id_len;
}

static struct frame *frame_new(const nx_event *event, nx_bytes data)
{
    size_t len = nx__event_write(event, data, NULL, 0);
    size_t id_len = event->id ? strlen(event->id) : 0;
    char head[CHUNK_HEAD];
    size_t head_len = (size_t)snprintf(head, sizeof head, "%zx\r\n", len);
    struct frame *frame = malloc(sizeof *frame + head_len + len + 2 + id_len);
    if (!frame) return NULL;
    frame->head = (uint32_t)head_len;
    frame->len = (uint32_t)len;
    frame->id_len = (uint32_t)id_len;
    char *at = frame->text;
    memcpy(at, head, head_len);
    at += head_len;
    (void)nx__event_write(event, data, at, len);
    at += len;
    memcpy(at, "\r\n", 2);
    if (id_len) memcpy(at + 2, event->id, id_len);
    return frame;
}

static nx_bytes frame_id(const struct frame *frame)
{
    return nx_slice(frame->text + frame->head + frame->len + 2, frame->id_len);
}

/* Makes room for one more in the ring. */
static bool ring_reserve(nx_topic *topic)
{
    size_t count = (size_t)(topic->next - topic->first);
    if (count < topic->capacity) return true;
    size_t capacity = topic->capacity ? topic->capacity * 2 : FIRST_RING;
    struct frame **ring = malloc(capacity * sizeof(struct frame *));
    if (!ring) return false;
    for (uint64_t n = topic->first; n < topic->next; n++)
        ring[n & (capacity - 1)] = frame_at(topic, n);
    free(topic->ring);
    topic->ring = ring;
    topic->capacity = capacity;
    return true;
}

static void drop_first(nx_topic *topic)
{
    struct frame *frame = frame_at(topic, topic->first++);
    topic->bytes -= frame_size(frame);
    free(frame);
}

/* Lets go of what nobody needs, and of what is too much together with `more` bytes. */
static void trim(nx_topic *topic, size_t more)
{
    bool all_have_all =
        nx__list_empty(&topic->due) && nx__list_empty(&topic->blocked) && !topic->outside && !more;
    while (topic->next > topic->first &&
           (topic->bytes + more > topic->max_queue ||
            (all_have_all && topic->next - topic->first > topic->replay)))
        drop_first(topic);
}

/* Number of the event that follows the one with the id; the oldest one if that is not kept. */
static uint64_t after_id(const nx_topic *topic, nx_bytes id)
{
    for (uint64_t n = topic->next; n-- > topic->first;) {
        if (nx_bytes_eq(frame_id(frame_at(topic, n)), id)) return n + 1;
    }
    uint64_t kept = topic->next - topic->first;
    return topic->next - (kept < topic->replay ? kept : topic->replay);
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
    topic->loop = nx__loop();
    topic->max_queue = o.max_queue ? o.max_queue : NX_TOPIC_MAX_QUEUE;
    if (topic->max_queue < QUEUE_LEAST) topic->max_queue = QUEUE_LEAST;
    if (topic->max_queue > UINT32_MAX / 2) topic->max_queue = UINT32_MAX / 2; /* cf. struct frame */
    topic->replay = o.replay == NX_TOPIC_NO_REPLAY ? 0 : o.replay ? o.replay : NX_TOPIC_REPLAY;
    topic->own_ids = o.own_ids || !topic->replay;
    (void)snprintf(topic->epoch, sizeof topic->epoch, "%llx",
                   (unsigned long long)(nx_wall_time() / NX_MS(1)));
    topic->post.fn = pump;
    nx__list_init(&topic->current);
    nx__list_init(&topic->due);
    nx__list_init(&topic->blocked);
    nx__list_init(&topic->gone);
    nx__list_init(&topic->senders);
    return topic;
}

static void free_if_over(nx_topic *topic)
{
    if (!topic->closing || topic->listeners || topic->posted || topic->serving || topic->telling ||
        !nx__list_empty(&topic->gone))
        return;
    while (topic->next > topic->first) drop_first(topic);
    free(topic->ring);
    free(topic);
}

static void schedule(nx_topic *topic)
{
    if (topic->posted || nx__list_empty(&topic->due)) return;
    topic->posted = true;
    nx__loop_post(topic->loop, &topic->post);
}

/* Whoever had all is to be served. */
static void all_due(nx_topic *topic)
{
    struct nx__list *from = &topic->current, *to = &topic->due;
    if (!nx__list_empty(from)) {
        from->next->prev = to->prev;
        from->prev->next = to;
        to->prev->next = from->next;
        to->prev = from->prev;
        nx__list_init(from);
    }
    schedule(topic);
}

static void senders_wake(nx_topic *topic, int result)
{
    for (struct nx__list *link; (link = nx__list_pop(&topic->senders));)
        nx__op_complete(&nx__container_of(link, struct sender, link)->op, result);
}

void nx_topic_free(nx_topic *topic)
{
    if (!topic) return;
    topic->closing = true;
    senders_wake(topic, -EPIPE);
    all_due(topic);
    free_if_over(topic);
}

void nx_topic_stats_get(const nx_topic *topic, nx_topic_stats *stats)
{
    nx_topic_stats all = {.size = stats->size ? stats->size : sizeof all};
    if (topic) {
        all.listeners = topic->listeners;
        all.sent = topic->next;
        all.dropped = topic->dropped;
        all.queued = topic->bytes;
    }
    memcpy(stats, &all, all.size < sizeof all ? all.size : sizeof all);
}

/* ---- Listeners */

/* Calls `left` for those that have gone, in a fiber. */
static nx_err tell(void *arg)
{
    nx_topic *topic = arg;
    while (!nx__list_empty(&topic->gone)) {
        struct nx__stream *stream = nx__container_of(topic->gone.next, struct nx__stream, link);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one before is out of the list */
        void (*left)(void *) = stream->left;
        void *left_arg = stream->arg;
        nx__list_remove(&stream->link);
        free(stream);
        left(left_arg);
    }
    topic->telling = false;
    free_if_over(topic);
    return NX_OK;
}

/* Where there is no fiber to be had it is tried again with the next that goes. */
static void tell_later(nx_topic *topic)
{
    if (topic->telling || nx__list_empty(&topic->gone)) return;
    topic->telling = nx_spawn(NULL, tell, topic, .name = "topic", .detached = true) == NX_OK;
}

void nx__stream_leave(struct nx__stream *stream)
{
    nx_topic *topic = stream->topic;
    if (nx__list_empty(&stream->link)) topic->outside--;
    nx__list_remove(&stream->link);
    topic->listeners--;
    if (stream->left)
        nx__list_insert(&topic->gone, &stream->link);
    else
        free(stream);
    tell_later(topic);
    free_if_over(topic);
}

/* Counts bytes that the peer took. */
static void advance(struct nx__stream *stream, size_t n)
{
    while (n) {
        const struct frame *frame = frame_at(stream->topic, stream->next);
        size_t size = stream->chunked ? frame->head + frame->len + 2 : frame->len;
        if (n < size - stream->sent) {
            stream->sent += (uint32_t)n;
            return;
        }
        n -= size - stream->sent;
        stream->sent = 0;
        stream->next++;
    }
}

static size_t pieces_of(const struct nx__stream *stream, nx_bytes *pieces)
{
    size_t count = 0;
    for (uint64_t n = stream->next; n < stream->topic->next && count < NX__STREAM_PIECES; n++) {
        const struct frame *frame = frame_at(stream->topic, n);
        nx_bytes piece = stream->chunked ? nx_slice(frame->text, frame->head + frame->len + 2)
                                         : nx_slice(frame->text + frame->head, frame->len);
        if (!count) piece = nx_slice(piece.data + stream->sent, piece.len - stream->sent);
        pieces[count++] = piece;
    }
    return count;
}

static void list_into(struct nx__stream *stream, struct nx__list *list)
{
    if (nx__list_empty(&stream->link)) stream->topic->outside--;
    nx__list_remove(&stream->link);
    nx__list_insert(list, &stream->link);
}

void nx__stream_serve(struct nx__stream *stream)
{
    nx_topic *topic = stream->topic;
    nx_bytes pieces[NX__STREAM_PIECES];
    for (;;) {
        if (stream->next < topic->first) {
            topic->dropped++;
            stream->driver->stream_end(stream, false);
            return;
        }
        size_t count = pieces_of(stream, pieces);
        if (!count) break;
        long n = stream->driver->stream_send(stream, pieces, count);
        if (n == -EAGAIN) {
            list_into(stream, &topic->blocked);
            return;
        }
        if (n < 0) {
            stream->driver->stream_end(stream, false);
            return;
        }
        advance(stream, (size_t)n);
    }
    if (topic->closing || stream->ending)
        stream->driver->stream_end(stream, true);
    else
        list_into(stream, &topic->current);
}

void nx__stream_finish(struct nx__stream *stream)
{
    stream->ending = true;
    nx__stream_serve(stream);
}

/* Serves some of those that are due; the rest when others had their turn. */
static void serve_some(nx_topic *topic)
{
    topic->serving = true;
    for (int n = 0; n < BATCH && !nx__list_empty(&topic->due); n++)
        nx__stream_serve(nx__container_of(topic->due.next, struct nx__stream, link));
    topic->serving = false;
}

static void pump(struct nx__post *post)
{
    nx_topic *topic = nx__container_of(post, nx_topic, post);
    topic->posted = false;
    serve_some(topic);
    schedule(topic);
    if (!topic->posted) trim(topic, 0);
    senders_wake(topic, 0); /* each looks for itself whether there is room */
    free_if_over(topic);
}

nx_err nx_response_subscribe_with(nx_response *res, nx_topic *topic,
                                  const nx_subscribe_options *options)
{
    nx_subscribe_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!topic) return nx__error_set(NX_ENOMEM, "cannot subscribe: the topic had no memory");
    if (topic->loop != nx__loop())
        return nx__error_set(NX_ESTATE, "cannot subscribe: the topic is another thread's");
    if (res->subscribed)
        return nx__error_set(NX_ESTATE, "cannot subscribe: this answer is subscribed already");
    struct nx__stream *stream = calloc(1, sizeof *stream);
    if (!stream) return nx__error_set(NX_ENOMEM, "cannot subscribe: out of memory");
    nx_err err = nx__events_begin(res);
    if (err) {
        free(stream);
        return err;
    }
    res->subscribed = true;
    if (res->state == NX__RESPONSE_DONE) { /* HEAD */
        free(stream);
        if (o.left) o.left(o.arg);
        return NX_OK;
    }
    nx_bytes id = nx_request_last_event_id(res->req);
    uint64_t kept = topic->next - topic->first;
    nx__list_init(&stream->link);
    stream->topic = topic;
    stream->driver = res->req->driver;
    stream->next = id.len ? after_id(topic, id) : topic->next - (o.recent < kept ? o.recent : kept);
    stream->left = o.left;
    stream->arg = o.arg;
    topic->listeners++;
    topic->outside++;
    res->state = NX__RESPONSE_DONE;
    stream->driver->hold(res, stream);
    return NX_OK;
}

/* ---- Sending */

/* Would room for `size` bytes be made of what is still to be sent to those that can take it? */
static bool is_full(const nx_topic *topic, size_t size)
{
    if (nx__list_empty(&topic->due)) return false;
    const struct nx__stream *last = nx__container_of(topic->due.next, struct nx__stream, link);
    uint64_t number = topic->first;
    for (size_t bytes = topic->bytes; bytes + size > topic->max_queue && number < topic->next;
         number++)
        bytes -= frame_size(frame_at(topic, number));
    return last->next < number;
}

static void sender_cancel(struct nx__op *op)
{
    nx__list_remove(&nx__container_of(op, struct sender, op)->link);
    nx__op_complete(op, -ECANCELED);
}

static nx_err wait_for_room(nx_topic *topic)
{
    struct sender sender = {.op.cancel = sender_cancel};
    nx__list_insert(&topic->senders, &sender.link);
    int64_t result = nx__op_wait(&sender.op);
    if (result == 0) return NX_OK;
    if (result == -EPIPE) return nx__error_set(NX_ECLOSED, "cannot send the event: topic freed");
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cannot send the event: cancelled");
}

static nx_err append(nx_topic *topic, const nx_event *event, nx_bytes data)
{
    struct frame *frame = frame_new(event, data);
    if (frame) trim(topic, frame_size(frame));
    if (!frame || !ring_reserve(topic)) {
        free(frame);
        return nx__error_set(NX_ENOMEM, "cannot send the event: out of memory");
    }
    topic->ring[topic->next++ & (topic->capacity - 1)] = frame;
    topic->bytes += frame_size(frame);
    all_due(topic);
    /* Those that were blocked first are mostly the furthest behind; others are found when they can
     * take more, or can't for too long. */
    while (!nx__list_empty(&topic->blocked)) {
        struct nx__stream *stream = nx__container_of(topic->blocked.next, struct nx__stream, link);
        if (stream->next >= topic->first) break;
        list_into(stream, &topic->due);
    }
    schedule(topic);
    if (!topic->posted) trim(topic, 0);
    return NX_OK;
}

nx_err nx_topic_send_with(nx_topic *topic, const nx_event *event)
{
    if (!topic) return nx__error_set(NX_ENOMEM, "cannot send the event: the topic had no memory");
    nx_event e = nx__event_of(event);
    struct nx__buffer json = {0};
    char own_id[sizeof topic->epoch + 24];
    nx_bytes data;
    nx_err err = nx__event_data(&e, &json, &data);
    if (err) goto out;
    size_t size = nx__event_write(&e, data, NULL, 0) + FRAME_MOST + (e.id ? strlen(e.id) : 0);
    if (size > topic->max_queue) {
        err = nx__error_set(NX_ETOOBIG, "cannot send the event: it is larger than max_queue, %zu",
                            topic->max_queue);
        goto out;
    }
    while (is_full(topic, size)) {
        if (!nx__fiber_running()) {
            serve_some(topic); /* nobody can wait here */
            continue;
        }
        err = wait_for_room(topic);
        if (err) goto out;
    }
    if (!e.id && !topic->own_ids) {
        (void)snprintf(own_id, sizeof own_id, "%s-%llu", topic->epoch,
                       (unsigned long long)topic->next);
        e.id = own_id;
    }
    err = append(topic, &e, data);
out:
    nx__buffer_free(&json);
    return err;
}

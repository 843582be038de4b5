/* The listeners of a topic on one loop, and how far in its log each is. */
#include "http/topic.h"

#include "loop/loop.h"
#include <errno.h>
#include <stdlib.h>

/* Listeners served in one turn of the loop. Each costs a system call. */
enum { BATCH = 16, FORMS_MOST = 64 * 1024 /* bytes to one of them in one go */ };

static void pump_posted(struct nx__post *post);

/* ---- Life */

struct nx__branch *nx__branch_here(const nx_topic *topic)
{
    const struct nx__list *link = topic->branches.next;
    for (; link != &topic->branches; link = link->next) {
        struct nx__branch *branch = nx__container_of(link, struct nx__branch, link);
        if (branch->loop == nx__loop_current) return branch;
    }
    return NULL;
}

/* The lock is held; NULL when memory is out. */
static struct nx__branch *branch_new(nx_topic *topic)
{
    struct nx__branch *branch = calloc(1, sizeof *branch);
    if (!branch) return NULL;
    branch->topic = topic;
    branch->loop = nx__loop_current;
    branch->post.fn = pump_posted;
    branch->log.first = branch->log.next = topic->log.first;
    branch->due_next = UINT64_MAX;
    nx__list_init(&branch->current);
    nx__list_init(&branch->due);
    nx__list_init(&branch->blocked);
    nx__list_init(&branch->gone);
    nx__list_insert(&topic->branches, &branch->link);
    return branch;
}

/* Unlocks; what nobody listens to any more goes. */
static void branch_unlock(struct nx__branch *branch)
{
    nx_topic *topic = branch->topic;
    bool over = !branch->listeners && !branch->posted && !branch->serving && !branch->telling &&
                nx__list_empty(&branch->gone);
    if (over) {
        nx__list_remove(&branch->link);
        nx__topic_trim(topic, 0);
        nx__topic_senders_wake(topic, 0);
    }
    nx__topic_unlock(topic);
    if (!over) return;
    nx__log_cut(&branch->log, branch->log.next);
    free(branch->log.ring);
    free(branch);
}

void nx__branch_wake(struct nx__branch *branch)
{
    if (branch->posted) return;
    branch->posted = true;
    nx__loop_post(branch->loop, &branch->post);
}

/* ---- The log, as far as this loop knows it */

static void list_into(struct nx__stream *stream, struct nx__list *list)
{
    if (nx__list_empty(&stream->link)) stream->branch->outside--;
    nx__list_remove(&stream->link);
    nx__list_insert(list, &stream->link);
}

/* Whoever had all before what is new is to be served. */
static void all_due(struct nx__branch *branch)
{
    struct nx__list *from = &branch->current, *to = &branch->due;
    bool news = branch->log.next != branch->told || branch->closing != branch->told_closing;
    branch->told = branch->log.next;
    branch->told_closing = branch->closing;
    if (!news || nx__list_empty(from)) return;
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    nx__list_init(from);
}

/* Takes what is new in the topic's log, and drops what is no longer there. The lock is held. */
static void pull(struct nx__branch *branch)
{
    const nx_topic *topic = branch->topic;
    struct nx__log *log = &branch->log;
    uint64_t before = log->next;
    nx__log_cut(log, topic->log.first);
    if (log->next < topic->log.first) log->first = log->next = topic->log.first;
    while (log->next < topic->log.next) {
        if (nx__log_append(log, nx__frame_at(&topic->log, log->next))) continue;
        /* Without memory for it, those that are behind are dropped. */
        nx__log_cut(log, log->next);
        log->first = log->next = topic->log.next;
    }
    branch->closing = topic->closing;
    branch->stuck = false;
    if (log->next == before) return;
    branch->all_have_all = false;
    if (branch->due_next > before && branch->listeners) branch->due_next = before;
}

/* Says how far the listeners are. The lock is held. */
static void publish(struct nx__branch *branch)
{
    const struct nx__list *due = &branch->due;
    branch->due_next = nx__list_empty(due)
                           ? UINT64_MAX
                           : nx__container_of(due->next, struct nx__stream, link)->next;
    branch->all_have_all =
        nx__list_empty(due) && nx__list_empty(&branch->blocked) && !branch->outside;
}

/* ---- Serving */

/* Counts bytes that the peer took. */
static void advance(struct nx__stream *stream, size_t n)
{
    while (n) {
        const struct nx__frame *frame = nx__frame_at(&stream->branch->log, stream->next);
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
    const struct nx__log *log = &stream->branch->log;
    size_t count = 0;
    for (uint64_t n = stream->next; n < log->next && count < NX__STREAM_PIECES; n++) {
        const struct nx__frame *frame = nx__frame_at(log, n);
        nx_bytes piece = stream->chunked ? nx_slice(frame->text, frame->head + frame->len + 2)
                                         : nx_slice(frame->text + frame->head, frame->len);
        if (!count) piece = nx_slice(piece.data + stream->sent, piece.len - stream->sent);
        pieces[count++] = piece;
    }
    return count;
}

/* The same for one with a form of its own: `*upto` is the event behind them. False: it is to be
 * dropped. */
static bool forms_of(struct nx__stream *stream, nx_bytes *pieces, size_t *count, uint64_t *upto)
{
    const struct nx__log *log = &stream->branch->log;
    size_t size = 0;
    *count = 0;
    *upto = stream->next;
    for (; *upto < log->next && *count < NX__STREAM_PIECES && size < FORMS_MOST; ++*upto) {
        nx_bytes piece = {0};
        if (!stream->form(stream, nx__frame_at(log, *upto), &piece)) return false;
        if (piece.len) pieces[(*count)++] = piece;
        size += piece.len;
    }
    return true;
}

static void count_dropped(nx_topic *topic)
{
    (void)pthread_mutex_lock(&topic->lock);
    topic->dropped++;
    (void)pthread_mutex_unlock(&topic->lock);
}

void nx__stream_serve(struct nx__stream *stream)
{
    struct nx__branch *branch = stream->branch;
    nx_bytes pieces[NX__STREAM_PIECES];
    for (;;) {
        if (stream->next < branch->log.first) {
            count_dropped(branch->topic);
            if (!stream->skips) {
                stream->driver->stream_end(stream, false);
                return;
            }
            stream->next = branch->log.first;
        }
        uint64_t upto = stream->next;
        size_t count;
        if (!stream->form) {
            count = pieces_of(stream, pieces);
        } else if (!forms_of(stream, pieces, &count, &upto)) {
            stream->driver->stream_end(stream, false);
            return;
        }
        if (!count && upto == stream->next) break;
        long n = count ? stream->driver->stream_send(stream, pieces, count) : 0;
        if (n == -EAGAIN) {
            list_into(stream, &branch->blocked);
            return;
        }
        if (n < 0) {
            stream->driver->stream_end(stream, false);
            return;
        }
        if (stream->form)
            stream->next = upto;
        else
            advance(stream, (size_t)n);
    }
    if (branch->closing || stream->ending)
        stream->driver->stream_end(stream, true);
    else
        list_into(stream, &branch->current);
}

void nx__stream_finish(struct nx__stream *stream)
{
    struct nx__branch *branch = stream->branch;
    (void)pthread_mutex_lock(&branch->topic->lock);
    pull(branch);
    (void)pthread_mutex_unlock(&branch->topic->lock);
    stream->ending = true;
    nx__stream_serve(stream);
}

/* Pulls, and serves some of those that are due; the rest when others had their turn. */
void nx__branch_pump(struct nx__branch *branch)
{
    nx_topic *topic = branch->topic;
    (void)pthread_mutex_lock(&topic->lock);
    pull(branch);
    (void)pthread_mutex_unlock(&topic->lock);
    all_due(branch);
    /* Those that were blocked first are mostly the furthest behind; others are found when they can
     * take more, or can't for too long. */
    while (!nx__list_empty(&branch->blocked)) {
        struct nx__list *first = branch->blocked.next;
        struct nx__stream *stream = nx__container_of(first, struct nx__stream, link);
        if (stream->next >= branch->log.first) break;
        list_into(stream, &branch->due);
    }
    branch->serving = true;
    for (int n = 0; n < BATCH && !nx__list_empty(&branch->due); n++)
        nx__stream_serve(nx__container_of(branch->due.next, struct nx__stream, link));
    branch->serving = false;
    (void)pthread_mutex_lock(&topic->lock);
    publish(branch);
    nx__topic_trim(topic, 0);
    nx__log_cut(&branch->log, topic->log.first);
    if (!nx__list_empty(&branch->due)) nx__branch_wake(branch);
    nx__topic_senders_wake(topic, 0); /* each looks for itself whether there is room */
    branch_unlock(branch);
}

static void pump_posted(struct nx__post *post)
{
    struct nx__branch *branch = nx__container_of(post, struct nx__branch, post);
    (void)pthread_mutex_lock(&branch->topic->lock);
    branch->posted = false;
    (void)pthread_mutex_unlock(&branch->topic->lock);
    nx__branch_pump(branch);
}

/* ---- Listeners */

/* Calls `left` for those that have gone, in a fiber. */
static nx_err tell(void *arg)
{
    struct nx__branch *branch = arg;
    while (!nx__list_empty(&branch->gone)) {
        struct nx__stream *stream = nx__container_of(branch->gone.next, struct nx__stream, link);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one before is out of the list */
        void (*left)(void *) = stream->left;
        void *left_arg = stream->arg;
        nx__list_remove(&stream->link);
        free(stream);
        left(left_arg);
    }
    branch->telling = false;
    (void)pthread_mutex_lock(&branch->topic->lock);
    branch_unlock(branch);
    return NX_OK;
}

/* Where there is no fiber to be had it is tried again with the next that goes. */
static void tell_later(struct nx__branch *branch)
{
    if (branch->telling || nx__list_empty(&branch->gone)) return;
    branch->telling = nx_spawn(NULL, tell, branch, .name = "topic", .detached = true) == NX_OK;
}

void nx__stream_leave(struct nx__stream *stream)
{
    struct nx__branch *branch = stream->branch;
    if (nx__list_empty(&stream->link)) branch->outside--;
    nx__list_remove(&stream->link);
    branch->listeners--;
    if (stream->left)
        nx__list_insert(&branch->gone, &stream->link);
    else
        free(stream);
    tell_later(branch);
    (void)pthread_mutex_lock(&branch->topic->lock);
    branch->topic->listeners--;
    branch_unlock(branch);
}

nx_err nx__topic_join(nx_topic *topic, struct nx__stream *stream, nx_bytes id, uint32_t recent)
{
    (void)pthread_mutex_lock(&topic->lock);
    struct nx__branch *branch = nx__branch_here(topic);
    if (!branch) branch = branch_new(topic);
    if (!branch) {
        (void)pthread_mutex_unlock(&topic->lock);
        (void)nx__error_set(NX_ENOMEM, "cannot subscribe: out of memory");
        return NX_ENOMEM;
    }
    pull(branch);
    uint64_t next = topic->log.next, kept = next - topic->log.first;
    stream->branch = branch;
    stream->next = id.len ? nx__topic_after_id(topic, id) : next - (recent < kept ? recent : kept);
    branch->listeners++;
    branch->outside++;
    branch->all_have_all = false;
    topic->listeners++;
    (void)pthread_mutex_unlock(&topic->lock);
    return NX_OK;
}

nx_err nx_response_subscribe_with(nx_response *res, nx_topic *topic,
                                  const nx_subscribe_options *options)
{
    nx_subscribe_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!topic) return nx__error_set(NX_ENOMEM, "cannot subscribe: the topic had no memory");
    if (res->subscribed)
        return nx__error_set(NX_ESTATE, "cannot subscribe: this answer is subscribed already");
    struct nx__stream *stream = calloc(1, sizeof *stream);
    if (!stream) return nx__error_set(NX_ENOMEM, "cannot subscribe: out of memory");
    nx__list_init(&stream->link);
    nx_err err = nx__topic_join(topic, stream, nx_request_last_event_id(res->req), o.recent);
    if (err) {
        free(stream);
        return err;
    }
    /* Whoever has seen the head gets what is sent from then on, by whatever worker. */
    err = nx__events_begin(res);
    if (err) {
        nx__stream_leave(stream);
        return err;
    }
    res->subscribed = true;
    stream->driver = res->req->driver;
    stream->left = o.left;
    stream->arg = o.arg;
    if (res->state == NX__RESPONSE_DONE) { /* HEAD: gone at once, and `left` comes later as ever */
        nx__stream_leave(stream);
        return NX_OK;
    }
    res->state = NX__RESPONSE_DONE;
    stream->driver->hold(res, stream);
    return NX_OK;
}

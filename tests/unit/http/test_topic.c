/* Topics: who gets which events, over a driver that takes as much as it is told to. */
#include "http/events.h"

#include "faults.h"
#include "loop/loop_thread.h"
#include <errno.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One peer. */
struct peer {
    nx_request req;
    struct nx__stream *stream;
    char got[8192];
    size_t len, room; /* `room`: bytes that it takes before it is slow */
    bool in_order, cut, failed;
    int left;
};

static struct peer *peer_of(nx_response *res)
{
    return nx__container_of(res->req, struct peer, req);
}

static nx_err fake_write(nx_response *res, nx_bytes piece)
{
    (void)piece;
    res->state = NX__RESPONSE_STREAMING;
    return NX_OK;
}

static void fake_events(nx_response *res)
{
    (void)res;
}

static void fake_hold(nx_response *res, struct nx__stream *stream)
{
    struct peer *peer = peer_of(res);
    stream->conn = peer;
    peer->stream = stream;
}

static long fake_send(struct nx__stream *stream, const nx_bytes *pieces, size_t count)
{
    struct peer *peer = stream->conn;
    long total = 0;
    if (peer->failed) return -EPIPE;
    if (!peer->room) return -EAGAIN;
    for (size_t i = 0; i < count; i++) {
        size_t n = pieces[i].len < peer->room ? pieces[i].len : peer->room;
        memcpy(peer->got + peer->len, pieces[i].data, n);
        peer->len += n;
        peer->room -= n;
        total += (long)n;
        if (n < pieces[i].len) break;
    }
    return total;
}

static void fake_end(struct nx__stream *stream, bool in_order)
{
    struct peer *peer = stream->conn;
    peer->in_order = in_order;
    peer->cut = !in_order;
    peer->stream = NULL;
    nx__stream_leave(stream);
}

static const struct nx__http_driver fake = {.write = fake_write,
                                            .events = fake_events,
                                            .hold = fake_hold,
                                            .stream_send = fake_send,
                                            .stream_end = fake_end};

static nx_http_server fake_server;

static void has_left(void *arg)
{
    ((struct peer *)arg)->left++;
}

static nx_err subscribe(struct peer *peer, nx_topic *topic, uint32_t recent)
{
    *peer = (struct peer){.room = sizeof peer->got};
    peer->req = (nx_request){.driver = &fake,
                             .server = &fake_server,
                             .fiber = nx_fiber_current(),
                             .method = nx_str("GET")};
    peer->req.response.req = &peer->req;
    peer->req.response.status = 200;
    /* What builders allocate is the fiber's, which here lives on. */
    nx_err err = nx_response_subscribe(&peer->req.response, topic, .recent = recent,
                                       .left = has_left, .arg = peer);
    if (!err) nx__stream_serve(peer->stream);
    return err;
}

static nx_bytes got(const struct peer *peer)
{
    return nx_slice(peer->got, peer->len);
}

/* What one turn of the loop has begun the next ones end, also where a sleep was over before it was
 * looked at. */
static void turn(void)
{
    for (int i = 0; i < 3; i++) nx_expect_ok(nx_sleep(NX_MS(1)));
}

static const char *framed(const char *text)
{
    return nx_format("data: %s\n\n", text);
}

NX_TEST("listeners get what comes after they came")
{
    nx_topic *topic = nx_topic_new(.own_ids = true);
    struct peer a, b;
    nx_expect_ok(nx_topic_send(topic, .data = "0"));
    nx_expect_ok(subscribe(&a, topic, 0));
    nx_expect_ok(nx_topic_send(topic, .data = "1"));
    nx_expect_eq(a.len, 0u); /* sent by the loop */
    turn();
    nx_expect_eq(got(&a), framed("1"));
    nx_expect_ok(subscribe(&b, topic, 2));
    nx_expect_eq(got(&b), nx_format("%s%s", framed("0"), framed("1")));
    for (int i = 2; i < 60; i++) nx_expect_ok(nx_topic_send(topic, .data = nx_format("%d", i)));
    turn();
    nx_expect_eq(a.len + strlen(framed("0")), b.len);
    nx_expect(memmem(b.got, b.len, "data: 59\n\n", 10) == b.got + b.len - 10);
    nx_topic_free(topic);
    turn();
    nx_expect(a.in_order && b.in_order);
    nx_expect_eq(a.left + b.left, 2);
}

NX_TEST("a slow listener goes on where it was, or is dropped")
{
    nx_topic *topic =
        nx_topic_new(.own_ids = true, .max_queue = 2000, .replay = NX_TOPIC_NO_REPLAY);
    struct peer slow, dead, quick;
    nx_expect_ok(subscribe(&slow, topic, 0));
    nx_expect_ok(subscribe(&dead, topic, 0));
    nx_expect_ok(subscribe(&quick, topic, 0));
    slow.room = 5;
    dead.room = 0;
    for (int i = 0; i < 20; i++) {
        nx_expect_ok(nx_topic_send(topic, .data = nx_format("%d", i)));
        turn();
    }
    nx_expect_eq(slow.len, 5u);
    while (slow.len < quick.len) {
        slow.room = 7;
        nx__stream_serve(slow.stream);
    }
    nx_expect_eq(got(&slow), got(&quick));
    for (int i = 0; i < 100; i++) {
        nx_expect_ok(nx_topic_send(topic, .data = nx_format("%d", i)));
        turn();
        slow.room = 100;
        if (slow.stream) nx__stream_serve(slow.stream);
    }
    nx_expect(dead.cut && !dead.stream && dead.left == 1);
    nx_expect_eq(got(&slow), got(&quick));
    nx_topic_stats stats = {.size = sizeof stats};
    nx_topic_stats_get(topic, &stats);
    nx_expect_eq(stats.listeners, 2u);
    nx_expect_eq(stats.dropped, 1u);
    nx_expect_eq(stats.sent, 120u);
    nx_expect_eq(stats.queued, 0u); /* nobody needs any */
    slow.failed = true;
    nx_expect_ok(nx_topic_send(topic, .data = "x"));
    turn();
    nx_expect(slow.cut && slow.left == 1);
    nx_topic_free(topic);
    turn();
    nx_expect(quick.in_order);
}

struct sends {
    nx_topic *topic;
    int sent;
};

static nx_err sends_many(void *arg)
{
    struct sends *s = arg;
    for (int i = 0; i < 100; i++, s->sent++)
        NX_TRY(nx_topic_send(s->topic, .data = "0123456789012345678901234567890123456789"));
    return NX_OK;
}

NX_TEST("who sends waits for those that can take more, and for no others")
{
    enum { PEERS = 200 };
    struct peer *peers = nx_alloc_zero(PEERS, sizeof *peers);
    nx_topic *topic =
        nx_topic_new(.own_ids = true, .max_queue = 1024, .replay = NX_TOPIC_NO_REPLAY);
    for (int i = 0; i < PEERS; i++) nx_expect_ok(subscribe(&peers[i], topic, 0));
    peers[7].room = 100;
    struct sends s = {.topic = topic};
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, sends_many, &s));
    nx_expect_ok(nx_join(f));
    nx_expect_eq(s.sent, 100);
    turn();
    turn();
    for (int i = 0; i < PEERS; i++) {
        if (i == 7)
            nx_expect(peers[i].cut);
        else if (!nx_expect_eq(peers[i].len, 100 * 48u))
            break;
    }
    nx_topic_free(topic);
    turn();
    turn();
    nx_expect(peers[0].in_order && peers[PEERS - 1].in_order);
}

NX_TEST("a sender that waits is cancelled, and told when the topic is freed")
{
    enum { PEERS = 100 };
    struct peer *peers = nx_alloc_zero(PEERS, sizeof *peers);
    nx_topic *topic = nx_topic_new(.own_ids = true, .max_queue = 1024);
    for (int i = 0; i < PEERS; i++) nx_expect_ok(subscribe(&peers[i], topic, 0));
    struct sends s = {.topic = topic}, t = s;
    nx_fiber *f = NULL, *g = NULL;
    nx_expect_ok(nx_spawn(&f, sends_many, &s));
    nx_expect_ok(nx_spawn(&g, sends_many, &t));
    nx_expect_ok(nx_yield());
    nx_expect_lt(s.sent, 100);
    nx_cancel(f);
    nx_expect_err(NX_ECANCELED, nx_join(f));
    nx_topic_free(topic);
    nx_expect_err(NX_ECLOSED, nx_join(g));
    turn();
    turn();
}

NX_TEST("an event larger than the queue, and topics without memory")
{
    nx_topic *topic = nx_topic_new(.max_queue = 1);
    char *large = nx_alloc(2001);
    memset(large, 'l', 2000);
    large[2000] = '\0';
    nx_expect_err(NX_ETOOBIG, nx_topic_send(topic, .data = large));
    nx_expect_ok(nx_topic_send(topic, .data = "small"));
    nx_topic_free(topic);
    nx_topic_free(NULL);
    struct peer peer;
    nx_expect_err(NX_ENOMEM, nx_topic_send(NULL, .data = "x"));
    nx_expect_err(NX_ENOMEM, subscribe(&peer, NULL, 0));
}

NX_TEST("memory runs out at every place")
{
    for (long after = 0; after < 20; after++) {
        struct peer a = {0}, b = {0};
        faults_begin(FAULTS_MEMORY, (unsigned long)after + 1);
        nx_topic *topic = nx_topic_new();
        nx_err err = subscribe(&a, topic, 0);
        if (!err) err = nx_topic_send(topic, .json = nx_obj("a", 1));
        if (!err) err = subscribe(&b, topic, 1);
        const char *failed = faults_stop();
        if (err) nx_expect_eq(err, NX_ENOMEM);
        turn();
        nx_topic_free(topic);
        turn();
        nx_expect(!a.stream && !b.stream);
        if (!failed) break;
    }
}

/* ---- Several loops */

enum { LOOPS = 3, EVENTS = 300 };

struct branch_thread {
    struct nx__loop_thread thread; /* first */
    nx_topic *topic;
    struct peer peer;
    atomic_int *ready, *go;
    int number;
    nx_err err;
};

static void sends_and_listens(struct nx__loop_thread *thread)
{
    struct branch_thread *b = (struct branch_thread *)thread;
    b->err = subscribe(&b->peer, b->topic, 0);
    atomic_fetch_add(b->ready, 1);
    while (!atomic_load(b->go)) NX_IGNORE(nx_sleep(NX_MS(1)));
    for (int i = 0; i < EVENTS / LOOPS && !b->err; i++)
        b->err = nx_topic_send(b->topic, .data = nx_format("%d", b->number));
    while (b->peer.stream) NX_IGNORE(nx_sleep(NX_MS(1)));
}

NX_TEST("listeners on all loops get what any of them sends, in one order")
{
    static struct branch_thread threads[LOOPS];
    atomic_int ready = 0, go = 0;
    nx_topic *topic = nx_topic_new(.own_ids = true, .max_queue = 1024, .replay = 10);
    struct peer own;
    nx_expect_ok(subscribe(&own, topic, 0));
    for (int i = 0; i < LOOPS; i++) {
        threads[i] =
            (struct branch_thread){.topic = topic, .ready = &ready, .go = &go, .number = i};
        nx_require_ok(nx__loop_thread_start(&threads[i].thread, (uint32_t)i + 1, LOOPS + 1,
                                            sends_and_listens));
    }
    while (atomic_load(&ready) < LOOPS) turn();
    nx_topic_stats stats = {.size = sizeof stats};
    nx_topic_stats_get(topic, &stats);
    nx_expect_eq(stats.listeners, LOOPS + 1u);
    atomic_store(&go, 1);
    for (int i = 0; i < 2000 && own.len < EVENTS * 9; i++) turn();
    nx_expect_eq(own.len, EVENTS * 9u); /* "data: N\n\n" */
    struct peer late;
    nx_expect_ok(subscribe(&late, topic, 10));
    nx_expect_eq(got(&late), nx_slice(own.got + own.len - 90, 90));
    nx_topic_free(topic);
    for (int i = 0; i < LOOPS; i++) {
        nx__loop_thread_join(&threads[i].thread);
        nx_expect_ok(threads[i].err);
        nx_expect_eq(got(&threads[i].peer), got(&own));
        nx_expect(threads[i].peer.in_order);
        nx_expect_eq(threads[i].peer.left, 1);
    }
    turn();
    nx_expect(own.in_order && late.in_order);
}

static void listens_and_blocks(struct nx__loop_thread *thread)
{
    struct branch_thread *b = (struct branch_thread *)thread;
    b->err = subscribe(&b->peer, b->topic, 0);
    atomic_fetch_add(b->ready, 1);
    NX_IGNORE(nx_sleep(NX_MS(1)));
    atomic_fetch_add(b->ready, 1);
    while (!atomic_load(b->go)) (void)usleep(1000); /* the loop does not turn */
    while (b->peer.stream) NX_IGNORE(nx_sleep(NX_MS(1)));
}

NX_TEST("a loop that is blocked is waited for a while, and its listeners dropped")
{
    static struct branch_thread blocked;
    atomic_int ready = 0, go = 0;
    nx_topic *topic = nx_topic_new(.own_ids = true, .max_queue = 1024, .replay = 10);
    struct peer own;
    nx_expect_ok(subscribe(&own, topic, 0));
    blocked = (struct branch_thread){.topic = topic, .ready = &ready, .go = &go};
    nx_require_ok(nx__loop_thread_start(&blocked.thread, 1, 2, listens_and_blocks));
    while (atomic_load(&ready) < 2) turn();
    nx_duration begun = nx_now();
    for (int i = 0; i < 100; i++) nx_expect_ok(nx_topic_send(topic, .data = "0123456789"));
    nx_duration took = nx_now() - begun;
    nx_expect_ge(took, NX_MS(900)); /* once */
    nx_expect_lt(took, NX_S(50));   /* and not for each */
    for (int i = 0; i < 100 && own.len < 1800; i++) turn();
    nx_expect_eq(own.len, 100 * 18u);
    atomic_store(&go, 1);
    nx__loop_thread_join(&blocked.thread);
    nx_expect(blocked.peer.cut);
    nx_topic_free(topic);
    turn();
    nx_expect(own.in_order);
}

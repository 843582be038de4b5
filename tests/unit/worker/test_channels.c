/* Channels between threads: order, bounds, closing, cancelling, select, and all of it at once. */
#include "../loop/loop_test.h"

#include <nexus/worker.h>

enum { WORKERS = 4, MESSAGES = 100000 };

static nx_channel *channel_of(size_t capacity)
{
    nx_channel *c = NULL;
    nx_require_ok(nx_channel_new_shared(&c, sizeof(int), capacity));
    return c;
}

/* ---- One to one */

struct job {
    nx_channel *channel, *other;
    int from, to;
    int64_t sum;
    int count, wrong, most;
    nx_err end;
};

static nx_err sends(void *arg)
{
    struct job *job = arg;
    for (int i = job->from; i < job->to; i++) {
        nx_err err = nx_send(job->channel, &i);
        if (err) return job->end = err;
        job->count++;
    }
    return NX_OK;
}

static nx_err receives(void *arg)
{
    struct job *job = arg;
    int value;
    while ((job->end = nx_recv(job->channel, &value)) == NX_OK) {
        job->sum += value;
        job->count++;
        int queued = (int)nx_channel_len(job->channel);
        if (queued > job->most) job->most = queued;
    }
    return job->end == NX_ECLOSED ? NX_OK : job->end;
}

NX_TEST("values arrive in order, and no more than fit are queued", .deadline = NX_S(60))
{
    static const size_t capacities[] = {0, 1, 16};
    for (size_t k = 0; k < 3; k++) {
        struct job job = {.channel = channel_of(capacities[k]), .to = scaled(5000)};
        nx_fiber *worker;
        nx_require_ok(nx_worker_start(&worker, sends, &job));
        for (int i = 0; i < job.to; i++) {
            int value = -1;
            nx_require_ok(nx_recv(job.channel, &value));
            nx_require_eq(value, i);
            nx_expect_le(nx_channel_len(job.channel), capacities[k]);
        }
        nx_expect_ok(nx_join(worker));
        nx_channel_free(job.channel);
    }
}

static nx_err echoes(void *arg)
{
    struct job *job = arg;
    int value;
    while (nx_recv(job->channel, &value) == NX_OK) {
        value++;
        NX_TRY(nx_send(job->other, &value));
    }
    return NX_OK;
}

NX_TEST("there and back", .deadline = NX_S(60))
{
    struct job job = {.channel = channel_of(1), .other = channel_of(1)};
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, echoes, &job));
    for (int i = 0; i < scaled(5000); i++) {
        int value = i;
        nx_require_ok(nx_send(job.channel, &value));
        nx_require_ok(nx_recv(job.other, &value));
        nx_require_eq(value, i + 1);
    }
    nx_channel_close(job.channel);
    nx_expect_ok(nx_join(worker));
    nx_channel_free(job.channel);
    nx_channel_free(job.other);
}

/* ---- Many to many */

NX_TEST("four workers send, four receive, nothing is lost", .deadline = NX_S(120))
{
    nx_channel *channel = channel_of(64);
    struct job senders[WORKERS], receivers[WORKERS];
    nx_fiber *fibers[WORKERS];
    int each = scaled(MESSAGES) / WORKERS;
    nx_scope *scope;
    nx_require_ok(nx_scope_open(&scope));
    for (int i = 0; i < WORKERS; i++) {
        receivers[i] = (struct job){.channel = channel};
        nx_require_ok(nx_worker_start(NULL, receives, &receivers[i], .scope = scope));
    }
    for (int i = 0; i < WORKERS; i++) {
        senders[i] = (struct job){.channel = channel, .from = i * each, .to = (i + 1) * each};
        nx_require_ok(nx_worker_start(&fibers[i], sends, &senders[i]));
    }
    for (int i = 0; i < WORKERS; i++) nx_expect_ok(nx_join(fibers[i]));
    nx_channel_close(channel);
    nx_expect_ok(nx_scope_close(&scope));
    int64_t sum = 0, count = 0, all = (int64_t)each * WORKERS;
    for (int i = 0; i < WORKERS; i++) {
        sum += receivers[i].sum;
        count += receivers[i].count;
        nx_expect_le(receivers[i].most, 64);
    }
    nx_expect_eq(count, all);
    nx_expect_eq(sum, all * (all - 1) / 2);
    nx_channel_free(channel);
}

/* ---- Closing and cancelling */

NX_TEST("a close reaches those that wait on other threads", .deadline = NX_S(60))
{
    for (int round = 0; round < scaled(200); round++) {
        nx_channel *channel = channel_of((size_t)round % 3);
        struct job jobs[WORKERS];
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope));
        for (int i = 0; i < WORKERS; i++) {
            jobs[i] = (struct job){.channel = channel, .to = 1000000};
            nx_fiber *worker; /* whose error is no error of the scope */
            nx_require_ok(nx_worker_start(&worker, i % 2 ? receives : sends, &jobs[i]));
        }
        if (round % 2) NX_IGNORE(nx_sleep(NX_US(200)));
        nx_channel_close(channel);
        NX_IGNORE(nx_scope_close(&scope));
        int64_t sent = 0, received = 0;
        for (int i = 0; i < WORKERS; i++) {
            nx_expect_err(NX_ECLOSED, jobs[i].end);
            *(i % 2 ? &received : &sent) += jobs[i].count;
        }
        nx_expect_eq(sent, received);
        nx_channel_free(channel);
    }
}

static nx_err receives_until_canceled(void *arg)
{
    struct job *job = arg;

    int value;
    while ((job->end = nx_recv(job->channel, &value)) == NX_OK) {
        job->count++;
        job->sum += value;
        if (job->count % 3 == 0) NX_IGNORE(nx_yield());
    }

    return NX_OK;
}

NX_TEST("cancelled receivers lose no message", .deadline = NX_S(120))
{
    nx_channel *channel = channel_of(2);
    struct job sender = {.channel = channel, .to = scaled(20000)};
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, sends, &sender));
    int64_t sum = 0, count = 0;
    while (count < sender.to) {
        struct job job = {.channel = channel};
        nx_fiber *receiver;
        nx_require_ok(nx_worker_start(&receiver, receives_until_canceled, &job));
        NX_IGNORE(nx_sleep(NX_US(300)));
        nx_cancel(receiver);
        nx_expect_ok(nx_join(receiver));
        nx_expect_err(NX_ECANCELED, job.end);
        sum += job.sum;
        count += job.count;
    }
    nx_expect_ok(nx_join(worker));
    nx_expect_eq(count, sender.to);
    nx_expect_eq(sum, (int64_t)sender.to * (sender.to - 1) / 2);
    nx_expect_eq(nx_channel_len(channel), 0);
    nx_channel_free(channel);
}

NX_TEST("cancelled senders send all or nothing", .deadline = NX_S(120))
{
    nx_channel *channel = channel_of(1);
    struct job receiver = {.channel = channel};
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, receives, &receiver));
    int64_t count = 0;
    for (int i = 0; i < scaled(300); i++) {
        struct job job = {.channel = channel, .to = 1000000};
        nx_fiber *sender;
        nx_require_ok(nx_worker_start(&sender, sends, &job));
        NX_IGNORE(nx_sleep(NX_US(200)));
        nx_cancel(sender);
        nx_expect_err(NX_ECANCELED, nx_join(sender));
        count += job.count;
    }
    nx_channel_close(channel);
    nx_expect_ok(nx_join(worker));
    nx_expect_eq(receiver.count, count);
    nx_channel_free(channel);
}

static int dropped;
static void drop(void *value)
{
    dropped += *(int *)value;
}

NX_TEST("a worker that ends leaves its messages, and the channel drops them")
{
    nx_channel *channel;
    nx_require_ok(nx_channel_new_shared(&channel, sizeof(int), 8, .drop = drop));
    struct job job = {.channel = channel, .from = 1, .to = 5};
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, sends, &job));
    nx_expect_ok(nx_join(worker));
    int value;
    nx_expect_ok(nx_recv(channel, &value));
    nx_expect_eq(value, 1);
    dropped = 0;
    nx_channel_free(channel);
    nx_expect_eq(dropped, 2 + 3 + 4);
}

NX_TEST("free wakes those that wait, and they touch it no more", .deadline = NX_S(60))
{
    for (int i = 0; i < scaled(200); i++) {
        struct job job = {.channel = channel_of(0)};
        nx_fiber *worker;
        nx_require_ok(nx_worker_start(&worker, receives, &job));
        /* It is in the queue when a value has met it, or the next. */
        int value = 1;
        nx_expect_ok(nx_send(job.channel, &value));
        nx_expect_ok(nx_send(job.channel, &value));
        nx_channel_close(job.channel);
        nx_expect_ok(nx_join(worker));
        nx_channel_free(job.channel);
        nx_expect_eq(job.count, 2);
    }
}

NX_TEST("a select of this thread survives that its other channels are freed")
{
    nx_channel *local;
    nx_channel *first = channel_of(0), *second = channel_of(0);
    nx_require_ok(nx_channel_new(&local, sizeof(int), 0));
    struct job job = {.channel = first, .from = 5, .to = 6};
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, sends, &job));
    size_t which = 9;
    int value = 0;
    nx_expect_ok(nx_select(&which, nx_on_recv(local, &value), nx_on_recv(second, &value),
                           nx_on_recv(first, &value)));
    nx_expect_eq(which, 2);
    nx_expect_eq(value, 5);
    nx_expect_ok(nx_join(worker));
    nx_channel_free(local);
    nx_channel_free(first);
    nx_channel_free(second);
}

/* ---- Select */

static nx_err sends_here(void *arg)
{
    struct job *job = arg;
    NX_TRY(nx_sleep(NX_MS(1)));
    return sends(job);
}

NX_TEST("select waits for channels of both kinds", .deadline = NX_S(60))
{
    nx_channel *local, *shared = channel_of(0);
    nx_require_ok(nx_channel_new(&local, sizeof(int), 0));
    int each = scaled(2000);
    struct job here = {.channel = local, .from = 0, .to = each};
    struct job there = {.channel = shared, .from = 1000000, .to = 1000000 + each};
    nx_fiber *fiber, *worker;
    nx_require_ok(nx_spawn(&fiber, sends_here, &here));
    nx_require_ok(nx_worker_start(&worker, sends, &there));
    int seen[2] = {0, 1000000};
    for (int i = 0; i < 2 * each; i++) {
        size_t which;
        int value;
        nx_require_ok(nx_select(&which, nx_on_recv(local, &value), nx_on_recv(shared, &value)));
        nx_require_eq(value, seen[which]);
        seen[which]++;
    }
    nx_expect_ok(nx_join(fiber));
    nx_expect_ok(nx_join(worker));
    nx_channel_free(local);
    nx_channel_free(shared);
}

/* Sends on one and receives from the other, whichever goes: two that do so face to face must not
 * wait in a circle. */
static nx_err exchanges(void *arg)
{
    struct job *job = arg;
    int sent = 0, received = 0;
    while (sent < job->to || received < job->to) {
        size_t which;
        int value, out = sent;
        NX_TRY(nx_select(&which, nx_on_send(sent < job->to ? job->channel : NULL, &out),
                         nx_on_recv(received < job->to ? job->other : NULL, &value),
                         nx_on_timeout(NX_S(100))));
        if (which == 2) return nx_fail(NX_ETIMEDOUT, "%d sent, %d received", sent, received);
        if (which == 0)
            sent++;
        else if (value != received++)
            job->wrong++;
    }
    return NX_OK;
}

NX_TEST("two selects meet, and four in a ring", .deadline = NX_S(120))
{
    for (int count = 2; count <= WORKERS; count += 2) {
        for (size_t capacity = 0; capacity < 2; capacity++) {
            nx_channel *channels[WORKERS];
            struct job jobs[WORKERS];
            nx_fiber *workers[WORKERS];
            for (int i = 0; i < count; i++) channels[i] = channel_of(capacity);
            for (int i = 0; i < count; i++) {
                jobs[i] = (struct job){
                    .channel = channels[i], .other = channels[(i + 1) % count], .to = scaled(3000)};
                nx_require_ok(nx_worker_start(&workers[i], exchanges, &jobs[i]));
            }
            for (int i = 0; i < count; i++) {
                nx_expect_ok(nx_join(workers[i]));
                nx_expect_eq(jobs[i].wrong, 0);
            }
            for (int i = 0; i < count; i++) nx_channel_free(channels[i]);
        }
    }
}

NX_TEST("select on shared ones: default, timeout, closed, twice the same")
{
    nx_channel *a = channel_of(1), *b = channel_of(1);
    size_t which = 9;
    int value = 3;
    nx_expect_ok(nx_select(&which, nx_on_recv(a, &value), nx_on_recv(b, &value), nx_on_default()));
    nx_expect_eq(which, 2);
    nx_expect_ok(
        nx_select(&which, nx_on_recv(b, &value), nx_on_recv(a, &value), nx_on_timeout(NX_MS(2))));
    nx_expect_eq(which, 2);
    nx_expect_ok(nx_select(&which, nx_on_send(a, &value)));
    nx_expect_eq(nx_channel_len(a), 1);
    nx_expect_ok(nx_select(&which, nx_on_send(a, &value), nx_on_recv(a, &value)));
    nx_expect_eq(which, 1);
    nx_channel_close(b);
    nx_expect_err(NX_ECLOSED, nx_select(&which, nx_on_recv(a, &value), nx_on_recv(b, &value)));
    nx_expect_eq(which, 1);
    nx_channel_close(b);
    nx_expect_err(NX_ECLOSED, nx_send(b, &value));
    nx_channel_free(a);
    nx_channel_free(b);
}

/* ---- Outside of a fiber */

static struct {
    nx_channel *channel;
    nx_err first, second;
} outside;

static void sends_from_the_loop(void *arg)
{
    (void)arg;
    int value = 1;
    outside.first = nx_send(outside.channel, &value);
    outside.second = nx_send(outside.channel, &value);
}

NX_TEST("who is no fiber does not wait")
{
    for (int i = 0; i < 2; i++) {
        if (i)
            outside.channel = channel_of(1);
        else
            nx_require_ok(nx_channel_new(&outside.channel, sizeof(int), 1));
        nx_require_ok(nx_post(nx_loop_current(), sends_from_the_loop, NULL));
        nx_expect_ok(nx_sleep(NX_MS(1)));
        nx_expect_ok(outside.first);
        nx_expect_err(NX_EWOULDSUSPEND, outside.second);
        int value;
        nx_expect_ok(nx_recv(outside.channel, &value));
        nx_channel_free(outside.channel);
    }
}

NX_TEST("making one")
{
    nx_channel *channel;
    nx_expect_err(NX_EINVAL, nx_channel_new_shared(&channel, 0, 1));
    nx_expect_eq(channel, NULL);
    nx_expect_err(NX_EINVAL, nx_channel_new_shared(&channel, 1024, (size_t)1 << 30));
    nx_channel_free(NULL);
}

/* Channels and nx_select. */
#include "loop_test.h"

static nx_channel *channel_of(size_t capacity)
{
    nx_channel *c = NULL;
    nx_expect_ok(nx_channel_new(&c, sizeof(int), capacity));
    return c;
}

struct job {
    nx_channel *channel;
    int from, to;
    int64_t sum;
    int count;
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
    }
    return NX_OK;
}

NX_TEST("a send meets a receiver")
{
    nx_channel *c = channel_of(0);
    struct job s = {.channel = c, .from = 0, .to = 3};
    nx_fiber *f = NULL;
    int value = -1;
    nx_expect_ok(nx_spawn(&f, sends, &s));
    settle();
    nx_expect_eq(s.count, 0); /* waits for a receiver */
    nx_expect_eq(nx_channel_len(c), 0);
    for (int i = 0; i < 3; i++) {
        nx_expect_ok(nx_recv(c, &value));
        nx_expect_eq(value, i);
    }
    nx_expect_ok(nx_join(f));
    nx_channel_free(c);
}

NX_TEST("a buffer keeps the order")
{
    nx_channel *c = channel_of(3);
    struct job s = {.channel = c, .from = 0, .to = 10};
    nx_fiber *f = NULL;
    int value;
    nx_expect_ok(nx_spawn(&f, sends, &s));
    settle();
    nx_expect_eq(s.count, 3);
    nx_expect_eq(nx_channel_len(c), 3);
    for (int i = 0; i < 10; i++) {
        nx_expect_ok(nx_recv(c, &value));
        nx_expect_eq(value, i);
    }
    nx_expect_ok(nx_join(f));
    nx_channel_free(c);
}

NX_TEST("making one")
{
    nx_channel *c = (void *)&c;
    nx_expect_err(NX_EINVAL, nx_channel_new(&c, 0, 4));
    nx_expect_eq(c, NULL);
    nx_expect_err(NX_EINVAL, nx_channel_new(&c, SIZE_MAX / 2, 4));
    nx_expect_err(NX_EINVAL, nx_channel_new(&c, 1 << 20, 1 << 20));
    nx_expect_ok(nx_channel_new(&c, 1 << 20, 0));
    nx_channel_free(c);
    nx_channel_free(NULL);
}

NX_TEST("close drains")
{
    nx_channel *c = channel_of(2);
    int value = 7;
    nx_expect_ok(nx_send(c, &value));
    struct job s = {.channel = c, .from = 1, .to = 9};
    nx_fiber *f = NULL;
    nx_expect_ok(nx_spawn(&f, sends, &s));
    settle();
    nx_expect_eq(s.count, 1);
    nx_channel_close(c);
    nx_channel_close(c);
    nx_expect_err(NX_ECLOSED, nx_send(c, &value));
    nx_expect_err(NX_ECLOSED, nx_join(f));
    nx_expect_ok(nx_recv(c, &value));
    nx_expect_eq(value, 7);
    nx_expect_ok(nx_recv(c, &value));
    nx_expect_err(NX_ECLOSED, nx_recv(c, &value));
    nx_expect_eq(last_message(), "the channel is closed");
    nx_channel_free(c);
}

static nx_err selects(void *arg)
{
    struct job *job = arg;
    size_t which = 9;
    int value;
    job->end = nx_select(&which, nx_on_timeout(NX_S(60)), nx_on_recv(job->channel, &value),
                         nx_on_recv(job->channel, &value));
    job->count = (int)which;
    return NX_OK;
}

NX_TEST("free wakes whoever waits")
{
    nx_channel *c = channel_of(0);
    struct job r[3] = {{.channel = c}, {.channel = c}, {.channel = c}};
    nx_fiber *f[3] = {NULL};
    for (int i = 0; i < 2; i++) nx_expect_ok(nx_spawn(&f[i], receives, &r[i]));
    nx_expect_ok(nx_spawn(&f[2], selects, &r[2]));
    settle();
    nx_channel_free(c);
    for (int i = 0; i < 3; i++) {
        nx_expect_ok(nx_join(f[i]));
        nx_expect_err(NX_ECLOSED, r[i].end);
    }
    nx_expect(r[2].count == 1 || r[2].count == 2);

    c = channel_of(0);
    struct job s = {.channel = c, .to = 1};
    nx_expect_ok(nx_spawn(&f[0], sends, &s));
    settle();
    nx_channel_free(c);
    nx_expect_err(NX_ECLOSED, nx_join(f[0]));
}

static void many(size_t capacity)
{
    enum { PRODUCERS = 20, CONSUMERS = 7 };
    int each = scaled(5000);
    nx_channel *c = channel_of(capacity);
    nx_scope *scope;
    struct job s[PRODUCERS], r[CONSUMERS];
    nx_fiber *producers[PRODUCERS];
    nx_expect_ok(nx_scope_open(&scope));
    for (int i = 0; i < CONSUMERS; i++) {
        r[i] = (struct job){.channel = c};
        nx_expect_ok(nx_spawn(NULL, receives, &r[i]));
    }
    for (int i = 0; i < PRODUCERS; i++) {
        s[i] = (struct job){.channel = c, .from = i * each, .to = (i + 1) * each};
        nx_expect_ok(nx_spawn(&producers[i], sends, &s[i]));
    }
    for (int i = 0; i < PRODUCERS; i++) nx_expect_ok(nx_join(producers[i]));
    nx_channel_close(c);
    nx_expect_ok(nx_scope_close(&scope));
    int64_t sum = 0, count = 0, n = (int64_t)PRODUCERS * each;
    for (int i = 0; i < CONSUMERS; i++) {
        sum += r[i].sum;
        count += r[i].count;
        nx_expect_gt(r[i].count, 0);
    }
    nx_expect_eq(count, n);
    nx_expect_eq(sum, n * (n - 1) / 2);
    nx_channel_free(c);
}

NX_TEST("many producers and consumers")
{
    many(0);
    many(1);
    many(64);
}

/* ---- Select */

NX_TEST("select default and timeout")
{
    nx_channel *c = channel_of(1);
    size_t which = 9;
    int value = 5;
    nx_expect_ok(nx_select(&which, nx_on_recv(c, &value), nx_on_default()));
    nx_expect_eq(which, 1);
    nx_duration start = nx_now();
    nx_expect_ok(
        nx_select(&which, nx_on_recv(c, &value), nx_on_timeout(NX_S(60)), nx_on_timeout(NX_MS(5))));
    nx_expect_eq(which, 2);
    nx_expect_ge(nx_now() - start, NX_MS(5));
    nx_expect_ok(nx_select(&which, nx_on_timeout(0), nx_on_recv(c, &value)));
    nx_expect_eq(which, 0);
    nx_expect_ok(
        nx_select(&which, nx_on_default(), nx_on_send(c, &value))); /* what is ready goes first */
    nx_expect_eq(which, 1);
    nx_expect_ok(nx_select(&which, nx_on_timeout(0), nx_on_recv(c, &value)));
    nx_expect_eq(which, 1);
    nx_expect_eq(value, 5);
    nx_expect_ok(
        nx_select(&which, nx_on_recv(NULL, &value), nx_on_timeout(NX_MS(1)))); /* never ready */
    nx_expect_eq(which, 1);
    nx_channel_close(c);
    nx_expect_err(NX_ECLOSED, nx_select(&which, nx_on_timeout(NX_S(60)), nx_on_recv(c, &value)));
    nx_expect_eq(which, 1);
    nx_expect_err(NX_ECLOSED, nx_select(&which, nx_on_send(c, &value), nx_on_default()));
    nx_expect_eq(which, 0);
    nx_expect_err(NX_EINVAL, nx_select_with(&which, NULL, 0));
    nx_case cases[NX_MAX_CASES + 1] = {{0}};
    nx_expect_err(NX_EINVAL, nx_select_with(&which, cases, NX_MAX_CASES + 1));
    nx_channel_free(c);
}

NX_TEST("select is fair")
{
    nx_channel *a = channel_of(1), *b = channel_of(1);
    int value = 1, first[2] = {0}, second[2] = {0};
    size_t which;
    nx_expect_ok(nx_send(a, &value));
    nx_expect_ok(nx_send(b, &value));
    /* Two a round: none of them may always see the same order. */
    for (int i = 0; i < 400; i++) {
        nx_expect_ok(nx_select(&which, nx_on_recv(a, &value), nx_on_recv(b, &value)));
        first[which]++;
        nx_expect_ok(nx_send(which ? b : a, &value));
        nx_expect_ok(nx_select(&which, nx_on_recv(a, &value), nx_on_recv(b, &value)));
        second[which]++;
        nx_expect_ok(nx_send(which ? b : a, &value));
    }
    for (int i = 0; i < 2; i++) {
        nx_expect_gt(first[i], 100);
        nx_expect_gt(second[i], 100);
    }
    nx_channel_free(a);
    nx_channel_free(b);
}

NX_TEST("a waiting select does one case alone")
{
    nx_channel *a = channel_of(0), *b = channel_of(0);
    struct job s[2] = {{.channel = a, .from = 1, .to = 2}, {.channel = b, .from = 2, .to = 3}};
    nx_fiber *f[2] = {NULL};
    for (int i = 0; i < 2; i++) nx_expect_ok(nx_spawn(&f[i], sends, &s[i]));
    size_t which = 9;
    int got[2] = {0};
    nx_expect_ok(nx_select(&which, nx_on_recv(a, &got[0]),
                           nx_on_recv(b, &got[1]))); /* waits: none has sent yet */
    settle();
    nx_expect_eq(s[0].count + s[1].count, 1);
    nx_expect_eq(got[0] + got[1], which == 0 ? 1 : 2);
    nx_expect_ok(nx_recv(which ? a : b, &got[0]));
    for (int i = 0; i < 2; i++) nx_expect_ok(nx_join(f[i]));

    struct job r = {.channel = a};
    nx_expect_ok(nx_spawn(&f[0], receives, &r));
    settle();
    int value = 40;
    nx_expect_ok(nx_select(&which, nx_on_send(b, &value), nx_on_send(a, &value)));
    nx_expect_eq(which, 1);
    nx_channel_close(a);
    nx_expect_ok(nx_join(f[0]));
    nx_expect_eq(r.sum, 40);
    nx_channel_free(a);
    nx_channel_free(b);
}

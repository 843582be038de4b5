/* Channels and nx_select. */
#include "loop_test.h"

static nx_channel *channel_of(size_t capacity)
{
    nx_channel *c = NULL;
    EXPECT_EQ(nx_channel_new(&c, sizeof(int), capacity), NX_OK);
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

NX_TEST(a_send_meets_a_receiver)
{
    nx_channel *c = channel_of(0);
    struct job s = {.channel = c, .from = 0, .to = 3};
    nx_fiber *f = NULL;
    int value = -1;
    EXPECT_EQ(nx_spawn(&f, sends, &s), NX_OK);
    settle();
    EXPECT_EQ(s.count, 0); /* waits for a receiver */
    EXPECT_EQ(nx_channel_len(c), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(nx_recv(c, &value), NX_OK);
        EXPECT_EQ(value, i);
    }
    EXPECT_EQ(nx_join(f), NX_OK);
    nx_channel_free(c);
}

NX_TEST(a_buffer_keeps_the_order)
{
    nx_channel *c = channel_of(3);
    struct job s = {.channel = c, .from = 0, .to = 10};
    nx_fiber *f = NULL;
    int value;
    EXPECT_EQ(nx_spawn(&f, sends, &s), NX_OK);
    settle();
    EXPECT_EQ(s.count, 3);
    EXPECT_EQ(nx_channel_len(c), 3);
    for (int i = 0; i < 10; i++) {
        EXPECT_EQ(nx_recv(c, &value), NX_OK);
        EXPECT_EQ(value, i);
    }
    EXPECT_EQ(nx_join(f), NX_OK);
    nx_channel_free(c);
}

NX_TEST(making_one)
{
    nx_channel *c = (void *)&c;
    EXPECT_EQ(nx_channel_new(&c, 0, 4), NX_EINVAL);
    EXPECT(c == NULL);
    EXPECT_EQ(nx_channel_new(&c, SIZE_MAX / 2, 4), NX_EINVAL);
    EXPECT_EQ(nx_channel_new(&c, 1 << 20, 1 << 20), NX_EINVAL);
    EXPECT_EQ(nx_channel_new(&c, 1 << 20, 0), NX_OK);
    nx_channel_free(c);
    nx_channel_free(NULL);
}

NX_TEST(close_drains)
{
    nx_channel *c = channel_of(2);
    int value = 7;
    EXPECT_EQ(nx_send(c, &value), NX_OK);
    struct job s = {.channel = c, .from = 1, .to = 9};
    nx_fiber *f = NULL;
    EXPECT_EQ(nx_spawn(&f, sends, &s), NX_OK);
    settle();
    EXPECT_EQ(s.count, 1);
    nx_channel_close(c);
    nx_channel_close(c);
    EXPECT_EQ(nx_send(c, &value), NX_ECLOSED);
    EXPECT_EQ(nx_join(f), NX_ECLOSED);
    EXPECT_EQ(nx_recv(c, &value), NX_OK);
    EXPECT_EQ(value, 7);
    EXPECT_EQ(nx_recv(c, &value), NX_OK);
    EXPECT_EQ(nx_recv(c, &value), NX_ECLOSED);
    EXPECT_STR(last_message(), "the channel is closed");
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

NX_TEST(free_wakes_whoever_waits)
{
    nx_channel *c = channel_of(0);
    struct job r[3] = {{.channel = c}, {.channel = c}, {.channel = c}};
    nx_fiber *f[3] = {NULL};
    for (int i = 0; i < 2; i++) EXPECT_EQ(nx_spawn(&f[i], receives, &r[i]), NX_OK);
    EXPECT_EQ(nx_spawn(&f[2], selects, &r[2]), NX_OK);
    settle();
    nx_channel_free(c);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(nx_join(f[i]), NX_OK);
        EXPECT_EQ(r[i].end, NX_ECLOSED);
    }
    EXPECT(r[2].count == 1 || r[2].count == 2);

    c = channel_of(0);
    struct job s = {.channel = c, .to = 1};
    EXPECT_EQ(nx_spawn(&f[0], sends, &s), NX_OK);
    settle();
    nx_channel_free(c);
    EXPECT_EQ(nx_join(f[0]), NX_ECLOSED);
}

static void many(size_t capacity)
{
    enum { PRODUCERS = 20, CONSUMERS = 7 };
    int each = scaled(5000);
    nx_channel *c = channel_of(capacity);
    nx_scope *scope;
    struct job s[PRODUCERS], r[CONSUMERS];
    nx_fiber *producers[PRODUCERS];
    EXPECT_EQ(nx_scope_open(&scope), NX_OK);
    for (int i = 0; i < CONSUMERS; i++) {
        r[i] = (struct job){.channel = c};
        EXPECT_EQ(nx_spawn(NULL, receives, &r[i]), NX_OK);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        s[i] = (struct job){.channel = c, .from = i * each, .to = (i + 1) * each};
        EXPECT_EQ(nx_spawn(&producers[i], sends, &s[i]), NX_OK);
    }
    for (int i = 0; i < PRODUCERS; i++) EXPECT_EQ(nx_join(producers[i]), NX_OK);
    nx_channel_close(c);
    EXPECT_EQ(nx_scope_close(&scope), NX_OK);
    int64_t sum = 0, count = 0, n = (int64_t)PRODUCERS * each;
    for (int i = 0; i < CONSUMERS; i++) {
        sum += r[i].sum;
        count += r[i].count;
        EXPECT(r[i].count > 0);
    }
    EXPECT_EQ(count, n);
    EXPECT_EQ(sum, n * (n - 1) / 2);
    nx_channel_free(c);
}

NX_TEST(many_producers_and_consumers)
{
    many(0);
    many(1);
    many(64);
}

/* ---- Select */

NX_TEST(select_default_and_timeout)
{
    nx_channel *c = channel_of(1);
    size_t which = 9;
    int value = 5;
    EXPECT_EQ(nx_select(&which, nx_on_recv(c, &value), nx_on_default()), NX_OK);
    EXPECT_EQ(which, 1);
    nx_duration start = nx_now();
    EXPECT_EQ(
        nx_select(&which, nx_on_recv(c, &value), nx_on_timeout(NX_S(60)), nx_on_timeout(NX_MS(5))),
        NX_OK);
    EXPECT_EQ(which, 2);
    EXPECT(nx_now() - start >= NX_MS(5));
    EXPECT_EQ(nx_select(&which, nx_on_timeout(0), nx_on_recv(c, &value)), NX_OK);
    EXPECT_EQ(which, 0);
    EXPECT_EQ(nx_select(&which, nx_on_default(), nx_on_send(c, &value)),
              NX_OK); /* what is ready goes first */
    EXPECT_EQ(which, 1);
    EXPECT_EQ(nx_select(&which, nx_on_timeout(0), nx_on_recv(c, &value)), NX_OK);
    EXPECT_EQ(which, 1);
    EXPECT_EQ(value, 5);
    EXPECT_EQ(nx_select(&which, nx_on_recv(NULL, &value), nx_on_timeout(NX_MS(1))),
              NX_OK); /* never ready */
    EXPECT_EQ(which, 1);
    nx_channel_close(c);
    EXPECT_EQ(nx_select(&which, nx_on_timeout(NX_S(60)), nx_on_recv(c, &value)), NX_ECLOSED);
    EXPECT_EQ(which, 1);
    EXPECT_EQ(nx_select(&which, nx_on_send(c, &value), nx_on_default()), NX_ECLOSED);
    EXPECT_EQ(which, 0);
    EXPECT_EQ(nx_select_with(&which, NULL, 0), NX_EINVAL);
    nx_case cases[NX_MAX_CASES + 1] = {{0}};
    EXPECT_EQ(nx_select_with(&which, cases, NX_MAX_CASES + 1), NX_EINVAL);
    nx_channel_free(c);
}

NX_TEST(select_is_fair)
{
    nx_channel *a = channel_of(1), *b = channel_of(1);
    int value = 1, first[2] = {0}, second[2] = {0};
    size_t which;
    EXPECT_EQ(nx_send(a, &value), NX_OK);
    EXPECT_EQ(nx_send(b, &value), NX_OK);
    /* Two a round: none of them may always see the same order. */
    for (int i = 0; i < 400; i++) {
        EXPECT_EQ(nx_select(&which, nx_on_recv(a, &value), nx_on_recv(b, &value)), NX_OK);
        first[which]++;
        EXPECT_EQ(nx_send(which ? b : a, &value), NX_OK);
        EXPECT_EQ(nx_select(&which, nx_on_recv(a, &value), nx_on_recv(b, &value)), NX_OK);
        second[which]++;
        EXPECT_EQ(nx_send(which ? b : a, &value), NX_OK);
    }
    for (int i = 0; i < 2; i++) {
        EXPECT(first[i] > 100);
        EXPECT(second[i] > 100);
    }
    nx_channel_free(a);
    nx_channel_free(b);
}

NX_TEST(a_waiting_select_does_one_case_alone)
{
    nx_channel *a = channel_of(0), *b = channel_of(0);
    struct job s[2] = {{.channel = a, .from = 1, .to = 2}, {.channel = b, .from = 2, .to = 3}};
    nx_fiber *f[2] = {NULL};
    for (int i = 0; i < 2; i++) EXPECT_EQ(nx_spawn(&f[i], sends, &s[i]), NX_OK);
    size_t which = 9;
    int got[2] = {0};
    EXPECT_EQ(nx_select(&which, nx_on_recv(a, &got[0]), nx_on_recv(b, &got[1])),
              NX_OK); /* waits: none has sent yet */
    settle();
    EXPECT_EQ(s[0].count + s[1].count, 1);
    EXPECT_EQ(got[0] + got[1], which == 0 ? 1 : 2);
    EXPECT_EQ(nx_recv(which ? a : b, &got[0]), NX_OK);
    for (int i = 0; i < 2; i++) EXPECT_EQ(nx_join(f[i]), NX_OK);

    struct job r = {.channel = a};
    EXPECT_EQ(nx_spawn(&f[0], receives, &r), NX_OK);
    settle();
    int value = 40;
    EXPECT_EQ(nx_select(&which, nx_on_send(b, &value), nx_on_send(a, &value)), NX_OK);
    EXPECT_EQ(which, 1);
    nx_channel_close(a);
    EXPECT_EQ(nx_join(f[0]), NX_OK);
    EXPECT_EQ(r.sum, 40);
    nx_channel_free(a);
    nx_channel_free(b);
}

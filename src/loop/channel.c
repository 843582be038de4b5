/* Channels, and waiting for the first of several. */
#include <nexus/channel.h>

#include "loop/channel.h"
#include <errno.h>
#include <nexus/timer.h>
#include <stdlib.h>

struct wait;

/* One case of a waiting fiber, in its channel's queue. */
struct waiter {
    struct nx__list link;
    struct wait *wait;
    void *value;
    size_t which;
};

/* A fiber that waits for one of its cases. */
struct wait {
    struct nx__timed_op timed;
    struct waiter *waiters;
    size_t count;
    size_t which; /* the one that went ahead */
};

enum { CHANNEL_MOST = 1 << 30 /* bytes of queued values */ };

nx_err nx_channel_new(nx_channel **out, size_t value_size, size_t capacity)
{
    *out = NULL;
    size_t bytes;
    if (!value_size || __builtin_mul_overflow(value_size, capacity, &bytes) || bytes > CHANNEL_MOST)
        return nx__error_set(NX_EINVAL, "cannot make a channel of %zu values of %zu bytes",
                             capacity, value_size);
    nx_channel *channel = malloc(sizeof *channel + bytes);
    if (!channel)
        return nx__error_set(NX_ENOMEM, "cannot make a channel of %zu bytes: out of memory", bytes);
    *channel = (nx_channel){.value_size = value_size, .capacity = capacity};
    nx__list_init(&channel->senders);
    nx__list_init(&channel->receivers);
    *out = channel;
    return NX_OK;
}

size_t nx_channel_len(const nx_channel *channel)
{
    return channel->len;
}

/* Takes the wait out of every queue and completes it. */
static void finish(struct wait *wait, size_t which, int64_t result)
{
    for (size_t i = 0; i < wait->count; i++) nx__list_remove(&wait->waiters[i].link);
    wait->which = which;
    nx__op_complete(&wait->timed.op, result);
}

static struct waiter *first(struct nx__list *queue)
{
    return nx__list_empty(queue) ? NULL : nx__container_of(queue->next, struct waiter, link);
}

static void put(nx_channel *channel, const void *value)
{
    size_t at = channel->first + channel->len++;
    if (at >= channel->capacity) at -= channel->capacity;
    memcpy(channel->values + at * channel->value_size, value, channel->value_size);
}

/* Sends or receives now if that is possible: NX_OK, NX_ECLOSED, or NX_EAGAIN. */
static nx_err try_send(nx_channel *channel, const void *value)
{
    if (channel->closed) return NX_ECLOSED;
    struct waiter *receiver = first(&channel->receivers);
    if (receiver) {
        memcpy(receiver->value, value, channel->value_size);
        finish(receiver->wait, receiver->which, 0);
        return NX_OK;
    }
    if (channel->len == channel->capacity) return NX_EAGAIN;
    put(channel, value);
    return NX_OK;
}

nx_err nx__channel_offer(nx_channel *channel, const void *value)
{
    return try_send(channel, value);
}

static nx_err try_recv(nx_channel *channel, void *value)
{
    struct waiter *sender = first(&channel->senders);
    if (channel->len) {
        memcpy(value, channel->values + channel->first * channel->value_size, channel->value_size);
        if (++channel->first == channel->capacity) channel->first = 0;
        channel->len--;
        if (sender) {
            put(channel, sender->value);
            finish(sender->wait, sender->which, 0);
        }
        return NX_OK;
    }
    if (sender) {
        memcpy(value, sender->value, channel->value_size);
        finish(sender->wait, sender->which, 0);
        return NX_OK;
    }
    return channel->closed ? NX_ECLOSED : NX_EAGAIN;
}

static nx_err try_case(const nx_case *c)
{
    if (!c->channel || (c->kind != NX_CASE_RECV && c->kind != NX_CASE_SEND)) return NX_EAGAIN;
    return c->kind == NX_CASE_SEND ? try_send(c->channel, c->value)
                                   : try_recv(c->channel, c->value);
}

static nx_err closed(void)
{
    return nx__error_set(NX_ECLOSED, "the channel is closed");
}

static void wait_cancel(struct nx__op *op)
{
    finish(nx__container_of(op, struct wait, timed.op), 0, -ECANCELED);
}

static void wait_timeout(struct nx__timer *timer)
{
    struct wait *wait = nx__container_of(timer, struct wait, timed.timer);
    finish(wait, wait->which, 0);
}

nx_err nx_select_with(size_t *which, const nx_case *cases, size_t count)
{
    static NX__THREAD_LOCAL uint64_t random = 1;
    struct nx_loop *loop = nx__loop();
    if (!count || count > NX_MAX_CASES)
        return nx__error_set(NX_EINVAL, "nx_select takes 1 to %d cases, not %zu", NX_MAX_CASES,
                             count);
    /* Not a counter: several selects in one loop could each see the same part of its values. */
    random = random * 6364136223846793005u + 1442695040888963407u;
    size_t start = (random >> 33) % count;
    size_t timeout = count, otherwise = count;
    for (size_t n = 0; n < count; n++) {
        size_t i = start + n < count ? start + n : start + n - count;
        nx_err err = try_case(&cases[i]);
        if (err != NX_EAGAIN) {
            *which = i;
            return err == NX_ECLOSED ? closed() : NX_OK;
        }
        if (cases[i].kind == NX_CASE_DEFAULT) otherwise = i;
        if (cases[i].kind == NX_CASE_TIMEOUT &&
            (timeout == count || cases[i].timeout < cases[timeout].timeout))
            timeout = i;
    }
    if (otherwise < count || (timeout < count && cases[timeout].timeout <= 0)) {
        *which = otherwise < count ? otherwise : timeout;
        return NX_OK;
    }

    struct waiter waiters[NX_MAX_CASES];
    const char *call = count > 1                       ? "in nx_select"
                       : cases[0].kind == NX_CASE_SEND ? "in nx_send"
                                                       : "in nx_recv";
    struct wait wait = {
        .timed = {.op = {.cancel = wait_cancel, .call = call, .kind = NX__WAIT_CHANNEL},
                  .timer.fire = wait_timeout,
                  .on = cases[0].channel},
        .waiters = waiters,
        .count = count,
        .which = timeout};
    for (size_t i = 0; i < count; i++) {
        waiters[i] = (struct waiter){.wait = &wait, .value = cases[i].value, .which = i};
        nx__list_init(&waiters[i].link);
    }
    if (timeout < count && cases[timeout].timeout != NX_FOREVER)
        NX_TRY(
            nx__timer_set(&loop->timers, &wait.timed.timer, nx__deadline(cases[timeout].timeout)));
    for (size_t i = 0; i < count; i++) {
        if (!cases[i].channel) continue;
        nx__list_insert(cases[i].kind == NX_CASE_SEND ? &cases[i].channel->senders
                                                      : &cases[i].channel->receivers,
                        &waiters[i].link);
    }
    int64_t result = nx__op_wait(&wait.timed.op);
    nx__timer_clear(&loop->timers, &wait.timed.timer);
    *which = wait.which;
    if (result == 0) return NX_OK;
    if (result == -EPIPE) return closed();
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cancelled while waiting for a channel");
}

nx_err nx_send(nx_channel *channel, const void *value)
{
    size_t which;
    nx_case c = nx_on_send(channel, (void *)(uintptr_t)value);
    return nx_select_with(&which, &c, 1);
}

nx_err nx_recv(nx_channel *channel, void *value)
{
    size_t which;
    nx_case c = nx_on_recv(channel, value);
    return nx_select_with(&which, &c, 1);
}

void nx_channel_close(nx_channel *channel)
{
    if (channel->closed) return;
    channel->closed = true;
    if (channel->on_close) channel->on_close(channel);
    for (struct waiter *w; (w = first(&channel->senders));) finish(w->wait, w->which, -EPIPE);
    for (struct waiter *w; (w = first(&channel->receivers));) finish(w->wait, w->which, -EPIPE);
}

void nx_channel_free(nx_channel *channel)
{
    if (!channel) return;
    nx_channel_close(channel);
    free(channel);
}

/* Sending, receiving, and waiting for the first of several. */
#include "loop/channel.h"

#include <errno.h>
#include <nexus/timer.h>

static nx_err closed(void)
{
    return nx__error_set(NX_ECLOSED, "the channel is closed");
}

/* ---- The shared channels among the cases, which are locked together: so nobody can complete a
 * wait that has not joined all of its queues */

struct locks {
    nx_channel *channels[NX_MAX_CASES]; /* by address, each once: nobody waits in a circle */
    size_t count;
};

static void locks_add(struct locks *locks, nx_channel *channel)
{
    size_t at = locks->count;
    while (at && locks->channels[at - 1] > channel) at--;
    if (at && locks->channels[at - 1] == channel) return;
    for (size_t i = locks->count++; i > at; i--) locks->channels[i] = locks->channels[i - 1];
    locks->channels[at] = channel;
}

static void locks_take(const struct locks *locks)
{
    for (size_t i = 0; i < locks->count; i++) (void)pthread_mutex_lock(&locks->channels[i]->lock);
}

static void locks_leave(const struct locks *locks)
{
    for (size_t i = locks->count; i-- > 0;) (void)pthread_mutex_unlock(&locks->channels[i]->lock);
}

/* A channel that is not known to be the loop's own. */
static NX__NOINLINE nx_err look(nx_channel *channel, struct nx_loop *loop, struct locks *locks)
{
    if (channel->shared) {
        locks_add(locks, channel);
        return NX_OK;
    }
    if (channel->loop)
        return nx__error_set(NX_ESTATE, "the channel belongs to another thread: between threads "
                                        "nx_channel_new_shared makes one");
    channel->loop = loop; /* made on a thread without a loop */
    return NX_OK;
}

/* ---- Waiting */

/* On the wait's own loop: completes it, unless another thread is about to. */
static void end(struct nx__wait *wait, size_t which, int64_t result)
{
    if (!wait->shared)
        for (size_t i = 0; i < wait->count; i++) nx__list_remove(&wait->waiters[i].link);
    else if (atomic_exchange(&wait->taken, true))
        return;
    wait->which = which;
    nx__op_complete(&wait->timed.op, result);
}

static void wait_cancel(struct nx__op *op)
{
    end(nx__container_of(op, struct nx__wait, timed.op), 0, -ECANCELED);
}

static void wait_timeout(struct nx__timer *timer)
{
    struct nx__wait *wait = nx__container_of(timer, struct nx__wait, timed.timer);
    end(wait, wait->timeout, 0);
}

static void wait_posted(struct nx__post *post)
{
    struct nx__wait *wait = nx__container_of(post, struct nx__wait, post);
    nx__op_complete(&wait->timed.op, wait->result);
}

/* Joins the queues of the cases. The locks are held. */
static void join(struct nx__wait *wait, const nx_case *cases)
{
    for (size_t i = 0; i < wait->count; i++) {
        struct nx__waiter *waiter = &wait->waiters[i];
        *waiter = (struct nx__waiter){.wait = wait, .value = cases[i].value, .which = i};
        nx__list_init(&waiter->link);
        nx_channel *channel = cases[i].channel;
        if (!channel) continue;
        nx__list_insert(cases[i].kind == NX_CASE_SEND ? &channel->senders : &channel->receivers,
                        &waiter->link);
        if (wait->shared) channel->references++;
    }
}

/* Leaves those of a wait that has a shared one; the others have been left. */
static void leave(struct nx__wait *wait, const nx_case *cases)
{
    for (size_t i = 0; i < wait->count; i++)
        if (cases[i].channel) nx__channel_leave(cases[i].channel, &wait->waiters[i]);
}

/* The cases can't go ahead, and the locks are held; `timeout` is the case with the earliest one, or
 * `count`. */
static nx_err wait_for(size_t *which, const nx_case *cases, size_t count, size_t timeout,
                       struct nx_loop *loop, const struct locks *locks)
{
    struct nx__waiter waiters[NX_MAX_CASES];
    const char *call = count > 1                       ? "in nx_select"
                       : cases[0].kind == NX_CASE_SEND ? "in nx_send"
                                                       : "in nx_recv";
    struct nx__wait wait = {
        .timed = {.op = {.cancel = wait_cancel, .call = call, .kind = NX__WAIT_CHANNEL},
                  .timer.fire = wait_timeout,
                  .on = cases[0].channel},
        .post.fn = wait_posted,
        .loop = loop,
        .waiters = waiters,
        .count = count,
        .timeout = timeout,
        .shared = locks->count > 0};
    nx_err err = NX_OK;
    if (!nx__fiber_running())
        err = nx__error_set(NX_EWOULDSUSPEND, "cannot wait for a channel outside of a fiber");
    else if (timeout < count && cases[timeout].timeout != NX_FOREVER)
        err = nx__timer_set(&loop->timers, &wait.timed.timer, nx__deadline(cases[timeout].timeout));
    if (!err) join(&wait, cases);
    locks_leave(locks);
    if (err) return err;

    int64_t result = nx__op_wait(&wait.timed.op);
    nx__timer_clear(&loop->timers, &wait.timed.timer);
    if (wait.shared) leave(&wait, cases);
    *which = wait.which;
    if (result == 0) return NX_OK;
    if (result == -EPIPE) return closed();
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cancelled while waiting for a channel");
}

static nx_err try_case(const nx_case *c, struct nx__post **posts)
{
    if (!c->channel || (c->kind != NX_CASE_RECV && c->kind != NX_CASE_SEND)) return NX_EAGAIN;
    return c->kind == NX_CASE_SEND ? nx__channel_send(c->channel, c->value, posts)
                                   : nx__channel_recv(c->channel, c->value, posts);
}

nx_err nx_select_with(size_t *which, const nx_case *cases, size_t count)
{
    static NX__THREAD_LOCAL uint64_t random = 1;
    struct nx_loop *loop = nx__loop();
    if (!count || count > NX_MAX_CASES)
        return nx__error_set(NX_EINVAL, "nx_select takes 1 to %d cases, not %zu", NX_MAX_CASES,
                             count);
    struct locks locks;
    locks.count = 0;
    for (size_t i = 0; i < count; i++) {
        nx_channel *channel = cases[i].channel;
        if (channel && nx__unlikely(channel->loop != loop)) NX_TRY(look(channel, loop, &locks));
    }
    /* Not a counter: several selects in one loop could each see the same part of its values. */
    random = random * 6364136223846793005u + 1442695040888963407u;
    size_t start = (random >> 33) % count;
    size_t timeout = count, otherwise = count;
    struct nx__post *posts = NULL;
    locks_take(&locks);
    for (size_t n = 0; n < count; n++) {
        size_t i = start + n < count ? start + n : start + n - count;
        nx_err err = try_case(&cases[i], &posts);
        if (err != NX_EAGAIN) {
            locks_leave(&locks);
            nx__channel_post(posts);
            *which = i;
            return err == NX_ECLOSED ? closed() : NX_OK;
        }
        if (cases[i].kind == NX_CASE_DEFAULT) otherwise = i;
        if (cases[i].kind == NX_CASE_TIMEOUT &&
            (timeout == count || cases[i].timeout < cases[timeout].timeout))
            timeout = i;
    }
    if (otherwise < count || (timeout < count && cases[timeout].timeout <= 0)) {
        locks_leave(&locks);
        *which = otherwise < count ? otherwise : timeout;
        return NX_OK;
    }
    return wait_for(which, cases, count, timeout, loop, &locks);
}

/* Only the loop's own channels are tried without a lock; none of their waits has to be posted. */
static inline bool is_own(const nx_channel *channel)
{
    return channel && channel->loop && channel->loop == nx__loop_current;
}

nx_err nx_send(nx_channel *channel, const void *value)
{
    struct nx__post *none = NULL;
    if (nx__likely(is_own(channel)) && nx__channel_send(channel, value, &none) == NX_OK)
        return NX_OK;
    size_t which;
    nx_case c = nx_on_send(channel, (void *)(uintptr_t)value);
    return nx_select_with(&which, &c, 1);
}

nx_err nx_recv(nx_channel *channel, void *value)
{
    struct nx__post *none = NULL;
    if (nx__likely(is_own(channel)) && nx__channel_recv(channel, value, &none) == NX_OK)
        return NX_OK;
    size_t which;
    nx_case c = nx_on_recv(channel, value);
    return nx_select_with(&which, &c, 1);
}

/* Channels: queues of values, and of the fibers that wait to send or to receive. */
#include "loop/channel.h"

#include "base/say.h"
#include <errno.h>
#include <stdlib.h>

enum { CHANNEL_MOST = 1 << 30 /* bytes of queued values */ };

/* NULL, recorded, where it can't be. */
static nx_channel *channel_new(size_t value_size, size_t capacity)
{
    size_t bytes;
    if (!value_size || __builtin_mul_overflow(value_size, capacity, &bytes) ||
        bytes > CHANNEL_MOST) {
        NX_IGNORE(nx__error_set(NX_EINVAL, "cannot make a channel of %zu values of %zu bytes",
                                capacity, value_size));
        return NULL;
    }
    nx_channel *channel = malloc(sizeof *channel + bytes);
    if (!channel) {
        NX_IGNORE(
            nx__error_set(NX_ENOMEM, "cannot make a channel of %zu bytes: out of memory", bytes));
        return NULL;
    }
    *channel = (nx_channel){.value_size = value_size, .capacity = capacity, .references = 1};
    nx__list_init(&channel->senders);
    nx__list_init(&channel->receivers);
    return channel;
}

nx_err nx_channel_new(nx_channel **out, size_t value_size, size_t capacity)
{
    *out = channel_new(value_size, capacity);
    if (!*out) return nx__error_last()->code;
    (*out)->loop = nx__loop_current;
    return NX_OK;
}

/* Held for some ten nanoseconds: worth a look or two before a thread is put to sleep. */
static int lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    int error = pthread_mutexattr_init(&attributes);
    if (error) return error;
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
    error = pthread_mutex_init(lock, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    return error;
}

nx_err nx_channel_new_shared_with(nx_channel **out, size_t value_size, size_t capacity,
                                  const nx_shared_channel_options *options)
{
    NX__OPTIONS(nx_shared_channel_options, o, options);
    *out = NULL;
    nx_channel *channel = channel_new(value_size, capacity);
    if (!channel) return nx__error_last()->code;
    int error = lock_init(&channel->lock);
    if (error) {
        free(channel);
        return nx__error_system(error, "cannot make a channel for threads");
    }
    channel->shared = true;
    channel->drop = o.drop;
    *out = channel;
    return NX_OK;
}

static void lock(nx_channel *channel)
{
    if (channel->shared) (void)pthread_mutex_lock(&channel->lock);
}

static void unlock(nx_channel *channel)
{
    if (channel->shared) (void)pthread_mutex_unlock(&channel->lock);
}

size_t nx_channel_len(const nx_channel *channel)
{
    return NX_LOAD_RELAXED(&channel->len);
}

/* ---- Those who wait */

/* The first of the queue that nobody else completes, which is the caller's to complete then. */
static struct nx__waiter *take(struct nx__list *queue)
{
    for (struct nx__list *link = queue->next; link != queue; link = link->next) {
        struct nx__waiter *waiter = nx__container_of(link, struct nx__waiter, link);
        struct nx__wait *wait = waiter->wait;
        if (!wait->shared) {
            for (size_t i = 0; i < wait->count; i++) nx__list_remove(&wait->waiters[i].link);
            return waiter;
        }
        if (atomic_exchange(&wait->taken, true)) continue;
        nx__list_remove(link); /* the others are removed by the fiber itself */
        return waiter;
    }
    return NULL;
}

static void finish(struct nx__waiter *waiter, int64_t result, struct nx__post **posts)
{
    struct nx__wait *wait = waiter->wait;
    wait->which = waiter->which;
    if (wait->loop == nx__loop_current) {
        nx__op_complete(&wait->timed.op, result);
        return;
    }
    wait->result = result;
    wait->post.next = *posts;
    *posts = &wait->post;
}

void nx__channel_post(struct nx__post *posts)
{
    while (posts) {
        struct nx__post *post = posts;
        posts = post->next;
        nx__loop_post(nx__container_of(post, struct nx__wait, post)->loop, post);
    }
}

/* ---- Values */

static void len_set(nx_channel *channel, size_t len)
{
    nx__store_relaxed(&channel->len, len);
}

static void put(nx_channel *channel, const void *value)
{
    size_t at = channel->first + channel->len;
    if (at >= channel->capacity) at -= channel->capacity;
    memcpy(channel->values + at * channel->value_size, value, channel->value_size);
    len_set(channel, channel->len + 1);
}

nx_err nx__channel_send(nx_channel *channel, const void *value, struct nx__post **posts)
{
    if (channel->closed) return NX_ECLOSED;
    struct nx__waiter *receiver = take(&channel->receivers);
    if (receiver) {
        memcpy(receiver->value, value, channel->value_size);
        finish(receiver, 0, posts);
        return NX_OK;
    }
    if (channel->len == channel->capacity) return NX_EAGAIN;
    put(channel, value);
    return NX_OK;
}

nx_err nx__channel_recv(nx_channel *channel, void *value, struct nx__post **posts)
{
    struct nx__waiter *sender;
    if (channel->len) {
        memcpy(value, channel->values + channel->first * channel->value_size, channel->value_size);
        if (++channel->first == channel->capacity) channel->first = 0;
        len_set(channel, channel->len - 1);
        sender = take(&channel->senders);
        if (sender) {
            put(channel, sender->value);
            finish(sender, 0, posts);
        }
        return NX_OK;
    }
    sender = take(&channel->senders);
    if (sender) {
        memcpy(value, sender->value, channel->value_size);
        finish(sender, 0, posts);
        return NX_OK;
    }
    return channel->closed ? NX_ECLOSED : NX_EAGAIN;
}

nx_err nx__channel_offer(nx_channel *channel, const void *value)
{
    struct nx__post *posts = NULL;
    lock(channel);
    nx_err err = nx__channel_send(channel, value, &posts);
    unlock(channel);
    nx__channel_post(posts);
    return err;
}

/* ---- The end */

/* Unlocks it, and frees it with what is queued if the caller's reference was the last. */
static void release(nx_channel *channel)
{
    bool last = --channel->references == 0;
    unlock(channel);
    if (!last) return;
    for (; channel->drop && channel->len; channel->len--) {
        channel->drop(channel->values + channel->first * channel->value_size);
        if (++channel->first == channel->capacity) channel->first = 0;
    }
    if (channel->shared) (void)pthread_mutex_destroy(&channel->lock);
    free(channel);
}

void nx__channel_leave(nx_channel *channel, struct nx__waiter *waiter)
{
    lock(channel);
    nx__list_remove(&waiter->link);
    release(channel);
}

/* The lock is held. */
static struct nx__post *close_locked(nx_channel *channel)
{
    struct nx__post *posts = NULL;
    if (!channel->closed && channel->on_close) channel->on_close(channel);
    channel->closed = true;
    for (struct nx__waiter *w; (w = take(&channel->senders));) finish(w, -EPIPE, &posts);
    for (struct nx__waiter *w; (w = take(&channel->receivers));) finish(w, -EPIPE, &posts);
    return posts;
}

/* True, and said, where it is another thread's. */
static bool is_elsewhere(const nx_channel *channel, const char *call)
{
    if (nx__likely(channel->shared || !channel->loop || channel->loop == nx__loop_current))
        return false;
    nx__fiber_elsewhere(call, "channel");
    return true;
}

void nx_channel_close(nx_channel *channel)
{
    if (is_elsewhere(channel, "nx_channel_close")) return;
    lock(channel);
    struct nx__post *posts = close_locked(channel);
    unlock(channel);
    nx__channel_post(posts);
}

void nx_channel_free(nx_channel *channel)
{
    if (!channel) return;
    /* Its thread may have ended, and left it to another; but not with fibers that wait. */
    bool waited_for = !nx__list_empty(&channel->senders) || !nx__list_empty(&channel->receivers);
    if (!channel->shared && waited_for && is_elsewhere(channel, "nx_channel_free")) return;
    lock(channel);
    struct nx__post *posts = close_locked(channel);
    release(channel);
    nx__channel_post(posts);
}

/* Rate limits: a token bucket for each key, in a table of fixed size. */
#include "http/server.h"

#include "base/siphash.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum { WAYS = 8, KEYS_MOST = 1 << 24 };

/* A bucket is the time at which it will be full again ("generic cell rate algorithm"); one that is
 * full needs not be remembered. */
struct bucket {
    _Atomic uint64_t key; /* the hash; 0: free */
    _Atomic int64_t full; /* monotonic */
};

/* All workers share it. A token is taken without a lock; a bucket is given to another key under it,
 * so that no key has two. */
struct limit {
    pthread_mutex_t lock;
    uint64_t secret[2];
    struct bucket (*sets)[WAYS];
    uint64_t set_count; /* a power of two */
    nx_duration interval, window;
    uint32_t most;
    nx_bytes (*key)(nx_request *req, void *context);
    void *context;
    bool quiet;
};

/* ---- The table */

/* The key's bucket, NULL if it has none; then `*least` is the one that has been asked least of. */
static struct bucket *find(struct bucket set[WAYS], uint64_t key, struct bucket **least)
{
    *least = set;
    for (int i = 0; i < WAYS; i++) {
        if (atomic_load_explicit(&set[i].key, memory_order_acquire) == key) return &set[i];
        if (atomic_load_explicit(&set[i].full, memory_order_relaxed) <
            atomic_load_explicit(&(*least)->full, memory_order_relaxed))
            *least = &set[i];
    }
    return NULL;
}

/* The key's bucket. Where there is no room, the one that has been asked least of gives way: a flood
 * of new keys can't push out those that are at their limit. */
static struct bucket *bucket_of(struct limit *limit, uint64_t key)
{
    struct bucket *set = limit->sets[key & (limit->set_count - 1)], *least, *bucket;
    bucket = find(set, key, &least);
    if (nx__likely(bucket != NULL)) return bucket;
    (void)pthread_mutex_lock(&limit->lock);
    bucket = find(set, key, &least); /* another worker may have been here */
    if (!bucket) {
        bucket = least;
        atomic_store_explicit(&bucket->key, 0, memory_order_relaxed);
        atomic_store_explicit(&bucket->full, 0, memory_order_relaxed);
        atomic_store_explicit(&bucket->key, key, memory_order_release);
    }
    (void)pthread_mutex_unlock(&limit->lock);
    return bucket;
}

/* Takes a token. `*full` is when the bucket will be full again; false if it is empty. */
static bool take(const struct limit *limit, struct bucket *bucket, nx_duration now,
                 nx_duration *full)
{
    int64_t known = atomic_load_explicit(&bucket->full, memory_order_relaxed), then;
    do {
        then = (known > now ? known : now) + limit->interval;
        *full = known;
        if (then - now > limit->window) return false;
    } while (!atomic_compare_exchange_weak_explicit(&bucket->full, &known, then,
                                                    memory_order_relaxed, memory_order_relaxed));
    *full = then;
    return true;
}

/* ---- Keys */

/* One network of IPv6 is one client: its 2^64 addresses are all his. */
static uint64_t key_of_peer(const struct limit *limit, nx_request *req)
{
    nx_bytes peer = nx_request_peer(req);
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (peer.len < sizeof text && memchr(peer.data, ':', peer.len)) {
        memcpy(text, peer.data, peer.len);
        text[peer.len] = '\0';
        if (inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_V4MAPPED(&address))
            return nx__siphash(limit->secret, &address, 8);
    }
    return nx__siphash(limit->secret, peer.data, peer.len);
}

/* ---- Middleware */

static void number(nx_response *res, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    nx_response_header_always(res, name, text);
}

/* Whole seconds, rounded up. */
static int64_t seconds(nx_duration span)
{
    return (span + NX_S(1) - 1) / NX_S(1);
}

static nx_err limit_run(nx_request *req, nx_response *res, void *context)
{
    struct limit *limit = context;
    uint64_t key;
    if (limit->key) {
        nx_bytes text = limit->key(req, limit->context);
        if (!text.data) return nx_http_next(req, res);
        key = nx__siphash(limit->secret, text.data, text.len);
    } else {
        key = key_of_peer(limit, req);
    }
    nx_duration now = nx__loop()->now, full;
    bool good = take(limit, bucket_of(limit, key ? key : 1), now, &full);
    if (!good || !limit->quiet) {
        number(res, "ratelimit-limit", limit->most);
        number(res, "ratelimit-remaining",
               good ? (limit->window - (full - now)) / limit->interval : 0);
        number(res, "ratelimit-reset", seconds(full - now));
    }
    if (good) return nx_http_next(req, res);
    number(res, "retry-after", seconds(full + limit->interval - limit->window - now));
    return nx_response_error(res, 429, NULL);
}

static void limit_end(void *memory)
{
    struct limit *limit = memory;
    (void)pthread_mutex_destroy(&limit->lock);
    free(limit->sets);
}

void nx_http_rate_with(nx_http_router *router, const nx_http_rate_options *options)
{
    nx_http_rate_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!o.limit) o.limit = 100;
    if (!o.window) o.window = NX_S(60);
    if (!o.max_keys) o.max_keys = NX_HTTP_RATE_KEYS;
    if (o.window < o.limit || o.window > NX_S(366LL * 86400) || o.max_keys > KEYS_MOST) {
        nx__router_mistake(router, NX_EINVAL,
                           "nx_http_rate_limit: window is less than a nanosecond for each request, "
                           "or more than a year, or max_keys is more than %d",
                           KEYS_MOST);
        return;
    }
    struct limit *limit = nx__router_keep(router, sizeof *limit, limit_end);
    if (!limit) return;
    (void)pthread_mutex_init(&limit->lock, NULL);
    limit->set_count = 1;
    while (limit->set_count * WAYS < o.max_keys) limit->set_count *= 2;
    limit->sets = calloc(limit->set_count, sizeof *limit->sets);
    if (!limit->sets || getrandom(limit->secret, sizeof limit->secret, 0) != sizeof limit->secret) {
        nx__router_mistake(router, NX_ENOMEM,
                           "nx_http_rate_limit: no memory for max_keys, or no random numbers");
        return;
    }
    limit->interval = o.window / o.limit;
    limit->window = limit->interval * o.limit;
    limit->most = o.limit;
    limit->key = o.key;
    limit->context = o.context;
    limit->quiet = o.quiet;
    nx_http_router_use(router, limit_run, limit);
}

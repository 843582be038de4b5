/* Upstreams, and which of them is next. */
#include "http/proxy/proxy.h"

#include "base/buffer.h"
#include "base/say.h"
#include "base/siphash.h"
#include "http/h1/syntax.h"
#include "loop/loop.h"
#include <stdlib.h>

/* ---- As they are named */

void nx__upstream_free(struct nx__upstream *u)
{
    free(u->name);
    free(u->host);
    free(u->authority);
    free(u->unix_path);
    free(u->base);
    *u = (struct nx__upstream){0};
}

static const char form[] =
    "an upstream is \"http://host:port\", \"https://host:port\" or \"unix:/path\"";

static const char *url_parse(struct nx__upstream *u, const char *text)
{
    nx_url url;
    if (nx_url_parse(nx_str(text), &url)) return form;
    u->tls = nx_bytes_is(url.scheme, "https");
    if (!u->tls && !nx_bytes_is(url.scheme, "http")) return form;
    if (url.query.data || url.fragment.data || url.username.len || url.password.len)
        return "an upstream has neither a query nor a user";
    nx_bytes base = url.path, host = url.host;
    while (base.len && base.data[base.len - 1] == '/') base.len--;
    if (url.host_kind == NX_URL_IPV6) host = nx_slice(host.data + 1, host.len - 2);
    u->host = nx__bytes_dup(host);
    u->authority = nx__bytes_dup(url.host_port);
    u->base = nx__bytes_dup(base);
    u->port = url.port;
    return u->host && u->authority && u->base ? NULL : "out of memory";
}

const char *nx__upstream_parse(struct nx__upstream *u, const char *text)
{
    static const char unix_scheme[] = "unix:";
    const char *reason = NULL;
    memset(u, 0, sizeof *u);
    u->name = nx__bytes_dup(nx_str(text));
    if (strncmp(text, unix_scheme, sizeof unix_scheme - 1) == 0) {
        u->unix_path = nx__bytes_dup(nx_str(text + sizeof unix_scheme - 1));
        u->authority = nx__bytes_dup(nx_str("localhost"));
        u->base = nx__bytes_dup(nx_str(""));
        if (!u->unix_path || !u->authority || !u->base)
            reason = "out of memory";
        else if (!*u->unix_path)
            reason = form;
    } else {
        reason = url_parse(u, text);
    }
    if (!reason && !u->name) reason = "out of memory";
    if (reason) nx__upstream_free(u);
    return reason;
}

/* ---- Whose turn it is */

static bool is_up(const struct nx__upstream *u, nx_duration now)
{
    return !atomic_load_explicit(&u->unwell, memory_order_relaxed) &&
           atomic_load_explicit(&u->down_till, memory_order_relaxed) <= now;
}

/* How much an upstream may have a key: the one that may have it most does, so that where one goes,
 * no key of another moves ("rendezvous hashing"). */
static uint64_t score(const struct nx__balancer *b, uint64_t key, uint32_t index)
{
    uint64_t pair[2] = {key, index};
    return nx__siphash(b->secret, (const char *)pair, sizeof pair);
}

static struct nx__upstream *by_hash(struct nx__balancer *b, nx_bytes key, uint64_t tried,
                                    nx_duration now)
{
    uint64_t hash = nx__siphash(b->secret, key.data ? key.data : "", key.len), best = 0;
    struct nx__upstream *found = NULL;
    for (uint32_t i = 0; i < b->count; i++) {
        if (tried >> i & 1 || !is_up(&b->items[i], now)) continue;
        uint64_t s = score(b, hash, i);
        if (found && s <= best) continue;
        best = s;
        found = &b->items[i];
    }
    return found;
}

struct nx__upstream *nx__balancer_pick(struct nx__balancer *b, nx_bytes key, uint64_t tried,
                                       nx_duration now)
{
    if (b->balance == NX_PROXY_HASH) return by_hash(b, key, tried, now);
    struct nx__upstream *found = NULL;
    uint32_t start = atomic_fetch_add_explicit(&b->turn, 1, memory_order_relaxed), least = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t at = (start + i) % b->count;
        struct nx__upstream *u = &b->items[at];
        if (tried >> at & 1 || !is_up(u, now)) continue;
        if (b->balance == NX_PROXY_ROUND_ROBIN) return u;
        uint32_t active = atomic_load_explicit(&u->active, memory_order_relaxed);
        if (found && active >= least) continue;
        least = active;
        found = u;
    }
    return found;
}

/* ---- How they fare */

void nx__upstream_failed(const struct nx__balancer *b, struct nx__upstream *u, nx_duration now)
{
    uint32_t fails = atomic_fetch_add_explicit(&u->fails, 1, memory_order_relaxed) + 1;
    if (fails < b->max_fails) return;
    nx_duration till = b->down_for >= NX_FOREVER - now ? NX_FOREVER - 1 : now + b->down_for;
    atomic_store_explicit(&u->down_till, till, memory_order_relaxed);
    if (fails == b->max_fails)
        nx__say(NX__SAY_WARNING, "the upstream %s is down: %u requests have failed, the last: %s",
                u->name, fails, nx__error_last()->message);
}

void nx__upstream_well(struct nx__upstream *u)
{
    if (!atomic_load_explicit(&u->fails, memory_order_relaxed)) return;
    atomic_store_explicit(&u->fails, 0, memory_order_relaxed);
    if (atomic_exchange_explicit(&u->down_till, 0, memory_order_relaxed))
        nx__say(NX__SAY_WARNING, "the upstream %s is up again", u->name);
}

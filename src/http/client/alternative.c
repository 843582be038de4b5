/* Alternative services. */
#include "http/client/alternative.h"

#include "http/data.h"
#include "http/h1/syntax.h"
#include <stdlib.h>

struct kept {
    struct nx__list link;
    nx_duration until, broken_until; /* absolute */
    nx_duration back_off;            /* how long it is not tried when it fails next */
    uint16_t port, h3_port;
    size_t host_len;
    char host[]; /* small letters */
};

/* ---- The field: `h3=":443"; ma=86400; persist=1, h2="alt.example.com:443"`, or `clear` */

struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t')) c->at++;
}

static bool skip(struct cursor *c, char byte)
{
    if (c->at == c->end || *c->at != byte) return false;
    c->at++;
    return true;
}

static bool token(struct cursor *c, nx_bytes *out)
{
    const char *from = c->at;
    while (c->at < c->end && nx__h1_is(*c->at, NX__H1_TOKEN)) c->at++;
    *out = nx_slice(from, (size_t)(c->at - from));
    return out->len != 0;
}

/* A token, or what is between quotes, its escapes left out. */
static bool value(struct cursor *c, char *room, size_t size, nx_bytes *out)
{
    size_t len = 0;
    if (!skip(c, '"')) return token(c, out);
    for (; c->at < c->end; c->at++) {
        if (*c->at == '"') {
            c->at++;
            *out = nx_slice(room, len);
            return true;
        }
        if (*c->at == '\\' && ++c->at == c->end) return false;
        if (len == size) return false;
        room[len++] = *c->at;
    }
    return false;
}

static bool number(nx_bytes text, uint64_t most, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!nx__h1_is_digit(text.data[i])) return false;
        *out = *out * 10 + (uint64_t)(text.data[i] - '0');
        if (*out > most) *out = most;
    }
    return text.len != 0;
}

static bool is_host(nx_bytes text, nx_bytes host)
{
    if (text.len > 2 && text.data[0] == '[') text = nx_slice(text.data + 1, text.len - 2);
    return text.len == host.len && nx__ascii_ieq(text.data, host.data, host.len);
}

/* "host:port" or ":port". */
static uint16_t port_of(nx_bytes authority, nx_bytes host)
{
    size_t at = authority.len;
    uint64_t port;
    while (at && authority.data[at - 1] != ':') at--;
    if (!at || (at > 1 && !is_host(nx_slice(authority.data, at - 1), host))) return 0;
    nx_bytes digits = nx_slice(authority.data + at, authority.len - at);
    return number(digits, UINT16_MAX + 1, &port) && port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool nx__alternative_is_origin(nx_bytes origin, nx_bytes host, uint16_t port)
{
    static const char scheme[] = "https://";
    enum { SCHEME = sizeof scheme - 1, DEFAULT_PORT = 443 };
    if (origin.len <= SCHEME || !nx__ascii_ieq(origin.data, scheme, SCHEME)) return false;
    nx_bytes authority = nx_slice(origin.data + SCHEME, origin.len - SCHEME);
    if (port == DEFAULT_PORT && is_host(authority, host)) return true;
    return port && authority.data[0] != ':' && port_of(authority, host) == port;
}

/* "persist" says nothing here: of networks that change nobody hears. */
static bool parameters(struct cursor *c, struct nx__alternative *one)
{
    enum { VALUE_MOST = 64 };
    char room[VALUE_MOST];
    for (;;) {
        nx_bytes name, text;
        uint64_t n;
        skip_space(c);
        if (!skip(c, ';')) return true;
        skip_space(c);
        if (!token(c, &name) || !skip(c, '=') || !value(c, room, sizeof room, &text)) return false;
        if (nx_bytes_is(name, "ma")) {
            if (!number(text, (uint64_t)(NX__ALTERNATIVE_LIFE_MOST / NX_S(1)), &n)) return false;
            one->life = NX_S((int64_t)n);
        }
    }
}

bool nx__alternative_read(nx_bytes field, nx_bytes host, struct nx__alternative *out)
{
    char room[NX__ALTERNATIVE_HOST_MOST + 8];
    struct cursor c = {field.data, field.data + field.len};
    *out = (struct nx__alternative){.clear = true};
    if (!field.len || field.len > NX__ALTERNATIVE_FIELD_MOST) return false;
    if (nx_bytes_is(field, "clear")) return true;
    do {
        struct nx__alternative one = {.life = NX__ALTERNATIVE_LIFE};
        nx_bytes protocol, authority;
        skip_space(&c);
        if (c.at == c.end || *c.at == ',') continue; /* an empty element (RFC 9110 5.6.1) */
        if (!token(&c, &protocol) || !skip(&c, '=') || c.at == c.end || *c.at != '"' ||
            !value(&c, room, sizeof room, &authority))
            return false;
        if (nx_bytes_is(protocol, "h3")) one.h3_port = port_of(authority, host);
        if (!parameters(&c, &one)) return false;
        if (one.h3_port && !out->h3_port) *out = one;
        skip_space(&c);
    } while (skip(&c, ','));
    return c.at == c.end;
}

/* ---- What is kept */

void nx__alternatives_init(struct nx__alternatives *all)
{
    nx__list_init(&all->items);
}

/* Not free() itself: the analyzer takes a list for one in which what was taken out still is. */
static void (*const kept_free)(void *kept) = free;

static void drop(struct nx__alternatives *all, struct kept *k)
{
    nx__list_remove(&k->link);
    all->count--;
    kept_free(k);
}

void nx__alternatives_free(struct nx__alternatives *all)
{
    while (!nx__list_empty(&all->items))
        drop(all, nx__container_of(all->items.next, struct kept, link));
}

static struct kept *find(const struct nx__alternatives *all, nx_bytes host, uint16_t port)
{
    for (struct nx__list *link = all->items.next; link != &all->items; link = link->next) {
        struct kept *k = nx__container_of(link, struct kept, link);
        if (k->port == port && is_host(nx_slice(k->host, k->host_len), host)) return k;
    }
    return NULL;
}

static void first(struct nx__alternatives *all, struct kept *k)
{
    nx__list_remove(&k->link);
    nx__list_insert(all->items.next, &k->link);
}

void nx__alternatives_take(struct nx__alternatives *all, nx_bytes host, uint16_t port,
                           const struct nx__alternative *said, nx_duration age, nx_duration now)
{
    struct kept *k = find(all, host, port);
    if (said->clear || said->life <= age) {
        if (k) drop(all, k);
        return;
    }
    /* One that is broken stays so, whatever is said of it. */
    if (k && k->h3_port != said->h3_port) {
        drop(all, k);
        k = NULL;
    }
    if (!k) {
        if (host.len > NX__ALTERNATIVE_HOST_MOST) return;
        k = calloc(1, sizeof *k + host.len);
        if (!k) return;
        if (all->count == NX__ALTERNATIVES_MOST)
            drop(all, nx__container_of(all->items.prev, struct kept, link));
        k->port = port;
        k->h3_port = said->h3_port;
        k->back_off = NX__ALTERNATIVE_BROKEN;
        k->host_len = host.len;
        memcpy(k->host, host.data, host.len);
        nx__list_init(&k->link);
        all->count++;
    }
    k->until = now + said->life - age;
    first(all, k);
}

uint16_t nx__alternatives_port(struct nx__alternatives *all, nx_bytes host, uint16_t port,
                               nx_duration now)
{
    struct kept *k = find(all, host, port);
    if (!k) return 0;
    if (k->until <= now) {
        drop(all, k);
        return 0;
    }
    first(all, k);
    return k->broken_until > now ? 0 : k->h3_port;
}

void nx__alternatives_broken(struct nx__alternatives *all, nx_bytes host, uint16_t port,
                             nx_duration now)
{
    struct kept *k = find(all, host, port);
    if (!k || k->broken_until > now) return; /* several that were under way fail once */
    k->broken_until = now + k->back_off;
    k->back_off *= 2;
    if (k->back_off > NX__ALTERNATIVE_BROKEN_MOST) k->back_off = NX__ALTERNATIVE_BROKEN_MOST;
}

void nx__alternatives_good(struct nx__alternatives *all, nx_bytes host, uint16_t port)
{
    struct kept *k = find(all, host, port);
    if (k) k->back_off = NX__ALTERNATIVE_BROKEN;
}

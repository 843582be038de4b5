/* Who a request is from: the peer, or whom a trusted proxy says that it speaks for. */
#include "http/server.h"

#include "http/data.h"
#include "http/h1/parse.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOPS_MOST = 32, ADDRESS_TEXT = 64 };

/* IPv4 is ::ffff:a.b.c.d. */
struct network {
    uint8_t address[16];
    unsigned bits;
};

struct nx__proxies {
    bool forwarded; /* they speak Forwarded, not X-Forwarded-* */
    bool unix_peers;
    uint32_t count;
    struct network networks[];
};

/* ---- Addresses */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool address_parse(nx_bytes text, uint8_t out[16])
{
    char copy[ADDRESS_TEXT];
    if (!text.len || text.len >= sizeof copy || memchr(text.data, '\0', text.len)) return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, copy, out + 12) == 1 || inet_pton(AF_INET6, copy, out) == 1;
}

static bool within(const uint8_t address[16], const struct network *network)
{
    unsigned whole = network->bits / 8, rest = network->bits % 8;
    if (memcmp(address, network->address, whole) != 0) return false;
    return !rest || !((address[whole] ^ network->address[whole]) >> (8 - rest));
}

static bool trusted(const struct nx__proxies *proxies, const uint8_t address[16])
{
    for (uint32_t i = 0; i < proxies->count; i++)
        if (within(address, &proxies->networks[i])) return true;
    return false;
}

/* "10.0.0.0/8", "::1" */
static bool network_parse(const char *text, struct network *out)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    if (!address_parse(nx_slice(text, len), out->address)) return false;
    bool v4 = !memchr(text, ':', len);
    unsigned bits = v4 ? 32 : 128;
    if (slash) {
        const char *digit = slash + 1;
        if (!*digit || strlen(digit) > 3) return false;
        unsigned given = 0;
        for (; *digit; digit++) {
            if (!nx__h1_is_digit(*digit)) return false;
            given = given * 10 + (unsigned)(*digit - '0');
        }
        if (given > bits) return false;
        bits = given;
    }
    out->bits = v4 ? bits + 96 : bits;
    return true;
}

/* ---- Building */

static const char *const loopback[] = {"127.0.0.0/8", "::1", NULL};
static const char *const private_networks[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                               "fc00::/7", NULL};

/* Adds what the words stand for; returns the first that stands for nothing. `proxies` has room. */
static const char *networks_add(struct nx__proxies *proxies, const char *const *words)
{
    for (; *words; words++) {
        const char *bad = NULL;
        if (strcmp(*words, "loopback") == 0)
            bad = networks_add(proxies, loopback);
        else if (strcmp(*words, "private") == 0)
            bad = networks_add(proxies, private_networks);
        else if (strcmp(*words, "unix") == 0)
            proxies->unix_peers = true;
        else if (network_parse(*words, &proxies->networks[proxies->count]))
            proxies->count++;
        else
            bad = *words;
        if (bad) return bad;
    }
    return NULL;
}

void nx_http_trust_with(nx_http_server *server, const char *const *words, bool forwarded)
{
    if (!server) return;
    size_t count = 0;
    while (words && words[count]) count++;
    /* A word stands for four networks at most. */
    struct nx__proxies *proxies =
        calloc(1, sizeof *proxies + (count * 4 + 1) * sizeof(struct network));
    const char *bad = proxies && words ? networks_add(proxies, words) : NULL;
    if (!proxies || bad) {
        nx__router_mistake(server->root, bad ? NX_EINVAL : NX_ENOMEM,
                           bad ? "cannot trust the proxy \"%s\": it is no address, such as "
                                 "\"10.0.0.1\", no network, such as \"10.0.0.0/8\", and none of "
                                 "\"loopback\", \"private\" and \"unix\""
                               : "cannot trust proxies: out of memory%s",
                           bad ? bad : "");
        free(proxies);
        return;
    }
    proxies->forwarded = forwarded;
    nx__proxies_free(server->proxies);
    server->proxies = proxies;
}

void nx__proxies_free(struct nx__proxies *proxies)
{
    free(proxies);
}

/* ---- Lists, from their end: what the nearest proxy wrote is there, whatever stands before it */

struct list {
    const nx_request *req;
    const char *name;
    size_t fields; /* that are still to be looked at */
    bool open;     /* there is one */
    nx_bytes rest; /* of it */
};

static struct list list_of(const nx_request *req, const char *name)
{
    return (struct list){.req = req, .name = name, .fields = req->header_count};
}

/* Behind an odd number of backslashes. */
static bool is_escaped(const char *begin, const char *at)
{
    bool escaped = false;
    while (at > begin && *--at == '\\') escaped = !escaped;
    return escaped;
}

/* The element before those that were given; false if there is none. Commas between quotes are none.
 */
static bool list_previous(struct list *list, nx_bytes *element)
{
    while (!list->open) {
        nx_bytes name;
        if (!list->fields) return false;
        (void)nx_request_header_at(list->req, --list->fields, &name, &list->rest);
        list->open =
            name.len == strlen(list->name) && nx__ascii_ieq(name.data, list->name, name.len);
    }
    const char *begin = list->rest.data, *end = begin + list->rest.len, *at = end;
    for (bool quoted = false; at > begin && (quoted || at[-1] != ','); at--)
        if (at[-1] == '"' && !(quoted && is_escaped(begin, at - 1))) quoted = !quoted;
    list->open = at > begin;
    if (list->open) list->rest.len = (size_t)(at - 1 - begin);
    while (at < end && nx__h1_is(*at, NX__H1_BLANK)) at++;
    while (at < end && nx__h1_is(end[-1], NX__H1_BLANK)) end--;
    *element = nx_slice(at, (size_t)(end - at));
    return true;
}

/* What a proxy says of the request that it was sent; empty where it does not. */
struct hop {
    nx_bytes address, scheme, host;
};

/* for=192.0.2.60;proto=http;host="example.com" (RFC 7239 4) */
static struct hop hop_parse(nx_bytes element)
{
    struct hop hop = {0};
    while (element.len) {
        /* A host may hold a ";" of the client's. */
        nx_bytes pair = nx__list_cut(&element, ';');
        const char *name = pair.data, *equal = pair.len ? memchr(name, '=', pair.len) : NULL;
        if (!equal) continue;
        size_t len = (size_t)(equal - name);
        while (len && nx__h1_is(*name, NX__H1_BLANK)) name++, len--;
        nx_bytes value = nx_slice(equal + 1, (size_t)(pair.data + pair.len - equal) - 1);
        if (value.len > 1 && value.data[0] == '"' && value.data[value.len - 1] == '"')
            value = nx_slice(value.data + 1, value.len - 2);
        if (NX__ASCII_IS(name, len, "for")) hop.address = value;
        if (NX__ASCII_IS(name, len, "proto")) hop.scheme = value;
        if (NX__ASCII_IS(name, len, "host")) hop.host = value;
    }
    return hop;
}

/* An address with or without a port: "1.2.3.4:5", "[::1]:5", "::1". */
static bool node_parse(nx_bytes text, uint8_t out[16])
{
    if (!text.len) return false;
    nx_bytes address = text;
    const char *colon = memchr(text.data, ':', text.len), *end = text.data + text.len, *port = end;
    if (text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.len);
        if (!close) return false;
        address = nx_slice(text.data + 1, (size_t)(close - text.data) - 1);
        port = close + 1;
    } else if (colon && !memchr(colon + 1, ':', (size_t)(end - colon) - 1)) {
        address.len = (size_t)(colon - text.data);
        port = colon;
    }
    if (port < end && (*port != ':' || port + 1 == end)) return false;
    for (const char *c = port + 1; c < end; c++)
        if (!nx__h1_is_digit(*c)) return false;
    return address_parse(address, out);
}

/* ---- The client */

static bool peer_trusted(nx_request *req, uint8_t address[16])
{
    const struct nx__proxies *proxies = req->server->proxies;
    nx_bytes peer = req->driver->peer(req);
    if (nx_bytes_is(peer, "unix")) return proxies->unix_peers;
    return address_parse(peer, address) && trusted(proxies, address);
}

bool nx__request_from_proxy(nx_request *req)
{
    uint8_t address[16];
    return req->server->proxies && peer_trusted(req, address);
}

/* The element that belongs to the hop, counted from the end; the first one of a list that is
 * shorter. */
static nx_bytes element_of(const nx_request *req, const char *name, unsigned hop)
{
    struct list list = list_of(req, name);
    nx_bytes element = {0};
    while (hop-- && list_previous(&list, &element)) continue;
    return element;
}

static void origin_set(nx_request *req, const uint8_t address[16], nx_bytes scheme, nx_bytes host)
{
    struct nx__request_extra *extra = req->extra;
    if (address) {
        char *text = nx__arena_alloc(&req->fiber->own.arena, INET6_ADDRSTRLEN);
        bool v4 = memcmp(address, mapped, sizeof mapped) == 0;
        if (text &&
            inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + 12 : address, text, INET6_ADDRSTRLEN))
            extra->peer = nx_str(text);
    }
    if (NX__ASCII_IS(scheme.data, scheme.len, "https")) extra->scheme = nx_str("https");
    if (NX__ASCII_IS(scheme.data, scheme.len, "http")) extra->scheme = nx_str("http");
    if (host.len && nx__h1_valid_host(host.data, host.len)) extra->host = host;
}

/* Goes back from the peer to the first that is no trusted proxy. */
static void origin_find(nx_request *req)
{
    const struct nx__proxies *proxies = req->server->proxies;
    struct nx__request_extra *extra = req->extra;
    extra->origin_known = true;
    extra->peer = req->driver->peer(req);
    extra->scheme = nx_str(req->secure ? "https" : "http");
    extra->host = nx__request_own_host(req);
    uint8_t address[16];
    if (!peer_trusted(req, address)) return;
    struct list list = list_of(req, proxies->forwarded ? "forwarded" : "x-forwarded-for");
    struct hop client = {0};
    unsigned hops = 0;
    bool known = false;
    while (hops < HOPS_MOST) {
        nx_bytes element;
        uint8_t next[16];
        if (!list_previous(&list, &element)) break;
        struct hop hop = {.address = element};
        if (proxies->forwarded) hop = hop_parse(element);
        client = hop;
        if (!node_parse(hop.address, next)) break;
        memcpy(address, next, sizeof address);
        known = true;
        hops++;
        if (!trusted(proxies, address)) break;
    }
    if (!proxies->forwarded) {
        client.scheme = element_of(req, "x-forwarded-proto", hops ? hops : 1);
        client.host = element_of(req, "x-forwarded-host", hops ? hops : 1);
    }
    origin_set(req, known ? address : NULL, client.scheme, client.host);
}

/* NULL where the connection itself tells. Without memory nobody is known, least of all as a proxy.
 */
static const struct nx__request_extra *origin(nx_request *req)
{
    static const struct nx__request_extra unknown = {.peer = {"", 0}, .host = {"", 0}};
    if (nx__likely(!req->server->proxies)) return NULL;
    struct nx__request_extra *extra = nx__request_extra(req);
    if (!extra) return &unknown;
    if (!extra->origin_known) origin_find(req);
    return extra;
}

nx_bytes nx_request_peer(nx_request *req)
{
    const struct nx__request_extra *known = origin(req);
    return known ? known->peer : req->driver->peer(req);
}
nx_bytes nx_request_scheme(nx_request *req)
{
    const struct nx__request_extra *known = origin(req);
    return known ? known->scheme : nx_str(req->secure ? "https" : "http");
}
nx_bytes nx_request_host(nx_request *req)
{
    const struct nx__request_extra *known = origin(req);
    return known ? known->host : nx__request_own_host(req);
}

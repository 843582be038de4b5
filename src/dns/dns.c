/* Addresses of a host, records of a domain, names of an address. */
#include "dns/dns.h"

#include "base/clock.h"
#include "dns/answer.h"
#include "dns/query.h"
#include "permission/connect.h"
#include "permission/keeper_ask.h"
#include <errno.h>
#include <netdb.h>
#include <nexus/dns.h>
#include <nexus/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { NAMES_MOST = 16, PORT = 53 };
#define DEADLINE NX_S(10)

/* ---- Options */

static nx_duration deadline_of(const nx_dns_options *o)
{
    if (o->deadline == NX_FOREVER) return NX_FOREVER;
    return nx__deadline(o->deadline > 0 ? o->deadline : DEADLINE);
}

/* As c-ares and the permissions spell it, with its port. */
static nx_err server_of(const nx_dns_options *o, char out[NX__PEER_MAX], const char **server)
{
    nx_address address;
    union nx__address system;
    *server = NULL;
    if (!o->server) return NX_OK;
    if (nx_address_parse(&address, o->server) || !nx__address_private(&address, &system))
        return nx__error_set(NX_EINVAL, "\"%.100s\" is no name server's address", o->server);
    if (!address.port) address.port = PORT;
    (void)nx__address_private(&address, &system);
    nx__address_spell(&system, true, out);
    *server = out;
    return nx__permit_connect(out);
}

static nx_err late(nx_err err, const char *what, const char *name)
{
    if (err != NX_ETIMEDOUT) return err;
    return nx__error_set(err, "cannot find %s of \"%.120s\": no answer before the deadline", what,
                         name);
}

/* ---- Addresses */

static const char address_what[] = "the address";

struct lookup {
    const char *name;
    int family;
};

static void addresses_free(void *found)
{
    ares_freeaddrinfo(found);
}

static void addresses_found(void *arg, int status, int timeouts, struct ares_addrinfo *found)
{
    (void)timeouts;
    nx__dns_query_end(arg, (ares_status_t)status, found, addresses_free);
}

static void addresses_ask(struct nx__dns_query *query, ares_channel_t *channel, const void *arg)
{
    const struct lookup *l = arg;
    const struct ares_addrinfo_hints hints = {.ai_family = l->family, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(channel, l->name, NULL, &hints, addresses_found, query);
}

static void addresses_copy(const struct ares_addrinfo *found, uint16_t port,
                           struct nx__addresses *out)
{
    for (const struct ares_addrinfo_node *n = found->nodes; n && out->count < NX__ADDRESSES_MAX;
         n = n->ai_next) {
        union nx__address *a = &out->items[out->count];
        if ((n->ai_family != AF_INET && n->ai_family != AF_INET6) || n->ai_addrlen > sizeof *a)
            continue;
        memcpy(a, n->ai_addr, n->ai_addrlen);
        if (n->ai_family == AF_INET)
            a->v4.sin_port = htons(port);
        else
            a->v6.sin6_port = htons(port);
        out->count++;
    }
}

/* This machine, as RFC 6761 has it, and as listening on "localhost" does: IPv4 first. */
static bool is_localhost(const char *name, uint16_t port, int family, struct nx__addresses *out)
{
    if (strcasecmp(name, "localhost") != 0) return false;
    if (family != AF_INET6) (void)nx__address_parse("127.0.0.1", port, &out->items[out->count++]);
    if (family != AF_INET) (void)nx__address_parse("::1", port, &out->items[out->count++]);
    return true;
}

/* ---- By the keeper, where the program may connect to nothing else than what names lead to */

struct keeper_lookup {
    struct nx__keeper_names names;
    int status, system;
};

static nx_err keeper_ask(void *arg)
{
    struct keeper_lookup *l = arg;
    l->status = nx__keeper_resolve(&l->names);
    l->system = errno;
    return NX_OK;
}

static nx_err keeper_failed(const struct keeper_lookup *l, const char *name)
{
    switch (l->status) {
    case EAI_NONAME: return nx__dns_failed(ARES_ENOTFOUND, address_what, name);
    case EAI_AGAIN: return nx__dns_failed(ARES_ETIMEOUT, address_what, name);
    case EAI_MEMORY: return nx__dns_failed(ARES_ENOMEM, address_what, name);
    case EAI_SYSTEM:
        return nx__error_system(l->system, "cannot find %s of \"%.120s\"", address_what, name);
    default: return nx__dns_failed(ARES_ESERVFAIL, address_what, name);
    }
}

static nx_err addresses_by_keeper(struct nx__addresses *out, const char *name, uint16_t port,
                                  int family)
{
    struct keeper_lookup l = {.names.family = family};
    size_t len = strlen(name);
    if (len >= sizeof l.names.name) return nx__dns_failed(ARES_EBADNAME, address_what, "");
    memcpy(l.names.name, name, len);
    NX_TRY(nx_blocking(keeper_ask, &l));
    if (l.status) return keeper_failed(&l, name);
    for (uint32_t i = 0; i < l.names.count && out->count < NX__ADDRESSES_MAX; i++) {
        union nx__address *a = &out->items[out->count++];
        const struct sockaddr *from = &l.names.addresses[i].any;
        memcpy(a, from, from->sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4);
        if (from->sa_family == AF_INET6)
            a->v6.sin6_port = htons(port);
        else
            a->v4.sin_port = htons(port);
    }
    return out->count ? NX_OK : nx__dns_failed(ARES_ENODATA, address_what, name);
}

static nx_err keeper_refuse(const char *what, const char *name)
{
    return nx__error_set(
        NX_EPERM,
        "cannot find %s of \"%.120s\": with --permissions=strict only addresses of names are looked up, from the system's servers, unless all of the network is granted (--allow-net)",
        what, name);
}

nx_err nx__dns_addresses(struct nx__addresses *out, const char *name, uint16_t port, int family,
                         const char *server, nx_duration deadline)
{
    struct nx__dns_query *query;
    struct lookup l = {name, family};
    out->count = 0;
    if (is_localhost(name, port, family, out)) return NX_OK;
    if (nx__keeper_resolves)
        return server ? keeper_refuse(address_what, name)
                      : addresses_by_keeper(out, name, port, family);
    nx_err err = nx__dns_query(&query, server, deadline, addresses_ask, &l);
    if (err) return late(err, address_what, name);
    ares_status_t status = query->status;
    if (!status) addresses_copy(query->result, port, out);
    if (!status && !out->count) status = ARES_ENODATA;
    nx__dns_query_free(query);
    return status ? nx__dns_failed(status, address_what, name) : NX_OK;
}

/* What is a number needs nobody. */
static bool is_address(const char *host, int family, struct nx__addresses *out)
{
    union nx__address *a = &out->items[0];
    if (!nx__address_parse(host, 0, a) || (family && a->any.sa_family != family)) return false;
    out->count = 1;
    return true;
}

nx_err nx_dns_lookup_with(const char *host, nx_dns_addresses *out, const nx_dns_options *options)
{
    NX__OPTIONS(nx_dns_options, o, options);
    struct nx__addresses found;
    char text[NX__PEER_MAX];
    const char *server;
    *out = (nx_dns_addresses){0};
    int family = o.family == NX_ADDRESS_V4 ? AF_INET : o.family == NX_ADDRESS_V6 ? AF_INET6 : 0;
    if (!host || !*host) return nx__dns_failed(ARES_EBADNAME, address_what, "");
    NX_TRY(nx__permit_host("looking up", host));
    NX_TRY(server_of(&o, text, &server));
    if (!is_address(host, family, &found))
        NX_TRY(nx__dns_addresses(&found, host, 0, family, server, deadline_of(&o)));
    nx_address *items = nx_alloc_zero(found.count, sizeof *items);
    if (!items) return NX_ENOMEM;
    for (unsigned i = 0; i < found.count; i++)
        items[i] = nx__address_public(&found.items[i].any, nx__address_len(&found.items[i]));
    *out = (nx_dns_addresses){items, found.count};
    return NX_OK;
}

/* ---- Records */

struct question {
    const char *name;
    nx_dns_type type;
    bool search;
};

static void answer_free(void *answer)
{
    ares_dns_record_destroy(answer);
}

static void answer_found(void *arg, ares_status_t status, size_t timeouts,
                         const ares_dns_record_t *answer)
{
    (void)timeouts;
    ares_dns_record_t *own = answer && !status ? ares_dns_record_duplicate(answer) : NULL;
    nx__dns_query_end(arg, !status && !own ? ARES_ENOMEM : status, own, answer_free);
}

static void search_ask(struct nx__dns_query *query, ares_channel_t *channel,
                       const struct question *q)
{
    ares_dns_record_t *record = NULL;
    ares_status_t status =
        ares_dns_record_create(&record, 0, ARES_FLAG_RD, ARES_OPCODE_QUERY, ARES_RCODE_NOERROR);
    if (!status)
        status =
            ares_dns_record_query_add(record, q->name, (ares_dns_rec_type_t)q->type, ARES_CLASS_IN);
    if (!status)
        (void)ares_search_dnsrec(channel, record, answer_found, query); /* tells its failure, too */
    else
        nx__dns_query_end(query, status, NULL, NULL);
    ares_dns_record_destroy(record);
}

static void question_ask(struct nx__dns_query *query, ares_channel_t *channel, const void *arg)
{
    const struct question *q = arg;
    if (q->search)
        search_ask(query, channel, q);
    else
        (void)ares_query_dnsrec(channel, q->name, ARES_CLASS_IN, (ares_dns_rec_type_t)q->type,
                                answer_found, query, NULL);
}

/* With search domains, the name that was found is the one that was asked in the end. */
static const char *asked_name(const ares_dns_record_t *answer, const char *name)
{
    const char *asked;
    return ares_dns_record_query_get(answer, 0, &asked, NULL, NULL) == ARES_SUCCESS ? asked : name;
}

static const char *type_name(nx_dns_type type)
{
    switch (type) {
    case NX_DNS_A: return "the A records";
    case NX_DNS_NS: return "the NS records";
    case NX_DNS_CNAME: return "the CNAME record";
    case NX_DNS_PTR: return "the PTR records";
    case NX_DNS_MX: return "the MX records";
    case NX_DNS_TXT: return "the TXT records";
    case NX_DNS_AAAA: return "the AAAA records";
    case NX_DNS_SRV: return "the SRV records";
    default: return NULL;
    }
}

nx_err nx_dns_query_with(const char *name, nx_dns_type type, nx_dns_records *out,
                         const nx_dns_options *options)
{
    NX__OPTIONS(nx_dns_options, o, options);
    struct nx__dns_query *query;
    char text[NX__PEER_MAX];
    const char *server, *what = type_name(type);
    *out = (nx_dns_records){0};
    if (!what) return nx__error_set(NX_EINVAL, "there are no records of type %d here", (int)type);
    if (!name || !*name) return nx__dns_failed(ARES_EBADNAME, what, "");
    NX_TRY(nx__permit_host("looking up", name));
    NX_TRY(server_of(&o, text, &server));
    if (nx__keeper_resolves) return keeper_refuse(what, name);
    struct question q = {name, type, o.search};
    nx_err err = nx__dns_query(&query, server, deadline_of(&o), question_ask, &q);
    if (err) return late(err, what, name);
    ares_status_t status = query->status;
    if (!status) err = nx__dns_records(query->result, asked_name(query->result, name), type, out);
    nx__dns_query_free(query);
    if (!status && !err && !out->count) status = ARES_ENODATA;
    return status ? nx__dns_failed(status, what, name) : err;
}

/* ---- Names */

static const char name_what[] = "the name";

struct names {
    size_t count;
    char *items[NAMES_MOST];
};

static void names_free(void *result)
{
    struct names *names = result;
    for (size_t i = 0; i < names->count; i++) free(names->items[i]);
    free(names);
}

/* NULL where there is no memory. */
static struct names *names_copy(const struct hostent *host)
{
    struct names *names = calloc(1, sizeof *names);
    if (!names) return NULL;
    const char *name = host->h_name;
    for (char **next = host->h_aliases; name && names->count < NAMES_MOST; name = *next++) {
        bool had = false;
        for (size_t i = 0; i < names->count && !had; i++) had = strcmp(names->items[i], name) == 0;
        if (had) continue;
        names->items[names->count] = strdup(name);
        if (!names->items[names->count]) {
            names_free(names);
            return NULL;
        }
        names->count++;
    }
    return names;
}

static void names_found(void *arg, int status, int timeouts, struct hostent *host)
{
    (void)timeouts;
    struct names *names = status || !host ? NULL : names_copy(host);
    if (!status && !names) status = ARES_ENOMEM;
    nx__dns_query_end(arg, (ares_status_t)status, names, names_free);
}

static void names_ask(struct nx__dns_query *query, ares_channel_t *channel, const void *arg)
{
    const nx_address *a = arg;
    bool v4 = a->kind == NX_ADDRESS_V4;
    ares_gethostbyaddr(channel, a->ip, v4 ? 4 : 16, v4 ? AF_INET : AF_INET6, names_found, query);
}

nx_err nx_dns_reverse_with(const nx_address *address, nx_dns_names *out,
                           const nx_dns_options *options)
{
    NX__OPTIONS(nx_dns_options, o, options);
    struct nx__dns_query *query;
    union nx__address system;
    char text[NX__PEER_MAX], host[NX__PEER_MAX];
    const char *server;
    *out = (nx_dns_names){0};
    if (!nx__address_private(address, &system))
        return nx__error_set(NX_EINVAL, "cannot find the name: that is no IP address");
    nx__address_spell(&system, false, host);
    NX_TRY(nx__permit_host("looking up", host));
    NX_TRY(server_of(&o, text, &server));
    if (nx__keeper_resolves) return keeper_refuse(name_what, host);
    nx_err err = nx__dns_query(&query, server, deadline_of(&o), names_ask, address);
    if (err) return late(err, name_what, host);
    ares_status_t status = query->status;
    const struct names *names = query->result;
    size_t count = status ? 0 : names->count;
    const char **items = nx_alloc_zero(count + 1, sizeof *items);
    if (!items) err = NX_ENOMEM;
    for (size_t i = 0; i < count && !err; i++) {
        items[i] = nx_copy(nx_str(names->items[i]));
        if (!items[i]) err = NX_ENOMEM;
    }
    nx__dns_query_free(query);
    if (!status && !count) status = ARES_ENODATA;
    if (status) return nx__dns_failed(status, name_what, host);
    if (!err) *out = (nx_dns_names){items, count};
    return err;
}

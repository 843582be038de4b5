/* Whom the program may talk to. */
#include "permission/connect.h"

#include "permission/access.h"

#include "base/ip6.h"

#include "base/error.h"
#include "permission/broker.h"
#include "permission/place.h"
#include "permission/rules.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nexus/runtime.h>
#include <stdio.h>

enum { ADDRESS_TEXT = NX__IP6_MAX + 16 };

struct question {
    const char *peer;
    enum nx__asked asked;
};

static nx_err ask(void *arg)
{
    struct question *q = arg;
    q->asked = nx__broker_ask(q->peer, NX__ASK_CONNECT);
    return NX_OK;
}

static const struct nx__permission_key connecting = {.kind = NX__PERMIT_NET,
                                                     .use = NX__USE_CONNECT};

nx_err nx__permit_connect(const char *peer)
{
    struct nx__permissions *permissions = nx__permissions_sealed();
    if (!permissions) return NX_OK;
    enum nx__verdict verdict = nx__permissions_net_verdict(permissions, NX__USE_CONNECT, peer);
    nx__access(NX__PERMIT_NET, NX__USE_CONNECT, peer, verdict == NX__GRANTED);
    if (verdict == NX__GRANTED) return NX_OK;
    if (verdict == NX__MISSING && nx__broker_fd() >= 0) {
        struct question q = {.peer = peer};
        NX_TRY(nx_blocking(ask, &q)); /* others go on while the user thinks */
        if (q.asked == NX__ASKED_ONCE) return NX_OK;
        if (q.asked == NX__ASKED_YES)
            return nx__permissions_add(permissions, &connecting, peer, strlen(peer));
    }
    return nx__permit_refuse_doing("connecting to", NX__PERMIT_NET, peer, verdict);
}

bool nx__endpoint_of(const struct sockaddr *address, struct nx__endpoint *out)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    out->kind = NX__HOST_ADDRESS;
    if (address->sa_family == AF_INET) {
        memset(out->address, 0, 10);
        memset(out->address + 10, 0xff, 2);
        memcpy(out->address + 12, &v4->sin_addr, 4);
        out->port = ntohs(v4->sin_port);
        out->scope = 0;
    } else if (address->sa_family == AF_INET6) {
        memcpy(out->address, &v6->sin6_addr, 16);
        out->port = ntohs(v6->sin6_port);
        out->scope = v6->sin6_scope_id;
    } else {
        return false;
    }
    return true;
}

enum nx__verdict nx__address_verdict(const struct nx__permissions *permissions,
                                     const struct sockaddr *address)
{
    struct nx__endpoint endpoint;
    if (!nx__endpoint_of(address, &endpoint)) return NX__MISSING;
    return nx__permissions_endpoint_verdict(permissions, NX__USE_CONNECT, &endpoint);
}

static void address_spell(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
    char host[NX__IP6_MAX] = "";
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    bool is_v6 = address->sa_family == AF_INET6;
    if (is_v6)
        nx__ip6_spell(v6->sin6_addr.s6_addr, v6->sin6_scope_id, host);
    else
        (void)inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
    (void)snprintf(out, ADDRESS_TEXT, is_v6 ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}

nx_err nx__permit_send(const struct sockaddr *address)
{
    const struct nx__permissions *permissions = nx__permissions_sealed();
    if (!permissions) return NX_OK;
    enum nx__verdict verdict = nx__address_verdict(permissions, address);
    if (nx__likely(verdict == NX__GRANTED) && !nx__access_told) return NX_OK;
    char text[ADDRESS_TEXT];
    address_spell(address, text);
    nx__access(NX__PERMIT_NET, NX__USE_CONNECT, text, verdict == NX__GRANTED);
    if (verdict == NX__GRANTED) return NX_OK;
    return nx__permit_refuse_doing("sending to", NX__PERMIT_NET, text, verdict);
}

nx_err nx__permit_host(const char *doing, const char *host)
{
    const struct nx__permissions *permissions = nx__permissions_sealed();
    if (!permissions) return NX_OK;
    struct nx__endpoint endpoint;
    NX_TRY(nx__endpoint_parse(host, strlen(host), &endpoint));
    endpoint.port = NX__PORT_SOME;
    enum nx__verdict verdict =
        nx__permissions_endpoint_verdict(permissions, NX__USE_ANY, &endpoint);
    nx__access(NX__PERMIT_NET, NX__USE_CONNECT, host, verdict == NX__GRANTED);
    if (verdict == NX__GRANTED) return NX_OK;
    return nx__permit_refuse_doing(doing, NX__PERMIT_NET, host, verdict);
}

bool nx__permit_is_limited(void)
{
    const struct nx__permissions *p = nx__permissions_sealed();
    if (!p) return false;
    const struct nx__rules *deny = &p->deny[NX__PERMIT_NET];
    bool denies = deny->any || atomic_load_explicit(&deny->first, memory_order_acquire);
    return denies || !(p->all || (p->allow[NX__PERMIT_NET].any & NX__USE_CONNECT));
}

bool nx__permit_denies(const struct sockaddr *address)
{
    const struct nx__permissions *permissions = nx__permissions_sealed();
    return permissions && nx__address_verdict(permissions, address) == NX__DENIED;
}

nx_err nx__permit_denied(const char *peer, const char *address)
{
    return nx__error_set(NX_EPERM, "connecting to %s is denied by --deny-net, as %s is", peer,
                         address);
}

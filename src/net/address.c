/* Socket addresses, and how they are spelled. */
#include "net/address.h"

#include "base/error.h"
#include "base/ip6.h"
#include "permission/network.h"
#include <arpa/inet.h>
#include <stdio.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* ---- Of the system */

socklen_t nx__address_len(const union nx__address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

bool nx__address_parse(const char *text, uint16_t port, union nx__address *out)
{
    *out = (union nx__address){0};
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        return true;
    }
    if (!nx__ip6_parse(text, out->v6.sin6_addr.s6_addr, &out->v6.sin6_scope_id)) return false;
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    return true;
}

void nx__address_spell(const union nx__address *address, bool with_port, char out[NX__PEER_MAX])
{
    char host[NX__IP6_MAX] = "";
    bool v6 = address->any.sa_family == AF_INET6;
    if (v6)
        nx__ip6_spell(address->v6.sin6_addr.s6_addr, address->v6.sin6_scope_id, host);
    else
        (void)inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
    if (!with_port)
        (void)snprintf(out, NX__PEER_MAX, "%s", host);
    else
        (void)snprintf(out, NX__PEER_MAX, v6 ? "[%s]:%u" : "%s:%u", host,
                       (unsigned)ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port));
}

/* ---- Of the program */

static nx_address of_unix(const struct sockaddr_un *address, socklen_t len)
{
    nx_address out = {.kind = NX_ADDRESS_UNIX};
    size_t before = offsetof(struct sockaddr_un, sun_path), n = len > before ? len - before : 0;
    if (n > sizeof out.path - 1) n = sizeof out.path - 1;
    if (n) memcpy(out.path, address->sun_path, n);
    if (n > 1 && !out.path[0]) out.path[0] = '@';
    return out;
}

nx_address nx__address_public(const struct sockaddr *address, socklen_t len)
{
    nx_address out = {.kind = NX_ADDRESS_NONE};
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    if (len < sizeof address->sa_family) return out;
    if (address->sa_family == AF_UNIX)
        return of_unix((const struct sockaddr_un *)(const void *)address, len);
    if (address->sa_family == AF_INET) {
        out.kind = NX_ADDRESS_V4;
        out.port = ntohs(v4->sin_port);
        memcpy(out.ip, &v4->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        out.kind = NX_ADDRESS_V6;
        out.port = ntohs(v6->sin6_port);
        out.scope = v6->sin6_scope_id;
        memcpy(out.ip, &v6->sin6_addr, 16);
    }
    return out;
}

bool nx__address_private(const nx_address *address, union nx__address *out)
{
    *out = (union nx__address){0};
    if (address->kind == NX_ADDRESS_V4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(address->port);
        memcpy(&out->v4.sin_addr, address->ip, 4);
    } else if (address->kind == NX_ADDRESS_V6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(address->port);
        out->v6.sin6_scope_id = address->scope;
        memcpy(&out->v6.sin6_addr, address->ip, 16);
    } else {
        return false;
    }
    return true;
}

nx_err nx_address_parse(nx_address *out, const char *text)
{
    struct nx__endpoint endpoint;
    *out = (nx_address){.kind = NX_ADDRESS_NONE};
    NX_TRY(nx__endpoint_parse(text, strlen(text), &endpoint));
    if (endpoint.kind == NX__HOST_UNIX) {
        size_t len = strlen(text + 5);
        if (len >= sizeof out->path)
            return nx__error_set(NX_EINVAL, "a Unix socket's path has %zu bytes at most",
                                 sizeof out->path - 1);
        out->kind = NX_ADDRESS_UNIX;
        memcpy(out->path, text + 5, len + 1);
        return NX_OK;
    }
    if (endpoint.kind != NX__HOST_ADDRESS)
        return nx__error_set(NX_EINVAL, "\"%.100s\" is no IP address", text);
    bool v4 = memcmp(endpoint.address, mapped, sizeof mapped) == 0 && !strstr(text, "::");
    out->kind = v4 ? NX_ADDRESS_V4 : NX_ADDRESS_V6;
    memcpy(out->ip, endpoint.address + (v4 ? 12 : 0), v4 ? 4 : 16);
    out->scope = endpoint.scope;
    out->port = endpoint.port == NX__PORT_ANY ? 0 : (uint16_t)endpoint.port;
    return NX_OK;
}

char *nx_address_text(const nx_address *address)
{
    union nx__address system;
    char text[NX__PEER_MAX];
    if (address->kind == NX_ADDRESS_UNIX) return nx_format("unix:%s", address->path);
    if (!nx__address_private(address, &system)) return nx_copy(nx_str(""));
    nx__address_spell(&system, address->port != 0, text);
    return nx_copy(nx_str(text));
}

/* As IPv6, IPv4 included. */
static void widen(const nx_address *address, uint8_t out[16])
{
    memcpy(out, address->kind == NX_ADDRESS_V4 ? mapped : address->ip, sizeof mapped);
    memcpy(out + 12, address->kind == NX_ADDRESS_V4 ? address->ip : address->ip + 12, 4);
}

bool nx_address_same_host(const nx_address *a, const nx_address *b)
{
    bool a_ip = a->kind == NX_ADDRESS_V4 || a->kind == NX_ADDRESS_V6;
    bool b_ip = b->kind == NX_ADDRESS_V4 || b->kind == NX_ADDRESS_V6;
    if (!a_ip || !b_ip)
        return a->kind == b->kind && a->kind == NX_ADDRESS_UNIX && a->path[0] &&
               strcmp(a->path, b->path) == 0;
    uint8_t wide[2][16];
    widen(a, wide[0]);
    widen(b, wide[1]);
    return memcmp(wide[0], wide[1], 16) == 0 && a->scope == b->scope;
}

/* ---- What a program names */

static nx_err no_target(const char *text, const char *doing, const char *why)
{
    char clean[NX__QUOTED];
    return nx__error_set(NX_EINVAL, "cannot %s \"%s\": %s", doing, nx__quoted(clean, nx_str(text)),
                         why);
}

nx_err nx__target_parse(struct nx__target *out, const char *text, const char *doing)
{
    struct nx__endpoint endpoint;
    *out = (struct nx__target){0};
    if (!text) return no_target("", doing, "there is no address");
    if (nx__endpoint_parse(text, strlen(text), &endpoint))
        return no_target(text, doing, "expected host:port, [IPv6]:port, unix:/path or unix:@name");
    if (endpoint.kind == NX__HOST_UNIX) {
        out->path = text + 5;
        return NX_OK;
    }
    if (endpoint.kind == NX__HOST_ANY) return no_target(text, doing, "there is no host");
    if (endpoint.port == NX__PORT_ANY)
        return no_target(text, doing, "there is no port, as in example.com:443");
    out->host = nx_slice(text, (size_t)(strrchr(text, ':') - text));
    out->port = (uint16_t)endpoint.port;
    if (text[0] == '[') out->host = nx_slice(text + 1, out->host.len - 2);
    return NX_OK;
}

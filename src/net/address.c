/* Socket addresses, and how they are spelled. */
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

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
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) != 1) return false;
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(port);
    return true;
}

void nx__address_spell(const union nx__address *address, bool with_port, char out[NX__PEER_MAX])
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v6 = address->any.sa_family == AF_INET6;
    (void)inet_ntop(address->any.sa_family,
                    v6 ? (const void *)&address->v6.sin6_addr : (const void *)&address->v4.sin_addr,
                    host, sizeof host);
    if (!with_port)
        (void)snprintf(out, NX__PEER_MAX, "%s", host);
    else
        (void)snprintf(out, NX__PEER_MAX, v6 ? "[%s]:%u" : "%s:%u", host,
                       (unsigned)ntohs(v6 ? address->v6.sin6_port : address->v4.sin_port));
}

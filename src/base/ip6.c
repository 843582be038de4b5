/* IPv6 addresses as text. */
#include "base/ip6.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* Link-local, and multicast of an interface or a link: the same address is on each of them. */
static bool has_zones(const uint8_t a[16])
{
    bool multicast = a[0] == 0xff && ((a[1] & 0xf) == 1 || (a[1] & 0xf) == 2);
    return multicast || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80);
}

static bool zone_parse(const char *zone, uint32_t *scope)
{
    uint64_t number = 0;
    const char *digit = zone;
    for (; *digit >= '0' && *digit <= '9' && number <= UINT32_MAX; digit++)
        number = number * 10 + (uint64_t)(*digit - '0');
    bool numeric = *zone && !*digit;
    *scope = numeric ? (number <= INT32_MAX ? (uint32_t)number : 0) : if_nametoindex(zone);
    return *scope != 0;
}

bool nx__ip6_parse(const char *text, uint8_t address[16], uint32_t *scope)
{
    char host[INET6_ADDRSTRLEN];
    const char *zone = strchr(text, '%');
    size_t len = zone ? (size_t)(zone - text) : strlen(text);
    *scope = 0;
    if (len >= sizeof host) return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(AF_INET6, host, address) != 1) return false;
    return !zone || (has_zones(address) && zone_parse(zone + 1, scope));
}

void nx__ip6_spell(const uint8_t address[16], uint32_t scope, char out[NX__IP6_MAX])
{
    char host[INET6_ADDRSTRLEN] = "", name[IF_NAMESIZE];
    (void)inet_ntop(AF_INET6, address, host, sizeof host);
    if (!scope || !has_zones(address))
        (void)snprintf(out, NX__IP6_MAX, "%s", host);
    else if (if_indextoname(scope, name))
        (void)snprintf(out, NX__IP6_MAX, "%s%%%s", host, name);
    else
        (void)snprintf(out, NX__IP6_MAX, "%s%%%u", host, (unsigned)scope);
}

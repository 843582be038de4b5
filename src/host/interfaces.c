/* The network's interfaces. */
#include "host/host.h"

#include "base/error.h"
#include "permission/facts.h"
#include "permission/permission.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdio.h>

static unsigned bits_of(const unsigned char *mask, size_t len)
{
    unsigned bits = 0;
    for (size_t i = 0; i < len; i++) bits += (unsigned)__builtin_popcount(mask[i]);
    return bits;
}

/* The interface of that name, or the next free one. */
static nx_interface *interface_of(nx_interface *all, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(all[i].name, name) == 0) return &all[i];
    nx_interface *own = &all[*count];
    own->name = nx_copy(nx_str(name));
    own->mac = "";
    own->index = if_nametoindex(name);
    if (!own->name) return NULL;
    ++*count;
    return own;
}

static nx_err link_add(nx_interface *own, const struct sockaddr_ll *link)
{
    const unsigned char *a = link->sll_addr;
    own->index = (unsigned)link->sll_ifindex; /* by its name only sockets tell, which the program
                                                 may not have */
    if (link->sll_halen != 6 || own->loopback) return NX_OK;
    own->mac = nx_format("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5]);
    return own->mac ? NX_OK : NX_ENOMEM;
}

/* `room` has space for all addresses there are; those of an interface need not be together. */
static nx_err address_add(nx_interface *own, const struct ifaddrs *entry)
{
    bool v6 = entry->ifa_addr->sa_family == AF_INET6;
    const void *address =
        v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)entry->ifa_addr)->sin6_addr
           : &((const struct sockaddr_in *)(const void *)entry->ifa_addr)->sin_addr;
    const void *mask = NULL;
    if (entry->ifa_netmask)
        mask = v6 ? (const void *)&((const struct sockaddr_in6 *)(const void *)entry->ifa_netmask)
                        ->sin6_addr
                  : &((const struct sockaddr_in *)(const void *)entry->ifa_netmask)->sin_addr;
    char text[INET6_ADDRSTRLEN] = "";
    (void)inet_ntop(v6 ? AF_INET6 : AF_INET, address, text, sizeof text);
    nx_interface_address *grown = nx_alloc((own->address_count + 1) * sizeof *grown);
    if (!grown) return NX_ENOMEM;
    if (own->address_count) memcpy(grown, own->addresses, own->address_count * sizeof *grown);
    grown[own->address_count] =
        (nx_interface_address){.address = nx_copy(nx_str(text)),
                               .prefix = mask ? bits_of(mask, v6 ? 16 : 4) : 0,
                               .v6 = v6};
    if (!grown[own->address_count].address) return NX_ENOMEM;
    own->addresses = grown;
    own->address_count++;
    return NX_OK;
}

static nx_err entry_add(nx_interface *all, size_t *count, const struct ifaddrs *entry)
{
    nx_interface *own = interface_of(all, count, entry->ifa_name);
    if (!own) return NX_ENOMEM;
    own->up = (entry->ifa_flags & IFF_UP) != 0;
    own->loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    if (!entry->ifa_addr) return NX_OK;
    switch (entry->ifa_addr->sa_family) {
    case AF_PACKET: return link_add(own, (const struct sockaddr_ll *)(const void *)entry->ifa_addr);
    case AF_INET:
    case AF_INET6: return address_add(own, entry);
    default: return NX_OK;
    }
}

nx_err nx_host_interfaces(nx_interface **out, size_t *count)
{
    struct ifaddrs *entries;
    size_t most = 0;
    *out = NULL;
    *count = 0;
    NX_TRY(nx__permit(NX__PERMIT_SYS, NX__FACT_NETWORK));
    if (getifaddrs(&entries) != 0)
        return nx__error_system(errno, "cannot list the network's interfaces");
    for (const struct ifaddrs *e = entries; e; e = e->ifa_next) most++;
    nx_interface *all = nx_alloc_zero(most + 1, sizeof *all);
    nx_err err = all ? NX_OK : NX_ENOMEM;
    for (const struct ifaddrs *e = entries; e && !err; e = e->ifa_next)
        err = entry_add(all, count, e);
    freeifaddrs(entries);
    *out = err ? NULL : all;
    if (err) *count = 0;
    return err;
}

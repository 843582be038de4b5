/* Socket addresses, and how they are spelled. */
#ifndef NX__SOCKADDR_H
#define NX__SOCKADDR_H

#include <netinet/in.h>
#include <nexus/net.h>
#include <sys/socket.h>
#include <sys/un.h>

union nx__address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

enum {
    NX__ADDRESSES_MAX = 32, /* of one name; more are left out */
    NX__PEER_MAX = 300,     /* "host:port" with its NUL */
};

struct nx__addresses {
    unsigned count;
    union nx__address items[NX__ADDRESSES_MAX];
};

/* The length that system calls want. */
socklen_t nx__address_len(const union nx__address *address);

/* Reads an IPv4 or IPv6 address, without brackets and port. False for anything else. */
bool nx__address_parse(const char *text, uint16_t port, union nx__address *out);

/* "127.0.0.1:80", "[::1]:80"; without a port "127.0.0.1", "::1". */
void nx__address_spell(const union nx__address *address, bool with_port, char out[NX__PEER_MAX]);

/* From and to the public form. What is neither IPv4, IPv6 nor Unix becomes none. */
nx_address nx__address_public(const struct sockaddr *address, socklen_t len);
bool nx__address_private(const nx_address *address, union nx__address *out);

#endif

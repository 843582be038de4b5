/* Network addresses as the flags and the program spell them, in one form that compares. */
#ifndef NX__NETWORK_H
#define NX__NETWORK_H

#include "permission/paths.h"

enum nx__host_kind {
    NX__HOST_ANY,
    NX__HOST_ADDRESS,
    NX__HOST_NAME,
    NX__HOST_UNIX,
    NX__HOST_SUBDOMAINS /* of a pattern alone: its text is ".example.com" */
};

/* What is wanted may be a host without a port: then a rule for some port of it lets it through, and
 * only one for all of them keeps it out. */
enum { NX__PORT_ANY = -1, NX__PORT_SOME = -2, NX__HOST_NAME_MAX = 254, NX__ADDRESS_BITS = 128 };

struct nx__endpoint {
    enum nx__host_kind kind;
    int32_t port;            /* NX__PORT_ANY where none is named */
    uint32_t scope;          /* of a link-local address: the interface's number; 0: none is named */
    uint8_t address[16];     /* IPv4 as ::ffff:a.b.c.d, so that both spellings are one */
    uint16_t len;            /* of a host's text; else 0 */
    uint8_t prefix;          /* how many of its bits count: all but in a pattern */
    char text[NX__PATH_MAX]; /* a name in lower case, or a resolved path */
};

/* Reads "host", "host:port", "[v6]:port", "v6", ":port" or "unix:/path"; "localhost" is 127.0.0.1.
 * NX_EINVAL, recorded. */
NX_MUST_CHECK nx_err nx__endpoint_parse(const char *text, size_t len, struct nx__endpoint *out);

/* The same for what a grant names, which may stand for many: "*.example.com" for every name below
 * that one, "10.0.0.0/8" and "fd00::/8" for networks; each with a port behind it too,
 * "10.0.0.0/8:443", "[fd00::/8]:443". NX_EINVAL, recorded. */
NX_MUST_CHECK nx_err nx__pattern_parse(const char *text, size_t len, struct nx__endpoint *out);

/* Is the address one of the network's, whose first `prefix` bits count? An IPv4 network has no IPv6
 * address in it and the other way round; 0.0.0.0 and [::], which stand for all, are in those of all
 * addresses only. */
bool nx__network_has(const uint8_t network[16], unsigned prefix, const struct nx__endpoint *wanted);

/* The same for what is itself a network, of more bits or as many. */
bool nx__network_in(const uint8_t network[16], unsigned prefix, const uint8_t inner[16]);

/* True for 0.0.0.0 and [::], which stand for every address of the machine. */
bool nx__endpoint_wildcard(const struct nx__endpoint *endpoint);

#endif

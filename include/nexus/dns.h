/* Names of the network: addresses of a host, records of a domain, names of an address.
 *
 * /etc/hosts comes first, then the name servers of /etc/resolv.conf, as its options and search
 * domains have it; a change of either is seen. Answers are kept as long as their TTL says, an hour
 * at most, for each thread. No call blocks the loop. */
#ifndef NEXUS_DNS_H
#define NEXUS_DNS_H

#include <nexus/base.h>
#include <nexus/net.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_dns_options {
    size_t size;
    nx_duration deadline; /* 0: 10 s */
    int family;           /* of a lookup: NX_ADDRESS_V4 or NX_ADDRESS_V6 only; 0: both */
    bool search;          /* of a query: the search domains of resolv.conf are tried too; a lookup
                             always does */
    const char *server;   /* ask this one, "192.0.2.53", "127.0.0.1:5353" or "[::1]:53", instead of
                             the   system's; takes a grant for it. NX_DNS_MAX_SERVERS in a thread */
} nx_dns_options;
#define NX_DNS_MAX_SERVERS 8
#define NX__DNS(...)                                                                               \
    &(nx_dns_options)                                                                              \
    {                                                                                              \
        .size = sizeof(nx_dns_options), __VA_ARGS__                                                \
    }

/* What these return is memory of the current scope. Their errors: NX_ENONAME (no such name, or it
 * has none of what was asked for), NX_EINVAL (no name can be that), NX_EPERM (takes
 * --allow-net=NAME, with any port), NX_ETIMEDOUT, NX_EREFUSED (nobody serves there), NX_EPROTO (the
 * answer makes no sense), NX_EFAILED (the server says that it has failed), NX_ECANCELED, NX_ENOMEM,
 * NX_ELIMIT. All suspend. */

typedef struct nx_dns_addresses {
    const nx_address *items; /* without ports; at least one */
    size_t count;
} nx_dns_addresses;

/* Finds the addresses of a host, in the order to try them in (RFC 6724), 32 at most. An address is
 * its own; "localhost" and what ends in ".localhost" is this machine (RFC 6761).
 *   nx_dns_addresses found;
 *   NX_TRY(nx_dns_lookup("example.com", &found)); */
NX_API NX_MUST_CHECK nx_err nx_dns_lookup_with(const char *host, nx_dns_addresses *out,
                                               const nx_dns_options *options);
#define nx_dns_lookup(host, out, ...) nx_dns_lookup_with((host), (out), NX__DNS(__VA_ARGS__))

/* RFC 1035, 3596, 2782. */
typedef enum nx_dns_type {
    NX_DNS_A = 1,
    NX_DNS_NS = 2,
    NX_DNS_CNAME = 5,
    NX_DNS_PTR = 12,
    NX_DNS_MX = 15,
    NX_DNS_TXT = 16,
    NX_DNS_AAAA = 28,
    NX_DNS_SRV = 33
} nx_dns_type;

/* One record. What its type has no use for is 0 or "". Text is as whoever has the domain wrote it:
 * names have other characters than printable ASCII as \DDD, the bytes of TXT are anything. */
typedef struct nx_dns_record {
    const char *name;   /* whose it is: the name that was asked for, or what its aliases lead to */
    uint32_t ttl;       /* seconds that it holds from now on */
    nx_address address; /* A, AAAA */
    const char *target; /* NS, CNAME, PTR, MX, SRV */
    nx_bytes text;      /* TXT: its strings, one behind the other */
    uint16_t priority, weight, port; /* SRV; MX has the first: lower ones come first */
} nx_dns_record;

typedef struct nx_dns_records {
    const nx_dns_record *items; /* MX and SRV by priority; at least one */
    size_t count;
} nx_dns_records;

/* Asks a name server for the records of one type that a name has, following its aliases (but when
 * asked for CNAME). Knows nothing of /etc/hosts.
 *   nx_dns_records found;
 *   NX_TRY(nx_dns_query("example.com", NX_DNS_MX, &found)); */
NX_API NX_MUST_CHECK nx_err nx_dns_query_with(const char *name, nx_dns_type type,
                                              nx_dns_records *out, const nx_dns_options *options);
#define nx_dns_query(name, type, out, ...)                                                         \
    nx_dns_query_with((name), (type), (out), NX__DNS(__VA_ARGS__))

typedef struct nx_dns_names {
    const char *const *items; /* at least one */
    size_t count;
} nx_dns_names;

/* Finds the names of an IP address: of /etc/hosts, or the PTR records that its owner has, who may
 * write there whatever he likes; look a name up before you believe it. 16 at most. */
NX_API NX_MUST_CHECK nx_err nx_dns_reverse_with(const nx_address *address, nx_dns_names *out,
                                                const nx_dns_options *options);
#define nx_dns_reverse(address, out, ...)                                                          \
    nx_dns_reverse_with((address), (out), NX__DNS(__VA_ARGS__))

#ifdef __cplusplus
}
#endif

#endif

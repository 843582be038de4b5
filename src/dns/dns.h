/* Looking up addresses, for who connects. */
#ifndef NX__DNS_H
#define NX__DNS_H

#include "net/address.h"

/* Finds the addresses of a name that the caller may look up, in the order to try them in; `family`
 * is AF_UNSPEC, AF_INET or AF_INET6, `server` "192.0.2.53:53" or NULL for the system's, `deadline`
 * absolute. At least one; NX__ADDRESSES_MAX at most. Errors as nx_dns_lookup. Suspends. */
NX_MUST_CHECK nx_err nx__dns_addresses(struct nx__addresses *out, const char *name, uint16_t port,
                                       int family, const char *server, nx_duration deadline);

#endif

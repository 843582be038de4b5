/* Names that are looked up outside of the process, since it may not. */
#ifndef NX__DNS_OUTSIDE_H
#define NX__DNS_OUTSIDE_H

#include "net/address.h"

/* Has the launcher find the addresses, as nx__dns_addresses does; with nx__broker_resolves.
 * Suspends. */
NX_MUST_CHECK nx_err nx__dns_outside(struct nx__addresses *out, const char *name, uint16_t port,
                                     int family, nx_duration deadline);

/* Records NX_EPERM: of all that can be looked up, such a process may have the addresses of names,
 * from the system's servers. */
nx_err nx__dns_outside_refuse(const char *what, const char *name);

#endif

/* Names into addresses. */
#ifndef NX__RESOLVE_H
#define NX__RESOLVE_H

#include "net/address.h"

/* Looks the name up: "localhost", what /etc/hosts has, DNS; in the order to try them in (RFC 6724).
 * `deadline` is absolute. NX_ENONAME, NX_ETIMEDOUT, NX_ECANCELED and others, recorded: `cannot find
 * the address of "example.com": no such name`. Suspends. */
NX_MUST_CHECK nx_err nx__find_addresses(struct nx__addresses *out, const char *name, uint16_t port,
                                        nx_duration deadline);

#endif

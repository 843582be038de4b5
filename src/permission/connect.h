/* Whom the program may talk to: names before they are looked up, addresses before they are used.
 *
 * What is granted is what the program names. An address that a granted name leads to is not asked
 * for again, but a denied one stays denied, whatever name leads there; and it is the address that
 * was looked at which is then used, not the name once more. */
#ifndef NX__CONNECT_H
#define NX__CONNECT_H

#include "permission/permission.h"
#include <sys/socket.h>

/* May the program connect to `peer`, which is "host:port", "[v6]:port" or "unix:/path"? "localhost"
 * is 127.0.0.1 to the flags. Where it is not granted, the user is asked through the launcher, and
 * the fiber waits for his answer. NX_EPERM with the flag to run with, NX_EINVAL (no such peer can
 * be), NX_ECANCELED. May suspend. */
NX_MUST_CHECK nx_err nx__permit_connect(const char *peer);

/* The same for an address that is about to be used, IPv4 or IPv6. Asks nobody, and does not
 * suspend. */
NX_MUST_CHECK nx_err nx__permit_send(const struct sockaddr *address);

/* May it do something with a host that has to do with no port: "looking up" what there is about a
 * name, "joining" a multicast group? Granted by any rule that would let it connect to some port
 * there, or to all. NX_EPERM, NX_EINVAL. Does not suspend. */
NX_MUST_CHECK nx_err nx__permit_host(const char *doing, const char *host);

/* What grants say of connecting to an address, IPv4 or IPv6: NX__MISSING of any other. */
enum nx__verdict nx__address_verdict(const struct nx__permissions *permissions,
                                     const struct sockaddr *address);

/* The address in the form that grants are compared in; false for what is neither IPv4 nor IPv6. */
struct nx__endpoint;
bool nx__endpoint_of(const struct sockaddr *address, struct nx__endpoint *out);

/* Whether grants tell one address from another: false where all are granted and none is denied. */
bool nx__permit_is_limited(void);

/* Is the address, that something granted has led to, denied? */
bool nx__permit_denies(const struct sockaddr *address);

/* Records NX_EPERM: `peer`, which leads to this address, is denied. */
nx_err nx__permit_denied(const char *peer, const char *address);

#endif

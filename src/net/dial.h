/* Connecting: names into addresses, grants, and whichever address answers first. */
#ifndef NX__DIAL_H
#define NX__DIAL_H

#include "net/address.h"
#include "net/race.h"

/* What a deadline of 0 stands for. */
#define NX__DIAL_DEADLINE NX_S(30)

/* Connects to a port of a host: an IPv4 or IPv6 address (with or without brackets), "localhost", or
 * a name, which is looked up. Several addresses are tried as RFC 8305 has it: the families take
 * turns, the next begins when one has failed or after a quarter of a second, and the first that
 * answers is it. `deadline` is the time for all of that, from now: 0 is NX__DIAL_DEADLINE,
 * NX_FOREVER none.
 *
 * `*fd` is a connected socket, non-blocking and close-on-exec, with TCP_NODELAY; the caller closes
 * it. On failure it is -1, and the message says what was tried: `cannot connect to
 * "example.com:443": connection refused (tried 192.0.2.1, 2001:db8::1)`. NX_EPERM (not granted by
 * --allow-net), NX_EINVAL (no such host can be), NX_ENONAME, NX_EREFUSED, NX_EUNREACH,
 * NX_ETIMEDOUT, NX_ECANCELED, NX_EMFILE and others. Suspends. */
NX_MUST_CHECK nx_err nx__dial(int *fd, nx_bytes host, uint16_t port, nx_duration deadline);

/* The same, with something done to each socket before it connects. */
NX_MUST_CHECK nx_err nx__dial_prepared(int *fd, nx_bytes host, uint16_t port, nx_duration deadline,
                                       const struct nx__race_prepare *prepare);

/* The same for a Unix socket, by its path or, of a name without a file, "@name". It is the file
 * that the grant was looked up for, whatever takes its name meanwhile. `type` is SOCK_STREAM,
 * SOCK_DGRAM or SOCK_SEQPACKET. NX_ENOENT, NX_EACCES. Suspends where the listener's backlog is
 * full. */
NX_MUST_CHECK nx_err nx__dial_unix(int *fd, nx_bytes path, int type, nx_duration deadline);

/* Checks and opens what is at the path, of the grants: the address to connect or send to is that of
 * the handle, which the caller closes after (-1: there is none). */
NX_MUST_CHECK nx_err nx__dial_unix_address(nx_bytes path, struct sockaddr_un *out, socklen_t *len,
                                           int *handle);

/* What nx__dial would try: granted, looked up, in order. `deadline` is absolute. `peer` is filled
 * with "host:port" for messages. */
NX_MUST_CHECK nx_err nx__dial_addresses(struct nx__addresses *out, nx_bytes host, uint16_t port,
                                        nx_duration deadline, char peer[NX__PEER_MAX]);

#endif

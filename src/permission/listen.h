/* Making a listening socket; the launcher and a program without one do it the same way. */
#ifndef NX__LISTEN_H
#define NX__LISTEN_H

#include <nexus/base.h>

enum { NX__LISTEN_ADDRESS_MAX = 300 };

/* The address as permissions and messages spell it: "127.0.0.1:3000", "[::1]:3000",
 * "unix:/run/a.sock". NX_EINVAL when it is too long. */
NX_MUST_CHECK nx_err nx__listen_address(const char *host, uint16_t port,
                                        char out[NX__LISTEN_ADDRESS_MAX]);

/* Whether other sockets may listen on the same address, each with its share of the connections
 * (SO_REUSEPORT): none; more to come, but none may be there; or it joins those that are there. A
 * Unix socket is always alone. */
enum nx__listen_share { NX__LISTEN_ALONE, NX__LISTEN_SHARED, NX__LISTEN_JOIN };

/* Makes a listening socket, non-blocking and close-on-exec, whose connections have TCP_NODELAY.
 * `host` is an IPv4 or IPv6 address (with or without brackets), "localhost" (127.0.0.1),
 * "unix:/path" or, of a name without a file, "unix:@name"; port 0 lets the system choose, and
 * `*bound_port` says which it is (0 for Unix). A Unix socket gets the permissions `unix_mode`; a
 * socket file that nobody listens on is replaced, anything else in its place is not. The caller
 * closes `*fd`. NX_EINVAL, NX_EADDRINUSE, NX_EACCES and others with a message that says what to do.
 * Blocks for no longer than the calls take. */
NX_MUST_CHECK nx_err nx__listen(const char *host, uint16_t port, unsigned backlog,
                                unsigned unix_mode, enum nx__listen_share share, int *fd,
                                uint16_t *bound_port);

/* Binds a Unix socket of any type: `len` is that of the address, its file gets the permissions
 * `mode`, a socket file that nobody serves is replaced. Returns 0 or the errno. */
struct sockaddr_un;
int nx__bind_unix(int fd, const struct sockaddr_un *local, unsigned len, unsigned mode);

/* Whether the listening socket is the one for that address, which may be spelled as for nx__listen;
 * `*bound_port` is its port. One for all addresses, IPv4 in IPv6 included, is also that for all of
 * IPv4. Port 0 is none's. */
bool nx__listen_is_at(int fd, const char *host, uint16_t port, uint16_t *bound_port);

/* The address of a listening socket, as nx__listen_address spells it, and its port. NX_ENOTSUP
 * (neither IP nor Unix, or a Unix socket without a name that is text) and others, recorded. */
NX_MUST_CHECK nx_err nx__listen_spell(int fd, char out[NX__LISTEN_ADDRESS_MAX],
                                      uint16_t *bound_port);

/* Makes one more socket at the TCP address where `fd` listens: the system spreads the connections
 * that come over all of them (SO_REUSEPORT). Until then nobody else could listen there, from then
 * on programs of the same user could if they ask for that. The caller closes `*another`. NX_ENOTSUP
 * (a Unix socket) and others, recorded: the caller shares what it has. Does not block. */
NX_MUST_CHECK nx_err nx__listen_beside(int fd, unsigned backlog, int *another);

/* Which of the sockets at the TCP address of `fd` get the connections that begin from now on: those
 * at these places in the system's own list of them; with none, all again. The list is in the order
 * in which they began to listen, but that the last takes the place of one that is closed. A socket
 * that gets nothing new still finishes the handshakes that have begun, so it can be closed a moment
 * later without a connection reset. Where the system can't, nothing changes. */
void nx__listen_among(int fd, const uint32_t *places, size_t count);

#endif

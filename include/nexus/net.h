/* Connections and datagrams: TCP, UDP, Unix sockets.
 *
 * Where a call takes an address as text it is "example.com:443", "192.0.2.1:80",
 * "[2001:db8::1]:80", "[fe80::1%eth0]:80" (a link-local address is on a link, named by the
 * interface or its number), "localhost:3000", "unix:/run/app.sock", or "unix:@name" for a Unix
 * socket without a file. Names are looked up as <nexus/dns.h> does; one to listen or bind at is an
 * IP address or "localhost".
 *
 * What is made here belongs to the thread that made it, and is used by its fibers only. */
#ifndef NEXUS_NET_H
#define NEXUS_NET_H

#include <nexus/base.h>
#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Addresses */

enum { NX_ADDRESS_NONE, NX_ADDRESS_V4, NX_ADDRESS_V6, NX_ADDRESS_UNIX };

/* A plain value. */
typedef struct nx_address {
    uint8_t kind;   /* NX_ADDRESS_… */
    uint16_t port;  /* 0 where there is none */
    uint32_t scope; /* of a link-local IPv6 address: the number of the interface */
    uint8_t ip[16]; /* of IPv4 the first four */
    char path[108]; /* of a Unix socket, with a NUL behind; "@name" for one without a file; "" for
                       one that has no name */
} nx_address;

/* Reads an address with or without a port, "192.0.2.1:80", "::1", "[::1]:80",
 * "fe80::1%eth0", "unix:/path"; asks no
 * name server. NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_address_parse(nx_address *out, const char *text);

/* The other way, with the port unless it is 0; "" for none. Memory of the current scope; NULL when
 * that is out. */
NX_API char *nx_address_text(const nx_address *address);

/* True where both are the same host; ports do not count. ::ffff:192.0.2.1 is 192.0.2.1. */
NX_API bool nx_address_same_host(const nx_address *a, const nx_address *b);

/* ---- Connecting */

/* Two ends that are connected: TCP, or a Unix stream. */
typedef struct nx_conn nx_conn;

typedef struct nx_connect_options {
    size_t size;
    nx_duration deadline;       /* for the lookup and for connecting; 0: 30 s */
    nx_duration read_deadline;  /* how long a read waits for something to come; 0: for ever */
    nx_duration write_deadline; /* how long a write waits for the peer to take more; 0: for ever */
    nx_duration keep_alive; /* a silent peer is asked after so long whether it is still there, and
                               given up after four times of no answer; 0: 60 s, NX_FOREVER: never */
    bool delay; /* small writes wait for the ones before (Nagle); else TCP_NODELAY is set */
    uint32_t receive_buffer, send_buffer; /* bytes in the kernel; 0: as many as it finds right */
    const char *from; /* the local address, "192.0.2.7" or with a port; NULL: the system chooses */
} nx_connect_options;

/* Connects. A name is looked up, and where it has several addresses, the first that answers is it:
 * the next one is tried when one has failed or a quarter of a second has passed (RFC 8305). Needs
 * --allow-net=HOST:PORT (or unix:/PATH); an address that --deny-net has stays denied whatever name
 * leads there.
 *   NX_AUTO(nx_conn) *conn = NULL;
 *   NX_TRY(nx_net_connect(&conn, "example.com:80", .deadline = NX_S(5)));
 * `*out` is the caller's to close; NULL on failure, which says what was tried. NX_EINVAL, NX_EPERM,
 * NX_ENONAME, NX_EREFUSED, NX_EUNREACH, NX_ETIMEDOUT, NX_ECANCELED, NX_ENOENT and NX_EACCES (Unix),
 * NX_ENOMEM, NX_EMFILE and others of the system. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_net_connect_with(nx_conn **out, const char *address,
                                                const nx_connect_options *options);
#define nx_net_connect(out, address, ...)                                                          \
    nx_net_connect_with((out), (address),                                                          \
                        &(nx_connect_options){.size = sizeof(nx_connect_options), __VA_ARGS__})

/* What is read from the peer and written to it: the same stream each time. Finishing it ends what
 * the peer reads, and what the peer writes is still read (half-close); nx_stream_split makes two of
 * it, for two fibers. It is closed with the connection; where it is closed before, as nx_pipe does,
 * or both its halves are, the connection ends with it. Once that has happened, the result is a
 * stream whose use says so. Never NULL.
 *
 * Its errors: NX_ERESET, NX_ETIMEDOUT (a deadline of the options, or the peer is gone), NX_ECLOSED
 * (nx_conn_close), NX_ESTATE (another fiber reads, or writes, already), NX_ECANCELED. */
NX_API nx_stream *nx_net_stream(nx_conn *conn);

/* ---- Descriptors over Unix sockets */

#define NX_NET_FDS_MOST 64 /* in one go */

/* Sends bytes, one at least, and with the first of them copies of up to NX_NET_FDS_MOST descriptors
 * (files, sockets, pipes), which stay the caller's:
 *   NX_TRY(nx_net_send_fds(conn, nx_str("log"), &file, 1));
 * What is given away so is the peer's to use, whatever it may do by itself. NX_EINVAL (no Unix
 * socket, no byte, no descriptor or too many), those of nx_net_stream, and others of the system.
 * Suspends. */
NX_API NX_MUST_CHECK nx_err nx_net_send_fds(nx_conn *conn, nx_bytes bytes, const int *fds,
                                            size_t count);

/* Waits for bytes, and takes what there is, `len` at most, with the descriptors that came along:
 * `*count` is how many there is room for, then how many came. They are the caller's to close, and
 * closed on exec. `*got` is 0 at the end of what the peer sends. Bytes are a stream, of which those
 * sent together with descriptors begin a piece; a protocol tells what they are for. Where more come
 * than there is room for, all are closed: NX_ETOOBIG, the bytes are there. Descriptors that come
 * while the connection is read otherwise are closed; what its stream has read ahead is not given
 * here. Errors as nx_net_send_fds. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_net_receive_fds(nx_conn *conn, void *data, size_t len, size_t *got,
                                               int *fds, size_t *count);

/* ---- About a connection */

/* Changes the deadlines of the options; 0 leaves one as it is, NX_FOREVER is none. It counts from
 * the next wait on. */
NX_API void nx_net_deadlines(nx_conn *conn, nx_duration read, nx_duration write);

/* The addresses of both ends. They stay known after the end. */
NX_API nx_address nx_net_peer(const nx_conn *conn);
NX_API nx_address nx_net_local(const nx_conn *conn);

/* The descriptor, for what is not here; it stays the connection's, and non-blocking. -1 after the
 * end. */
NX_API int nx_net_fd(const nx_conn *conn);

/* Ends it: who waits in it, in another fiber, gets NX_ECLOSED. It is still to be closed. */
NX_API void nx_conn_stop(nx_conn *conn);

/* Closes it, and its stream unless that has been split; NULL is nothing. No other fiber may be in
 * it: nx_conn_stop sends them out. What was written goes out, unless the peer has sent what nobody
 * has read: then it is told of a reset. */
NX_API void nx_conn_close(nx_conn *conn);
static inline void nx_conn_auto(nx_conn **conn)
{
    nx_conn_close(*conn);
    *conn = NULL;
}

/* The same, and what is still on its way is dropped: a TCP peer gets a reset. */
NX_API void nx_conn_reset(nx_conn *conn);

/* ---- Listening */

typedef struct nx_listener nx_listener;

typedef struct nx_listen_options {
    size_t size;
    /* Of each connection, as in nx_connect_options. */
    nx_duration read_deadline, write_deadline, keep_alive;
    bool delay;
    uint32_t receive_buffer, send_buffer;
    uint32_t backlog;           /* connections that wait to be accepted; 0: 1024 */
    uint32_t unix_mode;         /* of the socket's file; 0: 0660 */
    uint32_t max_connections;   /* of nx_net_serve at once; others wait in the backlog. 0:
                                   NX_NET_MAX_CONNECTIONS */
    nx_duration drain_deadline; /* how long nx_net_serve lets connections end by themselves once it
                                   is to stop; 0: 10 s */
    bool reuse; /* others may listen at the same address if they ask for it too, such as one
                   listener a thread; the system spreads connections over all (SO_REUSEPORT). They
                   may be other programs of the same user. Of TCP */
} nx_listen_options;
#define NX_NET_MAX_CONNECTIONS 8192u

/* Listens. Port 0 lets the system choose. Under `nexus run` the launcher holds the socket: it
 * survives a restart, and no connection is lost. SIGTERM and SIGINT then stop the listeners instead
 * of the program: nx_net_accept returns NX_ECLOSED, nx_net_serve returns when all have ended. Needs
 * --allow-net=ADDRESS. NX_EINVAL, NX_EPERM, NX_EADDRINUSE, NX_EACCES, NX_ENOMEM, NX_EMFILE and
 * others. Blocks for no longer than the calls take, or until the user has answered whether he
 * allows it. */
NX_API NX_MUST_CHECK nx_err nx_net_listen_with(nx_listener **out, const char *address,
                                               const nx_listen_options *options);
#define nx_net_listen(out, address, ...)                                                           \
    nx_net_listen_with((out), (address),                                                           \
                       &(nx_listen_options){.size = sizeof(nx_listen_options), __VA_ARGS__})

/* Waits for a connection, which is the caller's to close. NX_ECLOSED (stopped, or closed by another
 * fiber), NX_ECANCELED, NX_ESTATE (another fiber waits already), NX_ENOMEM. Where the process has
 * no descriptor left, it waits for one. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_net_accept(nx_listener *listener, nx_conn **out);

/* Serves one connection, which is closed when it returns. */
typedef nx_err (*nx_conn_fn)(nx_conn *conn, void *arg);

/* Calls fn(conn, arg) for each connection, in a fiber of its own, until it is to stop; then waits
 * for those that are open, cancels what is left at the drain deadline, and returns NX_OK. What a
 * handler returns ends its connection only; but for those of a peer that is gone (NX_ERESET,
 * NX_ETIMEDOUT, NX_ECLOSED, NX_ECANCELED), errors are logged. Errors as nx_net_accept. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_net_serve(nx_listener *listener, nx_conn_fn fn, void *arg);

/* Where it listens: with the port that the system has chosen. */
NX_API nx_address nx_listener_address(const nx_listener *listener);

/* Accepts no more, as SIGTERM has it: nx_net_serve ends what is open. Does not suspend. */
NX_API void nx_listener_stop(nx_listener *listener);

/* Stops, and frees it; no fiber may be in nx_net_serve. NULL is nothing. */
NX_API void nx_listener_close(nx_listener *listener);
static inline void nx_listener_auto(nx_listener **listener)
{
    nx_listener_close(*listener);
    *listener = NULL;
}

/* ---- Datagrams: UDP, or Unix datagrams by "unix:/path" */

typedef struct nx_udp nx_udp;

typedef struct nx_udp_options {
    size_t size;
    nx_duration read_deadline;            /* how long receiving waits; 0: for ever */
    uint32_t receive_buffer, send_buffer; /* bytes in the kernel; 0: as many as it finds right */
    bool joined;    /* received datagrams of one peer may come joined, cf. nx_datagram.segment */
    bool reuse;     /* others may bind the same address: for multicast, and for one socket a thread
                       (SO_REUSEADDR, SO_REUSEPORT) */
    bool broadcast; /* sending to broadcast addresses */
    uint32_t unix_mode; /* of the socket's file; 0: 0660 */
} nx_udp_options;

/* Opens a socket bound to the address, for which it needs --allow-net=ADDRESS; port 0 lets the
 * system choose. With NULL it is bound when it first sends: for clients, IPv4 and IPv6. It is no
 * launcher's, and does not outlive the program. NX_EINVAL, NX_EPERM, NX_EADDRINUSE, NX_EACCES,
 * NX_ENOMEM, NX_EMFILE and others. Blocks for no longer than the calls take, or until the user has
 * answered whether he allows it. */
NX_API NX_MUST_CHECK nx_err nx_udp_open_with(nx_udp **out, const char *address,
                                             const nx_udp_options *options);
#define nx_udp_open(out, address, ...)                                                             \
    nx_udp_open_with((out), (address),                                                             \
                     &(nx_udp_options){.size = sizeof(nx_udp_options), __VA_ARGS__})

/* From now on it sends to this peer where no other is named, receives this peer's datagrams only,
 * and hears of a port where nobody listens (NX_EREFUSED, from a later call). The name is looked up,
 * and its first address taken that there is a way to. Needs --allow-net=HOST:PORT. Errors as
 * nx_net_connect. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_udp_connect(nx_udp *udp, const char *address);

/* Sends one datagram to the address, NULL: the connected peer. It arrives whole, or not at all.
 * Needs --allow-net for the address, but for the connected peer's, and where the socket was bound,
 * for whoever has sent to it lately: a server answers. NX_EPERM, NX_EINVAL (no
 * address), NX_ETOOBIG, NX_EUNREACH, NX_EREFUSED, NX_ECLOSED, NX_ECANCELED, NX_ESTATE (another
 * fiber sends) and others. Suspends where the socket has no room. */
NX_API NX_MUST_CHECK nx_err nx_udp_send(nx_udp *udp, nx_bytes data, const nx_address *to);

/* Waits for a datagram and puts it into `data`; `from` is who sent it, and may be NULL.
 * NX_ETOOBIG (what had no room is lost; the rest is there all the same), NX_ETIMEDOUT, NX_EREFUSED,
 * NX_ECLOSED, NX_ECANCELED, NX_ESTATE (another fiber receives) and others. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_udp_receive(nx_udp *udp, void *data, size_t len, size_t *got,
                                           nx_address *from);

/* One of many. */
typedef struct nx_datagram {
    char *data;       /* sending: what is sent; receiving: room for it */
    size_t len;       /* bytes; before receiving: of the room */
    nx_address peer;  /* sending: NX_ADDRESS_NONE is the connected one */
    nx_address local; /* received: the address that it came to, without a port. Sending: which of
                         ours it comes from, NX_ADDRESS_NONE lets the system choose */
    uint16_t segment; /* several of this many bytes each, the last one of what is left: sent so
                         they cost little more than one, as far as the system can (GSO), and with
                         `joined` they come so (GRO; 64 KiB of room then). At most
                         NX_UDP_SEGMENTS_MAX, and 65,507 bytes together. 0: one */
    uint8_t ecn;      /* RFC 3168: 0 none, 1 ECT(1), 2 ECT(0), 3 congestion experienced */
    bool cut;         /* received: there was no room for all of it */
} nx_datagram;
#define NX_UDP_SEGMENTS_MAX 64

/* Sends them in order, many in one system call. `*sent` is how many have gone, also on an error,
 * which is that of the next one; it may be NULL. Errors as nx_udp_send. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_udp_send_many(nx_udp *udp, const nx_datagram *datagrams,
                                             size_t count, size_t *sent);

/* Waits for one, and takes as many as there are then, up to `count`; `*got` is how many. Errors as
 * nx_udp_receive. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_udp_receive_many(nx_udp *udp, nx_datagram *datagrams, size_t count,
                                                size_t *got);

/* Receives what is sent to a multicast group, or no longer; on the interface with this name
 * ("eth0"), NULL: which the system chooses. Joining needs --allow-net=GROUP (the port is the
 * socket's). NX_EPERM, NX_EINVAL (no multicast address, no such interface, another kind of socket)
 * and others.
 */
NX_API NX_MUST_CHECK nx_err nx_udp_join(nx_udp *udp, const char *group, const char *interface_name);
NX_API NX_MUST_CHECK nx_err nx_udp_leave(nx_udp *udp, const char *group,
                                         const char *interface_name);

/* Changes the deadline of receiving; NX_FOREVER is none. */
NX_API void nx_udp_deadline(nx_udp *udp, nx_duration read);

/* Where it is bound. */
NX_API nx_address nx_udp_address(const nx_udp *udp);

/* The descriptor; it stays the socket's, and non-blocking. */
NX_API int nx_udp_fd(const nx_udp *udp);

/* Ends it: who waits in it, in another fiber, gets NX_ECLOSED. It is still to be closed. */
NX_API void nx_udp_stop(nx_udp *udp);

/* Closes it; no other fiber may be in it. NULL is nothing. */
NX_API void nx_udp_close(nx_udp *udp);
static inline void nx_udp_auto(nx_udp **udp)
{
    nx_udp_close(*udp);
    *udp = NULL;
}

#ifdef __cplusplus
}
#endif

#endif

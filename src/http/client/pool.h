/* Connections that are kept: by origin, with caps, for as long as they are of use. */
#ifndef NX__CLIENT_POOL_H
#define NX__CLIENT_POOL_H

#include "http/client/driver.h"
#include <nexus/fetch.h>

enum {
    NX__CLIENT_POOL_PER_ORIGIN = 64, /* what nx_client_options has by default */
    NX__CLIENT_POOL_MOST = 512,
    NX__CLIENT_POOL_WAITERS_MOST = 65536, /* requests that wait for a connection */
};

/* Where a request goes. */
struct nx__way {
    const nx_tls_connect_options *tls; /* NULL: plain */
    uint64_t trust;                    /* tells such options apart, in a pool that has several */
    nx_bytes tls_name;                 /* that the peer has to have; empty: its host */
    nx_http_version version;
    nx_bytes host; /* without brackets */
    uint16_t port;
    nx_bytes unix_path; /* connects to this socket instead; empty: none */
    /* A proxy between; its host is empty where there is none. */
    nx_bytes proxy_host, proxy_authorization;
    uint16_t proxy_port;
    uint16_t h3_port; /* of UDP: HTTP/3 alone is spoken, there; 0: none of it is */
    bool alternative; /* for the origin has said so (RFC 7838) */
    bool early;       /* by 0-RTT, where that may be: a request may go that can go twice */
};

struct nx__origin {
    struct nx__list link; /* in pool->origins */
    struct nx__list free; /* connections with room for an exchange, the latest used first */
    uint32_t count;       /* connections, with those that are being made */
    uint32_t waiting;     /* for a connection */
    uint32_t users;       /* who is getting one: the origin stays */
    struct nx__client_pool *pool;
    nx_bytes host; /* whose word over TLS counts for the origin alone; empty: nobody's does */
    uint16_t port;
    size_t key_len;
    char key[]; /* what tells it from others */
};

struct nx__client_pool {
    struct nx_loop *loop;
    struct nx__list origins;
    struct nx__list idle;    /* connections without an exchange, the one that is so longest first */
    struct nx__list waiters; /* for a connection, first come first */
    uint32_t count, waiting; /* of connections, of waiters */
    uint32_t per_origin, most;
    nx_duration idle_deadline;
    /* Told of what a host says of its alternative services beside its answers; NULL: nobody is. */
    void (*told)(struct nx__client_pool *pool, nx_bytes host, uint16_t port, nx_bytes field);
    struct nx__timer timer; /* closes what is idle for too long */
    bool no_loop;           /* the thread has ended */
};

void nx__client_pool_init(struct nx__client_pool *pool);

/* Closes what is idle. No exchange is under way. */
void nx__client_pool_end(struct nx__client_pool *pool);

/* Closes what is idle now. */
void nx__client_pool_close_idle(struct nx__client_pool *pool);

/* A connection with room for an exchange: one that is there, or else a new one, or when there are
 * as many as may be, the next that has room. `fresh`: a new one, where that can be made.
 * `deadline` is absolute, for all of it, and counts besides `connect_deadline`, a span, for making
 * one. `*reused` says that it has had exchanges before. Errors as nx__dial; NX_ELIMIT. Suspends. */
NX_MUST_CHECK nx_err nx__client_pool_take(struct nx__client_pool *pool,
                                          struct nx__client_conn **out, const struct nx__way *way,
                                          bool fresh, nx_duration connect_deadline,
                                          nx_duration deadline, bool *reused);

/* Its exchange has ended. */
void nx__client_pool_give(struct nx__client_pool *pool, struct nx__client_conn *conn);

/* Closes it where it is broken and idle: what a driver that hears of its connections by itself
 * says. Does not suspend. */
void nx__client_pool_settle(struct nx__client_conn *conn);

/* The peer has said where else an origin is (RFC 7838 4); empty: that of the exchange which it was
 * said about. Others than the connection's own are not its to speak for, and nothing is kept of
 * them. Does not suspend. */
void nx__client_pool_told(const struct nx__client_conn *conn, nx_bytes origin, nx_bytes field);

/* ---- connect.c */

/* Whether a proxy lets bytes through to the host (CONNECT), and does not pass requests on. */
bool nx__way_tunnels(const struct nx__way *way);

/* Makes a connection, all grants checked. Errors as nx__dial. Suspends. */
NX_MUST_CHECK nx_err nx__client_connect(struct nx__client_conn **out, const struct nx__way *way,
                                        nx_duration deadline);

/* The same for HTTP/3 (http/h3/client.c). `name` is what the peer has to prove. */
NX_MUST_CHECK nx_err nx__client_h3(struct nx__client_conn **out, const struct nx__way *way,
                                   const char *name, nx_duration deadline);

#endif

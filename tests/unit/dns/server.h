/* A name server of the test's own, on 127.0.0.1, whose answers are as hostile as they may be. */
#ifndef DNS_SERVER_H
#define DNS_SERVER_H

#include <nexus/fiber.h>
#include <nexus/net.h>

struct server {
    nx_udp *udp;
    nx_listener *tcp;
    char where[32];     /* "127.0.0.1:5353" */
    unsigned udp_asked; /* questions so far */
    unsigned tcp_asked;
    nx_fiber *fibers[2];
};

/* What it answers goes by the first label of the name: "a", "aaaa", "mx", "long", "loop"… see
 * server.c. */
void server_begin(struct server *server);
void server_end(struct server *server);

#endif

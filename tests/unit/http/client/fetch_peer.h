/* Whom requests of the client are put to: a peer that says what it is told to, and a server of
 * ours. */
#ifndef FETCH_PEER_H
#define FETCH_PEER_H

#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/http.h>
#include <nexus/net.h>
#include <nexus/test.h>

/* A peer that answers each connection with the next text, once it has read a head. */
struct peer {
    nx_listener *listener;
    nx_fiber *fiber;
    const char *const *answers; /* ended by NULL; one for each request of any connection */
    size_t next, connections;
    bool keeps;        /* the connection goes on behind an answer */
    nx_duration pause; /* between two bytes */
    char asked[16384]; /* the last head */
};

void peer_begin(struct peer *p, const char *const *answers);
void peer_end(struct peer *p);
const char *peer_url(const struct peer *p, const char *path);

#define ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A server of ours, with a route for each of what a client may meet; its URL. */
const char *server_begin(void);
void server_end(void);
nx_http_server *server_get(void);

/* Listens with the server that it is given, in a fiber of its own. */
nx_err server_listen(void *server);

/* Gives the body back, and says what it was asked in its fields. */
nx_err server_echo(nx_request *req, nx_response *res);

/* Of an answer: a field, or "(none)"; the body. */
const char *header(nx_fetched *res, const char *name);
const char *body(nx_fetched *res);

#endif

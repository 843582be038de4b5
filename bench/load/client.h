/* HTTP connections to one server, for the load generator: opening, asking, checking what comes
 * back. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_MAX_ANSWER 8192  /* bytes of one answer, head and body */
#define CLIENT_MAX_DEPTH  256   /* requests on the way on one connection */
#define CLIENT_MAX_SENT   65536 /* bytes of them */

/* The server, the request, and what a right answer looks like. */
typedef struct client {
    uint16_t port;
    const char *expected; /* the body that is right; NULL takes the first that comes */
    size_t expected_len;
    char request[CLIENT_MAX_SENT]; /* the same request, as often as it fits and CLIENT_MAX_DEPTH at
                                      most */
    size_t request_len;
    /* The last right answer. The next is nearly always the same bytes, so one comparison checks all
     * of it. */
    char known[CLIENT_MAX_ANSWER];
    size_t known_len;
    uint64_t wrong; /* answers with another status or body */
    uint64_t lost;  /* connections that the server closed, with what was asked on them */
} client;

typedef struct connection {
    int fd;
    uint32_t waiting; /* answers still to come */
    int64_t asked;    /* when what is on the way was asked, or due */
    char *rest;       /* the beginning of an answer; allocated when first needed */
    size_t rest_len;
} connection;

/* Nanoseconds of the monotonic clock. */
int64_t client_now(void);

/* Prepares the request for `path` and the check: a GET, or with a body (not NULL) a POST of that
 * JSON. `expected` (may be NULL) is borrowed. Ends the program unless `depth` requests fit. */
void client_init(client *c, uint16_t port, const char *path, const char *body, size_t body_len,
                 uint32_t depth, const char *expected);

/* Opens a connection and makes it non-blocking, with TCP_NODELAY. False with errno set. */
bool client_open(const client *c, connection *con);

/* Closes it by a reset, so that thousands leave no TIME_WAIT behind. */
void client_close(connection *con);

/* Sends `count` requests in one write. False when the connection is broken or takes less. */
bool client_ask(const client *c, connection *con, uint32_t count);

/* Reads once and checks the answers that are complete. Returns how many there were; -1 when the
 * connection has been closed by the server. An answer that can't be understood ends the program
 * with a message. */
int client_read(client *c, connection *con);

/* Prints the message, as printf does, and ends the program with status 1. */
_Noreturn void client_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

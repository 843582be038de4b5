/* The workers of a server that listens: a loop each, the calling thread's for the first. */
#ifndef NX__HTTP_WORKERS_H
#define NX__HTTP_WORKERS_H

#include "http/server.h"
#include "loop/loop_thread.h"
#include "permission/broker.h"

/* A socket that connections come to. */
struct nx__socket {
    int fd;
    uint32_t workers;      /* that accept from it */
    atomic_uint listening; /* of those; the last to leave gives it back */
};

struct nx__worker {
    struct nx__loop_thread thread; /* not of the first */
    struct nx__workers *all;
    nx_http_server *server; /* the server itself for the first, else `own` */
    nx_http_server own;
    struct nx__listener channel; /* of its own, beside the socket; -1 once taken */
    struct nx__post reported;    /* to the first one's loop: it has begun, or can't */
    struct nx__post ordered;     /* to its own: it is to serve, or to end */
    struct nx__post stop;        /* to its own: the graceful stop */
    struct nx__op order;
    bool open;  /* worker_close is owed */
    nx_err err; /* why it can't serve; the message is `message` */
    char message[NX__ERROR_MESSAGE_MAX];
};

enum nx__workers_phase { NX__WORKERS_STARTING, NX__WORKERS_SERVING, NX__WORKERS_STOPPING };

struct nx__workers {
    atomic_int phase;
    struct nx__op begun;         /* the first one waits until the others have reported */
    uint32_t reports;            /* still to come */
    bool serve;                  /* what is ordered */
    struct nx__quic_group *quic; /* NULL: no HTTP/3 */
    struct nx__socket *sockets;
    uint32_t socket_count; /* at most `count`; workers beyond that share them */
    uint32_t count;
    struct nx__worker items[];
};

/* ---- server.c: what one worker does, on its own thread */

/* Sets up what each worker has of its own; all zero before. */
void nx__serving_init(nx_http_server *server);

/* Watches the socket, without accepting yet, and takes the channel over (nx__handover_open).
 * NX_ENOMEM, NX_ELIMIT, recorded. */
NX_MUST_CHECK nx_err nx__serving_open(nx_http_server *server, struct nx__socket *socket,
                                      struct nx__listener *channel);

/* Accepts from now on. */
void nx__serving_begin(nx_http_server *server);

/* Starts the graceful stop; at its end `server->closed` completes. Again it does nothing. */
void nx__serving_stop(nx_http_server *server);

/* Undoes nx__serving_open when no connection is left. */
void nx__serving_close(nx_http_server *server);

/* Adds the numbers to the sums. */
void nx__stats_add(nx_http_stats *sum, const nx_http_stats *stats);

#endif

/* Tunnels: a connection of HTTP, or a stream of one, that is given over to a protocol of bytes once
 * the head of the answer has gone out: HTTP/1.1's Upgrade (RFC 9110 7.8), extended CONNECT of
 * HTTP/2 and HTTP/3 (RFC 8441, RFC 9220). No fiber is held while nothing comes. */
#ifndef NX__HTTP_TUNNEL_H
#define NX__HTTP_TUNNEL_H

#include "http/server.h"

struct nx__tunnel;

/* What the driver does. None of these suspends; any context of the loop's thread. */
struct nx__tunnel_driver {
    /* Takes what has come, at most `cap` bytes. 0: the peer sends no more. -EAGAIN: nothing, and
     * `ready` is called when there is something; `drained` says that the next call would return it.
     * Others are final. Who does not read holds the peer back. */
    long (*read)(struct nx__tunnel *tunnel, void *data, size_t cap);
    /* Sends the pieces, at most NX__STREAM_PIECES, and returns how many bytes were taken. Fewer
     * than all, or -EAGAIN: `ready` is called when it takes more. Others are final. */
    long (*send)(struct nx__tunnel *tunnel, const nx_bytes *pieces, size_t count);
    /* Leaves it, and touches it no more: in order, once what was sent has been read; or at once,
     * so that the peer knows that something went wrong. */
    void (*close)(struct nx__tunnel *tunnel, bool in_order);
};

/* What the protocol in it does; in the loop's context, from the handler's end on too. None may
 * suspend; all may close the tunnel, and free it then. */
struct nx__tunnel_user {
    /* Something has come, or its end; or more is taken (NX__READABLE, NX__WRITABLE). May come for
     * nothing. */
    void (*ready)(struct nx__tunnel *tunnel, uint32_t events);
    /* The handler that has opened it has ended. What has come meanwhile brings no event. */
    void (*entered)(struct nx__tunnel *tunnel);
    /* The server stops: it is to come to its end. Called once, maybe by nx__tunnel_open. */
    void (*stop)(struct nx__tunnel *tunnel);
    /* The driver has closed it, since its end has been waited for for too long; it is not touched
     * any more. The handler, if it still runs, has been cancelled. */
    void (*gone)(struct nx__tunnel *tunnel);
};

/* In memory of the protocol's, which outlasts the request. */
struct nx__tunnel {
    const struct nx__tunnel_user *user;
    const struct nx__tunnel_driver *driver; /* this and `conn` are set when it is opened */
    void *conn;                             /* the driver's */
    bool drained; /* set by `read`, and cleared by who uses it when `ready` says NX__READABLE */
};

/* Answers that the protocol is changed to `protocol` ("websocket"), with the fields of the answer,
 * and opens the tunnel; the answer is done then. From here on it may be read and sent on, events
 * come, and the handler's deadline does not count. NX_ENOTSUP (HTTP/1.0, a driver that can't),
 * NX_EPROTO (the request has a body): errors for the handler to return, and NX_ESTATE and what
 * sending returns: then there is no tunnel. May suspend. */
NX_MUST_CHECK nx_err nx__tunnel_open(nx_response *res, struct nx__tunnel *tunnel,
                                     const char *protocol);

/* The protocol that the request asks for by extended CONNECT, whose method the handler sees as
 * "CONNECT"; `data` is NULL for other requests, and in HTTP/1.1, where the fields say it. */
nx_bytes nx__tunnel_asked(const nx_request *req);

#endif

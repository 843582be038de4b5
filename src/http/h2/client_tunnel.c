/* Streams of HTTP/2 that another protocol has, on the client's side (RFC 8441). */
#include "http/h2/client.h"

#include <errno.h>

long nx__h2_client_take(struct nx__exchange *base, void *data, size_t cap)
{
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    struct nx__h2_client *c = nx__h2_client_of(x);
    size_t n = x->in.len < cap ? x->in.len : cap;
    if (n) {
        memcpy(data, x->in.data, n);
        nx__buffer_consume(&x->in, n);
        if (c->failed) return (long)n;
        nx__h2_client_said(c, x->closed ? nghttp2_session_consume_connection(c->session, n)
                                        : nghttp2_session_consume(c->session, x->id, n));
        nx__h2_client_dirty(c);
        return (long)n;
    }
    if (x->in_end) return 0;
    if (x->closed || c->failed) return -ECONNRESET;
    nx__h2_client_listen(c);
    return -EAGAIN;
}

long nx__h2_client_put(struct nx__exchange *base, nx_bytes piece)
{
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    struct nx__h2_client *c = nx__h2_client_of(x);
    size_t room = NX__H2_CLIENT_THROUGH_MOST - x->out.len, n = piece.len < room ? piece.len : room;
    if (x->closed || c->failed || x->out_end) return -EPIPE;
    if (!n) return -EAGAIN;
    nx__buffer_consume(&x->put, x->put.len - x->out.len);
    nx_err err = nx__buffer_append(&x->put, piece.data, n, NX__H2_CLIENT_THROUGH_MOST);
    x->out = nx_slice(x->put.data, x->put.len);
    if (err) return -ENOMEM;
    nx__h2_client_resume(x);
    return (long)n;
}

void nx__h2_client_shut(struct nx__exchange *base)
{
    struct nx__h2_exchange *x = (struct nx__h2_exchange *)base;
    x->out_end = true;
    if (!x->closed && !nx__h2_client_of(x)->failed) nx__h2_client_resume(x);
}

bool nx__h2_client_over(const struct nx__exchange *base)
{
    const struct nx__h2_exchange *x = (const struct nx__h2_exchange *)base;
    return x->closed || nx__h2_client_of(x)->failed;
}

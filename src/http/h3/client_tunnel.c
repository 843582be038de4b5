/* Streams of HTTP/3 that another protocol has, on the client's side (RFC 9220). */
#include "http/h3/client.h"

#include <errno.h>

long nx__h3_client_take(struct nx__exchange *base, void *data, size_t cap)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    const struct nx__h3_conn *c = nx__h3_conn_of(x);
    size_t n = x->in.len < cap ? x->in.len : cap;
    if (n) {
        memcpy(data, x->in.data, n);
        nx__buffer_consume(&x->in, n);
        if (c->quic) nx__quic_consumed(c->quic, x->stream ? x->stream->id : -1, n);
        return (long)n;
    }
    if (x->in_end) return 0;
    return x->failed || c->failed || !x->stream ? -ECONNRESET : -EAGAIN;
}

long nx__h3_client_put(struct nx__exchange *base, nx_bytes piece)
{
    struct nx__h3_exchange *x = (struct nx__h3_exchange *)base;
    nx_bytes rest = piece;
    if (x->failed || nx__h3_conn_of(x)->failed || !x->stream || x->stopped) return -EPIPE;
    nx_err err = nx__h3_asked_put(x->stream, &rest);
    size_t n = piece.len - rest.len;
    if (n) nx__h3_asked_resume(x->stream);
    if (n) return (long)n;
    return err ? -ENOMEM : -EAGAIN;
}

void nx__h3_client_shut(struct nx__exchange *base)
{
    const struct nx__h3_exchange *x = (const struct nx__h3_exchange *)base;
    if (!x->stream) return;
    x->stream->over = true;
    nx__h3_asked_resume(x->stream);
}

bool nx__h3_client_over(const struct nx__exchange *base)
{
    const struct nx__h3_exchange *x = (const struct nx__h3_exchange *)base;
    return !x->stream || x->failed || nx__h3_conn_of(x)->failed;
}

/* HTTP/1.1 connections that another protocol has after an Upgrade. */
#include "http/tunnel.h"

#include "http/h1/conn.h"
#include <errno.h>
#include <sys/socket.h>

/* ---- What the protocol asks for */

static size_t take(nx_bytes *from, void *data, size_t cap)
{
    size_t n = from->len < cap ? from->len : cap;
    memcpy(data, from->data, n);
    *from = nx_slice(from->data + n, from->len - n);
    return n;
}

static long tunnel_read(struct nx__tunnel *tunnel, void *data, size_t cap)
{
    struct nx__h1_conn *conn = tunnel->conn;
    struct nx__h1_shared *shared = nx__h1_shared;
    tunnel->drained = false;
    if (conn->broken) return -ECONNRESET;
    /* What came behind the head is still in the window while that is handled, and kept after. */
    if (nx__unlikely(shared->active == conn)) {
        if (shared->window.len) return (long)take(&shared->window, data, cap);
    } else if (nx__unlikely(conn->in.len != 0)) {
        nx_bytes kept = nx_slice(conn->in.data, conn->in.len);
        size_t n = take(&kept, data, cap);
        nx__buffer_consume(&conn->in, n);
        if (!conn->in.len) nx__buffer_free(&conn->in);
        return (long)n;
    }
    long n;
    do n = nx__io_recv(&conn->io, data, cap);
    while (n == -EINTR);
    /* An end that came together with the last bytes brings no event of its own. */
    tunnel->drained =
        n == -EAGAIN || (n > 0 && !conn->half_closed && !nx__io_more(&conn->io, (size_t)n, cap));
    return n;
}

static long tunnel_send(struct nx__tunnel *tunnel, const nx_bytes *pieces, size_t count)
{
    struct nx__h1_conn *conn = tunnel->conn;
    struct iovec iov[NX__STREAM_PIECES];
    size_t total = 0;
    long n;
    if (conn->broken) return -EPIPE;
    if (nx__unlikely(conn->out.len != 0) && !nx__h1_flush_kept(conn))
        return conn->broken ? -EPIPE : -EAGAIN;
    for (size_t i = 0; i < count; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].len};
        total += pieces[i].len;
    }
    do
        n = count == 1 ? nx__io_send(&conn->io, pieces->data, pieces->len, &conn->out)
                       : nx__io_sendv(&conn->io, iov, count, 0, &conn->out);
    while (n == -EINTR);
    if (n >= 0 || n == -EAGAIN)
        nx__h1_watch_writable(conn, n < 0 || (size_t)n < total || conn->out.len);
    return n;
}

static void tunnel_close(struct nx__tunnel *tunnel, bool in_order)
{
    struct nx__h1_conn *conn = tunnel->conn;
    conn->tunnel = NULL;
    tunnel->conn = NULL;
    nx__count(&conn->server->stats.tunnels, -1);
    conn->close_after = true;
    if (!in_order) {
        struct linger none = {.l_onoff = 1, .l_linger = 0};
        (void)setsockopt(conn->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        conn->broken = true;
    }
    if (!conn->out.len || conn->broken) nx__h1_watch_writable(conn, false);
    if (conn->req) nx__h1_list(conn, NX__CONN_HANDLER);
    /* Not here: whoever calls may be called by what would use the connection after. */
    if (conn->req || conn->posted) return;
    conn->posted = true;
    nx__loop_post(conn->server->loop, &conn->post);
}

/* ---- What the connection tells it */

nx_err nx__h1_tunnel(nx_response *res, struct nx__tunnel *tunnel, const char *protocol)
{
    static const struct nx__tunnel_driver driver = {
        .read = tunnel_read, .send = tunnel_send, .close = tunnel_close};
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_conn *conn = req->conn;
    if (!req->minor) return nx_http_error(505, "HTTP/1.0 can't change to %s", protocol);
    if (!req->body_done)
        return nx_http_error(400, "a request with a body can't change to %s", protocol);
    NX_TRY(nx__h1_send_switch(res, protocol));
    tunnel->driver = &driver;
    tunnel->conn = conn;
    conn->tunnel = tunnel;
    nx__count(&conn->server->stats.tunnels, 1);
    nx__h1_list(conn, NX__CONN_TUNNEL);
    conn->told = conn->server->draining;
    if (conn->told) tunnel->user->stop(tunnel);
    return NX_OK;
}

void nx__h1_tunnel_over(struct nx__h1_conn *conn)
{
    struct nx__tunnel *tunnel = conn->tunnel;
    conn->tunnel = NULL;
    tunnel->conn = NULL;
    nx__count(&conn->server->stats.tunnels, -1);
    tunnel->user->gone(tunnel);
}

void nx__h1_tunnel_enter(struct nx__h1_conn *conn)
{
    conn->tunnel->user->entered(conn->tunnel);
}

void nx__h1_tunnel_ready(struct nx__h1_conn *conn, uint32_t events)
{
    uint32_t both = NX__READABLE | NX__WRITABLE;
    events = events & NX__HANGUP ? both : events & both;
    /* What TLS has sealed goes first. */
    if (nx__unlikely(conn->out.len != 0) && (events & NX__WRITABLE) && !nx__h1_flush_kept(conn) &&
        !conn->broken)
        events &= ~(uint32_t)NX__WRITABLE;
    conn->tunnel->user->ready(conn->tunnel, events);
}

bool nx__h1_tunnel_stop(struct nx__conn *base)
{
    struct nx__h1_conn *conn = nx__h1_of(base);
    if (conn->told) return false;
    conn->told = true;
    nx__list_remove(&base->link); /* behind those that have not been told */
    nx__list_insert(&conn->server->lists[NX__CONN_TUNNEL], &base->link);
    if (conn->tunnel) conn->tunnel->user->stop(conn->tunnel);
    return true;
}

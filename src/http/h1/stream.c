/* Streams of events over HTTP/1.1: a connection whose answer goes on, in its handler's fiber or
 * without one. */
#include "http/h1/conn.h"

#include "http/events.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Bytes that the kernel keeps unsent for a peer that does not read: what it falls behind by is kept
 * once, in the topic, and not for each peer. */
enum { UNSENT_MOST = 32 * 1024 };

static void put(const char *text, size_t len)
{
    struct nx__h1_shared *shared = nx__h1_shared;
    memcpy(shared->out + shared->out_len, text, len);
    shared->out_len += len;
}

static void list_events(struct nx__h1_conn *conn)
{
    nx__h1_list(conn, NX__CONN_EVENTS);
    nx__server_events(conn->server);
}

/* A peer whose machine has gone says nothing: the kernel gives it up when what was sent, be it a
 * comment, has been without an answer for write_deadline. */
static void notice_dead_peer(const struct nx__h1_conn *conn)
{
    nx_duration span = conn->server->options.write_deadline;
    if (span == NX_FOREVER) return;
    unsigned ms = span / NX_MS(1) > INT32_MAX ? INT32_MAX : (unsigned)(span / NX_MS(1));
    /* Not on a Unix socket, whose peer can't vanish. */
    (void)setsockopt(conn->io.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

void nx__h1_events(nx_response *res)
{
    struct nx__h1_request *req = (struct nx__h1_request *)res->req;
    struct nx__h1_conn *conn = req->conn;
    if (conn->streaming) {
        nx__h1_list(conn, NX__CONN_EVENTS);
        return;
    }
    conn->streaming = true;
    conn->chunked = req->minor != 0;
    nx__count(&conn->server->stats.streams, 1);
    notice_dead_peer(conn);
    list_events(conn);
    if (conn->half_closed) nx_cancel(req->base.fiber); /* no event will tell */
}

void nx__h1_hold(nx_response *res, struct nx__stream *stream)
{
    struct nx__h1_conn *conn = ((struct nx__h1_request *)res->req)->conn;
    int most = UNSENT_MOST;
    (void)setsockopt(conn->io.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &most, sizeof most);
    conn->stream = stream;
    conn->close_after = true; /* nothing is read any more */
    stream->conn = conn;
    stream->chunked = conn->chunked;
}

void nx__h1_stream_over(struct nx__h1_conn *conn)
{
    struct nx__stream *stream = conn->stream;
    if (!conn->streaming) return;
    conn->streaming = false;
    conn->stream = NULL;
    nx__count(&conn->server->stats.streams, -1);
    if (conn->req) nx__h1_list(conn, NX__CONN_HANDLER);
    if (stream) nx__stream_leave(stream);
}

void nx__h1_stream_enter(struct nx__h1_conn *conn)
{
    if (conn->half_closed) {
        nx__h1_close(conn);
        return;
    }
    nx__buffer_free(&conn->in);
    if (conn->out.len)
        nx__h1_list(conn, NX__CONN_WRITE);
    else
        list_events(conn);
    if (conn->server->draining)
        nx__stream_finish(conn->stream);
    else
        nx__stream_serve(conn->stream);
}

long nx__h1_stream_send(struct nx__stream *stream, const nx_bytes *pieces, size_t count)
{
    struct nx__h1_conn *conn = stream->conn;
    bool was_slow = conn->writable_armed;
    long n = 0;
    size_t total = 0;
    if (conn->broken) return -EPIPE;
    if (conn->out.len && !nx__h1_flush_kept(conn)) {
        if (conn->broken) return -EPIPE;
        nx__h1_list(conn, NX__CONN_WRITE);
        return -EAGAIN;
    }
    struct iovec iov[NX__STREAM_PIECES];
    for (size_t i = 0; i < count; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].len};
        total += pieces[i].len;
    }
    while (total) {
        n = count == 1 ? nx__io_send(&conn->io, pieces->data, pieces->len, &conn->out)
                       : nx__io_sendv(&conn->io, iov, count, 0, &conn->out);
        if (n != -EINTR) break;
    }
    if (n < 0 && n != -EAGAIN) return n;
    if (n >= 0 && (size_t)n == total && !conn->out.len) {
        if (was_slow) nx__h1_watch_writable(conn, false);
        nx__h1_list(conn, NX__CONN_EVENTS);
        if (was_slow) nx__server_events(conn->server);
        return n;
    }
    nx__h1_watch_writable(conn, true);
    /* What it has taken starts its deadline anew; that it took nothing does not. */
    if (n > 0 || conn->list != NX__CONN_WRITE) nx__h1_list(conn, NX__CONN_WRITE);
    return n;
}

void nx__h1_stream_end(struct nx__stream *stream, bool in_order)
{
    struct nx__h1_conn *conn = stream->conn;
    nx__h1_stream_over(conn);
    if (!in_order) {
        conn->broken = true;
    } else {
        nx_bytes hint = nx_str(NX__EVENTS_COME_BACK);
        if (conn->server->handing && conn->chunked) put("c\r\n", 3);
        if (conn->server->handing) put(hint.data, hint.len);
        if (conn->server->handing && conn->chunked) put("\r\n", 2);
        if (conn->chunked) put("0\r\n\r\n", 5);
        (void)nx__h1_flush(conn);
    }
    nx__h1_go_on(conn);
}

void nx__h1_stream_ready(struct nx__h1_conn *conn, uint32_t events)
{
    bool left = events & (NX__CLOSED | NX__HANGUP);
    if (conn->req) {
        if (left)
            nx_cancel(conn->req->base.fiber);
        else if (conn->out.len && (events & NX__WRITABLE))
            (void)nx__h1_flush_kept(conn); /* a comment; no fiber waits to do it */
        return;
    }
    if (conn->posted) return; /* the handler has just ended, and conn_continue is on its way */
    if (left) {
        nx__h1_close(conn);
    } else if (events & NX__WRITABLE) {
        long n = nx__h1_stream_send(conn->stream, NULL, 0); /* a comment that was kept */
        if (n == 0)
            nx__stream_serve(conn->stream);
        else if (n != -EAGAIN)
            nx__h1_close(conn);
    }
}

void nx__h1_beat(struct nx__conn *base)
{
    struct nx__h1_conn *conn = nx__h1_of(base);
    if (conn->server->draining) {
        nx__list_remove(&base->link); /* it is told once */
        if (conn->req)
            nx_cancel(conn->req->base.fiber);
        else if (!conn->posted)
            nx__stream_finish(conn->stream);
        return;
    }
    nx__h1_list(conn, NX__CONN_EVENTS);
    /* Not in the middle of something else, nor where what is sent does not leave anyway. */
    if (conn->out.len || conn->writable_armed || conn->posted || (conn->req && conn->stream))
        return;
    if (conn->chunked)
        put("3\r\n:\n\n\r\n", 8);
    else
        put(":\n\n", 3);
    if (!nx__h1_flush(conn)) {
        if (conn->req)
            nx_cancel(conn->req->base.fiber);
        else
            nx__h1_close(conn);
    } else if (conn->out.len && !conn->req) {
        nx__h1_list(conn, NX__CONN_WRITE);
    }
}

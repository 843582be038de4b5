/* WebSockets as a client: connecting, and the opening handshake (RFC 6455 4.1). */
#include "http/ws/client.h"
#include "http/client/through.h"
#include "http/io.h"
#include "net/conn.h"
#include "tls/client.h"
#include "ws/handshake.h"
#include <errno.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    ANSWER_MOST = 16 * 1024,  /* bytes of the answer's head */
    REQUEST_MOST = 64 * 1024, /* and of ours */
    READ_PIECE = 4096,
    ADDRESS_MOST = 300,
};

/* A tunnel of a socket's own. */
struct client {
    struct nx__watch watch;
    struct nx__http_io io;
    struct nx__tunnel *tunnel;
    struct nx_loop *loop;
    struct nx__buffer kept; /* what came behind the answer's head */
    struct nx__buffer out;  /* sealed, not yet taken by the socket */
    nx_conn *conn;          /* NULL where `tls` has it */
    nx_tls *tls;
    bool half_closed;
};

static void client_free(struct client *c)
{
    nx__buffer_free(&c->kept);
    nx__buffer_free(&c->out);
    nx_tls_close(c->tls);
    nx_conn_close(c->conn);
    free(c);
}

/* Sends what is sealed: 0 when all of it has gone, else -errno. */
static long flush(struct client *c)
{
    while (c->out.len) {
        long n = nx__send(c->io.fd, c->out.data, c->out.len);
        if (n == -EINTR) continue;
        if (n < 0) return n;
        nx__buffer_consume(&c->out, (size_t)n);
    }
    nx__buffer_free(&c->out);
    return 0;
}

/* ---- The tunnel */

static long client_read(struct nx__tunnel *tunnel, void *data, size_t cap)
{
    struct client *c = tunnel->conn;
    tunnel->drained = false;
    if (nx__unlikely(c->kept.len != 0)) {
        size_t n = c->kept.len < cap ? c->kept.len : cap;
        memcpy(data, c->kept.data, n);
        nx__buffer_consume(&c->kept, n);
        if (!c->kept.len) nx__buffer_free(&c->kept);
        return (long)n;
    }
    long n;
    do n = nx__io_recv(&c->io, data, cap);
    while (n == -EINTR);
    tunnel->drained =
        n == -EAGAIN || (n > 0 && !c->half_closed && !nx__io_more(&c->io, (size_t)n, cap));
    return n;
}

static long client_send(struct nx__tunnel *tunnel, const nx_bytes *pieces, size_t count)
{
    struct client *c = tunnel->conn;
    struct iovec iov[NX__STREAM_PIECES];
    long n = flush(c);
    if (n < 0) return n;
    for (size_t i = 0; i < count; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)pieces[i].data, pieces[i].len};
    do n = nx__io_sendv(&c->io, iov, count, 0, &c->out);
    while (n == -EINTR);
    return n;
}

static void client_close(struct nx__tunnel *tunnel, bool in_order)
{
    struct client *c = tunnel->conn;
    if (!in_order) {
        const struct linger none = {.l_onoff = 1};
        (void)setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    }
    tunnel->conn = NULL;
    nx__poller_remove(&c->loop->poller, &c->watch);
    client_free(c);
}

static void client_ready(struct nx__watch *watch, uint32_t events)
{
    struct client *c = nx__container_of(watch, struct client, watch);
    uint32_t both = NX__READABLE | NX__WRITABLE;
    if (events & NX__CLOSED) c->half_closed = true;
    events = events & NX__HANGUP ? both : events & both;
    if ((events & NX__WRITABLE) && flush(c) == -EAGAIN) events &= ~(uint32_t)NX__WRITABLE;
    c->tunnel->user->ready(c->tunnel, events);
}

/* The connection becomes the WebSocket's tunnel. */
static nx_err tunnel_open(nx_ws *ws, struct client *c, nx_bytes behind)
{
    static const struct nx__tunnel_driver driver = {
        .read = client_read, .send = client_send, .close = client_close};
    if (nx__buffer_append(&c->kept, behind.data, behind.len, ANSWER_MOST))
        return nx__error_set(NX_ENOMEM, "cannot connect the WebSocket: out of memory");
    nx__conn_unwatch(c->conn ? c->conn : nx_tls_conn(c->tls));
    c->watch = (struct nx__watch){.ready = client_ready, .fd = -1};
    c->tunnel = &ws->tunnel;
    c->loop = ws->loop;
    NX_TRY(nx__poller_add(&c->loop->poller, &c->watch, c->io.fd, NX__READABLE | NX__WRITABLE));
    ws->tunnel.driver = &driver;
    ws->tunnel.conn = c;
    return NX_OK;
}

/* ---- The handshake */

static nx_err no_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot connect the WebSocket: out of memory");
}

nx_bytes nx__ws_field_next(nx_bytes *rest)
{
    while (rest->len) {
        const char *end = memchr(rest->data, '\n', rest->len);
        size_t len = end ? (size_t)(end - rest->data) : rest->len, skip = len + (end != NULL);
        nx_bytes line = nx_slice(rest->data, len);
        *rest = nx_slice(rest->data + skip, rest->len - skip);
        if (line.len) return line;
    }
    return (nx_bytes){0};
}

static nx_err headers_check(const char *headers)
{
    nx_bytes rest = nx_str(headers);
    for (nx_bytes line; (line = nx__ws_field_next(&rest)).len;) {
        bool good = memchr(line.data, ':', line.len) > (const void *)line.data;
        for (size_t i = 0; i < line.len; i++)
            good &= ((unsigned char)line.data[i] >= ' ' && line.data[i] != 0x7f) ||
                    line.data[i] == '\t';
        if (!good)
            return nx__error_set(NX_EINVAL, "cannot connect the WebSocket: `headers` has a line "
                                            "that is no field such as \"name: value\"");
    }
    return NX_OK;
}

static bool is_token_list(const char *protocols)
{
    for (const char *at = protocols; at && *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at >= 0x7f) return false;
    return true;
}

static nx_err request_make(struct nx__buffer *out, const nx_url *url, const char *key,
                           const nx_ws_options *o)
{
    const struct nx__ws_deflate_wish wish = nx__ws_wish(o);
    char offer[NX__WS_DEFLATE_TEXT];
    nx_bytes query = url->query;
    nx_err err = nx__buffer_printf(
        out, REQUEST_MOST,
        "GET %.*s%s%.*s HTTP/1.1\r\nhost: %.*s\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: %s\r\n",
        NX_FMT(url->path), query.data ? "?" : "", NX_FMT(query), NX_FMT(url->host_port), key);
    if (!err && o->protocols)
        err = nx__buffer_printf(out, REQUEST_MOST, "sec-websocket-protocol: %s\r\n", o->protocols);
    if (!err && o->compress) {
        nx__ws_deflate_offer(&wish, offer);
        err = nx__buffer_printf(out, REQUEST_MOST, "sec-websocket-extensions: %s\r\n", offer);
    }
    nx_bytes rest = nx_str(o->headers);
    for (nx_bytes line; !err && (line = nx__ws_field_next(&rest)).len;)
        err = nx__buffer_printf(out, REQUEST_MOST, "%.*s\r\n", NX_FMT(line));
    if (!err) err = nx__buffer_append(out, "\r\n", 2, REQUEST_MOST);
    if (err == NX_ETOOBIG)
        return nx__error_set(err, "cannot connect the WebSocket: the request is too large");
    return err ? no_memory() : NX_OK;
}

nx_err nx__ws_failed(const char *url, nx_err err, const char *why)
{
    return nx__error_set(err, "cannot connect to \"%.100s\": %s", url, why);
}

static nx_err failed(const char *url, const char *why)
{
    return nx__ws_failed(url, NX_EPROTO, why);
}

nx_err nx__ws_agree(struct nx__ws_deflate *agreed, const char *url, nx_bytes protocol,
                    nx_bytes extensions, const nx_ws_options *o)
{
    const struct nx__ws_deflate_wish wish = nx__ws_wish(o);
    if (protocol.data) {
        nx_bytes ours = nx_str(o->protocols), item;
        while ((item = nx__ws_list_next(&ours)).len && !nx_bytes_eq(item, protocol)) {}
        if (!item.len) return failed(url, "the server chose a subprotocol that was not offered");
    }
    bool good = o->compress ? nx__ws_deflate_agree(agreed, extensions, &wish) : !extensions.len;
    return good ? NX_OK : failed(url, "the server chose extensions that were not offered");
}

/* RFC 6455 4.1, from "Once the client's opening handshake has been sent". */
static nx_err answer_check(const char *url, nx_bytes head, const char *key, const nx_ws_options *o,
                           nx_bytes *protocol, struct nx__ws_deflate *agreed)
{
    struct nx__ws_answer answer;
    char accept[NX__WS_ACCEPT + 1];
    if (!nx__ws_answer_read(&answer, head)) return failed(url, "the answer is no HTTP/1.1");
    if (answer.status != 101)
        return nx__error_set(NX_EPROTO, "cannot connect to \"%.100s\": the server answers %d", url,
                             answer.status);
    NX_TRY(nx__ws_accept_key(nx_str(key), accept));
    if (!nx__ws_list_has(answer.upgrade, "websocket") ||
        !nx__ws_list_has(answer.connection, "upgrade"))
        return failed(url, "the server changes to another protocol");
    if (answer.twice || !nx_bytes_is(answer.accept, accept))
        return failed(url, "the server has not read the handshake (sec-websocket-accept)");
    NX_TRY(nx__ws_agree(agreed, url, answer.protocol, answer.extensions, o));
    *protocol = answer.protocol;
    return NX_OK;
}

static nx_err wait(struct client *c, uint32_t event, nx_duration until, const char *doing)
{
    return nx__conn_wait(c->conn ? c->conn : nx_tls_conn(c->tls), event, until, doing);
}

static nx_err write_all(struct client *c, nx_bytes bytes, nx_duration until)
{
    static const char doing[] = "send the WebSocket's handshake to";
    while (bytes.len || c->out.len) {
        long n = flush(c);
        if (n == 0 && bytes.len) n = nx__io_send(&c->io, bytes.data, bytes.len, &c->out);
        if (n > 0)
            bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
        else if (n == -EAGAIN)
            NX_TRY(wait(c, NX__WRITABLE, until, doing));
        else if (n && n != -EINTR)
            return nx__error_system((int)-n, "cannot send the WebSocket's handshake");
    }
    return NX_OK;
}

/* Reads up to the end of the head, and what comes with it; `*len` is the head's. */
static nx_err head_read(struct client *c, struct nx__buffer *in, size_t *len, const char *url,
                        nx_duration until)
{
    for (;;) {
        if (nx__buffer_reserve(in, READ_PIECE, ANSWER_MOST)) {
            if (in->len < ANSWER_MOST - READ_PIECE) return no_memory();
            return failed(url, "the head of the answer is too large");
        }
        long n = nx__io_recv(&c->io, in->data + in->len, in->capacity - in->len);
        if (n == -EAGAIN) {
            NX_TRY(wait(c, NX__READABLE, until, "read the WebSocket's handshake from"));
            continue;
        }
        if (n == -EINTR) continue;
        if (n == 0) return failed(url, "the server has left before it answered");
        if (n < 0) return nx__error_system((int)-n, "cannot read the WebSocket's handshake");
        in->len += (size_t)n;
        const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
        if (!end) continue;
        *len = (size_t)(end - in->data) + 4;
        return NX_OK;
    }
}

/* Both ways of the handshake on a connection, which stays the caller's on failure. */
static nx_err shake(nx_ws **out, struct client *c, const nx_url *url, const nx_ws_options *o,
                    nx_duration until)
{
    struct nx__ws_deflate agreed = {.on = false};
    struct nx__buffer request = {0}, in = {0};
    char key[NX__WS_KEY + 1];
    nx_bytes protocol = {0};
    nx_ws *ws = NULL;
    size_t len = 0;
    nx__ws_key_make(key);
    nx_err err = request_make(&request, url, key, o);
    if (!err) err = write_all(c, nx_slice(request.data, request.len), until);
    if (!err) err = head_read(c, &in, &len, url->href.data, until);
    if (!err)
        err = answer_check(url->href.data, nx_slice(in.data, len), key, o, &protocol, &agreed);
    if (!err) err = nx__ws_new(&ws, o, protocol);
    if (!err) {
        ws->deflate = agreed;
        ws->reader.deflate = agreed.on;
        err = tunnel_open(ws, c, nx_slice(in.data + len, in.len - len));
        if (err) nx__ws_release(ws);
    }
    nx__buffer_free(&request);
    nx__buffer_free(&in);
    if (!err) *out = ws;
    return err;
}

void nx__ws_tls_options(nx_tls_connect_options *out, const nx_ws_options *o, nx_duration span)
{
    *out = (nx_tls_connect_options){.size = sizeof *out};
    if (o->tls) memcpy(out, o->tls, o->tls->size < sizeof *out ? o->tls->size : sizeof *out);
    out->size = sizeof *out;
    out->deadline = span;
    out->read_deadline = out->write_deadline = 0;
    out->protocols = "http/1.1";
}

static nx_err connect_to(struct client *c, const char *address, bool tls, const nx_ws_options *o,
                         nx_duration span)
{
    if (!tls) {
        NX_TRY(nx_net_connect(&c->conn, address, .deadline = span));
        c->io.fd = nx_net_fd(c->conn);
        return NX_OK;
    }
    nx_tls_connect_options how;
    nx__ws_tls_options(&how, o, span);
    NX_TRY(nx_tls_connect_with(&c->tls, address, &how));
    c->io.fd = nx_net_fd(nx_tls_conn(c->tls));
    c->io.tls = nx__tls_session(c->tls);
    return NX_OK;
}

/* By a connection that becomes the WebSocket. */
static nx_err connect_whole(nx_ws **out, const nx_url *url, const nx_ws_options *o,
                            nx_duration span, nx_duration until)
{
    char address[ADDRESS_MOST];
    if (url->host.len > sizeof address - sizeof ":65535")
        return nx__error_set(NX_EINVAL, "cannot connect the WebSocket: the host is too long");
    (void)snprintf(address, sizeof address, "%.*s:%u", NX_FMT(url->host), (unsigned)url->port);
    struct client *c = calloc(1, sizeof *c);
    if (!c) return no_memory();
    nx_err err = connect_to(c, address, nx_bytes_is(url->scheme, "wss"), o, span);
    if (!err) err = shake(out, c, url, o, until);
    if (err) client_free(c);
    return err;
}

nx_err nx_ws_connect_with(nx_ws **out, const char *text, const nx_ws_options *options)
{
    NX__OPTIONS(nx_ws_options, o, options);
    nx_url url;
    nx_ws *ws = NULL;
    *out = NULL;
    NX_TRY(nx__ws_options_check(&o));
    NX_TRY(headers_check(o.headers));
    if (!is_token_list(o.protocols))
        return nx__error_set(NX_EINVAL, "cannot connect the WebSocket: `protocols` is no list");
    NX_TRY(nx_url_parse(nx_str(text), &url));
    if (!nx_bytes_is(url.scheme, "wss") && !nx_bytes_is(url.scheme, "ws"))
        return nx__error_set(
            NX_ENOTSUP, "cannot connect to \"%.100s\": the scheme is neither ws nor wss", text);
    nx_duration span = o.deadline ? o.deadline : NX_S(10), until = nx__deadline(span);
    if (span == NX_FOREVER) until = NX_FOREVER;
    if (o.version > NX_HTTP_1)
        NX_TRY(nx__ws_connect_stream(&ws, &url, &o, until));
    else
        NX_TRY(connect_whole(&ws, &url, &o, span, until));
    ws->callbacks = o.open || o.message || o.close;
    ws->entered = ws->callbacks;
    nx__ws_begin(ws);
    if (ws->callbacks) nx__loop_late(ws->loop, &ws->late);
    *out = ws;
    return NX_OK;
}

void nx_ws_free(nx_ws *ws)
{
    if (!ws || ws->server) return;
    nx__through_last(&ws->tunnel); /* nothing of it may be with the kernel yet */
    nx_ws_close(ws, NX__WS_CLOSE_NORMAL, NULL);
    nx__ws_flush(ws); /* the program may end before the loop turns again */
    if (!ws->callbacks && ws->tunnel.conn) ws->tunnel.user->entered(&ws->tunnel);
    nx__ws_release(ws);
}

/* HTTP/3 of a server: its endpoint, and sessions over QUIC's connections. */
#include "http/h3/h3.h"

#include "base/arena.h"
#include "tls/context.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

struct nx__h3_server {
    struct nx__quic_endpoint endpoint; /* first */
    nx_http_server *server;
    struct nx__list sessions;
    struct nx__list orphans; /* streams whose connection has gone before their handler */
};

static struct nx__h3_server *of(struct nx__quic_endpoint *endpoint)
{
    return (struct nx__h3_server *)endpoint;
}

/* ---- A session's wire */

static void wire_wants(void *wire)
{
    nx__quic_wants(wire);
}
static void wire_consumed(void *wire, int64_t stream, uint64_t len)
{
    nx__quic_consumed(wire, stream, len);
}
static void wire_stop_sending(void *wire, int64_t stream, uint64_t code)
{
    nx__quic_stop_sending(wire, stream, code);
}
static void wire_reset(void *wire, int64_t stream, uint64_t code)
{
    nx__quic_reset(wire, stream, code);
}
static void wire_more_streams(void *wire)
{
    nx__quic_more_streams(wire, true);
}
static void wire_fail(void *wire, uint64_t code)
{
    nx__quic_fail(wire, code);
}
static bool wire_handshaken(void *wire)
{
    return ((const struct nx__quic_conn *)wire)->handshaken;
}
static bool wire_proved(void *wire)
{
    return ((const struct nx__quic_conn *)wire)->proved;
}
static const struct sockaddr *wire_peer(void *wire)
{
    return nx__quic_peer(wire);
}

static const struct nx__h3_wire wire_ops = {
    .wants = wire_wants,
    .consumed = wire_consumed,
    .stop_sending = wire_stop_sending,
    .reset = wire_reset,
    .more_streams = wire_more_streams,
    .fail = wire_fail,
    .handshaken = wire_handshaken,
    .proved = wire_proved,
    .peer = wire_peer,
};

/* ---- What QUIC asks */

static uint64_t app_ready(struct nx__quic_conn *conn)
{
    struct nx__h3_server *h3 = of(conn->endpoint);
    struct nx__h3_session *session = nx__h3_session_new(h3->server, &wire_ops, conn);
    if (!session) return NGHTTP3_H3_INTERNAL_ERROR;
    conn->session = session;
    nx__list_insert(&h3->sessions, &session->link);
    uint64_t code = nx__h3_wire_bind(conn);
    if (code) return code;
    if (conn->endpoint->over) nx__h3_session_drain(session);
    return 0;
}

static uint64_t app_received(struct nx__quic_conn *conn, int64_t stream, const uint8_t *data,
                             size_t len, bool end, bool early)
{
    if (!conn->session) return NGHTTP3_H3_INTERNAL_ERROR;
    return nx__h3_received(conn->session, stream, data, len, end, early);
}
static uint64_t app_reset(struct nx__quic_conn *conn, int64_t stream, uint64_t code)
{
    return conn->session ? nx__h3_reset(conn->session, stream, code) : 0;
}
static uint64_t app_stopped(struct nx__quic_conn *conn, int64_t stream, uint64_t code)
{
    return conn->session ? nx__h3_stopped(conn->session, stream, code) : 0;
}
static uint64_t app_closed(struct nx__quic_conn *conn, int64_t stream, uint64_t code)
{
    return conn->session ? nx__h3_closed(conn->session, stream, code) : 0;
}

static void app_served(struct nx__quic_conn *conn)
{
    nx__h3_session_turn(conn->session);
}
static void app_gone(struct nx__quic_conn *conn)
{
    nx__h3_session_gone(conn->session);
}

static const struct nx__quic_app app = {
    .ready = app_ready,
    .opened = nx__h3_wire_opened,
    .received = app_received,
    .acked = nx__h3_wire_acked,
    .reset = app_reset,
    .stopped = app_stopped,
    .closed = app_closed,
    .unblocked = nx__h3_wire_unblocked,
    .pull = nx__h3_wire_pull,
    .pushed = nx__h3_wire_pushed,
    .blocked = nx__h3_wire_blocked,
    .shut = nx__h3_wire_shut,
    .served = app_served,
    .gone = app_gone,
};

/* ---- A worker's part */

static bool admit(struct nx__quic_endpoint *endpoint)
{
    nx_http_server *server = of(endpoint)->server;
    if (server->stats.connections >= server->connections_most) return false;
    nx__count(&server->stats.accepted, 1);
    nx__count(&server->stats.connections, 1);
    return true;
}

static void left(struct nx__quic_endpoint *endpoint)
{
    nx_http_server *server = of(endpoint)->server;
    nx__count(&server->stats.connections, -1);
    nx__server_closed(server);
}

static void done(struct nx__quic_endpoint *endpoint)
{
    free(of(endpoint));
}

static SSL_CTX *context(void *arg)
{
    nx_http_server *server = arg;
    return nx__tls_server_context(server->tls);
}

/* Another machine with the same key, behind the same balancer, must not end what it does not know.
 */
static void place_of(const nx_http_server *server, char *out, size_t size)
{
    struct utsname names;
    (void)snprintf(out, size, "%.64s port %u", uname(&names) == 0 ? names.nodename : "",
                   server->options.port);
}

nx_err nx__h3_group(nx_http_server *server, uint32_t workers, struct nx__quic_group **out)
{
    const nx_http_server_options *o = &server->options;
    struct nx__quic_how how = {.app = &app,
                               .protocol = "h3",
                               .context = context,
                               .context_arg = server,
                               .workers = workers,
                               .handshake_deadline = o->head_deadline,
                               .idle_deadline = o->idle_deadline,
                               .retry = o->h3_retry,
                               .early = o->h3_early,
                               .qlog = -1};
    *out = NULL;
    if (!o->h3) return NX_OK;
    (void)snprintf(how.settings, sizeof how.settings, "%u %d %d", o->max_head, NX__H3_TABLE,
                   NX__H3_BLOCKED);
    place_of(server, how.place, sizeof how.place);
    if (!server->tls)
        return nx__error_set(NX_EINVAL, "cannot serve HTTP/3: it needs a certificate (cert, key)");
    if (o->h3_qlog) NX_TRY(nx__quic_qlog_directory(o->h3_qlog, &how.qlog));
    *out = nx__quic_group_new(&how);
    if (*out) return NX_OK;
    if (how.qlog >= 0) (void)close(how.qlog);
    return NX_ENOMEM;
}

void nx__h3_advertise(nx_http_server *server)
{
    struct nx__line *line = &server->alt_svc;
    int len =
        snprintf(line->text, sizeof line->text, "alt-svc: h3=\":%u\"; ma=86400\r\n", server->port);
    line->len = (uint8_t)len;
}

nx_err nx__h3_open(nx_http_server *server, struct nx__quic_group *group, uint32_t worker)
{
    struct nx__h3_server *h3 = calloc(1, sizeof *h3);
    union nx__address at;
    if (!h3) return nx__error_set(NX_ENOMEM, "cannot serve HTTP/3: out of memory");
    const char *host = strcasecmp(server->host, "localhost") == 0 ? "127.0.0.1" : server->host;
    if (!nx__address_parse(host, server->port, &at)) {
        free(h3);
        return nx__error_set(NX_EINVAL, "cannot serve HTTP/3 on \"%s\": it needs an IP address",
                             server->host);
    }
    h3->server = server;
    nx__list_init(&h3->sessions);
    nx__list_init(&h3->orphans);
    h3->endpoint.owner = h3;
    h3->endpoint.admit = admit;
    h3->endpoint.left = left;
    h3->endpoint.done = done;
    nx_err err = nx__quic_open(&h3->endpoint, group, worker, &at);
    if (err) {
        free(h3);
        return err;
    }
    server->h3 = h3;
    return NX_OK;
}

void nx__h3_serve(nx_http_server *server)
{
    if (server->h3) nx__quic_begin(&server->h3->endpoint);
}

void nx__h3_drain(nx_http_server *server)
{
    if (!server->h3) return;
    nx__quic_stop(&server->h3->endpoint);
    struct nx__list *list = &server->h3->sessions;
    for (struct nx__list *link = list->next; link != list; link = link->next)
        nx__h3_session_drain(nx__container_of(link, struct nx__h3_session, link));
}

void nx__h3_expire(nx_http_server *server)
{
    if (!server->h3) return;
    struct nx__list *list = &server->h3->sessions;
    for (struct nx__list *link = list->next; link != list; link = link->next)
        nx__h3_session_expire(nx__container_of(link, struct nx__h3_session, link));
    list = &server->h3->orphans;
    for (struct nx__list *link = list->next; link != list; link = link->next)
        nx__h3_orphan_expire(link);
}

void nx__h3_orphan(nx_http_server *server, struct nx__list *link)
{
    if (server->h3) nx__list_insert(&server->h3->orphans, link);
}

void nx__h3_close(nx_http_server *server)
{
    struct nx__h3_server *h3 = server->h3;
    if (!h3) return;
    server->h3 = NULL;
    nx__quic_close(&h3->endpoint);
}

/* ---- The driver */

static nx_bytes peer(nx_request *base)
{
    struct nx__h3_request *req = (struct nx__h3_request *)base;
    if (req->peer) return nx_str(req->peer);
    if (!req->stream->session) return nx_str("");
    const struct sockaddr *address = req->stream->session->ops->peer(req->stream->session->wire);
    char *memory = nx__arena_alloc(&base->fiber->own.arena, INET6_ADDRSTRLEN);
    if (!memory) return nx_str("");
    const void *bytes =
        address->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    if (!inet_ntop(address->sa_family, bytes, memory, INET6_ADDRSTRLEN)) return nx_str("");
    req->peer = memory;
    return nx_str(memory);
}

static nx_bytes protocol(const nx_request *base)
{
    (void)base;
    return nx_str("HTTP/3");
}

/* The socket is all connections': no other process can have it for one. */
static int descriptor(const nx_request *base)
{
    (void)base;
    return -1;
}

static void leave(nx_request *base)
{
    base->response.state = NX__RESPONSE_DONE;
}

static void moves(nx_request *base)
{
    nx__h3_handler_timer(((struct nx__h3_request *)base)->stream);
}

static void watch(nx_request *base)
{
    struct nx__h3_stream *stream = ((struct nx__h3_request *)base)->stream;
    stream->watched = true;
    if (nx__h3_broken(stream)) nx_cancel(base->fiber);
}

const struct nx__http_driver nx__h3_driver = {
    .send = nx__h3_send,
    .send_json = nx__h3_send_json,
    .send_file = nx__h3_send_file,
    .write = nx__h3_write,
    .end = nx__h3_end,
    .early = nx__h3_early,
    .read = nx__h3_read,
    .body = nx__h3_body,
    .read_all = nx__h3_read_all,
    .trailers = nx__h3_request_trailers,
    .peer = peer,
    .protocol = protocol,
    .descriptor = descriptor,
    .leave = leave,
    .moves = moves,
    .watch = watch,
    .events = nx__h3_events,
    .hold = nx__h3_hold,
    .stream_send = nx__h3_stream_send,
    .stream_end = nx__h3_stream_end,
    .tunnel = nx__h3_tunnel,
    .tunnel_asked = nx__h3_tunnel_asked,
};

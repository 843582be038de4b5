/* HTTP/1.1 connections: reading, starting handlers, closing. */
#include "http/h1/conn.h"

#include "base/arena.h"
#include "base/syscall.h"
#include "http/h2/h2.h"
#include "loop/fiber.h"
#include "loop/profile.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection moves to the end of its list at most once in this time: deadlines are that exact,
 * and requests in quick succession do not touch their neighbours. */
#define LIST_GRAIN NX_MS(250)

enum { READ_LEAST = 4096, LINGER_MOST = 1 << 20 };

NX__THREAD_LOCAL struct nx__h1_shared *nx__h1_shared;

static NX__HOT void conn_read(struct nx__h1_conn *conn);
static void conn_continue(struct nx__post *post);

/* ---- Lists and closing */

NX__HOT void nx__h1_list(struct nx__h1_conn *conn, enum nx__conn_list list)
{
    nx_http_server *server = conn->server;
    nx_duration now = server->loop->now;
    if (conn->list == list && now - conn->base.since < LIST_GRAIN &&
        !nx__list_empty(&conn->base.link))
        return;
    nx__list_remove(&conn->base.link);
    bool first = nx__list_empty(&server->lists[list]);
    nx__list_insert(&server->lists[list], &conn->base.link);
    conn->list = (uint8_t)list;
    conn->base.since = now;
    if (nx__unlikely(server->handing) && list == NX__CONN_IDLE) nx__handover_idle(server);
    if (first) {
        nx_duration span = nx__server_deadline(server, list);
        if (span != NX_FOREVER) nx__server_sweep_by(server, now + span);
    }
}

static bool is_used(const struct nx__conn *base)
{
    return nx__container_of(base, const struct nx__h1_conn, base)->requests != 0;
}

void nx__h1_close(struct nx__h1_conn *conn)
{
    nx_http_server *server = conn->server;
    nx__list_remove(&conn->base.link);
    if (nx__unlikely(conn->streaming)) nx__h1_stream_over(conn);
    if (nx__unlikely(conn->tunnel != NULL)) nx__h1_tunnel_over(conn);
    nx__poller_remove(&server->loop->poller, &conn->watch);
    nx__io_close(&conn->io);
    nx__buffer_free(&conn->in);
    nx__buffer_free(&conn->out);
    if (conn->posted)
        conn->gone = true;
    else
        free(conn);
    nx__h1_shared->connections--;
    nx__count(&server->stats.connections, -1);
    nx__server_closed(server);
}

/* Closes once the peer has read the answer: a close with bytes unread would make the kernel drop
 * it. */
static void conn_finish(struct nx__h1_conn *conn)
{
    if (conn->broken || !nx__io_end(&conn->io)) {
        nx__h1_close(conn);
        return;
    }
    nx__buffer_free(&conn->in);
    nx__h1_list(conn, NX__CONN_LINGER);
    conn->requests = 0; /* from here on it counts what is dropped */
    conn_read(conn);
}

/* True when the connection has gone. */
static bool linger(struct nx__h1_conn *conn)
{
    for (;;) {
        long n = nx__recv(conn->io.fd, nx__h1_shared->in, NX__H1_SCRATCH); /* nobody looks at it */
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return false;
        if (n > 0) conn->requests += (uint32_t)n;
        if (n <= 0 || conn->requests > LINGER_MOST) {
            nx__h1_close(conn);
            return true;
        }
    }
}

static void expire(struct nx__conn *base, enum nx__conn_list list)
{
    struct nx__h1_conn *conn = nx__h1_of(base);
    nx_http_server *server = conn->server;
    if (list == NX__CONN_HANDLER || (list == NX__CONN_EVENTS && conn->req)) {
        nx__list_remove(&conn->base.link); /* it is told once */
        if (!conn->req) return;            /* it has just ended, and conn_continue is on its way */
        nx__count(&server->stats.timed_out, 1);
        nx_cancel(conn->req->base.fiber);
        return;
    }
    if (list == NX__CONN_TUNNEL && conn->req) {
        nx__list_remove(&base->link);
        conn->broken = true;
        nx__h1_tunnel_over(conn);
        nx_cancel(conn->req->base.fiber);
        return;
    }
    if (list != NX__CONN_LINGER && !(list == NX__CONN_IDLE && server->closing))
        nx__count(&server->stats.timed_out, 1);
    if (list == NX__CONN_HEAD && conn->in.len) {
        nx__h1_refuse(conn, 408, "the request head did not come in time",
                      nx_slice(conn->in.data, conn->in.len));
        if (conn->out.len)
            nx__h1_list(conn, NX__CONN_WRITE);
        else
            conn_finish(conn);
        return;
    }
    nx__h1_close(conn);
}

/* ---- A request's fiber */

static NX__HOT nx_err request_main(void *arg)
{
    struct nx__h1_request *req = arg;
    struct nx__h1_conn *conn = req->conn;
    nx__request_serve(&req->base);
    if (req->base.response.state != NX__RESPONSE_DONE)
        conn->close_after = true; /* cut off in the middle */
    if (!req->body_done && !conn->broken && !nx__h1_discard(req)) conn->close_after = true;
    nx__count(&conn->server->stats.requests, 1);
    conn->req = NULL;
    conn->watched = false;
    if (nx__unlikely(conn->streaming) && !conn->stream) nx__h1_stream_over(conn);
    if (nx__h1_shared->active != conn) {
        conn->posted = true;
        nx__loop_post(conn->server->loop, &conn->post);
    }
    return NX_OK;
}

static nx_bytes slice_at(const char *base, uint32_t off, uint32_t len)
{
    return nx_slice(base + off, len);
}

/* Copies what the handler may look at out of the shared input: it may suspend, and others read
 * meanwhile. */
static struct nx__h1_request *request_new(struct nx__h1_conn *conn, const char *data,
                                          const struct nx__h1_head *head)
{
    nx_fiber *fiber = nx__fiber_new(request_main, NULL, nx__request_fiber);
    if (!fiber) return NULL;
    struct nx__arena *arena = &fiber->own.arena;
    size_t headers_size = head->header_count * sizeof(struct nx__h1_header);
    struct {
        struct nx__h1_request req;
        struct nx__route_match match; /* not cleared: large, and filled by the router */
        char copy[];
    } *memory = nx__arena_alloc(arena, sizeof *memory + headers_size + head->head_len);
    if (!memory) {
        nx__fiber_release(fiber);
        return NULL;
    }
    struct nx__h1_request *req = &memory->req;
    char *text = memory->copy + headers_size;
    memcpy(memory->copy, nx__h1_shared->headers, headers_size);
    memcpy(text, data, head->head_len);
    memset(req, 0, offsetof(struct nx__h1_request, body));
    nx_request *base = &req->base;
    base->driver = &nx__h1_driver;
    base->server = conn->server;
    base->fiber = fiber;
    base->method = slice_at(text, head->method.off, head->method.len);
    base->path = slice_at(text, head->path.off, head->path.len);
    base->query = slice_at(text, head->query.off, head->query.len);
    base->head = text;
    base->headers = (const struct nx__h1_header *)(void *)memory->copy;
    base->header_count = head->header_count;
    base->match = &memory->match;
    base->response.req = base;
    base->response.status = 200;
    if (nx__unlikely(conn->io.tls != NULL)) base->secure = true;
    req->conn = conn;
    req->minor = head->minor;
    req->keep_alive = head->keep_alive;
    req->head_method = head->method_id == NX__METHOD_HEAD;
    req->has_body = head->chunked || head->content_length;
    req->body_done = !req->has_body;
    if (nx__unlikely(req->has_body)) {
        req->expect_continue = head->expect_continue;
        req->chunked = head->chunked;
        memset(&req->body, 0, sizeof req->body);
        req->body.length_left = head->content_length;
    }
    fiber->arg = req;
    fiber->activity =
        nx_slice(req->base.method.data,
                 (size_t)(text + head->target.off + head->target.len - req->base.method.data));
    return req;
}

/* Starts the handler; returns when it has ended or waits. */
static void request_begin(struct nx__h1_conn *conn, const char *data,
                          const struct nx__h1_head *head)
{
    nx_http_server *server = conn->server;
    conn->requests++;
    if (head->form == NX__TARGET_AUTHORITY) {
        nx__h1_refuse(conn, 501, "CONNECT is not served", nx_slice(data, head->head_len));
        return;
    }
    struct nx__h1_request *req = request_new(conn, data, head);
    if (!req) {
        nx__h1_refuse(conn, 503, "out of memory or fibers", nx_slice(data, head->head_len));
        return;
    }
    nx_request *base = &req->base;
    const struct nx__site *site = &server->sites.rest;
    if (nx__unlikely(server->sites.count))
        site = nx__site_find(&server->sites, slice_at(data, head->host.off, head->host.len));
    nx__router_match(site->routes, base->method, base->path, base->match);
    base->handler = (nx_http_handler)base->match->handler;
    if (nx__unlikely(head->content_length > server->options.max_body)) {
        /* It gets an error page, in the style of where it leads, and is not read. */
        base->match->outcome = NX__ROUTE_TOO_LARGE;
        base->handler = NULL;
        conn->close_after = true;
        nx__count(&server->stats.bad, 1);
    }
    conn->req = req;
    nx__fiber_resume(base->fiber);
    if (conn->req && !conn->streaming && !conn->tunnel) nx__h1_list(conn, NX__CONN_HANDLER);
}

enum preface { PREFACE_NONE, PREFACE_PART, PREFACE_WHOLE };

/* Whether a connection begins as those of HTTP/2 do, as far as it has come. */
static enum preface preface(const char *data, size_t len)
{
    size_t most = len < NX__H2_PREFACE_LEN ? len : NX__H2_PREFACE_LEN;
    if (nx__likely(memcmp(data, NX__H2_PREFACE, most) != 0)) return PREFACE_NONE;
    return most < NX__H2_PREFACE_LEN ? PREFACE_PART : PREFACE_WHOLE;
}

/* The connection speaks HTTP/2, and is no more one of these. */
static void change_to_h2(struct nx__h1_conn *conn, nx_bytes come)
{
    nx_http_server *server = conn->server;
    struct sockaddr_storage peer = {.ss_family = conn->family};
    if (conn->family == AF_INET6)
        memcpy(&((struct sockaddr_in6 *)&peer)->sin6_addr, conn->address, 16);
    if (conn->family == AF_INET) memcpy(&((struct sockaddr_in *)&peer)->sin_addr, conn->address, 4);
    nx__poller_remove(&server->loop->poller, &conn->watch);
    if (nx__h2_accept(server, conn->io, &peer, come)) {
        nx__count(&server->stats.connections, 1); /* one of two, for a moment */
        conn->io = (struct nx__http_io){.fd = -1};
    }
    nx__h1_close(conn);
}

/* Handles what is there; returns how much of it is done with. Afterwards the connection may be busy
 * with a handler, broken, or about to close; it has not been freed. */
static NX__HOT size_t handle(struct nx__h1_conn *conn, const char *data, size_t len)
{
    struct nx__h1_shared *shared = nx__h1_shared;
    const nx_http_server_options *o = &conn->server->options;
    const struct nx__h1_limits limits = {
        .max_target = o->max_target, .max_headers = o->max_headers, .max_head = o->max_head};
    shared->active = conn;
    size_t at = 0;
    while (at < len && !conn->close_after && !conn->broken && !conn->out.len) {
        struct nx__h1_head head;
        enum nx__h1_status status =
            nx__h1_parse(data + at, len - at, conn->scanned, &limits, shared->headers, &head);
        if (status == NX__H1_PARTIAL) {
            conn->scanned = (uint32_t)(len - at);
            break;
        }
        conn->scanned = 0;
        if (status == NX__H1_ERROR) {
            nx__count(&conn->server->stats.bad, 1);
            nx__h1_refuse(conn, head.error, head.reason, nx_slice(data + at, len - at));
            break;
        }
        shared->window = nx_slice(data + at + head.head_len, len - at - head.head_len);
        request_begin(conn, data + at, &head);
        at = len - shared->window.len;
        if (conn->req || conn->tunnel) break;
    }
    shared->active = NULL;
    if (shared->out_len) (void)nx__h1_flush(conn);
    return at;
}

/* After input was handled, in the loop's context: what is the connection now? True when it may read
 * on. */
static bool settle(struct nx__h1_conn *conn)
{
    if (conn->req) return false;
    if (conn->broken) {
        nx__h1_close(conn);
        return false;
    }
    if (nx__unlikely(conn->streaming)) {
        nx__h1_stream_enter(conn);
        return false;
    }
    if (nx__unlikely(conn->tunnel != NULL)) {
        nx__h1_tunnel_enter(conn);
        return false;
    }
    if (conn->out.len) {
        nx__h1_list(conn, NX__CONN_WRITE);
        return false;
    }
    if (conn->close_after) {
        conn_finish(conn);
        return false;
    }
    /* A head has its deadline from its first byte on, however many follow. */
    if (nx__unlikely(conn->in.len != 0)) {
        if (conn->list == NX__CONN_HEAD && conn->waited == conn->requests) return true;
        conn->waited = conn->requests;
        nx__h1_list(conn, NX__CONN_HEAD);
    } else {
        nx__h1_list(conn, NX__CONN_IDLE);
    }
    return true;
}

/* Keeps the part of the shared input that is not handled. */
static void keep(struct nx__h1_conn *conn, const char *data, size_t len)
{
    if (nx__buffer_append(&conn->in, data, len, NX__H1_IN_MOST)) conn->broken = true;
}

static bool can_handle(const struct nx__h1_conn *conn)
{
    return !conn->req && !conn->broken && !conn->out.len && !conn->close_after && !conn->tunnel;
}

/* Handles what the connection has kept, and what a body that was read past its end adds to it. */
static void handle_kept(struct nx__h1_conn *conn)
{
    size_t done;
    do {
        done = handle(conn, conn->in.data, conn->in.len);
        nx__buffer_consume(&conn->in, done);
    } while (done && conn->in.len && can_handle(conn));
    if (!conn->in.len) nx__buffer_free(&conn->in);
}

static NX__HOT void conn_read(struct nx__h1_conn *conn)
{
    if (conn->list == NX__CONN_LINGER) {
        (void)linger(conn);
        return;
    }
    for (;;) {
        char *target = nx__h1_shared->in;
        size_t room = NX__H1_SCRATCH;
        if (conn->in.len) {
            if (nx__buffer_reserve(&conn->in, READ_LEAST, NX__H1_IN_MOST)) {
                nx__h1_close(conn);
                return;
            }
            target = conn->in.data + conn->in.len;
            room = conn->in.capacity - conn->in.len;
        }
        long n = nx__io_recv(&conn->io, target, room);
        if (nx__unlikely(n <= 0)) {
            if (n == -EINTR) continue;
            if (n != -EAGAIN) nx__h1_close(conn);
            return;
        }
        if (nx__unlikely(!conn->requests)) {
            nx_bytes come = conn->in.len ? nx_slice(conn->in.data, conn->in.len + (size_t)n)
                                         : nx_slice(target, (size_t)n);
            enum preface begins = preface(come.data, come.len);
            if (begins == PREFACE_WHOLE) {
                change_to_h2(conn, come);
                return;
            }
            if (begins == PREFACE_PART) {
                if (conn->in.len)
                    conn->in.len += (size_t)n;
                else
                    keep(conn, target, (size_t)n);
                if (!settle(conn)) return;
                continue;
            }
        }
        if (conn->in.len) {
            conn->in.len += (size_t)n;
            handle_kept(conn);
        } else {
            size_t done = handle(conn, target, (size_t)n);
            if (done < (size_t)n && !conn->close_after) keep(conn, target + done, (size_t)n - done);
            /* A body may have been read past its end. */
            else if (nx__unlikely(conn->in.len != 0) && can_handle(conn))
                handle_kept(conn);
        }
        if (!settle(conn)) return; /* it may be gone */
        /* Drained, so the next byte brings a new edge; an end that came with these bytes does not.
         */
        if (!nx__io_more(&conn->io, (size_t)n, room) && !conn->half_closed) return;
    }
}

void nx__h1_go_on(struct nx__h1_conn *conn)
{
    if (conn->in.len && can_handle(conn)) handle_kept(conn);
    if (!settle(conn)) return;
    /* Edges may have come and gone while nobody read. */
    conn_read(conn);
}

static void conn_continue(struct nx__post *post)
{
    struct nx__h1_conn *conn = nx__container_of(post, struct nx__h1_conn, post);
    conn->posted = false;
    if (conn->gone) {
        free(conn);
        return;
    }
    if (!conn->req) nx__h1_go_on(conn);
}

static NX__HOT void conn_ready(struct nx__watch *watch, uint32_t events)
{
    struct nx__h1_conn *conn = nx__container_of(watch, struct nx__h1_conn, watch);
    if (nx__unlikely(events & NX__CLOSED)) conn->half_closed = true;
    if (conn->req && conn->req->reader && events & (NX__READABLE | NX__HANGUP)) {
        nx__op_complete(&conn->req->reader->op, 0);
        conn->req->reader = NULL;
    }
    if (nx__unlikely(conn->watched) && conn->req && events & (NX__CLOSED | NX__HANGUP))
        nx_cancel(conn->req->base.fiber);
    if (nx__unlikely(conn->streaming)) {
        nx__h1_stream_ready(conn, events);
        return;
    }
    if (conn->tunnel) {
        nx__h1_tunnel_ready(conn, events);
        return;
    }
    if (nx__unlikely(conn->out.len)) {
        if (!(events & (NX__WRITABLE | NX__HANGUP))) return;
        if (conn->req) { /* its fiber sees to it, unless it waits for something else */
            if (!conn->watch.waiter) (void)nx__h1_flush_kept(conn);
            return;
        }
        if (!nx__h1_flush_kept(conn) && !conn->broken) {
            nx__h1_list(conn, NX__CONN_WRITE);
            return;
        }
        nx__h1_go_on(conn);
        return;
    }
    if (conn->req || conn->posted) return; /* read when the handler has ended */
    conn_read(conn);
}

/* ---- Accepting */

static bool shared_new(void)
{
    struct nx__h1_shared *shared = calloc(1, sizeof *shared);
    if (!shared) return false;
    shared->in = malloc(NX__H1_SCRATCH);
    shared->out = malloc(NX__H1_SCRATCH);
    if (!shared->in || !shared->out) {
        free(shared->in);
        free(shared->out);
        free(shared);
        return false;
    }
    nx__h1_shared = shared;
    nx__store_relaxed(&nx__profile_label, nx__request_label); /* each loop, always the same */
    return true;
}

void nx__h1_free(void)
{
    if (!nx__h1_shared || nx__h1_shared->connections) return; /* another server's */
    free(nx__h1_shared->in);
    free(nx__h1_shared->out);
    free(nx__h1_shared);
    nx__h1_shared = NULL;
}

static void peer_keep(struct nx__h1_conn *conn, const struct sockaddr_storage *peer)
{
    conn->family = (uint8_t)peer->ss_family;
    if (peer->ss_family == AF_INET6)
        memcpy(conn->address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
    if (peer->ss_family == AF_INET)
        memcpy(conn->address, &((const struct sockaddr_in *)peer)->sin_addr, 4);
}

static const struct nx__conn_kind kind = {
    .expire = expire, .beat = nx__h1_beat, .stop = nx__h1_tunnel_stop, .is_used = is_used};

bool nx__h1_accept(nx_http_server *server, struct nx__http_io io,
                   const struct sockaddr_storage *peer)
{
    if (!nx__h1_shared && !shared_new()) return false;
    struct nx__h1_conn *conn = calloc(1, sizeof *conn);
    if (!conn) return false;
    conn->server = server;
    conn->base.kind = &kind;
    conn->watch.ready = conn_ready;
    conn->post.fn = conn_continue;
    struct sockaddr_storage asked = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof asked;
    if (!peer) (void)getpeername(io.fd, (struct sockaddr *)&asked, &len);
    peer_keep(conn, peer ? peer : &asked);
    nx__list_init(&conn->base.link);
    if (nx__poller_add(&server->loop->poller, &conn->watch, io.fd, NX__READABLE)) {
        free(conn);
        return false;
    }
    conn->io = io;
    nx__h1_shared->connections++;
    nx__h1_list(conn, NX__CONN_IDLE);
    if (io.tls) conn_read(conn); /* what came with the handshake, of which no event tells */
    return true;
}

/* ---- The seam */

_Static_assert(NX__H1_PEER >= INET6_ADDRSTRLEN, "an address has room");

nx_bytes nx__h1_peer(const struct nx__h1_conn *conn, char out[NX__H1_PEER])
{
    if (conn->family == AF_UNIX) return nx_str("unix");
    if (conn->family != AF_INET && conn->family != AF_INET6) return nx_str("");
    return nx_str(inet_ntop(conn->family, conn->address, out, NX__H1_PEER));
}

static nx_bytes peer(nx_request *base)
{
    struct nx__h1_request *req = (struct nx__h1_request *)base;
    if (req->peer) return nx_str(req->peer);
    char *memory = nx__arena_alloc(&base->fiber->own.arena, NX__H1_PEER);
    if (!memory) return nx_str("");
    nx_bytes text = nx__h1_peer(req->conn, memory);
    if (text.data == memory) req->peer = memory;
    return text;
}

static nx_bytes protocol(const nx_request *base)
{
    return nx_str(((const struct nx__h1_request *)base)->minor ? "HTTP/1.1" : "HTTP/1.0");
}

static const nx_tls_info *tls(nx_request *base)
{
    return nx__tls_info(((struct nx__h1_request *)base)->conn->io.tls);
}

static int descriptor(const nx_request *base)
{
    const struct nx__h1_conn *conn = ((const struct nx__h1_request *)base)->conn;
    struct nx__h1_shared *shared = nx__h1_shared;
    if (base->response.state != NX__RESPONSE_OPEN || conn->broken || conn->out.len || conn->io.tls)
        return -1;
    if (shared->active != conn) return conn->io.fd;
    /* Answers to requests that came before in the same batch. */
    while (shared->out_len) {
        long n = nx__send(conn->io.fd, shared->out, shared->out_len);
        if (n <= 0) return -1;
        shared->out_len -= (size_t)n;
        memmove(shared->out, shared->out + n, shared->out_len);
    }
    return conn->io.fd;
}

static void leave(nx_request *base)
{
    ((struct nx__h1_request *)base)->conn->broken = true;
    base->response.state = NX__RESPONSE_DONE;
}

static void moves(nx_request *base)
{
    nx__h1_list(((struct nx__h1_request *)base)->conn, NX__CONN_HANDLER);
}

static void watch(nx_request *base)
{
    struct nx__h1_conn *conn = ((struct nx__h1_request *)base)->conn;
    conn->watched = true;
    if (conn->half_closed) nx_cancel(base->fiber); /* no event will tell */
}

const struct nx__http_driver nx__h1_driver = {
    .send = nx__h1_send,
    .send_json = nx__h1_send_json,
    .send_file = nx__h1_send_file,
    .write = nx__h1_write,
    .end = nx__h1_end,
    .early = nx__h1_early,
    .read = nx__h1_read,
    .body = nx__h1_body,
    .read_all = nx__h1_read_all,
    .trailers = nx__h1_trailers,
    .peer = peer,
    .protocol = protocol,
    .tls = tls,
    .descriptor = descriptor,
    .leave = leave,
    .moves = moves,
    .watch = watch,
    .events = nx__h1_events,
    .hold = nx__h1_hold,
    .stream_send = nx__h1_stream_send,
    .stream_end = nx__h1_stream_end,
    .tunnel = nx__h1_tunnel,
};

nx_bytes nx_request_header(const nx_request *req, const char *name)
{
    const struct nx__h1_header *header =
        nx__h1_find(req->headers, req->header_count, req->head, name, strlen(name));
    return header ? slice_at(req->head, header->value_off, header->value_len) : (nx_bytes){0};
}

bool nx_request_header_at(const nx_request *req, size_t index, nx_bytes *name, nx_bytes *value)
{
    if (index >= req->header_count) return false;
    const struct nx__h1_header *header = &req->headers[index];
    *name = slice_at(req->head, header->name_off, header->name_len);
    *value = slice_at(req->head, header->value_off, header->value_len);
    return true;
}

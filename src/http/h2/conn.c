/* HTTP/2 connections: reading, writing, deadlines, closing. */
#include "http/h2/conn.h"

#include "base/syscall.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is in a list moves to its end at most once in this time. */
#define LIST_GRAIN NX_MS(250)

enum {
    LINGER_MOST = 1 << 20,
    READS_MOST = 4, /* in one turn; the others are served too */
    SERVINGS_MOST = 4,
};

NX__THREAD_LOCAL struct nx__h2_shared *nx__h2_shared;

static void conn_posted(struct nx__post *post);
static void conn_read(struct nx__h2_conn *conn);

/* ---- Lists */

static void list_into(nx_http_server *server, struct nx__conn *base, uint8_t *in,
                      enum nx__conn_list list)
{
    nx_duration now = server->loop->now;
    if (*in == list && now - base->since < LIST_GRAIN && !nx__list_empty(&base->link)) return;
    nx__list_remove(&base->link);
    bool first = nx__list_empty(&server->lists[list]);
    nx__list_insert(&server->lists[list], &base->link);
    *in = (uint8_t)list;
    base->since = now;
    nx_duration span = first ? nx__server_deadline(server, list) : NX_FOREVER;
    if (span != NX_FOREVER) nx__server_sweep_by(server, now + span);
}

void nx__h2_list(struct nx__h2_conn *conn, enum nx__conn_list list)
{
    list_into(conn->server, &conn->base, &conn->list, list);
}

void nx__h2_stream_list(struct nx__h2_stream *stream, enum nx__conn_list list)
{
    list_into(stream->conn->server, &stream->base, &stream->list, list);
}

/* ---- What a peer may ask for */

void nx__h2_charge(struct nx__h2_conn *conn, uint32_t cost)
{
    nx_duration now = conn->server->loop->now;
    uint64_t filled = (uint64_t)((now - conn->calm_at) / NX_MS(10)) * NX__H2_CALM_RATE / 100;
    if (filled) {
        conn->calm_at = now;
        conn->calm =
            filled > NX__H2_CALM - conn->calm ? NX__H2_CALM : conn->calm + (uint32_t)filled;
    }
    if (cost > conn->calm) conn->flooded = true;
    conn->calm -= conn->flooded ? 0 : cost;
}

void nx__h2_earn(struct nx__h2_conn *conn)
{
    conn->calm += NX__H2_CALM_EARNED;
    if (conn->calm > NX__H2_CALM) conn->calm = NX__H2_CALM;
}

/* ---- Closing */

/* Tells streams that the connection has gone: all of them, or those that the peer's silence is the
 * end of. */
static void streams_end(struct nx__h2_conn *conn, bool all)
{
    for (struct nx__list *link = conn->streams.next, *next; link != &conn->streams; link = next) {
        next = link->next;
        struct nx__h2_stream *stream = nx__container_of(link, struct nx__h2_stream, link);
        if (all || stream->streaming || stream->watched || !stream->in_end)
            nx__h2_stream_closed(stream, NGHTTP2_CANCEL);
    }
}

/* The socket is of no more use: whoever waits for it is told. */
static void conn_break(struct nx__h2_conn *conn)
{
    nx__list_remove(&conn->base.link);
    if (conn->closed) return;
    conn->broken = conn->closed = true;
    nx__poller_remove(&conn->server->loop->poller, &conn->watch);
    nx__io_close(&conn->io);
    nx__buffer_free(&conn->out);
    streams_end(conn, true);
}

static void conn_free(struct nx__h2_conn *conn)
{
    nx_http_server *server = conn->server;
    nx__list_remove(&conn->link);
    nx__h2_free(conn, conn->kept);
    nghttp2_session_del(conn->session);
    free(conn);
    nx__h2_shared->connections--;
    nx__count(&server->stats.connections, -1);
    nx__server_closed(server);
}

/* No more is said; once the peer has read it, it closes. A close with bytes unread would make the
 * kernel drop what was sent. */
static void linger_begin(struct nx__h2_conn *conn)
{
    if (conn->half_closed || !nx__io_end(&conn->io)) {
        conn_break(conn);
        return;
    }
    conn->lingering = true;
    nx__h2_list(conn, NX__CONN_LINGER);
}

/* What the peer still sends is dropped. */
static void linger(struct nx__h2_conn *conn)
{
    for (;;) {
        long n = nx__io_recv(&conn->io, nx__h2_shared->in, NX__H2_SCRATCH);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) return;
        if (n > 0) conn->dropped += (uint32_t)n;
        if (n > 0 && conn->dropped <= LINGER_MOST) continue;
        conn_break(conn);
        return;
    }
}

/* ---- Writing */

static void watch_writable(struct nx__h2_conn *conn, bool want)
{
    if (conn->writable_armed == want || conn->closed) return;
    uint32_t events = NX__READABLE | (want ? NX__WRITABLE : 0u);
    if (nx__poller_change(&conn->server->loop->poller, &conn->watch, events)) conn->broken = true;
    conn->writable_armed = want;
}

/* Sends what was kept; true when nothing is left. */
static bool flush_kept(struct nx__h2_conn *conn)
{
    size_t sent = 0;
    while (sent < conn->out.len && !conn->broken) {
        long n = nx__send(conn->io.fd, conn->out.data + sent, conn->out.len - sent);
        if (n == -EINTR) continue;
        if (n == -EAGAIN) break;
        if (n < 0)
            conn->broken = true;
        else
            sent += (size_t)n;
    }
    if (sent) nx__list_remove(&conn->base.link); /* its deadline begins anew */
    nx__buffer_consume(&conn->out, sent);
    if (conn->out.len) return false;
    nx__buffer_free(&conn->out);
    return !conn->broken;
}

static void output_keep(struct nx__h2_conn *conn, const void *data, size_t len)
{
    if (nx__io_keep(&conn->io, data, len, &conn->out, (size_t)NX__H2_SCRATCH * 3))
        conn->broken = true;
}

/* Sends the shared output; keeps what the peer does not take. False when there is such, or the
 * connection is broken. */
static bool output_send(struct nx__h2_conn *conn)
{
    struct nx__h2_shared *shared = nx__h2_shared;
    size_t sent = 0;
    while (sent < shared->out_len && !conn->out.len) {
        long n = nx__io_send(&conn->io, shared->out + sent, shared->out_len - sent, &conn->out);
        if (nx__likely(n > 0)) {
            sent += (size_t)n;
            continue;
        }
        if (n == -EINTR) continue;
        if (n != -EAGAIN) conn->broken = true;
        break;
    }
    size_t rest = shared->out_len - sent;
    if (rest && !conn->broken) output_keep(conn, shared->out + sent, rest);
    shared->out_len = 0;
    return !rest && !conn->out.len && !conn->broken;
}

NX__HOT void nx__h2_flush(struct nx__h2_conn *conn)
{
    struct nx__h2_shared *shared = nx__h2_shared;
    if (conn->broken || (conn->out.len && !flush_kept(conn))) return;
    for (;;) {
        const uint8_t *data;
        nghttp2_ssize n = nghttp2_session_mem_send2(conn->session, &data);
        if (nx__unlikely(n < 0)) {
            conn->broken = true;
            break;
        }
        if (n > 0) {
            size_t len = (size_t)n; /* of a frame, at most */
            if (len > NX__H2_SCRATCH - shared->out_len && !output_send(conn)) {
                if (!conn->broken) output_keep(conn, data, len);
                break;
            }
            memcpy(shared->out + shared->out_len, data, len);
            shared->out_len += len;
            continue;
        }
        bool full = shared->full; /* DATA finds no room, or all is said */
        shared->full = false;
        if (!shared->out_len || !output_send(conn) || !full) break;
    }
    shared->out_len = 0;
    watch_writable(conn, conn->out.len != 0);
}

void nx__h2_dirty(struct nx__h2_conn *conn)
{
    if (conn->busy || conn->posted) return;
    conn->posted = true;
    nx__loop_post(conn->server->loop, &conn->post);
}

/* ---- What a connection is now */

/* Answers without a handler are held to the peer's pace by a deadline of their own. */
static void list_sending(struct nx__h2_conn *conn)
{
    for (struct nx__list *link = conn->sending.next; link != &conn->sending; link = link->next) {
        struct nx__h2_stream *stream = nx__container_of(link, struct nx__h2_stream, sending);
        if (stream->req || stream->tunnel) continue; /* these have deadlines of their own */
        if (stream->list != NX__CONN_WRITE || nx__list_empty(&stream->base.link))
            nx__h2_stream_list(stream, NX__CONN_WRITE);
    }
}

/* The time counts from when it came into the list, whatever the peer says but a request. */
static void list_once(struct nx__h2_conn *conn, enum nx__conn_list list)
{
    if (conn->list == list && conn->waited == conn->requests && !nx__list_empty(&conn->base.link))
        return;
    conn->waited = conn->requests;
    nx__h2_list(conn, list);
}

/* The peer has broken the rules past what its session can say by itself. */
static void session_failed(struct nx__h2_conn *conn, int err)
{
    bool calm = conn->flooded || err == NGHTTP2_ERR_FLOODED ||
                err == NGHTTP2_ERR_TOO_MANY_SETTINGS || err == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
    nx__count(&conn->server->stats.bad, 1);
    if (err == NGHTTP2_ERR_NOMEM ||
        nghttp2_session_terminate_session(
            conn->session, calm                                  ? NGHTTP2_ENHANCE_YOUR_CALM
                           : err == NGHTTP2_ERR_CALLBACK_FAILURE ? NGHTTP2_INTERNAL_ERROR
                           : err == NGHTTP2_ERR_STREAM_CLOSED    ? NGHTTP2_STREAM_CLOSED
                                                                 : NGHTTP2_PROTOCOL_ERROR))
        conn->broken = true;
    conn->last = conn->failed = true;
    streams_end(conn, true);
}

/* No more will be said: the session has ended itself, or all that was owed is done. */
static bool session_over(const struct nx__h2_conn *conn, bool idle)
{
    if (nghttp2_session_want_write(conn->session)) return false;
    if (!nghttp2_session_want_read(conn->session)) return true;
    return idle && (conn->last || conn->half_closed);
}

/* Of a frame a part has come. */
static bool in_frame(const struct nx__h2_conn *conn)
{
    return conn->scan.left || conn->scan.have || conn->scan.preface;
}

/* The peer says no more, and so does not take what its windows have no room for. */
static void windows_shut(struct nx__h2_conn *conn)
{
    for (struct nx__list *link = conn->sending.next, *next; link != &conn->sending; link = next) {
        next = link->next;
        nx__h2_stream_closed(nx__container_of(link, struct nx__h2_stream, sending), NGHTTP2_CANCEL);
    }
}

/* Sends what there is, and what streams of events have to say now that they can. */
static void send_all(struct nx__h2_conn *conn)
{
    conn->busy = true;
    nx__h2_flush(conn);
    for (int n = 0; n < SERVINGS_MOST && nx__unlikely(!nx__list_empty(&conn->due)); n++) {
        nx__h2_streams_serve(conn);
        nx__h2_flush(conn);
    }
    if (nx__unlikely(conn->flooded && !conn->failed)) {
        session_failed(conn, 0);
        nx__h2_flush(conn);
    }
    conn->busy = false;
    if (nx__unlikely(conn->half_closed && !conn->out.len)) windows_shut(conn);
    if (!nx__list_empty(&conn->due)) nx__h2_dirty(conn);
}

/* After bytes have come or gone, in the loop's context. The connection may be gone after. */
static void settle(struct nx__h2_conn *conn)
{
    if (!conn->closed) send_all(conn);
    if (conn->broken) conn_break(conn);
    if (nx__unlikely(conn->closed)) nx__h2_streams_serve(conn); /* tunnels close themselves */
    bool idle = nx__list_empty(&conn->streams);
    if (nx__unlikely(!conn->closed && !conn->lingering && !conn->out.len &&
                     session_over(conn, idle))) {
        streams_end(conn, true);
        linger_begin(conn);
        idle = nx__list_empty(&conn->streams);
    }
    if (nx__unlikely(conn->closed)) {
        if (idle && !conn->posted) conn_free(conn);
        return;
    }
    if (nx__unlikely(conn->lingering)) return;
    if (nx__unlikely(!nx__list_empty(&conn->sending))) list_sending(conn);
    if (nx__unlikely(conn->out.len)) {
        if (nx__list_empty(&conn->base.link) || conn->list != NX__CONN_WRITE)
            nx__h2_list(conn, NX__CONN_WRITE);
    } else if (nx__unlikely(conn->kept != NULL || (idle && in_frame(conn)))) {
        list_once(conn, NX__CONN_HEAD);
    } else if (idle) {
        list_once(conn, NX__CONN_IDLE);
    } else {
        nx__list_remove(&conn->base.link);
    }
}

static void conn_posted(struct nx__post *post)
{
    struct nx__h2_conn *conn = nx__container_of(post, struct nx__h2_conn, post);
    conn->posted = false;
    if (conn->unread && !conn->closed)
        conn_read(conn);
    else
        settle(conn);
}

/* ---- Reading */

static NX__HOT void take(struct nx__h2_conn *conn, nx_bytes bytes)
{
    if (conn->failed) return;
    conn->busy = true;
    nx__h2_head_restore(conn);
    int err = nx__h2_feed(conn, bytes);
    conn->busy = false;
    if (nx__unlikely(err || conn->flooded)) session_failed(conn, err);
    if (!nx__h2_head_keep(conn)) conn->broken = true;
}

static NX__HOT void conn_read(struct nx__h2_conn *conn)
{
    if (conn->lingering) {
        linger(conn);
        settle(conn);
        return;
    }
    conn->unread = false;
    for (int reads = 0; !conn->half_closed && !conn->broken; reads++) {
        if (reads == READS_MOST) {
            conn->unread = true;
            nx__h2_dirty(conn);
            break;
        }
        long n = nx__io_recv(&conn->io, nx__h2_shared->in, NX__H2_SCRATCH);
        if (nx__likely(n > 0)) {
            take(conn, nx_slice(nx__h2_shared->in, (size_t)n));
            /* Drained, so the next byte brings a new edge; an end that came with these does not. */
            if (!nx__io_more(&conn->io, (size_t)n, NX__H2_SCRATCH) && !conn->ending) break;
            nx__h2_flush(conn);
            continue;
        }
        if (n == -EINTR) continue;
        if (n == 0) {
            conn->half_closed = true;
            streams_end(conn, false);
        } else if (n != -EAGAIN) {
            conn->broken = true;
        }
        break;
    }
    settle(conn);
}

static NX__HOT void conn_ready(struct nx__watch *watch, uint32_t events)
{
    struct nx__h2_conn *conn = nx__container_of(watch, struct nx__h2_conn, watch);
    if (events & (NX__CLOSED | NX__HANGUP)) conn->ending = true;
    if (events & (NX__READABLE | NX__HANGUP))
        conn_read(conn);
    else
        settle(conn);
}

/* ---- Deadlines and the stop */

static void expire(struct nx__conn *base, enum nx__conn_list list)
{
    struct nx__h2_conn *conn = nx__container_of(base, struct nx__h2_conn, base);
    nx_http_server *server = conn->server;
    nx__list_remove(&base->link);
    if (list != NX__CONN_LINGER && !(list == NX__CONN_IDLE && server->draining))
        nx__count(&server->stats.timed_out, 1);
    if (list == NX__CONN_IDLE || list == NX__CONN_HEAD) {
        uint32_t code = list == NX__CONN_HEAD ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR;
        if (nghttp2_session_terminate_session(conn->session, code)) conn->broken = true;
        conn->last = true;
    } else {
        conn->broken = true;
    }
    nx__h2_dirty(conn); /* the list that it was in is being looked through */
}

static void beat(struct nx__conn *base)
{
    (void)base; /* streams of events are in the list by themselves */
}

static bool is_used(const struct nx__conn *base)
{
    return nx__container_of(base, const struct nx__h2_conn, base)->requests != 0;
}

static const struct nx__conn_kind kind = {.expire = expire, .beat = beat, .is_used = is_used};

void nx__h2_drain(nx_http_server *server)
{
    static const uint8_t opaque[8] = "nx stop";
    for (struct nx__list *link = server->sessions.next; link != &server->sessions;
         link = link->next) {
        struct nx__h2_conn *conn = nx__container_of(link, struct nx__h2_conn, link);
        if (conn->closed || conn->noticed || conn->last) continue;
        conn->noticed = true;
        if (nghttp2_submit_shutdown_notice(conn->session) ||
            nghttp2_submit_ping(conn->session, 0, opaque))
            conn->broken = true;
        nx__h2_dirty(conn);
    }
}

/* ---- Accepting */

static void shared_free(struct nx__h2_shared *shared)
{
    nghttp2_session_callbacks_del(shared->callbacks);
    nghttp2_option_del(shared->option);
    nx__h2_pool_clear(shared);
    free(shared->head);
    free(shared->in);
    free(shared->out);
    free(shared);
}

static bool shared_new(void)
{
    struct nx__h2_shared *shared = calloc(1, sizeof *shared);
    if (!shared) return false;
    shared->in = malloc(NX__H2_SCRATCH);
    shared->out = malloc(NX__H2_SCRATCH);
    shared->head = malloc(sizeof *shared->head);
    if (!shared->in || !shared->out || !shared->head || !nx__h2_session_setup(shared)) {
        shared_free(shared);
        return false;
    }
    nx__h2_shared = shared;
    return true;
}

void nx__h2_free_shared(void)
{
    if (!nx__h2_shared || nx__h2_shared->connections) return; /* another server's */
    shared_free(nx__h2_shared);
    nx__h2_shared = NULL;
}

static void peer_keep(struct nx__h2_conn *conn, const struct sockaddr_storage *peer)
{
    conn->family = (uint8_t)peer->ss_family;
    if (peer->ss_family == AF_INET6)
        memcpy(conn->address, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
    if (peer->ss_family == AF_INET)
        memcpy(conn->address, &((const struct sockaddr_in *)peer)->sin_addr, 4);
}

_Static_assert(NX__H2_PEER >= INET6_ADDRSTRLEN, "an address has room");

nx_bytes nx__h2_peer(const struct nx__h2_conn *conn, char out[NX__H2_PEER])
{
    if (conn->family == AF_UNIX) return nx_str("unix");
    if (conn->family != AF_INET && conn->family != AF_INET6) return nx_str("");
    return nx_str(inet_ntop(conn->family, conn->address, out, NX__H2_PEER));
}

static bool session_new(struct nx__h2_conn *conn)
{
    const nx_http_server_options *o = &conn->server->options;
    nghttp2_mem memory = nx__h2_memory(conn);
    if (nghttp2_session_server_new3(&conn->session, nx__h2_shared->callbacks, conn,
                                    nx__h2_shared->option, &memory))
        return false;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NX__H2_STREAMS},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, o->max_head},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
        {NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
    };
    return !nghttp2_submit_settings(conn->session, 0, settings,
                                    sizeof settings / sizeof *settings) &&
           !nghttp2_session_set_local_window_size(conn->session, 0, 0, NX__H2_CONN_WINDOW);
}

bool nx__h2_greeted(nx_http_server *server, struct nx__http_io io,
                    const struct sockaddr_storage *peer)
{
    return nx__h2_accept(server, io, peer, (nx_bytes){0});
}

bool nx__h2_accept(nx_http_server *server, struct nx__http_io io,
                   const struct sockaddr_storage *peer, nx_bytes come)
{
    if (!nx__h2_shared && !shared_new()) return false;
    struct nx__h2_conn *conn = calloc(1, sizeof *conn);
    if (!conn) return false;
    *conn = (struct nx__h2_conn){.watch.ready = conn_ready,
                                 .server = server,
                                 .base.kind = &kind,
                                 .io = io,
                                 .post.fn = conn_posted,
                                 .scan.preface = NX__H2_PREFACE_LEN,
                                 .calm = NX__H2_CALM,
                                 .calm_at = server->loop->now};
    struct sockaddr_storage asked = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof asked;
    if (!peer) (void)getpeername(io.fd, (struct sockaddr *)&asked, &len);
    peer_keep(conn, peer ? peer : &asked);
    nx__list_init(&conn->base.link);
    nx__list_init(&conn->streams);
    nx__list_init(&conn->sending);
    nx__list_init(&conn->due);
    if (!session_new(conn) ||
        nx__poller_add(&server->loop->poller, &conn->watch, io.fd, NX__READABLE)) {
        nghttp2_session_del(conn->session);
        free(conn);
        return false;
    }
    int on = 1; /* answers do not wait for those before to be acknowledged */
    (void)setsockopt(io.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    nx__list_insert(&server->sessions, &conn->link);
    nx__h2_shared->connections++;
    if (come.len) take(conn, come);
    conn->unread = true; /* there may be more, which no event tells of */
    nx__h2_dirty(conn);  /* who has it now is not to find it gone */
    return true;
}

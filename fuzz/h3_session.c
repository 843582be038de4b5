/* HTTP/3 sessions: the input is what a peer sends on its streams, in pieces of some length and
 * order. Requests are answered by a handler that reads all of their bodies; what is answered is
 * taken, and acknowledged, as a peer would. */
#include "http/h3/h3.h"
#include "http/workers.h"
#include "session.h"
#include <stdlib.h>

enum { INPUT_MOST = 16384, STREAMS = 8 };

/* ---- What is below the session */

struct wire {
    struct nx__post post;
    struct nx__op op;
    struct nx__h3_session *session;
    const uint8_t *data;
    size_t size;
    bool over;
    uint64_t failed;
    uint64_t more;
};

static void wants(void *wire)
{
    (void)wire;
}
static void consumed(void *arg, int64_t stream, uint64_t len)
{
    const struct wire *wire = arg;
    (void)stream;
    check(len <= wire->size + INPUT_MOST);
}
static void stop(void *wire, int64_t stream, uint64_t code)
{
    (void)wire, (void)stream;
    check(code != 0);
}
static void more_streams(void *arg)
{
    ((struct wire *)arg)->more++;
}
static void fail(void *arg, uint64_t code)
{
    struct wire *wire = arg;
    if (!wire->failed) wire->failed = code;
}
static bool handshaken(void *wire)
{
    (void)wire;
    return true;
}
static const struct sockaddr *peer(void *wire)
{
    static const struct sockaddr_in address = {.sin_family = AF_INET};
    (void)wire;
    return (const struct sockaddr *)&address;
}

static const struct nx__h3_wire ops = {.wants = wants,
                                       .consumed = consumed,
                                       .stop_sending = stop,
                                       .reset = stop,
                                       .more_streams = more_streams,
                                       .fail = fail,
                                       .handshaken = handshaken,
                                       .peer = peer};

/* What the session has to send is taken and acknowledged. */
static void drain(struct wire *wire)
{
    nghttp3_vec pieces[NX__QUIC_PIECES];
    for (;;) {
        int64_t stream = -1;
        int end = 0;
        nghttp3_ssize n =
            nghttp3_conn_writev_stream(wire->session->h3, &stream, &end, pieces, NX__QUIC_PIECES);
        check(n >= 0);
        if (stream < 0) return;
        uint64_t len = nghttp3_vec_len(pieces, (size_t)n);
        check(!nghttp3_conn_add_write_offset(wire->session->h3, stream, (size_t)len));
        if (!wire->failed)
            wire->failed = nx__h3_code(nghttp3_conn_add_ack_offset(wire->session->h3, stream, len));
    }
}

/* One piece: whose it is, its length, what becomes of the stream. In the loop's context. */
static void feed(struct nx__post *post)
{
    struct wire *wire = nx__container_of(post, struct wire, post);
    size_t len = wire->data[1];
    uint8_t what = wire->data[0];
    int64_t stream = (what & (STREAMS - 1)) * 4 + (what & 8 ? 2 : 0);
    wire->data += 2;
    wire->size -= 2;
    if (len > wire->size) len = wire->size;
    switch (what >> 5) {
    case 7: wire->failed = nx__h3_reset(wire->session, stream, 0x10c); break;
    case 6: wire->failed = nx__h3_stopped(wire->session, stream, 0x10c); break;
    case 5: wire->failed = nx__h3_closed(wire->session, stream, 0x100); break;
    default:
        wire->failed = nx__h3_received(wire->session, stream, wire->data, len, what & 16, false);
    }
    wire->data += len;
    wire->size -= len;
    nx__h3_session_turn(wire->session);
    if (!wire->failed) drain(wire);
    wire->over = wire->failed || wire->size < 2;
    nx__op_complete(&wire->op, 0);
}

static void finish(struct nx__post *post)
{
    struct wire *wire = nx__container_of(post, struct wire, post);
    nx__h3_session_gone(wire->session);
    nx__op_complete(&wire->op, 0);
}

static void run(struct wire *wire, void (*fn)(struct nx__post *post))
{
    wire->post.fn = fn;
    wire->op = (struct nx__op){0};
    nx__loop_post(&loop, &wire->post);
    check(nx__op_wait_uncanceled(&wire->op) == 0);
}

static void begin(void)
{
    nx__limits.watchdog = NX_FOREVER; /* who fuzzes blocks it */
    check(nx__loop_init(&loop, NULL) == NX_OK);
    server = nx_http_server_new(.max_body = 1 << 16);
    nx_http_route(server, "*", "/*path", echo);
    check(nx__server_prepare(server) == NX_OK);
    server->loop = &loop;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server) begin();
    if (size < 2 || size > INPUT_MOST) return 0;
    struct wire wire = {.data = data, .size = size};
    wire.session = nx__h3_session_new(server, &ops, &wire);
    check(wire.session && !nghttp3_conn_bind_control_stream(wire.session->h3, 3) &&
          !nghttp3_conn_bind_qpack_streams(wire.session->h3, 7, 11));
    while (!wire.over) {
        run(&wire, feed);
        check(nx_yield() == NX_OK);
    }
    run(&wire, finish);
    /* Handlers end by themselves: their peer has gone. */
    for (int i = 0; i < 8; i++) check(nx_yield() == NX_OK);
    return 0;
}

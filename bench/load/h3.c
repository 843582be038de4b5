/* The load of the HTTP/3 rows: a client over ngtcp2 and nghttp3, connections to 127.0.0.1.
 *
 *     bench_h3 --port P --seconds S [--path PATH] [--connections C] [--streams N] [--expect TEXT]
 *
 * Each connection has N requests on the way all the time. Every answer has to be whole, by 200, and
 * what is expected; certificates are not looked at. Prints JSON: what was done. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <nghttp3/nghttp3.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MOST = 64,
    DATAGRAM = 64 * 1024,
    STREAM_WINDOW = 6 * 1024 * 1024, /* as browsers have it */
    WINDOW = 15 * 1024 * 1024,
    PACKETS_A_READ = 16, /* datagrams that came together are one */
};

struct connection {
    int fd;
    ngtcp2_conn *quic;
    nghttp3_conn *http;
    SSL *ssl;
    ngtcp2_crypto_conn_ref ref;
    struct sockaddr_in local, peer;
    int open; /* requests on the way */
};

/* What has come of one answer. */
struct answer {
    uint64_t length, got;
    int good;
};

static struct connection all[CONNECTIONS_MOST];
static int port, count = 10, streams = 32;
static const char *path = "/", *expected;
static double until;
static unsigned long done;
static double bytes;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_h3: %s%s%s\n", what, why ? ": " : "", why ? why : "");
    exit(1);
}

static ngtcp2_tstamp now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (ngtcp2_tstamp)t.tv_sec * NGTCP2_SECONDS + (ngtcp2_tstamp)t.tv_nsec;
}

static double seconds_now(void)
{
    return (double)now() / (double)NGTCP2_SECONDS;
}

/* ---- Requests */

static nghttp3_nv field(const char *name, const char *value)
{
    return (nghttp3_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static void ask(struct connection *c)
{
    while (c->http && c->open < streams && seconds_now() < until) {
        const nghttp3_nv fields[] = {field(":method", "GET"), field(":scheme", "https"),
                                     field(":authority", "localhost"), field(":path", path),
                                     field("user-agent", "bench_h3")};
        int64_t id;
        struct answer *answer = calloc(1, sizeof *answer);
        if (!answer) die("out of memory", NULL);
        answer->length = UINT64_MAX;
        if (ngtcp2_conn_open_bidi_stream(c->quic, &id, NULL) != 0) {
            free(answer);
            return; /* the server allows no more yet */
        }
        int err = nghttp3_conn_submit_request(c->http, id, fields, sizeof fields / sizeof *fields,
                                              NULL, answer);
        if (err) die("cannot ask", nghttp3_strerror(err));
        c->open++;
    }
}

static int answer_field(nghttp3_conn *http, int64_t id, int32_t token, nghttp3_rcbuf *name,
                        nghttp3_rcbuf *value, uint8_t flags, void *user, void *stream_user)
{
    struct answer *answer = stream_user;
    nghttp3_vec text = nghttp3_rcbuf_get_buf(value);
    (void)http, (void)id, (void)name, (void)flags, (void)user;
    if (token == NGHTTP3_QPACK_TOKEN__STATUS)
        answer->good = text.len == 3 && memcmp(text.base, "200", 3) == 0;
    if (token == NGHTTP3_QPACK_TOKEN_CONTENT_LENGTH) {
        answer->length = 0;
        for (size_t i = 0; i < text.len; i++)
            answer->length = answer->length * 10 + (uint64_t)(text.base[i] - '0');
    }
    return 0;
}

static void consumed(struct connection *c, int64_t id, size_t n)
{
    ngtcp2_conn_extend_max_stream_offset(c->quic, id, n);
    ngtcp2_conn_extend_max_offset(c->quic, n);
}

static int answer_data(nghttp3_conn *http, int64_t id, const uint8_t *data, size_t len, void *user,
                       void *stream_user)
{
    struct answer *answer = stream_user;
    (void)http;
    if (expected &&
        (answer->got + len > strlen(expected) || memcmp(data, expected + answer->got, len) != 0))
        die("it answers wrongly", NULL);
    answer->got += len;
    bytes += (double)len;
    consumed(user, id, len);
    return 0;
}

static int late(nghttp3_conn *http, int64_t id, size_t len, void *user, void *stream_user)
{
    (void)http, (void)stream_user;
    consumed(user, id, len);
    return 0;
}

static int answer_over(nghttp3_conn *http, int64_t id, uint64_t code, void *user, void *stream_user)
{
    struct connection *c = user;
    struct answer *answer = stream_user;
    (void)http, (void)id;
    if (!answer) return 0; /* a stream of the protocol's own */
    if (code != NGHTTP3_H3_NO_ERROR) die("a request was broken off", NULL);
    if (!answer->good) die("it does not answer by 200", NULL);
    if ((answer->length != UINT64_MAX && answer->length != answer->got) ||
        (expected && answer->got != strlen(expected)))
        die("an answer is not whole", NULL);
    free(answer);
    c->open--;
    done++;
    return 0;
}

static void http_begin(struct connection *c)
{
    static const nghttp3_callbacks callbacks = {.stream_close = answer_over,
                                                .recv_data = answer_data,
                                                .deferred_consume = late,
                                                .recv_header = answer_field};
    nghttp3_settings settings;
    int64_t control, encoder, decoder;
    nghttp3_settings_default(&settings);
    if (nghttp3_conn_client_new(&c->http, &callbacks, &settings, NULL, c) ||
        ngtcp2_conn_open_uni_stream(c->quic, &control, NULL) ||
        ngtcp2_conn_open_uni_stream(c->quic, &encoder, NULL) ||
        ngtcp2_conn_open_uni_stream(c->quic, &decoder, NULL) ||
        nghttp3_conn_bind_control_stream(c->http, control) ||
        nghttp3_conn_bind_qpack_streams(c->http, encoder, decoder))
        die("cannot begin HTTP/3", NULL);
}

/* ---- QUIC */

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *ref)
{
    return ((struct connection *)ref->user_data)->quic;
}

static int http_failed(const char *what, long err)
{
    die(what, nghttp3_strerror((int)err));
    return NGTCP2_ERR_CALLBACK_FAILURE;
}

static int received(ngtcp2_conn *quic, uint32_t flags, int64_t id, uint64_t offset,
                    const uint8_t *data, size_t len, void *user, void *stream_user)
{
    struct connection *c = user;
    (void)quic, (void)offset, (void)stream_user;
    nghttp3_ssize n = nghttp3_conn_read_stream2(c->http, id, data, len,
                                                flags & NGTCP2_STREAM_DATA_FLAG_FIN, now());
    if (n < 0) return http_failed("cannot read an answer", (long)n);
    consumed(c, id, (size_t)n); /* what is no body; of that answer_data says it */
    return 0;
}

static int acked(ngtcp2_conn *quic, int64_t id, uint64_t offset, uint64_t len, void *user,
                 void *stream_user)
{
    (void)quic, (void)offset, (void)stream_user;
    int err = nghttp3_conn_add_ack_offset(((struct connection *)user)->http, id, len);
    return err ? http_failed("cannot go on", err) : 0;
}

static int closed(ngtcp2_conn *quic, uint32_t flags, int64_t id, uint64_t code, void *user,
                  void *stream_user)
{
    (void)quic, (void)stream_user;
    if (!(flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET)) code = NGHTTP3_H3_NO_ERROR;
    int err = nghttp3_conn_close_stream(((struct connection *)user)->http, id, code);
    return err && err != NGHTTP3_ERR_STREAM_NOT_FOUND ? http_failed("cannot close", err) : 0;
}

static int unblocked(ngtcp2_conn *quic, int64_t id, uint64_t most, void *user, void *stream_user)
{
    (void)quic, (void)most, (void)stream_user;
    return nghttp3_conn_unblock_stream(((struct connection *)user)->http, id)
               ? NGTCP2_ERR_CALLBACK_FAILURE
               : 0;
}

static int ready(ngtcp2_conn *quic, ngtcp2_encryption_level level, void *user)
{
    struct connection *c = user;
    (void)quic;
    if (level == NGTCP2_ENCRYPTION_LEVEL_1RTT && !c->http) http_begin(c);
    return 0;
}

static void random_bytes(uint8_t *out, size_t len, const ngtcp2_rand_ctx *ctx)
{
    (void)ctx;
    RAND_bytes(out, len);
}

static int new_id(ngtcp2_conn *quic, ngtcp2_cid *id, ngtcp2_stateless_reset_token *token,
                  size_t len, void *user)
{
    (void)quic, (void)user;
    id->datalen = len;
    RAND_bytes(id->data, len);
    RAND_bytes(token->data, sizeof token->data);
    return 0;
}

static const ngtcp2_callbacks callbacks = {
    .client_initial = ngtcp2_crypto_client_initial_cb,
    .recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb,
    .encrypt = ngtcp2_crypto_encrypt_cb,
    .decrypt = ngtcp2_crypto_decrypt_cb,
    .hp_mask = ngtcp2_crypto_hp_mask_cb,
    .recv_retry = ngtcp2_crypto_recv_retry_cb,
    .recv_stream_data = received,
    .acked_stream_data_offset = acked,
    .stream_close = closed,
    .extend_max_stream_data = unblocked,
    .rand = random_bytes,
    .get_new_connection_id2 = new_id,
    .update_key = ngtcp2_crypto_update_key_cb,
    .delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
    .delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
    .get_path_challenge_data2 = ngtcp2_crypto_get_path_challenge_data2_cb,
    .version_negotiation = ngtcp2_crypto_version_negotiation_cb,
    .recv_rx_key = ready,
};

static ngtcp2_path path_of(struct connection *c)
{
    return (ngtcp2_path){.local = {(ngtcp2_sockaddr *)&c->local, sizeof c->local},
                         .remote = {(ngtcp2_sockaddr *)&c->peer, sizeof c->peer}};
}

static void socket_open(struct connection *c)
{
    int on = 1, room = 4 << 20;
    socklen_t len = sizeof c->local;
    c->peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    c->peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&c->peer, sizeof c->peer) != 0 ||
        getsockname(c->fd, (struct sockaddr *)&c->local, &len) != 0)
        die("cannot open a socket", strerror(errno));
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    (void)setsockopt(c->fd, SOL_UDP, UDP_GRO, &on, sizeof on);
}

static void begin(struct connection *c, SSL_CTX *ctx)
{
    static const uint8_t alpn[] = "\2h3";
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_cid to = {.datalen = 16}, from = {.datalen = 8};
    socket_open(c);
    RAND_bytes(to.data, to.datalen);
    RAND_bytes(from.data, from.datalen);
    ngtcp2_settings_default(&settings);
    settings.initial_ts = now();
    ngtcp2_transport_params_default(&params);
    params.initial_max_stream_data_bidi_local = STREAM_WINDOW;
    params.initial_max_stream_data_uni = STREAM_WINDOW;
    params.initial_max_data = WINDOW;
    params.initial_max_streams_uni = 16;
    params.max_idle_timeout = 30 * NGTCP2_SECONDS;
    ngtcp2_path p = path_of(c);
    c->ssl = SSL_new(ctx);
    c->ref = (ngtcp2_crypto_conn_ref){conn_of, c};
    if (!c->ssl || ngtcp2_conn_client_new(&c->quic, &to, &from, &p, NGTCP2_PROTO_VER_V1, &callbacks,
                                          &settings, &params, NULL, c))
        die("out of memory", NULL);
    SSL_set_app_data(c->ssl, &c->ref);
    SSL_set_connect_state(c->ssl);
    (void)SSL_set_alpn_protos(c->ssl, alpn, sizeof alpn - 1);
    (void)SSL_set_tlsext_host_name(c->ssl, "localhost");
    ngtcp2_conn_set_tls_native_handle(c->quic, c->ssl);
}

/* ---- Packets */

static ngtcp2_ssize write_packet(ngtcp2_conn *quic, ngtcp2_path *to, ngtcp2_pkt_info *info,
                                 uint8_t *out, size_t room, ngtcp2_tstamp at, void *user)
{
    struct connection *c = user;
    for (;;) {
        nghttp3_vec pieces[8];
        int64_t id = -1;
        int fin = 0;
        nghttp3_ssize n = 0;
        ngtcp2_ssize taken;
        if (c->http && ngtcp2_conn_get_max_data_left2(quic))
            n = nghttp3_conn_writev_stream(c->http, &id, &fin, pieces, 8);
        if (n < 0) die("cannot write", nghttp3_strerror((int)n));
        uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE | NGTCP2_WRITE_STREAM_FLAG_PADDING;
        if (fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
        ngtcp2_ssize len = ngtcp2_conn_writev_stream(quic, to, info, out, room, &taken, flags, id,
                                                     (ngtcp2_vec *)pieces, (size_t)n, at);
        if (len == NGTCP2_ERR_STREAM_DATA_BLOCKED) {
            nghttp3_conn_block_stream(c->http, id);
            continue;
        }
        if (len == NGTCP2_ERR_WRITE_MORE) {
            nghttp3_conn_add_write_offset(c->http, id, (size_t)taken);
            continue;
        }
        if (len < 0) die("cannot write", ngtcp2_strerror((int)len));
        if (taken >= 0) nghttp3_conn_add_write_offset(c->http, id, (size_t)taken);
        return len;
    }
}

static void send_all(struct connection *c)
{
    static uint8_t out[DATAGRAM];
    for (;;) {
        ngtcp2_path_storage to;
        ngtcp2_pkt_info info;
        size_t segment = 0;
        ngtcp2_path_storage_zero(&to);
        ngtcp2_ssize n = ngtcp2_conn_write_aggregate_pkt(
            c->quic, &to.path, &info, out, sizeof out - 1024, &segment, write_packet, now());
        if (n < 0) die("cannot write", ngtcp2_strerror((int)n));
        if (n == 0) return;
        struct iovec piece = {out, (size_t)n};
        union {
            char room[CMSG_SPACE(sizeof(uint16_t))];
            struct cmsghdr head;
        } control = {0};
        struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
        if ((size_t)n > segment) {
            uint16_t size = (uint16_t)segment;
            message.msg_control = control.room;
            message.msg_controllen = sizeof control.room;
            control.head.cmsg_level = SOL_UDP;
            control.head.cmsg_type = UDP_SEGMENT;
            control.head.cmsg_len = CMSG_LEN(sizeof size);
            memcpy(CMSG_DATA(&control.head), &size, sizeof size);
        }
        if (sendmsg(c->fd, &message, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
            die("cannot send", strerror(errno));
    }
}

static int read_one(struct connection *c)
{
    static uint8_t in[DATAGRAM];
    struct iovec piece = {in, sizeof in};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr head;
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t n = recvmsg(c->fd, &message, 0);
    if (n < 0 && errno == ECONNREFUSED) die("nobody listens", NULL);
    if (n <= 0) return 0;
    int segment = (int)n;
    struct cmsghdr *said = CMSG_FIRSTHDR(&message);
    if (said && said->cmsg_level == SOL_UDP && said->cmsg_type == UDP_GRO)
        memcpy(&segment, CMSG_DATA(said), sizeof segment);
    const ngtcp2_pkt_info info = {0};
    ngtcp2_path p = path_of(c);
    for (ssize_t at = 0; at < n; at += segment) {
        size_t len = (size_t)(n - at < segment ? n - at : segment);
        int err = ngtcp2_conn_read_pkt(c->quic, &p, &info, in + at, len, now());
        if (err) die("the connection has ended", ngtcp2_strerror(err));
    }
    return 1;
}

static void turn(struct pollfd *polls)
{
    ngtcp2_tstamp first = UINT64_MAX, at = now();
    for (int i = 0; i < count; i++) {
        ngtcp2_tstamp expiry = ngtcp2_conn_get_expiry2(all[i].quic);
        if (expiry < first) first = expiry;
    }
    int wait = first <= at ? 0 : first - at > 100 * NGTCP2_MILLISECONDS ? 100 : 1;
    (void)poll(polls, (nfds_t)count, wait);
    for (int i = 0; i < count; i++) {
        struct connection *c = &all[i];
        int busy = 0;
        if (polls[i].revents)
            for (int n = 0; n < PACKETS_A_READ && read_one(c); n++) busy = 1;
        if (ngtcp2_conn_get_expiry2(c->quic) <= now()) {
            int err = ngtcp2_conn_handle_expiry(c->quic, now());
            if (err) die("the connection has ended", ngtcp2_strerror(err));
            busy = 1;
        }
        if (!busy) continue;
        ask(c);
        send_all(c);
    }
}

static int on_the_way(void)
{
    int sum = 0;
    for (int i = 0; i < count; i++) sum += all[i].open;
    return sum;
}

static void say_goodbye(struct connection *c)
{
    uint8_t out[1500];
    ngtcp2_path_storage to;
    ngtcp2_pkt_info info;
    ngtcp2_ccerr reason;
    ngtcp2_path_storage_zero(&to);
    ngtcp2_ccerr_default(&reason);
    ngtcp2_ccerr_set_application_error(&reason, NGHTTP3_H3_NO_ERROR, NULL, 0);
    ngtcp2_ssize n = ngtcp2_conn_write_connection_close(c->quic, &to.path, &info, out, sizeof out,
                                                        &reason, now());
    if (n > 0) (void)send(c->fd, out, (size_t)n, 0);
}

int main(int argc, char **argv)
{
    double seconds = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            port = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = atof(argv[i + 1]);
        else if (strcmp(argv[i], "--path") == 0)
            path = argv[i + 1];
        else if (strcmp(argv[i], "--connections") == 0)
            count = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--streams") == 0)
            streams = atoi(argv[i + 1]);
        else if (strcmp(argv[i], "--expect") == 0)
            expected = argv[i + 1];
        else
            die("there is no such option", argv[i]);
    }
    if (argc % 2 == 0 || count < 1 || count > CONNECTIONS_MOST) die("wrong options", NULL);
    CRYPTO_library_init();
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (!ctx || ngtcp2_crypto_boringssl_configure_client_context(ctx) ||
        !SSL_CTX_set1_groups_list(ctx, "X25519")) /* which all servers have */
        die("out of memory", NULL);
    struct pollfd polls[CONNECTIONS_MOST];
    double begun = seconds_now();
    until = begun + seconds;
    for (int i = 0; i < count; i++) {
        begin(&all[i], ctx);
        polls[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
        send_all(&all[i]);
    }
    while (seconds_now() < until || on_the_way()) {
        if (seconds_now() > until + 10) die("the server does not answer", NULL);
        turn(polls);
    }
    double took = seconds_now() - begun;
    for (int i = 0; i < count; i++) say_goodbye(&all[i]);
    printf("{\"requests\":%lu,\"bytes\":%.0f,\"rate\":%.1f}\n", done, bytes, (double)done / took);
    return 0;
}

/* Both ends in one program: handshakes, bytes in all sizes, ends. */
#include "tls_test.h"

#include <nexus/fiber.h>
#include <nexus/timer.h>
#include <nexus/tls.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct made authority, own, other;

static void begin(void)
{
    static const char *const names[] = {"localhost", "127.0.0.1"}, *const others[] = {
                                                                       "other.test", "*.wild.test"};
    authority = issue(NULL, "authority", NULL, 0);
    own = issue(&authority, "localhost", names, 2);
    other = issue(&authority, "other.test", others, 2);
}

static void end(void)
{
    unmake(&authority);
    unmake(&own);
    unmake(&other);
}

/* A server's end, in a fiber of its own. */
struct far {
    nx_listener *listener;
    nx_tls_server *server;
    nx_err (*serve)(nx_tls *tls);
    nx_err err;
};

static nx_err far_main(void *arg)
{
    struct far *far = arg;
    NX_AUTO(nx_conn) *conn = NULL;
    NX_AUTO(nx_tls) *tls = NULL;
    far->err = nx_net_accept(far->listener, &conn);
    if (!far->err) far->err = nx_tls_accept(&tls, conn, far->server);
    if (!far->err && far->serve) far->err = far->serve(tls);
    return NX_OK;
}

static struct far far_new(nx_err (*serve)(nx_tls *tls))
{
    struct far far = {.serve = serve};
    nx_require_ok(nx_tls_server_new(&far.server, .cert = own.cert.data, .key = own.key.data,
                                    .protocols = "b,a"));
    nx_require_ok(nx_tls_server_add(far.server, other.cert.data, other.key.data));
    nx_require_ok(nx_net_listen(&far.listener, "127.0.0.1:0"));
    return far;
}

static const char *far_address(const struct far *far)
{
    nx_address at = nx_listener_address(far->listener);
    return nx_address_text(&at);
}

static void far_free(struct far *far)
{
    nx_listener_close(far->listener);
    nx_tls_server_free(far->server);
}

static nx_err echo(nx_tls *tls)
{
    nx_bytes all;
    NX_TRY(nx_stream_read_all(nx_tls_stream(tls), 64 << 20, &all));
    NX_TRY(nx_stream_write(nx_tls_stream(tls), all));
    return nx_stream_finish(nx_tls_stream(tls));
}

static void exchange(size_t size, size_t piece)
{
    struct far far = far_new(echo);
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, far_main, &far));
    NX_AUTO(nx_tls) *tls = NULL;
    char *data = nx_alloc(size + 1);
    nx_bytes back;
    for (size_t i = 0; i < size; i++) data[i] = (char)(i * 7 + i / 251);
    nx_require_ok(
        nx_tls_connect(&tls, far_address(&far), .ca = authority.cert.data, .protocols = "a"));
    nx_expect_eq(nx_tls_info_of(tls)->protocol, "a");
    for (size_t at = 0; at < size; at += piece)
        nx_require_ok(nx_stream_write(nx_tls_stream(tls),
                                      nx_slice(data + at, size - at < piece ? size - at : piece)));
    nx_require_ok(nx_stream_finish(nx_tls_stream(tls)));
    nx_require_ok(nx_stream_read_all(nx_tls_stream(tls), 64 << 20, &back));
    nx_expect(nx_bytes_eq(back, nx_slice(data, size)));
    nx_require_ok(nx_join(fiber));
    nx_expect_eq(far.err, NX_OK);
    far_free(&far);
}

NX_TEST("bytes in all sizes")
{
    begin();
    static const size_t sizes[][2] = {
        {0, 1},         {1, 1},         {300, 1},           {16383, 16383},  {16384, 16384},
        {16385, 16385}, {200000, 4096}, {3 << 20, 3 << 20}, {1 << 20, 70001}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) exchange(sizes[i][0], sizes[i][1]);
    end();
}

static nx_err name_asked(nx_tls *tls)
{
    const nx_tls_info *info = nx_tls_info_of(tls);
    return nx_stream_write(nx_tls_stream(tls), nx_str(info->name));
}

/* What the server shows to who asks for the name. */
static const char *shown_for(const char *name, nx_err *err)
{
    struct far far = far_new(name_asked);
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, far_main, &far));
    NX_AUTO(nx_tls) *tls = NULL;
    *err = nx_tls_connect(&tls, far_address(&far), .ca = authority.cert.data, .name = name);
    char *subject = *err ? nx_copy(nx_str("")) : nx_format("%s", nx_tls_info_of(tls)->peer_subject);
    nx_require_ok(nx_join(fiber));
    far_free(&far);
    return subject;
}

NX_TEST("names choose certificates")
{
    begin();
    nx_err err;
    nx_expect_eq(shown_for("localhost", &err), "CN=localhost");
    nx_expect_eq(shown_for("127.0.0.1", &err), "CN=localhost");
    nx_expect_eq(shown_for("other.test", &err), "CN=other.test");
    nx_expect_eq(shown_for("Other.Test", &err), "CN=other.test");
    nx_expect_eq(shown_for("a.wild.test", &err), "CN=other.test");
    nx_expect_eq(shown_for("wild.test", &err), "");
    nx_expect_eq(err, NX_EPROTO);
    nx_expect_eq(shown_for("a.b.wild.test", &err), "");
    nx_expect_eq(shown_for("unknown.test", &err), "");
    nx_expect_contains(nx_error_last()->message, "another name");
    end();
}

NX_TEST("sessions are taken up again")
{
    begin();
    struct far far = far_new(name_asked);
    for (int i = 0; i < 4; i++) {
        nx_fiber *fiber;
        nx_require_ok(nx_spawn(&fiber, far_main, &far));
        NX_AUTO(nx_tls) *tls = NULL;
        nx_bytes all;
        nx_require_ok(nx_tls_connect(&tls, far_address(&far), .ca = authority.cert.data,
                                     .name = "localhost", .no_resumption = i == 3));
        nx_require_ok(nx_stream_read_all(nx_tls_stream(tls), 1000, &all));
        nx_expect_eq(nx_tls_info_of(tls)->resumed, i == 1 || i == 2);
        nx_expect_eq(nx_tls_info_of(tls)->peer_subject, "CN=localhost");
        nx_require_ok(nx_join(fiber));
    }
    far_free(&far);
    end();
}

NX_TEST("a session is for the name that was proved")
{
    begin();
    struct far far = far_new(name_asked);
    static const char *const names[] = {"localhost", "other.test", "unknown.test", "localhost"};
    for (int i = 0; i < 4; i++) {
        nx_fiber *fiber;
        nx_require_ok(nx_spawn(&fiber, far_main, &far));
        NX_AUTO(nx_tls) *tls = NULL;
        nx_bytes all;
        nx_err err =
            nx_tls_connect(&tls, far_address(&far), .ca = authority.cert.data, .name = names[i]);
        nx_expect_eq(err, i == 2 ? NX_EPROTO : NX_OK);
        if (tls) nx_require_ok(nx_stream_read_all(nx_tls_stream(tls), 1000, &all));
        if (tls) nx_expect_eq(nx_tls_info_of(tls)->resumed, i == 3);
        nx_require_ok(nx_join(fiber));
    }
    far_free(&far);
    end();
}

static nx_err slow_reader(nx_tls *tls)
{
    nx_bytes all;
    NX_TRY(nx_sleep(NX_MS(100)));
    return nx_stream_read_all(nx_tls_stream(tls), 64 << 20, &all);
}

static nx_err sleeper(nx_tls *tls)
{
    (void)tls;
    return nx_sleep(NX_S(600));
}

NX_TEST("a peer that reads late is waited for, and one that reads nothing not for ever")
{
    begin();
    size_t size = 16 << 20;
    char *data = nx_alloc_zero(size, 1);
    struct far far = far_new(slow_reader);
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, far_main, &far));
    nx_tls *tls;
    nx_require_ok(
        nx_tls_connect(&tls, far_address(&far), .ca = authority.cert.data, .name = "localhost"));
    nx_require_ok(nx_stream_write(nx_tls_stream(tls), nx_slice(data, size)));
    nx_tls_close(tls);
    nx_require_ok(nx_join(fiber));
    nx_expect_eq(far.err, NX_OK);
    far.serve = sleeper;
    nx_require_ok(nx_spawn(&fiber, far_main, &far));
    nx_require_ok(nx_tls_connect(&tls, far_address(&far), .ca = authority.cert.data,
                                 .name = "localhost", .write_deadline = NX_MS(20)));
    nx_err err = NX_OK;
    for (int i = 0; i < 4 && !err; i++)
        err = nx_stream_write(nx_tls_stream(tls), nx_slice(data, size));
    nx_expect_eq(err, NX_ETIMEDOUT);
    nx_tls_close(tls);
    nx_cancel(fiber);
    nx_require_ok(nx_join(fiber));
    nx_expect_eq(far.err, NX_ECANCELED);
    far_free(&far);
    end();
}

/* What is sent to a server, byte by byte of a whole handshake cut off at each place, and changed
 * there, ends that connection only. */
NX_TEST("a server's handshake with anything")
{
    begin();
    struct far far = far_new(NULL);
    static const char hello[] = "\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03"
                                "0123456789abcdef0123456789abcdef"
                                "\x00\x00\x02\x13\x01\x01\x00\x00\x02\x00\x17";
    for (size_t i = 0; i <= sizeof hello; i++) {
        nx_fiber *fiber;
        nx_require_ok(nx_spawn(&fiber, far_main, &far));
        NX_AUTO(nx_conn) *conn = NULL;
        char text[sizeof hello];
        memcpy(text, hello, sizeof hello);
        if (i < sizeof hello) text[i] ^= 0x55;
        nx_require_ok(nx_net_connect(&conn, far_address(&far)));
        NX_IGNORE(nx_stream_write(nx_net_stream(conn), nx_slice(text, sizeof hello - 1)));
        NX_IGNORE(nx_stream_finish(nx_net_stream(conn)));
        nx_require_ok(nx_join(fiber));
        nx_expect(far.err == NX_EPROTO || far.err == NX_ERESET);
    }
    far_free(&far);
    end();
}

/* Memory that runs out and system calls that fail, at every place of a handshake and an exchange.
 */
#include "faults.h"
#include "tls_test.h"

#include "base/error.h"
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/tls.h>
#include <stdio.h>

static struct made authority, own;
static nx_tls_server *server;
static nx_listener *listener;
static const char *address;

static void begin(void)
{
    static const char *const names[] = {"localhost", "127.0.0.1"};
    authority = issue(NULL, "authority", NULL, 0);
    own = issue(&authority, "localhost", names, 2);
    nx_require_ok(nx_tls_server_new(&server, .cert = own.cert.data, .key = own.key.data));
    nx_require_ok(nx_net_listen(&listener, "127.0.0.1:0"));
    nx_address at = nx_listener_address(listener);
    address = nx_address_text(&at);
}

static void end(void)
{
    nx_listener_close(listener);
    nx_tls_server_free(server);
    unmake(&authority);
    unmake(&own);
}

static nx_tls_server *made;

static nx_err make_server(void)
{
    made = NULL;
    return nx_tls_server_new(&made, .cert = own.cert.data, .key = own.key.data, .protocols = "b,a",
                             .client_ca = authority.cert.data);
}

/* Where nothing fails any more: libcrypto needs memory to free what hangs on a context. */
static void drop_server(void)
{
    nx_tls_server_free(made);
    made = NULL;
}

static void free_server(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)failed;
    nx_expect((err == NX_OK) == (made != NULL));
    if (made) {
        nx_expect_ok(nx_tls_server_add(made, own.cert.data, own.key.data));
        nx_expect_ok(nx_tls_server_reload(made));
    }
    drop_server();
}

static nx_err make_certificate(void)
{
    static const char *const names[] = {"localhost", "::1"};
    struct nx__buffer cert, key;
    NX_TRY(nx__tls_issue(&(struct nx__tls_issue){.common = "x",
                                                 .names = names,
                                                 .count = 2,
                                                 .days = 2,
                                                 .ca_cert = authority.cert.data,
                                                 .ca_key = authority.key.data},
                         &cert, &key));
    nx__buffer_free(&cert);
    nx__buffer_free(&key);
    return NX_OK;
}

static nx_err far(void *arg)
{
    NX_AUTO(nx_conn) *conn = NULL;
    NX_AUTO(nx_tls) *tls = NULL;
    nx_bytes all;
    (void)arg;
    NX_TRY(nx_net_accept(listener, &conn));
    nx_net_deadlines(conn, NX_S(5), NX_S(5));
    NX_TRY(nx_tls_accept(&tls, conn, server));
    NX_TRY(nx_stream_read_all(nx_tls_stream(tls), 1 << 20, &all));
    NX_TRY(nx_stream_write(nx_tls_stream(tls), all));
    return nx_stream_finish(nx_tls_stream(tls));
}

static nx_err near(void)
{
    NX_AUTO(nx_tls) *tls = NULL;
    nx_bytes all;
    char *data = nx_alloc_zero(40000, 1);
    if (!data) return NX_ENOMEM;
    NX_TRY(nx_tls_connect(&tls, address, .ca = authority.cert.data, .no_resumption = true,
                          .read_deadline = NX_S(5), .write_deadline = NX_S(5)));
    NX_TRY(nx_stream_write(nx_tls_stream(tls), nx_slice(data, 40000)));
    NX_TRY(nx_stream_finish(nx_tls_stream(tls)));
    NX_TRY(nx_stream_read_all(nx_tls_stream(tls), 1 << 20, &all));
    if (all.len == 40000) return NX_OK;
    return nx__error_set(NX_EPROTO, "the other end has given up: %zu bytes", all.len);
}

/* What went wrong at one end is what the other has to say about it, too. */
static nx_err exchange(void)
{
    nx_fiber *fiber;
    char message[NX__ERROR_MESSAGE_MAX];
    NX_TRY(nx_spawn(&fiber, far, NULL));
    nx_err err = near();
    (void)snprintf(message, sizeof message, "%s", nx__error_last()->message);
    if (err) nx_cancel(fiber);
    nx_err other = nx_join(fiber);
    if (!err || ((err == NX_ERESET || err == NX_EPROTO) && other && other != NX_ECANCELED))
        return other;
    return nx__error_set(err, "%s", message);
}

static const struct faults_scenario scenarios[] = {
    {.name = "a server", .run = make_server, .before = drop_server, .after = free_server},
    {.name = "a certificate", .run = make_certificate},
    {.name = "an exchange", .run = exchange, .instead = NX_EPROTO},
};

NX_TEST("memory runs out")
{
    begin();
    faults_run(FAULTS_MEMORY, scenarios, 2);
    drop_server();
    end();
}

NX_TEST("memory runs out in an exchange", .deadline = NX_S(60))
{
    begin();
    nx_require_ok(exchange());
    for (struct faults_rounds rounds = {.what = FAULTS_MEMORY}; faults_next(&rounds);) {
        nx_err err = exchange();
        if (!nx_expect(err == NX_OK || err == NX_ENOMEM || err == NX_EPROTO || err == NX_ERESET))
            nx_test_log("round %lu: %s\n", rounds.nth, nx_error_last()->message);
    }
    nx_require_ok(exchange());
    end();
}

NX_TEST("memory runs out for good")
{
    begin();
    faults_run(FAULTS_NO_MEMORY, &scenarios[1], 1);
    end();
}

NX_TEST("system calls fail")
{
    begin();
    faults_run(EIO, &scenarios[2], 1);
    end();
}

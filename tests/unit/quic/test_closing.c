/* Connections that only repeat their last words: there are never more of them than their cap. */
#include "http/server.h"
#include "quic/quic.h"
#include "tls/issue.h"
#include "valgrind.h"
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/http.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <stdlib.h>

enum { CLIENTS = NX__QUIC_CLOSING_MOST + 100 };

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "hello");
}

static bool served;

static nx_err serve(void *arg)
{
    nx_err err = nx_http_listen(arg);
    served = true;
    return err;
}

static const struct nx__quic_endpoint *endpoint_of(const nx_http_server *server)
{
    return (const struct nx__quic_endpoint *)server->h3; /* its first member */
}

static size_t closing(const nx_http_server *server)
{
    const struct nx__list *list = &endpoint_of(server)->closing;
    size_t count = 0;
    for (const struct nx__list *item = list->next; item != list; item = item->next) count++;
    return count;
}

NX_TEST("a server that ends many connections at once forgets the oldest", .deadline = NX_S(250))
{
    static const char *const names[] = {"127.0.0.1"};
    static nx_client *clients[CLIENTS];
    struct nx__buffer cert = {0}, key = {0};
    nx_fiber *fiber;
    if (under_valgrind()) nx_skip("a thousand handshakes take it minutes");
    nx_require_ok(nx__tls_issue(
        &(struct nx__tls_issue){.common = "localhost", .names = names, .count = 1, .days = 2},
        &cert, &key));
    nx_http_server *server =
        nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT, .cert = cert.data,
                           .key = key.data, .h3 = true, .idle_deadline = NX_S(200));
    nx_http_get(server, "/", hello);
    nx_require_ok(nx_spawn(&fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
    const char *url = nx_format("https://127.0.0.1:%u/", nx_http_port(server));
    for (size_t i = 0; i < CLIENTS; i++) {
        nx_fetched *res;
        nx_bytes body;
        nx_require_ok(
            nx_client_new(&clients[i], .insecure = true, .proxy = "", .keep_alive = NX_S(200)));
        nx_require_ok(nx_fetch(&res, url, .client = clients[i], .version = NX_HTTP_3));
        nx_require_ok(nx_fetched_body(res, &body));
        nx_expect_eq(nx_fetched_status(res), 200);
    }
    nx_expect_eq(closing(server), (size_t)0);
    nx_http_stop(server);
    size_t most = 0;
    while (!served) {
        size_t now = closing(server);
        nx_expect_eq(endpoint_of(server)->closing_count, now);
        if (now > most) most = now;
        nx_require_ok(nx_yield());
    }
    nx_expect(most > 0);
    nx_expect_le(most, (size_t)NX__QUIC_CLOSING_MOST);
    nx_require_ok(nx_join(fiber));
    for (size_t i = 0; i < CLIENTS; i++) nx_client_free(clients[i]);
    nx__buffer_free(&cert);
    nx__buffer_free(&key);
}

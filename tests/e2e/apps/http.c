/* What the HTTP tests talk to. argv[1] is the port, argv[2] "short" for short deadlines. */
#include "several.h"
#include <nexus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

static nx_err length(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    return nx_response_json(res, nx_obj("length", body.len));
}

static nx_err whole_echo(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    nx_bytes trailer = nx_request_trailer(req, "x-sum");
    if (trailer.data) nx_response_header(res, "x-sum", nx_copy(trailer));
    return nx_response_send_bytes(res, body);
}

static nx_err echo(nx_request *req, nx_response *res)
{
    for (;;) {
        nx_bytes chunk;
        NX_TRY(nx_request_read(req, &chunk));
        if (!chunk.len) break;
        NX_TRY(nx_response_write(res, chunk));
    }
    nx_response_trailer(res, "x-done", "yes");
    return nx_response_end(res);
}

static bool let_go;

/* Asks for the body, which is there, when another request says so. */
static nx_err late(nx_request *req, nx_response *res)
{
    nx_bytes body;
    fprintf(stderr, "late: begins\n");
    while (!let_go) NX_TRY(nx_sleep(NX_MS(10)));
    nx_err err = nx_request_body(req, &body);
    fprintf(stderr, "late: %s, %zu bytes\n", err ? nx_err_name(err) : "all", body.len);
    return err ? err : nx_response_send_bytes(res, body);
}

static nx_err late_go(nx_request *req, nx_response *res)
{
    let_go = nx_request_query(req).len == 0;
    return nx_response_send(res, "");
}

/* JSON with a trailer section. */
static nx_err summed(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_trailer(res, "x-sum", "42");
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!", "sum", 42));
}

/* Takes longer between two reads than the peer may take. */
static nx_err dawdle(nx_request *req, nx_response *res)
{
    nx_bytes chunk;
    size_t total = 0;
    do {
        NX_TRY(nx_request_read(req, &chunk));
        if (!total) NX_TRY(nx_sleep(NX_MS(5500)));
        total += chunk.len;
    } while (chunk.len);
    return nx_response_json(res, nx_obj("length", total));
}

static nx_err params(nx_request *req, nx_response *res)
{
    return nx_response_json(
        res, nx_obj("id", nx_request_param(req, "id"), "rest", nx_request_param(req, "rest"),
                    "query", nx_request_query(req), "agent", nx_request_header(req, "User-Agent"),
                    "peer", nx_request_peer(req)));
}

static nx_err slow(nx_request *req, nx_response *res)
{
    nx_bytes ms = nx_request_param(req, "ms");
    NX_TRY(nx_sleep(NX_MS(strtol(nx_copy(ms), NULL, 10))));
    return nx_response_send(res, "slept");
}

static nx_err big(nx_request *req, nx_response *res)
{
    (void)req;
    size_t size = (size_t)64 << 20;
    char *data = nx_alloc(size);
    if (!data) return NX_ENOMEM;
    memset(data, 'b', size);
    return nx_response_send_bytes(res, nx_slice(data, size));
}

static nx_err pieces(nx_request *req, nx_response *res)
{
    (void)req;
    static char piece[65536];
    for (int i = 0; i < 1024; i++) NX_TRY(nx_response_write(res, nx_slice(piece, sizeof piece)));
    return NX_OK;
}

static nx_err split(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "x-bad", "a\r\nset-cookie: b");
    return nx_response_send(res, "never");
}

static nx_err fail(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return nx_fail(NX_EIO, "the database is gone");
}

static nx_err nothing(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    return NX_OK;
}

static nx_err twice(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_send(res, "once"));
    nx_err second = nx_response_send(res, "twice");
    return second == NX_ESTATE ? NX_OK : NX_EFAILED;
}

static nx_err fields(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_status(res, 418);
    nx_response_header(res, "X-One", "1");
    nx_response_header(res, "x-one", "2");
    nx_response_header_add(res, "set-cookie", "a=1");
    nx_response_header_add(res, "set-cookie", "b=2");
    nx_response_header(res, "content-type", "text/html");
    return nx_response_send(res, "<p>");
}

static nx_err halfway(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_write(res, nx_str("begun")));
    return nx_fail(NX_EIO, "broke in the middle");
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    *(volatile int *)NULL = 1;
    return NX_OK;
}

static volatile int deep;

static int recurse(int n)
{
    volatile char waste[1024];
    waste[0] = (char)n;
    return n < deep ? recurse(n + 1) + waste[0] : 0;
}

static nx_err overflow(nx_request *req, nx_response *res)
{
    (void)req;
    deep = 1 << 30;
    return nx_response_json(res, nx_obj("n", recurse(0)));
}

static nx_err block(nx_request *req, nx_response *res)
{
    (void)req;
    usleep(400000);
    return nx_response_send(res, "blocked");
}

static nx_err block_thread(void *arg)
{
    (void)arg;
    usleep(2000000);
    return NX_OK;
}

/* Takes longer than the drain, and can't be cut short. */
static nx_err stuck(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_blocking(block_thread, NULL));
    return nx_response_send(res, "at last");
}

static nx_err child(void *arg)
{
    (void)arg;
    return nx_sleep(NX_MS(5));
}

static nx_err spawn(nx_request *req, nx_response *res)
{
    (void)req;
    nx_fiber *fibers[8];
    for (int i = 0; i < 8; i++) NX_TRY(nx_spawn(&fibers[i], child, NULL, .name = "child"));
    for (int i = 0; i < 8; i++) NX_TRY(nx_join(fibers[i]));
    return nx_response_send(res, "joined");
}

static nx_err pid(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("pid", getpid()));
}

int main(int argc, char **argv)
{
    bool hasty = argc > 2 && strcmp(argv[2], "short") == 0;
    nx_http_server_options o = {.size = sizeof o,
                                .port = (uint16_t)strtol(argc > 1 ? argv[1] : "3000", NULL, 10),
                                .max_body = (uint64_t)8 << 20,
                                .max_connections = 200000,
                                .workers = several()};
    char socket[256];
    if (argc > 3) {
        snprintf(socket, sizeof socket, "unix:%s", argv[3]);
        o.host = socket;
    }
    if (hasty) {
        o.head_deadline = NX_MS(400);
        o.body_deadline = NX_MS(600);
        o.idle_deadline = NX_MS(500);
        o.handler_deadline = NX_MS(500);
        o.write_deadline = NX_MS(500);
        o.drain_deadline = NX_MS(300);
        o.max_connections = 64;
        o.max_requests = 1000;
    }
    NX_AUTO(nx_http_server) *server = nx_http_server_new_with(&o);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "POST", "/length", length);
    nx_http_route(server, "POST", "/whole", whole_echo);
    nx_http_route(server, "POST", "/dawdle", dawdle);
    nx_http_route(server, "POST", "/late", late);
    nx_http_route(server, "GET", "/late/go", late_go);
    nx_http_route(server, "GET", "/summed", summed);
    nx_http_route(server, "*", "/echo", echo);
    nx_http_route(server, "GET", "/items/:id", params);
    nx_http_route(server, "GET", "/items/:id/tail/*rest", params);
    nx_http_route(server, "GET", "/items/special", root);
    nx_http_route(server, "GET", "/slow/:ms", slow);
    nx_http_route(server, "GET", "/big", big);
    nx_http_route(server, "GET", "/pieces", pieces);
    nx_http_route(server, "GET", "/split", split);
    nx_http_route(server, "GET", "/fail", fail);
    nx_http_route(server, "GET", "/nothing", nothing);
    nx_http_route(server, "GET", "/twice", twice);
    nx_http_route(server, "GET", "/fields", fields);
    nx_http_route(server, "GET", "/halfway", halfway);
    nx_http_route(server, "GET", "/crash", crash);
    nx_http_route(server, "GET", "/overflow", overflow);
    nx_http_route(server, "GET", "/block", block);
    nx_http_route(server, "GET", "/spawn", spawn);
    nx_http_route(server, "GET", "/stuck", stuck);
    nx_http_route(server, "GET", "/pid", pid);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "http.c: %s\n", nx_error_last()->message);
    return err;
}

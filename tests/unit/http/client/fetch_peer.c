/* Whom requests of the client are put to. */
#include "fetch_peer.h"

#include <nexus/timer.h>

/* ---- A peer that answers each connection with the next text */

static nx_err peer_answer(struct peer *p, nx_stream *stream, const char *text)
{
    if (!p->pause) return nx_stream_write(stream, nx_str(text));
    for (; *text; text++) {
        NX_TRY(nx_stream_write(stream, nx_slice(text, 1)));
        NX_TRY(nx_sleep(p->pause));
    }
    return NX_OK;
}

static nx_err peer_serve(nx_conn *conn, void *arg)
{
    struct peer *p = arg;
    nx_stream *stream = nx_net_stream(conn);
    p->connections++;
    do {
        nx_bytes head;
        const char *text = p->answers[p->next];
        if (!text) return NX_OK;
        if (nx_stream_read_until(stream, nx_str("\r\n\r\n"), sizeof p->asked - 1, &head) ||
            !head.len)
            return NX_OK;
        memcpy(p->asked, head.data, head.len);
        p->asked[head.len] = '\0';
        p->next++;
        NX_TRY(peer_answer(p, stream, text));
    } while (p->keeps);
    return NX_OK;
}

static nx_err peer_run(void *arg)
{
    struct peer *p = arg;
    return nx_net_serve(p->listener, peer_serve, p);
}

void peer_begin(struct peer *p, const char *const *answers)
{
    p->answers = answers;
    nx_require_ok(nx_net_listen(&p->listener, "127.0.0.1:0"));
    nx_require_ok(nx_spawn(&p->fiber, peer_run, p));
}

void peer_end(struct peer *p)
{
    nx_listener_stop(p->listener);
    nx_cancel(p->fiber);
    NX_IGNORE(nx_join(p->fiber));
    nx_listener_close(p->listener);
    nx_client_close_idle(NULL);
}

const char *peer_url(const struct peer *p, const char *path)
{
    return nx_format("http://127.0.0.1:%u%s", nx_listener_address(p->listener).port, path);
}

/* ---- A server of ours */

static nx_http_server *server;
static nx_fiber *server_fiber;

nx_err server_echo(nx_request *req, nx_response *res)
{
    nx_bytes body, type = nx_request_header(req, "content-type");
    NX_TRY(nx_request_body(req, &body));
    nx_response_header(res, "x-method", nx_copy(nx_request_method(req)));
    nx_response_header(res, "x-type", nx_copy(type));
    nx_response_header(res, "x-chunked",
                       nx_request_header(req, "transfer-encoding").data ? "yes" : "no");
    nx_response_header(res, "x-authorization", nx_copy(nx_request_header(req, "authorization")));
    nx_response_header(res, "x-cookie", nx_copy(nx_request_header(req, "cookie")));
    nx_response_header(res, "x-query", nx_copy(nx_request_query(req)));
    return nx_response_send_bytes(res, body);
}

static nx_err pieces(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "content-type", "text/plain");
    for (int i = 0; i < 1000; i++)
        NX_TRY(nx_response_write(res, nx_str("a piece of an answer that comes in many. ")));
    nx_response_trailer(res, "x-sum", "41000");
    return nx_response_end(res);
}

static nx_err go(nx_request *req, nx_response *res)
{
    int64_t status = nx_request_query_int(req, "status", 302);
    nx_response_header_add(res, "set-cookie", "seen=1; Path=/");
    return nx_response_redirect(res, (int)status, nx_copy(nx_request_query_get(req, "to")));
}

static nx_err slow(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_sleep(NX_S(20)));
    return nx_response_send(res, "late");
}

/* Says back what it hears, as it hears it. */
static nx_err talk(nx_request *req, nx_response *res)
{
    nx_bytes piece;
    do {
        NX_TRY(nx_request_read(req, &piece));
        NX_TRY(piece.len ? nx_response_write(res, piece) : nx_response_end(res));
    } while (piece.len);
    return NX_OK;
}

static nx_err refuse(nx_request *req, nx_response *res)
{
    (void)req, (void)res;
    return nx_http_error(413, "too much");
}

nx_err server_listen(void *arg)
{
    return nx_http_listen(arg);
}

const char *server_begin(void)
{
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT,
                                .drain_deadline = NX_MS(100));
    nx_http_route(server, "*", "/echo", server_echo);
    nx_http_get(server, "/pieces", pieces);
    nx_http_route(server, "*", "/go", go);
    nx_http_get(server, "/slow", slow);
    nx_http_route(server, "POST", "/talk", talk);
    nx_http_route(server, "POST", "/refuse", refuse);
    nx_http_compress(server);
    nx_require_ok(nx_spawn(&server_fiber, server_listen, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
    return nx_format("http://127.0.0.1:%u", nx_http_port(server));
}

nx_http_server *server_get(void)
{
    return server;
}

void server_end(void)
{
    nx_client_close_idle(NULL);
    nx_http_stop(server);
    NX_IGNORE(nx_join(server_fiber)); /* it says so where somebody has not waited for his answer */
    nx_http_server_free(server);
}

const char *header(nx_fetched *res, const char *name)
{
    nx_bytes value = nx_fetched_header(res, name);
    return value.data ? nx_copy(value) : "(none)";
}

const char *body(nx_fetched *res)
{
    nx_bytes all;
    nx_require_ok(nx_fetched_body(res, &all));
    return all.data;
}

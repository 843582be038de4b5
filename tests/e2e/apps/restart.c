/* What the restart tests talk to: it says which process and which compilation answers. argv[1] is
 * the port, or "unix:/path"; argv[2] the number of worker processes. The tests put lines of their
 * own before it. */
#include <nexus.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef GENERATION
#define GENERATION 1
#endif
#ifndef AT_START
#define AT_START
#endif

static nx_http_server *server;
static nx_topic *topic;

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("pid", (int)getpid(), "generation", GENERATION, "worker",
                                        (int)nx_worker_index()));
}

static nx_err slow(nx_request *req, nx_response *res)
{
    nx_bytes ms = nx_request_param(req, "ms");
    NX_TRY(nx_sleep(NX_MS(strtol(nx_copy(ms), NULL, 10))));
    return root(req, res);
}

static nx_err upload(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    return nx_response_json(
        res, nx_obj("pid", (int)getpid(), "generation", GENERATION, "length", body.len));
}

static nx_err download(nx_request *req, nx_response *res)
{
    (void)req;
    for (int i = 0; i < 20; i++) {
        NX_TRY(nx_response_write(res, nx_str("0123456789")));
        NX_TRY(nx_sleep(NX_MS(50)));
    }
    return nx_response_end(res);
}

static nx_err stats(nx_request *req, nx_response *res)
{
    (void)req;
    nx_http_stats s = {.size = sizeof s};
    nx_http_stats_get(server, &s);
    return nx_response_json(res, nx_obj("pid", (int)getpid(), "handed", s.handed, "accepted",
                                        s.accepted, "connections", s.connections, "timed_out",
                                        s.timed_out, "told", (int)!!getenv("NEXUS_TAKE_OVER")));
}

static nx_err events(nx_request *req, nx_response *res)
{
    (void)req;
    for (int i = 0;; i++) {
        NX_TRY(nx_response_event(res, .data = nx_format("%d", i)));
        NX_TRY(nx_sleep(NX_MS(20)));
    }
}

static nx_err listen_in(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_event(res, .data = "hello"));
    return nx_response_subscribe(res, topic);
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    *(volatile int *)8 = 1;
    return NX_OK;
}

static nx_err leave(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_send(res, "leaving"));
    nx_shutdown();
    return NX_OK;
}

int main(int argc, char **argv)
{
    const char *at = argc > 1 ? argv[1] : "3000";
    bool local = strncmp(at, "unix:", 5) == 0;
    AT_START
    topic = nx_topic_new();
    server =
        nx_http_server_new(.host = local ? at : "127.0.0.1", .port = local ? 1 : (uint16_t)atoi(at),
                           .workers = argc > 2 ? (uint32_t)atoi(argv[2]) : 1,
                           .worker_processes = argc > 2, .max_connections = 20000);
    nx_http_get(server, "/", root);
    nx_http_get(server, "/slow/:ms", slow);
    nx_http_post(server, "/upload", upload);
    nx_http_get(server, "/download", download);
    nx_http_get(server, "/stats", stats);
    nx_http_get(server, "/events", events);
    nx_http_get(server, "/topic", listen_in);
    nx_http_get(server, "/crash", crash);
    nx_http_get(server, "/leave", leave);
    nx_err err = nx_http_listen(server);
    nx_http_server_free(server);
    nx_topic_free(topic);
    return err;
}

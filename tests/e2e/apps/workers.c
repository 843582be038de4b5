/* A server with workers. argv: port, how many ("all": NX_ALL_CORES), what else ("fail N": the start
 * of worker N fails; "linger": each keeps a timer; "unix PATH"). */
#include <nexus.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static nx_http_server *server;
static nx_topic *topic;
static const char *what = "", *which = "";

struct state {
    uint32_t worker;
    int served;
};

static void tick(void *arg)
{
    (void)arg;
}

static nx_err start(void **state, void *context)
{
    (void)context;
    struct state *s = calloc(1, sizeof *s);
    if (!s) return nx_fail(NX_ENOMEM, "no memory for a worker");
    NX_TRY(nx_sleep(NX_MS(10))); /* it may wait */
    s->worker = nx_worker_index();
    *state = s;
    if (strcmp(what, "fail") == 0 && s->worker == strtoul(which, NULL, 10)) {
        free(s);
        return nx_fail(NX_EIO, "the database does not answer");
    }
    if (strcmp(what, "linger") == 0) (void)nx_set_timeout(tick, NULL, NX_S(6));
    fprintf(stderr, "worker %u starts\n", s->worker);
    return NX_OK;
}

static void stop(void *state, void *context)
{
    (void)context;
    struct state *s = state;
    fprintf(stderr, "worker %u stops after %d\n", s->worker, s->served);
    free(s);
}

static nx_err root(nx_request *req, nx_response *res)
{
    struct state *s = nx_request_worker(req);
    s->served++;
    return nx_response_json(res, nx_obj("worker", nx_worker_index(), "state", s->worker, "thread",
                                        (int)syscall(SYS_gettid), "pid", getpid()));
}

static nx_err slow(nx_request *req, nx_response *res)
{
    NX_TRY(nx_sleep(NX_MS(strtol(nx_copy(nx_request_param(req, "ms")), NULL, 10))));
    return nx_response_json(res, nx_obj("worker", nx_worker_index()));
}

/* Holds its loop up until another worker is asked for /release. */
static volatile int released;

static nx_err block(nx_request *req, nx_response *res)
{
    int before = released;
    (void)req;
    fprintf(stderr, "worker %u blocks\n", nx_worker_index());
    while (released == before) usleep(10000);
    return nx_response_json(res, nx_obj("worker", nx_worker_index()));
}

static nx_err release(nx_request *req, nx_response *res)
{
    (void)req;
    released++;
    return nx_response_json(res, nx_obj("worker", nx_worker_index()));
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    *(volatile int *)NULL = 1;
    return NX_OK;
}

static nx_err stats(nx_request *req, nx_response *res)
{
    (void)req;
    nx_http_stats s = {.size = sizeof s};
    nx_topic_stats t = {.size = sizeof t};
    nx_http_stats_get(server, &s);
    nx_topic_stats_get(topic, &t);
    return nx_response_json(res, nx_obj("requests", s.requests, "connections", s.connections,
                                        "accepted", s.accepted, "streams", s.streams, "listeners",
                                        t.listeners, "dropped", t.dropped));
}

static nx_err listen_to(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_event(res, .event = "worker", .json = nx_val(nx_worker_index())));
    return nx_response_subscribe(res, topic);
}

static nx_err publish(nx_request *req, nx_response *res)
{
    nx_bytes text;
    NX_TRY(nx_request_body(req, &text));
    NX_TRY(nx_topic_send(topic, .bytes = text));
    return nx_response_json(res, nx_obj("worker", nx_worker_index()));
}

static nx_err end(nx_request *req, nx_response *res)
{
    if (nx_bytes_eq(nx_request_param(req, "how"), nx_str("shutdown")))
        nx_shutdown();
    else
        nx_http_stop(server);
    return nx_response_json(res, nx_obj("worker", nx_worker_index()));
}

static nx_err signals(nx_request *req, nx_response *res)
{
    (void)req;
    int signo;
    nx_err err = nx_signal_wait(1ull << SIGUSR1, &signo);
    return nx_response_json(res, nx_obj("worker", nx_worker_index(), "err", (int)err));
}

static nx_err computes(void *arg)
{
    (void)arg;
    usleep(1000);
    return NX_OK;
}

static nx_err child(void *arg)
{
    (void)arg;
    return nx_blocking(computes, NULL);
}

static nx_err spawn(nx_request *req, nx_response *res)
{
    (void)req;
    nx_fiber *fibers[4];
    for (int i = 0; i < 4; i++) NX_TRY(nx_spawn(&fibers[i], child, NULL));
    for (int i = 0; i < 4; i++) NX_TRY(nx_join(fibers[i]));
    return nx_response_json(res, nx_obj("worker", nx_worker_index()));
}

int main(int argc, char **argv)
{
    const char *count = argc > 2 ? argv[2] : "4";
    if (argc > 3) what = argv[3];
    if (argc > 4) which = argv[4];
    topic = nx_topic_new();
    server =
        nx_http_server_new(.port = (uint16_t)strtoul(argc > 1 ? argv[1] : "3000", NULL, 10),
                           .host = strcmp(what, "unix") == 0 ? nx_format("unix:%s", which) : NULL,
                           .workers = strcmp(count, "all") == 0
                                          ? NX_ALL_CORES
                                          : (uint32_t)strtoul(count, NULL, 10),
                           .worker_start = start, .worker_stop = stop,
                           .max_connections = strcmp(what, "few") == 0 ? 6 : 0,
                           .drain_deadline = NX_S(60));
    nx_http_access_log(server, .format = NX_HTTP_LOG_JSON);
    nx_http_request_id(server);
    nx_http_router *limited = nx_http_group(server, "/limited");
    nx_http_rate_limit(limited, .limit = 100, .window = NX_S(60));
    nx_http_get(limited, "/", root);
    nx_http_get(server, "/", root);
    nx_http_get(server, "/slow/:ms", slow);
    nx_http_get(server, "/block", block);
    nx_http_get(server, "/release", release);
    nx_http_get(server, "/crash", crash);
    nx_http_get(server, "/stats", stats);
    nx_http_get(server, "/topic", listen_to);
    nx_http_post(server, "/send", publish);
    nx_http_get(server, "/end/:how", end);
    nx_http_get(server, "/signals", signals);
    nx_http_get(server, "/spawn", spawn);
    nx_http_ready(server, "/ready", NULL, NULL);
    nx_err err = nx_http_listen(server);
    nx_http_stats s = {.size = sizeof s};
    nx_http_stats_get(server, &s);
    if (err) fprintf(stderr, "listen: %s\n", nx_error_last()->message);
    fprintf(stderr, "after %llu requests, %llu open\n", (unsigned long long)s.requests,
            (unsigned long long)s.connections);
    nx_http_server_free(server);
    nx_topic_free(topic);
    return err;
}

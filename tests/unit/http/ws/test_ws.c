/* WebSockets of both sides in one process: forms, topics over two workers, queues, the end. */
#include <nexus/fiber.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <nexus/websocket.h>
#include <stdatomic.h>
#include <stdio.h>

enum { CLIENTS = 12, MESSAGES = 50 };

static nx_http_server *server;
static nx_topic *topic;
static atomic_int opened, closed;

/* ---- The server */

static nx_err loop(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_ws_message message;
    NX_TRY(nx_ws_accept(req, res, &ws, .compress = NX_WS_CONTEXT));
    while (nx_ws_receive(ws, &message) == NX_OK) NX_TRY(nx_ws_send_message(ws, &message));
    return NX_OK;
}

static nx_err enter(nx_ws *ws)
{
    atomic_fetch_add(&opened, 1);
    NX_TRY(nx_ws_subscribe(ws, topic));
    nx_expect_eq(nx_ws_subscribe(ws, topic), NX_ESTATE);
    return nx_ws_send(ws, "in");
}

static nx_err say(nx_ws *ws, const nx_ws_message *message)
{
    nx_ws_message other;
    nx_expect_eq(nx_ws_receive(ws, &other), NX_ESTATE);
    return nx_topic_send(topic, .bytes = message->data);
}

static void leave(nx_ws *ws)
{
    nx_expect(nx_ws_close_code(ws) != 0);
    nx_expect_eq(nx_ws_send(ws, "too late"), NX_ECLOSED);
    nx_expect_eq(nx_ws_subscribe(ws, topic), NX_ECLOSED);
    atomic_fetch_add(&closed, 1);
}

static nx_err callbacks(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .compress = NX_WS_FRESH, .compress_min = 1, .open = enter,
                       .message = say, .close = leave);
}

static nx_err wrong(nx_request *req, nx_response *res)
{
    nx_ws *ws;
    nx_expect_eq(nx_ws_accept(req, res, &ws, .message = say), NX_EINVAL);
    nx_expect_eq(nx_ws_accept(req, res, &ws, .window_bits = 8), NX_EINVAL);
    nx_expect_eq(nx_ws_accept(req, res, &ws, .heartbeat = -1), NX_EINVAL);
    nx_expect_eq(nx_ws_accept(req, res, &ws, .max_message = SIZE_MAX), NX_EINVAL);
    NX_TRY(nx_ws_accept(req, res, &ws));
    nx_expect_eq(nx_ws_accept(req, res, &ws), NX_ESTATE); /* it is answered */
    nx_expect_eq(nx_response_send(res, "x"), NX_ESTATE);
    return NX_OK;
}

/* What sends to another. */
static nx_ws *slow;
static atomic_int cut;

static nx_err slow_open(nx_ws *ws)
{
    slow = ws;
    return nx_ws_send(ws, "in");
}

static void slow_close(nx_ws *ws)
{
    nx_expect_eq(nx_ws_close_code(ws), 1006);
    nx_expect_eq(nx_ws_send(ws, "too late"), NX_ECLOSED);
    atomic_fetch_add(&cut, 1);
}

static nx_err slow_serve(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .slow = NX_WS_CUT, .max_queue = 100000, .open = slow_open,
                       .close = slow_close);
}

static nx_err flood(nx_ws *ws, const nx_ws_message *message)
{
    nx_bytes block = nx_slice(nx_alloc_zero(1, 60000), 60000);
    nx_err err;
    while ((err = nx_ws_send_bytes(slow, block)) == NX_OK) {}
    nx_expect_eq(err, NX_ECLOSED);
    return nx_ws_send_message(ws, message);
}

static nx_err flood_serve(nx_request *req, nx_response *res)
{
    return nx_ws_serve(req, res, .message = flood);
}

static nx_err serve(void *arg)
{
    return nx_http_listen(arg);
}

static void begin(uint32_t workers)
{
    nx_fiber *fiber;
    topic = nx_topic_new(.replay = NX_TOPIC_NO_REPLAY);
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT, .workers = workers,
                                .drain_deadline = NX_S(5));
    nx_http_get(server, "/loop", loop);
    nx_http_get(server, "/callbacks", callbacks);
    nx_http_get(server, "/wrong", wrong);
    nx_http_get(server, "/slow", slow_serve);
    nx_http_get(server, "/flood", flood_serve);
    nx_require_ok(nx_spawn(&fiber, serve, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
}

static void end(void)
{
    nx_http_stats stats = {.size = sizeof stats};
    nx_http_stop(server);
    do {
        nx_require_ok(nx_sleep(NX_MS(1)));
        nx_http_stats_get(server, &stats);
    } while (stats.connections);
    nx_expect_eq(stats.tunnels, 0);
}

/* ---- The client */

static nx_ws *connected(const char *path, nx_ws_compress compress)
{
    nx_ws *ws;
    char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u%s", nx_http_port(server), path);
    nx_require_ok(nx_ws_connect(&ws, url, .compress = compress));
    return ws;
}

static void expect(nx_ws *ws, const char *text)
{
    nx_ws_message message;
    nx_require_ok(nx_ws_receive(ws, &message));
    nx_expect_eq(message.data.data, text); /* a NUL stands behind it */
}

NX_TEST("one message to all, over two workers", .deadline = NX_S(60))
{
    begin(2);
    nx_ws *all[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        all[i] = connected("/callbacks", i % 2 ? NX_WS_FRESH : (nx_ws_compress)0);
        expect(all[i], "in");
    }
    for (int n = 0; n < MESSAGES; n++) {
        char text[64];
        (void)snprintf(text, sizeof text, "message number %d of number %d", n, MESSAGES);
        nx_require_ok(nx_ws_send(all[n % CLIENTS], text));
        for (int i = 0; i < CLIENTS; i++) expect(all[i], text);
    }
    for (int i = 0; i < CLIENTS; i++) nx_ws_free(all[i]);
    while (atomic_load(&closed) < CLIENTS) nx_require_ok(nx_sleep(NX_MS(1)));
    nx_expect_eq(atomic_load(&opened), CLIENTS);
    end();
    nx_topic_stats stats = {.size = sizeof stats};
    nx_topic_stats_get(topic, &stats);
    nx_expect_eq(stats.listeners, 0);
    nx_expect_eq(stats.dropped, 0);
    nx_topic_free(topic);
}

NX_TEST("another worker's thread sends", .deadline = NX_S(60))
{
    begin(2);
    nx_ws *ws = connected("/callbacks", (nx_ws_compress)0);
    expect(ws, "in");
    for (int i = 0; i < MESSAGES; i++) NX_IGNORE(nx_topic_send(topic, .data = "from outside"));
    for (int i = 0; i < MESSAGES; i++) expect(ws, "from outside");
    nx_ws_free(ws);
    end();
    nx_topic_free(topic);
}

NX_TEST("a topic that is freed leaves its listeners open")
{
    begin(1);
    nx_ws *ws = connected("/callbacks", (nx_ws_compress)0);
    nx_ws_message message;
    expect(ws, "in");
    NX_IGNORE(nx_topic_send(topic, .data = "last"));
    nx_topic_free(topic);
    expect(ws, "last");
    nx_require_ok(nx_ws_ping(ws, nx_str("still there?")));
    nx_ws_close(ws, 3000, "enough");
    nx_expect_eq(nx_ws_receive(ws, &message), NX_ECLOSED);
    nx_expect_eq(nx_ws_close_code(ws), 3000);
    nx_expect(nx_bytes_is(nx_ws_close_reason(ws), "")); /* the answer has none */
    nx_expect_eq(nx_ws_send(ws, "x"), NX_ECLOSED);
    nx_ws_free(ws);
    end();
}

static nx_err cancel_soon(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(5)));
    nx_cancel(arg);
    return NX_OK;
}

static nx_err receiving(void *arg)
{
    nx_ws_message message;
    nx_err err = nx_ws_receive(arg, &message);
    nx_expect_eq(err, NX_ECANCELED);
    return NX_OK;
}

NX_TEST("receiving may be cancelled, and goes on after")
{
    begin(1);
    nx_ws *ws = connected("/loop", NX_WS_CONTEXT);
    nx_fiber *one, *two;
    nx_require_ok(nx_spawn(&one, receiving, ws));
    nx_require_ok(nx_spawn(&two, cancel_soon, one));
    nx_require_ok(nx_join(two));
    nx_require_ok(nx_join(one));
    nx_require_ok(nx_ws_send(ws, "after"));
    expect(ws, "after");
    /* What is sent together comes in its order. */
    for (int i = 0; i < MESSAGES; i++) nx_require_ok(nx_ws_send_json(ws, nx_obj("i", i)));
    for (int i = 0; i < MESSAGES; i++) expect(ws, nx_format("{\"i\":%d}", i));
    nx_expect_eq(nx_ws_send_text(ws, nx_slice("\xff", 1)), NX_EINVAL);
    nx_expect_eq(nx_ws_subscribe(ws, topic), NX_ENOTSUP);
    nx_ws_free(ws);
    end();
    nx_topic_free(topic);
}

static atomic_int got;

static nx_err greet(nx_ws *ws)
{
    return nx_ws_send(ws, "hello");
}

static nx_err take(nx_ws *ws, const nx_ws_message *message)
{
    nx_expect(nx_bytes_is(message->data, "hello"));
    if (atomic_fetch_add(&got, 1) < MESSAGES) return nx_ws_send_message(ws, message);
    nx_ws_close(ws, 1000, NULL);
    return NX_OK;
}

static void gone(nx_ws *ws)
{
    nx_expect_eq(nx_ws_close_code(ws), 1000);
    atomic_store(&got, -1);
}

NX_TEST("a client with callbacks")
{
    begin(1);
    nx_ws *ws;
    char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u/loop", nx_http_port(server));
    nx_require_ok(nx_ws_connect(&ws, url, .open = greet, .message = take, .close = gone));
    while (atomic_load(&got) >= 0) nx_require_ok(nx_sleep(NX_MS(1)));
    nx_ws_free(ws);
    end();
    nx_topic_free(topic);
}

NX_TEST("what another's callback ends has its close, once", .deadline = NX_S(60))
{
    begin(1);
    nx_ws *one = connected("/slow", (nx_ws_compress)0),
          *other = connected("/flood", (nx_ws_compress)0);
    expect(one, "in");
    nx_require_ok(nx_ws_send(other, "cut"));
    expect(other, "cut");
    while (!atomic_load(&cut)) nx_require_ok(nx_sleep(NX_MS(1)));
    nx_ws_free(other);
    nx_ws_free(one);
    end();
    nx_expect_eq(atomic_load(&cut), 1);
    nx_topic_free(topic);
}

NX_TEST("options that can't be")
{
    begin(1);
    nx_ws *ws = connected("/wrong", (nx_ws_compress)0);
    nx_ws_message message;
    nx_expect_eq(nx_ws_receive(ws, &message), NX_ECLOSED);
    nx_expect_eq(nx_ws_close_code(ws), 1000);
    nx_ws_free(ws);
    nx_expect_eq(nx_ws_connect(&ws, "ws://127.0.0.1:1/", .slow = (nx_ws_slow)9), NX_EINVAL);
    nx_expect_eq(nx_ws_connect(&ws, "ws://127.0.0.1:1/", .headers = "no field"), NX_EINVAL);
    nx_expect_eq(nx_ws_connect(&ws, "ftp://127.0.0.1/"), NX_ENOTSUP);
    end();
    nx_topic_free(topic);
}

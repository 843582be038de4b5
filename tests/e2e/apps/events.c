/* What the tests of server-sent events talk to. argv[1] is the port, argv[2] "short" for short
 * deadlines. */
#include "several.h"
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>

static nx_http_server *server;
static nx_topic *topic;
static int handlers, canceled, left, came, came_and_left;

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

/* Every part of an event, then the end. */
static nx_err parts(nx_request *req, nx_response *res)
{
    NX_TRY(nx_response_event(res, .comment = "hello\nthere"));
    NX_TRY(nx_response_event(res, .event = "first", .data = "one\ntwo\rthree\r\n\r\nfour",
                             .id = "7", .retry = NX_MS(1500)));
    NX_TRY(nx_response_event(res, .json = nx_obj("n", 3, "text", "a\nb")));
    NX_TRY(nx_response_event(res, .event = "empty"));
    NX_TRY(nx_response_event(res, .bytes = nx_request_last_event_id(req)));
    char *large = nx_alloc(100001);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    return nx_response_event(res, .data = large);
}

static nx_err mistakes(nx_request *req, nx_response *res)
{
    (void)req;
    char id[NX_EVENT_MAX_ID + 2];
    memset(id, 'a', sizeof id);
    id[sizeof id - 1] = '\0';
    int refused = 0;
    refused += nx_response_event(res, .event = "a\ndata: injected", .data = "x") == NX_EINVAL;
    refused += nx_response_event(res, .event = "a\rb", .data = "x") == NX_EINVAL;
    refused += nx_response_event(res, .id = "1\r\n\r\ndata: injected", .data = "x") == NX_EINVAL;
    refused += nx_response_event(res, .id = id, .data = "x") == NX_EINVAL;
    refused += nx_response_event(res, .data = "x", .bytes = nx_str("y")) == NX_EINVAL;
    refused += nx_response_event(res, .retry = -1) == NX_EINVAL;
    refused += nx_topic_send(topic, .event = "a\nb", .data = "x") == NX_EINVAL;
    refused += nx_topic_send(topic, .id = "a\nb", .data = "x") == NX_EINVAL;
    return nx_response_json(res, nx_obj("refused", refused));
}

static nx_err ended(nx_err err)
{
    handlers--;
    if (err == NX_ECANCELED) canceled++;
    return err;
}

/* An event every so often, until the peer leaves. */
static nx_err ticks(nx_request *req, nx_response *res)
{
    nx_duration span = NX_MS(strtoll(nx_copy(nx_request_param(req, "ms")), NULL, 10));
    handlers++;
    for (int n = 1;; n++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", n);
        nx_err err = nx_response_event(res, .data = text);
        if (!err) err = nx_sleep(span);
        if (err) return ended(err);
    }
}

/* An answer in pieces that are no events, for as long as they can be sent. */
static nx_err pieces(nx_request *req, nx_response *res)
{
    (void)req;
    handlers++;
    for (;;) {
        nx_err err = nx_response_write(res, nx_str("piece\n"));
        if (!err) err = nx_sleep(NX_MS(1));
        if (err) return ended(err);
    }
}

/* Says nothing. */
static nx_err silence(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_events(res));
    handlers++;
    return ended(nx_sleep(NX_S(3600)));
}

/* As many events as the peer takes. */
static nx_err torrent(nx_request *req, nx_response *res)
{
    (void)req;
    char *text = nx_alloc(16385);
    memset(text, 't', 16384);
    text[16384] = '\0';
    handlers++;
    for (;;) {
        nx_err err = nx_response_event(res, .data = text);
        if (err) return ended(err);
    }
}

static void has_left(void *arg)
{
    (void)arg;
    NX_IGNORE(nx_yield()); /* it may wait */
    left++;
}

static nx_err listen_to(nx_request *req, nx_response *res)
{
    uint32_t recent = (uint32_t)strtoul(nx_copy(nx_request_query(req)), NULL, 10);
    return nx_response_subscribe(res, topic, .recent = recent, .left = has_left);
}

static void guest_left(void *arg)
{
    (void)arg;
    came_and_left += came--;
}

/* What a handler does behind nx_response_subscribe comes before the listener's leaving. */
static nx_err guest(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_subscribe(res, topic, .left = guest_left));
    came++;
    return NX_OK;
}

/* Some events for this peer alone, then the topic's; the handler goes on for a while. */
static nx_err welcome(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_event(res, .event = "welcome", .data = "you"));
    NX_TRY(nx_response_subscribe(res, topic));
    NX_TRY(nx_topic_send(topic, .event = "joined", .data = "somebody"));
    return nx_sleep(NX_MS(50));
}

static nx_err twice(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_subscribe(res, topic));
    if (nx_response_subscribe(res, topic) != NX_ESTATE) return NX_OK;
    if (nx_response_event(res, .data = "late") != NX_ESTATE) return NX_OK;
    if (nx_response_send(res, "late") != NX_ESTATE) return NX_OK;
    return nx_topic_send(topic, .data = "refused twice");
}

/* Answered, then subscribed. */
static nx_err late(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_response_send(res, "done"));
    return nx_response_subscribe(res, topic) == NX_ESTATE ? NX_OK : NX_EFAILED;
}

static nx_err send_one(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    nx_err err = nx_topic_send(topic, .bytes = body);
    if (err == NX_ETOOBIG) return nx_http_error(413, "the event is larger than the queue");
    NX_TRY(err);
    nx_response_status(res, 204);
    return nx_response_send(res, "");
}

/* Many events at once: "/flood/COUNT/SIZE". */
static nx_err flood(nx_request *req, nx_response *res)
{
    long count = strtol(nx_copy(nx_request_param(req, "count")), NULL, 10);
    size_t size = strtoul(nx_copy(nx_request_param(req, "size")), NULL, 10);
    char *text = nx_alloc(size + 1);
    memset(text, 'f', size);
    text[size] = '\0';
    nx_duration start = nx_now();
    for (long i = 0; i < count; i++) NX_TRY(nx_topic_send(topic, .data = text));
    return nx_response_json(res, nx_obj("us", (nx_now() - start) / 1000));
}

static nx_err renew(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_topic_send(topic, .data = "the last one"));
    nx_topic_free(topic);
    topic = nx_topic_new();
    return nx_response_send(res, "");
}

static nx_err stats(nx_request *req, nx_response *res)
{
    (void)req;
    nx_http_stats http = {.size = sizeof http};
    nx_topic_stats t = {.size = sizeof t};
    nx_http_stats_get(server, &http);
    nx_topic_stats_get(topic, &t);
    return nx_response_json(res, nx_obj("handlers", handlers, "canceled", canceled, "left", left,
                                        "came_and_left", came_and_left, "streams", http.streams,
                                        "connections", http.connections, "timed_out",
                                        http.timed_out, "listeners", t.listeners, "sent", t.sent,
                                        "dropped", t.dropped, "queued", t.queued));
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 3000;
    bool brief = argc > 2 && strcmp(argv[2], "short") == 0;
    server =
        brief ? nx_http_server_new(.port = port, .heartbeat = NX_MS(300), .write_deadline = NX_S(1),
                                   .handler_deadline = NX_MS(500), .workers = several())
              : nx_http_server_new(.port = port, .drain_deadline = NX_S(20), .workers = several());
    topic = nx_topic_new();
    nx_http_compress(server); /* not these */
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/parts", parts);
    nx_http_route(server, "GET", "/mistakes", mistakes);
    nx_http_route(server, "GET", "/ticks/:ms", ticks);
    nx_http_route(server, "GET", "/pieces", pieces);
    nx_http_route(server, "GET", "/silence", silence);
    nx_http_route(server, "GET", "/torrent", torrent);
    nx_http_route(server, "GET", "/topic", listen_to);
    nx_http_route(server, "GET", "/guest", guest);
    nx_http_route(server, "GET", "/welcome", welcome);
    nx_http_route(server, "GET", "/twice", twice);
    nx_http_route(server, "GET", "/late", late);
    nx_http_route(server, "POST", "/send", send_one);
    nx_http_route(server, "POST", "/flood/:count/:size", flood);
    nx_http_route(server, "POST", "/renew", renew);
    nx_http_route(server, "GET", "/stats", stats);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    nx_http_server_free(server);
    nx_topic_free(topic);
    return err;
}

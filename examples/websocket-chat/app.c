/* A chat room over WebSocket: nexus run --allow-net --allow-read=index.html app.c
 *
 * Everybody in the room listens to one topic. A guest holds a connection and no fiber; what
 * somebody says is made into a message once, and sent to all. */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 32, TEXT_MOST = 2000 };

typedef struct guest {
    struct guest *next;
    struct room *room;
    char name[NAME_MOST + 1];
} guest;

typedef struct room {
    nx_topic *topic;
    guest *guests;
    const char *page;
} room;

/* Tells everybody who is there. */
static nx_err tell_who(const room *r)
{
    size_t count = 0;
    for (guest *g = r->guests; g; g = g->next) count++;
    nx_value *names = nx_alloc_zero(count + 1, sizeof *names);
    if (!names) return NX_ENOMEM;
    count = 0;
    for (guest *g = r->guests; g; g = g->next) names[count++] = nx_val(g->name);
    return nx_topic_send(r->topic, .json = nx_obj("guests", nx_list(names, count)));
}

/* ---- A guest */

static nx_err enter(nx_ws *ws)
{
    guest *g = nx_ws_data(ws);
    NX_TRY(nx_ws_subscribe(ws, g->room->topic, .recent = 50));
    g->next = g->room->guests;
    g->room->guests = g;
    return tell_who(g->room);
}

static nx_err say(nx_ws *ws, const nx_ws_message *message)
{
    const guest *g = nx_ws_data(ws);
    if (!message->text || !message->data.len || message->data.len > TEXT_MOST) {
        nx_ws_close(ws, 1008, "a message has 1 to 2,000 bytes of text");
        return NX_OK;
    }
    int64_t now = nx_wall_time() / NX_MS(1);
    return nx_topic_send(g->room->topic,
                         .json = nx_obj("name", g->name, "text", message->data, "at", now));
}

static void leave(nx_ws *ws)
{
    guest *g = nx_ws_data(ws), **link = &g->room->guests;
    room *r = g->room;
    while (*link && *link != g) link = &(*link)->next;
    if (*link) *link = g->next;
    free(g);
    NX_IGNORE(tell_who(r));
}

/* GET /room?name=Ann */
static nx_err join(nx_request *req, nx_response *res)
{
    nx_bytes name = nx_request_query_get(req, "name");
    if (!name.len || name.len > NAME_MOST)
        return nx_http_error(400, "a name has 1 to %d bytes", NAME_MOST);
    guest *g = calloc(1, sizeof *g);
    if (!g) return NX_ENOMEM;
    g->room = nx_request_app(req);
    memcpy(g->name, name.data, name.len);
    nx_err err = nx_ws_serve(req, res, .open = enter, .message = say, .close = leave, .data = g,
                             .compress = NX_WS_FRESH);
    if (err) free(g);
    return err;
}

static nx_err page(nx_request *req, nx_response *res)
{
    const room *r = nx_request_app(req);
    nx_bytes html;
    NX_TRY(nx_fs_read_file(r->page, &html));
    nx_response_header(res, "content-type", "text/html; charset=utf-8");
    nx_response_header(res, "content-security-policy",
                       "default-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'");
    return nx_response_send_bytes(res, html);
}

int main(int argc, char **argv)
{
    uint16_t port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 3000;
    room r = {.topic = nx_topic_new(), .page = argc > 2 ? argv[2] : "index.html"};
    nx_http_server *server = nx_http_server_new(.host = "localhost", .port = port);
    nx_http_set_app(server, &r);
    nx_http_get(server, "/", page);
    nx_http_get(server, "/room", join);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "chat: %s\n", nx_error_last()->message);
    nx_http_server_free(server);
    nx_topic_free(r.topic);
    return err;
}

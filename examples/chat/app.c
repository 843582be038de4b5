/* A chat room over server-sent events, with a page:
 *   nexus run app.c --allow-net=localhost:3000 --allow-read=.
 * and open http://localhost:3000 in two windows. Arguments: [PORT] [PAGE]. */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_MOST = 32, TEXT_MOST = 2000 };

/* Somebody who is in the room: as long as the stream of events lasts. */
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

/* ---- Who is there */

static nx_err tell_who(room *r)
{
    size_t count = 0;
    for (guest *g = r->guests; g; g = g->next) count++;
    nx_value *names = nx_alloc_zero(count + 1, sizeof *names);
    if (!names) return NX_ENOMEM;
    count = 0;
    for (guest *g = r->guests; g; g = g->next) names[count++] = nx_val(g->name);
    return nx_topic_send(r->topic, .event = "guests", .json = nx_list(names, count));
}

/* Called when the stream of events has gone. */
static void leave(void *arg)
{
    guest *g = arg, **link = &g->room->guests;
    room *r = g->room;
    while (*link != g) link = &(*link)->next;
    *link = g->next;
    free(g);
    NX_IGNORE(tell_who(r));
}

/* ---- Requests */

static nx_err refuse(nx_response *res, int status, const char *why)
{
    nx_response_status(res, status);
    return nx_response_json(res, nx_obj("error", why));
}

/* Why not, NULL where it will do. */
static const char *bad_name(nx_bytes name)
{
    nx_bytes json;
    if (name.len > NAME_MOST) return "the name is longer than 32 bytes";
    return nx_json_write(nx_val(name), &json) ? "the name is not UTF-8" : NULL;
}

/* GET /events/:name joins the room. EventSource comes back by itself when the connection is lost,
 * and gets what it has missed. */
static nx_err join(nx_request *req, nx_response *res)
{
    room *r = nx_request_app(req);
    nx_bytes name = nx_request_param(req, "name");
    if (bad_name(name)) return refuse(res, 400, bad_name(name));
    guest *g = calloc(1, sizeof *g);
    if (!g) return NX_ENOMEM;
    g->room = r;
    memcpy(g->name, name.data, name.len);
    nx_err err = nx_response_subscribe(res, r->topic, .recent = 50, .left = leave, .arg = g);
    if (err) {
        free(g);
        return err;
    }
    g->next = r->guests;
    r->guests = g;
    return tell_who(r);
}

/* POST /say/:name with the text as the body. */
static nx_err say(nx_request *req, nx_response *res)
{
    room *r = nx_request_app(req);
    nx_bytes text, name = nx_request_param(req, "name");
    NX_TRY(nx_request_body(req, &text));
    if (bad_name(name)) return refuse(res, 400, bad_name(name));
    if (!text.len || text.len > TEXT_MOST)
        return refuse(res, 400, "a message has 1 to 2,000 bytes");
    int64_t now = nx_wall_time() / NX_MS(1);
    if (nx_topic_send(r->topic, .json = nx_obj("name", name, "text", text, "at", now)))
        return refuse(res, 400, nx_error_last()->message);
    nx_response_status(res, 204);
    return nx_response_send(res, "");
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
    nx_http_route(server, "GET", "/", page);
    nx_http_route(server, "GET", "/events/:name", join);
    nx_http_route(server, "POST", "/say/:name", say);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "chat: %s\n", nx_error_last()->message);
    nx_http_server_free(server);
    nx_topic_free(r.topic);
    return err;
}

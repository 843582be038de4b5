/* nexus dev --reload: pages of the app's own load a script that loads them again after a change. */
#include "http/dev.h"

#include "http/server.h"

enum { PIECES_MOST = 8 };

/* A driver over the request's own. */
struct reload {
    struct nx__http_driver driver; /* first */
    const struct nx__http_driver *below;
    nx_bytes script; /* for the end of the page */
};

static const struct nx__http_driver *below(const nx_response *res)
{
    return ((const struct reload *)res->req->driver)->below;
}

static nx_bytes script_of(const nx_response *res)
{
    return ((const struct reload *)res->req->driver)->script;
}

static bool is_html(nx_bytes type)
{
    return type.len >= 9 && strncasecmp(type.data, "text/html", 9) == 0;
}

/* A whole page that nothing has encoded. */
static bool is_page(const nx_response *res)
{
    bool html = res->content_type == &nx__type_html;
    if (res->status != 200) return false;
    for (uint32_t i = 0; i < res->fields.count; i++) {
        const struct nx__field *field = &res->fields.items[i];
        if (strcasecmp(field->name.data, "content-encoding") == 0) return false;
        if (strcasecmp(field->name.data, "content-type") == 0) html = is_html(field->value);
    }
    return html;
}

static nx_err send(nx_response *res, nx_bytes body)
{
    nx_bytes script = script_of(res);
    size_t size = body.len + script.len;
    char *text = is_page(res) ? nx__arena_alloc(&res->req->fiber->own.arena, size) : NULL;
    if (!text) return below(res)->send(res, body);
    memcpy(text, body.data, body.len);
    memcpy(text + body.len, script.data, script.len);
    return below(res)->send(res, nx_slice(text, size));
}

static nx_err send_file(nx_response *res, int fd, const struct nx__file_piece *pieces, size_t count)
{
    struct nx__file_piece more[PIECES_MOST];
    if (count >= PIECES_MOST || !is_page(res)) return below(res)->send_file(res, fd, pieces, count);
    memcpy(more, pieces, count * sizeof *pieces);
    more[count] = (struct nx__file_piece){.bytes = script_of(res)};
    return below(res)->send_file(res, fd, more, count + 1);
}

static nx_err end(nx_response *res)
{
    if (res->state == NX__RESPONSE_STREAMING && is_page(res))
        NX_TRY(below(res)->write(res, script_of(res)));
    return below(res)->end(res);
}

/* A stream of events outlives the request, and with it this driver. */
static void events(nx_response *res)
{
    res->req->driver = below(res);
    res->req->driver->events(res);
}

void nx__http_dev_reload(nx_request *req, nx_bytes script)
{
    struct reload *reload = nx__arena_alloc(&req->fiber->own.arena, sizeof *reload);
    if (!reload) return;
    *reload = (struct reload){.driver = *req->driver, .below = req->driver, .script = script};
    reload->driver.send = send;
    reload->driver.send_file = send_file;
    reload->driver.end = end;
    reload->driver.events = events;
    req->driver = &reload->driver;
}

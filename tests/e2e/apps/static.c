/* The server that static_test.py drives: static.c PORT DIRECTORY */
#include "several.h"
#include <nexus/fs.h>
#include <nexus/http.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

static const char *directory;

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

static nx_err one(nx_request *req, nx_response *res)
{
    nx_bytes name = nx_request_param(req, "name");
    return nx_response_file(res, nx_copy(name), .root = directory, .max_age = NX_S(60));
}

static nx_err posted(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_status(res, 201);
    nx_response_header(res, "x-own", "1");
    return nx_response_file(res, nx_format("%s/plain.txt", directory), .type = "text/x-own");
}

static nx_err download(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_file_as_download(res, nx_format("%s/plain.txt", directory), "h\303\244.txt");
}

static nx_err missing(nx_request *req, nx_response *res)
{
    (void)req;
    nx_err err = nx_response_file(res, "/nowhere/at/all");
    return err == NX_ENOENT ? nx_response_send(res, "handled") : err;
}

static nx_err text(nx_request *req, nx_response *res)
{
    size_t len = (size_t)strtoul(nx_copy(nx_request_param(req, "len")), NULL, 10);
    char *out = nx_alloc(len + 1);
    if (!out) return NX_ENOMEM;
    for (size_t i = 0; i < len; i++) out[i] = "the quick brown fox "[(i * i / 7 + i) % 20];
    out[len] = '\0';
    nx_response_header(res, "etag", "\"strong\"");
    return nx_response_send(res, out);
}

static nx_err json(nx_request *req, nx_response *res)
{
    (void)req;
    char *long_one = nx_alloc_zero(3001, 1);
    if (!long_one) return NX_ENOMEM;
    for (int i = 0; i < 3000; i++) long_one[i] = (char)('a' + i % 7);
    return nx_response_json(res, nx_obj("text", long_one));
}

static nx_err untouched(nx_request *req, nx_response *res)
{
    nx_response_header(res, "cache-control", "no-transform");
    return text(req, res);
}

static nx_err pieces(nx_request *req, nx_response *res)
{
    (void)req;
    nx_response_header(res, "content-type", "text/event-stream");
    for (int i = 0; i < 5; i++) {
        NX_TRY(nx_response_write(res, nx_str(nx_format("data: piece %d\n\n", i))));
        NX_TRY(nx_sleep(NX_MS(50)));
    }
    return NX_OK;
}

static nx_err whole(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    return nx_response_send_bytes(res, body);
}

static nx_err count(nx_request *req, nx_response *res)
{
    nx_bytes chunk;
    size_t len = 0;
    do {
        NX_TRY(nx_request_read(req, &chunk));
        len += chunk.len;
    } while (chunk.len);
    return nx_response_json(res, nx_obj("length", len));
}

static nx_err gate(nx_request *req, nx_response *res, void *context)
{
    if (!nx_request_header(req, "x-key").data) return nx_response_error(res, 401, NULL);
    nx_response_header_always(res, "x-gate", context);
    return nx_http_next(req, res);
}

static nx_err own_page(nx_request *req, nx_response *res, const nx_http_failure *failure)
{
    (void)req;
    return nx_response_send(res, nx_format("own page: %d", failure->status));
}

/* Directories wherever routes can be: of a group, a sub-app and a host. */
static void serve_below(nx_http_server *server)
{
    const char *app = nx_format("%s/app", directory);
    nx_http_router *group = nx_http_group(server, "/orgs/:org");
    nx_http_use(group, gate, "org");
    nx_http_on_error(group, own_page);
    nx_http_static(group, "/", directory);
    nx_http_static(group, "/deep/er", app, .spa = true);

    nx_http_router *sub = nx_http_router_new();
    nx_http_static(sub, "/", directory);
    nx_http_get(sub, "/", root);
    nx_http_mount(server, "/sub1", sub);
    nx_http_mount(group, "/sub2", sub);

    nx_http_static(nx_http_host(server, "files.example.com"), "/", app);
}

int main(int argc, char **argv)
{
    uint16_t port = (uint16_t)strtol(argc > 1 ? argv[1] : "3000", NULL, 10);
    directory = argc > 2 ? argv[2] : ".";
    bool coded = argc > 3 && strcmp(argv[3], "coded") == 0;
    NX_AUTO(nx_http_server) *server =
        nx_http_server_new(.port = port, .max_body = (uint64_t)4 << 20, .write_deadline = NX_S(2),
                           .workers = several());
    nx_http_static(server, "/files", directory, .precompressed = true);
    nx_http_static(server, "/listed/", directory, .list = true, .dotfiles = true, .index = "");
    nx_http_static(server, "/app", nx_format("%s/app", directory), .spa = true,
                   .max_age = NX_S(3600), .immutable = true);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/files/special", root);
    nx_http_route(server, "GET", "/one/*name", one);
    nx_http_route(server, "POST", "/posted", posted);
    nx_http_route(server, "GET", "/download", download);
    nx_http_route(server, "GET", "/missing", missing);
    nx_http_route(server, "GET", "/text/:len", text);
    nx_http_route(server, "GET", "/json", json);
    nx_http_route(server, "GET", "/untouched/:len", untouched);
    nx_http_route(server, "GET", "/pieces", pieces);
    nx_http_route(server, "POST", "/whole", whole);
    nx_http_route(server, "POST", "/count", count);
    serve_below(server);
    if (coded) {
        nx_http_compress(server, .level = 4);
        nx_http_decode_bodies(server, .max_ratio = 50);
    }
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "static.c: %s\n", nx_error_last()->message);
    return err;
}

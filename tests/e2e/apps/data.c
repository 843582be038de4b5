/* What the tests of requests' data talk to. argv[1] is the port, argv[2] the directory for large
 * files, argv[3] "rotated" for a newer cookie key before the old one. */
#include "several.h"
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>

static const char *directory;

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

/* ---- Query */

static nx_err query(nx_request *req, nx_response *res)
{
    nx_value tags[16];
    size_t count = 0, at = 0;
    nx_bytes tag;
    while (count < 16 && nx_request_query_each(req, "tag", &at, &tag)) tags[count++] = nx_val(tag);
    nx_bytes text = nx_request_query_get(req, "text");
    return nx_response_json(res, nx_obj("page", nx_request_query_int(req, "page", 1), "ratio",
                                        nx_request_query_double(req, "ratio", 0.5), "verbose",
                                        nx_bool(nx_request_query_bool(req, "verbose", false)),
                                        "text", text.data ? nx_val(text) : nx_null(), "tags",
                                        nx_list(tags, count)));
}

static nx_err query_need(nx_request *req, nx_response *res)
{
    uint8_t id;
    nx_bytes name = nx_str("nobody");
    NX_TRY(nx_request_query_need(req, "id", &id));
    NX_TRY(nx_request_query_maybe(req, "name", &name));
    return nx_response_json(res, nx_obj("id", id, "name", name));
}

/* Answers nothing, so that only the query's mistake can. */
static nx_err query_quiet(nx_request *req, nx_response *res)
{
    (void)res;
    (void)nx_request_query_get(req, "a");
    return NX_OK;
}

/* ---- Cookies */

static nx_value or_null(nx_bytes text)
{
    return text.data ? nx_val(text) : nx_null();
}

static nx_err cookies(nx_request *req, nx_response *res)
{
    nx_bytes name, value;
    size_t count = 0;
    while (nx_request_cookie_at(req, count, &name, &value)) count++;
    return nx_response_json(res, nx_obj("plain", or_null(nx_request_cookie(req, "plain")), "signed",
                                        or_null(nx_request_cookie_signed(req, "signed")), "secret",
                                        or_null(nx_request_cookie_encrypted(req, "secret")),
                                        "count", count));
}

static nx_err cookies_set(nx_request *req, nx_response *res)
{
    nx_bytes value = nx_request_query_get(req, "value");
    nx_response_cookie(res, "plain", value, .max_age = NX_S(60), .same_site = NX_SAME_SITE_STRICT);
    nx_response_cookie_signed(res, "signed", value, .http_only = true, .path = "/cookies");
    nx_response_cookie_encrypted(res, "secret", value, .max_age = NX_MS(1500));
    nx_response_cookie_clear(res, "old");
    return nx_response_send(res, "set");
}

static nx_err cookies_bad(nx_request *req, nx_response *res)
{
    switch (nx_request_query_int(req, "case", 0)) {
    case 0: nx_response_cookie(res, "a b", "x"); break;
    case 1: nx_response_cookie(res, "a\r\nset-cookie: b", "x"); break;
    case 2: nx_response_cookie(res, "a", "x", .path = "/\r\nx: y"); break;
    case 3: nx_response_cookie(res, "a", "x", .domain = "x; Secure"); break;
    case 4: nx_response_cookie(res, "a", "x", .same_site = NX_SAME_SITE_NONE); break;
    case 5: nx_response_cookie(res, "__Host-a", "x", .secure = true, .path = "/x"); break;
    case 6: nx_response_cookie(res, "a", nx_slice("a\0b", 3)); break;
    case 7: nx_response_cookie(res, "a", "\xff"); break;
    case 8: {
        char *large = nx_alloc(5000);
        if (!large) return NX_ENOMEM;
        memset(large, 'x', 5000);
        nx_response_cookie_encrypted(res, "a", nx_slice(large, 5000));
        break;
    }
    default: break;
    }
    return nx_response_send(res, "sent");
}

/* ---- Forms */

static uint32_t sum_of(nx_bytes bytes)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < bytes.len; i++) sum = sum * 31 + (unsigned char)bytes.data[i];
    return sum;
}

static nx_err form(nx_request *req, nx_response *res)
{
    nx_form *f;
    NX_TRY(nx_request_form(req, &f, .directory = directory, .max_size = 64 << 20,
                           .max_file = 40 << 20));
    nx_value fields[64], files[64];
    size_t field_count = 0, file_count = 0;
    nx_bytes name, value;
    for (size_t i = 0; i < 32 && nx_form_at(f, i, &name, &value); i++) {
        fields[field_count++] = nx_val(name);
        fields[field_count++] = nx_val(value);
    }
    const nx_upload *upload;
    for (size_t i = 0; i < 12 && (upload = nx_form_file_at(f, i)); i++) {
        nx_bytes all;
        NX_TRY(nx_upload_bytes(upload, &all));
        nx_value *items = nx_alloc(10 * sizeof *items);
        if (!items) return NX_ENOMEM;
        nx_value list[] = {nx_val("field"),          nx_val(upload->name), nx_val("name"),
                           nx_val(upload->filename), nx_val("type"),       nx_val(upload->type),
                           nx_val("size"),           nx_val(upload->size), nx_val("sum"),
                           nx_val(sum_of(all))};
        memcpy(items, list, sizeof list);
        files[file_count++] = nx_value_object(items, 10);
    }
    return nx_response_json(
        res, nx_obj("fields", nx_list(fields, field_count), "files", nx_list(files, file_count)));
}

static nx_err form_need(nx_request *req, nx_response *res)
{
    nx_form *f;
    NX_TRY(nx_request_form(req, &f, .max_fields = 8, .max_files = 2, .max_fields_size = 1000,
                           .max_name = 16));
    int age = 0;
    NX_TRY(nx_form_need(f, "age", &age));
    return nx_response_json(res,
                            nx_obj("age", age, "agree", nx_bool(nx_form_bool(f, "agree", false))));
}

static nx_err save(nx_request *req, nx_response *res)
{
    nx_form *f;
    NX_TRY(nx_request_form(req, &f, .directory = directory, .max_size = 64 << 20));
    const nx_upload *upload = nx_form_file(f, "file");
    if (!upload) return nx_fail(NX_EINVAL, "there is no file");
    NX_TRY(nx_upload_save(upload, nx_format("%s/saved", directory)));
    return nx_response_json(res, nx_obj("size", upload->size));
}

/* Counts the bytes of each part without keeping any. */
static nx_err parts(nx_request *req, nx_response *res)
{
    nx_multipart *m;
    NX_TRY(nx_request_multipart(req, &m, .max_size = (uint64_t)1 << 40));
    nx_value sizes[64];
    size_t count = 0;
    for (;;) {
        const nx_part *part;
        NX_TRY(nx_multipart_next(m, &part));
        if (!part) break;
        if (nx_bytes_is(part->name, "skip")) continue;
        size_t size = 0;
        nx_bytes piece;
        do {
            NX_TRY(nx_multipart_read(m, &piece));
            size += piece.len;
        } while (piece.len);
        if (count < 64) sizes[count++] = nx_val(size);
    }
    return nx_response_json(res, nx_list(sizes, count));
}

/* ---- JSON */

static nx_err json(nx_request *req, nx_response *res)
{
    nx_json doc;
    nx_bytes text;
    NX_TRY(nx_request_json(req, &doc));
    NX_TRY(nx_json_text(doc, &text));
    return nx_response_json(res, nx_raw(text));
}

static nx_err json_need(nx_request *req, nx_response *res)
{
    nx_json doc;
    int age;
    nx_bytes name;
    NX_TRY(nx_request_json(req, &doc, .max_depth = 4));
    NX_TRY(nx_json_need(doc, &name, "user", "name"));
    NX_TRY(nx_json_need(doc, &age, "user", "age"));
    return nx_response_json(res, nx_obj("name", name, "age", age));
}

/* JSON that is not the peer's is not the peer's fault. */
static nx_err json_own(nx_request *req, nx_response *res)
{
    (void)req;
    nx_json doc;
    NX_TRY(nx_json_parse(nx_str("{oops}"), &doc));
    return nx_response_send(res, "never");
}

static nx_err json_stream(nx_request *req, nx_response *res)
{
    nx_json_reader *reader;
    NX_TRY(nx_request_json_reader(req, &reader, .many = true));
    int64_t sum = 0, rows = 0;
    for (;;) {
        nx_json_event event;
        NX_TRY(nx_json_reader_next(reader, &event));
        if (event.kind == NX_JSON_END) break;
        if (event.kind != NX_JSON_OBJECT_BEGIN) continue;
        nx_scope *row = NULL;
        NX_TRY(nx_scope_open(&row));
        nx_json tree;
        nx_err err = nx_json_reader_tree(reader, &tree);
        if (!err) {
            sum += nx_json_int(nx_json_get(tree, "n"), 0);
            rows++;
        }
        nx_err closed = nx_scope_close(&row);
        if (err || closed) return err ? err : closed;
    }
    return nx_response_json(res, nx_obj("rows", rows, "sum", sum));
}

/* ---- Negotiation */

static nx_err accepts(nx_request *req, nx_response *res)
{
    return nx_response_json(
        res,
        nx_obj("type",
               nx_request_accepts(req, "application/json", "text/html", "text/plain;format=flowed"),
               "language", nx_request_accepts_language(req, "en", "de-AT"), "coding",
               nx_request_accepts_encoding(req, "br", "gzip", "identity")));
}

int main(int argc, char **argv)
{
    directory = argc > 2 ? argv[2] : "/tmp";
    NX_AUTO(nx_http_server) *server =
        nx_http_server_new(.port = (uint16_t)strtol(argc > 1 ? argv[1] : "3000", NULL, 10),
                           .max_body = (uint64_t)256 << 20, .max_head = 65000, .max_target = 60000,
                           .workers = several());
    const char *old = "the key that this test has always had";
    if (argc > 3 && strcmp(argv[3], "rotated") == 0)
        nx_http_cookie_keys(server, "the key that it has from now on, too", old);
    else if (argc > 3 && strcmp(argv[3], "weak") == 0)
        nx_http_cookie_keys(server, "weak");
    else if (argc <= 3)
        nx_http_cookie_keys(server, old);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/query", query);
    nx_http_route(server, "GET", "/query/need", query_need);
    nx_http_route(server, "GET", "/query/quiet", query_quiet);
    nx_http_route(server, "GET", "/cookies", cookies);
    nx_http_route(server, "GET", "/cookies/set", cookies_set);
    nx_http_route(server, "GET", "/cookies/bad", cookies_bad);
    nx_http_route(server, "POST", "/form", form);
    nx_http_route(server, "POST", "/form/need", form_need);
    nx_http_route(server, "POST", "/save", save);
    nx_http_route(server, "POST", "/parts", parts);
    nx_http_route(server, "POST", "/json", json);
    nx_http_route(server, "PATCH", "/json", json);
    nx_http_route(server, "POST", "/json/need", json_need);
    nx_http_route(server, "GET", "/json/own", json_own);
    nx_http_route(server, "POST", "/json/stream", json_stream);
    nx_http_route(server, "GET", "/accepts", accepts);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "data.c: %s\n", nx_error_last()->message);
    return err;
}

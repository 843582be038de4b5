/* Bodies as sources, answers as sinks. */
#include <nexus/fs.h>
#include <nexus/http.h>
#include <nexus/test.h>

static const char *at(const char *name)
{
    return nx_format("%s/%s", nx_test_dir(), name);
}

/* Answers with the body, compressed. */
static nx_err packed(nx_request *req, nx_response *res)
{
    nx_response_header(res, "content-type", "application/gzip");
    return nx_pipe(nx_http_body(req), nx_gzip(), nx_http_sink(res));
}

static nx_err unpacked(nx_request *req, nx_response *res)
{
    return nx_pipe(nx_http_body(req), nx_gunzip(.max = 1 << 20), nx_http_sink(res));
}

static nx_err file(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_pipe(nx_fs_reader(at("file")), nx_http_sink(res));
}

/* The same with a line before it. */
static nx_err headed(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_pipe(nx_concat(nx_memory_reader(nx_str("first\n")), nx_fs_reader(at("file"))),
                   nx_http_sink(res));
}

static nx_err store(nx_request *req, nx_response *res)
{
    NX_TRY(nx_pipe(nx_http_body(req), nx_fs_writer(at("stored"))));
    nx_response_status(res, 201);
    return NX_OK;
}

static nx_err twice(nx_request *req, nx_response *res)
{
    nx_bytes body;
    (void)req;
    NX_TRY(nx_response_send(res, "sent"));
    nx_expect_err(NX_ESTATE, nx_pipe(nx_memory_reader(nx_str("more")), nx_http_sink(res)));
    nx_expect_ok(nx_request_body(req, &body));
    nx_expect_err(NX_ESTATE, nx_pipe(nx_http_body(req), nx_memory_writer(&body, 9)));
    return NX_OK;
}

static nx_http_server *server_new(void)
{
    nx_http_server *server = nx_http_server_new(.max_body = 100000);
    nx_http_post(server, "/packed", packed);
    nx_http_post(server, "/unpacked", unpacked);
    nx_http_post(server, "/store", store);
    nx_http_post(server, "/twice", twice);
    nx_http_get(server, "/file", file);
    nx_http_get(server, "/headed", headed);
    return server;
}

NX_TEST("a body goes through a pipe into the answer")
{
    NX_AUTO(nx_http_server) *server = server_new();
    nx_test_answer answer;
    char *text = nx_alloc(60000);
    for (size_t i = 0; i < 60000; i++) text[i] = (char)('a' + i * 7 % 26);
    nx_require_ok(nx_test_request(server, &answer, .method = "POST", .path = "/packed",
                                  .bytes = nx_slice(text, 60000)));
    nx_expect_eq(answer.status, 200);
    nx_expect_eq(nx_test_answer_header(&answer, "content-type"), "application/gzip");
    nx_expect(answer.body.len < 10000);
    nx_bytes packed_body = answer.body;
    nx_require_ok(nx_test_request(server, &answer, .method = "POST", .path = "/unpacked",
                                  .bytes = packed_body));
    nx_expect_eq(answer.status, 200);
    nx_expect(nx_bytes_eq(answer.body, nx_slice(text, 60000)));
    nx_require_ok(
        nx_test_request(server, &answer, .method = "POST", .path = "/unpacked", .body = "junk"));
    nx_expect_eq(answer.status, 500);
    nx_require_ok(
        nx_test_request(server, &answer, .method = "POST", .path = "/twice", .body = "a"));
    nx_expect_eq(answer.body, "sent");
}

NX_TEST("a body goes into a file, and no more of it than max_body")
{
    NX_AUTO(nx_http_server) *server = server_new();
    nx_test_answer answer;
    nx_bytes stored;
    nx_require_ok(
        nx_test_request(server, &answer, .method = "POST", .path = "/store", .body = "kept"));
    nx_expect_eq(answer.status, 201);
    nx_require_ok(nx_fs_read_file(at("stored"), &stored));
    nx_expect_eq(stored, "kept");
    nx_require_ok(nx_test_request(server, &answer, .method = "POST", .path = "/store",
                                  .bytes = nx_slice(nx_alloc_zero(100001, 1), 100001)));
    nx_expect_eq(answer.status, 413);
}

NX_TEST("a file that is the whole answer has its length")
{
    NX_AUTO(nx_http_server) *server = server_new();
    nx_test_answer answer;
    nx_require_ok(nx_fs_write_file(at("file"), nx_str("what is in it")));
    nx_require_ok(nx_test_request(server, &answer, .path = "/file"));
    nx_expect_eq(answer.body, "what is in it");
    nx_expect_eq(nx_test_answer_header(&answer, "content-length"), "13");
    nx_expect_eq(nx_test_answer_header(&answer, "content-type"), "application/octet-stream");
    nx_require_ok(nx_test_request(server, &answer, .method = "HEAD", .path = "/file"));
    nx_expect_eq(answer.body.len, 0);
    nx_expect_eq(nx_test_answer_header(&answer, "content-length"), "13");
    nx_require_ok(nx_test_request(server, &answer, .path = "/headed"));
    nx_expect_eq(answer.body, "first\nwhat is in it");
    nx_expect_eq(nx_test_answer_header(&answer, "transfer-encoding"), "chunked");
    nx_require_ok(nx_fs_write_file(at("file"), nx_str("")));
    nx_require_ok(nx_test_request(server, &answer, .path = "/file"));
    nx_expect_eq(answer.status, 200);
    nx_expect_eq(answer.body.len, 0);
    nx_require_ok(nx_fs_remove(at("file")));
    nx_require_ok(nx_test_request(server, &answer, .path = "/file"));
    nx_expect_eq(answer.status, 500);
}

/* What guests have of "nexus": a guest hands every function on, and the test calls them inside a
 * call into it, as its own code would. */
#include "faults.h"
#include "guest.h"

#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/http.h>
#include <nexus/timer.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FUNCTION(name, params, result)                                                             \
    "(import \"nexus\" \"" name "\" (func $" name params result "))"                               \
    "(export \"" name "\" (func $" name "))"
#define I32 "(result i32)"
#define ALL                                                                                        \
    "(import \"env\" \"step\" (func $step))" FUNCTION("nexus_error", "(param i32 i32)", I32)       \
        FUNCTION("nexus_log", "(param i32 i32 i32)", "") FUNCTION(                                 \
            "nexus_time_now", "", "(result i64)") FUNCTION("nexus_time_wall", "", "(result i64)")  \
            FUNCTION("nexus_sleep", "(param i64)", I32) FUNCTION("nexus_http_fetch",               \
                                                                 "(param i32 i32)", I32)           \
                FUNCTION("nexus_http_request", "(param i32 i32 i32 i32 i32 i32 i32 i32)",          \
                         I32) FUNCTION("nexus_http_status", "(param i32)", I32)                    \
                    FUNCTION("nexus_http_header", "(param i32 i32 i32 i32 i32)",                   \
                             I32) FUNCTION("nexus_fs_open", "(param i32 i32 i32)", I32)            \
                        FUNCTION("nexus_fs_remove", "(param i32 i32)",                             \
                                 I32) FUNCTION("nexus_size", "(param i32)", "(result i64)")        \
                            FUNCTION("nexus_read", "(param i32 i32 i32)",                          \
                                     I32) FUNCTION("nexus_write", "(param i32 i32 i32)", I32)      \
                                FUNCTION("nexus_close", "(param i32)", I32)                        \
                                    FUNCTION("nexus_kv_get", "(param i32 i32 i32 i32)", I32)       \
                                        FUNCTION("nexus_kv_set", "(param i32 i32 i32 i32)", I32)   \
                                            FUNCTION("nexus_kv_delete", "(param i32 i32)",         \
                                                     I32) "(memory (export \"memory\") 4)"         \
                                                          "(func (export \"run\") call $step)"

enum { A = 1024, B = 8192, C = 16384, OUT = 65536, MEMORY = 4 * 65536 };

/* ---- Calling them */

static nx_wasm *now; /* whose step runs */

static int32_t put(uint32_t at, const char *text)
{
    nx_wasm_memory memory;
    nx_require_ok(nx_wasm_memory_find(&memory, now, NULL));
    nx_require_ok(nx_wasm_memory_write(&memory, at, nx_str(text)));
    return (int32_t)strlen(text);
}

static const char *text_at(uint32_t at, int64_t len)
{
    nx_wasm_memory memory;
    nx_bytes slice;
    if (len < 0) return "";
    nx_require_ok(nx_wasm_memory_find(&memory, now, NULL));
    nx_require_ok(nx_wasm_memory_slice(&memory, at, (uint64_t)len, &slice));
    return nx_copy(slice);
}

static const char *said(void)
{
    int32_t n = 0;
    nx_require_ok(nx_wasm_call(now, "nexus_error", &n, OUT, 1000));
    return text_at(OUT, n);
}

static int32_t fetch(const char *url)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_http_fetch", &n, A, put(A, url)));
    return n;
}

static int32_t request(const char *method, const char *url, const char *fields, const char *body)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_http_request", &n, A, put(A, method), A + 100,
                              put(A + 100, url), B, put(B, fields), C, put(C, body)));
    return n;
}

static int32_t open_file(const char *path, int how)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_fs_open", &n, A, put(A, path), how));
    return n;
}

static int32_t write_file(int32_t file, const char *text)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_write", &n, file, B, put(B, text)));
    return n;
}

static int32_t close_it(int32_t number)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_close", &n, number));
    return n;
}

/* All that is left of it, in pieces of 100 bytes. */
static const char *rest(int32_t number)
{
    const char *all = "";
    int32_t n = 0;
    while (nx_wasm_call(now, "nexus_read", &n, number, OUT, 100) == NX_OK && n > 0)
        all = nx_format("%s%s", all, text_at(OUT, n));
    nx_expect_eq(n, 0);
    return all;
}

static const char *header(int32_t answer, const char *name)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_http_header", &n, answer, A, put(A, name), OUT, 1000));
    return n < 0 ? "(none)" : text_at(OUT, n);
}

static nx_err step(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    (void)values;
    void (*fn)(void);
    now = wasm;
    memcpy(&fn, arg, sizeof fn);
    fn();
    return NX_OK;
}

/* Runs it inside a call into a guest of that policy. */
static nx_err inside(void (*fn)(void), const nx_wasm_policy *policy)
{
    guest_prepare();
    NX_AUTO(nx_wasm_imports) *imports = nx_wasm_imports_new();
    nx_require(imports != NULL);
    nx_wasm_import(imports, "env", "step", "->", step, &fn);
    nx_wasm *wasm = guest(ALL, .imports = imports, .nexus = true, .policy = *policy);
    nx_err err = nx_wasm_call(wasm, "run", NULL);
    nx_error kept = *nx_error_last();
    const char *message = nx_copy(nx_str(kept.message));
    NX_IGNORE(nx_wasm_call(wasm, "nexus_close", &(int32_t){0}, 1)); /* it can be called again */
    if (err) NX_IGNORE(nx_fail(err, "%s", message));
    return err;
}

#define inside(fn, ...) inside((fn), &(nx_wasm_policy){__VA_ARGS__})

/* ---- Requests */

static nx_http_server *server;
static nx_fiber *server_fiber;
static const char *base;

static nx_err say_back(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body));
    nx_response_header(res, "x-color", "blue");
    return nx_response_send(res, nx_format("%.*s %.*s %.*s", NX_FMT(nx_request_method(req)),
                                           NX_FMT(nx_request_header(req, "x-size")), NX_FMT(body)));
}

static nx_err long_one(nx_request *req, nx_response *res)
{
    (void)req;
    char *text = nx_alloc(1001);
    if (!text) return NX_ENOMEM;
    for (size_t i = 0; i < 1000; i++) text[i] = (char)('a' + i % 26);
    text[1000] = '\0';
    return nx_response_send(res, text);
}

static nx_err elsewhere(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_redirect(res, 302, "/echo");
}

static nx_err never(nx_request *req, nx_response *res)
{
    (void)req;
    NX_TRY(nx_sleep(NX_S(3600)));
    return nx_response_send(res, "late");
}

static nx_err listen_fiber(void *arg)
{
    return nx_http_listen(arg);
}

static void server_begin(void)
{
    server = nx_http_server_new(.host = "127.0.0.1", .port = NX_HTTP_ANY_PORT,
                                .drain_deadline = NX_MS(100));
    nx_http_route(server, "*", "/echo", say_back);
    nx_http_get(server, "/long", long_one);
    nx_http_get(server, "/elsewhere", elsewhere);
    nx_http_get(server, "/never", never);
    nx_require_ok(nx_spawn(&server_fiber, listen_fiber, server));
    while (!nx_http_port(server)) nx_require_ok(nx_sleep(NX_MS(1)));
    base = nx_format("http://127.0.0.1:%u", nx_http_port(server));
}

static void server_end(void)
{
    nx_http_stop(server);
    NX_IGNORE(nx_join(server_fiber));
    nx_http_server_free(server);
}

static void asks(void)
{
    int32_t status = 0, n = 0;
    int64_t size = 0;
    int32_t answer = fetch(nx_format("%s/long", base));
    nx_require(answer > 0);
    nx_expect_ok(nx_wasm_call(now, "nexus_http_status", &status, answer));
    nx_expect_eq(status, 200);
    nx_expect_ok(nx_wasm_call(now, "nexus_size", &size, answer));
    nx_expect_eq(size, 1000);
    nx_expect_eq(strlen(rest(answer)), 1000);
    nx_expect_eq(close_it(answer), 0);
    nx_expect_eq(close_it(answer), -NX_EINVAL);
    nx_expect_contains(said(), "nothing is open by the number 1");
    answer = request("PUT", nx_format("%s/echo", base), "x-size: 5\r\nx-other:y\n", "hello");
    nx_expect_eq(rest(answer), "PUT 5 hello");
    nx_expect_eq(header(answer, "X-Color"), "blue");
    nx_expect_eq(header(answer, "x-none"), "(none)");
    /* No longer than there is room, and yet how long it is. */
    nx_expect_ok(nx_wasm_call(now, "nexus_http_header", &n, answer, A, put(A, "x-color"), OUT, 2));
    nx_expect_eq(n, 4);
    /* It leads elsewhere, and the guest is told. */
    answer = fetch(nx_format("%s/elsewhere", base));
    nx_expect_ok(nx_wasm_call(now, "nexus_http_status", &status, answer));
    nx_expect_eq(status, 302);
    nx_expect_eq(header(answer, "location"), "/echo");
    /* What is no request. */
    nx_expect_eq(fetch("nowhere"), -NX_EINVAL);
    nx_expect_eq(fetch("file:///etc/passwd"), -NX_EINVAL);
    nx_expect_eq(request("", nx_format("%s/echo", base), "no field", ""), -NX_EINVAL);
    nx_expect_contains(said(), "name: value");
    nx_expect_eq(request("", nx_format("%s/echo", base), "x y: z", ""), -NX_EINVAL);
    nx_expect_eq(request("GE T", nx_format("%s/echo", base), "", ""), -NX_EINVAL);
    char fields[1000] = "";
    for (int i = 0; i < 101; i++) memcpy(fields + (ptrdiff_t)i * 4, "a:b\n", 5);
    nx_expect_eq(request("", nx_format("%s/echo", base), fields, ""), -NX_ETOOBIG);
    nx_expect_eq(fetch("http://127.0.0.1:1/"), -NX_EPERM);
    nx_expect_contains(said(), "allow_net of its policy lacks it");
    nx_expect_eq(fetch(nx_format("http://[::ffff:127.0.0.1]:1/")), -NX_EPERM);
    nx_expect_eq(fetch(nx_format("http://example.com/")), -NX_EPERM);
    /* A file is no answer, and an answer is not written. */
    nx_expect_eq(write_file(answer, "x"), -NX_EINVAL);
}

static void asks_again_and_again(void)
{
    for (int i = 0; i < 200; i++) {
        int32_t answer = fetch(nx_format("%s/echo", base));
        nx_require(answer == 1);
        nx_expect_eq(close_it(answer), 0);
    }
}

static void asks_unasked(void)
{
    nx_expect_eq(fetch(nx_format("%s/echo", base)), -NX_EPERM);
}

NX_TEST("requests", .deadline = NX_S(60))
{
    server_begin();
    const char *const hosts[] = {base + strlen("http://"), NULL};
    const char *const any[] = {"*", NULL}, *const wrong[] = {"a b", NULL};
    nx_expect_ok(inside(asks, .allow_net = hosts));
    nx_expect_ok(inside(asks_again_and_again, .allow_net = any));
    nx_expect_ok(inside(asks_unasked, .allow_net = NULL));
    nx_wasm *none;
    nx_expect_err(NX_EINVAL, nx_wasm_open(&none,
                                          guest_file("(import \"nexus\" \"nexus_time_now\" "
                                                     "(func (result i64)))"),
                                          .nexus = true, .policy.allow_net = wrong));
    nx_expect_contains(nx_error_last()->message, "allow_net \"a b\"");
    server_end();
}

/* The error that ended the function is that of the call into the guest; it is expected there. */
static void ends(const char *message, nx_err err)
{
    nx_expect_eq(nx_error_last()->code, err);
    nx_expect_contains(nx_error_last()->message, message);
}

static void asks_until_late(void)
{
    int32_t n;
    const char *url = nx_format("%s/never", base);
    nx_expect_err(NX_ETIMEDOUT, nx_wasm_call(now, "nexus_http_fetch", &n, A, put(A, url)));
    ends("deadline of 500 ms", NX_ETIMEDOUT);
}

NX_TEST("a server that never answers", .deadline = NX_S(60))
{
    const char *const any[] = {"*", NULL};
    server_begin();
    nx_expect_ok(inside(asks_until_late, .allow_net = any, .deadline = NX_MS(500)));
    server_end();
}

/* ---- Files */

static const char *secret;

static void uses_files(void)
{
    enum { READ = 1, WRITE = 2, CREATE = 4, TRUNCATE = 8, APPEND = 16 };
    int64_t size = 0;
    int32_t n = 0, file = open_file("data/note", READ);
    nx_require(file > 0);
    nx_expect_eq(rest(file), "of paper");
    nx_expect_eq(write_file(file, "x"), -NX_EINVAL);
    nx_expect_ok(nx_wasm_call(now, "nexus_size", &size, file));
    nx_expect_eq(size, 8);
    nx_expect_ok(nx_wasm_call(now, "nexus_http_status", &n, file));
    nx_expect_eq(n, -NX_EINVAL);
    file = open_file("/data/sub/new", READ | WRITE | CREATE | TRUNCATE);
    nx_require(file > 0);
    nx_expect_eq(write_file(file, "hello"), 5);
    nx_expect_eq(rest(file), "");
    file = open_file("./data/sub/new", WRITE | APPEND);
    nx_expect_eq(write_file(file, " world"), 6);
    nx_expect_eq(rest(open_file("data/sub/new", READ)), "hello world");
    nx_expect_ok(nx_wasm_call(now, "nexus_fs_remove", &n, A, put(A, "data/sub/new")));
    nx_expect_eq(n, 0);
    nx_expect_eq(open_file("data/sub/new", READ), -NX_ENOENT);
    /* To read alone. */
    nx_expect_eq(rest(open_file("fixed/note", READ)), "of paper");
    nx_expect_eq(open_file("fixed/note", WRITE), -NX_EPERM);
    nx_expect_contains(said(), "gives to read");
    nx_expect_eq(open_file("fixed/other", WRITE | CREATE), -NX_EPERM);
    nx_expect_ok(nx_wasm_call(now, "nexus_fs_remove", &n, A, put(A, "fixed/note")));
    nx_expect_eq(n, -NX_EPERM);
    /* Nor out of it. */
    static const char *const bad[] = {"secret",
                                      "/etc/passwd",
                                      "data/../secret",
                                      "data/sub/../..",
                                      "data/link",
                                      "data/out/secret",
                                      "database/x",
                                      "data/sub",
                                      "data",
                                      "",
                                      "data/pipe",
                                      "data/sub/../../secret",
                                      "data//../secret",
                                      "../data/note",
                                      "data/note/x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_expect(open_file(bad[i], READ) < 0);
        nx_expect(open_file(bad[i], READ | WRITE | TRUNCATE) < 0);
    }
    nx_expect(open_file(secret, READ) < 0);
    nx_expect_eq(open_file("data/note", 0), -NX_EINVAL);
    nx_expect_eq(open_file("data/note", READ | CREATE), -NX_EINVAL);
    nx_expect_eq(open_file("data/note", 1 << 20), -NX_EINVAL);
}

static void opens_too_many(void)
{
    int32_t n;
    for (int i = 0; i < 3; i++) nx_expect_eq(open_file("data/note", 1), i + 1);
    nx_expect_eq(close_it(2), 0);
    nx_expect_eq(open_file("data/note", 1), 2);
    nx_expect_err(NX_ELIMIT, nx_wasm_call(now, "nexus_fs_open", &n, A, put(A, "data/note"), 1));
    ends("max_open_files, 3", NX_ELIMIT);
}

NX_TEST("files", .deadline = NX_S(60))
{
    const char *at = nx_format("%s/files", nx_test_dir());
    const char *out = nx_format("%s/out", at), *sub = nx_format("%s/sub", at);
    secret = nx_format("%s/secret", nx_test_dir());
    nx_require_ok(nx_fs_mkdir(at));
    nx_require_ok(nx_fs_mkdir(sub));
    nx_require_ok(nx_fs_write_file(secret, nx_str("not for guests")));
    nx_require_ok(nx_fs_write_file(nx_format("%s/note", at), nx_str("of paper")));
    nx_require_eq(symlink("../secret", nx_format("%s/link", at)), 0);
    nx_require_eq(symlink("..", out), 0);
    nx_require_eq(mkfifo(nx_format("%s/pipe", at), 0600), 0);
    const nx_wasm_dir dirs[] = {{.path = at, .guest = "data", .write = true},
                                {.path = at, .guest = "/fixed/"},
                                {.path = NULL}};
    nx_expect_ok(inside(uses_files, .allow_fs = dirs));
    nx_expect_ok(inside(opens_too_many, .allow_fs = dirs, .max_open_files = 3));
    nx_bytes left;
    nx_expect_ok(nx_fs_read_file(secret, &left));
    nx_expect_eq(left.data, "not for guests");
    nx_expect_ok(nx_fs_read_file(nx_format("%s/note", at), &left));
    nx_expect_eq(left.data, "of paper");
    nx_wasm *none;
    const nx_wasm_dir gone[] = {{.path = "none"}, {.path = NULL}};
    nx_expect_err(NX_ENOENT, nx_wasm_open(&none,
                                          guest_file("(import \"nexus\" \"nexus_time_now\" "
                                                     "(func (result i64)))"),
                                          .nexus = true, .policy.allow_fs = gone));
}

/* ---- Keys and values */

static void uses_values(void)
{
    int32_t n = 0, key = put(A, "key"), value = put(B, "value");
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_get", &n, A, key, OUT, 100));
    nx_expect_eq(n, -NX_ENOENT);
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_set", &n, A, key, B, value));
    nx_expect_eq(n, 0);
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_get", &n, A, key, OUT, 3));
    nx_expect_eq(n, 5);
    nx_expect_eq(text_at(OUT, 3), "val");
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_set", &n, A, key, A, 0)); /* an empty one */
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_get", &n, A, key, OUT, 3));
    nx_expect_eq(n, 0);
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_delete", &n, A, key));
    nx_expect_eq(n, 1);
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_delete", &n, A, key));
    nx_expect_eq(n, 0);
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_set", &n, 0, 1025, B, value));
    nx_expect_eq(n, -NX_ETOOBIG);
}

static void fills_values(void)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_set", &n, A, put(A, "a"), 0, 4000));
    nx_expect_ok(nx_wasm_call(now, "nexus_kv_set", &n, A, put(A, "b"), 0, 4000));
    nx_expect_err(NX_ELIMIT, nx_wasm_call(now, "nexus_kv_set", &n, A, put(A, "c"), 0, 4000));
    ends("max_kv, 10000 bytes", NX_ELIMIT);
}

NX_TEST("keys and values", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_kv) *kv = NULL;
    nx_bytes value;
    nx_expect_ok(inside(uses_values, .max_kv = 0));
    nx_expect_ok(inside(fills_values, .max_kv = 10000));
    /* Those of the program are shared, and grow. */
    nx_require_ok(nx_wasm_kv_new(&kv, 0));
    nx_expect_ok(inside(uses_values, .kv = kv));
    for (int i = 0; i < 1000; i++) {
        const char *key = nx_format("key %d", i);
        nx_expect_ok(nx_wasm_kv_set(kv, nx_str(key), nx_str(key)));
    }
    for (int i = 0; i < 1000; i++) {
        const char *key = nx_format("key %d", i);
        nx_expect_ok(nx_wasm_kv_get(kv, nx_str(key), &value));
        nx_expect_eq(value.data, key);
        nx_expect(nx_wasm_kv_delete(kv, nx_str(key)));
    }
    nx_expect_err(NX_ENOENT, nx_wasm_kv_get(kv, nx_str("key 1"), &value));
}

/* ---- Time and logs */

static void uses_time(void)
{
    int64_t before = 0, after = 0, wall = 0;
    int32_t n = -1;
    nx_expect_ok(nx_wasm_call(now, "nexus_time_now", &before));
    nx_expect_ok(nx_wasm_call(now, "nexus_sleep", &n, NX_MS(5)));
    nx_expect_eq(n, 0);
    nx_expect_ok(nx_wasm_call(now, "nexus_time_now", &after));
    nx_expect(after - before >= NX_MS(5));
    nx_expect_ok(nx_wasm_call(now, "nexus_time_wall", &wall));
    nx_expect(wall > NX_S(1700000000));
    nx_expect_ok(nx_wasm_call(now, "nexus_log", NULL, 3, A, put(A, "a line\n\x1b[31m")));
    nx_expect_ok(nx_wasm_call(now, "nexus_log", NULL, 99, A, put(A, "no level")));
}

static void has_no_time(void)
{
    int64_t at = 1;
    nx_expect_ok(nx_wasm_call(now, "nexus_time_now", &at));
    nx_expect_eq(at, 0);
    nx_expect_ok(nx_wasm_call(now, "nexus_time_wall", &at));
    nx_expect_eq(at, NX_S(7));
}

NX_TEST("time and logs", .deadline = NX_S(60))
{
    nx_expect_ok(inside(uses_time, .max_kv = 0));
    nx_expect_ok(inside(has_no_time, .clock = NX_S(7)));
}

/* ---- A guest that lies */

static void lies(void)
{
    static const struct {
        const char *name;
        int params;
    } all[] = {{"nexus_error", 2},     {"nexus_http_fetch", 2}, {"nexus_fs_open", 3},
               {"nexus_fs_remove", 2}, {"nexus_kv_set", 4},     {"nexus_kv_get", 4},
               {"nexus_kv_delete", 2}, {"nexus_read", 3},       {"nexus_write", 3}};
    static const uint32_t wild[][2] = {{MEMORY, 1},     {MEMORY - 1, 2},          {0, MEMORY + 1},
                                       {UINT32_MAX, 1}, {UINT32_MAX, UINT32_MAX}, {1, UINT32_MAX}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t k = 0; k < sizeof wild / sizeof *wild; k++) {
            nx_err err = NX_OK;
            int32_t n = 0;
            uint32_t at = wild[k][0], len = wild[k][1];
            bool numbered =
                strcmp(all[i].name, "nexus_read") == 0 || strcmp(all[i].name, "nexus_write") == 0;
            if (numbered)
                err = nx_wasm_call(now, all[i].name, &n, 1, at, len);
            else if (all[i].params == 2)
                err = nx_wasm_call(now, all[i].name, &n, at, len);
            else if (all[i].params == 3)
                err = nx_wasm_call(now, all[i].name, &n, at, len, 1);
            else
                err = nx_wasm_call(now, all[i].name, &n, 0, 1, at, len);
            nx_expect_eq(err, NX_EINVAL);
            nx_expect_contains(nx_error_last()->message, "out of memory");
        }
    /* Text that is none, numbers of nothing. */
    int32_t n = 0;
    nx_expect_err(NX_EINVAL, nx_wasm_call(now, "nexus_http_fetch", &n, A, put(A, "\xff\xfe")));
    static const int32_t numbers[] = {0, -1, 1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        nx_expect_ok(nx_wasm_call(now, "nexus_read", &n, numbers[i], OUT, 10));
        nx_expect_eq(n, -NX_EINVAL);
        nx_expect_eq(close_it(numbers[i]), -NX_EINVAL);
    }
    nx_expect_ok(nx_wasm_call(now, "nexus_sleep", &n, INT64_MIN));
    nx_expect_eq(n, 0);
}

NX_TEST("a guest that lies", .deadline = NX_S(60))
{
    nx_expect_ok(inside(lies, .max_kv = 0));
}

NX_TEST("who has not asked for it has it not", .deadline = NX_S(60))
{
    nx_wasm *none;
    const char *path = guest_file("(import \"nexus\" \"nexus_time_now\" (func (result i64)))");
    nx_expect_err(NX_ENOENT, nx_wasm_open(&none, path));
    nx_expect_contains(nx_error_last()->message, "nexus::nexus_time_now");
    nx_expect_err(NX_ETYPE,
                  nx_wasm_open(&none, guest_file("(import \"nexus\" \"nexus_time_now\" (func))"),
                               .nexus = true));
    nx_expect_err(NX_ENOENT, nx_wasm_open(&none, guest_file("(import \"nexus\" \"more\" (func))"),
                                          .nexus = true));
}

/* ---- Memory and a disk that fail */

static nx_wasm_module *shared;
static nx_wasm_imports *shared_imports;
static nx_wasm_dir shared_dirs[2];

static nx_err tries(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    (void)arg;
    (void)values;
    int32_t n = 0;
    nx_wasm_memory memory;
    NX_TRY(nx_wasm_memory_find(&memory, wasm, NULL));
    NX_TRY(nx_wasm_memory_write(&memory, A, nx_str("data/note")));
    NX_TRY(nx_wasm_call(wasm, "nexus_fs_open", &n, A, 9, 3));
    NX_TRY(nx_wasm_call(wasm, "nexus_read", &n, 1, OUT, 100));
    NX_TRY(nx_wasm_call(wasm, "nexus_write", &n, 1, OUT, 1));
    NX_TRY(nx_wasm_call(wasm, "nexus_kv_set", &n, A, 9, A, 9));
    NX_TRY(nx_wasm_call(wasm, "nexus_kv_get", &n, A, 9, OUT, 100));
    NX_TRY(nx_wasm_call(wasm, "nexus_http_fetch", &n, A, 9));
    NX_TRY(nx_wasm_call(wasm, "nexus_log", NULL, 1, A, 9));
    return n == -NX_ENOMEM || n == -NX_EIO || n == -NX_EINVAL ? NX_OK : NX_EFAILED;
}

static nx_err try_all(void)
{
    static const char *const hosts[] = {"127.0.0.1:1", NULL};
    NX_AUTO(nx_wasm) *wasm = NULL;
    NX_TRY(nx_wasm_new(&wasm, shared, .imports = shared_imports, .nexus = true,
                       .policy.allow_net = hosts, .policy.allow_fs = shared_dirs));
    return nx_wasm_call(wasm, "run", NULL);
}

NX_TEST("memory that runs out, and a disk that fails, are errors", .deadline = NX_S(120))
{
    static const struct faults_scenario scenario = {.name = "a guest", .run = try_all};
    const char *at = nx_format("%s/files", nx_test_dir());
    nx_require_ok(nx_fs_mkdir(at));
    nx_require_ok(nx_fs_write_file(nx_format("%s/note", at), nx_str("of paper")));
    shared_dirs[0] = (nx_wasm_dir){.path = at, .guest = "data", .write = true};
    nx_require_ok(nx_wasm_load(&shared, guest_file(ALL)));
    shared_imports = nx_wasm_imports_new();
    nx_require(shared_imports != NULL);
    nx_wasm_import(shared_imports, "env", "step", "->", tries, NULL);
    nx_require_ok(try_all()); /* what is made once is there then */
    faults_run(FAULTS_MEMORY, &scenario, 1);
    faults_run(FAULTS_NO_MEMORY, &scenario, 1);
    faults_run(EIO, &scenario, 1);
    faults_run(FAULTS_SHORT, &scenario, 1);
    nx_wasm_imports_free(shared_imports);
    nx_wasm_module_free(shared);
}

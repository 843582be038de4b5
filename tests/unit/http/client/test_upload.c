/* Bodies of requests: of every kind, and from sources while the answer is read. */
#include "fetch_peer.h"
#include <nexus/text.h>
#include <nexus/timer.h>
#include <stdlib.h>

NX_TEST("bodies of every kind arrive, and so does what says so")
{
    const char *at = nx_format("%s/echo", server_begin());
    nx_fetched *res;
    nx_require_ok(nx_fetch(&res, at));
    nx_expect_eq(nx_fetched_status(res), 200);
    nx_expect(nx_fetched_ok(res));
    nx_expect_eq(header(res, "X-Method"), "GET");
    nx_expect_eq(body(res), "");
    nx_expect_eq(nx_fetched_protocol(res), "HTTP/1.1");
    nx_expect_eq(nx_fetched_url(res), at);

    nx_require_ok(nx_fetch(&res, at, .json = nx_obj("a", 1)));
    nx_expect_eq(header(res, "x-method"), "POST");
    nx_expect_eq(header(res, "x-type"), "application/json");
    nx_json tree;
    nx_require_ok(nx_fetched_json(res, &tree));
    nx_expect_eq(nx_json_int(nx_json_get(tree, "a"), 0), 1);

    nx_require_ok(nx_fetch(&res, at, .method = "PUT", .form = nx_obj("a", "b c", "n", 2)));
    nx_expect_eq(header(res, "x-method"), "PUT");
    nx_expect_eq(header(res, "x-type"), "application/x-www-form-urlencoded");
    nx_expect_eq(body(res), "a=b+c&n=2");

    nx_require_ok(nx_fetch(&res, at, .text = "t\xc3\xa4xt", .type = "text/x"));
    nx_expect_eq(header(res, "x-type"), "text/x");
    nx_bytes text;
    nx_require_ok(nx_fetched_text(res, &text));
    nx_expect_eq(text, "t\xc3\xa4xt");

    nx_require_ok(nx_fetch(&res, at, .method = "POST"));
    nx_expect_eq(body(res), "");

    char *large = nx_alloc(1 << 20);
    for (int i = 0; i < 1 << 20; i++) large[i] = (char)(i * 7 + i / 1000);
    nx_bytes all;
    nx_require_ok(nx_fetch(&res, at, .body = nx_slice(large, 1 << 19)));
    nx_require_ok(nx_fetched_body(res, &all));
    nx_expect(nx_bytes_eq(all, nx_slice(large, 1 << 19)));

    nx_require_ok(nx_fetch(&res, at, .source = nx_memory_reader(nx_slice(large, 1 << 19))));
    nx_expect_eq(header(res, "x-chunked"), "yes");
    nx_require_ok(nx_fetched_body(res, &all));
    nx_expect(nx_bytes_eq(all, nx_slice(large, 1 << 19)));

    nx_require_ok(nx_fetch(&res, at, .source = nx_memory_reader(nx_slice(large, 1 << 19)),
                           .source_length = 1 << 19));
    nx_expect_eq(header(res, "x-chunked"), "no");
    nx_require_ok(nx_fetched_body(res, &all));
    nx_expect(nx_bytes_eq(all, nx_slice(large, 1 << 19)));

    nx_expect_err(NX_EINVAL, nx_fetch(&res, at, .source = nx_memory_reader(nx_str("abc")),
                                      .source_length = 4));
    nx_expect_err(NX_EINVAL, nx_fetch(&res, at, .source = nx_memory_reader(nx_str("abcde")),
                                      .source_length = 4));
    server_end();
}

NX_TEST("multipart forms")
{
    const char *at = nx_format("%s/echo", server_begin());
    nx_fetched *res;
    const nx_fetch_part parts[] = {
        {.name = "a\"\r\nb", .data = nx_str("1")},
        {.name = "file", .file_name = "x.bin", .data = nx_str("\r\n--")},
        {.name = "text", .file_name = "y.txt", .type = "text/plain", .data = nx_str("y")},
    };
    nx_require_ok(nx_fetch(&res, at, .parts = parts, .part_count = 3));
    const char *type = header(res, "x-type");
    nx_require(nx_text_starts(nx_str(type), nx_str("multipart/form-data; boundary=")));
    const char *boundary = strchr(type, '=') + 1;
    nx_expect_eq(body(res),
                 nx_format("--%s\r\nContent-Disposition: form-data; name=\"a%%22%%0D%%0Ab\"\r\n\r\n"
                           "1\r\n--%s\r\nContent-Disposition: form-data; name=\"file\"; "
                           "filename=\"x.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
                           "\r\n--\r\n--%s\r\nContent-Disposition: form-data; name=\"text\"; "
                           "filename=\"y.txt\"\r\nContent-Type: text/plain\r\n\r\ny\r\n--%s--\r\n",
                           boundary, boundary, boundary, boundary));
    nx_require_ok(nx_fetch(
        &res, at,
        .parts = (nx_fetch_part[]){{.name = "s", .source = nx_memory_reader(nx_str("streamed"))}},
        .part_count = 1));
    nx_expect_eq(header(res, "x-chunked"), "yes");
    nx_expect(strstr(body(res), "\r\n\r\nstreamed\r\n--") != NULL);
    server_end();
}

/* ---- A source that gives what it is told to, when it is told to */

struct said {
    const char *text; /* is given next */
    nx_err fails;
    bool ends, closed;
};

static nx_err said_read(void *state, void *data, size_t len, size_t *got)
{
    struct said *s = state;
    (void)len; /* there is room for a few words */
    while (!s->text && !s->ends && !s->fails) NX_TRY(nx_sleep(NX_MS(1)));
    *got = s->text ? strlen(s->text) : 0;
    if (s->text) memcpy(data, s->text, *got);
    nx_err err = s->text || !s->fails ? NX_OK : nx_fail(s->fails, "the words fail");
    s->text = NULL;
    return err;
}

static void said_close(void *state)
{
    ((struct said *)state)->closed = true;
}

static nx_stream *words(struct said *s, const char *first)
{
    static const nx_stream_type type = {
        .size = sizeof type, .name = "words", .read = said_read, .close = said_close};
    *s = (struct said){.text = first};
    return nx_stream_new(&type, s);
}

static const nx_http_version versions[] = {NX_HTTP_1, NX_HTTP_2};
enum { VERSIONS = 2 };

NX_TEST("an answer is read while the request is still sent")
{
    const char *at = server_begin();
    static const char *const more[] = {"two ", "three ", "four"};
    for (int v = 0; v < VERSIONS; v++) {
        nx_fetched *res;
        struct said s;
        nx_bytes piece;
        nx_require_ok(nx_fetch(&res, nx_format("%s/talk", at), .source = words(&s, "one "),
                               .version = versions[v]));
        nx_require_ok(nx_fetched_read(res, &piece));
        nx_expect_eq(piece, "one ");
        for (int i = 0; i < 3; i++) {
            s.text = more[i];
            nx_require_ok(nx_fetched_read(res, &piece));
            nx_expect_eq(piece, more[i]);
        }
        nx_expect(!s.closed);
        s.ends = true;
        nx_require_ok(nx_fetched_read(res, &piece));
        nx_expect_eq(piece.len, (size_t)0);
        nx_expect(s.closed);

        /* As much as there is room for nowhere goes both ways at once. */
        enum { LARGE = 8 << 20 };
        char *large = malloc(LARGE);
        for (size_t i = 0; large && i < LARGE; i++) large[i] = (char)(i * 7 + i / 1000);
        nx_require_ok(nx_fetch(&res, nx_format("%s/talk", at), .version = versions[v],
                               .source = nx_memory_reader(nx_slice(large, LARGE))));
        nx_bytes all;
        nx_require_ok(nx_fetched_body(res, &all));
        nx_expect(nx_bytes_eq(all, nx_slice(large, LARGE)));
        free(large);
    }
    /* Both connections have been kept. */
    nx_http_stats stats = {.size = sizeof stats};
    nx_http_stats_get(server_get(), &stats);
    nx_expect_eq(stats.accepted, (uint64_t)VERSIONS);
    server_end();
}

NX_TEST("an answer that refuses a body comes before the body has been sent")
{
    const char *at = server_begin();
    nx_fetched *res;
    struct said s;
    for (int v = 0; v < VERSIONS; v++) {
        nx_require_ok(nx_fetch(&res, nx_format("%s/refuse", at), .source = words(&s, NULL),
                               .version = versions[v]));
        nx_expect_eq(nx_fetched_status(res), 413);
        nx_expect(s.closed);
        nx_expect(strstr(body(res), "too much") != NULL);
        nx_require_ok(nx_fetch(&res, nx_format("%s/echo", at), .version = versions[v]));
        nx_expect_eq(nx_fetched_status(res), 200);
    }
    server_end();

    struct peer p = {0};
    peer_begin(&p, ANSWERS("HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
                           "HTTP/1.1 303 See\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"));
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .source = words(&s, "some")));
    nx_expect_eq(nx_fetched_status(res), 413);
    nx_expect(s.closed);
    nx_expect_eq(body(res), "no");
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .source = words(&s, NULL)));
    nx_expect_eq(nx_fetched_status(res), 200);
    nx_expect(s.closed);
    nx_expect_eq(body(res), "yes");
    nx_expect_eq(p.connections, (size_t)3);
    peer_end(&p);
}

NX_TEST("what is still sent when all of an answer has come goes to its end where that may be")
{
    struct peer p = {.keeps = true};
    struct said s;
    nx_fetched *res;
    nx_bytes piece;
    peer_begin(&p, ANSWERS("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                           "HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye"));
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .source = words(&s, NULL), .source_length = 5));
    nx_require_ok(nx_fetched_read(res, &piece));
    nx_expect_eq(piece, "ok");
    nx_expect(!s.closed);
    s.text = "hello";
    s.ends = true;
    nx_require_ok(nx_fetched_read(res, &piece));
    nx_expect_eq(piece.len, (size_t)0);
    nx_expect(s.closed);
    /* The same connection, then. */
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .source = nx_memory_reader(nx_str("world")),
                           .source_length = 5));
    nx_expect(strncmp(p.asked, "helloPOST / HTTP/1.1\r\n", 22) == 0);
    nx_expect_eq(nx_fetched_status(res), 201);
    nx_expect_eq(p.connections, (size_t)1);
    /* Who closes behind his answer has heard enough with it. */
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .source = words(&s, NULL), .source_length = 5));
    nx_expect(strncmp(p.asked, "worldPOST / HTTP/1.1\r\n", 22) == 0);
    nx_expect_eq(body(res), "bye");
    nx_expect(s.closed);
    peer_end(&p);
}

NX_TEST("the deadline holds while a source is read, and its errors end the request")
{
    const char *host = server_begin();
    for (int v = 0; v < VERSIONS; v++) {
        const char *paths[] = {"/echo", "/talk"}; /* that answers at the end, and at once */
        for (int i = 0; i < 2; i++) {
            const char *at = nx_format("%s%s", host, paths[i]);
            nx_fetched *res = NULL;
            struct said s;
            nx_bytes piece;
            nx_err err = nx_fetch(&res, at, .source = words(&s, "one"), .version = versions[v],
                                  .deadline = NX_MS(300));
            if (!err && i) err = nx_fetched_read(res, &piece);
            if (!err && i) err = nx_fetched_read(res, &piece);
            nx_expect_err(NX_ETIMEDOUT, err);
            nx_expect(strstr(nx_error_last()->message, "(deadline)") != NULL);
            nx_expect(s.closed);

            nx_stream *source = words(&s, "one");
            s.fails = i ? NX_OK : NX_EFAILED;
            err = nx_fetch(&res, at, .source = source, .version = versions[v]);
            s.fails = NX_EFAILED;
            while (!err && i) err = nx_fetched_read(res, &piece);
            nx_expect_err(NX_EFAILED, err);
            nx_expect(strstr(nx_error_last()->message, "the words fail") != NULL);
            nx_expect(s.closed);
        }
        /* Who has heard enough closes the answer, and with it the source. */
        nx_fetched *res;
        struct said s;
        nx_require_ok(nx_fetch(&res, nx_format("%s/talk", host), .source = words(&s, "one"),
                               .version = versions[v]));
        nx_expect(!s.closed);
        nx_fetched_close(res);
        nx_expect(s.closed);
        nx_require_ok(nx_fetch(&res, nx_format("%s/echo", host), .version = versions[v]));
    }
    server_end();
}

NX_TEST("a redirect to GET that comes before a streamed body was sent drops it")
{
    enum { LARGE = 8 << 20 };
    struct peer p = {0};
    nx_fetched *res;
    peer_begin(&p, ANSWERS("HTTP/1.1 303 See\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n",
                           "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
    nx_bytes large = nx_slice(nx_alloc_zero(1, LARGE), LARGE);
    nx_require_ok(nx_fetch(&res, peer_url(&p, "/"), .source = nx_memory_reader(large)));
    nx_expect_eq(body(res), "ok");
    nx_expect(nx_text_starts(nx_str(p.asked), nx_str("GET /there HTTP/1.1\r\n")));
    peer_end(&p);
}

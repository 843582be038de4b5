/* A client of HTTP/2 for http2_client_test.py: PORT CA WHAT [COUNT [CONNECTIONS]] */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nx_client *client;
static const char *origin;
static int done, failed;

static nx_err one(void *arg)
{
    const char *path = arg;
    nx_fetched *res;
    nx_bytes body;
    nx_err err = nx_fetch(&res, nx_format("%s%s", origin, path), .client = client);
    if (!err) err = nx_fetched_body(res, &body);
    if (err || nx_fetched_status(res) != 200 || !nx_bytes_is(nx_fetched_protocol(res), "HTTP/2")) {
        printf("failed: %s\n", err ? nx_error_last()->message : "status or protocol");
        failed++;
    } else {
        done++;
    }
    return NX_OK;
}

/* COUNT at once, over few connections. */
static nx_err many(int count, const char *path)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    for (int i = 0; i < count; i++)
        NX_TRY(nx_spawn(NULL, one, (void *)(uintptr_t)path, .name = "fetch"));
    return nx_scope_close(&scope);
}

static nx_err one_by_one(void *arg)
{
    const long *count = arg;
    nx_err err = NX_OK;
    for (long i = 0; i < *count && !err; i++) err = one((void *)(uintptr_t) "/");
    return err;
}

/* Some that each ask COUNT times, with no turn of the loop between. */
static nx_err turns(long count)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope));
    for (int i = 0; i < 3; i++) NX_TRY(nx_spawn(NULL, one_by_one, &count, .name = "fetch"));
    return nx_scope_close(&scope);
}

/* A body from a stream, over a connection that was there already. */
static nx_err upload(size_t size)
{
    char *data = nx_alloc_zero(1, size);
    nx_fetched *res;
    NX_TRY(one((void *)(uintptr_t) "/"));
    if (!data) return NX_ENOMEM;
    nx_err err =
        nx_fetch(&res, nx_format("%s/", origin), .client = client,
                 .source = nx_memory_reader(nx_slice(data, size)), .idle_deadline = NX_S(10));
    printf("%s\n", err ? nx_error_last()->message : "uploaded");
    nx_fetched_close(res);
    return NX_OK;
}

/* A body that is sent in pieces, and comes back. */
static nx_err echo(size_t size)
{
    char *data = nx_alloc(size);
    nx_fetched *res;
    nx_bytes body;
    if (!data) return NX_ENOMEM;
    for (size_t i = 0; i < size; i++) data[i] = (char)(i * 7 >> 3);
    NX_TRY(nx_fetch(&res, nx_format("%s/echo", origin), .client = client, .method = "POST",
                    .body = nx_slice(data, size), .max_body = UINT64_MAX));
    NX_TRY(nx_fetched_body(res, &body));
    bool same = body.len == size && memcmp(body.data, data, size) == 0;
    printf("%s %zu %s\n", same ? "same" : "different", body.len,
           nx_bytes_is(nx_fetched_protocol(res), "HTTP/2") ? "h2" : "other");
    return NX_OK;
}

int main(int argc, char **argv)
{
    if (argc < 4) return 2;
    origin = nx_format("https://localhost:%s", argv[1]);
    long count = argc > 4 ? strtol(argv[4], NULL, 10) : 1;
    long most = argc > 5 ? strtol(argv[5], NULL, 10) : 2;
    NX_TRY(nx_client_new(&client, .ca = argv[2], .max_per_host = (uint32_t)most));
    nx_err err = NX_OK;
    if (strcmp(argv[3], "many") == 0) err = many((int)count, "/");
    if (strcmp(argv[3], "again") == 0)
        for (long i = 0; i < count && !err; i++) err = one((void *)(uintptr_t) "/");
    if (strcmp(argv[3], "turns") == 0) err = turns(count);
    if (strcmp(argv[3], "upload") == 0) err = upload((size_t)count);
    if (strcmp(argv[3], "pieces") == 0) err = many((int)count, "/pieces");
    if (strcmp(argv[3], "echo") == 0) err = echo((size_t)count);
    if (strcmp(argv[3], "slow") == 0) {
        nx_fetched *res;
        err =
            nx_fetch(&res, nx_format("%s/slow", origin), .client = client, .deadline = NX_MS(200));
        printf("%s\n", err == NX_ETIMEDOUT ? "late" : "in time");
        err = many(3, "/");
    }
    printf("%d done, %d failed\n", done, failed);
    nx_client_free(client);
    return err;
}

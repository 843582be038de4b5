/* A client of HTTP/3 for http3_client_test.py: PORT CA KIND WHAT..., where KIND is "h3", "any" or
 * "tcp", and each WHAT is done after the one before. Says a line for each. */
#include <nexus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nx_client *client;
static nx_http_version version = NX_HTTP_3;
static const char *origin;
static int done, failed;

static char *pattern(size_t size)
{
    char *data = nx_alloc(size + 1);
    for (size_t i = 0; data && i < size; i++) data[i] = (char)(i * 7 + i / 251);
    return data;
}

static void say(const char *what, nx_err err, const nx_fetched *res, nx_bytes body)
{
    if (err)
        printf("%s: error %d: %s\n", what, err, nx_error_last()->message);
    else
        printf("%s: %d %.*s %zu\n", what, nx_fetched_status(res), NX_FMT(nx_fetched_protocol(res)),
               body.len);
    (void)fflush(stdout);
}

static nx_err get(const char *what, const char *method, const char *path, nx_duration deadline)
{
    nx_fetched *res;
    nx_bytes body = {0};
    nx_err err = nx_fetch(&res, nx_format("%s%s", origin, path), .client = client,
                          .version = version, .method = method, .deadline = deadline);
    if (!err) err = nx_fetched_body(res, &body);
    if (err && !failed++ && !what) say(path, err, res, body);
    if (!err) done++;
    if (what) say(what, err, res, body);
    if (!err) nx_fetched_close(res);
    return NX_OK;
}

static nx_err quietly(void *path)
{
    return get(NULL, "GET", path, 0);
}

/* COUNT at once. */
static nx_err many(const char *what, long count, char *path)
{
    nx_scope *scope;
    done = failed = 0;
    NX_TRY(nx_scope_open(&scope));
    for (long i = 0; i < count; i++) NX_TRY(nx_spawn(NULL, quietly, path, .name = "fetch"));
    nx_err err = nx_scope_close(&scope);
    printf("%s: %d done, %d failed\n", what, done, failed);
    (void)fflush(stdout);
    return err;
}

/* A body that is there whole, or comes from a stream, and comes back. */
static nx_err echo(const char *what, const char *path, size_t size, bool streamed, bool known)
{
    char *data = pattern(size);
    nx_fetched *res;
    nx_bytes body = {0};
    nx_fetch_options o = {.size = sizeof o,
                          .client = client,
                          .version = version,
                          .method = "POST",
                          .max_body = UINT64_MAX,
                          .max_ratio = UINT32_MAX};
    if (!data) return NX_ENOMEM;
    if (streamed) {
        o.source = nx_memory_reader(nx_slice(data, size));
        o.source_length = known ? size : 0;
    } else {
        o.body = nx_slice(data, size);
    }
    nx_err err = nx_fetch_with(&res, nx_format("%s%s", origin, path), &o);
    if (!err) err = nx_fetched_body(res, &body);
    if (!err && (body.len != size || memcmp(body.data, data, size) != 0)) {
        printf("%s: different: %d, %zu of %zu\n", what, nx_fetched_status(res), body.len, size);
        return NX_OK;
    }
    say(what, err, res, body);
    nx_bytes sum = err ? (nx_bytes){0} : nx_fetched_trailer(res, "x-sum");
    if (sum.len) printf("trailer: %.*s\n", NX_FMT(sum));
    return NX_OK;
}

/* Reads some of it, waits, and reads the rest; or gives it up. */
static nx_err read_slowly(const char *what, const char *path, bool gives_up)
{
    nx_fetched *res;
    nx_bytes piece = {0};
    size_t total = 0;
    nx_err err =
        nx_fetch(&res, nx_format("%s%s", origin, path), .client = client, .version = version);
    if (!err) err = nx_fetched_read(res, &piece);
    if (!err) total = piece.len;
    if (!err && !gives_up) err = nx_sleep(NX_MS(500));
    while (!err && !gives_up) {
        err = nx_fetched_read(res, &piece);
        if (err || !piece.len) break;
        total += piece.len;
    }
    say(what, err, res, nx_slice("", err ? 0 : total));
    if (!err) nx_fetched_close(res);
    return NX_OK;
}

/* Ended in the middle by whoever asked. */
static nx_err cancelled(const char *what, char *path)
{
    nx_fiber *fiber;
    done = failed = 0;
    NX_TRY(nx_spawn(&fiber, quietly, path, .name = "fetch"));
    NX_TRY(nx_sleep(NX_MS(100)));
    nx_cancel(fiber);
    NX_IGNORE(nx_join(fiber));
    printf("%s: %d done, %d failed\n", what, done, failed);
    (void)fflush(stdout);
    return NX_OK;
}

static nx_err act(char *what)
{
    char *rest = strchr(what, ':');
    const char *name = nx_format("%.*s", rest ? (int)(rest - what) : (int)strlen(what), what);
    char *path = rest ? rest + 1 : what + strlen(what);
    long number = strtol(path, NULL, 10);
    char *slash = strchr(path, '/');
    if (!name) return NX_ENOMEM;
    if (strcmp(name, "get") == 0) return get(what, "GET", path, 0);
    if (strcmp(name, "head") == 0) return get(what, "HEAD", path, 0);
    if (strcmp(name, "late") == 0) return get(what, "GET", path, NX_S(2));
    if (strcmp(name, "many") == 0) return many(what, number, slash ? slash : "/");
    if (strcmp(name, "echo") == 0) return echo(what, "/echo", (size_t)number, false, false);
    if (strcmp(name, "up") == 0) return echo(what, "/echo", (size_t)number, true, true);
    if (strcmp(name, "through") == 0) return echo(what, "/through", (size_t)number, true, false);
    if (strcmp(name, "slowly") == 0) return read_slowly(what, path, false);
    if (strcmp(name, "part") == 0) return read_slowly(what, path, true);
    if (strcmp(name, "cancel") == 0) return cancelled(what, path);
    if (strcmp(name, "idle") == 0) nx_client_close_idle(client);
    if (strcmp(name, "sleep") == 0) return nx_sleep(NX_MS(number));
    if (strcmp(name, "line") == 0) { /* waits for one on its standard input */
        nx_bytes line;
        static nx_stream *input;
        if (!input) input = nx_stdin();
        NX_TRY(nx_stream_read_line(input, 100, &line));
    }
    return NX_OK;
}

int main(int argc, char **argv)
{
    if (argc < 5) return 2;
    origin = nx_format("https://localhost:%s", argv[1]);
    if (strcmp(argv[3], "any") == 0) version = NX_HTTP_ANY;
    if (strcmp(argv[3], "tcp") == 0) version = NX_HTTP_2;
    NX_TRY(nx_client_new(&client, .ca = argv[2], .max_per_host = 2));
    nx_err err = NX_OK;
    for (int i = 4; i < argc && !err; i++) err = act(argv[i]);
    nx_client_free(client);
    return err;
}

/* The rows client_h1, client_h2 and client_h3: requests of the HTTP client to a server on another
 * core.
 *
 * usage: client.c URL COUNT [CA [h3]]. Prints {"rate":…}: requests a second, 64 at a time, over
 * connections that are kept; each answer is read whole and looked at. With CA, the certificate of
 * an authority, they go by HTTP/2, or with "h3" by HTTP/3. */
#include <nexus/fetch.h>
#include <nexus/fiber.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 64, WARM = 2000 };

static const char *url;
static nx_client *client; /* NULL: the thread's own */
static nx_http_version version;
static long left;

static nx_err one(void)
{
    static const char wanted[] = "{\"message\":\"Hello from Nexus!\"}";
    nx_fetched *answer;
    nx_bytes body;
    NX_TRY(nx_fetch(&answer, url, .client = client, .version = version));
    NX_TRY(nx_fetched_body(answer, &body));
    return nx_bytes_is(body, wanted) ? NX_OK : nx_fail(NX_EFAILED, "a wrong answer");
}

static nx_err over_tls(const char *ca, const char *protocol)
{
    nx_scope *scope;
    nx_fetched *answer;
    NX_TRY(nx_client_new(&client, .ca = ca));
    NX_TRY(nx_scope_open(&scope));
    NX_TRY(nx_fetch(&answer, url, .client = client, .version = version));
    if (!nx_bytes_is(nx_fetched_protocol(answer), protocol))
        return nx_fail(NX_EFAILED, "it does not speak %s", protocol);
    return nx_scope_close(&scope);
}

static nx_err many(void *arg)
{
    (void)arg;
    while (left-- > 0) {
        nx_scope *scope;
        NX_TRY(nx_scope_open(&scope));
        nx_err err = one();
        NX_TRY(nx_scope_close(&scope));
        NX_TRY(err);
    }
    return NX_OK;
}

static nx_err all(long count)
{
    nx_scope *scope;
    left = count;
    NX_TRY(nx_scope_open(&scope));
    for (int i = 0; i < AT_ONCE; i++) NX_TRY(nx_spawn(NULL, many, NULL));
    return nx_scope_close(&scope);
}

static nx_err run(int argc, char **argv)
{
    if (argc < 3) return nx_fail(NX_EUSAGE, "client.c URL COUNT [CA [h3]]");
    url = argv[1];
    bool h3 = argc > 4 && strcmp(argv[4], "h3") == 0;
    if (h3) version = NX_HTTP_3;
    if (argc > 3) NX_TRY(over_tls(argv[3], h3 ? "HTTP/3" : "HTTP/2"));
    long count = atol(argv[2]);
    NX_TRY(all(WARM));
    nx_duration begun = nx_now();
    NX_TRY(all(count));
    printf("{\"rate\":%.0f}\n", (double)count * 1e9 / (double)(nx_now() - begun));
    return NX_OK;
}

int main(int argc, char **argv)
{
    nx_err err = run(argc, argv);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}

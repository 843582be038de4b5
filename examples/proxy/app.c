/* A reverse proxy before one server or more:
 *
 *     nexus run app.c --allow-net=127.0.0.1 -- 127.0.0.1:8080 http://127.0.0.1:3001
 *
 * Each is asked for /health every five seconds where -c is given first; -l goes to the one with the
 * fewest requests under way instead of to each in turn. Upstreams by https:// have to show a
 * certificate of the system's authorities, or of those in the file behind -C, for their host or the
 * name behind -n. -2 speaks HTTP/2 to those without TLS too, -3 HTTP/3 to those with it. */
#include <nexus/http.h>
#include <nexus/proxy.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nx_err hello(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_send(res, "the proxy is here\n");
}

static nx_err usage(const char *why)
{
    fprintf(stderr, "%s\napp.c [-2|-3] [-c] [-l] [-C CA] [-n NAME] HOST:PORT UPSTREAM...\n", why);
    return NX_EUSAGE;
}

int main(int argc, char **argv)
{
    nx_proxy_options options = {.size = sizeof options};
    int at = 1;
    for (; at < argc && *argv[at] == '-'; at++) {
        const char *value = at + 1 < argc ? argv[at + 1] : NULL;
        if (strcmp(argv[at], "-C") == 0 && value) {
            options.ca = value;
            at++;
        } else if (strcmp(argv[at], "-n") == 0 && value) {
            options.tls_name = value;
            at++;
        } else if (strcmp(argv[at], "-2") == 0)
            options.version = NX_HTTP_2;
        else if (strcmp(argv[at], "-3") == 0)
            options.version = NX_HTTP_3;
        else if (strcmp(argv[at], "-c") == 0)
            options.health_path = "/health";
        else if (strcmp(argv[at], "-l") == 0)
            options.balance = NX_PROXY_LEAST;
        else
            return usage("there is no such option");
    }
    if (argc - at < 2) return usage("where to listen, and whom to ask?");
    char *host = argv[at], *colon = strrchr(host, ':');
    if (!colon) return usage("where to listen is HOST:PORT");
    *colon = '\0';
    /* The arguments end with NULL, as the list has to. */
    options.upstreams = (const char *const *)&argv[at + 1];

    nx_http_server *server = nx_http_server_new(.host = host, .port = (uint16_t)atoi(colon + 1),
                                                .max_body = NX_HTTP_NO_LIMIT);
    nx_http_get(server, "/proxy", hello);
    nx_http_proxy_with(nx_http_server_router(server), "/", &options);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    nx_http_server_free(server);
    return err;
}

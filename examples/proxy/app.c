/* A reverse proxy before one server or more:
 *
 *     nexus run app.c --allow-net=127.0.0.1 -- 127.0.0.1:8080 http://127.0.0.1:3001
 *
 * Each is asked for /health every five seconds where -c is given first; -l goes to the one with the
 * fewest requests under way instead of to each in turn. */
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
    fprintf(stderr, "%s\napp.c [-c] [-l] HOST:PORT UPSTREAM...\n", why);
    return NX_EUSAGE;
}

int main(int argc, char **argv)
{
    nx_proxy_options options = {.size = sizeof options};
    int at = 1;
    for (; at < argc && *argv[at] == '-'; at++) {
        if (strcmp(argv[at], "-c") == 0)
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

/* A static file server: app.c [DIRECTORY] [PORT]. Range requests, conditional requests, compressed
 * siblings and a list of each directory without an index; other answers are compressed on the way.
 *
 *     nexus run app.c --allow-net=127.0.0.1:3000 --allow-read=./public -- ./public
 */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

/* Saves the file under its own name instead of showing it. */
static nx_err download(nx_request *req, nx_response *res)
{
    const char *root = nx_request_app(req);
    nx_bytes name = nx_request_param(req, "name");
    return nx_response_file_as_download(res, nx_copy(name), NULL, .root = root);
}

int main(int argc, char **argv)
{
    char *directory = argc > 1 ? argv[1] : "./public";
    long port = argc > 2 ? strtol(argv[2], NULL, 10) : 3000;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: app.c [DIRECTORY] [PORT]\n");
        return NX_EUSAGE;
    }
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = (uint16_t)port);
    nx_http_set_app(server, directory);
    nx_http_compress(server, .level = 4);
    nx_http_static(server, "/", directory, .precompressed = true, .list = true);
    nx_http_route(server, "GET", "/download/*name", download);
    printf("serving %s on http://127.0.0.1:%ld/\n", directory, port);
    fflush(stdout);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}

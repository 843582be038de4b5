/* HTTP/3, HTTP/2 and HTTP/1.1 on one port: needs a certificate.
 *
 *     nexus run --allow-net=127.0.0.1:3443 --allow-read=localhost.crt,localhost.key app.c
 *
 * Try it with a browser, or: curl --http3 -k https://127.0.0.1:3443/ */
#include <nexus/http.h>

static nx_err hello(nx_request *req, nx_response *res)
{
    return nx_response_json(res,
                            nx_obj("path", nx_request_path(req), "scheme", nx_request_scheme(req)));
}

/* A body of any size, as fast as it comes and the peer takes it back. */
static nx_err echo(nx_request *req, nx_response *res)
{
    return nx_pipe(nx_http_body(req), nx_http_sink(res));
}

int main(void)
{
    nx_http_server *server = nx_http_server_new(.port = 3443, .cert = "localhost.crt",
                                                .key = "localhost.key", .h3 = true);
    nx_http_get(server, "/", hello);
    nx_http_post(server, "/echo", echo);
    return nx_http_listen(server);
}

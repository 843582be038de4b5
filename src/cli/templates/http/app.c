/* A web server: nexus dev app.c --allow-net=127.0.0.1:3000 */
#include <nexus/http.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

/* GET /hello/Ada answers {"hello":"Ada"}. */
static nx_err hello(nx_request *req, nx_response *res)
{
    return nx_response_json(res, nx_obj("hello", nx_request_param(req, "name")));
}

int main(void)
{
    nx_http_server *server = nx_http_server_new(.host = "127.0.0.1", .port = 3000);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/hello/:name", hello);
    nx_err err = nx_http_listen(server); /* until SIGTERM or Ctrl-C */
    nx_http_server_free(server);
    return err;
}

/* The first server: nexus run --allow-net=0.0.0.0:3000 app.c */
#include <nexus/http.h>
#include <stdio.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

static nx_err data(nx_request *req, nx_response *res)
{
    nx_bytes body;
    NX_TRY(nx_request_body(req, &body)); /* suspends this fiber, not the server */
    nx_response_status(res, 201);
    return nx_response_send(res, "Created");
}

int main(void)
{
    nx_http_server *server = nx_http_server_new(.host = "0.0.0.0", .port = 3000);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "POST", "/api/data", data);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}

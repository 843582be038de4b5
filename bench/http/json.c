/* The server of the row json_10k: POST takes a list of users and answers how many there are and
 * what they have paid; the port is the argument. */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

static nx_err users(nx_request *req, nx_response *res)
{
    nx_json doc;
    NX_TRY(nx_request_json(req, &doc));
    int64_t count = 0, paid = 0;
    for (nx_json_each each = nx_json_begin(nx_json_get(doc, "users")); nx_json_next(&each);) {
        count++;
        paid += nx_json_int(nx_json_get(each.value, "paid"), 0);
    }
    return nx_response_json(res, nx_obj("count", count, "paid", paid));
}

int main(int argc, char **argv)
{
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: json.c PORT\n");
        return NX_EUSAGE;
    }
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = (uint16_t)port);
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "POST", "/", users);
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}

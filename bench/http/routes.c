/* The server of the rows middleware_10 and routes_1000: routes.c PORT MIDDLEWARE GROUPS answers GET
 * / and GET /api/v1/group0/:id behind so many middleware, beside three routes for each further
 * group.
 */
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!"));
}

/* As little as there can be before and after. */
static nx_err around(nx_request *req, nx_response *res, void *context)
{
    unsigned long *count = context;
    ++*count;
    nx_err err = nx_http_next(req, res);
    ++*count;
    return err;
}

int main(int argc, char **argv)
{
    static unsigned long count;
    long port = argc == 4 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65534) {
        fprintf(stderr, "usage: routes.c PORT MIDDLEWARE GROUPS\n");
        return NX_EUSAGE;
    }
    NX_AUTO(nx_http_server) *server = nx_http_server_new(.port = (uint16_t)port);
    for (long i = strtol(argv[2], NULL, 10); i > 0; i--) nx_http_use(server, around, &count);
    nx_http_get(server, "/", root);
    nx_http_get(server, "/api/v1/group0/:id", root);
    for (long i = strtol(argv[3], NULL, 10) - 1; i > 0; i--) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "/api/v1/group%ld", i);
        nx_http_router *group = nx_http_group(server, prefix);
        nx_http_get(group, "/", root);
        nx_http_get(group, "/:id", root);
        nx_http_get(group, "/files/*path", root);
    }
    nx_err err = nx_http_listen(server);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}

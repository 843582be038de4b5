/* What a debugger is tried on. */
#include <nexus/http.h>
#include <nexus/module.h>
#include <nexus/timer.h>
#include <stdlib.h>

static int total;

static int add(int a, int b)
{
    int sum = a + b;
    return sum;
}

static nx_err root(nx_request *req, nx_response *res)
{
    (void)req;
    int count = 41;
    count = add(count, 1); /* HERE */
    total += count;
    return nx_response_json(res, nx_obj("message", "Hello from Nexus!", "count", count));
}

/* Each request waits as long as it says, so that several are on the way. */
static nx_err wait(nx_request *req, nx_response *res)
{
    int own = (int)strtol(nx_request_param(req, "ms").data, NULL, 10);
    int before = own + 1;         /* WAIT */
    NX_TRY(nx_sleep(NX_MS(own))); /* SUSPENDS */
    int after = before - 1;       /* RESUMED */
    return nx_response_json(res, nx_obj("own", own, "after", after));
}

static nx_err crash(nx_request *req, nx_response *res)
{
    (void)req;
    (void)res;
    int *nowhere = NULL;
    *nowhere = 1; /* CRASH */
    return NX_OK;
}

static nx_err import(nx_request *req, nx_response *res)
{
    (void)req;
    nx_module *module;
    int (*twice)(int);
    NX_TRY(nx_import(&module, "./inspect_part.c"));
    NX_TRY(nx_module_symbol(module, "twice", &twice));
    return nx_response_json(res, nx_obj("twice", twice(21)));
}

int main(int argc, char **argv)
{
    int port = (int)strtol(argc > 1 ? argv[1] : "3000", NULL, 10); /* MAIN */
    nx_http_server *server = nx_http_server_new(.port = port, .handler_deadline = NX_S(1));
    nx_http_route(server, "GET", "/", root);
    nx_http_route(server, "GET", "/wait/:ms", wait);
    nx_http_route(server, "GET", "/crash", crash);
    nx_http_route(server, "GET", "/import", import);
    return nx_http_listen(server);
}

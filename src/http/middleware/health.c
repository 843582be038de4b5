/* Health and readiness: what a supervisor or a load balancer asks for. */
#include "base/say.h"
#include "http/server.h"

#include <stdatomic.h>

struct health {
    nx_http_check check;
    void *context;
    bool readiness;
    atomic_bool failing; /* the last time that it was asked, by whatever worker */
};

/* A check that fails is told of once. */
static const char *state_of(struct health *health, const nx_http_server *server)
{
    if (health->readiness && server->stopping) return "stopping";
    nx_err err = health->check ? health->check(health->context) : NX_OK;
    if (!atomic_exchange(&health->failing, err != NX_OK) && err) {
        const nx_error *last = nx_error_last();
        nx__say(NX__SAY_WARNING, "the %s check fails: %s",
                health->readiness ? "readiness" : "health",
                last->code == err && last->message[0] ? last->message : nx_err_text(err));
    }
    return err ? "failing" : NULL;
}

static nx_err answer(nx_request *req, nx_response *res)
{
    const char *state = state_of(nx_request_app(req), req->server);
    nx_response_header(res, "cache-control", "no-store");
    if (state) nx_response_status(res, 503);
    return nx_response_json(res, nx_obj("status", state ? state : "ok"));
}

static void add(nx_http_server *server, const char *path, nx_http_check check, void *context,
                bool readiness)
{
    nx_http_router *root = nx_http_server_router(server);
    struct health *health = nx__router_keep(root, sizeof *health, NULL);
    if (!health) return;
    health->check = check;
    health->context = context;
    health->readiness = readiness;
    nx__router_bare(root, path, answer, health);
}

void nx_http_health(nx_http_server *server, const char *path, nx_http_check check, void *context)
{
    add(server, path, check, context, false);
}
void nx_http_ready(nx_http_server *server, const char *path, nx_http_check check, void *context)
{
    add(server, path, check, context, true);
}

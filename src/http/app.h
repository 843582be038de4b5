/* Routers as the app builds them, and what nx_http_listen makes of them: sites with one table of
 * routes each, whose routes know the middleware that goes before them. */
#ifndef NX__HTTP_APP_H
#define NX__HTTP_APP_H

#include "base/arena.h"
#include "base/error.h"
#include "http/router.h"
#include <nexus/http.h>

enum {
    NX__APP_MAX_DEPTH = 32,      /* routers within routers */
    NX__APP_MAX_MIDDLEWARE = 64, /* before a handler: their frames share its stack */
    NX__APP_MAX_HOST = 253,      /* bytes of a name (RFC 1035 2.3.4) */
};

/* ---- As it is run. Read only while the server listens: any thread. */

struct nx__scope;

/* What a route leads to. */
struct nx__target {
    nx_http_handler handler;
    const struct nx__scope *scope;
    const void *context; /* of nx__router_serve */
    nx_bytes route; /* "GET /users/:id", for profiles; empty where no route serves the request */
};

/* What the routes of a router share; what it does not say itself, it has of the one above it. */
struct nx__scope {
    /* All that go before the handler, outermost first; then nx__chain_end, and what refuses to go
     * on. NULL if `count` is 0. */
    const struct nx__http_step *steps;
    uint32_t count;
    nx_http_error_handler on_error; /* NULL: the usual pages */
    nx_http_handler not_found;      /* NULL: an error page */
    void *app;
    struct nx__target unrouted; /* where no route serves the request */
};

/* A host. */
struct nx__site {
    nx_bytes host;                 /* in lower case, without the "*" of a wildcard */
    struct nx__router *routes;     /* their data is a struct nx__target */
    struct nx__router *scopes;     /* by prefix: whose a path without a route is */
    const struct nx__scope *scope; /* of what is below no prefix */
};

/* All zero is an empty one. */
struct nx__sites {
    struct nx__site rest;   /* for hosts that are not named */
    struct nx__site *hosts; /* the named ones, by name */
    uint32_t count, exact;  /* the first `exact` are no wildcards */
    struct nx__arena arena; /* of targets and scopes */
};

/* The handler of a route with middleware, and the step that leads to its own. */
nx_err nx__chain_run(nx_request *req, nx_response *res);
nx_err nx__chain_end(nx_request *req, nx_response *res, void *context);

/* The handler of what no route serves. */
nx_err nx__unrouted(nx_request *req, nx_response *res);

/* The site of the host (with or without a port). Pure. */
const struct nx__site *nx__site_find(const struct nx__sites *sites, nx_bytes host);

/* Whose a request is that no route serves: `match` is what the site's routes said. Pure. */
const struct nx__scope *nx__scope_find(const struct nx__site *site, nx_bytes method, nx_bytes path,
                                       nx_bytes wanted_method, const struct nx__route_match *match);

/* ---- As it is built */

enum nx__entry_kind { NX__ENTRY_ROUTE, NX__ENTRY_MOUNT, NX__ENTRY_HOST };

/* What a router has, in the order in which it was added. */
struct nx__entry {
    struct nx__entry *next;
    enum nx__entry_kind kind;
    bool bare; /* a route of every host, without middleware */
    nx_http_handler handler;
    void *app;              /* of a bare route */
    const void *context;    /* for a handler of ours */
    bool late;              /* left out where a route is that the app has added */
    nx_http_router *router; /* mounted or a host's */
    char *method;           /* NULL where NULL was given */
    char *path;             /* prefix or host; NULL where NULL was given */
};

/* Memory of a router's, with what undoes it. */
struct nx__kept {
    struct nx__kept *next;
    void (*end)(void *memory);
    size_t size;
    _Alignas(16) char memory[];
};

struct nx__refusal; /* http/server.h */

/* Who is told of requests that were refused before they were any. */
struct nx__refusal_observer {
    struct nx__refusal_observer *next;
    void (*fn)(const struct nx__refusal *refusal, const void *context);
    const void *context;
};

struct nx_http_router {
    uint32_t mounts; /* how often it is mounted, groups and hosts included; freed with the last */
    struct nx__entry *entries, **entries_end;
    struct nx__http_step *steps;
    uint32_t step_count;
    nx_http_error_handler on_error;
    nx_http_handler not_found;
    void *app;
    struct nx__directory *directories;              /* of files, see http/files */
    struct nx__refusal_observer *refusal_observers; /* only a server's own router has a say */
    struct nx__kept *kept;
    nx_err failed; /* the first mistake */
    char failure[NX__ERROR_MESSAGE_MAX];
};

/* Remembers the first mistake; `router` may be NULL. */
void nx__router_mistake(nx_http_router *router, nx_err err, const char *format, ...)
    NX_PRINTF(3, 4);

/* `size` zero bytes that last as long as the router; `end` (may be NULL) is called before they are
 * wiped and freed. NULL when memory is out, which is remembered, or `router` is NULL. */
void *nx__router_keep(nx_http_router *router, size_t size, void (*end)(void *memory));
/* A copy of the string; NULL for NULL, and when memory is out, which is remembered. */
char *nx__router_keep_text(nx_http_router *router, const char *text);

/* Adds a GET route that is on every host, runs without middleware, and finds `app` by
 * nx_request_app. */
void nx__router_bare(nx_http_router *router, const char *path, nx_http_handler handler, void *app);

/* Calls fn(refusal, context) for each request that the server refuses before it is one, in the
 * loop's context, where nothing may suspend. Without effect where the router is not a server's. */
void nx__router_on_refusal(nx_http_router *router,
                           void (*fn)(const struct nx__refusal *refusal, const void *context),
                           const void *context);

/* Adds a route ("GET", "*") whose handler finds `context`, which has to last as long as the router,
 * in its target. With `late`, any other route for the path takes its place. */
void nx__router_serve(nx_http_router *router, const char *method, const char *path,
                      nx_http_handler handler, const void *context, bool late);

/* Forgets one mount. NULL is fine. */
void nx__router_release(nx_http_router *router);

/* Makes the sites of a server's router, anew if they were made. NX_EINVAL, NX_EEXIST, NX_ENOMEM,
 * recorded; the sites are empty then. */
NX_MUST_CHECK nx_err nx__sites_make(struct nx__sites *sites, const nx_http_router *root);
void nx__sites_free(struct nx__sites *sites);

#endif

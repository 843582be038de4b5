/* Routers as the app builds them: a list of what was said, for nx_http_listen to make sense of. */
#include "http/app.h"

#include "http/server.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- Mistakes and memory */

void nx__router_mistake(nx_http_router *router, nx_err err, const char *format, ...)
{
    if (!router || router->failed) return;
    router->failed = err;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(router->failure, sizeof router->failure, format, args);
    va_end(args);
}

static void out_of_memory(nx_http_router *router)
{
    nx__router_mistake(router, NX_ENOMEM, "cannot build the server's routes: out of memory");
}

void *nx__router_keep(nx_http_router *router, size_t size, void (*end)(void *memory))
{
    struct nx__kept *kept = router ? calloc(1, sizeof *kept + size) : NULL;
    if (!kept) {
        out_of_memory(router);
        return NULL;
    }
    kept->end = end;
    kept->size = size;
    kept->next = router->kept;
    router->kept = kept;
    return kept->memory;
}

char *nx__router_keep_text(nx_http_router *router, const char *text)
{
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = nx__router_keep(router, size, NULL);
    if (copy) memcpy(copy, text, size);
    return copy;
}

/* ---- Routers */

nx_http_router *nx_http_router_new(void)
{
    nx_http_router *router = calloc(1, sizeof *router);
    if (router) router->entries_end = &router->entries;
    return router;
}

static void router_free(nx_http_router *router)
{
    while (router->entries) {
        struct nx__entry *entry = router->entries;
        router->entries = entry->next;
        nx__router_release(entry->router);
        free(entry->method);
        free(entry->path);
        free(entry);
    }
    while (router->kept) {
        struct nx__kept *kept = router->kept;
        router->kept = kept->next;
        if (kept->end) kept->end(kept->memory);
        explicit_bzero(kept->memory, kept->size); /* passwords are among it */
        free(kept);
    }
    free(router->steps);
    free(router);
}

void nx__router_release(nx_http_router *router)
{
    if (router && --router->mounts == 0) router_free(router);
}

void nx_http_router_free(nx_http_router *router)
{
    if (router && !router->mounts) router_free(router);
}

nx_http_router *nx_http_server_router(nx_http_server *server)
{
    return server ? server->root : NULL; /* else memory is out, and nx_http_listen says so */
}

/* ---- Entries */

/* Copies the strings; NULL when memory is out. */
static struct nx__entry *entry_add(nx_http_router *router, enum nx__entry_kind kind,
                                   const char *method, const char *path)
{
    if (!router) return NULL;
    struct nx__entry *entry = calloc(1, sizeof *entry);
    if (!entry) {
        out_of_memory(router);
        return NULL;
    }
    entry->kind = kind;
    if (method) entry->method = strdup(method);
    if (path) entry->path = strdup(path);
    if ((method && !entry->method) || (path && !entry->path)) {
        free(entry->method);
        free(entry->path);
        free(entry);
        out_of_memory(router);
        return NULL;
    }
    *router->entries_end = entry;
    router->entries_end = &entry->next;
    return entry;
}

void nx_http_router_route(nx_http_router *router, const char *method, const char *path,
                          nx_http_handler handler)
{
    struct nx__entry *entry = entry_add(router, NX__ENTRY_ROUTE, method, path);
    if (entry) entry->handler = handler;
}

void nx__router_bare(nx_http_router *router, const char *path, nx_http_handler handler, void *app)
{
    struct nx__entry *entry = entry_add(router, NX__ENTRY_ROUTE, "GET", path);
    if (!entry) return;
    entry->handler = handler;
    entry->bare = true;
    entry->app = app;
}

void nx__router_on_refusal(nx_http_router *router,
                           void (*fn)(const struct nx__refusal *refusal, const void *context),
                           const void *context)
{
    struct nx__refusal_observer *observer = nx__router_keep(router, sizeof *observer, NULL);
    if (!observer) return;
    *observer = (struct nx__refusal_observer){router->refusal_observers, fn, context};
    router->refusal_observers = observer;
}

void nx__router_serve(nx_http_router *router, const char *method, const char *path,
                      nx_http_handler handler, const void *context, bool late)
{
    struct nx__entry *entry = entry_add(router, NX__ENTRY_ROUTE, method, path);
    if (!entry) return;
    entry->handler = handler;
    entry->context = context;
    entry->late = late;
}

/* A new router below another. */
static nx_http_router *router_below(nx_http_router *router, enum nx__entry_kind kind,
                                    const char *path)
{
    if (!router) return NULL;
    nx_http_router *below = nx_http_router_new();
    struct nx__entry *entry = below ? entry_add(router, kind, NULL, path) : NULL;
    if (!entry) {
        out_of_memory(router);
        nx_http_router_free(below);
        return NULL;
    }
    entry->router = below;
    below->mounts = 1;
    return below;
}

nx_http_router *nx_http_router_group(nx_http_router *router, const char *prefix)
{
    return router_below(router, NX__ENTRY_MOUNT, prefix);
}

nx_http_router *nx_http_host(nx_http_server *server, const char *host)
{
    nx_http_router *root = nx_http_server_router(server);
    for (const struct nx__entry *entry = root ? root->entries : NULL; entry; entry = entry->next)
        if (entry->kind == NX__ENTRY_HOST && entry->path && host &&
            strcasecmp(entry->path, host) == 0)
            return entry->router;
    return router_below(root, NX__ENTRY_HOST, host);
}

static bool is_below(const nx_http_router *router, const nx_http_router *wanted)
{
    if (router == wanted) return true;
    for (const struct nx__entry *entry = router->entries; entry; entry = entry->next)
        if (entry->router && is_below(entry->router, wanted)) return true;
    return false;
}

void nx_http_router_mount(nx_http_router *at, const char *prefix, nx_http_router *router)
{
    if (!at) return;
    if (!router) {
        nx__router_mistake(at, NX_ENOMEM, "cannot mount a router at \"%s\": out of memory",
                           prefix ? prefix : "(null)");
        return;
    }
    if (is_below(router, at)) {
        nx__router_mistake(at, NX_EINVAL, "cannot mount a router at \"%s\": it is below itself",
                           prefix ? prefix : "(null)");
        return;
    }
    struct nx__entry *entry = entry_add(at, NX__ENTRY_MOUNT, NULL, prefix);
    if (!entry) return;
    entry->router = router;
    router->mounts++;
}

/* ---- What holds for all in a router */

void nx_http_router_use(nx_http_router *router, nx_http_middleware middleware, void *context)
{
    if (!router) return;
    if (!middleware) {
        nx__router_mistake(router, NX_EINVAL, "nx_http_use was given no middleware");
        return;
    }
    struct nx__http_step *steps =
        realloc(router->steps, (router->step_count + (size_t)1) * sizeof *steps);
    if (!steps) {
        out_of_memory(router);
        return;
    }
    router->steps = steps;
    steps[router->step_count++] = (struct nx__http_step){middleware, context};
}

void nx_http_router_set_app(nx_http_router *router, void *app)
{
    if (router) router->app = app;
}
void nx_http_router_on_error(nx_http_router *router, nx_http_error_handler handler)
{
    if (router) router->on_error = handler;
}
void nx_http_router_not_found(nx_http_router *router, nx_http_handler handler)
{
    if (router) router->not_found = handler;
}

/* From what the app said to what is run: for each host one table of routes, for each router the
 * middleware down to it as one array. */
#include "http/app.h"
#include "http/h1/parse.h"

#include <stdlib.h>

/* A route that is made when all others of the site are. */
struct late {
    struct late *next;
    const struct nx__entry *entry;
    const struct nx__scope *scope;
    size_t len; /* of the prefix */
    char prefix[];
};

/* What is being made. */
struct build {
    struct nx__sites *sites;
    struct nx__site *site;
    unsigned depth;
    struct late *late;                  /* of the site */
    char path[NX__ROUTER_MAX_PATH + 2]; /* the prefix so far, and a route's path behind it */
};

static nx_err out_of_memory(void)
{
    return nx__error_set(NX_ENOMEM, "cannot build the server's routes: out of memory");
}

/* ---- Routes */

/* Puts `path` behind the first `len` bytes of the prefix; false if that is too long. "/" adds
 * nothing to a prefix. */
static bool path_put(struct build *build, size_t len, const char *path)
{
    size_t more = strlen(path);
    if (len && more == 1) more = 0;
    if (len + more > NX__ROUTER_MAX_PATH) return false;
    memcpy(build->path + len, path, more);
    build->path[len + more] = '\0';
    return true;
}

static nx_err route_refused(nx_err err, const struct nx__entry *entry, const char *path,
                            const char *reason)
{
    return nx__error_set(err, "cannot add the route %s %s: %s",
                         entry->method ? entry->method : "(null)", path ? path : "(null)", reason);
}

/* "GET /users/:id", in the sites' memory. */
static bool route_name(struct build *build, const struct nx__entry *entry, nx_bytes *out)
{
    const char *method = entry->method ? entry->method : "*";
    size_t method_len = strlen(method), path_len = strlen(build->path);
    char *text = nx__arena_alloc(&build->sites->arena, method_len + 1 + path_len);
    if (!text) return false;
    memcpy(text, method, method_len);
    text[method_len] = ' ';
    memcpy(text + method_len + 1, build->path, path_len);
    *out = nx_slice(text, method_len + 1 + path_len);
    return true;
}

static nx_err route_make(struct build *build, size_t len, const struct nx__entry *entry,
                         const struct nx__scope *scope)
{
    if (!entry->handler) return route_refused(NX_EINVAL, entry, entry->path, "no handler");
    if (!entry->path || entry->path[0] != '/')
        return route_refused(NX_EINVAL, entry, entry->path, "the path does not begin with /");
    if (!path_put(build, len, entry->path))
        return route_refused(NX_EINVAL, entry, entry->path, "the path is too long");
    struct nx__target *target = nx__arena_alloc(&build->sites->arena, sizeof *target);
    if (!target) return out_of_memory();
    *target =
        (struct nx__target){.handler = entry->handler, .scope = scope, .context = entry->context};
    if (!route_name(build, entry, &target->route)) return out_of_memory();
    nx_http_handler first = scope->count ? nx__chain_run : entry->handler;
    const char *reason;
    nx_err err = nx__router_add(build->site->routes, entry->method, build->path,
                                (void (*)(void))first, target, &reason);
    return err ? route_refused(err, entry, build->path, reason) : NX_OK;
}

static nx_err route_put_off(struct build *build, size_t len, const struct nx__entry *entry,
                            const struct nx__scope *scope)
{
    struct late *late = nx__arena_alloc(&build->sites->arena, sizeof *late + len);
    if (!late) return out_of_memory();
    *late = (struct late){.next = build->late, .entry = entry, .scope = scope, .len = len};
    memcpy(late->prefix, build->path, len);
    build->late = late;
    return NX_OK;
}

static nx_err routes_make_late(struct build *build)
{
    for (; build->late; build->late = build->late->next) {
        memcpy(build->path, build->late->prefix, build->late->len);
        nx_err err = route_make(build, build->late->len, build->late->entry, build->late->scope);
        if (err && err != NX_EEXIST) return err;
    }
    return NX_OK;
}

/* A route without middleware; `above` says how its error pages look. */
static nx_err route_make_bare(struct build *build, const struct nx__entry *entry,
                              const struct nx__scope *above)
{
    struct nx__scope *scope = nx__arena_alloc(&build->sites->arena, sizeof *scope);
    if (!scope) return out_of_memory();
    *scope = *above;
    scope->count = 0;
    scope->app = entry->app;
    scope->unrouted.scope = scope;
    return route_make(build, 0, entry, scope);
}

/* ---- Routers */

/* What the router's routes share. NULL when memory is out. */
static struct nx__scope *scope_make(struct build *build, const nx_http_router *router,
                                    const struct nx__scope *above)
{
    struct nx__arena *arena = &build->sites->arena;
    struct nx__scope *scope = nx__arena_alloc(arena, sizeof *scope);
    if (!scope) return NULL;
    *scope = *above;
    if (router->on_error) scope->on_error = router->on_error;
    if (router->not_found) scope->not_found = router->not_found;
    if (router->app) scope->app = router->app;
    scope->unrouted.scope = scope;
    if (!router->step_count) return scope;
    uint32_t count = above->count + router->step_count;
    struct nx__http_step *steps = nx__arena_alloc(arena, (count + (size_t)2) * sizeof *steps);
    if (!steps) return NULL;
    if (above->count) memcpy(steps, above->steps, above->count * sizeof *steps);
    memcpy(steps + above->count, router->steps, router->step_count * sizeof *steps);
    scope->steps = steps;
    steps[count] = (struct nx__http_step){nx__chain_end, NULL};
    steps[count + 1] = (struct nx__http_step){nx_http_nothing_behind, NULL};
    scope->count = count;
    return scope;
}

/* Remembers whose the paths below the prefix are. The first router with a prefix has those without
 * a route; a prefix that the routes themselves can't have is refused with them. */
static nx_err scope_place(struct build *build, size_t len, const struct nx__scope *scope)
{
    static const char *const paths[] = {"/", "/*-rest-"};
    struct nx__site *site = build->site;
    if (!len) return NX_OK;
    if (!site->scopes && !(site->scopes = nx__router_new())) return out_of_memory();
    for (int i = 0; i < 2; i++) {
        const char *reason;
        if (path_put(build, len, paths[i]) &&
            nx__router_add(site->scopes, "*", build->path, NULL, scope, &reason) == NX_ENOMEM)
            return out_of_memory();
    }
    return NX_OK;
}

/* Puts the prefix behind the one so far. */
static nx_err prefix_put(struct build *build, const char *prefix, size_t *len)
{
    const char *reason = NULL;
    if (!prefix || (*prefix && *prefix != '/'))
        reason = "it does not begin with /";
    else if (*prefix && !path_put(build, *len, prefix))
        reason = "it is too long";
    else if (strchr(prefix, '*'))
        reason = "it has a *";
    if (reason)
        return nx__error_set(NX_EINVAL, "cannot use the prefix \"%s\": %s",
                             prefix ? prefix : "(null)", reason);
    if (*prefix) *len += strlen(build->path + *len);
    while (*len && build->path[*len - 1] == '/') (*len)--;
    build->path[*len] = '\0';
    return NX_OK;
}

static nx_err router_make(struct build *build, size_t len, const nx_http_router *router,
                          const struct nx__scope *above, const struct nx__scope **made)
{
    if (router->failed) return nx__error_set(router->failed, "%s", router->failure);
    if (build->depth == NX__APP_MAX_DEPTH)
        return nx__error_set(NX_EINVAL, "there are more than %d routers within each other",
                             NX__APP_MAX_DEPTH);
    if (above->count + router->step_count > NX__APP_MAX_MIDDLEWARE)
        return nx__error_set(NX_EINVAL, "there are more than %d middleware before a handler",
                             NX__APP_MAX_MIDDLEWARE);
    const struct nx__scope *scope = scope_make(build, router, above);
    if (!scope) return out_of_memory();
    if (made) *made = scope;
    NX_TRY(scope_place(build, len, scope));
    build->depth++;
    for (const struct nx__entry *entry = router->entries; entry; entry = entry->next) {
        if (entry->kind == NX__ENTRY_ROUTE) {
            NX_TRY(entry->bare   ? route_make_bare(build, entry, scope)
                   : entry->late ? route_put_off(build, len, entry, scope)
                                 : route_make(build, len, entry, scope));
        } else if (entry->kind == NX__ENTRY_MOUNT) {
            size_t below = len;
            NX_TRY(prefix_put(build, entry->path, &below));
            NX_TRY(router_make(build, below, entry->router, scope, NULL));
        }
    }
    build->depth--;
    return NX_OK;
}

/* ---- Hosts */

/* Lower case, without the port and a dot at the end; empty where that is no name. */
static nx_bytes host_normal(nx_bytes host, char out[NX__APP_MAX_HOST])
{
    const char *end = host.data + host.len, *close = NULL;
    if (host.len && *host.data == '[') close = memchr(host.data, ']', host.len);
    const char *colon = close ? close + 1 : host.len ? memchr(host.data, ':', host.len) : NULL;
    size_t len = (size_t)((colon ? colon : end) - host.data);
    if (len && host.data[len - 1] == '.') len--;
    if (len > NX__APP_MAX_HOST) len = 0;
    for (size_t i = 0; i < len; i++) {
        char c = host.data[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    return nx_slice(out, len);
}

static int host_compare(nx_bytes a, nx_bytes b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The place of the host among those from `first` up to `end`, or where it would be. */
static uint32_t host_place(const struct nx__sites *sites, uint32_t first, uint32_t end,
                           nx_bytes host, bool *there)
{
    *there = false;
    while (first < end) {
        uint32_t middle = first + (end - first) / 2;
        int order = host_compare(host, sites->hosts[middle].host);
        if (!order) {
            *there = true;
            return middle;
        }
        if (order < 0)
            end = middle;
        else
            first = middle + 1;
    }
    return first;
}

const struct nx__site *nx__site_find(const struct nx__sites *sites, nx_bytes text)
{
    char memory[NX__APP_MAX_HOST];
    nx_bytes host = host_normal(text, memory);
    if (!host.len) return &sites->rest;
    bool there;
    uint32_t at = host_place(sites, 0, sites->exact, host, &there);
    if (there) return &sites->hosts[at];
    if (sites->exact == sites->count) return &sites->rest;
    for (size_t i = 0; i < host.len; i++) {
        if (host.data[i] != '.') continue;
        nx_bytes parent = nx_slice(host.data + i + 1, host.len - i - 1);
        at = host_place(sites, sites->exact, sites->count, parent, &there);
        if (there && i) return &sites->hosts[at];
    }
    return &sites->rest;
}

/* A name, or an address, without a port. */
static bool is_name(nx_bytes host)
{
    if (!host.len || host.len > NX__APP_MAX_HOST) return false;
    if (host.data[0] == '[')
        return host.data[host.len - 1] == ']' && nx__h1_valid_host(host.data, host.len);
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        if (c == '.' ? i == 0 || host.data[i - 1] == '.' : !nx__h1_is(c, NX__H1_LABEL) && c != '_')
            return false;
    }
    return true;
}

/* Makes the site of a host; `rest` is the scope of the server. */
static nx_err host_make(struct build *build, const nx_http_router *root,
                        const struct nx__entry *entry, const struct nx__scope *rest)
{
    struct nx__sites *sites = build->sites;
    nx_bytes given = nx_str(entry->path);
    bool wildcard = given.len > 2 && memcmp(given.data, "*.", 2) == 0;
    if (wildcard) given = nx_slice(given.data + 2, given.len - 2);
    char *memory = nx__arena_alloc(&sites->arena, NX__APP_MAX_HOST);
    if (!memory) return out_of_memory();
    nx_bytes host = host_normal(given, memory);
    bool bad = !is_name(given);
    bool there;
    uint32_t at = wildcard ? host_place(sites, sites->exact, sites->count, host, &there)
                           : host_place(sites, 0, sites->exact, host, &there);
    if (bad || there)
        return nx__error_set(bad ? NX_EINVAL : NX_EEXIST, "cannot serve the host \"%s\": %s",
                             entry->path ? entry->path : "(null)",
                             bad ? "it is no host's name without a port" : "it is there already");
    struct nx__site *hosts = realloc(sites->hosts, (sites->count + (size_t)1) * sizeof *hosts);
    if (!hosts) return out_of_memory();
    sites->hosts = hosts;
    memmove(hosts + at + 1, hosts + at, (sites->count - at) * sizeof *hosts);
    hosts[at] = (struct nx__site){.host = host};
    sites->count++;
    if (!wildcard) sites->exact++;

    build->site = &hosts[at];
    hosts[at].routes = nx__router_new();
    if (!hosts[at].routes) return out_of_memory();
    NX_TRY(router_make(build, 0, entry->router, rest, &hosts[at].scope));
    NX_TRY(routes_make_late(build));
    for (const struct nx__entry *bare = root->entries; bare; bare = bare->next) {
        if (!bare->bare) continue;
        nx_err err = route_make_bare(build, bare, hosts[at].scope);
        if (err && err != NX_EEXIST) return err; /* the host's own goes before it */
    }
    return NX_OK;
}

/* ---- All of it */

/* What stands above every router. */
static const struct nx__scope nothing = {.unrouted.handler = nx__unrouted};

static nx_err sites_make(struct build *build, const nx_http_router *root)
{
    struct nx__site *rest = &build->sites->rest;
    build->site = rest;
    rest->routes = nx__router_new();
    if (!rest->routes) return out_of_memory();
    NX_TRY(router_make(build, 0, root, &nothing, &rest->scope));
    NX_TRY(routes_make_late(build));
    for (const struct nx__entry *entry = root->entries; entry; entry = entry->next)
        if (entry->kind == NX__ENTRY_HOST) NX_TRY(host_make(build, root, entry, rest->scope));
    return NX_OK;
}

nx_err nx__sites_make(struct nx__sites *sites, const nx_http_router *root)
{
    nx__sites_free(sites);
    struct build *build = calloc(1, sizeof *build);
    if (!build) return out_of_memory();
    build->sites = sites;
    nx_err err = sites_make(build, root);
    free(build);
    if (err) nx__sites_free(sites);
    return err;
}

static void site_free(struct nx__site *site)
{
    nx__router_free(site->routes);
    nx__router_free(site->scopes);
}

void nx__sites_free(struct nx__sites *sites)
{
    site_free(&sites->rest);
    for (uint32_t i = 0; i < sites->count; i++) site_free(&sites->hosts[i]);
    free(sites->hosts);
    nx__arena_reset(&sites->arena);
    *sites = (struct nx__sites){0};
}

const struct nx__scope *nx__scope_find(const struct nx__site *site, nx_bytes method, nx_bytes path,
                                       nx_bytes wanted_method, const struct nx__route_match *match)
{
    struct nx__route_match other;
    if (nx_bytes_is(method, "OPTIONS") && wanted_method.len) {
        nx__router_match(site->routes, wanted_method, path, &other);
        if (other.outcome == NX__ROUTE_FOUND) return ((const struct nx__target *)other.data)->scope;
    }
    if (match->data) return ((const struct nx__target *)match->data)->scope;
    if (site->scopes) {
        nx__router_match(site->scopes, nx_str("*"), path, &other);
        if (other.outcome == NX__ROUTE_FOUND) return other.data;
    }
    return site->scope;
}

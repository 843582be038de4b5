/* Which handler serves a method and a path: a hash table of literal paths before a trie of segments. */
#include "http/router.h"

#include "base/compiler.h"
#include <stdio.h>
#include <stdlib.h>

enum { METHOD_MOST = 32, FIRST_SLOTS = 16, VISITS_MOST = 1024 /* trie nodes for one path */ };

struct route {
    struct route *next; /* of the same path */
    void (*handler)(void);
    nx_bytes *params; /* names, in order */
    uint32_t param_count;
    size_t method_len;
    char method[METHOD_MOST];
};

/* What stands at the end of a path. */
struct endpoint {
    struct route *routes;
    char *allow;
};

struct node {
    char *segment;
    size_t len;
    struct node *children; /* literal, sorted by nothing: a hash table would be larger than most apps */
    struct node *sibling;
    struct node *param;
    struct endpoint end;  /* the path ends here */
    struct endpoint rest; /* a "*name" takes what follows */
};

struct slot {
    uint32_t hash;
    char *path; /* NULL: free */
    size_t len;
    struct endpoint end;
};

struct nx__router {
    struct slot *slots; /* open addressing, at most half full; only the app inserts, so nobody can flood it */
    size_t slot_count, used;
    struct node root;
    bool patterns; /* any route with a parameter or wildcard */
};

/* FNV-1a: short keys, chosen by the app. */
static uint32_t hash(const char *data, size_t len)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < len; i++) h = (h ^ (unsigned char)data[i]) * 16777619u;
    return h;
}

struct nx__router *nx__router_new(void)
{
    struct nx__router *router = calloc(1, sizeof *router);
    if (!router) return NULL;
    router->slots = calloc(FIRST_SLOTS, sizeof *router->slots);
    router->slot_count = FIRST_SLOTS;
    if (router->slots) return router;
    free(router);
    return NULL;
}

static void endpoint_free(struct endpoint *end)
{
    while (end->routes) {
        struct route *route = end->routes;
        end->routes = route->next;
        for (uint32_t i = 0; i < route->param_count; i++) free((char *)(uintptr_t)route->params[i].data);
        free(route->params);
        free(route);
    }
    free(end->allow);
}

static void node_free(struct node *node)
{
    if (!node) return;
    while (node->children) {
        struct node *child = node->children;
        node->children = child->sibling;
        node_free(child);
        free(child);
    }
    node_free(node->param);
    free(node->param);
    endpoint_free(&node->end);
    endpoint_free(&node->rest);
    free(node->segment);
}

void nx__router_free(struct nx__router *router)
{
    if (!router) return;
    for (size_t i = 0; i < router->slot_count; i++) {
        endpoint_free(&router->slots[i].end);
        free(router->slots[i].path);
    }
    free(router->slots);
    node_free(&router->root);
    free(router);
}

/* ---- Adding */

static struct slot *slot_find(struct slot *slots, size_t count, uint32_t h, const char *path, size_t len)
{
    size_t i = h & (count - 1);
    while (slots[i].path && !(slots[i].hash == h && slots[i].len == len && memcmp(slots[i].path, path, len) == 0))
        i = (i + 1) & (count - 1);
    return &slots[i];
}

static bool slots_grow(struct nx__router *router)
{
    size_t count = router->slot_count * 2;
    struct slot *slots = calloc(count, sizeof *slots);
    if (!slots) return false;
    for (size_t i = 0; i < router->slot_count; i++) {
        struct slot *old = &router->slots[i];
        if (old->path) *slot_find(slots, count, old->hash, old->path, old->len) = *old;
    }
    free(router->slots);
    router->slots = slots;
    router->slot_count = count;
    return true;
}

static struct endpoint *literal_endpoint(struct nx__router *router, const char *path)
{
    if (router->used * 2 >= router->slot_count && !slots_grow(router)) return NULL;
    size_t len = strlen(path);
    uint32_t h = hash(path, len);
    struct slot *slot = slot_find(router->slots, router->slot_count, h, path, len);
    if (!slot->path) {
        slot->path = strdup(path);
        if (!slot->path) return NULL;
        slot->hash = h;
        slot->len = len;
        router->used++;
    }
    return &slot->end;
}

static struct node *child_make(struct node *node, const char *segment, size_t len)
{
    if (segment[0] == ':') {
        if (!node->param) node->param = calloc(1, sizeof *node);
        return node->param;
    }
    for (struct node *child = node->children; child; child = child->sibling)
        if (child->len == len && memcmp(child->segment, segment, len) == 0) return child;
    struct node *child = calloc(1, sizeof *child);
    if (!child) return NULL;
    child->segment = strndup(segment, len);
    if (!child->segment) {
        free(child);
        return NULL;
    }
    child->len = len;
    child->sibling = node->children;
    node->children = child;
    return child;
}

static bool is_pattern(const char *path) { return strstr(path, "/:") || strstr(path, "/*"); }

static const char *path_mistake(const char *path)
{
    size_t params = 0, segments = 0;
    if (!path || path[0] != '/') return "the path does not begin with /";
    if (strlen(path) > NX__ROUTER_MAX_PATH) return "the path is too long";
    for (const char *p = path; *p; p++) {
        if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == '?' || *p == '#') return "the path has a space, ?, # or control character";
    }
    for (const char *s = path; s; s = strchr(s + 1, '/')) {
        segments++;
        if (s[1] != ':' && s[1] != '*') continue;
        if (s[2] == '\0' || s[2] == '/') return "a parameter has no name";
        if (s[1] == '*' && strchr(s + 1, '/')) return "a *name stands before the last segment";
        params++;
    }
    if (params > NX__ROUTER_MAX_PARAMS) return "too many parameters";
    if (params && segments > NX__ROUTER_MAX_SEGMENTS) return "too many segments";
    return NULL;
}

/* The endpoint that a path with parameters leads to. */
static struct endpoint *pattern_endpoint(struct nx__router *router, const char *path)
{
    struct node *node = &router->root;
    for (const char *segment = path + 1;;) {
        size_t len = strcspn(segment, "/");
        if (segment[0] == '*') return &node->rest;
        node = child_make(node, segment, len);
        if (!node) return NULL;
        if (!segment[len]) return &node->end;
        segment += len + 1;
    }
}

static bool params_name(struct route *route, const char *path)
{
    for (const char *s = path; s; s = strchr(s + 1, '/')) {
        if (s[1] != ':' && s[1] != '*') continue;
        char *name = strndup(s + 2, strcspn(s + 2, "/"));
        nx_bytes *params = name ? realloc(route->params, (route->param_count + 1) * sizeof *params) : NULL;
        if (!params) {
            free(name);
            return false;
        }
        route->params = params;
        params[route->param_count++] = nx_str(name);
    }
    return true;
}

static struct route *route_find(const struct endpoint *end, const char *method, size_t len)
{
    for (struct route *route = end->routes; route; route = route->next)
        if (route->method_len == len && memcmp(route->method, method, len) == 0) return route;
    return NULL;
}

/* "GET, HEAD, OPTIONS": what a 405 and an OPTIONS answer say. */
static char *allow_list(const struct endpoint *end)
{
    size_t size = sizeof ", HEAD, OPTIONS";
    for (struct route *route = end->routes; route; route = route->next) size += route->method_len + 2;
    char *list = malloc(size);
    if (!list) return NULL;
    int len = 0;
    for (struct route *route = end->routes; route; route = route->next)
        len += snprintf(list + len, size - (size_t)len, "%s%s", len ? ", " : "", route->method);
    if (route_find(end, "GET", 3) && !route_find(end, "HEAD", 4)) len += snprintf(list + len, size - (size_t)len, ", HEAD");
    if (!route_find(end, "OPTIONS", 7)) (void)snprintf(list + len, size - (size_t)len, ", OPTIONS");
    return list;
}

nx_err nx__router_add(struct nx__router *router, const char *method, const char *path, void (*handler)(void), const char **reason)
{
    size_t len = method ? strlen(method) : 0;
    *reason = path_mistake(path);
    if (!len || len >= METHOD_MOST) *reason = "the method is empty or too long";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)method[i] <= 0x20 || (unsigned char)method[i] >= 0x7f || strchr("(),/:;<=>?@[\\]{}\"", method[i]))
            *reason = "the method is no token";
    if (*reason) return NX_EINVAL;
    bool pattern = is_pattern(path);
    struct endpoint *end = pattern ? pattern_endpoint(router, path) : literal_endpoint(router, path);
    if (end && route_find(end, method, len)) {
        *reason = "there is one already";
        return NX_EEXIST;
    }
    *reason = "out of memory";
    struct route *route = end ? calloc(1, sizeof *route) : NULL;
    if (!route) return NX_ENOMEM;
    route->handler = handler;
    route->method_len = len;
    memcpy(route->method, method, len + 1);
    struct endpoint one = {.routes = route};
    if (pattern && !params_name(route, path)) {
        endpoint_free(&one);
        return NX_ENOMEM;
    }
    struct route **last = &end->routes;
    while (*last) last = &(*last)->next;
    *last = route;
    char *allow = allow_list(end);
    if (!allow) {
        *last = NULL;
        endpoint_free(&one);
        return NX_ENOMEM;
    }
    free(end->allow);
    end->allow = allow;
    router->patterns |= pattern;
    *reason = NULL;
    return NX_OK;
}

/* ---- Matching */

struct span {
    uint32_t offset, len;
};

struct search {
    const char *path;
    uint32_t count, visits;
    struct span segments[NX__ROUTER_MAX_SEGMENTS];
    struct span params[NX__ROUTER_MAX_PARAMS];
    uint32_t path_len;
};

/* The endpoint for the segments from `i` on. Bounded by VISITS_MOST, so that no set of routes makes a path cost more. */
static const struct endpoint *find(struct search *s, const struct node *node, uint32_t i, uint32_t params)
{
    if (++s->visits > VISITS_MOST) return NULL;
    if (i == s->count) return node->end.routes ? &node->end : NULL;
    struct span segment = s->segments[i];
    const struct endpoint *end = NULL;
    for (const struct node *child = node->children; child && !end; child = child->sibling) {
        if (child->len == segment.len && memcmp(child->segment, s->path + segment.offset, segment.len) == 0)
            end = find(s, child, i + 1, params);
    }
    if (!end && node->param && segment.len && params < NX__ROUTER_MAX_PARAMS) {
        s->params[params] = segment;
        end = find(s, node->param, i + 1, params + 1);
    }
    if (!end && node->rest.routes && params < NX__ROUTER_MAX_PARAMS) {
        s->params[params] = (struct span){segment.offset, s->path_len - segment.offset};
        end = &node->rest;
    }
    return end;
}

static const struct endpoint *find_pattern(const struct nx__router *router, nx_bytes path, struct search *s)
{
    s->path = path.data;
    s->path_len = (uint32_t)path.len;
    s->count = 0;
    s->visits = 0;
    for (size_t at = 1; at <= path.len;) {
        if (s->count == NX__ROUTER_MAX_SEGMENTS) return NULL;
        const char *slash = memchr(path.data + at, '/', path.len - at);
        size_t len = slash ? (size_t)(slash - path.data) - at : path.len - at;
        s->segments[s->count++] = (struct span){(uint32_t)at, (uint32_t)len};
        at += len + 1;
    }
    return find(s, &router->root, 0, 0);
}

void nx__router_match(const struct nx__router *router, nx_bytes method, nx_bytes path, struct nx__route_match *out)
{
    out->outcome = NX__ROUTE_NOT_FOUND;
    out->handler = NULL;
    out->allow = "";
    out->param_count = 0;
    struct search search;
    const struct slot *slot =
        slot_find(router->slots, router->slot_count, hash(path.data, path.len), path.data, path.len);
    const struct endpoint *end = slot->path ? &slot->end : NULL;
    if (!end && router->patterns && path.len && path.data[0] == '/') end = find_pattern(router, path, &search);
    if (!end) return;
    struct route *route = route_find(end, method.data, method.len);
    if (nx__unlikely(!route) && nx_bytes_is(method, "HEAD")) route = route_find(end, "GET", 3);
    if (nx__unlikely(!route)) route = route_find(end, "*", 1);
    out->allow = end->allow;
    if (nx__unlikely(!route)) {
        out->outcome = NX__ROUTE_METHOD;
        return;
    }
    out->outcome = NX__ROUTE_FOUND;
    out->handler = route->handler;
    out->param_count = route->param_count;
    for (uint32_t i = 0; i < route->param_count; i++)
        out->params[i] = (struct nx__route_param){route->params[i], search.params[i].offset, search.params[i].len};
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

bool nx__percent_decode(nx_bytes in, char *out, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] != '%') {
            out[n++] = in.data[i];
            continue;
        }
        bool whole = in.len - i > 2;
        int high = whole ? hex(in.data[i + 1]) : -1, low = whole ? hex(in.data[i + 2]) : -1;
        if (high < 0 || low < 0 || (high | low) == 0) return false;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *len = n;
    return true;
}

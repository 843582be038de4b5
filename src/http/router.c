/* Which handler serves a method and a path: literal paths and the edges of a trie of segments, all
 * in one hash table. */
#include "http/router.h"

#include "base/compiler.h"
#include "url/percent.h"
#include <stdlib.h>

enum {
    FIRST_SLOTS = 16,
    /* Methods are bits. Three are known from the start, and "*" is the last. */
    GET = 1u << 0,
    HEAD = 1u << 1,
    OPTIONS = 1u << 2,
};
static const uint32_t ANY = 1u << NX__ROUTER_MAX_METHODS;

struct route {
    struct route *next; /* of the same endpoint */
    void (*handler)(void);
    const void *data;
    uint32_t method, param_count;
    nx_bytes params[]; /* names, in order; behind them the path that they are slices of */
};

/* What stands at the end of a path. */
struct endpoint {
    struct route *routes;
    uint32_t methods;
};

struct node {
    struct node *next;    /* of all in the router */
    struct node *param;   /* where a ":name" leads */
    struct endpoint end;  /* the path ends here */
    struct endpoint rest; /* a "*name" takes what follows */
    uint32_t id;
    uint32_t len;
    char text[]; /* the segment that leads here; of a literal path the whole */
};

/* From a node by a literal segment to another; from NULL by a literal path to its node. */
struct edge {
    uint32_t hash;
    const struct node *from;
    struct node *to; /* NULL: a free slot */
};

struct method {
    uint32_t len;
    char name[NX__ROUTER_MAX_METHOD + 1];
};

struct nx__router {
    struct edge *edges; /* open addressing, at most half full */
    uint32_t edge_slots, edge_count;
    uint32_t probes; /* slots that the longest way to an edge passes */
    uint32_t node_count;
    struct node *nodes, *root;
    bool patterns;    /* some route has parameters */
    uint32_t methods; /* that routes have */
    uint32_t method_count, allow_len;
    struct method method[NX__ROUTER_MAX_METHODS];
};

static inline bool same16(const char *a, const char *b)
{
    uint16_t x, y;
    memcpy(&x, a, 2);
    memcpy(&y, b, 2);
    return x == y;
}

/* memcmp() == 0; most names are too short to be worth a call. */
static inline bool same(const char *a, const char *b, size_t len)
{
    if (len > 4) return memcmp(a, b, len) == 0;
    if (len < 2) return len == 0 || *a == *b;
    return same16(a, b) && same16(a + len - 2, b + len - 2); /* they may overlap */
}

/* ---- The table of edges. Only the app adds to it, so no key against flooding is needed. */

static NX__INLINE uint32_t hash(const struct node *from, const char *data, size_t len)
{
    const uint64_t factor = 0x9e3779b97f4a7c15;
    uint64_t h = ((uint64_t)(from ? from->id : 0) << 32 | len) * factor, word;
    for (; len >= 8; data += 8, len -= 8) {
        memcpy(&word, data, 8);
        h = (h ^ word) * factor;
        h ^= h >> 32;
    }
    if (len >= 4) {
        uint32_t first, last; /* they may overlap */
        memcpy(&first, data, 4);
        memcpy(&last, data + len - 4, 4);
        word = (uint64_t)first << 32 | last;
    } else {
        word = 0;
        for (size_t i = 0; i < len; i++) word = word << 8 | (unsigned char)data[i];
    }
    h = (h ^ word) * factor;
    return (uint32_t)(h >> 32);
}

static NX__INLINE struct node *edge_find(const struct nx__router *router, const struct node *from,
                                         const char *text, size_t len)
{
    uint32_t h = hash(from, text, len);
    for (uint32_t i = 0; i <= router->probes; i++) {
        const struct edge *edge = &router->edges[(h + i) & (router->edge_slots - 1)];
        if (!edge->to) return NULL;
        if (edge->hash == h && edge->from == from && edge->to->len == len &&
            same(edge->to->text, text, len))
            return edge->to;
    }
    return NULL;
}

static void edge_put(struct nx__router *router, struct edge edge)
{
    uint32_t i = 0;
    while (router->edges[(edge.hash + i) & (router->edge_slots - 1)].to) i++;
    router->edges[(edge.hash + i) & (router->edge_slots - 1)] = edge;
    if (router->probes < i) router->probes = i;
}

/* Makes sure of a free slot. */
static bool edges_reserve(struct nx__router *router)
{
    if (router->edge_count < router->edge_slots / 2) return true;
    if (router->edge_slots > UINT32_MAX / 2) return false;
    uint32_t slots = router->edge_slots ? router->edge_slots * 2 : FIRST_SLOTS,
             old_slots = router->edge_slots;
    struct edge *edges = calloc(slots, sizeof *edges), *old = router->edges;
    if (!edges) return false;
    router->edges = edges;
    router->edge_slots = slots;
    router->probes = 0;
    for (uint32_t i = 0; i < old_slots; i++)
        if (old[i].to) edge_put(router, old[i]);
    free(old);
    return true;
}

/* ---- Nodes */

static struct node *node_new(struct nx__router *router, const char *text, size_t len)
{
    struct node *node = calloc(1, sizeof *node + len);
    if (!node) return NULL;
    memcpy(node->text, text, len);
    node->len = (uint32_t)len;
    node->id = ++router->node_count;
    node->next = router->nodes;
    router->nodes = node;
    return node;
}

/* The node that `text` leads to; made if there is none, NULL when memory is out. */
static struct node *node_at(struct nx__router *router, const struct node *from, const char *text,
                            size_t len)
{
    struct node *node = edge_find(router, from, text, len);
    if (node) return node;
    if (!edges_reserve(router) || !(node = node_new(router, text, len))) return NULL;
    edge_put(router, (struct edge){.hash = hash(from, text, len), .from = from, .to = node});
    router->edge_count++;
    return node;
}

static void endpoint_free(struct endpoint *end)
{
    while (end->routes) {
        struct route *route = end->routes;
        end->routes = route->next;
        free(route);
    }
}

void nx__router_free(struct nx__router *router)
{
    if (!router) return;
    while (router->nodes) {
        struct node *node = router->nodes;
        router->nodes = node->next;
        endpoint_free(&node->end);
        endpoint_free(&node->rest);
        free(node);
    }
    free(router->edges);
    free(router);
}

/* ---- Methods */

static inline uint32_t method_bit(const struct nx__router *router, const char *name, size_t len)
{
    for (uint32_t i = 0; i < router->method_count; i++) {
        const struct method *method = &router->method[i];
        if (method->len == len && same(method->name, name, len)) return 1u << i;
    }
    return len == 1 && *name == '*' ? ANY : 0;
}

static void method_add(struct nx__router *router, const char *name, size_t len)
{
    struct method *method = &router->method[router->method_count++];
    memcpy(method->name, name, len);
    method->len = (uint32_t)len;
    router->allow_len += (uint32_t)len + 2;
}

static const char *method_mistake(const struct nx__router *router, const char *method, size_t len)
{
    if (!len) return "the method is empty";
    if (len > NX__ROUTER_MAX_METHOD) return "the method is too long";
    for (size_t i = 0; i < len; i++)
        if (method[i] <= 0x20 || method[i] >= 0x7f || strchr("(),/:;<=>?@[\\]{}\"", method[i]))
            return "the method is no token";
    if (!method_bit(router, method, len) && (router->method_count == NX__ROUTER_MAX_METHODS ||
                                             router->allow_len + len + 2 > NX__ROUTER_MAX_ALLOW))
        return "too many different methods";
    return NULL;
}

/* "GET, HEAD, OPTIONS": what a 405 and an OPTIONS answer say (RFC 9110 10.2.1). */
static NX__COLD void allow_write(const struct nx__router *router, uint32_t methods, char *out)
{
    methods |= OPTIONS | (methods & GET ? HEAD : 0);
    size_t at = 0;
    for (uint32_t i = 0; i < router->method_count; i++) {
        if (!(methods & 1u << i)) continue;
        if (at) {
            memcpy(out + at, ", ", 2);
            at += 2;
        }
        memcpy(out + at, router->method[i].name, router->method[i].len);
        at += router->method[i].len;
    }
    out[at] = '\0';
}

/* ---- Adding */

struct nx__router *nx__router_new(void)
{
    struct nx__router *router = calloc(1, sizeof *router);
    if (!router) return NULL;
    router->root = node_new(router, "", 0);
    if (!router->root || !edges_reserve(router)) {
        nx__router_free(router);
        return NULL;
    }
    method_add(router, "GET", 3);
    method_add(router, "HEAD", 4);
    method_add(router, "OPTIONS", 7);
    return router;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* The parameter of the segment behind `slash`: its name, or an empty slice. */
static nx_bytes param_name(const char *slash)
{
    if (slash[1] != ':' && slash[1] != '*') return (nx_bytes){0};
    return nx_slice(slash + 2, strcspn(slash + 2, "/"));
}

/* Collects the names of the parameters as well. */
static const char *path_mistake(const char *path, nx_bytes *params, uint32_t *count)
{
    if (!path || path[0] != '/') return "the path does not begin with /";
    if (strnlen(path, NX__ROUTER_MAX_PATH + 1) > NX__ROUTER_MAX_PATH) return "the path is too long";
    for (const char *p = path; *p; p++) {
        if (*p == '?' || *p == '#') return "the path has a query or fragment";
        if (*p <= 0x20 || *p >= 0x7f)
            return "the path has a character that must be percent-encoded";
    }
    uint32_t segments = 0;
    for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
        segments++;
        nx_bytes name = param_name(slash);
        if (!name.data) continue;
        if (!name.len) return "a parameter has no name";
        for (size_t i = 0; i < name.len; i++)
            if (!name_char(name.data[i]))
                return "a parameter's name has other characters than letters, digits, _ and -";
        if (slash[1] == '*' && name.data[name.len]) return "a *name stands before the last segment";
        if (*count == NX__ROUTER_MAX_PARAMS) return "too many parameters";
        for (uint32_t i = 0; i < *count; i++)
            if (nx_bytes_eq(params[i], name)) return "two parameters have the same name";
        params[(*count)++] = name;
    }
    if (*count && segments > NX__ROUTER_MAX_SEGMENTS) return "too many segments";
    return NULL;
}

/* The endpoint that a path leads to. */
static struct endpoint *endpoint_at(struct nx__router *router, const char *path, bool pattern)
{
    if (!pattern) {
        struct node *node = node_at(router, NULL, path, strlen(path));
        return node ? &node->end : NULL;
    }
    struct node *node = router->root;
    for (const char *segment = path + 1;; segment++) {
        size_t len = strcspn(segment, "/");
        if (*segment == '*') return &node->rest;
        if (*segment == ':') {
            if (!node->param) node->param = node_new(router, "", 0);
            node = node->param;
        } else {
            node = node_at(router, node, segment, len);
        }
        if (!node) return NULL;
        segment += len;
        if (!*segment) return &node->end;
    }
}

static struct route *route_new(const char *path, const nx_bytes *params, uint32_t count)
{
    size_t size = strlen(path) + 1;
    struct route *route = malloc(sizeof *route + count * sizeof *params + size);
    if (!route) return NULL;
    *route = (struct route){.param_count = count};
    char *copy = (char *)&route->params[count];
    memcpy(copy, path, size);
    for (uint32_t i = 0; i < count; i++)
        route->params[i] = nx_slice(copy + (params[i].data - path), params[i].len);
    return route;
}

nx_err nx__router_add(struct nx__router *router, const char *method, const char *path,
                      void (*handler)(void), const void *data, const char **reason)
{
    nx_bytes params[NX__ROUTER_MAX_PARAMS];
    uint32_t count = 0;
    size_t len = method ? strnlen(method, NX__ROUTER_MAX_METHOD + 1) : 0;
    *reason = method_mistake(router, method, len);
    if (!*reason) *reason = path_mistake(path, params, &count);
    if (*reason) return NX_EINVAL;

    struct endpoint *end = endpoint_at(router, path, count > 0);
    uint32_t bit = method_bit(router, method, len);
    if (end && end->methods & bit) {
        *reason = "there is one already";
        return NX_EEXIST;
    }
    struct route *route = end ? route_new(path, params, count) : NULL;
    if (!route) {
        *reason = "out of memory"; /* nodes without routes may stay; they match nothing */
        return NX_ENOMEM;
    }
    if (!bit) {
        method_add(router, method, len);
        bit = method_bit(router, method, len);
    }
    route->handler = handler;
    route->data = data;
    route->method = bit;
    route->next = end->routes;
    end->routes = route;
    end->methods |= bit;
    router->methods |= bit;
    router->patterns |= count > 0;
    return NX_OK;
}

/* ---- Matching */

struct span {
    uint32_t offset, len;
};

struct search {
    const struct nx__router *router;
    const char *path;
    uint32_t len;
    uint32_t method;            /* asked for, 0 if no route has it */
    uint32_t wanted;            /* those that serve it */
    uint32_t others;            /* that the endpoints passed over have */
    const struct route *passed; /* of the first of them */
    struct span params[NX__ROUTER_MAX_PARAMS];
};

static const struct route *serve(struct search *s, const struct endpoint *end)
{
    uint32_t fit = end->methods & s->wanted;
    if (!fit) {
        if (!s->passed) s->passed = end->routes;
        s->others |= end->methods;
        return NULL;
    }
    uint32_t method = fit & s->method ? s->method : fit & GET ? (uint32_t)GET : ANY;
    const struct route *route = end->routes;
    while (route->method != method) route = route->next;
    return route;
}

/* The route for the path from `at` on, where a segment begins, or past its end. A node is one depth
 * down the trie, so it is visited once at most, and only if its segments fit: the work is bounded
 * by the routes, whatever the path. Recursion ends with the deepest route. */
static const struct route *find(struct search *s, const struct node *node, uint32_t at,
                                uint32_t params)
{
    if (at > s->len) return serve(s, &node->end);
    const char *segment = s->path + at, *slash = memchr(segment, '/', s->len - at);
    uint32_t len = slash ? (uint32_t)(slash - segment) : s->len - at;
    const struct route *route = NULL;
    const struct node *child = edge_find(s->router, node, segment, len);
    if (child) route = find(s, child, at + len + 1, params);
    if (!route && node->param && len) {
        s->params[params] = (struct span){at, len};
        route = find(s, node->param, at + len + 1, params + 1);
    }
    if (!route && node->rest.methods) {
        s->params[params] = (struct span){at, s->len - at};
        route = serve(s, &node->rest);
    }
    return route;
}

void nx__router_match(const struct nx__router *router, nx_bytes method, nx_bytes path,
                      struct nx__route_match *out)
{
    out->outcome = NX__ROUTE_NOT_FOUND;
    out->handler = NULL;
    out->data = NULL;
    out->allow = "";
    out->param_count = 0;
    if (nx__unlikely(!path.len || path.len >= UINT32_MAX)) return;
    struct search s; /* the params are filled as they are found */
    s.router = router;
    s.path = path.data;
    s.len = (uint32_t)path.len;
    s.method = method_bit(router, method.data, method.len) & ~ANY;
    s.wanted = s.method | (s.method == HEAD ? (uint32_t)GET : 0) | ANY;
    s.others = 0;
    s.passed = NULL;

    const struct node *literal = edge_find(router, NULL, path.data, path.len);
    const struct route *route = literal ? serve(&s, &literal->end) : NULL;
    if (!route && router->patterns && path.data[0] == '/') route = find(&s, router->root, 1, 0);
    if (nx__likely(route)) {
        out->outcome = NX__ROUTE_FOUND;
        out->handler = route->handler;
        out->data = route->data;
        out->param_count = route->param_count;
        for (uint32_t i = 0; i < route->param_count; i++)
            out->params[i] =
                (struct nx__route_param){route->params[i], s.params[i].offset, s.params[i].len};
        return;
    }
    bool server_wide = path.len == 1 && path.data[0] == '*'; /* RFC 9110 9.3.7 */
    if (server_wide) s.others = router->methods;
    if (!s.others && !server_wide) return;
    out->outcome = NX__ROUTE_METHOD;
    if (s.passed) out->data = s.passed->data;
    out->allow = out->allow_text;
    allow_write(router, s.others, out->allow_text);
}

/* ---- Percent-encoding (RFC 3986 2.1) */

bool nx__percent_decode(nx_bytes in, char *out, size_t *len)
{
    size_t n = 0;
    for (size_t at = 0; at < in.len; n++) {
        bool escaped = in.data[at] == '%';
        if (!nx__percent_byte(in, &at, false, &out[n]) || (escaped && !out[n])) return false;
    }
    *len = n;
    return true;
}

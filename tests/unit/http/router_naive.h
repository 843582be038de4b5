/* The router's rules once more, by trying every route in turn: what its tests and its fuzzer
 * compare it with. */
#ifndef NX_TEST_ROUTER_NAIVE_H
#define NX_TEST_ROUTER_NAIVE_H

#include "http/router.h"

struct naive_route {
    const char *method, *path;
};

/* What a segment of a route is, best first. */
enum naive_kind { NAIVE_LITERAL, NAIVE_PARAM, NAIVE_REST };

static inline enum naive_kind naive_kind_at(const char *segment)
{
    return *segment == ':' ? NAIVE_PARAM : *segment == '*' ? NAIVE_REST : NAIVE_LITERAL;
}

static inline size_t naive_len(nx_bytes path, size_t at)
{
    size_t len = 0;
    while (at + len < path.len && path.data[at + len] != '/') len++;
    return len;
}

/* Whether the route's path fits; fills the params. */
static inline bool naive_fits(const char *pattern, nx_bytes path, struct nx__route_match *out)
{
    out->param_count = 0;
    if (!path.len || path.data[0] != '/') return false;
    size_t at = 1;
    for (const char *p = pattern + 1;; p++) {
        if (at > path.len) return false;
        size_t len = naive_len(path, at), own = strcspn(p, "/");
        enum naive_kind kind = naive_kind_at(p);
        if (kind == NAIVE_LITERAL && !nx_bytes_eq(nx_slice(p, own), nx_slice(path.data + at, len)))
            return false;
        if (kind == NAIVE_PARAM && !len) return false;
        if (kind == NAIVE_REST) len = path.len - at;
        if (kind != NAIVE_LITERAL)
            out->params[out->param_count++] =
                (struct nx__route_param){nx_slice(p + 1, own - 1), (uint32_t)at, (uint32_t)len};
        p += own;
        at += len + 1;
        if (!*p) return at > path.len;
    }
}

/* Below zero if path `a` goes before `b`; both fit the same path. */
static inline int naive_compare(const char *a, const char *b)
{
    for (;;) {
        a++, b++;
        int difference = (int)naive_kind_at(a) - (int)naive_kind_at(b);
        if (difference) return difference;
        a += strcspn(a, "/");
        b += strcspn(b, "/");
        if (!*a || !*b) return 0;
    }
}

/* How well a route's method serves: 0 best, 3 not. */
static inline int naive_method(const char *own, nx_bytes asked)
{
    if (nx_bytes_is(asked, "*")) return strcmp(own, "*") == 0 ? 2 : 3;
    if (nx_bytes_is(asked, own)) return 0;
    if (nx_bytes_is(asked, "HEAD") && strcmp(own, "GET") == 0) return 1;
    return strcmp(own, "*") == 0 ? 2 : 3;
}

/* Stores the number of the route, or -1, and the params and the outcome in `*out`. */
static inline int naive_match(const struct naive_route *routes, int count, nx_bytes method,
                              nx_bytes path, struct nx__route_match *out)
{
    int best = -1;
    out->outcome = NX__ROUTE_NOT_FOUND;
    struct nx__route_match params;
    for (int i = 0; i < count; i++) {
        if (!naive_fits(routes[i].path, path, &params)) continue;
        if (out->outcome == NX__ROUTE_NOT_FOUND) out->outcome = NX__ROUTE_METHOD;
        int rank = naive_method(routes[i].method, method);
        if (rank == 3) continue;
        int order = best < 0 ? -1 : naive_compare(routes[i].path, routes[best].path);
        if (order > 0 || (!order && rank > naive_method(routes[best].method, method))) continue;
        best = i;
        out->outcome = NX__ROUTE_FOUND;
        out->param_count = params.param_count;
        memcpy(out->params, params.params, params.param_count * sizeof *params.params);
    }
    return best;
}

#endif

/* Routes and paths from the input: the router must answer as trying every route in turn does. */
#include "../tests/unit/http/router_naive.h"

#include <stdlib.h>

/* The input is lines, "METHOD path" each. Up to an empty line they are routes, then requests. */

enum { ROUTES_MOST = 64, REQUESTS_MOST = 64 };

static nx_bytes line_next(nx_bytes *rest)
{
    const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    nx_bytes line = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    size_t used = line.len + (end ? 1 : 0);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return line;
}

/* Splits "METHOD path"; the path begins behind the first space. */
static void split(nx_bytes line, nx_bytes *method, nx_bytes *path)
{
    const char *space = line.len ? memchr(line.data, ' ', line.len) : NULL;
    size_t len = space ? (size_t)(space - line.data) : line.len;
    *method = nx_slice(line.data, len);
    *path = space ? nx_slice(space + 1, line.len - len - 1) : nx_slice(line.data + len, 0);
}

static void check(bool good)
{
    if (!good) abort();
}

static void compare(const struct nx__router *router, const struct naive_route *routes, int count,
                    nx_bytes method, nx_bytes path)
{
    struct nx__route_match match, naive;
    int wanted = naive_match(routes, count, method, path, &naive);
    nx__router_match(router, method, path, &match);
    if (nx_bytes_is(path, "*")) {
        check(match.outcome == NX__ROUTE_METHOD && strlen(match.allow) < sizeof match.allow_text);
        return;
    }
    check(match.outcome == naive.outcome);
    if (match.outcome == NX__ROUTE_METHOD)
        check(strlen(match.allow) < sizeof match.allow_text && strstr(match.allow, "OPTIONS"));
    if (match.outcome != NX__ROUTE_FOUND) return;
    /* Routes are told apart by their number as an address. */
    check((uintptr_t)match.handler == (uintptr_t)wanted + 1);
    check(match.param_count == naive.param_count);
    for (uint32_t i = 0; i < match.param_count; i++) {
        const struct nx__route_param *a = &match.params[i], *b = &naive.params[i];
        check(a->offset == b->offset && a->len == b->len && nx_bytes_eq(a->name, b->name));
        check((size_t)a->offset + a->len <= path.len);
        char *decoded = malloc(a->len ? a->len : 1);
        size_t len = 0;
        if (!decoded) return;
        const char *raw = path.data + a->offset;
        /* A NUL comes out only where one went in as it is, which no request has. */
        if (nx__percent_decode(nx_slice(raw, a->len), decoded, &len))
            check(len <= a->len &&
                  (!len || !memchr(decoded, '\0', len) || memchr(raw, '\0', a->len)));
        free(decoded);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct naive_route routes[ROUTES_MOST];
    char *text[ROUTES_MOST];
    int count = 0;
    struct nx__router *router = nx__router_new();
    if (!router) return 0;
    nx_bytes rest = nx_slice(data, size), method, path;
    while (rest.len && count < ROUTES_MOST) {
        nx_bytes line = line_next(&rest);
        if (!line.len) break;
        split(line, &method, &path);
        /* Both with a NUL behind them, in one piece of memory. */
        char *copy = malloc(line.len + 2);
        if (!copy) break;
        memcpy(copy, method.data, method.len);
        copy[method.len] = '\0';
        if (path.len) memcpy(copy + method.len + 1, path.data, path.len);
        copy[method.len + 1 + path.len] = '\0';
        const char *reason = NULL;
        nx_err err = nx__router_add(router, copy, copy + method.len + 1,
                                    (void (*)(void))((uintptr_t)count + 1), NULL, &reason);
        check(!err == !reason);
        if (err) {
            free(copy);
            continue;
        }
        text[count] = copy;
        routes[count++] = (struct naive_route){copy, copy + method.len + 1};
    }
    for (int i = 0; rest.len && i < REQUESTS_MOST; i++) {
        split(line_next(&rest), &method, &path);
        compare(router, routes, count, method, path);
    }
    while (count) free(text[--count]);
    nx__router_free(router);
    return 0;
}

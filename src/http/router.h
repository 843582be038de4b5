/* Which handler serves a method and a path. Pure; a match neither allocates nor depends on how many
 * routes there are. */
#ifndef NX__ROUTER_H
#define NX__ROUTER_H

#include <nexus/base.h>

enum {
    NX__ROUTER_MAX_PARAMS = 16,   /* of a route */
    NX__ROUTER_MAX_SEGMENTS = 64, /* of a route with parameters; a path may have more */
    NX__ROUTER_MAX_PATH = 4096,   /* bytes of a route */
    NX__ROUTER_MAX_METHOD = 31,   /* bytes of a method */
    NX__ROUTER_MAX_METHODS = 31,  /* different ones in a router */
    NX__ROUTER_MAX_ALLOW = 256,   /* bytes of all of them as a list */
};

enum nx__route_outcome {
    NX__ROUTE_FOUND,
    NX__ROUTE_NOT_FOUND, /* no route has this path */
    NX__ROUTE_METHOD,    /* some have, for other methods: `allow` lists them */
    /* Never said by the router: */
    NX__ROUTE_BAD,       /* found, but the path can't be decoded */
    NX__ROUTE_TOO_LARGE, /* the request's body is larger than max_body, wherever it leads */
};

struct nx__route_param {
    nx_bytes name;        /* the router's */
    uint32_t offset, len; /* in the path */
};

struct nx__route_match {
    enum nx__route_outcome outcome;
    void (*handler)(void);
    const void *data;  /* the route's; with NX__ROUTE_METHOD that of the closest route, or NULL */
    const char *allow; /* "GET, HEAD, OPTIONS" with NX__ROUTE_METHOD, else empty; lasts as long as
                          the match */
    uint32_t param_count;
    struct nx__route_param params[NX__ROUTER_MAX_PARAMS];
    char allow_text[NX__ROUTER_MAX_ALLOW];
};

struct nx__router;

/* NULL when memory is out. */
struct nx__router *nx__router_new(void);
/* NULL is fine. */
void nx__router_free(struct nx__router *router);

/* Adds a route; syntax as nx_http_route, the strings are copied, `data` is not looked at.
 * NX_EINVAL, NX_EEXIST, NX_ENOMEM, with a static `*reason`; the router is then as it was. Not while
 * another thread matches. */
NX_MUST_CHECK nx_err nx__router_add(struct nx__router *router, const char *method, const char *path,
                                    void (*handler)(void), const void *data, const char **reason);

/* Finds the route. Of those that serve the method, a literal segment goes before ":name", that
 * before "*name", decided from the left; on one path the method itself goes before the GET that
 * serves a HEAD, and that before "*". Segments are compared as they came: still encoded, dot
 * segments and empty ones left alone. ":name" matches no empty segment, "*name" an empty rest too.
 * The path "*" (of `OPTIONS *`) gives NX__ROUTE_METHOD with every method there is. Fills `*out` but
 * for the params past `param_count`. Any thread. */
void nx__router_match(const struct nx__router *router, nx_bytes method, nx_bytes path,
                      struct nx__route_match *out);

/* Decodes %XX into `out`, which holds in.len bytes (and may be in.data), and stores the length.
 * False for a bad escape or an encoded NUL. */
bool nx__percent_decode(nx_bytes in, char *out, size_t *len);

#endif

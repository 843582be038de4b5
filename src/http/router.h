/* Which handler serves a method and a path. Pure; a match neither allocates nor depends on how many routes there are. */
#ifndef NX__ROUTER_H
#define NX__ROUTER_H

#include <nexus/base.h>

enum {
    NX__ROUTER_MAX_PARAMS = 16,
    NX__ROUTER_MAX_SEGMENTS = 64, /* of a path that is matched against parameters; longer ones find literal routes only */
    NX__ROUTER_MAX_PATH = 4096,   /* bytes of a route */
};

enum nx__route_outcome {
    NX__ROUTE_FOUND,
    NX__ROUTE_NOT_FOUND, /* no route has this path */
    NX__ROUTE_METHOD,    /* one has, for other methods: `allow` lists them */
};

struct nx__route_param {
    nx_bytes name;        /* the router's */
    uint32_t offset, len; /* in the path */
};

struct nx__route_match {
    enum nx__route_outcome outcome;
    void (*handler)(void);
    const char *allow; /* the router's: "GET, HEAD, OPTIONS" */
    uint32_t param_count;
    struct nx__route_param params[NX__ROUTER_MAX_PARAMS];
};

struct nx__router;

/* NULL when memory is out. */
struct nx__router *nx__router_new(void);
void nx__router_free(struct nx__router *router);

/* Adds a route; syntax as nx_http_route. NX_EINVAL, NX_EEXIST, NX_ENOMEM, with `*reason` static. */
NX_MUST_CHECK nx_err nx__router_add(struct nx__router *router, const char *method, const char *path, void (*handler)(void),
                                    const char **reason);

/* Finds the route. A literal segment goes before ":name", that before "*name"; among routes of one path the method before "*". GET serves
 * HEAD where no route does. Segments are compared as they came, still encoded. */
void nx__router_match(const struct nx__router *router, nx_bytes method, nx_bytes path, struct nx__route_match *out);

/* Decodes %XX into `out`, which holds in.len bytes, and stores the length. False for a bad escape or an encoded NUL. */
bool nx__percent_decode(nx_bytes in, char *out, size_t *len);

#endif

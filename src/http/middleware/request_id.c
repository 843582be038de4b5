/* Request ids: a trusted proxy's, or a random one. */
#include "http/server.h"

#include "http/h1/syntax.h"
#include <errno.h>
#include <sys/random.h>

enum { BYTES = 16, POOL = 64 * BYTES };

struct ids {
    const char *header;
    bool trust_all;
};

static bool is_id(nx_bytes id)
{
    if (!id.len || id.len > NX_HTTP_REQUEST_ID) return false;
    for (size_t i = 0; i < id.len; i++)
        if (!nx__h1_is(id.data[i], NX__H1_LABEL) && !memchr("_:/+=@", id.data[i], 6)) return false;
    return true;
}

/* 32 hexadecimal digits and a NUL; from a pool, so that few requests make a system call for it. */
static nx_err id_make(char out[2 * BYTES + 1])
{
    static NX__THREAD_LOCAL unsigned char pool[POOL];
    static NX__THREAD_LOCAL size_t left;
    if (!left) {
        /* 256 bytes and more may come in parts (getrandom(2)). */
        for (size_t have = 0; have < sizeof pool;) {
            ssize_t n = getrandom(pool + have, sizeof pool - have, 0);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return nx__error_system(errno, "cannot make a request id");
            have += (size_t)n;
        }
        left = sizeof pool;
    }
    left -= BYTES;
    for (size_t i = 0; i < BYTES; i++) {
        out[2 * i] = "0123456789abcdef"[pool[left + i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[pool[left + i] & 15];
    }
    out[2 * BYTES] = '\0';
    return NX_OK;
}

static nx_err id_run(nx_request *req, nx_response *res, void *context)
{
    const struct ids *ids = context;
    struct nx__request_extra *extra = nx__request_extra(req);
    if (!extra) return NX_ENOMEM;
    nx_bytes given = nx_request_header(req, ids->header);
    bool keep = is_id(given) && (ids->trust_all || nx__request_from_proxy(req));
    size_t len = keep ? given.len : 2 * BYTES;
    char *id = nx__arena_alloc(&req->fiber->own.arena, len + 1);
    if (!id) return nx__error_set(NX_ENOMEM, "cannot make a request id: out of memory");
    if (keep) {
        memcpy(id, given.data, len);
        id[len] = '\0';
    } else {
        NX_TRY(id_make(id));
    }
    extra->id = nx_slice(id, len);
    nx_response_header_always(res, ids->header, id);
    return nx_http_next(req, res);
}

nx_bytes nx_request_id(const nx_request *req)
{
    return req->extra ? req->extra->id : (nx_bytes){0};
}

void nx_http_request_id_with(nx_http_router *router, const nx_http_request_id_options *options)
{
    nx_http_request_id_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct ids *ids = nx__router_keep(router, sizeof *ids, NULL);
    if (!ids) return;
    ids->header = nx__router_keep_text(router, o.header ? o.header : "x-request-id");
    ids->trust_all = o.trust_all;
    for (const char *c = ids->header; c && *c; c++)
        if (!nx__h1_is(*c, NX__H1_TOKEN))
            nx__router_mistake(router, NX_EINVAL,
                               "nx_http_request_id: the header \"%s\" is no field's name",
                               ids->header);
    if (ids->header && !*ids->header)
        nx__router_mistake(router, NX_EINVAL, "nx_http_request_id: the header has no name");
    nx_http_router_use(router, id_run, ids);
}

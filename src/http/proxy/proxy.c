/* The reverse proxy. */
#include "http/proxy/proxy.h"

#include "base/clock.h"
#include "http/coding/coding.h"
#include "http/data.h"
#include "http/h1/parse.h"
#include "http/h1/syntax.h"
#include "http/tunnel.h"
#include <stdlib.h>
#include <sys/random.h>

#define CONNECT_DEADLINE NX_S(5)
#define HEAD_DEADLINE    NX_S(60)
#define IDLE_DEADLINE    NX_S(60)
#define DOWN_FOR         NX_S(10)
#define HEALTH_EVERY     NX_S(5)
#define HEALTH_DEADLINE  NX_S(2)

enum {
    RETRIES = 2,
    MAX_FAILS = 3,
};

#define REST_NAME "rest"
#define REST      "/*" REST_NAME

/* One request on its way. */
struct passing {
    struct nx__proxying *of;
    nx_request *req;
    nx_response *res;
    struct nx__fields fields;
    struct nx__upstream *upstream;
    struct nx__exchange *x;
    struct nx__upload *upload; /* of the exchange: sends the request's body; NULL: nothing */
    struct nx__fields trailers;
    struct nx__answer answer;
    nx_bytes upgrade; /* protocols that the client would change to */
    nx_bytes first;   /* piece of the body that has been read already */
    bool takes_trailers;
    bool body_touched; /* some of the request's body has been read */
    bool peer_failed;  /* what has failed is the client's, not the upstream's */
};

/* ---- What is asked */

/* What is behind the prefix, as it came. */
static nx_bytes rest_of(const nx_request *req)
{
    const struct nx__route_match *match = req->match;
    if (!match->param_count) return nx_str("");
    const struct nx__route_param *last = &match->params[match->param_count - 1];
    if (!nx_bytes_is(last->name, REST_NAME)) return nx_str("");
    size_t from = last->offset ? last->offset - 1 : 0; /* with its slash */
    return nx_slice(req->path.data + from, req->path.len - from);
}

static nx_err target_make(const struct passing *p, nx_bytes *out)
{
    nx_bytes path = p->of->o.keep_prefix ? p->req->path : rest_of(p->req);
    bool slash = !path.len || *path.data != '/';
    bool query = p->req->query.data != NULL && p->req->query.len;
    const char *text = nx_format("%s%s%.*s%s%.*s", p->upstream->base, slash ? "/" : "",
                                 NX_FMT(path), query ? "?" : "", query ? (int)p->req->query.len : 0,
                                 query ? p->req->query.data : "");
    if (!text) return nx__error_set(NX_ENOMEM, "cannot ask the upstream: out of memory");
    *out = nx_str(text);
    return NX_OK;
}

/* The next piece of the request's body, encoded as it came. */
static nx_err body_read(struct passing *p, nx_bytes *piece)
{
    nx_request *req = p->req;
    if (req->body_whole) return nx_request_read(req, piece); /* which says what is wrong with it */
    req->body_streamed = true;
    const struct nx__http_driver *wire = req->coded ? req->coded->wire : req->driver;
    nx_err err = wire->read(req, piece);
    p->peer_failed = err != NX_OK;
    wire->moves(req);
    return err;
}

/* The length of the request's body, as it is told. Where a protocol tells none, there may be any:
 * who speaks first is not ours to say. */
static nx_err body_length(struct passing *p, uint64_t *out)
{
    nx_request *req = p->req;
    nx_bytes length = nx_request_header(req, "content-length");
    *out = NX__LENGTH_NONE;
    /* The parser has seen to it that it is a number. */
    if (length.data && nx__h1_parse_length(length.data, length.len, out)) return NX_OK;
    if (!p->body_touched) {
        if (req->driver->read_all(req)) return NX_OK;
        /* These have one so seldom that servers may refuse it: the first piece tells. */
        bool seldom = nx_bytes_is(req->method, "GET") || nx_bytes_is(req->method, "HEAD");
        if (seldom) NX_TRY(body_read(p, &p->first));
        if (seldom && !p->first.len) return NX_OK;
        p->body_touched = seldom;
    }
    *out = NX__LENGTH_UNKNOWN;
    return NX_OK;
}

/* ---- One try */

/* In the upload's fiber. */
static nx_err piece_next(void *arg, nx_bytes *piece)
{
    struct passing *p = arg;
    *piece = p->first;
    p->body_touched = true;
    p->first = (nx_bytes){0};
    if (piece->len) return NX_OK;
    NX_TRY(body_read(p, piece));
    if (piece->len) return NX_OK;
    NX_TRY(nx__proxy_request_trailers(p->req, &p->trailers));
    p->x->sends = p->trailers.items;
    p->x->sends_count = p->trailers.count;
    return NX_OK;
}

/* What of the request has not gone is not wanted any more. */
static void upload_end(struct passing *p)
{
    nx__upload_end(p->upload);
    p->upload = NULL;
}

/* Gives the exchange up, or what is left of it. */
static void let(struct passing *p)
{
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    upload_end(p);
    nx__upstream_let(p->x);
    memcpy(nx__context(), &kept, sizeof kept);
}

static nx_err ask(struct passing *p, bool fresh, bool *reused)
{
    nx_bytes target;
    uint64_t length;
    NX_TRY(target_make(p, &target));
    NX_TRY(body_length(p, &length));
    NX_TRY(
        nx__upstream_take(p->of, p->upstream, p->x, NX_FOREVER, p->upgrade.len > 0, fresh, reused));
    /* Room for it has been left. In HTTP/1.1 trailers need no leave, in others gRPC asks for it. */
    struct nx__fields *fields = &p->fields;
    bool te = p->takes_trailers && p->x->conn->driver->streams;
    if (te)
        fields->items[fields->count] =
            (struct nx__field){.name = nx_str("te"), .value = nx_str("trailers")};
    const struct nx__ask ask = {.method = nx_request_method(p->req),
                                .scheme = nx_str(p->upstream->tls ? "https" : "http"),
                                .authority = p->of->o.keep_host ? nx__request_own_host(p->req)
                                                                : nx_str(p->upstream->authority),
                                .target = target,
                                .upgrade = p->upgrade.len > 0,
                                .fields = fields->items,
                                .field_count = fields->count + te,
                                .length = length};
    const struct nx__client_driver *driver = p->x->conn->driver;
    nx_err err = driver->begin(p->x, &ask);
    if (!err && length != NX__LENGTH_NONE && length)
        err = nx__upload_begin(&p->upload, p->x, piece_next, p);
    if (err == NX_ECLOSED) err = NX_OK; /* the answer says why */
    if (!err) err = driver->head(p->x, &p->answer);
    return err;
}

/* ---- Until one answers */

static bool may_repeat(nx_bytes method)
{
    static const char *const safe[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        if (nx_bytes_is(method, safe[i])) return true;
    return false;
}

static bool is_upstreams_fault(nx_err err)
{
    return err != NX_ECANCELED && err != NX_ENOMEM && err != NX_EMFILE && err != NX_ELIMIT;
}

static nx_err page(const struct passing *p, nx_err err)
{
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    /* What has happened is for the log alone: addresses are nobody else's business. */
    NX_IGNORE(nx__error_set(err, "cannot pass the request on to %s: %s", p->upstream->name,
                            kept.message));
    (void)nx__error_status_set(err == NX_ETIMEDOUT ? 504 : is_upstreams_fault(err) ? 502 : 503);
    return err;
}

static nx_bytes key_of(const struct passing *p)
{
    if (p->of->upstreams.balance != NX_PROXY_HASH) return (nx_bytes){0};
    if (!p->of->hash_header) return nx_request_peer(p->req);
    return nx_request_header(p->req, p->of->hash_header);
}

/* One upstream, and a second time where its kept connection was none any more. */
static nx_err try(struct passing *p, bool *again)
{
    bool reused = false;
    nx_bytes method = nx_request_method(p->req);
    nx_err err = ask(p, false, &reused);
    if (err && reused && err == NX_ERESET && !p->x->answering && may_repeat(method) &&
        !p->body_touched) {
        let(p);
        err = ask(p, true, &reused);
    }
    bool untouched = !p->x->conn || !p->x->begun;
    *again = err && !p->peer_failed && !p->body_touched && is_upstreams_fault(err) &&
             err != NX_EPERM && (untouched || (may_repeat(method) && !p->x->answering));
    return err;
}

static nx_err answer_get(struct passing *p)
{
    struct nx__balancer *b = &p->of->upstreams;
    uint32_t left = p->of->o.retries == NX_PROXY_NO_RETRIES ? 0 : p->of->o.retries;
    nx_bytes key = key_of(p);
    nx_err err = NX_OK;
    for (uint64_t tried = 0;; left--) {
        nx_duration now = nx__clock_monotonic();
        bool again;
        struct nx__upstream *next = nx__balancer_pick(b, key, tried, now);
        if (!next && !err) return nx_http_error(503, "no upstream is up");
        if (!next) return page(p, err);
        p->upstream = next;
        tried |= (uint64_t)1 << (p->upstream - b->items);
        atomic_fetch_add_explicit(&p->upstream->active, 1, memory_order_relaxed);
        err = try(p, &again);
        if (!err) {
            nx__upstream_well(p->upstream);
            return NX_OK;
        }
        if (!p->peer_failed && is_upstreams_fault(err) && err != NX_EPERM)
            nx__upstream_failed(b, p->upstream, now);
        let(p);
        atomic_fetch_sub_explicit(&p->upstream->active, 1, memory_order_relaxed);
        if (p->peer_failed) return err;
        if (!again || !left) return page(p, err);
    }
}

/* ---- The answer */

/* The answer is whole, and some of the request may not have gone: the upstream that still wants it
 * gets it, for the sake of its connection. What becomes of that is nothing to the answer. */
static void rest_pass(struct passing *p)
{
    if (p->upload && !p->x->enough) NX_IGNORE(nx__upload_wait(p->upload));
}

static nx_err answer_pass(struct passing *p)
{
    const struct nx__client_driver *driver = p->x->conn->driver;
    nx_response *res = p->res;
    bool to_head = nx_bytes_is(nx_request_method(p->req), "HEAD");
    if (p->x->enough) upload_end(p);
    if (p->answer.tunnel) {
        if (p->upload) NX_TRY(nx__upload_wait(p->upload));
        nx_err err = nx__proxy_upgrade(res, p->upgrade, p->x, &p->answer);
        return err == NX_EPROTO ? page(p, err) : err;
    }
    nx_response_status(res, p->answer.status);
    nx__proxy_answer_fields(res, &p->answer);
    if (p->answer.length != NX__LENGTH_UNKNOWN && (to_head || !p->answer.empty)) {
        res->length = p->answer.length;
        res->length_known = true;
    }
    bool empty = p->answer.empty;
    /* A client may wait for the head before it says more. */
    if (!empty && !driver->come(p->x)) NX_TRY(nx_response_write(res, (nx_bytes){0}));
    while (!empty) {
        nx_bytes piece;
        nx_err err = driver->read(p->x, &piece);
        if (err) return p->peer_failed ? err : page(p, err);
        if (!piece.len) break;
        NX_TRY(nx_response_write(res, piece));
        p->req->driver->moves(p->req);
    }
    /* Behind no body at all, too. */
    if (p->x->trailers.count && !to_head && !res->length_known)
        NX_TRY(nx_response_write(res, (nx_bytes){0}));
    for (uint32_t i = 0; i < p->x->trailers.count; i++) {
        const struct nx__field *f = &p->x->trailers.items[i];
        const char *name = nx_copy(f->name), *value = nx_copy(f->value);
        nx_response_trailer(res, name, value);
    }
    NX_TRY(nx_response_end(res));
    rest_pass(p);
    return NX_OK;
}

static nx_err pass(nx_request *req, nx_response *res)
{
    const struct nx__target *target = req->match->data;
    struct passing p = {
        .of = (struct nx__proxying *)(uintptr_t)target->context, .req = req, .res = res};
    if (p.of->prober) nx__prober_look(p.of->prober);
    p.x = nx__arena_alloc(nx__request_arena(req), NX__EXCHANGE_MOST);
    if (!p.x) return nx__error_set(NX_ENOMEM, "cannot pass the request on: out of memory");
    p.x->conn = NULL;
    NX_TRY(nx__proxy_request_fields(req, &p.of->o, &p.fields));
    if (nx__tunnel_asked(req).data) return nx_http_error(501, "a proxy passes no CONNECT on");
    p.upgrade = nx__proxy_upgrade_asked(req);
    if (p.upgrade.len)
        p.fields.items[p.fields.count++] =
            (struct nx__field){.name = nx_str("upgrade"), .value = p.upgrade};
    p.takes_trailers = nx__proxy_takes_trailers(req);
    NX_TRY(answer_get(&p));
    nx_err err = answer_pass(&p);
    let(&p);
    atomic_fetch_sub_explicit(&p.upstream->active, 1, memory_order_relaxed);
    return err;
}

/* ---- As it is set up */

static void proxying_end(void *memory)
{
    struct nx__proxying *p = memory;
    nx__prober_free(p->prober);
    for (uint32_t i = 0; i < p->upstreams.count; i++) nx__upstream_free(&p->upstreams.items[i]);
    free(p->upstreams.items);
}

static const char *upstreams_make(struct nx__proxying *p)
{
    size_t count = 0;
    while (p->o.upstreams && p->o.upstreams[count]) count++;
    if (!count || count > NX_PROXY_UPSTREAMS_MOST)
        return "there are no .upstreams, or more than NX_PROXY_UPSTREAMS_MOST";
    p->upstreams.items = calloc(count, sizeof *p->upstreams.items);
    if (!p->upstreams.items) return "out of memory";
    for (size_t i = 0; i < count; i++) {
        const char *reason = nx__upstream_parse(&p->upstreams.items[i], p->o.upstreams[i]);
        if (reason) return reason;
        p->upstreams.count++;
        if (p->o.version == NX_HTTP_3 && !p->upstreams.items[i].tls)
            return "HTTP/3 (.version) is spoken to \"https:\" upstreams";
    }
    if (getrandom(p->upstreams.secret, sizeof p->upstreams.secret, 0) != sizeof p->upstreams.secret)
        return "there are no random numbers";
    p->upstreams.balance = p->o.balance;
    p->upstreams.max_fails = p->o.max_fails ? p->o.max_fails : MAX_FAILS;
    p->upstreams.down_for = p->o.down_for ? p->o.down_for : DOWN_FOR;
    return NULL;
}

static const char *options_check(const nx_proxy_options *o, const char *prefix)
{
    if (!prefix || *prefix != '/') return "the path does not begin with /";
    if (strlen(prefix) > NX__ROUTER_MAX_PATH - sizeof REST) return "the path is too long";
    if (o->balance > NX_PROXY_HASH) return "there is no such .balance";
    if (o->health_path && *o->health_path != '/') return ".health_path does not begin with /";
    if (o->version > NX_HTTP_3) return "there is no such .version";
    if (o->tls_name && !*o->tls_name) return ".tls_name is empty";
    if (!o->cert != !o->key) return ".cert and .key belong together";
    return NULL;
}

/* For upstreams by TLS. False when memory is out. */
static bool tls_keep(nx_http_router *router, struct nx__proxying *p, const nx_proxy_options *o)
{
    static _Atomic uint64_t count;
    p->trust = atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) + 1;
    p->tls_name = nx__router_keep_text(router, o->tls_name);
    p->tls = (nx_tls_connect_options){.size = sizeof p->tls,
                                      .ca = nx__router_keep_text(router, o->ca),
                                      .cert = nx__router_keep_text(router, o->cert),
                                      .key = nx__router_keep_text(router, o->key),
                                      .insecure = o->insecure};
    return !p->tls_name == !o->tls_name && !p->tls.ca == !o->ca && !p->tls.cert == !o->cert &&
           !p->tls.key == !o->key;
}

static void defaults(nx_proxy_options *o)
{
    if (!o->retries) o->retries = RETRIES;
    if (!o->connect_deadline) o->connect_deadline = CONNECT_DEADLINE;
    if (!o->head_deadline) o->head_deadline = HEAD_DEADLINE;
    if (!o->idle_deadline) o->idle_deadline = IDLE_DEADLINE;
    if (!o->health_every) o->health_every = HEALTH_EVERY;
    if (!o->health_deadline) o->health_deadline = HEALTH_DEADLINE;
}

static void mistake(nx_http_router *router, const char *prefix, const char *reason)
{
    nx__router_mistake(router, strcmp(reason, "out of memory") == 0 ? NX_ENOMEM : NX_EINVAL,
                       "cannot proxy \"%s\": %s", prefix ? prefix : "(null)", reason);
}

void nx_http_proxy_with(nx_http_router *router, const char *prefix, const nx_proxy_options *options)
{
    NX__OPTIONS(nx_proxy_options, o, options);
    const char *reason = options_check(&o, prefix);
    struct nx__proxying *p = reason ? NULL : nx__router_keep(router, sizeof *p, proxying_end);
    if (reason) mistake(router, prefix, reason);
    if (!p) return;
    defaults(&o);
    p->o = o;
    reason = upstreams_make(p);
    p->o.upstreams = NULL;
    if (reason) {
        mistake(router, prefix, reason);
        return;
    }
    p->hash_header = nx__router_keep_text(router, o.hash_header);
    p->health_path = nx__router_keep_text(router, o.health_path);
    if (!tls_keep(router, p, &o) || (p->health_path && !(p->prober = nx__prober_new(p)))) {
        mistake(router, prefix, "out of memory");
        return;
    }
    char path[NX__ROUTER_MAX_PATH + 1];
    size_t len = strlen(prefix);
    while (len && prefix[len - 1] == '/') len--;
    memcpy(path, prefix, len);
    memcpy(path + len, REST, sizeof REST);
    nx__router_serve(router, "*", path, pass, p, false);
    path[len ? len : 1] = '\0';
    nx__router_serve(router, "*", path, pass, p, true);
}

/* Components that answer requests: each has an instance of its own, on the loop that serves it. */
#include "wasm/service.h"

#include "loop/loop.h"
#include "wasm/internal.h"
#include <errno.h>
#include <nexus/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct service {
    nx_wasm wasm; /* for its limits and for what is said of them */
    struct nx__service_code *code;
    struct nx__wasi_options wasi;
    unsigned active; /* requests */
    nx_http_server *server;
    const char *host;
};

/* One request and its answer. It outlives both where something still tells its loop to go on. */
struct exchange {
    struct service *service;
    struct nx__exchange *with; /* NULL: none, or it is over */
    nx_request *req;
    nx_response *res;
    struct nx_loop *loop;
    struct nx__post post;
    atomic_bool posted;      /* to the loop, which has not seen it yet */
    bool woken, over;
    bool wants;              /* the guest waits for the body */
    struct nx__op *waits;    /* the fiber that answers */
    struct nx__op *reads;    /* the one that reads the body, while nobody wants any */
    nx_fiber *reader;        /* NULL: there is no such one */
    nx_err read_error;
    nx_duration cpu, since;  /* of the processor, until it was polled last and at that time */
    nx_duration until;       /* NX_FOREVER: no deadline */
};

static nx_duration thread_cpu(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (nx_duration)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* For the engine, at each tick of its guest's time. */
static uint32_t tick(void *host)
{
    const struct exchange *x = host;
    const nx_wasm_policy *p = &x->service->wasm.policy;
    nx_duration most = p->max_cpu_time ? p->max_cpu_time : nx__wasm_cpu_most;
    return most != NX_FOREVER && x->cpu + thread_cpu() - x->since >= most;
}

static void complete(struct nx__op **place, int64_t result)
{
    struct nx__op *op = *place;
    *place = NULL;
    if (op) nx__op_complete(op, result);
}

static void woken(struct nx__post *post)
{
    struct exchange *x = nx__container_of(post, struct exchange, post);
    atomic_store(&x->posted, false);
    if (x->over) {
        free(x);
        return;
    }
    x->woken = true;
    complete(&x->waits, 0);
}

/* From any thread. */
static void wake(void *host)
{
    struct exchange *x = host;
    if (!atomic_exchange(&x->posted, true)) nx__loop_post(x->loop, &x->post);
}

struct wait {
    struct nx__op op;
    struct nx__op **place;
};

static void wait_cancel(struct nx__op *op)
{
    complete(nx__container_of(op, struct wait, op)->place, -ECANCELED);
}

static nx_err wait(struct nx__op **place, const char *call)
{
    struct wait w = {.op.cancel = wait_cancel, .op.call = call, .place = place};
    *place = &w.op;
    int64_t result = nx__op_wait(&w.op);
    *place = NULL;
    if (!result) return NX_OK;
    return nx__error_set(NX_ECANCELED, "the request was cancelled");
}

/* ---- The body of a request: read by a fiber of its own, while the guest does what it likes */

static nx_err read_body(void *arg)
{
    struct exchange *x = arg;
    nx_bytes piece;
    do {
        nx_err err = nx_request_read(x->req, &piece);
        if (err) {
            x->read_error = err;
            x->woken = true;
            complete(&x->waits, 0);
            return NX_OK;
        }
        x->wants = false;
        nx__engine->exchange_give(x->with, piece.data, piece.len);
        if (piece.len && !x->wants) NX_TRY(wait(&x->reads, "waiting for a guest to read"));
    } while (piece.len);
    return NX_OK;
}

static nx_err want(struct exchange *x)
{
    x->wants = true;
    if (x->reader) {
        complete(&x->reads, 0);
        return NX_OK;
    }
    return nx_spawn(&x->reader, read_body, x, .name = "request body");
}

/* ---- The answer */

/* What the server sees to by itself, for each connection. */
static bool is_framing(const char *name)
{
    static const char *const names[] = {"connection", "keep-alive", "transfer-encoding",
                                        "content-length"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

static nx_err begin_answer(struct exchange *x)
{
    const struct nx__http_field *fields;
    size_t count;
    uint32_t status = nx__engine->exchange_head(x->with, &fields, &count);
    nx_response_status(x->res, (int)status);
    for (size_t i = 0; i < count; i++) {
        char *name = nx_copy(fields[i].name), *value = nx_copy(fields[i].value);
        if (!name || !value) return nx__error_set(NX_ENOMEM, "cannot answer: out of memory");
        if (!is_framing(name)) nx_response_header_add(x->res, name, value);
    }
    return NX_OK;
}

static nx_err failed(struct exchange *x)
{
    nx_wasm *w = &x->service->wasm;
    for (const char *at = w->failure.trace; *at;) {
        int line = (int)strcspn(at, "\n");
        (void)fprintf(stderr, "    at %.*s\n", line, at);
        at += line + (at[line] == '\n');
    }
    return nx__wasm_failed(w, "serving");
}

static nx_err answer(struct exchange *x)
{
    bool begun = false;
    for (;;) {
        uint32_t todo, kind;
        size_t len;
        x->woken = false;
        x->since = thread_cpu();
        kind = nx__engine->exchange_poll(x->with, &todo, &x->service->wasm.failure);
        x->cpu += thread_cpu() - x->since;
        if (kind) return failed(x);
        if (!begun && (todo & NX__EXCHANGE_HEAD)) {
            NX_TRY(begin_answer(x));
            begun = true;
        }
        if (todo & NX__EXCHANGE_PIECE) {
            const char *piece = nx__engine->exchange_take(x->with, &len);
            NX_TRY(nx_response_write(x->res, nx_slice(piece, len)));
            continue;
        }
        if (todo & NX__EXCHANGE_OVER) return nx_response_end(x->res);
        if ((todo & NX__EXCHANGE_WANTS) && !x->wants) NX_TRY(want(x));
        if (x->read_error) return x->read_error;
        if (!x->woken) NX_TRY(wait(&x->waits, "waiting for a guest"));
    }
}

static nx_err begin(struct exchange *x)
{
    size_t count = nx_request_header_count(x->req);
    struct nx__http_field *fields = nx_alloc((count + 1) * sizeof *fields);
    if (!fields) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    for (size_t i = 0; i < count; i++)
        (void)nx_request_header_at(x->req, i, &fields[i].name, &fields[i].value);
    nx_bytes path = nx_request_path(x->req), query = nx_request_query(x->req);
    nx_bytes host = nx_request_host(x->req);
    const char *target = query.data ? nx_format("%.*s?%.*s", (int)path.len, path.data, (int)query.len, query.data) : nx_copy(path);
    if (!target) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    const struct nx__http_question question = {
        .method = nx_request_method(x->req),
        .scheme = nx_request_scheme(x->req),
        .authority = host.len ? host : nx_str("localhost"),
        .target = nx_str(target),
        .fields = fields,
        .field_count = count,
    };
    const struct nx__engine_owner owner = {.host = x, .wake = wake};
    struct nx__engine_limits limits = nx__wasm_engine_limits(&x->service->wasm);
    limits.tick = tick;
    uint32_t kind =
        nx__engine->exchange_new(x->service->code, &question, &limits, &x->service->wasi, &owner,
                                 &x->with, &x->service->wasm.failure);
    if (kind == NX__FAILURE_REQUEST)
        return nx_http_error(400, "%.200s", x->service->wasm.failure.message);
    return kind ? failed(x) : NX_OK;
}

/* The ticker runs while any request does. */
static nx_err enter(struct service *s)
{
    if (!s->active) NX_TRY(nx__wasm_time_begin(&s->wasm));
    s->active++;
    return NX_OK;
}

static void leave(struct service *s)
{
    if (!--s->active) nx__wasm_time_end(&s->wasm);
}

static nx_err run(struct exchange *x)
{
    NX_AUTO(nx_scope) *scope = NULL;
    nx_duration deadline = x->service->wasm.policy.deadline;
    NX_TRY(nx_scope_open(&scope, .deadline = deadline ? deadline : NX_FOREVER));
    nx_err err = begin(x);
    if (!err) err = answer(x);
    if (x->reader) nx_cancel(x->reader);
    nx_err closed = nx_scope_close(&scope);
    if (closed == NX_ETIMEDOUT && err == NX_ECANCELED)
        return nx_http_error(504, "not answered by its deadline of %lld ms", (long long)(deadline / NX_MS(1)));
    return err;
}

static nx_err handle(nx_request *req, nx_response *res)
{
    struct exchange *x = calloc(1, sizeof *x);
    if (!x) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    x->service = nx_request_app(req);
    x->req = req;
    x->res = res;
    x->loop = nx__loop();
    x->post.fn = woken;
    nx_err err = enter(x->service);
    if (!err) {
        err = run(x);
        leave(x->service);
    }
    if (x->with) nx__engine->exchange_free(x->with);
    x->with = NULL;
    x->over = true;
    if (!atomic_load(&x->posted)) free(x);
    return err;
}

/* ---- The server */

static nx_err say(void **state, void *context)
{
    const struct service *s = context;
    bool is_v6 = strchr(s->host, ':') != NULL;
    (void)state;
    (void)printf("http://%s%s%s:%u\n", is_v6 ? "[" : "", s->host, is_v6 ? "]" : "",
                 (unsigned)nx_http_port(s->server));
    (void)fflush(stdout);
    return NX_OK;
}

static nx_err load(struct service *s, int fd, const struct nx__wasm_serving *serving)
{
    const nx_wasm_policy *policy = serving->policy;
    const nx_wasm_load_options options = {
        .size = sizeof options, .metered = policy->fuel != 0, .max_stack = policy->max_stack};
    struct nx__failure *failure = &s->wasm.failure;
    NX_TRY(nx__wasm_module_new(&s->wasm.module, serving->name, fd, &options, failure));
    const nx_wasm_module *m = s->wasm.module;
    if (!nx__engine->code_is_component(m->code))
        return nx__error_set(NX_ENOTSUP, "cannot serve \"%.120s\": it is a module, and it takes a component of wasi:http", m->name);
    NX_TRY(nx__wasm_limit(&s->wasm, policy));
    s->wasm.timed = true; /* each request is looked at */
    NX_TRY(nx__wasi_options(policy, &s->wasi));
    if (!nx__engine->service_new(m->engine, m->code, &s->code, failure)) return NX_OK;
    return nx__error_set(NX_ENOENT, "cannot serve \"%.60s\": %.160s", m->name, failure->message);
}

static nx_err listen_as(struct service *s, const struct nx__wasm_serving *serving)
{
    s->host = serving->host;
    s->server = nx_http_server_new(.host = serving->host,
                                   .port = serving->port ? serving->port : NX_HTTP_ANY_PORT,
                                   .max_body = NX_HTTP_NO_LIMIT, .worker_start = say,
                                   .worker_context = s, .pages = NX_HTTP_PAGES_TEXT);
    if (!s->server) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    nx_http_set_app(s->server, s);
    nx_http_route(s->server, "*", "/", handle);
    nx_http_route(s->server, "*", "/*path", handle);
    return nx_http_listen(s->server);
}

nx_err nx__wasm_serve(int fd, const struct nx__wasm_serving *serving)
{
    struct service *s = calloc(1, sizeof *s);
    if (!s) return nx__error_set(NX_ENOMEM, "cannot serve \"%.150s\": out of memory", serving->name);
    nx_err err = nx__engine_open();
    if (!err) err = load(s, fd, serving);
    if (!err) err = listen_as(s, serving);
    nx_http_server_free(s->server);
    if (s->code) nx__engine->service_free(s->code);
    nx_wasm_module_free(s->wasm.module);
    free(s);
    return err;
}

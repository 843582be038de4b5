/* Components that answer requests: each has an instance of its own, on the loop that serves it. */
#include "wasm/service.h"

#include "base/error.h"
#include "base/say.h"
#include "base/sigpipe.h"
#include "http/server.h"
#include "loop/loop.h"
#include "wasm/asking.h"
#include "wasm/host/host.h"
#include "wasm/internal.h"
#include "wasm/wait.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/wasm_service.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Instances at once, where the policy does not say. */
enum { INSTANCES = 1000 };

/* Of a request to `nexus serve`, where nobody says. */
#define DEADLINE NX_S(120)

/* Requests to others that a guest may make before it waits. */
enum { ASKED_MOST = 16 };

struct nx_wasm_service {
    nx_wasm wasm; /* for its limits and for what is said of them */
    struct nx__engine_ticked ticked;
    struct nx__wasi_options wasi;
    struct nx__permissions net; /* whom guests may ask */
    struct nx__engine_limits limits;
    uint32_t instances;
    atomic_uint active; /* requests */
    nx_http_server *server;
    const char *host;
    bool secure;
};

/* One request and its answer. It outlives both where something still tells its loop to go on. */
struct exchange {
    nx_wasm_service *service;
    struct nx__exchange *with; /* NULL: none, or it is over */
    nx_request *req;
    nx_response *res;
    struct nx_loop *loop;
    struct nx__post post;
    atomic_bool posted; /* to the loop, which has not seen it yet */
    bool woken, over;
    bool wants;           /* the guest waits for the body */
    bool ticked;          /* it has been at work for a tick: its time is measured from then on */
    struct nx__op *waits; /* the fiber that answers */
    struct nx__op *reads; /* the one that reads the body, while nobody wants any */
    nx_fiber *reader;     /* NULL: there is no such one */
    uint64_t body;        /* bytes of it so far */
    bool too_large;
    nx_err read_error;
    struct nx__asking *asked[ASKED_MOST]; /* by the guest, while it was polled */
    size_t asked_count;
    unsigned asking;        /* requests of its to others that are under way */
    nx_duration cpu, since; /* of the processor, until it was polled last and at that time */
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
    struct exchange *x = host;
    const nx_wasm_policy *p = &x->service->wasm.policy;
    nx_duration most = p->max_cpu_time ? p->max_cpu_time : nx__wasm_cpu_most;
    if (!x->ticked) {
        x->ticked = true;
        x->since = thread_cpu();
    }
    return most != NX_FOREVER && x->cpu + thread_cpu() - x->since >= most;
}

/* For the engine, while the guest is polled: on its stack, so the rest comes later. */
static void ask(void *host, struct nx__asking *asking)
{
    struct exchange *x = host;
    if (x->asked_count < ASKED_MOST) {
        x->asked[x->asked_count++] = asking;
        return;
    }
    nx__engine->asking_fail(asking, NX__ASKING_TOO_MANY, "", 0);
    nx__engine->asking_free(asking);
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
    nx__wasm_go_on(&x->waits);
}

/* From any thread. */
static void wake(void *host)
{
    struct exchange *x = host;
    if (!atomic_exchange(&x->posted, true)) nx__loop_post(x->loop, &x->post);
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
            nx__wasm_go_on(&x->waits);
            return NX_OK;
        }
        x->wants = false;
        x->body += piece.len;
        if (x->body > x->req->server->options.max_body) {
            x->too_large = true;
            x->woken = true;
            nx__wasm_go_on(&x->waits);
            return NX_OK;
        }
        nx__engine->exchange_give(x->with, piece.data, piece.len);
        if (piece.len && !x->wants && nx__wasm_wait(&x->reads, "waiting for a guest to read"))
            return NX_OK;
    } while (piece.len);
    return NX_OK;
}

static nx_err want(struct exchange *x)
{
    x->wants = true;
    if (x->reader) {
        nx__wasm_go_on(&x->reads);
        return NX_OK;
    }
    return nx_spawn(&x->reader, read_body, x, .name = "request body");
}

/* ---- The answer */

/* What the server sees to by itself, for each connection. */
static bool is_framing(nx_bytes name)
{
    static const char *const names[] = {"connection", "keep-alive", "transfer-encoding"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (nx_bytes_eq(name, nx_str(names[i]))) return true;
    return false;
}

/* The engine has checked it to be a number. */
static void take_length(struct exchange *x, nx_bytes value)
{
    uint64_t length = 0;
    for (size_t i = 0; i < value.len; i++) length = length * 10 + (uint64_t)(value.data[i] - '0');
    x->res->length = length;
    x->res->length_known = value.len > 0 && value.len < 20;
}

/* What is sent is looked at until the request is over, and so behind the exchange. */
static nx_err add_field(struct exchange *x, const struct nx__http_field *field)
{
    size_t len = field->name.len;
    char *text = nx__arena_alloc(&x->req->fiber->own.arena, len + field->value.len + 2);
    if (!text) return nx__error_set(NX_ENOMEM, "cannot answer: out of memory");
    memcpy(text, field->name.data, len);
    text[len] = '\0'; /* names are compared as C texts */
    memcpy(text + len + 1, field->value.data, field->value.len);
    text[len + 1 + field->value.len] = '\0';
    return nx__response_field(x->res, nx_slice(text, len),
                              nx_slice(text + len + 1, field->value.len));
}

static nx_err begin_answer(struct exchange *x)
{
    const struct nx__http_field *fields;
    size_t count;
    uint32_t status = nx__engine->exchange_head(x->with, &fields, &count);
    nx_response_status(x->res, (int)status);
    for (size_t i = 0; i < count; i++) {
        if (nx_bytes_eq(fields[i].name, nx_str("content-length")))
            take_length(x, fields[i].value);
        else if (!is_framing(fields[i].name))
            NX_TRY(add_field(x, &fields[i]));
    }
    return NX_OK;
}

static nx_err failed(const struct exchange *x, const struct nx__failure *f)
{
    char trace[NX__ENGINE_TRACE];
    size_t len = 0;
    for (const char *at = f->trace; *at; at++) {
        bool end = *at == '\n';
        if (len + 3 >= sizeof trace) break;
        if (!end || at[1]) trace[len++] = end ? ';' : *at;
        if (end && at[1]) trace[len++] = ' ';
    }
    trace[len] = '\0';
    if (len) nx__say(NX__SAY_ERROR, "the guest was at: %s", trace);
    return nx__wasm_failed_by(&x->service->wasm, f, "serving");
}

static nx_err poll_guest(struct exchange *x, uint32_t *todo, struct nx__failure *f)
{
    x->woken = false;
    if (x->ticked) x->since = thread_cpu();
    uint32_t kind = nx__engine->exchange_poll(x->with, todo, f);
    if (x->ticked) x->cpu += thread_cpu() - x->since;
    for (size_t i = 0; i < x->asked_count; i++)
        nx__wasm_ask(x->asked[i], &x->service->net, x->service->wasm.module->name, &x->asking);
    x->asked_count = 0;
    return kind ? failed(x, f) : NX_OK;
}

/* What the guest has put behind its answer; `*any` says whether it has. */
static nx_err add_trailers(struct exchange *x, bool *any)
{
    const struct nx__http_field *fields;
    size_t count = nx__engine->exchange_trailers(x->with, &fields);
    *any = count > 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = nx_copy(fields[i].name), *value = nx_copy(fields[i].value);
        if (!name || !value) return nx__error_set(NX_ENOMEM, "cannot answer: out of memory");
        nx_response_trailer(x->res, name, value);
    }
    return NX_OK;
}

/* The last of it. A piece that is all there is goes out with its head. */
static nx_err end_answer(struct exchange *x, nx_bytes piece, bool pieces)
{
    bool trailers;
    NX_TRY(add_trailers(x, &trailers));
    if (pieces || trailers || (x->res->length_known && x->res->length != piece.len)) {
        if (piece.len) NX_TRY(nx_response_write(x->res, piece));
        return nx_response_end(x->res);
    }
    x->res->length_known = false;
    return nx_response_send_bytes(x->res, piece);
}

static nx_err answer(struct exchange *x, struct nx__failure *f)
{
    nx_bytes piece = {0};
    uint32_t todo;
    bool begun = false, pieces = false;
    for (;;) {
        NX_TRY(poll_guest(x, &todo, f));
        if (!begun && (todo & NX__EXCHANGE_HEAD)) {
            NX_TRY(begin_answer(x));
            begun = true;
        }
        if ((todo & NX__EXCHANGE_OVER) && !(todo & NX__EXCHANGE_PIECE))
            return end_answer(x, piece, pieces);
        if (piece.len) {
            pieces = true;
            NX_TRY(nx_response_write(x->res, piece));
            piece.len = 0;
        }
        if (todo & NX__EXCHANGE_PIECE) {
            piece.data = nx__engine->exchange_take(x->with, &piece.len);
            if (!pieces) continue;
            NX_TRY(nx_response_write(x->res, piece));
            piece.len = 0;
            continue;
        }
        if ((todo & NX__EXCHANGE_WANTS) && !x->wants) NX_TRY(want(x));
        if (x->too_large) return nx_http_error(413, "the body is larger than max_body");
        if (x->read_error) return x->read_error;
        if (!x->woken) NX_TRY(nx__wasm_wait(&x->waits, "waiting for a guest"));
    }
}

static nx_err begin(struct exchange *x, struct nx__failure *f)
{
    nx_wasm_service *s = x->service;
    size_t count = nx_request_header_count(x->req);
    struct nx__http_field *fields = nx_alloc((count + 1) * sizeof *fields);
    if (!fields) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    for (size_t i = 0; i < count; i++)
        (void)nx_request_header_at(x->req, i, &fields[i].name, &fields[i].value);
    nx_bytes path = nx_request_path(x->req), query = nx_request_query(x->req);
    nx_bytes host = nx_request_host(x->req);
    char *target = NULL;
    if (query.len) {
        size_t len = path.len + 1 + query.len;
        target = nx_alloc(len);
        if (!target) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
        memcpy(target, path.data, path.len);
        target[path.len] = '?';
        memcpy(target + path.len + 1, query.data, query.len);
        path = nx_slice(target, len);
    }
    const struct nx__http_question question = {
        .method = nx_request_method(x->req),
        .scheme = nx_request_scheme(x->req),
        .authority = host.len ? host : nx_str("localhost"),
        .target = path,
        .fields = fields,
        .field_count = count,
    };
    const struct nx__engine_owner owner = {.host = x, .wake = wake};
    uint32_t kind = nx__engine->exchange_new(s->ticked.service, &question, &s->limits, &s->wasi,
                                             &owner, &x->with, f);
    if (kind == NX__FAILURE_REQUEST) return nx_http_error(400, "%.200s", f->message);
    if (kind) return failed(x, f);
    if (x->req->driver->read_all(x->req)) nx__engine->exchange_give(x->with, NULL, 0);
    return NX_OK;
}

static nx_err exchange(struct exchange *x)
{
    struct nx__failure failure;
    nx_err err = begin(x, &failure);
    if (!err) err = answer(x, &failure);
    return err;
}

static nx_err run(struct exchange *x)
{
    NX_AUTO(nx_scope) *scope = NULL;
    nx_duration deadline = x->service->wasm.policy.deadline;
    NX_TRY(nx_scope_open(&scope, .deadline = deadline ? deadline : NX_FOREVER));
    nx_err err = exchange(x);
    const struct nx__context why = *nx__context(); /* what is ended below has its own say */
    /* Who reads the body for it or asks others has to have ended before it has. */
    if (x->reader || x->asking) nx_scope_cancel(scope);
    nx_err closed = nx_scope_close(&scope);
    if (closed == NX_ETIMEDOUT && err == NX_ECANCELED)
        return nx_http_error(504, "not answered by its deadline of %lld ms",
                             (long long)(deadline / NX_MS(1)));
    return err ? nx__error_take(&why, err) : NX_OK;
}

/* The ticker runs while any request does. */
static nx_err enter(nx_wasm_service *s)
{
    unsigned before = atomic_fetch_add(&s->active, 1);
    nx_err err = NX_OK;
    if (before >= s->instances)
        err = nx_http_error(503, "busy: %u requests at once, the most there may be", before);
    else if (!before)
        err = nx__wasm_ticks_begin();
    if (err) (void)atomic_fetch_sub(&s->active, 1);
    return err;
}

static void leave(nx_wasm_service *s)
{
    if (atomic_fetch_sub(&s->active, 1) == 1) nx__wasm_ticks_end();
}

nx_err nx_wasm_service_answer(nx_wasm_service *s, nx_request *req, nx_response *res)
{
    NX_TRY(enter(s));
    struct exchange *x = calloc(1, sizeof *x);
    if (!x) {
        leave(s);
        return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    }
    x->service = s;
    x->req = req;
    x->res = res;
    x->loop = nx__loop();
    x->post.fn = woken;
    req->driver->watch(req);
    nx_err err = run(x);
    if (x->with) nx__engine->exchange_free(x->with);
    x->with = NULL;
    x->over = true;
    /* Nobody wakes it any more; a wake may be under way. */
    if (!atomic_load(&x->posted)) free(x);
    leave(s);
    return err;
}

static nx_err handle(nx_request *req, nx_response *res)
{
    return nx_wasm_service_answer(nx_request_app(req), req, res);
}

/* ---- Services */

/* A list and its texts are one block. */
static nx_err words_keep(const char *const **list, size_t count)
{
    size_t size = (count + 1) * sizeof(char *);
    for (size_t i = 0; i < count; i++) size += strlen((*list)[i]) + 1;
    const char **kept = malloc(size);
    if (!kept) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    char *at = (char *)(kept + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen((*list)[i]) + 1;
        kept[i] = memcpy(at, (*list)[i], len);
        at += len;
    }
    kept[count] = NULL;
    *list = kept;
    return NX_OK;
}

/* Each request would fail by one that is not there. */
static nx_err directory_check(const char *path)
{
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return nx__error_system(errno, "cannot give guests the directory \"%.120s\"", path);
    (void)close(fd);
    return NX_OK;
}

/* What the policy gives over WASI, copied: instances are made of it for as long as there are any.
 */
static nx_err wasi_keep(nx_wasm_service *s, const nx_wasm_policy *policy)
{
    struct nx__wasi_options *w = &s->wasi;
    NX_TRY(nx__wasi_options(policy, w));
    size_t dirs = w->directory_count;
    struct nx__wasi_directory *kept = calloc(dirs + 1, sizeof *kept);
    const struct nx__wasi_directory *given = w->directories;
    const char *const *args = w->args, *const *env = w->env;
    w->directories = kept;
    w->directory_count = 0;
    w->args = w->env = NULL;
    if (!kept) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    for (size_t i = 0; i < dirs; i++) {
        kept[i] = (struct nx__wasi_directory){.host = strdup(given[i].host),
                                              .guest = strdup(given[i].guest),
                                              .read_only = given[i].read_only};
        w->directory_count++;
        if (!kept[i].host || !kept[i].guest)
            return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
        NX_TRY(directory_check(kept[i].host));
    }
    NX_TRY(words_keep(&args, w->arg_count));
    w->args = args;
    NX_TRY(words_keep(&env, w->env_count));
    w->env = env;
    /* By sockets they may reach all that the program may, or nothing. */
    for (const char *const *at = policy->allow_net; at && *at; at++)
        if (strcmp(*at, "*") == 0) nx__wasi_network(w);
    return nx__host_net_read(&s->net, policy->allow_net);
}

static void wasi_free(struct nx__wasi_options *w)
{
    for (size_t i = 0; i < w->directory_count; i++) {
        free((void *)(uintptr_t)w->directories[i].host);
        free((void *)(uintptr_t)w->directories[i].guest);
    }
    free((void *)(uintptr_t)w->directories);
    free((void *)(uintptr_t)w->args);
    free((void *)(uintptr_t)w->env);
}

void nx_wasm_service_close(nx_wasm_service *s)
{
    if (!s) return;
    if (s->ticked.service) {
        nx__engine_ticks(&s->ticked, false);
        nx__engine->service_free(s->ticked.service);
    }
    nx_wasm_module_free(s->wasm.module);
    wasi_free(&s->wasi);
    nx__permissions_free(&s->net);
    free(s);
}

/* Makes it of a module that was loaded, which is its own from here on, and the descriptor of its
 * code, which is taken. */
static nx_err make(nx_wasm_service *s, nx_wasm_module *m, int fd, const nx_wasm_policy *policy,
                   uint32_t uses)
{
    struct nx__failure *failure = &s->wasm.failure;
    nx_err err = NX_OK;
    s->wasm.module = m;
    if (!nx__engine->code_is_component(m->code))
        err = nx__error_set(
            NX_ENOTSUP,
            "cannot serve \"%.120s\": it is a module, and it takes a component of wasi:http",
            m->name);
    if (!err) err = nx__wasm_limit(&s->wasm, policy);
    if (!err) err = wasi_keep(s, policy);
    if (err) {
        (void)close(fd);
        return err;
    }
    s->limits = nx__wasm_engine_limits(&s->wasm);
    s->limits.tick = tick;
    s->instances = policy->max_instances && policy->max_instances < UINT32_MAX
                       ? (uint32_t)policy->max_instances
                       : INSTANCES;
    const struct nx__service_options with = {.fd = fd,
                                             .metered = m->metered,
                                             .stack = m->stack,
                                             .instances = s->instances,
                                             .uses = uses ? uses : 1,
                                             .ask = ask};
    if (nx__engine->service_new(m->code, &with, &s->ticked.service, failure))
        return nx__error_set(NX_ENOENT, "cannot serve \"%.60s\": %.160s", m->name,
                             failure->message);
    nx__engine_ticks(&s->ticked, true);
    return NX_OK;
}

static nx_err service_new(nx_wasm_service **out, nx_wasm_module *m, int fd,
                          const nx_wasm_policy *policy, uint32_t uses)
{
    nx_wasm_service *s = calloc(1, sizeof *s);
    if (!s) {
        nx_err err = nx__error_set(NX_ENOMEM, "cannot serve \"%.150s\": out of memory", m->name);
        nx_wasm_module_free(m);
        (void)close(fd);
        return err;
    }
    nx__sigpipe_quiet(); /* a guest prints for itself, and not for those beside it */
    nx_err err = make(s, m, fd, policy, uses);
    if (err) {
        nx_wasm_service_close(s);
        return err;
    }
    *out = s;
    return NX_OK;
}

nx_err nx_wasm_service_open_with(nx_wasm_service **out, const char *path,
                                 const nx_wasm_service_options *options)
{
    NX__OPTIONS(nx_wasm_service_options, o, options);
    nx_wasm_module *m;
    int fd = -1;
    *out = NULL;
    const nx_wasm_load_options load = {
        .size = sizeof load, .metered = o.policy.fuel != 0, .max_stack = o.policy.max_stack};
    NX_TRY(nx__wasm_permit(path ? path : "", &o.policy));
    nx_err err = nx__wasm_load(&m, path, &load, &fd);
    if (err && fd >= 0) (void)close(fd);
    return err ? err : service_new(out, m, fd, &o.policy, o.reuse);
}

nx_http_router *nx_wasm_service_router(nx_wasm_service *s)
{
    nx_http_router *router = nx_http_router_new();
    if (!router) return NULL;
    nx_http_set_app(router, s);
    nx_http_route(router, "*", "/", handle);
    nx_http_route(router, "*", "/*path", handle);
    return router;
}

/* ---- nexus serve */

static nx_err say(void **state, void *context)
{
    const nx_wasm_service *s = context;
    bool is_v6 = strchr(s->host, ':') != NULL;
    (void)state;
    if (nx_worker_index()) return NX_OK;
    (void)printf("http%s://%s%s%s:%u\n", s->secure ? "s" : "", is_v6 ? "[" : "", s->host,
                 is_v6 ? "]" : "", (unsigned)nx_http_port(s->server));
    (void)fflush(stdout);
    return NX_OK;
}

static nx_err serve(nx_wasm_service *s, const struct nx__wasm_serving *serving)
{
    s->host = serving->host;
    s->secure = serving->cert != NULL;
    s->server =
        nx_http_server_new(.host = serving->host,
                           .port = serving->port ? serving->port : NX_HTTP_ANY_PORT,
                           .max_body = serving->max_body ? serving->max_body : NX_HTTP_NO_LIMIT,
                           .workers = serving->workers, .worker_start = say, .worker_context = s,
                           .cert = serving->cert, .key = serving->key,
                           .handler_deadline = NX_FOREVER, /* the request's own is there */
                           .pages = NX_HTTP_PAGES_TEXT);
    if (!s->server) return nx__error_set(NX_ENOMEM, "cannot serve: out of memory");
    nx_http_mount(s->server, "/", nx_wasm_service_router(s));
    nx_err err = nx_http_listen(s->server);
    nx_http_server_free(s->server);
    return err;
}

nx_err nx__wasm_serve(int fd, const struct nx__wasm_serving *serving)
{
    static const char *const any[] = {"*", NULL};
    nx_wasm_policy all = *serving->policy;
    const nx_wasm_policy *policy = &all;
    const nx_wasm_load_options load = {
        .size = sizeof load, .metered = policy->fuel != 0, .max_stack = policy->max_stack};
    struct nx__failure failure;
    nx_wasm_service *s = NULL;
    nx_wasm_module *m;
    /* What the process may ask for, its guests may: it is all that there is in it. */
    if (!all.allow_net) all.allow_net = any;
    if (!all.deadline) all.deadline = DEADLINE;
    int again = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    nx_err err =
        again < 0 ? nx__error_system(errno, "cannot serve \"%.120s\"", serving->name) : NX_OK;
    if (!err) err = nx__engine_open();
    if (err) {
        (void)close(fd);
        if (again >= 0) (void)close(again);
        return err;
    }
    err = nx__wasm_module_new(&m, serving->name, fd, &load, &failure);
    if (err)
        (void)close(again);
    else
        err = service_new(&s, m, again, policy, serving->uses);
    if (s) err = serve(s, serving);
    nx_wasm_service_close(s);
    return err;
}

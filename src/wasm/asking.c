/* Requests of components to other servers. */
#include "wasm/asking.h"

#include "base/error.h"
#include "http/client/client.h"
#include "loop/loop.h"
#include "wasm/host/host.h"
#include "wasm/wait.h"
#include <nexus/fetch.h>
#include <stdatomic.h>
#include <stdlib.h>

/* It outlives its asking where something still tells its loop to go on. */
struct asking {
    struct nx__asking *with;
    struct nx__asking_request asked;
    const struct nx__permissions *net;
    const char *module;
    unsigned *active;
    struct nx_loop *loop;
    struct nx__post post;
    atomic_bool posted; /* to the loop, which has not seen it yet */
    bool over;
    struct nx__op *sends; /* who waits for more of the body */
    struct nx__op *reads; /* who waits until more of the answer is wanted */
    nx_bytes piece;       /* of the body: what is left of it */
};

static void woken(struct nx__post *post)
{
    struct asking *a = nx__container_of(post, struct asking, post);
    atomic_store(&a->posted, false);
    if (a->over) {
        free(a);
        return;
    }
    nx__wasm_go_on(&a->sends);
    nx__wasm_go_on(&a->reads);
}

/* From any thread. */
static void wake(void *host)
{
    struct asking *a = host;
    if (!atomic_exchange(&a->posted, true)) nx__loop_post(a->loop, &a->post);
}

/* ---- The body, as a stream */

static nx_err body_read(void *state, void *data, size_t len, size_t *got)
{
    struct asking *a = state;
    *got = 0;
    while (!a->piece.len) {
        switch (nx__engine->asking_body(a->with, &a->piece.data, &a->piece.len)) {
        case NX__ASKING_PIECE: break;
        case NX__ASKING_END: return NX_OK;
        case NX__ASKING_WAIT:
            NX_TRY(nx__wasm_wait(&a->sends, "waiting for a guest to write"));
            break;
        default: return nx__error_set(NX_EPROTO, "the guest has not written all of its request");
        }
    }
    *got = len < a->piece.len ? len : a->piece.len;
    memcpy(data, a->piece.data, *got);
    a->piece = nx_slice(a->piece.data + *got, a->piece.len - *got);
    return NX_OK;
}

static void body_close(void *state)
{
    (void)state; /* the fiber that asks has it */
}

/* ---- The request */

/* What the client sees to by itself. */
static bool is_own(nx_bytes name)
{
    static const char *const names[] = {"connection", "host",    "transfer-encoding",
                                        "keep-alive", "upgrade", "content-length",
                                        "te",         "trailer", "expect"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (nx_bytes_eq(name, nx_str(names[i]))) return true;
    return false;
}

/* Names and values in turn, NULL at the end; and the length that the body has, if that is said. */
static const char **fields(const struct nx__asking_request *asked, uint64_t *length)
{
    const char **list = nx_alloc((2 * asked->field_count + 1) * sizeof *list);
    size_t count = 0;
    *length = 0;
    for (size_t i = 0; list && i < asked->field_count; i++) {
        const struct nx__http_field *f = &asked->fields[i];
        if (nx_bytes_eq(f->name, nx_str("content-length"))) {
            const char *text = nx_copy(f->value);
            *length = text ? strtoull(text, NULL, 10) : 0;
        }
        if (is_own(f->name)) continue;
        list[count++] = nx_copy(f->name);
        list[count++] = nx_copy(f->value);
        if (!list[count - 2] || !list[count - 1]) return NULL;
    }
    if (list) list[count] = NULL;
    return list;
}

/* Whether there is a body, which its guest says by writing some: where it says so at once, or where
 * the method has none in any case. */
static nx_err find_body(struct asking *a, const char *method, bool *has)
{
    bool none = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    char nothing[1];
    size_t got = 0;
    *has = a->asked.has_body;
    if (!*has) return NX_OK;
    if (none) {
        NX_TRY(body_read(a, nothing, 0, &got));
        *has = a->piece.len > 0;
        return NX_OK;
    }
    switch (nx__engine->asking_body(a->with, &a->piece.data, &a->piece.len)) {
    case NX__ASKING_END: *has = false; return NX_OK;
    case NX__ASKING_FAILED:
        return nx__error_set(NX_EPROTO, "the guest has not written all of its request");
    default: return NX_OK;
    }
}

static nx_err end(struct asking *a, const struct nx__fields *trailers)
{
    struct nx__http_field *list = nx_alloc((trailers->count + 1) * sizeof *list);
    if (!list) return nx__error_set(NX_ENOMEM, "cannot ask: out of memory");
    for (size_t i = 0; i < trailers->count; i++)
        list[i] = (struct nx__http_field){trailers->items[i].name, trailers->items[i].value};
    nx__engine->asking_end(a->with, list, trailers->count);
    return NX_OK;
}

static nx_err answer(struct asking *a, nx_fetched *answer)
{
    size_t count = nx_fetched_header_count(answer);
    struct nx__http_field *list = nx_alloc((count + 1) * sizeof *list);
    if (!list) return nx__error_set(NX_ENOMEM, "cannot ask: out of memory");
    for (size_t i = 0; i < count; i++)
        (void)nx_fetched_header_at(answer, i, &list[i].name, &list[i].value);
    nx__engine->asking_answer(a->with, (uint32_t)nx_fetched_status(answer), list, count);
    for (;;) {
        nx_bytes piece;
        uint32_t state = nx__engine->asking_state(a->with);
        if (state == NX__ASKING_GONE) return NX_OK;
        if (state != NX__ASKING_WANTS) {
            NX_TRY(nx__wasm_wait(&a->reads, "waiting for a guest to read"));
            continue;
        }
        NX_TRY(nx_fetched_read(answer, &piece));
        if (!piece.len) return end(a, &answer->trailers);
        nx__engine->asking_give(a->with, piece.data, piece.len);
    }
}

static nx_err ask(struct asking *a)
{
    static const nx_stream_type body = {
        .size = sizeof body, .name = "a guest's request", .read = body_read, .close = body_close};
    const struct nx__asking_request *asked = &a->asked;
    NX_AUTO(nx_fetched) *answered = NULL;
    uint64_t length;
    const char **headers = fields(asked, &length);
    const char *method = nx_copy(asked->method);
    if (!headers || !method) return nx__error_set(NX_ENOMEM, "cannot ask: out of memory");
    bool has_body;
    NX_TRY(find_body(a, method, &has_body));
    NX_TRY(nx__host_net_permit(a->net, a->module, asked->url.data));
    NX_TRY(nx_fetch(&answered, asked->url.data, .method = method, .headers = headers,
                    .source = has_body ? nx_stream_new(&body, a) : NULL,
                    .source_length = has_body ? length : 0, .redirects = NX_FETCH_NO_REDIRECTS,
                    .raw = true, .connect_deadline = (nx_duration)asked->connect,
                    .head_deadline = (nx_duration)asked->head,
                    .idle_deadline = (nx_duration)asked->idle));
    return answer(a, answered);
}

static uint32_t failure_of(nx_err err)
{
    switch (err) {
    case NX_EPERM: return NX__ASKING_DENIED;
    case NX_ENONAME: return NX__ASKING_NO_NAME;
    case NX_EREFUSED: return NX__ASKING_REFUSED;
    case NX_ETIMEDOUT: return NX__ASKING_TIMED_OUT;
    case NX_ERESET: return NX__ASKING_RESET;
    case NX_EPROTO: return NX__ASKING_PROTOCOL;
    case NX_EINVAL: return NX__ASKING_URL;
    case NX_EUNREACH: return NX__ASKING_UNREACHABLE;
    default: return NX__ASKING_OTHER;
    }
}

static nx_err run(void *arg)
{
    struct asking *a = arg;
    nx_err err = ask(a);
    const char *said = err ? nx_error_last()->message : "";
    if (err) nx__engine->asking_fail(a->with, failure_of(err), said, strlen(said));
    nx__engine->asking_free(a->with);
    --*a->active;
    a->over = true;
    /* Nobody wakes it any more; a wake may be under way. */
    if (!atomic_load(&a->posted)) free(a);
    return NX_OK;
}

void nx__wasm_ask(struct nx__asking *asking, const struct nx__permissions *net, const char *module,
                  unsigned *active)
{
    struct asking *a = *active < NX__ASKINGS_MOST ? calloc(1, sizeof *a) : NULL;
    nx_fiber *fiber;
    if (a) {
        a->with = asking;
        a->active = active;
        a->net = net;
        a->module = module;
        a->loop = nx__loop();
        a->post.fn = woken;
        const struct nx__engine_owner owner = {.host = a, .wake = wake};
        nx__engine->asking_begin(asking, &owner, &a->asked);
        ++*active;
        if (!nx_spawn(&fiber, run, a, .name = "request of a guest")) return;
        --*active;
    }
    nx__engine->asking_fail(asking, NX__ASKING_TOO_MANY, "", 0);
    nx__engine->asking_free(asking);
    if (a) {
        a->over = true;
        if (!atomic_load(&a->posted)) free(a);
    }
}

/* Calls into a guest. */
#include "wasm/internal.h"

#include "base/suggest.h"
#include "wasm/host/host.h"
#include <nexus/fiber.h>
#include <stdio.h>

/* ---- What ends one */

/* The innermost functions of a trace, for a message: ", in divide, called by run". */
static void where(const char *trace, char out[100])
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < 2 && *trace; i++) {
        size_t line = strcspn(trace, "\n");
        int name = (int)strcspn(trace, "\n");
        const char *place = strstr(trace, " at 0x");
        if (place && place < trace + line) name = (int)(place - trace);
        int n = snprintf(out + at, 100 - at, i ? ", called by %.*s" : ", in %.*s",
                         name < 40 ? name : 40, trace);
        if (n > 0) at += (size_t)n;
        trace += line + (trace[line] == '\n');
    }
}

static nx_err late(const nx_wasm *w, const char *doing, const char *in)
{
    return nx__error_set(NX_ETIMEDOUT,
                         "%.50s \"%.60s\": it was not done by its deadline of %lld ms%s", doing,
                         w->module->name, (long long)(w->policy.deadline / NX_MS(1)), in);
}

NX__COLD nx_err nx__wasm_failed(nx_wasm *w, const char *doing)
{
    return nx__wasm_failed_by(w, &w->failure, doing);
}

NX__COLD nx_err nx__wasm_failed_by(const nx_wasm *w, const struct nx__failure *f, const char *doing)
{
    const char *name = w->module->name;
    char in[100];
    where(f->trace, in);
    switch (f->kind) {
    case NX__FAILURE_TRAP:
        return nx__error_set(NX_ECRASHED, "%.50s \"%.60s\": %.60s%s", doing, name, f->message, in);
    case NX__FAILURE_STACK:
        return nx__error_set(NX_ECRASHED,
                             "%.50s \"%.60s\": it used more than its %zu KiB of stack%s", doing,
                             name, w->module->stack >> 10, in);
    case NX__FAILURE_HOST:
        if (w->waits && w->host_error == NX_ECANCELED && nx__wasm_time_is_over(w))
            return late(w, doing, in);
        return nx__error_set(w->host_error, "%s", w->host_message);
    case NX__FAILURE_MEMORY:
        return nx__error_set(NX_ELIMIT,
                             "%.50s \"%.60s\": it wanted more than max_memory, %llu bytes%s", doing,
                             name, (unsigned long long)w->policy.max_memory, in);
    case NX__FAILURE_TABLE:
        return nx__error_set(NX_ELIMIT,
                             "%.50s \"%.60s\": it wanted more than max_table_elements, %llu%s",
                             doing, name, (unsigned long long)w->policy.max_table_elements, in);
    case NX__FAILURE_CPU_TIME:
        return nx__error_set(
            NX_ETIMEDOUT, "%.50s \"%.60s\": it took more than max_cpu_time, %lld ms%s", doing, name,
            (long long)((w->policy.max_cpu_time ? w->policy.max_cpu_time : nx__wasm_cpu_most) /
                        NX_MS(1)),
            in);
    case NX__FAILURE_DEADLINE: return late(w, doing, in);
    case NX__FAILURE_FUEL:
        return nx__error_set(NX_ELIMIT, "%.50s \"%.60s\": it used more than its fuel, %llu%s",
                             doing, name, (unsigned long long)w->policy.fuel, in);
    case NX__FAILURE_OPEN_FILES:
        return nx__error_set(NX_ELIMIT, "%.50s \"%.60s\": it wanted more than max_open_files, %u%s",
                             doing, name, (unsigned)w->policy.max_open_files, in);
    case NX__FAILURE_EXIT:
        if (!f->status) return NX_OK;
        return nx__error_set(NX_EFAILED, "%.50s \"%.60s\": it has ended itself with exit code %u",
                             doing, name, (unsigned)f->status);
    default: return nx__error_set(NX_EFAILED, "%.50s \"%.60s\": %.100s", doing, name, f->message);
    }
}

nx_bytes nx_wasm_trace(nx_wasm *w)
{
    char now[NX__ENGINE_TRACE] = "";
    const char *trace = w->failure.trace;
    if (w->inside && w->guest) {
        nx__engine->guest_backtrace(w->guest, now, sizeof now);
        trace = now;
    }
    const char *copy = nx_copy(nx_str(trace));
    return nx_str(copy);
}

/* ---- Prepared functions */

/* What is exported under the name that is nearest to this one. */
static void near(nx_wasm *w, const char *name, char out[80])
{
    const nx_wasm_item *items;
    size_t count;
    struct nx__near nearest = nx__near(name);
    out[0] = '\0';
    if (nx_wasm_module_exports(w->module, &items, &count)) return;
    for (size_t i = 0; i < count; i++)
        if (items[i].kind == NX_WASM_FUNCTION) (void)nx__near_try(&nearest, items[i].name.data);
    if (nearest.best) (void)snprintf(out, 80, "; did you mean \"%.60s\"?", nearest.best);
}

static nx_err no_function(nx_wasm *w, const char *name)
{
    char hint[80];
    near(w, name, hint);
    return nx__error_set(NX_ENOENT, "\"%.80s\" exports no function \"%.60s\"%s", w->module->name,
                         name, hint);
}

/* Reads the types of a function that was looked up, as far as there are places. */
static void types_of(nx_wasm_func *f, size_t counts[2], uint8_t *types, size_t room)
{
    nx__engine->func_type(f->wasm->guest, f->handle, counts, types, room);
    f->params = (uint32_t)counts[0];
    f->results = (uint32_t)counts[1];
}

static nx_err check(nx_wasm_func *f, const char *name, const char *type)
{
    struct nx__wasm_signature want;
    uint8_t types[2 * NX__WASM_VALUES_MOST];
    size_t counts[2];
    char real[NX__WASM_TYPE_TEXT];
    NX_TRY(nx__wasm_type_parse(type, false, &want));
    types_of(f, counts, types, sizeof types);
    if (counts[0] == want.param_count && counts[1] == want.result_count &&
        memcmp(types, want.params, counts[0]) == 0 &&
        memcmp(types + counts[0], want.results, counts[1]) == 0)
        return NX_OK;
    nx__wasm_type_print(types, counts[0], types + counts[0], counts[1], real);
    return nx__error_set(NX_ETYPE, "the type of \"%.60s\" is \"%.100s\", not \"%.40s\"", name, real,
                         type);
}

nx_err nx_wasm_find(nx_wasm_func *out, nx_wasm *w, const char *name, const char *type)
{
    nx_wasm_func f = {.wasm = w};
    *out = (nx_wasm_func){0};
    if (!w->guest || nx__engine->func_find(w->guest, name, strlen(name), f.handle))
        return no_function(w, name);
    NX_TRY(check(&f, name, type));
    f.many = !nx__engine->batch_find(w->guest, name, strlen(name), f.handle, f.batch);
    *out = f;
    return NX_OK;
}

nx_err nx_wasm_find_element(nx_wasm_func *out, nx_wasm *w, const char *table, uint64_t index,
                            const char *type)
{
    nx_wasm_func f = {.wasm = w};
    char name[80];
    *out = (nx_wasm_func){0};
    (void)snprintf(name, sizeof name, "%.50s[%llu]", table, (unsigned long long)index);
    if (!w->guest || nx__engine->table_func(w->guest, table, strlen(table), index, f.handle))
        return nx__error_set(NX_ENOENT, "\"%.80s\" has no function at %s", w->module->name, name);
    NX_TRY(check(&f, name, type));
    *out = f;
    return NX_OK;
}

bool nx__wasm_find_quietly(nx_wasm_func *out, nx_wasm *w, const char *name, const char *type)
{
    struct nx__wasm_signature want;
    uint8_t types[8];
    size_t counts[2];
    *out = (nx_wasm_func){.wasm = w};
    if (!w->guest || nx__engine->func_find(w->guest, name, strlen(name), out->handle) ||
        nx__wasm_type_parse(type, false, &want))
        return false;
    types_of(out, counts, types, sizeof types);
    return counts[0] == want.param_count && counts[1] == want.result_count &&
           counts[0] + counts[1] <= sizeof types && memcmp(types, want.params, counts[0]) == 0 &&
           memcmp(types + counts[0], want.results, counts[1]) == 0;
}

struct call {
    const nx_wasm_func *func;
    nx_wasm_value *values;
    size_t count; /* of values, or of calls */
    size_t *done; /* NULL: it is one call */
    uint32_t kind;
};

static void call(void *arg)
{
    struct call *c = arg;
    const nx_wasm_func *f = c->func;
    nx_wasm *w = f->wasm;
    if (!c->done) {
        c->kind = nx__engine->call(w->guest, f->handle, c->values, c->count, &w->failure);
        return;
    }
    const struct nx__engine_batch batch = {.one = f->handle,
                                           .many = f->many ? f->batch : NULL,
                                           .params = f->params,
                                           .results = f->results,
                                           .values = c->values,
                                           .count = c->count};
    c->kind = nx__engine->call_batch(w->guest, &batch, c->done, &w->failure);
}

/* What waits is cancelled at the deadline, and what is left open at the end is closed. */
static nx_err run_waiting(nx_wasm *w, void (*fn)(void *arg), void *arg)
{
    nx_scope *scope;
    NX_TRY(nx_scope_open(&scope, .deadline = w->policy.deadline ? w->policy.deadline : NX_FOREVER));
    fn(arg);
    if (w->host) nx__host_close(w->host);
    if (scope->alive) nx_scope_cancel(scope);
    NX_IGNORE(nx_scope_close(&scope)); /* what has ended the guest says why */
    return NX_OK;
}

nx_err nx__wasm_run(nx_wasm *w, void (*fn)(void *arg), void *arg)
{
    nx_err err = NX_OK;
    NX_TRY(nx__wasm_time_begin(w));
    if (w->inside)
        fn(arg);
    else if (w->waits)
        err = run_waiting(w, fn, arg);
    else
        err = nx__wasm_enter(fn, arg);
    nx__wasm_time_end(w);
    return err;
}

static NX__NOINLINE nx_err invoke_slowly(struct call c)
{
    nx_wasm *w = c.func->wasm;
    if (w->inside && !nx__wasm_stack_has(w->frame))
        return nx__error_set(
            NX_ESTATE,
            "cannot call \"%.100s\": it is in the middle of a call, and may be called again by the function that it has called alone",
            w->module->name);
    if (!w->inside) {
        w->calls++;
        if (w->module->metered) nx__engine->fuel_set(w->guest, w->policy.fuel);
    }
    nx_err err = nx__wasm_run(w, call, &c);
    if (err || !c.kind) return err;
    return nx__wasm_failed(w, "calling");
}

/* A call may be made right away. */
static inline bool is_plain(const nx_wasm *w)
{
    return !(w->limited || w->inside) && nx__wasm_stack_suffices();
}

NX__HOT nx_err nx_wasm_invoke(const nx_wasm_func *f, nx_wasm_value *values)
{
    nx_wasm *w = f->wasm;
    size_t count = f->params > f->results ? f->params : f->results;
    if (nx__unlikely(!is_plain(w)))
        return invoke_slowly((struct call){.func = f, .values = values, .count = count});
    w->calls++;
    if (nx__likely(!nx__engine->call(w->guest, f->handle, values, count, &w->failure)))
        return NX_OK;
    return nx__wasm_failed(w, "calling");
}

nx_err nx_wasm_invoke_many(const nx_wasm_func *f, nx_wasm_value *values, size_t count, size_t *done)
{
    size_t some;
    struct call c = {.func = f, .values = values, .count = count, .done = done ? done : &some};
    nx_wasm *w = f->wasm;
    *c.done = 0;
    if (nx__unlikely(!is_plain(w))) return invoke_slowly(c);
    w->calls++;
    call(&c);
    return c.kind ? nx__wasm_failed(w, "calling") : NX_OK;
}

uint64_t nx_wasm_fuel_left(nx_wasm *w)
{
    bool some = w->guest && w->module->metered && w->policy.fuel != UINT64_MAX;
    return some ? nx__engine->fuel_get(w->guest) : 0;
}

/* ---- By name, with C values */

static bool to_integer(const nx_value *v, bool wide, nx_wasm_value *out)
{
    int64_t low = wide ? INT64_MIN : INT32_MIN;
    uint64_t high = wide ? UINT64_MAX : UINT32_MAX;
    switch (v->kind) {
    case NX_VALUE_BOOL: out->i64 = v->as.boolean; return true;
    case NX_VALUE_INT: out->i64 = v->as.integer; break;
    case NX_VALUE_UINT: out->u64 = v->as.uinteger; return out->u64 <= high;
    default: return false;
    }
    return out->i64 < 0 ? out->i64 >= low : out->u64 <= high;
}

static bool to_real(const nx_value *v, double *out)
{
    switch (v->kind) {
    case NX_VALUE_INT: *out = (double)v->as.integer; return true;
    case NX_VALUE_UINT: *out = (double)v->as.uinteger; return true;
    case NX_VALUE_DOUBLE: *out = v->as.real; return true;
    default: return false;
    }
}

static bool convert(const nx_value *v, uint8_t type, nx_wasm_value *out)
{
    double real;
    *out = (nx_wasm_value){.i64 = 0};
    switch (type) {
    case NX_WASM_I32: return to_integer(v, false, out);
    case NX_WASM_I64: return to_integer(v, true, out);
    case NX_WASM_F32:
        if (!to_real(v, &real)) return false;
        out->f32 = (float)real;
        return true;
    case NX_WASM_F64: return to_real(v, &out->f64);
    default: return false;
    }
}

static void result_store(void *out, int type, nx_wasm_value value)
{
    switch (type) {
    case NX_WASM_I32: memcpy(out, &value.i32, sizeof value.i32); break;
    case NX_WASM_I64: memcpy(out, &value.i64, sizeof value.i64); break;
    case NX_WASM_F32: memcpy(out, &value.f32, sizeof value.f32); break;
    case NX_WASM_F64: memcpy(out, &value.f64, sizeof value.f64); break;
    default: break;
    }
}

enum { ARGS_MOST = 32 };

/* A call by name on its way. */
struct named {
    nx_wasm *wasm;
    const char *name;
    nx_wasm_func func;
    uint8_t types[ARGS_MOST + 8];
    size_t counts[2];
    nx_wasm_value values[ARGS_MOST];
    uint32_t given[ARGS_MOST]; /* pointers into the guest, to take back */
    size_t given_count;
};

static nx_err mismatch(const struct named *n, const char *why)
{
    char real[NX__WASM_TYPE_TEXT];
    nx__wasm_type_print(n->types, n->counts[0], n->types + n->counts[0], n->counts[1], real);
    return nx__error_set(NX_ETYPE, "cannot call \"%.50s\", whose type is \"%.90s\": %.60s", n->name,
                         real, why);
}

/* How many parameters an argument stands for: text and bytes are a pointer and a length. */
static size_t width(const nx_value *arg)
{
    return arg->kind == NX_VALUE_STRING ? 2 : 1;
}

static nx_err arguments_check(struct named *n, const nx_value *args, size_t count)
{
    size_t params = 0;
    char why[60];
    for (size_t i = 0; i < count; i++) params += width(&args[i]);
    if (n->counts[0] != params) {
        (void)snprintf(why, sizeof why, "there are %zu arguments", count);
        return mismatch(n, why);
    }
    for (size_t i = 0, at = 0; i < count; at += width(&args[i]), i++) {
        bool good = args[i].kind == NX_VALUE_STRING
                        ? n->types[at] == NX_WASM_I32 && n->types[at + 1] == NX_WASM_I32
                        : convert(&args[i], n->types[at], &n->values[at]);
        if (good) continue;
        (void)snprintf(why, sizeof why, "argument %zu does not fit", i + 1);
        return mismatch(n, why);
    }
    return NX_OK;
}

/* Copies texts into the guest, once all of them are known to fit. */
static nx_err texts_give(struct named *n, const nx_value *args, size_t count)
{
    for (size_t i = 0, at = 0; i < count; at += width(&args[i]), i++) {
        if (args[i].kind != NX_VALUE_STRING) continue;
        nx_bytes text = nx_slice(args[i].as.string.data, args[i].as.string.len);
        uint32_t *place = &n->given[n->given_count];
        NX_TRY(nx__wasm_give(n->wasm, text, 1, place));
        n->values[at] = (nx_wasm_value){.u32 = *place};
        n->values[at + 1] = (nx_wasm_value){.u32 = (uint32_t)text.len};
        n->given_count += text.len != 0;
    }
    return NX_OK;
}

/* A copy of what the guest has returned, after which it may free it. */
static nx_err bytes_take(struct named *n, nx_bytes *out)
{
    char post[100];
    nx_wasm_func func;
    nx_bytes view;
    uint32_t at = n->values[0].u32;
    if (n->counts[1] == 1) {
        NX_TRY(nx__wasm_pair_read(n->wasm, at, &view));
    } else {
        nx_wasm_memory memory;
        NX_TRY(nx_wasm_memory_find(&memory, n->wasm, NULL));
        NX_TRY(nx_wasm_memory_slice(&memory, at, n->values[1].u32, &view));
    }
    const char *copy = nx_copy(view);
    if (!copy) return NX_ENOMEM;
    *out = nx_slice(copy, view.len);
    (void)snprintf(post, sizeof post, "cabi_post_%.80s", n->name);
    if (nx__wasm_find_quietly(&func, n->wasm, post, "i32 ->"))
        return nx_wasm_invoke(&func, &(nx_wasm_value){.u32 = at});
    return NX_OK;
}

/* Does the function return what `out` is of? */
static bool returns(const struct named *n, int out_type)
{
    const uint8_t *results = n->types + n->counts[0];
    if (out_type == NX__WASM_OUT_BYTES)
        return n->counts[1] && results[0] == NX_WASM_I32 &&
               (n->counts[1] == 1 || results[1] == NX_WASM_I32);
    return n->counts[1] < 2 && out_type == (n->counts[1] ? results[0] : NX_WASM_NONE);
}

nx_err nx_wasm_call_with(nx_wasm *w, const char *name, void *out, int out_type,
                         const nx_value *args, size_t count)
{
    struct named n = {.wasm = w, .name = name, .func = {.wasm = w}};
    if (!w->guest || nx__engine->func_find(w->guest, name, strlen(name), n.func.handle))
        return no_function(w, name);
    types_of(&n.func, n.counts, n.types, sizeof n.types);
    if (n.counts[0] > ARGS_MOST || n.counts[1] > 2 ||
        (n.counts[1] == 2 && out_type != NX__WASM_OUT_BYTES))
        return nx__error_set(
            NX_ETYPE, "\"%.80s\" has %zu parameters and %zu results: call it by nx_wasm_find", name,
            n.counts[0], n.counts[1]);
    NX_TRY(arguments_check(&n, args, count));
    if (!out) out_type = NX_WASM_NONE;
    if (!returns(&n, out_type))
        return mismatch(&n, "the result is not of the type of its variable");
    nx_err err = texts_give(&n, args, count);
    if (!err) err = nx_wasm_invoke(&n.func, n.values);
    nx_wasm_value value = n.values[0];
    if (!err && out_type == NX__WASM_OUT_BYTES) err = bytes_take(&n, out);
    if (!err || n.given_count) {
        nx_error kept = *nx_error_last();
        while (n.given_count) nx__wasm_take_back(w, n.given[--n.given_count]);
        if (err) NX_IGNORE(nx__error_set(err, "%s", kept.message));
    }
    if (!err && out_type != NX__WASM_OUT_BYTES) result_store(out, out_type, value);
    return err;
}

/* Calls into a guest. */
#include "wasm/internal.h"

#include "base/suggest.h"
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

NX__COLD nx_err nx__wasm_failed(nx_wasm *w, const char *doing)
{
    const struct nx__failure *f = &w->failure;
    const char *name = w->module->name;
    char in[100];
    where(f->trace, in);
    switch (f->kind) {
    case NX__FAILURE_TRAP:
        return nx__error_set(NX_ECRASHED, "%.50s \"%.60s\": %.60s%s", doing, name, f->message, in);
    case NX__FAILURE_STACK:
        return nx__error_set(NX_ECRASHED,
                             "%.50s \"%.60s\": it used more than its %d KiB of stack%s", doing,
                             name, NX__ENGINE_STACK >> 10, in);
    case NX__FAILURE_HOST: return nx__error_set(w->host_error, "%s", w->host_message);
    case NX__FAILURE_MEMORY:
        return nx__error_set(NX_ELIMIT,
                             "%.50s \"%.60s\": it wanted more than max_memory, %llu bytes%s", doing,
                             name, (unsigned long long)w->max_memory, in);
    case NX__FAILURE_TABLE:
        return nx__error_set(NX_ELIMIT,
                             "%.50s \"%.60s\": it wanted more than max_table_elements, %llu%s",
                             doing, name, (unsigned long long)w->max_table_elements, in);
    case NX__FAILURE_CPU_TIME:
        return nx__error_set(NX_ETIMEDOUT,
                             "%.50s \"%.60s\": it took more than max_cpu_time, %lld ms%s", doing,
                             name, (long long)(w->max_cpu_time / NX_MS(1)), in);
    case NX__FAILURE_DEADLINE:
        return nx__error_set(NX_ETIMEDOUT,
                             "%.50s \"%.60s\": it was not done by its deadline of %lld ms%s", doing,
                             name, (long long)(w->deadline / NX_MS(1)), in);
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

struct call {
    const nx_wasm_func *func;
    nx_wasm_value *values;
    size_t count;
    uint32_t kind;
};

static void call(void *arg)
{
    struct call *c = arg;
    nx_wasm *w = c->func->wasm;
    c->kind = nx__engine->call(w->guest, c->func->handle, c->values, c->count, &w->failure);
}

static NX__NOINLINE nx_err invoke_slowly(const nx_wasm_func *f, nx_wasm_value *values, size_t count)
{
    nx_wasm *w = f->wasm;
    struct call c = {.func = f, .values = values, .count = count};
    if (w->inside && !nx__wasm_stack_has(w->frame))
        return nx__error_set(
            NX_ESTATE,
            "cannot call \"%.100s\": it is in the middle of a call, and may be called again by the function that it has called alone",
            w->module->name);
    NX_TRY(nx__wasm_time_begin(w));
    nx_err err = NX_OK;
    if (w->inside)
        call(&c);
    else
        err = nx__wasm_enter(call, &c);
    nx__wasm_time_end(w);
    if (err || !c.kind) return err;
    return nx__wasm_failed(f->wasm, "calling");
}

NX__HOT nx_err nx_wasm_invoke(const nx_wasm_func *f, nx_wasm_value *values)
{
    nx_wasm *w = f->wasm;
    size_t count = f->params > f->results ? f->params : f->results;
    if (nx__unlikely(w->timed || w->inside || !nx__wasm_stack_suffices()))
        return invoke_slowly(f, values, count);
    if (nx__likely(!nx__engine->call(w->guest, f->handle, values, count, &w->failure)))
        return NX_OK;
    return nx__wasm_failed(w, "calling");
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

static nx_err mismatch(const char *name, const uint8_t *types, const size_t counts[2],
                       const char *why)
{
    char real[NX__WASM_TYPE_TEXT];
    nx__wasm_type_print(types, counts[0], types + counts[0], counts[1], real);
    return nx__error_set(NX_ETYPE, "cannot call \"%.50s\", whose type is \"%.90s\": %.60s", name,
                         real, why);
}

nx_err nx_wasm_call_with(nx_wasm *w, const char *name, void *out, int out_type,
                         const nx_value *args, size_t count)
{
    enum { ARGS_MOST = 32, TYPES = ARGS_MOST + 8 };
    nx_wasm_func f = {.wasm = w};
    uint8_t types[TYPES] = {0};
    size_t counts[2];
    nx_wasm_value values[ARGS_MOST];
    if (!w->guest || nx__engine->func_find(w->guest, name, strlen(name), f.handle))
        return no_function(w, name);
    types_of(&f, counts, types, sizeof types);
    if (counts[0] > ARGS_MOST || counts[1] > 1)
        return nx__error_set(
            NX_ETYPE, "\"%.80s\" has %zu parameters and %zu results: call it by nx_wasm_find", name,
            counts[0], counts[1]);
    char why[60];
    if (counts[0] != count) {
        (void)snprintf(why, sizeof why, "there are %zu arguments", count);
        return mismatch(name, types, counts, why);
    }
    if (!out) out_type = NX_WASM_NONE;
    if (out_type != (counts[1] ? types[count] : NX_WASM_NONE))
        return mismatch(name, types, counts, "the result is not of the type of its variable");
    for (size_t i = 0; i < count; i++) {
        if (convert(&args[i], types[i], &values[i])) continue;
        (void)snprintf(why, sizeof why, "argument %zu does not fit", i + 1);
        return mismatch(name, types, counts, why);
    }
    NX_TRY(nx_wasm_invoke(&f, values));
    result_store(out, out_type, values[0]);
    return NX_OK;
}

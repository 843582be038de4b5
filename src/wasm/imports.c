/* Functions of the program's that guests call. */
#include "wasm/internal.h"

#include "loop/pin.h"
#include "wasm/host/host.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    IMPORTS_MOST = 10000,
    LINKS_MOST = 8, /* that a module keeps; those with yet other imports belong to their guests */
};

struct import {
    struct import *next;
    nx_wasm_fn fn;
    void *arg;
    struct nx__wasm_signature *signature; /* NULL: nothing to be turned into views */
    struct nx__engine_type type;          /* as the engine has it */
    const char *module, *name;
    uint8_t types[]; /* what `type` points into */
};

struct nx_wasm_imports {
    uint64_t id; /* from 1: no other has or had it */
    struct import *first, **end;
    size_t count;
    nx_err error; /* the first that was made */
    char message[NX__ERROR_MESSAGE_MAX];
};

nx_wasm_imports *nx_wasm_imports_new(void)
{
    static _Atomic uint64_t last;
    nx_wasm_imports *imports = calloc(1, sizeof *imports);
    if (!imports) {
        NX_IGNORE(nx__error_set(NX_ENOMEM, "cannot make imports for WebAssembly: out of memory"));
        return NULL;
    }
    imports->id = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    imports->end = &imports->first;
    return imports;
}

void nx_wasm_imports_free(nx_wasm_imports *imports)
{
    if (!imports) return;
    for (struct import *i; (i = imports->first);) {
        imports->first = i->next;
        free(i->signature);
        free(i);
    }
    free(imports);
}

/* ---- A call from a guest */

static nx_err view(nx_wasm *w, const struct import *i, size_t param, uint32_t at, uint32_t count,
                   nx_bytes *out)
{
    nx_wasm_memory memory;
    uint8_t type = i->signature->params[param];
    NX_TRY(nx_wasm_memory_find(&memory, w, NULL));
    if (nx_wasm_memory_slice(&memory, at, (uint64_t)count * nx__wasm_item(i->signature, type).size,
                             out))
        return nx__error_set(
            NX_EINVAL,
            "%.60s.%.60s was called with a pointer out of memory: parameter %zu is %u items at 0x%x",
            i->module, i->name, param + 1, count, at);
    const char *wrong = nx__wasm_view_wrong(i->signature, type, *out);
    if (!wrong) return NX_OK;
    return nx__error_set(NX_EINVAL, "%.60s.%.60s was called with %s: parameter %zu", i->module,
                         i->name, wrong, param + 1);
}

/* The result lies where the guest's last parameter points. */
static nx_err result_give(nx_wasm *w, const struct import *i, nx_bytes bytes, uint32_t pair)
{
    uint8_t type = i->signature->results[0];
    struct nx__wasm_record item = nx__wasm_item(i->signature, type);
    nx_wasm_memory memory;
    uint32_t at;
    bool is_record = nx__wasm_is_record(type);
    if (is_record ? bytes.len != item.size : bytes.len % item.size != 0)
        return nx__error_set(NX_EINVAL, "%.60s.%.60s has returned %zu bytes, which are no %s",
                             i->module, i->name, bytes.len, is_record ? "such structure" : "list");
    if (is_record) {
        NX_TRY(nx_wasm_memory_find(&memory, w, NULL));
        return nx_wasm_memory_write(&memory, pair, bytes);
    }
    NX_TRY(nx__wasm_give(w, bytes, item.align, &at));
    return nx__wasm_pair_write(w, pair, at, (uint32_t)(bytes.len / item.size));
}

/* Views instead of pointers and lengths. */
static nx_err call_with_views(nx_wasm *w, const struct import *i, nx_wasm_value *values)
{
    enum { SOME = 16 };
    const struct nx__wasm_signature *s = i->signature;
    size_t room = s->param_count > s->result_count ? s->param_count : s->result_count, from = 0;
    nx_wasm_value some[SOME], *given = room > SOME ? malloc(room * sizeof *given) : some;
    if (!given) return nx__error_set(NX_ENOMEM, "cannot call %.60s: out of memory", i->name);
    nx_err err = NX_OK;
    for (size_t p = 0; p < s->param_count && !err; p++) {
        if (s->params[p] < NX__WASM_STR) {
            given[p] = values[from++];
            continue;
        }
        bool counted = !nx__wasm_is_record(s->params[p]);
        uint32_t at = values[from++].u32, items = counted ? values[from++].u32 : 1;
        err = view(w, i, p, at, items, &given[p].bytes);
    }
    if (!err) err = i->fn(w, i->arg, given);
    if (!err && s->result_count && s->results[0] >= NX__WASM_STR)
        err = result_give(w, i, given[0].bytes, values[from].u32);
    else if (!err)
        memcpy(values, given, s->result_count * sizeof *given);
    if (given != some) free(given);
    return err;
}

static NX__COLD uint32_t failed(nx_wasm *w, nx_err err)
{
    const nx_error *last = nx__error_last();
    w->host_error = err;
    (void)snprintf(w->host_message, sizeof w->host_message, "%s",
                   last->code == err ? last->message : nx_err_text(err));
    return (uint32_t)err;
}

static NX__HOT uint32_t called(void *arg, void *host, nx_wasm_value *values)
{
    const struct import *i = arg;
    nx_wasm *w = host;
    /* The engine keeps count of calls by the thread: no other fiber may run until this one is
     * over. What was there is put back rather than counted down: the next call need not wait for
     * this one's sum. */
    uint32_t pins = nx__pins;
    unsigned inside = w->inside;
    nx__pins = pins + 1;
    w->inside = inside + 1;
    if (!inside) w->frame = __builtin_frame_address(0);
    nx_err err = i->signature ? call_with_views(w, i, values) : i->fn(w, i->arg, values);
    w->inside = inside;
    nx__pins = pins;
    return nx__likely(!err) ? 0 : failed(w, err);
}

/* The same of a guest that waits, on the stack that has called it. That is a fiber's, and small,
 * and each call inside another takes some of it. */
static uint32_t called_waiting(void *arg, void *host, nx_wasm_value *values)
{
    const struct import *i = arg;
    nx_wasm *w = host;
    unsigned inside = w->inside;
    if (inside == NX_WASM_MAX_NESTED)
        return failed(w, nx__error_set(NX_ELIMIT,
                                       "\"%.80s\" and functions that it calls are inside one "
                                       "another more than %d times",
                                       w->module->name, NX_WASM_MAX_NESTED));
    w->inside = inside + 1;
    if (!inside) w->frame = __builtin_frame_address(0);
    nx__wasm_time_leave(w);
    nx_err err = i->signature ? call_with_views(w, i, values) : i->fn(w, i->arg, values);
    nx__wasm_time_return(w);
    w->inside = inside;
    return err ? failed(w, err) : 0;
}

/* ---- Adding one */

/* Pointers and lengths instead of views; `*results` is how many are left. */
static size_t lower(const struct nx__wasm_signature *s, uint8_t *types, size_t *results)
{
    size_t count = 0;
    for (size_t i = 0; i < s->param_count; i++) {
        bool is_view = s->params[i] >= NX__WASM_STR;
        types[count++] = is_view ? NX_WASM_I32 : s->params[i];
        if (is_view && !nx__wasm_is_record(s->params[i])) types[count++] = NX_WASM_I32;
    }
    *results = s->result_count;
    if (*results && s->results[0] >= NX__WASM_STR) {
        types[count++] = NX_WASM_I32;
        *results = 0;
    }
    memcpy(types + count, s->results, *results);
    return count;
}

static nx_err add(const nx_wasm_imports *imports, struct import *i, const char *type)
{
    NX_TRY(nx__wasm_type_parse(type, true, i->signature));
    if (imports->count == IMPORTS_MOST)
        return nx__error_set(NX_ELIMIT, "a guest may import %d functions at most", IMPORTS_MOST);
    size_t results, params = lower(i->signature, i->types, &results);
    i->type = (struct nx__engine_type){i->types, params, i->types + params, results};
    bool plain = params == i->signature->param_count && !i->signature->record_count;
    if (plain) {
        free(i->signature);
        i->signature = NULL;
    }
    return NX_OK;
}

void nx_wasm_import(nx_wasm_imports *imports, const char *module, const char *name,
                    const char *type, nx_wasm_fn fn, void *arg)
{
    if (!imports || imports->error) return;
    struct import *i = calloc(1, sizeof *i + 3 * NX__WASM_VALUES_MOST + 1);
    nx_err err = NX_ENOMEM;
    if (i) {
        i->fn = fn;
        i->arg = arg;
        i->module = module;
        i->name = name;
        i->signature = malloc(sizeof *i->signature);
    }
    if (i && i->signature)
        err = add(imports, i, type);
    else
        NX_IGNORE(nx__error_set(NX_ENOMEM, "out of memory"));
    if (!err) {
        *imports->end = i;
        imports->end = &i->next;
        imports->count++;
        return;
    }
    imports->error = err;
    (void)snprintf(imports->message, sizeof imports->message,
                   "cannot let a guest call %.40s.%.40s: %.110s", module, name,
                   nx__error_last()->message);
    if (i) free(i->signature);
    free(i);
}

/* ---- Linking */

static uint32_t functions_link(struct nx__linker *linker, const nx_wasm_imports *imports,
                               bool waits, struct nx__failure *failure)
{
    uint32_t kind = 0;
    for (struct import *i = imports ? imports->first : NULL; i && !kind; i = i->next)
        kind = nx__engine->linker_func(linker, i->module, i->name, &i->type,
                                       waits ? called_waiting : called, i, waits, failure);
    return kind;
}

static nx_err link_new(const nx_wasm_module *m, const nx_wasm_imports *imports, unsigned with,
                       struct nx__linked **out)
{
    struct nx__failure failure;
    const nx_wasm_imports *own = NULL;
    bool waits = with & NX__WITH_WAITING;
    if (with & NX__WITH_NEXUS) NX_TRY(nx__host_imports(&own));
    struct nx__linker *linker = nx__engine->linker_new(m->engine);
    uint32_t kind = with & NX__WITH_WASI ? nx__engine->linker_wasi(linker, &failure) : 0;
    /* Of those with the same name the last one counts. */
    if (!kind) kind = functions_link(linker, own, waits, &failure);
    if (!kind) kind = functions_link(linker, imports, waits, &failure);
    if (!kind) kind = nx__engine->linked_new(linker, m->code, out, &failure);
    nx__engine->linker_free(linker);
    if (!kind) return NX_OK;
    bool type = strstr(failure.message, "incompatible import type") != NULL;
    return nx__error_set(type ? NX_ETYPE : NX_ENOENT, "cannot use \"%.60s\": %.160s", m->name,
                         failure.message);
}

void nx__wasm_link_free(struct nx__link *link)
{
    nx__engine->linked_free(link->linked);
    free(link);
}

static nx_err link_make(nx_wasm_module *m, const nx_wasm_imports *imports, unsigned with,
                        size_t known, struct nx__link **out)
{
    struct nx__link *link = calloc(1, sizeof *link);
    if (!link) return nx__error_set(NX_ENOMEM, "cannot use \"%.150s\": out of memory", m->name);
    nx_err err = link_new(m, imports, with, &link->linked);
    if (err) {
        free(link);
        return err;
    }
    link->imports = imports ? imports->id : 0;
    link->imports_count = imports ? imports->count : 0;
    link->with = with;
    link->kept = known < LINKS_MOST;
    if (link->kept) {
        link->next = m->links;
        m->links = link;
    }
    *out = link;
    return NX_OK;
}

nx_err nx__wasm_link(nx_wasm_module *m, const nx_wasm_imports *imports, unsigned with,
                     struct nx__link **out)
{
    uint64_t id = imports ? imports->id : 0;
    size_t count = imports ? imports->count : 0, known = 0;
    if (imports && imports->error) return nx__error_set(imports->error, "%s", imports->message);
    (void)pthread_mutex_lock(&m->lock);
    struct nx__link *link = m->links;
    for (; link && (link->imports != id || link->imports_count != count || link->with != with);
         link = link->next)
        known++;
    nx_err err = link ? NX_OK : link_make(m, imports, with, known, &link);
    (void)pthread_mutex_unlock(&m->lock);
    *out = link;
    return err;
}

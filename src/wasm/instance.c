/* Instances: made of a module, with their limits, and closed. */
#include "wasm/internal.h"

#include <stdlib.h>

struct making {
    nx_wasm *wasm;
    uint32_t kind;
};

static void make(void *arg)
{
    struct making *m = arg;
    nx_wasm *w = m->wasm;
    const struct nx__engine_limits limits = {.max_memory = w->max_memory,
                                             .max_table_elements = w->max_table_elements,
                                             .tick = w->timed ? nx__wasm_tick : NULL};
    m->kind = nx__engine->guest_new(w->link->linked, &limits, NULL, w, &w->guest, &w->failure);
}

static nx_err instantiate(nx_wasm *w)
{
    struct making m = {.wasm = w};
    NX_TRY(nx__wasm_time_begin(w));
    nx_err err = nx__wasm_enter(make, &m);
    nx__wasm_time_end(w);
    if (err || !m.kind) return err;
    return nx__wasm_failed(w, "starting");
}

nx_err nx_wasm_new_with(nx_wasm **out, nx_wasm_module *module, const nx_wasm_options *options)
{
    NX__OPTIONS(nx_wasm_options, o, options);
    *out = NULL;
    if (o.max_cpu_time < 0 || o.deadline < 0)
        return nx__error_set(NX_EINVAL, "cannot use \"%.150s\": a limit on its time is negative",
                             module->name);
    nx_wasm *w = calloc(1, sizeof *w);
    if (!w) return nx__error_set(NX_ENOMEM, "cannot use \"%.150s\": out of memory", module->name);
    w->module = module;
    w->max_memory = o.max_memory ? o.max_memory : NX_WASM_MAX_MEMORY;
    w->max_table_elements =
        o.max_table_elements ? o.max_table_elements : NX_WASM_MAX_TABLE_ELEMENTS;
    w->max_cpu_time = o.max_cpu_time == NX_FOREVER ? 0 : o.max_cpu_time;
    w->deadline = o.deadline == NX_FOREVER ? 0 : o.deadline;
    w->timed = w->max_cpu_time || w->deadline;
    (void)atomic_fetch_add_explicit(&module->users, 1, memory_order_relaxed);
    nx_err err = nx__wasm_link(module, o.imports, &w->link);
    if (!err) err = instantiate(w);
    if (err) {
        nx_wasm_close(w);
        return err;
    }
    *out = w;
    return NX_OK;
}

nx_err nx_wasm_open_with(nx_wasm **out, const char *path, const nx_wasm_options *options)
{
    nx_wasm_module *module;
    *out = NULL;
    NX_TRY(nx_wasm_load(&module, path));
    nx_err err = nx_wasm_new_with(out, module, options);
    nx_wasm_module_free(module); /* the guest keeps it */
    return err;
}

void nx_wasm_close(nx_wasm *w)
{
    if (!w) return;
    if (w->guest) nx__engine->guest_free(w->guest);
    if (w->link && !w->link->kept) nx__wasm_link_free(w->link);
    nx_wasm_module_free(w->module);
    free(w);
}

/* Instances: made of a module, with their limits, and closed. */
#include "wasm/internal.h"

#include "permission/package.h"
#include "permission/permission.h"
#include "wasm/host/host.h"
#include <stdlib.h>

struct making {
    nx_wasm *wasm;
    const struct nx__wasi_options *wasi; /* NULL: without */
    uint32_t kind;
};

struct nx__engine_limits nx__wasm_engine_limits(const nx_wasm *w)
{
    return (struct nx__engine_limits){.max_memory = w->policy.max_memory,
                                      .max_table_elements = w->policy.max_table_elements,
                                      .fuel = w->policy.fuel,
                                      .metered = w->module->metered,
                                      .waits = w->waits,
                                      .tick = nx__wasm_tick};
}

static void make(void *arg)
{
    struct making *m = arg;
    nx_wasm *w = m->wasm;
    const struct nx__engine_limits limits = nx__wasm_engine_limits(w);
    m->kind = nx__engine->guest_new(w->link->linked, &limits, m->wasi, w, &w->guest, &w->failure);
}

static nx_err instantiate(nx_wasm *w, const struct nx__wasi_options *wasi)
{
    struct making m = {.wasm = w, .wasi = wasi};
    w->calls++;
    nx_err err = nx__wasm_run(w, make, &m);
    if (err || !m.kind) return err;
    return nx__wasm_failed(w, "starting");
}

nx_err nx__wasm_limit(nx_wasm *w, const nx_wasm_policy *policy)
{
    const char *name = w->module->name;
    nx_wasm_policy *p = &w->policy;
    *p = *policy;
    p->args = p->env = p->allow_net = NULL;
    p->allow_fs = NULL;
    p->kv = NULL;
    if (p->max_cpu_time < 0 || p->deadline < 0)
        return nx__error_set(NX_EINVAL, "cannot use \"%.150s\": a limit on its time is negative",
                             name);
    size_t stack = p->max_stack;
    struct nx__engine *engine;
    if (stack) NX_TRY(nx__engine_get(w->module->metered, &stack, &engine));
    if (stack && (stack != w->module->stack || p->max_stack > NX_WASM_MAX_STACK))
        return nx__error_set(
            NX_EINVAL,
            "cannot use \"%.80s\" with a max_stack of %zu bytes: it was loaded for %zu (nx_wasm_load has .max_stack)",
            name, p->max_stack, w->module->stack);
    if (p->fuel && !w->module->metered)
        return nx__error_set(
            NX_EINVAL,
            "cannot use \"%.80s\" with a limit on fuel: it was not loaded for it (nx_wasm_load has .metered)",
            name);
    if (!p->max_memory) p->max_memory = NX_WASM_MAX_MEMORY;
    if (!p->max_table_elements) p->max_table_elements = NX_WASM_MAX_TABLE_ELEMENTS;
    if (!p->max_open_files) p->max_open_files = NX_WASM_MAX_OPEN_FILES;
    if (!p->fuel) p->fuel = UINT64_MAX;
    if (p->deadline == NX_FOREVER) p->deadline = 0;
    w->timed = (p->max_cpu_time && p->max_cpu_time != NX_FOREVER) || p->deadline;
    w->limited = w->timed || w->module->metered || w->waits;
    w->cpu_until = w->wall_until = NX_FOREVER;
    return NX_OK;
}

/* One of a package has no more than that. */
static nx_err permit_variable(const char *module, const char *variable)
{
    char name[256];
    size_t len = strcspn(variable, "=");
    if (len >= sizeof name) len = sizeof name - 1;
    memcpy(name, variable, len);
    name[len] = '\0';
    return nx__permit_package(module, NX__PERMIT_ENV, name);
}

nx_err nx__wasm_permit(const char *module, const nx_wasm_policy *policy)
{
    for (const nx_wasm_dir *dir = policy->allow_fs; dir && dir->path; dir++) {
        NX_TRY(nx__permit(NX__PERMIT_READ, dir->path));
        NX_TRY(nx__permit_package(module, NX__PERMIT_READ, dir->path));
        if (!dir->write) continue;
        NX_TRY(nx__permit(NX__PERMIT_WRITE, dir->path));
        NX_TRY(nx__permit_package(module, NX__PERMIT_WRITE, dir->path));
    }
    for (const char *const *variable = policy->env; variable && *variable; variable++)
        NX_TRY(permit_variable(module, *variable));
    return NX_OK;
}

/* Counts it among those of its module. */
static nx_err count(nx_wasm *w)
{
    uint64_t before = atomic_fetch_add_explicit(&w->module->instances, 1, memory_order_relaxed);
    w->counted = true;
    if (!w->policy.max_instances || before < w->policy.max_instances) return NX_OK;
    return nx__error_set(NX_ELIMIT,
                         "cannot use \"%.100s\": there are more than max_instances of it, %llu",
                         w->module->name, (unsigned long long)w->policy.max_instances);
}

nx_err nx_wasm_new_with(nx_wasm **out, nx_wasm_module *module, const nx_wasm_options *options)
{
    NX__OPTIONS(nx_wasm_options, o, options);
    *out = NULL;
    nx_wasm *w = calloc(1, sizeof *w);
    if (!w) return nx__error_set(NX_ENOMEM, "cannot use \"%.150s\": out of memory", module->name);
    w->module = module;
    (void)atomic_fetch_add_explicit(&module->users, 1, memory_order_relaxed);
    struct nx__wasi_options wasi;
    bool nexus = o.nexus && nx__host_is_wanted(module);
    unsigned with = o.wasi ? NX__WITH_WASI : 0;
    w->waits = o.may_wait || nexus;
    if (nexus) with |= NX__WITH_NEXUS;
    if (w->waits) with |= NX__WITH_WAITING;
    nx_err err = nx__wasm_limit(w, &o.policy);
    if (!err) err = count(w);
    if (!err && (o.wasi || nexus)) err = nx__wasm_permit(module->name, &o.policy);
    if (!err && o.wasi) err = nx__wasi_options(&o.policy, &wasi);
    if (!err && nexus) err = nx__host_new(&w->host, w, &o.policy);
    if (!err) err = nx__wasm_link(module, o.imports, with, &w->link);
    if (!err) err = instantiate(w, o.wasi ? &wasi : NULL);
    if (err) {
        nx_wasm_close(w);
        return err;
    }
    *out = w;
    return NX_OK;
}

nx_err nx_wasm_open_with(nx_wasm **out, const char *path, const nx_wasm_options *options)
{
    NX__OPTIONS(nx_wasm_options, o, options);
    nx_wasm_module *module;
    *out = NULL;
    NX_TRY(nx_wasm_load(&module, path, .metered = o.policy.fuel != 0,
                        .max_stack = o.policy.max_stack));
    nx_err err = nx_wasm_new_with(out, module, options);
    nx_wasm_module_free(module); /* the guest keeps it */
    return err;
}

void nx_wasm_close(nx_wasm *w)
{
    if (!w) return;
    if (w->guest) nx__engine->guest_free(w->guest);
    nx__host_free(w->host);
    if (w->link && !w->link->kept) nx__wasm_link_free(w->link);
    if (w->counted) (void)atomic_fetch_sub_explicit(&w->module->instances, 1, memory_order_relaxed);
    nx_wasm_module_free(w->module);
    free(w);
}

/* Programs that are WebAssembly. */
#include "wasm/wasi.h"

#include "wasm/internal.h"
#include <stdio.h>
#include <stdlib.h>

/* All that 32 bits can address. */
#define MEMORY_MOST ((uint64_t)4 << 30)

struct program {
    nx_wasm wasm;
    struct nx__linked *linked;
    const struct nx__wasi_options *options;
    const char *step; /* what is being done */
    uint32_t kind;
    bool lacks_start;
};

static void run(void *arg)
{
    struct program *p = arg;
    nx_wasm *w = &p->wasm;
    const struct nx__engine_limits limits = {.max_memory = w->max_memory,
                                             .max_table_elements = w->max_table_elements};
    uint64_t start[2];
    p->step = "starting";
    p->kind = nx__engine->guest_new(p->linked, &limits, p->options, w, &w->guest, &w->failure);
    if (p->kind) return;
    p->step = "running";
    p->lacks_start = nx__engine->func_find(w->guest, "_start", 6, start) != 0;
    nx_wasm_value none;
    if (!p->lacks_start) p->kind = nx__engine->call(w->guest, start, &none, 0, &w->failure);
}

static nx_err link_with_wasi(struct program *p)
{
    struct nx__failure *failure = &p->wasm.failure;
    const char *name = p->wasm.module->name;
    struct nx__linker *linker = nx__engine->linker_new(nx__engine_handle);
    uint32_t kind = nx__engine->linker_wasi(linker, failure);
    if (!kind) kind = nx__engine->linked_new(linker, p->wasm.module->code, &p->linked, failure);
    nx__engine->linker_free(linker);
    if (!kind) return NX_OK;
    return nx__error_set(NX_ENOENT, "cannot run \"%.60s\": %.160s", name, failure->message);
}

static nx_err outcome(struct program *p, int *code)
{
    nx_wasm *w = &p->wasm;
    *code = 0;
    if (p->lacks_start)
        return nx__error_set(
            NX_ENOTSUP,
            "cannot run \"%.100s\": it exports no _start, so it is a library; a C program calls it by nx_wasm_open",
            w->module->name);
    if (!p->kind) return NX_OK;
    if (p->kind == NX__FAILURE_EXIT) {
        *code = (int)w->failure.status;
        return NX_OK;
    }
    for (const char *at = w->failure.trace; *at;) {
        int line = (int)strcspn(at, "\n");
        (void)fprintf(stderr, "    at %.*s\n", line, at);
        at += line + (at[line] == '\n');
    }
    return nx__wasm_failed(w, p->step);
}

nx_err nx__wasi_run(int fd, const char *name, const struct nx__wasi_options *options, int *code)
{
    struct program *p = calloc(1, sizeof *p);
    if (!p) return nx__error_set(NX_ENOMEM, "cannot run \"%.150s\": out of memory", name);
    p->wasm.max_memory = MEMORY_MOST;
    p->wasm.max_table_elements = NX_WASM_MAX_TABLE_ELEMENTS;
    p->options = options;
    nx_err err = nx__engine_open();
    if (!err) err = nx__wasm_module_new(&p->wasm.module, name, fd, &p->wasm.failure);
    if (!err) err = link_with_wasi(p);
    if (!err) err = nx__wasm_enter(run, p);
    if (!err) err = outcome(p, code);
    if (p->wasm.guest) nx__engine->guest_free(p->wasm.guest);
    if (p->linked) nx__engine->linked_free(p->linked);
    nx_wasm_module_free(p->wasm.module);
    free(p);
    return err;
}

/* Modules: their machine code, and what they import and export. */
#include "wasm/internal.h"

#include "module/artifact.h"
#include "module/module.h"
#include "permission/broker.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Compiles it in this process, for a program without a launcher; one at a time. */
static nx_err compile(const char *path, bool metered, bool refresh, int *fd)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct nx__compile_request request = {
        .path = path, .refresh = refresh, .flags = metered ? nx__wasm_metered : NULL};
    struct nx__compiled compiled;
    (void)pthread_mutex_lock(&lock);
    nx_err err = nx__module_compile(&request, &compiled);
    if (!err && (*fd = fcntl(compiled.so_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        err = nx__error_system(errno, "cannot load \"%.150s\"", path);
    nx__compiled_free(&compiled);
    (void)pthread_mutex_unlock(&lock);
    return err;
}

static nx_err code_open(const char *path, bool metered, bool refresh, int *fd)
{
    NX_TRY(nx__permit_kind(NX__PERMIT_WASM, path));
    if (nx__broker_fd() >= 0)
        return nx__broker_import(path, metered ? NX__IMPORT_METERED : NX__IMPORT_PLAIN, fd);
    if (nx__is_artifact(path)) NX_TRY(nx__permit(NX__PERMIT_FFI, path));
    return compile(path, metered, refresh, fd);
}

/* Which engine it is for. */
static nx_err engine_get(nx_wasm_module *m, int fd, const nx_wasm_load_options *options)
{
    struct nx__artifact artifact;
    m->metered = options->metered;
    m->stack = options->max_stack ? options->max_stack : NX_WASM_MAX_STACK;
    if (m->stack > NX_WASM_MAX_STACK)
        return nx__error_set(NX_EINVAL, "cannot load \"%.120s\": max_stack is %zu KiB at most",
                             m->name, NX_WASM_MAX_STACK >> 10);
    if (nx__is_artifact(m->name)) {
        NX_TRY(nx__artifact_read(fd, m->name, &artifact));
        if (options->metered && !artifact.metered)
            return nx__error_set(
                NX_EINVAL,
                "cannot load \"%.100s\" with a limit on fuel: its code counts none; nexus compile --fuel makes some that does",
                m->name);
        m->metered = artifact.metered;
    }
    return nx__engine_get(m->metered, &m->stack, &m->engine);
}

nx_err nx__wasm_module_new(nx_wasm_module **out, const char *name, int fd,
                           const nx_wasm_load_options *options, struct nx__failure *failure)
{
    size_t len = strlen(name);
    nx_wasm_module *m = calloc(1, sizeof *m + len + 1);
    if (!m) {
        (void)close(fd);
        return nx__error_set(NX_ENOMEM, "cannot load \"%.150s\": out of memory", name);
    }
    atomic_init(&m->users, 1);
    memcpy(m->name, name, len + 1);
    (void)pthread_mutex_init(&m->lock, NULL);
    nx_err err = engine_get(m, fd, options);
    if (err)
        (void)close(fd);
    else if (nx__engine->code_open(m->engine, fd, &m->code, failure))
        err = nx__error_set(NX_EINVAL, "cannot load \"%.80s\": %.140s", m->name, failure->message);
    if (err) {
        nx_wasm_module_free(m);
        return err;
    }
    *out = m;
    return NX_OK;
}

/* Keeps the descriptor's file for who wants it again. */
static nx_err again(int fd, int *kept)
{
    if (!kept) return NX_OK;
    if (*kept >= 0) (void)close(*kept);
    *kept = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return *kept < 0 ? nx__error_system(errno, "cannot load WebAssembly") : NX_OK;
}

nx_err nx__wasm_load(nx_wasm_module **out, const char *path, const nx_wasm_load_options *options,
                     int *kept)
{
    NX__OPTIONS(nx_wasm_load_options, o, options);
    struct nx__failure failure = {0};
    int fd = -1;
    *out = NULL;
    if (!path || !nx__is_wasm(path))
        return nx__error_set(
            NX_EINVAL,
            "cannot load \"%.150s\": the name of WebAssembly ends in .wasm, .wat or .cwasm",
            path ? path : "");
    NX_TRY(nx__engine_open());
    NX_TRY(code_open(path, o.metered, false, &fd));
    NX_TRY(again(fd, kept));
    nx_err err = nx__wasm_module_new(out, path, fd, &o, &failure);
    /* A cache that machines share may have what is for another processor. */
    if (err && failure.kind == NX__FAILURE_ARTIFACT && nx__broker_fd() < 0 &&
        !nx__is_artifact(path)) {
        NX_TRY(code_open(path, o.metered, true, &fd));
        NX_TRY(again(fd, kept));
        err = nx__wasm_module_new(out, path, fd, &o, &failure);
    }
    return err;
}

nx_err nx_wasm_load_with(nx_wasm_module **out, const char *path,
                         const nx_wasm_load_options *options)
{
    NX_TRY(nx__wasm_load(out, path, options, NULL));
    if (!*out || !nx__engine->code_is_component((*out)->code)) return NX_OK;
    nx_wasm_module_free(*out);
    *out = NULL;
    return nx__error_set(
        NX_ENOTSUP,
        "cannot load \"%.120s\": it is a component, and C programs can't call those yet; nexus run runs one that is a program, and nx_wasm_service_open takes one that serves HTTP",
        path);
}

void nx_wasm_module_free(nx_wasm_module *m)
{
    if (!m || atomic_fetch_sub_explicit(&m->users, 1, memory_order_acq_rel) != 1) return;
    if (m->items) nx__engine->description_free(m->items);
    for (struct nx__link *link; (link = m->links);) {
        m->links = link->next;
        nx__wasm_link_free(link);
    }
    if (m->code) nx__engine->code_free(m->code);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct nx__engine_items *items(nx_wasm_module *m)
{
    (void)pthread_mutex_lock(&m->lock);
    if (!m->items) m->items = nx__engine->code_describe(m->code);
    (void)pthread_mutex_unlock(&m->lock);
    return m->items;
}

nx_err nx_wasm_module_imports(nx_wasm_module *module, const nx_wasm_item **out, size_t *count)
{
    const struct nx__engine_items *all = items(module);
    *out = all->imports;
    *count = all->import_count;
    return NX_OK;
}

nx_err nx_wasm_module_exports(nx_wasm_module *module, const nx_wasm_item **out, size_t *count)
{
    const struct nx__engine_items *all = items(module);
    *out = all->exports;
    *count = all->export_count;
    return NX_OK;
}

/* Loading the engine. */
#include "wasm/engine.h"

#include "base/error.h"
#include "loop/crash.h"
#include "module/module.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

_Static_assert(sizeof(nx_wasm_value) == 16, "as the engine has it");

const struct nx__engine_api *nx__engine;
struct nx__engine *nx__engine_handle;

#ifdef NX__WASM

static nx_err load(void)
{
    static const char name[] = "libnexus-engine.so";
    char *path = NULL;
    NX_TRY(nx__part_find(name, &path));
    /* What lies in no known place may still be where the system's loader looks. */
    void *library = dlopen(path ? path : name, RTLD_NOW | RTLD_LOCAL);
    free(path);
    if (!library)
        return nx__error_set(
            NX_ENOTSUP,
            "cannot load the WebAssembly engine: %.150s; NEXUS_LIBDIR names the folder that has it",
            dlerror());
    const struct nx__engine_api *(*api)(void);
    void *symbol = dlsym(library, "nx__engine_api");
    memcpy(&api, &symbol, sizeof api);
    const struct nx__engine_api *engine = symbol ? api() : NULL;
    if (!engine || engine->version != NX__ENGINE_VERSION ||
        engine->value_size != sizeof(nx_wasm_value))
        return nx__error_set(NX_ENOTSUP,
                             "the WebAssembly engine that is installed is of another version");
    struct nx__failure failure;
    if (engine->engine_new(&nx__engine_handle, &failure))
        return nx__error_set(NX_EFAILED, "cannot start the WebAssembly engine: %.180s",
                             failure.message);
    nx__crash_modules_changed();
    nx__engine = engine;
    return NX_OK;
}

nx_err nx__engine_open(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static atomic_bool loaded;
    if (atomic_load_explicit(&loaded, memory_order_acquire)) return NX_OK;
    (void)pthread_mutex_lock(&lock);
    nx_err err = nx__engine ? NX_OK : load();
    if (!err) atomic_store_explicit(&loaded, true, memory_order_release);
    (void)pthread_mutex_unlock(&lock);
    return err;
}

#else

nx_err nx__engine_open(void)
{
    return nx__error_set(
        NX_ENOTSUP, "this Nexus was built without WebAssembly; plain \"make\" builds one with it");
}

#endif

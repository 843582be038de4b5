/* Loading the engine. */
#include "wasm/engine.h"

#include "base/error.h"
#include "loop/crash.h"
#include "loop/watchdog.h"
#include "module/module.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

_Static_assert(sizeof(nx_wasm_value) == 16, "as the engine has it");

enum { STACK_LEAST = 32 << 10, STACKS = 5 /* powers of two up to NX__ENGINE_STACK */ };

const struct nx__engine_api *nx__engine;
static struct nx__engine *_Atomic engines[2][STACKS]; /* by metered */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t ticked_lock = PTHREAD_MUTEX_INITIALIZER;
static struct nx__list ticked = {&ticked, &ticked};

void nx__engine_ticks(struct nx__engine_ticked *one, bool on)
{
    (void)pthread_mutex_lock(&ticked_lock);
    if (on)
        nx__list_insert(&ticked, &one->link);
    else
        nx__list_remove(&one->link);
    (void)pthread_mutex_unlock(&ticked_lock);
}

void nx__engine_tick(void)
{
    (void)pthread_mutex_lock(&ticked_lock);
    for (struct nx__list *at = ticked.next; at != &ticked; at = at->next)
        nx__engine->service_tick(nx__container_of(at, struct nx__engine_ticked, link)->service);
    (void)pthread_mutex_unlock(&ticked_lock);
    for (size_t i = 0; i < (size_t)2 * STACKS; i++) {
        struct nx__engine *engine = atomic_load(&engines[i / STACKS][i % STACKS]);
        if (engine) nx__engine->engine_tick(engine);
    }
}

nx_err nx__engine_get(bool metered, size_t *stack, struct nx__engine **out)
{
    struct nx__failure failure;
    size_t which = 0, size = STACK_LEAST;
    for (; size < *stack && which + 1 < STACKS; size *= 2) which++;
    *stack = size;
    *out = atomic_load(&engines[metered][which]);
    if (*out) return NX_OK;
    uint32_t kind = 0;
    (void)pthread_mutex_lock(&lock);
    *out = atomic_load(&engines[metered][which]);
    if (!*out) kind = nx__engine->engine_new(metered, size, out, &failure);
    if (!kind) atomic_store(&engines[metered][which], *out);
    (void)pthread_mutex_unlock(&lock);
    if (!kind) return NX_OK;
    return nx__error_set(NX_EFAILED, "cannot start the WebAssembly engine: %.180s",
                         failure.message);
}

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
    nx__crash_modules_changed();
    nx__engine = engine;
    atomic_store(&nx__watchdog_blocked, nx__engine_tick);
    return NX_OK;
}

nx_err nx__engine_open(void)
{
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
        NX_ENOTSUP,
        "this Nexus was built without WebAssembly; \"make\" with cargo 1.95 or newer builds one with it");
}

#endif

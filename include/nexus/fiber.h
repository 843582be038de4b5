/* Fibers: spawn and join, scopes with cancellation and deadlines, fiber-local values.
 *
 * A fiber is a function with a stack of its own. It runs until it waits; a call that waits suspends
 * the fiber and never the loop. Fibers of one loop never run at the same time, and a fiber never
 * changes its thread, so plain variables need no locks.
 *
 * A fiber belongs to the scope in which it was spawned, and a scope ends when its fibers have.
 * Every fiber has a scope of its own to begin with; nx_scope_open opens inner ones. */
#ifndef NEXUS_FIBER_H
#define NEXUS_FIBER_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_fiber nx_fiber;
typedef struct nx_scope nx_scope;

/* What a fiber runs. Its result is what nx_join returns. */
typedef nx_err (*nx_fiber_fn)(void *arg);

typedef struct nx_spawn_options {
    size_t size;
    nx_scope *scope;  /* owns the fiber; default: the innermost open scope of the caller */
    const char *name; /* copied, cut at 31 bytes; shown in reports; default "fiber" */
    bool detached; /* owned by the loop: outlives the caller's scope, an error of its is logged */
} nx_spawn_options;

/* Starts fn(arg) in a new fiber, which first runs when the caller suspends. `*out` is to be joined
 * and stays valid until then or until its scope ends; with `out` NULL nobody joins it, and an error
 * of its cancels the scope. NX_EINVAL (no function), NX_ENOMEM, NX_ELIMIT (more than --max-fibers),
 * NX_ECANCELED (the scope is cancelled). Does not suspend. NX_TRY(nx_spawn(&f, reader, connection,
 * .name = "reader")); */
NX_API NX_MUST_CHECK nx_err nx_spawn_with(nx_fiber **out, nx_fiber_fn fn, void *arg,
                                          const nx_spawn_options *options);
#define nx_spawn(out, fn, arg, ...)                                                                \
    nx_spawn_with((out), (fn), (arg),                                                              \
                  &(nx_spawn_options){.size = sizeof(nx_spawn_options), __VA_ARGS__})

/* Waits until the fiber has ended and returns its result; `fiber` is gone after that. Once a fiber.
 * NX_ECANCELED when the caller is cancelled meanwhile (the fiber then goes on and stays joinable),
 * NX_ESTATE (no such fiber, joined already, or another thread's). Suspends. */
NX_API NX_MUST_CHECK nx_err nx_join(nx_fiber *fiber);

/* Asks the fiber to end: the call that it waits in, and each later one that would wait, returns
 * NX_ECANCELED; scopes that it opened are cancelled with it. Nothing, and said on stderr, where the
 * fiber is another thread's. Does not suspend. */
NX_API void nx_cancel(nx_fiber *fiber);

/* Lets the other runnable fibers run first. What waits for descriptors and timers comes after up to
 * 256 such switches; nx_sleep(0) lets it come at once. NX_ECANCELED. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_yield(void);

/* True once the calling fiber, or a scope that it is in, is cancelled: for long computations. */
NX_API bool nx_canceled(void);

/* The calling fiber; the program's main is one too. */
NX_API nx_fiber *nx_fiber_current(void);

/* The fiber's name, valid as long as the fiber. */
NX_API const char *nx_fiber_name(const nx_fiber *fiber);

/* Renames the calling fiber; copied, cut at 31 bytes. */
NX_API void nx_fiber_rename(const char *name);

/* ---- Scopes */

typedef struct nx_scope_options {
    size_t size;
    nx_duration deadline; /* from now; default NX_FOREVER. Then all in the scope is cancelled */
} nx_scope_options;

/* Opens a scope inside the calling fiber. Memory of nx_alloc, deferred calls and spawned fibers
 * belong to it until nx_scope_close. Scopes close in the reverse order of opening. NX_ENOMEM. Does
 * not suspend. */
NX_API NX_MUST_CHECK nx_err nx_scope_open_with(nx_scope **out, const nx_scope_options *options);
#define nx_scope_open(out, ...)                                                                    \
    nx_scope_open_with((out), &(nx_scope_options){.size = sizeof(nx_scope_options), __VA_ARGS__})

/* Waits for the scope's fibers, runs what was deferred (last first), frees its memory and sets
 * `*scope` to NULL. Returns the first error of an unjoined fiber, NX_ETIMEDOUT when the deadline
 * passed, NX_ECANCELED when it was cancelled, else NX_OK. Suspends, and is not itself cut short by
 * cancellation: that reaches the fibers. */
NX_API NX_MUST_CHECK nx_err nx_scope_close(nx_scope **scope);

/* Cancels every fiber of the scope, and the rest of the opening fiber's own work inside it. Does
 * not suspend. */
NX_API void nx_scope_cancel(nx_scope *scope);

/* Cancels and closes: for NX_AUTO(nx_scope). The calling fiber's last error stays as it is; where
 * that is NX_ECANCELED, since a fiber of the scope has failed, that fiber's error is the last one,
 * and the scope's around it. NULL is nothing. Suspends. */
NX_API void nx_scope_auto(nx_scope **scope);

/* Calls fn(arg) when the innermost open scope ends, whatever the way; last deferred, first called.
 * NX_ENOMEM (fn was not, and will not be, called). Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_defer(void (*fn)(void *arg), void *arg);

/* ---- Fiber-local values */

/* A key for values that each fiber has for itself. Made once, as a static. */
typedef struct nx_local {
    uint32_t index_; /* given at first use */
} nx_local;

/* The calling fiber's value, NULL until set. */
NX_API void *nx_local_get(nx_local *key);
/* Sets it. NX_ELIMIT past NX_MAX_LOCALS keys in the program. The value is not freed. */
NX_API NX_MUST_CHECK nx_err nx_local_set(nx_local *key, void *value);
#define NX_MAX_LOCALS 16

#ifdef __cplusplus
}
#endif

#endif

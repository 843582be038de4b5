/* Memory that runs out on request: nx_unit_test_oom in CMake links the test program so that every
 * malloc, calloc and realloc of it comes through here.
 *
 *     for (struct oom_rounds rounds = {0}; oom_next(&rounds);) {
 *         nx_err err = what_is_tested();
 *         oom_stop();
 *         nx_expect(err == NX_OK || err == NX_ENOMEM);
 *     }
 *
 * runs it with the first allocation failing, then with the second, and so on, until none is left to
 * fail. An error that is swallowed shows as NX_OK with a wrong result; a leak or a second free show
 * under AddressSanitizer and valgrind. */
#ifndef NX_TEST_OOM_H
#define NX_TEST_OOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Allocations that still succeed; negative: all do. */
static atomic_long oom_after = -1;
static bool oom_once;          /* then one fails, and all after it succeed again */
static atomic_bool oom_failed; /* one has failed */

static inline bool oom_now(void)
{
    long left = atomic_load(&oom_after);
    while (left > 0 && !atomic_compare_exchange_weak(&oom_after, &left, left - 1)) {}
    if (left) return false;
    atomic_store(&oom_failed, true);
    if (oom_once) atomic_store(&oom_after, -1);
    return true;
}

/* All zero at the beginning. */
struct oom_rounds {
    long count;
};

/* False once a round had no allocation that failed. */
static inline bool oom_next(struct oom_rounds *rounds)
{
    bool failed = atomic_exchange(&oom_failed, false);
    if (rounds->count && !failed) return false;
    atomic_store(&oom_after, rounds->count++);
    return true;
}

static inline void oom_stop(void)
{
    atomic_store(&oom_after, -1);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return oom_now() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size)
{
    return oom_now() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size)
{
    return oom_now() ? NULL : __real_realloc(old, size);
}

#endif

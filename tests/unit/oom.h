/* Memory that runs out on request. The test program is linked with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc, which sends every allocation through here. */
#ifndef NX_TEST_OOM_H
#define NX_TEST_OOM_H

#include <stdbool.h>
#include <stddef.h>

/* Allocations that still succeed; negative: all do. */
static long oom_after = -1;
static bool oom_once;   /* then one fails, and all after it succeed again */
static bool oom_failed; /* one has failed */

static bool oom_now(void)
{
    if (oom_after < 0) return false;
    if (oom_after > 0) {
        oom_after--;
        return false;
    }
    oom_failed = true;
    if (oom_once) oom_after = -1;
    return true;
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

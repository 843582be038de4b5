/* Memory that runs out on request. The test program is linked with NX_OOM_LINK_OPTIONS (see cmake),
 * which sends the allocations of the sources under test through here. */
#ifndef NX_TEST_OOM_H
#define NX_TEST_OOM_H

#include <stddef.h>

/* Allocations that still succeed; negative: all do. */
static long oom_after = -1;

static int oom_now(void)
{
    if (oom_after < 0) return 0;
    if (oom_after == 0) return 1;
    oom_after--;
    return 0;
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

/* What a fuzzer calls allocates from a fiber, whose memory goes after each input. */
#ifndef NX_FUZZ_MEMORY_H
#define NX_FUZZ_MEMORY_H

#include "loop/fiber.h"
#include <stdlib.h>

static inline void check(bool good)
{
    if (!good) abort();
}

static nx_fiber fuzz_fiber;
static struct nx_loop fuzz_loop;

static inline void memory_begin(void)
{
    fuzz_fiber.scope = &fuzz_fiber.own;
    fuzz_loop.running = &fuzz_fiber;
    nx__loop_current = &fuzz_loop;
}

static inline void memory_end(void)
{
    nx__arena_reset(&fuzz_fiber.own.arena);
}

#endif

/* A test program whose tests run in the main fiber of a loop. */
#ifndef LOOP_TEST_H
#define LOOP_TEST_H

#define NX_TEST_OWN_MAIN
#include "test.h"

#include "loop/loop.h"
#include <errno.h>
#include <nexus/channel.h>
#include <nexus/fiber.h>
#include <nexus/runtime.h>
#include <nexus/timer.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

static inline bool on_valgrind(void)
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

/* Fewer of a thing where each costs a lot: sanitizers, valgrind. */
static inline int scaled(int n)
{
#if defined(NX__ASAN) || defined(NX__TSAN)
    return n / 10;
#else
    return on_valgrind() ? n / 50 : n;
#endif
}

/* Lets everything that is ready run, whatever order it was made ready in. */
static inline void settle(void)
{
    for (int i = 0; i < 20; i++) NX_IGNORE(nx_yield());
}

static inline const char *last_message(void)
{
    return nx_error_last()->message;
}

#ifndef LOOP_TEST_OWN_MAIN
int main(int argc, char **argv)
{
#ifdef LOOP_TEST_LIMITS
    if (nx_limits_set(LOOP_TEST_LIMITS)) return 2;
#endif
    return nx__program_run(nx_test_main, argc, argv);
}
#endif

#endif

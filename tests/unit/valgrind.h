/* Whether the test runs under valgrind, which has limits of its own and makes a second of a few
 * milliseconds. */
#ifndef NX_TESTS_VALGRIND_H
#define NX_TESTS_VALGRIND_H

#include <stdbool.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif

static inline bool under_valgrind(void)
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

#endif

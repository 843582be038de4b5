/* The main of test programs that have none. */
#include <nexus/runtime.h>
#include <nexus/test.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

int main(int argc, char **argv)
{
#ifdef RUNNING_ON_VALGRIND
    /* Everything holds up the loop there; and below a handler that interrupts a function valgrind
     * loses track of its stack. */
    if (RUNNING_ON_VALGRIND && nx_limits_set(.watchdog = NX_S(20))) return NX_EFAILED;
#endif
    return nx_test_main(argc, argv);
}

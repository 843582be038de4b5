/* The main of test programs that have none. */
#include "base/compiler.h"

#include <nexus/runtime.h>
#include <nexus/test.h>
#include <signal.h>
#include <sys/resource.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* Tests count on what a shell starts a program with; who started this one may ignore or block a
 * signal, and allow few descriptors at first. */
static void begin_afresh(void)
{
    sigset_t none;
    struct rlimit files;
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction action;
        if (sigaction(signo, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            (void)signal(signo, SIG_DFL);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Everything holds up the loop there; valgrind loses track of a stack that a handler interrupts,
 * and a process that a handler forks waits for ThreadSanitizer's own locks. */
static bool everything_is_slow(void)
{
#if defined(NX__TSAN)
    return true;
#elif defined(RUNNING_ON_VALGRIND)
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

int main(int argc, char **argv)
{
    begin_afresh();
    if (everything_is_slow() && nx_limits_set(.watchdog = NX_S(20))) return NX_EFAILED;
    return nx_test_main(argc, argv);
}

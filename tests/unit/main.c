/* The main of test programs that have none. */
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

int main(int argc, char **argv)
{
    begin_afresh();
#ifdef RUNNING_ON_VALGRIND
    /* Everything holds up the loop there; and below a handler that interrupts a function valgrind
     * loses track of its stack. */
    if (RUNNING_ON_VALGRIND && nx_limits_set(.watchdog = NX_S(20))) return NX_EFAILED;
#endif
    return nx_test_main(argc, argv);
}

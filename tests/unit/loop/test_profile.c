/* Sampling: what burns CPU time is found, by the fiber that does; what waits is not. */
#include <nexus/test.h>

#include "base/clock.h"
#include "base/symbolize.h"
#include "loop/profile.h"
#include <nexus/timer.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

static NX__NOINLINE uint64_t burn(nx_duration span)
{
    volatile uint64_t sum = 0;
    nx_duration until = nx__clock(CLOCK_THREAD_CPUTIME_ID) + span;
    while (nx__clock(CLOCK_THREAD_CPUTIME_ID) < until)
        for (int i = 0; i < 10000; i++) sum += (uint64_t)i;
    return sum;
}

static nx_err burning(void *arg)
{
    (void)arg;
    (void)burn(NX_MS(300));
    return NX_OK;
}

static nx_err sleeping(void *arg)
{
    (void)arg;
    return nx_sleep(NX_MS(200));
}

static int program(int argc, char **argv)
{
    (void)argc, (void)argv;
    NX_IGNORE(nx_spawn(NULL, sleeping, NULL, .name = "sleeps"));
    NX_IGNORE(nx_spawn(NULL, burning, NULL, .name = "burns"));
    return 0;
}

static int crashing(int argc, char **argv)
{
    (void)argc, (void)argv;
    (void)burn(NX_MS(200));
    (void)raise(SIGKILL);
    return 0;
}

/* Runs it in a process of its own, sampled. */
static struct nx__profile *sampled(int (*entry)(int, char **), int *status)
{
#if defined(NX__TSAN)
    nx_skip("ThreadSanitizer lets no thread start after a fork");
#endif
#ifdef RUNNING_ON_VALGRIND
    if (RUNNING_ON_VALGRIND) nx_skip("valgrind has a CPU clock of its own");
#endif
    struct nx__profile *profile = nx__profile_new(NX__PROFILE_RATE);
    nx_require(profile != NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (nx__crash_install(-1) || nx__profile_begin(profile)) _exit(3);
        _exit(nx__program_run(entry, 0, NULL));
    }
    nx_require(waitpid(pid, status, 0) == pid);
    return profile;
}

static uint64_t ticks_of(const struct nx__profile *p, const char *label)
{
    uint64_t ticks = 0;
    for (size_t i = 0; i < NX__PROFILE_STACKS; i++)
        if (p->stacks[i].ready && strcmp(p->labels[p->stacks[i].label].text, label) == 0)
            ticks += p->stacks[i].ticks;
    return ticks;
}

NX_TEST("CPU time is found where it is used, by the fiber")
{
    int status;
    struct nx__profile *p = sampled(program, &status);
    nx_expect_eq(status, 0);
    /* 300 ms at 997 Hz; the kernel's clock counts in its own ticks. */
    uint64_t burns = ticks_of(p, "burns");
    nx_expect_gt(burns, 200u);
    nx_expect_lt(burns, 400u);
    nx_expect_eq(ticks_of(p, "sleeps"), 0u);
    nx_expect_eq(p->dropped, 0u);
    nx_expect(p->ticks >= burns);
    nx__profile_free(p);
}

NX_TEST("what was sampled outlasts a process that is killed")
{
    int status;
    struct nx__profile *p = sampled(crashing, &status);
    nx_expect(WIFSIGNALED(status));
    nx_expect(ticks_of(p, "main") > 100);
    nx__profile_free(p);
}

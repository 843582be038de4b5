/* The clock of a program that is stopped now and then. */
#include "base/clock.h"

#include <nexus/test.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const nx_duration STOP = NX_MS(600), BUSY = NX_MS(400);

static void rest(nx_duration span)
{
    const struct timespec t = {.tv_sec = span / NX_S(1), .tv_nsec = span % NX_S(1)};
    (void)nanosleep(&t, NULL);
}

/* Busy for BUSY of the system's time or, where it is stopped in between, of its own; tells by its
 * exit code what its clock has counted, in hundredths of a second. */
static NX_MUST_CHECK int child(void)
{
    if (nx__clock_skip_stops()) return 255;
    nx_duration begun = nx__clock_monotonic(), now = begun, before;
    nx_duration system = nx__clock(CLOCK_MONOTONIC);
    do {
        before = now;
        now = nx__clock_monotonic();
        if (now < before) return 254; /* it never steps back */
    } while (nx__clock(CLOCK_MONOTONIC) - system < STOP + BUSY);
    return (int)((now - begun) / NX_MS(10));
}

static int counted(bool stopped)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) _exit(child());
    rest(NX_MS(150));
    if (stopped) (void)kill(pid, SIGSTOP);
    rest(STOP);
    if (stopped) (void)kill(pid, SIGCONT);
    while (waitpid(pid, &status, 0) != pid) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

NX_TEST("a stop is left out of the clock, a busy loop is not")
{
    int whole = (int)((STOP + BUSY) / NX_MS(10)), stop = (int)(STOP / NX_MS(10));
    int busy = 0, stopped = 0;
    bool good = false;
    /* A machine that has no time for it for long stops a busy loop too. */
    for (int tries = 0; tries < 10 && !good; tries++) {
        busy = counted(false), stopped = counted(true);
        good = busy <= whole + 1 && busy > whole / 2 && stopped <= whole - stop / 2 && stopped > 0;
    }
    nx_expect(busy <= whole + 1 && busy > whole / 2);
    nx_expect(stopped <= whole - stop / 2 && stopped > 0);
}

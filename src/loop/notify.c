/* What the program tells a service manager. */
#include "loop/notify.h"

#include "base/clock.h"
#include "permission/broker.h"
#include "permission/notify.h"

/* The program's first loop has it: where that doesn't turn, nothing is said. */
static struct nx__timer watchdog;

static void watchdog_fire(struct nx__timer *timer)
{
    nx__notify(NX__NOTIFY_ALIVE, NULL);
    /* Without memory for it the manager finds out by itself. */
    NX_IGNORE(nx__timer_set(&nx__program_loop->timers, timer,
                            nx__clock_monotonic() + nx__notify_interval()));
}

void nx__notify_loop(struct nx_loop *loop)
{
    if (nx__broker_fd() < 0) nx__notify_prepare(); /* else the launcher has, before the fork */
    if (!nx__notify_interval()) return;
    watchdog = (struct nx__timer){.fire = watchdog_fire};
    NX_IGNORE(nx__timer_set(&loop->timers, &watchdog, nx__clock_monotonic()));
}

void nx_notify_ready(void)
{
    nx__notify(NX__NOTIFY_READY, NULL);
}

void nx_notify_status(const char *text)
{
    nx__notify(NX__NOTIFY_STATUS, text);
}

/* The process itself. */
#include "host/host.h"

#include "base/cgroup.h"
#include "base/clock.h"
#include "base/error.h"
#include "loop/loop.h"
#include "permission/broker.h"
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static nx_duration duration_of(struct timeval t)
{
    return NX_S(t.tv_sec) + NX_US(t.tv_usec);
}

static uint64_t memory_now(void)
{
    char text[128], *end;
    if (!nx__text_read("/proc/self", "statm", text, sizeof text)) return 0;
    (void)strtoull(text, &end, 10); /* of addresses */
    return strtoull(end, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The kernel has the start in ticks since the machine's, behind the name, which may have anything
 * in it but is in brackets. */
static nx_duration uptime(void)
{
    enum { START = 20 }; /* fields behind the name */
    char text[1024];
    long ticks = sysconf(_SC_CLK_TCK);
    if (!nx__text_read("/proc/self", "stat", text, sizeof text) || ticks <= 0) return 0;
    const char *at = strrchr(text, ')');
    for (int i = 0; at && i < START; i++) at = strchr(at + 1, ' ');
    if (!at) return 0;
    nx_duration started = (nx_duration)((double)strtoull(at, NULL, 10) / (double)ticks * 1e9),
                now = nx__clock(CLOCK_BOOTTIME);
    return now > started ? now - started : 0;
}

static nx_err paths_get(nx_self *self)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    self->executable = nx_copy(nx_slice(path, len > 0 ? (size_t)len : 0));
    self->program = self->executable;
    if (!self->executable) return NX_ENOMEM;
    bool is_app = nx__broker_fd() >= 0 && nx__program_word;
    if (is_app && realpath(nx__program_word, path)) {
        self->program = nx_copy(nx_str(path));
        if (!self->program) return NX_ENOMEM;
    }
    return NX_OK;
}

nx_err nx_self_get(nx_self *out)
{
    nx_self self = {.pid = getpid(), .ppid = getppid()};
    struct rusage usage = {0};
    NX_TRY(paths_get(&self));
    (void)getrusage(RUSAGE_SELF, &usage); /* fails for no process of one's own */
    self.memory = memory_now();
    self.memory_peak = (uint64_t)usage.ru_maxrss * 1024;
    self.cpu_user = duration_of(usage.ru_utime);
    self.cpu_system = duration_of(usage.ru_stime);
    self.uptime = uptime();
    NX__HOST_GIVE(out, self);
    return NX_OK;
}

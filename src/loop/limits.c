/* The limits of the process. */
#include "loop/loop.h"

#include <errno.h>
#include <sys/resource.h>

enum {
    STACK_SIZE_LEAST = 32 * 1024, /* libc's calls need 16 KiB at worst */
    STACK_SIZE_MOST = 1 << 30,
    THREADS_MOST = 1024,
};

nx_limits nx__limits = {
    .size = sizeof(nx_limits),
    .max_open_files = 65536,
    .max_memory = UINT64_MAX,
    .max_iterations = UINT64_MAX,
    .max_operations = 10000,
    .max_fibers = 100000,
    .stack_size = 256 * 1024,
    .blocking_threads = 4,
    .watchdog = NX_MS(100),
    .max_workers = 256,
};

void nx_limits_get(nx_limits *limits)
{
    size_t size = limits->size ? limits->size : sizeof *limits;
    memcpy(limits, &nx__limits, size < sizeof nx__limits ? size : sizeof nx__limits);
    limits->size = size;
}

nx_err nx_limits_set_with(const nx_limits *given)
{
    nx_limits want = {0};
    memcpy(&want, given, given->size < sizeof want ? given->size : sizeof want);
    if (nx__loop_current && (nx__loop_current->first || nx__loop_current->stats.iterations))
        return nx__error_set(NX_ESTATE, "cannot change the limits: the loop runs already");
    if (want.stack_size &&
        (want.stack_size < STACK_SIZE_LEAST || want.stack_size > STACK_SIZE_MOST))
        return nx__error_set(NX_EINVAL, "--stack-size is %llu bytes, and may be 32K to 1G",
                             (unsigned long long)want.stack_size);
    if (want.blocking_threads > THREADS_MOST)
        return nx__error_set(NX_EINVAL, "--blocking-threads is %llu, and may be %d at most",
                             (unsigned long long)want.blocking_threads, THREADS_MOST);
    if (want.watchdog && want.watchdog < NX_MS(1))
        return nx__error_set(NX_EINVAL, "--watchdog is %lld ns, and may be a millisecond at least",
                             (long long)want.watchdog);
    const uint64_t *from = &want.max_open_files;
    uint64_t *to = &nx__limits.max_open_files;
    for (size_t i = 0; i < (sizeof want - offsetof(nx_limits, max_open_files)) / sizeof *from; i++)
        if (from[i]) to[i] = from[i];
    nx__limits.stack_size = (nx__limits.stack_size + 4095) & ~UINT64_C(4095);
    return nx__loop_current ? nx__limits_apply() : NX_OK;
}

nx_err nx__limits_apply(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != nx__limits.max_open_files) {
        rlim_t want = nx__limits.max_open_files;
        if (want > files.rlim_max) want = files.rlim_max;
        files.rlim_cur = want;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            return nx__error_system(errno, "cannot set --max-open-files to %llu",
                                    (unsigned long long)want);
    }
    if (nx__limits.max_memory != UINT64_MAX) {
        struct rlimit memory = {.rlim_cur = nx__limits.max_memory,
                                .rlim_max = nx__limits.max_memory};
        if (setrlimit(RLIMIT_DATA, &memory) != 0)
            return nx__error_system(errno, "cannot set --max-memory to %llu",
                                    (unsigned long long)nx__limits.max_memory);
        nx__memory_limited = true;
    }
    return NX_OK;
}

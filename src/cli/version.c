/* nexus version */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Finds a program on the PATH as execvp would. */
static bool on_path(const char *name, char out[PATH_MAX])
{
    const char *path = getenv("PATH");
    for (const char *next; path && *path; path = next) {
        size_t len = strcspn(path, ":");
        next = path[len] ? path + len + 1 : path + len;
        int n = snprintf(out, PATH_MAX, "%.*s/%s", (int)len, path, name);
        if (len && n > 0 && n < PATH_MAX && access(out, X_OK) == 0) return true;
    }
    return false;
}

#if defined(__clang__)
static const char builder[] = "clang " __clang_version__;
#else
static const char builder[] = "gcc " __VERSION__;
#endif

static const char *yes_or(bool yes, const char *no)
{
    return yes ? "yes" : no;
}

/* Asks the kernel by a call that does nothing where it is known. */
static bool has_uring(void)
{
    long result = syscall(SYS_io_uring_setup, 1, NULL);
    return result < 0 && errno == EFAULT;
}

static bool has_guard(void)
{
    enum { MADVISE_GUARD_INSTALL = 102, PAGE = 4096 };
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return false;
    bool has = madvise(page, PAGE, MADVISE_GUARD_INSTALL) == 0;
    (void)munmap(page, PAGE);
    return has;
}

static long landlock_abi(void)
{
    enum { VERSION_FLAG = 1 };
    return syscall(SYS_landlock_create_ruleset, NULL, 0, VERSION_FLAG);
}

static int verbose(void)
{
    static const char *const compilers[] = {"tcc", "gcc", "clang", "zig"};
    char text[4096], path[PATH_MAX];
    const char *cc = getenv("CC");
    int n = snprintf(text, sizeof text, "abi        %d\nbuilt with %s\n", NX_ABI, builder);
    n += snprintf(text + n, sizeof text - (size_t)n, "$CC        %.200s\n",
                  cc && *cc ? cc : "not set");
    for (size_t i = 0; i < sizeof compilers / sizeof *compilers; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%-10s %.300s\n", compilers[i],
                      on_path(compilers[i], path) ? path : "not found");
    struct utsname system;
    if (uname(&system) == 0)
        n += snprintf(text + n, sizeof text - (size_t)n, "kernel     %s %s %s\n", system.sysname,
                      system.release, system.machine);
    long abi = landlock_abi();
    n += snprintf(text + n, sizeof text - (size_t)n, "io_uring   %s\nguards     %s\n",
                  yes_or(has_uring(), "no: threads serve files"),
                  yes_or(has_guard(), "no: by mprotect"));
    if (abi > 0)
        (void)snprintf(text + n, sizeof text - (size_t)n, "landlock   yes, version %ld\n", abi);
    else
        (void)snprintf(text + n, sizeof text - (size_t)n,
                       "landlock   no: the compiler runs unsealed\n");
    return nx__cli_write(text);
}

static int run(int argc, char **argv)
{
    bool all = argc == 2 && strcmp(argv[1], "--verbose") == 0;
    if (argc > 1 && !all) return nx__cli_usage("nexus version takes nothing but --verbose");
    char line[64];
    (void)snprintf(line, sizeof line, "nexus %s\n", nx_version());
    int code = nx__cli_write(line);
    return code || !all ? code : verbose();
}

static const struct nx__flag flags[] = {
    {.name = "--verbose", .summary = "the compilers, and what the kernel offers"},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

const struct nx__command nx__command_version = {
    .name = "version",
    .summary = "say which version this is, and what it finds here",
    .flags = flags,
    .help = "Usage: nexus version [--verbose]\n"
            "\n"
            "  --verbose   the compilers that are found, and what the kernel offers\n"
            "\n"
            "Examples:\n"
            "  nexus version\n"
            "  nexus version --verbose\n",
    .run = run,
};

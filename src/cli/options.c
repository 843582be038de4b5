/* The command line of `nexus run`. */
#include "cli/options.h"

#include "cli/cli.h"
#include <stddef.h>

/* Flags with a number. */
static const struct {
    const char *name;
    size_t offset; /* in nx_limits */
} limits[] = {
    {"--max-open-files", offsetof(nx_limits, max_open_files)},
    {"--max-memory", offsetof(nx_limits, max_memory)},
    {"--max-iterations", offsetof(nx_limits, max_iterations)},
    {"--max-operations", offsetof(nx_limits, max_operations)},
    {"--max-fibers", offsetof(nx_limits, max_fibers)},
    {"--stack-size", offsetof(nx_limits, stack_size)},
    {"--blocking-threads", offsetof(nx_limits, blocking_threads)},
};

/* Flags without a value. */
static const struct {
    const char *name;
    size_t offset; /* in struct nx__run */
} switches[] = {
    {"--watch", offsetof(struct nx__run, watch)},
    {"--release", offsetof(struct nx__run, release)},
    {"--refresh", offsetof(struct nx__run, refresh)},
    {"--no-prompt", offsetof(struct nx__run, no_prompt)},
    {"--no-warnings", offsetof(struct nx__run, no_warnings)},
    {"--help", offsetof(struct nx__run, help)},
};

/* For suggestions. */
static const char *const names[] = {
    "--watch",
    "--release",
    "--refresh",
    "--no-prompt",
    "--no-warnings",
    "--help",
    "--compiler",
    "--allow-all",
    "--allow-read",
    "--allow-write",
    "--allow-net",
    "--allow-env",
    "--allow-run",
    "--allow-ffi",
    "--deny-read",
    "--deny-write",
    "--deny-net",
    "--deny-env",
    "--deny-run",
    "--deny-ffi",
    "--max-open-files",
    "--max-memory",
    "--max-iterations",
    "--max-operations",
    "--max-fibers",
    "--stack-size",
    "--blocking-threads",
    "--watchdog",
    NULL,
};

/* Reads the digits that the text begins with; the rest, or NULL where there are none or too many.
 */
static const char *digits_parse(const char *text, uint64_t *out)
{
    const char *at = text;
    uint64_t n = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (n > (UINT64_MAX - digit) / 10) return NULL;
        n = n * 10 + digit;
    }
    *out = n;
    return at == text ? NULL : at;
}

/* A whole number of milliseconds; 0 stands for none. */
static bool milliseconds_parse(const char *text, nx_duration *out)
{
    uint64_t n;
    text = digits_parse(text, &n);
    if (!text || *text || n >= (uint64_t)(NX_FOREVER / NX_MS(1))) return false;
    *out = n ? NX_MS((nx_duration)n) : NX_FOREVER;
    return true;
}

/* A whole number of at least 1, with K, M or G for powers of 1,024. */
static bool size_parse(const char *text, uint64_t *out)
{
    uint64_t n;
    unsigned shift = 0;
    text = digits_parse(text, &n);
    if (!text) return false;
    switch (*text) {
    case 'K':
    case 'k': shift = 10; break;
    case 'M':
    case 'm': shift = 20; break;
    case 'G':
    case 'g': shift = 30; break;
    default: break;
    }
    if (shift) text++;
    if (*text || n == 0 || n > UINT64_MAX >> shift) return false;
    *out = n << shift;
    return true;
}

/* The argument is the flag itself, or the flag with a value, which is then stored (else NULL). */
static bool is_flag(const char *argument, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (strncmp(argument, name, len) != 0) return false;
    *value = argument[len] == '=' ? argument + len + 1 : NULL;
    return argument[len] == '\0' || *value;
}

static NX__COLD nx_err unknown(const char *argument)
{
    char name[64], clean[64];
    size_t len = strcspn(argument, "=");
    if (len >= sizeof name) len = sizeof name - 1;
    memcpy(name, argument, len);
    name[len] = '\0';
    nx__printable(clean, sizeof clean, name);
    const char *near = nx__cli_suggest(name, names);
    if (near)
        return nx__error_set(
            NX_EUSAGE, "unknown flag %s; did you mean %s? The program's own flags go after --",
            clean, near);
    return nx__error_set(
        NX_EUSAGE,
        "unknown flag %s; the program's own flags go after --, as in: nexus run app.c -- %s", clean,
        clean);
}

static nx_err flag_parse(struct nx__run *run, const char *argument)
{
    const char *value;
    if (strcmp(argument, "-h") == 0) {
        run->help = true;
        return NX_OK;
    }
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (!is_flag(argument, switches[i].name, &value)) continue;
        if (value) return nx__error_set(NX_EUSAGE, "%s takes no value", switches[i].name);
        *(bool *)((char *)run + switches[i].offset) = true;
        return NX_OK;
    }
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (!is_flag(argument, limits[i].name, &value)) continue;
        if (!value ||
            !size_parse(value, (uint64_t *)(void *)((char *)&run->limits + limits[i].offset)))
            return nx__error_set(
                NX_EUSAGE,
                "%s needs a number of at least 1, as in %s=4096 (K, M and G stand for powers of 1024)",
                limits[i].name, limits[i].name);
        return NX_OK;
    }
    if (is_flag(argument, "--watchdog", &value)) {
        if (value && milliseconds_parse(value, &run->limits.watchdog)) return NX_OK;
        return nx__error_set(
            NX_EUSAGE,
            "--watchdog needs a number of milliseconds, as in --watchdog=250; 0 turns it off");
    }
    if (is_flag(argument, "--compiler", &value)) {
        if (!value || !*value)
            return nx__error_set(NX_EUSAGE,
                                 "--compiler needs a name or path, as in --compiler=gcc");
        run->compiler = value;
        return NX_OK;
    }
    bool taken;
    NX_TRY(nx__permissions_parse(&run->permissions, argument, &taken));
    return taken ? NX_OK : unknown(argument);
}

nx_err nx__run_parse(struct nx__run *run, int argc, char **argv)
{
    /* Words move down over the flags that were between them. */
    run->limits.size = sizeof run->limits;
    run->argv = argv + 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++) run->argv[run->argc++] = argv[i];
        } else if (argv[i][0] == '-' && argv[i][1]) {
            NX_TRY(flag_parse(run, argv[i]));
            if (run->help) return NX_OK;
        } else {
            run->argv[run->argc++] = argv[i];
        }
    }
    if (run->argc == 0)
        return nx__error_set(NX_EUSAGE, "nexus run needs a file, as in: nexus run app.c");
    run->argv[run->argc] = NULL;
    run->file = run->argv[0];
    return NX_OK;
}

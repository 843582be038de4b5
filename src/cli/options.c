/* The command line of `nexus run`. */
#include "cli/options.h"

#include "cli/cli.h"
#include "cli/permission_sets.h"
#include "cli/wasm_policy.h"
#include "env/values.h"
#include "loop/profile.h"
#include "module/module.h"
#include <limits.h>
#include <nexus/log.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Flags with a number. */
static const struct {
    const char *name;
    size_t offset; /* in nx_limits */
    const char *example;
} limits[] = {
    {"--max-open-files", offsetof(nx_limits, max_open_files), "4096"},
    {"--max-memory", offsetof(nx_limits, max_memory), "512M"},
    {"--max-iterations", offsetof(nx_limits, max_iterations), "1M"},
    {"--max-operations", offsetof(nx_limits, max_operations), "20000"},
    {"--max-fibers", offsetof(nx_limits, max_fibers), "4096"},
    {"--stack-size", offsetof(nx_limits, stack_size), "512K"},
    {"--blocking-threads", offsetof(nx_limits, blocking_threads), "8"},
    {"--max-workers", offsetof(nx_limits, max_workers), "16"},
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
    {"--trace-permissions", offsetof(struct nx__run, trace_permissions)},
    {"--no-warnings", offsetof(struct nx__run, no_warnings)},
    {"--open", offsetof(struct nx__run, open)},
    {"--no-log", offsetof(struct nx__run, no_log)},
    {"--reload", offsetof(struct nx__run, reload)},
    {"--help", offsetof(struct nx__run, help)},
};

static const char *level_words(size_t index, const char **summary)
{
    static const char *const levels[] = {"trace", "debug", "info", "warn", "error", "fatal", "off"};
    *summary = NULL;
    return index < sizeof levels / sizeof *levels ? levels[index] : NULL;
}

/* clang-format off */
#define FLAGS_OF_RUN \
    {.name = "--watch", .summary = "start it anew when a file changes"}, \
    {.name = "--release", .summary = "compile for speed"}, \
    NX__FLAG_COMPILER, \
    {.name = "--refresh", .summary = "compile even if the result is in the cache"}, \
    {.name = "--inspect", .summary = "let a debugger connect", .takes = NX__TAKES_EITHER}, \
    {.name = "--inspect-wait", .summary = "and wait for it", .takes = NX__TAKES_EITHER}, \
    {.name = "--no-warnings", .summary = "keep the compiler's warnings to itself"}, \
    NX__FLAGS_PERMISSIONS, \
    {.name = "--permissions", \
     .summary = "a set of grants in nexus.toml, none, or strict", \
     .takes = NX__TAKES_VALUE}, \
    {.name = "--trace-permissions", .summary = "say what the program asks for, and where"}, \
    {.name = "--audit-permissions", \
     .summary = "write that to a file, as JSON", \
     .takes = NX__TAKES_VALUE, \
     .offer = NX__OFFER_PATHS}, \
    {.name = "--env-file", \
     .summary = "set variables that a file has", \
     .takes = NX__TAKES_VALUE, \
     .offer = NX__OFFER_PATHS}, \
    {.name = "--dir", \
     .summary = "let WebAssembly have a directory, HOST[::GUEST]", \
     .takes = NX__TAKES_VALUE, \
     .offer = NX__OFFER_PATHS}, \
    {.name = "--dir-ro", \
     .summary = "the same, to read", \
     .takes = NX__TAKES_VALUE, \
     .offer = NX__OFFER_PATHS}, \
    {.name = "--env", .summary = "let WebAssembly have a variable, NAME=VALUE", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-cpu-time", .summary = "of WebAssembly, such as 5s", .takes = NX__TAKES_VALUE}, \
    {.name = "--deadline", .summary = "of WebAssembly by the clock, such as 10s", .takes = NX__TAKES_VALUE}, \
    {.name = "--fuel", .summary = "instructions of WebAssembly, such as 100M", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-stack", .summary = "of WebAssembly, such as 64K", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-kv", .summary = "keys and values of WebAssembly", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-table-elements", .summary = "of WebAssembly", .takes = NX__TAKES_VALUE}, \
    {.name = "--random-seed", .summary = "random bytes of WebAssembly come from it", .takes = NX__TAKES_VALUE}, \
    {.name = "--clock", .summary = "where the clocks of WebAssembly stand, seconds since 1970", .takes = NX__TAKES_VALUE}, \
    {.name = "--no-prompt", .summary = "refuse what is not allowed without asking"}, \
    {.name = "--max-open-files", .summary = "at once", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-memory", .summary = "bytes of data, such as 512M", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-operations", .summary = "in flight at once", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-fibers", .summary = "alive at once", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-iterations", .summary = "turns of the event loop", .takes = NX__TAKES_VALUE}, \
    {.name = "--stack-size", .summary = "of a fiber, such as 256K", .takes = NX__TAKES_VALUE}, \
    {.name = "--blocking-threads", .summary = "for work that blocks", .takes = NX__TAKES_VALUE}, \
    {.name = "--max-workers", .summary = "alive at once", .takes = NX__TAKES_VALUE}, \
    {.name = "--watchdog", .summary = "milliseconds, 0: never", .takes = NX__TAKES_VALUE}, \
    {.name = "--restart-deadline", \
     .summary = "milliseconds that a new program has to listen, 0: any", \
     .takes = NX__TAKES_VALUE}, \
    {.name = "--log-level", \
     .summary = "the least that is logged", \
     .takes = NX__TAKES_VALUE, \
     .offer = NX__OFFER_WORDS, \
     .words = level_words}, \
    {.name = "--profile", \
     .summary = "write a flame graph", \
     .takes = NX__TAKES_EITHER, \
     .offer = NX__OFFER_PATHS}, \
    {.name = "--profile-rate", .summary = "samples a second", .takes = NX__TAKES_VALUE}
/* clang-format on */

/* All of them: one that is not here is refused before it is parsed. */
const struct nx__flag nx__run_flags[] = {FLAGS_OF_RUN, NX__FLAG_HELP, NX__FLAGS_END};

const struct nx__flag nx__dev_flags[] = {
    {.name = "--open", .summary = "open the browser"},
    {.name = "--no-log", .summary = "no line for each request"},
    {.name = "--reload", .summary = "the program's own pages load again after a change"},
    FLAGS_OF_RUN,
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

const struct nx__flag nx__serve_flags[] = {
    {.name = "--addr", .summary = "HOST:PORT to serve at", .takes = NX__TAKES_VALUE},
    {.name = "--workers",
     .summary = "loops that serve; all: one for each CPU",
     .takes = NX__TAKES_VALUE},
    {.name = "--cert",
     .summary = "the chain of certificates of HTTPS",
     .takes = NX__TAKES_VALUE,
     .offer = NX__OFFER_PATHS},
    {.name = "--key", .summary = "its key", .takes = NX__TAKES_VALUE, .offer = NX__OFFER_PATHS},
    {.name = "--max-instances", .summary = "requests at once", .takes = NX__TAKES_VALUE},
    {.name = "--reuse", .summary = "requests that an instance answers", .takes = NX__TAKES_VALUE},
    {.name = "--max-body",
     .summary = "bytes of a request's body, such as 1M",
     .takes = NX__TAKES_VALUE},
    FLAGS_OF_RUN,
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

/* Those that the command takes. */
static const struct nx__flag *flags_of(const struct nx__run *run)
{
    if (run->serve.host) return nx__serve_flags;
    return run->dev ? nx__dev_flags : nx__run_flags;
}

/* A whole number of milliseconds; 0 stands for none. */
static bool milliseconds_parse(const char *text, nx_duration *out)
{
    union nx__value value;
    if (*text == '-' || *text == '+' ||
        !nx__value_parse(NX__VALUE_INT, text, (struct nx__value_range){0}, &value) ||
        value.number >= NX_FOREVER / NX_MS(1))
        return false;
    *out = value.number ? NX_MS(value.number) : NX_FOREVER;
    return true;
}

/* A whole number of at least 1, with K, M or G for powers of 1,024. */
static bool size_parse(const char *text, uint64_t *out)
{
    union nx__value value;
    if (!nx__value_parse(NX__VALUE_SIZE, text, (struct nx__value_range){.least = 1}, &value))
        return false;
    *out = (uint64_t)value.number;
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

static NX__COLD nx_err unknown(const struct nx__run *run, const char *argument)
{
    char otherwise[160], clean[64];
    size_t len = strcspn(argument, "=");
    nx__printable(clean, len < sizeof clean ? len + 1 : sizeof clean, argument);
    (void)snprintf(otherwise, sizeof otherwise,
                   "the program's own flags go after --, as in: nexus %s app.c -- %s",
                   run->dev ? "dev" : "run", clean);
    return nx__flag_unknown(flags_of(run), argument, otherwise);
}

/* One of a list of them. */
static nx_err list_add(const char **list, size_t *count, size_t most, const char *flag,
                       const char *value)
{
    if (*count == most) return nx__error_set(NX_EUSAGE, "%s may be given %zu times", flag, most);
    list[(*count)++] = value;
    return NX_OK;
}

/* What WebAssembly has; without a "=" its value is the next word, as other runtimes have it. */
static bool is_wasm_flag(const char *argument)
{
    return strcmp(argument, "--dir") == 0 || strcmp(argument, "--dir-ro") == 0 ||
           strcmp(argument, "--env") == 0;
}

static nx_err wasm_flag_parse(struct nx__run *run, const char *flag, const char *value)
{
    if (strcmp(flag, "--env") == 0) {
        if (!value || !strchr(value, '=') || *value == '=')
            return nx__error_set(NX_EUSAGE, "--env needs a name and a value, as in --env LEVEL=5");
        return list_add(run->env, &run->env_count, NX__ENV_MOST, flag, value);
    }
    if (!value || !*value || strncmp(value, "::", 2) == 0)
        return nx__error_set(
            NX_EUSAGE, "%s needs a directory, and may name it for the guest, as in %s data::/data",
            flag, flag);
    if (run->dirs_count < NX__DIRS_MOST)
        run->dirs_read_only[run->dirs_count] = strcmp(flag, "--dir-ro") == 0;
    return list_add(run->dirs, &run->dirs_count, NX__DIRS_MOST, flag, value);
}

static nx_err flag_parse(struct nx__run *run, const char *argument)
{
    const char *value;
    if (strcmp(argument, "-h") == 0) {
        run->help = true;
        return NX_OK;
    }
    if (!nx__flag_find(flags_of(run), argument, &value)) return unknown(run, argument);
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
                "%s needs a number of at least 1, as in %s=%s (K, M and G stand for powers of 1024)",
                limits[i].name, limits[i].name, limits[i].example);
        return NX_OK;
    }
    if (is_flag(argument, "--inspect", &value))
        return nx__inspect_parse(&run->inspect, "--inspect", value);
    if (is_flag(argument, "--inspect-wait", &value))
        return nx__inspect_parse(&run->inspect, "--inspect-wait", value);
    if (is_flag(argument, "--watchdog", &value)) {
        if (value && milliseconds_parse(value, &run->limits.watchdog)) return NX_OK;
        return nx__error_set(
            NX_EUSAGE,
            "--watchdog needs a number of milliseconds, as in --watchdog=250; 0 turns it off");
    }
    if (is_flag(argument, "--restart-deadline", &value)) {
        if (value && milliseconds_parse(value, &run->restart_deadline)) return NX_OK;
        return nx__error_set(
            NX_EUSAGE,
            "--restart-deadline needs a number of milliseconds, as in --restart-deadline=60000; 0 is for as long as it takes");
    }
    if (is_flag(argument, "--compiler", &value)) {
        if (!value || !*value)
            return nx__error_set(NX_EUSAGE,
                                 "--compiler needs a name or path, as in --compiler=gcc");
        run->compiler = value;
        run->compiler_by = "--compiler";
        return NX_OK;
    }
    if (is_flag(argument, "--env-file", &value)) {
        if (!value || !*value)
            return nx__error_set(NX_EUSAGE, "--env-file needs a file, as in --env-file=.env");
        return list_add(run->env_files, &run->env_files_count, NX__ENV_FILES_MOST, "--env-file",
                        value);
    }
    if (is_flag(argument, "--log-level", &value)) {
        run->log_level = nx_log_level_named(value);
        if (run->log_level) return NX_OK;
        return nx__error_set(
            NX_EUSAGE, "--log-level needs one of trace, debug, info, warn, error, fatal and off");
    }
    if (is_flag(argument, "--profile", &value)) {
        if (value && !*value)
            return nx__error_set(NX_EUSAGE, "--profile needs a file, as in --profile=app.svg");
        run->profile = value ? value : "";
        return NX_OK;
    }
    if (is_flag(argument, "--profile-rate", &value)) {
        uint64_t rate;
        if (!value || !size_parse(value, &rate) || rate > NX__PROFILE_RATE_MOST)
            return nx__error_set(
                NX_EUSAGE,
                "--profile-rate needs samples a second, 1 to %d, as in --profile-rate=200",
                NX__PROFILE_RATE_MOST);
        run->profile_rate = (uint32_t)rate;
        if (!run->profile) run->profile = "";
        return NX_OK;
    }
    if (is_flag(argument, "--permissions", &value)) return nx__permission_sets_flag(run, value);
    if (is_flag(argument, "--audit-permissions", &value)) {
        if (!value || !*value)
            return nx__error_set(
                NX_EUSAGE, "--audit-permissions needs a file, as in --audit-permissions=audit.log");
        run->audit = value;
        return NX_OK;
    }
    if (is_flag(argument, "--dir", &value)) return wasm_flag_parse(run, "--dir", value);
    if (is_flag(argument, "--dir-ro", &value)) return wasm_flag_parse(run, "--dir-ro", value);
    if (is_flag(argument, "--env", &value)) return wasm_flag_parse(run, "--env", value);
    bool taken;
    NX_TRY(nx__wasm_policy_flag(run, argument, &taken));
    if (taken) return NX_OK;
    NX_TRY(nx__permissions_parse(&run->permissions, argument, &taken));
    return taken ? NX_OK : unknown(run, argument);
}

/* The words on the command line that are no flags, up to "--", from argv[i] on. */
static int words_from(int i, int argc, char **argv)
{
    int count = 0;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) count += argv[i][0] != '-' || !argv[i][1];
    return count;
}

/* `--allow-net 127.0.0.1:3000` would grant everything and hand the address to the program. The word
 * behind such a flag may only be the program itself. */
static nx_err value_check(const struct nx__run *run, int i, int argc, char **argv)
{
    const char *flag = argv[i], *word = i + 1 < argc ? argv[i + 1] : "-";
    bool grants = strncmp(flag, "--allow-", 8) == 0 || strncmp(flag, "--deny-", 7) == 0;
    if (!grants || strchr(flag, '=') || strcmp(flag, "--allow-all") == 0 || word[0] == '-')
        return NX_OK;
    if (run->argc == 0) {
        const char *extension = strrchr(word, '.');
        if (extension && (strcmp(extension, ".c") == 0 || strcmp(extension, ".wasm") == 0))
            return NX_OK;
        char *file = NULL;
        bool alone = words_from(i + 1, argc, argv) == 1 && nx__run_find(word, &file) == NX_OK &&
                     file && access(file, F_OK) == 0;
        free(file);
        if (alone) return NX_OK;
    }
    char clean[64];
    nx__printable(clean, sizeof clean, word);
    return nx__error_set(
        NX_EUSAGE,
        "%s takes its value with \"=\": %s=%s (or put -- before the program's own arguments)", flag,
        flag, clean);
}

nx_err nx__run_find(const char *word, char **out)
{
    struct stat st;
    char path[PATH_MAX];
    const char *extension = strrchr(word, '.');
    *out = NULL;
    bool there = stat(word, &st) == 0, folder = there && S_ISDIR(st.st_mode);
    bool complete = extension && strcmp(extension, ".c") == 0 && !folder;
    if (folder && nx__project_main(word, out) != NX_ENOENT) return nx__error_last()->code;
    if (!complete && snprintf(path, sizeof path, "%s.c", word) < PATH_MAX &&
        access(path, F_OK) == 0) {
        *out = strdup(path);
    } else if (folder) {
        return nx__error_set(
            NX_EUSAGE, "cannot run \"%.150s\": a folder without a nexus.toml that names its main",
            word);
    } else if (there || extension) {
        *out = strdup(word);
    } else {
        return nx__error_set(NX_ENOENT, "cannot read \"%.150s\": no such file", word);
    }
    return *out ? NX_OK : nx__error_set(NX_ENOMEM, "cannot run: out of memory");
}

/* The project that the current folder is in. */
static nx_err project_find(char **out)
{
    enum { DEPTH_MOST = 64 };
    char folder[3 * DEPTH_MOST + 1] = ".", real[PATH_MAX];
    for (int depth = 0; depth < DEPTH_MOST; depth++) {
        nx_err err = nx__project_main(folder, out);
        if (err != NX_ENOENT || !realpath(folder, real) || strcmp(real, "/") == 0) return err;
        (void)snprintf(folder + (depth ? 3 * depth - 1 : 0), 4, "%s..", depth ? "/" : "");
    }
    return NX_ENOENT;
}

/* The program is the project's; the words are its arguments. */
static nx_err project_run(struct nx__run *run)
{
    const char *command = run->serve.host ? "serve" : run->dev ? "dev" : "run";
    char *file;
    nx_err err = project_find(&file);
    if (err == NX_ENOENT)
        return nx__error_set(
            NX_EUSAGE,
            "nexus %s needs a file, as in: nexus %s %s (or a nexus.toml with main = \"app.c\")",
            command, command, run->serve.host ? "hello.wasm" : "app.c");
    NX_TRY(err);
    run->argv--; /* where the command's own name was */
    run->argc++;
    run->file = run->argv[0] = file;
    return NX_OK;
}

nx_err nx__run_parse(struct nx__run *run, int argc, char **argv)
{
    /* Words move down over the flags that were between them. */
    run->limits.size = sizeof run->limits;
    run->argv = argv + 1;
    bool named = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            for (i++; i < argc; i++) run->argv[run->argc++] = argv[i];
        } else if (argv[i][0] == '-' && argv[i][1]) {
            if (is_wasm_flag(argv[i]) && i + 1 < argc) {
                NX_TRY(wasm_flag_parse(run, argv[i], argv[i + 1]));
                i++;
                continue;
            }
            NX_TRY(flag_parse(run, argv[i]));
            if (run->help) return NX_OK;
            NX_TRY(value_check(run, i, argc, argv));
        } else {
            named = true;
            run->argv[run->argc++] = argv[i];
        }
    }
    run->argv[run->argc] = NULL;
    /* Who steps through a handler, or has a condition looked at a thousand times, blocks the loop.
     */
    if (run->inspect.on && !run->limits.watchdog) run->limits.watchdog = NX_FOREVER;
    if (!named) return project_run(run);
    char *file;
    NX_TRY(nx__run_find(run->argv[0], &file));
    run->file = run->argv[0] = file;
    return NX_OK;
}

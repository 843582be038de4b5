/* nexus test */
#include "cli/test.h"

#include "base/clock.h"
#include "cli/cli.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

/* ---- --watch */

static const struct nx__test_past *past_of(const struct nx__tester *t, const char *path)
{
    for (size_t i = 0; i < t->past_count; i++)
        if (strcmp(t->past[i].path, path) == 0) return &t->past[i];
    return NULL;
}

/* Ran with the same code, and well. */
static bool is_old(const struct nx__tester *t, const struct nx__test_file *file)
{
    const struct nx__test_past *past = past_of(t, file->path);
    return past && !past->failed && file->compiled.so_path && past->so_path &&
           strcmp(past->so_path, file->compiled.so_path) == 0;
}

static void past_free(struct nx__test_past *past, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(past[i].path);
        free(past[i].so_path);
    }
    free(past);
}

/* Notes how the files stand now. */
static void past_set(struct nx__tester *t)
{
    struct nx__test_past *past = calloc(t->file_count + 1, sizeof *past);
    size_t count = 0;
    for (size_t i = 0; past && i < t->file_count; i++) {
        const struct nx__test_file *file = &t->files[i];
        bool failed = file->suite.failure != NULL;
        for (size_t k = 0; k < file->suite.count; k++) {
            enum nx__test_outcome outcome = file->suite.cases[k].outcome;
            failed |= outcome == NX__TEST_FAILURE ||
                      (outcome == NX__TEST_NONE && !is_old(t, file)); /* --bail */
        }
        const char *so = file->compiled.so_path;
        past[count++] = (struct nx__test_past){
            .path = strdup(file->path), .so_path = so ? strdup(so) : NULL, .failed = failed};
        if (!past[count - 1].path) break;
    }
    past_free(t->past, t->past_count);
    t->past = past;
    t->past_count = past ? count : 0;
}

/* Waits for a change of a file that went in, or a new source beside one; false on a signal. */
static bool wait_change(struct nx__tester *t)
{
    struct nx__watcher *w = &t->broker.watcher;
    nx__watch_clear(w);
    for (size_t i = 0; i < t->file_count; i++) {
        struct nx__test_file *file = &t->files[i];
        struct nx__module_input main = {.path = file->path};
        struct nx__compiled known = {.inputs = &main, .input_count = 1};
        nx__watch_add(w, file->compiled.input_count ? &file->compiled : &known, false);
    }
    (void)printf("\nwaiting for a change\n");
    (void)fflush(stdout);
    for (w->changed_at = 0;;) {
        struct pollfd fds[] = {{.fd = t->pool.signals, .events = POLLIN},
                               {.fd = w->fd, .events = POLLIN}};
        nx_duration left = w->changed_at ? w->changed_at - nx__clock_monotonic() : 0;
        int timeout = !w->changed_at ? -1 : left > 0 ? (int)(left / NX_MS(1)) + 1 : 0;
        int n = poll(fds, 2, timeout);
        if (n < 0 && errno != EINTR) return false;
        if (n > 0 && fds[0].revents) (void)nx__pool_signals(&t->pool);
        if (t->pool.stop) return false;
        if (n > 0 && fds[1].revents) nx__watch_read(w, true);
        if (w->changed_at && nx__clock_monotonic() >= w->changed_at) return true;
    }
}

/* ---- A run */

/* The files' suites, those left out that need not run again. */
static size_t suites_of(const struct nx__tester *t, struct nx__suite *suites)
{
    size_t count = 0;
    for (size_t i = 0; i < t->file_count; i++) {
        const struct nx__suite *suite = &t->files[i].suite;
        if (!suite->count && !suite->failure) continue;
        if (!is_old(t, &t->files[i])) suites[count++] = *suite;
    }
    return count;
}

/* The runner has worked on copies. */
static void suites_back(struct nx__tester *t, const struct nx__suite *suites, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct nx__test_file *file = suites[i].owner;
        file->suite = suites[i];
    }
    (void)t;
}

static int nothing(const struct nx__tester *t)
{
    const struct nx__test_config *c = &t->config;
    if (t->past_count) return 0; /* --watch: nothing has changed */
    if (c->filter)
        nx__cli_say("no %s matches \"%.100s\"; --list says which there are",
                    c->bench ? "benchmark" : "test", c->filter);
    else
        nx__cli_say(
            "there are no %s: write one into THING_test.c as %s(\"name\") { ... } with <nexus/test.h>",
            c->bench ? "benchmarks" : "tests", c->bench ? "NX_BENCH" : "NX_TEST");
    return NX_ENOENT;
}

static int run_once(struct nx__tester *t)
{
    nx__test_files_free(t);
    nx_err err = nx__test_files_find(t);
    if (!err) err = nx__test_grants_read(t);
    if (err) return nx__cli_fail(err);
    nx__test_files_prepare(t);
    if (t->pool.stop_signal) return 128 + t->pool.stop_signal;
    struct nx__suite *suites = calloc(t->file_count + 1, sizeof *suites);
    if (!suites) return nx__cli_fail(nx__error_set(NX_ENOMEM, "cannot run: out of memory"));
    size_t count = suites_of(t, suites);
    struct nx__run_of_tests run = {.pool = t->pool,
                                   .config = &t->config,
                                   .suites = suites,
                                   .suite_count = count,
                                   .enter = nx__test_enter,
                                   .request = nx__test_serve,
                                   .ended = nx__test_forget};
    int code = 0;
    nx__test_helpers_begin(&run.pool, &t->broker);
    if (!count) {
        code = nothing(t);
    } else if (t->config.list) {
        nx__report_list(&run);
        for (size_t i = 0; i < count; i++)
            if (suites[i].failure) code = (int)suites[i].failure_code;
    } else {
        code = nx__tests_run(&run);
        nx__helpers_end(&t->broker);
        t->pool.stop_signal = run.pool.stop_signal;
        suites_back(t, suites, count);
        if (t->coverage && !t->pool.stop_signal && (err = nx__coverage_report(t)))
            code = nx__cli_fail(err);
    }
    free(suites);
    if (t->watch) past_set(t);
    return code;
}

static int run(int argc, char **argv)
{
    static struct nx__tester tester;
    struct nx__tester *t = &tester;
    char **all = argv - 1; /* with the command before it */
    t->config.program = "nexus test";
    nx_err err = nx__tester_parse(t, argc, argv);
    if (t->config.help) return nx__cli_help(&nx__command_test);
    if (!err) err = nx__test_tools_init(t, all);
    if (!err) err = nx__pool_init(&t->pool);
    t->broker.watcher.fd = -1;
    if (!err && t->watch && (t->broker.watcher.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) < 0)
        err = nx__error_system(errno, "cannot watch files");
    if (err) return nx__cli_fail(err);
    t->broker.pid = getpid();
    int code;
    do {
        code = run_once(t);
        if (t->coverage_base[0]) nx__remove_tree(t->coverage_base);
        t->coverage_base[0] = '\0';
    } while (t->watch && !t->pool.stop_signal && wait_change(t));
    (void)fflush(stdout);
    /* What a sanitizer would find here is no test's. */
    if (t->asan) _exit(code);
    return code;
}

const struct nx__command nx__command_test = {
    .name = "test",
    .summary = "run the tests of a project",
    .flags = nx__test_flags,
    .argument = NX__OFFER_SOURCES,
    .arguments = true,
    .help =
        "Usage: nexus test [FLAGS] [FILES AND FOLDERS]\n"
        "\n"
        "Runs the tests in files named THING_test.c or test_THING.c, below the current folder without any; each test in a\n"
        "process of its own. A test may read its project, use its own folder (nx_test_dir) and talk to this machine, and\n"
        "nothing else unless a flag or [permissions] of nexus.toml allows it: --allow-net, ... as for nexus run.\n"
        "\n"
        "  --permissions=NAME       take [permissions.NAME] of nexus.toml; none: not even [permissions]\n"
        "\n"
        "  --filter=TEXT            only tests whose name contains TEXT or matches it, an extended regular expression\n"
        "  --parallel=N             tests at the same time (the number of processors)\n"
        "  --deadline=SECONDS       of tests that name none (10)\n"
        "  --repeat=N               run each test N times\n"
        "  --shuffle[=SEED]         run them in another order, which SEED brings back\n"
        "  --bail                   stop at the first failure\n"
        "  --watch                  run again what a changed file concerns\n"
        "  --list                   say which tests there are, and run none\n"
        "  --verbose                a line for each test, in several files too\n"
        "  --output                 let tests write to the terminal, instead of showing it for failures\n"
        "  --junit=FILE             write the results as JUnit XML\n"
        "  --tap                    write them to the standard output as TAP 14\n"
        "\n"
        "  --asan                   find bad accesses, undefined behaviour and leaks (gcc or clang)\n"
        "  --coverage[=FILE]        which lines have run; writes FILE, lcov.info, too (gcc or clang)\n"
        "  --release                compile for speed\n"
        "  --compiler=NAME          tcc, gcc, clang or a path (default: $CC, else the first found)\n"
        "  --refresh                compile even if the result is in the cache\n"
        "\n"
        "  --bench                  run the benchmarks instead of the tests, compiled for speed\n"
        "  --save-baseline=FILE     keep what was measured\n"
        "  --baseline=FILE          compare with what was kept\n"
        "  --slower=PERCENT         fail when one has become slower by more\n"
        "\n"
        "Exit code: 0 all passed, 1 a test failed (or became slower), 2 wrong usage, 8 there are no tests, 18 a file does not\n"
        "compile (and no test failed), 128 + N ended by signal N.\n"
        "\n"
        "Examples:\n"
        "  nexus test\n"
        "  nexus test store_test.c --filter='^adds' --watch\n"
        "  nexus test --asan --shuffle --repeat=20\n"
        "  nexus test --bench --baseline=bench.tsv --slower=10\n",
    .run = run,
};

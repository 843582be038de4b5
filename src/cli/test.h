/* nexus test: what its parts share. */
#ifndef NX__CLI_TEST_H
#define NX__CLI_TEST_H

#include "cli/flags.h"
#include "cli/launcher.h"
#include "module/compiler.h"
#include "test/runner.h"

/* A test file. */
struct nx__test_file {
    struct nx__job job; /* first: compiles it and lists its tests */
    struct nx__tester *tester;
    char *path; /* as it is shown */
    char root[NX__ROOT_MOST];
    struct nx__run *run; /* what its tests are served by: its project's */
    struct nx__compiled compiled;
    struct nx__suite suite;
    unsigned listed;
    char *coverage; /* folder of its notes and counts; NULL without --coverage */
};

/* What a file was at the last run, under --watch. */
struct nx__test_past {
    char *path, *so_path;
    bool failed;
};

struct nx__tester {
    struct nx__test_config config;
    const char **grants; /* --allow-... and --deny-..., as they were given */
    size_t grant_count;
    struct nx__run sets;               /* --permissions */
    struct nx__test_project *projects; /* that the files are of */
    const char **paths;                /* that were asked for */
    size_t path_count;
    const char *compiler;
    bool watch, release, refresh, asan, coverage;
    const char *lcov;
    enum nx__compiler_kind kind; /* with asan or coverage */
    char compiler_path[NX__COMPILER_PATH];
    const char *flags[8];
    char coverage_base[NX__TEMP_FOLDER];

    struct nx__test_file *files;
    size_t file_count, next_file;
    struct nx__test_past *past;
    size_t past_count;
    struct nx__pool pool;       /* of the compilations; its signals serve all */
    struct nx__launcher broker; /* answers what tests ask */
};

/* ---- test_options.c */

extern const struct nx__flag nx__test_flags[];

/* Reads argv[1] to argv[argc - 1]. NX_EUSAGE, NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__tester_parse(struct nx__tester *tester, int argc, char **argv);

/* ---- test_files.c */

/* Finds the test files, sorted. NX_ENOENT: a path that was asked for is not there; NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__test_files_find(struct nx__tester *tester);
void nx__test_files_free(struct nx__tester *tester);

/* ---- test_grants.c */

/* Reads what the tests of each file's project may do: the flags, [permissions] of its nexus.toml,
 * and what all tests may. In the command. Errors of nx__permission_sets_read, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__test_grants_read(struct nx__tester *tester);
void nx__test_grants_free(struct nx__tester *tester);

/* ---- test_build.c */

/* Compiles the files and lists their tests; what does not compile has a failure in its suite. */
void nx__test_files_prepare(struct nx__tester *tester);

/* In the process of a test: seals it, loads the file, runs the test. */
NX__NORETURN void nx__test_enter(struct nx__case *c, int packets);

/* Answers what a test asks of its launcher, and takes back what it had. */
void nx__test_serve(struct nx__case *c);
void nx__test_forget(struct nx__case *c);

/* Has the pool look after the processes that the broker starts for tests. */
void nx__test_helpers_begin(struct nx__pool *pool, struct nx__launcher *broker);

/* ---- test_tools.c */

/* Chooses the compiler and flags for --asan and --coverage; for --asan the command starts itself
 * again, with the sanitizer's library before all others. NX_ENOTSUP, NX_ENOENT, recorded. */
NX_MUST_CHECK nx_err nx__test_tools_init(struct nx__tester *tester, char **argv);

/* Runs a program to its end with its output in `out`; argv[0] is a path. NX_EFAILED (it said no),
 * and others, recorded. */
NX_MUST_CHECK nx_err nx__tool_output(const char *const *argv, struct nx__buffer *out);

/* ---- test_coverage.c */

/* The folder for a file's counts. NX_EIO and others, recorded. */
NX_MUST_CHECK nx_err nx__coverage_prepare(struct nx__tester *tester, struct nx__test_file *file);

/* Reads what the tests have counted, prints the summary and writes the lcov file. */
NX_MUST_CHECK nx_err nx__coverage_report(struct nx__tester *tester);

#endif

/* Running tests in processes of their own, and reporting them. */
#ifndef NX__TEST_RUNNER_H
#define NX__TEST_RUNNER_H

#include "test/jobs.h"
#include <regex.h>
#include <stdio.h>

/* ---- What there is to run, and how it went */

/* A failure, or a subtest. */
struct nx__note {
    char *subtest; /* NULL: a failure */
    char *file;    /* NULL: nowhere */
    int line;
    char *text; /* of the failure; reason of the skip */
    enum nx__test_outcome outcome;
    nx_duration took;
    unsigned inside; /* how many of the notes behind this belong to the subtest */
};

struct nx__suite;

struct nx__case {
    struct nx__job job; /* first */
    struct nx__suite *suite;
    unsigned index;  /* in the registry */
    unsigned number; /* in the run, from 0 */
    char *name, *file;
    int line;
    nx_duration deadline;
    bool serial, bench;
    bool kept; /* of whoever answers its requests: it has a keeper */

    enum nx__test_outcome outcome;
    bool done;    /* the test itself has told how it went */
    char *reason; /* of a skip; of the end that it did not tell of */
    struct nx__note *notes;
    size_t note_count;
    char *seen_file; /* the last check before the deadline */
    int seen_line;
    nx_duration took;
    bool measured;
    struct nx__bench_result bench_result;
    char *dir;
};

/* The tests of one file, or of one program. */
struct nx__suite {
    char *path;
    struct nx__case *cases;
    size_t count;
    size_t left;   /* that have not ended */
    char *failure; /* why it can't be run: what the compiler said */
    nx_err failure_code;
    nx_duration took;
    bool reported;
    void *owner; /* of whoever made it */
};

struct nx__test_config {
    bool bench, list, tap, output, bail, verbose, shuffle, help;
    unsigned parallel, repeat;
    uint64_t seed;
    nx_duration deadline; /* 0: the default */
    const char *filter, *junit, *baseline, *save_baseline;
    double slower; /* percent; 0: any slowness passes */
    regex_t pattern;
    bool has_pattern;
    bool color;          /* on stdout */
    const char *program; /* for messages: "nexus test" */
};

struct nx__run_of_tests {
    struct nx__pool pool;
    const struct nx__test_config *config;
    struct nx__suite *suites;
    size_t suite_count;
    /* Called in the process of a test: loads its program and runs it; never returns. */
    void (*enter)(struct nx__case *c, int packets);
    /* Something else waits on the case's packets; may be NULL. */
    void (*request)(struct nx__case *c);
    /* A case has ended; may be NULL. */
    void (*ended)(struct nx__case *c);

    char base[NX__TEMP_FOLDER]; /* folder of the tests' own folders */
    struct nx__case **order;
    size_t order_count, next;
    bool serial;                            /* the running one is alone */
    size_t passed, failed, skipped, broken; /* broken: suites */
    nx_duration started;
    FILE *junit;
};

/* ---- options.c */

/* Takes one argument that tests of any kind have; `*taken` says whether it is one. NX_EUSAGE,
 * recorded. */
NX_MUST_CHECK nx_err nx__test_option(struct nx__test_config *config, const char *argument,
                                     bool *taken);

/* Their help, a line each. */
extern const char nx__test_options_help[];

/* Makes the config whole once all arguments are read. NX_EUSAGE: the filter is no regular
 * expression. */
NX_MUST_CHECK nx_err nx__test_config_done(struct nx__test_config *config);

/* True when the test is to be run. */
bool nx__test_wanted(const struct nx__test_config *config, const char *name, bool bench);

/* ---- results.c */

/* Adds a case as the packet lists it. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__suite_add(struct nx__suite *suite, const struct nx__test_packet *packet,
                                   unsigned index);
void nx__suite_free(struct nx__suite *suite);

/* Takes in what a test has told. */
void nx__case_packet(struct nx__job *job, const struct nx__test_packet *packet);

/* The test's process has ended: what it has not told is added. */
void nx__case_end(struct nx__case *c);

/* ---- runner.c */

/* Runs the tests of the suites and reports; returns the exit code. */
int nx__tests_run(struct nx__run_of_tests *run);

/* ---- report.c: for people, on stdout. */
void nx__report_list(const struct nx__run_of_tests *run);
void nx__report_suite(const struct nx__run_of_tests *run, const struct nx__suite *suite);
void nx__report_end(const struct nx__run_of_tests *run);

/* Prints text of others, without what could steer a terminal; each line behind `indent`. */
void nx__report_text(FILE *to, const char *indent, const char *text, size_t len);

/* The innermost subtest that the note lies in, NULL: none. */
const struct nx__note *nx__note_subtest(const struct nx__case *c, const struct nx__note *note);

/* ---- formats.c: for machines. */
void nx__tap_begin(const struct nx__run_of_tests *run);
void nx__tap_case(const struct nx__run_of_tests *run, const struct nx__case *c);
void nx__tap_end(const struct nx__run_of_tests *run);

/* Writes the JUnit file. NX_EIO and others, recorded. */
NX_MUST_CHECK nx_err nx__junit_write(const struct nx__run_of_tests *run);

/* ---- baseline.c */

/* Prints the benchmarks, with the comparison; `*slower` counts those that are too slow. Saves them
 * where that was asked for. NX_ENOENT (no such baseline), NX_EINVAL, NX_EIO, recorded. */
NX_MUST_CHECK nx_err nx__bench_report(const struct nx__run_of_tests *run, size_t *slower);

#endif

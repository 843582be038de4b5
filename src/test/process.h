/* The side of a test's own process: it runs one test and tells the runner, by packets. */
#ifndef NX__TEST_PROCESS_H
#define NX__TEST_PROCESS_H

#include "base/compiler.h"
#include "base/error.h"
#include <nexus/test.h>

/* ---- Packets, from the process to the runner, which trusts none of them. */

enum {
    NX__TEST_MAGIC = 0x4e585453,
    NX__TEST_SANITIZER = 86, /* exit code of a process in which a sanitizer has found something */
    NX__TEST_TEXT_MOST = 16 * 1024, /* bytes of the two texts of a packet, NULs included */
};

enum nx__test_packet_kind {
    NX__TEST_LISTED = 1,   /* first: name, second: file; numbers: deadline, serial, bench */
    NX__TEST_FAILED,       /* first: file, second: what */
    NX__TEST_SUBTEST,      /* first: name; it has begun */
    NX__TEST_SUBTEST_DONE, /* first: name, second: reason of a skip; numbers: outcome, ns */
    NX__TEST_SEEN,         /* first: file; the last check before the deadline */
    NX__TEST_MEASURED,     /* numbers: of nx__bench_result */
    NX__TEST_DONE,         /* first: file, second: reason of a skip; numbers: outcome, ns */
};

enum nx__test_outcome {
    NX__TEST_NONE, /* has not run */
    NX__TEST_PASSED,
    NX__TEST_FAILURE,
    NX__TEST_SKIPPED,
    NX__TEST_OUTCOMES
};

/* What a benchmark has found, in ns a turn. */
struct nx__bench_result {
    double median, mad, mean, deviation, least, bytes;
    double samples, turns; /* turns of a sample */
};

struct nx__test_packet {
    uint32_t magic, kind;
    int32_t line;
    uint32_t first_size, second_size; /* with their NULs, one behind the other in `text` */
    double numbers[8];
    char text[NX__TEST_TEXT_MOST];
};

/* Sends one to the runner; texts that are too long are cut. Any thread. */
void nx__test_send(enum nx__test_packet_kind kind, int line, const char *first, const char *second,
                   const double *numbers, size_t count);

/* Where they go from now on. */
void nx__test_send_to(int fd);

/* True when the packet's counts and texts are sound. */
bool nx__test_packet_check(const struct nx__test_packet *packet, size_t len);

/* ---- Registry */

/* The tests in the order of their files and lines, NULL at its end. */
nx_test *nx__tests(void);

/* Adds those of a loaded program whose compiler knows no constructors (tcc); `handle` is dlopen's.
 */
void nx__tests_find(void *handle);

/* ---- Running */

struct nx__test_options {
    int fd;               /* of the packets */
    const char *dir;      /* what nx_test_dir makes and returns */
    nx_duration deadline; /* of tests that say nothing */
};

/* Tells the runner what there is. */
void nx__tests_list(const struct nx__test_options *options);

/* Runs the test in a loop of its own and ends the process. */
NX__NORETURN void nx__test_run(nx_test *test, const struct nx__test_options *options);

/* Records a failure; from any thread. Returns for a soft one. */
void nx__test_fail(const nx_test_site *site, const char *text);

/* Notes where the test is, for reports of a deadline. */
void nx__test_at(const nx_test_site *site);

/* Measures the benchmark that the test is. */
void nx__bench_run(nx_test *test);

/* ---- Text */

struct nx__buffer;
enum { NX__TEST_MESSAGE_MOST = 8 * 1024 };

/* Adds the value as a reader would write it. */
void nx__test_show(struct nx__buffer *out, nx_test_value value);

/* Adds one character of `at` up to `end`, escaped where it does not show; returns its bytes. */
size_t nx__test_escape(struct nx__buffer *out, const char *at, const char *end);

/* Adds the text in quotes, the first `most` bytes of it. */
void nx__test_quote(struct nx__buffer *out, nx_bytes text, size_t most);

/* Adds how two strings, or two runs of bytes, differ. */
void nx__test_diff(struct nx__buffer *out, nx_bytes found, nx_bytes wanted);

#endif

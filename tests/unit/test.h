/* A test program in one header: NX_TEST(name) { EXPECT(...); } and a main that runs them all. */
#ifndef NX_TEST_H
#define NX_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nx_test {
    const char *name;
    void (*run)(void);
    struct nx_test *next;
};

static struct nx_test *nx_tests, **nx_tests_end = &nx_tests;
static int nx_test_failures;

#define NX_TEST(name)                                                                              \
    static void name##_run(void);                                                                  \
    static struct nx_test name##_test = {#name, name##_run, NULL};                                 \
    __attribute__((constructor)) static void name##_add(void)                                      \
    {                                                                                              \
        *nx_tests_end = &name##_test;                                                              \
        nx_tests_end = &name##_test.next;                                                          \
    }                                                                                              \
    static void name##_run(void)

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            nx_test_failures++;                                                                    \
            printf("%s:%d: expected: %s\n", __FILE__, __LINE__, #condition);                       \
        }                                                                                          \
    } while (0)

#define EXPECT_EQ(actual, wanted)                                                                  \
    do {                                                                                           \
        long long a_ = (long long)(actual), w_ = (long long)(wanted);                              \
        if (a_ != w_) {                                                                            \
            nx_test_failures++;                                                                    \
            printf("%s:%d: %s is %lld, expected %lld (%s)\n", __FILE__, __LINE__, #actual, a_, w_, \
                   #wanted);                                                                       \
        }                                                                                          \
    } while (0)

#define EXPECT_STR(actual, wanted)                                                                 \
    do {                                                                                           \
        const char *a_ = (actual), *w_ = (wanted);                                                 \
        if (!a_ || !w_ || strcmp(a_, w_) != 0) {                                                   \
            nx_test_failures++;                                                                    \
            printf("%s:%d: %s is \"%s\", expected \"%s\"\n", __FILE__, __LINE__, #actual,          \
                   a_ ? a_ : "(null)", w_ ? w_ : "(null)");                                        \
        }                                                                                          \
    } while (0)

/* Runs the tests whose names contain argv[1], all without one. */
static int nx_test_main(int argc, char **argv)
{
    int ran = 0, failed = 0;
    for (struct nx_test *t = nx_tests; t; t = t->next) {
        if (argc > 1 && !strstr(t->name, argv[1])) continue;
        int before = nx_test_failures;
        t->run();
        ran++;
        if (nx_test_failures != before) {
            failed++;
            printf("FAILED %s\n", t->name);
        }
    }
    printf("%d passed, %d failed\n", ran - failed, failed);
    return failed || !ran;
}

#ifndef NX_TEST_OWN_MAIN
int main(int argc, char **argv)
{
    return nx_test_main(argc, argv);
}
#endif

#endif

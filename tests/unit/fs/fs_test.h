/* For tests of files. */
#ifndef FS_TEST_H
#define FS_TEST_H

#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path of that name in the test's own folder. */
static inline const char *at(const char *name)
{
    return nx_format("%s/%s", nx_test_dir(), name);
}

static inline void make(const char *name, const char *text)
{
    nx_require_ok(nx_fs_write_file(at(name), nx_str(text)));
}

static inline nx_bytes contents(const char *name)
{
    nx_bytes bytes;
    nx_require_ok(nx_fs_read_file(at(name), &bytes));
    return bytes;
}

/* An error with its errno. */
#define expect_system(code, number, ...)                                                           \
    do {                                                                                           \
        nx_expect_err((code), __VA_ARGS__);                                                        \
        nx_expect_eq(nx_error_last()->system, (number));                                           \
    } while (0)

#endif

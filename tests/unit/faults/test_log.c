/* The log's file where memory runs out or system calls fail: lines may be lost, and are counted;
 * those that come later are in the file that has its name. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <nexus/log.h>
#include <nexus/test.h>
#include <nexus/text.h>
#include <nexus/timer.h>
#include <string.h>
#include <unistd.h>

enum { LINES = 100 }; /* of a kilobyte each: more than the file may have */

static const char *path;

static void write_lines(void)
{
    char text[1024];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < LINES; i++) nx_log_warn("a line", "text", text);
}

static nx_err log_lines(void)
{
    NX_TRY(nx_log_setup(.file = path, .max_size = NX_LOG_FILE_LEAST, .keep = 2));
    write_lines();
    return nx_log_flush();
}

static void log_again(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    nx_bytes text;
    (void)scenario, (void)err, (void)failed;
    if (nx_log_flush()) nx_log_reopen(); /* a write has failed for good */
    while (nx_log_flush()) nx_require_ok(nx_sleep(NX_MS(1)));
    for (int i = 0; i < 3; i++) {
        write_lines();
        nx_expect_ok(nx_log_flush());
    }
    nx_log_warn("the last");
    nx_expect_ok(nx_log_flush());
    if (nx_expect_ok(nx_fs_read_file(path, &text)))
        nx_expect(nx_text_contains(text, nx_str("the last")));
}

static const struct faults_scenario logging = {
    .name = "a file that is made anew", .run = log_lines, .after = log_again};

NX_TEST("memory runs out")
{
    path = nx_format("%s/log", nx_test_dir());
    faults_run(FAULTS_MEMORY, &logging, 1);
    faults_run(FAULTS_NO_MEMORY, &logging, 1);
}

NX_TEST("system calls fail", .deadline = NX_S(60))
{
    static const int all[] = {EMFILE, EINTR, EIO, FAULTS_SHORT};
    path = nx_format("%s/log", nx_test_dir());
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) faults_run(all[i], &logging, 1);
}

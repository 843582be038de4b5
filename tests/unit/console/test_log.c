/* The log's settings, its file, and many threads at once. */
#include "../loop/loop_test.h"

#include "console/log.h"
#include <nexus/log.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[160];

static void in_folder(void)
{
    (void)snprintf(path, sizeof path, "%s/log", nx_test_dir());
}

/* Reads the file, `number` of its old ones if that is not 0, and removes it; "" where it is not. */
static const char *take(unsigned number)
{
    static char text[4 << 20];
    char name[192];
    (void)snprintf(name, sizeof name, number ? "%s.%u" : "%s", path, number);
    FILE *file = fopen(name, "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) (void)fclose(file);
    (void)unlink(name);
    text[len] = '\0';
    return text;
}

static int lines_of(const char *text)
{
    int lines = 0;
    for (; (text = strchr(text, '\n')); text++) lines++;
    return lines;
}

NX_TEST("options")
{
    nx_expect_err(NX_EINVAL, nx_log_setup(.level = (nx_log_level)99));
    nx_expect_err(NX_EINVAL, nx_log_setup(.style = (nx_log_style)3));
    nx_expect_err(NX_EINVAL, nx_log_setup(.when_full = (nx_log_full)7));
    nx_expect_err(NX_EINVAL, nx_log_setup(.max_size = NX_LOG_FILE_LEAST));
    nx_expect_err(NX_EINVAL, nx_log_setup(.file = "x", .max_size = 1));
    nx_expect_err(NX_EINVAL, nx_log_setup(.file = "x", .keep = 100));
    nx_expect_err(NX_EINVAL, nx_log_setup(.file = ""));
    nx_expect_err(NX_ENOENT, nx_log_setup(.file = "/nowhere/at/all"));
    nx_expect_eq(last_message(), "cannot write the log \"/nowhere/at/all\": no such file");
    /* An older program's options, which end earlier. */
    nx_log_options old = {.size = offsetof(nx_log_options, when_full), .keep = 1000};
    nx_expect_ok(nx_log_setup_with(&old));
}

NX_TEST("levels")
{
    int evaluated = 0;
    in_folder();
    nx_expect_ok(nx_log_setup(.file = path, .level = NX_LOG_WARN));
    nx_expect(!nx_log_enabled(NX_LOG_INFO));
    nx_expect(nx_log_enabled(NX_LOG_WARN));
    nx_log_info("no", "n", ++evaluated);
    nx_logf_info("no %d", ++evaluated);
    nx_log_warn("yes", "n", ++evaluated);
    nx_log_set_level(NX_LOG_OFF);
    nx_log_fatal("no");
    nx_log_fields(NX_LOG_OFF, "no", NULL, 0);
    nx_log_set_level((nx_log_level)77); /* none: nothing changes */
    nx_log_fatal("no");
    nx_log_set_level(NX_LOG_TRACE);
    nx_log_trace("yes");
    nx_expect_eq(evaluated, 1);
    nx_expect_ok(nx_log_flush());
    nx_expect_eq(lines_of(take(0)), 2);
}

NX_TEST("nothing of the caller's changes")
{
    in_folder();
    nx_expect_ok(nx_log_setup(.file = path));
    (void)nx_fail(NX_EIO, "mine");
    errno = 55;
    static char big[200000];
    memset(big, 'x', sizeof big - 1);
    nx_log_info("a", "b", 1.5, "big", (char *)big);
    nx_logf_info("%s", big);
    nx_log_fatal("waits");
    nx_expect_eq(errno, 55);
    nx_expect_eq(last_message(), "mine");
    nx_expect_eq(lines_of(take(0)), 3); /* the last one has waited for all */
}

NX_TEST("another file")
{
    in_folder();
    nx_expect_ok(nx_log_setup(.file = path));
    nx_log_info("first");
    char first[sizeof path];
    memcpy(first, path, sizeof first);
    (void)snprintf(path, sizeof path, "%s/other", nx_test_dir());
    nx_expect_ok(nx_log_setup(.file = path, .style = NX_LOG_JSON));
    nx_log_info("second");
    nx_expect_ok(nx_log_flush());
    nx_expect_contains(take(0), "\"msg\":\"second\"");
    memcpy(path, first, sizeof first);
    nx_expect_contains(take(0), "INFO  first");
}

/* ---- Many threads, while the file is moved away again and again. */

enum { THREADS = 4 };

static void *many(void *arg)
{
    int count = scaled(5000);
    for (int i = 0; i < count; i++)
        nx_log_info("line", "thread", *(int *)arg, "i", i, "name", "Ada");
    return NULL;
}

static int run_threads(void (*meanwhile)(void))
{
    pthread_t threads[THREADS];
    int ids[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        nx_expect_eq(pthread_create(&threads[i], NULL, many, &ids[i]), 0);
    }
    if (meanwhile) meanwhile();
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    nx_expect_ok(nx_log_flush());
    return THREADS * scaled(5000);
}

static int moved;

static void move_away(void)
{
    for (int i = 1; i <= 20; i++) {
        char old[192];
        (void)snprintf(old, sizeof old, "%s.%d", path, i);
        if (rename(path, old) == 0) moved = i;
        nx_log_reopen();
        nx_log_set_level(i % 2 ? NX_LOG_DEBUG : NX_LOG_INFO);
        NX_IGNORE(nx_sleep(NX_MS(2)));
    }
}

NX_TEST("threads and reopening")
{
    in_folder();
    moved = 0;
    nx_expect_ok(nx_log_setup(.file = path, .when_full = NX_LOG_BLOCK));
    int wanted = run_threads(move_away), got = lines_of(take(0));
    for (int i = 1; i <= 20; i++) got += lines_of(take((unsigned)i));
    nx_expect_eq(got, wanted);
    nx_expect_gt(moved, 0);
}

NX_TEST("threads and full files")
{
    in_folder();
    nx_expect_ok(nx_log_setup(.file = path, .max_size = NX_LOG_FILE_LEAST, .keep = 99,
                              .when_full = NX_LOG_BLOCK));
    int wanted = run_threads(NULL), got = 0, files = 0;
    for (unsigned i = 0; i <= 99; i++) {
        const char *text = take(i);
        nx_expect_le(strlen(text), NX_LOG_FILE_LEAST);
        nx_expect(!*text || text[strlen(text) - 1] == '\n');
        files += *text != '\0';
        got += lines_of(text);
    }
    nx_expect_eq(got, wanted);
    if (!on_valgrind()) nx_expect_gt(files, 1);
}

/* The framework's checks and subtests without its processes and loop: for other processors, whose
 * programs an emulator runs and which the rest of the runtime is not built for. */
#include "test/process.h"
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 8 };

static struct {
    jmp_buf jumps[DEPTH + 1]; /* 0: the test's, then the subtests' */
    size_t name_lens[DEPTH + 1];
    int depth;
    char name[512];
    unsigned failures;
} now;

void nx__test_at(const nx_test_site *site)
{
    (void)site;
}

void nx__test_fail(const nx_test_site *site, const char *text)
{
    now.failures++;
    (void)printf("%s:%d: %s\n  in: %s\n", site->file, site->line, text, now.name);
    if (site->hard) longjmp(now.jumps[now.depth], 1);
}

void nx_test_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

int nx_subtest_open(const void *frame, const char *file, int line, const char *format, ...)
{
    (void)frame, (void)file, (void)line;
    if (now.depth == DEPTH) abort();
    size_t len = now.name_lens[++now.depth] = strlen(now.name);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(now.name + len, sizeof now.name - len, format, args);
    va_end(args);
    return now.depth;
}

int nx_subtest_close(int depth)
{
    while (now.depth >= depth) now.name[now.name_lens[now.depth--]] = '\0';
    return -1;
}

jmp_buf *nx_subtest_jump(void)
{
    return &now.jumps[now.depth];
}

int main(void)
{
    unsigned ran = 0, failed = 0;
    for (nx_test *test = nx__tests(); test; test = test->next, ran++) {
        unsigned before = now.failures;
        (void)snprintf(now.name, sizeof now.name, "%s: ", test->name);
        if (setjmp(now.jumps[0]) == 0) test->run(NULL);
        (void)nx_subtest_close(1);
        failed += now.failures != before;
    }
    (void)printf("%u passed, %u failed\n", ran - failed, failed);
    return failed || !ran;
}

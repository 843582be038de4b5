/* What the tests of programs share. */
#ifndef NX_PROCESS_TEST_H
#define NX_PROCESS_TEST_H

#include "valgrind.h"

#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/process.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static inline const char *at(const char *name)
{
    return nx_format("%s/%s", nx_test_dir(), name);
}

/* A file of the test's folder that has these contents and these permissions. */
static inline const char *file(const char *name, const char *contents, mode_t mode)
{
    const char *path = at(name);
    nx_require_ok(nx_fs_write_file(path, nx_str(contents)));
    nx_require_eq(chmod(path, mode), 0);
    return path;
}

/* Waits until the process with the number is no more, or only its parent's to take. */
static inline bool gone(pid_t pid)
{
    for (int i = 0; i < 2000; i++) {
        char path[64], text[256] = "";
        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        FILE *stat = fopen(path, "re");
        if (!stat) return true;
        bool read = fgets(text, sizeof text, stat) != NULL;
        (void)fclose(stat);
        const char *state = read ? strrchr(text, ')') : NULL;
        if (!state || state[2] == 'Z' || state[2] == 'X') return true;
        nx_require_ok(nx_sleep(NX_MS(5)));
    }
    return false;
}

/* Reads what the program writes up to a line's end, which it leaves out. */
static inline const char *line_of(nx_process *process)
{
    char *line = nx_alloc_zero(1, 4096);
    size_t len = 0, got = 1;
    while (len < 4095 && got) {
        nx_require_ok(nx_stream_read(nx_process_out(process), line + len, 1, &got));
        if (got && line[len] == '\n') break;
        len += got;
    }
    line[len] = '\0';
    return line;
}

/* None of this program's children has ended and not been taken. */
static inline bool no_zombie(void)
{
    siginfo_t info = {0};
    int result = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    return (result != 0 && errno == ECHILD) || (result == 0 && info.si_pid == 0);
}

#endif

/* For tests of the loop, which run in the main fiber of one as all tests do. */
#ifndef LOOP_TEST_H
#define LOOP_TEST_H

#include <nexus/test.h>

#include "loop/loop.h"
#include <errno.h>
#include <nexus/channel.h>
#include <nexus/fiber.h>
#include <nexus/runtime.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef NX__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

static inline bool on_valgrind(void)
{
#ifdef RUNNING_ON_VALGRIND
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

/* Fewer of a thing where each costs a lot: sanitizers, valgrind. */
static inline int scaled(int n)
{
#if defined(NX__ASAN) || defined(NX__TSAN)
    return n / 10;
#else
    return on_valgrind() ? n / 50 : n;
#endif
}

/* Lets everything that is ready run, whatever order it was made ready in. */
static inline void settle(void)
{
    for (int i = 0; i < 20; i++) NX_IGNORE(nx_yield());
}

static inline const char *last_message(void)
{
    return nx_error_last()->message;
}

/* Forks a process that has left the test's loop, as if there had never been one. The test has not
 * waited for anything before. */
static inline pid_t fork_apart(void)
{
    struct nx_loop *loop = nx__loop();
    (void)fflush(stdout);
#ifdef NX__TSAN
    /* The loop's own context counts as a thread, and where there are two a fork may start none. */
    __tsan_destroy_fiber(loop->context.tsan);
#endif
    pid_t pid = fork();
#ifdef NX__TSAN
    if (pid != 0) loop->context.tsan = __tsan_create_fiber(0);
#endif
    if (pid != 0) return pid;
    /* Leak checkers find in the copy what the loop has. */
    static struct nx_loop left;
    memcpy(&left, loop, sizeof left);
    nx__loop_current = NULL;
    nx__context_current = NULL;
    return 0;
}

/* Runs the body in a process without a loop, where it may run programs. Returns its exit code, -1
 * where it had none. */
static inline int apart(int (*body)(void *arg), void *arg)
{
    pid_t pid = fork_apart();
    if (pid == 0) exit(body(arg));
    int status = -1;
    nx_expect_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif

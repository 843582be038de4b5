/* nexus test: the compilers' tools behind --asan and --coverage. */
#include "cli/test.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MOST = 256 << 20 };

#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "riscv64"
#endif

/* Set for the command that has the sanitizer's library in it. */
static const char PRELOADED[] = "NEXUS_TEST_PRELOADED";

nx_err nx__tool_output(const char *const *argv, struct nx__buffer *out)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) return nx__error_system(errno, "cannot run %s", argv[0]);
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    pid_t pid = -1;
    if (!error) {
        error = posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
        char *const *words = (char *const *)(uintptr_t)argv; /* it changes none of them */
        if (!error) error = posix_spawn(&pid, argv[0], &actions, NULL, words, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(pipe_fds[1]);
    nx_err err = error ? nx__error_system(error, "cannot run %s", argv[0]) : NX_OK;
    while (!err) {
        if (nx__buffer_reserve(out, 64 * 1024, OUTPUT_MOST)) {
            err = nx__error_set(NX_ETOOBIG, "%s says too much", argv[0]);
            break;
        }
        ssize_t n = read(pipe_fds[0], out->data + out->len, out->capacity - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) err = nx__error_system(errno, "cannot read what %s says", argv[0]);
        if (n <= 0) break;
        out->len += (size_t)n;
    }
    (void)close(pipe_fds[0]);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (!err && status != 0) err = nx__error_set(NX_EFAILED, "%s has failed", argv[0]);
    return err;
}

/* A compiler that can do it; tcc can't. */
static nx_err choose(struct nx__tester *t, const char *what)
{
    struct nx__compilers compilers;
    nx_err err = nx__compilers_find(&compilers, t->compiler, NULL, NX__WANTED_RELEASE);
    if (err == NX_EINVAL || (err == NX_ENOENT && !t->compiler) ||
        (!err && compilers.items[0].kind == NX__COMPILER_ZIG))
        return nx__error_set(
            NX_ENOTSUP, "%s needs gcc or clang; install one, or choose it with --compiler", what);
    NX_TRY(err);
    t->kind = compilers.items[0].kind;
    memcpy(t->compiler_path, compilers.items[0].path, sizeof t->compiler_path);
    t->compiler = t->compiler_path;
    return NX_OK;
}

/* The path of the sanitizer's shared library. */
static nx_err library(const struct nx__tester *t, char path[4096])
{
    const char *const names[] = {"libasan.so", "libclang_rt.asan-" MACHINE ".so",
                                 "libclang_rt.asan.so"};
    bool gcc = t->kind == NX__COMPILER_GCC;
    for (size_t i = gcc ? 0 : 1; i < (gcc ? 1u : 3u); i++) {
        char word[128];
        (void)snprintf(word, sizeof word, "-print-file-name=%s", names[i]);
        const char *argv[] = {t->compiler_path, word, NULL};
        struct nx__buffer out = {0};
        nx_err err = nx__tool_output(argv, &out);
        size_t len = out.len && out.data[out.len - 1] == '\n' ? out.len - 1 : out.len;
        if (!err && len && len < 4096) {
            memcpy(path, out.data, len);
            path[len] = '\0';
        }
        nx__buffer_free(&out);
        NX_TRY(err);
        if (path[0] == '/' && access(path, R_OK) == 0) return NX_OK;
    }
    return nx__error_set(NX_ENOTSUP,
                         "--asan needs %s's AddressSanitizer library; install it (Debian: %s)",
                         t->compiler_path, gcc ? "libasan8, libubsan1" : "libclang-rt-dev");
}

/* The library has to be in the process before anything else is: a program that is loaded later
 * brings it too late. */
static nx_err preload(const struct nx__tester *t, char **argv)
{
    if (getenv(PRELOADED)) {
        (void)unsetenv("LD_PRELOAD"); /* not for compilers and what tests start */
        return NX_OK;
    }
    char path[4096] = "";
    NX_TRY(library(t, path));
    /* The command itself has no leaks to tell of; each test's process tells of its own. */
    if (setenv("LD_PRELOAD", path, 1) != 0 || setenv(PRELOADED, "1", 1) != 0 ||
        setenv("ASAN_OPTIONS",
               "exitcode=86:detect_leaks=1:detect_stack_use_after_return=0:print_legend=0",
               0) != 0 ||
        setenv("UBSAN_OPTIONS", "exitcode=86:print_stacktrace=1", 0) != 0 ||
        setenv("LSAN_OPTIONS", "exitcode=86", 0) != 0)
        return nx__error_set(NX_ENOMEM, "cannot run the tests: out of memory");
    (void)execv("/proc/self/exe", argv);
    return nx__error_system(errno, "cannot start anew for --asan");
}

nx_err nx__test_tools_init(struct nx__tester *t, char **argv)
{
    size_t n = 0;
    if (t->asan) {
        NX_TRY(choose(t, "--asan"));
        NX_TRY(preload(t, argv));
        t->flags[n++] = "-fsanitize=address,undefined";
        t->flags[n++] = "-fno-sanitize-recover=undefined";
        if (t->kind == NX__COMPILER_CLANG) {
            t->flags[n++] = "-shared-libasan";
            t->flags[n++] = "-Wno-unused-command-line-argument";
        }
    }
    if (t->coverage) {
        NX_TRY(choose(t, "--coverage"));
        t->flags[n++] = "--coverage";
    }
    t->flags[n] = NULL;
    return NX_OK;
}

/* Children that crash: the report that they send, and what is printed of it. */
#include "loop_test.h"
#include <stdio.h>
#include <stdlib.h>

#include "loop/crash.h"
#include "loop/threads.h"
#include "permission/broker.h"
#include <dlfcn.h>
#include <fcntl.h>
#include <nexus/timer.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child does, and where. */
enum place { IN_FIBER, IN_MAIN, IN_POOL };
static struct {
    const char *library, *function;
    enum place place;
} plan;

static struct nx__crash_report report;
static char printed[32768];
static int status, line;

/* The sanitizers have their own reports, and valgrind its own stacks. */
static bool reported_by_others(void)
{
#if defined(NX__ASAN) || defined(NX__TSAN)
    return true;
#else
    return on_valgrind();
#endif
}

static void skip_if_reported(void)
{
    if (reported_by_others()) nx_skip("a sanitizer or valgrind reports a crash first");
}

static void crash(void)
{
    void *library = dlopen(plan.library, RTLD_NOW);
    if (!library) _exit(3);
    nx__crash_modules_changed();
    void (*function)(void *);
    *(void **)&function = dlsym(library, plan.function);
    if (function) function(NULL);
    _exit(4);
}

static nx_err fiber_crashes(void *arg)
{
    (void)arg;
    static char activity[] = "GET /\x1b[31mred";
    nx__fiber_running()->activity = (nx_bytes){activity, sizeof activity - 1};
    crash();
    return NX_OK;
}

static int64_t job_crashes(struct nx__job *job)
{
    (void)job;
    crash();
    return 0;
}

static int program(int argc, char **argv)
{
    (void)argc, (void)argv;
    if (plan.place == IN_MAIN) crash();
    if (plan.place == IN_FIBER) NX_IGNORE(nx_spawn(NULL, fiber_crashes, NULL, .name = "worker"));
    static struct nx__job job = {.run = job_crashes};
    if (plan.place == IN_POOL && nx__job_submit(&job)) return 5;
    return nx_sleep(NX_S(20)) ? 6 : 7;
}

static void child_run(int fd)
{
    struct rlimit none = {0}, stack = {.rlim_cur = 1024 * 1024, .rlim_max = RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_STACK, &stack);
    if (fd >= 0) nx__broker_connect(fd);
    if (nx__crash_install(fd)) _exit(2);
    _exit(nx__program_run(program, 0, NULL));
}

static void read_all(int fd)
{
    size_t len = 0;
    for (ssize_t n; (n = read(fd, printed + len, sizeof printed - 1 - len)) > 0;) len += (size_t)n;
    printed[len] = '\0';
}

static void print_packet(const void *packet, size_t len)
{
    FILE *file = tmpfile();
    if (!file) abort();
    nx__crash_print(packet, len, fileno(file));
    rewind(file);
    read_all(fileno(file));
    (void)fclose(file);
}

/* Fills `report`, `status` and `printed` with what comes of it. */
static void crashes(const char *library, const char *function, enum place place)
{
    plan.library = library;
    plan.function = function;
    plan.place = place;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) abort();
    pid_t pid = fork_apart();
    if (pid == 0) {
        (void)close(pair[0]);
        child_run(pair[1]);
    }
    (void)close(pair[1]);
    static char packet[NX__BROKER_PACKET_MAX];
    ssize_t n = recv(pair[0], packet, sizeof packet, 0);
    (void)close(pair[0]);
    (void)waitpid(pid, &status, 0);
    nx_require_gt(n, 0);
    nx_require(nx__crash_check(packet, (size_t)n, &report));
    print_packet(packet, (size_t)n);
}

/* The report names what the library's `name_line` is. */
static void expect_line(const char *library, const char *function)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s_line", function);
    void *handle = dlopen(library, RTLD_NOW);
    const int *at = handle ? dlsym(handle, text) : NULL;
    line = at ? *at : 0;
    (void)snprintf(text, sizeof text, "crash_fixture.c:%d\n", line);
    nx_expect_contains(printed, text);
    nx_expect_contains(printed, function);
    if (handle) (void)dlclose(handle);
}

static const char *const libraries[] = {
    CRASH_FIXTURE,
#ifdef CRASH_FIXTURE_TCC
    CRASH_FIXTURE_TCC,
#endif
};
enum { LIBRARIES = sizeof libraries / sizeof *libraries };

static void each(const char *function, int signo, const char *text)
{
    skip_if_reported();
    for (int i = 0; i < LIBRARIES; i++)
        nx_subtest ("%s", libraries[i]) {
            crashes(libraries[i], function, IN_FIBER);
            nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == signo);
            nx_expect_eq(report.kind, NX__CRASH_SIGNAL);
            nx_expect_eq(report.signal, signo);
            nx_expect_eq(report.fiber, "worker");
            nx_expect_eq(report.activity, "GET /?[31mred");
            nx_expect_contains(printed, text);
            nx_expect_contains(printed, "in fiber \"worker\"");
            nx_expect(!strstr(printed, "fiber_main"));
            expect_line(libraries[i], function);
        }
}

NX_TEST("write to null")
{
    each("null_write", SIGSEGV, "segmentation fault at address 0x8, serving GET /?[31mred");
    nx_expect_contains(printed, "| *(volatile int *)8 = 1;");
}

NX_TEST("aborting")
{
    each("aborts", SIGABRT, ": abort,");
}

NX_TEST("a crash in libc names its caller")
{
    each("in_library", SIGSEGV, "segmentation fault at address 0,");
}

#if defined(__x86_64__)
NX_TEST("division by zero")
{
    each("divides", SIGFPE, "division by zero");
}
#endif

NX_TEST("overflow of a fiber")
{
    skip_if_reported();
    for (int i = 0; i < LIBRARIES; i++)
        nx_subtest ("%s", libraries[i]) {
            crashes(libraries[i], "overflows", IN_FIBER);
            nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
            nx_expect_eq(report.kind, NX__CRASH_OVERFLOW);
            nx_expect_eq(report.frame_count, NX__CRASH_FRAMES);
            nx_expect_contains(printed,
                               "nexus: stack overflow in fiber \"worker\" (its stack is 256 KiB");
            nx_expect_contains(printed, "overflows");
            nx_expect_contains(printed, " more of the same\n");
        }
}

NX_TEST("overflow of the main stack")
{
    skip_if_reported();
    crashes(CRASH_FIXTURE, "overflows", IN_MAIN);
    nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    nx_expect_eq(report.kind, NX__CRASH_OVERFLOW_MAIN);
    nx_expect_contains(printed, "nexus: stack overflow in fiber \"main\" (its stack is 1024 KiB");
    nx_expect_contains(printed, "overflows");
}

NX_TEST("crash in main")
{
    skip_if_reported();
    crashes(CRASH_FIXTURE, "null_write", IN_MAIN);
    nx_expect_eq(report.kind, NX__CRASH_SIGNAL);
    nx_expect_eq(report.fiber, "main");
    expect_line(CRASH_FIXTURE, "null_write");
}

NX_TEST("crash in the pool")
{
    skip_if_reported();
    crashes(CRASH_FIXTURE, "null_write", IN_POOL);
    nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    nx_expect_contains(printed, "crashed in a thread without a loop");
    expect_line(CRASH_FIXTURE, "null_write");
}

NX_TEST("without a launcher it is printed")
{
    skip_if_reported();
    plan.library = CRASH_FIXTURE;
    plan.function = "null_write";
    plan.place = IN_FIBER;
    int ends[2];
    if (pipe(ends) != 0) abort();
    pid_t pid = fork_apart();
    if (pid == 0) {
        (void)signal(SIGCHLD, SIG_IGN);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        child_run(-1);
    }
    (void)close(ends[1]);
    read_all(ends[0]);
    (void)close(ends[0]);
    (void)waitpid(pid, &status, 0);
    nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    expect_line(CRASH_FIXTURE, "null_write");
}

/* ---- A loop that is blocked */

NX__NOINLINE static void block(nx_duration span)
{
    /* Mostly here: out of the clock's library the way leads only to programs that were loaded. */
    for (nx_duration start = nx_now(); nx_now() - start < span;)
        for (volatile int i = 0; i < 100000; i++) {}
}

static nx_err fiber_blocks(void *arg)
{
    (void)arg;
    static char activity[] = "GET /slow";
    nx__fiber_running()->activity = (nx_bytes){activity, sizeof activity - 1};
    NX_TRY(nx_sleep(NX_MS(1)));
    block(NX_MS(450));
    return NX_OK;
}

static int blocked_program(int argc, char **argv)
{
    (void)argc, (void)argv;
    if (nx_spawn(NULL, fiber_blocks, NULL, .name = "worker") != NX_OK) return 5;
    if (nx_sleep(NX_MS(50)) || nx_sleep(NX_MS(1))) return 6;
    nx_stats stats = {.size = sizeof stats};
    nx_stats_get(&stats);
    return stats.blocked == 1 ? 0 : 7;
}

NX_TEST("a blocked loop is told once")
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) abort();
    pid_t pid = fork_apart();
    if (pid == 0) {
        (void)close(pair[0]);
        nx__broker_connect(pair[1]);
        if (nx__crash_install(pair[1]) || nx_limits_set(.watchdog = NX_MS(100))) _exit(2);
        _exit(nx__program_run(blocked_program, 0, NULL));
    }
    (void)close(pair[1]);
    static char packet[NX__BROKER_PACKET_MAX];
    ssize_t n = recv(pair[0], packet, sizeof packet, 0);
    nx_expect(n > 0 && nx__crash_check(packet, (size_t)n, &report));
    nx_expect_eq(report.kind, NX__CRASH_BLOCKED);
    nx_expect_eq(report.blocked_ms, 100);
    nx_expect_eq(report.fiber, "worker");
    nx_expect_eq(report.activity, "GET /slow");
    print_packet(packet, (size_t)(n > 0 ? n : 0));
    nx_expect_contains(printed,
                       "nexus: fiber \"worker\" has blocked the loop for 100 ms, serving GET");
    if (!reported_by_others()) nx_expect_contains(printed, "test_crash.c:");
    nx_expect_eq(recv(pair[0], packet, sizeof packet, 0), 0);
    (void)close(pair[0]);
    (void)waitpid(pid, &status, 0);
    nx_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- Packets that are lies */

NX_TEST("what is no report is refused")
{
    static struct nx__crash_report r = {.magic = NX__CRASH_MAGIC};
    nx_expect(nx__crash_check(&r, sizeof r, &report));
    nx_expect(!nx__crash_check(&r, sizeof r - 1, &report));
    nx_expect(!nx__crash_check(&r, 0, &report));
    r.kind = NX__CRASH_KINDS;
    nx_expect(!nx__crash_check(&r, sizeof r, &report));
    r.kind = 0;
    r.frame_count = NX__CRASH_FRAMES + 1;
    nx_expect(!nx__crash_check(&r, sizeof r, &report));
    r.frame_count = 0;
    r.module_count = UINT32_MAX;
    nx_expect(!nx__crash_check(&r, sizeof r, &report));
    print_packet(&r, sizeof r);
    nx_expect_eq(printed, "nexus: the program has sent a report that is none\n");
}

NX_TEST("what it holds does not steer the terminal")
{
    static struct nx__crash_report r = {.magic = NX__CRASH_MAGIC, .frame_count = 2};
    memset(r.fiber, '\x1b', sizeof r.fiber);
    memset(r.activity, '\x9b', sizeof r.activity);
    r.module_count = 1;
    memcpy(r.modules[0], "/\xc2\x9b\x7f\n", 5);
    r.frames[0] = (struct nx__crash_frame){.address = 0x10, .module = 0};
    r.frames[1] = (struct nx__crash_frame){.address = 0x20, .module = UINT32_MAX};
    print_packet(&r, sizeof r);
    for (const char *c = printed; *c; c++) nx_expect(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
    nx_expect_contains(printed, "/????+0x10\n    0x20 in no known code\n");
}

/* Children that crash: the report that they send, and what is printed of it. */
#include "test.h"

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
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

/* What the child does, and where. */
enum place { IN_FIBER, IN_MAIN, IN_POOL };
static struct {
    const char *library, *function;
    enum place place;
} plan;

static struct nx__crash_report report;
static char printed[32768];
static int status, line;

/* The sanitizers have their own reports, and valgrind its own stacks. Says so, once. */
static bool skipped(void)
{
#if defined(NX__ASAN) || defined(NX__TSAN)
    bool skip = true;
#elif defined(RUNNING_ON_VALGRIND)
    bool skip = RUNNING_ON_VALGRIND;
#else
    bool skip = false;
#endif
    static bool told;
    if (skip && !told)
        printf("skipped: what crashes for real, since a sanitizer or valgrind reports it first\n");
    told = true;
    return skip;
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
static bool crashes(const char *library, const char *function, enum place place)
{
    plan.library = library;
    plan.function = function;
    plan.place = place;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) abort();
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        child_run(pair[1]);
    }
    (void)close(pair[1]);
    static char packet[NX__BROKER_PACKET_MAX];
    ssize_t n = recv(pair[0], packet, sizeof packet, 0);
    (void)close(pair[0]);
    (void)waitpid(pid, &status, 0);
    bool good = n > 0 && nx__crash_check(packet, (size_t)n, &report);
    EXPECT(good);
    if (good) print_packet(packet, (size_t)n);
    return good;
}

/* Whether the library's `name_line` is what the report names. */
static bool names_line(const char *library, const char *function)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s_line", function);
    void *handle = dlopen(library, RTLD_NOW);
    const int *at = handle ? dlsym(handle, text) : NULL;
    line = at ? *at : 0;
    (void)snprintf(text, sizeof text, "crash_fixture.c:%d\n", line);
    bool named = strstr(printed, text) && strstr(printed, function);
    if (!named) printf("wanted %s in: %s\n", text, printed);
    if (handle) (void)dlclose(handle);
    return named;
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
    if (skipped()) return;
    for (int i = 0; i < LIBRARIES; i++) {
        if (!crashes(libraries[i], function, IN_FIBER)) continue;
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == signo);
        EXPECT_EQ(report.kind, NX__CRASH_SIGNAL);
        EXPECT_EQ(report.signal, signo);
        EXPECT_STR(report.fiber, "worker");
        EXPECT_STR(report.activity, "GET /?[31mred");
        EXPECT(strstr(printed, text));
        EXPECT(strstr(printed, "in fiber \"worker\""));
        EXPECT(!strstr(printed, "fiber_main"));
        EXPECT(names_line(libraries[i], function));
    }
}

NX_TEST(write_to_null)
{
    each("null_write", SIGSEGV, "segmentation fault at address 0x8, serving GET /?[31mred");
    if (!skipped()) EXPECT(strstr(printed, "| *(volatile int *)8 = 1;"));
}

NX_TEST(aborting)
{
    each("aborts", SIGABRT, ": abort,");
}

NX_TEST(a_crash_in_libc_names_its_caller)
{
    each("in_library", SIGSEGV, "segmentation fault at address 0,");
}

#if defined(__x86_64__)
NX_TEST(division_by_zero)
{
    each("divides", SIGFPE, "division by zero");
}
#endif

NX_TEST(overflow_of_a_fiber)
{
    if (skipped()) return;
    for (int i = 0; i < LIBRARIES; i++) {
        if (!crashes(libraries[i], "overflows", IN_FIBER)) continue;
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        EXPECT_EQ(report.kind, NX__CRASH_OVERFLOW);
        EXPECT_EQ(report.frame_count, NX__CRASH_FRAMES);
        EXPECT(strstr(printed, "nexus: stack overflow in fiber \"worker\" (its stack is 256 KiB"));
        EXPECT(strstr(printed, "overflows"));
        EXPECT(strstr(printed, " more of the same\n"));
    }
}

NX_TEST(overflow_of_the_main_stack)
{
    if (skipped() || !crashes(CRASH_FIXTURE, "overflows", IN_MAIN)) return;
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    EXPECT_EQ(report.kind, NX__CRASH_OVERFLOW_MAIN);
    EXPECT(strstr(printed, "nexus: stack overflow in fiber \"main\" (its stack is 1024 KiB"));
    EXPECT(strstr(printed, "overflows"));
}

NX_TEST(crash_in_main)
{
    if (skipped() || !crashes(CRASH_FIXTURE, "null_write", IN_MAIN)) return;
    EXPECT_EQ(report.kind, NX__CRASH_SIGNAL);
    EXPECT_STR(report.fiber, "main");
    EXPECT(names_line(CRASH_FIXTURE, "null_write"));
}

NX_TEST(crash_in_the_pool)
{
    if (skipped() || !crashes(CRASH_FIXTURE, "null_write", IN_POOL)) return;
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    EXPECT(strstr(printed, "crashed in a thread without a loop"));
    EXPECT(names_line(CRASH_FIXTURE, "null_write"));
}

NX_TEST(without_a_launcher_it_is_printed)
{
    if (skipped()) return;
    plan.library = CRASH_FIXTURE;
    plan.function = "null_write";
    plan.place = IN_FIBER;
    int ends[2];
    if (pipe(ends) != 0) abort();
    pid_t pid = fork();
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
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    EXPECT(names_line(CRASH_FIXTURE, "null_write"));
}

/* ---- A loop that is blocked */

NX__NOINLINE static void block(nx_duration span)
{
    for (nx_duration start = nx_now(); nx_now() - start < span;) {}
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

NX_TEST(a_blocked_loop_is_told_once)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) abort();
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        nx__broker_connect(pair[1]);
        if (nx__crash_install(pair[1])) _exit(2);
        _exit(nx__program_run(blocked_program, 0, NULL));
    }
    (void)close(pair[1]);
    static char packet[NX__BROKER_PACKET_MAX];
    ssize_t n = recv(pair[0], packet, sizeof packet, 0);
    EXPECT(n > 0 && nx__crash_check(packet, (size_t)n, &report));
    EXPECT_EQ(report.kind, NX__CRASH_BLOCKED);
    EXPECT_EQ(report.blocked_ms, 100);
    EXPECT_STR(report.fiber, "worker");
    EXPECT_STR(report.activity, "GET /slow");
    print_packet(packet, (size_t)(n > 0 ? n : 0));
    EXPECT(strstr(printed, "nexus: fiber \"worker\" has blocked the loop for 100 ms, serving GET"));
    EXPECT(skipped() || strstr(printed, "test_crash.c:"));
    EXPECT(recv(pair[0], packet, sizeof packet, 0) == 0);
    (void)close(pair[0]);
    (void)waitpid(pid, &status, 0);
    EXPECT(WIFEXITED(status));
    /* Looking for who called a library reads words of the stack that nobody has written, which
     * valgrind counts and tells by the exit code that it was given. */
    int code = WEXITSTATUS(status);
#ifdef RUNNING_ON_VALGRIND
    if (RUNNING_ON_VALGRIND && code == 99) code = 0;
#endif
    EXPECT_EQ(code, 0);
}

/* ---- Packets that are lies */

NX_TEST(what_is_no_report_is_refused)
{
    static struct nx__crash_report r = {.magic = NX__CRASH_MAGIC};
    EXPECT(nx__crash_check(&r, sizeof r, &report));
    EXPECT(!nx__crash_check(&r, sizeof r - 1, &report));
    EXPECT(!nx__crash_check(&r, 0, &report));
    r.kind = NX__CRASH_KINDS;
    EXPECT(!nx__crash_check(&r, sizeof r, &report));
    r.kind = 0;
    r.frame_count = NX__CRASH_FRAMES + 1;
    EXPECT(!nx__crash_check(&r, sizeof r, &report));
    r.frame_count = 0;
    r.module_count = UINT32_MAX;
    EXPECT(!nx__crash_check(&r, sizeof r, &report));
    print_packet(&r, sizeof r);
    EXPECT_STR(printed, "nexus: the program has sent a report that is none\n");
}

NX_TEST(what_it_holds_does_not_steer_the_terminal)
{
    static struct nx__crash_report r = {.magic = NX__CRASH_MAGIC, .frame_count = 2};
    memset(r.fiber, '\x1b', sizeof r.fiber);
    memset(r.activity, '\x9b', sizeof r.activity);
    r.module_count = 1;
    memcpy(r.modules[0], "/\xc2\x9b\x7f\n", 5);
    r.frames[0] = (struct nx__crash_frame){.address = 0x10, .module = 0};
    r.frames[1] = (struct nx__crash_frame){.address = 0x20, .module = UINT32_MAX};
    print_packet(&r, sizeof r);
    for (const char *c = printed; *c; c++) EXPECT(*c == '\n' || (*c >= 0x20 && *c < 0x7f));
    EXPECT(strstr(printed, "/????+0x10\n    0x20 in no known code\n"));
}

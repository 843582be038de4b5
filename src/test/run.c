/* One test: its scope, fixture and subtests, and the ways out of it. */
#include "test/process.h"

#include "base/clock.h"
#include "loop/fiber.h"
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    NAME_MOST = 512,
    FAILURES_MOST = 100, /* told of one test; more are counted only */
    DEPTH_MOST = 32,     /* of subtests */
};

#define DEFAULT_DEADLINE NX_S(10)

/* What a hard failure or a skip leaves: the test, a subtest, the setup, the teardown. */
struct block {
    struct block *outer;
    nx_scope *around; /* innermost open scope where it began */
    nx_scope *scope;  /* its own, NULL: none */
    nx_duration started, deadline;
    unsigned failures; /* of the test when it began */
    bool skipped, closing;
    int depth;         /* 0: no subtest */
    const char *frame; /* a variable of the function that it is in, NULL where that is not needed */
    size_t name_len;   /* of the whole name, up to here */
    char *reason;      /* of the skip; malloc'd */
    char file[256];
    int line;
    jmp_buf jump;
};

static struct {
    nx_test *test;
    const struct nx__test_options *options;
    nx_fiber *fiber;
    struct block *block;   /* innermost */
    void *data;            /* the fixture's */
    atomic_uint *failures; /* shared with the processes that the test forks */
    pid_t process;
    char name[NAME_MOST];
    const char *_Atomic at_file; /* the last check; NULL: none */
    _Atomic int at_line;
    nx_duration started;
    bool dir_made;
} now;

/* ---- Ways out */

static NX__NORETURN void finish(enum nx__test_outcome outcome, const struct block *block)
{
    bool failed = outcome == NX__TEST_FAILURE;
    /* Ended fibers keep memory for the next, where a leak checker does not see who has it. */
    if (now.fiber && nx__fiber_running() == now.fiber) nx__fibers_trim(nx__loop(), true);
    (void)fflush(NULL); /* before the runner hears of the end */
    double numbers[] = {outcome, (double)(nx__clock_monotonic() - now.started)};
    nx__test_send(NX__TEST_DONE, block ? block->line : 0, block ? block->file : NULL,
                  block ? block->reason : NULL, numbers, 2);
    /* What a test that failed had no time to free is not a leak that anybody wants to hear of. */
    if (failed && dlsym(RTLD_DEFAULT, "__lsan_do_leak_check")) _exit(1);
    exit(failed); /* with what is registered for it: leaks, coverage */
}

static void subtest_end(void);

/* Leaves the innermost block, from any depth of its functions. */
static NX__NORETURN NX__NOINLINE void leave(void)
{
    /* How the test ends is not for what it has forked to say. */
    if (getpid() != now.process) _exit(1);
    /* Subtests that a return has left, where the compiler does not say so. */
    while (now.block && now.block->frame && !now.block->closing &&
           nx__fiber_running() == now.fiber &&
           now.block->frame < (const char *)__builtin_frame_address(0))
        subtest_end();
    struct block *block = now.block;
    /* Only the test's own stack can be unwound; in the middle of the end of a scope not even that.
     */
    if (!block || nx__fiber_running() != now.fiber || block->closing) {
        if (now.block && now.block->skipped) finish(NX__TEST_SKIPPED, now.block);
        finish(NX__TEST_FAILURE, NULL);
    }
    longjmp(block->jump, 1);
}

void nx__test_at(const nx_test_site *site)
{
    if (!now.test) {
        (void)fprintf(stderr, "%s:%d: a check outside of a test\n", site->file, site->line);
        abort();
    }
    /* Of whatever thread checked last. */
    atomic_store_explicit(&now.at_file, site->file, memory_order_relaxed);
    atomic_store_explicit(&now.at_line, site->line, memory_order_relaxed);
}

void nx__test_fail(const nx_test_site *site, const char *text)
{
    if (!now.test) nx__test_at(site);
    unsigned count = atomic_fetch_add(now.failures, 1) + 1;
    if (count < FAILURES_MOST)
        nx__test_send(NX__TEST_FAILED, site->line, site->file, text, NULL, 0);
    else if (count == FAILURES_MOST)
        nx__test_send(NX__TEST_FAILED, 0, NULL, "too many failures: more are not shown", NULL, 0);
    if (site->hard) leave();
}

static void fail_here(const char *format, ...) NX_PRINTF(1, 2);

/* A failure that belongs to no line of the test. */
static void fail_here(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nx__test_fail(&(nx_test_site){NULL, 0, false, NULL, NULL}, text);
}

void nx_test_skip(const char *file, int line, const char *format, ...)
{
    const nx_test_site site = {file, line, false, NULL, NULL};
    nx__test_at(&site);
    struct block *block = now.block;
    va_list args;
    va_start(args, format);
    if (vasprintf(&block->reason, format, args) < 0) block->reason = NULL;
    va_end(args);
    block->skipped = true;
    (void)snprintf(block->file, sizeof block->file, "%s", file);
    block->line = line;
    now.at_file = NULL;
    leave();
}

/* ---- Blocks */

/* The names of the fibers that the test has not ended. */
static void name_fibers(char *text, size_t size)
{
    size_t len = 0;
    struct nx__list *all = &nx__loop()->fibers;
    for (struct nx__list *link = all->next; link != all && len < size; link = link->next) {
        const nx_fiber *fiber = nx__container_of(link, nx_fiber, all);
        if (fiber == now.fiber || fiber->state == NX__FIBER_ENDED) continue;
        int n = snprintf(text + len, size - len, "%s\"%s\"",
                         len ? ", " : "\n  still running: ", fiber->name);
        len += n < 0 ? 0 : (size_t)n;
    }
}

/* The deadline has passed, and the test is being cancelled. */
static void tell_deadline(const struct block *block, const char *fibers)
{
    if (now.at_file) nx__test_send(NX__TEST_SEEN, now.at_line, now.at_file, NULL, NULL, 0);
    fail_here("the deadline of %g s has passed%s", (double)block->deadline / 1e9, fibers);
}

static struct block *block_new(nx_duration deadline, bool scoped)
{
    struct block *block = calloc(1, sizeof *block);
    if (!block) {
        fail_here("out of memory");
        leave();
    }
    block->outer = now.block;
    block->around = now.fiber->scope;
    block->started = nx__clock_monotonic();
    block->deadline = deadline;
    block->failures = *now.failures;
    block->name_len = strlen(now.name);
    if (scoped && nx_scope_open(&block->scope, .deadline = deadline)) {
        free(block);
        fail_here("%s", nx_error_last()->message);
        leave();
    }
    now.block = block;
    return block;
}

/* Ends its scopes, and tells what that brings to light. Returns how it went. */
static enum nx__test_outcome block_end(struct block *block)
{
    block->closing = true;
    bool left = *now.failures != block->failures || block->skipped;
    nx_scope *own = block->scope ? block->scope : block->around;
    while (now.fiber->scope != own) { /* left open inside */
        nx_scope *inner = now.fiber->scope;
        nx_scope_auto(&inner);
    }
    if (block->scope) {
        bool late = block->scope->error == NX_ETIMEDOUT;
        /* A test that failed may not have got to where it ends its fibers. */
        if (left) nx_scope_cancel(block->scope);
        if (late) tell_deadline(block, "");
        char fibers[256] = "";
        if (block->scope->alive) name_fibers(fibers, sizeof fibers);
        nx_err err = nx_scope_close(&block->scope);
        if (err == NX_ETIMEDOUT && !late)
            tell_deadline(block, fibers);
        else if (err && err != NX_ETIMEDOUT && err != NX_ECANCELED)
            fail_here("a fiber of the test has failed: %s", nx_error_last()->message);
    }
    now.block = block->outer;
    if (*now.failures != block->failures) return NX__TEST_FAILURE;
    return block->skipped ? NX__TEST_SKIPPED : NX__TEST_PASSED;
}

static void block_free(struct block *block)
{
    free(block->reason);
    free(block);
}

/* Runs fn(arg) so that a hard failure in it comes back here. */
static struct block *block_run(void (*fn)(void *arg), void *arg, nx_duration deadline, bool scoped,
                               enum nx__test_outcome *outcome)
{
    struct block *volatile block = block_new(deadline, scoped);
    if (setjmp(block->jump) == 0) fn(arg);
    while (now.block != block) subtest_end();
    *outcome = block_end(block);
    return block;
}

int nx_subtest_open(const void *frame, const char *file, int line, const char *format, ...)
{
    const nx_test_site site = {file, line, true, NULL, NULL};
    nx__test_at(&site);
    now.at_file = NULL;
    int depth = now.block ? now.block->depth + 1 : 1;
    if (nx__fiber_running() != now.fiber)
        nx__test_fail(&site, "a subtest begins in the test's own fiber, not in another");
    if (depth > DEPTH_MOST) nx__test_fail(&site, "subtests are nested too deeply");
    struct block *block = block_new(0, true);
    block->depth = depth;
    block->frame = frame;
    block->line = line;
    char *end = now.name + block->name_len;
    size_t room = sizeof now.name - block->name_len;
    va_list args;
    va_start(args, format);
    if (room > 1) {
        *end = '/';
        (void)vsnprintf(end + 1, room - 1, format, args);
    }
    va_end(args);
    nx__test_send(NX__TEST_SUBTEST, line, now.name, NULL, NULL, 0);
    return depth;
}

jmp_buf *nx_subtest_jump(void)
{
    return &now.block->jump;
}

/* Ends the innermost. */
static void subtest_end(void)
{
    struct block *block = now.block;
    enum nx__test_outcome outcome = block_end(block);
    double numbers[] = {outcome, (double)(nx__clock_monotonic() - block->started)};
    nx__test_send(NX__TEST_SUBTEST_DONE, block->line, now.name, block->reason, numbers, 2);
    now.name[block->name_len] = '\0';
    block_free(block);
}

int nx_subtest_close(int depth)
{
    while (now.block && now.block->depth >= depth) subtest_end();
    /* When the test's deadline has passed there is nothing more to try. */
    if (nx__fiber_canceled(now.fiber) && now.block && !now.block->closing) leave();
    return -1;
}

/* ---- The test */

static void setup(void *arg)
{
    (void)arg;
    nx_err err = now.test->fixture->setup(now.data);
    if (err) fail_here("the setup failed: %s", nx_error_last()->message);
}

static void body(void *arg)
{
    (void)arg;
    if (now.test->bench)
        nx__bench_run(now.test);
    else
        now.test->run(now.data);
}

static void teardown(void *arg)
{
    (void)arg;
    now.test->fixture->teardown(now.data);
}

static int entry(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    const nx_test_fixture *fixture = now.test->fixture;
    now.fiber = nx_fiber_current();
    nx_duration deadline = now.test->deadline      ? now.test->deadline
                           : now.options->deadline ? now.options->deadline
                                                   : DEFAULT_DEADLINE;
    if (now.test->bench && !now.test->deadline) deadline = NX_FOREVER;
    enum nx__test_outcome outcome = NX__TEST_PASSED;
    struct block *told = NULL; /* whose reason of a skip is the test's */
    if (fixture) {
        now.data = calloc(1, fixture->size ? fixture->size : 1);
        if (!now.data) fail_here("out of memory");
        told = block_run(setup, NULL, 0, false, &outcome);
    }
    if (outcome == NX__TEST_PASSED) {
        if (told) block_free(told);
        told = block_run(body, NULL, deadline, true, &outcome);
        if (fixture) {
            enum nx__test_outcome after;
            block_free(block_run(teardown, NULL, 0, false, &after));
            if (after == NX__TEST_FAILURE) outcome = after;
        }
    }
    /* What the setup has left to the test's scope. */
    nx_scope_cancel(now.fiber->scope);
    NX_IGNORE(nx__scopes_end(now.fiber, NX_OK));
    finish(outcome, told);
}

void nx__test_run(nx_test *test, const struct nx__test_options *options)
{
    now.test = test;
    now.options = options;
    now.started = nx__clock_monotonic();
    now.process = getpid();
    static atomic_uint own;
    void *shared =
        mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    now.failures = shared == MAP_FAILED ? &own : shared;
    nx__test_send_to(options->fd);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* what a crash would lose */
    (void)snprintf(now.name, sizeof now.name, "%s", test->name);
    exit(nx__program_run(entry, 0, (char *[]){NULL}));
}

void nx__tests_list(const struct nx__test_options *options)
{
    nx__test_send_to(options->fd);
    for (const nx_test *test = nx__tests(); test; test = test->next) {
        double numbers[] = {(double)test->deadline, test->serial, test->bench};
        nx__test_send(NX__TEST_LISTED, test->line, test->name, test->file, numbers, 3);
    }
}

/* ---- For the test */

const char *nx_test_name(void)
{
    return now.name;
}

void nx_test_log(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

const char *nx_test_dir(void)
{
    if (!now.test) {
        (void)fputs("nx_test_dir outside of a test\n", stderr);
        abort();
    }
    if (now.dir_made) return now.options->dir;
    if (mkdir(now.options->dir, 0700) != 0 && errno != EEXIST) {
        const nx_test_site site = {now.test->file, now.test->line, true, NULL, NULL};
        (void)nx__error_system(errno, "cannot make the folder \"%s\"", now.options->dir);
        nx__test_fail(&site, nx_error_last()->message);
    }
    now.dir_made = true;
    return now.options->dir;
}

/* Outlets: order, fullness, waiting, threads, forks, descriptors that fail. */
#include "../loop/loop_test.h"

#include "base/clock.h"
#include "console/outlet.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPACITY = 4096 };

static int pair[2];
static struct nx__outlet *outlet;
/* Counted on the writer's thread. */
static _Atomic uint64_t told;
static atomic_int failures;

static size_t lost(struct nx__outlet *o, char out[NX__OUTLET_LOST], uint64_t lines)
{
    (void)o;
    told += lines;
    int n = snprintf(out, NX__OUTLET_LOST, "lost %llu\n", (unsigned long long)lines);
    return (size_t)n;
}

static void failed(struct nx__outlet *o, int error)
{
    (void)o;
    (void)error;
    failures++;
}

static const struct nx__outlet_hooks hooks = {.lost = lost, .failed = failed};

static void open_pipe(size_t capacity)
{
    told = 0;
    failures = 0;
    nx_expect_eq(pipe2(pair, O_CLOEXEC), 0);
    (void)fcntl(pair[1], F_SETPIPE_SZ, 4096);
    outlet = calloc(1, sizeof *outlet);
    nx_expect_ok(nx__outlet_open(outlet, pair[1], capacity, &hooks));
}

static void close_all(void)
{
    if (pair[0] >= 0) (void)close(pair[0]);
    nx__outlet_close(outlet);
    (void)close(pair[1]);
    free(outlet);
}

/* Reads until `text` has come, or a second without anything has passed; returns all that came. */
static const char *read_until(const char *text)
{
    static char all[1 << 20];
    size_t len = 0;
    (void)fcntl(pair[0], F_SETFL, O_NONBLOCK);
    for (int idle = 0; idle < 1000 && len < sizeof all - 1;) {
        ssize_t n = read(pair[0], all + len, sizeof all - 1 - len);
        if (n <= 0) {
            idle++;
            nx__outlet_nap(NX_MS(1));
            continue;
        }
        idle = 0;
        len += (size_t)n;
        all[len] = '\0';
        if (strstr(all, text)) break;
    }
    all[len] = '\0';
    return all;
}

static nx_err put(const char *text, enum nx__full full)
{
    return nx__outlet_put(outlet, text, strlen(text), full);
}

NX_TEST("order")
{
    open_pipe(CAPACITY);
    char want[2000] = "";
    for (int i = 0; i < 100; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "line %d\n", i);
        nx_expect_ok(put(line, NX__FULL_DROP));
        memcpy(want + strlen(want), line, strlen(line) + 1);
    }
    nx_expect_ok(nx__outlet_flush(outlet));
    nx_expect_eq(read_until("line 99\n"), want);
    close_all();
}

NX_TEST("late line wakes the writer")
{
    open_pipe(CAPACITY);
    (void)put("a\n", NX__FULL_DROP);
    nx_expect_eq(read_until("a\n"), "a\n");
    nx__outlet_nap(NX_MS(200)); /* the writer sleeps now */
    (void)put("b\n", NX__FULL_DROP);
    nx_duration begun = nx__clock_monotonic();
    nx_expect_eq(read_until("b\n"), "b\n");
    nx_expect_lt(nx__clock_monotonic() - begun, NX_S(10));
    close_all();
}

/* A pipe that nobody reads: memory stays bounded, callers go on, the gap is told in its place. */
NX_TEST("dropped lines are counted and told")
{
    open_pipe(CAPACITY);
    char line[101];
    memset(line, 'x', sizeof line);
    line[99] = '\n';
    line[100] = '\0';
    int refused = 0;
    nx_duration begun = nx__clock_monotonic();
    for (int i = 0; i < 1000; i++) refused += put(line, NX__FULL_DROP) == NX_ELIMIT;
    nx_expect_lt(nx__clock_monotonic() - begun, NX_S(20));
    nx_expect(refused > 800 && refused < 1000);
    nx_expect_eq(atomic_load(&outlet->lost), refused);
    nx_expect_eq(atomic_load(&outlet->dropped), refused);
    char want[64];
    (void)snprintf(want, sizeof want, "lost %d\n", refused);
    const char *all = read_until(want);
    nx_expect_contains(all, want);
    nx_expect_eq(strlen(all), (size_t)(1000 - refused) * 100 + strlen(want));
    nx_expect_eq(all + strlen(all) - strlen(want), want);
    nx_expect_eq(told, refused);
    nx_expect_ok(put("after\n", NX__FULL_DROP));
    nx_expect_eq(read_until("after\n"), "after\n");
    close_all();
}

/* A burst that the reader is only just too slow for is not lost. */
static void *slow_reader(void *arg)
{
    (void)arg;
    char buffer[4096];
    size_t *total = arg;
    for (ssize_t n; (n = read(pair[0], buffer, sizeof buffer)) > 0;) *total += (size_t)n;
    return NULL;
}

/* How many lines of a burst were refused; the reader has got all others. */
static int burst(void)
{
    open_pipe(CAPACITY);
    size_t total = 0;
    pthread_t thread;
    nx_expect_eq(pthread_create(&thread, NULL, slow_reader, &total), 0);
    int refused = 0;
    for (int i = 0; i < 100; i++) /* twice what fits */
        refused += put("0123456789012345678901234567890123456789012345678901234567890123456789012"
                       "34567890123456\n",
                       NX__FULL_DROP) != NX_OK;
    (void)nx__outlet_flush(outlet);
    nx__outlet_close(outlet);
    (void)close(pair[1]);
    (void)pthread_join(thread, NULL);
    char gap[64] = "";
    if (refused) (void)snprintf(gap, sizeof gap, "lost %d\n", refused);
    nx_expect_eq(total, (size_t)(100 - refused) * 88 + strlen(gap));
    (void)close(pair[0]);
    free(outlet);
    return refused;
}

/* On a busy machine a moment may be too short for the reader: but not always. */
NX_TEST("a burst waits a moment")
{
    enum { TRIES = 20 };
    int refused = burst();
    for (int i = 1; refused && i < TRIES && !on_valgrind(); i++) refused = burst();
    if (!on_valgrind()) nx_expect_eq(refused, 0);
}

NX_TEST("block waits for room")
{
    open_pipe(CAPACITY);
    size_t total = 0;
    pthread_t thread;
    nx_expect_eq(pthread_create(&thread, NULL, slow_reader, &total), 0);
    for (int i = 0; i < 2000; i++) nx_expect_ok(put("0123456789abcdef\n", NX__FULL_BLOCK));
    (void)nx__outlet_drain(outlet, NX_FOREVER);
    nx__outlet_close(outlet);
    (void)close(pair[1]);
    (void)pthread_join(thread, NULL);
    nx_expect_eq(total, 2000 * 17);
    (void)close(pair[0]);
    free(outlet);
}

/* ---- Fibers */

static int other_ran;
static bool stop;

static nx_err other(void *arg)
{
    (void)arg;
    while (!stop) {
        other_ran++;
        NX_TRY(nx_sleep(NX_MS(1)));
    }
    return NX_OK;
}

enum { FILL = 20000 /* several times what fits */ };

static nx_err fill(void *arg)
{
    nx_err *result = arg;
    static char big[FILL];
    memset(big, 'y', sizeof big);
    for (size_t i = 0; i < sizeof big && !*result; i += 1000)
        *result = nx__outlet_put(outlet, big + i, 1000, NX__FULL_WAIT);
    return NX_OK;
}

NX_TEST("a full outlet suspends only the fiber")
{
    open_pipe(CAPACITY);
    nx_err result = NX_OK;
    nx_fiber *filler, *runner;
    stop = false;
    other_ran = 0;
    nx_expect_ok(nx_spawn(&filler, fill, &result));
    nx_expect_ok(nx_spawn(&runner, other, NULL));
    for (int i = 0; i < 2000 && other_ran <= 3; i++) NX_IGNORE(nx_sleep(NX_MS(5)));
    nx_expect_gt(other_ran, 3);
    const char *all = read_until("z");
    for (int i = 0; i < 100 && strlen(all) == 0; i++) all = read_until("z");
    size_t got = strlen(all);
    for (int i = 0; i < 200 && got < FILL; i++) {
        NX_IGNORE(nx_sleep(NX_MS(2)));
        char buffer[4096];
        ssize_t n = read(pair[0], buffer, sizeof buffer);
        if (n > 0) got += (size_t)n;
    }
    stop = true;
    nx_expect_ok(nx_join(filler));
    nx_expect_ok(nx_join(runner));
    nx_expect_ok(result);
    close_all();
}

NX_TEST("a waiting fiber can be cancelled")
{
    open_pipe(CAPACITY);
    nx_err result = NX_OK;
    nx_fiber *filler;
    nx_expect_ok(nx_spawn(&filler, fill, &result));
    NX_IGNORE(nx_sleep(NX_MS(20)));
    nx_cancel(filler);
    NX_IGNORE(nx_join(filler));
    nx_expect_err(NX_ECANCELED, result);
    nx_expect_eq(atomic_load(&outlet->waiting), 0);
    close_all();
}

/* ---- Threads: no line is torn, and each thread's are in order. */

enum { THREADS = 4 };

static void *put_many(void *arg)
{
    int id = *(int *)arg, count = scaled(5000);
    for (int i = 0; i < count; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "%d %d %.*s\n", id, i, i % 30,
                       "..............................");
        (void)nx__outlet_put(outlet, line, strlen(line), NX__FULL_BLOCK);
    }
    return NULL;
}

struct reading {
    FILE *from;
    int bad, lines, next[THREADS];
};

static void *read_lines(void *arg)
{
    struct reading *r = arg;
    char line[128];
    while (fgets(line, sizeof line, r->from)) {
        int id, i, at = 0;
        bool ok = sscanf(line, "%d %d%n", &id, &i, &at) == 2 && id >= 0 && id < THREADS &&
                  i == r->next[id] && strlen(line + at) == (size_t)(i % 30) + 2;
        if (ok) r->next[id]++;
        r->bad += !ok;
        r->lines++;
    }
    return NULL;
}

NX_TEST("many threads")
{
    open_pipe(CAPACITY);
    struct reading r = {.from = fdopen(pair[0], "r")};
    pthread_t reader, threads[THREADS];
    int ids[THREADS];
    nx_expect_eq(pthread_create(&reader, NULL, read_lines, &r), 0);
    for (int i = 0; i < THREADS; i++) {
        ids[i] = i;
        nx_expect_eq(pthread_create(&threads[i], NULL, put_many, &ids[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    nx_expect(nx__outlet_drain(outlet, NX_FOREVER));
    nx__outlet_close(outlet);
    (void)close(pair[1]);
    (void)pthread_join(reader, NULL);
    nx_expect_eq(r.bad, 0);
    nx_expect_eq(r.lines, THREADS * scaled(5000));
    (void)fclose(r.from);
    free(outlet);
}

/* ---- Forks */

NX_TEST("a child does not write its parent's lines")
{
#ifdef NX__TSAN
    nx_skip("ThreadSanitizer allows no threads in a child");
#endif
    open_pipe(CAPACITY);
    /* Not started yet, and with something in it: the pipe is full. */
    char full[4096];
    memset(full, 'f', sizeof full);
    nx_expect_eq(write(pair[1], full, sizeof full), (ssize_t)sizeof full);
    nx_expect_ok(put("parent 1\n", NX__FULL_DROP));
#ifdef NX__ASAN
    /* Its books are not forked well while a thread begins, as the one that writes does. */
    (void)usleep(200000);
#endif
    pid_t pid = fork();
    if (pid == 0) {
        (void)put("child\n", NX__FULL_DROP);
        _exit(nx__outlet_drain(outlet, NX_S(20)) ? 0 : 1);
    }
    nx_expect_ok(put("parent 2\n", NX__FULL_DROP));
    const char *all = read_until("child\n");
    char kept[8192];
    (void)snprintf(kept, sizeof kept, "%s", all);
    if (!strstr(kept, "parent 2\n"))
        (void)snprintf(kept + strlen(kept), sizeof kept - strlen(kept), "%s",
                       read_until("parent 2\n"));
    int status;
    nx_expect_eq(waitpid(pid, &status, 0), pid);
    nx_expect_eq(status, 0);
    const char *first = strstr(kept, "parent 1\n");
    nx_expect(first != NULL && strstr(first + 1, "parent 1\n") == NULL);
    nx_expect_contains(kept, "parent 2\n");
    nx_expect_contains(kept, "child\n");
    close_all();
}

/* ---- Descriptors that fail */

NX_TEST("nobody reads any more")
{
    open_pipe(CAPACITY);
    (void)close(pair[0]);
    pair[0] = -1;
    nx_expect_ok(put("x\n", NX__FULL_DROP));
    for (int i = 0; i < 1000 && !atomic_load(&outlet->error); i++) nx__outlet_nap(NX_MS(1));
    nx_expect_err(NX_ERESET, put("y\n", NX__FULL_DROP));
    nx_expect_err(NX_ERESET, put("z\n", NX__FULL_WAIT));
    nx_expect_err(NX_ERESET, nx__outlet_flush(outlet));
    nx_expect_eq(failures, 1);
    nx_expect_ge(atomic_load(&outlet->lost), 2);
    close_all();
}

NX_TEST("full disk")
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (full < 0) nx_skip("there is no /dev/full");
    failures = 0;
    pair[0] = -1;
    pair[1] = full;
    outlet = calloc(1, sizeof *outlet);
    nx_expect_ok(nx__outlet_open(outlet, full, CAPACITY, &hooks));
    for (int i = 0; i < 1000; i++) (void)put("0123456789\n", NX__FULL_DROP);
    nx_expect(!nx__outlet_drain(outlet, NX_MS(50)));
    nx_expect_gt(atomic_load(&outlet->lost), 500);
    nx_expect_eq(failures, 1);
    /* It stays ready for when there is room again. */
    nx_expect_eq(atomic_load(&outlet->error), 0);
    close_all();
}

NX_TEST("closed from the start")
{
    outlet = calloc(1, sizeof *outlet);
    nx_expect_ok(nx__outlet_open(outlet, -1, CAPACITY, &hooks));
    nx_expect_err(NX_ECLOSED, put("x\n", NX__FULL_DROP));
    nx_expect_err(NX_ECLOSED, put("x\n", NX__FULL_WAIT));
    nx__outlet_close(outlet);
    free(outlet);
}

NX_TEST("errno is kept")
{
    open_pipe(CAPACITY);
    errno = 77;
    (void)put("x\n", NX__FULL_DROP);
    nx_expect_eq(errno, 77);
    close_all();
}

/* The module loader where memory runs out or system calls fail: an error, or the program as it is
 * meant, compiled without the cache if need be; never half of one. */
#include "faults.h"

#include "module/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <nexus/test.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;

static nx_err compile(void)
{
    struct nx__compiled out;
    struct nx__compile_request request = {.path = path, .compiler = "tcc"};
    nx_err err = nx__module_compile(&request, &out);
    if (!err) nx_expect(out.so_fd >= 0 && out.so_path && out.input_count >= 3);
    nx__compiled_free(&out);
    return err;
}

static nx_err resolve(void)
{
    char *found, *main = NULL;
    NX_TRY(nx__resolve(path, "./part.c", &found));
    free(found);
    nx_err err = nx__project_main(nx_test_dir(), &main);
    free(main);
    return err;
}

/* What a failure has left in the cache is no trouble. */
static void compile_again(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)err, (void)failed;
    nx_expect_ok(compile());
}

static const struct faults_scenario scenarios[] = {
    {.name = "the cache has it", .run = compile, .after = compile_again},
    {.name = "what a name means", .run = resolve}};
enum { COUNT = sizeof scenarios / sizeof *scenarios };

static void begin(void)
{
    const char *dir = nx_test_dir();
    nx_require_eq(setenv("NEXUS_CACHE", nx_format("%s/cache", dir), 1), 0);
    path = nx_format("%s/app.c", dir);
    nx_require_ok(nx_fs_write_file(
        path, nx_str("#include \"./part.h\"\nint main(void) { return part(); }\n")));
    nx_require_ok(nx_fs_write_file(nx_format("%s/part.h", dir), nx_str("int part(void);\n")));
    nx_require_ok(
        nx_fs_write_file(nx_format("%s/part.c", dir), nx_str("int part(void) { return 7; }\n")));
    nx_require_ok(nx_fs_write_file(nx_format("%s/nexus.toml", dir), nx_str("main = \"app.c\"\n")));
}

NX_TEST("one allocation fails", .deadline = NX_S(80))
{
    begin();
    faults_run(FAULTS_MEMORY, scenarios, COUNT);
}

NX_TEST("memory runs out", .deadline = NX_S(80))
{
    begin();
    faults_run(FAULTS_NO_MEMORY, scenarios, COUNT);
}

/* Hundreds of compilations each. */
static void calls_fail(int what)
{
    begin();
    faults_run(what, scenarios, COUNT);
}

NX_TEST("the disk fails", .deadline = NX_S(80))
{
    calls_fail(EIO);
}

NX_TEST("there are no more descriptors", .deadline = NX_S(80))
{
    calls_fail(EMFILE);
}

NX_TEST("the disk is full", .deadline = NX_S(80))
{
    calls_fail(ENOSPC);
}

NX_TEST("calls are interrupted", .deadline = NX_S(80))
{
    calls_fail(EINTR);
}

NX_TEST("half of it is moved", .deadline = NX_S(80))
{
    calls_fail(FAULTS_SHORT);
}

/* ---- One run of a tool */

static char name_true[] = "/bin/true", name_sleep[] = "/bin/sleep", for_long[] = "1000";
static const char *folders[] = {"/usr", NULL};

/* With the n-th call of it failing, in this process and in its copy; 0: none. `*failed` is what did
 * in this one. */
static nx_err tool_run(char **argv, int seconds, unsigned long nth, int *status,
                       const char **failed)
{
    int output = open("/dev/null", O_WRONLY | O_CLOEXEC);
    nx_require(output >= 0);
    struct nx__tool_run run = {.argv = argv,
                               .staging = nx_test_dir(),
                               .readable = folders,
                               .output = output,
                               .seconds = seconds};
    if (nth) faults_begin(EIO, nth);
    nx_err err = nx__tool_run(&run, status);
    *failed = faults_stop();
    nx_expect_eq(close(output), 0);
    return err;
}

static atomic_bool enough;

static void *allocate(void *arg)
{
    enum { KEPT = 64, STEP = 500 };
    void *blocks[KEPT];
    while (!atomic_load(&enough)) {
        for (size_t i = 0; i < KEPT; i++) blocks[i] = malloc(STEP * (i + 1));
        for (size_t i = 0; i < KEPT; i++) free(blocks[i]);
    }
    return arg;
}

/* A copy of the process has the locks of all threads as they were, and only one of the threads. */
NX_TEST("a tool's run ends, whatever fails in it and whatever other threads do",
        .deadline = NX_S(80))
{
    enum { CALLS = 40, THREADS = 2 };
    char *argv[] = {name_true, NULL};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        nx_require_eq(pthread_create(&threads[i], NULL, allocate, NULL), 0);
    for (unsigned long n = 1; n <= CALLS; n++) {
        int status = -1;
        const char *failed;
        nx_err err = tool_run(argv, 60, n, &status, &failed);
        if (!err) nx_expect(WIFEXITED(status));
    }
    atomic_store(&enough, true);
    for (int i = 0; i < THREADS; i++) nx_require_eq(pthread_join(threads[i], NULL), 0);
}

/* By a handle of the process, and by looking where there is no waiting by one. */
NX_TEST("a tool that never ends is killed", .deadline = NX_S(30))
{
    enum {
        POLL = 2 /* the second call that fails here; there it opens /usr, which is named again */
    };
    char *argv[] = {name_sleep, for_long, NULL};
    int handle = (int)syscall(SYS_pidfd_open, getpid(), 0); /* there is none under valgrind */
    for (int looking = 0; looking < 2; looking++) {
        int status = -1;
        const char *failed;
        nx_expect_ok(tool_run(argv, 1, looking ? POLL : 0, &status, &failed));
        nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        nx_expect_eq(failed ? failed : "nothing", looking && handle >= 0 ? "poll" : "nothing");
    }
    if (handle >= 0) (void)close(handle);
}

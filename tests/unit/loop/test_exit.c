/* What is done before a program ends. Each program is a process, which has left the test's loop. */
#include "loop_test.h"

#include "loop/loop_thread.h"
#include <signal.h>
#include <sys/mman.h>

enum { SHARED = 4096 };

/* What the program has said, shared with the test. */
static char *steps;

static void step(const char *text)
{
    strcat(steps, text);
}

struct program {
    int (*entry)(int, char **);
    int file;
    char said[2048];
};

static int program_main(void *arg)
{
    const struct program *p = arg;
    if (dup2(p->file, STDERR_FILENO) < 0) return 99;
    return nx__program_run(p->entry, 0, NULL);
}

static pid_t program_begin(struct program *p, int (*entry)(int, char **))
{
    *p = (struct program){.entry = entry};
    p->file = memfd_create("stderr", MFD_CLOEXEC);
    steps = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    nx_require(steps != MAP_FAILED);
    pid_t pid = fork_apart();
    if (pid == 0) exit(program_main(p));
    return pid;
}

/* Waits for its end; the status as waitpid has it. */
static int program_end(struct program *p, pid_t pid)
{
    int status = -1;
    nx_expect_eq(waitpid(pid, &status, 0), pid);
    ssize_t n = pread(p->file, p->said, sizeof p->said - 1, 0);
    p->said[n > 0 ? n : 0] = '\0';
    (void)close(p->file);
    nx_test_log("steps %s, said %s", steps, p->said);
    return status;
}

static int run(struct program *p, int (*entry)(int, char **))
{
    int status = program_end(p, program_begin(p, entry));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Until the program has got there. */
static void await(const char *text)
{
    for (int i = 0; i < 10000 && !strstr(steps, text); i++) (void)usleep(2000);
    nx_require_contains(steps, text);
}

static nx_err steps_on(void *arg)
{
    NX_TRY(nx_sleep(NX_MS(2)));
    step(arg);
    return NX_OK;
}

static nx_err fails(void *arg)
{
    (void)arg;
    return nx_fail(NX_EIO, "the disk is gone");
}

static nx_err hangs(void *arg)
{
    (void)arg;
    step("h");
    nx_err err = nx_sleep(NX_FOREVER);
    step(err == NX_ECANCELED ? "c" : "?");
    return err;
}

static nx_err lingers(void *arg)
{
    step("l");
    steps_on(arg);
    return NX_OK;
}

static int returns(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1") || nx_at_exit(steps_on, "2")) return 90;
    if (nx_spawn(NULL, steps_on, "fiber ")) return 91;
    return 3;
}

NX_TEST("when main has returned, in reverse")
{
    struct program p;
    nx_expect_eq(run(&p, returns), 3);
    nx_expect_eq(steps, "fiber 21");
    nx_expect_eq(p.said, "");
}

static int returns_with_errors(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1") || nx_at_exit(fails, NULL) ||
        nx_at_exit(hangs, NULL, .within = NX_MS(100)) ||
        nx_at_exit_with(
            hangs, NULL,
            &(nx_at_exit_options){.size = sizeof(nx_at_exit_options), .within = NX_MS(100)}))
        return 90;
    return 0;
}

NX_TEST("what fails or takes too long is said by its name, and the rest goes on")
{
    struct program p;
    nx_expect_eq(run(&p, returns_with_errors), 0);
    nx_expect_eq(steps, "hchc1");
    nx_expect_contains(p.said, "fails (");
    nx_expect_contains(p.said, "test_exit.c:");
    nx_expect_contains(p.said, ") at the end: the disk is gone\n");
    nx_expect_contains(p.said, "hangs (");
    nx_expect_contains(p.said, ") at the end was cut: it takes longer than 100ms\n");
    nx_expect_contains(p.said, "a function at the end was cut: it takes longer than 100ms\n");
}

static nx_err blocks(void *arg)
{
    (void)arg;
    (void)usleep(100 * 1000 * 1000);
    return NX_OK;
}

static nx_err blocks_on_a_thread(void *arg)
{
    step("b");
    return nx_blocking(blocks, arg);
}

static int returns_blocked(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return nx_at_exit(steps_on, "1") || nx_at_exit(blocks_on_a_thread, NULL, .within = NX_MS(100))
               ? 90
               : 4;
}

NX_TEST("what can't be cancelled holds nothing up")
{
    struct program p;
    nx_expect_eq(run(&p, returns_blocked), 4);
    nx_expect_eq(steps, "b1");
    nx_expect_contains(p.said, "was cut");
}

static nx_err exits(void *arg)
{
    (void)arg;
    nx_exit(7);
}

static int exits_by_a_fiber(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1") || nx_spawn(NULL, exits, NULL)) return 90;
    (void)!printf("printed");
    NX_IGNORE(nx_sleep(NX_FOREVER));
    return 91;
}

static int exits_by_itself(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1")) return 90;
    nx_exit(8);
}

static int exits_with_nothing_to_do(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    nx_exit(9);
}

static int exits_at_the_end(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return nx_at_exit(steps_on, "1") || nx_at_exit(exits, NULL) || nx_at_exit(steps_on, "3") ? 90
                                                                                             : 4;
}

static void worker_exits(struct nx__loop_thread *thread)
{
    (void)thread;
    step(nx_at_exit(steps_on, "x") == NX_ESTATE ? "refused " : "taken ");
    nx_exit(6);
}

static int exits_by_a_worker(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct nx__loop_thread thread;
    thread.starter = nx__loop();
    if (nx_at_exit(steps_on, "1") || nx__loop_thread_start(&thread, 1, 2, worker_exits)) return 90;
    nx__loop_thread_join(&thread);
    return 91;
}

NX_TEST("nx_exit ends the program from any fiber, and from a worker's")
{
    struct program p;
    nx_expect_eq(run(&p, exits_by_a_fiber), 7);
    nx_expect_eq(steps, "1");
    nx_expect_eq(run(&p, exits_by_itself), 8);
    nx_expect_eq(steps, "1");
    nx_expect_eq(run(&p, exits_with_nothing_to_do), 9);
    nx_expect_eq(run(&p, exits_at_the_end), 7);
    nx_expect_eq(steps, "31");
    nx_expect_eq(run(&p, exits_by_a_worker), 6);
    nx_expect_eq(steps, "refused 1");
}

static int exits_plainly(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1")) return 90;
    exit(5);
}

NX_TEST("exit() does not")
{
    struct program p;
    nx_expect_eq(run(&p, exits_plainly), 5);
    nx_expect_eq(steps, "");
}

static int shuts_down(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1")) return 90;
    nx_shutdown();
    NX_IGNORE(nx_sleep(NX_FOREVER));
    return 91;
}

NX_TEST("nx_shutdown, where there is no server")
{
    struct program p;
    nx_expect_eq(run(&p, shuts_down), 0);
    nx_expect_eq(steps, "1");
}

static int waits(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(lingers, "1")) return 90;
    step("ready ");
    NX_IGNORE(nx_sleep(NX_FOREVER));
    return 91;
}

NX_TEST("a signal ends the program as it would, but for that")
{
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        struct program p;
        pid_t pid = program_begin(&p, waits);
        await("ready");
        nx_expect_eq(kill(pid, signals[i]), 0);
        int status = program_end(&p, pid);
        nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
        nx_expect_eq(steps, "ready l1");
    }
}

static int hangs_at_the_end(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (nx_at_exit(steps_on, "1") || nx_at_exit(hangs, NULL, .within = NX_FOREVER)) return 90;
    step("ready ");
    NX_IGNORE(nx_sleep(NX_FOREVER));
    return 91;
}

NX_TEST("a second signal ends it at once")
{
    struct program p;
    pid_t pid = program_begin(&p, hangs_at_the_end);
    await("ready");
    nx_expect_eq(kill(pid, SIGTERM), 0);
    await("h");
    (void)usleep(250 * 1000); /* sooner it would be the same one */
    nx_expect_eq(kill(pid, SIGTERM), 0);
    int status = program_end(&p, pid);
    nx_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    nx_expect_eq(steps, "ready h");
}

static nx_err adds_another(void *arg)
{
    (void)arg;
    step(nx_at_exit(steps_on, "x") == NX_ESTATE ? "refused" : "taken");
    return NX_OK;
}

static int adds_at_the_end(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return nx_at_exit(adds_another, NULL);
}

NX_TEST("what can't be added is refused")
{
    struct program p;
    nx_expect_eq(run(&p, adds_at_the_end), 0);
    nx_expect_eq(steps, "refused");
    nx_expect_err(NX_EINVAL, nx_at_exit(NULL, NULL));
}

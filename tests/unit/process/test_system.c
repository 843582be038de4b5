/* Systems that have less: no more processes, no handles of them, no memory. */
#include "process_test.h"

#include "faults.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* From now on these system calls of the test's process fail so; those with a flag, only with it. */
struct refusal {
    unsigned call, flag_place, flag;
    int error;
};

static void refuse(const struct refusal *refusals, size_t count)
{
    struct sock_filter code[64];
    unsigned short len = 0;
    code[len++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        const struct refusal *r = &refusals[i];
        unsigned place = (unsigned)(offsetof(struct seccomp_data, args) + 8 * r->flag_place);
        code[len++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, r->flag ? 4 : 1);
        if (r->flag) {
            code[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place);
            code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, r->flag, 0, 1);
        }
        code[len++] =
            (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)r->error);
        if (r->flag)
            code[len++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                                                       offsetof(struct seccomp_data, nr));
    }
    code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {len, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
        nx_skip("no seccomp: %s", strerror(errno));
}

static const char *const tree = "sleep 1000 & echo $!; wait";

static void no_processes(int error)
{
    nx_run_result r;
    nx_require_ok(nx_run(&r, NX_ARGV("true"))); /* its thread is there */
    const struct refusal all[] = {
#ifdef SYS_vfork
        {SYS_vfork, 0, 0, error},
#endif
#ifdef SYS_fork
        {SYS_fork, 0, 0, error},
#endif
        {SYS_clone, 0, 0x01004000, error}, /* CLONE_CHILD_SETTID as fork has it, CLONE_VFORK: not
                                              what the search for leaks does */
    };
    refuse(all, sizeof all / sizeof *all);
}

NX_TEST("no more processes")
{
    nx_run_result r;
    no_processes(EAGAIN);
    nx_expect_err(NX_ELIMIT, nx_run(&r, NX_ARGV("true")));
    nx_expect_contains(nx_error_last()->message,
                       "has no more processes for this user or container");
}

NX_TEST("no memory for a process")
{
    nx_run_result r;
    no_processes(ENOMEM);
    nx_expect_err(NX_ENOMEM, nx_run(&r, NX_ARGV("true")));
    nx_expect_contains(nx_error_last()->message, "cannot run \"true\": out of memory");
}

/* What has to hold on any system. */
static void works(void)
{
    nx_run_result r;
    nx_process *p;
    nx_process_end end;
    nx_scope *scope;
    nx_expect_ok(nx_run(&r, NX_ARGV("cat"), .input = nx_str("a"), .check = true));
    nx_expect_eq(r.out, "a");
    nx_expect_err(NX_ETIMEDOUT, nx_run(&r, NX_SHELL(tree), .timeout = NX_MS(300)));
    nx_expect(gone(atoi(r.out.data)));
    nx_require_ok(nx_process_start(&p, NX_SHELL(tree), .out = NX_IO_PIPE));
    pid_t grandchild = atoi(line_of(p));
    nx_expect_ok(nx_process_signal(p, SIGKILL));
    nx_expect_ok(nx_process_wait(p, &end));
    nx_expect_eq(end.signal, SIGKILL);
    nx_expect_err(NX_ESTATE, nx_process_signal(p, SIGKILL));
    nx_process_close(p);
    nx_expect(gone(grandchild));
    nx_require_ok(nx_scope_open(&scope));
    nx_require_ok(nx_process_start(&p, NX_SHELL("read x"), .in = NX_IO_PIPE, .detached = true));
    pid_t pid = nx_process_pid(p);
    nx_expect_ok(nx_scope_close(&scope));
    for (int i = 0; i < 1000 && kill(pid, 0) == 0; i++) nx_require_ok(nx_sleep(NX_MS(5)));
    nx_expect(no_zombie());
}

NX_TEST("no handles of processes")
{
    const struct refusal all[] = {{SYS_pidfd_open, 0, 0, ENOSYS},
                                  {SYS_pidfd_send_signal, 0, 0, ENOSYS}};
    refuse(all, 2);
    works();
}

NX_TEST("no signals to groups by a handle, and no closing of many descriptors")
{
    const struct refusal all[] = {{SYS_pidfd_send_signal, 3, 4, EINVAL},
                                  {SYS_close_range, 0, 0, ENOSYS}};
    refuse(all, 2);
    works();
}

NX_TEST("memory that is out at any place is an error, and nothing is left", .deadline = NX_S(60))
{
    nx_run_result r;
    nx_require_ok(nx_run(&r, NX_ARGV("true")));
    bool failed = true;
    for (long n = 0; failed && n < 200; n++) {
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope));
        faults_begin(FAULTS_NO_MEMORY, (unsigned long)n + 1);
        nx_err err = nx_run(&r, NX_ARGV("echo", "a"), .input = nx_str("b"), .env = NX_ARGV("A=1"),
                            .timeout = NX_S(50));
        failed = faults_stop();
        if (failed && err) nx_expect_eq(err, NX_ENOMEM);
        if (!failed) nx_expect_eq(r.out, "a\n");
        nx_require_ok(nx_scope_close(&scope));
    }
    nx_expect(!failed);
    nx_expect(no_zombie());
}

/* ---- Terminals, and calls that fail */

NX_TEST("a terminal that says it is closed may still have a line, which is read")
{
    nx_process *p;
    nx_process_end end;
    nx_require_ok(nx_process_start(&p, NX_ARGV("echo", "last words"), .terminal = {.rows = 10}));
    nx_expect_ok(nx_process_wait(p, &end));
    faults_begin(EIO, 1); /* as when the line comes while the kernel looks */
    const char *line = line_of(p);
    const char *failed = faults_stop();
    nx_expect_eq(line, "last words\r");
    nx_expect_eq(failed ? failed : "nothing", "read");
    nx_expect_eq(line_of(p), "");
}

static nx_err run_cat(void)
{
    nx_run_result r;
    NX_TRY(nx_run(&r, NX_ARGV("cat"), .input = nx_str("a word"), .check = true));
    nx_expect_eq(r.out, "a word");
    return NX_OK;
}

static nx_err run_on_terminal(void)
{
    nx_run_result r;
    NX_TRY(nx_run(&r, NX_ARGV("cat"), .input = nx_str("a word\n"), .terminal = {.rows = 10}));
    nx_expect_contains(r.out, "a word\r\n");
    return NX_OK;
}

static nx_err start_and_stop(void)
{
    nx_process *p;
    NX_TRY(nx_process_start(&p, NX_SHELL("sleep 1000 & wait"), .out = NX_IO_PIPE));
    nx_err err = nx_process_signal(p, SIGKILL);
    if (!err) err = nx_process_wait(p, NULL);
    nx_process_close(p);
    return err;
}

static void nobody_left(const struct faults_scenario *scenario, nx_err err, const char *failed)
{
    (void)scenario, (void)err, (void)failed;
    nx_expect(no_zombie());
}

static const struct faults_scenario scenarios[] = {
    {.name = "run", .run = run_cat, .after = nobody_left},
    {.name = "start and stop", .run = start_and_stop, .after = nobody_left},
    {.name = "on a terminal", .run = run_on_terminal, .after = nobody_left}};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

/* Not EIO on a terminal: it says so when nobody reads it any more, and then nobody is told of an
 * end, for which a program that does read would wait. */
NX_TEST("system calls fail", .deadline = NX_S(110))
{
    static const int all[] = {EIO, EMFILE, EINTR, FAULTS_SHORT};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        faults_run(all[i], scenarios, all[i] == EIO ? SCENARIOS - 1 : SCENARIOS);
}

NX_TEST("one allocation fails", .deadline = NX_S(110))
{
    faults_run(FAULTS_MEMORY, scenarios, SCENARIOS);
}

/* From arguments to a running program, on Linux.
 *
 * The child borrows this process's memory until it executes (vfork), so that its size costs
 * nothing; between the two it makes system calls and nothing else, and libc's wrappers only where
 * they are no more than that. What fails there comes back through a pipe that the execution closes.
 */
#include "process/launch.h"

#include "base/error.h"
#include "permission/program.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The child */

enum step { SET_UP, ENTER, EXECUTE };

/* What the child says when it can't go on. */
struct failure {
    enum step step;
    int error;
};

struct child {
    const struct nx__launch *launch;
    const char *program;
    pid_t parent;
    int report;
};

static void fail(int report, enum step step)
{
    struct failure failure = {step, errno};
    /* Without a reader there is nobody left to tell. */
    if (write(report, &failure, sizeof failure) < 0) _exit(126);
    _exit(127);
}

/* Every signal back to what it does by itself; those that this program's parent has had ignored
 * stay so. By system calls: sanitizers keep books of libc's. */
static void signals_reset(void)
{
    enum { SET = 8 /* bytes of a signal set */, LAST = 64 };
    unsigned long action[8], none[8] = {0}; /* the kernel's structure is no longer, and begins with
                                               the handler */
    for (long signo = 1; signo <= LAST; signo++) {
        if (syscall(SYS_rt_sigaction, signo, NULL, action, SET) != 0) continue;
        if (action[0] == (unsigned long)SIG_DFL ||
            (action[0] == (unsigned long)SIG_IGN && signo != SIGPIPE))
            continue;
        (void)syscall(SYS_rt_sigaction, signo, none, NULL, SET);
    }
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, SET);
}

/* The descriptors into their places. Those in the way of one another step aside before. */
static bool descriptors_place(const int fds[3])
{
    int from[3];
    for (int i = 0; i < 3; i++) {
        from[i] = fds[i];
        if (from[i] >= 0 && from[i] < 3 && from[i] != i &&
            (from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return false;
    }
    for (int i = 0; i < 3; i++) {
        if (from[i] < 0) continue;
        if ((from[i] == i ? fcntl(i, F_SETFD, 0) : dup2(from[i], i)) < 0) return false;
    }
    return true;
}

static void child_run(const struct child *child)
{
    const struct nx__launch *l = child->launch;
    int report = child->report < 3 ? fcntl(child->report, F_DUPFD_CLOEXEC, 3) : child->report;
    if (report < 0) _exit(126);
    if (l->session ? setsid() < 0 : l->group && setpgid(0, 0) != 0) fail(report, SET_UP);
    if (!descriptors_place(l->fds)) fail(report, SET_UP);
    if (l->terminal && ioctl(0, TIOCSCTTY, 0) != 0) fail(report, SET_UP);
    if (l->cwd && chdir(l->cwd) != 0) fail(report, ENTER);
    /* All that this program opens closes itself; what a library of its opens may not. */
    (void)syscall(SYS_close_range, 3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
    if (l->passed && fcntl(l->passed, F_SETFD, 0) != 0) fail(report, SET_UP);
    if (l->last_signal) {
        if (prctl(PR_SET_PDEATHSIG, l->last_signal) != 0) fail(report, SET_UP);
        if (getppid() != child->parent) _exit(127); /* it has ended before the line above */
    }
    signals_reset();
    (void)execve(child->program, (char *const *)(uintptr_t)l->argv, l->environment);
    fail(report, EXECUTE);
}

/* On the stack of its caller, which does not run meanwhile. */
static NX__NOINLINE pid_t child_start(const struct child *child)
{
    /* NOLINTBEGIN(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork): see above
     */
    pid_t pid = vfork();
    if (pid == 0) child_run(child);
    /* NOLINTEND(clang-analyzer-security.insecureAPI.vfork,clang-analyzer-unix.Vfork) */
    return pid;
}

/* ---- The parent */

static const char *where(const struct nx__launch *l)
{
    return l->path ? l->path : NX__PROGRAM_PATH;
}

/* A file that is there and yet is not found by the system is a script whose interpreter isn't, or a
 * program whose loader isn't. */
static nx_err execute_failed(const struct nx__launch *l, const char *program, int error)
{
    const char *name = l->argv[0];
    struct stat st;
    switch (error) {
    case ENOENT:
        if (stat(program, &st) == 0)
            return nx__error_set(
                NX_ENOENT,
                "cannot run \"%s\": its interpreter, which a script names in its first line, is not there",
                name);
        return nx__error_set(NX_ENOENT, "cannot run \"%s\": no such file", name);
    case EACCES:
        if (stat(program, &st) == 0 && S_ISDIR(st.st_mode))
            return nx__error_set(NX_EINVAL, "cannot run \"%s\": it is a directory", name);
        if (stat(program, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 0111))
            return nx__error_set(NX_EACCES, "cannot run \"%s\": it is not executable (chmod +x)",
                                 name);
        break;
    case ENOEXEC:
        return nx__error_set(
            NX_EINVAL,
            "cannot run \"%s\": it is no program of this machine's, and no script with an interpreter in its first line",
            name);
    case E2BIG:
        return nx__error_set(NX_ETOOBIG,
                             "cannot run \"%s\": its arguments and environment are too long", name);
    default: break;
    }
    return nx__error_system(error, "cannot run \"%s\"", name);
}

static nx_err child_failed(const struct nx__launch *l, const char *program,
                           const struct failure *failure)
{
    if (failure->step == EXECUTE) return execute_failed(l, program, failure->error);
    if (failure->step == ENTER)
        return nx__error_system(failure->error, "cannot run \"%s\" in \"%s\"%s", l->argv[0], l->cwd,
                                failure->error == ENOENT ? ", its directory" : "");
    return nx__error_system(failure->error, "cannot run \"%s\"", l->argv[0]);
}

static nx_err start_failed(const struct nx__launch *l, int error)
{
    if (error == EAGAIN)
        return nx__error_set(
            NX_ELIMIT,
            "cannot run \"%s\": the system has no more processes for this user or container (ulimit -u, pids.max)",
            l->argv[0]);
    return nx__error_system(error, "cannot run \"%s\"", l->argv[0]);
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
}

/* Reads what the child has to say: nothing, when it has become the program. */
static bool child_fails(int report, struct failure *failure)
{
    ssize_t n;
    do n = read(report, failure, sizeof *failure);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *failure;
}

static nx_err start(struct nx__launch *l, const char *program)
{
    int report[2];
    struct failure failure;
    if (pipe2(report, O_CLOEXEC) != 0) return start_failed(l, errno);
    const struct child child = {l, program, getpid(), report[1]};
    pid_t pid = child_start(&child);
    int error = errno;
    (void)close(report[1]);
    bool fails = pid > 0 && child_fails(report[0], &failure);
    (void)close(report[0]);
    if (pid < 0) return start_failed(l, error);
    if (fails) {
        reap(pid);
        return child_failed(l, program, &failure);
    }
    l->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    /* Old systems and some sandboxes know none. */
    if (l->pidfd < 0 && errno != ENOSYS && errno != EPERM) {
        error = errno;
        (void)kill(pid, SIGKILL);
        reap(pid);
        return start_failed(l, error);
    }
    l->pid = pid;
    return NX_OK;
}

/* Puts the absolute path of what is to be run into `out`. */
static nx_err find(const struct nx__launch *l, char out[NX__PATH_MAX])
{
    const char *name = l->argv[0];
    if (!strchr(name, '/')) {
        int error = nx__program_find(name, l->path, out);
        NX_TRY(nx__permit_program(name, error == ENOENT ? NULL : out));
        if (error == ENOENT)
            return nx__error_set(NX_ENOENT, "cannot run \"%s\": no such program in PATH (%s)", name,
                                 where(l));
        return error ? execute_failed(l, out, error) : NX_OK;
    }
    char here[NX__PATH_MAX] = "";
    const char *from = l->cwd ? l->cwd : "";
    bool absolute = name[0] == '/';
    if (!absolute && from[0] != '/' && !getcwd(here, sizeof here)) return start_failed(l, errno);
    int n = absolute ? snprintf(out, NX__PATH_MAX, "%s", name)
                     : snprintf(out, NX__PATH_MAX, "%s%s%s%s%s", here, *here && *from ? "/" : "",
                                from, "/", name);
    if (n < 0 || n >= NX__PATH_MAX) return start_failed(l, ENAMETOOLONG);
    return nx__permit_program(l->cwd ? out : name, out);
}

nx_err nx__process_launch(struct nx__launch *launch)
{
    char program[NX__PATH_MAX];
    launch->pidfd = -1;
    NX_TRY(find(launch, program));
    return start(launch, program);
}

/* Starting a program: its three descriptors, its environment, and the launch. */
#include "fs/file.h"
#include "process/launch.h"
#include "process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/* What is open until the program runs. */
struct setup {
    nx_process *process;
    struct nx__launch launch;
    int owned[3];      /* descriptors of the program's, closed when it has them; -1: none */
    nx_file *files[3]; /* the same, by name */
};

static const char *const names[] = {"in", "out", "err"};

static nx_err failed(const struct setup *s, int which, int error)
{
    return nx__error_system(error, "cannot run \"%s\": cannot open its .%s", s->process->name,
                            names[which]);
}

static nx_err block(const struct setup *s, int which, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0))
        return failed(s, which, errno);
    return NX_OK;
}

static nx_err set_pipe(struct setup *s, int which)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return failed(s, which, errno);
    int ours = ends[which == NX__IN], theirs = ends[which != NX__IN];
    s->owned[which] = s->launch.fds[which] = theirs;
    if (fcntl(ours, F_SETFL, O_NONBLOCK) == 0)
        return nx__process_pipe_init(s->process, which, ours);
    nx_err err = failed(s, which, errno);
    (void)close(ours);
    return err;
}

static nx_err set_file(struct setup *s, int which, const nx_io *io)
{
    bool append = io->kind == NX_IO_KIND_APPEND;
    if (!io->path || (append && which == NX__IN))
        return nx__error_set(NX_EINVAL, "cannot run \"%s\": .%s is no file that could be %s",
                             s->process->name, names[which], which == NX__IN ? "read" : "written");
    if (which == NX__IN)
        NX_TRY(nx_fs_open(&s->files[which], io->path));
    else
        NX_TRY(nx_fs_open(&s->files[which], io->path, .create = true, .append = append,
                          .truncate = !append));
    s->launch.fds[which] = s->files[which]->fd;
    return block(s, which, s->files[which]->fd);
}

static nx_err set_from(struct setup *s, nx_process *from)
{
    struct nx__process_pipe *pipe = from ? &from->pipes[NX__OUT] : NULL;
    if (!pipe || pipe->fd < 0 || from->terminal >= 0)
        return nx__error_set(NX_EINVAL,
                             "cannot run \"%s\": .in is from a program whose .out is no open pipe",
                             s->process->name);
    int fd = fcntl(pipe->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0) return failed(s, NX__IN, errno);
    s->owned[NX__IN] = s->launch.fds[NX__IN] = fd;
    NX_TRY(block(s, NX__IN, fd));
    nx__process_pipe_close(pipe);
    return NX_OK;
}

static nx_err set(struct setup *s, int which, const nx_io *io)
{
    int *fd = &s->launch.fds[which];
    switch (io->kind) {
    case NX_IO_KIND_DEFAULT:
        if (which == NX__IN) break;
        NX__FALLTHROUGH;
    case NX_IO_KIND_INHERIT: *fd = -1; return NX_OK;
    case NX_IO_KIND_NULL: break;
    case NX_IO_KIND_PIPE: return set_pipe(s, which);
    case NX_IO_KIND_FILE:
    case NX_IO_KIND_APPEND: return set_file(s, which, io);
    case NX_IO_KIND_FD:
        *fd = io->fd;
        return fcntl(io->fd, F_GETFD) < 0 ? failed(s, which, errno) : NX_OK;
    case NX_IO_KIND_OUT:
        if (which != NX__ERR) goto wrong;
        *fd = s->launch.fds[NX__OUT] < 0 ? STDOUT_FILENO : s->launch.fds[NX__OUT];
        return NX_OK;
    case NX_IO_KIND_FROM:
        if (which != NX__IN) goto wrong;
        return set_from(s, io->from);
    default: goto wrong;
    }
    *fd = s->owned[which] = open("/dev/null", O_RDWR | O_CLOEXEC);
    return *fd < 0 ? failed(s, which, errno) : NX_OK;
wrong:
    return nx__error_set(NX_EINVAL, "cannot run \"%s\": .%s can't be that", s->process->name,
                         names[which]);
}

static nx_err set_terminal(struct setup *s, const nx_process_options *o)
{
    int ours, theirs;
    if (o->in.kind || o->out.kind || o->err.kind)
        return nx__error_set(
            NX_EINVAL, "cannot run \"%s\": with a .terminal there is no other .in, .out or .err",
            s->process->name);
    int64_t result = nx__terminal_open(
        o->terminal.rows, o->terminal.columns ? o->terminal.columns : 80, &ours, &theirs);
    if (result < 0)
        return nx__error_system((int)-result, "cannot run \"%s\": cannot make a terminal",
                                s->process->name);
    s->process->terminal = ours;
    s->owned[NX__IN] = theirs;
    s->launch.terminal = true;
    for (int i = 0; i < 3; i++) s->launch.fds[i] = theirs;
    for (int i = NX__IN; i <= NX__OUT; i++) {
        int fd = fcntl(ours, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) return failed(s, i, errno);
        NX_TRY(nx__process_pipe_init(s->process, i, fd));
    }
    return NX_OK;
}

static nx_err set_all(struct setup *s, const nx_process_options *o)
{
    if (o->terminal.rows) return set_terminal(s, o);
    NX_TRY(set(s, NX__IN, &o->in));
    NX_TRY(set(s, NX__OUT, &o->out));
    return set(s, NX__ERR, &o->err);
}

static nx_err launch(void *arg)
{
    struct setup *s = arg;
    return nx__process_launch(&s->launch);
}

/* Where the program shares this one's terminal it has to be in its group, or the terminal would
 * stop it when it reads. */
static bool shares_terminal(const struct setup *s)
{
    int fd = s->launch.fds[NX__IN] < 0 ? STDIN_FILENO : s->launch.fds[NX__IN];
    return fd == STDIN_FILENO && isatty(fd);
}

static nx_err run(struct setup *s, const nx_process_options *o)
{
    NX_TRY(set_all(s, o));
    char **environment;
    NX_TRY(nx__process_environment(o, &environment));
    s->launch.environment = environment;
    s->launch.path = nx__process_variable(environment, "PATH");
    s->launch.cwd = o->cwd;
    s->launch.session = o->detached || o->terminal.rows;
    s->launch.group = !s->launch.session && !shares_terminal(s);
    s->launch.last_signal = o->detached ? 0 : o->grace ? SIGTERM : SIGKILL;
    NX_TRY(nx_blocking(launch, s));
    return nx__process_begin(s->process, &s->launch, o->timeout);
}

static nx_err check(const char *const *argv, const nx_process_options *o)
{
    if (!argv || !argv[0] || !argv[0][0])
        return nx__error_set(NX_EINVAL, "cannot run a program without a name");
    if (o->cwd && !o->cwd[0])
        return nx__error_set(NX_EINVAL, "cannot run \"%s\": its .cwd is empty", argv[0]);
    if (o->timeout < 0 || o->grace < 0 || o->linger < 0)
        return nx__error_set(NX_EINVAL, "cannot run \"%s\": a time span is negative", argv[0]);
    if (o->detached && o->timeout && o->timeout != NX_FOREVER)
        return nx__error_set(NX_EINVAL, "cannot run \"%s\": what is .detached has no .timeout",
                             argv[0]);
    return NX_OK;
}

nx_err nx__process_start(nx_process **out, const char *const *argv, const nx_process_options *o)
{
    *out = NULL;
    NX_TRY(check(argv, o));
    struct setup s = {.launch = {.argv = argv, .fds = {-1, -1, -1}}, .owned = {-1, -1, -1}};
    NX_TRY(nx__process_new(&s.process, argv[0], o));
    nx_err err = run(&s, o);
    for (int i = 0; i < 3; i++) {
        if (s.owned[i] >= 0) (void)close(s.owned[i]);
        if (s.files[i]) NX_IGNORE(nx_file_close(s.files[i]));
    }
    if (err)
        nx_process_close(s.process);
    else
        *out = s.process;
    return err;
}

nx_err nx_process_start_with(nx_process **out, const char *const *argv,
                             const nx_process_options *options)
{
    NX__OPTIONS(nx_process_options, o, options);
    *out = NULL;
    if (o.input.len || o.most || o.check || o.linger)
        return nx__error_set(NX_EINVAL, ".input, .most, .check and .linger are nx_run's alone");
    return nx__process_start(out, argv, &o);
}

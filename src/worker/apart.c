/* The process of a process worker, as who has started it sees it: a child of the launcher, which
 * can fork safely, or where there is none of this process, as the same program once more. */
#include "worker/apart.h"

#include "env/env.h"
#include "permission/broker.h"
#include "process/launch.h"
#include <errno.h>
#include <nexus/process.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- By the launcher */

struct request {
    const char *name, *package;
    int control, status;
};

static nx_err ask(void *arg)
{
    const struct request *request = arg;
    return nx__broker_fork(request->name, request->package, request->control, request->status);
}

static nx_err start_by_launcher(struct nx__apart *apart, const char *name, const char *package,
                                int control)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return nx__error_system(errno, "cannot start worker \"%s\"", name);
    struct request request = {name, package, control, pair[1]};
    nx_err err = nx_blocking(ask, &request);
    (void)close(pair[1]);
    if (err)
        (void)close(pair[0]);
    else
        apart->fd = pair[0];
    return err;
}

static void told(struct nx__watch *watch, uint32_t events)
{
    struct nx__apart *apart = nx__container_of(watch, struct nx__apart, watch);
    int status = -1;
    (void)events;
    ssize_t n = recv(apart->fd, &status, sizeof status, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    apart->status = n == (ssize_t)sizeof status ? status : -1;
    nx__poller_remove(&apart->loop->poller, watch);
    apart->ended(apart);
}

/* ---- By itself */

static nx_err launch(void *arg)
{
    return nx__process_launch(arg);
}

static nx_err start_again(struct nx__launch *l, const char *name, int control)
{
    char mark[64], **environment;
    size_t count;
    (void)snprintf(mark, sizeof mark, "%s=%d:%d", NX__APART_VARIABLE, (int)getpid(), control);
    NX_TRY(nx__env_copy(1, &environment, &count));
    environment[count++] = mark;
    environment[count] = NULL;
    l->argv = NX_ARGV("/proc/self/exe", name);
    l->environment = environment;
    l->passed = control;
    l->last_signal = SIGKILL;
    return nx_blocking(launch, l);
}

static nx_err start_by_itself(struct nx__apart *apart, const char *name, int control)
{
    struct nx__launch l = {.fds = {-1, -1, -1}};
    nx_scope *scope;
    apart->living = nx__living_reserve();
    if (!apart->living)
        return nx__error_set(NX_ENOMEM, "cannot start worker \"%s\": out of memory", name);
    nx_err err = nx_scope_open(&scope);
    if (!err) {
        err = start_again(&l, name, control);
        NX_IGNORE(nx_scope_close(&scope));
    }
    if (err) {
        nx__living_release(apart->living);
        return err;
    }
    apart->tree = (struct nx__tree){.pid = l.pid, .pidfd = l.pidfd};
    nx__living_set(apart->living, &apart->tree, false);
    return NX_OK;
}

static void reap(struct nx__apart *apart)
{
    while (!apart->tree.reaped && waitpid(apart->tree.pid, NULL, 0) < 0 && errno == EINTR) {}
    apart->tree.reaped = true;
}

static void look(struct nx__ending *ending)
{
    struct nx__apart *apart = nx__container_of(ending, struct nx__apart, ending);
    int status;
    pid_t pid = waitpid(apart->tree.pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR)) return;
    /* Else somebody waits for any child and has taken it. */
    if (pid > 0) apart->status = status;
    apart->tree.reaped = true;
    nx__ending_stop(ending);
    apart->ended(apart);
}

/* ---- Either */

nx_err nx__apart_start(struct nx__apart *apart, const char *name, const char *package, int control)
{
    *apart = (struct nx__apart){.loop = nx__loop(), .status = -1, .fd = -1, .watch.fd = -1};
    if (nx__broker_fd() >= 0) return start_by_launcher(apart, name, package, control);
    if (package)
        return nx__error_set(
            NX_ENOTSUP, "cannot start worker \"%s\" with what a package may: that takes nexus run",
            name);
    return start_by_itself(apart, name, control);
}

nx_err nx__apart_watch(struct nx__apart *apart, void (*ended)(struct nx__apart *apart))
{
    apart->ended = ended;
    apart->watch.ready = told;
    nx_err err = apart->fd >= 0
                     ? nx__poller_add(&apart->loop->poller, &apart->watch, apart->fd, NX__READABLE)
                     : nx__ending_begin(&apart->ending, apart->loop, apart->tree.pidfd, look);
    if (err) nx__apart_kill(apart);
    return err;
}

void nx__apart_kill(struct nx__apart *apart)
{
    if (apart->fd >= 0)
        (void)shutdown(apart->fd, SHUT_WR);
    else
        (void)nx__tree_signal_leader(&apart->tree, SIGKILL);
}

void nx__apart_free(struct nx__apart *apart)
{
    nx__poller_remove(&apart->loop->poller, &apart->watch);
    if (apart->fd >= 0) {
        (void)close(apart->fd);
        return;
    }
    nx__ending_stop(&apart->ending);
    reap(apart);
    nx__living_release(apart->living);
    if (apart->tree.pidfd >= 0) (void)close(apart->tree.pidfd);
}

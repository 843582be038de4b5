/* Process workers, on the side of who starts them: a process of its own, and a fiber that stands
 * for it. */
#include "worker/apart.h"
#include "worker/port.h"

#include "base/descriptors.h"
#include "loop/fiber.h"
#include "permission/permission.h"
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

uintptr_t nx__program_landmark;

static const nx_duration GRACE = NX_S(5);

struct worker {
    struct nx__apart apart;
    struct nx__op end;      /* what its fiber waits in */
    struct nx__timer timer; /* of the grace */
    nx_duration grace;
    int control;
    bool canceled, killed;
    char name[NX__APART_NAME];
};

static _Atomic uint32_t alive;

/* ---- Its end */

static void ended(struct nx__apart *apart)
{
    nx__op_complete(&nx__container_of(apart, struct worker, apart)->end, 0);
}

static void time_is_up(struct nx__timer *timer)
{
    struct worker *worker = nx__container_of(timer, struct worker, timer);
    worker->killed = true;
    nx__apart_kill(&worker->apart);
}

/* The worker ends when it has heard, or is killed, and that ends the wait. */
static void canceled(struct nx__op *op)
{
    struct worker *worker = nx__container_of(op, struct worker, end);
    const struct nx__apart_order order = {.magic = NX__APART_MAGIC, .kind = NX__APART_CANCEL};
    if (worker->canceled) return;
    worker->canceled = true;
    bool said = send(worker->control, &order, sizeof order, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
    /* One that can't be told has ended, or is about to. */
    if (!said ||
        nx__timer_set(&worker->apart.loop->timers, &worker->timer, nx__deadline(worker->grace)))
        time_is_up(&worker->timer);
}

/* What its function has returned; false where that has not come. */
static bool result_read(const struct worker *worker, struct nx__apart_result *result)
{
    ssize_t n = recv(worker->control, result, sizeof *result, MSG_DONTWAIT);
    if (n != (ssize_t)sizeof *result || result->magic != NX__APART_MAGIC || result->code < 0)
        return false;
    result->message[sizeof result->message - 1] = '\0';
    return true;
}

static nx_err crashed(const struct worker *worker, const char *how)
{
    return nx__error_set(NX_ECRASHED, "worker \"%s\" crashed (%s)", worker->name, how);
}

static nx_err result_of(const struct worker *worker)
{
    struct nx__apart_result result;
    char clean[NX__ERROR_MESSAGE_MAX];
    int status = worker->apart.status;
    if (worker->killed && !(status >= 0 && WIFEXITED(status)))
        return nx__error_set(
            NX_ECANCELED,
            "worker \"%s\" was cancelled, and killed when it had not ended within %.3g s",
            worker->name, (double)worker->grace / (double)NX_S(1));
    if (status < 0)
        return nx__error_set(NX_ECRASHED, "worker \"%s\" has ended, and how is not known",
                             worker->name);
    if (WIFSIGNALED(status)) {
        const char *what = sigdescr_np(WTERMSIG(status));
        return crashed(worker, what ? what : "a signal");
    }
    if (WEXITSTATUS(status) != 0 || !result_read(worker, &result))
        return nx__error_set(NX_ECRASHED,
                             "worker \"%s\" ended with exit code %d instead of a result",
                             worker->name, WEXITSTATUS(status));
    if (!result.code) return NX_OK;
    return nx__error_set((nx_err)result.code, "%s",
                         nx__printable(clean, sizeof clean, result.message));
}

static void worker_free(struct worker *worker)
{
    nx__apart_free(&worker->apart);
    (void)close(worker->control);
    free(worker);
    atomic_fetch_sub(&alive, 1);
}

static nx_err stand(void *arg)
{
    struct worker *worker = arg;
    bool refused = nx__loop_current->operations >= nx__limits.max_operations;
    worker->end.cancel = canceled;
    (void)nx__op_wait(&worker->end);
    nx__timer_clear(&worker->apart.loop->timers, &worker->timer);
    nx_err err = refused ? nx__error_operations() : result_of(worker);
    worker_free(worker);
    return err;
}

/* ---- Its start */

static nx_err failed(const struct worker *worker, int error)
{
    return nx__error_system(error, "cannot start worker \"%s\"", worker->name);
}

/* Its function by its place in the program, which is loaded at another address there. */
static nx_err place_of(nx_port_fn fn, const char *name, int64_t *out)
{
    Dl_info found, own;
    uintptr_t address;
    memcpy(&address, &fn, sizeof address);
    if (!nx__program_landmark)
        return nx__error_set(NX_ENOTSUP,
                             "cannot start worker \"%.31s\": a process worker needs a program that "
                             "nexus runs, or that is linked with libnexus.a and --wrap=main",
                             name);
    /* Without a loader, as in a static program, there is one module. */
    bool known = dladdr((const void *)nx__program_landmark, &own) != 0;
    if (known && (!dladdr((const void *)address, &found) || found.dli_fbase != own.dli_fbase))
        return nx__error_set(
            NX_EINVAL,
            "cannot start worker \"%.31s\": its function is not the program's own, "
            "but of a module that it has loaded",
            name);
    *out = (int64_t)(address - nx__program_landmark);
    return NX_OK;
}

/* Puts the order into the control socket, for the worker to read first: with its end of the port,
 * and what this program reads and writes. */
static nx_err order(const struct worker *worker, const struct nx__apart_order *what, int port)
{
    const int fds[NX__APART_FDS] = {port, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    const struct iovec part = {.iov_base = (void *)(uintptr_t)what, .iov_len = sizeof *what};
    long n = nx__descriptors_send(worker->control, &part, 1, fds, NX__APART_FDS, MSG_DONTWAIT);
    return n == (long)sizeof *what ? NX_OK : failed(worker, n < 0 ? (int)-n : EIO);
}

/* The process; its ends of what connects it are closed here. */
static nx_err start(struct worker *worker, const struct nx__apart_order *what, const char *package,
                    int *port)
{
    int ports[2], controls[2];
    *port = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ports) != 0)
        return failed(worker, errno);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, controls) != 0) {
        nx_err err = failed(worker, errno);
        (void)close(ports[0]);
        (void)close(ports[1]);
        return err;
    }
    worker->control = controls[0];
    nx_err err = order(worker, what, ports[1]);
    (void)close(ports[1]);
    if (!err) err = nx__apart_start(&worker->apart, worker->name, package, controls[1]);
    (void)close(controls[1]);
    if (err) {
        (void)close(ports[0]);
        (void)close(controls[0]);
        return err;
    }
    *port = ports[0];
    return NX_OK;
}

/* Its fiber, and the caller's port. */
static nx_err attach(struct worker *worker, int port, nx_fiber **fiber, nx_port **out,
                     const nx_process_worker_options *o, size_t most)
{
    char peer[NX__APART_NAME + sizeof "worker \"\""];
    (void)snprintf(peer, sizeof peer, "worker \"%s\"", worker->name);
    if (out)
        NX_TRY(nx__port_new(out, port, most, peer));
    else
        (void)close(port);
    NX_TRY(nx__apart_watch(&worker->apart, ended));
    return nx_spawn(fiber, stand, worker, .name = worker->name, .scope = o->scope,
                    .detached = o->detached);
}

static nx_err check(nx_port_fn fn, const nx_process_worker_options *o, const char *name)
{
    if (!fn)
        return nx__error_set(NX_EINVAL, "cannot start worker \"%.31s\": no function was given",
                             name);
    if (o->grace < 0)
        return nx__error_set(NX_EINVAL, "cannot start worker \"%.31s\": its .grace is negative",
                             name);
    if (o->most >= PTRDIFF_MAX)
        return nx__error_set(NX_EINVAL, "cannot start worker \"%.31s\": its .most is too large",
                             name);
    return NX_OK;
}

/* One of as many as there may be. NULL: recorded. */
static struct worker *worker_new(const char *name)
{
    struct worker *worker = NULL;
    if (atomic_fetch_add(&alive, 1) >= NX_PROCESS_WORKERS_MAX)
        NX_IGNORE(
            nx__error_set(NX_ELIMIT,
                          "cannot start worker \"%.31s\": %d process workers are alive, which "
                          "is the limit",
                          name, NX_PROCESS_WORKERS_MAX));
    else if (!(worker = calloc(1, sizeof *worker)))
        NX_IGNORE(nx__error_set(NX_ENOMEM, "cannot start worker \"%.31s\": out of memory", name));
    if (!worker) atomic_fetch_sub(&alive, 1);
    return worker;
}

nx_err nx_process_worker_start_with(nx_fiber **out, nx_port **port, nx_port_fn fn,
                                    const nx_process_worker_options *options)
{
    NX__OPTIONS(nx_process_worker_options, o, options);
    if (out) *out = NULL;
    if (port) *port = NULL;
    const char *name = o.name ? o.name : "worker";
    struct nx__apart_order what = {
        .magic = NX__APART_MAGIC, .kind = NX__APART_START, .most = o.most ? o.most : NX_PORT_MOST};
    NX_TRY(check(fn, &o, name));
    NX_TRY(place_of(fn, name, &what.entry));
    struct worker *worker = worker_new(name);
    if (!worker) return nx__error_last()->code;
    (void)snprintf(worker->name, sizeof worker->name, "%.31s", name);
    memcpy(what.name, worker->name, sizeof what.name);
    worker->grace = o.grace ? o.grace : GRACE;
    worker->timer.fire = time_is_up;

    int fd;
    nx_err err = start(worker, &what, o.package, &fd);
    if (err) {
        free(worker);
        atomic_fetch_sub(&alive, 1);
        return err;
    }
    nx_fiber *fiber;
    err = attach(worker, fd, &fiber, port, &o, (size_t)what.most);
    if (err) {
        nx__apart_kill(&worker->apart);
        worker_free(worker);
        if (port) nx_port_close(*port);
        if (port) *port = NULL;
        return err;
    }
    fiber->joinable = out != NULL;
    if (out) *out = fiber;
    return NX_OK;
}

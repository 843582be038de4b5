/* A process worker, in its own process. */
#include "worker/apart.h"
#include "worker/port.h"

#include "base/descriptors.h"
#include "loop/crash.h"
#include "loop/fiber.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* There is one in a process. */
static struct {
    struct nx__apart_order order;
    struct nx__watch watch; /* of its control socket */
    int control, port;
    atomic_bool canceled;
} own = {.port = -1};

int nx__apart_asked(void)
{
    char *end;
    /* Not where the program has more rights than who starts it. */
    const char *value = secure_getenv(NX__APART_VARIABLE);
    long parent = value ? strtol(value, &end, 10) : -1;
    long control = value && *end == ':' ? strtol(end + 1, &end, 10) : -1;
    bool good = value && !*end && parent == getppid() && control >= 3 && control <= INT32_MAX;
    (void)unsetenv(NX__APART_VARIABLE);
    /* What this process starts has no part in it. */
    return good && fcntl((int)control, F_SETFD, FD_CLOEXEC) == 0 ? (int)control : -1;
}

/* ---- What is said to it */

static void cancel_all(void)
{
    struct nx_loop *loop = nx__loop();
    if (atomic_exchange(&own.canceled, true)) return;
    nx_scope_cancel(&loop->root);
    nx_cancel(&loop->main);
    nx__callbacks_clear();
}

static void heard(struct nx__watch *watch, uint32_t events)
{
    struct nx__apart_order order;
    (void)events;
    ssize_t n = recv(own.control, &order, sizeof order, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    /* Where nobody is left to say it, it is over too. */
    nx__poller_remove(&nx__loop()->poller, watch);
    cancel_all();
}

/* ---- Its life */

static void report(nx_err result)
{
    struct nx__apart_result packet = {.magic = NX__APART_MAGIC, .code = (int32_t)result};
    if (result)
        (void)snprintf(packet.message, sizeof packet.message, "%s",
                       nx__fiber_message(&nx__loop()->main, result));
    /* It fails where nobody waits for it. */
    (void)send(own.control, &packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static nx_err apart_work(void)
{
    struct nx_loop *loop = nx__loop();
    nx_port *port;
    uintptr_t address = nx__program_landmark + (uintptr_t)own.order.entry;
    nx_port_fn fn;
    memcpy(&fn, &address, sizeof fn);
    int fd = own.port;
    own.port = -1;
    NX_TRY(nx__port_new(&port, fd, (size_t)own.order.most, "the program"));
    own.watch = (struct nx__watch){.ready = heard, .fd = -1};
    NX_TRY(nx__poller_add(&loop->poller, &own.watch, own.control, NX__READABLE));
    return fn(port);
}

static int apart_main(int argc, char **argv)
{
    nx_fiber *fiber = &nx__loop()->main;
    (void)argc, (void)argv;
    (void)snprintf(fiber->own_name, sizeof fiber->own_name, "%s", own.order.name);
    fiber->name = fiber->own_name;
    fiber->asked = &own.canceled;
    report(nx__scopes_end(fiber, apart_work()));
    /* Who has started it is told, and nobody else. */
    fiber->own.error = NX_OK;
    fiber->own.canceled = false;
    return NX_OK;
}

/* Receives the order; false where there is none. */
static bool order_receive(int fds[NX__APART_FDS])
{
    const struct iovec part = {&own.order, sizeof own.order};
    size_t count = NX__APART_FDS;
    long n = nx__descriptors_receive(own.control, &part, 1, fds, &count, NULL, MSG_DONTWAIT);
    if (n != (long)sizeof own.order || own.order.magic != NX__APART_MAGIC ||
        own.order.kind != NX__APART_START || count != NX__APART_FDS)
        return false;
    own.order.name[sizeof own.order.name - 1] = '\0';
    return true;
}

static void nothing(int signo)
{
    (void)signo;
}

/* What a terminal or a service manager sends to all processes is for the program, which ends its
 * workers when it has no more use for them. By a handler: programs that it starts have it not. */
static void signals_leave(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)sigaction(signals[i], &action, NULL);
}

int nx__apart_run(int control, int argc, char **argv)
{
    int fds[NX__APART_FDS];
    own.control = control;
    if (!order_receive(fds)) return NX_EPROTO;
    own.port = fds[0];
    for (int i = 1; i < NX__APART_FDS; i++) {
        (void)dup2(fds[i], i - 1);
        (void)close(fds[i]);
    }
    nx__crash_worker = own.order.name;
    (void)prctl(PR_SET_NAME, own.order.name);
    signals_leave();
    return nx__program_run(apart_main, argc, argv);
}

/* nexus run --inspect: the launcher's side of the debugger, and the app's. */
#include "cli/inspect.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/inspect_bridge.h"
#include "cli/launcher.h"
#include "permission/broker.h"
#include "permission/listen.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BACKLOG = 8 };
static const nx_duration FREED_WITHIN = NX_S(1);

/* There is one. */
static struct {
    struct nx__bridge_start start;
    char address[NX__LISTEN_ADDRESS_MAX];
    int fd;          /* our end of the socket pair, -1 without a bridge */
    uint32_t asking; /* the last program that has asked to begin */
    bool freed;      /* nobody listens any more */
} inspect = {.fd = -1, .start = {.launcher = -1, .listener = -1}};

/* ---- The flag */

static nx_err wrong(const char *flag)
{
    return nx__error_set(
        NX_EUSAGE, "%s takes a port, or an address and a port, as in %s=%d or %s=127.0.0.1:%d",
        flag, flag, NX__INSPECT_PORT, flag, NX__INSPECT_PORT);
}

nx_err nx__inspect_parse(struct nx__inspect_options *options, const char *flag, const char *value)
{
    const char *colon = value ? strrchr(value, ':') : NULL, *port = colon ? colon + 1 : value;
    size_t host = colon ? (size_t)(colon - value) : 0;
    unsigned long number = NX__INSPECT_PORT;
    char *end;
    options->on = true;
    options->wait |= strcmp(flag, "--inspect-wait") == 0;
    if (value) {
        if (*port < '0' || *port > '9') return wrong(flag);
        number = strtoul(port, &end, 10);
        if (*end || number > UINT16_MAX || (colon && !host) || host >= sizeof options->host)
            return wrong(flag);
    }
    if (value || !options->host[0]) {
        (void)snprintf(options->host, sizeof options->host, "%.*s", colon ? (int)host : 9,
                       colon ? value : "127.0.0.1");
        options->port = (uint16_t)number;
    }
    return NX_OK;
}

/* ---- The bridge */

static bool is_loopback(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};
    socklen_t len = sizeof a;
    if (getsockname(fd, &a.any, &len) != 0) return false;
    return a.any.sa_family == AF_INET ? ntohl(a.v4.sin_addr.s_addr) >> 24 == 127
                                      : IN6_IS_ADDR_LOOPBACK(&a.v6.sin6_addr);
}

nx_err nx__inspect_prepare(const struct nx__inspect_options *options)
{
    struct nx__bridge_start *start = &inspect.start;
    uint16_t port;
    NX_TRY(nx__adapter_find(&start->adapter));
    nx_err err = nx__listen(options->host, options->port, BACKLOG, 0, NX__LISTEN_ALONE,
                            &start->listener, &port);
    if (err == NX_EADDRINUSE)
        return nx__error_set(
            err,
            "cannot listen for debuggers on %s:%u: the port is taken; another one: "
            "--inspect=%u, or 0 for any that is free",
            options->host, options->port, options->port + 1u);
    NX_TRY(err);
    NX_TRY(nx__listen_address(options->host, port, inspect.address));
    start->wait = options->wait;
    if (start->adapter.kind != NX__ADAPTER_LLDB || !nx__fibers_script(start->fibers))
        start->fibers[0] = '\0';
    start->loopback = is_loopback(start->listener);
    return NX_OK;
}

nx_err nx__inspect_start(struct nx__launcher *l)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return nx__error_system(errno, "cannot start the debugger's bridge");
    inspect.start.launcher = pair[1];
    inspect.start.mask = l->mask;
    pid_t pid = fork();
    if (pid == 0) nx__bridge_run(&inspect.start);
    nx_err err = pid < 0 ? nx__error_system(errno, "cannot start the debugger's bridge") : NX_OK;
    (void)close(pair[1]);
    (void)close(inspect.start.listener);
    if (err) {
        (void)close(pair[0]);
        return err;
    }
    inspect.fd = pair[0];
    if (!inspect.start.loopback)
        nx__cli_say("whoever can connect to %s can run whatever he likes as you", inspect.address);
    nx__cli_say("debuggers connect to %s (%s)%s", inspect.address, inspect.start.adapter.path,
                inspect.start.wait ? "; the program begins when one has" : "");
    return NX_OK;
}

int nx__inspect_fd(void)
{
    return inspect.fd;
}

/* Without a bridge that is left, the packet goes nowhere. */
static void tell(struct nx__inspect_packet packet)
{
    if (inspect.fd >= 0) (void)send(inspect.fd, &packet, sizeof packet, MSG_NOSIGNAL);
}

void nx__inspect_begin(struct nx__launcher *l, struct nx__peer peer)
{
    if (peer.index) {
        nx__serve_answer(peer, NX_OK, 0, NULL, 0);
        return;
    }
    const struct nx__generation *generation = peer.generation;
    inspect.asking = generation->number;
    if (inspect.fd >= 0)
        tell((struct nx__inspect_packet){.kind = NX__INSPECT_BEGIN,
                                         .number = generation->number,
                                         .pid = generation->workers[0].pid});
    else
        nx__serve_begin(l, inspect.asking);
}

void nx__inspect_serve(struct nx__launcher *l)
{
    struct nx__inspect_packet packet;
    ssize_t n;
    while ((n = recv(inspect.fd, &packet, sizeof packet, MSG_DONTWAIT)) == (ssize_t)sizeof packet) {
        if (packet.kind == NX__INSPECT_GO) nx__serve_begin(l, packet.number);
        if (packet.kind == NX__INSPECT_TERMINATE) (void)kill(l->pid, SIGTERM);
        inspect.freed |= packet.kind == NX__INSPECT_FREE;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    (void)close(inspect.fd);
    inspect.fd = -1;
    nx__cli_say("the debugger's bridge has ended; the program runs on without");
    nx__serve_begin(l, inspect.asking);
}

void nx__inspect_retire(const struct nx__generation *generation)
{
    tell((struct nx__inspect_packet){.kind = NX__INSPECT_RETIRE, .number = generation->number});
}

void nx__inspect_ended(uint32_t number, int code, bool more)
{
    tell((struct nx__inspect_packet){
        .kind = NX__INSPECT_ENDED, .number = number, .code = code, .more = more});
}

void nx__inspect_stop(void)
{
    tell((struct nx__inspect_packet){.kind = NX__INSPECT_STOP});
}

void nx__inspect_end(void)
{
    struct nx__inspect_packet packet;
    const nx_duration until = nx__clock_monotonic() + FREED_WITHIN;
    nx__inspect_stop();
    while (inspect.fd >= 0 && !inspect.freed) {
        struct pollfd fd = {.fd = inspect.fd, .events = POLLIN};
        nx_duration left = until - nx__clock_monotonic();
        if (left <= 0 || (poll(&fd, 1, (int)(left / NX_MS(1)) + 1) < 0 && errno != EINTR)) break;
        ssize_t n = recv(inspect.fd, &packet, sizeof packet, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) break;
        inspect.freed = n == (ssize_t)sizeof packet && packet.kind == NX__INSPECT_FREE;
    }
}

/* ---- The app's process */

nx_err nx__inspect_enter(const struct nx__launcher *l)
{
    /* Where a process may only be debugged by its parents (Yama), by what the launcher starts too;
     * elsewhere there is no such call. */
    (void)prctl(PR_SET_PTRACER, l->pid);
    NX_TRY(nx__clock_skip_stops());
    return nx__broker_begin();
}

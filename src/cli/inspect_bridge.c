/* The bridge's process: who may connect, which program there is, and when it may begin. */
#include "cli/inspect_bridge.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/inspect.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const nx_duration STRANGER_PATIENCE = NX_S(2);

/* ---- The launcher */

static void tell(const struct nx__bridge *b, enum nx__inspect_kind kind)
{
    const struct nx__inspect_packet packet = {.kind = kind, .number = b->program};
    (void)send(b->start->launcher, &packet, sizeof packet, MSG_NOSIGNAL);
}

static void go(struct nx__bridge *b)
{
    b->gated = false;
    tell(b, NX__INSPECT_GO);
}

void nx__bridge_go(struct nx__bridge *b)
{
    b->waited = true;
    go(b);
}

void nx__bridge_terminate(struct nx__bridge *b)
{
    tell(b, NX__INSPECT_TERMINATE);
}

/* Lets the program begin unless somebody is about to debug it. */
static void gate_turn(struct nx__bridge *b, nx_duration now)
{
    if (!b->gated || nx__session_prepares(&b->session)) return;
    if (b->start->wait && !b->waited) return;
    if (b->again_until > now && b->session.state != NX__SESSION_OPEN) return;
    go(b);
}

static void stop(struct nx__bridge *b)
{
    b->stopping = true;
    /* How the program has ended, the adapter has still to say. */
    if (!b->session.ended) nx__session_finish(b, false);
}

static void launcher_turn(struct nx__bridge *b)
{
    struct nx__inspect_packet packet;
    ssize_t n;
    while ((n = recv(b->start->launcher, &packet, sizeof packet, MSG_DONTWAIT)) ==
           (ssize_t)sizeof packet) {
        bool target = b->session.target && b->session.target == packet.number;
        switch (packet.kind) {
        case NX__INSPECT_BEGIN:
            b->program = packet.number;
            b->pid = packet.pid;
            b->gated = true;
            nx__session_begin(b);
            break;
        case NX__INSPECT_RETIRE:
        case NX__INSPECT_ENDED:
            if (b->program == packet.number) b->program = 0;
            if (target && packet.kind == NX__INSPECT_RETIRE) nx__session_finish(b, true);
            if (target && packet.kind == NX__INSPECT_ENDED)
                nx__session_ended(b, packet.code, packet.more);
            break;
        default: stop(b); break;
        }
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) stop(b);
}

/* ---- Connections */

/* Its first message is answered with the reason why it has to go. */
static void stranger_turn(struct nx__stranger *s, nx_duration now)
{
    char chunk[4096];
    ssize_t n;
    while ((n = recv(s->fd, chunk, sizeof chunk, MSG_DONTWAIT)) > 0) {
        size_t head, body;
        if (s->answered) continue; /* what is not read would cancel the answer */
        if (nx__buffer_append(&s->in, chunk, (size_t)n, NX__DAP_STRANGER_MOST)) break;
        enum nx__dap_frame frame =
            nx__dap_frame(s->in.data, s->in.len, NX__DAP_STRANGER_MOST, &head, &body);
        if (frame == NX__DAP_MORE) continue;
        struct nx__dap_message m = {.root = {0}};
        struct nx__buffer out = {0};
        if (frame == NX__DAP_WHOLE &&
            nx__dap_read(&m, nx_slice(s->in.data + head, body)) == NX_OK &&
            !nx__dap_put_response(&out, m.seq, m.name,
                                  "another debugger is connected; disconnect it first"))
            s->answered = send(s->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
        nx__dap_free(&m);
        nx__buffer_free(&out);
        if (!s->answered) break;
        (void)shutdown(s->fd, SHUT_WR);
    }
    bool waits = n < 0 && errno == EAGAIN && s->until > now;
    if (waits) return;
    (void)close(s->fd);
    nx__buffer_free(&s->in);
    s->fd = -1;
}

static void strangers_turn(struct nx__bridge *b, nx_duration now)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->stranger_count; i++) {
        stranger_turn(&b->strangers[i], now);
        if (b->strangers[i].fd >= 0) b->strangers[kept++] = b->strangers[i];
    }
    b->stranger_count = kept;
}

/* While a session closes, the next one waits in the queue: it may be the same client again. */
static bool accepts(const struct nx__bridge *b)
{
    return !b->stopping && b->session.state != NX__SESSION_CLOSING &&
           b->stranger_count < NX__STRANGERS_MOST;
}

static void accept_turn(struct nx__bridge *b, nx_duration now)
{
    if (!accepts(b)) return;
    int fd = accept4(b->start->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (b->start->loopback && !nx__peer_is_own(fd)) {
        nx__cli_say("another user's connection to the debugger's port was refused");
        (void)close(fd);
    } else if (b->session.state == NX__SESSION_NONE) {
        nx__session_open(&b->session, fd);
    } else {
        b->strangers[b->stranger_count++] =
            (struct nx__stranger){.fd = fd, .until = now + STRANGER_PATIENCE};
    }
}

/* ---- The process */

static int next_timeout(const struct nx__bridge *b)
{
    nx_duration due = nx__session_due(&b->session), now = nx__clock_monotonic();
    if (b->gated && b->again_until > now && b->again_until < due) due = b->again_until;
    for (size_t i = 0; i < b->stranger_count; i++)
        if (b->strangers[i].until < due) due = b->strangers[i].until;
    if (due == NX_FOREVER) return -1;
    return due <= now ? 0 : (int)((due - now + NX_MS(1) - 1) / NX_MS(1));
}

static void turn(struct nx__bridge *b)
{
    struct pollfd fds[2 + NX__SESSION_FDS + NX__STRANGERS_MOST];
    /* Once the launcher is gone its end is always ready. */
    fds[0] = (struct pollfd){.fd = b->stopping ? -1 : b->start->launcher, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = accepts(b) ? b->start->listener : -1, .events = POLLIN};
    size_t count = 2 + nx__session_poll(&b->session, fds + 2);
    for (size_t i = 0; i < b->stranger_count; i++)
        fds[count++] = (struct pollfd){.fd = b->strangers[i].fd, .events = POLLIN};
    if (poll(fds, count, next_timeout(b)) < 0) return;
    nx_duration now = nx__clock_monotonic();
    if (!b->stopping) launcher_turn(b);
    nx__session_turn(b);
    strangers_turn(b, now);
    if (fds[1].revents) accept_turn(b, now);
    gate_turn(b, nx__clock_monotonic());
}

static void port_free(const struct nx__bridge *b)
{
    (void)close(b->start->listener);
    tell(b, NX__INSPECT_FREE);
}

/* Closes what belongs to the launcher. */
static void descriptors_close(int a, int b)
{
    int low = a < b ? a : b, high = a < b ? b : a;
    if (low > 3) (void)close_range(3, (unsigned)low - 1, 0);
    if (high > low + 1) (void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    (void)close_range((unsigned)high + 1, ~0u, 0);
}

void nx__bridge_run(const struct nx__bridge_start *start)
{
    static struct nx__bridge bridge; /* all else is zero */
    bridge.start = start;
    bridge.session.client = -1;
    bridge.session.adapter.in = bridge.session.adapter.out = -1;
    (void)prctl(PR_SET_NAME, "nexus inspect");
    nx__fibers_describe();
    descriptors_close(start->launcher, start->listener);
    bool listening = true;
    while (!bridge.stopping || bridge.session.state != NX__SESSION_NONE) {
        if (bridge.stopping && listening) port_free(&bridge);
        listening &= !bridge.stopping;
        turn(&bridge);
    }
    if (listening) port_free(&bridge);
    _exit(0);
}

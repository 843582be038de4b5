/* One debugger that is connected: what it and the adapter say is passed on, but for which process
 * the program is, how it ends, and who detaches. */
#include "cli/inspect_bridge.h"

#include "base/clock.h"
#include "cli/cli.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    READ_STEP = 64 * 1024,
    WAITING_MOST = 8 << 20, /* bytes; then the other side is not read */
};

/* A client that has connected and asks for nothing. */
static const nx_duration IDLE = NX_S(10);
/* The launcher and the adapter learn of an end at about the same time. */
static const nx_duration AGREE = NX_S(2);
/* For the adapter to let go of the program, and for the client to say good-bye. */
static const nx_duration PARTING = NX_S(4);

/* ---- Bytes */

/* Reads what there is, `most` bytes in all. False at the end, or when there is too much. */
static bool fill(int fd, struct nx__buffer *in, size_t most)
{
    for (;;) {
        if (nx__buffer_reserve(in, 1, most)) return false;
        size_t room = in->capacity - in->len;
        if (room < READ_STEP && nx__buffer_reserve(in, READ_STEP, most) == NX_OK)
            room = in->capacity - in->len;
        ssize_t n = read(fd, in->data + in->len, room);
        if (n > 0) {
            in->len += (size_t)n;
            return true; /* poll tells whether there is more */
        }
        if (n == 0) return false;
        if (errno != EINTR) return errno == EAGAIN;
    }
}

/* Writes what there is as far as it goes. False when nobody reads it any more. */
static bool drain(int fd, struct nx__buffer *out)
{
    while (out->len) {
        ssize_t n = write(fd, out->data, out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN;
        nx__buffer_consume(out, (size_t)n);
    }
    return true;
}

static void client_close(struct nx__session *s)
{
    if (s->client >= 0) (void)close(s->client);
    s->client = -1;
}

/* ---- Parting */

static void answer_goodbye(struct nx__session *s)
{
    if (!s->goodbye) return;
    if (nx__dap_put_response(&s->to_client, s->goodbye, "disconnect", NULL)) client_close(s);
    s->goodbye = 0;
    s->answered = true;
}

static void adapter_release(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (s->released) return;
    s->released = true;
    if (s->adapter.in >= 0) (void)close(s->adapter.in);
    s->adapter.in = -1;
    if (s->state != NX__SESSION_CLOSING) return;
    answer_goodbye(s);
    if (s->terminate) nx__bridge_terminate(b);
}

/* The adapter has ended, or is ended. */
static void adapter_end(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (!s->adapter.pid) return;
    adapter_release(b);
    (void)close(s->adapter.out);
    (void)kill(s->adapter.pid, SIGKILL);
    while (waitpid(s->adapter.pid, NULL, 0) < 0 && errno == EINTR) {}
    s->adapter = (struct nx__adapter_process){.in = -1, .out = -1};
}

/* Detaches; whoever is stopped runs on, without a breakpoint left. */
static void part(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (s->state != NX__SESSION_OPEN) return;
    s->state = NX__SESSION_CLOSING;
    s->close_at = nx__clock_monotonic() + PARTING;
    s->finish_at = s->idle_at = s->pause_at = 0;
    s->holding = false;
    if (s->adapter.pid && s->target && !s->terminated) {
        s->letting_go = ++s->own;
        if (!nx__dap_put_request(&s->to_adapter, s->letting_go, "disconnect", (nx_json){0}, NULL,
                                 "\"terminateDebuggee\":false,\"restart\":false"))
            return;
    }
    if (s->adapter.pid) {
        adapter_release(b);
    } else {
        s->released = true;
        answer_goodbye(s);
        if (s->terminate) nx__bridge_terminate(b);
    }
}

void nx__session_finish(struct nx__bridge *b, bool restart)
{
    struct nx__session *s = &b->session;
    if (s->state != NX__SESSION_OPEN) return;
    char exited[64];
    (void)snprintf(exited, sizeof exited, "{\"exitCode\":%d}", s->code);
    nx_err err = s->ended ? nx__dap_put_event(&s->to_client, "exited", exited) : NX_OK;
    if (!err)
        err = nx__dap_put_event(&s->to_client, "terminated", restart ? "{\"restart\":true}" : "{}");
    if (err) client_close(s);
    if (restart) b->again_until = nx__clock_monotonic() + NX__INSPECT_AGAIN;
    part(b);
}

void nx__session_ended(struct nx__bridge *b, int code, bool more)
{
    struct nx__session *s = &b->session;
    if (s->state != NX__SESSION_OPEN) return;
    s->ended = true;
    s->code = code;
    s->more = more;
    if (s->terminated)
        nx__session_finish(b, more);
    else
        s->finish_at = nx__clock_monotonic() + AGREE;
}

/* Says why to the user of the debugger, and ends. */
static void fail(struct nx__bridge *b, const char *why)
{
    struct nx__session *s = &b->session;
    struct nx__buffer body = {0};
    char text[512];
    (void)snprintf(text, sizeof text, "nexus: %.500s\n", why);
    nx__cli_say("the debugger: %.500s", why);
    nx_err err = nx__buffer_printf(&body, 4096, "{\"category\":\"important\",\"output\":");
    if (!err) err = nx__dap_put_string(&body, nx_str(text));
    if (!err) err = nx__buffer_append(&body, "}", 2, 4096);
    if (!err) err = nx__dap_put_event(&s->to_client, "output", body.data);
    nx__buffer_free(&body);
    if (err) client_close(s);
    nx__session_finish(b, false);
}

/* ---- What the client says */

static void refuse(struct nx__session *s, const struct nx__dap_message *m, const char *why)
{
    if (nx__dap_put_response(&s->to_client, m->seq, m->name, why)) client_close(s);
}

static bool is(const struct nx__dap_message *m, const char *name)
{
    return strcmp(m->name, name) == 0;
}

/* The adapter gets the program that runs now, whatever the client has named. */
static void attach(struct nx__bridge *b, const struct nx__dap_message *m)
{
    static const char *const without[] = {"pid",
                                          "program",
                                          "args",
                                          "cwd",
                                          "env",
                                          "target",
                                          "coreFile",
                                          "waitFor",
                                          "attachCommands",
                                          "runInTerminal",
                                          "launchCommands",
                                          "gdb-remote-port",
                                          "gdb-remote-hostname",
                                          NULL};
    struct nx__session *s = &b->session;
    char more[32];
    (void)snprintf(more, sizeof more, "\"pid\":%d", (int)b->pid);
    s->attach = m->seq;
    s->target = b->program;
    s->idle_at = 0;
    s->on_entry = nx_json_bool(nx_json_get(m->root, "arguments", "stopOnEntry"), false);
    (void)snprintf(s->attach_as, sizeof s->attach_as, "%.7s", m->name);
    if (nx__dap_put_request(&s->to_adapter, m->seq, "attach", nx_json_get(m->root, "arguments"),
                            without, more))
        refuse(s, m, "there is no memory for the request");
}

static void request(struct nx__bridge *b, const struct nx__dap_message *m)
{
    struct nx__session *s = &b->session;
    nx_json arguments = nx_json_get(m->root, "arguments");
    if (is(m, "disconnect") || is(m, "terminate")) {
        bool ends = nx_json_bool(nx_json_get(arguments, "terminateDebuggee"), false);
        s->terminate |= ends || is(m, "terminate");
        if (is(m, "disconnect"))
            s->goodbye = m->seq;
        else if (nx__dap_put_response(&s->to_client, m->seq, m->name, NULL))
            client_close(s);
        if (is(m, "terminate"))
            nx__session_finish(b, false);
        else
            part(b);
        return;
    }
    if (!s->adapter.pid && !is(m, "initialize")) {
        refuse(s, m, "a session begins with \"initialize\"");
        return;
    }
    if (!s->adapter.pid && nx__adapter_start(&b->start->adapter, &b->start->mask, &s->adapter)) {
        refuse(s, m, nx__error_last()->message);
        part(b);
        return;
    }
    bool attaches = is(m, "attach") || is(m, "launch");
    if (attaches && (s->attach || s->attached || s->holding)) {
        refuse(s, m, "the debugger has the program already");
        return;
    }
    s->holding |= attaches && !b->program;
    nx_err err = NX_OK;
    if (s->holding) {
        s->idle_at = 0;
        err = s->held.len > NX__DAP_CLIENT_MOST ? NX_ETOOBIG : nx__dap_put(&s->held, m->text);
    } else if (attaches) {
        attach(b, m);
    } else {
        if (is(m, "configurationDone")) err = nx__lldb_prepare(b);
        if (is(m, "continue") && s->signaled) err = nx__lldb_deliver(b);
        if (is(m, "pause"))
            nx__lldb_pause(b, arguments);
        else if (is(m, "continue"))
            nx__lldb_pause_end(s);
        if (!err) err = nx__dap_put(&s->to_adapter, m->text);
    }
    if (err) fail(b, "there is too little memory for what the editor asks");
}

static void client_says(struct nx__bridge *b, const struct nx__dap_message *m)
{
    struct nx__session *s = &b->session;
    if (s->state == NX__SESSION_OPEN) {
        if (m->type == NX__DAP_REQUEST) {
            request(b, m);
            return;
        }
        /* An answer that it has not asked for is the end of lldb-vscode. */
        if (m->type != NX__DAP_RESPONSE || !s->asked) return;
        s->asked--;
        if (nx__dap_put(&s->to_adapter, m->text))
            fail(b, "there is too little memory for what the editor says");
    } else if (m->type == NX__DAP_REQUEST) {
        if (!is(m, "disconnect") && !is(m, "terminate")) {
            refuse(s, m, "the session has ended");
            return;
        }
        s->goodbye = m->seq;
        if (s->released) answer_goodbye(s);
    }
}

/* Goes through the messages in `in`. False when what comes next is none. */
static bool client_messages(struct nx__bridge *b, struct nx__buffer *in)
{
    struct nx__session *s = &b->session;
    size_t at = 0;
    bool good = true;
    while (good && at < in->len && s->client >= 0) {
        size_t head = 0, body = 0;
        struct nx__dap_message m;
        enum nx__dap_frame frame =
            nx__dap_frame(in->data + at, in->len - at, NX__DAP_CLIENT_MOST, &head, &body);
        if (frame == NX__DAP_MORE) break;
        good = frame == NX__DAP_WHOLE;
        if (!good) break;
        good = nx__dap_read(&m, nx_slice(in->data + at + head, body)) == NX_OK;
        if (good) client_says(b, &m);
        nx__dap_free(&m);
        at += head + body;
    }
    nx__buffer_consume(in, at);
    return good;
}

/* What it asks has to go somewhere, the answers too. */
static bool client_is_heard(const struct nx__session *s)
{
    return s->to_adapter.len <= WAITING_MOST && s->to_client.len <= WAITING_MOST;
}

static void client_turn(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (s->client < 0) return;
    bool there = !client_is_heard(s) ||
                 fill(s->client, &s->from_client, NX__DAP_CLIENT_MOST + NX__DAP_HEAD_MOST);
    if (!client_messages(b, &s->from_client)) {
        if (!b->warned)
            nx__cli_say(
                "a connection to the debugger's port did not speak the Debug Adapter Protocol");
        b->warned = true;
        there = false;
    }
    if (there) return;
    client_close(s);
    part(b);
}

void nx__session_begin(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (!s->holding) {
        if (s->state == NX__SESSION_OPEN && !s->target) s->idle_at = nx__clock_monotonic() + IDLE;
        return;
    }
    struct nx__buffer held = s->held;
    s->held = (struct nx__buffer){0};
    s->holding = false;
    (void)client_messages(b, &held); /* they were good when they came */
    nx__buffer_free(&held);
}

/* ---- What the adapter says */

static void ready_check(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (s->attached && s->configured && b->gated && s->target == b->program) nx__bridge_go(b);
}

/* Passes on an answer; true when it has been. */
static bool answer_changed(struct nx__bridge *b, const struct nx__dap_message *m)
{
    /* It can't, since it has attached; without it, the editor disconnects and attaches again. */
    static const char *const restart[] = {"supportsRestartRequest", NULL};
    struct nx__session *s = &b->session;
    if (is(m, "initialize") && m->success)
        return !nx__dap_put_changed(&s->to_client, m, m->name, restart,
                                    "\"supportsRestartRequest\":false");
    if (!s->attach || m->seq != s->attach || !is(m, "attach")) return false;
    s->attach = 0;
    s->attached = m->success;
    if (m->success) {
        nx__cli_say("a debugger has attached");
    } else {
        s->target = 0;
        s->idle_at = nx__clock_monotonic() + IDLE;
    }
    return strcmp(s->attach_as, "launch") == 0 &&
           !nx__dap_put_changed(&s->to_client, m, "launch", NULL, "");
}

/* gdb stops where it attaches, lldb only when asked to; as for who debugs, the program runs. True
 * when it does. */
static bool runs_on(struct nx__bridge *b, const struct nx__dap_message *m)
{
    struct nx__session *s = &b->session;
    nx_json body = nx_json_get(m->root, "body");
    char more[64];
    if (b->start->adapter.kind != NX__ADAPTER_GDB || s->on_entry ||
        !nx_bytes_is(nx_json_string(nx_json_get(body, "reason"), ""), "attach"))
        return false;
    (void)snprintf(more, sizeof more, "\"threadId\":%lld",
                   (long long)nx_json_int(nx_json_get(body, "threadId"), 1));
    return !nx__dap_put_request(&s->to_adapter, ++s->own, "continue", (nx_json){0}, NULL, more);
}

static bool stopped(struct nx__bridge *b, const struct nx__dap_message *m)
{
    nx_bytes reason = nx_json_string(nx_json_get(m->root, "body", "reason"), "");
    /* What stops for a pause does so by a signal that it never gets. */
    b->session.signaled = !b->session.pause_at && nx_bytes_is(reason, "exception");
    nx__lldb_pause_end(&b->session);
    return runs_on(b, m);
}

/* True for what the client is not to hear, at least not from the adapter. */
static bool keep(struct nx__bridge *b, const struct nx__dap_message *m)
{
    struct nx__session *s = &b->session;
    if (m->type == NX__DAP_RESPONSE && m->seq >= NX__DAP_OWN && m->seq <= s->own) {
        if (m->seq == s->letting_go) adapter_release(b);
        return true;
    }
    if (m->type == NX__DAP_EVENT && is(m, "terminated") && s->state == NX__SESSION_OPEN) {
        s->terminated = true;
        if (s->ended)
            nx__session_finish(b, s->more);
        else
            s->finish_at = nx__clock_monotonic() + AGREE;
        return true;
    }
    /* The launcher knows better: lldb may have lost it in the last moment. */
    if (m->type == NX__DAP_EVENT && is(m, "exited")) return true;
    if (m->type == NX__DAP_EVENT && is(m, "stopped") && s->state == NX__SESSION_OPEN)
        return stopped(b, m);
    return s->state != NX__SESSION_OPEN;
}

static void adapter_says(struct nx__bridge *b, const struct nx__dap_message *m)
{
    struct nx__session *s = &b->session;
    if (keep(b, m)) return;
    bool passed = m->type == NX__DAP_RESPONSE && answer_changed(b, m);
    if (!passed && nx__dap_put(&s->to_client, m->text)) client_close(s);
    if (m->type == NX__DAP_RESPONSE && is(m, "configurationDone")) s->configured = m->success;
    s->asked += m->type == NX__DAP_REQUEST;
    ready_check(b);
}

/* False when the adapter says what is no message. */
static bool adapter_messages(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    size_t at = 0, head = 0, body = 0;
    enum nx__dap_frame frame = NX__DAP_MORE;
    while (at < s->from_adapter.len &&
           (frame = nx__dap_frame(s->from_adapter.data + at, s->from_adapter.len - at,
                                  NX__DAP_ADAPTER_MOST, &head, &body)) == NX__DAP_WHOLE) {
        struct nx__dap_message m;
        nx_bytes text = nx_slice(s->from_adapter.data + at + head, body);
        if (nx__dap_read(&m, text) == NX_OK)
            adapter_says(b, &m);
        else if (s->state == NX__SESSION_OPEN && nx__dap_put(&s->to_client, text))
            client_close(s); /* what can't be read may still be understood */
        nx__dap_free(&m);
        at += head + body;
    }
    nx__buffer_consume(&s->from_adapter, at);
    return frame != NX__DAP_BAD;
}

static void adapter_turn(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (!s->adapter.pid || s->to_client.len > WAITING_MOST) return;
    bool there = fill(s->adapter.out, &s->from_adapter, NX__DAP_ADAPTER_MOST + NX__DAP_HEAD_MOST);
    there &= adapter_messages(b);
    if (there) return;
    bool open = s->state == NX__SESSION_OPEN && !s->terminated;
    adapter_end(b);
    char why[PATH_MAX + 64];
    (void)snprintf(why, sizeof why, "%s has ended", b->start->adapter.path);
    if (open) fail(b, why);
}

/* ---- The session */

void nx__session_open(struct nx__session *s, int fd)
{
    *s = (struct nx__session){.state = NX__SESSION_OPEN,
                              .client = fd,
                              .own = NX__DAP_OWN,
                              .adapter = {.in = -1, .out = -1},
                              .idle_at = nx__clock_monotonic() + IDLE};
}

size_t nx__session_poll(const struct nx__session *s, struct pollfd *fds)
{
    size_t count = 0;
    if (s->client >= 0 && s->state != NX__SESSION_NONE)
        fds[count++] = (struct pollfd){.fd = s->client,
                                       .events = (short)((client_is_heard(s) ? POLLIN : 0) |
                                                         (s->to_client.len ? POLLOUT : 0))};
    if (s->adapter.pid && s->to_client.len <= WAITING_MOST)
        fds[count++] = (struct pollfd){.fd = s->adapter.out, .events = POLLIN};
    if (s->adapter.pid && s->adapter.in >= 0 && s->to_adapter.len)
        fds[count++] = (struct pollfd){.fd = s->adapter.in, .events = POLLOUT};
    return count;
}

nx_duration nx__session_due(const struct nx__session *s)
{
    nx_duration due = NX_FOREVER;
    const nx_duration all[] = {s->idle_at, s->finish_at, s->close_at, s->pause_at};
    for (size_t i = 0; s->state && i < sizeof all / sizeof *all; i++)
        if (all[i] && all[i] < due) due = all[i];
    return due;
}

bool nx__session_prepares(const struct nx__session *s)
{
    if (s->state != NX__SESSION_OPEN) return false;
    return s->target || s->holding || s->idle_at;
}

static void write_turn(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (s->adapter.in >= 0 && !drain(s->adapter.in, &s->to_adapter)) {
        (void)close(s->adapter.in); /* its end follows */
        s->adapter.in = -1;
    }
    if (s->adapter.in < 0) s->to_adapter.len = 0;
    if (s->client >= 0 && !drain(s->client, &s->to_client)) {
        client_close(s);
        part(b);
    }
}

static void close_turn(struct nx__bridge *b, nx_duration now)
{
    struct nx__session *s = &b->session;
    bool over = s->close_at <= now;
    if (over) {
        adapter_end(b);
        write_turn(b); /* who waits for his goodbye gets it */
    }
    if (over || (s->answered && !s->to_client.len)) client_close(s);
    if (s->client >= 0 || s->adapter.pid) return;
    if (s->attached) nx__cli_say("the debugger has detached");
    struct nx__buffer *buffers[] = {&s->from_client, &s->to_client, &s->from_adapter,
                                    &s->to_adapter, &s->held};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) nx__buffer_free(buffers[i]);
    *s = (struct nx__session){.client = -1, .adapter = {.in = -1, .out = -1}};
}

void nx__session_turn(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (s->state == NX__SESSION_NONE) return;
    client_turn(b);
    adapter_turn(b);
    write_turn(b);
    if (s->client < 0) part(b); /* there was no memory for its answers */
    nx_duration now = nx__clock_monotonic();
    if (s->idle_at && s->idle_at <= now) s->idle_at = 0;
    nx__lldb_pause_again(s, now);
    if (s->finish_at && s->finish_at <= now) {
        s->finish_at = 0;
        nx__session_finish(b, s->ended && s->more);
        write_turn(b);
    }
    if (s->state == NX__SESSION_CLOSING) close_turn(b, now);
}

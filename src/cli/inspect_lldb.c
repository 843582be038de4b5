/* What lldb has to be told that gdb need not. */
#include "cli/inspect_bridge.h"

#include "base/clock.h"
#include <stdio.h>

enum {
    LINE_MOST = 16 * 1024, /* bytes of a command */
    PAUSES_MOST = 10,
};

/* For a program that was asked to pause to have stopped. */
static const nx_duration PAUSING = NX_MS(300);

/* A command for lldb, whose answer nobody is told of. */
static nx_err lldb_command(struct nx__session *s, const char *command)
{
    struct nx__buffer more = {0};
    nx_err err = nx__buffer_printf(&more, LINE_MOST, "\"context\":\"repl\",\"expression\":");
    if (!err) err = nx__dap_put_string(&more, nx_str(command));
    if (!err) err = nx__buffer_append(&more, "", 1, LINE_MOST);
    if (!err)
        err = nx__dap_put_request(&s->to_adapter, ++s->own, "evaluate", (nx_json){0}, NULL,
                                  more.data);
    nx__buffer_free(&more);
    return err;
}

/* What gdb is told when it starts: the signals that reach the program as ever pass unseen. Besides,
 * a step from a handler's last line goes to the next that has a source, not into the runtime; and
 * fibers are threads. */
nx_err nx__lldb_prepare(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (b->start->adapter.kind != NX__ADAPTER_LLDB) return NX_OK;
    NX_TRY(lldb_command(s, "`process handle --pass true --stop false --notify false "
                           "SIGINT SIGTERM SIGHUP SIGQUIT SIGPIPE SIGUSR1 SIGUSR2"));
    NX_TRY(lldb_command(s, "`settings set target.process.thread.step-out-avoid-nodebug true"));
    if (!b->start->fibers[0]) return NX_OK;
    char command[PATH_MAX + 64];
    (void)snprintf(command, sizeof command,
                   "`settings set target.process.python-os-plugin-path \"%s\"", b->start->fibers);
    return lldb_command(s, command);
}

/* lldb hands a signal to threads, not to what stands in for one: so that it is delivered, fibers
 * are none for the rest of the session, which a crash is about to end. */
nx_err nx__lldb_deliver(struct nx__bridge *b)
{
    struct nx__session *s = &b->session;
    if (!b->start->fibers[0] || s->plain) return NX_OK;
    s->plain = true;
    return lldb_command(s, "`settings clear target.process.python-os-plugin-path");
}

/* ---- Pausing */

/* lldb says yes to a pause, and passes it over, while it is about to let the program go on: it is
 * asked again until something has stopped. */
void nx__lldb_pause(struct nx__bridge *b, nx_json arguments)
{
    struct nx__session *s = &b->session;
    if (b->start->adapter.kind != NX__ADAPTER_LLDB) return;
    s->pausing = nx_json_int(nx_json_get(arguments, "threadId"), 0);
    s->pauses = 0;
    s->pause_at = nx__clock_monotonic() + PAUSING;
}

void nx__lldb_pause_end(struct nx__session *s)
{
    s->pause_at = 0;
}

void nx__lldb_pause_again(struct nx__session *s, nx_duration now)
{
    char more[64];
    if (!s->pause_at || s->pause_at > now) return;
    s->pause_at = ++s->pauses < PAUSES_MOST ? now + PAUSING : 0;
    (void)snprintf(more, sizeof more, "\"threadId\":%lld", (long long)s->pausing);
    if (nx__dap_put_request(&s->to_adapter, ++s->own, "pause", (nx_json){0}, NULL, more))
        nx__lldb_pause_end(s);
}

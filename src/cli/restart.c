/* Restart on SIGHUP: a new generation beside the one that serves, which goes only when the new one
 * listens on all that it listens on. */
#include "cli/launcher.h"

#include "base/clock.h"
#include "cli/cli.h"
#include <stdio.h>

/* For a new program to listen, where --restart-deadline does not say it: the old one serves
 * meanwhile, so there is no hurry. */
static const nx_duration RESTART_DEADLINE = NX_S(30);

static nx_duration deadline(const struct nx__launcher *l)
{
    return l->run->restart_deadline ? l->run->restart_deadline : RESTART_DEADLINE;
}

/* A new program would have opened its log anew, as logrotate wants it. The one that stays does it
 * by the signal; where it knows nothing of it, it would end. */
static void hang_up(const struct nx__launcher *l)
{
    for (uint32_t i = 0; i < l->current.count; i++) {
        pid_t pid = l->current.workers[i].pid;
        if (pid && nx__process_catches(pid, SIGHUP)) (void)kill(pid, SIGHUP);
    }
}

void nx__restart(struct nx__launcher *l)
{
    if (l->next.number) {
        l->restart_asked = true;
        return;
    }
    if (nx__generation_runs(&l->current) && !l->current.listened) {
        nx__generation_signal(&l->current, SIGHUP);
        return;
    }
    l->begun = nx__clock_monotonic();
    nx__service_reloading(l);
    nx__takeover(l); /* may not return */
    bool same;
    nx_err err = nx__launcher_compile(l, &same);
    nx__launcher_tell_editors(l);
    if (!err && (err = nx__generation_start(l, &l->next)) != NX_OK) (void)nx__cli_fail(err);
    if (err) {
        nx__cli_say("not restarted; the running program stays");
        nx__service_listened(l);
        hang_up(l);
        return;
    }
    nx_duration now = nx__clock_monotonic();
    l->next_until = deadline(l) < NX_FOREVER - now ? now + deadline(l) : NX_FOREVER;
    if (!nx__generation_runs(&l->current)) nx__restart_promote(l); /* there is none to wait for */
}

/* Every process listens, and every address has one that does. */
static bool is_ready(const struct nx__launcher *l)
{
    for (uint32_t i = 0; i < l->next.count; i++)
        if (!l->next.workers[i].listened) return false;
    return !nx__held_missing(l);
}

void nx__restart_turn(struct nx__launcher *l, nx_duration now)
{
    if (!l->next.number) return;
    if (is_ready(l)) {
        nx__restart_promote(l);
    } else if (now >= l->next_until) {
        const char *address = nx__held_missing(l);
        char why[NX__LISTEN_ADDRESS_MAX + 128], clean[NX__LISTEN_ADDRESS_MAX];
        (void)snprintf(why, sizeof why, "does not listen%s%s after %.3g s (see --restart-deadline)",
                       address ? " on " : "",
                       address ? nx__printable(clean, sizeof clean, address) : "",
                       (double)deadline(l) / 1e9);
        nx__restart_fail(l, why);
    }
}

/* A restart that was asked for while another was under way. */
static void once_more(struct nx__launcher *l)
{
    if (!l->restart_asked) return;
    l->restart_asked = false;
    nx__restart(l);
}

void nx__restart_promote(struct nx__launcher *l)
{
    nx__generation_retire(l, &l->current, true);
    l->current = l->next;
    l->next = (struct nx__generation){.so_fd = -1};
    nx__held_inherit(l);
    l->crash_count = 0;
    if (l->dev && l->current.listened) nx__dev_listening(l);
    nx__service_listened(l);
    nx__cli_say("%s: restarted, %.1f ms", l->run->file,
                (double)(nx__clock_monotonic() - l->begun) / 1e6);
    nx__warnings_check(l);
    once_more(l);
}

void nx__restart_fail(struct nx__launcher *l, const char *why)
{
    nx__cli_say("not restarted: the new program %s; the old one serves on", why);
    nx__generation_retire(l, &l->next, true); /* what it has accepted, the old one takes */
    nx__held_sweep(l, false);
    nx__service_listened(l);
    hang_up(l);
    once_more(l);
}

/* What is done before the program ends. */
#include "loop/exit.h"

#include "base/compiler.h"
#include "base/say.h"
#include "loop/channel.h"
#include "loop/crash.h"
#include "loop/signals.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static const nx_duration WITHIN = NX_S(5);
/* For one that is past its time and has been cancelled: as much as closing takes. */
static const nx_duration GRACE = NX_MS(200);

struct hook {
    struct hook *next;
    nx_exit_fn fn;
    void *arg;
    nx_duration within;
    char place[128];
    nx_channel *done; /* NULL where there was no memory for it */
};

/* A program has one end, which runs on its first loop. */
static struct {
    struct hook *first; /* to be done */
    struct hook *cut;   /* those that may still be under way, and so keep their memory */
    enum { NOT_YET, BEGUN } state;
    bool ends_process;
    bool left; /* the hook at hand has called nx_exit, and its fiber stands there */
    int signo, code;
    nx_fiber *running;     /* that the hook at hand runs in */
    struct hook *hook;     /* the one at hand */
    struct nx__op *joiner; /* of main */
} end;

nx_err nx_at_exit_with(nx_exit_fn fn, void *arg, const nx_at_exit_options *options)
{
    NX__OPTIONS(nx_at_exit_options, o, options);
    struct nx_loop *loop = nx__loop();
    if (loop->first)
        return nx__error_set(NX_ESTATE, "nx_at_exit is for the program, and not for a worker");
    if (end.state != NOT_YET) return nx__error_set(NX_ESTATE, "the program is ending already");
    if (!fn) return nx__error_set(NX_EINVAL, "nx_at_exit without a function");
    NX_TRY(nx__signals_stop(loop));
    struct hook *hook = malloc(sizeof *hook);
    if (!hook) return nx__error_set(NX_ENOMEM, "cannot keep what is to be done at the end");
    *hook = (struct hook){
        .next = end.first, .fn = fn, .arg = arg, .within = o.within ? o.within : WITHIN};
    (void)snprintf(hook->place, sizeof hook->place, "%s", o.place ? o.place : "a function");
    end.first = hook;
    return NX_OK;
}

/* ---- Doing it */

static void hook_call(struct hook *hook)
{
    nx_err err = hook->fn(hook->arg);
    if (err)
        nx__say(NX__SAY_ERROR, "%s at the end: %s", hook->place,
                nx__error_last()->code == err ? nx__error_last()->message : nx_err_text(err));
}

static nx_err hook_run(void *arg)
{
    struct hook *hook = arg;
    hook_call(hook);
    bool done = true;
    NX_IGNORE(nx__channel_offer(hook->done, &done));
    return NX_OK;
}

static bool hook_await(const struct hook *hook, nx_duration span)
{
    size_t which = 1;
    bool done;
    nx_err err = nx_select(&which, nx_on_recv(hook->done, &done), nx_on_timeout(span));
    return !err && which == 0;
}

static void hook_keep(struct hook *hook)
{
    hook->next = end.cut;
    end.cut = hook;
}

static void hook_do(struct hook *hook)
{
    nx_fiber *fiber;
    end.hook = hook;
    if (nx_channel_new(&hook->done, sizeof(bool), 1) ||
        nx_spawn(&fiber, hook_run, hook, .name = "at exit", .detached = true)) {
        hook_call(hook); /* better without a deadline than not at all */
    } else {
        end.running = fiber;
        if (!hook_await(hook, hook->within)) {
            hook_keep(hook);
            nx_cancel(fiber);
            (void)hook_await(hook, GRACE);
            nx__say(NX__SAY_ERROR, "%s at the end was cut: it takes longer than %g s", hook->place,
                    (double)hook->within / (double)NX_S(1));
            return;
        }
        if (end.left) {
            hook_keep(hook);
            end.left = false;
            return;
        }
        NX_IGNORE(nx_join(fiber));
    }
    nx_channel_free(hook->done);
    free(hook);
}

static NX__NORETURN void wait_forever(void)
{
    struct nx__op never = {.kind = NX__WAIT_OTHER};
    for (;;) (void)nx__op_wait_uncanceled(&never);
}

static NX__NORETURN void process_end(void)
{
    if (!end.signo) exit(end.code);
    (void)fflush(NULL);
    void (*flush)(void) = atomic_load(&nx__crash_flush);
    if (flush) flush();
    (void)signal(end.signo, SIG_DFL);
    (void)raise(end.signo);
    _Exit(128 + end.signo); /* where it is blocked */
}

static nx_err end_run(void *arg)
{
    (void)arg;
    while (end.first) {
        struct hook *hook = end.first;
        end.first = hook->next;
        hook_do(hook);
        end.running = NULL;
    }
    if (end.ends_process) process_end();
    if (end.joiner) nx__op_complete(end.joiner, 0);
    return NX_OK;
}

static bool end_begin(void)
{
    end.state = BEGUN;
    return nx_spawn(NULL, end_run, NULL, .name = "the end", .detached = true) == NX_OK;
}

void nx__exit_begin(struct nx_loop *loop, int signo, int code)
{
    if (end.state != NOT_YET || !end.first || loop->first) return;
    end.signo = signo;
    end.code = code;
    end.ends_process = true;
    if (end_begin()) return;
    nx__say(NX__SAY_ERROR, "what is to be done at the end is not: %s", nx__error_last()->message);
    process_end();
}

bool nx__exit_finish(void)
{
    if (end.ends_process) wait_forever();
    if (end.first) {
        struct nx__op op = {0};
        end.joiner = &op;
        if (end_begin())
            (void)nx__op_wait_uncanceled(&op);
        else
            (void)end_run(NULL);
        end.joiner = NULL;
        if (end.ends_process) process_end();
    }
    end.state = NOT_YET;
    return !end.cut;
}

/* ---- By the program's own will */

struct request {
    struct nx_loop *loop;
    int code;
};

static void exit_requested(void *arg)
{
    struct request request = *(struct request *)arg;
    free(arg);
    if (end.state == NOT_YET && end.first)
        nx__exit_begin(request.loop, 0, request.code);
    else if (end.state == NOT_YET)
        exit(request.code);
    else if (!end.ends_process) { /* main has returned: what it returned counts no more */
        end.ends_process = true;
        end.code = request.code;
    }
}

void nx_exit(int code)
{
    struct nx_loop *loop = nx__loop_current;
    nx_fiber *fiber = loop ? nx__fiber_running() : NULL;
    if (!fiber) exit(code);
    struct request *request = malloc(sizeof *request);
    if (!request) exit(code);
    *request = (struct request){.loop = loop->first ? loop->first : loop, .code = code};
    if (loop->first) {
        if (nx_post(loop->first, exit_requested, request)) exit(code);
    } else {
        exit_requested(request);
        if (fiber == end.running) {
            /* Of a hook it is the end of that hook alone; the others are still to be called. */
            bool done = true;
            NX_IGNORE(nx__channel_offer(end.hook->done, &done));
            end.left = true;
        }
    }
    wait_forever();
}

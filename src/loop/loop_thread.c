/* Threads with a loop of their own. */
#include "loop/loop_thread.h"

#include "loop/crash.h"
#include "loop/fiber.h"
#include "loop/watchdog.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

/* Above the main fiber's share: the crash handler's stack, and what libc puts there (thread-local
 * storage of every library that is loaded). */
enum { STACK_MORE = NX__CRASH_STACK + 64 * 1024 };

static _Atomic uint32_t count;

uint32_t nx__loop_threads_count(void)
{
    return atomic_load_explicit(&count, memory_order_relaxed);
}

static void ended(struct nx__post *post)
{
    struct nx__loop_thread *thread = nx__container_of(post, struct nx__loop_thread, ended);
    thread->over = true;
    nx__op_complete(&thread->end, 0);
}

static void join_cancel(struct nx__op *op)
{
    struct nx__loop_thread *thread = nx__container_of(op, struct nx__loop_thread, end);
    thread->canceled(thread);
}

static void name_set(struct nx_loop *loop, const char *given)
{
    char *own = loop->main.own_name, process[16] = "", name[16];
    if (given)
        (void)snprintf(own, sizeof loop->main.own_name, "%s", given);
    else
        (void)snprintf(own, sizeof loop->main.own_name, "worker %u", loop->worker);
    loop->main.name = own;
    /* For ps and top. */
    if (given)
        (void)snprintf(name, sizeof name, "%.15s", given);
    else if (prctl(PR_GET_NAME, process) == 0)
        (void)snprintf(name, sizeof name, "%.10s/%u", process, loop->worker % 10000);
    else
        return;
    (void)prctl(PR_SET_NAME, name);
}

static uintptr_t stack_low(uintptr_t top)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &low, &size);
        (void)pthread_attr_destroy(&attributes);
    }
    return low ? (uintptr_t)low : top;
}

static void serve(struct nx__loop_thread *thread)
{
    struct nx_loop *loop = &thread->loop, *starter = thread->starter;
    thread->err = nx__loop_init(loop, starter->first ? starter->first : starter);
    if (thread->err) {
        thread->run(thread);
    } else {
        loop->main_top = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *);
        loop->main_low = stack_low(loop->main_top);
        loop->worker = thread->worker;
        loop->workers = thread->workers;
        name_set(loop, thread->name);
        loop->computes = thread->computes;
        nx__watchdog_add(loop);
        thread->run(thread);
        loop->returned = true;
        NX_IGNORE(nx__scopes_end(&loop->main, NX_OK));
        /* What was posted may spawn. */
        do {
            nx__loop_drain(loop);
            nx__loop_settle(loop);
        } while (loop->pending);
    }
    nx__loop_free(loop);
}

static void *thread_main(void *arg)
{
    struct nx__loop_thread *thread = arg;
    char crash_stack[NX__CRASH_STACK];
    nx__crash_thread(crash_stack, sizeof crash_stack);
    serve(thread);
    atomic_fetch_sub_explicit(&count, 1, memory_order_relaxed);
    nx__loop_post(thread->starter, &thread->ended); /* the last: it may be freed then */
    return NULL;
}

nx_err nx__loop_thread_start(struct nx__loop_thread *thread, uint32_t worker, uint32_t workers,
                             void (*run)(struct nx__loop_thread *thread))
{
    if (!thread->starter) thread->starter = nx__loop();
    thread->worker = worker;
    thread->workers = workers;
    thread->run = run;
    thread->ended.fn = ended;
    thread->end.call = "for its thread";
    if (thread->canceled) thread->end.cancel = join_cancel;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (!error) {
#if !defined(NX__ASAN) && !defined(NX__TSAN)
        (void)pthread_attr_setstacksize(&attributes, nx__limits.stack_size + STACK_MORE);
#endif
        sigset_t all, before;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, &before);
        atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
        error = pthread_create(&thread->thread, &attributes, thread_main, thread);
        if (error) atomic_fetch_sub_explicit(&count, 1, memory_order_relaxed);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
    }
    if (error)
        return nx__error_system(error, "cannot start a thread for %s %u",
                                thread->name ? thread->name : "worker", worker);
    thread->started = true;
    return NX_OK;
}

void nx__loop_thread_join(struct nx__loop_thread *thread)
{
    if (!thread->started) return;
    if (!thread->over) (void)nx__op_wait(&thread->end);
    (void)pthread_join(thread->thread, NULL);
    thread->started = false;
}

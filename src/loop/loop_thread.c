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

static void ended(struct nx__post *post)
{
    struct nx__loop_thread *thread = nx__container_of(post, struct nx__loop_thread, ended);
    thread->over = true;
    if (thread->joiner) nx__op_complete(thread->joiner, 0);
}

static void name_set(struct nx_loop *loop)
{
    char process[16] = "", name[16];
    (void)snprintf(loop->main.own_name, sizeof loop->main.own_name, "worker %u", loop->worker);
    loop->main.name = loop->main.own_name;
    /* For ps and top. */
    if (prctl(PR_GET_NAME, process) != 0) return;
    (void)snprintf(name, sizeof name, "%.10s/%u", process, loop->worker % 10000);
    (void)prctl(PR_SET_NAME, name);
}

static void serve(struct nx__loop_thread *thread)
{
    struct nx_loop *loop = &thread->loop, *starter = thread->starter;
    thread->err = nx__loop_init(loop, starter->first ? starter->first : starter);
    if (thread->err) {
        thread->run(thread);
    } else {
        loop->main_top = (uintptr_t)__builtin_frame_address(0) + 2 * sizeof(void *);
        loop->worker = thread->worker;
        loop->workers = thread->workers;
        name_set(loop);
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
    nx__loop_post(thread->starter, &thread->ended); /* the last: it may be freed then */
    return NULL;
}

nx_err nx__loop_thread_start(struct nx__loop_thread *thread, uint32_t worker, uint32_t workers,
                             void (*run)(struct nx__loop_thread *thread))
{
    thread->starter = nx__loop();
    thread->worker = worker;
    thread->workers = workers;
    thread->run = run;
    thread->ended.fn = ended;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (!error) {
#if !defined(NX__ASAN) && !defined(NX__TSAN)
        (void)pthread_attr_setstacksize(&attributes, nx__limits.stack_size + STACK_MORE);
#endif
        sigset_t all, before;
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, &before);
        error = pthread_create(&thread->thread, &attributes, thread_main, thread);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)pthread_attr_destroy(&attributes);
    }
    if (error) return nx__error_system(error, "cannot start a thread for worker %u", worker);
    thread->started = true;
    return NX_OK;
}

void nx__loop_thread_join(struct nx__loop_thread *thread)
{
    if (!thread->started) return;
    struct nx__op op = {0};
    thread->joiner = &op;
    if (!thread->over) (void)nx__op_wait_uncanceled(&op);
    thread->joiner = NULL;
    (void)pthread_join(thread->thread, NULL);
    thread->started = false;
}

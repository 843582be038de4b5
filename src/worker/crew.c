/* The crew: started when it is first needed, ended with the program. */
#include "worker/crew.h"

#include "base/cpus.h"
#include "loop/loop_thread.h"
#include <stdio.h>
#include <stdlib.h>

struct member {
    struct nx__loop_thread thread;
    struct member *next; /* of all, those without a loop too */
    struct nx__op dismissal;
    struct nx__post dismiss;
    bool reported;
    nx_err err;
    char name[24], message[NX__ERROR_MESSAGE_MAX];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t reported;
    struct member *all;
    struct nx_loop *loops[NX__CREW_MOST]; /* those that work; they only become more */
    _Atomic uint32_t count;
    uint32_t cores;
} crew = {.lock = PTHREAD_MUTEX_INITIALIZER, .reported = PTHREAD_COND_INITIALIZER};

/* ---- On its own thread */

static void dismiss(struct nx__post *post)
{
    nx__op_complete(&nx__container_of(post, struct member, dismiss)->dismissal, 0);
}

static void run(struct nx__loop_thread *thread)
{
    struct member *member = nx__container_of(thread, struct member, thread);
    (void)pthread_mutex_lock(&crew.lock);
    member->reported = true;
    member->err = thread->err;
    if (member->err)
        (void)snprintf(member->message, sizeof member->message, "%s", nx__error_last()->message);
    (void)pthread_cond_broadcast(&crew.reported);
    (void)pthread_mutex_unlock(&crew.lock);
    if (!thread->err) (void)nx__op_wait_uncanceled(&member->dismissal);
}

/* ---- All of them */

/* By the program's first loop, when nothing is left to do. */
static void end(void)
{
    for (struct member *member; (member = crew.all);) {
        crew.all = member->next;
        if (!member->err) nx__loop_post(&member->thread.loop, &member->dismiss);
        nx__loop_thread_join(&member->thread);
        free(member);
    }
    atomic_store(&crew.count, 0);
}

/* One more. The lock is held. */
static nx_err add(uint32_t number)
{
    struct member *member = calloc(1, sizeof *member);
    if (!member)
        return nx__error_set(NX_ENOMEM, "cannot start a thread of nx_parallel: out of memory");
    struct nx_loop *loop = nx__loop();
    (void)snprintf(member->name, sizeof member->name, "parallel %u", number);
    member->thread.starter = loop->first ? loop->first : loop;
    member->thread.name = member->name;
    member->thread.computes = true;
    member->dismiss.fn = dismiss;
    nx_err err = nx__loop_thread_start(&member->thread, 0, 0, run);
    if (err) {
        free(member);
        return err;
    }
    member->next = crew.all;
    crew.all = member;
    return NX_OK;
}

/* Until there are so many, or the next can't be had. The lock is held. */
static nx_err grow(uint32_t most)
{
    nx_err err = NX_OK;
    uint32_t count = atomic_load(&crew.count);
    struct member *before = crew.all;
    for (uint32_t i = count; i < most && !err; i++) err = add(i);
    for (struct member *member = crew.all; member != before; member = member->next) {
        while (!member->reported) (void)pthread_cond_wait(&crew.reported, &crew.lock);
        if (member->err)
            err = nx__error_set(member->err, "%s", member->message);
        else
            crew.loops[count++] = &member->thread.loop;
    }
    atomic_store(&crew.count, count);
    return err;
}

nx_err nx__crew_gather(uint32_t *count)
{
    nx_err err = NX_OK;
    (void)pthread_mutex_lock(&crew.lock);
    if (!crew.cores) {
        unsigned cores = nx__cpus();
        crew.cores = cores < NX__CREW_MOST ? cores : NX__CREW_MOST;
        atomic_store(&nx__loop_last, end);
    }
    if (*count > crew.cores) *count = crew.cores;
    if (atomic_load(&crew.count) < *count) err = grow(*count);
    uint32_t there = atomic_load(&crew.count);
    (void)pthread_mutex_unlock(&crew.lock);
    if (*count > there) *count = there;
    return there ? NX_OK : err;
}

uint32_t nx__crew_turn(void)
{
    static _Atomic uint32_t turn;
    return atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
}

struct nx_loop *nx__crew_loop(uint32_t which)
{
    return crew.loops[which % atomic_load(&crew.count)];
}

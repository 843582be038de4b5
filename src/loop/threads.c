/* The blocking pool. */
#include "loop/threads.h"

#include "loop/crash.h"
#include "loop/profile.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { THREAD_STACK = 256 * 1024 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct nx__job *head, *tail;
    size_t queued, idle, count;
    pthread_t *threads;
    bool stopping;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

static void job_done(struct nx__post *post)
{
    struct nx__job *job = nx__container_of(post, struct nx__job, post);
    nx__op_complete(&job->op, job->result);
}

static void *thread_main(void *arg)
{
    (void)arg;
    char crash_stack[NX__CRASH_STACK];
    nx__crash_thread(crash_stack, sizeof crash_stack);
    nx__profile_thread_begin("blocking");
    (void)pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (!pool.head && !pool.stopping) {
            pool.idle++;
            (void)pthread_cond_wait(&pool.work, &pool.lock);
            pool.idle--;
        }
        struct nx__job *job = pool.head;
        if (!job) break;
        pool.head = job->next;
        if (!pool.head) pool.tail = NULL;
        pool.queued--;
        (void)pthread_mutex_unlock(&pool.lock);
        job->result = job->run(job);
        nx__loop_post(job->loop, &job->post);
        (void)pthread_mutex_lock(&pool.lock);
    }
    (void)pthread_mutex_unlock(&pool.lock);
    nx__profile_thread_end();
    return NULL;
}

/* One more thread, with every signal blocked: they belong to the loop's. The lock is held. */
static int thread_start(void)
{
    if (!pool.threads) {
        pool.threads = calloc(nx__limits.blocking_threads, sizeof *pool.threads);
        if (!pool.threads) return ENOMEM;
    }
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error) return error;
#if !defined(NX__ASAN) && !defined(NX__TSAN)
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
#endif
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    error = pthread_create(&pool.threads[pool.count], &attributes, thread_main, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    if (!error) pool.count++;
    return error;
}

nx_err nx__job_submit(struct nx__job *job)
{
    nx_err err = NX_OK;
    job->loop = nx__loop();
    job->post.fn = job_done;
    job->next = NULL;
    (void)pthread_mutex_lock(&pool.lock);
    int error = 0;
    if (pool.queued >= NX__JOBS_MAX)
        err = nx__error_set(NX_ELIMIT, "%d blocking calls are queued already", NX__JOBS_MAX);
    else if (pool.queued >= pool.idle && pool.count < nx__limits.blocking_threads)
        error = thread_start();
    if (error && !pool.count)
        err = nx__error_system(error, "cannot start a thread for blocking calls");
    if (!err) {
        if (pool.tail)
            pool.tail->next = job;
        else
            pool.head = job;
        pool.tail = job;
        pool.queued++;
        (void)pthread_cond_signal(&pool.work);
    }
    (void)pthread_mutex_unlock(&pool.lock);
    return err;
}

void nx__job_cancel(struct nx__op *op)
{
    struct nx__job *wanted = nx__container_of(op, struct nx__job, op), *before = NULL;
    (void)pthread_mutex_lock(&pool.lock);
    struct nx__job *job = pool.head;
    for (; job && job != wanted; job = job->next) before = job;
    if (job) {
        *(before ? &before->next : &pool.head) = job->next;
        if (pool.tail == job) pool.tail = before;
        pool.queued--;
    }
    (void)pthread_mutex_unlock(&pool.lock);
    if (job) nx__op_complete(op, -ECANCELED);
}

size_t nx__threads_count(void)
{
    (void)pthread_mutex_lock(&pool.lock);
    size_t count = pool.count;
    (void)pthread_mutex_unlock(&pool.lock);
    return count;
}

void nx__threads_stop(void)
{
    (void)pthread_mutex_lock(&pool.lock);
    pool.stopping = true;
    (void)pthread_cond_broadcast(&pool.work);
    (void)pthread_mutex_unlock(&pool.lock);
    for (size_t i = 0; i < pool.count; i++) (void)pthread_join(pool.threads[i], NULL);
    free(pool.threads);
    pool.threads = NULL;
    pool.count = 0;
    pool.stopping = false;
}

struct blocking {
    struct nx__job job;
    nx_err (*fn)(void *arg);
    void *arg;
    struct nx__context context; /* the error of the call, brought back to the fiber */
};

static int64_t blocking_run(struct nx__job *job)
{
    struct blocking *blocking = nx__container_of(job, struct blocking, job);
    nx__context_current = &blocking->context;
    nx_err err = blocking->fn(blocking->arg);
    nx__context_current = NULL;
    return err;
}

nx_err nx_blocking(nx_err (*fn)(void *arg), void *arg)
{
    struct blocking blocking = {
        .job = {.run = blocking_run, .op = {.cancel = nx__job_cancel, .kind = NX__WAIT_BLOCKING}},
        .fn = fn,
        .arg = arg};
    if (nx_canceled()) return nx__error_set(NX_ECANCELED, "cancelled before the blocking call");
    NX_TRY(nx__job_submit(&blocking.job));
    int64_t result = nx__op_wait(&blocking.job.op);
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    if (result == -ECANCELED)
        return nx__error_set(NX_ECANCELED, "cancelled before the blocking call");
    nx_err err = (nx_err)result;
    return err ? nx__error_take(&blocking.context, err) : NX_OK;
}

/* Threads with loops of their own: what each has, how they end, what goes to the first loop. */
#include "loop_test.h"

#include "loop/loop_thread.h"
#include <signal.h>
#include <sys/resource.h>

enum { THREADS = 4 };

struct worker {
    struct nx__loop_thread thread; /* first */
    struct nx_loop *seen;
    uint32_t index;
    int slept, spawned, ticks;
    nx_err signals, limits;
    atomic_int *posted;
    struct worker *next;
};

static nx_err child(void *arg)
{
    struct worker *worker = arg;
    for (int i = 0; i < 5; i++) NX_TRY(nx_sleep(NX_MS(1)));
    worker->spawned++;
    return NX_OK;
}

static void tick(void *arg)
{
    ((struct worker *)arg)->ticks++;
}

static void posted(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void run(struct nx__loop_thread *thread)
{
    struct worker *worker = (struct worker *)thread;
    int signo;
    worker->seen = nx_loop_current();
    worker->index = nx_worker_index();
    worker->signals = nx_signal_wait(1ull << SIGUSR2, &signo);
    worker->limits = nx_limits_set(.max_fibers = 7);
    if (nx_sleep(NX_MS(2)) == NX_OK) worker->slept = 1;
    /* These go on when this function has returned. */
    if (nx_spawn(NULL, child, worker) != NX_OK) abort();
    if (!nx_set_timeout(tick, worker, NX_MS(20))) abort();
    for (int i = 0; i < 100; i++) NX_IGNORE(nx_post(thread->starter, posted, worker->posted));
    if (worker->next) NX_IGNORE(nx_post(&worker->next->thread.loop, posted, worker->posted));
}

NX_TEST("each has its own")
{
    atomic_int count = 0;
    static struct worker workers[THREADS];
    memset(workers, 0, sizeof workers);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i].posted = &count;
        nx_expect_ok(nx__loop_thread_start(&workers[i].thread, i + 1, THREADS + 1, run));
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        struct worker *worker = &workers[i];
        nx__loop_thread_join(&worker->thread);
        nx__loop_thread_join(&worker->thread); /* again it does nothing */
        nx_expect_eq(worker->seen, &worker->thread.loop);
        nx_expect_eq(worker->index, i + 1);
        nx_expect_eq(worker->slept, 1);
        nx_expect_eq(worker->spawned, 1);
        nx_expect_eq(worker->ticks, 1);
        nx_expect_err(NX_ESTATE, worker->signals);
        nx_expect_err(NX_ESTATE, worker->limits);
        nx_expect_ok(worker->thread.err);
    }
    settle();
    nx_expect_eq(atomic_load(&count), THREADS * 100);
    nx_expect_eq(nx_worker_index(), 0);
}

/* ---- The graceful stop is the program's */

struct stops {
    struct nx__service service;
    int count;
    struct nx__op op;
};

static void told(struct nx__service *service)
{
    struct stops *stops = nx__container_of(service, struct stops, service);
    stops->count++;
    nx__op_complete(&stops->op, 0);
}

static void shuts_down(struct nx__loop_thread *thread)
{
    (void)thread;
    nx_shutdown();
    nx_shutdown();
}

NX_TEST("a shutdown goes to the first loop")
{
    static struct nx__loop_thread thread;
    struct stops stops = {.service.shutdown = told};
    nx__list_insert(&nx__loop()->services, &stops.service.link);
    nx_expect_ok(nx__loop_thread_start(&thread, 1, 2, shuts_down));
    (void)nx__op_wait(&stops.op);
    nx__loop_thread_join(&thread);
    nx__list_remove(&stops.service.link);
    nx_expect(stops.count == 1 || stops.count == 2); /* two are one while the first is under way */
}

/* ---- What can't be had */

static void runs_without(struct nx__loop_thread *thread)
{
    if (!nx_loop_current() && thread->err == NX_EMFILE &&
        strstr(nx_error_last()->message, "event loop"))
        thread->worker = 77;
}

NX_TEST("a loop that cannot be made")
{
    static struct nx__loop_thread thread;
    struct rlimit before, none;
    nx_expect_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_expect_ok(nx__loop_thread_start(&thread, 1, 2, runs_without));
    nx__loop_thread_join(&thread);
    nx_expect_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    nx_expect_err(NX_EMFILE, thread.err);
    nx_expect_eq(thread.worker, 77);
}

/* ---- The watchdog looks at each */

/* Until it has been told of, which takes as long as the report of another, and a while longer. */
static void blocks(struct nx__loop_thread *thread)
{
    NX_IGNORE(nx_sleep(NX_MS(1)));
    nx_stats stats = {.size = sizeof stats};
    nx_duration most = nx_now() + (on_valgrind() ? NX_MS(400) : NX_S(20));
    do {
        (void)usleep(1000);
        nx_stats_get(&stats);
    } while (!stats.blocked && nx_now() < most);
    (void)usleep(300 * 1000);
    NX_IGNORE(nx_sleep(NX_MS(1)));
    nx_stats_get(&stats);
    thread->worker = (uint32_t)stats.blocked + 100;
}

NX_TEST("each that is blocked is told", .deadline = NX_S(60))
{
    static struct nx__loop_thread threads[2];
    memset(threads, 0, sizeof threads);
    for (uint32_t i = 0; i < 2; i++)
        nx_expect_ok(nx__loop_thread_start(&threads[i], i + 1, 3, blocks));
    for (uint32_t i = 0; i < 2; i++) {
        nx__loop_thread_join(&threads[i]);
        nx_expect(on_valgrind() || threads[i].worker == 101);
    }
}

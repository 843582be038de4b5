/* The watchdog. */
#include "loop/watchdog.h"

#include "base/clock.h"
#include "loop/crash.h"
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Without a turn for so long, the thread sleeps. */
static const nx_duration IDLE = NX_S(1);

enum { THREAD_STACK = 64 * 1024 };

atomic_bool nx__watchdog_asleep = true;
void (*_Atomic nx__watchdog_blocked)(void);

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct nx__list loops; /* that are watched; not set up before the first is */
    nx_duration limit;     /* longest that a turn may take */
    bool started, stopping, known;
    struct sigaction before;
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* The loop whose thread has been sent the signal and has not handled it yet: one at a time. */
static struct nx_loop *_Atomic looking;

static int dog_signal(void)
{
    return SIGRTMIN + 3;
}

/* On the loop's thread, in the middle of what blocks it. */
static void looked_at(int signo, siginfo_t *info, void *ucontext)
{
    (void)signo;
    (void)info;
    static struct nx__crash_report report;
    int saved = errno;
    struct nx_loop *loop = nx__loop_current;
    if (!loop || atomic_load(&looking) != loop) return;
    if (atomic_load(&loop->turn_started) && !nx__crash_happens()) {
        report.kind = NX__CRASH_BLOCKED;
        report.blocked_ms = (uint64_t)(dog.limit / NX_MS(1));
        nx__crash_gather(&report, ucontext);
        nx__crash_send(&report);
        loop->stats.blocked++;
    }
    atomic_store(&looking, NULL);
    errno = saved;
}

static void sleep_tick(nx_duration tick)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    nx_duration ns = until.tv_nsec + tick;
    until.tv_sec += ns / NX_S(1);
    until.tv_nsec = ns % NX_S(1);
    (void)pthread_cond_clockwait(&dog.wake, &dog.lock, CLOCK_MONOTONIC, &until);
}

/* True when the loop has done nothing since the last look. The lock is held. */
static bool look(struct nx_loop *loop)
{
    nx_duration started = atomic_load(&loop->turn_started);
    bool idle = started == loop->watch_seen && !started;
    loop->watch_seen = started;
    if (!started || nx__clock_monotonic() - started <= dog.limit) return idle;
    void (*blocked)(void) = atomic_load_explicit(&nx__watchdog_blocked, memory_order_relaxed);
    if (blocked) blocked();
    if (started == loop->watch_reported || nx__crash_happens()) return idle;
    struct nx_loop *none = NULL;
    if (!atomic_compare_exchange_strong(&looking, &none, loop)) return idle; /* at the next look */
    loop->watch_reported = started;
    (void)syscall(SYS_tgkill, getpid(), loop->thread_id, dog_signal());
    return idle;
}

static void *watch(void *arg)
{
    (void)arg;
    /* It needs no descriptors, and while a second thread shares them each system call on one costs
     * two locked instructions more. */
    (void)close_range(0, UINT_MAX, CLOSE_RANGE_UNSHARE);
    nx_duration idle = 0, tick = dog.limit / 2;
    (void)pthread_mutex_lock(&dog.lock);
    while (!dog.stopping) {
        bool all_idle = true;
        for (struct nx__list *link = dog.loops.next; link != &dog.loops; link = link->next)
            all_idle &= look(nx__container_of(link, struct nx_loop, watched));
        idle = all_idle ? idle + tick : 0;
        if (idle < IDLE) {
            sleep_tick(tick);
            continue;
        }
        atomic_store(&nx__watchdog_asleep, true);
        while (atomic_load(&nx__watchdog_asleep) && !dog.stopping)
            (void)pthread_cond_wait(&dog.wake, &dog.lock);
        idle = 0;
    }
    (void)pthread_mutex_unlock(&dog.lock);
    return NULL;
}

/* Without it the program runs as well, only unwatched. */
static void start(void)
{
    dog.limit = nx__limits.watchdog;
    if (dog.limit == NX_FOREVER) return;
    struct sigaction action = {.sa_sigaction = looked_at,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(dog_signal(), &action, &dog.before) != 0) return;
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return;
#if !defined(NX__ASAN) && !defined(NX__TSAN)
    (void)pthread_attr_setstacksize(&attributes, THREAD_STACK);
#endif
    sigset_t all, mask;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &mask);
    dog.started = pthread_create(&dog.thread, &attributes, watch, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    (void)pthread_attr_destroy(&attributes);
}

/* The lock is held. */
static void add(struct nx_loop *loop)
{
    if (!dog.known) nx__list_init(&dog.loops);
    bool first = !dog.known;
    dog.known = true;
    if (!loop->computes && nx__list_empty(&loop->watched))
        nx__list_insert(&dog.loops, &loop->watched);
    if (first) start();
}

void nx__watchdog_wake(struct nx_loop *loop)
{
    (void)pthread_mutex_lock(&dog.lock);
    atomic_store(&nx__watchdog_asleep, false);
    add(loop);
    (void)pthread_cond_signal(&dog.wake);
    (void)pthread_mutex_unlock(&dog.lock);
}

void nx__watchdog_add(struct nx_loop *loop)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, dog_signal());
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    (void)pthread_mutex_lock(&dog.lock);
    add(loop);
    (void)pthread_mutex_unlock(&dog.lock);
}

bool nx__watchdog_runs(void)
{
    return dog.started;
}

void nx__watchdog_stop(struct nx_loop *loop)
{
    (void)pthread_mutex_lock(&dog.lock);
    nx__list_remove(&loop->watched);
    /* A signal that has not come yet may not come any more: the thread ends. */
    struct nx_loop *same = loop;
    (void)atomic_compare_exchange_strong(&looking, &same, NULL);
    bool last = dog.known && !loop->first; /* workers have ended before */
    dog.stopping = last && dog.started;
    if (dog.stopping) (void)pthread_cond_signal(&dog.wake);
    (void)pthread_mutex_unlock(&dog.lock);
    if (!last) return;
    if (dog.started) {
        (void)pthread_join(dog.thread, NULL);
        (void)sigaction(dog_signal(), &dog.before, NULL);
    }
    dog.started = dog.stopping = dog.known = false;
    atomic_store(&nx__watchdog_asleep, true);
}

/* Programs that run and what they have started. */
#include "process/living.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TO_GROUP = 4 /* PIDFD_SIGNAL_PROCESS_GROUP */ };

static long send_by_handle(int pidfd, int signo, unsigned flags)
{
    return syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, flags);
}

bool nx__tree_by_handle(int pidfd)
{
    return pidfd >= 0 && (send_by_handle(pidfd, 0, TO_GROUP) == 0 || errno != EINVAL);
}

int nx__tree_signal_leader(const struct nx__tree *tree, int signo)
{
    bool sent = tree->pidfd >= 0 ? send_by_handle(tree->pidfd, signo, 0) == 0
                                 : !tree->reaped && kill(tree->pid, signo) == 0;
    return sent ? 0 : tree->pidfd < 0 && tree->reaped ? ESRCH : errno;
}

void nx__tree_signal(const struct nx__tree *tree, int signo)
{
    int saved = errno;
    bool sent =
        tree->grouped && tree->pidfd >= 0 && send_by_handle(tree->pidfd, signo, TO_GROUP) == 0;
    if (!sent && tree->grouped && !tree->reaped) sent = kill(-tree->pid, signo) == 0;
    /* Its group may be empty: it can go to another of its session. */
    if (!sent) (void)nx__tree_signal_leader(tree, signo);
    errno = saved;
}

/* ---- Those that end with this program. Read by signal handlers: blocks are only ever added, and a
 * place is one word: the tree's numbers, 0 while it is free. */

enum { BLOCK = 64 };

struct block {
    struct block *next;
    nx__living places[BLOCK];
};

static const uint64_t RESERVED = UINT64_MAX, GROUPED = 1ull << 63, GENTLY = 1ull << 62,
                      HANDLES = (1ull << 30) - 1; /* of pidfds and one more */
static struct block *_Atomic blocks;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pid_t owner; /* a process that it has forked has no part in it */

static void end_all(void)
{
    if (getpid() != owner) return;
    for (struct block *block = atomic_load(&blocks); block; block = block->next)
        for (int i = 0; i < BLOCK; i++) {
            uint64_t word = atomic_load(&block->places[i]);
            if (!word || word == RESERVED) continue;
            nx__tree_signal(&(struct nx__tree){.pid = (pid_t)(uint32_t)word,
                                               .pidfd = (int)(word >> 32 & HANDLES) - 1,
                                               .grouped = word & GROUPED},
                            word & GENTLY ? SIGTERM : SIGKILL);
        }
}

static void ended_by(int signo)
{
    end_all();
    (void)signal(signo, SIG_DFL);
    (void)raise(signo);
}

static void begin(void)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    owner = getpid();
    (void)atexit(end_all);
    for (size_t i = 0; i < sizeof ending / sizeof *ending; i++) {
        struct sigaction action;
        if (sigaction(ending[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL) continue;
        action = (struct sigaction){.sa_handler = ended_by, .sa_flags = SA_RESTART};
        (void)sigaction(ending[i], &action, NULL);
    }
}

nx__living *nx__living_reserve(void)
{
    (void)pthread_once(&once, begin);
    struct block *head = atomic_load(&blocks);
    for (struct block *block = head; block; block = block->next)
        for (int i = 0; i < BLOCK; i++) {
            uint64_t none = 0;
            if (atomic_load_explicit(&block->places[i], memory_order_relaxed) == 0 &&
                atomic_compare_exchange_strong(&block->places[i], &none, RESERVED))
                return &block->places[i];
        }
    struct block *more = calloc(1, sizeof *more);
    if (!more) return NULL;
    atomic_store(&more->places[0], RESERVED);
    more->next = head;
    while (!atomic_compare_exchange_weak(&blocks, &more->next, more)) {}
    return &more->places[0];
}

void nx__living_set(nx__living *place, const struct nx__tree *tree, bool gently)
{
    atomic_store(place, (tree->grouped ? GROUPED : 0) | (gently ? GENTLY : 0) |
                            (uint64_t)(tree->pidfd + 1) << 32 | (uint32_t)tree->pid);
}

void nx__living_release(nx__living *place)
{
    if (place) atomic_store(place, 0);
}

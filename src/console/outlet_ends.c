/* Outlets: their lives, the two standard ones, and the end of the program: exits, crashes, forks.
 */
#include "console/outlet.h"

#include "console/log.h"
#include "loop/crash.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUTLETS_MOST = 16 };

/* How long nothing may move before the rest is given up. */
static const nx_duration EXIT_STALL = NX_S(5), CRASH_STALL = NX_S(1);

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static struct nx__outlet *_Atomic outlets[OUTLETS_MOST];
static void (*_Atomic on_end)(void);
static atomic_bool finishing; /* the program exits: nothing stays in a ring any more */

bool nx__outlet_finishing(void)
{
    return atomic_load_explicit(&finishing, memory_order_relaxed);
}

void nx__outlet_finish(struct nx__outlet *o)
{
    (void)nx__outlet_drain(o, atomic_load(&o->patient) ? NX_FOREVER : EXIT_STALL);
}

/* ---- The end of the program, and forks */

static void drain_all(bool crash)
{
    for (int i = 0; i < OUTLETS_MOST; i++) {
        struct nx__outlet *o = atomic_load(&outlets[i]);
        if (o) nx__outlet_clear(o);
        if (o && crash)
            (void)nx__outlet_drain(o, CRASH_STALL);
        else if (o)
            nx__outlet_finish(o);
    }
}

static void ends(void)
{
    void (*fn)(void) = atomic_load(&on_end);
    if (fn) fn();
}

/* In the handler of a signal. */
static void crashes(void)
{
    ends();
    drain_all(true);
}

static void exits(void)
{
    ends();
    atomic_store(&finishing, true);
    drain_all(false);
}

static void fork_prepare(void)
{
    (void)pthread_mutex_lock(&registry);
    for (int i = 0; i < OUTLETS_MOST; i++)
        if (outlets[i]) (void)pthread_mutex_lock(&outlets[i]->lock);
}

static void fork_parent(void)
{
    for (int i = OUTLETS_MOST; i-- > 0;)
        if (outlets[i]) (void)pthread_mutex_unlock(&outlets[i]->lock);
    (void)pthread_mutex_unlock(&registry);
}

/* What waits to be written is the parent's to write, and so is the writer. */
static void fork_child(void)
{
    for (int i = 0; i < OUTLETS_MOST; i++) {
        struct nx__outlet *o = outlets[i];
        if (!o) continue;
        atomic_store(&o->head, atomic_load(&o->tail));
        atomic_store(&o->dropped, 0);
        atomic_store(&o->waiting, 0);
        nx__list_init(&o->waits);
        o->status_len = 0;
        o->status_shown = o->started = o->failing = o->stuck = false;
        (void)sem_init(&o->wake, 0, 0);
    }
    fork_parent();
}

void nx__outlet_on_end(void (*fn)(void))
{
    atomic_store(&on_end, fn);
}

/* ---- Life */

static void prepare_end(void)
{
    (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
    (void)atexit(exits);
    (void)at_quick_exit(exits);
    atomic_store(&nx__crash_flush, crashes);
}

static bool enroll(struct nx__outlet *o)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, prepare_end);
    (void)pthread_mutex_lock(&registry);
    int i = 0;
    while (i < OUTLETS_MOST && atomic_load(&outlets[i])) i++;
    if (i < OUTLETS_MOST) atomic_store(&outlets[i], o);
    (void)pthread_mutex_unlock(&registry);
    return i < OUTLETS_MOST;
}

nx_err nx__outlet_open(struct nx__outlet *o, int fd, size_t capacity,
                       const struct nx__outlet_hooks *hooks)
{
    static const struct nx__outlet_hooks none;
    struct stat st;
    o->hooks = hooks ? hooks : &none;
    o->fd = fd;
    o->capacity = capacity;
    if (fd < 0 || fstat(fd, &st) != 0)
        atomic_store(&o->error, EBADF);
    else
        o->file = S_ISREG(st.st_mode), o->terminal = S_ISCHR(st.st_mode) && isatty(fd);
    nx__list_init(&o->waits);
    atomic_store(&o->state, NX__WRITER_WORKING);
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)sem_init(&o->wake, 0, 0);
    (void)sem_init(&o->gone, 0, 0);
    o->ring = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (o->ring == MAP_FAILED) return NX_ENOMEM;
    if (enroll(o)) return NX_OK;
    (void)munmap(o->ring, capacity);
    return NX_ENOMEM;
}

void nx__outlet_close(struct nx__outlet *o)
{
    (void)pthread_mutex_lock(&registry);
    for (int i = 0; i < OUTLETS_MOST; i++)
        if (atomic_load(&outlets[i]) == o) atomic_store(&outlets[i], NULL);
    (void)pthread_mutex_unlock(&registry);
    (void)pthread_mutex_lock(&o->lock);
    bool running = o->started && !o->threadless;
    (void)pthread_mutex_unlock(&o->lock);
    atomic_store(&o->quit, true);
    nx__outlet_wake(o);
    while (running && sem_wait(&o->gone) != 0) {}
    (void)munmap(o->ring, o->capacity);
    (void)sem_destroy(&o->wake);
    (void)sem_destroy(&o->gone);
    (void)pthread_mutex_destroy(&o->lock);
}

/* ---- The standard ones */

static bool is_same(int a, int b)
{
    struct stat x, y;
    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino &&
           x.st_rdev == y.st_rdev;
}

struct nx__outlet *nx__outlet_standard(int fd)
{
    static struct nx__outlet storage[2];
    static struct nx__outlet *_Atomic standard[2];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int i = fd == STDERR_FILENO;
    struct nx__outlet *o = atomic_load_explicit(&standard[i], memory_order_acquire);
    if (nx__likely(o != NULL)) return o;
    (void)pthread_mutex_lock(&lock);
    o = atomic_load(&standard[i]);
    if (!o && atomic_load(&standard[!i]) && is_same(STDOUT_FILENO, STDERR_FILENO))
        o = atomic_load(&standard[!i]);
    if (!o && nx__outlet_open(&storage[i], fd, NX__OUTLET_CAPACITY, &nx__log_hooks) == NX_OK)
        o = &storage[i];
    atomic_store(&standard[i], o);
    (void)pthread_mutex_unlock(&lock);
    return o;
}

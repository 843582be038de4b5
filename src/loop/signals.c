/* Signals and child processes, on the loop. */
#include "loop/signals.h"

#include "base/clock.h"
#include "loop/channel.h"
#include "loop/exit.h"
#include "loop/waits.h"
#include "permission/broker.h"
#include "permission/notify.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALS = 64 };

/* A second signal within this time is the first, come by another way: systemd and timeout(1) send
 * one to every process, and the launcher forwards its own. */
static const nx_duration SAME_SIGNAL = NX_MS(200);

struct signal_wait {
    struct nx__op op;
    struct nx__list link; /* in waits */
    uint64_t mask;
};

/* A channel that receives signals. */
struct subscription {
    struct subscription *next; /* in channels */
    nx_channel *channel;
    uint64_t mask;
};

/* A process has one set of handlers, so there is one of these, for the loop that asked first. */
static struct {
    struct nx_loop *loop;
    uint64_t handled; /* by this code */
    uint64_t waited;  /* for by nx_signal_wait, once: nobody's default any more */
    uint64_t wanted;  /* those, and what channels receive: no graceful stop on these */
    uint64_t pending; /* came while nobody waited for them */
    bool stops;       /* SIGTERM and SIGINT stop the program gracefully */
    bool serves;      /* there is, or was, a service */
    struct nx__list waits;
    struct subscription *channels;
    struct sigaction before[SIGNALS + 1];
    enum { RUNS, IS_REPLACED, STOPS } state;
    nx_duration stopped_at;
} signals;

static atomic_bool replaced;           /* cf. nx__signals_replaced */
static atomic_bool came_replaced;      /* the last SIGTERM was the launcher's word for it */
static _Atomic nx_duration ends_since; /* cf. came_late */
static _Atomic uint64_t came;
static struct nx__post post;
static atomic_bool posted;

static uint64_t bit(int signo)
{
    return 1ull << signo;
}

/* A signal that nobody has taken from the channel yet says all that a second one would. */
static bool is_queued(const nx_channel *channel, int signo)
{
    for (size_t i = 0; i < channel->len; i++) {
        size_t at = (channel->first + i) % channel->capacity;
        int queued;
        memcpy(&queued, channel->values + at * sizeof queued, sizeof queued);
        if (queued == signo) return true;
    }
    return false;
}

/* True when somebody has it, or will. */
static bool send_to_channels(int signo)
{
    bool taken = false;
    for (struct subscription *s = signals.channels; s; s = s->next) {
        if (!(s->mask & bit(signo))) continue;
        taken = true;
        /* There is room for one of each. */
        if (!is_queued(s->channel, signo)) NX_IGNORE(nx__channel_offer(s->channel, &signo));
    }
    return taken;
}

static void deliver(int signo)
{
    bool stop = signo == SIGTERM || signo == SIGINT;
    if (stop) atomic_store(&replaced, signo == SIGTERM && atomic_load(&came_replaced));
    if (stop) nx__waits_watch(signals.loop, !(signals.wanted & bit(signo)));
    if (signals.wanted & bit(signo)) {
        bool taken = send_to_channels(signo);
        for (struct nx__list *link = signals.waits.next; link != &signals.waits;
             link = link->next) {
            struct signal_wait *wait = nx__container_of(link, struct signal_wait, link);
            if (wait->mask & bit(signo)) {
                nx__list_remove(&wait->link);
                nx__op_complete(&wait->op, signo);
                return;
            }
        }
        if (!taken) signals.pending |= bit(signo);
        return;
    }
    if (!(signals.handled & bit(signo))) {
        (void)raise(signo); /* the channel has been closed meanwhile: it has its default effect */
        return;
    }
    if (!stop) return;
    if (atomic_load(&replaced)) {
        if (signals.state == STOPS) atomic_store(&replaced, false); /* it is past that */
        if (signals.state != RUNS) return;
    } else if (signals.state == STOPS) {
        if (nx__clock_monotonic() - signals.stopped_at < SAME_SIGNAL) return;
        /* Asked twice: at once, by the signal itself, so that the exit status tells it. */
        (void)signal(signo, SIG_DFL);
        (void)raise(signo);
        return;
    }
    signals.state = atomic_load(&replaced) ? IS_REPLACED : STOPS;
    signals.stopped_at = nx__clock_monotonic();
    if (signals.state == STOPS) nx__notify(NX__NOTIFY_STOPPING, NULL);
    nx__loop_shutdown(signals.loop);
    if (!signals.serves) nx__exit_begin(signals.loop, signo, 0);
}

static void arrived(struct nx__post *node)
{
    (void)node;
    atomic_store(&posted, false);
    uint64_t mask = atomic_exchange(&came, 0);
    for (int signo = 1; signo < SIGNALS; signo++)
        if (mask & bit(signo)) deliver(signo);
}

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    if (signo == SIGTERM)
        atomic_store(&came_replaced, info->si_code == SI_QUEUE && info->si_pid == getppid() &&
                                         info->si_value.sival_int == NX__BROKER_REPLACED);
    atomic_fetch_or(&came, bit(signo));
    if (!atomic_exchange(&posted, true)) nx__loop_post(signals.loop, &post);
    errno = saved;
}

static nx_err handle(struct nx_loop *loop, int signo)
{
    if (loop->first)
        return nx__error_set(NX_ESTATE,
                             "signals go to the program's first loop, not to a worker's");
    if (!signals.loop) {
        signals.loop = loop;
        nx__list_init(&signals.waits);
        post.fn = arrived;
    }
    if (signals.loop != loop)
        return nx__error_set(NX_ESTATE, "signals go to the program's first loop");
    if (signals.handled & bit(signo)) return NX_OK;
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_RESTART | SA_SIGINFO};
    (void)sigfillset(&action.sa_mask);
    if (sigaction(signo, &action, &signals.before[signo]) != 0)
        return nx__error_system(errno, "cannot handle signal %d", signo);
    signals.handled |= bit(signo);
    return NX_OK;
}

static void restore(int signo)
{
    (void)sigaction(signo, &signals.before[signo], NULL);
    signals.handled &= ~bit(signo);
}

nx_err nx__signals_stop(struct nx_loop *loop)
{
    if (loop->first || (signals.loop && signals.loop != loop)) return NX_OK;
    NX_TRY(handle(loop, SIGTERM));
    NX_TRY(handle(loop, SIGINT));
    signals.stops = true;
    return NX_OK;
}

nx_err nx__signals_shutdown(struct nx_loop *loop)
{
    NX_TRY(nx__signals_stop(loop));
    if (signals.loop == loop) signals.serves = true;
    return NX_OK;
}

bool nx__signals_serve(void)
{
    return signals.serves;
}

/* Those that nobody wants any more have their former effect back. */
static void wanted_count(void)
{
    uint64_t before = signals.wanted;
    signals.wanted = signals.waited;
    for (const struct subscription *s = signals.channels; s; s = s->next) signals.wanted |= s->mask;
    for (int signo = 1; signo < SIGNALS; signo++) {
        bool stop = signals.stops && (signo == SIGTERM || signo == SIGINT);
        if ((before & ~signals.wanted & signals.handled & bit(signo)) && !stop) restore(signo);
    }
}

static void channel_closed(nx_channel *channel)
{
    struct subscription **at = &signals.channels;
    while (*at && (*at)->channel != channel) at = &(*at)->next;
    struct subscription *own = *at;
    if (!own) return;
    *at = own->next;
    free(own);
    wanted_count();
}

/* The one that stopped the program may come by another way yet while the process ends, and must not
 * change its exit status. */
static void came_late(int signo)
{
    if (nx__clock_monotonic() - atomic_load(&ends_since) < SAME_SIGNAL) return;
    (void)signal(signo, SIG_DFL);
    (void)raise(signo);
}

static void restore_stop(int signo)
{
    struct sigaction action = {.sa_handler = came_late, .sa_flags = SA_RESTART};
    if (signals.before[signo].sa_handler == SIG_DFL) signals.before[signo] = action;
    restore(signo);
}

void nx__signals_free(struct nx_loop *loop)
{
    if (signals.loop != loop) return;
    for (struct subscription *s = signals.channels, *next; s; s = next) {
        next = s->next;
        s->channel->on_close = NULL;
        free(s);
    }
    signals.channels = NULL;
    bool stopped = signals.state == STOPS;
    atomic_store(&ends_since, signals.stopped_at);
    for (int signo = 1; signo < SIGNALS; signo++) {
        if (!(signals.handled & bit(signo))) continue;
        if (stopped && (signo == SIGTERM || signo == SIGINT))
            restore_stop(signo);
        else
            restore(signo);
    }
    signals.waited = signals.wanted = signals.pending = 0;
    signals.stops = signals.serves = false;
    signals.state = RUNS;
    atomic_store(&replaced, false);
    signals.loop = NULL;
    atomic_store(&came, 0);
    atomic_store(&posted, false);
}

bool nx__signals_replaced(void)
{
    return atomic_load_explicit(&replaced, memory_order_relaxed);
}

uint64_t nx__signals_handled(void)
{
    return signals.handled;
}

static void signal_cancel(struct nx__op *op)
{
    nx__list_remove(&nx__container_of(op, struct signal_wait, op)->link);
    nx__op_complete(op, -ECANCELED);
}

static nx_err mask_handle(struct nx_loop *loop, uint64_t mask)
{
    uint64_t never = bit(0) | bit(SIGKILL) | bit(SIGSTOP) | bit(SIGSEGV) | bit(SIGBUS) |
                     bit(SIGILL) | bit(SIGFPE) | bit(SIGABRT);
    if (!mask || (mask & never))
        return nx__error_set(NX_EINVAL, "cannot wait for signals 0x%llx", (unsigned long long)mask);
    for (int s = 1; s < SIGNALS; s++)
        if (mask & bit(s)) NX_TRY(handle(loop, s));
    return NX_OK;
}

nx_err nx_signals(nx_channel **out, uint64_t mask)
{
    nx_channel *channel;
    *out = NULL;
    struct subscription *s = malloc(sizeof *s);
    if (!s) return nx__error_set(NX_ENOMEM, "cannot receive signals: out of memory");
    nx_err err = nx_channel_new(&channel, sizeof(int), SIGNALS);
    if (!err) err = mask_handle(nx__loop(), mask);
    if (err) {
        nx_channel_free(channel);
        free(s);
        return err;
    }
    *s = (struct subscription){.next = signals.channels, .channel = channel, .mask = mask};
    signals.channels = s;
    channel->on_close = channel_closed;
    signals.wanted |= mask;
    /* What came while nobody waited is for whoever does. */
    uint64_t waiting = signals.pending & mask;
    signals.pending &= ~mask;
    for (int signo = 1; signo < SIGNALS; signo++)
        if (waiting & bit(signo)) NX_IGNORE(nx__channel_offer(channel, &signo));
    *out = channel;
    return NX_OK;
}

bool nx__signals_are_heard(void)
{
    return signals.channels != NULL;
}

nx_err nx_signal_wait(uint64_t mask, int *signo)
{
    NX_TRY(mask_handle(nx__loop(), mask));
    signals.waited |= mask;
    signals.wanted |= mask;
    if (signals.pending & mask) {
        *signo = __builtin_ctzll(signals.pending & mask);
        signals.pending &= ~bit(*signo);
        return NX_OK;
    }
    struct signal_wait wait = {.op = {.cancel = signal_cancel, .kind = NX__WAIT_SIGNAL},
                               .mask = mask};
    nx__list_insert(&signals.waits, &wait.link);
    int64_t result = nx__op_wait(&wait.op);
    if (result > 0) {
        *signo = (int)result;
        return NX_OK;
    }
    if (result == -ELIMIT_OPERATIONS) return nx__error_operations();
    return nx__error_set(NX_ECANCELED, "cancelled while waiting for a signal");
}

/* ---- Children */

static void child_ready(struct nx__watch *watch, uint32_t events)
{
    (void)watch;
    (void)events;
}

nx_err nx_child_wait(pid_t child, int *status)
{
    struct nx_loop *loop = nx__loop();
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    if (fd < 0) {
        if (errno == ESRCH)
            return nx__error_set(NX_EINVAL, "process %d is no child of this program", (int)child);
        return nx__error_system(errno, "cannot wait for process %d", (int)child);
    }
    struct nx__watch watch = {.ready = child_ready};
    nx_err err = nx__poller_add(&loop->poller, &watch, fd, NX__READABLE);
    while (!err) {
        pid_t got = waitpid(child, status, WNOHANG);
        if (got == child) break;
        if (got < 0 && errno != EINTR)
            err =
                errno == ECHILD
                    ? nx__error_set(NX_EINVAL, "process %d is no child of this program", (int)child)
                    : nx__error_system(errno, "cannot wait for process %d", (int)child);
        else
            err = nx__wait_fd(&watch, NX__READABLE, NX_FOREVER);
    }
    nx__poller_remove(&loop->poller, &watch);
    (void)close(fd);
    return err;
}

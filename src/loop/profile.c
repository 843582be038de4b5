/* Sampling where a program spends its CPU time. What runs in the handler neither allocates nor
 * locks. */
#include "loop/profile.h"

#include "loop/unwind.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static struct nx__profile *profile; /* NULL: nothing is sampled */

nx_bytes (*nx__profile_label)(const nx_fiber *fiber);

static NX__THREAD_LOCAL struct {
    timer_t timer;
    bool begun;
    const char *name; /* of a thread without a loop */
    uintptr_t top;    /* of its stack, as far as is known */
} thread;

struct nx__profile *nx__profile_new(uint32_t rate)
{
    struct nx__profile *made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE,
                                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (made == MAP_FAILED) return NULL;
    made->magic = NX__PROFILE_MAGIC;
    made->rate = rate;
    return made;
}

void nx__profile_free(struct nx__profile *p)
{
    if (p) (void)munmap(p, sizeof *p);
}

bool nx__profile_runs(void)
{
    return profile != NULL;
}

void nx__profile_modules(char (*paths)[NX__CRASH_PATH], uint32_t count)
{
    if (!profile) return;
    memcpy(profile->modules, paths, count * sizeof *paths);
    atomic_store(&profile->module_count, count);
}

/* ---- The table: open addressing, and entries that never go, so threads need no lock */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static uint64_t hash_text(const char *text, size_t len)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash | 1;
}

/* The label's number; NX__PROFILE_LABELS when the table is full. */
static uint32_t label_find(nx_bytes text)
{
    if (text.len >= NX__PROFILE_LABEL) text.len = NX__PROFILE_LABEL - 1;
    uint64_t hash = hash_text(text.data, text.len);
    for (uint32_t i = 0; i < NX__PROFILE_LABELS; i++) {
        uint32_t at = (uint32_t)(hash + i) % NX__PROFILE_LABELS;
        uint64_t found = 0;
        if (atomic_compare_exchange_strong(&profile->labels[at].hash, &found, hash)) {
            memcpy(profile->labels[at].text, text.data, text.len);
            return at;
        }
        if (found == hash) return at;
    }
    return NX__PROFILE_LABELS;
}

static struct nx__profile_stack *stack_find(uint32_t label, const uint64_t *words, uint32_t count,
                                            bool deeper)
{
    uint64_t hash = mix(label, count);
    for (uint32_t i = 0; i < count; i++) hash = mix(hash, words[i]);
    hash |= 1;
    for (uint32_t i = 0; i < NX__PROFILE_STACKS; i++) {
        struct nx__profile_stack *s = &profile->stacks[(hash + i) % NX__PROFILE_STACKS];
        uint64_t found = 0;
        if (!atomic_compare_exchange_strong(&s->hash, &found, hash)) {
            if (found == hash) return s;
            continue;
        }
        uint32_t first = atomic_fetch_add(&profile->words_used, count);
        if (first > NX__PROFILE_WORDS - count) {
            atomic_fetch_sub(&profile->words_used, count);
            return NULL; /* the entry stays without its frames, and is not counted */
        }
        memcpy(profile->words + first, words, count * sizeof *words);
        s->label = label;
        s->first = first;
        s->count = count;
        s->deeper = deeper;
        atomic_store(&s->ready, 1);
        return s;
    }
    return NULL;
}

/* ---- A sample */

struct sample {
    uint64_t words[NX__PROFILE_FRAMES];
    uint32_t count;
    bool deeper;
};

static bool frame_add(void *arg, uintptr_t pc, const struct nx__code *code, bool is_return)
{
    struct sample *s = arg;
    s->deeper = s->count == NX__PROFILE_FRAMES;
    if (s->deeper) return false;
    uint64_t module = code ? code->module : NX__PROFILE_UNKNOWN;
    uint64_t address = code ? pc - code->base : 0;
    s->words[s->count++] = (is_return ? NX__PROFILE_RETURNS : 0) | module << NX__PROFILE_MODULE_AT |
                           (address & NX__PROFILE_ADDRESS);
    return true;
}

/* Time in the kernel is noticed on the way out of it: right behind the instruction of a system
 * call. Which one it was the registers do not say any more, but what was loaded before mostly does.
 */
static void kernel_add(struct sample *s, uintptr_t pc, const struct nx__code *code)
{
    uint64_t number = 0;
#if defined(__x86_64__)
    enum { LOOK = 48 };
    unsigned char before[LOOK];
    if (!code || pc - code->from < LOOK || !nx__unwind_read_own(NULL, pc - LOOK, before, LOOK) ||
        before[LOOK - 2] != 0x0f || before[LOOK - 1] != 0x05)
        return;
    for (int at = LOOK - 7; at >= 0 && !number; at--) {
        if (before[at] == 0xb8 && !before[at + 2 + 1] && !before[at + 4]) /* mov $n, %eax */
            number = (uint64_t)before[at + 1] + 256u * before[at + 2] + 1;
        if (at == LOOK - 7 && before[LOOK - 4] == 0x31 && before[LOOK - 3] == 0xc0)
            number = 1; /* xor %eax, %eax */
    }
#else
    uint32_t before;
    if (!code || pc - code->from < sizeof before ||
        !nx__unwind_read_own(NULL, pc - sizeof before, &before, sizeof before))
        return;
#if defined(__aarch64__)
    if (before != 0xd4000001) return; /* svc #0 */
#else
    if (before != 0x00000073) return; /* ecall */
#endif
#endif
    s->words[s->count++] = (uint64_t)NX__PROFILE_KERNEL << NX__PROFILE_MODULE_AT | number;
}

static nx_bytes label_of(const struct nx_loop *loop)
{
    const nx_fiber *fiber = loop ? loop->running : NULL;
    if (!fiber) return nx_str(loop ? "loop" : thread.name ? thread.name : "thread");
    nx_bytes label = nx__profile_label ? nx__profile_label(fiber) : (nx_bytes){0};
    if (label.data) return label;
    return nx_slice(fiber->name, strnlen(fiber->name, NX__PROFILE_LABEL - 1));
}

static void handler(int signo, siginfo_t *info, void *ucontext)
{
    (void)signo;
    int saved = errno;
    /* Periods that have passed since the last time, this one included. */
    uint64_t ticks =
        1 + (info->si_code == SI_TIMER && info->si_overrun > 0 ? (uint64_t)info->si_overrun : 0);
    struct nx_loop *loop = nx__loop_current;
    struct nx__machine m = nx__machine_interrupted(ucontext);
    struct sample s;
    s.count = 0;
    struct nx__unwind u = {.read = nx__unwind_read_own, .frame = frame_add, .arg = &s};
    u.code = nx__crash_code(&u.code_count);
    nx__crash_stack(m, &u.low, &u.high);
    if (!loop && thread.top > m.sp) u.high = thread.top;
    if (m.sp < u.low || m.sp > u.high) u.low = u.high = 0; /* between two stacks */
    kernel_add(&s, m.pc, nx__code_at(u.code, u.code_count, m.pc));
    nx__unwind(&u, m);
    uint32_t label = label_find(label_of(loop));
    struct nx__profile_stack *stack =
        label < NX__PROFILE_LABELS ? stack_find(label, s.words, s.count, s.deeper) : NULL;
    atomic_fetch_add(&profile->ticks, ticks);
    atomic_fetch_add(stack ? &stack->ticks : &profile->dropped, ticks);
    errno = saved;
}

nx_err nx__profile_begin(struct nx__profile *p)
{
    struct sigaction action = {.sa_sigaction = handler,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, NULL) != 0)
        return nx__error_system(errno, "cannot sample the program");
    profile = p;
    nx__crash_modules_changed();
    return NX_OK;
}

void nx__profile_thread_begin(const char *name)
{
    if (!profile || thread.begun) return;
    thread.name = name;
    thread.top = (uintptr_t)__builtin_frame_address(0);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
    event.sigev_notify_thread_id = gettid();
    /* The thread's own CPU time: one that waits is never interrupted. */
    if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &thread.timer) != 0) return;
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGPROF);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    long period = 1000000000L / (long)profile->rate;
    struct itimerspec every = {.it_interval.tv_nsec = period, .it_value.tv_nsec = period};
    if (profile->rate == 1) every = (struct itimerspec){{1, 0}, {1, 0}};
    thread.begun = timer_settime(thread.timer, 0, &every, NULL) == 0;
    if (!thread.begun) (void)timer_delete(thread.timer);
}

void nx__profile_thread_end(void)
{
    if (thread.begun) (void)timer_delete(thread.timer);
    thread.begun = false;
}

/* Gathering reports of crashes. What runs in the handler calls nothing that could allocate or lock.
 */
#include "loop/crash.h"

#include "loop/profile.h"
#include "loop/stack.h"
#include "permission/broker.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static int report_fd = -1;

static struct {
    struct nx__code ranges[NX__CRASH_MODULES * 4]; /* noted when nothing is wrong */
    size_t range_count;
    char modules[NX__CRASH_MODULES][NX__CRASH_PATH];
    uint32_t module_count;
} map;

const char *nx__crash_worker;
void (*_Atomic nx__crash_flush)(void);
void (*_Atomic nx__crash_farewell)(void);

static uint64_t main_stack; /* its limit, bytes; 0: none */

static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    if (map.module_count == NX__CRASH_MODULES) return 1;
    char *path = map.modules[map.module_count];
    const char *name = info->dlpi_name;
    ssize_t n = 0;
    if (!name[0] && map.module_count == 0) name = "/proc/self/exe";
    if (!name[0]) return 0;
    /* The program is loaded through a descriptor; its name is where that leads. */
    if (strncmp(name, "/proc/", 6) == 0) n = readlink(name, path, NX__CRASH_PATH - 1);
    if (n <= 0) n = snprintf(path, NX__CRASH_PATH, "%s", name);
    path[n < NX__CRASH_PATH ? n : NX__CRASH_PATH - 1] = '\0';
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) ||
            map.range_count == sizeof map.ranges / sizeof *map.ranges)
            continue;
        uintptr_t from = info->dlpi_addr + p->p_vaddr;
        map.ranges[map.range_count++] =
            (struct nx__code){from, from + p->p_memsz, info->dlpi_addr, map.module_count,
                              nx__code_kind(path, map.module_count, report_fd < 0)};
    }
    map.module_count++;
    return 0;
}

void nx__crash_modules_changed(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&lock);
    map.module_count = 0;
    map.range_count = 0;
    (void)dl_iterate_phdr(note_module, NULL);
    nx__profile_modules(map.modules, map.module_count);
    (void)pthread_mutex_unlock(&lock);
}

/* ---- In the handler */

const struct nx__code *nx__crash_code(size_t *count)
{
    *count = map.range_count;
    return map.ranges;
}

void nx__crash_stack(struct nx__machine m, uintptr_t *low, uintptr_t *high)
{
    const struct nx_loop *loop = nx__loop_current;
    const nx_fiber *fiber = loop ? loop->running ? loop->running : &loop->context : NULL;
    if (fiber && fiber->stack && !fiber->main) {
        *low = (uintptr_t)fiber->stack;
        *high = *low + fiber->stack_size;
        return;
    }
    /* The main stack, up to where the program began on it. Of another one, a thread's or that of an
     * engine's guest, only the page at hand is known to be there. */
    bool main = loop && m.sp < loop->main_top && m.sp >= loop->main_low;
    *low = m.sp;
    *high = main ? loop->main_top : (m.sp | 4095) + 1;
}

static bool add_frame(void *arg, uintptr_t pc, const struct nx__code *code, bool is_return)
{
    struct nx__crash_report *r = arg;
    if (r->frame_count == NX__CRASH_FRAMES) return false;
    r->frames[r->frame_count++] =
        (struct nx__crash_frame){.address = code ? pc - code->base : pc,
                                 .module = code ? code->module : NX__CRASH_MODULES,
                                 .is_return = is_return};
    return true;
}

static void copy_text(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size) len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
}

void nx__crash_gather(struct nx__crash_report *r, const void *ucontext)
{
    struct nx__machine m = nx__machine_interrupted(ucontext);
    r->magic = NX__CRASH_MAGIC;
    r->frame_count = 0;
    r->module_count = map.module_count;
    memcpy(r->modules, map.modules, sizeof r->modules);
    struct nx_loop *loop = nx__loop_current;
    const nx_fiber *fiber = loop ? loop->running : NULL;
    uintptr_t low, high;
    nx__crash_stack(m, &low, &high);
    r->fiber[0] = r->thread[0] = r->activity[0] = '\0';
    r->worker = loop ? loop->worker : 0;
    r->workers = loop ? loop->workers : 0;
    r->stack_size = loop && loop->first ? nx__limits.stack_size : main_stack;
    if (loop && loop->first && !loop->workers)
        copy_text(r->thread, sizeof r->thread, loop->main.own_name,
                  strnlen(loop->main.own_name, sizeof loop->main.own_name));
    r->apart = nx__crash_worker != NULL;
    if (r->apart)
        copy_text(r->thread, sizeof r->thread, nx__crash_worker, strlen(nx__crash_worker));
    if (loop && !fiber) fiber = &loop->context;
    if (fiber) {
        const char *name = fiber == &loop->context ? "loop" : fiber->name;
        copy_text(r->fiber, sizeof r->fiber, name, strnlen(name, sizeof fiber->own_name));
        if (fiber->activity.data)
            copy_text(r->activity, sizeof r->activity, fiber->activity.data, fiber->activity.len);
    }
    if (fiber && fiber->stack && !fiber->main) {
        r->stack_size = fiber->stack_size;
        if (m.sp < low || m.sp > high) m.sp = low; /* overflowed: begin at its end */
    } else if (r->fault >= low && r->fault < high) {
        /* Overflowed by more than a page at once: what is below the fault is not there. */
        low = m.sp = ((uintptr_t)r->fault | 4095) + 1;
    }
    const struct nx__unwind unwind = {.code = map.ranges,
                                      .code_count = map.range_count,
                                      .low = low,
                                      .high = high,
                                      .read = nx__unwind_read_own,
                                      .frame = add_frame,
                                      .arg = r};
    nx__unwind(&unwind, m);
}

void nx__crash_addresses(struct nx__crash_report *r, const uintptr_t *addresses, size_t count,
                         bool is_entry)
{
    r->frame_count = 0;
    r->module_count = map.module_count;
    memcpy(r->modules, map.modules, sizeof r->modules);
    for (size_t i = 0; i < count; i++) {
        const struct nx__code *code = nx__code_at(map.ranges, map.range_count, addresses[i]);
        if (!add_frame(r, addresses[i], code, !is_entry)) break;
    }
}

void nx__crash_send(const struct nx__crash_report *report)
{
    if (report_fd >= 0 && nx__broker_report(report, sizeof *report)) return;
    nx__crash_print(report, sizeof *report, STDERR_FILENO);
}

/* Tells an overflow from another bad access. */
static enum nx__crash_kind segfault_kind(uintptr_t fault, uintptr_t sp)
{
    const struct nx_loop *loop = nx__loop_current;
    const nx_fiber *fiber = loop ? loop->running ? loop->running : &loop->context : NULL;
    if (!fiber) return NX__CRASH_SIGNAL;
    if (fiber->stack && !fiber->main) {
        uintptr_t stack = (uintptr_t)fiber->stack, guard = stack - NX__STACK_GUARD;
        bool beyond = (fault >= guard && fault < stack) || (sp >= guard && sp < stack);
        return beyond ? NX__CRASH_OVERFLOW : NX__CRASH_SIGNAL;
    }
    /* The system grows the main stack on touch; what faults there is past its limit. */
    bool beyond = fault + NX__STACK_GUARD >= sp && fault < loop->main_top && sp < loop->main_top;
    if (!beyond) return NX__CRASH_SIGNAL;
    return loop->first ? NX__CRASH_OVERFLOW : NX__CRASH_OVERFLOW_MAIN;
}

/* Writes what the program has printed and stdio still holds, or it would be lost. A reader that
 * does not read is not waited for. */
static void output_flush(void)
{
#if defined(__GLIBC__)
    enum { PATIENCE = 100 /* ms */, PIECE = 4096 /* what a pipe that has room takes at once */ };
    const char *at = stdout->_IO_write_base, *end = stdout->_IO_write_ptr;
    struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};
    while (at && at < end && poll(&ready, 1, PATIENCE) > 0) {
        size_t left = (size_t)(end - at);
        ssize_t n = write(STDOUT_FILENO, at, left < PIECE ? left : PIECE);
        if (n <= 0) return;
        at += n;
    }
#endif
}

static atomic_int reporter; /* the thread that reports a crash, 0 while there is none */

bool nx__crash_happens(void)
{
    return atomic_load(&reporter) != 0;
}

static void handler(int signo, siginfo_t *info, void *ucontext)
{
    static struct nx__crash_report report; /* too large for this stack, and the process ends here */
    struct sigaction standard = {.sa_handler = SIG_DFL};
    (void)sigaction(signo, &standard, NULL);
    int none = 0, self = gettid();
    if (!atomic_compare_exchange_strong(&reporter, &none, self)) {
        /* Another thread's crash is being reported, and ends the process; one in this handler
         * itself ends it now. */
        while (none != self) (void)pause();
        (void)raise(signo);
        return;
    }
    output_flush();
    report.signal = signo;
    report.code = info->si_code;
    report.fault = signo == SIGSEGV || signo == SIGBUS ? (uint64_t)(uintptr_t)info->si_addr : 0;
    nx__crash_gather(&report, ucontext);
    if (signo == SIGSEGV && info->si_code > 0)
        report.kind = segfault_kind((uintptr_t)info->si_addr, nx__machine_interrupted(ucontext).sp);
    void (*flush)(void) = atomic_load(&nx__crash_flush);
    if (flush) flush();
    nx__crash_send(&report);
    void (*farewell)(void) = atomic_load(&nx__crash_farewell);
    if (farewell) farewell();
    /* The same signal again, by default, so that the exit status tells it and a core file can be
     * made. */
    (void)raise(signo);
}

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

void nx__crash_thread(void *stack, size_t size)
{
#ifndef NX__ASAN
    stack_t own = {.ss_sp = stack, .ss_size = size};
    if (sigaltstack(&own, NULL) != 0) return; /* then handlers run on the thread's stack */
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) (void)sigaddset(&set, signals[i]);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
#else
    (void)stack, (void)size;
#endif
}

nx_err nx__crash_install(int fd)
{
    report_fd = fd;
    nx__crash_modules_changed();
#ifndef NX__ASAN
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        main_stack = limit.rlim_cur;
    void *stack =
        mmap(NULL, NX__CRASH_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) return nx__error_system(errno, "cannot prepare crash reports");
    nx__crash_thread(stack, NX__CRASH_STACK);
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (sigaction(signals[i], &action, NULL) != 0)
            return nx__error_system(errno, "cannot prepare crash reports");
#else
    (void)handler, (void)signals;
#endif
    return NX_OK;
}

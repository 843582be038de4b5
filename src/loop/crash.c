/* Gathering reports of crashes. What runs in the handler calls nothing that could allocate or lock.
 */
#include "loop/crash.h"

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
#include <ucontext.h>
#include <unistd.h>

enum {
    LIBRARY_DEPTH = 16 * 1024, /* of stack that is searched for who called a library */
};

/* Executable ranges, noted when nothing is wrong. */
struct range {
    uintptr_t from, to, base;
    uint32_t module;
};

static struct {
    struct range ranges[NX__CRASH_MODULES * 4];
    size_t range_count;
    char modules[NX__CRASH_MODULES][NX__CRASH_PATH];
    uint32_t module_count;
} map;

void (*_Atomic nx__crash_flush)(void);

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
    if (strncmp(name, "/proc/self/", 11) == 0) n = readlink(name, path, NX__CRASH_PATH - 1);
    if (n <= 0) n = snprintf(path, NX__CRASH_PATH, "%s", name);
    path[n < NX__CRASH_PATH ? n : NX__CRASH_PATH - 1] = '\0';
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) ||
            map.range_count == sizeof map.ranges / sizeof *map.ranges)
            continue;
        uintptr_t from = info->dlpi_addr + p->p_vaddr;
        map.ranges[map.range_count++] =
            (struct range){from, from + p->p_memsz, info->dlpi_addr, map.module_count};
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
    (void)pthread_mutex_unlock(&lock);
}

/* ---- In the handler */

static bool add_frame(struct nx__crash_report *r, uintptr_t pc, bool is_return)
{
    if (r->frame_count == NX__CRASH_FRAMES) return false;
    struct nx__crash_frame *f = &r->frames[r->frame_count];
    *f = (struct nx__crash_frame){
        .address = pc, .module = NX__CRASH_MODULES, .is_return = is_return};
    for (size_t i = 0; i < map.range_count; i++) {
        if (pc >= map.ranges[i].from && pc < map.ranges[i].to) {
            f->address = pc - map.ranges[i].base;
            f->module = map.ranges[i].module;
        }
    }
    if (is_return && f->module == NX__CRASH_MODULES)
        return false; /* no code: the chain is broken */
    r->frame_count++;
    return true;
}

struct machine {
    uintptr_t pc, sp, fp;
};

static struct machine machine(const void *ucontext)
{
    const ucontext_t *u = ucontext;
#if defined(__x86_64__)
    return (struct machine){(uintptr_t)u->uc_mcontext.gregs[REG_RIP],
                            (uintptr_t)u->uc_mcontext.gregs[REG_RSP],
                            (uintptr_t)u->uc_mcontext.gregs[REG_RBP]};
#elif defined(__aarch64__)
    return (struct machine){u->uc_mcontext.pc, u->uc_mcontext.sp, u->uc_mcontext.regs[29]};
#else
    return (struct machine){u->uc_mcontext.__gregs[0], u->uc_mcontext.__gregs[2],
                            u->uc_mcontext.__gregs[8]};
#endif
}

static void copy_text(char *out, size_t size, const char *text, size_t len)
{
    if (len >= size) len = size - 1;
    memcpy(out, text, len);
    out[len] = '\0';
}

/* Module of the code at `pc`, NX__CRASH_MODULES if there is none. */
static uint32_t module_at(uintptr_t pc)
{
    for (size_t i = 0; i < map.range_count; i++)
        if (pc >= map.ranges[i].from && pc < map.ranges[i].to) return map.ranges[i].module;
    return NX__CRASH_MODULES;
}

/* Code of the program or the runtime, which keeps frame pointers; libraries of the system do not.
 */
static bool keeps_frames(uintptr_t pc)
{
    uint32_t module = module_at(pc);
    if (module == NX__CRASH_MODULES) return false;
    const char *path = map.modules[module];
    return strncmp(path, "/lib", 4) != 0 && strncmp(path, "/usr/lib", 8) != 0;
}

#if defined(__riscv)
enum { NEXT = -2, RETURN = -1 };
#else
enum { NEXT = 0, RETURN = 1 };
#endif

/* True when the instruction before is a call, as far as is known for the architecture: a stack is
 * full of old addresses that are none of a return. The range of a module holds its headers too. */
static NX__READS_ANYTHING bool follows_call(uintptr_t pc)
{
    enum { LONGEST = 7 };
    if (module_at(pc - LONGEST) != module_at(pc)) return false;
#if defined(__x86_64__)
    const unsigned char *end = (const unsigned char *)pc;
    if (end[-5] == 0xe8) return true;        /* call relative */
    for (int len = 2; len <= LONGEST; len++) /* call through a register or memory: ff /2 */
        if (end[-len] == 0xff && (end[1 - len] & 0x38) == 0x10) return true;
    return false;
#elif defined(__aarch64__)
    uint32_t instruction = *(const uint32_t *)(pc - 4);
    return (instruction & 0xfc000000) == 0x94000000 || (instruction & 0xfffffc1f) == 0xd63f0000;
#else
    return true;
#endif
}

/* Stopped inside a library: looks up the stack for where it was called from, and returns the frame
 * to go on with, 0 if there is none. */
static NX__READS_ANYTHING uintptr_t leave_library(struct nx__crash_report *r, uintptr_t sp,
                                                  uintptr_t low, uintptr_t high)
{
    bool called = false;
    for (uintptr_t at = sp; at >= low && at + 16 <= high && at < sp + LIBRARY_DEPTH; at += 8) {
        const uintptr_t *word = (const uintptr_t *)at;
        /* The program's code: addresses in the runtime may be left over from deeper calls before.
         */
        if (!called && module_at(word[0]) != 0 && keeps_frames(word[0]) && follows_call(word[0]))
            called = add_frame(r, word[0], true);
        if (called && word[0] > at && word[0] + 16 <= high && word[0] % 8 == 0 &&
            keeps_frames(word[1]))
            return at - (uintptr_t)(NEXT * 8);
    }
    return 0;
}

static NX__READS_ANYTHING void backtrace(struct nx__crash_report *r, struct machine m,
                                         uintptr_t low, uintptr_t high)
{
    (void)add_frame(r, m.pc, false);
    uintptr_t fp = m.fp;
    if (!keeps_frames(m.pc) && m.sp % 8 == 0) fp = leave_library(r, m.sp, low, high);
    while (fp >= low + 16 && fp + 16 <= high && fp % 8 == 0) {
        const uintptr_t *frame = (const uintptr_t *)fp;
        uintptr_t next =
            frame[NEXT]; /* NOLINT(clang-analyzer-core.NullDereference): inside the stack */
        if (!frame[RETURN] || !add_frame(r, frame[RETURN], true) || next <= fp) break;
        fp = next;
    }
}

void nx__crash_gather(struct nx__crash_report *r, const void *ucontext)
{
    struct machine m = machine(ucontext);
    r->magic = NX__CRASH_MAGIC;
    r->frame_count = 0;
    r->module_count = map.module_count;
    memcpy(r->modules, map.modules, sizeof r->modules);
    struct nx_loop *loop = nx__loop_current;
    const nx_fiber *fiber = loop ? loop->running : NULL;
    /* The main stack, up to where the program began on it. Of another thread's only the page at
     * hand is known to be there. */
    uintptr_t low = m.sp, high = loop && loop->main_top > m.sp ? loop->main_top : (m.sp | 4095) + 1;
    /* Overflowed by more than a page at once: what is below the fault is not there. */
    if (r->fault >= low && r->fault < high) low = m.sp = ((uintptr_t)r->fault | 4095) + 1;
    r->fiber[0] = r->activity[0] = '\0';
    r->worker = loop ? loop->worker : 0;
    r->workers = loop ? loop->workers : 0;
    r->stack_size = loop && loop->first ? nx__limits.stack_size : main_stack;
    if (loop && !fiber) fiber = &loop->context;
    if (fiber) {
        const char *name = fiber == &loop->context ? "loop" : fiber->name;
        copy_text(r->fiber, sizeof r->fiber, name, strnlen(name, sizeof fiber->own_name));
        if (fiber->activity.data)
            copy_text(r->activity, sizeof r->activity, fiber->activity.data, fiber->activity.len);
        if (fiber->stack && !fiber->main) {
            low = (uintptr_t)fiber->stack;
            high = low + fiber->stack_size;
            r->stack_size = fiber->stack_size;
            if (m.sp < low || m.sp > high) m.sp = low; /* overflowed: begin at its end */
        }
    }
    backtrace(r, m, low, high);
}

static int report_fd = -1;

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
        report.kind = segfault_kind((uintptr_t)info->si_addr, machine(ucontext).sp);
    void (*flush)(void) = atomic_load(&nx__crash_flush);
    if (flush) flush();
    nx__crash_send(&report);
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

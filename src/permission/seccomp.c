/* A seccomp filter.
 *
 * Calls that are decided by their number alone the kernel decides once, and keeps: the filter runs
 * for those whose arguments matter, so these are asked for first. */
#include "permission/seccomp.h"

#include "base/compiler.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#else
#define ARCHITECTURE 0u
#endif

/* Memcheck makes the calls for the program, and knows nothing of filters. */
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define SIMULATED() RUNNING_ON_VALGRIND
#else
#define SIMULATED() false
#endif

/* Calls of x32 are those of x86_64 with this bit. */
#define X32_BIT 0x40000000u

enum answer {
    ALLOW = SECCOMP_RET_ALLOW,
    REFUSE = SECCOMP_RET_ERRNO | EPERM,
    UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS,
    ASK = SECCOMP_RET_USER_NOTIF,
};

/* ---- Instructions */

struct builder {
    struct sock_filter *out;
    size_t len, most;
    bool too_long;
};

static void put(struct builder *b, uint16_t code, size_t yes, size_t no, uint32_t value)
{
    if (b->len == b->most || yes > UINT8_MAX || no > UINT8_MAX) {
        b->too_long = true;
        return;
    }
    b->out[b->len++] =
        (struct sock_filter){.code = code, .jt = (uint8_t)yes, .jf = (uint8_t)no, .k = value};
}

static void answer(struct builder *b, enum answer answer)
{
    put(b, BPF_RET | BPF_K, 0, 0, (uint32_t)answer);
}

/* A jump over what is not written yet: `land` says how far. */
static size_t jump(struct builder *b, uint16_t code, uint32_t value)
{
    put(b, (uint16_t)(BPF_JMP | BPF_K | code), 0, 0, value);
    return b->len - 1;
}

static void land(struct builder *b, size_t from, bool yes)
{
    size_t distance = b->len - from - 1;
    if (b->too_long || distance > UINT8_MAX) {
        b->too_long = true;
        return;
    }
    *(yes ? &b->out[from].jt : &b->out[from].jf) = (uint8_t)distance;
}

static void load_number(struct builder *b)
{
    put(b, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
}

/* The low half of an argument: the kernel looks at no more of an int. All that this is built for is
 * little-endian. */
static void load_argument(struct builder *b, unsigned index)
{
    put(b, BPF_LD | BPF_W | BPF_ABS, 0, 0,
        (uint32_t)(offsetof(struct seccomp_data, args) + index * sizeof(uint64_t)));
}

static void answer_if(struct builder *b, uint32_t value, enum answer is)
{
    size_t other = jump(b, BPF_JEQ, value);
    answer(b, is);
    land(b, other, false);
}

static void answer_if_any(struct builder *b, uint32_t bits, enum answer is)
{
    size_t none = jump(b, BPF_JSET, bits);
    answer(b, is);
    land(b, none, false);
}

/* ---- Calls whose arguments matter */

/* What is typed into the terminal for others to read, and what changes files past their modes, by a
 * descriptor that may be for reading. */
static void check_ioctl(struct builder *b, unsigned calls)
{
    static const uint32_t never[] = {
        TIOCSTI,
        TIOCCONS,
        TIOCSETD,
        TIOCLINUX,
    };
    static const uint32_t of_files[] = {
        FS_IOC_SETFLAGS,      FS_IOC32_SETFLAGS, FS_IOC_SETVERSION,
        FS_IOC32_SETVERSION,  FS_IOC_FSSETXATTR, FS_IOC_SET_ENCRYPTION_POLICY,
        FS_IOC_ENABLE_VERITY,
    };
    /* Of a file that is open for writing; btrfs, whose they were first, makes and removes whole
     * trees by others of the kind. */
    enum { BTRFS = 0x94 };
    static const uint32_t copies[] = {FICLONE, FICLONERANGE, FIDEDUPERANGE};
    load_argument(b, 1);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) answer_if(b, never[i], REFUSE);
    if (calls & NX__CALLS_WRITE) {
        answer(b, ALLOW);
        return;
    }
    for (size_t i = 0; i < sizeof of_files / sizeof *of_files; i++)
        answer_if(b, of_files[i], REFUSE);
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) answer_if(b, copies[i], ALLOW);
    put(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, _IOC_TYPEMASK << _IOC_TYPESHIFT);
    answer_if(b, BTRFS << _IOC_TYPESHIFT, REFUSE);
    answer(b, ALLOW);
}

/* A new namespace is a new world, in which this process is its root. */
static void check_clone(struct builder *b, unsigned calls)
{
    (void)calls;
    load_argument(b, 0);
    answer_if_any(b,
                  CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                      CLONE_NEWPID | CLONE_NEWNET,
                  REFUSE);
    answer(b, ALLOW);
}

static void check_socket(struct builder *b, unsigned calls)
{
    enum { TYPE = 0xf, KIND = 1, PROTOCOL = 2 };
    static const struct {
        unsigned calls;
        uint32_t type, protocol;
    } protocols[] = {{NX__CALLS_TCP, SOCK_STREAM, IPPROTO_TCP},
                     {NX__CALLS_UDP, SOCK_DGRAM, IPPROTO_UDP}};
    load_argument(b, 0);
    if (calls & NX__CALLS_UNIX) answer_if(b, AF_UNIX, ALLOW);
    if (calls & NX__CALLS_IP) {
        answer_if(b, AF_INET, ALLOW);
        answer_if(b, AF_INET6, ALLOW);
    }
    if (calls & NX__CALLS_ROUTES) {
        size_t other = jump(b, BPF_JEQ, AF_NETLINK);
        load_argument(b, PROTOCOL);
        answer_if(b, NETLINK_ROUTE, ALLOW);
        answer(b, REFUSE);
        land(b, other, false);
    }
    size_t is_4 = jump(b, BPF_JEQ, AF_INET);
    size_t is_6 = jump(b, BPF_JEQ, AF_INET6);
    answer(b, REFUSE);
    land(b, is_4, true);
    land(b, is_6, true);
    load_argument(b, KIND);
    put(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, TYPE);
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (!(calls & protocols[i].calls)) continue;
        size_t other = jump(b, BPF_JEQ, protocols[i].type);
        load_argument(b, PROTOCOL);
        answer_if(b, 0, ALLOW);
        answer_if(b, protocols[i].protocol, ALLOW);
        answer(b, REFUSE);
        land(b, other, false);
    }
    answer(b, REFUSE);
}

/* Each end of a pair of datagram sockets may be led elsewhere; those of the others may not. */
static void check_socketpair(struct builder *b, unsigned calls)
{
    load_argument(b, 0);
    size_t other = jump(b, BPF_JEQ, AF_UNIX);
    load_argument(b, 1);
    put(b, BPF_ALU | BPF_AND | BPF_K, 0, 0, 0xf);
    answer_if(b, SOCK_STREAM, ALLOW);
    answer_if(b, SOCK_SEQPACKET, ALLOW);
    if (calls & NX__CALLS_UNIX) answer_if(b, SOCK_DGRAM, ALLOW);
    land(b, other, false);
    answer(b, REFUSE);
}

static void check_flag(struct builder *b, unsigned argument)
{
    load_argument(b, argument);
    answer_if_any(b, MSG_FASTOPEN, REFUSE);
    answer(b, ALLOW);
}
static void check_sendto(struct builder *b, unsigned calls)
{
    (void)calls;
    check_flag(b, 3);
}
static void check_sendmsg(struct builder *b, unsigned calls)
{
    (void)calls;
    check_flag(b, 2);
}

/* What turns a TCP socket into another one, which no rule for ports knows. */
static void check_setsockopt(struct builder *b, unsigned calls)
{
    (void)calls;
    load_argument(b, 1);
    size_t other = jump(b, BPF_JEQ, IPPROTO_TCP);
    load_argument(b, 2);
    answer_if(b, TCP_ULP, REFUSE);
    land(b, other, false);
    answer(b, ALLOW);
}

static void check_prctl(struct builder *b, unsigned calls)
{
    (void)calls;
    load_argument(b, 0);
    answer_if(b, PR_SET_MM, REFUSE);
    answer_if(b, PR_SET_SECUREBITS, REFUSE);
    answer_if(b, PR_CAP_AMBIENT, REFUSE);
    answer(b, ALLOW);
}

/* More filters may be had, but none that asks another process: its answer would go before this
 * one's. */
static void check_seccomp(struct builder *b, unsigned calls)
{
    (void)calls;
    load_argument(b, 1);
    answer_if_any(b, SECCOMP_FILTER_FLAG_NEW_LISTENER, REFUSE);
    answer(b, ALLOW);
}

/* Of a process that is named by number: itself alone. */
static void check_itself(struct builder *b, unsigned argument)
{
    load_argument(b, argument);
    answer_if(b, 0, ALLOW);
    answer_if(b, (uint32_t)getpid(), ALLOW);
    answer(b, REFUSE);
}
static void check_prlimit(struct builder *b, unsigned calls)
{
    (void)calls;
    check_itself(b, 0);
}
/* (PRIO_PROCESS, 0); what names threads has them by number. */
static void check_priority(struct builder *b, unsigned calls)
{
    (void)calls;
    load_argument(b, 0);
    size_t process = jump(b, BPF_JEQ, 0);
    check_itself(b, 1);
    land(b, process, false);
    answer(b, REFUSE);
}

/* To ask which it is. */
static void check_personality(struct builder *b, unsigned calls)
{
    (void)calls;
    load_argument(b, 0);
    answer_if(b, ~0u, ALLOW);
    answer(b, REFUSE);
}

static void check_arguments(struct builder *b, unsigned calls)
{
    static const struct {
        uint32_t number;
        unsigned unless;
        void (*check)(struct builder *b, unsigned calls);
    } checks[] = {
        {__NR_sendto, NX__CALLS_IP, check_sendto},
        {__NR_sendmsg, NX__CALLS_IP, check_sendmsg},
        {__NR_sendmmsg, NX__CALLS_IP, check_sendto},
        {__NR_ioctl, 0, check_ioctl},
        {__NR_setsockopt, NX__CALLS_IP, check_setsockopt},
        {__NR_socket, 0, check_socket},
        {__NR_clone, 0, check_clone},
        {__NR_socketpair, 0, check_socketpair},
        {__NR_prctl, 0, check_prctl},
        {__NR_seccomp, 0, check_seccomp},
        {__NR_prlimit64, 0, check_prlimit},
        {__NR_setpriority, 0, check_priority},
        {__NR_personality, 0, check_personality},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (calls & checks[i].unless) continue;
        size_t other = jump(b, BPF_JEQ, checks[i].number);
        checks[i].check(b, calls);
        land(b, other, false);
    }
}

/* ---- Calls that their number decides */

static const enum answer answers[] = {[NX__CALL_UNKNOWN] = UNKNOWN,
                                      [NX__CALL_REFUSED] = REFUSE,
                                      [NX__CALL_ALLOWED] = ALLOW,
                                      [NX__CALL_ASKED] = ASK};

struct range {
    uint32_t first; /* to the next one's */
    uint8_t verdict;
};

/* As few comparisons as there can be. */
static void search(struct builder *b, const struct range *ranges, size_t count)
{
    if (count == 1) {
        answer(b, answers[ranges->verdict]);
        return;
    }
    size_t half = count / 2, above = jump(b, BPF_JGE, ranges[half].first);
    search(b, ranges, half);
    land(b, above, true);
    search(b, ranges + half, count - half);
}

static void check_numbers(struct builder *b, unsigned calls)
{
    uint8_t verdicts[NX__CALLS_END];
    struct range ranges[NX__CALLS_END + 1];
    size_t count = 0;
    nx__calls_sort(calls, verdicts);
    for (uint32_t i = 0; i < NX__CALLS_END; i++)
        if (!count || ranges[count - 1].verdict != verdicts[i])
            ranges[count++] = (struct range){.first = i, .verdict = verdicts[i]};
    ranges[count++] = (struct range){.first = NX__CALLS_END, .verdict = NX__CALL_UNKNOWN};
    search(b, ranges, count);
}

size_t nx__seccomp_build(unsigned calls, struct sock_filter *out, size_t most)
{
    struct builder b = {.out = out, .most = most};
    if (!ARCHITECTURE) return 0;
    put(&b, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    size_t own = jump(&b, BPF_JEQ, ARCHITECTURE);
    answer(&b, REFUSE);
    land(&b, own, true);
    load_number(&b);
#if defined(__x86_64__)
    size_t plain = jump(&b, BPF_JGE, X32_BIT);
    answer(&b, REFUSE);
    land(&b, plain, false);
#endif
    check_arguments(&b, calls);
    check_numbers(&b, calls);
    return b.too_long ? 0 : b.len;
}

/* ---- The kernel */

bool nx__seccomp_known(void)
{
    return ARCHITECTURE && !SIMULATED() && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

/* What newer kernels do better is asked for first. */
static int filter_set(const struct sock_fprog *program, bool listens)
{
    enum { NOT_INTERRUPTED = 1 << 5 /* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV */ };
    /* Without the flag older kernels switch off what makes loads fast, for each thread. */
    const unsigned flags =
        SECCOMP_FILTER_FLAG_SPEC_ALLOW | (listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0);
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | (listens ? NOT_INTERRUPTED : 0),
                      program);
    if (fd < 0 && errno == EINVAL && listens)
        fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
    /* The other way in is for where a service manager's filter knows only that. */
    if (fd < 0 && !listens) fd = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
    return (int)fd;
}

bool nx__seccomp_hold(unsigned calls, int *listener)
{
    struct sock_filter filter[NX__SECCOMP_MOST];
    struct sock_fprog program = {.filter = filter};
    size_t len = nx__seccomp_build(calls, filter, NX__SECCOMP_MOST);
    program.len = (unsigned short)len;
    *listener = -1;
    if (!len) {
        errno = ENOTSUP;
        return false;
    }
    bool listens = calls & (NX__CALLS_ASK | NX__CALLS_ASK_CONNECT);
    int fd = filter_set(&program, listens);
    if (listens) *listener = fd;
    return fd >= 0;
}

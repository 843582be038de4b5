/* The filter of system calls, run here by an interpreter, and in children by the kernel. */
#include "permission/seccomp.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nexus/test.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN AUDIT_ARCH_AARCH64
#else
#define OWN AUDIT_ARCH_RISCV64
#endif

enum { REFUSED = SECCOMP_RET_ERRNO | EPERM, UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS };
#define ALLOWED SECCOMP_RET_ALLOW
enum { ALL = 2 * NX__CALLS_DEBUG }; /* but NX__CALLS_ASK */
#define ASKED SECCOMP_RET_USER_NOTIF

static struct sock_filter filter[NX__SECCOMP_MOST];
static size_t filter_len;

/* As the kernel runs it; ~0 for what it would not take. */
static uint32_t run(const struct seccomp_data *data)
{
    uint32_t a = 0, word;
    for (size_t at = 0; at < filter_len; at++) {
        const struct sock_filter *f = &filter[at];
        bool jump = false, yes = false;
        switch (f->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            if (f->k % 4 || f->k >= sizeof *data) return ~0u;
            memcpy(&word, (const char *)data + f->k, sizeof word);
            a = word;
            break;
        case BPF_ALU | BPF_AND | BPF_K: a &= f->k; break;
        case BPF_JMP | BPF_JEQ | BPF_K: jump = true, yes = a == f->k; break;
        case BPF_JMP | BPF_JGE | BPF_K: jump = true, yes = a >= f->k; break;
        case BPF_JMP | BPF_JSET | BPF_K: jump = true, yes = a & f->k; break;
        case BPF_RET | BPF_K: return f->k;
        default: return ~0u;
        }
        if (jump) at += yes ? f->jt : f->jf;
    }
    return ~0u;
}

static uint32_t ask(int number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return run(&(struct seccomp_data){.nr = number, .arch = OWN, .args = {a, b, c, d}});
}

static void build(unsigned calls)
{
    filter_len = nx__seccomp_build(calls, filter, NX__SECCOMP_MOST);
    nx_require_gt(filter_len, 0u);
}

#define EXPECT(wanted, ...)                                                                        \
    nx_expect_eq(ask_of((const uint64_t[6]){__VA_ARGS__}), (uint32_t)(wanted))
static uint32_t ask_of(const uint64_t call[6])
{
    return ask((int)call[0], call[1], call[2], call[3], call[4]);
}

NX_TEST("every number is decided, and jumps lead into the program")
{
    for (unsigned calls = 0; calls < ALL; calls++) {
        build(calls);
        for (int number = 0; number < 2048; number++) {
            uint32_t found = ask(number, 0, 0, 0, 0);
            if (found != (uint32_t)ALLOWED && found != REFUSED && found != UNKNOWN)
                nx_test_fail("call %d with %u: %#x", number, calls, found);
        }
        for (size_t i = 0; i < filter_len; i++) {
            if (BPF_CLASS(filter[i].code) != BPF_JMP) continue;
            nx_expect_lt(i + 1 + filter[i].jt, filter_len);
            nx_expect_lt(i + 1 + filter[i].jf, filter_len);
        }
    }
}

NX_TEST("it is not made where it has no room")
{
    build(0);
    size_t whole = filter_len;
    for (size_t most = 0; most < whole; most++)
        nx_expect_eq(nx__seccomp_build(0, filter, most), 0u);
    nx_expect_eq(nx__seccomp_build(0, filter, whole), whole);
}

NX_TEST("the verdict of a number is that of its list")
{
    uint8_t verdicts[NX__CALLS_END];
    static const uint32_t answers[] = {[NX__CALL_UNKNOWN] = UNKNOWN,
                                       [NX__CALL_REFUSED] = REFUSED,
                                       [NX__CALL_ALLOWED] = (uint32_t)ALLOWED,
                                       [NX__CALL_ASKED] = ASKED};
    static const int by_argument[] = {SYS_sendto,     SYS_sendmsg, SYS_sendmmsg,  SYS_setsockopt,
                                      SYS_ioctl,      SYS_socket,  SYS_clone,     SYS_socketpair,
                                      SYS_prctl,      SYS_seccomp, SYS_prlimit64, SYS_setpriority,
                                      SYS_personality};
    for (unsigned calls = 0; calls < ALL; calls++) {
        build(calls);
        nx__calls_sort(calls, verdicts);
        for (int number = 0; number < NX__CALLS_END; number++) {
            bool decided = true;
            for (size_t i = 0; i < sizeof by_argument / sizeof *by_argument; i++)
                decided &= number != by_argument[i];
            if (decided) nx_expect_eq(ask(number, 1, 2, 3, 4), answers[verdicts[number]]);
        }
    }
}

NX_TEST("every program computes")
{
    static const int calls[] = {
        SYS_read,      SYS_write,        SYS_mmap,        SYS_futex,
        SYS_epoll_ctl, SYS_accept4,      SYS_recvfrom,    SYS_exit_group,
        SYS_close,     SYS_openat,       SYS_fcntl,       SYS_getrandom,
        SYS_statx,     SYS_rt_sigreturn, SYS_epoll_pwait, SYS_io_uring_enter};
    build(0);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) EXPECT(ALLOWED, (uint64_t)calls[i]);
}

NX_TEST("other processes, namespaces, the kernel itself, other programs: nobody's")
{
    static const int calls[] = {
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_kcmp,
        SYS_bpf,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_keyctl,
        SYS_add_key,
        SYS_request_key,
        SYS_mount,
        SYS_umount2,
        SYS_pivot_root,
        SYS_chroot,
        SYS_unshare,
        SYS_setns,
        SYS_name_to_handle_at,
        SYS_open_by_handle_at,
        SYS_io_uring_setup,
        SYS_io_uring_register,
        SYS_execve,
        SYS_execveat,
        SYS_kexec_load,
        SYS_init_module,
        SYS_finit_module,
        SYS_delete_module,
        SYS_reboot,
        SYS_swapon,
        SYS_acct,
        SYS_shmget,
        SYS_shmat,
        SYS_msgget,
        SYS_semget,
        SYS_mq_open,
        SYS_fanotify_init,
        SYS_settimeofday,
        SYS_clock_settime,
        SYS_adjtimex,
        SYS_sethostname,
        SYS_syslog,
        SYS_migrate_pages,
        SYS_move_pages,
        SYS_ioprio_set,
        SYS_vhangup,
        SYS_pidfd_getfd,
        SYS_process_madvise,
        SYS_fsopen,
        SYS_open_tree,
        SYS_move_mount,
#ifdef SYS_modify_ldt
        SYS_modify_ldt,
        SYS_iopl,
        SYS_ioperm,
        SYS_uselib,
#endif
    };
    for (unsigned kinds = 0; kinds < ALL; kinds++) {
        build(kinds);
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            EXPECT(REFUSED, (uint64_t)calls[i]);
        EXPECT(kinds & NX__CALLS_DEBUG ? (uint32_t)ALLOWED : REFUSED, SYS_ptrace);
        /* It is the keeper's to answer. */
        bool kept = kinds & (NX__CALLS_ASK | NX__CALLS_ASK_CONNECT);
        EXPECT(kept ? (uint32_t)ASKED : REFUSED, SYS_quotactl);
        EXPECT(UNKNOWN, SYS_clone3);
        EXPECT(UNKNOWN, NX__CALLS_END);
        EXPECT(UNKNOWN, 1u << 20);
    }
}

NX_TEST("other architectures' calls are refused")
{
    build(ALL - 1u);
    for (int number = 0; number < 512; number++) {
        nx_expect_eq(run(&(struct seccomp_data){.nr = number, .arch = AUDIT_ARCH_I386}), REFUSED);
        nx_expect_eq(run(&(struct seccomp_data){.nr = number, .arch = AUDIT_ARCH_ARM}), REFUSED);
#if defined(__x86_64__)
        EXPECT(REFUSED, 0x40000000u | (unsigned)number);
#endif
    }
}

NX_TEST("a thread is started, a namespace is not")
{
    build(ALL - 1u);
    EXPECT(ALLOWED, SYS_clone,
           CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
               CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID);
    EXPECT(ALLOWED, SYS_clone, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | 17);
    static const unsigned namespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS,
                                          CLONE_NEWIPC, CLONE_NEWUSER,   CLONE_NEWPID,
                                          CLONE_NEWNET};
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
        EXPECT(REFUSED, SYS_clone, namespaces[i] | 17);
}

NX_TEST("sockets")
{
    enum { MPTCP = 262, SCTP = 132, VSOCK = 40, PACKET = 17, NETLINK = 16, ALG = 38 };
    static const uint64_t flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    nx_subtest ("none without a grant") {
        build(NX__CALLS_READ | NX__CALLS_WRITE);
        for (uint64_t family = 0; family < 64; family++)
            for (uint64_t type = 0; type < 8; type++) EXPECT(REFUSED, SYS_socket, family, type);
        EXPECT(ALLOWED, SYS_socketpair, AF_UNIX, SOCK_STREAM | flags);
        EXPECT(ALLOWED, SYS_socketpair, AF_UNIX, SOCK_SEQPACKET);
        EXPECT(REFUSED, SYS_socketpair, AF_UNIX, SOCK_DGRAM);
        EXPECT(REFUSED, SYS_socketpair, AF_UNIX, SOCK_RAW);
        EXPECT(REFUSED, SYS_socketpair, AF_INET, SOCK_STREAM);
    }
    nx_subtest ("Unix alone") {
        build(NX__CALLS_UNIX);
        EXPECT(ALLOWED, SYS_socket, AF_UNIX, SOCK_STREAM);
        EXPECT(ALLOWED, SYS_socket, AF_UNIX, SOCK_DGRAM | flags);
        EXPECT(ALLOWED, SYS_socketpair, AF_UNIX, SOCK_DGRAM);
        EXPECT(REFUSED, SYS_socket, AF_INET, SOCK_STREAM);
        EXPECT(REFUSED, SYS_socket, NETLINK, SOCK_RAW);
    }
    nx_subtest ("TCP and UDP") {
        build(NX__CALLS_TCP | NX__CALLS_UDP);
        for (uint64_t family = AF_INET; family <= AF_INET6; family += AF_INET6 - AF_INET) {
            EXPECT(ALLOWED, SYS_socket, family, SOCK_STREAM | flags, 0);
            EXPECT(ALLOWED, SYS_socket, family, SOCK_STREAM, IPPROTO_TCP);
            EXPECT(ALLOWED, SYS_socket, family, SOCK_DGRAM | flags, 0);
            EXPECT(ALLOWED, SYS_socket, family, SOCK_DGRAM, IPPROTO_UDP);
            EXPECT(REFUSED, SYS_socket, family, SOCK_STREAM | flags, MPTCP);
            EXPECT(REFUSED, SYS_socket, family, SOCK_STREAM, SCTP);
            EXPECT(REFUSED, SYS_socket, family, SOCK_SEQPACKET, SCTP);
            EXPECT(REFUSED, SYS_socket, family, SOCK_DGRAM, IPPROTO_ICMP);
            EXPECT(REFUSED, SYS_socket, family, SOCK_RAW, IPPROTO_ICMP);
            EXPECT(REFUSED, SYS_socket, family, SOCK_RAW | flags, IPPROTO_RAW);
            EXPECT(REFUSED, SYS_socket, family, SOCK_DCCP, 0);
        }
        EXPECT(REFUSED, SYS_socket, AF_UNIX, SOCK_STREAM);
        EXPECT(REFUSED, SYS_socket, VSOCK, SOCK_STREAM);
        EXPECT(REFUSED, SYS_socket, PACKET, SOCK_RAW, 0x300);
        EXPECT(REFUSED, SYS_socket, ALG, SOCK_SEQPACKET);
        EXPECT(REFUSED, SYS_socket, NETLINK, SOCK_RAW, 0);
    }
    nx_subtest ("the machine's addresses") {
        build(NX__CALLS_ROUTES);
        EXPECT(ALLOWED, SYS_socket, NETLINK, SOCK_RAW | flags, 0);
        EXPECT(REFUSED, SYS_socket, NETLINK, SOCK_RAW, 12);
        EXPECT(REFUSED, SYS_socket, AF_INET, SOCK_STREAM, 0);
        EXPECT(ALLOWED, SYS_bind, 3);
        EXPECT(REFUSED, SYS_listen, 3);
    }
    nx_subtest ("any of the network") {
        build(NX__CALLS_IP | NX__CALLS_UNIX);
        EXPECT(ALLOWED, SYS_socket, AF_INET, SOCK_STREAM, MPTCP);
        EXPECT(ALLOWED, SYS_socket, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
        EXPECT(ALLOWED, SYS_socket, AF_UNIX, SOCK_STREAM);
        EXPECT(REFUSED, SYS_socket, VSOCK, SOCK_STREAM);
        EXPECT(REFUSED, SYS_socket, PACKET, SOCK_RAW, 0x300);
    }
}

NX_TEST("sending does not connect")
{
    build(NX__CALLS_TCP | NX__CALLS_UDP);
    EXPECT(ALLOWED, SYS_sendto, 3, 0, 10, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
    EXPECT(ALLOWED, SYS_sendmsg, 3, 0, MSG_NOSIGNAL);
    EXPECT(REFUSED, SYS_sendto, 3, 0, 10, MSG_FASTOPEN | MSG_NOSIGNAL);
    EXPECT(REFUSED, SYS_sendmsg, 3, 0, MSG_FASTOPEN);
    EXPECT(REFUSED, SYS_sendmmsg, 3, 0, 1, MSG_FASTOPEN);
    build(NX__CALLS_IP);
    EXPECT(ALLOWED, SYS_sendto, 3, 0, 10, MSG_FASTOPEN);
}

NX_TEST("modes, owners, times, attributes are for who may write")
{
    static const int calls[] = {
        SYS_fchmod,       SYS_fchmodat, 452,           SYS_fchown,    SYS_fchownat,
        SYS_utimensat,    SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_removexattr,
        SYS_fremovexattr,
#ifdef SYS_chmod
        SYS_chmod,        SYS_lchown,   SYS_utime,     SYS_futimesat,
#endif
    };
    static const unsigned long attributes[] = {FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR,
                                               FS_IOC_SETVERSION};
    build((ALL - 1u) & ~(unsigned)NX__CALLS_WRITE);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) EXPECT(REFUSED, (uint64_t)calls[i]);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        EXPECT(REFUSED, SYS_ioctl, 3, attributes[i]);
    build(NX__CALLS_ASK);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) EXPECT(ASKED, (uint64_t)calls[i]);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        EXPECT(REFUSED, SYS_ioctl, 3, attributes[i]);
    build(NX__CALLS_WRITE);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) EXPECT(ALLOWED, (uint64_t)calls[i]);
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        EXPECT(ALLOWED, SYS_ioctl, 3, attributes[i]);
}

NX_TEST("parts of files are copied, and trees are not made by the way")
{
    enum { SUBVOLUME = 0x5000940e, REMOVE = 0x5000940f };
    build(NX__CALLS_ASK);
    EXPECT(ALLOWED, SYS_ioctl, 3, FICLONE);
    EXPECT(ALLOWED, SYS_ioctl, 3, FICLONERANGE);
    EXPECT(ALLOWED, SYS_ioctl, 3, FIDEDUPERANGE);
    EXPECT(REFUSED, SYS_ioctl, 3, SUBVOLUME);
    EXPECT(REFUSED, SYS_ioctl, 3, REMOVE);
    build(NX__CALLS_WRITE);
    EXPECT(ALLOWED, SYS_ioctl, 3, SUBVOLUME);
}

NX_TEST("a socket stays what it is")
{
    build(NX__CALLS_TCP);
    EXPECT(ALLOWED, SYS_setsockopt, 3, IPPROTO_TCP, TCP_NODELAY);
    EXPECT(ALLOWED, SYS_setsockopt, 3, SOL_SOCKET, TCP_ULP);
    EXPECT(REFUSED, SYS_setsockopt, 3, IPPROTO_TCP, TCP_ULP);
    build(NX__CALLS_IP);
    EXPECT(ALLOWED, SYS_setsockopt, 3, IPPROTO_TCP, TCP_ULP);
}

NX_TEST("the terminal is written to, and not typed into")
{
    build(ALL - 1u);
    EXPECT(REFUSED, SYS_ioctl, 0, TIOCSTI);
    EXPECT(REFUSED, SYS_ioctl, 0, TIOCLINUX);
    EXPECT(REFUSED, SYS_ioctl, 0, TIOCSTI | 0xabcull << 32); /* the kernel's is an int */
    EXPECT(ALLOWED, SYS_ioctl, 0, TIOCGWINSZ);
    EXPECT(ALLOWED, SYS_ioctl, 0, FIONREAD);
    EXPECT(ALLOWED, SYS_ioctl, 0, TCGETS);
}

NX_TEST("limits and priorities are its own")
{
    build(ALL - 1u);
    EXPECT(ALLOWED, SYS_prlimit64, 0);
    EXPECT(ALLOWED, SYS_prlimit64, (uint64_t)getpid());
    EXPECT(REFUSED, SYS_prlimit64, 1);
    EXPECT(ALLOWED, SYS_setpriority, 0, 0, 5);
    EXPECT(REFUSED, SYS_setpriority, 0, 1, 5);
    EXPECT(REFUSED, SYS_setpriority, 1, 0, 5);
    EXPECT(REFUSED, SYS_setpriority, 2, 0, 5);
    EXPECT(ALLOWED, SYS_personality, 0xffffffff);
    EXPECT(REFUSED, SYS_personality, 0);
    EXPECT(REFUSED, SYS_prctl, PR_SET_MM);
    EXPECT(ALLOWED, SYS_prctl, PR_SET_NAME);
    EXPECT(ALLOWED, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0);
    EXPECT(REFUSED, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

/* The errno of the call in a child that the filter holds; 0: it was made. */
static int held(unsigned calls, long (*call)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        int listener;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !nx__seccomp_hold(calls, &listener))
            _exit(255);
        _exit(call() < 0 ? errno : 0);
    }
    int status = -1;
    nx_expect_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static long call_ptrace(void)
{
    return syscall(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0);
}
static long call_udp(void)
{
    return socket(AF_INET, SOCK_DGRAM, 0);
}
static long call_clone3(void)
{
    return syscall(SYS_clone3, NULL, 0);
}
static long call_ordinary(void)
{
    char byte = 'x';
    int pipes[2];
    int fd = open("/dev/null", O_WRONLY);
    pid_t pid = fork();
    if (pid == 0) _exit(7);
    int status;
    return fd >= 0 && pipe(pipes) == 0 && write(pipes[1], &byte, 1) == 1 &&
                   read(pipes[0], &byte, 1) == 1 && waitpid(pid, &status, 0) == pid &&
                   WEXITSTATUS(status) == 7
               ? 0
               : -1;
}

NX_TEST("the kernel takes it")
{
    if (!nx__seccomp_known()) nx_skip("this kernel, or memcheck, has no filters for system calls");
    nx_expect_eq(held(0, call_ordinary), 0);
    nx_expect_eq(held(0, call_ptrace), EPERM);
    nx_expect_eq(held(0, call_clone3), ENOSYS);
    nx_expect_eq(held(0, call_udp), EPERM);
    nx_expect_eq(held(NX__CALLS_UDP, call_udp), 0);
}

/* The system calls that a program needs to compute, and to use what it has; what is in no list is
 * refused. New ones of the kernel's have to be put in a list to be there. */
#include "permission/seccomp.h"

#include <string.h>
#include <sys/syscall.h>

/* Those that are newer than the oldest system that this is built on, and those that not every
 * architecture has. */
static const uint16_t always[] = {
    /* Files, which Landlock holds, and descriptors. */
    __NR_read,
    __NR_write,
    __NR_openat,
    __NR_close,
    __NR_lseek,
    __NR_pread64,
    __NR_pwrite64,
    __NR_readv,
    __NR_writev,
    __NR_preadv,
    __NR_pwritev,
    __NR_preadv2,
    __NR_pwritev2,
    __NR_dup,
    __NR_dup3,
    __NR_pipe2,
    __NR_fcntl,
    __NR_flock,
    __NR_fsync,
    __NR_fdatasync,
    __NR_sync,
    __NR_syncfs,
    __NR_sync_file_range,
    __NR_truncate,
    __NR_ftruncate,
    __NR_fallocate,
    __NR_fadvise64,
    __NR_readahead,
    __NR_sendfile,
    __NR_splice,
    __NR_tee,
    __NR_vmsplice,
    __NR_copy_file_range,
    __NR_getdents64,
    __NR_getcwd,
    __NR_chdir,
    __NR_fchdir,
    __NR_mkdirat,
    __NR_mknodat,
    __NR_linkat,
    __NR_symlinkat,
    __NR_unlinkat,
    __NR_readlinkat,
    __NR_renameat2,
    __NR_faccessat,
    __NR_fstat,
    __NR_statfs,
    __NR_fstatfs,
    __NR_statx,
    __NR_getxattr,
    __NR_lgetxattr,
    __NR_fgetxattr,
    __NR_listxattr,
    __NR_llistxattr,
    __NR_flistxattr,
    __NR_umask,
    /* Waiting. */
    __NR_ppoll,
    __NR_pselect6,
    __NR_epoll_create1,
    __NR_epoll_ctl,
    __NR_epoll_pwait,
    __NR_eventfd2,
    __NR_signalfd4,
    __NR_timerfd_create,
    __NR_timerfd_settime,
    __NR_timerfd_gettime,
    __NR_io_setup,
    __NR_io_destroy,
    __NR_io_submit,
    __NR_io_cancel,
    __NR_io_getevents,
    /* Sockets that are there. */
    __NR_connect,
    __NR_accept,
    __NR_accept4,
    __NR_recvfrom,
    __NR_recvmsg,
    __NR_recvmmsg,
    __NR_sendto,
    __NR_sendmsg,
    __NR_sendmmsg,
    __NR_shutdown,
    __NR_getsockname,
    __NR_getpeername,
    __NR_setsockopt,
    __NR_getsockopt,
    /* Memory. */
    __NR_mmap,
    __NR_mprotect,
    __NR_munmap,
    __NR_mremap,
    __NR_msync,
    __NR_mincore,
    __NR_madvise,
    __NR_brk,
    __NR_mlock,
    __NR_mlock2,
    __NR_munlock,
    __NR_mlockall,
    __NR_munlockall,
    __NR_remap_file_pages,
    __NR_memfd_create,
    __NR_membarrier,
    __NR_mbind,
    __NR_set_mempolicy,
    __NR_get_mempolicy,
    __NR_pkey_mprotect,
    __NR_pkey_alloc,
    __NR_pkey_free,
    /* Threads, children, signals. */
    __NR_exit,
    __NR_exit_group,
    __NR_wait4,
    __NR_waitid,
    __NR_kill,
    __NR_tkill,
    __NR_tgkill,
    __NR_futex,
    __NR_set_robust_list,
    __NR_get_robust_list,
    __NR_set_tid_address,
    __NR_rseq,
    __NR_sched_yield,
    __NR_sched_setparam,
    __NR_sched_getparam,
    __NR_sched_setscheduler,
    __NR_sched_getscheduler,
    __NR_sched_get_priority_max,
    __NR_sched_get_priority_min,
    __NR_sched_rr_get_interval,
    __NR_sched_setaffinity,
    __NR_sched_getaffinity,
    __NR_sched_setattr,
    __NR_sched_getattr,
    __NR_getcpu,
    __NR_getpriority,
    __NR_ioprio_get,
    __NR_rt_sigaction,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
    __NR_rt_sigpending,
    __NR_rt_sigtimedwait,
    __NR_rt_sigqueueinfo,
    __NR_rt_tgsigqueueinfo,
    __NR_rt_sigsuspend,
    __NR_sigaltstack,
    __NR_restart_syscall,
    __NR_getpid,
    __NR_gettid,
    __NR_getppid,
    __NR_getpgid,
    __NR_setpgid,
    __NR_getsid,
    __NR_setsid,
    /* Clocks and timers. */
    __NR_clock_gettime,
    __NR_clock_getres,
    __NR_clock_nanosleep,
    __NR_nanosleep,
    __NR_gettimeofday,
    __NR_getitimer,
    __NR_setitimer,
    __NR_timer_create,
    __NR_timer_settime,
    __NR_timer_gettime,
    __NR_timer_getoverrun,
    __NR_timer_delete,
    /* Who it is, which may become less. */
    __NR_getuid,
    __NR_geteuid,
    __NR_getgid,
    __NR_getegid,
    __NR_getresuid,
    __NR_getresgid,
    __NR_getgroups,
    __NR_setuid,
    __NR_setgid,
    __NR_setreuid,
    __NR_setregid,
    __NR_setresuid,
    __NR_setresgid,
    __NR_setgroups,
    __NR_setfsuid,
    __NR_setfsgid,
    __NR_capget,
    __NR_capset,
    __NR_getrusage,
    /* The machine. */
    __NR_uname,
    __NR_sysinfo,
    __NR_times,
    __NR_getrandom,
/* The first of these are of x86_64 alone. */
#ifdef __NR_open
    __NR_open,
    __NR_creat,
    __NR_stat,
    __NR_lstat,
    __NR_access,
    __NR_pipe,
    __NR_dup2,
    __NR_getdents,
    __NR_rename,
    __NR_mkdir,
    __NR_rmdir,
    __NR_link,
    __NR_unlink,
    __NR_symlink,
    __NR_readlink,
    __NR_mknod,
    __NR_poll,
    __NR_select,
    __NR_epoll_create,
    __NR_epoll_wait,
    __NR_eventfd,
    __NR_signalfd,
    __NR_fork,
    __NR_vfork,
    __NR_pause,
    __NR_alarm,
    __NR_time,
    __NR_getpgrp,
#endif
#ifdef __NR_setrlimit
    __NR_setrlimit,
    __NR_getrlimit,
#endif
#ifdef __NR_newfstatat
    __NR_newfstatat,
#endif
#ifdef __NR_renameat
    __NR_renameat,
#endif
#ifdef __NR_arch_prctl
    __NR_arch_prctl,
#endif
#ifdef __NR_set_thread_area
    __NR_set_thread_area,
    __NR_get_thread_area,
#endif
#ifdef __NR_riscv_flush_icache
    __NR_riscv_flush_icache,
#endif
#ifdef __NR_riscv_hwprobe
    __NR_riscv_hwprobe,
#endif
/* Then by when they came. */
#ifdef __NR_io_pgetevents
    __NR_io_pgetevents,
#endif
#ifdef __NR_pidfd_open
    __NR_pidfd_open,
    __NR_pidfd_send_signal,
#endif
#ifdef __NR_io_uring_enter
    __NR_io_uring_enter,
#endif
#ifdef __NR_close_range
    __NR_close_range,
#endif
#ifdef __NR_openat2
    __NR_openat2,
#endif
#ifdef __NR_faccessat2
    __NR_faccessat2,
#endif
#ifdef __NR_epoll_pwait2
    __NR_epoll_pwait2,
#endif
#ifdef __NR_landlock_create_ruleset
    __NR_landlock_create_ruleset,
    __NR_landlock_add_rule,
    __NR_landlock_restrict_self,
#endif
#ifdef __NR_memfd_secret
    __NR_memfd_secret,
#endif
#ifdef __NR_futex_waitv
    __NR_futex_waitv,
#endif
#ifdef __NR_set_mempolicy_home_node
    __NR_set_mempolicy_home_node,
#endif
};

/* A system whose headers don't know them may run on a kernel that does: they have one number
 * everywhere. */
enum {
    CACHESTAT = 451,
    FCHMODAT2 = 452,
    MAP_SHADOW_STACK = 453,
    FUTEX_WAKE = 454,
    FUTEX_WAIT = 455,
    FUTEX_REQUEUE = 456,
    MSEAL = 462,
};
static const uint16_t always_new[] = {
    CACHESTAT,     MAP_SHADOW_STACK,
    FUTEX_WAKE,    FUTEX_WAIT,
    FUTEX_REQUEUE, MSEAL,
#ifdef __NR_open
    335,           336, /* uretprobe and uprobe: who traces it from outside puts them there */
#endif
};

static const uint16_t to_read[] = {
    __NR_inotify_init1,
    __NR_inotify_add_watch,
    __NR_inotify_rm_watch,
#ifdef __NR_inotify_init
    __NR_inotify_init,
#endif
};

static const uint16_t to_write[] = {
    __NR_fchmod,    __NR_fchmodat,    FCHMODAT2,         __NR_fchown,
    __NR_fchownat,  __NR_utimensat,   __NR_setxattr,     __NR_lsetxattr,
    __NR_fsetxattr, __NR_removexattr, __NR_lremovexattr, __NR_fremovexattr,
#ifdef __NR_chmod
    __NR_chmod,     __NR_chown,       __NR_lchown,       __NR_utime,
    __NR_utimes,    __NR_futimesat,
#endif
};

/* Of whom is asked by it: keeper_ask.h. */
static const uint16_t to_keeper[] = {__NR_quotactl};

static const uint16_t to_connect[] = {__NR_connect};

static const uint16_t to_bind[] = {__NR_bind}, to_listen[] = {__NR_listen};

static const uint16_t to_debug[] = {__NR_ptrace};

/* libc does the same in another way where these are not there. */
static const uint16_t hidden[] = {
#ifdef __NR_clone3
    __NR_clone3,
#endif
};

static void all(uint8_t *verdicts, const uint16_t *numbers, size_t count, uint8_t verdict)
{
    for (size_t i = 0; i < count; i++) verdicts[numbers[i]] = verdict;
}
#define ALL(list, verdict) all(verdicts, list, sizeof list / sizeof *list, verdict)

void nx__calls_sort(unsigned calls, uint8_t verdicts[NX__CALLS_END])
{
    memset(verdicts, NX__CALL_REFUSED, NX__CALLS_END);
    ALL(always, NX__CALL_ALLOWED);
    ALL(always_new, NX__CALL_ALLOWED);
    if (calls & NX__CALLS_READ) ALL(to_read, NX__CALL_ALLOWED);
    if (calls & NX__CALLS_WRITE) ALL(to_write, NX__CALL_ALLOWED);
    if (calls & NX__CALLS_ASK_CONNECT) ALL(to_connect, NX__CALL_ASKED);
    if (calls & (NX__CALLS_ASK | NX__CALLS_ASK_CONNECT)) ALL(to_keeper, NX__CALL_ASKED);
    if (calls & NX__CALLS_ASK) ALL(to_write, NX__CALL_ASKED);
    if (calls & (NX__CALLS_BIND | NX__CALLS_ROUTES)) ALL(to_bind, NX__CALL_ALLOWED);
    if (calls & NX__CALLS_BIND) ALL(to_listen, NX__CALL_ALLOWED);
    if (calls & NX__CALLS_DEBUG) ALL(to_debug, NX__CALL_ALLOWED);
    ALL(hidden, NX__CALL_UNKNOWN);
}

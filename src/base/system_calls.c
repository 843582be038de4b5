/* Names of the system calls that programs spend their time in. */
#include "base/symbolize.h"

#include <stddef.h>
#include <sys/syscall.h>

const char *nx__system_call_name(long number)
{
    static const struct {
        long number;
        const char *name;
    } calls[] = {
#define CALL(name) {SYS_##name, #name}
        CALL(read),
        CALL(write),
        CALL(readv),
        CALL(writev),
        CALL(pread64),
        CALL(pwrite64),
        CALL(openat),
        CALL(close),
        CALL(lseek),
        CALL(fstat),
        CALL(statx),
        CALL(newfstatat),
        CALL(getdents64),
        CALL(fsync),
        CALL(fdatasync),
        CALL(ftruncate),
        CALL(fallocate),
        CALL(unlinkat),
        CALL(mkdirat),
        CALL(sendfile),
        CALL(splice),
        CALL(copy_file_range),
        CALL(flock),
        CALL(ioctl),
        CALL(fcntl),
        CALL(ppoll),
        CALL(pselect6),
        CALL(epoll_pwait),
        CALL(epoll_pwait2),
        CALL(epoll_ctl),
        CALL(io_uring_enter),
        CALL(socket),
        CALL(bind),
        CALL(listen),
        CALL(accept),
        CALL(accept4),
        CALL(connect),
        CALL(sendto),
        CALL(recvfrom),
        CALL(sendmsg),
        CALL(recvmsg),
        CALL(sendmmsg),
        CALL(recvmmsg),
        CALL(shutdown),
        CALL(setsockopt),
        CALL(getsockopt),
        CALL(nanosleep),
        CALL(clock_nanosleep),
        CALL(clock_gettime),
        CALL(futex),
        CALL(sched_yield),
        CALL(wait4),
        CALL(waitid),
        CALL(clone),
        CALL(execve),
        CALL(exit_group),
        CALL(kill),
        CALL(tgkill),
        CALL(mmap),
        CALL(munmap),
        CALL(mremap),
        CALL(mprotect),
        CALL(madvise),
        CALL(brk),
        CALL(msync),
        CALL(getrandom),
        CALL(getpid),
        CALL(gettid),
        CALL(restart_syscall),
#undef CALL
#if defined(SYS_poll)
        {SYS_poll, "poll"},
        {SYS_select, "select"},
        {SYS_epoll_wait, "epoll_wait"},
        {SYS_open, "open"},
        {SYS_stat, "stat"},
        {SYS_pause, "pause"},
        {SYS_fork, "fork"},
        {SYS_unlink, "unlink"},
#endif
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (calls[i].number == number) return calls[i].name;
    return NULL;
}

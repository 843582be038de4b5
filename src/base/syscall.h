/* System calls of the hot path, made in place. libc's own are cancellation points: once a second
 * thread runs, each costs two locked instructions, and no thread of ours is ever cancelled. */
#ifndef NX__SYSCALL_H
#define NX__SYSCALL_H

#include "base/compiler.h"
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* The sanitizers see what goes through libc, and tests can have it fail. */
#if defined(NX__ASAN) || defined(NX__TSAN) || !defined(NDEBUG)
#include <unistd.h>
static inline long nx__syscall(long number, long a, long b, long c, long d, long e, long f)
{
    long result = syscall(number, a, b, c, d, e, f);
    return result < 0 ? -(long)errno : result;
}
#elif defined(__x86_64__)
static NX__INLINE long nx__syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
}
#elif defined(__aarch64__)
static NX__INLINE long nx__syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}
#elif defined(__riscv)
static NX__INLINE long nx__syscall(long number, long a, long b, long c, long d, long e, long f)
{
    register long a7 __asm__("a7") = number;
    register long a0 __asm__("a0") = a;
    register long a1 __asm__("a1") = b;
    register long a2 __asm__("a2") = c;
    register long a3 __asm__("a3") = d;
    register long a4 __asm__("a4") = e;
    register long a5 __asm__("a5") = f;
    __asm__ volatile("ecall"
                     : "+r"(a0)
                     : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5)
                     : "memory");
    return a0;
}
#endif

/* As recv and send without flags, but MSG_NOSIGNAL for the latter; return the count or -errno. */
static NX__INLINE long nx__recv(int fd, void *data, size_t len)
{
    return nx__syscall(SYS_recvfrom, fd, (long)(uintptr_t)data, (long)len, 0, 0, 0);
}

static NX__INLINE long nx__send(int fd, const void *data, size_t len)
{
    enum { NO_SIGNAL = 0x4000 };
    return nx__syscall(SYS_sendto, fd, (long)(uintptr_t)data, (long)len, NO_SIGNAL, 0, 0);
}

#endif

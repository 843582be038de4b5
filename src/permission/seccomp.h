/* A seccomp filter: the system calls that a process, and all that it starts, may make from now on.
 */
#ifndef NX__SECCOMP_H
#define NX__SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sock_filter;

/* What a filter lets through beside the calls that every program may make. */
enum nx__calls {
    NX__CALLS_READ = 1 << 0,         /* what watches files, which Landlock doesn't know */
    NX__CALLS_WRITE = 1 << 1,        /* what changes modes, owners, times, extended attributes */
    NX__CALLS_ASK = 1 << 9,          /* the same, when another process has made the call for it */
    NX__CALLS_ASK_CONNECT = 1 << 10, /* connecting, the same way; else it is any program's */
    NX__CALLS_UNIX = 1 << 2,         /* Unix sockets beyond pairs */
    NX__CALLS_TCP = 1 << 3,          /* TCP sockets */
    NX__CALLS_UDP = 1 << 4,          /* UDP sockets */
    NX__CALLS_IP = 1 << 5,           /* those of any protocol, and connecting by sending */
    NX__CALLS_BIND = 1 << 6,         /* listening, and choosing an address */
    NX__CALLS_ROUTES = 1 << 7, /* asking for the machine's addresses, by a socket that is bound */
    NX__CALLS_DEBUG = 1 << 8,  /* ptrace, which the sanitizers look for leaks by */
};

/* More than any filter has. */
enum { NX__SECCOMP_MOST = 768 };

/* Writes the program for `calls`, of enum nx__calls, for this architecture, and returns its length;
 * 0 on one that it doesn't know, and where `most` is too few. Pure. */
size_t nx__seccomp_build(unsigned calls, struct sock_filter *out, size_t most);

/* What becomes of a call by its number alone. */
enum nx__call_verdict {
    NX__CALL_UNKNOWN, /* not there, as far as the program can tell: ENOSYS */
    NX__CALL_REFUSED, /* EPERM */
    NX__CALL_ALLOWED,
    NX__CALL_ASKED /* of whom reads the listener */
};

/* Numbers from here on are of kernels to come. */
enum { NX__CALLS_END = 463 };

/* Fills in a verdict for each number. */
void nx__calls_sort(unsigned calls, uint8_t verdicts[NX__CALLS_END]);

/* Whether the kernel, and this build, has it. */
bool nx__seccomp_known(void);

/* From now on, for the calling thread and all that it starts; needs PR_SET_NO_NEW_PRIVS. False when
 * the kernel refuses, with errno. With NX__CALLS_ASK and NX__CALLS_ASK_CONNECT `*listener` is where
 * the calls are told (seccomp_unotify(2)), the caller's; else -1. System calls alone. */
bool nx__seccomp_hold(unsigned calls, int *listener);

#endif

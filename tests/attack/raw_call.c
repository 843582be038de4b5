/* Makes a socket by an instruction of its own.
 * stands for: calls past libc
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_socket), "D"(AF_INET), "S"(SOCK_RAW), "d"(IPPROTO_ICMP)
                     : "rcx", "r11", "memory");
    errno = result < 0 ? (int)-result : 0;
    return result;
#else
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
#endif
}

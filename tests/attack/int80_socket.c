/* Makes a socket by the calls of 32-bit programs.
 * stands for: int 0x80 past a filter
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
#if defined(__x86_64__)
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(359 /* socket */), "b"(AF_INET), "c"(SOCK_RAW), "d"(IPPROTO_ICMP)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = result < 0 ? (int)-result : 0;
    return result;
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* Changes a mode by the calls of 32-bit programs.
 * stands for: int 0x80 past a filter
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
#if defined(__x86_64__)
    long result;
    char *path =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    strcpy(path, closed("spoilt"));
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(15 /* chmod */), "b"(path), "c"(0644)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : 0;
#else
    errno = ENOSYS;
    return -1;
#endif
}

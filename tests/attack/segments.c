/* Changes the processor's tables of segments.
 * stands for: CVE-2015-3290, modify_ldt
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
#if defined(__x86_64__)
    struct {
        unsigned entry, base, limit, flags;
    } segment = {.limit = 0xfffff, .flags = 0x51};
    return syscall(SYS_modify_ldt, 1, &segment, sizeof segment);
#else
    errno = ENOSYS;
    return -1;
#endif
}

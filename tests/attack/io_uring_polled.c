/* By io_uring with a thread of the kernel's that makes the calls.
 * stands for: CVE-2022-29582, IORING_SETUP_SQPOLL
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    uint32_t params[30] = {[2] = 1 << 1}; /* its flags */
    return syscall(SYS_io_uring_setup, 1, params);
}

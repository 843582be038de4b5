/* By the newer system call.
 * stands for: a call that forgot the check (CVE-2024-22018)
 * grant: read
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {.flags = O_RDONLY};
    return read_it((int)syscall(SYS_openat2, AT_FDCWD, closed("secret"), &how, sizeof how));
}

/* Loads a map for programs of its own into the kernel.
 * stands for: CVE-2021-3490, CVE-2022-23222
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    struct {
        uint32_t type, key, value, most, flags;
    } map = {.type = 2 /* array */, .key = 4, .value = 4, .most = 1};
    return syscall(SYS_bpf, 0, &map, sizeof map);
}

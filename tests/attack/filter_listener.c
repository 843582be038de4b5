/* Puts a filter of its own before that of its launcher.
 * stands for: seccomp user notification
 * grant: all
 * held: yes */
#include "attack.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

static long attack(void)
{
    struct sock_filter allow = {.code = BPF_RET | BPF_K, .k = SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                   &program);
}

/* Rights over the machine. */
#include "permission/capabilities.h"

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static const uint8_t kept[] = {
    CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,       CAP_FSETID,
    CAP_KILL,    CAP_SETGID,       CAP_SETUID,          CAP_SETPCAP,      CAP_NET_BIND_SERVICE,
    CAP_NET_RAW, CAP_IPC_LOCK,     CAP_SYS_NICE,        CAP_SYS_RESOURCE, CAP_SETFCAP,
};

bool nx__capabilities_drop(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    uint32_t keep[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    if (!data[0].permitted && !data[1].permitted) return true;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        keep[CAP_TO_INDEX(kept[i])] |= CAP_TO_MASK(kept[i]);
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].permitted &= keep[i];
        data[i].effective &= keep[i];
        data[i].inheritable &= keep[i];
    }
    return syscall(SYS_capset, &header, data) == 0;
}

/* Takes a new keyring.
 * stands for: CVE-2016-0728
 * grant: all
 * held: yes */
#include "attack.h"

static long attack(void)
{
    return syscall(SYS_keyctl, 1 /* join */, NULL);
}

/* Has the loader start it, which may be read.
 * stands for: ld.so as a program
 * grant: run
 * held: yes */
#include "attack.h"

static long attack(void)
{
    const char *loader = access("/lib64/ld-linux-x86-64.so.2", F_OK) == 0
                             ? "/lib64/ld-linux-x86-64.so.2"
                             : "/lib/ld-linux-aarch64.so.1";
    execl(loader, "ld.so", "/bin/echo", "in", NULL);
    return -1;
}

/* Before main begins.
 * stands for: code that runs while a library is loaded
 * grant: read
 * held: yes */
#include "attack.h"

static long result = -1;
static int error = ENOSYS;

__attribute__((constructor)) static void early(void)
{
    closed_folder = getenv("NEXUS_CLOSED");
    result = read_it(open(closed("secret"), O_RDONLY));
    error = errno;
}

static long attack(void)
{
    errno = error;
    return result;
}

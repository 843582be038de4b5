/* Ports, both ends of which are here: what arrives, and what a peer that writes anything can do. */
#include "../loop/loop_test.h"
#include "worker/apart.h"
#include "worker/port.h"

#include <errno.h>
#include <fcntl.h>
#include <nexus/worker.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1 << 20 };

static void pair_open(int fds[2])
{
    nx_require_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void open_both(nx_port **one, nx_port **other)
{
    int fds[2];
    pair_open(fds);
    nx_require_ok(nx__port_new(one, fds[0], MOST, "the other"));
    nx_require_ok(nx__port_new(other, fds[1], MOST, "the one"));
}

/* A port, and the bare socket of its peer. */
static nx_port *open_one(int *peer)
{
    int fds[2];
    nx_port *port;
    pair_open(fds);
    nx_require_ok(nx__port_new(&port, fds[0], MOST, "the peer"));
    *peer = fds[1];
    return port;
}

static void put(int fd, const void *data, size_t len)
{
    nx_require_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void put_head(int fd, uint32_t kind, uint64_t len)
{
    const struct nx__frame head = {NX__PORT_MAGIC, kind, len};
    put(fd, &head, sizeof head);
}

/* Bytes with a descriptor, or several. */
static void put_with(int fd, const void *data, size_t len, const int *sent, size_t count)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(4 * sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(count * sizeof(int))}};
    memcpy(CMSG_DATA(&control.header), sent, count * sizeof *sent);
    struct iovec part = {(void *)(uintptr_t)data, len};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    nx_require_eq(sendmsg(fd, &message, MSG_NOSIGNAL), (ssize_t)len);
}

static int descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* ---- What arrives */

NX_TEST("messages come in their order, with a NUL, empty ones too")
{
    nx_port *one, *other;
    nx_bytes got;
    open_both(&one, &other);
    nx_require_ok(nx_port_send(one, nx_str("first")));
    nx_require_ok(nx_port_send(one, nx_str("")));
    nx_require_ok(nx_port_send(one, nx_slice("a\0b", 3)));
    nx_require_ok(nx_port_recv(other, &got));
    nx_expect_eq(got, "first");
    nx_expect_eq(strlen(got.data), 5);
    nx_require_ok(nx_port_recv(other, &got));
    nx_expect_eq(got.len, 0);
    nx_expect_eq(got.data[0], '\0');
    nx_require_ok(nx_port_recv(other, &got));
    nx_expect_eq(got, nx_slice("a\0b", 3));
    nx_require_ok(nx_port_send(other, nx_str("back")));
    nx_require_ok(nx_port_recv(one, &got));
    nx_expect_eq(got, "back");
}

static nx_err sends_large(void *arg)
{
    char *large = nx_alloc(MOST);
    if (!large) return NX_ENOMEM;
    for (int i = 0; i < 4; i++) {
        memset(large, 'a' + i, MOST);
        NX_TRY(nx_port_send(arg, nx_slice(large, MOST)));
    }
    return nx_port_finish(arg);
}

NX_TEST("messages larger than the system's buffer, and the end", .deadline = NX_S(60))
{
    nx_port *one, *other;
    nx_bytes got;
    open_both(&one, &other);
    nx_require_ok(nx_spawn(NULL, sends_large, one));
    for (int i = 0; i < 4; i++) {
        nx_require_ok(nx_port_recv(other, &got));
        nx_require_eq(got.len, MOST);
        for (size_t k = 0; k < got.len; k += 4095) nx_require_eq(got.data[k], 'a' + i);
    }
    nx_expect_err(NX_ECLOSED, nx_port_recv(other, &got));
    nx_expect_contains(nx_error_last()->message, "the one sends no more");
    nx_expect_eq(got.len, 0);
    /* The other way is open still. */
    nx_require_ok(nx_port_send(other, nx_str("thanks")));
    nx_require_ok(nx_port_recv(one, &got));
    nx_expect_eq(got, "thanks");
    nx_expect_ok(nx_port_finish(one));
    nx_expect_err(NX_ESTATE, nx_port_send(one, nx_str("more")));
}

static nx_err sends_two(void *arg)
{
    char *large = nx_alloc(MOST);
    if (!large) return NX_ENOMEM;
    memset(large, 'x', MOST);
    NX_TRY(nx_port_send(arg, nx_slice(large, MOST)));
    return nx_port_send(arg, nx_slice(large, MOST));
}

NX_TEST("messages of several fibers stay whole", .deadline = NX_S(60))
{
    nx_port *one, *other;
    nx_bytes got;
    open_both(&one, &other);
    for (int i = 0; i < 3; i++) nx_require_ok(nx_spawn(NULL, sends_two, one));
    for (int i = 0; i < 6; i++) {
        nx_require_ok(nx_port_recv(other, &got));
        nx_require_eq(got.len, MOST);
    }
}

NX_TEST("one that is too large is not sent")
{
    nx_port *one, *other;
    nx_bytes got;
    open_both(&one, &other);
    nx_expect_err(NX_ETOOBIG, nx_port_send(one, nx_slice("", MOST + 1)));
    nx_expect_contains(nx_error_last()->message, ".most");
    nx_require_ok(nx_port_send(one, nx_str("small")));
    nx_require_ok(nx_port_recv(other, &got));
    nx_expect_eq(got, "small");
}

/* ---- Ends */

NX_TEST("what was sent before the end is received")
{
    nx_port *one, *other;
    nx_bytes got;
    open_both(&one, &other);
    nx_require_ok(nx_port_send(one, nx_str("last")));
    nx_require_ok(nx_port_send(other, nx_str("nobody reads this")));
    nx_port_close(one);
    nx_port_close(one);
    nx_port_close(NULL);
    nx_require_ok(nx_port_recv(other, &got));
    nx_expect_eq(got, "last");
    nx_expect_err(NX_ECLOSED, nx_port_recv(other, &got));
    nx_expect_err(NX_ECLOSED, nx_port_send(other, nx_str("more")));
    nx_expect_contains(nx_error_last()->message, "receives no more");
    nx_expect_err(NX_ECLOSED, nx_port_recv(one, &got));
    nx_expect_err(NX_ECLOSED, nx_port_send(one, nx_str("")));
    nx_expect_err(NX_ECLOSED, nx_port_finish(one));
}

static nx_err receives(void *arg)
{
    nx_bytes got;
    return nx_port_recv(arg, &got);
}

NX_TEST("closing wakes who waits")
{
    nx_port *one, *other;
    nx_fiber *receiver, *sender;
    open_both(&one, &other);
    nx_require_ok(nx_spawn(&receiver, receives, one));
    nx_require_ok(nx_spawn(&sender, sends_two, one));
    nx_require_ok(nx_yield());
    nx_require_ok(nx_yield());
    nx_port_close(one);
    nx_expect_err(NX_ECLOSED, nx_join(receiver));
    nx_expect_err(NX_ECLOSED, nx_join(sender));
}

NX_TEST("a receiver that is cancelled loses nothing")
{
    int peer;
    nx_port *port = open_one(&peer);
    nx_fiber *receiver;
    nx_bytes got;
    const struct nx__frame head = {NX__PORT_MAGIC, NX__FRAME_BYTES, 5};
    put(peer, &head, 7);
    nx_require_ok(nx_spawn(&receiver, receives, port));
    nx_require_ok(nx_sleep(NX_MS(5)));
    nx_cancel(receiver);
    nx_expect_err(NX_ECANCELED, nx_join(receiver));
    put(peer, (const char *)&head + 7, sizeof head - 7);
    put(peer, "he", 2);
    nx_require_ok(nx_spawn(&receiver, receives, port));
    nx_require_ok(nx_sleep(NX_MS(5)));
    nx_cancel(receiver);
    nx_expect_err(NX_ECANCELED, nx_join(receiver));
    put(peer, "llo", 3);
    nx_require_ok(nx_port_recv(port, &got));
    nx_expect_eq(got, "hello");
    (void)close(peer);
}

NX_TEST("a sender that is cancelled in the middle ends what is sent")
{
    nx_port *one, *other;
    nx_fiber *sender, *waits;
    nx_bytes got;
    open_both(&one, &other);
    nx_require_ok(nx_spawn(&sender, sends_two, one));
    nx_require_ok(nx_spawn(&waits, sends_two, one));
    nx_require_ok(nx_sleep(NX_MS(5)));
    nx_cancel(waits); /* it waits for its turn, and has sent nothing */
    nx_expect_err(NX_ECANCELED, nx_join(waits));
    nx_cancel(sender);
    nx_expect_err(NX_ECANCELED, nx_join(sender));
    nx_expect_err(NX_ECLOSED, nx_port_send(one, nx_str("more")));
    nx_expect_contains(nx_error_last()->message, "was cut off");
    nx_expect_ok(nx_port_finish(one));
    nx_expect_err(NX_ECLOSED, nx_port_recv(other, &got));
    nx_expect_contains(nx_error_last()->message, "in the middle of a message");
}

NX_TEST("one fiber receives at a time")
{
    nx_port *one, *other;
    nx_fiber *receiver;
    nx_bytes got;
    open_both(&one, &other);
    nx_require_ok(nx_spawn(&receiver, receives, one));
    nx_require_ok(nx_yield());
    nx_expect_err(NX_ESTATE, nx_port_recv(one, &got));
    nx_require_ok(nx_port_send(other, nx_str("")));
    nx_expect_ok(nx_join(receiver));
}

static nx_err uses(void *arg)
{
    nx_bytes got;
    nx_expect_err(NX_ESTATE, nx_port_send(arg, nx_str("")));
    nx_expect_err(NX_ESTATE, nx_port_recv(arg, &got));
    return NX_OK;
}

NX_TEST("a port belongs to its thread")
{
    int peer;
    nx_port *port = open_one(&peer);
    nx_fiber *worker;
    nx_require_ok(nx_worker_start(&worker, uses, port));
    nx_expect_ok(nx_join(worker));
    (void)close(peer);
}

/* ---- Peers that write anything */

NX_TEST("what is no message is told, and nothing is made of it")
{
    const struct {
        uint32_t magic, kind;
        uint64_t len;
    } rows[] = {
        {0, NX__FRAME_BYTES, 1},
        {NX__PORT_MAGIC, 0, 1},
        {NX__PORT_MAGIC, 3, 1},
        {NX__PORT_MAGIC, NX__FRAME_BYTES, MOST + 1},
        {NX__PORT_MAGIC, NX__FRAME_BYTES, UINT64_MAX},
        {0x47474747, 0x47474747, 0x4747474747474747},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int peer;
        nx_port *port = open_one(&peer);
        nx_bytes got;
        put(peer, &rows[i], sizeof(struct nx__frame));
        nx_expect_err(NX_EPROTO, nx_port_recv(port, &got));
        nx_expect_contains(nx_error_last()->message, "the peer has sent what is no message");
        put_head(peer, NX__FRAME_BYTES, 0);
        nx_expect_err(NX_EPROTO, nx_port_recv(port, &got));
        nx_port_close(port);
        (void)close(peer);
    }
}

NX_TEST("an end in the middle of anything")
{
    const struct nx__frame head = {NX__PORT_MAGIC, NX__FRAME_BYTES, 100};
    for (size_t len = 1; len < sizeof head + 3; len++) {
        int peer;
        nx_port *port = open_one(&peer);
        nx_bytes got;
        put(peer, &head, len < sizeof head ? len : sizeof head);
        if (len > sizeof head) put(peer, "xyz", len - sizeof head);
        (void)close(peer);
        nx_expect_err(NX_ECLOSED, nx_port_recv(port, &got));
        nx_expect_contains(nx_error_last()->message, "in the middle of a message");
        nx_port_close(port);
    }
}

NX_TEST("descriptors that nobody has asked for are closed")
{
    int peer;
    nx_port *port = open_one(&peer);
    nx_bytes got;
    const struct nx__frame head = {NX__PORT_MAGIC, NX__FRAME_BYTES, 1};
    int before = descriptors();
    const int several[] = {peer, peer, peer};
    put_with(peer, &head, 4, several, 1);
    put_with(peer, (const char *)&head + 4, sizeof head - 4, several, 3);
    nx_expect_err(NX_EPROTO, nx_port_recv(port, &got));
    nx_port_close(port);
    (void)close(peer);
    nx_expect_eq(descriptors(), before - 2);
}

/* ---- Shared regions */

NX_TEST("a region is the same memory on both sides")
{
    nx_port *one, *other;
    nx_shared *mine, *theirs;
    nx_bytes got;
    open_both(&one, &other);
    nx_require_ok(nx_shared_new(&mine, 10000, "picture"));
    memcpy(nx_shared_data(mine), "before", 7);
    nx_require_ok(nx_port_send(one, nx_str("here it comes")));
    nx_require_ok(nx_port_send_shared(one, mine));
    nx_expect_err(NX_ETYPE, nx_port_recv_shared(other, &theirs));
    nx_expect_eq(theirs, NULL);
    nx_require_ok(nx_port_recv(other, &got));
    nx_expect_eq(got, "here it comes");
    nx_expect_err(NX_ETYPE, nx_port_recv(other, &got));
    nx_require_ok(nx_port_recv_shared(other, &theirs));
    nx_expect_eq(nx_shared_size(theirs), 10000);
    nx_expect_eq((const char *)nx_shared_data(theirs), "before");
    memcpy(nx_shared_data(theirs), "after", 6);
    nx_expect_eq((const char *)nx_shared_data(mine), "after");
    /* Nobody can take it away. */
    nx_expect_eq(ftruncate(nx_shared_fd(mine), 0), -1);
    nx_expect_eq(errno, EPERM);
    nx_shared_free(mine);
    nx_expect_eq((const char *)nx_shared_data(theirs), "after");
    nx_shared_free(theirs);
}

NX_TEST("what could be taken away, or is no region, is refused")
{
    int before = descriptors();
    for (int i = 0; i < 5; i++) {
        int peer;
        nx_port *port = open_one(&peer);
        nx_shared *shared;
        int fd = i == 0 ? open("/dev/null", O_RDWR | O_CLOEXEC)
                        : memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        nx_require_ge(fd, 0);
        uint64_t size = i == 2 ? 0 : 4096;
        if (i != 0) nx_require_eq(ftruncate(fd, i == 2 ? 0 : 4096), 0);
        if (i > 1) nx_require_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0); /* 1: it may shrink */
        if (i == 3) size = UINT64_MAX;                                      /* more than there is */
        if (i == 4) nx_require_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
        const struct nx__frame head = {NX__PORT_MAGIC, NX__FRAME_SHARED, size};
        put_with(peer, &head, sizeof head, &fd, 1);
        (void)close(fd);
        nx_err err = nx_port_recv_shared(port, &shared);
        nx_expect(err == NX_EPROTO || (i == 4 && err == NX_EPERM) || (i == 4 && err == NX_EACCES));
        nx_expect_eq(shared, NULL);
        /* What comes after it is received. */
        nx_bytes got;
        put_head(peer, NX__FRAME_BYTES, 1);
        put(peer, "x", 1);
        nx_expect_ok(nx_port_recv(port, &got));
        nx_port_close(port);
        (void)close(peer);
    }
    nx_expect_eq(descriptors(), before);
}

NX_TEST("a region without its descriptor")
{
    int peer;
    nx_port *port = open_one(&peer);
    nx_shared *shared;
    put_head(peer, NX__FRAME_SHARED, 4096);
    nx_expect_err(NX_EMFILE, nx_port_recv_shared(port, &shared));
    (void)close(peer);
}

/* ---- Starting, where it can't be */

static nx_err nothing(nx_port *port)
{
    (void)port;
    return NX_OK;
}

NX_TEST("what can't be started says why")
{
    nx_fiber *worker = nx_fiber_current();
    nx_port *port;
    nx_expect_err(NX_EINVAL, nx_process_worker_start(&worker, &port, NULL));
    nx_expect_eq(worker, NULL);
    nx_expect_eq(port, NULL);
    nx_expect_err(NX_EINVAL, nx_process_worker_start(&worker, &port, nothing, .grace = -1));
    nx_expect_err(NX_EINVAL, nx_process_worker_start(&worker, &port, nothing, .most = SIZE_MAX));
    nx_expect_err(NX_ENOTSUP, nx_process_worker_start(&worker, &port, nothing, .name = "x"));
    nx_expect_contains(nx_error_last()->message, "cannot start worker \"x\"");
}

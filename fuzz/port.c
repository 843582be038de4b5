/* Ports: the input is what a process worker has written before it ended, in pieces of some length.
 * What comes out of it is its messages, as a plain reading of the same bytes has them. */
#include "worker/port.h"
#include "loop/loop.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 300, INPUT_MOST = 4096 };

static void check(bool good)
{
    if (!good) abort();
}

struct peer {
    int fd;
    const uint8_t *data;
    size_t size, piece;
    bool unread; /* nobody reads any more: what has no room is not waited for */
};

static nx_err writes(void *arg)
{
    struct peer *peer = arg;
    for (size_t at = 0; at < peer->size; at += peer->piece) {
        size_t len = peer->size - at < peer->piece ? peer->size - at : peer->piece;
        ssize_t n;
        while ((n = send(peer->fd, peer->data + at, len, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
            check(errno == EAGAIN);
            if (peer->unread) return close(peer->fd) == 0 ? NX_OK : NX_EIO;
            NX_TRY(nx_yield());
        }
        check(n == (ssize_t)len);
        NX_TRY(nx_yield());
    }
    return close(peer->fd) == 0 ? NX_OK : NX_EIO;
}

/* Receives all there is, beside the plain reading. */
static void receive(nx_port *port, const uint8_t *data, size_t size)
{
    for (size_t at = 0;;) {
        struct nx__frame head = {0};
        nx_bytes got;
        nx_shared *shared;
        bool whole = size - at >= sizeof head;
        if (whole) memcpy(&head, data + at, sizeof head);
        nx_err err = nx_port_recv(port, &got);
        if (!whole) {
            check(err == NX_ECLOSED);
            return;
        }
        bool bytes = head.kind == NX__FRAME_BYTES && head.len <= MOST;
        if (head.magic != NX__PORT_MAGIC || (!bytes && head.kind != NX__FRAME_SHARED)) {
            check(err == NX_EPROTO && nx_port_recv(port, &got) == NX_EPROTO);
            return;
        }
        at += sizeof head;
        if (!bytes) { /* of which no descriptor has come */
            check(err == NX_ETYPE && nx_port_recv_shared(port, &shared) == NX_EMFILE && !shared);
        } else if (size - at < head.len) {
            check(err == NX_ECLOSED);
            return;
        } else {
            check(!err && got.len == head.len && memcmp(got.data, data + at, got.len) == 0 &&
                  got.data[got.len] == '\0');
            at += got.len;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nx_loop loop;
    static bool begun;
    nx__limits.watchdog = NX_FOREVER; /* who fuzzes blocks it */
    if (!begun) check(nx__loop_init(&loop, NULL) == NX_OK);
    begun = true;
    if (size < 1 || size > INPUT_MOST) return 0;
    int fds[2];
    nx_scope *scope;
    nx_port *port;
    nx_fiber *fiber;
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    struct peer peer = {fds[1], data + 1, size - 1, data[0] + 1u, false};
    check(!nx_scope_open(&scope));
    check(!nx__port_new(&port, fds[0], MOST, "the fuzzer"));
    check(!nx_spawn(&fiber, writes, &peer));
    receive(port, peer.data, peer.size);
    peer.unread = true;
    check(!nx_join(fiber));
    check(!nx_scope_close(&scope));
    return 0;
}

/* Descriptors that go over a connection with its bytes. */
#include "base/descriptors.h"

#include "net/conn.h"
#include <errno.h>
#include <sys/socket.h>

static const char *usable(const nx_conn *conn, size_t bytes, size_t count, size_t least)
{
    return nx_net_peer(conn).kind != NX_ADDRESS_UNIX ? "descriptors go over Unix sockets only"
           : !bytes                                  ? "descriptors go with one byte at least"
           : count < least || count > NX_NET_FDS_MOST
               ? "there are no descriptors, or more than NX_NET_FDS_MOST"
               : NULL;
}

nx_err nx_net_send_fds(nx_conn *conn, nx_bytes bytes, const int *fds, size_t count)
{
    static const char doing[] = "send descriptors to";
    const char *why = usable(conn, bytes.len, count, 1);
    if (why) return nx__conn_failed(conn, doing, NX_EINVAL, why);
    NX_TRY(nx__conn_turn(conn, doing, bytes.len));
    while (bytes.len) {
        const struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.len};
        long n = nx_net_fd(conn) < 0
                     ? -EAGAIN /* waiting says why */
                     : nx__descriptors_send(nx_net_fd(conn), &part, 1, fds, count, MSG_DONTWAIT);
        if (n >= 0) {
            bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
            count = 0; /* they have gone with the first byte */
        } else if (n == -EAGAIN) {
            NX_TRY(nx__conn_wait(conn, NX__WRITABLE, NX_FOREVER, doing));
        } else if (n != -EINTR) {
            return nx__conn_failed_system(conn, doing, (int)-n);
        }
    }
    return NX_OK;
}

nx_err nx_net_receive_fds(nx_conn *conn, void *data, size_t len, size_t *got, int *fds,
                          size_t *count)
{
    static const char doing[] = "receive descriptors from";
    const struct iovec part = {data, len};
    size_t room = *count;
    *got = *count = 0;
    const char *why = usable(conn, len, room, 0);
    if (why) return nx__conn_failed(conn, doing, NX_EINVAL, why);
    NX_TRY(nx__conn_turn(conn, doing, 0));
    for (;;) {
        bool cut = false;
        *count = room;
        long n = nx_net_fd(conn) < 0 ? -EAGAIN
                                     : nx__descriptors_receive(nx_net_fd(conn), &part, 1, fds,
                                                               count, &cut, MSG_DONTWAIT);
        if (n >= 0) *got = (size_t)n;
        if (cut) {
            nx__descriptors_close(fds, *count);
            *count = 0;
            return nx__conn_failed(conn, doing, NX_ETOOBIG,
                                   "more came than there is room for, or than the process may "
                                   "have open");
        }
        if (n >= 0) return NX_OK;
        *count = 0;
        if (n == -EAGAIN)
            NX_TRY(nx__conn_wait(conn, NX__READABLE, NX_FOREVER, doing));
        else if (n != -EINTR)
            return nx__conn_failed_system(conn, doing, (int)-n);
    }
}

/* HTTP/1.1 answers that come from a file, in turns with other connections: by the kernel alone, but
 * through TLS. */
#include "base/sigpipe.h"
#include "http/files/files.h"
#include "http/h1/conn.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    TURN = 256 * 1024,    /* bytes of a file sent before the others are served */
    COPY_MOST = 64 * 1024 /* where the file system can't be sent from, and through TLS */
};

/* One sendfile, or one read into `copy`, in place or on the pool. */
struct turn {
    int to, from;
    off_t at;
    size_t len;
    char *copy;
};

static int64_t turn_run(void *arg)
{
    struct turn *t = arg;
    ssize_t n;
    do
        n = t->copy ? pread(t->from, t->copy, t->len, t->at)
                    : sendfile(t->to, t->from, &t->at, t->len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* False where sending would wait for the disk: the first or last byte of the turn is not in memory.
 * The kernel reads ahead between them. */
static bool in_memory(const struct turn *t)
{
    char byte;
    struct iovec iov = {&byte, 1};
    off_t ends[2] = {t->at, t->at + (off_t)t->len - 1};
    for (int i = 0; i < 2; i++) {
        ssize_t n = preadv2(t->from, &iov, 1, ends[i], RWF_NOWAIT);
        if (n < 0 && errno == EAGAIN) return false;
        if (n < 0) return true; /* it can't be told: as before this was asked */
    }
    return true;
}

/* Does the turn; -EBUSY where it would wait for the disk. */
static int64_t turn_now(struct turn *t)
{
    if (!t->copy) return in_memory(t) ? turn_run(t) : -EBUSY;
    struct iovec iov = {t->copy, t->len};
    ssize_t n = preadv2(t->from, &iov, 1, t->at, RWF_NOWAIT);
    if (n >= 0) return n;
    return errno == EAGAIN ? -EBUSY : turn_run(t); /* it can't be told: as before this was asked */
}

static nx_err send_range(struct nx__h1_conn *conn, int fd, uint64_t offset, uint64_t len,
                         char **copy)
{
    while (len) {
        size_t most = *copy ? COPY_MOST : TURN;
        struct turn t = {conn->io.fd, fd, (off_t)offset, len < most ? (size_t)len : most, *copy};
        int64_t n = turn_now(&t);
        if (nx__unlikely(n == -EBUSY)) {
            /* Others use the shared output while the disk is waited for. */
            if (*copy) NX_TRY(nx__h1_send_all(conn, (nx_bytes){0}, (nx_bytes){0}));
            n = nx__file_blocking(turn_run, &t);
        }
        if (n == -EAGAIN) {
            NX_TRY(nx__h1_wait_writable(conn));
            continue;
        }
        if (n == -EINVAL && !*copy) {
            *copy = nx_alloc(COPY_MOST);
            if (!*copy) return NX_ENOMEM;
            continue;
        }
        if (n > 0 && *copy)
            NX_TRY(nx__h1_send_all(conn, nx_slice(*copy, (size_t)n), (nx_bytes){0}));
        if (n == 0)
            return nx__error_set(NX_EIO, "cannot send the answer: the file has become shorter");
        if (n == -ECANCELED) return NX_ECANCELED;
        if (n == -EPIPE || n == -ECONNRESET) return nx__h1_reset(conn, (int)-n);
        if (n < 0) return nx__error_system((int)-n, "cannot send the answer");
        offset += (uint64_t)n;
        len -= (uint64_t)n;
        /* While it goes forward, the peer's pace is held to write_deadline, not to the handler's.
         */
        nx__h1_list(conn, NX__CONN_HANDLER);
        if (len) NX_TRY(nx_yield());
    }
    return NX_OK;
}

static nx_err send_body(struct nx__h1_conn *conn, int fd, const struct nx__file_piece *pieces,
                        size_t count)
{
    char *copy = NULL; /* once the kernel does not do it alone */
    if (nx__unlikely(conn->io.tls != NULL)) {
        copy = nx_alloc(COPY_MOST);
        if (!copy) return NX_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const struct nx__file_piece *piece = &pieces[i];
        /* Copied, the file's first bytes go together with the head. */
        if (!copy || piece->bytes.len || !piece->len)
            NX_TRY(nx__h1_send_more(conn, piece->bytes, (nx_bytes){0}, piece->len ? MSG_MORE : 0));
        NX_TRY(send_range(conn, fd, piece->offset, piece->len, &copy));
    }
    return NX_OK;
}

nx_err nx__h1_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces, size_t count)
{
    struct nx__h1_conn *conn = ((struct nx__h1_request *)res->req)->conn;
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++) length += pieces[i].bytes.len + pieces[i].len;
    bool body;
    NX_TRY(nx__h1_send_head(res, length, &body));
    if (!body) return NX_OK;
    nx__sigpipe_quiet(); /* sendfile has no flag against it */
    nx_err err = send_body(conn, fd, pieces, count);
    if (err) {
        conn->broken = true; /* fewer bytes than the head has promised: nothing may follow them */
        return err;
    }
    nx__h1_written(conn);
    res->sent = length;
    res->state = NX__RESPONSE_DONE;
    return NX_OK;
}

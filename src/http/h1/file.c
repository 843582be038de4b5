/* HTTP/1.1 answers that come from a file: by the kernel alone, in turns with other connections. */
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
    COPY_MOST = 16 * 1024 /* where the file system can't be sent from */
};

/* One sendfile, in place or on the pool. */
struct turn {
    int to, from;
    off_t at;
    size_t len;
};

static int64_t turn_run(void *arg)
{
    struct turn *t = arg;
    ssize_t n;
    do n = sendfile(t->to, t->from, &t->at, t->len);
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

static int64_t turn_copy(struct nx__h1_conn *conn, struct turn *t, char *piece)
{
    size_t len = t->len < COPY_MOST ? t->len : COPY_MOST;
    ssize_t n = pread(t->from, piece, len, t->at);
    if (n <= 0) return n < 0 ? -errno : 0;
    t->at += n;
    return nx__h1_send_all(conn, nx_slice(piece, (size_t)n), (nx_bytes){0}) ? -EPIPE : n;
}

static nx_err send_range(struct nx__h1_conn *conn, int fd, uint64_t offset, uint64_t len)
{
    char *copy = NULL;
    while (len) {
        struct turn t = {conn->watch.fd, fd, (off_t)offset, len < TURN ? (size_t)len : TURN};
        int64_t n;
        if (nx__unlikely(copy != NULL))
            n = turn_copy(conn, &t, copy);
        else
            n = nx__likely(in_memory(&t)) ? turn_run(&t) : nx__file_blocking(turn_run, &t);
        if (n == -EAGAIN) {
            NX_TRY(nx__h1_wait_writable(conn));
            continue;
        }
        if (n == -EINVAL && !copy) {
            copy = nx_alloc(COPY_MOST);
            if (!copy) return NX_ENOMEM;
            continue;
        }
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
    for (size_t i = 0; i < count; i++) {
        const struct nx__file_piece *piece = &pieces[i];
        NX_TRY(nx__h1_send_more(conn, piece->bytes, (nx_bytes){0}, piece->len ? MSG_MORE : 0));
        NX_TRY(send_range(conn, fd, piece->offset, piece->len));
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

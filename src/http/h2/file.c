/* HTTP/2 answers that come from a file, in turns with other requests. */
#include "http/files/files.h"
#include "http/h2/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

/* One read, in place or on the pool. */
struct turn {
    int fd;
    char *data;
    size_t len;
    off_t at;
};

static int64_t turn_run(void *arg)
{
    const struct turn *t = arg;
    ssize_t n;
    do n = pread(t->fd, t->data, t->len, t->at);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Reading does not wait for the disk where the bytes are in memory. */
static int64_t turn_read(struct turn *t)
{
    struct iovec iov = {t->data, t->len};
    ssize_t n = preadv2(t->fd, &iov, 1, t->at, RWF_NOWAIT);
    return n > 0 ? n : nx__file_blocking(turn_run, t);
}

static nx_err send_range(nx_response *res, int fd, const struct nx__file_piece *piece, char *memory)
{
    struct nx__h2_stream *stream = ((struct nx__h2_request *)res->req)->stream;
    uint64_t offset = piece->offset, left = piece->len;
    while (left) {
        struct turn t = {fd, memory, left < NX__H2_FILE_PIECE ? (size_t)left : NX__H2_FILE_PIECE,
                         (off_t)offset};
        int64_t n = turn_read(&t);
        if (n == 0)
            return nx__error_set(NX_EIO, "cannot send the answer: the file has become shorter");
        if (n == -ECANCELED) return NX_ECANCELED;
        if (n < 0) return nx__error_system((int)-n, "cannot send the answer");
        NX_TRY(nx__h2_write(res, nx_slice(memory, (size_t)n)));
        offset += (uint64_t)n;
        left -= (uint64_t)n;
        /* While it goes forward, the peer's pace is held to write_deadline, not to the handler's.
         */
        nx__h2_stream_list(stream, NX__CONN_HANDLER);
    }
    return NX_OK;
}

static nx_err send_body(nx_response *res, int fd, const struct nx__file_piece *pieces, size_t count,
                        char *memory)
{
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].bytes.len) NX_TRY(nx__h2_write(res, pieces[i].bytes));
        NX_TRY(send_range(res, fd, &pieces[i], memory));
    }
    return nx__h2_end(res);
}

nx_err nx__h2_send_file(nx_response *res, int fd, const struct nx__file_piece *pieces, size_t count)
{
    uint64_t length = 0;
    bool body;
    for (size_t i = 0; i < count; i++) length += pieces[i].bytes.len + pieces[i].len;
    NX_TRY(nx__h2_send_head(res, length, &body));
    if (!body) return NX_OK;
    char *memory = malloc(NX__H2_FILE_PIECE);
    nx_err err = memory ? send_body(res, fd, pieces, count, memory)
                        : nx__error_set(NX_ENOMEM, "cannot send the answer: out of memory");
    free(memory);
    /* Fewer bytes than the head has promised: it is reset. */
    return err;
}

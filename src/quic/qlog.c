/* qlog: what becomes of a connection, an event a line (draft-ietf-quic-qlog-main-schema). */
#include "quic/internal.h"

#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

nx_err nx__quic_qlog_directory(const char *path, int *out)
{
    NX_TRY(nx__permit(NX__PERMIT_WRITE, path));
    *out = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *out < 0 ? nx__error_system(errno, "cannot write qlog to \"%s\"", path) : NX_OK;
}

int nx__quic_qlog_open(const struct nx__quic_group *group, const ngtcp2_cid *original)
{
    static const char digits[] = "0123456789abcdef";
    char name[NGTCP2_MAX_CIDLEN * 2 + sizeof ".sqlog"], *at = name;
    if (group->how.qlog < 0) return -1;
    for (size_t i = 0; i < original->datalen; i++) {
        *at++ = digits[original->data[i] >> 4];
        *at++ = digits[original->data[i] & 15];
    }
    memcpy(at, ".sqlog", sizeof ".sqlog");
    /* The name is the peer's choice: never a file that is there. */
    return openat(group->how.qlog, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

void nx__quic_qlog_write(void *arg, uint32_t flags, const void *data, size_t len)
{
    struct nx__quic_conn *conn = arg;
    const char *from = data;
    while (conn->qlog >= 0 && len) {
        ssize_t n = write(conn->qlog, from, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break; /* a disk that is full ends what is told, not the connection */
        from += n;
        len -= (size_t)n;
    }
    if (conn->qlog < 0 || !(len || flags & NGTCP2_QLOG_WRITE_FLAG_FIN)) return;
    (void)close(conn->qlog);
    conn->qlog = -1;
}

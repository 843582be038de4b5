/* What the options say of a socket, told to the kernel. */
#include "net/tune.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/* A peer that is gone is noticed after the idle time and a minute. */
enum { KEEP_PROBES = 4, KEEP_INTERVAL_S = 15 };
#define KEEP_ALIVE NX_S(60)

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

static int bytes(uint32_t n)
{
    return n > INT32_MAX / 2 ? INT32_MAX / 2 : (int)n; /* the kernel doubles it */
}

static int keep_alive(int fd, nx_duration span)
{
    enum { SECONDS_MOST = 32767 }; /* the kernel's own bound */
    if (span == NX_FOREVER) return set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    if (span <= 0) span = KEEP_ALIVE;
    nx_duration seconds = (span + NX_S(1) - 1) / NX_S(1);
    int idle = seconds > SECONDS_MOST ? SECONDS_MOST : (int)seconds;
    int error = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (!error) error = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    if (!error)
        error =
            set(fd, IPPROTO_TCP, TCP_KEEPINTVL, idle < KEEP_INTERVAL_S ? idle : KEEP_INTERVAL_S);
    if (!error) error = set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
    return error;
}

int nx__tune(int fd, int family, const struct nx__tune *tune)
{
    int error = 0;
    if (tune->receive_buffer) error = set(fd, SOL_SOCKET, SO_RCVBUF, bytes(tune->receive_buffer));
    if (!error && tune->send_buffer)
        error = set(fd, SOL_SOCKET, SO_SNDBUF, bytes(tune->send_buffer));
    if (error || family == AF_UNIX) return error;
    error = set(fd, IPPROTO_TCP, TCP_NODELAY, !tune->delay);
    return error ? error : keep_alive(fd, tune->keep_alive);
}

/* What a service manager is told. */
#include "permission/notify.h"

#include "base/clock.h"
#include "permission/broker.h"
#include "permission/permission.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static nx_duration interval;

void nx__notify_prepare(void)
{
    const char *span = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end;
    interval = 0;
    if (!span || !getenv("NOTIFY_SOCKET")) return;
    if (pid && strtol(pid, NULL, 10) != getpid()) return; /* it is for somebody else */
    unsigned long long us = strtoull(span, &end, 10);
    if (*end || us < 2 || us > (unsigned long long)(NX_FOREVER / 1000)) return;
    interval = NX_US((nx_duration)us) / 2;
}

nx_duration nx__notify_interval(void)
{
    return interval;
}

/* A path, or with "@" an abstract name. */
static bool address_of(const char *name, struct sockaddr_un *out, socklen_t *len)
{
    size_t n = strlen(name);
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof out->sun_path) return false;
    memcpy(out->sun_path, name, n);
    if (name[0] == '@') out->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
    return true;
}

/* The datagram; its length. A status has no line of its own besides. */
static size_t text_of(enum nx__notify what, const char *text, char *out, size_t size)
{
    char clean[NX__NOTIFY_TEXT_MOST];
    int n = 0;
    switch (what) {
    case NX__NOTIFY_READY: n = snprintf(out, size, "READY=1"); break;
    case NX__NOTIFY_ALIVE: n = snprintf(out, size, "WATCHDOG=1"); break;
    case NX__NOTIFY_STOPPING: n = snprintf(out, size, "STOPPING=1"); break;
    case NX__NOTIFY_RELOADING:
        n = snprintf(out, size, "RELOADING=1\nMONOTONIC_USEC=%lld",
                     (long long)(nx__clock(CLOCK_MONOTONIC) / 1000));
        break;
    case NX__NOTIFY_STATUS:
        n = snprintf(out, size, "STATUS=%s", nx__printable(clean, sizeof clean, text ? text : ""));
        break;
    }
    return n > 0 ? (size_t)n : 0;
}

bool nx__notify_send(enum nx__notify what, const char *text)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t len;
    char packet[NX__NOTIFY_TEXT_MOST + 16];
    if (!name || !address_of(name, &address, &len)) return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    size_t size = text_of(what, text, packet, sizeof packet);
    bool sent = sendto(fd, packet, size, MSG_NOSIGNAL, (const struct sockaddr *)&address, len) ==
                (ssize_t)size;
    (void)close(fd);
    return sent;
}

void nx__notify(enum nx__notify what, const char *text)
{
    if (nx__broker_fd() < 0)
        (void)nx__notify_send(what, text);
    else if (what != NX__NOTIFY_RELOADING && what != NX__NOTIFY_STOPPING)
        nx__broker_notify(what, text ? text : "");
}

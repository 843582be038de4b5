/* The floor of the HTTP rows: a bare epoll responder, which does no more than the kernel makes it
 * do.
 *
 * One thread; one recv and one send for each readable event. It counts the ends of heads in what it
 * has read and answers each with bytes made beforehand, so it is no HTTP server: it is the
 * yardstick for what one adds. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Answers to one read are sent at once: as many as a pipeline of this depth needs. */
#define MAX_BATCH  64
#define MAX_EVENTS 512
#define MAX_FDS    (1 << 20)

static const char body[] = "{\"message\":\"Hello from Nexus!\"}";

static char answers[MAX_BATCH * 256]; /* the same answer, MAX_BATCH times */
static size_t answer_len;
static uint8_t
    partial[MAX_FDS]; /* per descriptor: bytes of "\r\n\r\n" that the last read ended with */

static int fail(const char *what)
{
    fprintf(stderr, "bench_floor: cannot %s: %s\n", what, strerror(errno));
    return 1;
}

/* Writes the answer anew, with the date of second `now`. */
static void refresh(time_t now)
{
    struct tm tm;
    gmtime_r(&now, &tm);
    char date[64];
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    int len =
        snprintf(answers, 256,
                 "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n"
                 "date: %s\r\n\r\n%s",
                 sizeof body - 1, date, body);
    answer_len = (size_t)len;
    for (size_t i = 1; i < MAX_BATCH; i++) memcpy(answers + i * answer_len, answers, answer_len);
}

/* Counts the heads that end in data[0..len); `*state` is how many bytes of an end the read before
 * ended with. */
static size_t count_heads(const char *data, size_t len, uint8_t *state)
{
    static const char end[4] = "\r\n\r\n";
    const char *stop = data + len;
    size_t count = 0;
    uint8_t seen = *state;
    for (const char *p = data; p < stop; p++) {
        if (seen == 0) {
            p = memchr(p, '\r', (size_t)(stop - p));
            if (!p) break;
            if (stop - p >= 4) {
                if (memcmp(p, end, 4) == 0) {
                    count++;
                    p += 3;
                }
                continue;
            }
        }
        if (*p == end[seen]) {
            seen++;
        } else {
            seen = *p == '\r';
        }
        if (seen == 4) {
            count++;
            seen = 0;
        }
    }
    *state = seen;
    return count;
}

/* Serves one readable descriptor; false when it is to be closed. */
static bool serve(int fd)
{
    static char buffer[16384];
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t count = count_heads(buffer, (size_t)got, &partial[fd]);
    while (count > 0) {
        size_t batch = count < MAX_BATCH ? count : MAX_BATCH;
        ssize_t sent = send(fd, answers, batch * answer_len, MSG_NOSIGNAL);
        /* A peer that takes less than a batch does not play by the benchmark's rules. */
        if (sent != (ssize_t)(batch * answer_len)) return false;
        count -= batch;
    }
    return true;
}

static int listen_on(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* accepted sockets inherit it */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    long port = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: bench_floor PORT\n");
        return 2;
    }
    int listener = listen_on((uint16_t)port);
    if (listener < 0) return fail("listen");
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) return fail("create an epoll");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) return fail("watch the listener");

    static struct epoll_event events[MAX_EVENTS];
    time_t second = 0;
    for (;;) {
        int count = epoll_wait(epoll, events, MAX_EVENTS, -1);
        if (count < 0 && errno != EINTR) return fail("wait");
        struct timespec now;
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
        if (now.tv_sec != second) refresh(second = now.tv_sec);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (!serve(fd)) close(fd);
                continue;
            }
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                event.data.fd = fd;
                if (fd < MAX_FDS) partial[fd] = 0;
                if (fd >= MAX_FDS || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) close(fd);
            }
        }
    }
}

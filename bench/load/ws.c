/* The load generator for WebSockets, of one thread; prints what it saw as JSON.
 *
 * usage: bench_ws echo PORT PATH CONNECTIONS DEPTH SIZE SECONDS
 *        bench_ws publish PORT PATH CONNECTIONS SIZE SECONDS
 *        bench_ws idle PORT PATH CONNECTIONS
 *
 * echo: each connection sends `depth` binary messages of `size` bytes at once, and again when all
 * have come back. publish: all connections listen, and the first one sends a text of `size` bytes,
 * and the next when all of them have it. idle: holds the connections until stdin ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

enum { EVENTS = 256, PIECE = 1 << 18, HEAD_MOST = 4096 };
#define STALL_NS 10000000000LL

typedef struct peer {
    connection con;
    uint64_t left;  /* bytes of answers still to come */
    uint64_t asked; /* bytes of the batch still to be sent */
} peer;

static const char *path;
static client server;
static char *batch;
static uint64_t batch_len, answer_len;
static char piece[PIECE];
static int epoll;

static void write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) continue;
        if (n <= 0) client_die("cannot send: %s", strerror(errno));
        data += n;
        len -= (size_t)n;
    }
}

/* The handshake; whatever comes behind it is dropped with what follows for a moment. */
static void open_one(peer *p)
{
    char head[HEAD_MOST + 1];
    size_t len = 0;
    if (!client_open(&server, &p->con)) client_die("cannot connect: %s", strerror(errno));
    int n = snprintf(head, sizeof head,
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
                     "Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                     "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                     path);
    write_all(p->con.fd, head, (size_t)n);
    int64_t start = client_now();
    do {
        ssize_t got = recv(p->con.fd, head + len, 1, 0); /* no byte of what follows */
        if (got == 0 || client_now() - start > STALL_NS) client_die("no handshake");
        if (got > 0) len++;
        head[len] = '\0';
    } while (len < HEAD_MOST && !strstr(head, "\r\n\r\n"));
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0) client_die("not 101: %.60s", head);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, p->con.fd, &event) != 0) client_die("cannot watch");
}

static size_t frame_head(char *out, unsigned char first, size_t size, bool masked)
{
    size_t len = size < 126 ? 2 : size < 65536 ? 4 : 10;
    out[0] = (char)first;
    out[1] = (char)((size < 126 ? size : size < 65536 ? 126 : 127) | (masked ? 0x80 : 0));
    for (size_t i = len; i-- > 2; size >>= 8) out[i] = (char)size;
    if (masked) memcpy(out + len, "\1\2\3\4", 4);
    return len + (masked ? 4 : 0);
}

static void batch_make(unsigned char first, size_t depth, size_t size)
{
    char head[14];
    size_t frame = frame_head(head, first, size, true) + size;
    batch_len = depth * frame;
    answer_len = depth * (frame_head(head, first, size, false) + size);
    batch = malloc(batch_len);
    if (!batch) client_die("out of memory");
    for (size_t i = 0; i < depth; i++) {
        char *at = batch + i * frame;
        size_t n = frame_head(at, first, size, true);
        for (size_t k = 0; k < size; k++) at[n + k] = (char)('a' ^ "\1\2\3\4"[k % 4]);
    }
}

/* Sends what is left of the batch, as far as the server takes it. */
static void ask_on(peer *p)
{
    while (p->asked) {
        ssize_t n = send(p->con.fd, batch + (batch_len - p->asked), p->asked, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) client_die("cannot send: %s", strerror(errno));
        p->asked -= (uint64_t)n;
    }
}

static void ask(peer *p)
{
    p->left = answer_len;
    p->asked = batch_len;
    ask_on(p);
}

/* Takes what has come; true when it is all. */
static bool take(peer *p, unsigned char first)
{
    if (p->asked) ask_on(p);
    ssize_t n = recv(p->con.fd, piece, PIECE, 0);
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) client_die("the server has closed a connection");
    if (p->left == answer_len && (unsigned char)piece[0] != first)
        client_die("another frame than was asked for: %02x", (unsigned char)piece[0]);
    if ((uint64_t)n > p->left) client_die("more than was asked for");
    p->left -= (uint64_t)n;
    return !p->left;
}

static void echo(peer *peers, unsigned long count, unsigned long depth, double seconds)
{
    struct epoll_event events[EVENTS];
    uint64_t batches = 0;
    int64_t start = client_now(), end = start + (int64_t)(seconds * 1e9), now, last = start;
    for (unsigned long i = 0; i < count; i++) ask(&peers[i]);
    while ((now = client_now()) < end) {
        int got = epoll_wait(epoll, events, EVENTS, 0);
        for (int i = 0; i < got; i++) {
            peer *p = events[i].data.ptr;
            if (!take(p, 0x82)) continue;
            batches++;
            last = now;
            ask(p);
        }
        if (now - last > STALL_NS) client_die("the server does not answer any more");
    }
    printf("{\"messages\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.1f}\n", batches * depth,
           (double)(now - start) / 1e9, (double)(batches * depth) * 1e9 / (double)(now - start));
}

static void publish(peer *peers, unsigned long count, double seconds)
{
    struct epoll_event events[EVENTS];
    uint64_t rounds = 0;
    unsigned long left = 0;
    int64_t start = client_now(), end = start + (int64_t)(seconds * 1e9), now;
    for (;;) {
        now = client_now();
        if (!left) {
            if (now >= end) break;
            for (unsigned long i = 0; i < count; i++) peers[i].left = answer_len;
            write_all(peers[0].con.fd, batch, batch_len);
            left = count;
            rounds++;
        }
        int got = epoll_wait(epoll, events, EVENTS, 0);
        for (int i = 0; i < got; i++) left -= take(events[i].data.ptr, 0x81);
        if (now - end > STALL_NS) client_die("%lu listeners have not got it", left);
    }
    printf("{\"messages\":%" PRIu64 ",\"seconds\":%.6f,\"rate\":%.1f}\n", rounds * count,
           (double)(now - start) / 1e9, (double)(rounds * count) * 1e9 / (double)(now - start));
}

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";
    bool echoes = strcmp(mode, "echo") == 0, publishes = strcmp(mode, "publish") == 0;
    if (!((echoes && argc == 8) || (publishes && argc == 7) ||
          (strcmp(mode, "idle") == 0 && argc == 5))) {
        fputs("usage: bench_ws echo PORT PATH CONNECTIONS DEPTH SIZE SECONDS\n"
              "       bench_ws publish PORT PATH CONNECTIONS SIZE SECONDS\n"
              "       bench_ws idle PORT PATH CONNECTIONS\n",
              stderr);
        return 2;
    }
    path = argv[3];
    server.port = (uint16_t)strtoul(argv[2], NULL, 10);
    unsigned long count = strtoul(argv[4], NULL, 10);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    peer *peers = calloc(count, sizeof *peers);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!peers || epoll < 0) client_die("cannot begin");
    for (unsigned long i = 0; i < count; i++) open_one(&peers[i]);
    if (echoes) {
        unsigned long depth = strtoul(argv[5], NULL, 10);
        batch_make(0x82, depth, strtoul(argv[6], NULL, 10));
        echo(peers, count, depth, strtod(argv[7], NULL));
    } else if (publishes) {
        batch_make(0x81, 1, strtoul(argv[5], NULL, 10));
        publish(peers, count, strtod(argv[6], NULL));
    } else {
        char byte;
        printf("{\"open\":%lu}\n", count);
        fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    }
    for (unsigned long i = 0; i < count; i++) client_close(&peers[i].con);
    return 0;
}

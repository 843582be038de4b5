/* The floor of the WebSocket rows: what an echo costs at the least. One loop over epoll, one read
 * and one write for all that has come; frames are unmasked and sent back, nothing else is looked
 * at. usage: bench_floor_ws PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 1 << 18, EVENTS = 256 };

typedef struct conn {
    int fd;
    int open; /* the handshake is done */
    size_t kept;
    char *rest; /* the beginning of a frame */
} conn;

static char in[PIECE * 2], out[PIECE * 2];

static void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

/* What is whole goes back; returns how many bytes that were. */
static size_t echo(conn *c, char *data, size_t len)
{
    size_t at = 0, to = 0;
    while (len - at >= 6) {
        size_t size = (unsigned char)data[at + 1] & 0x7f, head = 2;
        if (size == 126) {
            if (len - at < 8) break;
            size = (size_t)(unsigned char)data[at + 2] << 8 | (unsigned char)data[at + 3];
            head = 4;
        }
        if (len - at < head + 4 + size) break;
        memcpy(out + to, data + at, head);
        out[to + 1] = (char)(out[to + 1] & 0x7f);
        const char *mask = data + at + head, *payload = mask + 4;
        for (size_t i = 0; i < size; i++) out[to + head + i] = (char)(payload[i] ^ mask[i % 4]);
        to += head + size;
        at += head + 4 + size;
    }
    send_all(c->fd, out, to);
    return at;
}

static void ready(conn *c)
{
    memcpy(in, c->rest, c->kept);
    ssize_t n = recv(c->fd, in + c->kept, PIECE, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        close(c->fd);
        free(c->rest);
        free(c);
        return;
    }
    size_t len = c->kept + (size_t)n, done = len;
    if (c->open) {
        done = echo(c, in, len);
    } else if (memmem(in, len, "Upgrade", 7)) {
        /* The answer to the key that the load generator sends. */
        static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                     "Connection: Upgrade\r\nSec-WebSocket-Accept: "
                                     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        send_all(c->fd, answer, sizeof answer - 1);
        c->open = 1;
    } else {
        static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        send_all(c->fd, answer, sizeof answer - 1);
    }
    c->kept = len - done;
    if (c->kept && !c->rest) c->rest = malloc(PIECE);
    if (c->kept && !c->rest) abort();
    if (c->kept) memcpy(c->rest, in + done, c->kept);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "3000")),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024))
        return perror("listen"), 1;
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN}, events[EVENTS];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr) {
                ready(events[i].data.ptr);
                continue;
            }
            conn *c = calloc(1, sizeof *c);
            if (!c) abort();
            c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (c->fd < 0) {
                free(c);
                continue;
            }
            (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            event = (struct epoll_event){.events = EPOLLIN, .data.ptr = c};
            epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
        }
    }
}

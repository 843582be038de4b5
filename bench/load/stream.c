/* Large answers: connections from one thread that ask for a path again and again, and drop its
 * bytes in the kernel; prints how many came as JSON. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "client.h"

enum { HEAD_MOST = 4096, EVENTS = 64, PIECE = 1 << 24 };

typedef struct stream {
    connection con;
    uint64_t left; /* of the body; 0: a head comes next */
    size_t head_len;
    char head[HEAD_MOST + 1];
} stream;

static client asked;
static uint64_t bytes, answers;

static void ask(stream *s)
{
    if (!client_ask(&asked, &s->con, 1)) client_die("cannot ask: %s", strerror(errno));
}

/* Takes what has come of the head, and no byte of the body. */
static void read_head(stream *s)
{
    ssize_t n = recv(s->con.fd, s->head, HEAD_MOST, MSG_PEEK);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) client_die("the server has closed the connection");
    s->head[n] = '\0';
    char *end = strstr(s->head, "\r\n\r\n");
    if (!end) {
        if (n == HEAD_MOST) client_die("the head of an answer does not end");
        return;
    }
    if (strncmp(s->head, "HTTP/1.1 200 ", 13) != 0) client_die("not 200: %.60s", s->head);
    char *length = strcasestr(s->head, "\r\ncontent-length:");
    if (!length) client_die("an answer without content-length");
    s->left = strtoull(length + 17, NULL, 10);
    if (recv(s->con.fd, s->head, (size_t)(end + 4 - s->head), 0) < 0) client_die("cannot read");
}

static void read_body(stream *s)
{
    static char nowhere[1]; /* with MSG_TRUNC nothing is copied */
    size_t most = s->left < PIECE ? (size_t)s->left : PIECE;
    ssize_t n = recv(s->con.fd, nowhere, most, MSG_TRUNC);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) client_die("the server has closed the connection");
    bytes += (uint64_t)n;
    s->left -= (uint64_t)n;
    if (s->left) return;
    answers++;
    ask(s);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fputs("usage: bench_stream PORT PATH CONNECTIONS SECONDS\n", stderr);
        return 2;
    }
    unsigned long count = strtoul(argv[3], NULL, 10);
    client_init(&asked, (uint16_t)strtoul(argv[1], NULL, 10), argv[2], NULL, 0, 1, NULL);
    stream *streams = calloc(count, sizeof *streams);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!streams || epoll < 0) client_die("cannot begin");
    for (unsigned long i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &streams[i]};
        if (!client_open(&asked, &streams[i].con)) client_die("cannot connect");
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i].con.fd, &event) != 0)
            client_die("cannot watch a connection");
        ask(&streams[i]);
    }
    int64_t start = client_now(), end = start + (int64_t)(strtod(argv[4], NULL) * 1e9);
    while (client_now() < end) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, 0);
        for (int i = 0; i < n; i++) {
            stream *s = events[i].data.ptr;
            if (s->left)
                read_body(s);
            else
                read_head(s);
        }
    }
    printf("{\"bytes\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"seconds\":%.6f}\n", bytes, answers,
           (double)(client_now() - start) / 1e9);
    for (unsigned long i = 0; i < count; i++) client_close(&streams[i].con);
    free(streams);
    return 0;
}

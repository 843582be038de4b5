/* The floor of the rows net_…: the system calls alone, each known to be ready.
 *
 * usage: bench_floor_net SCALE; output as micro/net.c. */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, DATAGRAM = 1200, BATCH = 32 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void need(int good)
{
    if (good) return;
    perror("bench_floor_net");
    exit(1);
}

static int bound(int type, struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    need(fd >= 0 && bind(fd, (struct sockaddr *)at, sizeof *at) == 0 &&
         getsockname(fd, (struct sockaddr *)at, &len) == 0);
    return fd;
}

static void pair(int listener, const struct sockaddr_in *at, int ends[2])
{
    int on = 1;
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(ends[0] >= 0 && setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
         connect(ends[0], (const struct sockaddr *)at, sizeof *at) == 0);
    ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    need(ends[1] >= 0 && setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
}

static double round_trips(int listener, const struct sockaddr_in *at, long count)
{
    int ends[2];
    char data[MESSAGE] = "";
    pair(listener, at, ends);
    double begun = now();
    for (long i = 0; i < count; i++)
        for (int side = 0; side < 2; side++)
            need(send(ends[side], data, sizeof data, 0) == MESSAGE &&
                 recv(ends[!side], data, sizeof data, MSG_WAITALL) == MESSAGE);
    double us = (now() - begun) / 1000 / (double)count;
    close(ends[0]);
    close(ends[1]);
    return us;
}

static double connections(int listener, const struct sockaddr_in *at, long count)
{
    double begun = now();
    for (long i = 0; i < count; i++) {
        int ends[2];
        pair(listener, at, ends);
        close(ends[0]);
        close(ends[1]);
    }
    return (double)count * 1e9 / (now() - begun);
}

static double datagrams(long count)
{
    static char data[BATCH][DATAGRAM];
    struct iovec pieces[BATCH];
    struct mmsghdr messages[BATCH];
    struct sockaddr_in at, own;
    int to = bound(SOCK_DGRAM, &at), from = bound(SOCK_DGRAM, &own), size = 1 << 20;
    need(setsockopt(to, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0 &&
         connect(from, (struct sockaddr *)&at, sizeof at) == 0);
    double begun = now();
    for (long done = 0; done < count; done += BATCH)
        for (int receiving = 0; receiving < 2; receiving++) {
            for (int i = 0; i < BATCH; i++) {
                pieces[i] = (struct iovec){data[i], DATAGRAM};
                messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
            }
            need((receiving ? recvmmsg(to, messages, BATCH, 0, NULL)
                            : sendmmsg(from, messages, BATCH, 0)) == BATCH);
        }
    double rate = (double)(count / BATCH * BATCH) * 1e9 / (now() - begun);
    close(to);
    close(from);
    return rate;
}

int main(int argc, char **argv)
{
    long scale = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    struct sockaddr_in at;
    if (scale < 1) {
        fprintf(stderr, "usage: bench_floor_net SCALE\n");
        return 2;
    }
    int listener = bound(SOCK_STREAM, &at);
    need(listen(listener, 128) == 0);
    double us = round_trips(listener, &at, 2000 * scale);
    double rate = connections(listener, &at, 500 * scale);
    printf("{\"echo\":%.3f,\"connect\":%.0f,\"udp\":%.0f}\n", us, rate, datagrams(20000 * scale));
    return 0;
}

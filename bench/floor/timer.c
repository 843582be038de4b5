/* The floor of the timer rows: timerfds on an epoll, which is what the kernel itself keeps.
 *
 * usage: bench_floor_timer MILLISECONDS COUNT LANES
 * Prints {"p99":…,"max":…}: by how many microseconds COUNT timers missed, on LANES timers that run
 * abreast. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MAX_LANES 64
#define MAX_COUNT 100000

typedef struct lane {
    int fd;
    int64_t started;
} lane;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Starts the lane's timer, to fire once in `span` nanoseconds. */
static int arm(lane *l, int64_t span)
{
    struct itimerspec spec = {
        .it_value = {.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000}};
    l->started = now();
    return timerfd_settime(l->fd, 0, &spec, NULL);
}

int main(int argc, char **argv)
{
    long ms = argc == 4 ? strtol(argv[1], NULL, 10) : 0;
    long count = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    long lanes = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    if (ms < 1 || count < 1 || count > MAX_COUNT || lanes < 1 || lanes > MAX_LANES) {
        fprintf(stderr, "usage: bench_floor_timer MILLISECONDS COUNT LANES\n");
        return 2;
    }
    static lane all[MAX_LANES];
    static double error[MAX_COUNT];
    int64_t span = ms * 1000000LL;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < lanes; i++) {
        all[i].fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        if (all[i].fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event) < 0) return 1;
        if (arm(&all[i], span) < 0) return 1;
        /* Spread the lanes over the span, so that they do not fire together. */
        struct timespec gap = {.tv_nsec = span / lanes % 1000000000};
        if (i + 1 < lanes) nanosleep(&gap, NULL);
    }
    for (long done = 0; done < count;) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) != 1) continue;
        lane *l = event.data.ptr;
        uint64_t fired;
        if (read(l->fd, &fired, sizeof fired) != sizeof fired) continue;
        int64_t missed = now() - l->started - span;
        error[done++] = (double)(missed < 0 ? -missed : missed) / 1000;
        if (arm(l, span) < 0) return 1;
    }
    qsort(error, (size_t)count, sizeof *error, compare);
    printf("{\"p99\":%.1f,\"max\":%.1f}\n", error[(count * 99 + 99) / 100 - 1], error[count - 1]);
    return 0;
}

/* The floor of the worker rows: two bare threads that wake each other by an eventfd each, which is
 * what a loop that sleeps has to be woken by, and a thread that is started and joined; the same
 * with processes, which send each other 64 bytes by a socket. Prints {"start":…,"round_trip":…,
 * "parcel":…,"process_start":…,"process_round_trip":…} in microseconds; a parcel is a message like
 * any other. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STARTS 300
#define TRIPS  20000
#define BYTES  64

static int there, back;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int wake(int fd)
{
    uint64_t one = 1;
    return write(fd, &one, sizeof one) == sizeof one;
}

static int await(int fd)
{
    uint64_t count;
    return read(fd, &count, sizeof count) == sizeof count;
}

static void *echo(void *arg)
{
    for (int i = 0; i < TRIPS && await(there) && wake(back); i++) {}
    return arg;
}

static void *nothing(void *arg)
{
    return arg;
}

static int processes_start(double *out)
{
    double start = now();
    for (int i = 0; i < STARTS; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        if (pid < 0 || waitpid(pid, NULL, 0) != pid) return 0;
    }
    *out = (now() - start) / STARTS;
    return 1;
}

static int processes_trip(double *out)
{
    int pair[2];
    char message[BYTES] = "";
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) return 0;
    pid_t pid = fork();
    if (pid < 0) return 0;
    int own = pair[pid == 0];
    close(pair[pid != 0]);
    if (pid == 0)
        for (;;)
            if (read(own, message, BYTES) != BYTES || write(own, message, BYTES) != BYTES) _exit(0);
    double start = now();
    for (int i = 0; i < TRIPS; i++)
        if (write(own, message, BYTES) != BYTES || read(own, message, BYTES) != BYTES) return 0;
    *out = (now() - start) / TRIPS;
    close(own);
    return waitpid(pid, NULL, 0) == pid;
}

int main(void)
{
    double process_start, process_trip;
    if (!processes_start(&process_start) || !processes_trip(&process_trip)) return 1;
    pthread_t thread;
    double start = now();
    for (int i = 0; i < STARTS; i++)
        if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL)) return 1;
    double starting = (now() - start) / STARTS;
    there = eventfd(0, 0);
    back = eventfd(0, 0);
    if (there < 0 || back < 0 || pthread_create(&thread, NULL, echo, NULL)) return 1;
    start = now();
    for (int i = 0; i < TRIPS; i++)
        if (!wake(there) || !await(back)) return 1;
    double trip = (now() - start) / TRIPS;
    pthread_join(thread, NULL);
    printf("{\"start\":%.2f,\"round_trip\":%.2f,\"parcel\":%.2f,\"process_start\":%.2f,"
           "\"process_round_trip\":%.2f}\n",
           starting, trip, trip, process_start, process_trip);
    return 0;
}

/* The floor of the worker rows: two bare threads that wake each other by an eventfd each, which is
 * what a loop that sleeps has to be woken by, and a thread that is started and joined. Prints
 * {"start":…,"round_trip":…,"parcel":…} in microseconds; a parcel is a message like any other.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STARTS 300
#define TRIPS  20000

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

int main(void)
{
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
    printf("{\"start\":%.2f,\"round_trip\":%.2f,\"parcel\":%.2f}\n", starting, trip, trip);
    return 0;
}

/* The rows timer_error: by how many microseconds nx_sleep misses.
 *
 * usage: timer.c MILLISECONDS COUNT LANES: COUNT sleeps on LANES fibers that sleep abreast, spread
 * over the span. Prints {"p99":…,"max":…}. */
#include <nexus/fiber.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_COUNT 100000
#define MAX_LANES 64

static nx_duration span;
static long count;
static long done;
static double errors[MAX_COUNT];

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static nx_err lane(void *arg)
{
    (void)arg;
    while (done < count) {
        nx_duration start = nx_now();
        NX_TRY(nx_sleep(span));
        nx_duration missed = nx_now() - start - span;
        if (done < count) errors[done++] = (double)(missed < 0 ? -missed : missed) / 1000;
    }
    return NX_OK;
}

static nx_err measure(long lanes)
{
    nx_fiber *fibers[MAX_LANES];
    for (long i = 0; i < lanes; i++) {
        NX_TRY(nx_spawn(&fibers[i], lane, NULL));
        NX_TRY(nx_sleep(span / lanes));
    }
    for (long i = 0; i < lanes; i++) NX_TRY(nx_join(fibers[i]));
    return NX_OK;
}

int main(int argc, char **argv)
{
    long ms = argc == 4 ? strtol(argv[1], NULL, 10) : 0;
    long lanes = argc == 4 ? strtol(argv[3], NULL, 10) : 0;
    count = argc == 4 ? strtol(argv[2], NULL, 10) : 0;
    if (ms < 1 || count < 1 || count > MAX_COUNT || lanes < 1 || lanes > MAX_LANES) {
        fprintf(stderr, "usage: timer.c MILLISECONDS COUNT LANES\n");
        return NX_EUSAGE;
    }
    span = NX_MS(ms);
    nx_err err = measure(lanes);
    if (err) {
        fprintf(stderr, "%s\n", nx_error_last()->message);
        return err;
    }
    qsort(errors, (size_t)count, sizeof *errors, compare);
    printf("{\"p99\":%.1f,\"max\":%.1f}\n", errors[(count * 99 + 99) / 100 - 1], errors[count - 1]);
    return NX_OK;
}

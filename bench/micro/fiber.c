/* The rows fiber_switch and fiber_spawn_join: nanoseconds from one fiber's nx_yield into the next
 * fiber, and of nx_spawn with its nx_join. Prints {"switch":…,"spawn_join":…}. */
#include <nexus/fiber.h>
#include <nexus/timer.h>
#include <stdio.h>

#define SWITCHES 5000000 /* by each of the two fibers */
#define SPAWNS   1000000

static nx_err yielder(void *arg)
{
    (void)arg;
    for (int i = 0; i < SWITCHES; i++) NX_TRY(nx_yield());
    return NX_OK;
}

static nx_err nothing(void *arg)
{
    (void)arg;
    return NX_OK;
}

static nx_err measure(double *switching, double *spawning)
{
    nx_fiber *a;
    nx_fiber *b;
    nx_duration start = nx_now();
    NX_TRY(nx_spawn(&a, yielder, NULL));
    NX_TRY(nx_spawn(&b, yielder, NULL));
    NX_TRY(nx_join(a));
    NX_TRY(nx_join(b));
    *switching = (double)(nx_now() - start) / (2.0 * SWITCHES);

    start = nx_now();
    for (int i = 0; i < SPAWNS; i++) {
        NX_TRY(nx_spawn(&a, nothing, NULL));
        NX_TRY(nx_join(a));
    }
    *spawning = (double)(nx_now() - start) / SPAWNS;
    return NX_OK;
}

int main(void)
{
    double switching = 0;
    double spawning = 0;
    nx_err err = measure(&switching, &spawning);
    if (err)
        fprintf(stderr, "%s\n", nx_error_last()->message);
    else
        printf("{\"switch\":%.3f,\"spawn_join\":%.2f}\n", switching, spawning);
    return err;
}

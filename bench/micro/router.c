/* Nanoseconds that it takes to find a route, with few routes and with many. */
#include "http/router.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 9, ITERATIONS = 1000000 };

static void handler(void) {}

static void add(struct nx__router *router, const char *path)
{
    const char *reason;
    if (!router || nx__router_add(router, "GET", path, handler, NULL, &reason)) exit(1);
}

/* Routes as an API has them: `groups` times a list, an item and files. */
static struct nx__router *make(int groups)
{
    struct nx__router *router = nx__router_new();
    add(router, "/");
    for (int i = 0; i < groups; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/api/v1/group%d", i);
        add(router, path);
        (void)snprintf(path, sizeof path, "/api/v1/group%d/:id", i);
        add(router, path);
        (void)snprintf(path, sizeof path, "/files%d/*path", i);
        add(router, path);
    }
    return router;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the median of the rounds. */
static void measure(const struct nx__router *router, const char *name, const char *path,
                    enum nx__route_outcome wanted)
{
    nx_bytes method = nx_str("GET"), target = nx_str(path);
    struct nx__route_match match;
    double ns[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        nx_duration start = nx__clock_monotonic();
        for (int i = 0; i < ITERATIONS; i++) {
            __asm__ volatile("" : : "r"(&target), "r"(&match) : "memory");
            nx__router_match(router, method, target, &match);
        }
        ns[round] = (double)(nx__clock_monotonic() - start) / ITERATIONS;
    }
    if (match.outcome != wanted) exit(1);
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    printf("router %-14s %6.1f ns\n", name, ns[ROUNDS / 2]);
}

int main(void)
{
    static const int groups[] = {1, 333};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        struct nx__router *router = make(groups[i]);
        printf("%d routes\n", 1 + 3 * groups[i]);
        measure(router, "root", "/", NX__ROUTE_FOUND);
        measure(router, "literal", "/api/v1/group0", NX__ROUTE_FOUND);
        measure(router, "parameter", "/api/v1/group0/12345", NX__ROUTE_FOUND);
        measure(router, "wildcard", "/files0/css/site/main.css", NX__ROUTE_FOUND);
        measure(router, "nothing", "/no/such/path", NX__ROUTE_NOT_FOUND);
        nx__router_free(router);
    }
    return 0;
}

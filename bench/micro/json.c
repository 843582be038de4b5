/* Nanoseconds that it takes to write JSON into a buffer. */
#include "base/json.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 9, ITERATIONS = 1000000 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the median of the rounds. */
static void measure(const char *name, nx_value value)
{
    static char out[4096];
    double ns[ROUNDS];
    size_t len = 0;
    nx_err err = NX_OK;
    for (int round = 0; round < ROUNDS; round++) {
        nx_duration start = nx__clock_monotonic();
        for (int i = 0; i < ITERATIONS; i++) {
            /* The compiler may not assume that it has seen value or text before. */
            __asm__ volatile("" : : "r"(&value), "r"(out) : "memory");
            len = nx__json_write(value, out, sizeof out, &err);
        }
        ns[round] = (double)(nx__clock_monotonic() - start) / ITERATIONS;
    }
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    if (err || len > sizeof out) {
        fprintf(stderr, "%s: %s\n", name, err ? nx_error_last()->message : "too long");
        exit(1);
    }
    printf("json %-10s %7.1f ns  %4zu bytes\n", name, ns[ROUNDS / 2], len);
}

int main(void)
{
    static char ascii[1025], cyrillic[1025];
    memset(ascii, 'x', sizeof ascii - 1);
    for (size_t i = 0; i + 2 < sizeof cyrillic; i += 2) memcpy(cyrillic + i, "\xd0\xb6", 2);
    measure("hello", nx_obj("message", "Hello from Nexus!"));
    measure("todo", nx_obj("id", 42, "title", "Write the release notes", "done", nx_bool(false),
                           "tags", nx_arr("work", "writing")));
    measure("integers", nx_arr(1, 22, 333, 4444, -55555, 1234567890, INT64_MIN));
    measure("decimals", nx_arr(0.5, 3.14, 19.99, -273.15, 1024.0));
    measure("doubles", nx_arr(0.1 + 0.2, 1e300, 5e-324, 1.0 / 3.0));
    measure("ascii", nx_val(ascii));
    measure("utf-8", nx_val(cyrillic));
    measure("escapes", nx_val("a \"quoted\" line\n\tand one with \\ in it\n"));
    return 0;
}

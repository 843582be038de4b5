/* Nanoseconds that it takes to read JSON: as a tree, checked and freed again, and as events. The
 * file is the argument. */
#include "base/clock.h"
#include "json/events.h"
#include "json/tree.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 9, ITERATIONS = 5000, SIZE_MOST = 1 << 20 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool tree(nx_bytes text)
{
    struct nx__json_doc doc = {.what = "it"};
    nx_err err = nx__json_tree_read(&doc, text, NX_JSON_MAX_DEPTH);
    nx__json_tree_free(&doc);
    return !err;
}

static bool events(nx_bytes text)
{
    struct nx__json_events e = {.max_depth = NX_JSON_MAX_DEPTH, .max_token = SIZE_MAX};
    enum nx__json_progress progress;
    do {
        size_t used;
        progress = nx__json_feed(&e, text.data, text.len, true, &used);
        text = nx_slice(text.data + used, text.len - used);
    } while (progress == NX__JSON_EVENT && e.kind != NX_JSON_END);
    nx__json_events_free(&e);
    return progress == NX__JSON_EVENT;
}

/* Prints the median of the rounds. */
static void measure(const char *name, bool (*read)(nx_bytes text), nx_bytes text)
{
    double ns[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        nx_duration start = nx__clock_monotonic();
        for (int i = 0; i < ITERATIONS; i++) {
            if (read(text)) continue;
            fprintf(stderr, "%s: this is no JSON\n", name);
            exit(1);
        }
        ns[round] = (double)(nx__clock_monotonic() - start) / ITERATIONS;
    }
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    printf("json %-10s %8.0f ns  %6.0f MB/s\n", name, ns[ROUNDS / 2],
           (double)text.len / ns[ROUNDS / 2] * 1000);
}

int main(int argc, char **argv)
{
    static char data[SIZE_MOST];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: bench_micro_json_read FILE\n");
        return 2;
    }
    nx_bytes text = nx_slice(data, fread(data, 1, sizeof data, file));
    fclose(file);
    measure("tree", tree, text);
    measure("events", events, text);
    return 0;
}

/* A histogram of latencies: 128 buckets for each power of two of nanoseconds, so within 0.8 %. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_BITS 7
#define HISTOGRAM_SUB  (1 << HISTOGRAM_BITS)
/* Up to 2^39 ns, nine minutes. */
#define HISTOGRAM_BUCKETS ((40 - HISTOGRAM_BITS) * HISTOGRAM_SUB)

typedef struct histogram {
    uint64_t count;
    int64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

/* Adds `times` values of `ns` nanoseconds; negative ones count as 0, ones past the range as its
 * end. */
static inline void histogram_add(histogram *h, int64_t ns, uint64_t times)
{
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
    size_t index = value;
    if (value >= HISTOGRAM_SUB) {
        unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
        index = ((size_t)shift << HISTOGRAM_BITS) + (size_t)(value >> shift);
    }
    if (index >= HISTOGRAM_BUCKETS) index = HISTOGRAM_BUCKETS - 1;
    h->buckets[index] += times;
    h->count += times;
    if (ns > h->max) h->max = ns;
}

/* The value in nanoseconds, middle of its bucket, below which `part` (0 to 1) of all lie; 0 if
 * there is none. */
static inline double histogram_at(const histogram *h, double part)
{
    uint64_t rank = (uint64_t)(part * (double)h->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen <= rank) continue;
        if (i < HISTOGRAM_SUB) return (double)i;
        unsigned shift = (unsigned)(i >> HISTOGRAM_BITS) - 1;
        double low = (double)(((uint64_t)HISTOGRAM_SUB + (i & (HISTOGRAM_SUB - 1))) << shift);
        return low + (double)(1ULL << shift) / 2;
    }
    return (double)h->max;
}

/* Prints the percentiles as a JSON object, in microseconds. */
static inline void histogram_print(const histogram *h, FILE *out)
{
    fprintf(out, "{\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f}",
            histogram_at(h, 0.5) / 1e3, histogram_at(h, 0.9) / 1e3, histogram_at(h, 0.99) / 1e3,
            histogram_at(h, 0.999) / 1e3, (double)h->max / 1e3);
}

#endif

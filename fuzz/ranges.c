/* A Range field: what is to be sent lies within the file, in parts that are apart, and has every
 * byte that one range after another would have. The first byte of the input is the file's size. */
#include "http/files/ranges.h"

#include "http/coding/accept.h"
#include "http/files/conditions.h"
#include <stdlib.h>

static void check(bool good)
{
    if (!good) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    static const uint64_t sizes[] = {0, 1, 10, 200, 1000, 1 << 20, UINT64_MAX - 1, UINT64_MAX};
    uint64_t whole = sizes[data[0] % 8];
    /* In memory of its own, so that a read past the end is seen. */
    char *copy = malloc(size);
    if (!copy) return 0;
    memcpy(copy, data + 1, size - 1);
    nx_bytes value = nx_slice(copy, size - 1);

    struct nx__range ranges[NX__RANGES_MOST];
    size_t count;
    enum nx__ranges outcome = nx__ranges_parse(value, whole, ranges, &count);
    check((outcome == NX__RANGES_SOME) == (count > 0));
    for (size_t i = 0; i < count; i++) {
        check(ranges[i].len && ranges[i].first < whole && ranges[i].len <= whole - ranges[i].first);
        for (size_t j = 0; j < i; j++) {
            const struct nx__range *low =
                                       ranges[i].first < ranges[j].first ? &ranges[i] : &ranges[j],
                                   *high = low == &ranges[i] ? &ranges[j] : &ranges[i];
            check(high->first - low->first >= low->len &&
                  high->first - low->first - low->len >= NX__RANGE_GAP_LEAST);
        }
    }
    uint16_t weight[NX__CODINGS];
    nx__accept_codings(value, weight);
    for (int i = 0; i < NX__CODINGS; i++) check(weight[i] <= 1000);

    struct nx__validator validator = {nx_str("\"abc\""), 784111777, true};
    struct nx__conditions conditions = {.if_match = value, .range = value, .if_range = value};
    (void)nx__conditions_weigh(&conditions, &validator, true);
    conditions = (struct nx__conditions){.if_none_match = value};
    (void)nx__conditions_weigh(&conditions, &validator, true);
    free(copy);
    return 0;
}

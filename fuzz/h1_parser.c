/* Fuzzes the head parser: with and without vectors, whole and in pieces, it must give one answer.
 */
#include "../tests/unit/http/h1/compare.h"
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CUT_MOST = 256 }; /* every cut takes time that grows with the square */
    static const struct nx__h1_limits limits[] = {
        {NX__H1_DEFAULT_MAX_TARGET, NX__H1_DEFAULT_MAX_HEADERS, NX__H1_DEFAULT_MAX_HEAD},
        {.max_target = 12, .max_headers = 2, .max_head = 80},
    };
    static struct h1_result result;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const char *different =
            h1_compare((const char *)data, size, size <= CUT_MOST, &limits[i], &result);
        if (different) {
            fprintf(stderr, "limits %zu: %s\n", i, different);
            abort();
        }
    }
    return 0;
}

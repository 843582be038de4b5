/* Fuzzes the decoder of the chunked coding: whole and in pieces, it must give one answer. */
#include "../tests/unit/http/h1/decode.h"
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct h1_decoded whole, other;
    static const size_t trailer_caps[] = {sizeof whole.trailer, 16};
    const char *text = (const char *)data;
    if (size > sizeof whole.body) return 0;
    for (size_t i = 0; i < sizeof trailer_caps / sizeof *trailer_caps; i++) {
        h1_decode(text, size, size, 0, trailer_caps[i], &whole);
        for (size_t step = 0; step < 4; step++) {
            h1_decode(text, size, size / 2, step, trailer_caps[i], &other);
            if (!h1_decoded_eq(&whole, &other)) {
                fprintf(stderr, "steps of %zu differ from the whole\n", step);
                abort();
            }
        }
    }
    return 0;
}

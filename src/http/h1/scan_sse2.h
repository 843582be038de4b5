/* Scanning 16 bytes at a time with SSE2, which every x86-64 has. */
#include <emmintrin.h>

static inline const char *nx__scan_target(const char *p, const char *end)
{
    const __m128i low = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: a byte over 0x7f is negative, so it is not above 0x20 either. */
        __m128i good = _mm_andnot_si128(_mm_cmpeq_epi8(x, del), _mm_cmpgt_epi8(x, low));
        unsigned bad = (unsigned)_mm_movemask_epi8(good) ^ 0xffffu;
        if (bad) return p + __builtin_ctz(bad);
    }
    return nx__scan_target_scalar(p, end);
}

static inline const char *nx__scan_value(const char *p, const char *end)
{
    const __m128i ctl = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f), tab = _mm_set1_epi8('\t');
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_andnot_si128(_mm_cmpeq_epi8(x, tab), _mm_cmpeq_epi8(_mm_min_epu8(x, ctl), x));
        unsigned bad = (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_cmpeq_epi8(x, del)));
        if (bad) return p + __builtin_ctz(bad);
    }
    return nx__scan_value_scalar(p, end);
}

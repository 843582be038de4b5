/* Bytes to bits with SSE2, which every x86-64 has. */
#include <emmintrin.h>

static inline __m128i nx__simd_load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint64_t nx__simd_bits(__m128i bytes)
{
    return (unsigned)_mm_movemask_epi8(bytes);
}

/* Is each byte, as a signed number, from `first` to `first` + `count` - 1? Shifts the range down to
 * the least numbers there are, so that one comparison does. */
static inline __m128i nx__simd_in(__m128i bytes, char first, char count)
{
    __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8((char)(first + 128)));
    return _mm_cmpgt_epi8(_mm_set1_epi8((char)(-128 + count)), shifted);
}

static inline uint64_t nx__simd_control16(const char *p)
{
    __m128i bytes = nx__simd_load(p);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return nx__simd_bits(_mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f))));
}

static inline uint64_t nx__simd_control64(const char *p)
{
    return nx__simd_control16(p) | nx__simd_control16(p + 16) << 16 |
           nx__simd_control16(p + 32) << 32 | nx__simd_control16(p + 48) << 48;
}

static inline uint64_t nx__simd_not_label16(const char *p)
{
    __m128i bytes = nx__simd_load(p);
    __m128i letter = nx__simd_in(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
    /* From "-" to "9" there is but "/" that does not belong. */
    __m128i other = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')),
                                     nx__simd_in(bytes, '-', '9' - '-' + 1));
    return nx__simd_bits(_mm_or_si128(letter, other)) ^ 0xffff;
}

static inline uint64_t nx__simd_not_plain16(const char *p)
{
    __m128i bytes = nx__simd_load(p);
    /* Signed: what is not ASCII is below 0x21 too. */
    __m128i stop = _mm_cmpgt_epi8(_mm_set1_epi8(0x21), bytes);
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('?')));
    stop = _mm_or_si128(stop, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    return nx__simd_bits(stop);
}

#include "http/h1/scan_simd.h"

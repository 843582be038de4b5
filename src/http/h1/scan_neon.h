/* Bytes to bits with NEON, which every aarch64 has. */
#include <arm_neon.h>

/* One bit for each of 64 bytes that are 0x00 or 0xff: each byte keeps the bit of its place among
 * eight, and sums of neighbours bring the eight together. */
static inline uint64_t nx__simd_bits(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d)
{
    const uint8x16_t place = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(a, place), vandq_u8(b, place));
    uint8x16_t high = vpaddq_u8(vandq_u8(c, place), vandq_u8(d, place));
    low = vpaddq_u8(low, high);
    low = vpaddq_u8(low, low);
    return vgetq_lane_u64(vreinterpretq_u64_u8(low), 0);
}

static inline uint64_t nx__simd_bits16(uint8x16_t bytes)
{
    const uint8x16_t none = vdupq_n_u8(0);
    return nx__simd_bits(bytes, none, none, none);
}

static inline uint8x16_t nx__simd_load(const char *p)
{
    return vld1q_u8((const uint8_t *)p);
}

static inline uint8x16_t nx__simd_control(const char *p)
{
    uint8x16_t bytes = nx__simd_load(p);
    return vorrq_u8(vcltq_u8(bytes, vdupq_n_u8(0x20)), vceqq_u8(bytes, vdupq_n_u8(0x7f)));
}

static inline uint64_t nx__simd_control16(const char *p)
{
    return nx__simd_bits16(nx__simd_control(p));
}

static inline uint64_t nx__simd_control64(const char *p)
{
    return nx__simd_bits(nx__simd_control(p), nx__simd_control(p + 16), nx__simd_control(p + 32),
                         nx__simd_control(p + 48));
}

static inline uint64_t nx__simd_not_label16(const char *p)
{
    uint8x16_t bytes = nx__simd_load(p);
    uint8x16_t letter =
        vcltq_u8(vsubq_u8(vorrq_u8(bytes, vdupq_n_u8(0x20)), vdupq_n_u8('a')), vdupq_n_u8(26));
    /* From "-" to "9" there is but "/" that does not belong. */
    uint8x16_t other = vcltq_u8(vsubq_u8(bytes, vdupq_n_u8('-')), vdupq_n_u8('9' - '-' + 1));
    other = vbicq_u8(other, vceqq_u8(bytes, vdupq_n_u8('/')));
    return nx__simd_bits16(vmvnq_u8(vorrq_u8(letter, other)));
}

static inline uint64_t nx__simd_not_plain16(const char *p)
{
    uint8x16_t bytes = nx__simd_load(p);
    uint8x16_t stop =
        vorrq_u8(vcltq_u8(bytes, vdupq_n_u8(0x21)), vcgeq_u8(bytes, vdupq_n_u8(0x7f)));
    stop = vorrq_u8(stop, vceqq_u8(bytes, vdupq_n_u8('#')));
    stop = vorrq_u8(stop, vceqq_u8(bytes, vdupq_n_u8('?')));
    stop = vorrq_u8(stop, vceqq_u8(bytes, vdupq_n_u8('\\')));
    return nx__simd_bits16(stop);
}

#include "http/h1/scan_simd.h"

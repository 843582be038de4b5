/* Scanning 16 bytes at a time with NEON. */
#include <arm_neon.h>

/* Where the first set byte of the mask is, as 4 bits a byte; 64 if none. */
static inline unsigned nx__neon_first(uint8x16_t mask)
{
    uint64_t bits = vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(mask), 4)), 0);
    return bits ? (unsigned)__builtin_ctzll(bits) / 4 : 64;
}

static inline const char *nx__scan_target(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        uint8x16_t x = vld1q_u8((const uint8_t *)p);
        unsigned at = nx__neon_first(vorrq_u8(vcleq_u8(x, vdupq_n_u8(0x20)), vcgeq_u8(x, vdupq_n_u8(0x7f))));
        if (at < 16) return p + at;
    }
    return nx__scan_target_scalar(p, end);
}

static inline const char *nx__scan_value(const char *p, const char *end)
{
    for (; end - p >= 16; p += 16) {
        uint8x16_t x = vld1q_u8((const uint8_t *)p);
        uint8x16_t control = vbicq_u8(vcltq_u8(x, vdupq_n_u8(0x20)), vceqq_u8(x, vdupq_n_u8('\t')));
        unsigned at = nx__neon_first(vorrq_u8(control, vceqq_u8(x, vdupq_n_u8(0x7f))));
        if (at < 16) return p + at;
    }
    return nx__scan_value_scalar(p, end);
}

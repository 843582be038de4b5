/* UUIDs. */
#include "base/clock.h"
#include "crypto/library.h"

#include <stdatomic.h>

enum { COUNTER_BITS = 12, COUNTER_START = 0x7ff /* leaves half of the counter to count with */ };

static nx_uuid marked(nx_uuid uuid, unsigned version)
{
    uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | version << 4);
    uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
    return uuid;
}

nx_uuid nx_uuid_v4(void)
{
    nx_uuid uuid;
    nx_random(uuid.bytes, sizeof uuid.bytes);
    return marked(uuid, 4);
}

/* RFC 9562, section 6.2, method 1: the milliseconds with a counter below them, in one number, so
 * that a counter which overflows moves on to the next millisecond. */
static uint64_t next_tick(unsigned random)
{
    static _Atomic uint64_t last;
    uint64_t now = ((uint64_t)(nx__clock(CLOCK_REALTIME) / 1000000) << COUNTER_BITS) |
                   (random & COUNTER_START);
    uint64_t before = atomic_load_explicit(&last, memory_order_relaxed), tick;
    do tick = now > before && now >> COUNTER_BITS > before >> COUNTER_BITS ? now : before + 1;
    while (!atomic_compare_exchange_weak_explicit(&last, &before, tick, memory_order_relaxed,
                                                  memory_order_relaxed));
    return tick;
}

nx_uuid nx_uuid_v7(void)
{
    nx_uuid uuid;
    nx_random(uuid.bytes, sizeof uuid.bytes);
    uint64_t tick = next_tick((unsigned)uuid.bytes[6] << 8 | uuid.bytes[7]);
    uint64_t ms = tick >> COUNTER_BITS;
    for (unsigned i = 0; i < 6; i++) uuid.bytes[i] = (uint8_t)(ms >> (40 - 8 * i));
    uuid.bytes[6] = (uint8_t)(tick >> 8 & 0x0f);
    uuid.bytes[7] = (uint8_t)tick;
    return marked(uuid, 7);
}

static bool is_dash(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

char *nx_uuid_format(nx_uuid uuid, char out[NX_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    size_t nibble = 0;
    for (size_t at = 0; at < NX_UUID_TEXT - 1; at++) {
        if (is_dash(at)) {
            out[at] = '-';
            continue;
        }
        out[at] = digits[uuid.bytes[nibble / 2] >> (nibble % 2 ? 0 : 4) & 15];
        nibble++;
    }
    out[NX_UUID_TEXT - 1] = '\0';
    return out;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

nx_err nx_uuid_parse(nx_bytes text, nx_uuid *out)
{
    nx_uuid uuid = {0};
    size_t nibble = 0;
    *out = uuid;
    if (text.len != NX_UUID_TEXT - 1)
        return nx__error_set(NX_EINVAL, "a UUID has 36 characters, not %zu", text.len);
    for (size_t at = 0; at < text.len; at++) {
        int value = digit(text.data[at]);
        if (is_dash(at) ? text.data[at] != '-' : value < 0)
            return nx__error_set(NX_EINVAL, "the UUID is wrong at character %zu", at + 1);
        if (is_dash(at)) continue;
        uuid.bytes[nibble / 2] = (uint8_t)(uuid.bytes[nibble / 2] << 4 | value);
        nibble++;
    }
    *out = uuid;
    return NX_OK;
}

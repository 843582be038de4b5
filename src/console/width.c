/* Columns that text takes on a terminal. */
#include "console/width.h"

#include "base/utf8.h"
#include <nexus/console.h>

struct range {
    uint32_t first, last;
};

#include "console/width_table.h"

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low].first;
}

/* Of a valid sequence. */
static uint32_t decode(const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    switch (len) {
    case 1: return u[0];
    case 2: return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    case 3: return (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    default: return (u[0] & 7u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    }
}

/* Sets `*len` to the character's bytes. */
static size_t width_of(const char *s, const char *end, size_t *len)
{
    *len = nx__utf8_sequence(s, end);
    if (!*len) {
        *len = 1;
        return 1;
    }
    uint32_t code = decode(s, *len);
    if (code < 0x80) return code >= 0x20 && code != 0x7f;
    if (code < 0xa0 || is_in(zero, sizeof zero / sizeof *zero, code)) return 0;
    return is_in(wide, sizeof wide / sizeof *wide, code) ? 2 : 1;
}

size_t nx__width_fit(nx_bytes text, size_t columns, size_t *used)
{
    const char *s = text.data, *end = s + text.len;
    *used = 0;
    for (size_t len; s < end; s += len) {
        size_t width = width_of(s, end, &len);
        if (*used + width > columns) break;
        *used += width;
    }
    return (size_t)(s - text.data);
}

size_t nx_text_width(nx_bytes text)
{
    size_t used;
    (void)nx__width_fit(text, SIZE_MAX, &used);
    return used;
}

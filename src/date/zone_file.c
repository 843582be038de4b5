/* Files of time zones, RFC 8536. */
#include "date/zone.h"

#include <stdlib.h>

enum { HEADER = 44 };

const char nx__zone_no_memory[] = "out of memory";

struct counts {
    uint32_t universal, standard, leaps, times, kinds, chars;
};

static uint32_t word(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t number(const unsigned char *p, size_t width)
{
    if (width == 4) return (int32_t)word(p);
    return (int64_t)((uint64_t)word(p) << 32 | word(p + 4));
}

/* What is wrong with a header. */
static const char *header(nx_bytes bytes, struct counts *out)
{
    if (bytes.len < HEADER || memcmp(bytes.data, "TZif", 4) != 0) return "it has no header of TZif";
    const unsigned char *p = (const unsigned char *)bytes.data + 20;
    *out = (struct counts){word(p),      word(p + 4),  word(p + 8),
                           word(p + 12), word(p + 16), word(p + 20)};
    if (out->times > NX__ZONE_TIMES_MOST) return "its clock is set too often";
    if (!out->kinds || out->kinds > NX__ZONE_KINDS_MOST) return "it has no clock, or too many";
    if (!out->chars || out->chars > NX__ZONE_FILE_MOST) return "it has no names, or too many";
    if (out->universal && out->universal != out->kinds) return "its counts do not agree";
    if (out->standard && out->standard != out->kinds) return "its counts do not agree";
    if (out->leaps > NX__ZONE_TIMES_MOST) return "it has too many leap seconds";
    return NULL;
}

static size_t block_size(const struct counts *c, size_t width)
{
    return c->times * (width + 1) + c->kinds * (size_t)6 + c->chars + c->leaps * (width + 4) +
           c->standard + c->universal;
}

static const char *read_kind(const unsigned char *p, const char *names, const struct counts *c,
                             struct nx__zone_kind *out)
{
    int64_t offset = number(p, 4);
    if (offset < NX__OFFSET_LEAST || offset > NX__OFFSET_MOST) return "an offset is too large";
    if (p[4] > 1) return "a clock is neither of summer nor not";
    if (p[5] >= c->chars) return "a name is outside of its names";
    const char *name = names + p[5];
    size_t most = c->chars - p[5], len = strnlen(name, most);
    if (len == most) return "a name does not end";
    if (len > NX__ZONE_SHORT_MOST) return "a name is too long";
    out->offset = (int)offset;
    memcpy(out->name, name, len + 1);
    return NULL;
}

static const char *read_block(const unsigned char *p, const struct counts *c, size_t width,
                              nx_zone *zone)
{
    const unsigned char *which = p + c->times * width, *kinds = which + c->times;
    const char *names = (const char *)kinds + c->kinds * (size_t)6;
    if (c->leaps) return "it counts leap seconds";
    zone->times = calloc(c->times + 1, sizeof *zone->times);
    zone->which = calloc(c->times + 1, 1);
    zone->kinds = calloc(c->kinds, sizeof *zone->kinds);
    if (!zone->times || !zone->which || !zone->kinds) return nx__zone_no_memory;
    for (size_t i = 0; i < c->times; i++) {
        zone->times[i] = number(p + i * width, width);
        zone->which[i] = which[i];
        if (i && zone->times[i] <= zone->times[i - 1]) return "its times do not rise";
        if (which[i] >= c->kinds) return "a clock is set to what it has not";
    }
    for (size_t i = 0; i < c->kinds; i++) {
        const char *wrong = read_kind(kinds + i * 6, names, c, &zone->kinds[i]);
        if (wrong) return wrong;
    }
    zone->time_count = c->times;
    zone->kind_count = c->kinds;
    return NULL;
}

const char *nx__zone_file_read(nx_bytes bytes, nx_zone *out)
{
    struct counts c;
    *out = (nx_zone){0};
    const char *wrong = header(bytes, &c);
    if (wrong) return wrong;
    size_t at = HEADER, width = bytes.data[4] ? 8 : 4;
    if (width == 8) { /* the first block is for readers of version 1 */
        size_t skip = HEADER + block_size(&c, 4);
        if (skip > bytes.len) return "it ends too early";
        bytes = nx_slice(bytes.data + skip, bytes.len - skip);
        wrong = header(bytes, &c);
        if (wrong) return wrong;
    }
    size_t size = block_size(&c, width);
    if (size > bytes.len - at) return "it ends too early";
    wrong = read_block((const unsigned char *)bytes.data + at, &c, width, out);
    if (wrong || width == 4) return wrong;
    at += size;
    const char *rule = bytes.data + at + 1;
    size_t left = bytes.len - at;
    const char *end = left > 1 && rule[-1] == '\n' ? memchr(rule, '\n', left - 1) : NULL;
    if (!end) return "it has no rule at its end";
    out->has_rule = end > rule;
    return out->has_rule ? nx__zone_rule_read(nx_slice(rule, (size_t)(end - rule)), &out->rule)
                         : NULL;
}

void nx__zone_free(nx_zone *zone)
{
    free(zone->times);
    free(zone->which);
    free(zone->kinds);
    zone->times = NULL;
    zone->which = NULL;
    zone->kinds = NULL;
    zone->time_count = zone->kind_count = 0;
}

const struct nx__zone_kind *nx__zone_at(const nx_zone *zone, int64_t seconds)
{
    size_t count = zone->time_count;
    if (zone->has_rule && (!count || seconds >= zone->times[count - 1]))
        return nx__zone_rule_at(&zone->rule, seconds);
    if (!count || seconds < zone->times[0]) return &zone->kinds[0];
    size_t low = 0, high = count; /* times[low] <= seconds < times[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (zone->times[middle] <= seconds)
            low = middle;
        else
            high = middle;
    }
    return &zone->kinds[zone->which[low]];
}

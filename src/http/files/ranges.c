/* The Range field. */
#include "http/files/ranges.h"

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Reads digits; past UINT64_MAX it stays there. False when there is none. */
static bool number(const char **at, const char *end, uint64_t *out)
{
    const char *begin = *at;
    uint64_t n = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        uint64_t digit = (uint64_t)(**at - '0');
        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    *out = n;
    return *at > begin;
}

/* Joins ranges until none overlaps or nearly touches another. */
static size_t coalesce(struct nx__range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count;) {
            struct nx__range *a = &ranges[i], *b = &ranges[j];
            uint64_t a_end = a->first + a->len, b_end = b->first + b->len;
            bool apart = (a_end < b->first && b->first - a_end >= NX__RANGE_GAP_LEAST) ||
                         (b_end < a->first && a->first - b_end >= NX__RANGE_GAP_LEAST);
            if (apart) {
                j++;
                continue;
            }
            uint64_t end = a_end > b_end ? a_end : b_end;
            if (b->first < a->first) a->first = b->first;
            a->len = end - a->first;
            memmove(b, b + 1, (--count - j) * sizeof *b);
            j = i + 1; /* it has grown, and may reach those it was apart from */
        }
    }
    return count;
}

enum nx__ranges nx__ranges_parse(nx_bytes value, uint64_t size,
                                 struct nx__range out[NX__RANGES_MOST], size_t *count)
{
    static const char unit[] = "bytes=";
    const size_t unit_len = sizeof unit - 1;
    *count = 0;
    if (value.len <= unit_len || strncasecmp(value.data, unit, unit_len) != 0)
        return NX__RANGES_NONE;
    const char *at = value.data + unit_len, *end = value.data + value.len;
    size_t asked = 0, found = 0;
    while (at < end) {
        if (blank(*at) || *at == ',') { /* empty members are allowed (RFC 9110 5.6.1.2) */
            at++;
            continue;
        }
        if (asked++ == NX__RANGES_MOST) return NX__RANGES_NONE;
        uint64_t first, last;
        if (*at == '-') {
            at++;
            if (!number(&at, end, &last)) return NX__RANGES_NONE;
            if (!size && last) return NX__RANGES_NONE; /* all of nothing */
            first = last < size ? size - last : 0;     /* "-0" begins past the end */
            last = UINT64_MAX;
        } else {
            if (!number(&at, end, &first) || at == end || *at++ != '-') return NX__RANGES_NONE;
            if (!number(&at, end, &last)) last = UINT64_MAX;
            if (last < first) return NX__RANGES_NONE;
        }
        while (at < end && blank(*at)) at++;
        if (at < end && *at != ',') return NX__RANGES_NONE;
        if (first >= size) continue; /* can't be satisfied */
        if (last >= size) last = size - 1;
        out[found++] = (struct nx__range){.first = first, .len = last - first + 1};
    }
    if (!asked) return NX__RANGES_NONE;
    if (!found) return NX__RANGES_UNSATISFIABLE;
    *count = coalesce(out, found);
    return NX__RANGES_SOME;
}

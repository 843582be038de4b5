/* Values as people write them. */
#include "base/values.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- The kinds */

static bool bool_parse(const char *text, bool *out)
{
    static const struct {
        const char *word;
        bool yes;
    } words[] = {{"1", true},  {"true", true},   {"yes", true}, {"on", true},
                 {"0", false}, {"false", false}, {"no", false}, {"off", false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i].word) != 0) continue;
        *out = words[i].yes;
        return true;
    }
    return false;
}

/* The digits that the text begins with; what follows, or NULL where there are none or too many. */
static const char *digits_parse(const char *text, uint64_t *out)
{
    const char *at = text;
    uint64_t n = 0;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*at - '0'), &n))
            return NULL;
    *out = n;
    return at == text ? NULL : at;
}

static bool int_parse(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    uint64_t n;
    const char *end = digits_parse(text + (negative || *text == '+'), &n);
    if (!end || *end || n > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

/* What strtod reads beyond this (blanks, "inf", "0x") nobody means. */
static bool real_parse(const char *text, double *out)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789.+-eE")]) return false;
    *out = strtod(text, &end);
    return !*end && isfinite(*out);
}

static const struct unit {
    const char *name;
    int64_t worth;
} spans[] = {{"ns", 1},       {"us", 1000},      {"ms", 1000000},   {"s", 1000000000},
             {"m", NX_S(60)}, {"h", NX_S(3600)}, {"d", NX_S(86400)}},
  sizes[] = {{"", 1},
             {"K", (int64_t)1 << 10},
             {"M", (int64_t)1 << 20},
             {"G", (int64_t)1 << 30},
             {"T", (int64_t)1 << 40}};

enum { SPANS = sizeof spans / sizeof *spans, SIZES = sizeof sizes / sizeof *sizes };

/* The digits behind a point, as a part of a unit; what follows them, or NULL without any. */
static const char *fraction_parse(const char *text, uint64_t *part, uint64_t *whole)
{
    const char *at = text;
    *part = 0;
    *whole = 1;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (*whole >= 1000000000) continue; /* less than a nanosecond of a second */
        *part = *part * 10 + (uint64_t)(*at - '0');
        *whole *= 10;
    }
    return at == text ? NULL : at;
}

static bool duration_parse(const char *text, int64_t *out)
{
    int64_t sum = 0;
    *out = 0;
    if (strcmp(text, "0") == 0) return true;
    do {
        uint64_t n, part = 0, whole = 1;
        text = digits_parse(text, &n);
        if (text && *text == '.') text = fraction_parse(text + 1, &part, &whole);
        if (!text) return false;
        size_t len = strcspn(text, "0123456789.");
        const struct unit *unit = spans;
        while (unit < spans + SPANS &&
               (strlen(unit->name) != len || memcmp(unit->name, text, len) != 0))
            unit++;
        if (unit == spans + SPANS) return false;
        int64_t span, rest = (int64_t)((double)part / (double)whole * (double)unit->worth + 0.5);
        if (__builtin_mul_overflow(n, unit->worth, &span) ||
            __builtin_add_overflow(span, rest, &span) || __builtin_add_overflow(sum, span, &sum))
            return false;
        text += len;
    } while (*text);
    *out = sum;
    return true;
}

static bool size_parse(const char *text, int64_t *out)
{
    uint64_t n;
    const char *end = digits_parse(text, &n);
    if (!end) return false;
    for (size_t i = SIZES; i-- > 0;) {
        const char *name = sizes[i].name;
        if (*name ? strncasecmp(end, name, 1) != 0 : false) continue;
        const char *rest = end + strlen(name);
        if (*rest && strcmp(rest, *name ? "iB" : "B") != 0) return false;
        return !__builtin_mul_overflow(n, sizes[i].worth, out);
    }
    return false;
}

/* ---- All of them */

static bool is_within(int64_t n, struct nx__value_range range)
{
    if (!range.least && !range.most) return true;
    return n >= range.least && (n <= range.most || (!range.most && range.least > 0));
}

bool nx__value_parse(enum nx__value_kind kind, const char *text, struct nx__value_range range,
                     union nx__value *out)
{
    switch (kind) {
    case NX__VALUE_BOOL: return bool_parse(text, &out->yes);
    case NX__VALUE_REAL: return real_parse(text, &out->real);
    case NX__VALUE_INT: return int_parse(text, &out->number) && is_within(out->number, range);
    case NX__VALUE_DURATION:
        return duration_parse(text, &out->number) && is_within(out->number, range);
    case NX__VALUE_SIZE: return size_parse(text, &out->number) && is_within(out->number, range);
    }
    return false;
}

const char *nx__value_text(enum nx__value_kind kind, int64_t number, char out[NX__VALUE_TEXT])
{
    const struct unit *units = kind == NX__VALUE_DURATION ? spans : sizes;
    size_t i = kind == NX__VALUE_DURATION ? SPANS : kind == NX__VALUE_SIZE ? SIZES : 1;
    if (number == 0) i = 1;
    while (i > 1 && number % units[i - 1].worth) i--;
    (void)snprintf(out, NX__VALUE_TEXT, "%lld%s", (long long)(number / units[i - 1].worth),
                   number ? units[i - 1].name : "");
    return out;
}

const char *nx__value_wanted(enum nx__value_kind kind, struct nx__value_range range,
                             char out[NX__VALUE_WANTED])
{
    static const char *const names[] = {
        [NX__VALUE_BOOL] = "yes or no",
        [NX__VALUE_INT] = "a whole number",
        [NX__VALUE_REAL] = "a number",
        [NX__VALUE_DURATION] = "a span such as 250ms, 5s or 1h30m",
        [NX__VALUE_SIZE] = "a size such as 512, 64K or 2G",
    };
    char least[NX__VALUE_TEXT], most[NX__VALUE_TEXT];
    bool ranged = (range.least || range.most) && kind != NX__VALUE_BOOL && kind != NX__VALUE_REAL;
    (void)nx__value_text(kind, range.least, least);
    (void)nx__value_text(kind, range.most, most);
    if (!ranged)
        (void)snprintf(out, NX__VALUE_WANTED, "%s", names[kind]);
    else if (!range.most && range.least > 0)
        (void)snprintf(out, NX__VALUE_WANTED, "%s of at least %s", names[kind], least);
    else
        (void)snprintf(out, NX__VALUE_WANTED, "%s from %s to %s", names[kind], least, most);
    return out;
}

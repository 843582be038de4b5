/* Spans as text: "1h30m", and ISO 8601. */
#include "base/text_reader.h"

#include <nexus/date.h>
#include <stdio.h>

static const struct unit {
    const char *name;
    int64_t nanoseconds;
} units[] = {
    {"d", NX_S(86400)}, {"h", NX_S(3600)}, {"m", NX_S(60)}, {"s", NX_S(1)},
    {"ms", NX_MS(1)},   {"us", NX_US(1)},  {"ns", 1},
};
enum { DAYS, HOURS, MINUTES, SECONDS, MILLIS, MICROS, UNITS = sizeof units / sizeof *units };

/* A span as it is read: below zero, since there is one more than above. */
struct sum {
    int64_t minus;
    bool too_long;
};

struct number {
    uint64_t whole;
    int64_t billionths;
    bool too_long, pointed;
};

static struct number number(struct nx__text_reader *r, bool comma)
{
    struct number n = {0};
    const char *begin = r->at;
    for (; nx__text_is_digit(nx__text_peek(r)); r->at++) {
        uint64_t digit = (uint64_t)(*r->at - '0');
        if (n.whole > (UINT64_MAX - digit) / 10)
            n.too_long = true;
        else
            n.whole = n.whole * 10 + digit;
    }
    if (r->at == begin) nx__text_wrong(r, r->at, "a number is missing");
    n.pointed = nx__text_take(r, '.') || (comma && nx__text_take(r, ','));
    if (!n.pointed) return n;
    begin = r->at;
    n.billionths = nx__text_digits(r, 1, 9, "digits are missing behind the point");
    for (long count = r->at - begin; count < 9; count++) n.billionths *= 10;
    if (nx__text_is_digit(nx__text_peek(r)))
        nx__text_wrong(r, r->at, "more than nine digits are behind the point");
    return n;
}

static void add(struct sum *sum, struct number n, int64_t unit, struct nx__text_reader *r)
{
    int64_t part;
    if (unit >= NX_S(1)) {
        part = n.billionths * (unit / NX_S(1));
    } else {
        part = n.billionths * unit / NX_S(1);
        if (part * NX_S(1) != n.billionths * unit)
            nx__text_wrong(r, r->at, "there is nothing shorter than a nanosecond");
    }
    int64_t whole;
    if (n.too_long || __builtin_mul_overflow(n.whole, -unit, &whole) ||
        __builtin_add_overflow(sum->minus, whole, &sum->minus) ||
        __builtin_sub_overflow(sum->minus, part, &sum->minus))
        sum->too_long = true;
}

/* ---- Reading */

static int unit(struct nx__text_reader *r)
{
    /* µ, as Latin-1's and as the Greek letter. */
    for (size_t i = 0; !r->wrong && i < 2 && r->end - r->at >= 3; i++) {
        if (memcmp(r->at, i ? "\u03bcs" : "\u00b5s", 3) == 0) {
            r->at += 3;
            return MICROS;
        }
    }
    const char *begin = r->at;
    while (isalpha((unsigned char)nx__text_peek(r))) r->at++;
    size_t len = (size_t)(r->at - begin);
    for (int i = 0; i < UNITS; i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, begin, len) == 0) return i;
    nx__text_wrong(r, begin, "a unit is d, h, m, s, ms, us or ns");
    return 0;
}

static void read_plain(struct nx__text_reader *r, struct sum *sum)
{
    if (r->end - r->at == 1 && nx__text_take(r, '0')) return;
    int last = -1;
    do {
        struct number n = number(r, false);
        const char *at = r->at;
        int which = unit(r);
        if (which <= last) nx__text_wrong(r, at, "units stand once each, the longest first");
        last = which;
        if (!r->wrong) add(sum, n, units[which].nanoseconds, r);
    } while (!r->wrong && r->at < r->end);
}

/* Behind the P. ISO 8601-1, 5.5.2.3; years and months have no length of their own. */
static void read_iso(struct nx__text_reader *r, struct sum *sum)
{
    int last = -1;
    bool clock = false, weeks = false, pointed = false;
    do {
        if (!clock && nx__text_take(r, 'T')) clock = true;
        struct number n = number(r, true);
        const char *at = r->at;
        char c = nx__text_peek(r);
        int which = UNITS;
        if (pointed) nx__text_wrong(r, at, "only the last number has a point");
        pointed = n.pointed;
        if (!clock && (c == 'Y' || c == 'M'))
            nx__text_wrong(r, at, "years and months are not of one length");
        if (!clock && (c == 'D' || c == 'W')) which = DAYS;
        if (clock && c && strchr("HMS", c)) which = c == 'H' ? HOURS : c == 'M' ? MINUTES : SECONDS;
        if (which == UNITS)
            nx__text_wrong(r, at, clock ? "a unit is H, M or S behind the T" : "a unit is D or W");
        if (which <= last || weeks)
            nx__text_wrong(r, at, "units stand once each, the longest first, and W alone");
        if (r->wrong) return;
        r->at++;
        last = which;
        weeks = c == 'W';
        add(sum, n, units[which].nanoseconds * (weeks ? 7 : 1), r);
    } while (!r->wrong && r->at < r->end);
}

nx_err nx_duration_parse(nx_bytes text, nx_duration *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    struct sum sum = {0};
    *out = 0;
    bool minus = nx__text_take(&r, '-');
    if (!minus) (void)nx__text_take(&r, '+');
    if (nx__text_take(&r, 'P'))
        read_iso(&r, &sum);
    else
        read_plain(&r, &sum);
    if (r.wrong) return nx__text_error(&r, "span");
    if (sum.too_long || (!minus && sum.minus == INT64_MIN)) {
        char quoted[NX__QUOTED];
        return nx__error_set(NX_ELIMIT, "the span \"%s\" is longer than 292 years",
                             nx__quoted(quoted, text));
    }
    *out = minus ? sum.minus : -sum.minus;
    return NX_OK;
}

/* ---- Writing */

/* A number with the `places` digits behind its point, but for zeros at the end. */
static size_t put(char *out, size_t size, uint64_t whole, uint64_t part, int places,
                  const char *unit_name)
{
    char digits[24] = "";
    if (part) {
        int n = snprintf(digits, sizeof digits, ".%0*llu", places, (unsigned long long)part);
        while (digits[n - 1] == '0') digits[--n] = '\0';
    }
    int n = snprintf(out, size, "%llu%s%s", (unsigned long long)whole, digits, unit_name);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* What is less than a second, in the largest unit that it has one of. */
static size_t put_short(char *out, size_t size, uint64_t span)
{
    int i = MILLIS, places = 6;
    for (; i < UNITS - 1 && span < (uint64_t)units[i].nanoseconds; i++) places -= 3;
    uint64_t length = (uint64_t)units[i].nanoseconds;
    return put(out, size, span / length, span % length, places, units[i].name);
}

static size_t put_long(char *out, size_t size, uint64_t span, bool iso)
{
    static const char *const iso_names[] = {"D", "H", "M", "S"};
    size_t len = 0;
    bool clock = false, none = true;
    for (int i = DAYS; i <= SECONDS; i++) {
        uint64_t length = (uint64_t)units[i].nanoseconds, n = span / length;
        span %= length;
        uint64_t part = i == SECONDS ? span : 0;
        if (!n && !part && !(none && i == SECONDS)) continue; /* zero is told in seconds */
        if (iso && i > DAYS && !clock) {
            out[len++] = 'T';
            clock = true;
        }
        len += put(out + len, size - len, n, part, 9, iso ? iso_names[i] : units[i].name);
        none = false;
    }
    return len;
}

static nx_err write_span(nx_duration span, bool iso, nx_bytes *out)
{
    char text[80];
    size_t len = 0;
    uint64_t positive = span < 0 ? 0 - (uint64_t)span : (uint64_t)span;
    *out = (nx_bytes){0};
    if (span < 0) text[len++] = '-';
    if (iso) text[len++] = 'P';
    len += !iso && positive && positive < NX_S(1)
               ? put_short(text + len, sizeof text - len, positive)
               : put_long(text + len, sizeof text - len, positive, iso);
    char *copy = nx_copy(nx_slice(text, len));
    if (copy) *out = nx_slice(copy, len);
    return copy ? NX_OK : NX_ENOMEM;
}

nx_err nx_duration_text(nx_duration span, nx_bytes *out)
{
    return write_span(span, false, out);
}

nx_err nx_duration_text_iso(nx_duration span, nx_bytes *out)
{
    return write_span(span, true, out);
}

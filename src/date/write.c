/* Dates as text: RFC 3339, HTTP, mail, patterns. */
#include "date/date.h"

#include "base/error.h"
#include <stdio.h>

/* The room for any of them: %c makes 24 characters of two, and nothing makes more of one. */
enum { TEXT_MOST = 12 * NX_DATE_PATTERN_MOST };

static nx_err copied(const char *text, nx_bytes *out)
{
    char *copy = nx_copy(nx_str(text));
    if (copy) *out = nx_str(copy);
    return copy ? NX_OK : NX_ENOMEM;
}

/* The same point in time by a clock whose offset has whole minutes. */
static nx_date by_the_minute(nx_date date)
{
    int seconds = date.offset % 60;
    if (!seconds) return date;
    nx_date d =
        nx__date_of_clock(nx__date_clock(&date) - seconds, date.nanosecond, date.offset - seconds);
    return nx__date_wrong(&d) ? date : d;
}

/* "+01:00"; `colon` is ":" or "". */
static void write_offset(char out[8], const nx_date *d, const char *colon)
{
    int minutes = d->offset / 60, ahead = minutes < 0 ? -minutes : minutes;
    (void)snprintf(out, 8, "%c%02d%s%02d", d->offset < 0 || d->unknown_place ? '-' : '+',
                   ahead / 60 % 100, colon, ahead % 60);
}

nx_err nx_date_text(nx_date date, nx_bytes *out)
{
    *out = (nx_bytes){0};
    NX_TRY(nx__date_check(&date));
    nx_date d = by_the_minute(date);
    char text[64], fraction[12] = "", zone[8] = "Z";
    if (d.nanosecond) {
        int len = snprintf(fraction, sizeof fraction, ".%09d", d.nanosecond);
        while (len > 4 && strcmp(fraction + len - 3, "000") == 0) fraction[len -= 3] = '\0';
    }
    if (d.offset || d.unknown_place) write_offset(zone, &d, ":");
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d%s%s", d.year, d.month, d.day,
                   d.hour, d.minute, d.second, fraction, zone);
    return copied(text, out);
}

/* "Sun, 06 Nov 1994 08:49:37 " and what stands for the zone. */
static void write_mail(char *out, size_t size, const nx_date *d, const char *zone)
{
    (void)snprintf(out, size, "%.3s, %02d %.3s %04d %02d:%02d:%02d %s",
                   nx__day_names[nx_date_weekday(*d) % 7], d->day % 100,
                   nx__month_names[d->month - 1], d->year % 10000, d->hour % 100, d->minute % 100,
                   d->second % 100, zone);
}

static bool http_write(char out[NX__HTTP_DATE_LEN + 1], int64_t seconds, bool leap)
{
    /* 0000-01-01 to 9999-12-31 */
    if (seconds < -62167219200 || seconds > 253402300799) return false;
    nx_date d = nx__date_of_clock(seconds, 0, 0);
    d.second += leap;
    write_mail(out, NX__HTTP_DATE_LEN + 1, &d, "GMT");
    return true;
}

bool nx__http_date_write(char out[NX__HTTP_DATE_LEN + 1], int64_t seconds)
{
    return http_write(out, seconds, false);
}

nx_err nx_date_text_http(nx_date date, nx_bytes *out)
{
    char text[NX__HTTP_DATE_LEN + 1];
    *out = (nx_bytes){0};
    NX_TRY(nx__date_check(&date));
    bool leap = date.second == 60;
    if (!http_write(text, nx__date_seconds(&date) - leap, leap))
        return nx__error_set(NX_EINVAL, "by UTC the date is outside of the years 0 to 9999");
    return copied(text, out);
}

nx_err nx_date_text_mail(nx_date date, nx_bytes *out)
{
    char text[40], zone[8];
    *out = (nx_bytes){0};
    NX_TRY(nx__date_check(&date));
    nx_date d = by_the_minute(date);
    write_offset(zone, &d, "");
    write_mail(text, sizeof text, &d, zone);
    return copied(text, out);
}

/* ---- Patterns */

struct writer {
    char text[TEXT_MOST + 1];
    size_t len;
};

static void put(struct writer *w, const char *format, ...) NX_PRINTF(2, 3);
static void put(struct writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->text + w->len, sizeof w->text - w->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof w->text - w->len) w->len += (size_t)n;
}

static void write_pattern(struct writer *w, const nx_date *d, const char *pattern);

/* Those that stand for others. */
static const char *pattern_of(char c)
{
    switch (c) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'h': return "%b";
    case 'r': return "%I:%M:%S %p";
    case 'R': return "%H:%M";
    case 'T':
    case 'X': return "%H:%M:%S";
    default: return NULL;
    }
}

static void write_one(struct writer *w, const nx_date *d, char c)
{
    int weekday = nx_date_weekday(*d), yearday = nx_date_yearday(*d) - 1, year;
    int week = nx_date_week(*d, &year);
    const char *stands_for = pattern_of(c);
    char zone[8];
    if (stands_for) {
        write_pattern(w, d, stands_for);
        return;
    }
    switch (c) {
    case '%': put(w, "%%"); break;
    case 'a': put(w, "%.3s", nx__day_names[weekday % 7]); break;
    case 'A': put(w, "%s", nx__day_names[weekday % 7]); break;
    case 'b': put(w, "%.3s", nx__month_names[d->month - 1]); break;
    case 'B': put(w, "%s", nx__month_names[d->month - 1]); break;
    case 'C': put(w, "%02d", d->year / 100); break;
    case 'd': put(w, "%02d", d->day); break;
    case 'e': put(w, "%2d", d->day); break;
    case 'g': put(w, "%02d", (year % 100 + 100) % 100); break;
    case 'G': put(w, "%04d", year); break;
    case 'H': put(w, "%02d", d->hour); break;
    case 'I': put(w, "%02d", (d->hour + 11) % 12 + 1); break;
    case 'j': put(w, "%03d", yearday + 1); break;
    case 'm': put(w, "%02d", d->month); break;
    case 'M': put(w, "%02d", d->minute); break;
    case 'n': put(w, "\n"); break;
    case 'p': put(w, "%s", d->hour < 12 ? "AM" : "PM"); break;
    case 's': put(w, "%lld", (long long)nx__date_seconds(d)); break;
    case 'S': put(w, "%02d", d->second); break;
    case 't': put(w, "\t"); break;
    case 'u': put(w, "%d", weekday); break;
    case 'U': put(w, "%02d", (yearday + 7 - weekday % 7) / 7); break;
    case 'V': put(w, "%02d", week); break;
    case 'w': put(w, "%d", weekday % 7); break;
    case 'W': put(w, "%02d", (yearday + 7 - (weekday - 1)) / 7); break;
    case 'y': put(w, "%02d", d->year % 100); break;
    case 'Y': put(w, "%04d", d->year); break;
    case 'z':
        write_offset(zone, d, "");
        put(w, "%s", zone);
        break;
    default: break; /* see check_pattern */
    }
}

static void write_pattern(struct writer *w, const nx_date *d, const char *pattern)
{
    for (; *pattern; pattern++) {
        if (*pattern == '%')
            write_one(w, d, *++pattern);
        else
            put(w, "%c", *pattern);
    }
}

static nx_err check_pattern(const char *pattern)
{
    if (strlen(pattern) > NX_DATE_PATTERN_MOST)
        return nx__error_set(NX_ELIMIT, "a pattern for dates is at most %d bytes long",
                             NX_DATE_PATTERN_MOST);
    for (const char *p = pattern; (p = strchr(p, '%')); p += 2) {
        if (!p[1])
            return nx__error_set(
                NX_EINVAL, "the pattern \"%.100s\" ends with a %%; %%%% stands for one", pattern);
        if (!strchr("%aAbBcCdDeFgGhHIjmMnprRsStTuUVwWxXyYz", p[1]))
            return nx__error_set(NX_EINVAL,
                                 "the pattern \"%.100s\" has %%%c, which is none of ours", pattern,
                                 p[1] > ' ' && p[1] < 0x7f ? p[1] : '?');
    }
    return NX_OK;
}

nx_err nx_date_format(nx_date date, const char *pattern, nx_bytes *out)
{
    struct writer w;
    w.len = 0;
    w.text[0] = '\0';
    *out = (nx_bytes){0};
    NX_TRY(check_pattern(pattern));
    NX_TRY(nx__date_check(&date));
    nx_date d = by_the_minute(date);
    write_pattern(&w, &d, pattern);
    return copied(w.text, out);
}

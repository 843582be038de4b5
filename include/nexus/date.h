/* Dates of the calendar, time zones, spans as text. */
#ifndef NEXUS_DATE_H
#define NEXUS_DATE_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Unless they say otherwise, none of these suspends, all may be called by several threads, and text
 * that results is memory of the current scope, with a NUL behind the last byte (NX_ENOMEM). */

/* A point in time as the calendar and the clock on the wall have it: proleptic Gregorian, years 0
 * to 9999. A plain value; what is not set is zero, but a month and a day have to be. */
typedef struct nx_date {
    int year, month, day;     /* month and day from 1 */
    int hour, minute, second; /* second 60 is a leap second: 23:59:60 UTC of a month's last day */
    int nanosecond;
    int offset;         /* seconds that the clock is ahead of UTC (east of Greenwich) */
    bool unknown_place; /* it is UTC, and where the clock hangs isn't known: "-00:00" */
} nx_date;

/* A time zone; stays until the program ends. */
typedef struct nx_zone nx_zone;

/* ---- From and to points in time */

/* The date at a point in time, by UTC or by the clock of a zone (NULL: UTC). Never fails. */
NX_API nx_date nx_date_utc(nx_time time);
NX_API nx_date nx_date_local(nx_time time, const nx_zone *zone);

/* The point in time of a date. A leap second is the second after it, as nx_time knows none.
 * NX_EINVAL (no such date; the message says what is wrong with it), NX_ELIMIT (before 1677-09-22 or
 * after 2262-04-11, which nx_time doesn't hold). */
NX_API NX_MUST_CHECK nx_err nx_date_time(nx_date date, nx_time *out);

/* Sets the offset that the zone (NULL: UTC) has when its clock shows the date; the date's own
 * offset is not looked at. Of two such times, when the clock is set back, it is the earlier; a date
 * that the clock leaves out goes forward by what is left out, as in 02:30 -> 03:30. NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_date_in_zone(nx_date *date, const nx_zone *zone);

/* ---- Zones */

/* A zone by its name in the system's zoneinfo ("Europe/Berlin"), or the program's own with NULL:
 * what TZ in the environment says, a name or a rule of POSIX ("CET-1CEST,M3.5.0,M10.5.0/3"), else
 * /etc/localtime, else UTC. Reads a file at the first call for a name, and needs no permission.
 * NX_ENOENT (no such zone), NX_EINVAL (not a name; the file is none of RFC 8536), NX_EIO,
 * NX_ENOMEM. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_zone_open(const nx_zone **out, const char *name);

/* What the zone is called then ("CEST"), as long as the zone. */
NX_API const char *nx_zone_abbreviation(const nx_zone *zone, nx_time time);

/* ---- Reading and writing */

/* RFC 3339: "2026-11-30T08:30:00.25+01:00"; up to nine digits of a second. A space or small letters
 * instead of T and Z are taken, as section 5.6 lets them be. NX_EINVAL, with the place. */
NX_API NX_MUST_CHECK nx_err nx_date_parse(nx_bytes text, nx_date *out);

/* A day alone (RFC 3339's full-date): "2026-11-30", as its midnight by UTC; nx_date_in_zone says by
 * which clock else. It is written by nx_date_format, "%F". NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_date_parse_day(nx_bytes text, nx_date *out);

/* RFC 9110, section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT" and the two obsolete forms, always UTC.
 * Whether it was a Sunday is not looked at. NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_date_parse_http(nx_bytes text, nx_date *out);

/* RFC 5322, sections 3.3 and 4.3: "Fri, 21 Nov 1997 09:55:06 -0600", with comments, years of two or
 * three digits and zones by name ("EST"; letters and unknown ones are "-0000"). NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_date_parse_mail(nx_bytes text, nx_date *out);

/* The same three, written; the second by UTC. Of a second's fraction 3, 6 or 9 digits are written,
 * or none. RFC 3339 has no offsets with seconds, which old dates have: those are told by the whole
 * minute, the point in time being the same. NX_EINVAL (no such date, as for nx_date_time). */
NX_API NX_MUST_CHECK nx_err nx_date_text(nx_date date, nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_date_text_http(nx_date date, nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_date_text_mail(nx_date date, nx_bytes *out);

/* By a pattern as strftime of POSIX has it, in English: %a %A %b %B %c %C %d %D %e %F %g %G %h %H
 * %I %j %m %M %n %p %r %R %s %S %t %T %u %U %V %w %W %x %X %y %Y %z %%. NX_EINVAL (another one, no
 * such date), NX_ELIMIT (a pattern past NX_DATE_PATTERN_MOST bytes). */
NX_API NX_MUST_CHECK nx_err nx_date_format(nx_date date, const char *pattern, nx_bytes *out);
#define NX_DATE_PATTERN_MOST 256

/* ---- Calculating. Those that return a number want a date that is one. */

NX_API bool nx_year_is_leap(int year);
/* 28 to 31; 0 where there is no such month. */
NX_API int nx_month_days(int year, int month);
/* 1 is Monday, 7 Sunday (ISO 8601). */
NX_API int nx_date_weekday(nx_date date);
/* 1 to 366. */
NX_API int nx_date_yearday(nx_date date);
/* ISO 8601: 1 to 53, and the year that the week belongs to, which is the next or the last for some
 * days about the turn of the year; `year` may be NULL. */
NX_API int nx_date_week(nx_date date, int *year);

/* Adds months or days, which may be negative, to what the calendar shows; the clock and the offset
 * stay (nx_date_in_zone says anew which it is). Where the month has no such day it is its last:
 * 31 January and a month is 28 February. NX_EINVAL, NX_ELIMIT (outside of the years). */
NX_API NX_MUST_CHECK nx_err nx_date_add_months(nx_date *date, int64_t months);
NX_API NX_MUST_CHECK nx_err nx_date_add_days(nx_date *date, int64_t days);

/* How many days of the calendar it is from one to the other; clocks and offsets don't count. */
NX_API int64_t nx_date_days_between(nx_date from, nx_date to);

/* -1, 0 or 1: which is the earlier point in time. */
NX_API int nx_date_compare(nx_date a, nx_date b);

typedef enum nx_date_unit {
    NX_DATE_SECOND,
    NX_DATE_MINUTE,
    NX_DATE_HOUR,
    NX_DATE_DAY,
    NX_DATE_WEEK, /* from Monday */
    NX_DATE_MONTH,
    NX_DATE_YEAR,
} nx_date_unit;

/* Where the second, the minute … that it is in began. The offset stays. NX_EINVAL, NX_ELIMIT (a
 * week that begins before the year 0). */
NX_API NX_MUST_CHECK nx_err nx_date_truncate(nx_date *date, nx_date_unit unit);

/* ---- Spans */

/* "1h30m", "1.5s", "-250ms", "0": numbers with units (d of 24 hours, h, m, s, ms, us or µs, ns),
 * each once, the longest first; or ISO 8601's "PT1H30M", "P1DT12H", "P2W". NX_EINVAL (anything
 * else, with the place; years and months, which have no length; less than a nanosecond), NX_ELIMIT
 * (over 292 years). */
NX_API NX_MUST_CHECK nx_err nx_duration_parse(nx_bytes text, nx_duration *out);

/* "1d2h3m4.5s", "250ms", "0s"; and by ISO 8601 "P1DT2H3M4.5S". */
NX_API NX_MUST_CHECK nx_err nx_duration_text(nx_duration span, nx_bytes *out);
NX_API NX_MUST_CHECK nx_err nx_duration_text_iso(nx_duration span, nx_bytes *out);

#ifdef __cplusplus
}
#endif

#endif

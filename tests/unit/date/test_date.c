/* The calendar. */
#include "date/date.h"

#include <nexus/test.h>
#include <time.h>

/* Some second of each 31 days or so of the years that have them, by libc. */
#define EACH_DATE(at) for (int64_t at = -62167219200; at < 253402300800; at += 86400LL * 31 + 4321)

NX_TEST("the calendar is libc's, both ways")
{
    EACH_DATE(at)
    {
        time_t seconds = (time_t)at;
        struct tm tm;
        nx_date d = nx__date_of_clock(at, 0, 0);
        nx_require(gmtime_r(&seconds, &tm) != NULL);
        nx_require_eq(d.year, tm.tm_year + 1900);
        nx_require_eq(d.month, tm.tm_mon + 1);
        nx_require_eq(d.day, tm.tm_mday);
        nx_require_eq(d.hour * 3600 + d.minute * 60 + d.second,
                      tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        nx_require_eq(nx_date_weekday(d) % 7, tm.tm_wday);
        nx_require_eq(nx_date_yearday(d), tm.tm_yday + 1);
        nx_require_eq(nx__date_seconds(&d), at);
    }
}

NX_TEST("points in time")
{
    nx_date d = nx_date_utc(0);
    nx_expect(d.year == 1970 && d.month == 1 && d.day == 1 && !d.hour && !d.nanosecond);
    d = nx_date_utc(-1);
    nx_expect(d.year == 1969 && d.second == 59 && d.nanosecond == 999999999);
    nx_time time;
    nx_expect_ok(nx_date_time(d, &time));
    nx_expect_eq(time, -1);
    static const nx_time edges[] = {INT64_MIN, INT64_MIN + NX_S(2), INT64_MAX - NX_S(2), INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        d = nx_date_utc(edges[i]);
        nx_expect(!nx__date_wrong(&d));
        nx_expect_eq(nx_date_compare(nx_date_local(edges[i], NULL), d), 0);
        if (i == 1 || i == 2) {
            nx_expect_ok(nx_date_time(d, &time));
            nx_expect_eq(time, edges[i]);
        } else {
            nx_expect_err(NX_ELIMIT, nx_date_time(d, &time));
        }
    }
    nx_expect_err(NX_ELIMIT, nx_date_time((nx_date){.year = 2500, .month = 1, .day = 1}, &time));
    nx_expect_contains(nx_error_last()->message, "2500-01-01 is not between");
    /* A leap second has the number of the second after it, and is before it. */
    const nx_date leap = {2016, 12, 31, 23, 59, 60, 0, 0, false},
                  next = {.year = 2017, .month = 1, .day = 1};
    nx_time after;
    nx_expect_ok(nx_date_time(leap, &time));
    nx_expect_ok(nx_date_time(next, &after));
    nx_expect_eq(time, after);
    nx_expect_eq(nx_date_compare(leap, next), -1);
    nx_expect_eq(nx_date_compare(next, leap), 1);
    nx_expect_eq(nx_date_compare(leap, leap), 0);
}

NX_TEST("what is no date is told")
{
    static const struct {
        nx_date date;
        const char *why;
    } rows[] = {
        {{-1, 1, 1, 0, 0, 0, 0, 0, false}, "the year"},
        {{10000, 1, 1, 0, 0, 0, 0, 0, false}, "the year"},
        {{0}, "no such month"},
        {{2026, 13, 1, 0, 0, 0, 0, 0, false}, "no such month"},
        {{2026, 2, 29, 0, 0, 0, 0, 0, false}, "no such day"},
        {{2026, 2, 0, 0, 0, 0, 0, 0, false}, "no such day"},
        {{2026, 2, 1, 24, 0, 0, 0, 0, false}, "the hour"},
        {{2026, 2, 1, 0, 60, 0, 0, 0, false}, "the minute"},
        {{2026, 2, 1, 0, 0, 61, 0, 0, false}, "the second"},
        {{2026, 2, 1, 23, 59, 60, 0, 0, false}, "only at the end of a month"},
        {{2026, 2, 28, 23, 59, 60, 0, 3600, false}, "only at the end of a month"},
        {{2026, 2, 1, 0, 0, 0, 1000000000, 0, false}, "nanoseconds"},
        {{2026, 2, 1, 0, 0, 0, 0, 100000, false}, "the offset"},
        {{2026, 2, 1, 0, 0, 0, 0, 3600, true}, "known by its place"},
    };
    nx_time time;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("row %zu", i) {
            nx_expect_err(NX_EINVAL, nx_date_time(rows[i].date, &time));
            nx_expect_contains(nx_error_last()->message, rows[i].why);
        }
    }
    nx_expect_ok(nx_date_time((nx_date){2026, 3, 1, 0, 59, 60, 0, 3600, false}, &time));
}

NX_TEST("leap years, months, weeks")
{
    nx_expect(nx_year_is_leap(2024) && nx_year_is_leap(2000) && !nx_year_is_leap(1900));
    nx_expect_eq(nx_month_days(2024, 2), 29);
    nx_expect_eq(nx_month_days(2023, 2), 28);
    nx_expect_eq(nx_month_days(2023, 0), 0);
    nx_expect_eq(nx_month_days(2023, 13), 0);
    static const struct {
        int year, month, day, week, of;
    } rows[] = {/* ISO 8601's own and the turns of years about it */
                {2026, 11, 30, 49, 2026}, {2005, 1, 1, 53, 2004},   {2005, 1, 2, 53, 2004},
                {2005, 12, 31, 52, 2005}, {2006, 1, 2, 1, 2006},    {2007, 12, 31, 1, 2008},
                {2008, 12, 29, 1, 2009},  {2009, 12, 31, 53, 2009}, {2010, 1, 3, 53, 2009}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_date d = {.year = rows[i].year, .month = rows[i].month, .day = rows[i].day};
        int of;
        nx_expect_eq(nx_date_week(d, &of), rows[i].week);
        nx_expect_eq(of, rows[i].of);
        nx_expect_eq(nx_date_week(d, NULL), rows[i].week);
    }
}

static const char *text(nx_date date)
{
    nx_bytes out;
    nx_require_ok(nx_date_text(date, &out));
    return out.data;
}

static nx_date date(const char *from)
{
    nx_date d;
    nx_require_ok(nx_date_parse(nx_str(from), &d));
    return d;
}

NX_TEST("months and days are added")
{
    static const struct {
        const char *from;
        int months;
        const char *to;
    } rows[] = {
        {"2026-01-31T01:02:03Z", 1, "2026-02-28T01:02:03Z"},
        {"2024-01-31T01:02:03Z", 1, "2024-02-29T01:02:03Z"},
        {"2024-03-31T01:02:03+02:00", -1, "2024-02-29T01:02:03+02:00"},
        {"2024-03-31T01:02:03Z", 21, "2025-12-31T01:02:03Z"},
        {"2024-01-15T01:02:03Z", -12, "2023-01-15T01:02:03Z"},
        {"2016-12-31T23:59:60Z", 1, "2017-01-31T23:59:60Z"},
        {"0000-01-01T00:00:00Z", 119999, "9999-12-01T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_date d = date(rows[i].from);
        nx_expect_ok(nx_date_add_months(&d, rows[i].months));
        nx_expect_eq(text(d), rows[i].to);
    }
    nx_date d = date("2024-02-28T12:00:00Z");
    nx_expect_ok(nx_date_add_days(&d, 2));
    nx_expect_eq(text(d), "2024-03-01T12:00:00Z");
    nx_expect_ok(nx_date_add_days(&d, -366));
    nx_expect_eq(text(d), "2023-03-01T12:00:00Z");
    d = date("2016-12-31T23:59:60Z");
    nx_expect_ok(nx_date_add_days(&d, -1));
    nx_expect_eq(text(d), "2016-12-30T23:59:59Z");
    static const int64_t far[] = {INT64_MIN, -30000 * 366LL, 30000 * 366LL, INT64_MAX};
    for (size_t i = 0; i < 4; i++) {
        d = date("2016-12-31T23:59:59Z");
        nx_expect_err(NX_ELIMIT, nx_date_add_days(&d, far[i]));
        nx_expect_err(NX_ELIMIT, nx_date_add_months(&d, far[i]));
        nx_expect_eq(text(d), "2016-12-31T23:59:59Z");
    }
    d = date("0000-01-01T00:00:00Z");
    nx_expect_err(NX_ELIMIT, nx_date_add_days(&d, -1));
    nx_expect_err(NX_ELIMIT, nx_date_add_months(&d, -1));
    d.month = 0;
    nx_expect_err(NX_EINVAL, nx_date_add_days(&d, 1));
    nx_expect_err(NX_EINVAL, nx_date_add_months(&d, 1));
}

NX_TEST("differences, order, truncation")
{
    nx_date a = date("2024-02-28T23:59:59.5+01:00"), b = date("2024-03-01T00:00:00Z");
    nx_expect_eq(nx_date_days_between(a, b), 2);
    nx_expect_eq(nx_date_days_between(b, a), -2);
    nx_expect_eq(nx_date_compare(a, b), -1);
    nx_expect_eq(nx_date_compare(date("2024-01-01T01:00:00+01:00"), date("2024-01-01T00:00:00Z")),
                 0);
    nx_expect_eq(nx_date_compare(date("2024-01-01T00:00:00.1Z"), date("2024-01-01T00:00:00Z")), 1);
    static const char *const wanted[] = {"2026-11-26T13:14:15+01:00", "2026-11-26T13:14:00+01:00",
                                         "2026-11-26T13:00:00+01:00", "2026-11-26T00:00:00+01:00",
                                         "2026-11-23T00:00:00+01:00", "2026-11-01T00:00:00+01:00",
                                         "2026-01-01T00:00:00+01:00"};
    for (int unit = NX_DATE_SECOND; unit <= NX_DATE_YEAR; unit++) {
        nx_date d = date("2026-11-26T13:14:15.25+01:00");
        nx_expect_ok(nx_date_truncate(&d, (nx_date_unit)unit));
        nx_expect_eq(text(d), wanted[unit]);
    }
    nx_date d = date("0000-01-01T00:00:00Z"); /* a Saturday */
    nx_expect_err(NX_ELIMIT, nx_date_truncate(&d, NX_DATE_WEEK));
    nx_expect_err(NX_EINVAL, nx_date_truncate(&d, (nx_date_unit)(NX_DATE_YEAR + 1)));
    d.day = 0;
    nx_expect_err(NX_EINVAL, nx_date_truncate(&d, NX_DATE_DAY));
}

NX_TEST("patterns say what strftime says")
{
    /* One that the compiler doesn't look into: `%s` is POSIX's, not ISO C's. */
    static const char *volatile const all =
        "%a %A %b %B %C %c %d %D %e %F %g %G %h %H %I %j %m %M %n %p %r %R %s %S %t %T %u %U %V "
        "%w %W %x %X %y %Y %z %%";
    const char *pattern = all;
    /* libc writes years below 1000 with fewer digits. */
    for (int64_t at = -30610224000; at < 253370764800; at += 86400LL * 331 + 4321) {
        time_t seconds = (time_t)at;
        struct tm tm;
        char wanted[512];
        nx_bytes out;
        nx_require(gmtime_r(&seconds, &tm) != NULL);
        nx_require(strftime(wanted, sizeof wanted, pattern, &tm) > 0);
        nx_require_ok(nx_date_format(nx__date_of_clock(at, 0, 0), pattern, &out));
        nx_require_eq(out, wanted);
    }
}

NX_TEST("patterns")
{
    nx_bytes out;
    nx_expect_ok(
        nx_date_format(date("0007-03-04T05:06:07-05:30"), "%Y %G %y %C|%z%%|\u00e9", &out));
    nx_expect_eq(out, "0007 0007 07 00|-0530%|\u00e9");
    nx_expect_ok(nx_date_format(date("2026-11-30T00:00:00-00:00"), "%I %p %z", &out));
    nx_expect_eq(out, "12 AM -0000");
    nx_expect_ok(nx_date_format(date("2026-11-30T00:00:00Z"), "", &out));
    nx_expect_eq(out, "");
    nx_expect_err(NX_EINVAL, nx_date_format(date("2026-11-30T00:00:00Z"), "%Y-%Q", &out));
    nx_expect_contains(nx_error_last()->message, "\"%Y-%Q\" has %Q");
    nx_expect_err(NX_EINVAL, nx_date_format(date("2026-11-30T00:00:00Z"), "%Y-%", &out));
    nx_expect_err(NX_EINVAL, nx_date_format((nx_date){0}, "%Y", &out));
    char *pattern = nx_alloc_zero(NX_DATE_PATTERN_MOST + 2, 1);
    for (int i = 0; i < NX_DATE_PATTERN_MOST; i += 2) memcpy(pattern + i, "%c", 2);
    nx_expect_ok(nx_date_format(date("2026-11-30T00:00:00Z"), pattern, &out));
    nx_expect_eq(out.len, NX_DATE_PATTERN_MOST / 2 * 24);
    pattern[NX_DATE_PATTERN_MOST] = 'x';
    nx_expect_err(NX_ELIMIT, nx_date_format(date("2026-11-30T00:00:00Z"), pattern, &out));
}

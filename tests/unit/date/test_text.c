/* Dates as text: RFC 3339, HTTP, mail. */
#include "base/clock.h"
#include "date/date.h"

#include <nexus/test.h>

NX_TEST("RFC 3339")
{
    static const struct {
        const char *text, *back; /* NULL: as it is */
    } rows[] = {
        {"1985-04-12T23:20:50.520Z", NULL}, /* the first five are its own */
        {"1996-12-19T16:39:57-08:00", NULL},
        {"1990-12-31T23:59:60Z", NULL},
        {"1990-12-31T15:59:60-08:00", NULL},
        {"1937-01-01T12:00:27.87+00:20", "1937-01-01T12:00:27.870+00:20"},
        {"2026-11-30t08:30:00z", "2026-11-30T08:30:00Z"},
        {"2026-11-30 08:30:00Z", "2026-11-30T08:30:00Z"},
        {"2026-11-30T08:30:00+00:00", "2026-11-30T08:30:00Z"},
        {"2026-11-30T08:30:00-00:00", NULL},
        {"2026-11-30T08:30:00.000000001Z", NULL},
        {"2026-11-30T08:30:00.000001Z", NULL},
        {"0000-01-01T00:00:00Z", NULL},
        {"9999-12-31T23:59:59.999999999-23:59", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_date date;
            nx_bytes out;
            nx_require_ok(nx_date_parse(nx_str(rows[i].text), &date));
            nx_require_ok(nx_date_text(date, &out));
            nx_expect_eq(out, rows[i].back ? rows[i].back : rows[i].text);
            nx_expect_eq(out.data[out.len], '\0');
        }
    }
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "the date \"\" is wrong at character 1: a year has four digits"},
        {"26-11-30T08:30:00Z", "character 1: a year has four digits"},
        {"2026/11/30T08:30:00Z", "character 5: a - is missing"},
        {"2026-1-30T08:30:00Z", "character 6: a month has two digits"},
        {"2026-11-30", "character 11: a T is missing"},
        {"2026-11-30T08:30Z", "character 17: a : is missing"},
        {"2026-11-30T08:30:00", "character 20: Z or an offset such as +01:00 is missing"},
        {"2026-11-30T08:30:00.Z", "character 21: digits of a second are missing"},
        {"2026-11-30T08:30:00.1234567890Z", "character 30: a second has nine digits"},
        {"2026-11-30T08:30:00+0100", "character 23: an offset has a :"},
        {"2026-11-30T08:30:00+24:00", "character 20: there is no such offset"},
        {"2026-11-30T08:30:00+01:60", "character 20: there is no such offset"},
        {"2026-11-30T08:30:00Zx", "character 21: the date ends before this"},
        {"2026-02-29T08:30:00Z", "the month has no such day"},
        {"2026-13-29T08:30:00Z", "there is no such month"},
        {"2026-02-28T08:30:60Z", "a second 60 is only at the end of a month"},
        {"-026-02-28T08:30:60Z", "a year has four digits"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_subtest ("%s", bad[i].text) {
            nx_date date;
            nx_expect_err(NX_EINVAL, nx_date_parse(nx_str(bad[i].text), &date));
            nx_expect_contains(nx_error_last()->message, bad[i].message);
            nx_expect_eq(date.year, 0);
        }
    }
    nx_bytes out;
    nx_expect_err(NX_EINVAL, nx_date_text((nx_date){0}, &out));
    /* Offsets with seconds are those of old local times. */
    const nx_date old = {1890, 1, 1, 0, 0, 0, 0, 3208, false};
    nx_expect_ok(nx_date_text(old, &out));
    nx_expect_eq(out, "1889-12-31T23:59:32+00:53");
}

NX_TEST("days")
{
    nx_date date;
    nx_bytes out;
    nx_expect_ok(nx_date_parse_day(nx_str("2024-02-29"), &date));
    nx_expect_ok(nx_date_text(date, &out));
    nx_expect_eq(out, "2024-02-29T00:00:00Z");
    static const char *const bad[] = {"", "2024-02-30", "2024-2-3", "2024-02-29T", "20240229"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("\"%s\"", bad[i])
            nx_expect_err(NX_EINVAL, nx_date_parse_day(nx_str(bad[i]), &date));
}

NX_TEST("HTTP")
{
    static const char *const good[] = {"Sun, 06 Nov 1994 08:49:37 GMT",
                                       "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const bad[] = {"",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 31 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 94 08:49:37 GMT",
                                      "Sun Nov 6 08:49:37 1994",
                                      "784111777",
                                      ",",
                                      "Sun,"};
    nx_date date;
    nx_bytes out;
    int64_t seconds = 0;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        nx_subtest ("%s", good[i]) {
            nx_require_ok(nx_date_parse_http(nx_str(good[i]), &date));
            nx_expect_ok(nx_date_text_http(date, &out));
            nx_expect_eq(out, good[0]);
            nx_expect(nx__http_date_read(nx_str(good[i]), &seconds) && seconds == 784111777);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_subtest ("\"%s\"", bad[i]) {
            nx_expect_err(NX_EINVAL, nx_date_parse_http(nx_str(bad[i]), &date));
            nx_expect(!nx__http_date_read(nx_str(bad[i]), &seconds));
        }
    }
    nx_expect(nx__http_date_read(nx_str("Thu, 29 Feb 2024 23:59:60 GMT"), &seconds));
    /* Two digits are a year that is at most 50 ahead. */
    int now = nx_date_utc(nx__clock_wall()).year;
    for (int year = now - 49; year <= now + 50; year++) {
        char *text = nx_format("Sunday, 06-Nov-%02d 08:49:37 GMT", year % 100);
        nx_require_ok(nx_date_parse_http(nx_str(text), &date));
        nx_expect_eq(date.year, year);
    }
    char line[NX__HTTP_DATE_LEN + 1];
    for (int64_t at = -62167219200; at < 253402300799; at += 86400LL * 37 + 12345) {
        nx_require(nx__http_date_write(line, at));
        nx_require(nx__http_date_read(nx_str(line), &seconds) && seconds == at);
    }
    nx_expect(!nx__http_date_write(line, 253402300800));
    nx_expect(!nx__http_date_write(line, INT64_MIN));
    /* By UTC, whatever the offset; which may be another year. */
    nx_require_ok(nx_date_parse(nx_str("1994-11-06T09:49:37.9+01:00"), &date));
    nx_expect_ok(nx_date_text_http(date, &out));
    nx_expect_eq(out, good[0]);
    nx_require_ok(nx_date_parse(nx_str("1990-12-31T15:59:60-08:00"), &date));
    nx_expect_ok(nx_date_text_http(date, &out));
    nx_expect_eq(out, "Mon, 31 Dec 1990 23:59:60 GMT");
    nx_require_ok(nx_date_parse(nx_str("0000-01-01T00:00:00+01:00"), &date));
    nx_expect_err(NX_EINVAL, nx_date_text_http(date, &out));
    nx_expect_err(NX_EINVAL, nx_date_text_http((nx_date){0}, &out));
}

NX_TEST("mail")
{
    static const struct {
        const char *text, *date;
    } rows[] = {
        {"Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T09:55:06-06:00"}, /* RFC 5322 A */
        {"Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01T10:52:37+02:00"},
        {"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 "
         "(Newfoundland Time)",
         "1969-02-13T23:32:00-03:30"},
        {"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"},
        {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T09:55:06-06:00"},
        {"fri, 21 nov 1997 09:55 est", "1997-11-21T09:55:00-05:00"},
        {"21 Nov 49 09:55 PDT", "2049-11-21T09:55:00-07:00"},
        {"21 Nov 103 09:55 -0000", "2003-11-21T09:55:00-00:00"},
        {"21 Nov 1997 09:55 Z", "1997-11-21T09:55:00-00:00"},
        {"21 Nov 1997 09:55 UT ((nested \\) ) comment)", "1997-11-21T09:55:00Z"},
    };
    nx_date date;
    nx_bytes out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_require_ok(nx_date_parse_mail(nx_str(rows[i].text), &date));
            nx_require_ok(nx_date_text(date, &out));
            nx_expect_eq(out, rows[i].date);
        }
    }
    static const char *const bad[] = {"",
                                      "Fri 21 Nov 1997 09:55:06 -0600",
                                      "Fry, 21 Nov 1997 09:55:06 -0600",
                                      "Fri, 21 Nov 1997 09:55:06",
                                      "Fri, 21 Nov 7 09:55:06 -0600",
                                      "Fri, 21 Nov 1997 9:55:06 -0600",
                                      "Fri, 21 Nov 1997 09:55:06 -06",
                                      "Fri, 21 Nov 1997 09:55:06 -2400",
                                      "Fri, 21 Nov 1997 09:55:06 -0600 x",
                                      "Fri, 31 Nov 1997 09:55:06 -0600",
                                      "21 Nov 1997 09:55 (no end",
                                      "21 Nov 1997 09:55 ((((((((((((((((((a)))))))))))))))))) Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("\"%s\"", bad[i])
            nx_expect_err(NX_EINVAL, nx_date_parse_mail(nx_str(bad[i]), &date));
    nx_require_ok(nx_date_parse(nx_str("1997-11-21T09:55:06.5-06:00"), &date));
    nx_expect_ok(nx_date_text_mail(date, &out));
    nx_expect_eq(out, "Fri, 21 Nov 1997 09:55:06 -0600");
    nx_expect_err(NX_EINVAL, nx_date_text_mail((nx_date){0}, &out));
}

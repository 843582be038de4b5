/* The calendar: from and to points in time, and calculating. */
#include "date/date.h"

#include "base/error.h"

const char *const nx__day_names[7] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
const char *const nx__month_names[12] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};

enum { YEAR_MOST = 9999 };

bool nx_year_is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int nx_month_days(int year, int month)
{
    static const signed char days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) return 0;
    return days[month - 1] + (month == 2 && nx_year_is_leap(year));
}

static bool within(int n, int least, int most)
{
    return n >= least && n <= most;
}

/* UTC adds leap seconds at the end of a month (ITU-R TF.460), when it is 23:59:59. */
static bool may_leap(const nx_date *d)
{
    int64_t next = nx__date_seconds(d);
    if (next % NX__DAY != 0) return false;
    nx_date first = nx__date_of_clock(next, 0, 0);
    return first.day == 1;
}

const char *nx__date_wrong(const nx_date *d)
{
    if (!within(d->year, 0, YEAR_MOST)) return "the year is not one of 0 to 9999";
    if (!within(d->month, 1, 12)) return "there is no such month";
    if (!within(d->day, 1, nx_month_days(d->year, d->month))) return "the month has no such day";
    if (!within(d->hour, 0, 23)) return "the hour is past 23";
    if (!within(d->minute, 0, 59)) return "the minute is past 59";
    if (!within(d->second, 0, 60)) return "the second is past 59";
    if (!within(d->nanosecond, 0, 999999999)) return "a second has 1000000000 nanoseconds";
    if (!within(d->offset, NX__OFFSET_LEAST, NX__OFFSET_MOST)) return "the offset is too large";
    if (d->unknown_place && d->offset) return "an offset is known by its place";
    if (d->second == 60 && !may_leap(d))
        return "a second 60 is only at the end of a month, at 23:59 UTC";
    return NULL;
}

nx_err nx__date_check(const nx_date *d)
{
    const char *wrong = nx__date_wrong(d);
    if (!wrong) return NX_OK;
    return nx__error_set(NX_EINVAL, "%d-%02d-%02d %02d:%02d:%02d is no date: %s", d->year, d->month,
                         d->day, d->hour, d->minute, d->second, wrong);
}

/* ---- Points in time */

nx_date nx_date_utc(nx_time time)
{
    int nanosecond;
    int64_t seconds = nx__seconds_of(time, &nanosecond);
    return nx__date_of_clock(seconds, nanosecond, 0);
}

nx_err nx_date_time(nx_date date, nx_time *out)
{
    *out = 0;
    NX_TRY(nx__date_check(&date));
    int64_t seconds = nx__date_seconds(&date);
    /* The first and the last second are not whole; neither is missed. */
    if (seconds <= INT64_MIN / NX_S(1) || seconds >= INT64_MAX / NX_S(1))
        return nx__error_set(NX_ELIMIT,
                             "%04d-%02d-%02d is not between 1677-09-22 and 2262-04-11, as points "
                             "in time are",
                             date.year, date.month, date.day);
    *out = seconds * NX_S(1) + date.nanosecond;
    return NX_OK;
}

int nx_date_compare(nx_date a, nx_date b)
{
    int64_t x = nx__date_seconds(&a), y = nx__date_seconds(&b);
    if (x == y) {
        /* A leap second is before the one that it shares its number with. */
        x = a.second == 60 ? -1 : 0;
        y = b.second == 60 ? -1 : 0;
    }
    if (x == y) {
        x = a.nanosecond;
        y = b.nanosecond;
    }
    return (x > y) - (x < y);
}

/* ---- Weeks */

static int64_t days_of(const nx_date *d)
{
    return nx__days_of(d->year, d->month, d->day);
}

int nx_date_weekday(nx_date date)
{
    int day = nx__weekday_of_days(days_of(&date));
    return day ? day : 7;
}

int nx_date_yearday(nx_date date)
{
    return (int)(days_of(&date) - nx__days_of(date.year, 1, 1)) + 1;
}

int nx_date_week(nx_date date, int *year)
{
    /* A week belongs to the year of its Thursday. */
    nx_date thursday = {0};
    int64_t days = days_of(&date) + 4 - nx_date_weekday(date);
    nx__date_of_days(days, &thursday);
    if (year) *year = thursday.year;
    return (int)(days - nx__days_of(thursday.year, 1, 1)) / 7 + 1;
}

/* ---- Calculating */

static nx_err outside(void)
{
    return nx__error_set(NX_ELIMIT, "the date would be outside of the years 0 to 9999");
}

/* The second after 23:59:59 is a leap second on few days: elsewhere it is the 59th. */
static void settle(nx_date *date)
{
    int last = nx_month_days(date->year, date->month);
    if (date->day > last) date->day = last;
    if (date->second == 60 && !may_leap(date)) date->second = 59;
}

nx_err nx_date_add_months(nx_date *date, int64_t months)
{
    enum { MONTHS = 12 * (YEAR_MOST + 1) };
    NX_TRY(nx__date_check(date));
    if (months < -MONTHS || months > MONTHS) return outside();
    int64_t month = date->year * 12 + date->month - 1 + months;
    if (month < 0 || month >= MONTHS) return outside();
    date->year = (int)(month / 12);
    date->month = (int)(month % 12) + 1;
    settle(date);
    return NX_OK;
}

nx_err nx_date_add_days(nx_date *date, int64_t days)
{
    enum { DAYS = 366 * (YEAR_MOST + 1) };
    NX_TRY(nx__date_check(date));
    if (days < -DAYS || days > DAYS) return outside();
    nx_date moved = *date;
    nx__date_of_days(days_of(date) + days, &moved);
    if (moved.year < 0 || moved.year > YEAR_MOST) return outside();
    *date = moved;
    settle(date);
    return NX_OK;
}

int64_t nx_date_days_between(nx_date from, nx_date to)
{
    return days_of(&to) - days_of(&from);
}

nx_err nx_date_truncate(nx_date *date, nx_date_unit unit)
{
    NX_TRY(nx__date_check(date));
    if (unit > NX_DATE_YEAR) return nx__error_set(NX_EINVAL, "there is no such unit of dates");
    nx_date d = *date;
    d.nanosecond = 0;
    if (unit >= NX_DATE_MINUTE) d.second = 0;
    if (unit >= NX_DATE_HOUR) d.minute = 0;
    if (unit >= NX_DATE_DAY) d.hour = 0;
    if (unit == NX_DATE_WEEK) NX_TRY(nx_date_add_days(&d, 1 - nx_date_weekday(d)));
    if (unit >= NX_DATE_MONTH) d.day = 1;
    if (unit == NX_DATE_YEAR) d.month = 1;
    *date = d;
    return NX_OK;
}

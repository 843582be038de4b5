/* The calendar, pure; and what the runtime's other rooms take of dates. */
#ifndef NX__DATE_H
#define NX__DATE_H

#include <nexus/date.h>

/* English, of which the first three letters are the short ones. From Sunday, and from January. */
extern const char *const nx__day_names[7], *const nx__month_names[12];

enum {
    NX__DAY = 86400,
    NX__OFFSET_LEAST = -89999, /* RFC 8536, section 3.2 */
    NX__OFFSET_MOST = 93599,
};

/* Days since 1970 of a date of the proleptic Gregorian calendar, and back. Howard Hinnant's
 * algorithm ("chrono-Compatible Low-Level Date Algorithms"): a year begins in March. */
static inline int64_t nx__days_of(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static inline void nx__date_of_days(int64_t days, nx_date *out)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = (int)(of_era - (365 * year + year / 4 - year / 100));
    int month = (5 * of_year + 2) / 153;
    out->day = of_year - (153 * month + 2) / 5 + 1;
    out->month = month < 10 ? month + 3 : month - 9;
    out->year = (int)(year + era * 400 + (out->month <= 2));
}

/* Rounds towards minus infinity. */
static inline int64_t nx__floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* A point in time as whole seconds, and the nanoseconds that it is behind them. */
static inline int64_t nx__seconds_of(nx_time time, int *nanoseconds)
{
    int64_t rest = time % NX_S(1);
    *nanoseconds = (int)(rest < 0 ? rest + NX_S(1) : rest);
    return nx__floor_div(time, NX_S(1));
}

/* 0 is Sunday. */
static inline int nx__weekday_of_days(int64_t days)
{
    return (int)(((days + 4) % 7 + 7) % 7);
}

/* What the clock shows `local` seconds after 1970 began by itself. */
static inline nx_date nx__date_of_clock(int64_t local, int nanosecond, int offset)
{
    nx_date d = {.nanosecond = nanosecond, .offset = offset};
    int64_t days = nx__floor_div(local, NX__DAY);
    int rest = (int)(local - days * NX__DAY);
    nx__date_of_days(days, &d);
    d.hour = rest / 3600;
    d.minute = rest / 60 % 60;
    d.second = rest % 60;
    return d;
}

/* Seconds since 1970 by the date's own clock, and by UTC. */
static inline int64_t nx__date_clock(const nx_date *d)
{
    return nx__days_of(d->year, d->month, d->day) * NX__DAY + d->hour * 3600 + d->minute * 60 +
           d->second;
}

static inline int64_t nx__date_seconds(const nx_date *d)
{
    return nx__date_clock(d) - d->offset;
}

/* What is wrong with a date; NULL if nothing is. */
const char *nx__date_wrong(const nx_date *date);

/* NX_EINVAL where something is. */
NX_MUST_CHECK nx_err nx__date_check(const nx_date *date);

/* Reads a date in one of the three forms of RFC 9110 5.6.7. False for anything else. */
bool nx__http_date_read(nx_bytes text, int64_t *seconds);

enum { NX__HTTP_DATE_LEN = 29 };
/* Writes "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL; false for a year outside of 0 to 9999. */
bool nx__http_date_write(char out[NX__HTTP_DATE_LEN + 1], int64_t seconds);

#endif

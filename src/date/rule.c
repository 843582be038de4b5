/* Rules for the clock, as TZ of POSIX has them, with what RFC 8536 3.3.1 adds. */
#include "base/text_reader.h"
#include "date/zone.h"

/* ---- Reading */

static void read_name(struct nx__text_reader *r, struct nx__zone_kind *out)
{
    bool quoted = nx__text_take(r, '<');
    const char *begin = r->at;
    for (; r->at < r->end && !r->wrong; r->at++) {
        unsigned char c = (unsigned char)*r->at;
        if (!isalpha(c) && !(quoted && (isdigit(c) || c == '+' || c == '-'))) break;
    }
    size_t len = (size_t)(r->at - begin);
    if (len < 3) nx__text_wrong(r, begin, "a name has three letters at least");
    if (len > NX__ZONE_SHORT_MOST) nx__text_wrong(r, begin, "the name is too long");
    if (quoted) nx__text_want(r, ">", "a > is missing");
    if (r->wrong) return;
    memcpy(out->name, begin, len);
    out->name[len] = '\0';
}

/* "[+-]h[:mm[:ss]]" in seconds. */
static int read_time(struct nx__text_reader *r, int hours_most)
{
    int parts[3] = {0};
    bool minus = nx__text_take(r, '-');
    if (!minus) (void)nx__text_take(r, '+');
    const char *begin = r->at;
    parts[0] = nx__text_digits(r, 1, 3, "hours are missing");
    for (int i = 1; i < 3 && nx__text_take(r, ':'); i++)
        parts[i] = nx__text_digits(r, 1, 2, "digits are missing behind the :");
    if (parts[0] > hours_most || parts[1] > 59 || parts[2] > 59)
        nx__text_wrong(r, begin, "there is no such time");
    int seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    return minus ? -seconds : seconds;
}

static int read_within(struct nx__text_reader *r, int least, int most)
{
    const char *begin = r->at;
    int n = nx__text_digits(r, 1, 3, "digits are missing");
    if (n < least || n > most) nx__text_wrong(r, begin, "there is no such day");
    return n;
}

static void read_day(struct nx__text_reader *r, struct nx__zone_day *out)
{
    nx__text_want(r, ",", "when summer begins and ends is missing");
    if (nx__text_take(r, 'M')) {
        out->form = NX__ZONE_WEEKDAY;
        out->month = read_within(r, 1, 12);
        nx__text_want(r, ".", "a . is missing");
        out->week = read_within(r, 1, 5);
        nx__text_want(r, ".", "a . is missing");
        out->day = read_within(r, 0, 6);
    } else if (nx__text_take(r, 'J')) {
        out->form = NX__ZONE_JULIAN;
        out->day = read_within(r, 1, 365);
    } else {
        out->form = NX__ZONE_YEARDAY;
        out->day = read_within(r, 0, 365);
    }
    out->seconds = nx__text_take(r, '/') ? read_time(r, 167) : 7200;
}

const char *nx__zone_rule_read(nx_bytes text, struct nx__zone_rule *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    *out = (struct nx__zone_rule){0};
    read_name(&r, &out->standard);
    out->standard.offset = -read_time(&r, 24); /* POSIX counts westwards */
    if (r.wrong || r.at == r.end) return r.wrong;
    out->has_summer = true;
    read_name(&r, &out->summer);
    out->summer.offset = out->standard.offset + 3600;
    if (nx__text_peek(&r) != ',') out->summer.offset = -read_time(&r, 24);
    read_day(&r, &out->begin);
    read_day(&r, &out->end);
    if (r.at != r.end) nx__text_wrong(&r, r.at, "the rule ends before this");
    return r.wrong;
}

/* ---- Asking */

/* The day of that year by which the clock counts, in seconds since 1970 of that clock. */
static int64_t clock_of(const struct nx__zone_day *day, int year)
{
    int64_t days = nx__days_of(year, 1, 1);
    if (day->form == NX__ZONE_WEEKDAY) {
        int64_t first = nx__days_of(year, day->month, 1);
        int at = (day->day - nx__weekday_of_days(first) + 7) % 7 + 7 * (day->week - 1);
        if (at >= nx_month_days(year, day->month)) at -= 7; /* the fifth is the last */
        days = first + at;
    } else if (day->form == NX__ZONE_JULIAN) {
        days += day->day - 1 + (day->day >= 60 && nx_year_is_leap(year));
    } else {
        days += day->day;
    }
    return days * NX__DAY + day->seconds;
}

const struct nx__zone_kind *nx__zone_rule_at(const struct nx__zone_rule *rule, int64_t seconds)
{
    if (!rule->has_summer) return &rule->standard;
    int year = nx__date_of_clock(seconds + rule->standard.offset, 0, 0).year;
    int64_t begin = clock_of(&rule->begin, year) - rule->standard.offset;
    int64_t end = clock_of(&rule->end, year) - rule->summer.offset;
    bool summer = begin < end ? seconds >= begin && seconds < end
                              : seconds < end || seconds >= begin; /* the southern half */
    return summer ? &rule->summer : &rule->standard;
}

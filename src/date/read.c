/* Dates out of text: RFC 3339, HTTP, mail. */
#include "base/clock.h"
#include "base/text_reader.h"
#include "date/date.h"

/* What has been read is a date, or wrong as a whole. */
static void settle(struct nx__text_reader *r, const nx_date *date)
{
    const char *wrong = r->wrong ? NULL : nx__date_wrong(date);
    if (wrong) nx__text_wrong(r, r->begin, wrong);
}

static nx_err finish(struct nx__text_reader *r, nx_date *date, nx_date *out)
{
    if (!r->wrong && r->at != r->end) nx__text_wrong(r, r->at, "the date ends before this");
    settle(r, date);
    *out = r->wrong ? (nx_date){0} : *date;
    return r->wrong ? nx__text_error(r, "date") : NX_OK;
}

/* ---- RFC 3339 */

static int fraction(struct nx__text_reader *r)
{
    const char *begin = r->at;
    int n = nx__text_digits(r, 1, 9, "digits of a second are missing");
    for (long count = r->at - begin; count < 9; count++) n *= 10;
    if (nx__text_is_digit(nx__text_peek(r)))
        nx__text_wrong(r, r->at, "a second has nine digits behind its point at most");
    return n;
}

static void offset(struct nx__text_reader *r, nx_date *d)
{
    if (nx__text_take(r, 'Z') || nx__text_take(r, 'z')) return;
    const char *begin = r->at;
    bool west = nx__text_take(r, '-');
    if (!west && !nx__text_take(r, '+'))
        nx__text_wrong(r, r->at, "Z or an offset such as +01:00 is missing");
    int hours = nx__text_digits(r, 2, 2, "an offset has two digits of hours");
    nx__text_want(r, ":", "an offset has a : behind its hours");
    int minutes = nx__text_digits(r, 2, 2, "an offset has two digits of minutes");
    if (hours > 23 || minutes > 59) nx__text_wrong(r, begin, "there is no such offset");
    d->offset = (hours * 60 + minutes) * (west ? -60 : 60);
    d->unknown_place = west && !d->offset;
}

static void full_date(struct nx__text_reader *r, nx_date *d)
{
    d->year = nx__text_digits(r, 4, 4, "a year has four digits");
    nx__text_want(r, "-", "a - is missing");
    d->month = nx__text_digits(r, 2, 2, "a month has two digits");
    nx__text_want(r, "-", "a - is missing");
    d->day = nx__text_digits(r, 2, 2, "a day has two digits");
}

nx_err nx_date_parse_day(nx_bytes text, nx_date *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    nx_date d = {0};
    full_date(&r, &d);
    return finish(&r, &d, out);
}

nx_err nx_date_parse(nx_bytes text, nx_date *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    nx_date d = {0};
    full_date(&r, &d);
    if (!nx__text_take(&r, 'T') && !nx__text_take(&r, 't') && !nx__text_take(&r, ' '))
        nx__text_wrong(&r, r.at, "a T is missing between the day and the time");
    d.hour = nx__text_digits(&r, 2, 2, "an hour has two digits");
    nx__text_want(&r, ":", "a : is missing");
    d.minute = nx__text_digits(&r, 2, 2, "a minute has two digits");
    nx__text_want(&r, ":", "a : is missing");
    d.second = nx__text_digits(&r, 2, 2, "a second has two digits");
    if (nx__text_take(&r, '.')) d.nanosecond = fraction(&r);
    offset(&r, &d);
    return finish(&r, &d, out);
}

/* ---- RFC 9110 5.6.7 */

static void http_time(struct nx__text_reader *r, nx_date *d)
{
    d->hour = nx__text_digits(r, 2, 2, "an hour has two digits");
    nx__text_want(r, ":", "a : is missing");
    d->minute = nx__text_digits(r, 2, 2, "a minute has two digits");
    nx__text_want(r, ":", "a : is missing");
    d->second = nx__text_digits(r, 2, 2, "a second has two digits");
}

/* Of a year of two digits it is the one that is not more than 50 years ahead. */
static int whole_year(int of_century)
{
    int now = nx_date_utc(nx__clock_wall()).year, year = now - now % 100 + of_century;
    return year > now + 50 ? year - 100 : year;
}

static struct nx__text_reader http_read(nx_bytes text, nx_date *d)
{
    struct nx__text_reader r = nx__text_reader(text);
    const char *comma = text.len ? memchr(text.data, ',', text.len) : NULL;
    (void)nx__text_name(&r, nx__day_names, 7, false, "a day of the week is missing");
    if (comma) { /* Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT */
        bool old = comma - text.data > 3;
        const char *between = old ? "-" : " ",
                   *missing = old ? "a - is missing" : "a space is missing";
        if (old && !r.wrong) r.at = comma;
        nx__text_want(&r, ", ", "a comma and a space are missing");
        d->day = nx__text_digits(&r, 2, 2, "a day has two digits");
        nx__text_want(&r, between, missing);
        d->month = nx__text_name(&r, nx__month_names, 12, false, "there is no such month") + 1;
        nx__text_want(&r, between, missing);
        if (old)
            d->year = whole_year(nx__text_digits(&r, 2, 2, "a year has two digits here"));
        else
            d->year = nx__text_digits(&r, 4, 4, "a year has four digits");
        nx__text_want(&r, " ", "a space is missing");
        http_time(&r, d);
        nx__text_want(&r, " GMT", "GMT is missing");
    } else { /* Sun Nov  6 08:49:37 1994 */
        nx__text_want(&r, " ", "a space is missing");
        d->month = nx__text_name(&r, nx__month_names, 12, false, "there is no such month") + 1;
        nx__text_want(&r, " ", "a space is missing");
        int digits = nx__text_take(&r, ' ') ? 1 : 2;
        d->day = nx__text_digits(&r, digits, digits, "a day is missing");
        nx__text_want(&r, " ", "a space is missing");
        http_time(&r, d);
        nx__text_want(&r, " ", "a space is missing");
        d->year = nx__text_digits(&r, 4, 4, "a year has four digits");
    }
    return r;
}

nx_err nx_date_parse_http(nx_bytes text, nx_date *out)
{
    nx_date d = {0};
    struct nx__text_reader r = http_read(text, &d);
    return finish(&r, &d, out);
}

bool nx__http_date_read(nx_bytes text, int64_t *seconds)
{
    nx_date d = {0};
    struct nx__text_reader r = http_read(text, &d);
    settle(&r, &d);
    if (r.wrong || r.at != r.end) return false;
    *seconds = nx__date_seconds(&d);
    return true;
}

/* ---- RFC 5322 3.3 and 4.3 */

enum { COMMENTS_MOST = 16 }; /* in each other */

/* Spaces, folded lines, comments. */
static void blanks(struct nx__text_reader *r)
{
    int depth = 0;
    const char *begin = r->at;
    for (; !r->wrong && r->at < r->end; r->at++) {
        char c = *r->at;
        if (c == '(') {
            if (++depth > COMMENTS_MOST) nx__text_wrong(r, r->at, "comments in too many comments");
        } else if (depth && c == ')') {
            depth--;
        } else if (depth && c == '\\' && r->at + 1 < r->end) {
            r->at++;
        } else if (!depth && !strchr(" \t\r\n", c)) {
            return;
        } else if (!c) {
            return;
        }
    }
    if (depth) nx__text_wrong(r, begin, "the comment is not closed");
}

static void mail_want(struct nx__text_reader *r, const char *text, const char *what)
{
    blanks(r);
    nx__text_want(r, text, what);
    blanks(r);
}

static void mail_year(struct nx__text_reader *r, nx_date *d)
{
    const char *begin = r->at;
    d->year = nx__text_digits(r, 2, 4, "a year is missing");
    long digits = r->at - begin;
    if (digits == 2)
        d->year += d->year < 50 ? 2000 : 1900;
    else if (digits == 3)
        d->year += 1900;
}

static void mail_zone(struct nx__text_reader *r, nx_date *d)
{
    static const struct {
        const char *name;
        int hours;
    } named[] = {{"GMT", 0},  {"UT", 0},   {"EST", -5}, {"EDT", -4}, {"CST", -6},
                 {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PST", -8}, {"PDT", -7}};
    const char *begin = r->at;
    bool west = nx__text_take(r, '-');
    if (west || nx__text_take(r, '+')) {
        int zone = nx__text_digits(r, 4, 4, "an offset has four digits");
        if (zone / 100 > 23 || zone % 100 > 59) nx__text_wrong(r, begin, "there is no such offset");
        d->offset = (zone / 100 * 60 + zone % 100) * (west ? -60 : 60);
        d->unknown_place = west && !zone;
        return;
    }
    while (r->at < r->end && isalpha((unsigned char)*r->at)) r->at++;
    size_t len = (size_t)(r->at - begin);
    if (!len) nx__text_wrong(r, begin, "an offset such as +0100 is missing");
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (strlen(named[i].name) == len && strncasecmp(begin, named[i].name, len) == 0) {
            d->offset = named[i].hours * 3600;
            return;
        }
    }
    d->unknown_place = true;
}

nx_err nx_date_parse_mail(nx_bytes text, nx_date *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    nx_date d = {0};
    blanks(&r);
    if (isalpha((unsigned char)nx__text_peek(&r))) {
        (void)nx__text_name(&r, nx__day_names, 7, true, "there is no such day of the week");
        mail_want(&r, ",", "a comma is missing");
    }
    d.day = nx__text_digits(&r, 1, 2, "a day is missing");
    blanks(&r);
    d.month = nx__text_name(&r, nx__month_names, 12, true, "there is no such month") + 1;
    blanks(&r);
    mail_year(&r, &d);
    blanks(&r);
    d.hour = nx__text_digits(&r, 2, 2, "an hour has two digits");
    mail_want(&r, ":", "a : is missing");
    d.minute = nx__text_digits(&r, 2, 2, "a minute has two digits");
    blanks(&r);
    if (nx__text_take(&r, ':')) {
        blanks(&r);
        d.second = nx__text_digits(&r, 2, 2, "a second has two digits");
        blanks(&r);
    }
    if (!r.wrong) mail_zone(&r, &d);
    blanks(&r);
    return finish(&r, &d, out);
}

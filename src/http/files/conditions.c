/* Preconditions and dates. */
#include "http/files/conditions.h"

#include "base/arena.h"
#include "loop/loop.h"
#include <stdio.h>
#include <time.h>

/* ---- Fields */

static nx_err list_add(nx_bytes *list, nx_bytes value)
{
    if (!list->data) {
        *list = value;
        return NX_OK;
    }
    char *joined = nx_alloc(list->len + 2 + value.len);
    if (!joined) return NX_ENOMEM;
    memcpy(joined, list->data, list->len);
    memcpy(joined + list->len, ", ", 2);
    memcpy(joined + list->len + 2, value.data, value.len);
    *list = nx_slice(joined, list->len + 2 + value.len);
    return NX_OK;
}

static void only(nx_bytes *field, nx_bytes value)
{
    *field = field->data ? nx_slice("", 0) : value; /* nothing parses as nothing */
}

static bool named(nx_bytes name, const char *text)
{
    return strncasecmp(name.data, text, name.len) == 0;
}

nx_err nx__conditions_collect(const nx_request *req, struct nx__conditions *out)
{
    *out = (struct nx__conditions){0};
    nx_bytes name, value;
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++) {
        switch (name.len) {
        case 5:
            if (named(name, "range")) only(&out->range, value);
            break;
        case 8:
            if (named(name, "if-match"))
                NX_TRY(list_add(&out->if_match, value));
            else if (named(name, "if-range"))
                only(&out->if_range, value);
            break;
        case 13:
            if (named(name, "if-none-match")) NX_TRY(list_add(&out->if_none_match, value));
            break;
        case 15:
            if (named(name, "accept-encoding")) NX_TRY(list_add(&out->accept_encoding, value));
            break;
        case 17:
            if (named(name, "if-modified-since")) only(&out->if_modified_since, value);
            break;
        case 19:
            if (named(name, "if-unmodified-since")) only(&out->if_unmodified_since, value);
            break;
        default: break;
        }
    }
    return NX_OK;
}

/* ---- Entity tags, RFC 9110 8.8.3 */

static bool weak(nx_bytes etag)
{
    return etag.len >= 2 && etag.data[0] == 'W' && etag.data[1] == '/';
}

static nx_bytes opaque(nx_bytes etag)
{
    return weak(etag) ? nx_slice(etag.data + 2, etag.len - 2) : etag;
}

static bool same(nx_bytes a, nx_bytes b, bool strong)
{
    if (strong && (weak(a) || weak(b))) return false;
    return nx_bytes_eq(opaque(a), opaque(b));
}

/* Takes the next entity tag off the list; false at its end, or where it is none. */
static bool tag_next(nx_bytes *list, nx_bytes *tag)
{
    const char *at = list->data, *end = list->data + list->len;
    while (at < end && (*at == ' ' || *at == '\t' || *at == ',')) at++;
    const char *begin = at;
    if (end - at >= 2 && at[0] == 'W' && at[1] == '/') at += 2;
    if (at == end || *at != '"') return false;
    const char *close = memchr(at + 1, '"', (size_t)(end - at - 1));
    if (!close) return false;
    *tag = nx_slice(begin, (size_t)(close + 1 - begin));
    *list = nx_slice(close + 1, (size_t)(end - close - 1));
    return true;
}

static bool listed(nx_bytes list, nx_bytes etag, bool strong)
{
    if (nx_bytes_is(list, "*")) return true;
    nx_bytes tag;
    while (tag_next(&list, &tag))
        if (same(tag, etag, strong)) return true;
    return false;
}

/* ---- The order of RFC 9110 13.2.2 */

static bool range_holds(nx_bytes condition, const struct nx__validator *v)
{
    if (!condition.data) return true;
    if (condition.len && (condition.data[0] == '"' || condition.data[0] == 'W')) {
        nx_bytes tag;
        return tag_next(&condition, &tag) && !condition.len && same(tag, v->etag, true);
    }
    int64_t date;
    /* A date is a strong validator once the file has been left alone for a second; until then its
     * etag is a weak one. */
    return v->dated && !weak(v->etag) && nx__date_parse(condition, &date) && date == v->modified;
}

enum nx__verdict_of nx__conditions_weigh(const struct nx__conditions *c,
                                         const struct nx__validator *v, bool get)
{
    int64_t date;
    if (c->if_match.data) {
        if (!listed(c->if_match, v->etag, true)) return NX__CONDITION_FAILED;
    } else if (c->if_unmodified_since.data && v->dated &&
               nx__date_parse(c->if_unmodified_since, &date)) {
        if (v->modified > date) return NX__CONDITION_FAILED;
    }
    if (c->if_none_match.data) {
        if (listed(c->if_none_match, v->etag, false)) return NX__CONDITION_UNCHANGED;
    } else if (c->if_modified_since.data && v->dated &&
               nx__date_parse(c->if_modified_since, &date)) {
        if (v->modified <= date) return NX__CONDITION_UNCHANGED;
    }
    if (get && c->range.len && range_holds(c->if_range, v)) return NX__CONDITION_RANGE;
    return NX__CONDITION_SEND;
}

/* ---- Dates */

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "SunMonTueWedThuFriSat";

/* Days since 1970 of a date of the proleptic Gregorian calendar. */
static int64_t days_of(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

struct reader {
    const char *at, *end;
    bool bad;
};

static void literal(struct reader *r, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0)
        r->bad = true;
    else
        r->at += len;
}

static int digits(struct reader *r, int count)
{
    int n = 0;
    for (; count && !r->bad; count--) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            r->bad = true;
        else
            n = n * 10 + (*r->at++ - '0');
    }
    return n;
}

/* A name of three letters out of a row of them: its number, from 0. */
static int name_of(struct reader *r, const char *row)
{
    if (r->bad || r->end - r->at < 3) {
        r->bad = true;
        return 0;
    }
    for (int i = 0; row[3 * i]; i++) {
        if (memcmp(row + 3 * i, r->at, 3) == 0) {
            r->at += 3;
            return i;
        }
    }
    r->bad = true;
    return 0;
}

static int64_t time_of(struct reader *r)
{
    int hour = digits(r, 2);
    literal(r, ":");
    int minute = digits(r, 2);
    literal(r, ":");
    int second = digits(r, 2);
    if (hour > 23 || minute > 59 || second > 60) r->bad = true;
    return hour * 3600 + minute * 60 + second;
}

bool nx__date_parse(nx_bytes text, int64_t *seconds)
{
    struct reader r = {text.data, text.data + text.len, false};
    int year, month, day;
    int64_t time;
    const char *comma = text.len ? memchr(text.data, ',', text.len) : NULL;
    if (comma && comma - text.data == 3) { /* Sun, 06 Nov 1994 08:49:37 GMT */
        (void)name_of(&r, days);
        literal(&r, ", ");
        day = digits(&r, 2);
        literal(&r, " ");
        month = name_of(&r, months);
        literal(&r, " ");
        year = digits(&r, 4);
        literal(&r, " ");
        time = time_of(&r);
        literal(&r, " GMT");
    } else if (comma) { /* Sunday, 06-Nov-94 08:49:37 GMT */
        (void)name_of(&r, days);
        r.at = comma;
        literal(&r, ", ");
        day = digits(&r, 2);
        literal(&r, "-");
        month = name_of(&r, months);
        literal(&r, "-");
        year = digits(&r, 2);
        year += year < 70 ? 2000 : 1900;
        literal(&r, " ");
        time = time_of(&r);
        literal(&r, " GMT");
    } else { /* Sun Nov  6 08:49:37 1994 */
        (void)name_of(&r, days);
        literal(&r, " ");
        month = name_of(&r, months);
        literal(&r, " ");
        bool one = r.at < r.end && *r.at == ' ';
        if (one) r.at++;
        day = digits(&r, one ? 1 : 2);
        literal(&r, " ");
        time = time_of(&r);
        literal(&r, " ");
        year = digits(&r, 4);
    }
    if (r.bad || r.at != r.end || day < 1 || day > 31) return false;
    *seconds = days_of(year, month + 1, day) * 86400 + time;
    return true;
}

bool nx__date_write(char out[NX__DATE_LEN + 1], int64_t seconds)
{
    /* 0000-01-01 to 9999-12-31 */
    if (seconds < -62167219200 || seconds > 253402300799) return false;
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!gmtime_r(&t, &tm)) return false;
    int n =
        snprintf(out, NX__DATE_LEN + 1, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday % 100, months + 3 * tm.tm_mon,
                 (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
    return n == NX__DATE_LEN;
}

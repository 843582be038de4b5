/* Strings, numbers, dates and times of TOML. */
#include "base/utf8.h"
#include "toml/toml.h"
#include "json/tree.h"
#include <math.h>

/* ---- Strings */

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Takes `digits` of hexadecimal and writes the character; returns behind it, or NULL. */
static char *unicode(const char *digits, size_t count, char *to)
{
    uint32_t c = 0;
    for (size_t i = 0; i < count; i++) {
        int digit = hex(digits[i]);
        if (digit < 0) return NULL;
        c = c << 4 | (uint32_t)digit;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return NULL;
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (char)(0xff00 >> (more + 1) | (int)(c >> (6 * more)));
    while (more--) *to++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
    return to;
}

/* An escape at parser->at, a backslash, of a string that ends the text at the earliest. */
static nx_err escape(struct nx__toml_parser *parser, bool lines, char **to)
{
    static const char letters[] = "btnfre\"\\", meant[] = "\b\t\n\f\r\x1b\"\\";
    const char *at = parser->at, *end = parser->end;
    char c = end - at > 1 ? at[1] : '\0';
    const char *letter = c ? strchr(letters, c) : NULL;
    if (letter) {
        *(*to)++ = meant[letter - letters];
        parser->at = at + 2;
        return NX_OK;
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits) {
        char *behind = (size_t)(end - at) >= digits + 2 ? unicode(at + 2, digits, *to) : NULL;
        if (!behind)
            return nx__toml_wrong(parser->doc, at, "\"\\%c\" needs %zu digits of a character", c,
                                  digits);
        *to = behind;
        parser->at = at + 2 + digits;
        return NX_OK;
    }
    /* At the end of a line: that, and all space before what follows. */
    const char *p = at + 1;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    bool newline = p < end && (*p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n'));
    if (!lines || !newline) return nx__toml_wrong(parser->doc, at, "there is no such escape");
    while (p < end &&
           (*p == ' ' || *p == '\t' || *p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n')))
        p++;
    parser->at = p;
    return NX_OK;
}

/* How many quotes stand at `p`. */
static size_t quotes(const struct nx__toml_parser *parser, const char *p, char quote)
{
    size_t n = 0;
    while (p + n < parser->end && p[n] == quote) n++;
    return n;
}

/* The room that the string takes at most: what stands before the last quote that may be its own. */
static size_t extent(const struct nx__toml_parser *parser, char quote, bool many)
{
    const char *p = parser->at;
    for (; p < parser->end; p++) {
        if (quote == '"' && *p == '\\') {
            p++;
            continue;
        }
        if (*p == quote && (!many || quotes(parser, p, quote) >= 3)) break;
        if (!many && *p == '\n') break;
    }
    return (size_t)((p < parser->end ? p : parser->end) - parser->at) +
           2; /* two quotes may follow */
}

nx_err nx__toml_string(struct nx__toml_parser *parser, bool lines, nx_bytes *out)
{
    const char *begin = parser->at;
    char quote = *begin;
    bool many = quotes(parser, begin, quote) >= 3;
    if (many && !lines)
        return nx__toml_wrong(parser->doc, begin, "a name can't be a string of several lines");
    parser->at += many ? 3 : 1;
    if (many && parser->at < parser->end) {
        if (parser->end - parser->at > 1 && memcmp(parser->at, "\r\n", 2) == 0) parser->at++;
        if (*parser->at == '\n') parser->at++;
    }
    char *text = nx_alloc(extent(parser, quote, many) + 1), *to = text;
    if (!text) return NX_ENOMEM;
    for (;;) {
        if (parser->at >= parser->end)
            return nx__toml_wrong(parser->doc, begin, "the string does not end");
        const char *p = parser->at;
        unsigned char c = (unsigned char)*p;
        size_t run = c == (unsigned char)quote ? quotes(parser, p, quote) : 0;
        if (run && (!many || run >= 3)) {
            /* Two quotes may stand before the three that end it. */
            size_t kept = many ? (run > 5 ? 5 : run) - 3 : 0;
            memset(to, quote, kept);
            to += kept;
            parser->at += many ? kept + 3 : 1;
            break;
        }
        if (c == '\\' && quote == '"') {
            NX_TRY(escape(parser, many, &to));
            continue;
        }
        bool newline = c == '\n' || (c == '\r' && parser->end - p > 1 && p[1] == '\n');
        if (newline && !many)
            return nx__toml_wrong(parser->doc, begin, "the string does not end on its line");
        if (!newline && ((c < 0x20 && c != '\t') || c == 0x7f))
            return nx__toml_wrong(parser->doc, p, "a control character has to be escaped");
        *to++ = *parser->at++;
        if (newline && c == '\r') *to++ = *parser->at++;
    }
    *to = '\0';
    *out = nx_slice(text, (size_t)(to - text));
    return NX_OK;
}

/* ---- Dates and times */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes that many digits, a number from `least` to `most`. */
static bool take_number(const char **p, const char *end, size_t digits, int least, int most,
                        int *out)
{
    int n = 0;
    if ((size_t)(end - *p) < digits) return false;
    for (size_t i = 0; i < digits; i++) {
        if (!is_digit((*p)[i])) return false;
        n = n * 10 + ((*p)[i] - '0');
    }
    *p += digits;
    *out = n;
    return n >= least && n <= most;
}

static bool take(const char **p, const char *end, char c)
{
    if (*p == end || **p != c) return false;
    ++*p;
    return true;
}

static bool take_date(const char **p, const char *end, nx_toml_date *date)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_number(p, end, 4, 0, 9999, &year) || !take(p, end, '-') ||
        !take_number(p, end, 2, 1, 12, &month) || !take(p, end, '-'))
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (!take_number(p, end, 2, 1, days[month - 1] + (month == 2 && leap), &day)) return false;
    date->has_date = true;
    date->year = (int16_t)year;
    date->month = (uint8_t)month;
    date->day = (uint8_t)day;
    return true;
}

static bool take_time(const char **p, const char *end, nx_toml_date *date)
{
    int hour, minute, second = 0;
    if (!take_number(p, end, 2, 0, 23, &hour) || !take(p, end, ':') ||
        !take_number(p, end, 2, 0, 59, &minute))
        return false;
    if (take(p, end, ':')) {
        if (!take_number(p, end, 2, 0, 60, &second)) return false;
        if (take(p, end, '.')) {
            uint32_t unit = 100000000;
            if (*p == end || !is_digit(**p)) return false;
            for (; *p < end && is_digit(**p); ++*p, unit /= 10)
                date->nanosecond += (uint32_t)(**p - '0') * unit; /* past the ninth: cut */
        }
    }
    date->has_time = true;
    date->hour = (uint8_t)hour;
    date->minute = (uint8_t)minute;
    date->second = (uint8_t)second;
    return true;
}

static bool take_offset(const char **p, const char *end, nx_toml_date *date)
{
    int hours, minutes;
    if (*p == end) return true;
    date->has_offset = true;
    if (take(p, end, 'Z') || take(p, end, 'z')) return true;
    bool west = **p == '-';
    if (!take(p, end, '+') && !take(p, end, '-')) return false;
    if (!take_number(p, end, 2, 0, 23, &hours) || !take(p, end, ':') ||
        !take_number(p, end, 2, 0, 59, &minutes))
        return false;
    date->offset = (int16_t)(west ? -(hours * 60 + minutes) : hours * 60 + minutes);
    return true;
}

/* The whole of it is a date or time. */
static bool read_date(const char *p, const char *end, nx_toml_date *date)
{
    *date = (nx_toml_date){0};
    if (end - p > 2 && p[2] == ':') return take_time(&p, end, date) && p == end;
    if (!take_date(&p, end, date)) return false;
    if (p == end) return true;
    if (!take(&p, end, 'T') && !take(&p, end, 't') && !take(&p, end, ' ')) return false;
    return take_time(&p, end, date) && take_offset(&p, end, date) && p == end;
}

/* ---- Numbers */

/* Copies the digits without the "_" between them; false if one is not between two digits. */
static bool strip(const char *p, const char *end, char *out)
{
    bool hexadecimal = end - p > 2 && p[1] == 'x';
    for (const char *from = p; p < end; p++) {
        if (*p != '_') {
            *out++ = *p;
            continue;
        }
        if (p == from || p + 1 == end) return false;
        bool between =
            hexadecimal ? hex(p[-1]) >= 0 && hex(p[1]) >= 0 : is_digit(p[-1]) && is_digit(p[1]);
        if (!between) return false;
    }
    *out = '\0';
    return true;
}

/* Digits of that base, all of them. */
static bool read_digits(const char *p, int base, bool negative, int64_t *out)
{
    uint64_t n = 0;
    if (!*p) return false;
    for (; *p; p++) {
        int digit = hex(*p);
        if (digit < 0 || digit >= base || __builtin_mul_overflow(n, (uint64_t)base, &n) ||
            __builtin_add_overflow(n, (uint64_t)digit, &n))
            return false;
    }
    if (n > (uint64_t)INT64_MAX + negative) return false;
    *out = negative ? (int64_t)-n : (int64_t)n;
    return true;
}

static bool read_int(const char *text, int64_t *out)
{
    bool negative = *text == '-', sign = negative || *text == '+';
    const char *p = text + sign;
    if (p[0] == '0' && p[1]) {
        int base = p[1] == 'x' ? 16 : p[1] == 'o' ? 8 : p[1] == 'b' ? 2 : 0;
        return base && !sign && read_digits(p + 2, base, false, out);
    }
    return read_digits(p, 10, negative, out);
}

static bool read_float(const char *text, double *out)
{
    bool negative = *text == '-', sign = negative || *text == '+';
    const char *p = text + sign;
    bool nan = strcmp(p, "nan") == 0;
    if (nan || strcmp(p, "inf") == 0) {
        *out = nan ? (double)NAN : (double)INFINITY;
        if (negative) *out = -*out;
        return true;
    }
    if (!is_digit(*p)) return false;
    return nx__json_number(nx_str(*text == '+' ? p : text), out);
}

/* What may stand in one, and where a date goes on behind a space. */
static const char *plain_end(const char *p, const char *end)
{
    const char *begin = p;
    for (; p < end; p++) {
        char c = *p, l = (char)(c | 0x20);
        if (is_digit(c) || (l >= 'a' && l <= 'z') || (c && strchr("+-_.:", c))) continue;
        bool time = c == ' ' && p - begin == 10 && begin[4] == '-' && begin[7] == '-' &&
                    end - p > 2 && is_digit(p[1]) && is_digit(p[2]);
        if (!time) break;
    }
    return p;
}

nx_err nx__toml_plain(struct nx__toml_parser *parser, struct nx__toml_value *value)
{
    const char *begin = parser->at, *end = plain_end(begin, parser->end);
    nx_bytes word = nx_slice(begin, (size_t)(end - begin));
    nx_toml_date date;
    char text[512]; /* no number needs as many digits to be exact */
    if (!word.len) return nx__toml_wrong(parser->doc, begin, "expected a value");
    parser->at = end;
    if (nx_bytes_is(word, "true") || nx_bytes_is(word, "false")) {
        value->kind = NX_TOML_BOOL;
        value->as.boolean = word.data[0] == 't';
        return NX_OK;
    }
    if (read_date(begin, end, &date)) {
        nx_toml_date *copy = nx_alloc(sizeof *copy);
        if (!copy) return NX_ENOMEM;
        *copy = date;
        value->kind = NX_TOML_DATE;
        value->as.date = copy;
        return NX_OK;
    }
    if (word.len < sizeof text && strip(begin, end, text)) {
        if (read_int(text, &value->as.integer)) {
            value->kind = NX_TOML_INT;
            return NX_OK;
        }
        /* A whole number that is no int64_t is none: a double would not be it. */
        if ((strpbrk(text, ".eE") || strstr(text, "nan") || strstr(text, "inf")) &&
            read_float(text, &value->as.real)) {
            value->kind = NX_TOML_FLOAT;
            return NX_OK;
        }
    }
    bool number = is_digit(*begin) || *begin == '+' || *begin == '-';
    return nx__toml_wrong(parser->doc, begin, "%s",
                          number ? "this is no number, date or time, or it does not fit"
                                 : "expected a value; strings stand in quotes");
}

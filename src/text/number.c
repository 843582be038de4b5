/* Numbers out of text, and as text. */
#include "base/text_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <nexus/text.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Whole ones */

/* Its digits, and whether it is past 64 bits. */
static uint64_t whole(struct nx__text_reader *r, bool *too_large)
{
    uint64_t n = 0;
    const char *begin = r->at;
    for (; nx__text_is_digit(nx__text_peek(r)); r->at++) {
        uint64_t digit = (uint64_t)(*r->at - '0');
        if (n > (UINT64_MAX - digit) / 10) *too_large = true;
        n = n * 10 + digit;
    }
    if (r->at == begin || r->at != r->end) nx__text_wrong(r, r->at, "a digit is wanted");
    return n;
}

nx_err nx_parse_int(nx_bytes text, int64_t least, int64_t most, int64_t *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    bool minus = least < 0 && nx__text_take(&r, '-'), too_large = false;
    uint64_t n = whole(&r, &too_large);
    *out = 0;
    if (r.wrong) return nx__text_error(&r, "number");
    too_large = too_large || n > (uint64_t)INT64_MAX + minus;
    int64_t number = (int64_t)(minus ? 0 - n : n);
    if (too_large || number < least || number > most) {
        char quoted[NX__QUOTED];
        return nx__error_set(NX_ELIMIT, "the number %s is not within %" PRId64 " to %" PRId64,
                             nx__quoted(quoted, text), least, most);
    }
    *out = number;
    return NX_OK;
}

nx_err nx_parse_uint(nx_bytes text, uint64_t least, uint64_t most, uint64_t *out)
{
    struct nx__text_reader r = nx__text_reader(text);
    bool too_large = false;
    uint64_t n = whole(&r, &too_large);
    *out = 0;
    if (r.wrong) return nx__text_error(&r, "number");
    if (too_large || n < least || n > most) {
        char quoted[NX__QUOTED];
        return nx__error_set(NX_ELIMIT, "the number %s is not within %" PRIu64 " to %" PRIu64,
                             nx__quoted(quoted, text), least, most);
    }
    *out = n;
    return NX_OK;
}

/* ---- Doubles */

static locale_t c_locale;

static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", NULL);
}

/* The point is one whatever setlocale has been told. False where memory is out. */
static bool c_locale_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, c_locale_make);
    return c_locale != NULL;
}

static void digits(struct nx__text_reader *r)
{
    const char *begin = r->at;
    while (nx__text_is_digit(nx__text_peek(r))) r->at++;
    if (r->at == begin) nx__text_wrong(r, begin, "a digit is wanted");
}

static void read_double(struct nx__text_reader *r)
{
    (void)nx__text_take(r, '-');
    digits(r);
    if (nx__text_take(r, '.')) digits(r);
    if (nx__text_take(r, 'e') || nx__text_take(r, 'E')) {
        if (!nx__text_take(r, '-')) (void)nx__text_take(r, '+');
        digits(r);
    }
    if (r->at != r->end) nx__text_wrong(r, r->at, "the number ends before this");
}

nx_err nx_parse_double(nx_bytes text, double *out)
{
    enum { MOST = 1000 };
    char copy[MOST + 1], quoted[NX__QUOTED];
    struct nx__text_reader r = nx__text_reader(text);
    *out = 0;
    read_double(&r);
    if (r.wrong) return nx__text_error(&r, "number");
    if (text.len > MOST)
        return nx__error_set(NX_ELIMIT, "a number has at most %d characters", MOST);
    if (!c_locale_ready()) return nx__error_set(NX_ENOMEM, "cannot read a number: out of memory");
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double number = strtod_l(copy, NULL, c_locale);
    if (isinf(number))
        return nx__error_set(NX_ELIMIT, "the number %s is too large", nx__quoted(quoted, text));
    *out = number;
    return NX_OK;
}

nx_err nx_text_double(double number, nx_bytes *out)
{
    char text[32];
    *out = (nx_bytes){0};
    if (!c_locale_ready()) return nx__error_set(NX_ENOMEM, "cannot write a number: out of memory");
    locale_t before = uselocale(c_locale);
    for (int precision = 15; precision <= 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*g", precision, number);
        if (strtod_l(text, NULL, c_locale) == number || isnan(number)) break;
    }
    (void)uselocale(before);
    char *copy = nx_copy(nx_str(isnan(number) ? "nan" : text));
    if (copy) *out = nx_str(copy);
    return copy ? NX_OK : NX_ENOMEM;
}

nx_err nx_text_grouped(int64_t number, const char *separator, nx_bytes *out)
{
    char plain[24];
    size_t between = strlen(separator);
    *out = (nx_bytes){0};
    int n = snprintf(plain, sizeof plain, "%" PRIu64,
                     number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    size_t len = (size_t)n, groups = (len - 1) / 3;
    if (between > (SIZE_MAX - sizeof plain) / 8)
        return nx__error_set(NX_ETOOBIG, "the text would be too long");
    char *text = nx_alloc(1 + len + groups * between + 1), *at = text;
    if (!text) return NX_ENOMEM;
    if (number < 0) *at++ = '-';
    for (size_t i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) at = stpcpy(at, separator);
        *at++ = plain[i];
    }
    *at = '\0';
    *out = nx_slice(text, (size_t)(at - text));
    return NX_OK;
}

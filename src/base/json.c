/* Writing JSON (RFC 8259). */
#include "base/json.h"

#include "base/compiler.h"
#include "base/error.h"
#include "base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 1024 /* of nx_json_write: most answers are shorter */ };

struct writer {
    char *at, *end;
    size_t beyond; /* bytes that did not fit; from the first of them on, nothing is written */
    nx_err err;
};

static NX__COLD void refuse(struct writer *w, const char *why)
{
    if (!w->err) w->err = nx__error_set(NX_EINVAL, "cannot write JSON: %s", why);
}

/* Whether `len` bytes fit; counts them if they don't. */
static inline bool room(struct writer *w, size_t len)
{
    if (nx__likely(len <= (size_t)(w->end - w->at))) return true;
    w->beyond += len;
    w->end = w->at;
    return false;
}

static inline void put(struct writer *w, const char *data, size_t len)
{
    if (!len || !room(w, len)) return;
    memcpy(w->at, data, len);
    w->at += len;
}

static inline void put_char(struct writer *w, char c)
{
    if (room(w, 1)) *w->at++ = c;
}

/* ---- Strings */

static void put_escape(struct writer *w, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    switch (c) {
    case '"':
    case '\\': text[1] = (char)c; break;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    case '\b': text[1] = 'b'; break;
    case '\f': text[1] = 'f'; break;
    default: put(w, text, 6); return;
    }
    put(w, text, 2);
}

/* The part of a string from its first byte on that is not plain. */
static NX__NOINLINE void put_special(struct writer *w, const char *s, size_t len)
{
    const char *end = s + len;
    while (s < end) {
        if ((unsigned char)*s < 0x80) {
            put_escape(w, (unsigned char)*s++);
        } else {
            const char *from = s;
            for (size_t n; s < end && (unsigned char)*s >= 0x80; s += n) {
                if ((n = nx__utf8_sequence(s, end))) continue;
                refuse(w, "a string is not valid UTF-8");
                return;
            }
            put(w, from, (size_t)(s - from));
        }
        size_t left = (size_t)(end - s);
        if (left <= (size_t)(w->end - w->at)) {
            size_t n = nx__json_copy_plain(w->at, s, left);
            w->at += n;
            s += n;
        } else {
            size_t n = nx__json_plain_scalar(s, left);
            put(w, s, n);
            s += n;
        }
    }
}

static inline void put_string(struct writer *w, const char *s, size_t len)
{
    if (nx__likely(len + 2 <= (size_t)(w->end - w->at))) {
        *w->at = '"';
        size_t n = nx__json_copy_plain(w->at + 1, s, len);
        w->at += n + 1;
        if (nx__likely(n == len)) {
            *w->at++ = '"';
            return;
        }
        put_special(w, s + n, len - n);
    } else {
        put_char(w, '"');
        size_t n = nx__json_plain_scalar(s, len);
        put(w, s, n);
        put_special(w, s + n, len - n);
    }
    put_char(w, '"');
}

/* ---- Numbers */

static unsigned digits_of(uint64_t n)
{
    for (unsigned len = 1;; n /= 10000, len += 4) {
        if (n < 10) return len;
        if (n < 100) return len + 1;
        if (n < 1000) return len + 2;
        if (n < 10000) return len + 3;
    }
}

/* Writes the digits of `n` so that they end before `end`. */
static void digits_write(char *end, uint64_t n)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243"
        "4445464748495051525354555657585960616263646566676869707172737475767778798081828384858687"
        "888990919293949596979899";
    for (; n >= 100; n /= 100) memcpy(end -= 2, &pairs[n % 100 * 2], 2);
    if (n >= 10)
        memcpy(end - 2, &pairs[n * 2], 2);
    else
        end[-1] = (char)('0' + n);
}

static void put_uint(struct writer *w, uint64_t n)
{
    unsigned len = digits_of(n);
    if (!room(w, len)) return;
    w->at += len;
    digits_write(w->at, n);
}

static void put_int(struct writer *w, int64_t n)
{
    if (n < 0) put_char(w, '-');
    put_uint(w, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

/* Most numbers of people have few decimals: n = m / 10^k. Both are exact in a double, and a
 * division is rounded as reading the text "m * 10^-k" is: so if it gives n, the text does. False if
 * there are no such m and k. */
static bool put_short_decimal(struct writer *w, double n)
{
    static const double powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    const double exact = 9007199254740992.0; /* 2^53 */
    double size = fabs(n);
    if (size >= exact || (size < 1e-5 && n != 0) || (n == 0 && signbit(n))) return false;
    for (unsigned k = 0; k < sizeof powers / sizeof *powers; k++) {
        double scaled = size * powers[k] + 0.5;
        if (scaled >= exact) return false;
        uint64_t m = (uint64_t)scaled;
        if ((double)m / powers[k] != size) continue;
        if (n < 0) put_char(w, '-');
        if (!k) {
            put_uint(w, m);
            return true;
        }
        uint64_t unit = (uint64_t)powers[k];
        put_uint(w, m / unit);
        if (!room(w, k + 1)) return true;
        memset(w->at, '0', k + 1);
        w->at[0] = '.';
        w->at += k + 1;
        digits_write(w->at, m % unit);
        return true;
    }
    return false;
}

static void put_double(struct writer *w, double n)
{
    if (!isfinite(n)) {
        refuse(w, "a number is not finite");
        return;
    }
    if (put_short_decimal(w, n)) return;
    char text[40];
    /* The fewest digits that read back as the same number. */
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, n);
        if (strtod(text, NULL) == n) break;
    }
    /* Whatever else stands there is the decimal point of the locale, of one byte or more. */
    size_t len = 0;
    bool point = false;
    for (const char *p = text; *p; p++) {
        bool number = (*p >= '0' && *p <= '9') || *p == '-' || *p == '+' || *p == 'e';
        if (number)
            text[len++] = *p;
        else if (!point)
            text[len++] = '.';
        point = !number;
    }
    put(w, text, len);
}

/* ---- Values */

static void put_value(struct writer *w, const nx_value *v, int depth);

static void put_array(struct writer *w, const nx_value *v, int depth)
{
    put_char(w, '[');
    for (size_t i = 0; i < v->as.list.count && !w->err; i++) {
        if (i) put_char(w, ',');
        put_value(w, &v->as.list.items[i], depth + 1);
    }
    put_char(w, ']');
}

static NX__HOT void put_object(struct writer *w, const nx_value *v, int depth)
{
    const nx_value *items = v->as.list.items;
    if (v->as.list.count % 2) {
        refuse(w, "an object has a name without a value");
        return;
    }
    put_char(w, '{');
    for (size_t i = 0; i < v->as.list.count && !w->err; i += 2) {
        if (items[i].kind != NX_VALUE_STRING) {
            refuse(w, "the name in an object is no string");
            return;
        }
        if (i) put_char(w, ',');
        put_string(w, items[i].as.string.data, items[i].as.string.len);
        put_char(w, ':');
        const nx_value *value = &items[i + 1];
        if (nx__likely(value->kind == NX_VALUE_STRING))
            put_string(w, value->as.string.data, value->as.string.len);
        else
            put_value(w, value, depth + 1);
    }
    put_char(w, '}');
}

static NX__HOT void put_value(struct writer *w, const nx_value *v, int depth)
{
    if (depth == NX_JSON_MAX_DEPTH && (v->kind == NX_VALUE_ARRAY || v->kind == NX_VALUE_OBJECT)) {
        refuse(w, "nested too deeply");
        return;
    }
    switch (v->kind) {
    case NX_VALUE_NULL: put(w, "null", 4); return;
    case NX_VALUE_BOOL: v->as.boolean ? put(w, "true", 4) : put(w, "false", 5); return;
    case NX_VALUE_INT: put_int(w, v->as.integer); return;
    case NX_VALUE_UINT: put_uint(w, v->as.uinteger); return;
    case NX_VALUE_DOUBLE: put_double(w, v->as.real); return;
    case NX_VALUE_STRING: put_string(w, v->as.string.data, v->as.string.len); return;
    case NX_VALUE_RAW: put(w, v->as.string.data, v->as.string.len); return;
    case NX_VALUE_ARRAY: put_array(w, v, depth); return;
    case NX_VALUE_OBJECT: put_object(w, v, depth); return;
    case NX_VALUE_NONE: break;
    }
    refuse(w, "out of memory for a value, or a pointer that is no text");
}

size_t nx__json_write(nx_value value, char *out, size_t cap, nx_err *err)
{
    char none[1];
    if (!out) out = none;
    struct writer w = {.at = out, .end = out + cap};
    put_value(&w, &value, 0);
    *err = w.err;
    return (size_t)(w.at - out) + w.beyond;
}

nx_err nx_json_write(nx_value value, nx_bytes *out)
{
    *out = (nx_bytes){0};
    for (size_t cap = FIRST_CAP;;) {
        char *text = nx_alloc(cap + 1);
        if (!text) return NX_ENOMEM;
        nx_err err;
        size_t len = nx__json_write(value, text, cap, &err);
        if (err) return err;
        if (len <= cap) {
            text[len] = '\0';
            *out = nx_slice(text, len);
            return NX_OK;
        }
        cap = len;
    }
}

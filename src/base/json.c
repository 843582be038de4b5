/* Writing JSON (RFC 8259). */
#include "base/json.h"

#include "base/compiler.h"
#include "base/error.h"
#include "base/utf8.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct writer {
    char *out;
    size_t cap, len; /* len goes on past cap, to tell how much is needed */
    nx_err err;
};

static NX__COLD void refuse(struct writer *w, const char *why)
{
    if (!w->err) w->err = nx__error_set(NX_EINVAL, "cannot write JSON: %s", why);
}

static void put(struct writer *w, const char *data, size_t len)
{
    if (nx__likely(w->len <= w->cap && len <= w->cap - w->len)) memcpy(w->out + w->len, data, len);
    w->len += len;
}

static void put_char(struct writer *w, char c)
{
    if (nx__likely(w->len < w->cap)) w->out[w->len] = c;
    w->len++;
}

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

static void put_string(struct writer *w, const char *s, size_t len)
{
    const char *end = s + len;
    put_char(w, '"');
    while (s < end) {
        const char *stop = nx__scan_json_plain(s, end);
        put(w, s, (size_t)(stop - s));
        s = stop;
        if (s == end) break;
        if ((unsigned char)*s < 0x80) {
            put_escape(w, (unsigned char)*s++);
            continue;
        }
        size_t n = nx__utf8_sequence(s, end);
        if (!n) {
            refuse(w, "a string is not valid UTF-8");
            return;
        }
        put(w, s, n);
        s += n;
    }
    put_char(w, '"');
}

static void put_uint(struct writer *w, uint64_t n, bool negative)
{
    static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                "8081828384858687888990919293949596979899";
    char digits[24];
    size_t at = sizeof digits;
    for (; n >= 100; n /= 100) memcpy(&digits[at -= 2], &pairs[n % 100 * 2], 2);
    if (n >= 10)
        memcpy(&digits[at -= 2], &pairs[n * 2], 2);
    else
        digits[--at] = (char)('0' + n);
    if (negative) digits[--at] = '-';
    put(w, digits + at, sizeof digits - at);
}

static void put_double(struct writer *w, double n)
{
    if (!isfinite(n)) {
        refuse(w, "a number is not finite");
        return;
    }
    char text[40];
    int len = 0;
    /* The fewest digits that read back as the same number. */
    for (int digits = 15; digits <= 17; digits++) {
        len = snprintf(text, sizeof text, "%.*g", digits, n);
        if (strtod(text, NULL) == n) break;
    }
    for (int i = 0; i < len; i++)
        if (text[i] == ',') text[i] = '.'; /* a locale with a decimal comma */
    put(w, text, (size_t)len);
}

static void put_value(struct writer *w, const nx_value *v, int depth);

static void put_list(struct writer *w, const nx_value *v, int depth)
{
    bool object = v->kind == NX_VALUE_OBJECT;
    if (depth == NX_JSON_MAX_DEPTH) {
        refuse(w, "nested too deeply");
        return;
    }
    if (object && v->as.list.count % 2) {
        refuse(w, "an object has a name without a value");
        return;
    }
    put_char(w, object ? '{' : '[');
    for (size_t i = 0; i < v->as.list.count && !w->err; i++) {
        const nx_value *item = &v->as.list.items[i];
        if (i) put_char(w, object && i % 2 ? ':' : ',');
        if (object && i % 2 == 0 && item->kind != NX_VALUE_STRING) {
            refuse(w, "the name in an object is no string");
            return;
        }
        put_value(w, item, depth + 1);
    }
    put_char(w, object ? '}' : ']');
}

static void put_value(struct writer *w, const nx_value *v, int depth)
{
    switch (v->kind) {
    case NX_VALUE_NULL: put(w, "null", 4); return;
    case NX_VALUE_BOOL: v->as.boolean ? put(w, "true", 4) : put(w, "false", 5); return;
    case NX_VALUE_INT:
        put_uint(w, v->as.integer < 0 ? 0 - (uint64_t)v->as.integer : (uint64_t)v->as.integer, v->as.integer < 0);
        return;
    case NX_VALUE_UINT: put_uint(w, v->as.uinteger, false); return;
    case NX_VALUE_DOUBLE: put_double(w, v->as.real); return;
    case NX_VALUE_STRING: put_string(w, v->as.string.data, v->as.string.len); return;
    case NX_VALUE_RAW: put(w, v->as.string.data, v->as.string.len); return;
    case NX_VALUE_ARRAY:
    case NX_VALUE_OBJECT: put_list(w, v, depth); return;
    }
    refuse(w, "a value is of no known kind");
}

size_t nx__json_write(nx_value value, char *out, size_t cap, nx_err *err)
{
    struct writer w = {.out = out, .cap = cap};
    put_value(&w, &value, 0);
    *err = w.err;
    return w.len;
}

nx_err nx_json_write(nx_value value, nx_bytes *out)
{
    *out = (nx_bytes){0};
    nx_err err;
    size_t cap = 1024;
    for (;;) {
        char *text = nx_alloc(cap + 1);
        if (!text) return NX_ENOMEM;
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

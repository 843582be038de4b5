/* The checks. */
#include "test/process.h"

#include "base/buffer.h"
#include <math.h>
#include <stdio.h>

#define PUT(...) NX_IGNORE(nx__buffer_printf(&out, NX__TEST_MESSAGE_MOST, __VA_ARGS__))

static bool is_text(nx_test_value v)
{
    return v.kind == NX_TEST_STRING || v.kind == NX_TEST_BYTES;
}

static bool is_number(nx_test_value v)
{
    return v.kind <= NX_TEST_REAL;
}

static long double real_of(nx_test_value v)
{
    if (v.kind == NX_TEST_REAL) return (long double)v.as.real;
    return v.kind == NX_TEST_UINT ? (long double)v.as.uinteger : (long double)v.as.integer;
}

/* -1, 0, 1; 2 where there is no order: NaN. Integers compare by their values, whatever their signs.
 */
static int order_numbers(nx_test_value a, nx_test_value b)
{
    if (a.kind == NX_TEST_REAL || b.kind == NX_TEST_REAL) {
        long double x = real_of(a), y = real_of(b);
        return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
    }
    bool a_negative = a.kind != NX_TEST_UINT && a.as.integer < 0;
    bool b_negative = b.kind != NX_TEST_UINT && b.as.integer < 0;
    if (a_negative != b_negative) return a_negative ? -1 : 1;
    if (a_negative) return (a.as.integer > b.as.integer) - (a.as.integer < b.as.integer);
    return (a.as.uinteger > b.as.uinteger) - (a.as.uinteger < b.as.uinteger);
}

static int order_texts(nx_bytes a, nx_bytes b)
{
    if (!a.data || !b.data) return (a.data != NULL) - (b.data != NULL);
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;
    return order ? (order > 0) - (order < 0) : (a.len > b.len) - (a.len < b.len);
}

static const volatile void *pointer_of(nx_test_value v)
{
    return is_text(v) ? v.as.bytes.data : v.as.pointer;
}

enum { UNLIKE = 3 /* values that can't be compared */ };

static int order(nx_test_value a, nx_test_value b)
{
    if (is_number(a) && is_number(b)) return order_numbers(a, b);
    if (is_text(a) && is_text(b)) {
        /* An empty slice may have no memory. */
        if (a.kind == NX_TEST_BYTES && !a.as.bytes.len) a.as.bytes.data = "";
        if (b.kind == NX_TEST_BYTES && !b.as.bytes.len) b.as.bytes.data = "";
        return order_texts(a.as.bytes, b.as.bytes);
    }
    if (is_number(a) || is_number(b)) return UNLIKE;
    uintptr_t x = (uintptr_t)pointer_of(a), y = (uintptr_t)pointer_of(b);
    return (x > y) - (x < y);
}

static bool holds(nx_test_relation relation, nx_test_value a, nx_test_value b, int o)
{
    switch (relation) {
    case NX_TEST_EQ: return o == 0;
    case NX_TEST_NE: return o != 0 && o != UNLIKE;
    case NX_TEST_LT: return o == -1;
    case NX_TEST_LE: return o == -1 || o == 0;
    case NX_TEST_GT: return o == 1;
    case NX_TEST_GE: return o == 1 || o == 0;
    default:
        return is_text(a) && is_text(b) && a.as.bytes.data && b.as.bytes.data &&
               (!b.as.bytes.len ||
                memmem(a.as.bytes.data, a.as.bytes.len, b.as.bytes.data, b.as.bytes.len) != NULL);
    }
}

/* True for an expression that says no more than its value does. */
static bool is_literal(const char *expression)
{
    char c = expression[0];
    return c == '"' || c == '\'' || c == '-' || (c >= '0' && c <= '9') ||
           strcmp(expression, "true") == 0 || strcmp(expression, "false") == 0 ||
           strcmp(expression, "NULL") == 0;
}

static void compare_fail(const nx_test_site *site, nx_test_relation relation, nx_test_value found,
                         nx_test_value wanted, int o)
{
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">=", "to contain"};
    struct nx__buffer out = {0};
    PUT("expected %s %s %s", site->first, signs[relation], site->second);
    if (o == UNLIKE) PUT(" (a number and something else are never alike)");
    bool texts = is_text(found) && is_text(wanted) && found.as.bytes.data && wanted.as.bytes.data;
    if (relation == NX_TEST_EQ && texts) {
        nx__test_diff(&out, found.as.bytes, wanted.as.bytes);
    } else {
        PUT("\n  found:  ");
        nx__test_show(&out, found);
        if (!is_literal(site->second)) {
            PUT("\n  wanted: ");
            nx__test_show(&out, wanted);
        }
    }
    /* It ends with a NUL, however short memory is. */
    if (nx__buffer_reserve(&out, 1, NX__TEST_MESSAGE_MOST) && out.len) out.len--;
    if (out.data) out.data[out.len] = '\0';
    nx__test_fail(site, out.data ? out.data : site->first);
    nx__buffer_free(&out); /* a hard failure leaves it, in a process that ends soon */
}

bool nx_test_compare(const nx_test_site *site, nx_test_relation relation, nx_test_value found,
                     nx_test_value wanted)
{
    nx__test_at(site);
    int o = relation == NX_TEST_CONTAINS ? 0 : order(found, wanted);
    if (holds(relation, found, wanted, o)) return true;
    compare_fail(site, relation, found, wanted, o);
    return false;
}

/* Fails with a text that fits. */
static void fail(const nx_test_site *site, const char *format, ...) NX_PRINTF(2, 3);

static void fail(const nx_test_site *site, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nx__test_fail(site, text);
}

bool nx_test_true(const nx_test_site *site, int held)
{
    nx__test_at(site);
    if (!held) fail(site, "expected %s", site->first);
    return held;
}

bool nx_test_near(const nx_test_site *site, double found, double wanted, double tolerance)
{
    nx__test_at(site);
    double apart = fabs(found - wanted);
    if (apart <= tolerance || found == wanted) return true; /* infinities are equal */
    fail(site, "expected %s near %s\n  found:  %.17g\n  wanted: %.17g\n  apart:  %g, more than %g",
         site->first, site->second, found, wanted, apart, tolerance);
    return false;
}

bool nx_test_error(const nx_test_site *site, int wanted, int found)
{
    nx__test_at(site);
    if (found == wanted) return true;
    const nx_error *last = nx_error_last();
    nx_err code = (nx_err)found;
    if (wanted == NX_OK)
        fail(site, "expected %s to succeed\n  found:  %s: %s", site->first, nx_err_name(code),
             last->code == code && *last->message ? last->message : nx_err_text(code));
    else
        fail(site, "expected %s to fail with %s\n  found:  %s%s%s", site->first, site->second,
             nx_err_name(code), found && last->code == code ? ": " : "",
             found && last->code == code ? last->message : "");
    return false;
}

void nx_test_failed(const nx_test_site *site, const char *format, ...)
{
    nx__test_at(site);
    char text[4096];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    nx__test_fail(site, text);
}

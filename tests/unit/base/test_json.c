/* Writing JSON. */
#include "base/json.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

enum { GUARD = 0x7e };

/* Fails at a line of the test. */
#define FAIL_AT(line, ...)                                                                         \
    nx_test_failed(&(nx_test_site){.file = __FILE__, .line = (line)}, __VA_ARGS__)

/* Writes with every capacity up to enough: the length is always the same, and no byte past the
 * capacity is touched. */
static void expect_json(int line, nx_value value, const char *wanted)
{
    char out[512];
    nx_err err = NX_EFAILED;
    size_t need = nx__json_write(value, NULL, 0, &err);
    if (err || need != strlen(wanted)) {
        FAIL_AT(line, "%s: length %zu, error %s", wanted, need,
                err ? nx_error_last()->message : "none");
        return;
    }
    for (size_t cap = 0; cap <= need + 2; cap++) {
        memset(out, GUARD, sizeof out);
        size_t len = nx__json_write(value, out, cap, &err);
        bool clean = true;
        for (size_t i = cap; i < sizeof out; i++) clean &= out[i] == GUARD;
        if (err || len != need || !clean || (cap >= need && memcmp(out, wanted, need) != 0)) {
            FAIL_AT(line, "capacity %zu: \"%.*s\", expected \"%s\"", cap,
                    (int)(cap < need ? cap : need), out, wanted);
            return;
        }
    }
}
#define EXPECT_JSON(value, wanted) expect_json(__LINE__, value, wanted)

static void expect_refused(int line, nx_value value, const char *why)
{
    char out[512];
    nx_err err = NX_OK;
    (void)nx__json_write(value, out, sizeof out, &err);
    if (err != NX_EINVAL || !strstr(nx_error_last()->message, why)) {
        FAIL_AT(line, "error %d \"%s\", expected \"%s\"", err, nx_error_last()->message, why);
    }
    err = NX_OK;
    (void)nx__json_write(value, NULL, 0, &err); /* measuring refuses the same */
    if (err != NX_EINVAL) {
        FAIL_AT(line, "not refused without room");
    }
}
#define EXPECT_REFUSED(value, why) expect_refused(__LINE__, value, why)

NX_TEST("json constants")
{
    EXPECT_JSON(nx_null(), "null");
    EXPECT_JSON(nx_bool(true), "true");
    EXPECT_JSON(nx_bool(false), "false");
    EXPECT_JSON(nx_val((const char *)NULL), "null");
    EXPECT_JSON(nx_raw(nx_str("{\"a\":[1]}")), "{\"a\":[1]}");
}

NX_TEST("json integers")
{
    EXPECT_JSON(nx_val(0), "0");
    EXPECT_JSON(nx_val(-1), "-1");
    EXPECT_JSON(nx_val(INT64_MAX), "9223372036854775807");
    EXPECT_JSON(nx_val(INT64_MIN), "-9223372036854775808");
    EXPECT_JSON(nx_val(UINT64_MAX), "18446744073709551615");
    EXPECT_JSON(nx_val((unsigned char)255), "255");
    EXPECT_JSON(nx_val((short)-300), "-300");
    EXPECT_JSON(nx_val(7u), "7");
    uint64_t power = 1;
    for (int digits = 1; digits <= 19; digits++, power *= 10) {
        char wanted[24];
        for (int step = -1; step <= 1; step++) {
            (void)snprintf(wanted, sizeof wanted, "%llu",
                           (unsigned long long)(power + (uint64_t)step));
            EXPECT_JSON(nx_value_uint(power + (uint64_t)step), wanted);
        }
    }
}

NX_TEST("json doubles")
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {
        {0.0, "0"},
        {-0.0, "-0"},
        {1.0, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.05, "0.05"},
        {3.14, "3.14"},
        {19.99, "19.99"},
        {-273.15, "-273.15"},
        {100.001, "100.001"},
        {0.000001, "1e-06"},
        {1e-5, "0.00001"},
        {123456.789012, "123456.789012"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3.0, "0.3333333333333333"},
        {9007199254740991.0, "9007199254740991"},
        {9007199254740992.0, "9007199254740992"},
        {1e15, "1000000000000000"},
        {1e21, "1e+21"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {5e-324, "4.94065645841247e-324"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        EXPECT_JSON(nx_val(rows[i].number), rows[i].text);
    EXPECT_JSON(nx_val(0.5f), "0.5");
    EXPECT_REFUSED(nx_val(NAN), "not finite");
    EXPECT_REFUSED(nx_val(INFINITY), "not finite");
    EXPECT_REFUSED(nx_val(-INFINITY), "not finite");
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Digits from the first that is not 0 to the exponent. */
static size_t digits_in(const char *text)
{
    size_t count = 0;
    for (; *text && *text != 'e'; text++) count += *text >= (count ? '0' : '1') && *text <= '9';
    return count;
}

/* Any double, and numbers with few decimals, read back as they were, from no more digits than are
 * needed. */
NX_TEST("json doubles read back", .deadline = NX_S(120))
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        double number;
        uint64_t bits = random_next(&state);
        if (i % 2) {
            memcpy(&number, &bits, sizeof number);
            if (!isfinite(number)) continue;
        } else {
            number =
                (double)(int64_t)(bits >> (bits % 60)) / pow(10, (double)(random_next(&state) % 8));
        }
        char text[64], plain[64];
        nx_err err;
        size_t len = nx__json_write(nx_val(number), text, sizeof text - 1, &err);
        text[len < sizeof text ? len : 0] = '\0';
        (void)snprintf(plain, sizeof plain, "%.17g", number);
        if (err || strtod(text, NULL) != number || digits_in(text) > digits_in(plain)) {
            nx_test_log("%s became %s", plain, text);
            nx_expect(false);
            return;
        }
    }
}

NX_TEST("json numbers have a point in every locale")
{
    static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!setlocale(LC_NUMERIC, names[i])) continue; /* not installed here */
        EXPECT_JSON(nx_val(1.0 / 3.0), "0.3333333333333333");
        EXPECT_JSON(nx_val(2.5e-7), "2.5e-07");
    }
    (void)setlocale(LC_NUMERIC, "C");
}

NX_TEST("json strings")
{
    EXPECT_JSON(nx_val(""), "\"\"");
    EXPECT_JSON(nx_val(nx_slice("", 0)), "\"\"");
    EXPECT_JSON(nx_val("plain"), "\"plain\"");
    EXPECT_JSON(nx_val("a \"quote\" and a \\"), "\"a \\\"quote\\\" and a \\\\\"");
    EXPECT_JSON(nx_val("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\"");
    EXPECT_JSON(nx_val("\x01\x1f\x7f"), "\"\\u0001\\u001f\x7f\"");
    EXPECT_JSON(nx_val(nx_slice("a\0b", 3)), "\"a\\u0000b\"");
    EXPECT_JSON(nx_val("</script>"), "\"</script>\"");
    EXPECT_JSON(nx_val("Gr\xc3\xbc\xc3\x9f"
                       "e \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80"),
                "\"Gr\xc3\xbc\xc3\x9f"
                "e \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80\"");
    EXPECT_JSON(nx_val("twenty characters ok\nand \xc3\xa9 then more than sixteen"),
                "\"twenty characters ok\\nand \xc3\xa9 then more than sixteen\"");
}

/* An escape, and a character of two bytes, at every place of strings of every short length. */
NX_TEST("json strings by place", .deadline = NX_S(120))
{
    for (size_t len = 1; len <= 40; len++)
        for (size_t at = 0; at < len; at++) {
            char text[64], wanted[80];
            memset(text, 'a', len);
            text[at] = '"';
            (void)snprintf(wanted, sizeof wanted, "\"%.*s\\\"%.*s\"", (int)at, text,
                           (int)(len - at - 1), text + at + 1);
            EXPECT_JSON(nx_val(nx_slice(text, len)), wanted);
            if (at + 1 == len) continue;
            memcpy(text + at, "\xc3\xa9", 2);
            (void)snprintf(wanted, sizeof wanted, "\"%.*s\"", (int)len, text);
            EXPECT_JSON(nx_val(nx_slice(text, len)), wanted);
        }
}

NX_TEST("json refuses what is not utf8")
{
    static const char *const bad[] = {
        "\x80",
        "\xc3",
        "\xc3(",
        "\xc0\xaf",
        "\xe0\x80\x80",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xff",
        "more than sixteen plain bytes \xe4\xb8",
        "\xc3\xa9\xc3\xa9\xff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_REFUSED(nx_val(bad[i]), "not valid UTF-8");
        EXPECT_REFUSED(nx_obj(bad[i], 1), "not valid UTF-8");
        EXPECT_REFUSED(nx_arr(1, nx_val(bad[i]), 2), "not valid UTF-8");
    }
}

NX_TEST("json objects and arrays")
{
    EXPECT_JSON(nx_obj("message", "Hello from Nexus!"), "{\"message\":\"Hello from Nexus!\"}");
    EXPECT_JSON(
        nx_obj("a", 1, "b", nx_arr(1, 2.5, "x", nx_null()), "c", nx_obj("d", nx_bool(true))),
        "{\"a\":1,\"b\":[1,2.5,\"x\",null],\"c\":{\"d\":true}}");
    EXPECT_JSON(nx_list(NULL, 0), "[]");
    EXPECT_JSON(nx_value_object(NULL, 0), "{}");
    EXPECT_JSON(nx_obj("\"\n", 1), "{\"\\\"\\n\":1}");
    EXPECT_JSON(nx_obj(nx_str("bytes"), nx_str("too")), "{\"bytes\":\"too\"}");
    EXPECT_REFUSED(nx_obj(1, 2), "no string");
    EXPECT_REFUSED(nx_obj((const char *)NULL, 2), "no string");
    EXPECT_JSON(nx_obj(), "{}");
    EXPECT_JSON(nx_arr(), "[]");
    EXPECT_JSON(nx_arr(NULL, (nx_bytes){0}, nx_raw((nx_bytes){0})), "[null,null,null]");
    nx_value name[] = {nx_val("name")};
    EXPECT_REFUSED(nx_value_object(name, 1), "without a value");
    EXPECT_REFUSED(nx_arr((void *)name), "no text");
    EXPECT_REFUSED(((nx_value){.kind = (nx_value_kind)99}), "no text");
}

NX_TEST("json objects outlive the turn that made them")
{
    nx_value items[3];
    for (int i = 0; i < 3; i++) items[i] = nx_obj("id", i, "tags", nx_arr(i * i));
    EXPECT_JSON(nx_list(items, 3),
                "[{\"id\":0,\"tags\":[0]},{\"id\":1,\"tags\":[1]},{\"id\":2,\"tags\":[4]}]");
}

NX_TEST("json nests so deep and no deeper")
{
    nx_value levels[NX_JSON_MAX_DEPTH + 1];
    levels[0] = nx_list(NULL, 0);
    for (int i = 1; i <= NX_JSON_MAX_DEPTH; i++) levels[i] = nx_list(&levels[i - 1], 1);
    char wanted[2 * NX_JSON_MAX_DEPTH + 1];
    memset(wanted, '[', NX_JSON_MAX_DEPTH);
    memset(wanted + NX_JSON_MAX_DEPTH, ']', NX_JSON_MAX_DEPTH);
    wanted[sizeof wanted - 1] = '\0';
    EXPECT_JSON(levels[NX_JSON_MAX_DEPTH - 1], wanted);
    EXPECT_REFUSED(levels[NX_JSON_MAX_DEPTH], "too deeply");
    nx_value circle[2];
    circle[0] = nx_val("self");
    circle[1] = nx_value_object(circle, 2);
    EXPECT_REFUSED(circle[1], "too deeply");
}

NX_TEST("json write into the scope")
{
    nx_bytes out;
    nx_expect_eq(nx_json_write(nx_obj("a", 1), &out), NX_OK);
    nx_expect(nx_bytes_is(out, "{\"a\":1}"));
    nx_expect_eq(out.data[out.len], '\0');

    enum { LONG = 100000 };
    char *text = malloc(LONG);
    if (!text) abort();
    memset(text, 'x', LONG);
    nx_expect_eq(nx_json_write(nx_val(nx_slice(text, LONG)), &out), NX_OK);
    nx_expect(out.len == LONG + 2 && out.data[0] == '"' && out.data[LONG + 1] == '"' &&
              out.data[LONG + 2] == '\0');
    free(text);

    nx_expect_eq(nx_json_write(nx_val(NAN), &out), NX_EINVAL);
    nx_expect(!out.data && !out.len);
}

/* Values as people write them: what is read, and what is expected instead. */
#include "env/values.h"
#include <nexus/test.h>

static const struct nx__value_range any = {0, 0};

NX_TEST("whole values are read")
{
    static const struct {
        enum nx__value_kind kind;
        const char *text;
        int64_t number;
    } rows[] = {
        {NX__VALUE_INT, "0", 0},
        {NX__VALUE_INT, "-0", 0},
        {NX__VALUE_INT, "+17", 17},
        {NX__VALUE_INT, "007", 7},
        {NX__VALUE_INT, "9223372036854775807", INT64_MAX},
        {NX__VALUE_INT, "-9223372036854775808", INT64_MIN},
        {NX__VALUE_SIZE, "0", 0},
        {NX__VALUE_SIZE, "512", 512},
        {NX__VALUE_SIZE, "512B", 512},
        {NX__VALUE_SIZE, "64k", 65536},
        {NX__VALUE_SIZE, "64KiB", 65536},
        {NX__VALUE_SIZE, "2G", (int64_t)2 << 30},
        {NX__VALUE_SIZE, "1T", (int64_t)1 << 40},
        {NX__VALUE_SIZE, "8388607T", (int64_t)8388607 << 40},
        {NX__VALUE_DURATION, "0", 0},
        {NX__VALUE_DURATION, "7ns", 7},
        {NX__VALUE_DURATION, "250ms", NX_MS(250)},
        {NX__VALUE_DURATION, "1.5s", NX_MS(1500)},
        {NX__VALUE_DURATION, "0.1s", NX_MS(100)},
        {NX__VALUE_DURATION, "1h30m", NX_S(5400)},
        {NX__VALUE_DURATION, "2d", NX_S(172800)},
        {NX__VALUE_DURATION, "PT1H", NX_S(3600)},
        {NX__VALUE_DURATION, "0.000000001s", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            union nx__value value;
            nx_require(nx__value_parse(rows[i].kind, rows[i].text, any, &value));
            nx_expect_eq(value.number, rows[i].number);
        }
}

NX_TEST("what is no value is refused")
{
    static const struct {
        enum nx__value_kind kind;
        const char *text;
    } rows[] = {
        {NX__VALUE_INT, ""},
        {NX__VALUE_INT, "-"},
        {NX__VALUE_INT, "80a"},
        {NX__VALUE_INT, " 8"},
        {NX__VALUE_INT, "8 "},
        {NX__VALUE_INT, "1.0"},
        {NX__VALUE_INT, "0x10"},
        {NX__VALUE_INT, "9223372036854775808"},
        {NX__VALUE_INT, "+-1"},
        {NX__VALUE_INT, "99999999999999999999999"},
        {NX__VALUE_REAL, ""},
        {NX__VALUE_REAL, "inf"},
        {NX__VALUE_REAL, "nan"},
        {NX__VALUE_REAL, "0x1p3"},
        {NX__VALUE_REAL, "1e999"},
        {NX__VALUE_REAL, " 1"},
        {NX__VALUE_REAL, "1."
                         ".2"},
        {NX__VALUE_REAL, "-"},
        {NX__VALUE_BOOL, ""},
        {NX__VALUE_BOOL, "2"},
        {NX__VALUE_BOOL, "maybe"},
        {NX__VALUE_SIZE, ""},
        {NX__VALUE_SIZE, "-1"},
        {NX__VALUE_SIZE, "K"},
        {NX__VALUE_DURATION, "-5s"},
        {NX__VALUE_SIZE, "64KB"},
        {NX__VALUE_SIZE, "64MM"},
        {NX__VALUE_SIZE, "1.5G"},
        {NX__VALUE_SIZE, "8388608T"},
        {NX__VALUE_DURATION, ""},
        {NX__VALUE_DURATION, "5"},
        {NX__VALUE_DURATION, "5 s"},
        {NX__VALUE_DURATION, "5sec"},
        {NX__VALUE_DURATION, "s"},
        {NX__VALUE_DURATION, "1.s"},
        {NX__VALUE_DURATION, "-5s"},
        {NX__VALUE_DURATION, "1h30"},
        {NX__VALUE_DURATION, ".5s"},
        {NX__VALUE_DURATION, "300y"},
        {NX__VALUE_DURATION, "106752d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("kind %d: \"%s\"", (int)rows[i].kind, rows[i].text) {
            union nx__value value;
            nx_expect(!nx__value_parse(rows[i].kind, rows[i].text, any, &value));
        }
}

NX_TEST("yes and no in all their forms, and numbers")
{
    union nx__value value;
    static const char *const yes[] = {"1", "true", "YES", "On"}, *const no[] = {"0", "False", "no",
                                                                                "OFF"};
    for (size_t i = 0; i < 4; i++) {
        nx_expect(nx__value_parse(NX__VALUE_BOOL, yes[i], any, &value) && value.yes);
        nx_expect(nx__value_parse(NX__VALUE_BOOL, no[i], any, &value) && !value.yes);
    }
    nx_expect(nx__value_parse(NX__VALUE_REAL, "-1.5e2", any, &value));
    nx_expect_near(value.real, -150.0, 1e-9);
}

NX_TEST("a range holds, and is told")
{
    static const struct {
        enum nx__value_kind kind;
        struct nx__value_range range;
        const char *in, *out, *wanted;
    } rows[] = {
        {NX__VALUE_INT, {1, 65535}, "65535", "65536", "a whole number from 1 to 65535"},
        {NX__VALUE_INT, {1, 0}, "1", "0", "a whole number of at least 1"},
        {NX__VALUE_INT, {-5, 0}, "-5", "1", "a whole number from -5 to 0"},
        {NX__VALUE_INT, {0, 9}, "0", "-1", "a whole number from 0 to 9"},
        {NX__VALUE_SIZE,
         {1024, (int64_t)2 << 30},
         "1K",
         "3G",
         "a size such as 512, 64K or 2G from 1K to 2G"},
        {NX__VALUE_DURATION,
         {NX_S(1), NX_S(5400)},
         "1s",
         "2h",
         "a span such as 250ms, 5s or 1h30m from 1s to 90m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].wanted) {
            union nx__value value;
            char wanted[NX__VALUE_WANTED];
            nx_expect(nx__value_parse(rows[i].kind, rows[i].in, rows[i].range, &value));
            nx_expect(!nx__value_parse(rows[i].kind, rows[i].out, rows[i].range, &value));
            nx_expect_eq(nx__value_wanted(rows[i].kind, rows[i].range, wanted), rows[i].wanted);
        }
    char wanted[NX__VALUE_WANTED];
    nx_expect_eq(nx__value_wanted(NX__VALUE_BOOL, any, wanted), "yes or no");
    nx_expect_eq(nx__value_wanted(NX__VALUE_REAL, any, wanted), "a number");
}

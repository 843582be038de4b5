/* Spans as text. */
#include <nexus/date.h>
#include <nexus/test.h>

NX_TEST("spans, both ways")
{
    static const struct {
        nx_duration span;
        const char *text, *iso;
    } rows[] = {
        {0, "0s", "PT0S"},
        {1, "1ns", "PT0.000000001S"},
        {NX_US(250), "250us", "PT0.00025S"},
        {NX_US(250) + 5, "250.005us", "PT0.000250005S"},
        {NX_MS(1) + NX_US(500), "1.5ms", "PT0.0015S"},
        {-NX_MS(250), "-250ms", "-PT0.25S"},
        {NX_S(1) + NX_MS(500), "1.5s", "PT1.5S"},
        {NX_S(60), "1m", "PT1M"},
        {NX_S(5400), "1h30m", "PT1H30M"},
        {NX_S(86400), "1d", "P1D"},
        {NX_S(86400 + 1), "1d1s", "P1DT1S"},
        {NX_S(93784) + NX_MS(500), "1d2h3m4.5s", "P1DT2H3M4.5S"},
        {NX_S(3600) + 1, "1h0.000000001s", "PT1H0.000000001S"},
        {INT64_MAX, "106751d23h47m16.854775807s", "P106751DT23H47M16.854775807S"},
        {INT64_MIN, "-106751d23h47m16.854775808s", "-P106751DT23H47M16.854775808S"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_bytes out;
            nx_duration back;
            nx_expect_ok(nx_duration_text(rows[i].span, &out));
            nx_expect_eq(out, rows[i].text);
            nx_expect_ok(nx_duration_parse(out, &back));
            nx_expect_eq(back, rows[i].span);
            nx_expect_ok(nx_duration_text_iso(rows[i].span, &out));
            nx_expect_eq(out, rows[i].iso);
            nx_expect_ok(nx_duration_parse(out, &back));
            nx_expect_eq(back, rows[i].span);
        }
    }
}

NX_TEST("other ways to say it")
{
    static const struct {
        const char *text;
        nx_duration span;
    } rows[] = {
        {"0", 0},
        {"-0", 0},
        {"+5s", NX_S(5)},
        {"0.5h", NX_S(1800)},
        {"90m", NX_S(5400)},
        {"1.5d", NX_S(129600)},
        {"3\u00b5s", NX_US(3)},
        {"3\u03bcs", NX_US(3)},
        {"0.000001ms", 1},
        {"P2W", NX_S(1209600)},
        {"PT0,5H", NX_S(1800)},
        {"P0D", 0},
        {"PT36H", NX_S(129600)},
        {"-PT1M", -NX_S(60)},
        {"+P1D", NX_S(86400)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_duration span;
            nx_expect_ok(nx_duration_parse(nx_str(rows[i].text), &span));
            nx_expect_eq(span, rows[i].span);
        }
    }
}

NX_TEST("what is no span is told with its place")
{
    static const struct {
        const char *text, *message;
        nx_err err;
    } rows[] = {
        {"", "the span \"\" is wrong at character 1: a number is missing", NX_EINVAL},
        {"h", "character 1: a number is missing", NX_EINVAL},
        {"5", "character 2: a unit is d, h, m, s, ms, us or ns", NX_EINVAL},
        {"00", "character 3: a unit", NX_EINVAL},
        {"5 s", "character 2: a unit", NX_EINVAL},
        {"5y", "character 2: a unit", NX_EINVAL},
        {"1m1h", "character 4: units stand once each, the longest first", NX_EINVAL},
        {"1h1h", "units stand once each", NX_EINVAL},
        {"1.h", "character 3: digits are missing", NX_EINVAL},
        {"1.0000000001h", "more than nine digits", NX_EINVAL},
        {"0.5ns", "nothing shorter than a nanosecond", NX_EINVAL},
        {"--5s", "character 2: a number is missing", NX_EINVAL},
        {"P", "character 2: a number is missing", NX_EINVAL},
        {"PT", "character 3: a number is missing", NX_EINVAL},
        {"P1DT", "character 5: a number is missing", NX_EINVAL},
        {"P1", "character 3: a unit is D or W", NX_EINVAL},
        {"P1H", "character 3: a unit is D or W", NX_EINVAL},
        {"PT1D", "character 4: a unit is H, M or S", NX_EINVAL},
        {"P1Y", "character 3: years and months are not of one length", NX_EINVAL},
        {"P1M", "character 3: years and months are not of one length", NX_EINVAL},
        {"P1W1D", "units stand once each, the longest first, and W alone", NX_EINVAL},
        {"P1D1W", "units stand once each", NX_EINVAL},
        {"PT1M1H", "units stand once each", NX_EINVAL},
        {"PT1.5H1M", "only the last number has a point", NX_EINVAL},
        {"106752d", "the span \"106752d\" is longer than 292 years", NX_ELIMIT},
        {"9223372036854775808ns", "is longer than 292 years", NX_ELIMIT},
        {"-9223372036854775809ns", "is longer than 292 years", NX_ELIMIT},
        {"99999999999999999999d", "is longer than 292 years", NX_ELIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_duration span = 1;
            nx_expect_err(rows[i].err, nx_duration_parse(nx_str(rows[i].text), &span));
            nx_expect_contains(nx_error_last()->message, rows[i].message);
            nx_expect_eq(span, 0);
        }
    }
    nx_duration least;
    nx_expect_ok(nx_duration_parse(nx_str("-9223372036854775808ns"), &least));
    nx_expect_eq(least, INT64_MIN);
}

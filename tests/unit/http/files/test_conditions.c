/* Preconditions and dates. */
#include "http/files/conditions.h"

#include "http/files/types.h"
#include "test.h"

static const struct nx__validator strong = {{"\"abc\"", 5}, 784111777, true},
                                  weak = {{"W/\"abc\"", 7}, 784111777, true},
                                  undated = {{"\"abc\"", 5}, 0, false};
#define DATE    "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER   "Sun, 06 Nov 1994 08:49:38 GMT"

#define WEIGH(validator, get, ...)                                                                 \
    (nx__conditions_weigh(&(struct nx__conditions){__VA_ARGS__}, &(validator), (get)))

NX_TEST(none)
{
    EXPECT_EQ(WEIGH(strong, true, .range = {0}), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .range = nx_str("bytes=0-1")), NX__CONDITION_RANGE);
    EXPECT_EQ(WEIGH(strong, false, .range = nx_str("bytes=0-1")), NX__CONDITION_SEND);
}

NX_TEST(match)
{
    EXPECT_EQ(WEIGH(strong, true, .if_match = nx_str("\"abc\"")), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .if_match = nx_str("*")), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .if_match = nx_str("\"x\", \"abc\"")), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .if_match = nx_str("W/\"abc\"")), NX__CONDITION_FAILED);
    EXPECT_EQ(WEIGH(weak, true, .if_match = nx_str("\"abc\"")), NX__CONDITION_FAILED);
    EXPECT_EQ(WEIGH(strong, true, .if_match = nx_str("\"x\"")), NX__CONDITION_FAILED);
    EXPECT_EQ(
        WEIGH(strong, true, .if_match = nx_str("\"abc\""), .if_unmodified_since = nx_str(EARLIER)),
        NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .if_unmodified_since = nx_str(EARLIER)), NX__CONDITION_FAILED);
    EXPECT_EQ(WEIGH(strong, true, .if_unmodified_since = nx_str(DATE)), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(undated, true, .if_unmodified_since = nx_str(EARLIER)), NX__CONDITION_SEND);
}

NX_TEST(none_match)
{
    EXPECT_EQ(WEIGH(strong, true, .if_none_match = nx_str("W/\"abc\"")), NX__CONDITION_UNCHANGED);
    EXPECT_EQ(WEIGH(weak, true, .if_none_match = nx_str("\"abc\"")), NX__CONDITION_UNCHANGED);
    EXPECT_EQ(WEIGH(strong, true, .if_none_match = nx_str("*")), NX__CONDITION_UNCHANGED);
    EXPECT_EQ(WEIGH(strong, true, .if_none_match = nx_str("\"a,b\" , \"abc\"")),
              NX__CONDITION_UNCHANGED);
    EXPECT_EQ(
        WEIGH(strong, true, .if_none_match = nx_str("\"x\""), .if_modified_since = nx_str(LATER)),
        NX__CONDITION_SEND);
    static const char *const bad[] = {"",   "abc",       "\"abc", "abc\"",
                                      "W/", "w/\"abc\"", ",,",    "W/abc"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT_EQ(WEIGH(strong, true, .if_none_match = nx_str(bad[i])), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .if_modified_since = nx_str(DATE)), NX__CONDITION_UNCHANGED);
    EXPECT_EQ(WEIGH(strong, true, .if_modified_since = nx_str(LATER)), NX__CONDITION_UNCHANGED);
    EXPECT_EQ(WEIGH(strong, true, .if_modified_since = nx_str(EARLIER)), NX__CONDITION_SEND);
}

NX_TEST(if_range)
{
    const nx_bytes range = nx_str("bytes=0-1");
    EXPECT_EQ(WEIGH(strong, true, .range = range, .if_range = nx_str("\"abc\"")),
              NX__CONDITION_RANGE);
    EXPECT_EQ(WEIGH(weak, true, .range = range, .if_range = nx_str("W/\"abc\"")),
              NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .range = range, .if_range = nx_str(DATE)), NX__CONDITION_RANGE);
    EXPECT_EQ(WEIGH(weak, true, .range = range, .if_range = nx_str(DATE)), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .range = range, .if_range = nx_str(LATER)), NX__CONDITION_SEND);
    EXPECT_EQ(WEIGH(strong, true, .range = range, .if_range = nx_str("")), NX__CONDITION_SEND);
}

NX_TEST(dates)
{
    int64_t seconds = 0;
    EXPECT(nx__date_parse(nx_str(DATE), &seconds) && seconds == 784111777);
    EXPECT(nx__date_parse(nx_str("Sunday, 06-Nov-94 08:49:37 GMT"), &seconds) &&
           seconds == 784111777);
    EXPECT(nx__date_parse(nx_str("Sun Nov  6 08:49:37 1994"), &seconds) && seconds == 784111777);
    EXPECT(nx__date_parse(nx_str("Thu, 01 Jan 1970 00:00:00 GMT"), &seconds) && seconds == 0);
    EXPECT(nx__date_parse(nx_str("Thu, 29 Feb 2024 23:59:60 GMT"), &seconds));
    static const char *const bad[] = {"",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 94 08:49:37 GMT",
                                      "784111777",
                                      ",",
                                      "Sun,"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        EXPECT(!nx__date_parse(nx_str(bad[i]), &seconds));
    char text[NX__DATE_LEN + 1];
    for (int64_t at = -62167219200; at < 253402300799; at += 86400LL * 37 + 12345) {
        int64_t back = 1;
        EXPECT(nx__date_write(text, at));
        EXPECT(nx__date_parse(nx_str(text), &back) && back == at);
    }
    EXPECT(!nx__date_write(text, 253402300800));
    EXPECT(!nx__date_write(text, INT64_MIN));
}

static bool type_is(const char *name, const char *type)
{
    return nx_bytes_is(nx__type_of(nx_str(name)), type);
}

NX_TEST(types)
{
    EXPECT(type_is("a.html", "text/html; charset=utf-8"));
    EXPECT(type_is("A.HTML", "text/html; charset=utf-8"));
    EXPECT(type_is("a.min.js", "text/javascript; charset=utf-8"));
    EXPECT(type_is("a.json", "application/json"));
    EXPECT(type_is("a.webmanifest", "application/manifest+json"));
    EXPECT(type_is("a.wasm", "application/wasm"));
    EXPECT(type_is("a.svg", "image/svg+xml"));
    EXPECT(type_is("a.7z", "application/x-7z-compressed"));
    static const char *const unknown[] = {
        "", "html", "a.", "a.unknown", ".html/a", "a.b/c", "a.webmanifests", "a.tooLongToBeKnown"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        EXPECT(type_is(unknown[i], "application/octet-stream"));
    EXPECT(nx__type_compressible(nx_str("text/html; charset=utf-8")));
    EXPECT(nx__type_compressible(nx_str("application/json ; a=b")));
    EXPECT(nx__type_compressible(nx_str("application/problem+json")));
    EXPECT(nx__type_compressible(nx_str("image/svg+xml")));
    EXPECT(!nx__type_compressible(nx_str("image/png")));
    EXPECT(!nx__type_compressible(nx_str("application/jsonx")));
    EXPECT(!nx__type_compressible(nx_str("")));
}

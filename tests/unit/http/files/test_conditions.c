/* Preconditions. */
#include "http/files/conditions.h"

#include "http/files/types.h"
#include <nexus/test.h>

static const struct nx__validator strong = {{"\"abc\"", 5}, 784111777, true},
                                  weak = {{"W/\"abc\"", 7}, 784111777, true},
                                  undated = {{"\"abc\"", 5}, 0, false};
#define DATE    "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"
#define LATER   "Sun, 06 Nov 1994 08:49:38 GMT"

#define WEIGH(validator, get, ...)                                                                 \
    (nx__conditions_weigh(&(struct nx__conditions){__VA_ARGS__}, &(validator), (get)))

NX_TEST("none")
{
    nx_expect_eq(WEIGH(strong, true, .range = {0}), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .range = nx_str("bytes=0-1")), NX__CONDITION_RANGE);
    nx_expect_eq(WEIGH(strong, false, .range = nx_str("bytes=0-1")), NX__CONDITION_SEND);
}

NX_TEST("match")
{
    nx_expect_eq(WEIGH(strong, true, .if_match = nx_str("\"abc\"")), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .if_match = nx_str("*")), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .if_match = nx_str("\"x\", \"abc\"")), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .if_match = nx_str("W/\"abc\"")), NX__CONDITION_FAILED);
    nx_expect_eq(WEIGH(weak, true, .if_match = nx_str("\"abc\"")), NX__CONDITION_FAILED);
    nx_expect_eq(WEIGH(strong, true, .if_match = nx_str("\"x\"")), NX__CONDITION_FAILED);
    nx_expect_eq(
        WEIGH(strong, true, .if_match = nx_str("\"abc\""), .if_unmodified_since = nx_str(EARLIER)),
        NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .if_unmodified_since = nx_str(EARLIER)), NX__CONDITION_FAILED);
    nx_expect_eq(WEIGH(strong, true, .if_unmodified_since = nx_str(DATE)), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(undated, true, .if_unmodified_since = nx_str(EARLIER)), NX__CONDITION_SEND);
}

NX_TEST("none match")
{
    nx_expect_eq(WEIGH(strong, true, .if_none_match = nx_str("W/\"abc\"")),
                 NX__CONDITION_UNCHANGED);
    nx_expect_eq(WEIGH(weak, true, .if_none_match = nx_str("\"abc\"")), NX__CONDITION_UNCHANGED);
    nx_expect_eq(WEIGH(strong, true, .if_none_match = nx_str("*")), NX__CONDITION_UNCHANGED);
    nx_expect_eq(WEIGH(strong, true, .if_none_match = nx_str("\"a,b\" , \"abc\"")),
                 NX__CONDITION_UNCHANGED);
    nx_expect_eq(
        WEIGH(strong, true, .if_none_match = nx_str("\"x\""), .if_modified_since = nx_str(LATER)),
        NX__CONDITION_SEND);
    static const char *const bad[] = {"",   "abc",       "\"abc", "abc\"",
                                      "W/", "w/\"abc\"", ",,",    "W/abc"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("\"%s\"", bad[i])
            nx_expect_eq(WEIGH(strong, true, .if_none_match = nx_str(bad[i])), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .if_modified_since = nx_str(DATE)), NX__CONDITION_UNCHANGED);
    nx_expect_eq(WEIGH(strong, true, .if_modified_since = nx_str(LATER)), NX__CONDITION_UNCHANGED);
    nx_expect_eq(WEIGH(strong, true, .if_modified_since = nx_str(EARLIER)), NX__CONDITION_SEND);
}

NX_TEST("if range")
{
    const nx_bytes range = nx_str("bytes=0-1");
    nx_expect_eq(WEIGH(strong, true, .range = range, .if_range = nx_str("\"abc\"")),
                 NX__CONDITION_RANGE);
    nx_expect_eq(WEIGH(weak, true, .range = range, .if_range = nx_str("W/\"abc\"")),
                 NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .range = range, .if_range = nx_str(DATE)),
                 NX__CONDITION_RANGE);
    nx_expect_eq(WEIGH(weak, true, .range = range, .if_range = nx_str(DATE)), NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .range = range, .if_range = nx_str(LATER)),
                 NX__CONDITION_SEND);
    nx_expect_eq(WEIGH(strong, true, .range = range, .if_range = nx_str("")), NX__CONDITION_SEND);
}

static nx_bytes type_of(const char *name)
{
    return nx__type_of(nx_str(name));
}

NX_TEST("types")
{
    nx_expect_eq(type_of("a.html"), "text/html; charset=utf-8");
    nx_expect_eq(type_of("A.HTML"), "text/html; charset=utf-8");
    nx_expect_eq(type_of("a.min.js"), "text/javascript; charset=utf-8");
    nx_expect_eq(type_of("a.json"), "application/json");
    nx_expect_eq(type_of("a.webmanifest"), "application/manifest+json");
    nx_expect_eq(type_of("a.wasm"), "application/wasm");
    nx_expect_eq(type_of("a.svg"), "image/svg+xml");
    nx_expect_eq(type_of("a.7z"), "application/x-7z-compressed");
    static const char *const unknown[] = {
        "", "html", "a.", "a.unknown", ".html/a", "a.b/c", "a.webmanifests", "a.tooLongToBeKnown"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        nx_subtest ("\"%s\"", unknown[i])
            nx_expect_eq(type_of(unknown[i]), "application/octet-stream");
    nx_expect(nx__type_compressible(nx_str("text/html; charset=utf-8")));
    nx_expect(nx__type_compressible(nx_str("application/json ; a=b")));
    nx_expect(nx__type_compressible(nx_str("application/problem+json")));
    nx_expect(nx__type_compressible(nx_str("image/svg+xml")));
    nx_expect(!nx__type_compressible(nx_str("image/png")));
    nx_expect(!nx__type_compressible(nx_str("application/jsonx")));
    nx_expect(!nx__type_compressible(nx_str("")));
}

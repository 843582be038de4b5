/* Range fields: syntax, what is cut, what is joined. */
#include "http/files/ranges.h"

#include <nexus/test.h>
#include <stdio.h>

static char seen[1024];

/* "first+len first+len", "none" or "416". */
static const char *parse(const char *value, uint64_t size)
{
    struct nx__range ranges[NX__RANGES_MOST];
    size_t count, at = 0;
    switch (nx__ranges_parse(nx_str(value), size, ranges, &count)) {
    case NX__RANGES_NONE: return "none";
    case NX__RANGES_UNSATISFIABLE: return "416";
    case NX__RANGES_SOME: break;
    }
    seen[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(seen + at, sizeof seen - at, "%s%llu+%llu", i ? " " : "",
                               (unsigned long long)ranges[i].first,
                               (unsigned long long)ranges[i].len);
    return seen;
}

NX_TEST("single")
{
    nx_expect_eq(parse("bytes=0-0", 10), "0+1");
    nx_expect_eq(parse("bytes=0-", 10), "0+10");
    nx_expect_eq(parse("bytes=-3", 10), "7+3");
    nx_expect_eq(parse("bytes=-30", 10), "0+10");
    nx_expect_eq(parse("bytes=4-99", 10), "4+6");
    nx_expect_eq(parse("Bytes= \t4-5 ,", 10), "4+2");
    nx_expect_eq(parse("bytes=9-9", 10), "9+1");
}

NX_TEST("unsatisfiable")
{
    nx_expect_eq(parse("bytes=10-", 10), "416");
    nx_expect_eq(parse("bytes=-0", 10), "416");
    nx_expect_eq(parse("bytes=10-20,-0", 10), "416");
    nx_expect_eq(parse("bytes=0-", 0), "416");
    nx_expect_eq(parse("bytes=10-20,3-4", 10), "3+2");
}

NX_TEST("malformed")
{
    static const char *const bad[] = {
        "",          "bytes",       "bytes=",      "bytes=,",    "bytes=-",   "bytes=a-b",
        "bytes=5-4", "bytes=1",     "bytes=1-2-3", "bytes=1 -2", "bytes=- 2", "items=0-1",
        "bytes0-1",  "bytes=1-2 3", "bytes=+1-2",  "bytes=1-2;", "bytes=--1", "bytes=0-1,x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("\"%s\"", bad[i]) nx_expect_eq(parse(bad[i], 10), "none");
    nx_expect_eq(parse("bytes=-5", 0), "none");
}

NX_TEST("numbers past the end of numbers")
{
    nx_expect_eq(parse("bytes=18446744073709551615-", 10), "416");
    nx_expect_eq(parse("bytes=18446744073709551616-", 10), "416");
    nx_expect_eq(parse("bytes=0-99999999999999999999999999", 10), "0+10");
    nx_expect_eq(parse("bytes=-99999999999999999999999999", 10), "0+10");
    nx_expect_eq(parse("bytes=0-18446744073709551615", UINT64_MAX), "0+18446744073709551615");
}

NX_TEST("joined")
{
    nx_expect_eq(parse("bytes=0-5,3-9", 10000), "0+10");
    nx_expect_eq(parse("bytes=3-9,0-5", 10000), "0+10");
    nx_expect_eq(parse("bytes=0-5,6-9", 10000), "0+10");
    nx_expect_eq(parse("bytes=0-5,133-140", 10000), "0+141");
    nx_expect_eq(parse("bytes=0-5,134-140", 10000), "0+6 134+7");
    nx_expect_eq(parse("bytes=5000-5001,0-1,9000-", 10000), "5000+2 0+2 9000+1000");
    /* The third joins the first two. */
    nx_expect_eq(parse("bytes=0-9,500-509,9-500", 10000), "0+510");
}

NX_TEST("number of them")
{
    char value[4096] = "bytes=";
    size_t at = 6;
    for (int i = 0; i < NX__RANGES_MOST; i++)
        at += (size_t)snprintf(value + at, sizeof value - at, "%d-%d,", i * 1000, i * 1000);
    struct nx__range ranges[NX__RANGES_MOST];
    size_t count;
    nx_expect_eq(nx__ranges_parse(nx_str(value), 100000, ranges, &count), NX__RANGES_SOME);
    nx_expect_eq(count, NX__RANGES_MOST);
    (void)snprintf(value + at, sizeof value - at, "1-1");
    nx_expect_eq(nx__ranges_parse(nx_str(value), 100000, ranges, &count), NX__RANGES_NONE);
}

/* JSON as events: in any pieces they say what the tree says. */
#include "say.h"
#include <nexus/test.h>
#include <stdlib.h>

/* "good" or "bad": what the tree says of the text, and, cut anywhere, the events too. */
static const char *verdict(const char *text, size_t len)
{
    struct said tree, events;
    bool same = true;
    say_by_tree(&tree, text, len, 16);
    for (size_t cut = 0; cut <= len && same; cut++)
        for (size_t step = 0; step < 3 && same; step++) {
            say_by_events(&events, text, len, 16, cut, step);
            same = said_eq(&tree, &events);
            if (!same)
                nx_test_fail("cut at %zu, steps of %zu: \"%.*s\" (%s), by the tree \"%.*s\"", cut,
                             step, (int)events.text.len, events.text.data,
                             events.reason ? events.reason : "", (int)tree.text.len,
                             tree.text.data);
            nx__buffer_free(&events.text);
        }
    nx__buffer_free(&tree.text);
    return !same ? "unclear" : tree.err ? "bad" : "good";
}
#define EXPECT_GOOD(text) nx_expect_eq(verdict(text, sizeof(text) - 1), "good")
#define EXPECT_BAD(text)  nx_expect_eq(verdict(text, sizeof(text) - 1), "bad")

NX_TEST("events values")
{
    EXPECT_GOOD("null");
    EXPECT_GOOD(" true ");
    EXPECT_GOOD("\r\n\tfalse");
    EXPECT_GOOD("\"\"");
    EXPECT_GOOD("\"text\"");
    EXPECT_GOOD("[]");
    EXPECT_GOOD("{}");
    EXPECT_GOOD("[[],{},[1,[2,{\"a\":[]}]]]");
    EXPECT_GOOD("{\"a\":1,\"b\":{\"c\":[true,null]},\"\":\"\"}");
    EXPECT_GOOD("{\"a\":1,\"a\":2}");
    EXPECT_GOOD("[ 1 , 2 ]");
}

NX_TEST("events numbers")
{
    EXPECT_GOOD("0");
    EXPECT_GOOD("-0");
    EXPECT_GOOD(
        "[9223372036854775807,-9223372036854775808,18446744073709551615,18446744073709551616]");
    EXPECT_GOOD("[1.5,-2e10,1E+2,1e-400,0.000000000000000000000000000001]");
    EXPECT_GOOD("0.30000000000000004");
    EXPECT_BAD("01");
    EXPECT_BAD("-");
    EXPECT_BAD("+1");
    EXPECT_BAD("1.");
    EXPECT_BAD(".5");
    EXPECT_BAD("1e");
    EXPECT_BAD("1e999");
    EXPECT_BAD("-1e999");
    EXPECT_BAD("1-2");
    EXPECT_BAD("0x10");
    EXPECT_BAD("NaN");
    EXPECT_BAD("Infinity");
    EXPECT_BAD("1 2");
}

NX_TEST("events of a zero, however long")
{
    /* yyjson's slow path once shifted by what a zero has no count of. */
    EXPECT_GOOD("0.000000000000000000000000000000e5");
    EXPECT_GOOD(
        "-0.0000000000000000000000000000000000000000000000000000000000000000000000000000000");
    EXPECT_GOOD("0e999");
    EXPECT_GOOD("0E-99999999999999999999");
}

NX_TEST("events strings")
{
    EXPECT_GOOD("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"");
    EXPECT_GOOD("\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"");
    EXPECT_GOOD("\"\\u0000\"");
    EXPECT_GOOD("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and sixteen more bytes\"");
    EXPECT_GOOD("{\"a long name that is no shorter than sixteen bytes\":\"\\u20ac\"}");
    EXPECT_BAD("\"\\ud83d\"");
    EXPECT_BAD("\"\\ud83dx\"");
    EXPECT_BAD("\"\\ud83d\\n\"");
    EXPECT_BAD("\"\\ud83d\\u0041\"");
    EXPECT_BAD("\"\\ude00\"");
    EXPECT_BAD("\"\\u00g0\"");
    EXPECT_BAD("\"\\x41\"");
    EXPECT_BAD("\"\\");
    EXPECT_BAD("\"a");
    EXPECT_BAD("\"a\nb\"");
    EXPECT_BAD("\"a\0b\"");
    EXPECT_BAD("\"\x80\"");
    EXPECT_BAD("\"\xc0\xaf\"");
    EXPECT_BAD("\"\xed\xa0\x80\"");
    EXPECT_BAD("\"\xf4\x90\x80\x80\"");
    EXPECT_BAD("{\"\xff\":1}");
}

NX_TEST("events grammar")
{
    EXPECT_BAD("");
    EXPECT_BAD("  ");
    EXPECT_BAD("[");
    EXPECT_BAD("[1");
    EXPECT_BAD("[1,");
    EXPECT_BAD("[1,]");
    EXPECT_BAD("[,1]");
    EXPECT_BAD("[1 2]");
    EXPECT_BAD("]");
    EXPECT_BAD("[}");
    EXPECT_BAD("{]");
    EXPECT_BAD("{\"a\"}");
    EXPECT_BAD("{\"a\":}");
    EXPECT_BAD("{\"a\":1,}");
    EXPECT_BAD("{\"a\" 1}");
    EXPECT_BAD("{a:1}");
    EXPECT_BAD("{'a':1}");
    EXPECT_BAD("{1:1}");
    EXPECT_BAD("tru");
    EXPECT_BAD("truE");
    EXPECT_BAD("nul");
    EXPECT_BAD("truee");
    EXPECT_BAD("[] x");
    EXPECT_BAD("// a\n1");
    EXPECT_BAD("/* a */1");
    EXPECT_BAD("\xef\xbb\xbf{}");
    EXPECT_BAD("\v1");
    EXPECT_BAD("1\0");
}

NX_TEST("events depth")
{
    EXPECT_GOOD("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]");
    EXPECT_BAD("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]");
    struct said said;
    char *deep = malloc(1 << 20);
    if (!deep) abort();
    memset(deep, '[', 1 << 20);
    say_by_events(&said, deep, 1 << 20, 64, 0, 0);
    nx_expect_err(NX_ETOOBIG, said.err);
    nx_expect_eq(said.stopped, 64);
    nx__buffer_free(&said.text);
    free(deep);
}

NX_TEST("events caps")
{
    struct nx__json_events e = {.max_depth = 4, .max_token = 8};
    size_t used;
    nx_expect_eq(nx__json_feed(&e, "\"12345678\"", 10, true, &used), NX__JSON_EVENT);
    nx__json_events_free(&e);
    e = (struct nx__json_events){.max_depth = 4, .max_token = 8};
    nx_expect_eq(nx__json_feed(&e, "\"123456789\"", 11, true, &used), NX__JSON_ERROR);
    nx_expect_err(NX_ETOOBIG, e.err);
    nx__json_events_free(&e);
    e = (struct nx__json_events){.max_depth = 4, .max_token = 8};
    nx_expect_eq(nx__json_feed(&e, "[123456789", 10, false, &used), NX__JSON_EVENT);
    nx_expect_eq(nx__json_feed(&e, "123456789", 9, false, &used), NX__JSON_ERROR);
    nx_expect_err(NX_ETOOBIG, e.err);
    nx__json_events_free(&e);
}

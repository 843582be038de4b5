/* Columns of text. */
#include <nexus/test.h>

#include "console/line.h"
#include "console/width.h"
#include <nexus/console.h>

NX_TEST("widths")
{
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0},          {"abc", 3},  {"é", 1},
        {"e\xcc\x81", 1}, /* with an accent that combines */
        {"日本語", 6},    {"한국", 4}, {"ｆｕｌｌ", 8},
        {"😀", 2},         {"🫠", 2}, {"a\xe2\x80\x8b\x62", 2}, /* a space of no width */
        {"\x1b[1m", 3},                                          /* a control takes none */
        {"\xff\xfe", 2},  {"…", 1},    {"नमस्ते", 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        nx_subtest ("%s", cases[i].text)
            nx_expect_eq(nx_text_width(nx_str(cases[i].text)), cases[i].width);
}

NX_TEST("fit")
{
    size_t used;
    nx_expect_eq(nx__width_fit(nx_str("abcdef"), 3, &used), 3);
    nx_expect_eq(used, 3);
    nx_expect_eq(nx__width_fit(nx_str("日本語"), 3, &used), 3); /* the second would be halved */
    nx_expect_eq(used, 2);
    nx_expect_eq(nx__width_fit(nx_str("e\xcc\x81x"), 1, &used), 3); /* the accent comes along */
    nx_expect_eq(used, 1);
    nx_expect_eq(nx__width_fit(nx_str("x"), 0, &used), 0);
    nx_expect_eq(nx__width_fit(nx_str(""), 5, &used), 0);
}

NX_TEST("safe text")
{
    char out[64];
    size_t len = nx__text_safe(out, sizeof out, nx_str("a\x1b[31m\nb"));
    nx_expect_eq(nx_slice(out, len), "a\\u001b[31m\\nb");
    len = nx__text_safe(out, 4, nx_str("abcdef"));
    nx_expect_eq(nx_slice(out, len), "abcd");
    len = nx__text_safe(out, 4, nx_str("ab\x1b"));
    nx_expect_eq(nx_slice(out, len), "ab");
}

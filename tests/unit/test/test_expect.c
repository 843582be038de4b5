/* How values are compared and shown, and how a difference reads. */
#include "base/buffer.h"
#include "test/process.h"

static nx_bytes shown(nx_test_value value)
{
    struct nx__buffer out = {0};
    nx__test_show(&out, value);
    nx_bytes text = nx_str(nx_copy(nx_slice(out.data, out.len)));
    nx__buffer_free(&out);
    return text;
}

static const char *diff(nx_bytes found, nx_bytes wanted)
{
    struct nx__buffer out = {0};
    nx__test_diff(&out, found, wanted);
    const char *text = nx_copy(nx_slice(out.data, out.len));
    nx__buffer_free(&out);
    return text;
}

NX_TEST("values compare by what they are")
{
    int five = 5, *pointer = &five;
    const void *same = pointer;
    char array[] = "text";
    const char *string = "text", *none = NULL;
    enum { SIX = 6 } six = SIX;
    nx_expect_eq(five, 5u);
    nx_expect_eq((signed char)-1, -1ll);
    nx_expect_ne((size_t)-1, -1); /* by their values, not by their bits */
    nx_expect_lt(-1, (size_t)0);
    nx_expect_gt(UINT64_MAX, INT64_MAX);
    nx_expect_eq(six, 6);
    nx_expect_eq('a', 97);
    nx_expect_eq(five == 5, true);
    nx_expect_eq(0.5f, 0.5);
    nx_expect_lt(1, 1.5);
    nx_expect_ge(2.0, 2);
    nx_expect_eq(array, string);
    nx_expect_eq(string, nx_str("text"));
    nx_expect_lt("abc", "abd");
    nx_expect_lt("ab", "abc");
    nx_expect_ne("", none);
    nx_expect_eq(none, NULL);
    nx_expect_eq((nx_bytes){0}, ""); /* an empty slice may have no memory */
    nx_expect_eq(pointer, same);
    nx_expect_ne(pointer, NULL);
    nx_expect_near(0.1 + 0.2, 0.3, 1e-12);
    nx_expect_contains("hello", "ell");
    nx_expect_contains(nx_slice("a\0b", 3), nx_slice("\0", 1));
    nx_expect_ok(NX_OK);
    nx_expect_err(NX_EINVAL, nx_fail(NX_EINVAL, "no"));
}

NX_TEST("checks tell whether they held")
{
    nx_expect(nx_expect_eq(1, 1));
    nx_expect(nx_expect(true));
    nx_expect(nx_expect_ok(NX_OK));
}

NX_TEST("arguments are evaluated once")
{
    int n = 0;
    nx_expect_eq(++n, 1);
    nx_expect(++n == 2);
    nx_expect_ok(++n == 3 ? NX_OK : NX_EFAILED);
    nx_expect_eq(n, 3);
}

NX_TEST("values are shown as a reader writes them")
{
    nx_expect_eq(shown(NX__VALUE(-7)), "-7");
    nx_expect_eq(shown(NX__VALUE(UINT64_MAX)), "18446744073709551615");
    nx_expect_eq(shown(NX__VALUE(0.1)), "0.1");
    nx_expect_eq(shown(NX__VALUE(0.1 + 0.2)), "0.30000000000000004");
    nx_expect_eq(shown(NX__VALUE(3.0)), "3.0");
    nx_expect_eq(shown(NX__VALUE((char)'x')), "120 'x'");
    nx_expect_eq(shown(NX__VALUE((bool)1)), "true");
    nx_expect_eq(shown(NX__VALUE("a\"\n\x01\xff\xc3\xa4")), "\"a\\\"\\n\\x01\\xff\xc3\xa4\"");
    nx_expect_eq(shown(NX__VALUE((const char *)NULL)), "NULL");
    char *large = nx_alloc_zero(1, 1001);
    memset(large, 'x', 1000);
    nx_expect_contains(shown(NX__VALUE(large)), "(1000 bytes)");
}

NX_TEST("a difference in a line is marked")
{
    nx_expect_eq(diff(nx_str("hello"), nx_str("help")),
                 "\n  found:  \"hello\""
                 "\n  wanted: \"help\""
                 "\n              ^ byte 3; lengths 5 and 4");
    /* The mark stands below the character, however many bytes come before. */
    nx_expect_contains(diff(nx_str("\xc3\xa4\xc3\xb6x"), nx_str("\xc3\xa4\xc3\xb6y")),
                       "\n             ^ byte 4");
    nx_expect_contains(diff(nx_str("\xc3\xa4"), nx_str("\xc3\xb6")), "\n           ^ byte 0");
    nx_expect_contains(diff(nx_str(""), nx_str("x")), "^ byte 0; lengths 0 and 1");
    char *a = nx_alloc_zero(1, 1001), *b = nx_alloc_zero(1, 1001);
    memset(a, 'x', 1000);
    memset(b, 'x', 1000);
    b[500] = 'y';
    const char *far = diff(nx_str(a), nx_str(b));
    nx_expect_contains(far, "^ byte 500");
    nx_expect_lt(strlen(far), 400);
}

NX_TEST("differing lines are shown with those around")
{
    const char *text = diff(nx_str("1\n2\n3\n4\n5\n6\n"), nx_str("1\n2\n3\n4\nfive\n6"));
    nx_expect_eq(text, "\n  (- found, + wanted)\n  ... line 3\n    3\n    4\n  - 5\n  - 6\n  + five"
                       "\n  + 6  (without a newline)");
}

NX_TEST("bytes are shown as numbers")
{
    const char *text = diff(nx_slice("\0\1\2", 3), nx_slice("\0\1\3\4", 4));
    nx_expect_contains(text, "the first difference is at byte 2 (lengths 3 and 4)");
    nx_expect_contains(text, "[02]");
    nx_expect_contains(text, "[03][04]");
    nx_expect_contains(diff(nx_slice("\0", 1), nx_slice(NULL, 0)), "(ends at byte 0)");
}

NX_TEST("a difference in much text takes bounded time and room")
{
    struct nx__buffer a = {0}, b = {0};
    for (int i = 0; i < 2000; i++) {
        nx_require_ok(nx__buffer_printf(&a, SIZE_MAX, "line %d\n", i));
        nx_require_ok(nx__buffer_printf(&b, SIZE_MAX, "Line %d\n", i * 7 % 2000));
    }
    nx_expect_le(strlen(diff(nx_slice(a.data, a.len), nx_slice(b.data, b.len))),
                 NX__TEST_MESSAGE_MOST);
    nx_expect_le(strlen(diff(nx_slice(a.data, 2400), nx_slice(b.data, 2400))),
                 NX__TEST_MESSAGE_MOST);
    nx__buffer_free(&a);
    nx__buffer_free(&b);
}

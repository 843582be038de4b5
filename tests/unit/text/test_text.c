/* Text: UTF-8, parts, wholes, numbers. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <nexus/test.h>
#include <nexus/text.h>
#include <stdlib.h>

/* ---- UTF-8 */

/* Each of the first, and those about where something may change. */
static uint32_t code_point_after(uint32_t c)
{
    uint32_t within = c & 0x7ff;
    return c + (c < 0x3000 || within < 16 || within >= 0x7e0 ? 1 : 13);
}

NX_TEST("code points there and back")
{
    for (uint32_t c = 0; c < 0x110000; c = code_point_after(c)) {
        char bytes[4];
        size_t n = nx_text_encode(c, bytes);
        if (c >= 0xd800 && c < 0xe000) {
            nx_require_eq(n, 0);
            continue;
        }
        nx_bytes rest = nx_slice(bytes, n);
        nx_require(nx_text_valid(rest));
        nx_require_eq(nx_text_next(&rest), c);
        nx_require_eq(rest.len, 0);
        for (size_t cut = 1; cut < n; cut++) nx_require(!nx_text_valid(nx_slice(bytes, cut)));
    }
    char bytes[4];
    nx_expect_eq(nx_text_encode(0x110000, bytes), 0);
    nx_expect_eq(nx_text_encode(UINT32_MAX, bytes), 0);
    nx_bytes none = {0};
    nx_expect_eq(nx_text_next(&none), 0);
}

NX_TEST("what is no UTF-8 is replaced by its longest beginnings")
{
    static const struct {
        const char *text, *repaired;
        size_t valid, count;
    } rows[] = {
        {"", "", 0, 0},
        {"abc", "abc", 3, 3},
        {"h\u00e9llo \u20ac \U0001f600", "h\u00e9llo \u20ac \U0001f600", 15, 9},
        /* Unicode 3.9, tables 3-8 to 3-11 */
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41",
         "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"
         "A",
         0, 9},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41",
         "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"
         "A",
         0, 9},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42",
         "\ufffd\ufffd\ufffd\ufffd\ufffd"
         "A\ufffd\ufffd"
         "B",
         0, 9},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41",
         "\ufffd\ufffd\ufffd\ufffd"
         "A",
         0, 5},
        {"a\xf0\x9f\x98", "a\ufffd", 1, 2},
        {"a\xe2\x82", "a\ufffd", 1, 2},
        {"a\xc3", "a\ufffd", 1, 2},
        {"\x80", "\ufffd", 0, 1},
        {"0123456789abcdef0123456789abcdef0123456789abcdef\xff",
         "0123456789abcdef0123456789abcdef0123456789abcdef\ufffd", 48, 49},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("row %zu", i) {
            /* Of its own, so that a read past the end is seen. */
            size_t len = strlen(rows[i].text);
            char *copy = malloc(len ? len : 1);
            nx_require(copy != NULL);
            memcpy(copy, rows[i].text, len);
            nx_bytes text = nx_slice(copy, len), out;
            nx_expect_eq(nx_text_valid_len(text), rows[i].valid);
            nx_expect_eq(nx_text_valid(text), rows[i].valid == len);
            nx_expect_eq(nx_text_count(text), rows[i].count);
            nx_expect_ok(nx_text_repair(text, &out));
            nx_expect_eq(out, rows[i].repaired);
            nx_expect_eq(out.data == text.data, rows[i].valid == len);
            free(copy);
        }
    }
}

NX_TEST("text is cut between code points")
{
    nx_bytes text = nx_str("a\u00e9\u20ac\U0001f600z");
    static const size_t fits[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t most = 0; most < sizeof fits / sizeof *fits; most++)
        nx_expect_eq(nx_text_fit(text, most).len, fits[most]);
    nx_expect_eq(nx_text_fit(nx_str("\x80\x80\x80\x80\x80"), 4).len, 4);
    nx_expect_eq(nx_text_fit(nx_str("ab\xe2"), 2), "ab");
}

/* ---- Parts */

NX_TEST("looking for things")
{
    nx_bytes text = nx_str("abcabc"), none = nx_str("");
    nx_expect(nx_text_starts(text, nx_str("ab")) && !nx_text_starts(text, nx_str("b")));
    nx_expect(nx_text_ends(text, nx_str("bc")) && !nx_text_ends(text, nx_str("b")));
    nx_expect(nx_text_starts(text, none) && nx_text_ends(text, none));
    nx_expect(!nx_text_starts(none, text) && !nx_text_ends(none, text));
    nx_expect(nx_text_contains(text, nx_str("ca")) && !nx_text_contains(text, nx_str("cb")));
    nx_expect_eq(nx_text_find(text, nx_str("bc")), 1);
    nx_expect_eq(nx_text_find_last(text, nx_str("bc")), 4);
    nx_expect_eq(nx_text_find_last(text, nx_str("abc")), 3);
    nx_expect_eq(nx_text_find_last(text, text), 0);
    nx_expect_eq(nx_text_find(text, nx_str("x")), NX_TEXT_NONE);
    nx_expect_eq(nx_text_find_last(text, nx_str("ax")), NX_TEXT_NONE);
    nx_expect_eq(nx_text_find_last(text, nx_str("abcabcd")), NX_TEXT_NONE);
    nx_expect_eq(nx_text_find(text, nx_str("abcabcd")), NX_TEXT_NONE);
    nx_expect_eq(nx_text_find(text, none), 0);
    nx_expect_eq(nx_text_find_last(text, none), 6);
    nx_expect(nx_text_same(nx_str("Content-TYPE"), nx_str("content-type")));
    nx_expect(!nx_text_same(nx_str("a"), nx_str("ab")) && !nx_text_same(nx_str("@"), nx_str("`")));
    nx_expect(!nx_text_same(nx_str("\u00c9"), nx_str("\u00e9")));
    nx_bytes empty = {0};
    nx_expect(nx_text_starts(empty, empty) && nx_text_same(empty, none) &&
              nx_text_find(empty, none) == 0);
}

NX_TEST("taking it apart")
{
    nx_expect_eq(nx_text_trim(nx_str(" \t\r\n\v\f a b \n")), "a b");
    nx_expect_eq(nx_text_trim_start(nx_str(" a ")), "a ");
    nx_expect_eq(nx_text_trim_end(nx_str(" a ")), " a");
    nx_expect_eq(nx_text_trim(nx_str(" \n")), "");
    nx_bytes a, b;
    nx_expect(nx_text_cut(nx_str("key = a = b"), nx_str(" = "), &a, &b));
    nx_expect_eq(a, "key");
    nx_expect_eq(b, "a = b");
    nx_expect(!nx_text_cut(nx_str("key"), nx_str("="), &a, &b));
    nx_expect_eq(a, "key");
    nx_expect_eq(b, "");
}

/* All pieces, as "[a][b]". */
static const char *split(const char *text, const char *by)
{
    char *out = nx_alloc_zero(1, 1);
    nx_bytes rest = nx_str(text), piece;
    while (nx_text_split(&rest, nx_str(by), &piece))
        out = nx_format("%s[%.*s]", out, NX_FMT(piece));
    nx_expect(!rest.data && !nx_text_split(&rest, nx_str(by), &piece));
    return out;
}

static const char *take(const char *text, bool (*next)(nx_bytes *rest, nx_bytes *piece))
{
    char *out = nx_alloc_zero(1, 1);
    nx_bytes rest = nx_str(text), piece;
    while (next(&rest, &piece)) out = nx_format("%s[%.*s]", out, NX_FMT(piece));
    nx_expect(!rest.data && !next(&rest, &piece));
    return out;
}

NX_TEST("pieces, lines, words")
{
    nx_expect_eq(split("a,b,,c", ","), "[a][b][][c]");
    nx_expect_eq(split(",", ","), "[][]");
    nx_expect_eq(split("", ","), "[]");
    nx_expect_eq(split("a--b-", "--"), "[a][b-]");
    nx_expect_eq(split("abc", ""), "[a][b][c]");
    nx_expect_eq(split("", ""), "");
    nx_expect_eq(take("a\nb\r\n\nc\rd", nx_text_line), "[a][b][][c\rd]");
    nx_expect_eq(take("a\r", nx_text_line), "[a\r]");
    nx_expect_eq(take("\n", nx_text_line), "[]");
    nx_expect_eq(take("", nx_text_line), "");
    nx_expect_eq(take("  one two\tthree\n", nx_text_word), "[one][two][three]");
    nx_expect_eq(take(" \n", nx_text_word), "");
    nx_expect_eq(take("x", nx_text_word), "[x]");
}

/* ---- Wholes */

NX_TEST("putting it together")
{
    nx_bytes out;
    nx_expect_ok(nx_text_lower(nx_str("AbZ@[\u00c9"), &out));
    nx_expect_eq(out, "abz@[\u00c9");
    nx_expect_ok(nx_text_upper(nx_str("AbZ`{\u00e9"), &out));
    nx_expect_eq(out, "ABZ`{\u00e9");
    nx_expect_eq(out.data[out.len], '\0');
    nx_expect_ok(nx_text_replace(nx_str("aXbXX"), nx_str("X"), nx_str("--"), &out));
    nx_expect_eq(out, "a--b----");
    nx_expect_ok(nx_text_replace(nx_str("aaa"), nx_str("aa"), nx_str(""), &out));
    nx_expect_eq(out, "a");
    nx_expect_ok(nx_text_replace(nx_str(""), nx_str("aa"), nx_str("b"), &out));
    nx_expect_eq(out, "");
    nx_expect_err(NX_EINVAL, nx_text_replace(nx_str("a"), nx_str(""), nx_str("b"), &out));
    const nx_bytes pieces[] = {nx_str("a"), nx_str(""), nx_str("c")};
    nx_expect_ok(nx_text_join(pieces, 3, nx_str(", "), &out));
    nx_expect_eq(out, "a, , c");
    nx_expect_ok(nx_text_join(NULL, 0, nx_str(", "), &out));
    nx_expect_eq(out, "");
    nx_expect_ok(nx_text_repeat(nx_str("ab"), 3, &out));
    nx_expect_eq(out, "ababab");
    nx_expect_ok(nx_text_repeat(nx_str(""), SIZE_MAX, &out));
    nx_expect_eq(out, "");
    nx_expect_ok(nx_text_pad_start(nx_str("7"), 3, '0', &out));
    nx_expect_eq(out, "007");
    nx_expect_ok(nx_text_pad_end(nx_str("\u00e9"), 3, '.', &out));
    nx_expect_eq(out, "\u00e9..");
    nx_expect_ok(nx_text_pad_end(nx_str("long"), 3, '.', &out));
    nx_expect_eq(out, "long");
}

NX_TEST("what would be too long is refused")
{
    nx_bytes out, two = nx_str("ab");
    nx_expect_err(NX_ETOOBIG, nx_text_repeat(two, SIZE_MAX / 2 + 1, &out));
    nx_expect_err(NX_ETOOBIG, nx_text_repeat(nx_str("a"), SIZE_MAX, &out));
    nx_expect_err(NX_ETOOBIG, nx_text_pad_end(two, SIZE_MAX, ' ', &out));
    nx_expect(!out.data);
    const nx_bytes huge[] = {{"", SIZE_MAX - 1}, {"", 2}};
    nx_expect_err(NX_ETOOBIG, nx_text_join(huge, 2, nx_str(""), &out));
    nx_expect_err(NX_ETOOBIG,
                  nx_text_replace(nx_str("aaa"), nx_str("a"), (nx_bytes){"", SIZE_MAX / 2}, &out));
}

/* ---- Numbers */

NX_TEST("whole numbers")
{
    static const struct {
        const char *text;
        int64_t least, most, number;
        nx_err err;
        const char *message;
    } rows[] = {
        {"0", 0, 9, 0, NX_OK, ""},
        {"-0", -9, 9, 0, NX_OK, ""},
        {"007", 0, 9, 7, NX_OK, ""},
        {"-9223372036854775808", INT64_MIN, INT64_MAX, INT64_MIN, NX_OK, ""},
        {"9223372036854775807", INT64_MIN, INT64_MAX, INT64_MAX, NX_OK, ""},
        {"", 0, 9, 0, NX_EINVAL, "the number \"\" is wrong at character 1: a digit is wanted"},
        {"-", -9, 9, 0, NX_EINVAL, "character 2: a digit is wanted"},
        {"+1", 0, 9, 0, NX_EINVAL, "character 1"},
        {" 1", 0, 9, 0, NX_EINVAL, "character 1"},
        {"1 ", 0, 9, 0, NX_EINVAL, "character 2"},
        {"1.0", 0, 9, 0, NX_EINVAL, "character 2"},
        {"0x1", 0, 9, 0, NX_EINVAL, "character 2"},
        {"-1", 0, 9, 0, NX_EINVAL, "character 1"},
        {"10", 0, 9, 0, NX_ELIMIT, "the number 10 is not within 0 to 9"},
        {"-10", -9, 9, 0, NX_ELIMIT, "the number -10 is not within -9 to 9"},
        {"9223372036854775808", INT64_MIN, INT64_MAX, 0, NX_ELIMIT, "is not within"},
        {"-9223372036854775809", INT64_MIN, INT64_MAX, 0, NX_ELIMIT, "is not within"},
        {"99999999999999999999999", 0, 9, 0, NX_ELIMIT, "is not within 0 to 9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("\"%s\"", rows[i].text) {
            int64_t n = 1;
            nx_expect_err(rows[i].err,
                          nx_parse_int(nx_str(rows[i].text), rows[i].least, rows[i].most, &n));
            nx_expect_eq(n, rows[i].number);
            if (rows[i].err) nx_expect_contains(nx_error_last()->message, rows[i].message);
        }
    }
    uint64_t n;
    nx_expect_ok(nx_parse_uint(nx_str("18446744073709551615"), 0, UINT64_MAX, &n));
    nx_expect_eq(n, UINT64_MAX);
    nx_expect_err(NX_ELIMIT, nx_parse_uint(nx_str("18446744073709551616"), 0, UINT64_MAX, &n));
    nx_expect_err(NX_ELIMIT, nx_parse_uint(nx_str("5"), 6, 9, &n));
    nx_expect_eq(nx_error_last()->message, "the number 5 is not within 6 to 9");
    nx_expect_err(NX_EINVAL, nx_parse_uint(nx_str("-1"), 0, 9, &n));
    nx_expect_eq(n, 0);
}

NX_TEST("doubles")
{
    static const struct {
        double number;
        const char *text;
    } rows[] = {{0, "0"},
                {-0.0, "-0"},
                {0.1, "0.1"},
                {1.5, "1.5"},
                {1e30, "1e+30"},
                {1.0 / 3, "0.3333333333333333"},
                {100, "100"},
                {5e-324, "4.94065645841247e-324"},
                {DBL_MAX, "1.7976931348623157e+308"},
                {-123456.789, "-123456.789"}};
    nx_bytes out;
    double back;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_expect_ok(nx_text_double(rows[i].number, &out));
            nx_expect_eq(out, rows[i].text);
            nx_expect_ok(nx_parse_double(out, &back));
            nx_expect(memcmp(&back, &rows[i].number, sizeof back) == 0);
        }
    }
    nx_expect_ok(nx_text_double(-INFINITY, &out));
    nx_expect_eq(out, "-inf");
    nx_expect_ok(nx_text_double(-NAN, &out));
    nx_expect_eq(out, "nan");
    nx_expect_ok(nx_parse_double(nx_str("00.50E+1"), &back));
    nx_expect_eq(back, 5.0);
    nx_expect_ok(nx_parse_double(nx_str("1e-999"), &back));
    nx_expect_eq(back, 0.0);
    static const char *const bad[] = {"",    "-",   "+1", ".5", "5.",  "1e",   "1e+", "0x1",
                                      "inf", "nan", " 1", "1 ", "1,5", "1.5.", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        nx_subtest ("\"%s\"", bad[i]) {
            nx_expect_err(NX_EINVAL, nx_parse_double(nx_str(bad[i]), &back));
            nx_expect_contains(nx_error_last()->message, "is wrong at character");
        }
    }
    nx_expect_err(NX_ELIMIT, nx_parse_double(nx_str("1e999"), &back));
    nx_expect_eq(nx_error_last()->message, "the number 1e999 is too large");
    char *digits = nx_alloc_zero(1002, 1);
    memset(digits, '1', 1001);
    nx_expect_err(NX_ELIMIT, nx_parse_double(nx_str(digits), &back));
}

NX_TEST("the point of a double stays one")
{
    nx_bytes out;
    double back;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8")) nx_skip("there is no German locale");
    nx_expect_ok(nx_parse_double(nx_str("1.5"), &back));
    nx_expect_eq(back, 1.5);
    nx_expect_ok(nx_text_double(1.5, &out));
    nx_expect_eq(out, "1.5");
}

NX_TEST("groups of digits")
{
    static const struct {
        int64_t number;
        const char *separator, *text;
    } rows[] = {{0, ",", "0"},
                {999, ",", "999"},
                {1000, ",", "1,000"},
                {-1234567, ".", "-1.234.567"},
                {123456, "\u202f", "123\u202f456"},
                {1234, "", "1234"},
                {INT64_MIN, ",", "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_bytes out;
        nx_expect_ok(nx_text_grouped(rows[i].number, rows[i].separator, &out));
        nx_expect_eq(out, rows[i].text);
    }
}

NX_BENCH("validates 1 MiB of ASCII")
{
    char *text = nx_alloc(1 << 20);
    memset(text, 'a', 1 << 20);
    while (nx_bench_loop(b)) nx_bench_use(nx_text_valid(nx_slice(text, 1 << 20)));
}

NX_BENCH("validates 1 MiB of German and Japanese")
{
    static const char piece[] = "Größe und Maß: 大きさと寸法 ";
    char *text = nx_alloc(1 << 20);
    size_t len = 0;
    for (; len + sizeof piece < 1 << 20; len += sizeof piece - 1)
        memcpy(text + len, piece, sizeof piece);
    while (nx_bench_loop(b)) nx_bench_use(nx_text_valid(nx_slice(text, len)));
}

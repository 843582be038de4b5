/* Regular expressions: what they find, what is made of it, and that nothing makes them slow. */
#include "faults.h"
#include <nexus/fiber.h>
#include <nexus/regex.h>
#include <nexus/test.h>
#include <time.h>

static nx_regex *compiled(const char *pattern)
{
    nx_regex *re;
    nx_require_ok(nx_regex_compile(&re, pattern));
    return re;
}

/* All matches, with "|" between them. */
static const char *all(const nx_regex *re, nx_bytes text)
{
    const char *out = "";
    nx_regex_each each = nx_regex_begin(re, text);
    for (size_t i = 0; nx_regex_next(&each); i++) {
        nx_require_lt(i, 1000);
        out = nx_format("%s%s%.*s", out, i ? "|" : "", NX_FMT(each.match.text));
        nx_require(out);
    }
    nx_require_ok(each.err);
    nx_expect(!nx_regex_next(&each));
    return out;
}

NX_TEST("the first match, and its groups")
{
    nx_regex *re = compiled("(?<key>\\w+)=(?<value>\\d+)?(;)?");
    nx_bytes text = nx_str("say: width=;");
    nx_match match;
    nx_expect_ok(nx_regex_find(re, text, &match));
    nx_require(match.found);
    nx_expect_eq(match.text, "width=;");
    nx_expect_eq(match.start, 5);
    nx_expect_eq(match.end, 12);
    nx_require_eq(match.count, 4);
    nx_expect(match.groups[1].data == text.data + 5); /* not a copy */
    nx_expect_eq(nx_match_group(&match, "key"), "width");
    nx_expect(!nx_match_group(&match, "value").data);
    nx_expect(!nx_match_group(&match, "none").data);
    nx_expect_eq(match.groups[3], ";");
    nx_expect_ok(nx_regex_find(re, nx_str("nothing"), &match));
    nx_expect(!match.found && !nx_match_group(&match, "key").data);
    bool yes = false;
    nx_expect_ok(nx_regex_test(re, text, &yes));
    nx_expect(yes);
    nx_expect_ok(nx_regex_test(re, (nx_bytes){0}, &yes));
    nx_expect(!yes);
}

NX_TEST("options")
{
    static const struct {
        const char *pattern, *text, *matches;
        nx_regex_options options;
    } rows[] = {
        {"a.c", "ABC a\nc abc", "abc", {0}},
        {"a.c", "ABC a\nc abc", "ABC|abc", {.ignore_case = true}},
        {"a.c", "a\nc abc", "a\nc|abc", {.dot_all = true}},
        {"^\\w+$", "one\ntwo", "", {0}},
        {"^\\w+$", "one\ntwo", "one|two", {.multiline = true}},
        {"b$", "b\n", "", {0}}, /* not before the last newline, as Perl has it */
        {"a b # c", "ab a b", "ab", {.extended = true}},
        {"a", "ba", "", {.anchored = true}},
        {"a", "aaba", "a|a", {.anchored = true}},
        {"\\w+", "h\xc3\xa4", "h", {0}},
        {"\\w+", "h\xc3\xa4", "h\xc3\xa4", {.unicode = true}},
        {"\xc3\xa4", "\xc3\x84\xc3\xa4", "\xc3\x84|\xc3\xa4", {.ignore_case = true}},
        {"k", "K\xe2\x84\xaak", "K|\xe2\x84\xaa|k", {.ignore_case = true}}, /* Kelvin */
        {"^.$", "\xf0\x9f\x8c\x88", "\xf0\x9f\x8c\x88", {0}},
        {"\\xff.", "a\xff\xfe", "\xff\xfe", {.bytes = true}},
        {"(*CRLF)^b", "a\r\nb\nb", "b", {.multiline = true}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%zu: %s", i, rows[i].pattern) {
            nx_regex_options options = rows[i].options;
            options.size = sizeof options;
            nx_regex *re;
            nx_require_ok(nx_regex_compile_with(&re, nx_str(rows[i].pattern), &options));
            nx_expect_eq(all(re, nx_str(rows[i].text)), rows[i].matches);
        }
    }
}

NX_TEST("one match behind another, and those of nothing")
{
    static const char *const rows[][3] = {
        {"a*", "baac", "|aa||"},     {"", "ab", "||"},
        {"(?=b)", "abab", "|"},      {"b|(?=b)", "abb", "b|b"},
        {"\\b", "one two", "|||"},   {"x*", "\xc3\xa4", "|"},
        {"(?<=a)b", "abab", "b|b"},  {"^", "a\nb", ""},
        {"a\\K", "aa", "|"},         {"$", "a", ""},
        {"[ab]c", "acbcc", "ac|bc"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i][0])
            nx_expect_eq(all(compiled(rows[i][0]), nx_str(rows[i][1])), rows[i][2]);
}

/* What PCRE2 would find by itself is found in whatever steps the search goes, at all distances. */
NX_TEST("matches at every distance")
{
    static const char *const patterns[] = {
        "needle", "(?i)NEEDLE", "[mn]eedle", "(?m)^needle", "(?<=z)needle|^needle|\nneedle",
        "needle$"};
    char text[300];
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        nx_regex *re = compiled(patterns[p]);
        for (size_t at = 0; at < 200; at++) {
            for (size_t i = 0; i < at; i++) text[i] = i % 7 ? 'n' : '\n';
            if (at) text[at - 1] = p == 4 ? 'z' : '\n';
            memcpy(text + at, "needle", 6);
            nx_match match;
            nx_require_ok(nx_regex_find(re, nx_slice(text, at + 6), &match));
            nx_require(match.found);
            nx_require_eq(match.end, at + 6);
        }
    }
    for (size_t i = 0; i < 200; i++) memcpy(text + i, i % 2 ? "\xa4" : "\xc3", 1);
    memcpy(text + 200, "!", 1);
    nx_match match;
    nx_require_ok(nx_regex_find(compiled("(?!\\xe4)."), nx_slice(text, 201), &match));
    nx_expect_eq(match.start, 200);
}

NX_TEST("what is wrong with a pattern has its place")
{
    static const char *const rows[][2] = {
        {"(ab", "cannot compile the pattern: missing closing parenthesis, at character 4\n"
                "    (ab\n"
                "       ^"},
        {"a{2,1}", "numbers out of order in {} quantifier, at character 6\n    a{2,1}\n"},
        {"[z-a]", "range out of order in character class, at character 4"},
        {"*", "quantifier does not follow a repeatable item, at character 1\n    *\n    ^"},
        {"\\", "\\ at end of pattern"},
        {"a\\Gb", "\\G is not supported, at character 2\n    a\\Gb\n     ^"},
        {"\\C", "using \\C is disabled by the application"},
        {"a\xff", "it is not UTF-8, at character 2\n    a?\n     ^"},
        {"(?<a>x)(?<a>y)", "two named subpatterns have the same name"},
        {"((((((((((a{99}){99}){99}){99}){99}){99}){99}){99}){99}){99})", "too large"},
    };
    nx_regex *re;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i][0]) {
            nx_expect_err(NX_EINVAL, nx_regex_compile(&re, rows[i][0]));
            nx_expect_contains(nx_error_last()->message, rows[i][1]);
            nx_expect(!re);
        }
    }
    nx_expect_ok(nx_regex_compile(&re, "\\Q\\G\\E\\\\G"));
    nx_expect_eq(all(re, nx_str("\\G\\G")), "\\G\\G");
    char *large = nx_alloc(NX_REGEX_MAX_PATTERN + 2);
    nx_require(large);
    memset(large, 'a', NX_REGEX_MAX_PATTERN + 1);
    large[NX_REGEX_MAX_PATTERN + 1] = '\0';
    nx_expect_err(NX_ETOOBIG, nx_regex_compile(&re, large));
    strcpy(large + 60, "(");
    nx_expect_err(NX_EINVAL, nx_regex_compile(&re, large));
    nx_expect_contains(nx_error_last()->message, "at character 62\n    aaaaaaaaaaaaaaaaaaaaaaa(\n");
    memset(large, '(', 200);
    large[200] = '\0';
    nx_expect_err(NX_EINVAL, nx_regex_compile(&re, large));
    nx_expect_contains(nx_error_last()->message, "too deeply nested");
}

NX_TEST("text that is not UTF-8 is refused with its place")
{
    nx_match match;
    nx_regex *re = compiled("b");
    nx_expect_err(NX_EINVAL, nx_regex_find(re, nx_str("b\xc3"), &match));
    nx_expect_contains(nx_error_last()->message, "not UTF-8 at byte 2");
    nx_regex_each each = nx_regex_begin(re, nx_str("b\xc3"));
    nx_expect(!nx_regex_next(&each));
    nx_expect_eq((int)each.err, NX_EINVAL);
    nx_expect(!nx_regex_next(&each));
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Patterns that take exponential, cubic and quadratic time, by backtracking or by running over the
 * text; all end, and with an error. */
NX_TEST("no pattern takes long in any text")
{
    static const struct {
        const char *pattern;
        char fill, last;
        size_t len;
    } rows[] = {
        {"(a+)+$", 'a', '!', 50000},
        {"(a|a)*$", 'a', '!', 50000},
        {"^(\\w+\\s?)*$", 'a', '!', 50000},
        {"\\s+$", ' ', 'x', 1000000},
        {"\\d+[.,]", '1', '1', 1000000},
        {"(.*)*[xy]", 'a', 'a', 2000},
        {"\\s*\\s*\\s*$", ' ', 'x', 3000},
        {"(a?){30}a{30}", 'a', 'b', 29},
        {"((a*)*)*[bc]", 'a', 'a', 100000},
        {"(?:(a+)\\1)+$", 'a', 'b', 50000},
        {"^(?:(?!.*+!)a)*$", 'a', 'a', 1000000},
        {"^(?:[^b]*b|a)*$", 'a', 'a', 1000000},
    };
    char *text = nx_alloc(1000000);
    nx_require(text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].pattern) {
            nx_match match;
            memset(text, rows[i].fill, rows[i].len);
            text[rows[i].len - 1] = rows[i].last;
            double from = seconds();
            nx_expect_err(NX_ELIMIT, nx_regex_find(compiled(rows[i].pattern),
                                                   nx_slice(text, rows[i].len), &match));
            nx_expect_contains(nx_error_last()->message, "the pattern takes too many ");
            nx_expect(!match.found);
            nx_expect_lt(seconds() - from, 60.0); /* 0.3 s; valgrind and sanitizers take longer */
        }
    }
}

NX_TEST("the caps can be changed, and hold for all matches together")
{
    nx_regex *re;
    nx_match match;
    nx_require_ok(nx_regex_compile(&re, "(a+)+$", .max_steps = 10));
    nx_expect_err(NX_ELIMIT, nx_regex_find(re, nx_str("aaaaaaaa!"), &match));
    nx_require_ok(nx_regex_compile(&re, "x\\d+[.,]|b", .max_time = NX_MS(5)));
    /* Each match is quick to find, but many are not. */
    enum { LEN = 32000000 };
    char *text = nx_alloc(LEN);
    nx_require(text);
    memset(text, '1', LEN);
    for (size_t i = 0; i < LEN; i += 2000) memcpy(text + i, "bx", 2);
    nx_regex_each each = nx_regex_begin(re, nx_slice(text, LEN));
    size_t count = 0;
    while (nx_regex_next(&each)) count++;
    nx_expect_gt(count, 0);
    nx_expect_eq((int)each.err, NX_ELIMIT);
}

NX_TEST("a long text that is harmless is no trouble")
{
    enum { LEN = 1000000 };
    char *text = nx_alloc(LEN);
    nx_require(text);
    for (size_t i = 0; i < LEN; i++) text[i] = "lorem ipsum dolor\n"[i % 18];
    memcpy(text + LEN - 9, "me@x.org\n", 9);
    static const char *const patterns[] = {"me@", "(?i)ME@", "[m-n]e@\\w", "(?m)^me@|me@",
                                           "\\be@|me@"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        nx_subtest ("%s", patterns[i]) {
            nx_regex *re;
            nx_match match;
            /* Valgrind's time is not the processor's. */
            nx_require_ok(nx_regex_compile(&re, patterns[i], .max_time = NX_S(60)));
            nx_require_ok(nx_regex_find(re, nx_slice(text, LEN), &match));
            nx_expect(match.found);
            nx_expect_eq(match.start, LEN - 9);
        }
    }
}

NX_TEST("replaced by a template")
{
    nx_regex *re = compiled("(?<first>\\w+) (\\w+)(!)?");
    nx_bytes out;
    nx_expect_ok(
        nx_regex_replace(re, nx_str("ab cd, ef gh!"), nx_str("$2 ${first}$3$$${1}0[$0]"), &out));
    nx_expect_eq(out, "cd ab$ab0[ab cd], gh ef!$ef0[ef gh!]");
    nx_expect_eq(out.data[out.len], '\0');
    nx_expect_ok(nx_regex_replace(re, nx_str("none"), nx_str("$1"), &out));
    nx_expect_eq(out, "none");
    nx_expect_ok(nx_regex_replace(compiled(""), nx_str("ab"), nx_str("-"), &out));
    nx_expect_eq(out, "-a-b-");
    nx_expect_ok(nx_regex_replace(re, nx_str("ab cd"), nx_str(""), &out));
    nx_expect_eq(out, "");
    static const char *const rows[][2] = {
        {"$4", "cannot replace by \"$4\": there is no such group at character 1"},
        {"a$", "\"$\" begins no group at character 2"},
        {"a$b", "\"$\" begins no group at character 2"},
        {"${last}", "there is no such group at character 1"},
        {"${1", "\"$\" begins no group"},
        {"${1a}", "there is no such group"},
        {"$99999999999999999999", "there is no such group"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_err(NX_EINVAL, nx_regex_replace(re, nx_str("x"), nx_str(rows[i][0]), &out));
        nx_expect_contains(nx_error_last()->message, rows[i][1]);
    }
    char *large = nx_alloc(NX_REGEX_MAX_RESULT / 4);
    nx_require(large);
    memset(large, 'x', NX_REGEX_MAX_RESULT / 4);
    nx_expect_err(NX_ETOOBIG, nx_regex_replace(compiled("a"), nx_str("aaaaa"),
                                               nx_slice(large, NX_REGEX_MAX_RESULT / 4), &out));
    nx_expect_contains(nx_error_last()->message, "the result is longer than");
}

static nx_err double_it(void *arg, const nx_match *match, nx_bytes *replacement)
{
    int *left = arg;
    if (!(*left)--) return nx_fail(NX_ETYPE, "enough");
    const char *text = nx_format("%.*s%.*s", NX_FMT(match->text), NX_FMT(match->text));
    if (!text) return NX_ENOMEM;
    *replacement = nx_str(text);
    return NX_OK;
}

NX_TEST("replaced by what a function makes")
{
    nx_bytes out;
    int left = 5;
    nx_expect_ok(nx_regex_replace_by(compiled("\\d"), nx_str("a1b2"), double_it, &left, &out));
    nx_expect_eq(out, "a11b22");
    left = 1;
    nx_expect_err(NX_ETYPE,
                  nx_regex_replace_by(compiled("\\d"), nx_str("a1b2"), double_it, &left, &out));
    nx_expect(!out.data);
}

NX_TEST("split")
{
    static const struct {
        const char *pattern, *text;
        size_t most;
        const char *pieces;
    } rows[] = {
        {",\\s*", "a, b,c", 0, "a|b|c"},
        {",", "", 0, ""},
        {",", "a", 0, "a"},
        {",", ",a,,", 0, "|a||"},
        {",", "a,b,c", 2, "a|b,c"},
        {",", "a,b", 1, "a,b"},
        {"", "abc", 0, "a|b|c"},
        {"x*", "axxb", 0, "a|b"},
        {"", "\xc3\xa4z", 0, "\xc3\xa4|z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s of %s", rows[i].pattern, rows[i].text) {
            nx_bytes *pieces;
            size_t count;
            const char *out = "";
            nx_require_ok(nx_regex_split(compiled(rows[i].pattern), nx_str(rows[i].text),
                                         rows[i].most, &pieces, &count));
            for (size_t j = 0; j < count; j++)
                out = nx_format("%s%s%.*s", out, j ? "|" : "", NX_FMT(pieces[j]));
            nx_expect_eq(out, rows[i].pieces);
        }
    }
    char *many = nx_alloc(NX_REGEX_MAX_PIECES + 1);
    nx_bytes *pieces;
    size_t count;
    nx_regex *re;
    nx_require(many);
    memset(many, ',', NX_REGEX_MAX_PIECES + 1);
    nx_require_ok(nx_regex_compile(&re, ",", .max_time = NX_S(100)));
    nx_expect_ok(nx_regex_split(re, nx_slice(many, NX_REGEX_MAX_PIECES - 1), 0, &pieces, &count));
    nx_expect_err(NX_ETOOBIG,
                  nx_regex_split(re, nx_slice(many, NX_REGEX_MAX_PIECES), 0, &pieces, &count));
}

NX_TEST("escaped")
{
    char every[256];
    nx_bytes pattern;
    for (size_t i = 0; i < 256; i++) every[i] = (char)i;
    nx_bytes rows[] = {nx_slice(every, 128), nx_slice(every, 256), nx_str("\\E\\Q\\G\\\\E"),
                       nx_str(""),
                       nx_str("a\xc2\x85\xe2\x80\xa8z")}; /* space in an extended pattern */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_require_ok(nx_regex_escape(rows[i], &pattern));
        nx_expect_eq(pattern.len, strlen(pattern.data));
        for (int how = 0; how < 4; how++) {
            nx_regex *re;
            nx_match match;
            bool bytes = how & 1 || i == 1;
            nx_require_ok(nx_regex_compile(&re, pattern.data, .extended = how & 2, .bytes = bytes));
            nx_require_ok(nx_regex_find(re, rows[i], &match));
            nx_expect(match.found && match.text.len == rows[i].len);
        }
    }
}

static nx_err deep(void *arg)
{
    char pattern[4 * NX_REGEX_MAX_DEPTH + 8], text[5000];
    nx_regex *re;
    nx_match match;
    (void)arg;
    memset(pattern, '(', NX_REGEX_MAX_DEPTH - 1);
    memcpy(pattern + NX_REGEX_MAX_DEPTH - 1, "a|b", 3);
    char *p = pattern + NX_REGEX_MAX_DEPTH + 2;
    for (size_t i = 0; i < NX_REGEX_MAX_DEPTH - 1; i++, p += 2) memcpy(p, ")*", 2);
    *p = '\0';
    memset(text, 'a', sizeof text);
    NX_TRY(nx_regex_compile(&re, pattern));
    nx_err err = nx_regex_find(re, nx_slice(text, sizeof text), &match);
    return err == NX_ELIMIT ? NX_OK : err;
}

NX_TEST("the deepest pattern is at home on a fiber's stack")
{
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, deep, NULL));
    nx_expect_ok(nx_join(fiber));
}

static nx_err everything(void)
{
    nx_regex *re;
    nx_bytes out, *pieces;
    size_t count;
    NX_TRY(nx_regex_compile(&re, "(?<a>[a-z]+)(\\d{1,3})?"));
    NX_TRY(nx_regex_replace(re, nx_str("abc 12 d3"), nx_str("<$1>"), &out));
    NX_TRY(nx_regex_split(re, nx_str("abc 12 d3"), 0, &pieces, &count));
    return nx_regex_escape(out, &out);
}

NX_TEST("memory that runs out is an error, and leaves nothing behind")
{
    static const struct faults_scenario scenario = {.name = "everything", .run = everything};
    faults_run(FAULTS_MEMORY, &scenario, 1);
    faults_run(FAULTS_NO_MEMORY, &scenario, 1);
}

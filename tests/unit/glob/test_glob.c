/* Patterns of paths. */
#include <nexus/glob.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

static const struct row {
    const char *pattern, *path;
    bool matches;
} rows[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"a", "a/b", false},
    {"a/b", "a/b", true},
    {"*", "abc", true},
    {"*", "a/b", false},
    {"*.c", "x.c", true},
    {"*.c", "x.cc", false},
    {"a*b*c", "aXbYbZc", true},
    {"a*b*c", "aXbYbZ", false},
    {"?", "a", true},
    {"?", "é", true},
    {"??", "é", false},
    {"?", "\xff", true},
    {"*?", "", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[!a-c]x", "dx", true},
    {"[^a-c]x", "bx", false},
    {"[]a]", "]", true},
    {"[a-]", "-", true},
    {"[à-ü]", "é", true},
    {"[\\]]", "]", true},
    {"\\*", "*", true},
    {"\\*", "a", false},
    {"**", "a/b/c", true},
    {"**/c", "c", true},
    {"**/c", "a/b/c", true},
    {"a/**", "a", true},
    {"a/**", "a/b/c", true},
    {"a/**/d", "a/d", true},
    {"a/**/d", "a/b/c/d", true},
    {"a/**/d", "a/b/c/e", false},
    {"**/*.c", "src/x/y.c", true},
    {"a**c", "abbc", true},
    {"a**c", "ab/bc", false},
    {"**/a/**/b/**", "x/a/y/a/z/b/c", true},
    {"{a,b}.c", "b.c", true},
    {"{a,b}.c", "c.c", false},
    {"{a,b{c,d}}x", "bdx", true},
    {"x{,y}", "x", true},
    {"{src,docs}/**", "docs/a/b", true},
    {"[{,}]", ",", true},
    {"*", ".a", false},
    {"?a", ".a", false},
    {"[.]a", ".a", false},
    {".*", ".a", true},
    {"\\.a", ".a", true},
    {"**", ".git/x", false},
    {"**/x", ".git/x", false},
    {".git/**", ".git/x", true},
    {"./a//b/", "a/b", true},
    {"a/b", "./a//b/", true},
    {"/a", "/a", true},
    {"/a", "a", false},
    {"a", "/a", false},
    {"", "", true},
    {"", "a", false},
    {"**/**/a", "a", true},
    {"*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};

NX_TEST("what matches and what does not")
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s on %s", rows[i].pattern, rows[i].path) {
            nx_glob *glob;
            nx_require_ok(nx_glob_new(&glob, rows[i].pattern));
            nx_expect_eq(nx_glob_matches(glob, nx_str(rows[i].path)), rows[i].matches);
            nx_glob_free(glob);
        }
    }
}

NX_TEST("a leading dot is like others where that is asked for")
{
    static const char *const all[] = {"*", "?a", "[.]a", "**"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        nx_subtest ("%s", all[i]) {
            nx_glob *glob;
            nx_require_ok(nx_glob_new(&glob, all[i], .hidden = true));
            nx_expect(nx_glob_matches(glob, nx_str(".a")));
            nx_glob_free(glob);
        }
    }
}

NX_TEST("directories that something below could match in")
{
    static const struct {
        const char *pattern, *directory;
        bool reaches;
    } table[] = {
        {"a/b/c", "a", true},      {"a/b/c", "a/b", true},
        {"a/b/c", "a/b/c", false}, {"a/b/c", "b", false},
        {"**/*.c", "x/y", true},   {"*.c", "x", false},
        {"src/*.c", "src", true},  {"src/*.c", "docs", false},
        {"{a,b/c}/d", "b", true},  {"a/**", "a/b/c", true},
        {"*", "", true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nx_subtest ("%s in %s", table[i].pattern, table[i].directory) {
            nx_glob *glob;
            nx_require_ok(nx_glob_new(&glob, table[i].pattern));
            nx_expect_eq(nx_glob_reaches(glob, nx_str(table[i].directory)), table[i].reaches);
            nx_glob_free(glob);
        }
    }
}

NX_TEST("what is wrong is told with its place")
{
    static const struct {
        const char *pattern, *message;
        nx_err err;
    } table[] = {
        {"a[", "the pattern \"a[\" is wrong at character 2: the [ is not closed", NX_EINVAL},
        {"[a/b]", "at character 1: the [ is not closed", NX_EINVAL},
        {"[\\/]", "at character 1: the [ is not closed", NX_EINVAL},
        {"[!]", "at character 1", NX_EINVAL},
        {"a{b,{c}", "at character 2: the { is not closed", NX_EINVAL},
        {"a}", "at character 2: no { is open", NX_EINVAL},
        {"a\\", "at character 2: a \\ stands before nothing", NX_EINVAL},
        {"{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "more than 256 others", NX_ELIMIT},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nx_subtest ("%s", table[i].pattern) {
            nx_glob *glob;
            nx_expect_err(table[i].err, nx_glob_new(&glob, table[i].pattern));
            nx_expect_contains(nx_error_last()->message, table[i].message);
            nx_expect(!glob);
        }
    }
    char text[NX_GLOB_LENGTH_MOST + 2];
    nx_glob *glob;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    nx_expect_err(NX_ELIMIT, nx_glob_new(&glob, text));
    for (int i = 0; i < 64; i++) memcpy(text + 2 * i, "a/", 2);
    text[128] = '\0';
    nx_expect_err(NX_ELIMIT, nx_glob_new(&glob, text));
    text[126] = '\0';
    nx_expect_ok(nx_glob_new(&glob, text));
    nx_expect(nx_glob_matches(glob, nx_str(text)));
    nx_glob_free(glob);
}

/* The parts of the program by themselves: nexus test */
#include "./app.c" /* its functions are static, and its main is not called here */

#include <nexus/test.h>

/* A count and an array of words, as main gets them. */
#define ARGUMENTS(...) (int)(sizeof(WORDS(__VA_ARGS__)) / sizeof(char *)), WORDS(__VA_ARGS__)
#define WORDS(...)     ((char *[]){__VA_ARGS__})

NX_TEST("counts")
{
    static const struct {
        const char *text;
        counts wanted;
    } rows[] = {
        {"", {0, 0, 0}},
        {"one", {0, 1, 3}},
        {"one two\n", {1, 2, 8}},
        {"\n \n\tone\n", {3, 1, 8}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("row %zu", i) {
            counts c = count(nx_str(rows[i].text));
            nx_expect_eq(c.lines, rows[i].wanted.lines);
            nx_expect_eq(c.words, rows[i].wanted.words);
            nx_expect_eq(c.bytes, rows[i].wanted.bytes);
        }
}

NX_TEST("flags and files may be mixed")
{
    options o = {0};
    nx_require_ok(options_parse(&o, ARGUMENTS("app", "a.txt", "--words", "--", "--words")));
    nx_expect(o.words);
    nx_expect(!o.lines);
    nx_require_eq(o.count, 2);
    nx_expect_eq(o.files[1], "--words");
}

NX_TEST("what it does not know is wrong usage")
{
    options o = {0};
    nx_expect_err(NX_EUSAGE, options_parse(&o, ARGUMENTS("app", "--wrods", "a.txt")));
    nx_expect_contains(nx_error_last()->message, "--wrods");
    o = (options){0};
    nx_expect_err(NX_EUSAGE, options_parse(&o, ARGUMENTS("app")));
}

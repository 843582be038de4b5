/* Versions and ranges. What npm says of many more is compared by tests/conformance/semver_test.py.
 */
#include <nexus/semver.h>
#include <nexus/test.h>

static nx_semver version(const char *text)
{
    nx_semver v;
    nx_require_ok(nx_semver_parse(nx_str(text), &v));
    return v;
}

NX_TEST("versions are read and written")
{
    static const char *const good[] = {/* from semver.org's list of valid ones */
                                       "0.0.4",
                                       "1.2.3",
                                       "10.20.30",
                                       "1.1.2-prerelease+meta",
                                       "1.1.2+meta-valid",
                                       "1.0.0-alpha.0valid",
                                       "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay",
                                       "1.0.0-rc.1+build.123",
                                       "1.0.0-0A.is.legal",
                                       "1.0.0--",
                                       "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
                                       "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
                                       "9007199254740991.9007199254740991.9007199254740991",
                                       "1.0.0-99999999999999999999999",
                                       "1.0.0+001"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        nx_subtest ("%s", good[i]) {
            nx_semver v = version(good[i]);
            nx_bytes out;
            nx_require_ok(nx_semver_text(&v, &out));
            nx_expect_eq(out, good[i]);
        }
    }
    nx_semver v = version("1.2.3-rc.1+b-7");
    nx_expect(v.major == 1 && v.minor == 2 && v.patch == 3);
    nx_expect_eq(v.prerelease, "rc.1");
    nx_expect_eq(v.build, "b-7");
}

NX_TEST("what is no version is told with its place")
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "the version \"\" is wrong at character 1: a number is missing"},
        {"1", "character 2: a . and the minor version are missing"},
        {"1.2", "character 4: a . and the patch version are missing"},
        {"1.2.", "character 5: a number is missing"},
        {"v1.2.3", "character 1: a number is missing"},
        {" 1.2.3", "character 1: a number is missing"},
        {"1.2.3 ", "character 6: the version ends before this"},
        {"01.2.3", "character 1: a number has no zeros in front"},
        {"1.02.3", "character 3: a number has no zeros in front"},
        {"9007199254740992.0.0", "character 1: the number is too large"},
        {"99999999999999999999999.0.0", "character 1: the number is too large"},
        {"1.2.3-", "character 7: an identifier is missing"},
        {"1.2.3-a..b", "character 9: an identifier is missing"},
        {"1.2.3-01", "character 7: a number has no zeros in front"},
        {"1.2.3+", "character 7: an identifier is missing"},
        {"1.2.3+a+b", "character 8: the version ends before this"},
        {"1.2.3-\xc3\xa9", "character 7: an identifier is missing"},
        {"1.2.3.4", "character 6: the version ends before this"},
    };
    nx_semver v;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_expect_err(NX_EINVAL, nx_semver_parse(nx_str(rows[i].text), &v));
            nx_expect_contains(nx_error_last()->message, rows[i].message);
        }
    }
    char *text = nx_alloc_zero(NX_SEMVER_MOST + 2, 1);
    memset(text, 'a', NX_SEMVER_MOST);
    memcpy(text, "1.2.3-", 6);
    nx_expect_ok(nx_semver_parse(nx_str(text), &v));
    text[NX_SEMVER_MOST] = 'a';
    nx_expect_err(NX_ELIMIT, nx_semver_parse(nx_str(text), &v));
    nx_bytes out;
    nx_expect_err(NX_EINVAL, nx_semver_text(&(nx_semver){.prerelease = {"a b", 3}}, &out));
    nx_expect_err(NX_EINVAL, nx_semver_text(&(nx_semver){.major = UINT64_MAX}, &out));
    nx_expect_err(NX_ELIMIT, nx_semver_text(&(nx_semver){.build = {text, 300}}, &out));
}

NX_TEST("precedence")
{
    /* Section 11, and the edges of it: each before the next. */
    static const char *const rising[] = {"0.0.0-0",
                                         "0.0.0",
                                         "0.0.1",
                                         "0.1.0",
                                         "1.0.0--",
                                         "1.0.0-0a",
                                         "1.0.0-alpha",
                                         "1.0.0-alpha.1",
                                         "1.0.0-alpha.beta",
                                         "1.0.0-beta",
                                         "1.0.0-beta.2",
                                         "1.0.0-beta.11",
                                         "1.0.0-beta.99999999999999999999",
                                         "1.0.0-beta.100000000000000000000",
                                         "1.0.0-beta.a",
                                         "1.0.0-rc.1",
                                         "1.0.0",
                                         "1.0.1",
                                         "1.2.0",
                                         "1.10.0",
                                         "2.0.0"};
    for (size_t i = 0; i < sizeof rising / sizeof *rising; i++) {
        for (size_t j = 0; j < sizeof rising / sizeof *rising; j++) {
            nx_semver a = version(rising[i]), b = version(rising[j]);
            int order = nx_semver_compare(&a, &b);
            nx_expect_eq((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
    nx_semver a = version("1.0.0+a"), b = version("1.0.0+b");
    nx_expect_eq(nx_semver_compare(&a, &b), 0);
}

NX_TEST("the next one")
{
    static const struct {
        const char *from;
        nx_semver_part part;
        const char *identifier, *to;
    } rows[] = {
        {"1.2.3+b", NX_SEMVER_MAJOR, NULL, "2.0.0"},
        {"1.2.3", NX_SEMVER_MINOR, NULL, "1.3.0"},
        {"1.2.3", NX_SEMVER_PATCH, NULL, "1.2.4"},
        {"1.2.3-4", NX_SEMVER_PATCH, NULL, "1.2.3"},
        {"1.2.0-4", NX_SEMVER_MINOR, NULL, "1.2.0"},
        {"1.2.3-4", NX_SEMVER_MINOR, NULL, "1.3.0"},
        {"2.0.0-4", NX_SEMVER_MAJOR, NULL, "2.0.0"},
        {"2.0.1-4", NX_SEMVER_MAJOR, NULL, "3.0.0"},
        {"1.2.3", NX_SEMVER_PREMAJOR, NULL, "2.0.0-0"},
        {"1.2.3", NX_SEMVER_PREMINOR, "beta", "1.3.0-beta.0"},
        {"1.2.3-4", NX_SEMVER_PREPATCH, NULL, "1.2.4-0"},
        {"1.2.3", NX_SEMVER_PRERELEASE, "beta", "1.2.4-beta.0"},
        {"1.2.4-beta.0", NX_SEMVER_PRERELEASE, "beta", "1.2.4-beta.1"},
        {"1.2.4-beta.0", NX_SEMVER_PRERELEASE, NULL, "1.2.4-beta.1"},
        {"1.2.4-beta.9.x", NX_SEMVER_PRERELEASE, NULL, "1.2.4-beta.10.x"},
        {"1.2.4-beta", NX_SEMVER_PRERELEASE, NULL, "1.2.4-beta.0"},
        {"1.2.4-beta.1", NX_SEMVER_PRERELEASE, "rc", "1.2.4-rc.0"},
        {"1.2.4-beta.x", NX_SEMVER_PRERELEASE, "beta", "1.2.4-beta.0"},
        {"1.2.4-a.b.3", NX_SEMVER_PRERELEASE, "a.b", "1.2.4-a.b.4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s, %d", rows[i].from, (int)rows[i].part) {
            nx_semver v = version(rows[i].from);
            nx_bytes out;
            nx_require_ok(nx_semver_increment(&v, rows[i].part, rows[i].identifier));
            nx_require_ok(nx_semver_text(&v, &out));
            nx_expect_eq(out, rows[i].to);
        }
    }
    nx_semver v = version("9007199254740991.1.0-9007199254740991");
    nx_expect_err(NX_ELIMIT, nx_semver_increment(&v, NX_SEMVER_MAJOR, NULL));
    nx_expect_err(NX_ELIMIT, nx_semver_increment(&v, NX_SEMVER_PRERELEASE, NULL));
    nx_expect_eq(v.minor, 1);
    nx_expect_err(NX_EINVAL, nx_semver_increment(&v, NX_SEMVER_PREMINOR, "a b"));
    nx_expect_err(NX_EINVAL, nx_semver_increment(&v, NX_SEMVER_PREMINOR, ""));
    nx_expect_err(NX_EINVAL, nx_semver_increment(&v, (nx_semver_part)99, NULL));
    char *long_one = nx_alloc_zero(NX_SEMVER_MOST + 2, 1);
    memset(long_one, 'a', NX_SEMVER_MOST + 1);
    nx_expect_err(NX_ELIMIT, nx_semver_increment(&v, NX_SEMVER_PREMINOR, long_one));
}

NX_TEST("ranges")
{
    static const struct {
        const char *range, *version;
        bool fits;
    } rows[] = {
        {"^1.2.3", "1.2.3", true},
        {"^1.2.3", "1.99.0", true},
        {"^1.2.3", "2.0.0", false},
        {"^1.2.3", "1.2.2", false},
        {"^0.2.3", "0.2.9", true},
        {"^0.2.3", "0.3.0", false},
        {"^0.0.3", "0.0.3", true},
        {"^0.0.3", "0.0.4", false},
        {"^0", "0.9.9", true},
        {"^0.0", "0.1.0", false},
        {"^1.2.3-beta.2", "1.2.3-beta.4", true},
        {"^1.2.3-beta.2", "1.2.4-beta.4", false},
        {"^1.2", "2.0.0-alpha", false},
        {"~1.2.3", "1.2.9", true},
        {"~1.2.3", "1.3.0", false},
        {"~1", "1.9.0", true},
        {"~> 1.2", "1.2.5", true},
        {"~>1.2", "1.3.0", false},
        {">=1.2.7 <1.3.0", "1.2.8", true},
        {">=1.2.7 <1.3.0", "1.3.0", false},
        {">= 1.2.7  <  1.3", "1.2.99", true},
        {"1.2.7 || >=1.2.9 <2", "1.2.7", true},
        {"1.2.7 || >=1.2.9 <2", "1.2.8", false},
        {"1.2.7||3.x", "3.4.5", true},
        {"1.2.3 - 2.3.4", "2.3.4", true},
        {"1.2.3 - 2.3.4", "2.3.5", false},
        {"1.2.3 - 2.3", "2.3.99", true},
        {"1.2 - 2", "2.9.9", true},
        {"1.2 - 2", "3.0.0", false},
        {"* - 2", "0.0.0", true},
        {"*", "1.2.3", true},
        {"", "1.2.3", true},
        {"*", "1.2.3-a", false},
        {"1.x", "1.9.9", true},
        {"1.2.*", "1.3.0", false},
        {"1.*.*", "1.9.0", true},
        {">1", "1.9.9", false},
        {">1", "2.0.0", true},
        {">1.2", "1.3.0", true},
        {"<=1.2", "1.2.99", true},
        {"<=1.2", "1.3.0", false},
        {"<1", "0.9.9", true},
        {"<1", "1.0.0-a", false},
        {">*", "1.0.0", false},
        {"=1.2.3", "1.2.3", true},
        {"v1.2.3", "1.2.3", true},
        {"1.2.3+build", "1.2.3+other", true},
        {">1.2.3-alpha.3", "1.2.3-alpha.7", true},
        {">1.2.3-alpha.3", "3.4.5-alpha.9", false},
        {"|| 2", "1.2.3", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s, %s", rows[i].range, rows[i].version) {
            nx_semver_range *range;
            nx_semver v = version(rows[i].version);
            nx_require_ok(nx_semver_range_new(&range, nx_str(rows[i].range)));
            nx_expect_eq(nx_semver_fits(range, &v), rows[i].fits);
            nx_semver_range_free(range);
        }
    }
    nx_semver_range *range;
    nx_semver pre = version("1.2.3-a");
    nx_require_ok(nx_semver_range_new(&range, nx_str("*"), .prereleases = true));
    nx_expect(nx_semver_fits(range, &pre));
    nx_semver_range_free(range);
    nx_semver_range_free(NULL);
}

NX_TEST("the best")
{
    const nx_semver all[] = {version("1.2.3"), version("1.9.0+a"), version("1.9.0+b"),
                             version("2.0.0-a"), version("0.1.0")};
    nx_semver_range *range;
    nx_require_ok(nx_semver_range_new(&range, nx_str("^1")));
    nx_expect(nx_semver_best(range, all, 5) == &all[1]);
    nx_expect(nx_semver_best(range, all + 3, 2) == NULL);
    nx_expect(nx_semver_best(range, NULL, 0) == NULL);
    nx_semver_range_free(range);
}

NX_TEST("what is no range is told with its place")
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a", "the range \"a\" is wrong at character 1: a number is missing"},
        {">", "character 2: a number is missing"},
        {"^1.2.3 ^", "character 9: a number is missing"},
        {"1.2.3 |", "character 8: a | is missing"},
        {"1 | 2", "character 4: a | is missing"},
        {">1<2", "character 3: a space or || is missing"},
        {"1 - 2 3", "character 7: a space or || is missing"},
        {"1 - ", "character 5: a number is missing"},
        {"1.2.3.4", "character 6: a space or || is missing"},
        {"01.2", "character 1: a number has no zeros in front"},
        {"1.2-beta", "character 4: a space or || is missing"},
        {"1.x.3", "character 5: a number stands behind one that is any"},
        {"*.1", "character 3: a number stands behind one that is any"},
        {"1,2", "character 2: a space or || is missing"},
    };
    nx_semver_range *range;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_expect_err(NX_EINVAL, nx_semver_range_new(&range, nx_str(rows[i].text)));
            nx_expect_contains(nx_error_last()->message, rows[i].message);
            nx_expect(!range);
        }
    }
    char *text = nx_alloc_zero(NX_SEMVER_RANGE_MOST + 2, 1);
    memset(text, ' ', NX_SEMVER_RANGE_MOST);
    nx_expect_ok(nx_semver_range_new(&range, nx_str(text)));
    nx_semver_range_free(range);
    for (int i = 0; i < 300; i++) memcpy(text + 2 * i, " 1", 2);
    nx_expect_err(NX_ELIMIT, nx_semver_range_new(&range, nx_str(text)));
    nx_expect_contains(nx_error_last()->message, "at most 256 comparators");
    memset(text, ' ', NX_SEMVER_RANGE_MOST + 1);
    nx_expect_err(NX_ELIMIT, nx_semver_range_new(&range, nx_str(text)));
}

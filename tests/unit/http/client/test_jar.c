/* Cookies that a client keeps. */
#include "http/client/jar.h"
#include <nexus/fs.h>
#include <nexus/test.h>
#include <stdio.h>

static nx_cookie_jar *jar_new(void)
{
    nx_cookie_jar *jar;
    nx_require_ok(nx_cookie_jar_new(&jar));
    return jar;
}

static const char *get(nx_cookie_jar *jar, const char *url)
{
    nx_bytes out;
    nx_require_ok(nx_cookie_jar_get(jar, url, &out));
    return nx_copy(out);
}

static void set(nx_cookie_jar *jar, const char *url, const char *text)
{
    nx_expect_ok(nx_cookie_jar_set(jar, url, nx_str(text)));
}

NX_TEST("a cookie goes where it came from, and below its path")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    set(jar, "http://a.example/x/y", "one=1");
    set(jar, "http://a.example/x/y", "two=2; Path=/");
    nx_expect_eq(get(jar, "http://a.example/x/z"), "one=1; two=2");
    nx_expect_eq(get(jar, "http://a.example/x"), "one=1; two=2");
    nx_expect_eq(get(jar, "http://a.example/xy"), "two=2");
    nx_expect_eq(get(jar, "http://b.example/x/z"), "");
    nx_expect_eq(get(jar, "http://sub.a.example/x/z"), "");
    nx_expect_eq(get(jar, "http://a.example:8080/"), "two=2");
    set(jar, "http://a.example/", "two=3; Path=/");
    nx_expect_eq(get(jar, "http://a.example/"), "two=3");
    set(jar, "http://a.example/", "two=; Path=/; Max-Age=0");
    nx_expect_eq(get(jar, "http://a.example/"), "");
}

NX_TEST("a Domain has the hosts below it")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    set(jar, "http://www.shop.example/", "a=1; Domain=.Shop.Example");
    nx_expect_eq(get(jar, "http://shop.example/"), "a=1");
    nx_expect_eq(get(jar, "http://x.y.shop.example/"), "a=1");
    nx_expect_eq(get(jar, "http://myshop.example/"), "");
    nx_expect_eq(get(jar, "http://example/"), "");
}

NX_TEST("what is refused")
{
    static const struct {
        const char *url, *text, *why;
    } rows[] = {
        {"http://a.example/", "a=1; Domain=example", "public suffix"},
        {"http://a.co.uk/", "a=1; Domain=co.uk", "public suffix"},
        {"http://a.example/", "a=1; Domain=b.example", "does not have the host"},
        {"http://a.example/", "a=1; Domain=x.a.example", "does not have the host"},
        {"http://127.0.0.1/", "a=1; Domain=0.0.1", "public suffix, or no name"},
        {"http://a.example/", "a=1; Secure", "the connection is not"},
        {"http://a.example/", "no name", "no name"},
        {"http://a.example/", "=x", "no name"},
        {"http://a.example/", "a=\x01", "control characters"},
        {"https://a.example/", "__Secure-a=1", "__Secure-"},
        {"https://a.example/", "__Host-a=1; Secure", "__Host-"},
        {"https://a.example/", "__Host-a=1; Secure; Path=/; Domain=a.example", "__Host-"},
    };
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            nx_expect_err(NX_EINVAL, nx_cookie_jar_set(jar, rows[i].url, nx_str(rows[i].text)));
            nx_expect(strstr(nx_error_last()->message, rows[i].why) != NULL);
        }
    nx_expect_eq(nx_cookie_jar_count(jar), (size_t)0);
    char *large = nx_alloc(NX_COOKIE_SIZE_MOST + 2);
    memset(large, 'a', NX_COOKIE_SIZE_MOST + 1);
    large[1] = '=';
    large[NX_COOKIE_SIZE_MOST + 1] = '\0';
    nx_expect_err(NX_EINVAL, nx_cookie_jar_set(jar, "http://a.example/", nx_str(large)));
}

NX_TEST("a host may name itself, and an address too")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    set(jar, "http://localhost/", "a=1; Domain=localhost");
    nx_expect_eq(get(jar, "http://localhost/"), "a=1");
    nx_expect_eq(get(jar, "http://x.localhost/"), "");
    set(jar, "http://127.0.0.1/", "b=1; Domain=127.0.0.1");
    nx_expect_eq(get(jar, "http://127.0.0.1/"), "b=1");
    set(jar, "http://[::1]/", "c=1");
    nx_expect_eq(get(jar, "http://[::1]/"), "c=1");
}

NX_TEST("secure ones go over secure connections, and are not overwritten from others")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    set(jar, "https://a.example/", "a=1; Secure");
    nx_expect_eq(get(jar, "http://a.example/"), "");
    nx_expect_eq(get(jar, "https://a.example/"), "a=1");
    nx_expect_err(NX_EINVAL, nx_cookie_jar_set(jar, "http://a.example/", nx_str("a=2")));
    set(jar, "https://a.example/", "__Host-b=1; Secure; Path=/");
    nx_expect_eq(get(jar, "https://a.example/"), "a=1; __Host-b=1");
}

NX_TEST("when they end")
{
    static const struct {
        const char *text;
        bool kept;
    } rows[] = {
        {"a=1; Max-Age=100", true},
        {"a=1; Max-Age=-1", false},
        {"a=1; Max-Age=x", true},
        {"a=1; Max-Age=99999999999999999999999", true},
        {"a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT", false},
        {"a=1; Expires=Wed, 21 Oct 2115 07:28:00 GMT", true},
        {"a=1; Expires=Sunday, 06-Nov-94 08:49:37 GMT", false},
        {"a=1; Expires=Sun Nov  6 08:49:37 1994", false},
        {"a=1; Expires=nonsense", true},
        {"a=1; Expires=Wed, 31 Feb 2015 07:28:00 GMT", true},
        {"a=1; Max-Age=100; Expires=Wed, 21 Oct 2015 07:28:00 GMT", true},
        {"a=1; Expires=Wed, 21 Oct 2115 07:28:00 GMT; Max-Age=0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            NX_AUTO(nx_cookie_jar) *jar = jar_new();
            set(jar, "http://a.example/", rows[i].text);
            nx_expect_eq(nx_cookie_jar_count(jar), (size_t)rows[i].kept);
        }
}

NX_TEST("the time passes")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    const struct nx__cookie_place place = {.host = nx_str("a.example"), .path = nx_str("/")};
    nx_expect(!nx__jar_set(jar, &place, nx_str("a=1; Max-Age=10"), 1000));
    nx_expect_eq(nx__jar_get(jar, &place, 1009, nx__scope_arena()), "a=1");
    nx_expect_eq(nx__jar_get(jar, &place, 1010, nx__scope_arena()), "");
}

NX_TEST("there are no more than may be: those that were not sent for longest give way")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new();
    for (int i = 0; i < NX_COOKIES_PER_HOST + 10; i++)
        set(jar, "http://a.example/", nx_format("c%d=1; Path=/%d", i, i));
    nx_expect_eq(nx_cookie_jar_count(jar), (size_t)NX_COOKIES_PER_HOST);
    nx_expect_eq(get(jar, "http://a.example/0"), "");
    nx_expect_eq(get(jar, "http://a.example/109"), "c109=1");
    for (int i = 0; i < NX_COOKIES_MOST + 10; i++)
        set(jar, nx_format("http://h%d.example/", i), "a=1");
    nx_expect_eq(nx_cookie_jar_count(jar), (size_t)NX_COOKIES_MOST);
    nx_cookie_jar_clear(jar);
    nx_expect_eq(nx_cookie_jar_count(jar), (size_t)0);
}

NX_TEST("a file keeps them")
{
    NX_AUTO(nx_cookie_jar) *jar = jar_new(), *again = jar_new();
    const char *path = nx_format("%s/cookies.txt", nx_test_dir());
    nx_expect_ok(nx_cookie_jar_load(jar, path)); /* which is not there */
    set(jar, "https://www.a.example/x/", "one=1; Secure; HttpOnly; Max-Age=1000");
    set(jar, "http://www.a.example/", "two=2; Domain=a.example");
    nx_expect_ok(nx_cookie_jar_save(jar, path));
    nx_bytes text;
    nx_require_ok(nx_fs_read_file(path, &text));
    nx_expect(strstr(text.data, "#HttpOnly_www.a.example\tFALSE\t/x\tTRUE\t") != NULL);
    nx_expect(strstr(text.data, ".a.example\tTRUE\t/\tFALSE\t0\ttwo\t2\n") != NULL);
    nx_expect_ok(nx_cookie_jar_load(again, path));
    nx_expect_eq(get(again, "https://www.a.example/x/y"), "one=1; two=2");
    nx_expect_eq(get(again, "http://b.a.example/"), "two=2");
    nx_require_ok(
        nx_fs_write_file(path, nx_str("# a comment\n\nnot a line\n.com\tTRUE\t/\tFALSE\t0\ta\tb\n"
                                      "x.example\tFALSE\t/\tFALSE\t1\told\t1\n"
                                      "x.example\tFALSE\t/\tFALSE\t0\tb\tv\r\n")));
    nx_cookie_jar_clear(again);
    nx_expect_ok(nx_cookie_jar_load(again, path));
    nx_expect_eq(nx_cookie_jar_count(again), (size_t)1);
    nx_expect_eq(get(again, "http://x.example/"), "b=v");
}

/* Where a link may lead: nexus test */
#include "./url.h"

#include <nexus/test.h>

NX_TEST("a URL is taken as it goes into a header")
{
    static const struct {
        const char *text, *taken;
    } rows[] = {
        {"https://example.com", "https://example.com"},
        {"HTTP://Example.com:8080/a?b=c&d#e", "HTTP://Example.com:8080/a?b=c&d#e"},
        {"http://[::1]:80/", "http://[::1]:80/"},
        {"http://192.0.2.1/%C3%A4", "http://192.0.2.1/%C3%A4"},
        {"https://example.com/ä", "https://example.com/%C3%A4"},
        {"https://example.com/\"><b>", "https://example.com/%22%3E%3Cb%3E"},
        {"https://example.com/a\\b", "https://example.com/a%5Cb"},
        {"https://example.com/?to=javascript:x@y", "https://example.com/?to=javascript:x@y"},
        {"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            char *url;
            nx_require_ok(url_check(nx_str(rows[i].text), nx_str("sho.rt"), &url));
            nx_expect_eq(url, rows[i].taken);
        }
}

NX_TEST("what is no web page is refused, and why is said")
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "1 to 2048 bytes"},
        {"example.com", "begins with"},
        {"//example.com", "begins with"},
        {"/", "begins with"},
        {"javascript:alert(1)", "begins with"},
        {"JaVaScRiPt://example.com/%0aalert(1)", "begins with"},
        {"data:text/html,<script>", "begins with"},
        {"file:///etc/passwd", "begins with"},
        {"ftp://example.com", "begins with"},
        {"https:example.com", "begins with"},
        {"https:/\\example.com", "begins with"},
        {"http://", "begins with"},
        {" https://example.com", "no spaces"},
        {"https://exam\tple.com", "no spaces"},
        {"java\nscript:alert(1)", "no spaces"},
        {"https://example.com/\r\nset-cookie: a=b", "no spaces"},
        {"https://example.com/\x7f", "no spaces"},
        {"https://paypal.com@evil.example/", "no user name"},
        {"https://user:pw@example.com/", "no user name"},
        {"https:///path", "no host"},
        {"https://?q", "no host"},
        {"https://.example.com", "no host"},
        {"https://exam%70le.com", "no host"},
        {"https://evil.example\\@example.com/", "no user name"},
        {"https://evil.example\\.example.com/", "no host"},
        {"https://b\xc3\xbc"
         "cher.example",
         "no host"},
        {"https://example.com:", "no host"},
        {"https://example.com:0/", "no host"},
        {"https://example.com:65536/", "no host"},
        {"https://example.com:8o/", "no host"},
        {"https://[::1", "no host"},
        {"https://[evil]/", "no host"},
        {"https://sho.rt/abc", "leads back"},
        {"http://SHO.RT:80/abc", "leads back"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            char *url;
            nx_expect_err(NX_EINVAL, url_check(nx_str(rows[i].text), nx_str("sho.rt:443"), &url));
            nx_expect_contains(nx_error_last()->message, rows[i].why);
        }
}

NX_TEST("a URL is as long as it may be, and no longer; NUL is none")
{
    char text[URL_MOST + 2], *url;
    memset(text, 'a', sizeof text);
    memcpy(text, "http://a/", 9);
    nx_expect_ok(url_check(nx_slice(text, URL_MOST), nx_str(""), &url));
    nx_expect_eq(strlen(url), (size_t)URL_MOST);
    nx_expect_err(NX_EINVAL, url_check(nx_slice(text, URL_MOST + 1), nx_str(""), &url));
    text[9] = '\0';
    nx_expect_err(NX_EINVAL, url_check(nx_slice(text, 20), nx_str(""), &url));
}

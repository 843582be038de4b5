/* URLs: parts, resolving, changing, paths of files, and what is wrong with a text that is none. */
#include "faults.h"
#include <nexus/fiber.h>
#include <nexus/test.h>
#include <nexus/url.h>

static nx_url parsed(const char *text)
{
    nx_url url = {0};
    nx_require_ok(nx_url_parse(nx_str(text), &url));
    return url;
}

/* A part as a test shows it: "-" where the URL has none. */
static const char *shown(nx_bytes part)
{
    return part.data ? nx_copy(part) : "-";
}

NX_TEST("the parts of a URL")
{
    static const struct {
        const char *text, *scheme, *username, *password, *host, *host_port, *path, *query,
            *fragment;
        unsigned port;
        nx_url_host_kind kind;
    } rows[] = {
        {"HTTPS://Me:secret@EXAMPLE.com:8080/a/../b?x=1#top", "https", "Me", "secret",
         "example.com", "example.com:8080", "/b", "x=1", "top", 8080, NX_URL_NAME},
        {"http://a", "http", "-", "-", "a", "a", "/", "-", "-", 80, NX_URL_NAME},
        {"http://a:80/?#", "http", "-", "-", "a", "a", "/", "", "", 80, NX_URL_NAME},
        {"wss://me@a/", "wss", "me", "-", "a", "a", "/", "-", "-", 443, NX_URL_NAME},
        {"ftp://:p@a/", "ftp", "", "p", "a", "a", "/", "-", "-", 21, NX_URL_NAME},
        {"http://127.1/", "http", "-", "-", "127.0.0.1", "127.0.0.1", "/", "-", "-", 80,
         NX_URL_IPV4},
        {"http://[2001:DB8::1]:81/", "http", "-", "-", "[2001:db8::1]", "[2001:db8::1]:81", "/",
         "-", "-", 81, NX_URL_IPV6},
        {"http://b\xc3\xbc"
         "cher.example/\xc3\xa4",
         "http", "-", "-", "xn--bcher-kva.example", "xn--bcher-kva.example", "/%C3%A4", "-", "-",
         80, NX_URL_NAME},
        {"file:///etc/hosts", "file", "-", "-", "", "", "/etc/hosts", "-", "-", 0, NX_URL_NO_HOST},
        {"mailto:me@example.com?subject=x", "mailto", "-", "-", "-", "-", "me@example.com",
         "subject=x", "-", 0, NX_URL_NO_HOST},
        {"x:/.//a", "x", "-", "-", "-", "-", "//a", "-", "-", 0, NX_URL_NO_HOST},
        {"x://h:9", "x", "-", "-", "h", "h:9", "", "-", "-", 9, NX_URL_NAME},
        {" \thttp://a/?q=#f?#\n", "http", "-", "-", "a", "a", "/", "q=", "f?#", 80, NX_URL_NAME},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].text) {
            nx_url url = parsed(rows[i].text);
            nx_expect_eq(shown(url.scheme), rows[i].scheme);
            nx_expect_eq(shown(url.username), rows[i].username);
            nx_expect_eq(shown(url.password), rows[i].password);
            nx_expect_eq(shown(url.host), rows[i].host);
            nx_expect_eq(shown(url.host_port), rows[i].host_port);
            nx_expect_eq(shown(url.path), rows[i].path);
            nx_expect_eq(shown(url.query), rows[i].query);
            nx_expect_eq(shown(url.fragment), rows[i].fragment);
            nx_expect_eq(url.port, rows[i].port);
            nx_expect_eq((int)url.host_kind, (int)rows[i].kind);
            nx_expect_eq(url.href.data[url.href.len], '\0');
        }
    }
}

NX_TEST("relative to a base")
{
    nx_url base = parsed("http://a/b/c?d#e"), url = {0};
    static const char *const rows[][2] = {
        {"", "http://a/b/c?d"},     {"x", "http://a/b/x"},         {"../x", "http://a/x"},
        {"?q", "http://a/b/c?q"},   {"#f", "http://a/b/c?d#f"},    {"//h/p", "http://h/p"},
        {"/x/./y", "http://a/x/y"}, {"ws://other", "ws://other/"}, {"\\x", "http://a/x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_ok(nx_url_resolve(&base, nx_str(rows[i][0]), &url));
        nx_expect_eq(url.href, rows[i][1]);
    }
    nx_expect_ok(nx_url_resolve(&base, nx_str("x"), &base));
    nx_expect_eq(base.href, "http://a/b/x");
    nx_expect(nx_url_can_parse(nx_str("../"), &base));
    nx_expect(!nx_url_can_parse(nx_str("../"), NULL));
    nx_expect(nx_url_can_parse(nx_str("a:"), NULL));
    nx_expect(!nx_url_can_parse((nx_bytes){0}, NULL));
    nx_url mail = parsed("mailto:a");
    nx_expect_err(NX_EINVAL, nx_url_resolve(&mail, nx_str("b"), &url));
    nx_expect_contains(nx_error_last()->message, "a base without a path");
    nx_expect_eq(url.href, "http://a/x");
}

NX_TEST("what is no URL is told why, and where")
{
    static const char *const rows[][2] = {
        {"", "it is empty"},
        {"example.com", "it has no scheme, such as \"https:\""},
        {"//example.com", "it has no scheme"},
        {"http://", "it has no host"},
        {"http://me@/", "it has no host"},
        {"http://:80/", "it has no host"},
        {"http://a:b/", "the port at character 10 is no number"},
        {"http://a:65536/", "the port at character 10 is over 65535"},
        {"  http://a:-1/", "the port at character 12 is no number"},
        {"http://me:you@a b/", "the character at character 16 may not stand in a host"},
        {"http://a<b/", "the character at character 9 may not stand in a host"},
        {"http://[::1/", "the IPv6 address at character 8 has no \"]\""},
        {"http://[::g]/", "the IPv6 address at character 8 is none"},
        {"http://[::1]:x/", "the port at character 14 is no number"},
        {"http://1.2.3.400/", "the host at character 8 ends in a number, but is no IPv4 address"},
        {"http://%C2%AD/", "the host at character 8 is no domain name"},
        {"x://a^b/", "the character at character 6 may not stand in a host"},
    };
    nx_url url = {.port = 7};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i][0]) {
            nx_expect_err(NX_EINVAL, nx_url_parse(nx_str(rows[i][0]), &url));
            nx_expect_contains(nx_error_last()->message, rows[i][1]);
            nx_expect_contains(nx_error_last()->message, "cannot read the URL \"");
            nx_expect_eq(url.port, 7);
        }
    }
    char *large = nx_alloc(NX_URL_MAX_SIZE + 1);
    nx_require(large);
    memset(large, 'a', NX_URL_MAX_SIZE + 1);
    memcpy(large, "x:", 2);
    nx_expect_ok(nx_url_parse(nx_slice(large, NX_URL_MAX_SIZE), &url));
    nx_expect_err(NX_ETOOBIG, nx_url_parse(nx_slice(large, NX_URL_MAX_SIZE + 1), &url));
    nx_expect(!nx_url_can_parse(nx_slice(large, NX_URL_MAX_SIZE + 1), NULL));
    nx_expect_err(NX_ETOOBIG, nx_url_set(&url, NX_URL_FRAGMENT, nx_str("grown")));
    memset(large + 2, '\x80', NX_URL_MAX_SIZE - 2); /* three times as long, encoded */
    nx_expect_err(NX_ETOOBIG, nx_url_parse(nx_slice(large, NX_URL_MAX_SIZE), &url));
}

NX_TEST("changed part by part")
{
    nx_url url = parsed("http://a/");
    static const struct {
        nx_url_part part;
        const char *value, *href;
    } rows[] = {
        {NX_URL_SCHEME, "https:", "https://a/"},
        {NX_URL_USERNAME, "m e", "https://m%20e@a/"},
        {NX_URL_PASSWORD, ":", "https://m%20e:%3A@a/"},
        {NX_URL_HOST, "\xc3\xbc.example", "https://m%20e:%3A@xn--tda.example/"},
        {NX_URL_PORT, "81", "https://m%20e:%3A@xn--tda.example:81/"},
        {NX_URL_USERNAME, "", "https://:%3A@xn--tda.example:81/"},
        {NX_URL_PASSWORD, "", "https://xn--tda.example:81/"},
        {NX_URL_HOST_PORT, "b:82", "https://b:82/"},
        {NX_URL_PORT, "", "https://b/"},
        {NX_URL_PATH, "x y/../z", "https://b/z"},
        {NX_URL_QUERY, "?q=1 2", "https://b/z?q=1%202"},
        {NX_URL_FRAGMENT, "top", "https://b/z?q=1%202#top"},
        {NX_URL_QUERY, NULL, "https://b/z#top"},
        {NX_URL_FRAGMENT, "", "https://b/z"},
        {NX_URL_HREF, "x:y", "x:y"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_bytes value = rows[i].value ? nx_str(rows[i].value) : (nx_bytes){0};
        nx_expect_ok(nx_url_set(&url, rows[i].part, value));
        nx_expect_eq(url.href, rows[i].href);
    }
    nx_expect_err(NX_EINVAL, nx_url_set(&url, NX_URL_PORT, nx_str("80")));
    nx_expect_eq(nx_error_last()->message, "cannot set the port of \"x:y\" to \"80\"");
    nx_expect_err(NX_EINVAL, nx_url_set(&url, NX_URL_HREF, nx_str("nothing")));
    nx_expect_contains(nx_error_last()->message, "\"nothing\": it has no scheme");
    nx_expect_err(NX_EINVAL, nx_url_set(&url, (nx_url_part)99, nx_str("")));
    nx_expect_eq(url.href, "x:y");
    url = parsed("http://a/");
    nx_expect_err(NX_EINVAL, nx_url_set(&url, NX_URL_HOST, nx_str("b c")));
    nx_expect_err(NX_EINVAL, nx_url_set(&url, NX_URL_SCHEME, nx_str("?")));
    nx_expect_err(NX_EINVAL, nx_url_set(&url, NX_URL_SCHEME, nx_str("mailto")));
    nx_expect_eq(url.href, "http://a/");
}

NX_TEST("origin, and a host as people read it")
{
    nx_bytes out;
    nx_url url = parsed("https://me@b\xc3\xbc"
                        "cher.example:444/x");
    nx_expect_ok(nx_url_origin(&url, &out));
    nx_expect_eq(out, "https://xn--bcher-kva.example:444");
    nx_expect_ok(nx_url_host_text(&url, &out));
    nx_expect_eq(out, "b\xc3\xbc"
                      "cher.example");
    url = parsed("blob:https://a/id");
    nx_expect_ok(nx_url_origin(&url, &out));
    nx_expect_eq(out, "https://a");
    url = parsed("data:x");
    nx_expect_ok(nx_url_origin(&url, &out));
    nx_expect_eq(out, "null");
    nx_expect_ok(nx_url_host_text(&url, &out));
    nx_expect_eq(out, "");
}

NX_TEST("paths of files")
{
    static const char *const rows[][2] = {
        {"/", "file:///"},
        {"/a b/c%d?#\\", "file:///a%20b/c%25d%3F%23%5C"},
        {"/\xff\n", "file:///%FF%0A"},
        {"//a//b", "file:////a//b"},
        {"/C:/x", "file:///C%3A/x"},
        {"/C|/x:y", "file:///C%7C/x:y"},
    };
    nx_url url;
    nx_bytes path;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_ok(nx_url_from_path(nx_str(rows[i][0]), &url));
        nx_expect_eq(url.href, rows[i][1]);
        nx_expect_ok(nx_url_to_path(&url, &path));
        nx_expect_eq(path, rows[i][0]);
        nx_expect_eq(path.data[path.len], '\0');
    }
    nx_expect_ok(nx_url_from_path(nx_str("/a/./b/../c"), &url));
    nx_expect_eq(url.href, "file:///a/c");
    nx_expect_err(NX_EINVAL, nx_url_from_path(nx_str("a"), &url));
    nx_expect_eq(nx_error_last()->message, "\"a\" is no path from \"/\" on");
    nx_expect_err(NX_EINVAL, nx_url_from_path(nx_str(""), &url));
    nx_expect_err(NX_EINVAL, nx_url_from_path(nx_slice("/\0", 2), &url));
    char *large = nx_alloc(NX_URL_MAX_SIZE + 1);
    nx_require(large);
    memset(large, '/', NX_URL_MAX_SIZE + 1);
    nx_expect_err(NX_ETOOBIG, nx_url_from_path(nx_slice(large, NX_URL_MAX_SIZE + 1), &url));
    static const char *const bad[][2] = {
        {"http://a/", "it is no file: URL"},   {"file://host/a", "it names another host"},
        {"file:///a%2Fb", "an escaped \"/\""}, {"file:///a%2fb", "an escaped \"/\""},
        {"file:///a%00", "it holds a NUL"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        url = parsed(bad[i][0]);
        nx_expect_err(NX_EINVAL, nx_url_to_path(&url, &path));
        nx_expect_contains(nx_error_last()->message, bad[i][1]);
    }
    url = parsed("file://localhost/a");
    nx_expect_ok(nx_url_to_path(&url, &path));
    nx_expect_eq(path, "/a");
}

static nx_err everything(void)
{
    nx_url url;
    nx_bytes out;
    NX_TRY(nx_url_parse(nx_str("https://me:pw@b\xc3\xbc"
                               "cher.example/a/b?x=1&y=%zz+#z"),
                        &url));
    NX_TRY(nx_url_resolve(&url, nx_str("../\xc3\xa4"), &url));
    NX_TRY(nx_url_set(&url, NX_URL_HOST, nx_str("\xc3\xa4.example")));
    NX_TRY(nx_url_origin(&url, &out));
    NX_TRY(nx_url_host_text(&url, &out));
    NX_TRY(nx_url_from_path(nx_str("/a b"), &url));
    NX_TRY(nx_url_to_path(&url, &out));
    nx_query query = {0};
    NX_TRY(nx_query_parse(nx_str("b=%ff&a=1&c"), &query));
    NX_TRY(nx_query_set(&query, nx_str("n"), nx_str("v")));
    NX_TRY(nx_query_sort(&query));
    NX_TRY(nx_query_text(&query, &out));
    return nx_query_write(nx_obj("a", 1, "b", 1.5, "c", nx_arr("x", nx_bool(true))), &out);
}

NX_TEST("memory that runs out is an error, and leaves nothing behind")
{
    static const struct faults_scenario scenario = {.name = "everything", .run = everything};
    faults_run(FAULTS_MEMORY, &scenario, 1);
    faults_run(FAULTS_NO_MEMORY, &scenario, 1);
}

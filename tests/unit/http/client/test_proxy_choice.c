/* Which proxy, and for whom there is none. */
#include "http/client/client.h"
#include <nexus/test.h>

NX_TEST("a proxy's address")
{
    static const struct {
        const char *text, *host;
        int port;
        const char *authorization;
    } rows[] = {
        {"http://proxy:3128", "proxy", 3128, NULL},
        {"http://proxy:3128/", "proxy", 3128, NULL},
        {"HTTP://proxy", "proxy", 80, NULL},
        {"proxy:8080", "proxy", 8080, NULL},
        {"http://[::1]:8080", "::1", 8080, NULL},
        {"http://[::1]", "::1", 80, NULL},
        {"http://127.0.0.1:1", "127.0.0.1", 1, NULL},
        {"http://us%65r:p%40ss@proxy:1", "proxy", 1, "Basic dXNlcjpwQHNz"},
        {"http://a@b@proxy:1", "proxy", 1, "Basic YUBi"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].text) {
            struct nx__proxy proxy;
            const char *reason = nx__proxy_parse(&proxy, rows[i].text);
            nx_expect_eq(reason ? reason : "", "");
            nx_expect_eq(proxy.host ? proxy.host : "", rows[i].host);
            nx_expect_eq(proxy.port, rows[i].port);
            nx_expect_eq(proxy.authorization ? proxy.authorization : "",
                         rows[i].authorization ? rows[i].authorization : "");
            nx__proxy_free(&proxy);
        }
    static const char *const bad[] = {"socks5://a:1", "https://a:1",    "http://",
                                      "http://a:b",   "http://a:99999", "http://unix:/x",
                                      "http://user@"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("%s", bad[i]) {
            struct nx__proxy proxy;
            nx_expect(nx__proxy_parse(&proxy, bad[i]) != NULL);
        }
}

NX_TEST("NO_PROXY")
{
    static const struct {
        const char *list, *host;
        uint16_t port;
        bool has;
    } rows[] = {
        {"", "a.example", 80, false},
        {"*", "a.example", 80, true},
        {"a.example", "a.example", 80, true},
        {"A.Example", "a.example", 80, true},
        {"a.example", "www.a.example", 80, true},
        {".a.example", "www.a.example", 80, true},
        {".a.example", "a.example", 80, true},
        {"*.a.example", "www.a.example", 80, true},
        {"a.example", "ba.example", 80, false},
        {"a.example", "a.example.org", 80, false},
        {"a.example.", "a.example", 80, false},
        {"a.example", "a.example.", 80, true},
        {"x, a.example ,y", "a.example", 80, true},
        {"x a.example", "a.example", 80, true},
        {"a.example:8080", "a.example", 8080, true},
        {"a.example:8080", "a.example", 80, false},
        {"a.example:99999999999", "a.example", 80, false},
        {"127.0.0.1", "127.0.0.1", 80, true},
        {"127.0.0.1", "127.0.0.2", 80, false},
        {"10.0.0.0/8", "10.255.0.1", 80, true},
        {"10.0.0.0/8", "11.0.0.1", 80, false},
        {"10.0.0.0/33", "10.0.0.1", 80, false},
        {"10.0.0.0/", "10.0.0.0", 80, false},
        {"192.168.1.128/25", "192.168.1.200", 80, true},
        {"192.168.1.128/25", "192.168.1.100", 80, false},
        {"0.0.0.0/0", "8.8.8.8", 80, true},
        {"::1", "::1", 80, true},
        {"[::1]", "::1", 80, true},
        {"[::1]:80", "::1", 80, true},
        {"[::1]:81", "::1", 80, false},
        {"fe80::/10", "fe80::1", 80, true},
        {"fe80::/10", "::1", 80, false},
        {"10.0.0.0/8", "ten.example", 80, false},
        {".", "a.example", 80, false},
        {":80", "a.example", 80, false},
        {"[", "a.example", 80, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s %s", rows[i].list, rows[i].host)
            nx_expect_eq(nx__no_proxy_has(rows[i].list, nx_str(rows[i].host), rows[i].port),
                         rows[i].has);
}

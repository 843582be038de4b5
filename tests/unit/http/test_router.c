/* Routes: which of them a method and a path find. */
#include "http/router.h"

#include "faults.h"
#include "router_naive.h"
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Handlers that are told apart by their address and never called. */
static void handler_0(void) {}
static void handler_1(void) {}
static void handler_2(void) {}
static void handler_3(void) {}
static void handler_4(void) {}
static void handler_5(void) {}
static void handler_6(void) {}
static void handler_7(void) {}
static void (*const handlers[])(void) = {handler_0, handler_1, handler_2, handler_3,
                                         handler_4, handler_5, handler_6, handler_7};
enum { HANDLERS = sizeof handlers / sizeof *handlers };

static struct nx__router *make(const struct naive_route *routes, int count)
{
    struct nx__router *router = nx__router_new();
    if (!router) abort();
    for (int i = 0; i < count; i++) {
        const char *reason = NULL;
        nx_err err = nx__router_add(router, routes[i].method, routes[i].path,
                                    handlers[i % HANDLERS], NULL, &reason);
        if (err) nx_test_fail("%s %s: %s", routes[i].method, routes[i].path, reason);
    }
    return router;
}

/* "3 id=42 rest=a/b": the number of the route and its params; "404"; or "405 GET, HEAD, OPTIONS".
 */
static const char *found(const struct nx__router *router, const char *method, const char *path)
{
    struct nx__route_match match;
    nx__router_match(router, nx_str(method), nx_str(path), &match);
    static char text[512];
    if (match.outcome == NX__ROUTE_NOT_FOUND) {
        (void)snprintf(text, sizeof text, "404");
    } else if (match.outcome == NX__ROUTE_METHOD) {
        (void)snprintf(text, sizeof text, "405 %s", match.allow);
    } else {
        int number = 0;
        while (number < HANDLERS && handlers[number] != match.handler) number++;
        int len = snprintf(text, sizeof text, "%d", number);
        for (uint32_t i = 0; i < match.param_count; i++)
            len += snprintf(text + len, sizeof text - (size_t)len, " %.*s=%.*s",
                            NX_FMT(match.params[i].name), (int)match.params[i].len,
                            path + match.params[i].offset);
    }
    return text;
}
#define EXPECT_MATCH(method, path, wanted) nx_expect_eq(found(router, method, path), wanted)

NX_TEST("router literal paths")
{
    static const struct naive_route routes[] = {
        {"GET", "/"}, {"GET", "/users"}, {"POST", "/users"}, {"GET", "/a/b/"}, {"GET", "//"}};
    struct nx__router *router = make(routes, 5);
    EXPECT_MATCH("GET", "/", "0");
    EXPECT_MATCH("GET", "/users", "1");
    EXPECT_MATCH("POST", "/users", "2");
    EXPECT_MATCH("GET", "/a/b/", "3");
    EXPECT_MATCH("GET", "//", "4");
    EXPECT_MATCH("GET", "/a/b", "404");
    EXPECT_MATCH("GET", "/users/", "404");
    EXPECT_MATCH("GET", "/Users", "404");
    EXPECT_MATCH("GET", "/user", "404");
    EXPECT_MATCH("GET", "", "404");
    EXPECT_MATCH("GET", "users", "404");
    nx__router_free(router);
}

NX_TEST("router methods and allow")
{
    static const struct naive_route routes[] = {{"GET", "/a"},   {"POST", "/a"},   {"HEAD", "/b"},
                                                {"GET", "/b"},   {"*", "/c"},      {"DELETE", "/c"},
                                                {"PATCH", "/d"}, {"OPTIONS", "/e"}};
    struct nx__router *router = make(routes, 8);
    EXPECT_MATCH("HEAD", "/a", "0");
    EXPECT_MATCH("PUT", "/a", "405 GET, HEAD, OPTIONS, POST");
    EXPECT_MATCH("OPTIONS", "/a", "405 GET, HEAD, OPTIONS, POST");
    EXPECT_MATCH("get", "/a", "405 GET, HEAD, OPTIONS, POST");
    EXPECT_MATCH("GETS", "/a", "405 GET, HEAD, OPTIONS, POST");
    EXPECT_MATCH("HEAD", "/b", "2");
    EXPECT_MATCH("GET", "/c", "4");
    EXPECT_MATCH("HEAD", "/c", "4");
    EXPECT_MATCH("BREW", "/c", "4");
    EXPECT_MATCH("*", "/c", "4");
    EXPECT_MATCH("DELETE", "/c", "5");
    EXPECT_MATCH("GET", "/d", "405 OPTIONS, PATCH");
    EXPECT_MATCH("OPTIONS", "/e", "7");
    EXPECT_MATCH("GET", "/e", "405 OPTIONS");
    EXPECT_MATCH("OPTIONS", "*", "405 GET, HEAD, OPTIONS, POST, DELETE, PATCH");
    nx__router_free(router);
}

NX_TEST("router without routes")
{
    struct nx__router *router = make(NULL, 0);
    EXPECT_MATCH("GET", "/", "404");
    EXPECT_MATCH("OPTIONS", "*", "405 OPTIONS");
    nx__router_free(router);
    nx__router_free(NULL);
}

NX_TEST("router parameters")
{
    static const struct naive_route routes[] = {
        {"GET", "/users/:id"},  {"GET", "/users/:id/posts/:post"},
        {"GET", "/users/me"},   {"GET", "/files/*path"},
        {"GET", "/:a/:b/end/"}, {"PUT", "/users/:name"}};
    struct nx__router *router = make(routes, 6);
    EXPECT_MATCH("GET", "/users/42", "0 id=42");
    EXPECT_MATCH("PUT", "/users/42", "5 name=42");
    EXPECT_MATCH("GET", "/users/me", "2");
    EXPECT_MATCH("GET", "/users/men", "0 id=men");
    EXPECT_MATCH("GET", "/users/", "404");
    EXPECT_MATCH("GET", "/users/42/", "404");
    EXPECT_MATCH("GET", "/users/42/posts/7", "1 id=42 post=7");
    EXPECT_MATCH("GET", "/users/me/posts/7", "1 id=me post=7");
    EXPECT_MATCH("GET", "/users/42/posts/", "404");
    EXPECT_MATCH("GET", "/files/a", "3 path=a");
    EXPECT_MATCH("GET", "/files/a//b/", "3 path=a//b/");
    EXPECT_MATCH("GET", "/files/", "3 path=");
    EXPECT_MATCH("GET", "/files", "404");
    EXPECT_MATCH("GET", "/x/y/end/", "4 a=x b=y");
    EXPECT_MATCH("GET", "/x/y/end", "404");
    EXPECT_MATCH("GET", "//y/end/", "404");
    EXPECT_MATCH("DELETE", "/users/42", "405 GET, HEAD, OPTIONS, PUT");
    nx__router_free(router);
}

/* A route that does not serve the method does not hide one that does. */
NX_TEST("router looks on for the method")
{
    static const struct naive_route routes[] = {{"POST", "/users/search"},
                                                {"GET", "/users/:id"},
                                                {"OPTIONS", "/*any"},
                                                {"DELETE", "/users/:id"},
                                                {"PURGE", "/:all/*rest"}};
    struct nx__router *router = make(routes, 5);
    EXPECT_MATCH("GET", "/users/search", "1 id=search");
    EXPECT_MATCH("POST", "/users/search", "0");
    EXPECT_MATCH("OPTIONS", "/users/search", "2 any=users/search");
    EXPECT_MATCH("PURGE", "/users/search", "4 all=users rest=search");
    EXPECT_MATCH("PUT", "/users/search", "405 GET, HEAD, OPTIONS, POST, DELETE, PURGE");
    EXPECT_MATCH("PUT", "/", "405 OPTIONS");
    nx__router_free(router);
}

NX_TEST("router backtracks")
{
    static const struct naive_route routes[] = {{"GET", "/a/b/c"},   {"GET", "/a/:x/d"},
                                                {"GET", "/:y/b/e"},  {"GET", "/:y/:z/f"},
                                                {"GET", "/a/*rest"}, {"GET", "/*all"}};
    struct nx__router *router = make(routes, 6);
    EXPECT_MATCH("GET", "/a/b/c", "0");
    EXPECT_MATCH("GET", "/a/b/d", "1 x=b");
    EXPECT_MATCH("GET", "/a/b/e", "4 rest=b/e");
    EXPECT_MATCH("GET", "/z/b/e", "2 y=z");
    EXPECT_MATCH("GET", "/z/q/f", "3 y=z z=q");
    EXPECT_MATCH("GET", "/z/b/f", "3 y=z z=b");
    EXPECT_MATCH("GET", "/z/q/g", "5 all=z/q/g");
    EXPECT_MATCH("GET", "/", "5 all=");
    nx__router_free(router);
}

/* Raw segments: nothing is decoded or resolved before the match. */
NX_TEST("router leaves the path alone")
{
    static const struct naive_route routes[] = {
        {"GET", "/files/:name"}, {"GET", "/a%2Fb"}, {"GET", "/up/../:x"}, {"GET", "/x:y/z*"}};
    struct nx__router *router = make(routes, 4);
    EXPECT_MATCH("GET", "/files/a%2Fb", "0 name=a%2Fb");
    EXPECT_MATCH("GET", "/files/..", "0 name=..");
    EXPECT_MATCH("GET", "/files/../etc", "404");
    EXPECT_MATCH("GET", "/a%2Fb", "1");
    EXPECT_MATCH("GET", "/a/b", "404");
    EXPECT_MATCH("GET", "/a%2fb", "404");
    EXPECT_MATCH("GET", "/up/../1", "2 x=1");
    EXPECT_MATCH("GET", "/x:y/z*", "3");
    nx__router_free(router);
}

static const char *refusal(struct nx__router *router, const char *method, const char *path,
                           nx_err wanted)
{
    const char *reason = NULL;
    nx_expect_err(wanted, nx__router_add(router, method, path, handler_0, NULL, &reason));
    return reason ? reason : "none";
}

NX_TEST("router refuses mistakes")
{
    static const struct naive_route routes[] = {
        {"GET", "/a"}, {"GET", "/users/:id"}, {"GET", "/f/*rest"}};
    struct nx__router *router = make(routes, 3);
    nx_expect_eq(refusal(router, "GET", "/a", NX_EEXIST), "there is one already");
    nx_expect_eq(refusal(router, "GET", "/users/:name", NX_EEXIST), "there is one already");
    nx_expect_eq(refusal(router, "GET", "/f/*all", NX_EEXIST), "there is one already");
    nx_expect_eq(refusal(router, "GET", "a", NX_EINVAL), "the path does not begin with /");
    nx_expect_eq(refusal(router, "GET", "", NX_EINVAL), "the path does not begin with /");
    nx_expect_eq(refusal(router, "GET", NULL, NX_EINVAL), "the path does not begin with /");
    nx_expect_eq(refusal(router, "GET", "/a?b", NX_EINVAL), "the path has a query or fragment");
    nx_expect_eq(refusal(router, "GET", "/a#b", NX_EINVAL), "the path has a query or fragment");
    nx_expect_eq(refusal(router, "GET", "/a b", NX_EINVAL),
                 "the path has a character that must be percent-encoded");
    nx_expect_eq(refusal(router, "GET", "/caf\xc3\xa9", NX_EINVAL),
                 "the path has a character that must be percent-encoded");
    nx_expect_eq(refusal(router, "GET", "/:", NX_EINVAL), "a parameter has no name");
    nx_expect_eq(refusal(router, "GET", "/:/a", NX_EINVAL), "a parameter has no name");
    nx_expect_eq(refusal(router, "GET", "/*", NX_EINVAL), "a parameter has no name");
    nx_expect_eq(refusal(router, "GET", "/:name.json", NX_EINVAL),
                 "a parameter's name has other characters than letters, digits, _ and -");
    nx_expect_eq(refusal(router, "GET", "/*rest/a", NX_EINVAL),
                 "a *name stands before the last segment");
    nx_expect_eq(refusal(router, "GET", "/*rest/", NX_EINVAL),
                 "a *name stands before the last segment");
    nx_expect_eq(refusal(router, "GET", "/:a/:b/:a", NX_EINVAL),
                 "two parameters have the same name");
    nx_expect_eq(refusal(router, "", "/b", NX_EINVAL), "the method is empty");
    nx_expect_eq(refusal(router, NULL, "/b", NX_EINVAL), "the method is empty");
    nx_expect_eq(refusal(router, "GET,POST", "/b", NX_EINVAL), "the method is no token");
    nx_expect_eq(refusal(router, "G T", "/b", NX_EINVAL), "the method is no token");
    nx_expect_eq(refusal(router, "0123456789012345678901234567890x", "/b", NX_EINVAL),
                 "the method is too long");
    char path[NX__ROUTER_MAX_PATH + 2];
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    nx_expect_eq(refusal(router, "GET", path, NX_EINVAL), "the path is too long");
    path[sizeof path - 2] = '\0';
    nx_expect_eq(refusal(router, "GET", path, NX_OK), "none");
    EXPECT_MATCH("GET", "/a", "0");
    EXPECT_MATCH("GET", "/b", "404");
    nx__router_free(router);
}

NX_TEST("router caps parameters, segments and methods")
{
    struct nx__router *router = make(NULL, 0);
    char path[400] = "", asked[400] = "";
    for (int i = 0; i < NX__ROUTER_MAX_PARAMS; i++) {
        size_t len = strlen(path);
        (void)snprintf(path + len, sizeof path - len, "/:p%d", i);
        len = strlen(asked);
        (void)snprintf(asked + len, sizeof asked - len, "/%d", i);
    }
    nx_expect_eq(refusal(router, "GET", path, NX_OK), "none");
    struct nx__route_match match;
    nx__router_match(router, nx_str("GET"), nx_str(asked), &match);
    nx_expect_eq(match.param_count, NX__ROUTER_MAX_PARAMS);
    nx_expect(nx_bytes_is(match.params[15].name, "p15") && match.params[15].len == 2);
    strncat(path, "/:one", sizeof path - strlen(path) - 1);
    nx_expect_eq(refusal(router, "GET", path, NX_EINVAL), "too many parameters");

    char segments[2 * NX__ROUTER_MAX_SEGMENTS + 8] = "/:x";
    for (int i = 1; i < NX__ROUTER_MAX_SEGMENTS; i++)
        strncat(segments, "/s", sizeof segments - strlen(segments) - 1);
    nx_expect_eq(refusal(router, "GET", segments, NX_OK), "none");
    strncat(segments, "/s", sizeof segments - strlen(segments) - 1);
    nx_expect_eq(refusal(router, "GET", segments, NX_EINVAL), "too many segments");

    const char *reason = "none";
    char method[32], name[32];
    int added = 0;
    while (added < 100) {
        (void)snprintf(method, sizeof method, "M%d", added);
        (void)snprintf(name, sizeof name, "/m%d", added);
        if (nx__router_add(router, method, name, handler_0, NULL, &reason)) break;
        added++;
    }
    nx_expect_eq(added, NX__ROUTER_MAX_METHODS - 3);
    nx_expect_eq(reason, "too many different methods");
    nx__router_match(router, nx_str("OPTIONS"), nx_str("*"), &match);
    nx_expect_lt(strlen(match.allow), NX__ROUTER_MAX_ALLOW);
    nx__router_free(router);

    router = make(NULL, 0);
    for (added = 0; added < 100; added++) {
        (void)snprintf(method, sizeof method, "LONG-METHOD%02d", added);
        if (nx__router_add(router, method, "/", handler_0, NULL, &reason)) break;
    }
    nx_expect_eq(reason, "too many different methods");
    nx__router_match(router, nx_str("OPTIONS"), nx_str("*"), &match);
    nx_expect_lt(strlen(match.allow), NX__ROUTER_MAX_ALLOW);
    nx__router_free(router);
}

/* A path that is longer than any route may be, against a wildcard and against parameters. */
NX_TEST("router takes long paths")
{
    static const struct naive_route routes[] = {{"GET", "/f/*rest"}, {"GET", "/:a/:b/:c/x"}};
    struct nx__router *router = make(routes, 2);
    enum { LONG = 65536 };
    char *path = malloc(LONG);
    if (!path) abort();
    for (int i = 0; i < LONG; i++) path[i] = i % 2 ? 'f' : '/';
    struct nx__route_match match;
    nx__router_match(router, nx_str("GET"), nx_slice(path, LONG), &match);
    nx_expect_eq(match.outcome, NX__ROUTE_FOUND);
    nx_expect_eq(match.params[0].len, LONG - 3);
    path[1] = 'g';
    nx__router_match(router, nx_str("GET"), nx_slice(path, LONG), &match);
    nx_expect_eq(match.outcome, NX__ROUTE_NOT_FOUND);
    free(path);
    nx__router_free(router);
}

NX_TEST("router with a thousand routes")
{
    struct nx__router *router = nx__router_new();
    if (!router) abort();
    char path[64];
    const char *reason;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(path, sizeof path, i % 2 ? "/g%d/:id/items" : "/g%d/list", i);
        nx_expect_ok(nx__router_add(router, "GET", path, handlers[i % HANDLERS], NULL, &reason));
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(path, sizeof path, i % 2 ? "/g%d/77/items" : "/g%d/list", i);
        char wanted[16];
        (void)snprintf(wanted, sizeof wanted, i % 2 ? "%d id=77" : "%d", i % HANDLERS);
        nx_subtest ("%s", path) EXPECT_MATCH("GET", path, wanted);
    }
    nx__router_free(router);
}

/* Every combination of literal and parameter to a depth: the most backtracking that a number of
 * routes can cause, in a path that fits them all and fails at the end. */
NX_TEST("router backtracking is bounded by the routes")
{
    enum { DEPTH = 10 };
    struct nx__router *router = nx__router_new();
    if (!router) abort();
    const char *reason;
    for (unsigned bits = 0; bits < 1u << DEPTH; bits++) {
        char path[128] = "";
        size_t len = 0;
        for (unsigned i = 0; i < DEPTH; i++)
            len +=
                (size_t)snprintf(path + len, sizeof path - len, bits >> i & 1 ? "/:p%u" : "/a", i);
        (void)snprintf(path + len, sizeof path - len, "/end");
        nx_expect_ok(nx__router_add(router, "GET", path, handler_0, NULL, &reason));
    }
    clock_t start = clock();
    for (int i = 0; i < 100; i++) EXPECT_MATCH("GET", "/a/a/a/a/a/a/a/a/a/a/nowhere", "404");
    nx_expect_lt((double)(clock() - start) / CLOCKS_PER_SEC, 2);
    EXPECT_MATCH("GET", "/a/a/a/a/a/a/a/a/a/b/end", "0 p9=b");
    nx__router_free(router);
}

static uint64_t random_state = 88172645463325252u;

static unsigned random_below(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % n);
}

NX_TEST("router agrees with trying every route")
{
    static const char *const segments[] = {"a", "b", "longer-one", "", ":x", ":y", ":z", "*r"};
    static const char *const methods[] = {"GET", "HEAD", "POST", "*"};
    enum { ROUTES = 24, DEPTH = 4 };
    for (int round = 0; round < 2000; round++) {
        char paths[ROUTES][64];
        struct naive_route routes[ROUTES];
        int count = 0;
        struct nx__router *router = nx__router_new();
        if (!router) abort();
        /* One handler a route is not needed: the number is kept aside as an address. */
        static char numbers[ROUTES];
        for (int i = 0; i < ROUTES; i++) {
            size_t len = 0;
            for (unsigned depth = 1 + random_below(DEPTH); depth; depth--)
                len += (size_t)snprintf(paths[count] + len, 64 - len, "/%s",
                                        segments[random_below(depth == 1 ? 8 : 7)]);
            const char *reason;
            routes[count] = (struct naive_route){methods[random_below(4)], paths[count]};
            if (!nx__router_add(router, routes[count].method, routes[count].path,
                                (void (*)(void))(uintptr_t)&numbers[count], NULL, &reason))
                count++;
        }
        for (int i = 0; i < 40; i++) {
            char path[64];
            size_t len = 0;
            for (unsigned depth = 1 + random_below(DEPTH + 1); depth; depth--)
                len += (size_t)snprintf(path + len, sizeof path - len, "/%s",
                                        segments[random_below(4)]);
            const char *method = methods[random_below(4)];
            struct nx__route_match match, naive;
            int wanted = naive_match(routes, count, nx_str(method), nx_str(path), &naive);
            nx__router_match(router, nx_str(method), nx_str(path), &match);
            bool good = match.outcome == naive.outcome;
            if (good && wanted >= 0) {
                good = (char *)(uintptr_t)match.handler == &numbers[wanted] &&
                       match.param_count == naive.param_count;
                for (uint32_t p = 0; good && p < match.param_count; p++)
                    good = match.params[p].offset == naive.params[p].offset &&
                           match.params[p].len == naive.params[p].len &&
                           nx_bytes_eq(match.params[p].name, naive.params[p].name);
            }
            if (!good) {
                nx_test_fail("%s %s is not for route %d", method, path, wanted);
                for (int r = 0; r < count; r++)
                    nx_test_log("%d: %s %s", r, routes[r].method, routes[r].path);
                nx__router_free(router);
                return;
            }
        }
        nx__router_free(router);
    }
}

/* Each allocation fails once; the router stays as it was, and works. */
NX_TEST("router survives without memory")
{
    static const struct naive_route routes[] = {
        {"GET", "/"},  {"GET", "/a/:x/b/:y"}, {"PURGE", "/a/:x/b/:y"}, {"GET", "/f/*rest"},
        {"GET", "/c"}, {"GET", "/d"},         {"GET", "/e/f/:g"},      {"GET", "/h/i/j/k/:l"}};
    for (long after = 0;; after++) {
        faults_begin(FAULTS_NO_MEMORY, (unsigned long)after + 1);
        struct nx__router *router = nx__router_new();
        bool failed = !router;
        for (int i = 0; router && i < 8; i++) {
            const char *reason = NULL;
            nx_err err = nx__router_add(router, routes[i].method, routes[i].path, handlers[i], NULL,
                                        &reason);
            if (!err) continue;
            failed = true;
            nx_expect_err(NX_ENOMEM, err);
            nx_expect_eq(reason, "out of memory");
            struct nx__route_match match;
            nx__router_match(router, nx_str("TRACE"), nx_str("/a/1/b/2"), &match);
            nx_expect_eq(match.outcome, (i > 1 ? NX__ROUTE_METHOD : NX__ROUTE_NOT_FOUND));
            faults_stop();
            nx_expect_ok(nx__router_add(router, routes[i].method, routes[i].path, handlers[i], NULL,
                                        &reason));
        }
        faults_stop();
        if (router) {
            EXPECT_MATCH("GET", "/a/1/b/2", "1 x=1 y=2");
            EXPECT_MATCH("PURGE", "/a/1/b/2", "2 x=1 y=2");
            EXPECT_MATCH("GET", "/f/1/2", "3 rest=1/2");
            EXPECT_MATCH("GET", "/h/i/j/k/l", "7 l=l");
        }
        nx__router_free(router);
        if (!failed) break;
        nx_expect_lt(after, 1000);
    }
}

NX_TEST("percent decode")
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {"", ""},         {"plain", "plain"},   {"a%20b", "a b"},
        {"%2F%2f", "//"}, {"%41%62%63", "Abc"}, {"%C3%A9", "\xc3\xa9"},
        {"a+b", "a+b"},   {"%25%32%35", "%25"}, {"%", NULL},
        {"%4", NULL},     {"a%", NULL},         {"%zz", NULL},
        {"%4g", NULL},    {"% 4", NULL},        {"%%41", NULL},
        {"%00", NULL},    {"a%00b", NULL},      {"%0", NULL},
        {"%-1", NULL},    {"%01", "\x01"},      {"%FF", "\xff"},
        {"%@1", NULL},    {"%`1", NULL},        {"%G0", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("\"%s\"", rows[i].in) {
            char out[32];
            size_t len = 0, size = strlen(rows[i].in);
            memset(out, '#', sizeof out);
            bool good = nx__percent_decode(nx_str(rows[i].in), out, &len);
            nx_expect_eq(good, rows[i].out != NULL);
            nx_expect_eq(out[size], '#');
            if (good && rows[i].out) nx_expect_eq(nx_slice(out, len), rows[i].out);
        }
    char text[] = "a%20b%20c";
    size_t len;
    nx_expect(nx__percent_decode(nx_str(text), text, &len));
    nx_expect_eq(nx_slice(text, len), "a b c");
}

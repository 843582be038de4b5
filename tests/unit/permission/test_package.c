/* What packages may do, and addresses that names have led to. */
#include "permission/connect.h"
#include "permission/network.h"
#include "permission/package.h"
#include <arpa/inet.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLAGS_MAX = 4 };

static void parse(struct nx__permissions *p, const char *const flags[FLAGS_MAX])
{
    for (int i = 0; i < FLAGS_MAX && flags[i]; i++) {
        bool taken;
        nx_require_ok(nx__permissions_parse(p, flags[i], &taken));
        nx_require(taken);
    }
}

struct narrow_case {
    const char *program[FLAGS_MAX], *package[FLAGS_MAX];
    enum nx__permit_kind kind; /* of the network: connecting */
    const char *what;
    bool granted;
};

NX_TEST("both have to grant")
{
    static const struct narrow_case cases[] = {
        {{"--allow-all"}, {NULL}, NX__PERMIT_READ, "/a", false},
        {{"--allow-all"}, {"--allow-read=/a"}, NX__PERMIT_READ, "/a/b", true},
        {{"--allow-all"}, {"--allow-read"}, NX__PERMIT_READ, "/a/b", true},
        {{"--allow-all"}, {"--allow-read"}, NX__PERMIT_WRITE, "/a/b", false},
        {{NULL}, {"--allow-read"}, NX__PERMIT_READ, "/a", false},
        {{"--allow-read=/a"}, {"--allow-read"}, NX__PERMIT_READ, "/a/b", true},
        {{"--allow-read=/a"}, {"--allow-read"}, NX__PERMIT_READ, "/b", false},
        {{"--allow-read=/a"}, {"--allow-read=/a/b,/c"}, NX__PERMIT_READ, "/a/b", true},
        {{"--allow-read=/a"}, {"--allow-read=/a/b,/c"}, NX__PERMIT_READ, "/a/c", false},
        {{"--allow-read=/a"}, {"--allow-read=/a/b,/c"}, NX__PERMIT_READ, "/c", false},
        {{"--allow-read=/a/b"}, {"--allow-read=/a"}, NX__PERMIT_READ, "/a/b/c", true},
        {{"--allow-read=/a/b"}, {"--allow-read=/a"}, NX__PERMIT_READ, "/a/c", false},
        {{"--allow-read", "--deny-read=/a"}, {"--allow-read"}, NX__PERMIT_READ, "/a", false},
        {{"--allow-read"}, {"--allow-read", "--deny-read=/a"}, NX__PERMIT_READ, "/a", false},
        {{"--allow-all", "--deny-read"}, {"--allow-read"}, NX__PERMIT_READ, "/a", false},
        {{"--allow-env=A"}, {"--allow-env"}, NX__PERMIT_ENV, "A", true},
        {{"--allow-env=A"}, {"--allow-env=B"}, NX__PERMIT_ENV, "B", false},
        {{"--allow-net"}, {"--allow-connect=10.0.0.1:80"}, NX__PERMIT_NET, "10.0.0.1:80", true},
        {{"--allow-net"}, {"--allow-listen"}, NX__PERMIT_NET, "10.0.0.1:80", false},
        {{"--allow-listen"}, {"--allow-net"}, NX__PERMIT_NET, "10.0.0.1:80", false},
        {{"--allow-net=10.0.0.0/8"},
         {"--allow-net=10.1.0.0/16:80"},
         NX__PERMIT_NET,
         "10.1.2.3:80",
         true},
        {{"--allow-net=10.0.0.0/8"},
         {"--allow-net=10.1.0.0/16:80"},
         NX__PERMIT_NET,
         "10.1.2.3:81",
         false},
        {{"--allow-net=10.1.0.0/16"},
         {"--allow-net=10.0.0.0/8"},
         NX__PERMIT_NET,
         "10.2.0.1:80",
         false},
        {{"--allow-net=10.0.0.0/8"},
         {"--allow-net=0.0.0.0/0"},
         NX__PERMIT_NET,
         "10.2.0.1:80",
         true},
        {{"--allow-net=10.0.0.0/8"},
         {"--allow-net=0.0.0.0/0"},
         NX__PERMIT_NET,
         "11.2.0.1:80",
         false},
        {{"--allow-net=::/0"}, {"--allow-net=10.0.0.0/8"}, NX__PERMIT_NET, "10.2.0.1:80", false},
        {{"--allow-net=*.a.b"}, {"--allow-net=*.c.a.b"}, NX__PERMIT_NET, "x.c.a.b:1", true},
        {{"--allow-net=*.a.b"}, {"--allow-net=*.a.b"}, NX__PERMIT_NET, "x.a.b:1", true},
        {{"--allow-net=*.a.b"}, {"--allow-net=a.b"}, NX__PERMIT_NET, "a.b:1", false},
        {{"--allow-net=*.a.b"}, {"--allow-net=*.xa.b"}, NX__PERMIT_NET, "x.xa.b:1", false},
        {{"--allow-net=*.a.b"}, {"--allow-net=c.a.b:1"}, NX__PERMIT_NET, "c.a.b:1", true},
        {{"--allow-net=c.a.b"}, {"--allow-net=*.a.b"}, NX__PERMIT_NET, "d.a.b:1", false},
        {{"--allow-net=:1"}, {"--allow-net=a.b:1,c.d"}, NX__PERMIT_NET, "a.b:1", true},
        {{"--allow-net=:1"}, {"--allow-net=a.b:1,c.d"}, NX__PERMIT_NET, "c.d:2", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        nx_subtest ("%zu: %s", i, cases[i].what) {
            struct nx__permissions program = {0}, package = {0}, both = {0};
            parse(&program, cases[i].program);
            parse(&package, cases[i].package);
            nx_require_ok(nx__permissions_narrow(&both, &program, &package));
            nx_expect(!both.all);
            bool net = cases[i].kind == NX__PERMIT_NET;
            enum nx__verdict verdict =
                net ? nx__permissions_net_verdict(&both, NX__USE_CONNECT, cases[i].what)
                    : nx__permissions_verdict(&both, cases[i].kind, cases[i].what);
            nx_expect_eq(verdict == NX__GRANTED, cases[i].granted);
            nx__permissions_free(&program);
            nx__permissions_free(&package);
            nx__permissions_free(&both);
        }
}

NX_TEST("which package a module is of")
{
    struct nx__package inner = {.name = "@ann/inner"}, outer = {.next = &inner, .name = "outer"};
    static const struct {
        const char *module, *package;
    } cases[] = {
        {"outer", "outer"},
        {"outer/part.wasm", "outer"},
        {"outer2", NULL},
        {"./outer", NULL},
        {"/outer", NULL},
        {"@ann/inner", "@ann/inner"},
        {"@ann", NULL},
        {"./nexus_modules/outer/x.wasm", "outer"},
        {"/srv/nexus_modules/outer/nexus_modules/@ann/inner/x.wasm", "@ann/inner"},
        {"/srv/nexus_modules/outer/nexus_modules/other/x.wasm", NULL},
        {"/srv/xnexus_modules/outer/x.wasm", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        nx_subtest ("%s", cases[i].module) {
            const struct nx__package *found = nx__package_of(&outer, cases[i].module);
            nx_expect_eq(found ? found->name : NULL, cases[i].package);
        }
    nx_expect(nx__package_named(&outer, "outer") == &outer);
    nx_expect(nx__package_named(&outer, "out") == NULL);
}

static enum nx__verdict to(const struct nx__permissions *p, const char *address, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    nx_require(inet_pton(AF_INET, address, &v4.sin_addr) == 1);
    return nx__address_verdict(p, (const struct sockaddr *)(const void *)&v4);
}

NX_TEST("what names have led to")
{
    struct nx__permissions p = {0};
    struct nx__endpoint name, other, address = {.kind = NX__HOST_ADDRESS};
    parse(&p,
          (const char *const[FLAGS_MAX]){"--allow-connect=a.b:1,*.b:2", "--deny-connect=10.0.0.9"});
    nx_require_ok(nx__endpoint_parse("a.b", 3, &name));
    nx_require_ok(nx__endpoint_parse("c.d", 3, &other));
    address.address[10] = address.address[11] = 0xff;
    address.address[12] = 10;
    address.address[15] = 1;
    nx_expect_eq(to(&p, "10.0.0.1", 1), NX__MISSING);
    nx_require_ok(nx__permissions_led(&p, &other, &address));
    nx_expect_eq(to(&p, "10.0.0.1", 1), NX__MISSING);
    nx_require_ok(nx__permissions_led(&p, &name, &address));
    nx_require_ok(nx__permissions_led(&p, &name, &address));
    nx_expect_eq(p.led, 2u); /* a rule for each grant of the name, and no more */
    nx_expect_eq(to(&p, "10.0.0.1", 1), NX__GRANTED);
    nx_expect_eq(to(&p, "10.0.0.1", 2), NX__GRANTED);
    nx_expect_eq(to(&p, "10.0.0.1", 3), NX__MISSING);
    nx_expect_eq(to(&p, "10.0.0.2", 1), NX__MISSING);
    address.address[15] = 9;
    nx_require_ok(nx__permissions_led(&p, &name, &address));
    nx_expect_eq(to(&p, "10.0.0.9", 1), NX__DENIED);
    for (int i = 0; i < NX__LED_MOST; i++) {
        address.address[13] = (uint8_t)(1 + i / 256);
        address.address[14] = (uint8_t)i;
        nx_require_ok(nx__permissions_led(&p, &name, &address));
    }
    nx_expect_eq(p.led, (unsigned)NX__LED_MOST);
    nx_expect_eq(to(&p, "10.0.0.1", 1), NX__MISSING); /* the oldest have gone */
    nx_expect_eq(to(&p, "10.16.255.9", 1), NX__GRANTED);
    nx__permissions_free(&p);
}

/* Permissions: how flags parse, and what they grant. */
#include "base/error.h"
#include "permission/network.h"
#include "permission/permission.h"
#include <nexus/permission.h>
#include <nexus/test.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLAGS_MAX = 4 };

static nx_err parse_all(struct nx__permissions *p, const char *const flags[FLAGS_MAX])
{
    nx_err err = NX_OK;
    for (int i = 0; i < FLAGS_MAX && flags[i] && !err; i++) {
        bool taken;
        err = nx__permissions_parse(p, flags[i], &taken);
        nx_expect(taken);
    }
    return err;
}

struct grant_case {
    const char *flags[FLAGS_MAX];
    enum nx__permit_kind kind;
    const char *what;
    enum nx__verdict verdict;
};

static void run_cases(const struct grant_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        nx_subtest ("%s with %s %s", cases[i].what,
                    cases[i].flags[0] ? cases[i].flags[0] : "nothing",
                    cases[i].flags[0] && cases[i].flags[1] ? cases[i].flags[1] : "") {
            struct nx__permissions p = {0};
            nx_expect_ok(parse_all(&p, cases[i].flags));
            nx_expect_eq(nx__permissions_verdict(&p, cases[i].kind, cases[i].what),
                         cases[i].verdict);
            nx__permissions_free(&p);
        }
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

NX_TEST("network grants")
{
    static const struct grant_case cases[] = {
        {{0}, NX__PERMIT_NET, "127.0.0.1:3000", NX__MISSING},
        {{"--allow-net"}, NX__PERMIT_NET, "0.0.0.0:3000", NX__GRANTED},
        {{"--allow-net"}, NX__PERMIT_NET, "unix:/tmp/a.sock", NX__GRANTED},
        {{"--allow-all"}, NX__PERMIT_NET, "unix:/tmp/a.sock", NX__GRANTED},
        {{"--allow-net=:3000"}, NX__PERMIT_NET, "0.0.0.0:3000", NX__GRANTED},
        {{"--allow-net=:3000"}, NX__PERMIT_NET, "[::]:3000", NX__GRANTED},
        {{"--allow-net=:3000"}, NX__PERMIT_NET, "0.0.0.0:3001", NX__MISSING},
        {{"--allow-net=:3000"}, NX__PERMIT_NET, "unix:/tmp/a.sock", NX__MISSING},
        {{"--allow-net=127.0.0.1"}, NX__PERMIT_NET, "127.0.0.1:1", NX__GRANTED},
        {{"--allow-net=127.0.0.1"}, NX__PERMIT_NET, "0.0.0.0:1", NX__MISSING},
        {{"--allow-net=0.0.0.0"}, NX__PERMIT_NET, "0.0.0.0:1", NX__GRANTED},
        {{"--allow-net=127.0.0.1:80,127.0.0.1:81"}, NX__PERMIT_NET, "127.0.0.1:81", NX__GRANTED},
        {{"--allow-net=127.0.0.1:80", "--allow-net=127.0.0.1:81"},
         NX__PERMIT_NET,
         "127.0.0.1:80",
         NX__GRANTED},
        {{"--allow-net=LocalHost:80"}, NX__PERMIT_NET, "localhost:80", NX__GRANTED},
        {{"--allow-net=localhost"}, NX__PERMIT_NET, "127.0.0.1:80", NX__GRANTED},
        {{"--allow-net=Api.Example.COM."}, NX__PERMIT_NET, "api.example.com:443", NX__GRANTED},
        {{"--allow-net=example.com"}, NX__PERMIT_NET, "api.example.com:443", NX__MISSING},
        {{"--allow-net=example.com"}, NX__PERMIT_NET, "example.com.evil.org:443", NX__MISSING},
        {{"--allow-net=127.0.0.1:80"}, NX__PERMIT_NET, "[::ffff:127.0.0.1]:80", NX__GRANTED},
        {{"--allow-net=[::ffff:7f00:1]:80"}, NX__PERMIT_NET, "127.0.0.1:80", NX__GRANTED},
        {{"--allow-net=::1"}, NX__PERMIT_NET, "[0:0:0:0:0:0:0:1]:80", NX__GRANTED},
        {{"--allow-net=[::1]:80"}, NX__PERMIT_NET, "[::1]:81", NX__MISSING},
        {{"--allow-net=[fe80::1%lo]:80"}, NX__PERMIT_NET, "[fe80::1%1]:80", NX__GRANTED},
        {{"--allow-net=[fe80::1%lo]:80"}, NX__PERMIT_NET, "[fe80::1%999]:80", NX__MISSING},
        {{"--deny-net=[fe80::1%lo]", "--allow-net"}, NX__PERMIT_NET, "[fe80::1%lo]:80", NX__DENIED},
        {{"--allow-net=127.0.0.1:0"}, NX__PERMIT_NET, "127.0.0.1:0", NX__GRANTED},
        {{"--allow-net=unix:/tmp/x/../a.sock"}, NX__PERMIT_NET, "unix:/tmp/a.sock", NX__GRANTED},
        {{"--allow-net=unix:/tmp/a"}, NX__PERMIT_NET, "unix:/tmp/ab", NX__MISSING},
        {{"--allow-net=unix:/tmp"}, NX__PERMIT_NET, "unix:/tmp/a.sock", NX__GRANTED},
        {{"--allow-net=127.0.0.1"}, NX__PERMIT_NET, "unix:/tmp/a.sock", NX__MISSING},
        /* Deny wins, in whatever order and spelling. */
        {{"--allow-net", "--deny-net=127.0.0.1:80"}, NX__PERMIT_NET, "127.0.0.1:80", NX__DENIED},
        {{"--deny-net=127.0.0.1:80", "--allow-net"}, NX__PERMIT_NET, "127.0.0.1:81", NX__GRANTED},
        {{"--deny-net", "--allow-all"}, NX__PERMIT_NET, "127.0.0.1:81", NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.1"},
         NX__PERMIT_NET,
         "[::ffff:127.0.0.1]:80",
         NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.1"}, NX__PERMIT_NET, "localhost:80", NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.1:80"}, NX__PERMIT_NET, "0.0.0.0:80", NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.1:80"}, NX__PERMIT_NET, "[::]:80", NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.1:80"}, NX__PERMIT_NET, "0.0.0.0:81", NX__GRANTED},
        {{"--allow-all", "--deny-net=:22"}, NX__PERMIT_NET, "10.0.0.1:22", NX__DENIED},
        {{"--allow-all", "--deny-net=:22"}, NX__PERMIT_NET, "not an address", NX__DENIED},
        {{"--allow-net=:22"}, NX__PERMIT_NET, "not an address", NX__MISSING},
    };
    run_cases(cases, COUNT(cases));
}

NX_TEST("patterns of the network")
{
    static const struct grant_case cases[] = {
        {{"--allow-net=*.example.com"}, NX__PERMIT_NET, "api.example.com:443", NX__GRANTED},
        {{"--allow-net=*.example.com"}, NX__PERMIT_NET, "a.b.example.com:443", NX__GRANTED},
        {{"--allow-net=*.Example.com."}, NX__PERMIT_NET, "API.example.COM:443", NX__GRANTED},
        {{"--allow-net=*.example.com"}, NX__PERMIT_NET, "example.com:443", NX__MISSING},
        {{"--allow-net=*.example.com"}, NX__PERMIT_NET, "badexample.com:443", NX__MISSING},
        {{"--allow-net=*.example.com"}, NX__PERMIT_NET, "x.example.com.evil.org:1", NX__MISSING},
        {{"--allow-net=*.example.com:443"}, NX__PERMIT_NET, "api.example.com:443", NX__GRANTED},
        {{"--allow-net=*.example.com:443"}, NX__PERMIT_NET, "api.example.com:80", NX__MISSING},
        {{"--allow-net=*.example.com"}, NX__PERMIT_NET, "1.2.3.4:443", NX__MISSING},
        {{"--allow-all", "--deny-net=*.example.com"},
         NX__PERMIT_NET,
         "a.example.com:1",
         NX__DENIED},
        {{"--allow-all", "--deny-net=*.example.com"}, NX__PERMIT_NET, "example.com:1", NX__GRANTED},
        {{"--allow-net=10.0.0.0/8"}, NX__PERMIT_NET, "10.255.0.1:1", NX__GRANTED},
        {{"--allow-net=10.0.0.0/8"}, NX__PERMIT_NET, "[::ffff:10.1.2.3]:1", NX__GRANTED},
        {{"--allow-net=10.0.0.0/8"}, NX__PERMIT_NET, "11.0.0.0:1", NX__MISSING},
        {{"--allow-net=10.0.0.0/8"}, NX__PERMIT_NET, "0.0.0.0:1", NX__MISSING},
        {{"--allow-net=10.0.0.0/8:443"}, NX__PERMIT_NET, "10.0.0.1:443", NX__GRANTED},
        {{"--allow-net=10.0.0.0/8:443"}, NX__PERMIT_NET, "10.0.0.1:80", NX__MISSING},
        {{"--allow-net=192.168.128.0/17"}, NX__PERMIT_NET, "192.168.128.0:1", NX__GRANTED},
        {{"--allow-net=192.168.128.0/17"}, NX__PERMIT_NET, "192.168.127.255:1", NX__MISSING},
        {{"--allow-net=10.0.0.1/32"}, NX__PERMIT_NET, "10.0.0.1:1", NX__GRANTED},
        {{"--allow-net=0.0.0.0/0"}, NX__PERMIT_NET, "8.8.8.8:1", NX__GRANTED},
        {{"--allow-net=0.0.0.0/0"}, NX__PERMIT_NET, "0.0.0.0:1", NX__GRANTED},
        {{"--allow-net=0.0.0.0/8"}, NX__PERMIT_NET, "0.0.0.0:1", NX__MISSING},
        {{"--allow-net=0.0.0.0/0"}, NX__PERMIT_NET, "[::1]:1", NX__MISSING},
        {{"--allow-net=0.0.0.0/0"}, NX__PERMIT_NET, "example.com:1", NX__MISSING},
        {{"--allow-net=fd00::/8"}, NX__PERMIT_NET, "[fdff::1]:1", NX__GRANTED},
        {{"--allow-net=fd00::/8"}, NX__PERMIT_NET, "[fe80::1]:1", NX__MISSING},
        {{"--allow-net=[fd00::/8]:443"}, NX__PERMIT_NET, "[fd00::1]:443", NX__GRANTED},
        {{"--allow-net=[fd00::/8]:443"}, NX__PERMIT_NET, "[fd00::1]:80", NX__MISSING},
        {{"--allow-net=::/0"}, NX__PERMIT_NET, "[2001:db8::1]:80", NX__GRANTED},
        {{"--allow-net=::/0"}, NX__PERMIT_NET, "[::]:80", NX__GRANTED},
        {{"--allow-net=::/0"}, NX__PERMIT_NET, "10.0.0.1:80", NX__MISSING},
        {{"--allow-net=::/1"}, NX__PERMIT_NET, "[::]:80", NX__MISSING},
        {{"--allow-net=::ffff:0:0/96"}, NX__PERMIT_NET, "10.0.0.1:80", NX__GRANTED},
        {{"--allow-all", "--deny-net=127.0.0.0/8"}, NX__PERMIT_NET, "localhost:80", NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.0/8"}, NX__PERMIT_NET, "127.8.8.8:80", NX__DENIED},
        {{"--allow-all", "--deny-net=127.0.0.0/8"}, NX__PERMIT_NET, "128.0.0.1:80", NX__GRANTED},
        {{"--allow-all", "--deny-net=127.0.0.0/8"}, NX__PERMIT_NET, "[::]:80", NX__DENIED},
    };
    run_cases(cases, COUNT(cases));
}

NX_TEST("listening and connecting apart")
{
    static const struct {
        const char *flags[FLAGS_MAX];
        const char *what;
        enum nx__verdict listen, connect;
    } cases[] = {
        {{"--allow-listen=:80"}, "10.0.0.1:80", NX__GRANTED, NX__MISSING},
        {{"--allow-connect=:80"}, "10.0.0.1:80", NX__MISSING, NX__GRANTED},
        {{"--allow-net=:80"}, "10.0.0.1:80", NX__GRANTED, NX__GRANTED},
        {{"--allow-listen"}, "10.0.0.1:80", NX__GRANTED, NX__MISSING},
        {{"--allow-listen"}, "unix:@x", NX__GRANTED, NX__MISSING},
        {{"--allow-connect"}, "example.com:80", NX__MISSING, NX__GRANTED},
        {{"--allow-connect", "--allow-listen"}, "unix:/tmp/x", NX__GRANTED, NX__GRANTED},
        {{"--allow-net", "--deny-connect"}, "10.0.0.1:80", NX__GRANTED, NX__DENIED},
        {{"--allow-net", "--deny-listen=:80"}, "10.0.0.1:80", NX__DENIED, NX__GRANTED},
        {{"--allow-all", "--deny-connect=10.0.0.0/8"}, "10.0.0.1:80", NX__GRANTED, NX__DENIED},
        {{"--allow-listen=:80", "--deny-net"}, "10.0.0.1:80", NX__DENIED, NX__DENIED},
        {{"--allow-connect", "--deny-connect=:1"}, "no address", NX__DENIED, NX__DENIED},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        nx_subtest ("%s with %s", cases[i].what, cases[i].flags[0]) {
            struct nx__permissions p = {0};
            nx_expect_ok(parse_all(&p, cases[i].flags));
            nx_expect_eq(nx__permissions_net_verdict(&p, NX__USE_LISTEN, cases[i].what),
                         cases[i].listen);
            nx_expect_eq(nx__permissions_net_verdict(&p, NX__USE_CONNECT, cases[i].what),
                         cases[i].connect);
            nx__permissions_free(&p);
        }
}

NX_TEST("names and programs")
{
    static const struct grant_case cases[] = {
        {{"--allow-net=unix:@app"}, NX__PERMIT_NET, "unix:@app", NX__GRANTED},
        {{"--allow-net=unix:@app"}, NX__PERMIT_NET, "unix:@app/x", NX__MISSING},
        {{"--allow-net=unix:/"}, NX__PERMIT_NET, "unix:@app", NX__MISSING},
        {{"--allow-env=HOME,PATH"}, NX__PERMIT_ENV, "PATH", NX__GRANTED},
        {{"--allow-env=HOME"}, NX__PERMIT_ENV, "home", NX__MISSING},
        {{"--allow-env=HOME"}, NX__PERMIT_ENV, "HOME2", NX__MISSING},
        {{NULL}, NX__PERMIT_ENV, "TZ", NX__GRANTED},
        {{NULL}, NX__PERMIT_ENV, "LC_TIME", NX__GRANTED},
        {{NULL}, NX__PERMIT_ENV, "LD_PRELOAD", NX__MISSING},
        {{"--deny-env=TZ"}, NX__PERMIT_ENV, "TZ", NX__DENIED},
        {{"--deny-env"}, NX__PERMIT_ENV, "HOME", NX__DENIED},
        {{"--allow-env", "--deny-env=SECRET"}, NX__PERMIT_ENV, "SECRET", NX__DENIED},
        {{"--allow-env", "--deny-env=SECRET"}, NX__PERMIT_ENV, "HOME", NX__GRANTED},
        {{"--allow-run=ls"}, NX__PERMIT_RUN, "ls", NX__GRANTED},
        {{"--allow-run=ls"}, NX__PERMIT_RUN, "./ls", NX__MISSING},
        {{"--allow-run=/tmp/../opt/tool"}, NX__PERMIT_RUN, "/opt/tool", NX__GRANTED},
        {{"--allow-run=/opt/tool"}, NX__PERMIT_RUN, "/opt/tool/x", NX__MISSING},
        {{"--allow-read"}, NX__PERMIT_WRITE, "/tmp/x", NX__MISSING},
        {{"--allow-ffi=/opt/lib"}, NX__PERMIT_FFI, "/opt/lib/a.so", NX__GRANTED},
        {{"--allow-wasm=/opt/lib"}, NX__PERMIT_WASM, "/opt/lib/a.wasm", NX__GRANTED},
        {{"--allow-wasm=/opt/lib"}, NX__PERMIT_WASM, "/opt/library/a.wasm", NX__MISSING},
        {{"--allow-sys=memory,load"}, NX__PERMIT_SYS, "load", NX__GRANTED},
        {{"--allow-sys=memory"}, NX__PERMIT_SYS, "load", NX__MISSING},
        {{"--allow-sys", "--deny-sys=load"}, NX__PERMIT_SYS, "load", NX__DENIED},
        {{"--allow-all", "--deny-sys"}, NX__PERMIT_SYS, "load", NX__DENIED},
    };
    run_cases(cases, COUNT(cases));
}

/* A tree with what paths are attacked by; the flags are relative to it. */
static void enter_tree(void)
{
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_require(mkdir("data", 0755) == 0 && mkdir("database", 0755) == 0 &&
               mkdir("data/in", 0755) == 0);
    nx_require_eq(symlink("/etc/hostname", "data/out"), 0);
    nx_require_eq(symlink("../data/in", "database/link"), 0);
    nx_require_eq(symlink("/tmp/nowhere-at-all/x", "data/dangling"), 0);
    nx_require_eq(symlink("loop", "data/loop"), 0);
}

NX_TEST("path grants")
{
    enter_tree();
    static const struct grant_case cases[] = {
        {{"--allow-read=data"}, NX__PERMIT_READ, "data/a", NX__GRANTED},
        {{"--allow-read=data/"}, NX__PERMIT_READ, "data", NX__GRANTED},
        {{"--allow-read=data"}, NX__PERMIT_READ, "database/a", NX__MISSING},
        {{"--allow-read=data"}, NX__PERMIT_READ, "data/../database/a", NX__MISSING},
        {{"--allow-read=data"}, NX__PERMIT_READ, "./data/./in//x", NX__GRANTED},
        {{"--allow-read=data"}, NX__PERMIT_READ, "data/new/../../x", NX__MISSING},
        {{"--allow-read=data"}, NX__PERMIT_READ, "data/out", NX__MISSING},
        {{"--allow-read=data"}, NX__PERMIT_READ, "database/link/x", NX__GRANTED},
        {{"--allow-read=data"}, NX__PERMIT_READ, "database/link/../../database/x", NX__MISSING},
        {{"--allow-write=data"}, NX__PERMIT_WRITE, "data/dangling", NX__MISSING},
        {{"--allow-write=data"}, NX__PERMIT_WRITE, "data/dangling/", NX__MISSING},
        {{"--allow-write=data"}, NX__PERMIT_WRITE, "data/loop", NX__MISSING},
        {{"--allow-write=data"}, NX__PERMIT_WRITE, "", NX__MISSING},
        {{"--allow-read=."}, NX__PERMIT_READ, "anything", NX__GRANTED},
        {{"--allow-read=/"}, NX__PERMIT_READ, "/etc/hostname", NX__GRANTED},
        {{"--allow-read", "--deny-read=data"}, NX__PERMIT_READ, "data/a", NX__DENIED},
        {{"--allow-read", "--deny-read=data"}, NX__PERMIT_READ, "database/link", NX__DENIED},
        {{"--allow-read", "--deny-read=data"}, NX__PERMIT_READ, "database/a", NX__GRANTED},
        {{"--allow-all", "--deny-read=data"}, NX__PERMIT_READ, "data/loop", NX__DENIED},
        /* The inside of a process is no file. */
        {{"--allow-read"}, NX__PERMIT_READ, "/proc/self/environ", NX__MISSING},
        {{"--allow-read=/proc"}, NX__PERMIT_READ, "/proc/self/mem", NX__MISSING},
        {{"--allow-read"}, NX__PERMIT_READ, "/proc/cpuinfo", NX__GRANTED},
        {{"--allow-read=data"}, NX__PERMIT_READ, "/proc/self/root/etc/hostname", NX__MISSING},
        {{"--allow-read=data"}, NX__PERMIT_READ, "/proc/self/cwd/data/a", NX__GRANTED},
        {{"--allow-all"}, NX__PERMIT_READ, "/proc/self/environ", NX__GRANTED},
    };
    run_cases(cases, COUNT(cases));
}

NX_TEST("wrong flags")
{
    static const char *const wrong[] = {
        "--allow-net=",
        "--allow-net=a,,b",
        "--allow-net=host:port",
        "--allow-net=host:65536",
        "--allow-net=[::1",
        "--allow-net=[::1]80",
        "--allow-net=[1.2.3.4]",
        "--allow-net=*",
        "--allow-net=*:443",
        "--allow-net=*.",
        "--allow-net=*example.com",
        "--allow-net=*.10.0.0.1",
        "--allow-net=*.*.example.com",
        "--allow-net=api.*.com",
        "--allow-net=10.0.0.0/33",
        "--allow-net=10.0.0.0/",
        "--allow-net=10.0.0.0/8/8",
        "--allow-net=10.0.0.0/-1",
        "--allow-net=10.0.0.1/8",
        "--allow-net=10.0.0.0:80/8",
        "--allow-net=example.com/8",
        "--allow-net=localhost/32",
        "--allow-net=fd00::/129",
        "--allow-net=fd00::/8:443",
        "--allow-net=[fd00::/8",
        "--allow-net=[fd00::/8]443",
        "--allow-net=[fd00::]/8",
        "--allow-net=fe80::1%lo/128",
        "--allow-net=/8",
        "--allow-listen=",
        "--allow-connect=host:port",
        "--allow-sys=moon",
        "--allow-net=127.1",
        "--allow-net=http://x",
        "--allow-net=fe80::1%",
        "--allow-net=fe80::1%nosuch0",
        "--allow-net=2001:db8::1%lo",
        "--allow-net=unix:@",
        "--allow-net=host:",
        "--deny-read=",
        "--allow-net=a b",
        "--allow-net=:",
    };
    for (size_t i = 0; i < COUNT(wrong); i++)
        nx_subtest ("%s", wrong[i]) {
            struct nx__permissions p = {0};
            bool taken;
            nx_expect_err(NX_EUSAGE, nx__permissions_parse(&p, wrong[i], &taken));
            nx_expect(taken);
            nx_expect_gt(strlen(nx_error_last()->message), 10);
            nx__permissions_free(&p);
        }
    static const char *const others[] = {"--allow",    "--allow-",  "--allow-nets", "--allow-all=x",
                                         "--deny-all", "allow-net", "--watch"};
    for (size_t i = 0; i < COUNT(others); i++)
        nx_subtest ("%s", others[i]) {
            struct nx__permissions p = {0};
            bool taken;
            nx_expect_ok(nx__permissions_parse(&p, others[i], &taken));
            nx_expect(!taken);
        }
}

NX_TEST("hook and its words")
{
    struct nx__permissions p = {0};
    nx_expect_ok(nx__permit(NX__PERMIT_READ, "/etc/shadow")); /* not sealed: a program of its own */
    nx__permissions_seal(&p);
    static const struct {
        enum nx__permit_kind kind;
        const char *what, *message;
    } cases[] = {
        {NX__PERMIT_NET, "0.0.0.0:3000",
         "listening on 0.0.0.0:3000 is not allowed; run with --allow-net=0.0.0.0:3000"},
        {NX__PERMIT_READ, "a.txt", "reading \"a.txt\" is not allowed; run with --allow-read=a.txt"},
        {NX__PERMIT_WRITE, "my file",
         "writing \"my file\" is not allowed; run with --allow-write='my file'"},
        {NX__PERMIT_ENV, "PORT",
         "the environment variable PORT is not allowed; run with --allow-env=PORT"},
        {NX__PERMIT_RUN, "ls", "starting \"ls\" is not allowed; run with --allow-run=ls"},
        {NX__PERMIT_SYS, "load", "the host's load is not allowed; run with --allow-sys=load"},
        {NX__PERMIT_WASM, "x.wasm",
         "loading \"x.wasm\" is not allowed; run with --allow-wasm=x.wasm"},
        {NX__PERMIT_FFI, "x.so", "loading \"x.so\" is not allowed; run with --allow-ffi=x.so"},
        {NX__PERMIT_READ, "a\033[2J\nb\302\233c",
         "reading \"a[2Jbc\" is not allowed; run with --allow-read='a[2Jbc'"},
        {NX__PERMIT_READ, "a\342\200\256b\342\201\246c\342\200\223d",
         "reading \"abc\342\200\223d\" is not allowed; run with --allow-read=abc\342\200\223d"},
        {NX__PERMIT_READ, "a'; id",
         "reading \"a'; id\" is not allowed; run with --allow-read='a'\\''; id'"},
        {NX__PERMIT_READ, "/proc/self/mem",
         "reading \"/proc/self/mem\" is not allowed; run with --allow-all"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        nx_subtest ("%s", cases[i].what) {
            nx_expect_err(NX_EPERM, nx__permit(cases[i].kind, cases[i].what));
            nx_expect_eq(nx_error_last()->message, cases[i].message);
        }
    bool taken;
    nx_expect_ok(nx__permissions_parse(&p, "--deny-net=:22", &taken));
    nx_expect_err(NX_EPERM, nx__permit(NX__PERMIT_NET, "1.2.3.4:22"));
    nx_expect_eq(nx_error_last()->message, "listening on 1.2.3.4:22 is denied by --deny-net");
    nx_expect_ok(nx__permissions_grant(&p, NX__PERMIT_NET, "1.2.3.4:23"));
    nx_expect_ok(nx__permit(NX__PERMIT_NET, "1.2.3.4:23"));
    nx__permissions_seal(NULL);
    nx__permissions_free(&p);
}

NX_TEST("a program of its own gives up")
{
    nx_expect_eq(nx_permission_query(NX_PERMISSION_READ, "/etc/hostname"), NX_PERMISSION_GRANTED);
    nx_expect_ok(nx_permission_request(NX_PERMISSION_READ, NULL));
    nx_expect_err(NX_EINVAL, nx_permission_revoke(NX_PERMISSION_COUNT, NULL));
    nx_expect_err(NX_EINVAL, nx_permission_revoke(NX_PERMISSION_LISTEN, "a:b"));
    nx_expect_ok(nx_permission_revoke(NX_PERMISSION_READ, "/etc"));
    nx_expect_eq(nx_permission_query(NX_PERMISSION_READ, "/etc/hostname"), NX_PERMISSION_DENIED);
    nx_expect_eq(nx_permission_query(NX_PERMISSION_READ, "/proc/version"), NX_PERMISSION_GRANTED);
    nx_expect_eq(nx_permission_query(NX_PERMISSION_READ, NULL), NX_PERMISSION_DENIED);
    nx_expect_eq(nx_permission_query(NX_PERMISSION_WRITE, NULL), NX_PERMISSION_GRANTED);
    nx_expect_err(NX_EPERM, nx__permit(NX__PERMIT_READ, "/etc/hostname"));
    nx_expect_eq(
        nx_error_last()->message,
        "reading \"/etc/hostname\" is denied by --deny-read, or the program has given it up");
    /* A query leaves the last error as it was. */
    nx_expect_eq(nx_permission_query(NX_PERMISSION_CONNECT, "a:b"), NX_PERMISSION_GRANTED);
    nx_expect_eq(nx_error_last()->code, NX_EPERM);
    nx_expect_ok(nx_permission_revoke(NX_PERMISSION_CONNECT, ":1"));
    nx_expect_eq(nx_permission_query(NX_PERMISSION_CONNECT, "a:b"), NX_PERMISSION_DENIED);
    nx_expect_eq(nx_error_last()->code, NX_EPERM);
    nx__permissions_seal(NULL);
}

/* Connecting: grants, names, several addresses, deadlines. */
#include "net_test.h"

#include "base/clock.h"
#include "net/dial.h"
#include "net/race.h"
#include "permission/listen.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nexus/fiber.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int listen_at(const char *host, uint16_t *port)
{
    int fd;
    nx_require_ok(nx__listen(host, 0, 16, 0600, NX__LISTEN_ALONE, &fd, port));
    return fd;
}

/* A port of 127.0.0.1 where nobody listens, nor will: the descriptor holds it. */
static int port_of_nobody(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    nx_require(fd >= 0);
    nx_require_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    nx_require_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static nx_err under(const char *flag, nx_bytes host, uint16_t port)
{
    struct nx__permissions p;
    int fd;
    grants_begin(&p, (const char *const[]){flag, NULL});
    nx_err err = nx__dial(&fd, host, port, 0);
    grants_end(&p);
    if (!err) (void)close(fd);
    if (err) nx_expect_eq(fd, -1);
    return err;
}

NX_TEST("a host and a port become a connected socket")
{
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port), fd, on = 0;
    socklen_t len = sizeof on;
    nx_require_ok(nx__dial(&fd, nx_str("127.0.0.1"), port, 0));
    nx_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    nx_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    nx_expect_eq(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    nx_expect_eq(on, 1);
    (void)close(fd);
    nx_require_ok(nx__dial(&fd, nx_str("LocalHost"), port, NX_FOREVER));
    (void)close(fd);
    (void)close(listener);
}

NX_TEST("IPv6, with and without brackets")
{
    uint16_t port;
    int listener, fd;
    if (nx__listen("::1", 0, 16, 0600, NX__LISTEN_ALONE, &listener, &port)) nx_skip("no IPv6 here");
    nx_require_ok(nx__dial(&fd, nx_str("[::1]"), port, 0));
    (void)close(fd);
    nx_require_ok(nx__dial(&fd, nx_str("::1"), port, 0));
    (void)close(fd);
    nx_require_ok(nx__dial(&fd, nx_str("localhost"), port, 0)); /* the second of its addresses */
    (void)close(fd);
    (void)close(listener);
}

NX_TEST("a port where nobody listens refuses")
{
    uint16_t port;
    int holder = port_of_nobody(&port), fd;
    nx_expect_err(NX_EREFUSED, nx__dial(&fd, nx_str("127.0.0.1"), port, 0));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot connect to \"127.0.0.1:%u\": connection refused", port));
    nx_expect_eq(nx_error_last()->system, ECONNREFUSED);
    nx_expect_eq(fd, -1);
    nx_expect(nx__dial(&fd, nx_str("localhost"), port, 0) != NX_OK);
    nx_expect_contains(nx_error_last()->message, "127.0.0.1");
    nx_expect_contains(nx_error_last()->message, "::1");
    nx_expect_contains(nx_error_last()->message, "connection refused");
    (void)close(holder);
}

NX_TEST("what is no host is told so")
{
    static const char *const hosts[] = {
        "", "a b", "127.1", "0x7f.1", "::1::", "a/b", "u@h", "é.org", "[127.0.0.1]x", "unix:"};
    int fd;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        nx_expect_err(NX_EINVAL, nx__dial(&fd, nx_str(hosts[i]), 1, 0));
        nx_expect_contains(nx_error_last()->message, "cannot connect to");
        nx_expect_eq(fd, -1);
    }
    nx_expect_err(NX_EINVAL, nx__dial(&fd, nx_slice("a\0b", 3), 1, 0));
    char *longest = nx_alloc(300);
    memset(longest, 'a', 300);
    nx_expect_err(NX_EINVAL, nx__dial(&fd, nx_slice(longest, 300), 1, 0));
    nx_expect_contains(nx_error_last()->message, "too long");
}

NX_TEST("what is not granted is refused, by name and by address")
{
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port);
    nx_expect_err(NX_EPERM, under("--allow-read", nx_str("127.0.0.1"), port));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("connecting to 127.0.0.1:%u is not allowed; run with "
                           "--allow-net=127.0.0.1:%u",
                           port, port));
    nx_expect_err(NX_EPERM, under("--allow-net=127.0.0.1:1", nx_str("127.0.0.1"), port));
    nx_expect_err(NX_EPERM, under("--allow-net=example.com", nx_str("localhost"), port));
    nx_expect_err(NX_EPERM, under("--allow-net=127.0.0.1", nx_str("no.such.name.invalid"), port));
    nx_expect_contains(nx_error_last()->message, "--allow-net=no.such.name.invalid:");
    nx_expect_ok(under("--allow-net", nx_str("127.0.0.1"), port));
    nx_expect_ok(under("--allow-all", nx_str("127.0.0.1"), port));
    nx_expect_ok(under("--allow-net=127.0.0.1", nx_str("localhost"), port));
    nx_expect_ok(under(nx_format("--allow-net=:%u", port), nx_str("127.0.0.1"), port));
    nx_expect_ok(under(nx_format("--allow-net=localhost:%u", port), nx_str("127.0.0.1"), port));
    nx_expect_ok(under("--allow-net=127.0.0.1", nx_str("::ffff:127.0.0.1"), port));
    (void)close(listener);
}

NX_TEST("a denied address is denied whatever leads there")
{
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1",
                                        "localhost"};
    struct nx__permissions p;
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port), fd;
    grants_begin(&p, (const char *const[]){"--allow-all", "--deny-net=127.0.0.1", NULL});
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        nx_expect_err(NX_EPERM, nx__dial(&fd, nx_str(hosts[i]), port, 0));
        nx_expect_contains(nx_error_last()->message, "denied by --deny-net");
    }
    grants_end(&p);
    (void)close(listener);
}

/* ---- Several addresses */

static void address_add(struct nx__addresses *list, const char *host, uint16_t port)
{
    nx_require(nx__address_parse(host, port, &list->items[list->count++]));
}

NX_TEST("the next address is tried when one fails")
{
    struct nx__addresses list = {0};
    uint16_t port, nobody;
    int listener = listen_at("127.0.0.1", &port), holder = port_of_nobody(&nobody), fd;
    address_add(&list, "127.0.0.1", nobody);
    address_add(&list, "127.0.0.1", nobody);
    address_add(&list, "127.0.0.1", port);
    nx_expect_ok(nx__race(&fd, &list, "x:1", NX_FOREVER, NULL));
    (void)close(fd);
    list.count = 2;
    nx_expect_err(NX_EREFUSED, nx__race(&fd, &list, "x:1", NX_FOREVER, NULL));
    nx_expect_eq(nx_error_last()->message,
                 "cannot connect to \"x:1\": connection refused (tried 127.0.0.1, 127.0.0.1)");
    (void)close(holder);
    (void)close(listener);
}

/* A listener whose backlog is full answers nobody: Linux drops what more comes. */
static int full_listener(uint16_t *port, int fillers[8])
{
    int listener;
    nx_require_ok(nx__listen("127.0.0.1", 0, 0, 0600, NX__LISTEN_ALONE, &listener, port));
    union nx__address to;
    nx_require(nx__address_parse("127.0.0.1", *port, &to));
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], &to.any, sizeof to.v4);
    }
    return listener;
}

NX_TEST("an address that does not answer does not keep the next one waiting")
{
    struct nx__addresses list = {0};
    uint16_t silent, port;
    int fillers[8], mute = full_listener(&silent, fillers), fd;
    int listener = listen_at("127.0.0.1", &port);
    address_add(&list, "127.0.0.1", silent);
    address_add(&list, "127.0.0.1", port);
    nx_duration begun = nx__clock_monotonic();
    nx_expect_ok(nx__race(&fd, &list, "x:1", begun + NX_S(60), NULL));
    nx_expect(nx__clock_monotonic() - begun >= NX_MS(250));
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    nx_expect_eq(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
    nx_expect_eq(ntohs(peer.sin_port), port);
    (void)close(fd);

    list.count = 1;
    nx_expect_err(NX_ETIMEDOUT,
                  nx__race(&fd, &list, "x:1", nx__clock_monotonic() + NX_MS(20), NULL));
    nx_expect_eq(nx_error_last()->message, "cannot connect to \"x:1\": no answer in time");
    nx_expect_err(NX_ETIMEDOUT, nx__dial(&fd, nx_str("127.0.0.1"), silent, NX_MS(20)));
    for (int i = 0; i < 8; i++) (void)close(fillers[i]);
    (void)close(mute);
    (void)close(listener);
}

struct dialing {
    uint16_t port;
    nx_err err;
};

static nx_err dial_run(void *arg)
{
    struct dialing *d = arg;
    int fd;
    d->err = nx__dial(&fd, nx_str("127.0.0.1"), d->port, NX_FOREVER);
    nx_expect_eq(fd, -1);
    return NX_OK;
}

NX_TEST("a fiber that connects can be cancelled")
{
    struct dialing d;
    int fillers[8], mute = full_listener(&d.port, fillers);
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, dial_run, &d));
    nx_require_ok(nx_sleep(NX_MS(5)));
    nx_cancel(fiber);
    nx_expect_ok(nx_join(fiber));
    nx_expect_eq(d.err, NX_ECANCELED);
    for (int i = 0; i < 8; i++) (void)close(fillers[i]);
    (void)close(mute);
}

NX_TEST("one that is cancelled when it has just connected leaves no socket behind")
{
    uint16_t port;
    int listener = listen_at("127.0.0.1", &port), before = dup(listener), fd;
    (void)close(before);
    for (int i = 0; i < 8; i++) {
        nx_scope *scope;
        nx_require_ok(nx_scope_open(&scope, .deadline = 1));
        nx_err err = nx__dial(&fd, nx_str("127.0.0.1"), port, NX_FOREVER);
        nx_expect(err == NX_OK || err == NX_ECANCELED);
        if (!err) (void)close(fd);
        NX_IGNORE(nx_scope_close(&scope));
    }
    int after = dup(listener); /* the lowest that is free */
    nx_expect_eq(after, before);
    (void)close(after);
    (void)close(listener);
}

NX_TEST("there may be no time for any attempt")
{
    int fd;
    union nx__address address = {.v4 = {.sin_family = AF_INET}};
    struct nx__addresses addresses = {.count = 1};
    addresses.items[0] = address;
    nx_expect_err(NX_ETIMEDOUT, nx__race(&fd, &addresses, "a:1", 1, NULL));
    nx_expect_eq(nx_error_last()->message, "cannot connect to \"a:1\": no answer in time");
}

NX_TEST("the families take turns")
{
    struct nx__addresses list = {0};
    uint16_t nobody;
    int holder = port_of_nobody(&nobody), fd;
    address_add(&list, "127.0.0.1", nobody);
    address_add(&list, "127.0.0.1", nobody);
    address_add(&list, "::ffff:127.0.0.1", nobody);
    nx_expect_err(NX_EREFUSED, nx__race(&fd, &list, "x:1", NX_FOREVER, NULL));
    nx_expect_contains(nx_error_last()->message, "127.0.0.1, ::ffff:127.0.0.1, 127.0.0.1");
    (void)close(holder);
}

/* ---- Unix */

NX_TEST("a Unix socket is connected to by its path or its name")
{
    const char *path = nx_format("%s/a.sock", nx_test_dir());
    const char *name = nx_format("@nexus-dial-%d", (int)getpid());
    uint16_t port;
    int fd, listener = listen_at(nx_format("unix:%s", path), &port);
    nx_expect_ok(nx__dial_unix(&fd, nx_str(path), SOCK_STREAM, 0));
    (void)close(fd);
    (void)close(listener);
    nx_expect_err(NX_EREFUSED, nx__dial_unix(&fd, nx_str(path), SOCK_STREAM, 0));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot connect to \"unix:%s\": connection refused", path));
    listener = listen_at(nx_format("unix:%s", name), &port);
    nx_expect_ok(nx__dial_unix(&fd, nx_str(name), SOCK_STREAM, 0));
    (void)close(fd);
    (void)close(listener);
    nx_expect_err(NX_ENOENT, nx__dial_unix(&fd, nx_str("/no/such.sock"), SOCK_STREAM, 0));
    nx_expect_eq(nx_error_last()->message,
                 "cannot connect to \"unix:/no/such.sock\": no such file");
    nx_expect_err(NX_EINVAL, nx__dial_unix(&fd, nx_str(""), SOCK_STREAM, 0));
    nx_expect_err(NX_EINVAL, nx__dial_unix(&fd, nx_str("@"), SOCK_STREAM, 0));
    nx_expect_err(NX_EINVAL, nx__dial_unix(&fd, nx_slice("a\0b", 3), SOCK_STREAM, 0));
}

NX_TEST("a Unix socket whose backlog is full is waited for")
{
    const char *path = nx_format("%s/full.sock", nx_test_dir());
    uint16_t port;
    int listener, first, second;
    nx_require_ok(
        nx__listen(nx_format("unix:%s", path), 0, 0, 0600, NX__LISTEN_ALONE, &listener, &port));
    nx_require_ok(nx__dial_unix(&first, nx_str(path), SOCK_STREAM, 0));
    nx_expect_err(NX_ETIMEDOUT, nx__dial_unix(&second, nx_str(path), SOCK_STREAM, NX_MS(30)));
    nx_expect_contains(nx_error_last()->message, "takes no more");
    nx_expect_eq(second, -1);
    (void)close(first);
    (void)close(listener);
}

NX_TEST("a link to a Unix socket is what it leads to")
{
    const char *real = nx_format("%s/real.sock", nx_test_dir());
    const char *link = nx_format("%s/link.sock", nx_test_dir());
    struct nx__permissions p;
    uint16_t port;
    int fd, listener = listen_at(nx_format("unix:%s", real), &port);
    nx_require_eq(symlink(real, link), 0);
    grants_begin(&p, (const char *const[]){"--allow-net=127.0.0.1", NULL});
    nx_expect_err(NX_EPERM, nx__dial_unix(&fd, nx_str(link), SOCK_STREAM, 0));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("connecting to unix:%s is not allowed; run with --allow-net=unix:%s",
                           link, link));
    grants_end(&p);
    grants_begin(&p, (const char *const[]){nx_format("--allow-net=unix:%s", real), NULL});
    nx_expect_ok(nx__dial_unix(&fd, nx_str(link), SOCK_STREAM, 0));
    (void)close(fd);
    grants_end(&p);
    grants_begin(&p,
                 (const char *const[]){"--allow-all", nx_format("--deny-net=unix:%s", real), NULL});
    nx_expect_err(NX_EPERM, nx__dial_unix(&fd, nx_str(link), SOCK_STREAM, 0));
    grants_end(&p);
    (void)close(listener);
}

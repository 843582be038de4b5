/* Datagrams: one by one and many at once, segments, ECN, Unix, multicast. */
#include "net_test.h"

#include "net/udp.h"
#include <errno.h>
#include <nexus/fiber.h>
#include <nexus/net.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static nx_udp *open_at(const char *where)
{
    nx_udp *u;
    nx_require_ok(nx_udp_open(&u, where, .read_deadline = NX_S(20)));
    return u;
}

static const char *where_is(const nx_udp *u)
{
    nx_address at = nx_udp_address(u);
    return nx_address_text(&at);
}

static const char *receive(nx_udp *u, nx_address *from)
{
    char *data = nx_alloc(2048);
    size_t got;
    nx_require_ok(nx_udp_receive(u, data, 2047, &got, from));
    data[got] = '\0';
    return data;
}

static bool has_v6(void)
{
    NX_AUTO(nx_udp) *u = NULL;
    return nx_udp_open(&u, "[::1]:0") == NX_OK;
}

NX_TEST("a datagram goes to an address, and its answer back")
{
    static const char *const places[] = {"127.0.0.1:0", "localhost:0", "[::1]:0"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (places[i][0] == '[' && !has_v6()) continue;
        nx_udp *server = open_at(places[i]), *client = open_at(NULL);
        nx_address at = nx_udp_address(server), from, back;
        nx_expect_ok(nx_udp_send(client, nx_str("question"), &at));
        nx_expect_eq(receive(server, &from), "question");
        nx_expect_eq(from.kind,
                     at.kind); /* IPv4 is IPv4, though the client's socket is one of IPv6 */
        nx_expect_ok(nx_udp_send(server, nx_str(""), &from));
        nx_expect_eq(receive(client, &back), "");
        nx_expect_eq(back.port, at.port);
        nx_expect(nx_address_same_host(&back, &at));
        nx_udp_close(server);
        nx_udp_close(client);
    }
}

NX_TEST("a connected socket needs no address, and hears its peer only")
{
    nx_udp *server = open_at("127.0.0.1:0"), *client = open_at(NULL), *other = open_at(NULL);
    nx_address from;
    nx_expect_ok(nx_udp_connect(client, where_is(server)));
    nx_expect_ok(nx_udp_send(client, nx_str("a"), NULL));
    nx_expect_eq(receive(server, &from), "a");
    nx_expect_ok(nx_udp_send(other, nx_str("not heard"), &from));
    nx_expect_ok(nx_udp_send(server, nx_str("b"), &from));
    nx_expect_eq(receive(client, NULL), "b");
    const char *where = where_is(server);
    nx_udp_close(server);
    nx_expect_ok(nx_udp_send(client, nx_str("c"), NULL));
    char byte;
    size_t got;
    nx_expect_err(NX_EREFUSED, nx_udp_receive(client, &byte, 1, &got, NULL));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot receive from \"%s\": connection refused", where));
    nx_udp_close(client);
    nx_udp_close(other);
}

NX_TEST("what has no room is said to be too big")
{
    nx_udp *a = open_at("127.0.0.1:0"), *b = open_at(NULL);
    char room[4];
    size_t got;
    nx_address at = nx_udp_address(a);
    nx_expect_ok(nx_udp_send(b, nx_str("12345"), &at));
    nx_expect_err(NX_ETOOBIG, nx_udp_receive(a, room, 4, &got, NULL));
    nx_expect_contains(nx_error_last()->message, "the datagram has more than 4 bytes");
    nx_expect_eq(got, 4);
    nx_expect(memcmp(room, "1234", 4) == 0);
    char *block = nx_alloc(70000);
    memset(block, 'x', 70000);
    nx_expect_err(NX_ETOOBIG, nx_udp_send(b, nx_slice(block, 70000), &at));
    nx_expect_contains(nx_error_last()->message, nx_format("cannot send to \"%s\"", where_is(a)));
    nx_expect_ok(nx_udp_send(b, nx_slice(block, 65507), &at));
    nx_udp_close(a);
    nx_udp_close(b);
}

enum { MANY = 100, ROOM = 64 };

NX_TEST("many go in one call, and come in few")
{
    nx_udp *a = open_at("127.0.0.1:0"), *b = open_at("127.0.0.1:0");
    nx_datagram *out = nx_alloc_zero(MANY, sizeof *out), *in = nx_alloc_zero(MANY, sizeof *in);
    size_t sent, all = 0;
    for (int i = 0; i < MANY; i++) {
        out[i].data = nx_format("datagram %d", i);
        out[i].len = strlen(out[i].data);
        out[i].peer = nx_udp_address(a);
        in[i].data = nx_alloc(ROOM);
        in[i].len = ROOM;
    }
    nx_expect_ok(nx_udp_send_many(b, out, MANY, &sent));
    nx_expect_eq(sent, (size_t)MANY);
    while (all < MANY) {
        size_t got;
        nx_require_ok(nx_udp_receive_many(a, in + all, MANY - all, &got));
        nx_require(got > 0);
        all += got;
    }
    for (int i = 0; i < MANY; i++) {
        nx_expect(nx_bytes_is(nx_slice(in[i].data, in[i].len), nx_format("datagram %d", i)));
        nx_expect_eq(in[i].peer.port, nx_udp_address(b).port);
        nx_expect_eq(nx_address_text(&in[i].local), "127.0.0.1");
    }
    size_t got;
    nx_expect_ok(nx_udp_receive_many(a, in, 0, &got));
    nx_expect_eq(got, 0);
    nx_udp_close(a);
    nx_udp_close(b);
}

NX_TEST("the error of a batch is that of the first that did not go")
{
    nx_udp *a = open_at("127.0.0.1:0"), *b = open_at("127.0.0.1:0");
    nx_datagram out[3] = {0};
    size_t sent;
    for (int i = 0; i < 3; i++) {
        out[i] = (nx_datagram){.data = "x", .len = 1, .peer = nx_udp_address(a)};
        if (i == 1) out[i].peer = (nx_address){.kind = NX_ADDRESS_UNIX, .path = "/x"};
    }
    nx_expect_err(NX_EINVAL, nx_udp_send_many(b, out, 3, &sent));
    nx_expect_eq(sent, 1);
    nx_expect_contains(nx_error_last()->message, "a Unix address is none of UDP");
    nx_require_ok(nx_address_parse(&out[1].peer, "[::1]:9"));
    nx_expect(nx_udp_send_many(b, out, 3, &sent) != NX_OK);
    nx_expect_eq(sent, 1);
    nx_expect_contains(nx_error_last()->message, "cannot send to \"[::1]:9\"");
    nx_expect_err(NX_EINVAL, nx_udp_send(b, nx_str("x"), NULL));
    nx_expect_contains(nx_error_last()->message, "it is not connected, and no address is given");
    nx_udp_close(a);
    nx_udp_close(b);
}

/* ---- Segments and ECN, by the internal batch */

static struct nx__udp raw_open(const char *host, bool joins, union nx__address *at)
{
    struct nx__udp u;
    socklen_t len = sizeof *at;
    nx_require(nx__address_parse(host, 0, at));
    nx_require_eq(nx__udp_open(&u, at, &(struct nx__udp_how){.joins = joins}), 0);
    nx_require_eq(getsockname(u.fd, &at->any, &len), 0);
    return u;
}

/* Sends `segments` of 1,000 bytes and one of 10, and returns how many datagrams came. */
static unsigned segments_pass(bool splits, bool joins, uint8_t ecn)
{
    enum { SEGMENTS = 5, BYTES = SEGMENTS * 1000 + 10 };
    union nx__address a_at, b_at;
    struct nx__udp a = raw_open("127.0.0.1", joins, &a_at), b = raw_open("127.0.0.1", false, &b_at);
    char *out = nx_alloc(BYTES), *in = nx_alloc(65536 * 8);
    size_t total = 0;
    unsigned count = 0;
    b.splits &= splits;
    for (int i = 0; i < BYTES; i++) out[i] = (char)(i / 7);
    struct nx__packet packet = {
        .data = out, .len = BYTES, .segment = 1000, .ecn = ecn, .peer = a_at};
    nx_require_eq(nx__udp_send(&b, &packet, 1), 1);
    nx_expect_eq(packet.sent, (size_t)BYTES);
    while (total < BYTES) {
        struct nx__packet came[8];
        for (int i = 0; i < 8; i++)
            came[i] = (struct nx__packet){.data = in + i * 65536, .len = 65536};
        int64_t n = nx__udp_receive(&a, came, 8);
        nx_require(n > 0);
        for (int i = 0; i < n; i++) {
            nx_expect(memcmp(came[i].data, out + total, came[i].len) == 0);
            nx_expect_eq(came[i].ecn, ecn);
            nx_expect(!came[i].cut);
            if (came[i].len > 1000)
                nx_expect_eq(came[i].segment, 1000);
            else
                nx_expect_eq(came[i].segment, 0);
            nx_expect_eq(came[i].local.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
            total += came[i].len;
            count++;
        }
    }
    (void)close(a.fd);
    (void)close(b.fd);
    return count;
}

NX_TEST("segments are taken apart by the kernel, or one by one, and come with their ECN bits")
{
    for (uint8_t ecn = 0; ecn < 4; ecn++) {
        nx_expect_eq(segments_pass(true, false, ecn), 6);
        nx_expect_eq(segments_pass(false, false, ecn), 6);
    }
}

NX_TEST("segments come joined where that is asked for")
{
    unsigned count = segments_pass(true, true, 1);
    nx_expect(count >= 1 && count <= 6);
}

NX_TEST("an IPv6 socket has IPv4 peers, with their addresses and ECN bits")
{
    union nx__address a_at, b_at = {0};
    struct nx__udp a = raw_open("127.0.0.1", false, &a_at), b;
    nx_require_eq(nx__udp_open(&b, &b_at, &(struct nx__udp_how){0}), 0);
    if (!b.v6) nx_skip("no IPv6 here");
    char room[16] = "";
    struct nx__packet out = {.data = "hello", .len = 5, .ecn = 2, .peer = a_at},
                      in = {.data = room, .len = sizeof room};
    nx_require(nx__address_parse("127.0.0.1", 0, &out.local));
    nx_require_eq(nx__udp_send(&b, &out, 1), 1);
    nx_require_eq(nx__udp_receive(&a, &in, 1), 1);
    nx_expect_eq(in.ecn, 2);
    nx_expect_eq(in.peer.any.sa_family, AF_INET);
    out = (struct nx__packet){.data = "back", .len = 4, .ecn = 1, .peer = in.peer};
    nx_require_eq(nx__udp_send(&a, &out, 1), 1);
    in = (struct nx__packet){.data = room, .len = sizeof room};
    nx_require_eq(nx__udp_receive(&b, &in, 1), 1);
    nx_expect_eq(in.len, 4);
    nx_expect_eq(in.ecn, 1);
    nx_expect_eq(in.peer.any.sa_family, AF_INET);
    nx_expect_eq(in.peer.v4.sin_port, a_at.v4.sin_port);
    nx_expect_eq(in.local.any.sa_family, AF_INET);
    in = (struct nx__packet){.data = room, .len = sizeof room};
    nx_expect_eq(nx__udp_receive(&b, &in, 1), -EAGAIN);
    (void)close(a.fd);
    (void)close(b.fd);
}

NX_TEST("a packet of too many segments, or too long, does not go")
{
    union nx__address at;
    struct nx__udp a = raw_open("127.0.0.1", false, &at);
    char *data = nx_alloc(70000);
    memset(data, 0, 70000);
    struct nx__packet p = {.data = data, .len = 65, .segment = 1, .peer = at};
    nx_expect_eq(nx__udp_send(&a, &p, 1), -EMSGSIZE);
    p = (struct nx__packet){.data = data, .len = 65508, .segment = 1400, .peer = at};
    nx_expect_eq(nx__udp_send(&a, &p, 1), -EMSGSIZE);
    p = (struct nx__packet){.data = data, .len = 1};
    nx_require(nx__address_parse("::1", 9, &p.peer));
    nx_expect_eq(nx__udp_send(&a, &p, 1), -EAFNOSUPPORT);
    nx_expect_eq(nx__udp_connect(&a, &p.peer), EAFNOSUPPORT);
    (void)close(a.fd);
}

/* ---- Grants */

NX_TEST("each address that is sent to takes a grant, and so does one to be bound at")
{
    struct nx__permissions granted;
    nx_udp *server = open_at("127.0.0.1:0"), *u;
    nx_address at = nx_udp_address(server);
    char *allow = nx_format("--allow-net=%s", where_is(server));
    grants_begin(&granted, (const char *const[]){allow, NULL});
    nx_expect_err(NX_EPERM, nx_udp_open(&u, "127.0.0.1:1"));
    nx_expect_eq(nx_error_last()->message,
                 "listening on 127.0.0.1:1 is not allowed; run with --allow-net=127.0.0.1:1");
    nx_require_ok(nx_udp_open(&u, NULL)); /* a client's own port is nobody's business */
    nx_expect_ok(nx_udp_send(u, nx_str("x"), &at));
    at.port ^= 1;
    nx_expect_err(NX_EPERM, nx_udp_send(u, nx_str("x"), &at));
    nx_expect_eq(
        nx_error_last()->message,
        nx_format("sending to 127.0.0.1:%u is not allowed; run with --allow-net=127.0.0.1:%u",
                  at.port, at.port));
    nx_require_ok(nx_address_parse(&at, "[::1]:5"));
    nx_expect_err(NX_EPERM, nx_udp_send(u, nx_str("x"), &at));
    nx_expect_contains(nx_error_last()->message, "sending to [::1]:5 is not allowed");
    nx_expect_err(NX_EPERM, nx_udp_connect(u, "127.0.0.1:9"));
    nx_expect_ok(nx_udp_connect(u, allow + strlen("--allow-net=")));
    nx_udp_close(server);
    nx_expect_err(NX_EPERM, nx_udp_join(u, "239.1.2.3", NULL));
    nx_expect_eq(nx_error_last()->message,
                 "joining 239.1.2.3 is not allowed; run with --allow-net=239.1.2.3");
    nx_require_ok(nx_udp_open(&server, allow + strlen("--allow-net=")));
    nx_expect_ok(nx_udp_send(u, nx_str("question"), NULL));
    nx_expect_eq(receive(server, &at), "question");
    nx_expect_ok(nx_udp_send(server, nx_str("answer"), &at)); /* who has asked may be answered */
    at.port ^= 1;
    nx_expect_err(NX_EPERM, nx_udp_send(server, nx_str("x"), &at));
    grants_end(&granted);
    grants_begin(&granted, (const char *const[]){"--allow-all", "--deny-net=127.0.0.1", NULL});
    nx_require_ok(nx_address_parse(&at, "[::ffff:127.0.0.1]:5"));
    nx_expect_err(NX_EPERM, nx_udp_send(u, nx_str("x"), &at));
    nx_expect_contains(nx_error_last()->message, "is denied by --deny-net");
    grants_end(&granted);
    nx_udp_close(u);
    nx_udp_close(server);
}

/* ---- Waiting, and the end */

struct receiving {
    nx_udp *udp;
    nx_err err;
};

static nx_err receive_run(void *arg)
{
    struct receiving *r = arg;
    char byte;
    size_t got;
    r->err = nx_udp_receive(r->udp, &byte, 1, &got, NULL);
    return NX_OK;
}

NX_TEST("receiving has a deadline, ends with the socket, and is one fiber's")
{
    nx_udp *u = open_at("127.0.0.1:0");
    struct receiving first = {u, NX_OK}, second = {u, NX_OK};
    nx_fiber *fibers[2];
    char byte;
    size_t got;
    nx_udp_deadline(u, NX_MS(5));
    nx_expect_err(NX_ETIMEDOUT, nx_udp_receive(u, &byte, 1, &got, NULL));
    nx_expect_eq(nx_error_last()->message,
                 "cannot receive from \"127.0.0.1:0\": nothing came before the deadline");
    nx_udp_deadline(u, NX_FOREVER);
    nx_require_ok(nx_spawn(&fibers[0], receive_run, &first));
    nx_require_ok(nx_spawn(&fibers[1], receive_run, &second));
    nx_require_ok(nx_yield());
    nx_udp_stop(u);
    for (int i = 0; i < 2; i++) nx_expect_ok(nx_join(fibers[i]));
    nx_expect_eq(first.err, NX_ECLOSED);
    nx_expect_eq(second.err, NX_ESTATE);
    nx_expect_err(NX_ECLOSED, nx_udp_receive(u, &byte, 1, &got, NULL));
    nx_address at;
    nx_require_ok(nx_address_parse(&at, "127.0.0.1:9"));
    nx_expect_err(NX_ECLOSED, nx_udp_send(u, nx_str("x"), &at));
    nx_expect_err(NX_ECLOSED, nx_udp_connect(u, "127.0.0.1:9"));
    nx_expect_eq(nx_udp_address(u).kind, NX_ADDRESS_NONE);
    nx_udp_close(u);
    nx_udp_close(NULL);
}

NX_TEST("a receiver can be cancelled")
{
    nx_udp *u = open_at("127.0.0.1:0");
    struct receiving r = {u, NX_OK};
    nx_fiber *fiber;
    nx_udp_deadline(u, NX_FOREVER);
    nx_require_ok(nx_spawn(&fiber, receive_run, &r));
    nx_require_ok(nx_yield());
    nx_cancel(fiber);
    nx_expect_ok(nx_join(fiber));
    nx_expect_eq(r.err, NX_ECANCELED);
    nx_udp_close(u);
}

NX_TEST("addresses that no socket can be at are told so")
{
    nx_udp *u, *taken = open_at("127.0.0.1:0");
    nx_expect_err(NX_EINVAL, nx_udp_open(&u, "example.com:1"));
    nx_expect_contains(nx_error_last()->message, "use an IP address or \"localhost\"");
    nx_expect_err(NX_EINVAL, nx_udp_open(&u, "127.0.0.1"));
    nx_expect_err(NX_EINVAL, nx_udp_open(&u, nx_format("unix:/%0200d", 0)));
    nx_expect_contains(nx_error_last()->message, "107 bytes at most");
    nx_expect_err(NX_EADDRINUSE, nx_udp_open(&u, where_is(taken)));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot open \"%s\": address in use", where_is(taken)));
    nx_expect(!u);
    nx_expect_err(NX_EINVAL, nx_udp_connect(taken, "unix:/x"));
    nx_expect_contains(nx_error_last()->message, "the socket is one of UDP");
    nx_expect_err(NX_EINVAL, nx_udp_connect(taken, "nowhere"));
    nx_udp_close(taken);
}

NX_TEST("sockets that agree may share an address")
{
    nx_udp *a, *b;
    nx_require_ok(nx_udp_open(&a, "127.0.0.1:0", .reuse = true, .broadcast = true,
                              .receive_buffer = 50000, .send_buffer = 50000));
    nx_expect_ok(nx_udp_open(&b, where_is(a), .reuse = true));
    nx_expect(nx_udp_fd(b) >= 0);
    nx_udp_close(a);
    nx_udp_close(b);
}

NX_TEST("groups are joined and left")
{
    nx_udp *u, *sender = open_at(NULL);
    nx_require_ok(nx_udp_open(&u, "0.0.0.0:0", .read_deadline = NX_S(20)));
    if (nx_udp_join(u, "239.255.77.1", "lo")) nx_skip("no multicast here");
    nx_address group;
    nx_require_ok(nx_address_parse(&group, nx_format("239.255.77.1:%u", nx_udp_address(u).port)));
    struct ip_mreqn lo = {.imr_ifindex = 1};
    if (setsockopt(nx_udp_fd(sender), IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo) == 0 &&
        nx_udp_send(sender, nx_str("all"), &group) == NX_OK)
        nx_expect_eq(receive(u, NULL), "all");
    nx_expect_ok(nx_udp_leave(u, "239.255.77.1", "lo"));
    nx_expect(nx_udp_leave(u, "239.255.77.1", "lo") != NX_OK);
    nx_expect_contains(nx_error_last()->message, "cannot leave \"239.255.77.1\"");
    nx_expect_err(NX_EINVAL, nx_udp_join(u, "239.255.77.1", "no-such-interface"));
    nx_expect_contains(nx_error_last()->message, "there is no interface \"no-such-interfa");
    nx_expect_err(NX_EINVAL, nx_udp_join(u, "somewhere", NULL));
    nx_expect_err(NX_EINVAL, nx_udp_join(u, "127.0.0.1", NULL));
    nx_udp_close(u);
    nx_udp_close(sender);
}

/* ---- Unix */

NX_TEST("Unix datagrams know whom they are from")
{
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_udp *a = open_at("unix:a.sock"), *b = open_at("unix:b.sock");
    nx_address to = nx_udp_address(a), from;
    nx_expect_eq(to.path, "a.sock");
    nx_expect_ok(nx_udp_send(b, nx_str("question"), &to));
    nx_expect_eq(receive(a, &from), "question");
    nx_expect_eq(from.path, "b.sock");
    nx_expect_ok(nx_udp_connect(a, "unix:b.sock"));
    nx_expect_ok(nx_udp_send(a, nx_str("answer"), NULL));
    nx_expect_eq(receive(b, NULL), "answer");
    nx_expect_err(NX_EINVAL, nx_udp_send(b, nx_str("x"), NULL));
    nx_require_ok(nx_address_parse(&to, "127.0.0.1:1"));
    nx_expect_err(NX_EINVAL, nx_udp_send(b, nx_str("x"), &to));
    nx_require_ok(nx_address_parse(&to, "unix:/no/such.sock"));
    nx_expect_err(NX_ENOENT, nx_udp_send(b, nx_str("x"), &to));
    nx_expect_err(NX_ENOENT, nx_udp_connect(b, "unix:/no/such.sock"));
    nx_expect_err(NX_EINVAL, nx_udp_connect(b, "127.0.0.1:1"));
    nx_expect_err(NX_EINVAL, nx_udp_join(b, "239.1.2.3", NULL));
    nx_udp *again;
    nx_expect_err(NX_EADDRINUSE, nx_udp_open(&again, "unix:a.sock"));
    nx_udp_close(a);
    nx_udp_close(b);
    nx_expect_eq(access("a.sock", F_OK), -1);
    const char *name = nx_format("unix:@nexus-udp-%d", (int)getpid());
    a = open_at(name);
    nx_expect_eq(nx_udp_address(a).path, name + strlen("unix:"));
    nx_udp_close(a);
}

static nx_err drain_run(void *arg)
{
    for (int i = 0; i < 1000; i++) NX_TRY(receive(arg, NULL) ? NX_OK : NX_EFAILED);
    return NX_OK;
}

NX_TEST("a receiver that is slow is waited for")
{
    nx_require_eq(chdir(nx_test_dir()), 0);
    nx_udp *a = open_at("unix:slow.sock"), *b = open_at("unix:quick.sock");
    nx_fiber *fiber;
    nx_expect_ok(nx_udp_connect(b, "unix:slow.sock"));
    nx_require_ok(nx_spawn(&fiber, drain_run, a));
    for (int i = 0; i < 1000; i++) nx_require_ok(nx_udp_send(b, nx_str("x"), NULL));
    nx_expect_ok(nx_join(fiber));
    nx_udp_close(a);
    nx_udp_close(b);
}

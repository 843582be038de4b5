/* Connections and listeners: streams of both directions, half-close, deadlines, the end. */
#include "net_test.h"
#include "valgrind.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/net.h>
#include <nexus/runtime.h>
#include <nexus/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two ends of one connection. */
struct pair {
    nx_listener *listener;
    nx_conn *client, *server;
};

static struct pair pair_make(const char *where)
{
    struct pair p = {0};
    nx_require_ok(nx_net_listen(&p.listener, where));
    nx_address at = nx_listener_address(p.listener);
    nx_require_ok(nx_net_connect(&p.client, nx_address_text(&at)));
    nx_require_ok(nx_net_accept(p.listener, &p.server));
    return p;
}

static void pair_end(struct pair *p)
{
    nx_conn_close(p->client);
    nx_conn_close(p->server);
    nx_listener_close(p->listener);
}

static nx_err say(nx_conn *conn, const char *text)
{
    return nx_stream_write(nx_net_stream(conn), nx_str(text));
}

static const char *hear(nx_conn *conn)
{
    nx_bytes all;
    nx_require_ok(nx_stream_read_all(nx_net_stream(conn), 1 << 20, &all));
    return all.data;
}

static bool has_v6(void)
{
    NX_AUTO(nx_listener) *l = NULL;
    return nx_net_listen(&l, "[::1]:0") == NX_OK;
}

/* A name that no other test has, be it in another tree. */
static const char *own_name(void)
{
    return nx_format("unix:@nexus-net-%d", (int)getpid());
}

static const char *const places[] = {"127.0.0.1:0", "localhost:0", "[::1]:0", NULL /* own_name */,
                                     "unix:net.sock"};
enum { PLACES = sizeof places / sizeof *places };

NX_TEST("both ends read and write, and end each direction by itself")
{
    nx_require_eq(chdir(nx_test_dir()), 0);
    for (int i = 0; i < PLACES; i++) {
        const char *place = places[i] ? places[i] : own_name();
        if (place[0] == '[' && !has_v6()) continue;
        struct pair p = pair_make(place);
        nx_expect_ok(say(p.client, "question"));
        nx_expect_ok(nx_stream_finish(nx_net_stream(p.client)));
        nx_expect_eq(hear(p.server), "question");
        nx_expect_ok(say(p.server, "answer"));
        nx_expect_ok(nx_stream_finish(nx_net_stream(p.server)));
        nx_expect_eq(hear(p.client), "answer");
        pair_end(&p);
    }
    nx_expect_eq(access("net.sock", F_OK), -1); /* removed with the listener */
}

NX_TEST("both ends know both addresses")
{
    struct pair p = pair_make("127.0.0.1:0");
    nx_address at = nx_listener_address(p.listener), client = nx_net_local(p.client),
               peer = nx_net_peer(p.client), server = nx_net_local(p.server);
    nx_expect_eq(at.kind, NX_ADDRESS_V4);
    nx_expect(at.port > 0);
    nx_expect_eq(peer.port, at.port);
    nx_expect_eq(server.port, at.port);
    nx_expect_eq(nx_net_peer(p.server).port, client.port);
    nx_expect(nx_address_same_host(&client, &peer));
    nx_expect_eq(nx_address_text(&at), nx_format("127.0.0.1:%u", at.port));
    nx_stream_close(nx_net_stream(p.client));
    nx_expect_eq(nx_net_local(p.client).port, client.port); /* known after the end */
    nx_expect_eq(nx_net_fd(p.client), -1);
    pair_end(&p);

    const char *name = own_name();
    p = pair_make(name);
    nx_expect_eq(nx_net_peer(p.client).path, name + strlen("unix:"));
    nx_expect_eq(nx_net_peer(p.server).path, "");
    nx_expect_eq(nx_net_peer(p.server).kind, NX_ADDRESS_UNIX);
    pair_end(&p);
}

static int option(const nx_conn *conn, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    nx_require_eq(getsockopt(nx_net_fd(conn), level, name, &value, &len), 0);
    return value;
}

NX_TEST("the options reach the socket, on both sides")
{
    NX_AUTO(nx_listener) *l = NULL;
    nx_conn *c, *s;
    nx_require_ok(nx_net_listen(&l, "127.0.0.1:0", .keep_alive = NX_S(7), .receive_buffer = 20000,
                                .send_buffer = 30000, .delay = true));
    nx_address at = nx_listener_address(l);
    const char *where = nx_address_text(&at);
    nx_require_ok(nx_net_connect(&c, where));
    nx_require_ok(nx_net_accept(l, &s));
    nx_expect_eq(option(c, IPPROTO_TCP, TCP_NODELAY), 1);
    nx_expect_eq(option(c, SOL_SOCKET, SO_KEEPALIVE), 1);
    nx_expect_eq(option(c, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    nx_expect_eq(option(s, IPPROTO_TCP, TCP_NODELAY), 0);
    nx_expect_eq(option(s, IPPROTO_TCP, TCP_KEEPIDLE), 7);
    nx_expect_eq(option(s, SOL_SOCKET, SO_RCVBUF), 40000);
    nx_expect_eq(option(s, SOL_SOCKET, SO_SNDBUF), 60000);
    nx_expect(fcntl(nx_net_fd(s), F_GETFL) & O_NONBLOCK);
    nx_conn_close(c);
    nx_conn_close(s);

    nx_require_ok(nx_net_connect(&c, where, .keep_alive = NX_FOREVER, .delay = true,
                                 .receive_buffer = UINT32_MAX, .from = "127.0.0.2"));
    nx_require_ok(nx_net_accept(l, &s));
    nx_expect_eq(option(c, SOL_SOCKET, SO_KEEPALIVE), 0);
    nx_expect_eq(option(c, IPPROTO_TCP, TCP_NODELAY), 0);
    nx_address from = nx_net_peer(s);
    from.port = 0;
    nx_expect_eq(nx_address_text(&from), "127.0.0.2");
    nx_conn_close(c);
    nx_conn_close(s);
    nx_expect_err(NX_EINVAL, nx_net_connect(&c, where, .from = "example.com"));
    nx_expect_eq(nx_error_last()->message,
                 "cannot connect from \"example.com\": it is no IP address");
    nx_expect(nx_net_connect(&c, where, .from = "::1") != NX_OK);
}

NX_TEST("addresses that are none are told so")
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"example.com", "there is no port"}, {":80", "there is no host"},
        {"", "expected host:port"},          {"a b:1", "expected host:port"},
        {"[::1]:x", "expected host:port"},   {"127.0.0.1:65536", "expected host:port"},
        {"\033[31m:1", "\"?[31m:1\""},       {NULL, "there is no address"},
    };
    nx_conn *c;
    nx_listener *l;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_err(NX_EINVAL, nx_net_connect(&c, rows[i].text));
        nx_expect_contains(nx_error_last()->message, rows[i].why);
        nx_expect(!c);
        nx_expect_err(NX_EINVAL, nx_net_listen(&l, rows[i].text));
        nx_expect_contains(nx_error_last()->message, rows[i].why);
        nx_expect(!l);
    }
    nx_expect_err(NX_EINVAL, nx_net_listen(&l, "example.com:80"));
    nx_expect_contains(nx_error_last()->message, "use an IP address");
}

NX_TEST("what cannot be connected to or listened on is named")
{
    struct pair p = pair_make("127.0.0.1:0");
    nx_address at = nx_listener_address(p.listener);
    const char *where = nx_address_text(&at);
    nx_listener *l;
    nx_conn *c;
    nx_expect_err(NX_EADDRINUSE, nx_net_listen(&l, where));
    nx_expect_contains(nx_error_last()->message,
                       nx_format("cannot listen on %s: address in use", where));
    pair_end(&p);
    nx_expect_err(NX_EREFUSED, nx_net_connect(&c, where));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot connect to \"%s\": connection refused", where));
    nx_expect_err(NX_ENOENT, nx_net_connect(&c, "unix:/no/such.sock"));
}

NX_TEST("without a grant nothing is connected to or listened on")
{
    struct nx__permissions granted;
    nx_listener *l;
    nx_conn *c;
    grants_begin(&granted, (const char *const[]){"--allow-net=127.0.0.1:1", NULL});
    nx_expect_err(NX_EPERM, nx_net_listen(&l, "127.0.0.1:2"));
    nx_expect_eq(nx_error_last()->message,
                 "listening on 127.0.0.1:2 is not allowed; run with --allow-net=127.0.0.1:2");
    nx_expect_err(NX_EPERM, nx_net_connect(&c, "127.0.0.1:2"));
    nx_expect_err(NX_EPERM, nx_net_connect(&c, "unix:/run/a.sock"));
    nx_expect_eq(
        nx_error_last()->message,
        "connecting to unix:/run/a.sock is not allowed; run with --allow-net=unix:/run/a.sock");
    grants_end(&granted);
}

/* ---- Many bytes */

enum { MANY = 8 << 20 };

static nx_err echo(nx_conn *conn, void *arg)
{
    nx_stream *source, *sink;
    (void)arg;
    NX_TRY(nx_stream_split(nx_net_stream(conn), &source, &sink));
    return nx_pipe(source, sink);
}

static nx_err serve_run(void *arg)
{
    return nx_net_serve(arg, echo, NULL);
}

static nx_err many_send(void *arg)
{
    char *block = nx_alloc(1 << 16);
    for (size_t n = 0; n < MANY; n += 1 << 16) {
        memset(block, (int)(n >> 16), 1 << 16);
        NX_TRY(nx_stream_write(arg, nx_slice(block, 1 << 16)));
    }
    return nx_stream_finish(arg);
}

NX_TEST("a server echoes what many send, each in a fiber, until it is to stop")
{
    enum { CLIENTS = 3 };
    NX_AUTO(nx_listener) *l = NULL;
    nx_fiber *server, *senders[CLIENTS];
    nx_conn *conns[CLIENTS];
    char *block = nx_alloc(1 << 16);
    nx_require_ok(nx_net_listen(&l, "127.0.0.1:0"));
    nx_require_ok(nx_spawn(&server, serve_run, l));
    nx_address at = nx_listener_address(l);
    for (int i = 0; i < CLIENTS; i++) {
        nx_require_ok(nx_net_connect(&conns[i], nx_address_text(&at)));
        nx_require_ok(nx_spawn(&senders[i], many_send, nx_net_stream(conns[i])));
    }
    for (int i = 0; i < CLIENTS; i++) {
        size_t got, all = 0;
        bool same = true;
        do {
            nx_require_ok(nx_stream_read(nx_net_stream(conns[i]), block, 1 << 16, &got));
            for (size_t k = 0; k < got; k++) same &= block[k] == (char)((all + k) >> 16);
            all += got;
        } while (got);
        nx_expect(same);
        nx_expect_eq(all, (size_t)MANY);
        nx_expect_ok(nx_join(senders[i]));
        nx_conn_close(conns[i]);
    }
    nx_listener_stop(l);
    nx_expect_ok(nx_join(server));
    nx_conn *late;
    nx_expect_err(NX_ECLOSED, nx_net_accept(l, &late));
    nx_expect_contains(nx_error_last()->message, "has stopped listening");
    nx_expect_err(NX_EREFUSED, nx_net_connect(&late, nx_address_text(&at)));
}

/* ---- Deadlines and ends */

static nx_err read_once(nx_conn *conn)
{
    char byte;
    size_t got;
    return nx_stream_read(nx_net_stream(conn), &byte, 1, &got);
}

NX_TEST("a read and a write have their deadlines")
{
    struct pair p = pair_make("127.0.0.1:0");
    nx_address at = nx_listener_address(p.listener);
    char *block = nx_alloc(1 << 20);
    memset(block, 0, 1 << 20);
    nx_net_deadlines(p.client, NX_MS(10), NX_MS(10));
    nx_expect_err(NX_ETIMEDOUT, read_once(p.client));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot read from \"%s\": nothing came before the deadline",
                           nx_address_text(&at)));
    nx_err err = NX_OK;
    for (int i = 0; i < 64 && !err; i++)
        err = nx_stream_write(nx_net_stream(p.client), nx_slice(block, 1 << 20));
    nx_expect_err(NX_ETIMEDOUT, err);
    nx_expect_contains(nx_error_last()->message, "the peer took nothing before the deadline");
    nx_net_deadlines(p.server, NX_FOREVER, 0);
    nx_expect_ok(read_once(p.server));
    pair_end(&p);
}

NX_TEST("a reset is told to who reads and who writes")
{
    struct pair p = pair_make("127.0.0.1:0");
    nx_address from = nx_net_peer(p.server);
    nx_conn_reset(p.client);
    p.client = NULL;
    nx_expect_err(NX_ERESET, read_once(p.server));
    nx_expect_eq(nx_error_last()->message,
                 nx_format("cannot read from \"%s\": connection reset", nx_address_text(&from)));
    nx_expect_err(NX_ERESET, say(p.server, "x"));
    nx_expect_contains(nx_error_last()->message, "cannot write to");
    pair_end(&p);
}

struct reading {
    nx_conn *conn;
    nx_err err;
};

static nx_err read_run(void *arg)
{
    struct reading *r = arg;
    r->err = read_once(r->conn);
    return NX_OK;
}

NX_TEST("who waits is sent out when another fiber stops the connection, or cancels him")
{
    struct pair p = pair_make("127.0.0.1:0");
    struct reading first = {p.client, NX_OK}, second = {p.client, NX_OK}, third = {p.server, NX_OK};
    nx_fiber *fibers[3];
    nx_require_ok(nx_spawn(&fibers[0], read_run, &first));
    nx_require_ok(nx_spawn(&fibers[1], read_run, &second));
    nx_require_ok(nx_spawn(&fibers[2], read_run, &third));
    nx_require_ok(nx_sleep(NX_MS(1)));
    nx_conn_stop(p.client);
    nx_cancel(fibers[2]);
    for (int i = 0; i < 3; i++) nx_expect_ok(nx_join(fibers[i]));
    nx_expect_eq(first.err, NX_ECLOSED);
    nx_expect_eq(second.err, NX_ESTATE); /* one reads already */
    nx_expect_eq(third.err, NX_ECANCELED);
    nx_expect_err(NX_ECLOSED, say(p.client, "x"));
    nx_expect_err(NX_ECLOSED, nx_stream_finish(nx_net_stream(p.client)));
    pair_end(&p);
}

struct sending {
    const char *path;
    nx_conn *conn;
};

static nx_err send_file(void *arg)
{
    const struct sending *s = arg;
    return nx_pipe(nx_fs_reader(s->path), nx_net_stream(s->conn));
}

/* By the kernel, which knows neither. */
NX_TEST("a file that is sent keeps to the deadline, and ends with the connection")
{
    struct pair p = pair_make("127.0.0.1:0");
    struct sending sending = {nx_format("%s/large", nx_test_dir()), p.client};
    nx_fiber *sender;
    nx_require_ok(nx_fs_write_file(sending.path, nx_str("")));
    nx_require_ok(nx_fs_truncate(sending.path, (uint64_t)256 << 20));
    nx_net_deadlines(p.client, 0, NX_MS(10));
    nx_expect_err(NX_ETIMEDOUT, send_file(&sending));
    nx_expect_contains(nx_error_last()->message, "the peer took nothing before the deadline");
    pair_end(&p);
    p = pair_make("127.0.0.1:0");
    sending.conn = p.client;
    nx_require_ok(nx_spawn(&sender, send_file, &sending));
    nx_require_ok(nx_sleep(NX_MS(20))); /* it waits by then, most times */
    nx_conn_stop(p.client);
    nx_expect_err(NX_ECLOSED, nx_join(sender));
    pair_end(&p);
}

NX_TEST("the stream and the connection may be closed in any order")
{
    nx_stream *source, *sink;
    struct pair p = pair_make("127.0.0.1:0");
    nx_stream_close(nx_net_stream(p.client));
    nx_stream *gone = nx_net_stream(p.client);
    nx_expect_err(NX_ECLOSED, nx_stream_write(gone, nx_str("x")));
    nx_stream_close(gone);
    nx_require_ok(nx_stream_split(nx_net_stream(p.server), &source, &sink));
    nx_conn_close(p.server);
    p.server = NULL;
    nx_expect_err(NX_ECLOSED, nx_stream_write(sink, nx_str("x")));
    nx_stream_close(source);
    nx_stream_close(sink);
    pair_end(&p);
    p = pair_make("127.0.0.1:0");
    nx_stream *both = nx_concat(nx_net_stream(p.server), nx_memory_reader(nx_str("x")));
    pair_end(&p);
    char byte;
    nx_expect_err(NX_ECLOSED, nx_stream_read_exact(both, &byte, 1));
    nx_stream_close(both);
    nx_conn_close(NULL);
    nx_conn_reset(NULL);
    nx_listener_close(NULL);
}

static nx_err accept_run(void *arg)
{
    NX_AUTO(nx_conn) *conn = NULL;
    return nx_net_accept(arg, &conn);
}

NX_TEST("one fiber accepts at a time")
{
    NX_AUTO(nx_listener) *l = NULL;
    nx_fiber *fiber;
    nx_conn *conn;
    nx_require_ok(nx_net_listen(&l, "127.0.0.1:0"));
    nx_require_ok(nx_spawn(&fiber, accept_run, l));
    nx_require_ok(nx_yield());
    nx_expect_err(NX_ESTATE, nx_net_accept(l, &conn));
    nx_listener_stop(l);
    nx_expect_err(NX_ECLOSED, nx_join(fiber));
}

NX_TEST("a listener waits for a descriptor where there is none")
{
    NX_AUTO(nx_listener) *l = NULL;
    nx_conn *client;
    nx_fiber *fiber;
    struct rlimit before, none;
    if (under_valgrind()) nx_skip("valgrind has a limit of descriptors of its own");
    nx_require_ok(nx_net_listen(&l, "127.0.0.1:0"));
    nx_address at = nx_listener_address(l);
    nx_require_ok(nx_net_connect(&client, nx_address_text(&at)));
    nx_require_ok(nx_spawn(&fiber, accept_run, l));
    nx_require_ok(nx_join(fiber)); /* the loop has made what it needs by now */
    nx_conn *more;
    nx_require_ok(nx_net_connect(&more, nx_address_text(&at)));
    nx_require_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    int next = dup(nx_net_fd(client)); /* the lowest that is free */
    nx_require(next >= 0);
    (void)close(next);
    none.rlim_cur = (rlim_t)next;
    nx_require_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    nx_require_ok(nx_spawn(&fiber, accept_run, l));
    nx_require_ok(nx_sleep(NX_MS(5)));
    nx_conn *refused;
    nx_expect_err(NX_EMFILE, nx_net_connect(&refused, nx_address_text(&at)));
    nx_expect_contains(nx_error_last()->message, "too many open files");
    nx_require_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    nx_expect_ok(nx_join(fiber));
    nx_conn_close(client);
    nx_conn_close(more);
}

/* ---- Serving */

static int held; /* connections that have come to hold() */

static nx_err hold(nx_conn *conn, void *arg)
{
    int *cancelled = arg;
    held++;
    nx_err err = read_once(conn);
    if (err == NX_ECANCELED) ++*cancelled;
    return err;
}

struct serving {
    nx_listener *listener;
    nx_conn_fn fn;
    int cancelled;
};

static nx_err hold_run(void *arg)
{
    struct serving *s = arg;
    return nx_net_serve(s->listener, s->fn, &s->cancelled);
}

NX_TEST("what is open at the drain deadline is cancelled")
{
    struct serving s = {.fn = hold};
    nx_fiber *fiber;
    nx_conn *client;
    nx_require_ok(nx_net_listen(&s.listener, "127.0.0.1:0", .drain_deadline = NX_MS(20)));
    nx_address at = nx_listener_address(s.listener);
    nx_require_ok(nx_spawn(&fiber, hold_run, &s));
    nx_require_ok(nx_net_connect(&client, nx_address_text(&at)));
    while (!held) nx_require_ok(nx_sleep(NX_MS(1)));
    nx_listener_stop(s.listener);
    nx_expect_ok(nx_join(fiber));
    nx_expect_eq(s.cancelled, 1);
    nx_conn_close(client);
    nx_listener_close(s.listener);
}

NX_TEST("more connections than allowed wait for one to end")
{
    struct serving s = {.fn = hold};
    nx_fiber *fiber;
    nx_conn *first, *second;
    nx_require_ok(nx_net_listen(&s.listener, "127.0.0.1:0", .max_connections = 1));
    nx_address at = nx_listener_address(s.listener);
    nx_require_ok(nx_spawn(&fiber, hold_run, &s));
    nx_require_ok(nx_net_connect(&first, nx_address_text(&at)));
    nx_require_ok(nx_net_connect(&second, nx_address_text(&at)));
    nx_net_deadlines(second, NX_MS(30), 0);
    nx_expect_ok(say(second, "x"));
    nx_expect_err(NX_ETIMEDOUT, read_once(second)); /* nobody has taken it yet */
    nx_conn_close(first);
    nx_net_deadlines(second, NX_FOREVER, 0);
    nx_expect_ok(read_once(second)); /* its end, once it was served */
    nx_conn_close(second);
    nx_listener_stop(s.listener);
    nx_expect_ok(nx_join(fiber));
    nx_listener_close(s.listener);
}

NX_TEST("a server can be cancelled")
{
    struct serving s = {.fn = hold};
    nx_fiber *fiber;
    nx_conn *client;
    nx_require_ok(nx_net_listen(&s.listener, "127.0.0.1:0"));
    nx_address at = nx_listener_address(s.listener);
    nx_require_ok(nx_spawn(&fiber, hold_run, &s));
    nx_require_ok(nx_net_connect(&client, nx_address_text(&at)));
    while (!held) nx_require_ok(nx_sleep(NX_MS(1)));
    nx_cancel(fiber);
    nx_expect_err(NX_ECANCELED, nx_join(fiber));
    nx_expect_eq(s.cancelled, 1);
    nx_conn_close(client);
    nx_listener_close(s.listener);
}

/* ---- Link-local addresses */

/* One of this machine's, with its zone; NULL: there is none. */
static const char *link_local(void)
{
    struct ifaddrs *all = NULL;
    const char *found = NULL;
    if (getifaddrs(&all) != 0) return NULL;
    for (const struct ifaddrs *it = all; it && !found; it = it->ifa_next) {
        if (!it->ifa_addr || it->ifa_addr->sa_family != AF_INET6) continue;
        nx_address a = {.kind = NX_ADDRESS_V6};
        struct sockaddr_in6 own;
        memcpy(&own, it->ifa_addr, sizeof own);
        if (!IN6_IS_ADDR_LINKLOCAL(&own.sin6_addr)) continue;
        memcpy(a.ip, &own.sin6_addr, sizeof a.ip);
        a.scope = own.sin6_scope_id;
        found = nx_address_text(&a);
    }
    freeifaddrs(all);
    return found;
}

NX_TEST("a link-local address is connected to on its link, by the grant of that")
{
    const char *host = link_local();
    if (!host) nx_skip("no interface here has a link-local IPv6 address");
    nx_require(strchr(host, '%') != NULL);
    struct pair p = pair_make(nx_format("[%s]:0", host));
    nx_expect_ok(say(p.client, "on the link"));
    nx_expect_ok(nx_stream_finish(nx_net_stream(p.client)));
    nx_expect_eq(hear(p.server), "on the link");
    nx_address peer = nx_net_peer(p.client);
    nx_expect(peer.scope != 0);
    nx_expect_eq(nx_address_text(&peer), nx_format("[%s]:%u", host, peer.port));
    pair_end(&p);

    NX_AUTO(nx_listener) *l = NULL;
    struct nx__permissions granted;
    grants_begin(&granted, (const char *const[]){nx_format("--allow-net=[%s]", host), NULL});
    nx_expect_ok(nx_net_listen(&l, nx_format("[%s]:0", host)));
    grants_end(&granted);
    grants_begin(&granted, (const char *const[]){"--allow-net=[fe80::1%lo]", NULL});
    nx_expect_err(NX_EPERM, nx_net_connect(&p.client, "[fe80::1%999999]:1"));
    grants_end(&granted);
}

/* ---- Listeners side by side */

struct acceptor {
    nx_listener *listener;
    nx_fiber *fiber;
    int count;
};

static nx_err accept_all(void *arg)
{
    struct acceptor *a = arg;
    nx_conn *conn;
    while (nx_net_accept(a->listener, &conn) == NX_OK) {
        a->count++;
        nx_conn_close(conn);
    }
    return NX_OK;
}

NX_TEST("listeners that agree share an address, and each gets its part of the connections")
{
    enum { LISTENERS = 3, CONNECTIONS = 200 };
    struct acceptor a[LISTENERS] = {0};
    nx_listener *other;
    nx_require_ok(nx_net_listen(&a[0].listener, "127.0.0.1:0", .reuse = true));
    nx_address at = nx_listener_address(a[0].listener);
    const char *where = nx_address_text(&at);
    for (int i = 1; i < LISTENERS; i++)
        nx_require_ok(nx_net_listen(&a[i].listener, where, .reuse = true));
    nx_expect_err(NX_EADDRINUSE, nx_net_listen(&other, where));
    for (int i = 0; i < LISTENERS; i++) nx_require_ok(nx_spawn(&a[i].fiber, accept_all, &a[i]));
    for (int i = 0; i < CONNECTIONS; i++) {
        nx_conn *conn = NULL;
        nx_require_ok(nx_net_connect(&conn, where));
        nx_conn_close(conn);
    }
    while (a[0].count + a[1].count + a[2].count < CONNECTIONS) nx_require_ok(nx_sleep(NX_MS(1)));
    for (int i = 0; i < LISTENERS; i++) {
        nx_expect(a[i].count > 0); /* 200 of 200 to others: once in 10^35 */
        nx_listener_stop(a[i].listener);
        nx_expect_ok(nx_join(a[i].fiber));
        nx_listener_close(a[i].listener);
    }
}

/* ---- Descriptors */

NX_TEST("descriptors go with bytes over a Unix socket, and are the receiver's")
{
    struct pair p = pair_make(own_name());
    int pipes[2], came[4];
    char data[64];
    size_t got, count = 4;
    nx_require_eq(pipe(pipes), 0);
    nx_require_ok(nx_net_send_fds(p.client, nx_str("a pipe"), pipes, 2));
    nx_require_ok(nx_net_receive_fds(p.server, data, sizeof data, &got, came, &count));
    nx_expect_eq(nx_slice(data, got), "a pipe");
    nx_require_eq(count, (size_t)2);
    nx_expect_eq(fcntl(came[0], F_GETFD), FD_CLOEXEC);
    nx_expect_eq(write(came[1], "x", 1), (ssize_t)1);
    nx_expect_eq(read(pipes[0], data, 1), (ssize_t)1);
    (void)close(came[0]);
    (void)close(came[1]);

    /* Bytes alone; more than there is room for; what comes to a plain read. */
    nx_require_ok(nx_stream_write(nx_net_stream(p.client), nx_str("plain")));
    count = 4;
    nx_require_ok(nx_net_receive_fds(p.server, data, sizeof data, &got, came, &count));
    nx_expect_eq(nx_slice(data, got), "plain");
    nx_expect_eq(count, (size_t)0);
    nx_require_ok(nx_net_send_fds(p.client, nx_str("too many"), pipes, 2));
    count = 1;
    nx_expect_err(NX_ETOOBIG, nx_net_receive_fds(p.server, data, sizeof data, &got, came, &count));
    nx_expect_eq(count, (size_t)0);
    nx_expect_eq(got, (size_t)8);
    nx_require_ok(nx_net_send_fds(p.client, nx_str("unasked"), &pipes[1], 1));
    (void)close(pipes[1]);
    nx_require_ok(nx_stream_read(nx_net_stream(p.server), data, sizeof data, &got));
    nx_expect_eq(read(pipes[0], data, 1), (ssize_t)0); /* nobody has its other end */

    /* What can't be. */
    nx_expect_err(NX_EINVAL, nx_net_send_fds(p.client, nx_str(""), pipes, 1));
    nx_expect_err(NX_EINVAL, nx_net_send_fds(p.client, nx_str("x"), pipes, 0));
    nx_expect_err(NX_EINVAL, nx_net_send_fds(p.client, nx_str("x"), pipes, NX_NET_FDS_MOST + 1));
    nx_expect(nx_net_send_fds(p.client, nx_str("x"), (int[]){-1}, 1) != NX_OK);
    (void)close(pipes[0]);

    /* The end, and after it. */
    nx_expect_ok(nx_stream_finish(nx_net_stream(p.client)));
    count = 1;
    nx_require_ok(nx_net_receive_fds(p.server, data, sizeof data, &got, came, &count));
    nx_expect_eq(got, (size_t)0);
    nx_conn_stop(p.server);
    count = 1;
    nx_expect_err(NX_ECLOSED, nx_net_receive_fds(p.server, data, sizeof data, &got, came, &count));
    nx_expect_err(NX_ECLOSED, nx_net_send_fds(p.server, nx_str("x"), (int[]){0}, 1));
    pair_end(&p);

    p = pair_make("127.0.0.1:0");
    nx_expect_err(NX_EINVAL, nx_net_send_fds(p.client, nx_str("x"), (int[]){0}, 1));
    nx_expect_contains(nx_error_last()->message, "Unix sockets only");
    pair_end(&p);
}

struct large {
    nx_conn *conn;
    nx_bytes data;
    int fd;
};

static nx_err large_send(void *arg)
{
    const struct large *l = arg;
    return nx_net_send_fds(l->conn, l->data, &l->fd, 1);
}

NX_TEST("a large message with a descriptor waits for room, and brings it once")
{
    enum { LARGE = 4 << 20 };
    struct pair p = pair_make(own_name());
    struct large l = {p.client, nx_slice(nx_alloc_zero(1, LARGE), LARGE), STDERR_FILENO};
    nx_fiber *fiber;
    size_t total = 0, fds = 0;
    char *data = nx_alloc(65536);
    nx_require(l.data.data && data);
    nx_require_ok(nx_spawn(&fiber, large_send, &l));
    while (total < LARGE) {
        int came[2];
        size_t got, count = 2;
        nx_require_ok(nx_net_receive_fds(p.server, data, 65536, &got, came, &count));
        nx_require(got > 0);
        total += got;
        for (size_t i = 0; i < count; i++) (void)close(came[i]);
        fds += count;
    }
    nx_expect_eq(fds, (size_t)1);
    nx_expect_ok(nx_join(fiber));
    pair_end(&p);
}

/* ---- Addresses */

NX_TEST("addresses are read and spelled")
{
    static const struct {
        const char *text, *spelled;
    } rows[] = {
        {"127.0.0.1:80", NULL},
        {"127.0.0.1", NULL},
        {"[::1]:80", NULL},
        {"::1", NULL},
        {"[2001:db8::1]", "2001:db8::1"},
        {"LOCALHOST:1", "127.0.0.1:1"},
        {"unix:/tmp/a.sock", NULL},
        {"unix:@name", NULL},
        {"::ffff:1.2.3.4", NULL},
        {"fe80::1%lo", NULL},
        {"[fe80::1%lo]:80", NULL},
        {"[FE80::1%1]:80", "[fe80::1%lo]:80"}, /* the first interface is lo in each namespace */
        {"[ff02::fb%lo]:5353", NULL},
        {"[fe80::1%999999]:80", NULL}, /* no such interface: there may be one */
    };
    nx_address a, b;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_ok(nx_address_parse(&a, rows[i].text));
        nx_expect_eq(nx_address_text(&a), rows[i].spelled ? rows[i].spelled : rows[i].text);
    }
    static const char *const wrong[] = {
        "",      "example.com",  ":80",    "127.0.0.1:x",        "1.2.3",           "[::1",
        "unix:", "[fe80::1%]:1", "::1%lo", "[fe80::1%nobody]:1", "[fe80::1%lo%lo]", "1.2.3.4%lo"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nx_expect_err(NX_EINVAL, nx_address_parse(&a, wrong[i]));
        nx_expect_eq(a.kind, NX_ADDRESS_NONE);
    }
    nx_expect_err(NX_EINVAL, nx_address_parse(&a, nx_format("unix:/%0200d", 0)));
    nx_expect_eq(nx_address_text(&a), "");

    nx_require_ok(nx_address_parse(&a, "10.0.0.1:1"));
    nx_require_ok(nx_address_parse(&b, "[::ffff:10.0.0.1]:2"));
    nx_expect(nx_address_same_host(&a, &b));
    nx_require_ok(nx_address_parse(&b, "10.0.0.2:1"));
    nx_expect(!nx_address_same_host(&a, &b));
    nx_require_ok(nx_address_parse(&a, "fe80::1%lo"));
    nx_expect_eq(a.scope, (uint32_t)if_nametoindex("lo"));
    nx_require_ok(nx_address_parse(&b, "fe80::1%999999"));
    nx_expect(!nx_address_same_host(&a, &b));
    nx_require_ok(nx_address_parse(&b, "unix:/a"));
    nx_expect(!nx_address_same_host(&a, &b));
    nx_expect(nx_address_same_host(&b, &b));
}

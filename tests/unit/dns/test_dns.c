/* Names: addresses, records, reverse; what a name server may do wrong; files; the cache. */
#include "dns/server.h"
#include "net/net_test.h"

#include "dns/resolver.h"
#include "net/dial.h"
#include <nexus/dns.h>
#include <nexus/fiber.h>
#include <nexus/fs.h>
#include <nexus/timer.h>
#include <nexus/worker.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* "192.0.2.1 192.0.2.2" */
static const char *spelled(const nx_dns_addresses *found)
{
    const char *all = "";
    for (size_t i = 0; i < found->count; i++)
        all = nx_format("%s%s%s", all, i ? " " : "", nx_address_text(&found->items[i]));
    return all;
}

static const char *lookup(const char *name, const char *server)
{
    nx_dns_addresses found;
    nx_err err = nx_dns_lookup(name, &found, .server = server);
    return err ? nx_error_last()->message : spelled(&found);
}

NX_TEST("addresses of both families, of one, and through an alias")
{
    struct server s;
    nx_dns_addresses found;
    server_begin(&s);
    nx_expect_eq(lookup("a.test", s.where), "192.0.2.1 192.0.2.2");
    nx_expect_eq(lookup("aaaa.test", s.where), "2001:db8::1");
    nx_expect_eq(lookup("alias.test", s.where), "192.0.2.7");
    nx_expect_ok(nx_dns_lookup("both.test", &found, .server = s.where));
    nx_expect_eq(found.count, 3);
    nx_expect_ok(nx_dns_lookup("both.test", &found, .server = s.where, .family = NX_ADDRESS_V6));
    nx_expect_eq(spelled(&found), "2001:db8::1");
    nx_expect_ok(nx_dns_lookup("both.test", &found, .server = s.where, .family = NX_ADDRESS_V4));
    nx_expect_eq(spelled(&found), "192.0.2.1 192.0.2.2");
    nx_expect_err(NX_ENONAME,
                  nx_dns_lookup("aaaa.test", &found, .server = s.where, .family = NX_ADDRESS_V4));
    nx_expect_eq(found.count, 0);
    server_end(&s);
}

NX_TEST("numbers and localhost ask nobody")
{
    nx_dns_addresses found;
    nx_expect_eq(lookup("192.0.2.9", NULL), "192.0.2.9");
    nx_expect_eq(lookup("2001:db8::7", NULL), "2001:db8::7");
    nx_expect_eq(lookup("LocalHost", NULL), "127.0.0.1 ::1");
    nx_expect_ok(nx_dns_lookup("localhost", &found, .family = NX_ADDRESS_V6));
    nx_expect_eq(spelled(&found), "::1");
}

NX_TEST("records of each type")
{
    struct server s;
    nx_dns_records found;
    server_begin(&s);
    nx_require_ok(nx_dns_query("a.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(found.count, 2);
    nx_expect_eq(found.items[0].name, "a.test");
    nx_expect(found.items[0].ttl > 50 && found.items[0].ttl <= 60);
    nx_expect_eq(nx_address_text(&found.items[1].address), "192.0.2.2");
    nx_require_ok(nx_dns_query("aaaa.test", NX_DNS_AAAA, &found, .server = s.where));
    nx_expect_eq(nx_address_text(&found.items[0].address), "2001:db8::1");

    nx_require_ok(nx_dns_query("x.test", NX_DNS_MX, &found, .server = s.where));
    nx_require_eq(found.count, 3);
    nx_expect_eq(found.items[0].target, "first.test");
    nx_expect_eq(found.items[0].priority, 10);
    nx_expect_eq(found.items[1].target, "second.test");
    nx_expect_eq(found.items[2].target, "third.test");

    nx_require_ok(nx_dns_query("_http._tcp.x.test", NX_DNS_SRV, &found, .server = s.where));
    nx_require_eq(found.count, 2);
    nx_expect_eq(found.items[0].target, "a.test");
    nx_expect_eq(found.items[0].port, 8080);
    nx_expect_eq(found.items[0].weight, 9);
    nx_expect_eq(found.items[1].priority, 2);

    nx_require_ok(nx_dns_query("x.test", NX_DNS_TXT, &found, .server = s.where));
    nx_require_eq(found.count, 1);
    nx_expect(nx_bytes_eq(found.items[0].text, nx_slice("one two\0\xff", 9)));
    nx_expect_eq(found.items[0].target, "");

    nx_require_ok(nx_dns_query("x.test", NX_DNS_NS, &found, .server = s.where));
    nx_expect_eq(found.items[0].target, "ns.test");
    nx_require_ok(nx_dns_query("alias.test", NX_DNS_CNAME, &found, .server = s.where));
    nx_expect_eq(found.items[0].target, "real.test");
    nx_require_ok(nx_dns_query("alias.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(found.items[0].name, "REAL.test");
    nx_require_ok(nx_dns_query("1.2.0.192.in-addr.arpa", NX_DNS_PTR, &found, .server = s.where));
    nx_expect_eq(found.count, 2);
    nx_expect_eq(found.items[0].target, "host.test");
    server_end(&s);
}

NX_TEST("an address has names")
{
    struct server s;
    nx_address a;
    nx_dns_names names;
    server_begin(&s);
    nx_require_ok(nx_address_parse(&a, "192.0.2.1:80"));
    nx_require_ok(nx_dns_reverse(&a, &names, .server = s.where));
    nx_require_eq(names.count, 2);
    const char *both = nx_format("%s %s", names.items[0], names.items[1]);
    nx_expect_contains(both, "host.test");
    nx_expect_contains(both, "host2.test");
    nx_require_ok(nx_address_parse(&a, "2001:db8::1"));
    nx_require_ok(nx_dns_reverse(&a, &names, .server = s.where));
    nx_require_ok(nx_address_parse(&a, "unix:/x"));
    nx_expect_err(NX_EINVAL, nx_dns_reverse(&a, &names, .server = s.where));
    nx_expect_eq(names.count, 0);
    server_end(&s);
}

/* ---- What goes wrong */

NX_TEST("what a name server says against it becomes an error that says so")
{
    static const struct {
        const char *name;
        nx_err err;
        const char *message;
    } rows[] = {
        {"none.test", NX_ENONAME, "cannot find the A records of \"none.test\": no such name"},
        {"aaaa.test", NX_ENONAME, "cannot find the A records of \"aaaa.test\": it has none"},
        {"servfail.test", NX_EFAILED, "the name server has failed (SERVFAIL)"},
        {"refused.test", NX_EACCES, "the name server refuses to answer"},
        {"notimp.test", NX_ENOTSUP, "the name server does not know such questions"},
        {"loop.test", NX_EPROTO,
         "cannot look up \"loop.test\": its aliases go round, or are more than 16"},
        {"stranger.test", NX_ENONAME, "it has none"}, /* bank.test's address is not taken */
        {"pointer.test", NX_EPROTO, "makes no sense"},
        {"..test", NX_EINVAL, "no name can be that"},
        {"", NX_EINVAL, "no name can be that"},
    };
    struct server s;
    nx_dns_records found;
    server_begin(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_subtest ("%s", rows[i].name) {
            nx_expect_err(rows[i].err,
                          nx_dns_query(rows[i].name, NX_DNS_A, &found, .server = s.where));
            nx_expect_contains(nx_error_last()->message, rows[i].message);
            nx_expect_eq(found.count, 0);
        }
    }
    nx_expect_err(NX_EINVAL, nx_dns_query("x.test", (nx_dns_type)999, &found, .server = s.where));
    nx_expect_eq(nx_error_last()->message, "there are no records of type 999 here");
    nx_expect_err(NX_EINVAL, nx_dns_query(NULL, NX_DNS_A, &found, .server = s.where));
    nx_dns_addresses addresses;
    nx_expect_err(NX_EINVAL, nx_dns_lookup("", &addresses));
    nx_expect_err(NX_EINVAL, nx_dns_lookup(NULL, &addresses));
    nx_expect_err(NX_ENONAME, nx_dns_lookup("none.test", &addresses, .server = s.where));
    nx_expect_eq(nx_error_last()->message,
                 "cannot find the address of \"none.test\": no such name");
    server_end(&s);
}

NX_TEST("what is no answer to the question is not taken for one")
{
    static const char *const names[] = {"silent.test", "wrongid.test", "wrongname.test",
                                        "short.test"};
    struct server s;
    nx_dns_addresses found;
    server_begin(&s);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nx_subtest ("%s", names[i]) {
            nx_err err = nx_dns_lookup(names[i], &found, .server = s.where, .deadline = NX_MS(100));
            nx_expect(err == NX_ETIMEDOUT || err == NX_EPROTO);
            nx_expect_contains(nx_error_last()->message,
                               nx_format("cannot find the address of \"%s\": ", names[i]));
        }
    }
    nx_expect_err(NX_ETIMEDOUT,
                  nx_dns_lookup("silent.test", &found, .server = s.where, .deadline = NX_MS(10)));
    nx_expect_eq(nx_error_last()->message,
                 "cannot find the address of \"silent.test\": no answer before the deadline");
    nx_expect(nx_dns_lookup("garbage.test", &found, .server = s.where, .deadline = NX_S(1)) !=
              NX_OK);
    nx_expect_eq(lookup("a.test", s.where), "192.0.2.1 192.0.2.2"); /* others are served */
    server_end(&s);
}

NX_TEST("an answer that is cut comes whole by TCP, and no more than so many addresses of it")
{
    struct server s;
    nx_dns_records found;
    nx_dns_addresses addresses;
    server_begin(&s);
    nx_require_ok(nx_dns_query("long.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(found.count, 40);
    nx_expect(s.tcp_asked > 0);
    nx_require_ok(nx_dns_lookup("long.test", &addresses, .server = s.where));
    nx_expect_eq(addresses.count, 32);
    server_end(&s);
}

NX_TEST("a server that nobody is at refuses")
{
    nx_udp *holder;
    nx_dns_addresses found;
    nx_require_ok(nx_udp_open(&holder, "127.0.0.1:0"));
    nx_address at = nx_udp_address(holder);
    const char *where = nx_address_text(&at);
    nx_udp_close(holder);
    nx_err err = nx_dns_lookup("a.test", &found, .server = where);
    nx_expect(err == NX_EREFUSED || err == NX_ETIMEDOUT);
    nx_expect_err(NX_EINVAL, nx_dns_lookup("a.test", &found, .server = "nowhere"));
    nx_expect_eq(nx_error_last()->message, "\"nowhere\" is no name server's address");
    nx_expect_err(NX_EINVAL, nx_dns_lookup("a.test", &found, .server = "unix:/x"));
}

/* ---- Waiting */

struct looking {
    const char *server, *name;
    nx_err err;
};

static nx_err look_run(void *arg)
{
    struct looking *l = arg;
    nx_dns_addresses found;
    l->err = nx_dns_lookup(l->name, &found, .server = l->server);
    return NX_OK;
}

NX_TEST("many look up at once, and one that is cancelled leaves the others alone")
{
    enum { MANY = 20 };
    struct server s;
    struct looking all[MANY], silent;
    nx_fiber *fibers[MANY], *lost;
    server_begin(&s);
    silent = (struct looking){s.where, "silent.test", NX_OK};
    nx_require_ok(nx_spawn(&lost, look_run, &silent));
    for (int i = 0; i < MANY; i++) {
        all[i] = (struct looking){s.where, nx_format("a.n%d.test", i), NX_EFAILED};
        nx_require_ok(nx_spawn(&fibers[i], look_run, &all[i]));
    }
    for (int i = 0; i < MANY; i++) {
        nx_expect_ok(nx_join(fibers[i]));
        nx_expect_ok(all[i].err);
    }
    nx_cancel(lost);
    nx_expect_ok(nx_join(lost));
    nx_expect_eq(silent.err, NX_ECANCELED);
    server_end(&s);
}

NX_TEST("as many servers as there may be are asked, one after the other")
{
    struct server s;
    nx_dns_addresses found;
    server_begin(&s);
    const char *port = strchr(s.where, ':');
    for (int i = 2; i < 2 * NX_DNS_MAX_SERVERS; i++) {
        const char *other = nx_format("127.0.0.%d%s", i, port); /* where nobody is */
        nx_err err = nx_dns_lookup("a.test", &found, .server = other, .deadline = NX_MS(1));
        nx_expect(err && err != NX_ELIMIT ? true : err == NX_ELIMIT && i > NX_DNS_MAX_SERVERS);
    }
    nx_expect_eq(nx_dns_lookup("a.test", &found, .server = s.where) == NX_ENOMEM, false);
    server_end(&s);
}

/* ---- The cache */

NX_TEST("an answer is kept as long as it says")
{
    struct server s;
    nx_dns_records found;
    server_begin(&s);
    for (int i = 0; i < 3; i++)
        nx_expect_ok(nx_dns_query("a.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(s.udp_asked, 1);
    for (int i = 0; i < 2; i++)
        nx_expect_ok(nx_dns_query("zero.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(s.udp_asked, 3);
    nx_expect_ok(nx_dns_query("brief.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(s.udp_asked, 4);
    nx_require_ok(nx_sleep(NX_MS(2100)));
    nx_expect_ok(nx_dns_query("brief.test", NX_DNS_A, &found, .server = s.where));
    nx_expect_eq(s.udp_asked, 5);
    server_end(&s);
}

/* ---- The files */

static const char *file(const char *name, const char *text)
{
    const char *path = nx_format("%s/%s", nx_test_dir(), name);
    nx_require_ok(nx_fs_write_file(path, nx_str(text)));
    return path;
}

NX_TEST("hosts and resolv.conf are honoured, and so are their changes")
{
    struct server s, other;
    nx_dns_addresses found;
    nx_dns_records records;
    server_begin(&s);
    server_begin(&other);
    const char *conf =
        file("resolv.conf", nx_format("nameserver %s\nsearch nowhere.test corp.test\n", s.where));
    const char *hosts = file(
        "hosts", "192.0.2.200 printer printer.home\n2001:db8::200 printer\n127.0.0.1 localhost\n");
    nx__resolver_files(conf, hosts);
    nx__resolver_forget();
    nx_expect_ok(nx_dns_lookup("printer", &found, .family = NX_ADDRESS_V4));
    nx_expect_eq(spelled(&found), "192.0.2.200");
    nx_expect_ok(nx_dns_lookup("PRINTER", &found));
    nx_expect_eq(found.count, 2);
    nx_expect_eq(s.udp_asked, 0);
    nx_expect_eq(lookup("a.test", NULL), "192.0.2.1 192.0.2.2");
    nx_expect_eq(lookup("host", NULL), "192.0.2.1 192.0.2.2"); /* host.corp.test */
    nx_expect_ok(nx_dns_query("host", NX_DNS_A, &records, .search = true));
    nx_expect_eq(records.items[0].name, "host.corp.test");
    nx_address a;
    nx_dns_names names;
    nx_require_ok(nx_address_parse(&a, "192.0.2.200"));
    nx_expect_ok(nx_dns_reverse(&a, &names));
    nx_expect_eq(names.items[0], "printer");

    (void)file("resolv.conf", nx_format("nameserver %s\n# another\n", other.where));
    nx_require_ok(nx_sleep(NX_MS(1100)));
    nx_expect_eq(lookup("a.test", NULL), "192.0.2.1 192.0.2.2");
    nx_expect(other.udp_asked > 0);
    (void)file("hosts", "192.0.2.201 printer\n");
    nx_require_ok(nx_sleep(NX_MS(1100)));
    (void)file("hosts", "192.0.2.201 printer\n");
    nx_expect_ok(nx_dns_lookup("printer", &found, .family = NX_ADDRESS_V4));
    nx_expect_eq(spelled(&found), "192.0.2.201");
    server_end(&s);
    server_end(&other);
}

/* ---- Grants */

NX_TEST("a name takes a grant to be looked up, and so does a server to be asked")
{
    struct nx__permissions granted;
    struct server s;
    nx_dns_addresses found;
    nx_dns_records records;
    nx_dns_names names;
    nx_address a;
    server_begin(&s);
    grants_begin(&granted, (const char *const[]){"--allow-net=a.test:80", NULL});
    nx_expect_err(NX_EPERM, nx_dns_lookup("b.test", &found));
    nx_expect_eq(nx_error_last()->message,
                 "looking up b.test is not allowed; run with --allow-net=b.test");
    nx_expect_err(NX_EPERM, nx_dns_query("b.test", NX_DNS_MX, &records));
    nx_require_ok(nx_address_parse(&a, "192.0.2.1"));
    nx_expect_err(NX_EPERM, nx_dns_reverse(&a, &names));
    nx_expect_contains(nx_error_last()->message, "looking up 192.0.2.1 is not allowed");
    nx_expect_err(NX_EPERM, nx_dns_lookup("a.test", &found, .server = s.where));
    nx_expect_eq(
        nx_error_last()->message,
        nx_format("connecting to %s is not allowed; run with --allow-net=%s", s.where, s.where));
    grants_end(&granted);
    grants_begin(&granted,
                 (const char *const[]){nx_format("--allow-net=a.test:80,%s", s.where), NULL});
    nx_expect_ok(nx_dns_lookup("a.test", &found, .server = s.where));
    grants_end(&granted);
    grants_begin(&granted, (const char *const[]){"--allow-all", "--deny-net=a.test", NULL});
    nx_expect_err(NX_EPERM, nx_dns_lookup("A.test.", &found));
    nx_expect_contains(nx_error_last()->message, "is denied by --deny-net");
    grants_end(&granted);
    server_end(&s);
}

NX_TEST("a name that leads to a denied address is not connected to")
{
    struct nx__permissions granted;
    struct server s;
    int fd;
    server_begin(&s);
    nx__resolver_files(file("resolv.conf", nx_format("nameserver %s\n", s.where)),
                       file("hosts", ""));
    nx__resolver_forget();
    grants_begin(&granted, (const char *const[]){"--allow-net=self.test,b.nowhere",
                                                 "--deny-net=127.0.0.1:1", NULL});
    nx_expect_err(NX_EPERM, nx__dial(&fd, nx_str("self.test"), 1, 0));
    nx_expect_eq(nx_error_last()->message,
                 "connecting to self.test:1 is denied by --deny-net, as 127.0.0.1:1 is");
    nx_expect_err(NX_ENONAME, nx__dial(&fd, nx_str("b.nowhere"), 1, 0));
    nx_expect_eq(nx_error_last()->message,
                 "cannot find the address of \"b.nowhere\": no such name");
    grants_end(&granted);
    uint16_t port = nx_listener_address(s.tcp).port;
    nx_expect_ok(nx__dial(&fd, nx_str("self.test"), port, 0));
    (void)close(fd);
    server_end(&s);
}

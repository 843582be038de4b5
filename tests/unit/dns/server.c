/* A name server of the test's own. */
#include "dns/server.h"

#include <nexus/fiber.h>
#include <nexus/test.h>
#include <nexus/timer.h>
#include <stdio.h>

enum {
    HEAD = 12,
    MOST = 4096,
    A = 1,
    NS = 2,
    CNAME = 5,
    SOA = 6,
    PTR = 12,
    MX = 15,
    TXT = 16,
    AAAA = 28,
    SRV = 33
};
enum { NXDOMAIN = 3, SERVFAIL = 2, REFUSED = 5, NOTIMP = 4, FORMERR = 1 };

struct message {
    uint8_t data[MOST];
    size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
    if (m->len + len > MOST) return;
    memcpy(m->data + m->len, data, len);
    m->len += len;
}

static void put16(struct message *m, unsigned n)
{
    put(m, (const uint8_t[]){(uint8_t)(n >> 8), (uint8_t)n}, 2);
}

static void put_name(struct message *m, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        put(m, (const uint8_t[]){(uint8_t)len}, 1);
        put(m, name, len);
        name += len + (name[len] == '.');
    }
    put(m, "", 1);
}

/* One record; `name` NULL is the one that was asked for. The length is filled in by record_end. */
static size_t record(struct message *m, const char *name, unsigned type, unsigned ttl)
{
    if (name)
        put_name(m, name);
    else
        put16(m, 0xc000 | HEAD);
    put16(m, type);
    put16(m, 1);
    put16(m, ttl >> 16);
    put16(m, ttl & 0xffff);
    put16(m, 0);
    m->data[7]++; /* the count of answers */
    return m->len;
}

static void record_end(struct message *m, size_t begin)
{
    size_t len = m->len - begin;
    m->data[begin - 2] = (uint8_t)(len >> 8);
    m->data[begin - 1] = (uint8_t)len;
}

static void add_a(struct message *m, const char *name, unsigned ttl, uint8_t last)
{
    size_t begin = record(m, name, A, ttl);
    put(m, (const uint8_t[]){192, 0, 2, last}, 4);
    record_end(m, begin);
}

static void add_aaaa(struct message *m, uint8_t last)
{
    uint8_t address[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = last};
    size_t begin = record(m, NULL, AAAA, 60);
    put(m, address, 16);
    record_end(m, begin);
}

static void add_target(struct message *m, const char *name, unsigned type, const char *target)
{
    size_t begin = record(m, name, type, 60);
    put_name(m, target);
    record_end(m, begin);
}

static void add_mx(struct message *m, unsigned priority, const char *target)
{
    size_t begin = record(m, NULL, MX, 60);
    put16(m, priority);
    put_name(m, target);
    record_end(m, begin);
}

static void add_srv(struct message *m, unsigned priority, unsigned weight, unsigned port,
                    const char *target)
{
    size_t begin = record(m, NULL, SRV, 60);
    put16(m, priority);
    put16(m, weight);
    put16(m, port);
    put_name(m, target);
    record_end(m, begin);
}

static void add_txt(struct message *m)
{
    size_t begin = record(m, NULL, TXT, 60);
    put(m, "\3one\4 two\2\0\xff", 12);
    record_end(m, begin);
}

static void name_read(const uint8_t *data, size_t len, char *out, size_t size)
{
    size_t at = HEAD, n = 0;
    while (at < len && data[at] && n + data[at] + 2 < size) {
        memcpy(out + n, data + at + 1, data[at]);
        n += data[at];
        out[n++] = '.';
        at += data[at] + 1u;
    }
    out[n ? n - 1 : 0] = '\0';
}

static bool begins(const char *name, const char *label)
{
    size_t len = strlen(label);
    return strncmp(name, label, len) == 0 && (name[len] == '.' || !name[len]);
}

/* What there is of the name, by UDP or TCP. False: nothing is said. */
static bool answer(struct message *m, const char *name, unsigned type, bool tcp)
{
    uint8_t *code = &m->data[3];
    if (begins(name, "silent")) return false;
    if (begins(name, "servfail"))
        *code |= SERVFAIL;
    else if (begins(name, "refused"))
        *code |= REFUSED;
    else if (begins(name, "notimp"))
        *code |= NOTIMP;
    else if (begins(name, "none") || strstr(name, "nowhere"))
        *code |= NXDOMAIN;
    else if (begins(name, "wrongid"))
        m->data[0] ^= 0x55, add_a(m, NULL, 60, 66);
    else if (begins(name, "wrongname"))
        m->data[HEAD + 1] ^= 1, add_a(m, NULL, 60, 66);
    else if (begins(name, "garbage"))
        memset(m->data + 4, 0xc0, 60), m->len = 64;
    else if (begins(name, "short"))
        m->len = 5;
    else if (begins(name, "pointer")) { /* a name that points to itself */
        size_t begin = record(m, NULL, CNAME, 60);
        put16(m, 0xc000 | (unsigned)m->len);
        record_end(m, begin);
    } else if (begins(name, "loop")) {
        add_target(m, name, CNAME, "other.test");
        add_target(m, "other.test", CNAME, name);
    } else if (begins(name, "stranger")) { /* somebody else's, smuggled in */
        add_a(m, "bank.test", 60, 66);
    } else if (begins(name, "alias")) {
        add_target(m, NULL, CNAME, "real.test");
        if (type == A) add_a(m, "REAL.test", 60, 7);
    } else if (begins(name, "long")) {
        if (!tcp) m->data[2] |= 2; /* truncated */
        for (uint8_t i = 0; tcp && i < 40 && type == A; i++) add_a(m, NULL, 60, i);
    } else if (type == A && (begins(name, "a") || begins(name, "both") || begins(name, "host"))) {
        add_a(m, NULL, 60, 1);
        add_a(m, NULL, 60, 2);
    } else if (type == A && begins(name, "brief"))
        add_a(m, NULL, 1, 3);
    else if (type == A && begins(name, "zero"))
        add_a(m, NULL, 0, 4);
    else if (type == A && begins(name, "self")) {
        size_t begin = record(m, NULL, A, 60);
        put(m, (const uint8_t[]){127, 0, 0, 1}, 4);
        record_end(m, begin);
    } else if (type == AAAA && (begins(name, "aaaa") || begins(name, "both")))
        add_aaaa(m, 1);
    else if (type == MX)
        add_mx(m, 20, "second.test"), add_mx(m, 10, "first.test"), add_mx(m, 20, "third.test");
    else if (type == SRV)
        add_srv(m, 2, 0, 80, "b.test"), add_srv(m, 1, 9, 8080, "a.test");
    else if (type == TXT)
        add_txt(m);
    else if (type == NS)
        add_target(m, NULL, NS, "ns.test");
    else if (type == PTR)
        add_target(m, NULL, PTR, "host.test"), add_target(m, NULL, PTR, "host2.test");
    return true;
}

/* False: nothing is said. */
static bool respond(const uint8_t *asked, size_t len, struct message *out, bool tcp)
{
    char name[256];
    size_t end = HEAD;
    while (end < len && asked[end]) end += asked[end] + 1u;
    end += 5; /* the root, the type, the class */
    if (len < end) return false;
    *out = (struct message){.len = 0};
    put(out, asked, end);
    memcpy(out->data + 2, "\x81\x80", 2); /* an answer, by recursion */
    memset(out->data + 6, 0, 6);
    name_read(asked, len, name, sizeof name);
    for (char *c = name; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
    return answer(out, name, (unsigned)asked[end - 4] << 8 | asked[end - 3], tcp);
}

static nx_err udp_run(void *arg)
{
    struct server *s = arg;
    for (;;) {
        uint8_t data[MOST];
        struct message out;
        nx_address from;
        size_t len;
        if (nx_udp_receive(s->udp, data, sizeof data, &len, &from)) return NX_OK;
        s->udp_asked++;
        if (respond(data, len, &out, false))
            NX_IGNORE(nx_udp_send(s->udp, nx_slice(out.data, out.len), &from));
    }
}

static nx_err tcp_serve(nx_conn *conn, void *arg)
{
    struct server *s = arg;
    nx_stream *stream = nx_net_stream(conn);
    for (;;) {
        uint8_t head[2], data[MOST];
        struct message out;
        NX_TRY(nx_stream_read_exact(stream, head, 2));
        size_t len = (size_t)head[0] << 8 | head[1];
        if (len > sizeof data) return NX_ETOOBIG;
        NX_TRY(nx_stream_read_exact(stream, data, len));
        s->tcp_asked++;
        if (!respond(data, len, &out, true)) continue;
        head[0] = (uint8_t)(out.len >> 8);
        head[1] = (uint8_t)out.len;
        NX_TRY(nx_stream_write(stream, nx_slice(head, 2)));
        NX_TRY(nx_stream_write(stream, nx_slice(out.data, out.len)));
    }
}

static nx_err tcp_run(void *arg)
{
    struct server *s = arg;
    return nx_net_serve(s->tcp, tcp_serve, s);
}

void server_begin(struct server *server)
{
    *server = (struct server){0};
    for (int i = 0; i < 20 && !server->tcp; i++) { /* one port for both */
        nx_udp_close(server->udp);
        nx_require_ok(nx_udp_open(&server->udp, "127.0.0.1:0"));
        (void)snprintf(server->where, sizeof server->where, "127.0.0.1:%u",
                       nx_udp_address(server->udp).port);
        NX_IGNORE(nx_net_listen(&server->tcp, server->where, .drain_deadline = NX_MS(1)));
    }
    nx_require(server->tcp);
    nx_require_ok(nx_spawn(&server->fibers[0], udp_run, server));
    nx_require_ok(nx_spawn(&server->fibers[1], tcp_run, server));
}

void server_end(struct server *server)
{
    nx_udp_stop(server->udp);
    nx_listener_stop(server->tcp);
    for (int i = 0; i < 2; i++) nx_expect_ok(nx_join(server->fibers[i]));
    nx_udp_close(server->udp);
    nx_listener_close(server->tcp);
}

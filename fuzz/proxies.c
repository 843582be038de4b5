/* Addresses and proxies: nobody but a trusted proxy says who the client is. The input is a line of
 * networks that are trusted ("forwarded" among them: they speak Forwarded), a line with the peer's
 * address, then header fields. Addresses are held against libc's by a reader that compares bit by
 * bit. */
#include "request.h"

#include "http/h1/parse.h"
#include <arpa/inet.h>
#include <stdio.h>

enum { NETWORKS_MOST = 8, HOPS = 20 };

struct trust {
    const char *words[NETWORKS_MOST + 1];
    size_t count;
    bool forwarded;
};

/* 128 bits, IPv4 mapped; false for what is no address. */
static bool bits_of(const char *text, uint8_t out[16], bool *v4)
{
    memset(out, 0, 16);
    out[10] = out[11] = 0xff;
    *v4 = inet_pton(AF_INET, text, out + 12) == 1;
    return *v4 || inet_pton(AF_INET6, text, out) == 1;
}

static bool is_within(const uint8_t a[16], const char *network)
{
    char text[128];
    const char *slash = strchr(network, '/');
    size_t len = slash ? (size_t)(slash - network) : strlen(network);
    if (len >= sizeof text) return false;
    memcpy(text, network, len);
    text[len] = '\0';
    uint8_t n[16];
    bool v4;
    if (!bits_of(text, n, &v4)) return false;
    unsigned long bits = slash ? strtoul(slash + 1, NULL, 10) : v4 ? 32 : 128;
    if (v4) bits += 96;
    for (unsigned i = 0; i < bits; i++)
        if ((a[i / 8] ^ n[i / 8]) >> (7 - i % 8) & 1) return false;
    return true;
}

static bool is_trusted(const struct trust *trust, const uint8_t a[16])
{
    static const char *const loopback[] = {"127.0.0.0/8", "::1"};
    static const char *const private[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                          "fc00::/7"};
    for (size_t i = 0; i < trust->count; i++) {
        const char *word = trust->words[i];
        bool good = is_within(a, word);
        for (int k = 0; k < 2 && strcmp(word, "loopback") == 0; k++)
            good |= is_within(a, loopback[k]);
        for (int k = 0; k < 4 && strcmp(word, "private") == 0; k++)
            good |= is_within(a, private[k]);
        if (good) return true;
    }
    return false;
}

static bool peer_is_trusted(const struct trust *trust, nx_bytes peer)
{
    if (nx_bytes_is(peer, "unix")) {
        for (size_t i = 0; i < trust->count; i++)
            if (strcmp(trust->words[i], "unix") == 0) return true;
        return false;
    }
    uint8_t a[16];
    bool v4;
    char *text = nx_copy(peer);
    return text && strlen(text) == peer.len && bits_of(text, a, &v4) && is_trusted(trust, a);
}

/* What X-Forwarded-For says where it is simple, one field without quotes and ports: the last
 * address that is not trusted, else the first one; NONE where it stops at something else before
 * any. */
enum client { NONE, KNOWN, NOT_SIMPLE };
static enum client simple_client(const struct trust *trust, nx_bytes list, uint8_t out[16])
{
    enum client known = NONE;
    bool v4;
    while (list.len) {
        size_t begin = list.len;
        while (begin && list.data[begin - 1] != ',') begin--;
        const char *at = list.data + begin, *end = list.data + list.len;
        while (at < end && (*at == ' ' || *at == '\t')) at++;
        while (at < end && (end[-1] == ' ' || end[-1] == '\t')) end--;
        uint8_t a[16];
        char *text = nx_copy(nx_slice(at, (size_t)(end - at)));
        if (!text || strlen(text) != (size_t)(end - at)) return NOT_SIMPLE;
        const char *colon = strchr(text, ':');
        if (strpbrk(text, "\"[]") || (colon && !strchr(colon + 1, ':'))) return NOT_SIMPLE;
        if (!bits_of(text, a, &v4)) return known;
        memcpy(out, a, 16);
        known = KNOWN;
        if (!is_trusted(trust, a)) return KNOWN;
        list.len = begin ? begin - 1 : 0;
    }
    return known;
}

static void printed_weigh(const struct trust *trust, nx_http_server *server, nx_bytes peer,
                          nx_bytes client)
{
    uint8_t a[16];
    bool v4 = false;
    char again[INET6_ADDRSTRLEN], *text = nx_copy(client);
    check(text && bits_of(text, a, &v4));
    /* Printed and parsed again it is the same, and there is one spelling. */
    check(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a + 12 : a, again, sizeof again) != NULL);
    check(strcmp(again, text) == 0);
    /* A proxy that passes it on, bare or with a port, means the same. */
    const char *open = v4 ? "" : "[", *close = v4 ? "" : "]";
    for (int port = 0; port < 2; port++) {
        struct sink sink;
        char line[128];
        if (trust->forwarded)
            (void)snprintf(line, sizeof line, "Forwarded: FOR=\"%s%s%s%s\"", open, text, close,
                           port ? ":80" : "");
        else
            (void)snprintf(line, sizeof line, "X-Forwarded-For: %s%s%s%s", port ? open : "", text,
                           port ? close : "", port ? ":80" : "");
        if (!request_make(&sink, server, "GET / HTTP/1.1", nx_str(line))) continue;
        sink.peer = peer;
        check(nx_bytes_eq(nx_request_peer(&sink.req), client));
    }
}

static void weigh(const struct trust *trust, nx_http_server *server, struct sink *sink)
{
    nx_request *req = &sink->req;
    nx_bytes client = nx_request_peer(req), scheme = nx_request_scheme(req),
             host = nx_request_host(req);
    check(nx_bytes_is(scheme, "http") || nx_bytes_is(scheme, "https"));
    check(nx_bytes_is(host, "own.example:80") || nx__h1_valid_host(host.data, host.len));
    if (!peer_is_trusted(trust, sink->peer)) {
        check(nx_bytes_eq(client, sink->peer));
        check(nx_bytes_is(scheme, "http") && nx_bytes_is(host, "own.example:80"));
        return;
    }
    if (client.data != sink->peer.data) printed_weigh(trust, server, sink->peer, client);
    if (trust->forwarded) return;
    unsigned lists = 0;
    nx_bytes name, value, list = {0};
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++) {
        if (name.len != 15 || strncasecmp(name.data, "x-forwarded-for", 15) != 0) continue;
        lists++;
        list = value;
    }
    size_t commas = 0;
    for (size_t i = 0; i < list.len; i++) {
        if (list.data[i] == '"') return;
        commas += list.data[i] == ',';
    }
    if (lists != 1 || commas > HOPS) return;
    uint8_t wanted[16], found[16];
    bool v4;
    enum client outcome = simple_client(trust, list, wanted);
    if (outcome == NONE) check(client.data == sink->peer.data);
    if (outcome != KNOWN) return;
    char *text = nx_copy(client);
    check(text && bits_of(text, found, &v4) && memcmp(found, wanted, 16) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    nx_bytes input = nx_slice(data, size), first = line_next(&input), peer = line_next(&input);
    struct trust trust = {0};
    for (char *word; trust.count < NETWORKS_MOST && (word = word_next(&first));) {
        if (strcmp(word, "forwarded") == 0)
            trust.forwarded = true;
        else
            trust.words[trust.count++] = word;
    }
    nx_http_server *server = nx_http_server_new(.port = 1);
    if (!server) return 0;
    nx_http_trust_with(server, trust.words, trust.forwarded);
    struct sink sink;
    if (server->proxies && request_make(&sink, server, "GET / HTTP/1.1", input)) {
        sink.peer = peer;
        weigh(&trust, server, &sink);
    }
    nx_http_server_free(server);
    memory_end();
    return 0;
}

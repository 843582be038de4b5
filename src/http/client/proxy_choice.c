/* Which proxy, if any. */
#include "http/client/client.h"

#include "base/buffer.h"
#include "http/h1/syntax.h"
#include "net/address.h"
#include <arpa/inet.h>
#include <nexus/encode.h>
#include <nexus/url.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- A proxy's address */

void nx__proxy_free(struct nx__proxy *proxy)
{
    free(proxy->host);
    free(proxy->authorization);
    *proxy = (struct nx__proxy){0};
}

/* "user:password", percent-encoded, as the value of a field; NULL when memory is out. */
static char *basic(nx_bytes user)
{
    nx_bytes plain, encoded;
    if (nx_percent_decode(user, &plain) || nx_base64_encode(plain, &encoded)) return NULL;
    char *out = malloc(sizeof "Basic " + encoded.len);
    if (!out) return NULL;
    memcpy(out, "Basic ", 6);
    memcpy(out + 6, encoded.data, encoded.len);
    out[6 + encoded.len] = '\0';
    return out;
}

const char *nx__proxy_parse(struct nx__proxy *out, const char *text)
{
    nx_bytes rest = nx_str(text);
    const char *scheme = strstr(text, "://");
    *out = (struct nx__proxy){0};
    if (scheme) {
        nx_bytes name = nx_slice(text, (size_t)(scheme - text));
        if (!NX__ASCII_IS(name.data, name.len, "http")) return "a proxy is spoken to by http://";
        rest = nx_str(scheme + 3);
    }
    const char *slash = memchr(rest.data, '/', rest.len);
    if (slash) rest.len = (size_t)(slash - rest.data);
    nx_bytes user = {0};
    for (size_t i = rest.len; i-- > 0;)
        if (rest.data[i] == '@') {
            user = nx_slice(rest.data, i);
            rest = nx_slice(rest.data + i + 1, rest.len - i - 1);
            break;
        }
    char place[NX__PEER_MAX];
    struct nx__target target;
    const char *last = rest.len ? memchr(rest.data, ']', rest.len) : NULL;
    bool has_port = memchr(last ? last : rest.data, ':',
                           last ? (size_t)(rest.data + rest.len - last) : rest.len) != NULL;
    int n = snprintf(place, sizeof place, has_port ? "%.*s" : "%.*s:80", NX_FMT(rest));
    if (!rest.len || n >= (int)sizeof place) return "a proxy is \"http://host:port\"";
    struct nx__context kept;
    memcpy(&kept, nx__context(), sizeof kept);
    nx_err err = nx__target_parse(&target, place, "use");
    memcpy(nx__context(), &kept, sizeof kept);
    if (err || target.path) return "a proxy is \"http://host:port\"";
    out->host = nx__bytes_dup(target.host);
    out->port = target.port;
    if (user.data) out->authorization = basic(user);
    if (out->host && (!user.data || out->authorization)) return NULL;
    nx__proxy_free(out);
    return "out of memory";
}

/* ---- NO_PROXY */

static bool address_read(nx_bytes text, unsigned char out[16], int *bits)
{
    char copy[64];
    if (text.len && *text.data == '[') {
        if (text.data[text.len - 1] != ']') return false;
        text = nx_slice(text.data + 1, text.len - 2);
    }
    if (text.len >= sizeof copy) return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    *bits = 32;
    if (inet_pton(AF_INET, copy, out) == 1) return true;
    *bits = 128;
    return inet_pton(AF_INET6, copy, out) == 1;
}

/* "10.0.0.0/8" */
static bool network_has(nx_bytes network, nx_bytes host)
{
    unsigned char a[16], b[16];
    int bits_a, bits_b, prefix = 0;
    const char *slash = memchr(network.data, '/', network.len);
    if (!slash) return false;
    size_t len = (size_t)(network.data + network.len - slash - 1);
    if (!len || len > 3) return false;
    for (size_t i = 1; i <= len; i++) {
        if (!nx__h1_is_digit(slash[i])) return false;
        prefix = prefix * 10 + (slash[i] - '0');
    }
    network.len = (size_t)(slash - network.data);
    if (!address_read(network, a, &bits_a) || !address_read(host, b, &bits_b) || bits_a != bits_b ||
        prefix > bits_a)
        return false;
    int whole = prefix / 8, rest = prefix % 8;
    return memcmp(a, b, (size_t)whole) == 0 &&
           (!rest || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

static bool entry_has(nx_bytes entry, nx_bytes host, uint16_t port)
{
    unsigned char a[16], b[16];
    int bits_a, bits_b;
    if (nx_bytes_is(entry, "*")) return true;
    if (network_has(entry, host)) return true;
    /* A port behind a name or an address in brackets; more than one ":" is an address. */
    const char *colon = memchr(entry.data, ':', entry.len);
    if (*entry.data == '[') {
        const char *end = memchr(entry.data, ']', entry.len);
        colon = end ? memchr(end, ':', (size_t)(entry.data + entry.len - end)) : NULL;
    } else if (colon && memchr(colon + 1, ':', (size_t)(entry.data + entry.len - colon - 1))) {
        colon = NULL;
    }
    if (colon) {
        unsigned wanted = 0;
        for (const char *p = colon + 1; p < entry.data + entry.len; p++) {
            if (!nx__h1_is_digit(*p) || wanted > 65535) return false;
            wanted = wanted * 10 + (unsigned)(*p - '0');
        }
        if (wanted != port) return false;
        entry.len = (size_t)(colon - entry.data);
    }
    if (!entry.len) return false;
    if (address_read(entry, a, &bits_a))
        return address_read(host, b, &bits_b) && bits_a == bits_b &&
               memcmp(a, b, (size_t)bits_a / 8) == 0;
    if (*entry.data == '*') entry = nx_slice(entry.data + 1, entry.len - 1);
    if (entry.len && *entry.data == '.') entry = nx_slice(entry.data + 1, entry.len - 1);
    return entry.len && nx__cookie_domain_match(host, entry);
}

bool nx__no_proxy_has(const char *list, nx_bytes host, uint16_t port)
{
    nx_bytes rest = nx_str(list);
    if (host.len && host.data[host.len - 1] == '.') host.len--;
    while (rest.len) {
        const char *end = rest.data;
        while (end < rest.data + rest.len && *end != ',' && *end != ' ' && *end != '\t') end++;
        nx_bytes entry = nx_slice(rest.data, (size_t)(end - rest.data));
        size_t taken = entry.len < rest.len ? entry.len + 1 : entry.len;
        rest = nx_slice(rest.data + taken, rest.len - taken);
        if (entry.len && entry_has(entry, host, port)) return true;
    }
    return false;
}

/* Network addresses as the flags and the program spell them, in one form that compares. */
#include "permission/network.h"

#include "base/error.h"
#include "base/ip6.h"
#include <arpa/inet.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static nx_err invalid(const char *text, size_t len, const char *why)
{
    return nx__error_set(NX_EINVAL, "\"%.*s\" is no network address: %s",
                         (int)(len < 100 ? len : 100), text, why);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool port_parse(const char *text, size_t len, int32_t *port)
{
    if (len == 0 || len > 5) return false;
    int32_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) return false;
        n = n * 10 + (text[i] - '0');
    }
    *port = n;
    return n <= UINT16_MAX;
}

/* What names have, in lower case; 0 for what none has. */
static const char name_bytes[256] = {
    ['-'] = '-', ['.'] = '.', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
    ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b',
    ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',
    ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',
    ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w',
    ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z', ['_'] = '_', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z'};

/* Copies a host in lower case; whether it has only what names have. Interfaces, behind a %, have
 * names of both cases. */
static bool lower_copy(char *out, const char *host, size_t len)
{
    size_t i = 0;
    for (; i < len && name_bytes[(unsigned char)host[i]]; i++)
        out[i] = name_bytes[(unsigned char)host[i]];
    bool named = i == len;
    for (; i < len && host[i] != '%'; i++)
        out[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + ('a' - 'A') : host[i]);
    memcpy(out + i, host + i, len - i);
    out[len] = '\0';
    return named;
}

static bool address_parse(struct nx__endpoint *out, size_t len, bool named)
{
    bool is_local = len == sizeof "localhost" - 1 && memcmp(out->text, "localhost", len) == 0;
    const char *host = is_local ? "127.0.0.1" : out->text;
    memcpy(out->address, mapped, sizeof mapped);
    out->kind = NX__HOST_ADDRESS;
    if (named) return inet_pton(AF_INET, host, out->address + sizeof mapped) == 1;
    return nx__ip6_parse(host, out->address, &out->scope);
}

/* "127.1" and "0x7f.1" are addresses to some resolvers: no name ends in a number. */
static bool ends_in_number(const char *name)
{
    const char *last = strrchr(name, '.');
    last = last ? last + 1 : name;
    return is_digit(*last) && strspn(last, "0123456789abcdefx") == strlen(last);
}

/* Fills the host. */
static bool host_parse(struct nx__endpoint *out, const char *host, size_t len)
{
    bool named = lower_copy(out->text, host, len);
    if (!named && memchr(host, '\0', len)) return false;
    char end = len ? out->text[len - 1] : '.';
    /* No name but that one is any. */
    bool may_be_address = !named || is_digit(end) || (end == 't' && len == sizeof "localhost" - 1);
    out->len = (uint16_t)len;
    if (may_be_address && address_parse(out, len, named)) return true;
    out->kind = NX__HOST_NAME;
    if (end == '.') {
        if (len <= 1) return false;
        out->text[out->len = (uint16_t)(len - 1)] = '\0';
        return named && !ends_in_number(out->text);
    }
    return named && !((end <= 'f' || end == 'x') && ends_in_number(out->text));
}

nx_err nx__endpoint_parse(const char *text, size_t len, struct nx__endpoint *out)
{
    out->port = NX__PORT_ANY;
    out->scope = 0;
    out->prefix = NX__ADDRESS_BITS;
    out->len = 0;
    memset(out->address, 0, sizeof out->address);
    if (len > 5 && memcmp(text, "unix:", 5) == 0) {
        char path[NX__PATH_MAX];
        if (len - 5 >= sizeof path) return invalid(text, len, "the path is too long");
        memcpy(path, text + 5, len - 5);
        path[len - 5] = '\0';
        out->kind = NX__HOST_UNIX;
        if (path[0] == '@') { /* a name without a file is what it is */
            if (!path[1]) return invalid(text, len, "a name follows the @");
            memcpy(out->text, path, len - 5 + 1);
            return NX_OK;
        }
        return nx__path_resolve(path, out->text)
                   ? NX_OK
                   : invalid(text, len, "the path cannot be resolved");
    }
    const char *host = text, *end = text + len, *colon = NULL;
    size_t host_len = len;
    if (len && text[0] == '[') {
        const char *close = memchr(text, ']', len);
        if (!close) return invalid(text, len, "a ] is missing");
        host = text + 1;
        host_len = (size_t)(close - host);
        if (!memchr(host, ':', host_len))
            return invalid(text, len, "brackets are for IPv6 addresses");
        colon = close + 1 < end ? close + 1 : NULL;
        if (colon && *colon != ':')
            return invalid(text, len, "a port follows the ] behind a colon");
    } else {
        const char *first = len ? memchr(text, ':', len) : NULL;
        /* Two colons without brackets are an IPv6 address without a port. */
        if (first && !memchr(first + 1, ':', (size_t)(end - first - 1))) {
            colon = first;
            host_len = (size_t)(colon - host);
        }
    }
    if (colon && !port_parse(colon + 1, (size_t)(end - colon - 1), &out->port))
        return invalid(text, len, "a port is a number from 0 to 65535");
    if (host_len == 0 && colon) {
        out->kind = NX__HOST_ANY;
        out->text[0] = '\0';
        return NX_OK;
    }
    int32_t alone;
    if (!colon && port_parse(host, host_len, &alone))
        return invalid(text, len, "a port alone has a colon before it, as in :3000");
    if (host_len > NX__HOST_NAME_MAX) return invalid(text, len, "the name is too long");
    if (!host_parse(out, host, host_len))
        return invalid(text, len, "expected host, host:port, [IPv6]:port, :port or unix:/path");
    return NX_OK;
}

/* ---- Patterns */

static bool is_mapped(const uint8_t address[16])
{
    return memcmp(address, mapped, sizeof mapped) == 0;
}

/* "*.example.com" with or without a port. */
static nx_err subdomains_parse(const char *text, size_t len, struct nx__endpoint *out)
{
    if (len < 3 || text[1] != '.')
        return invalid(text, len,
                       "a * stands at the front for all names below one, as in *.example.com; "
                       "every host is :port, or no list");
    NX_TRY(nx__endpoint_parse(text + 2, len - 2, out));
    size_t name = strlen(out->text);
    if (out->kind != NX__HOST_NAME || name + 1 > NX__HOST_NAME_MAX)
        return invalid(text, len, "a name follows the *.");
    memmove(out->text + 1, out->text, name + 1);
    out->text[0] = '.';
    out->len = (uint16_t)(name + 1);
    out->kind = NX__HOST_SUBDOMAINS;
    return NX_OK;
}

static bool bits_parse(const char *text, size_t len, unsigned most, unsigned *bits)
{
    if (!len || len > 3) return false;
    *bits = 0;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) return false;
        *bits = *bits * 10 + (unsigned)(text[i] - '0');
    }
    return *bits <= most;
}

/* Whether all bits behind the first `prefix` are 0. */
static bool is_network(const uint8_t address[16], unsigned prefix)
{
    for (unsigned bit = prefix; bit < NX__ADDRESS_BITS; bit++)
        if (address[bit / 8] >> (7 - bit % 8) & 1) return false;
    return true;
}

/* "10.0.0.0/8", "10.0.0.0/8:443", "fd00::/8", "[fd00::/8]:443", with the slash at `slash`. */
static nx_err network_parse(const char *text, size_t len, const char *slash,
                            struct nx__endpoint *out)
{
    enum { MOST = 80 }; /* an address with a port */
    char plain[MOST];
    const char *bits = slash + 1, *end = text + len, *rest = bits;
    while (rest < end && is_digit(*rest)) rest++;
    size_t head = (size_t)(slash - text), tail = (size_t)(end - rest);
    if (head + tail > sizeof plain) return invalid(text, len, "no address is as long");
    bool v6 = memchr(text, ':', head), bracket = head && text[0] == '[';
    if (bracket ? !tail || *rest != ']' : tail && (v6 || *rest != ':'))
        return invalid(text, len, "a port follows a network as in 10.0.0.0/8:443, [fd00::/8]:443");
    memcpy(plain, text, head);
    memcpy(plain + head, rest, tail);
    unsigned count, most = v6 ? NX__ADDRESS_BITS : 32;
    if (!bits_parse(bits, (size_t)(rest - bits), most, &count))
        return invalid(text, len,
                       v6 ? "a network of IPv6 has 0 to 128 bits, as in fd00::/8"
                          : "a network of IPv4 has 0 to 32 bits, as in 10.0.0.0/8");
    if (nx__endpoint_parse(plain, head + tail, out) || out->kind != NX__HOST_ADDRESS ||
        out->scope || out->text[0] == 'l')
        return invalid(text, len, "an address stands before the /, as in 10.0.0.0/8");
    out->prefix = (uint8_t)(v6 ? count : count + NX__ADDRESS_BITS - 32);
    if (!is_network(out->address, out->prefix))
        return invalid(text, len, "the address has more bits set than its network has");
    return NX_OK;
}

nx_err nx__pattern_parse(const char *text, size_t len, struct nx__endpoint *out)
{
    bool is_path = len > 5 && memcmp(text, "unix:", 5) == 0;
    const char *slash = is_path || !len ? NULL : memchr(text, '/', len);
    if (len && text[0] == '*') return subdomains_parse(text, len, out);
    return slash ? network_parse(text, len, slash, out) : nx__endpoint_parse(text, len, out);
}

static bool same_bits(const uint8_t a[16], const uint8_t b[16], unsigned bits)
{
    if (memcmp(a, b, bits / 8) != 0) return false;
    return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

bool nx__network_has(const uint8_t network[16], unsigned prefix, const struct nx__endpoint *wanted)
{
    enum { V4_BITS = NX__ADDRESS_BITS - 32 };
    bool v4 = is_mapped(wanted->address);
    if (prefix < V4_BITS && v4) return false;
    if (prefix < NX__ADDRESS_BITS && nx__endpoint_wildcard(wanted) && prefix != (v4 ? V4_BITS : 0))
        return false;
    return same_bits(network, wanted->address, prefix);
}

bool nx__network_in(const uint8_t network[16], unsigned prefix, const uint8_t inner[16])
{
    return (prefix >= NX__ADDRESS_BITS - 32 || !is_mapped(inner)) &&
           same_bits(network, inner, prefix);
}

bool nx__endpoint_wildcard(const struct nx__endpoint *endpoint)
{
    static const uint8_t zero[16];
    if (endpoint->kind != NX__HOST_ADDRESS || memcmp(endpoint->address + 12, zero, 4) != 0)
        return false;
    return memcmp(endpoint->address, mapped, sizeof mapped) == 0 ||
           memcmp(endpoint->address, zero, 12) == 0;
}

/* Where a link may lead: http and https, to a host that is there to be seen. What is not on the
 * list
 * ("javascript:", "data:", "//host", a user name that looks like a host) is not asked what it is.
 */
#include "./url.h"

#include <strings.h>

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool all_of(nx_bytes text, const char *others)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text.data[i] || (!strchr(letters, text.data[i]) && !strchr(others, text.data[i])))
            return false;
    return true;
}

static bool is_port(nx_bytes text)
{
    unsigned port = 0;
    if (text.len > 5) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

/* RFC 3986 3.2.2, of which names and bracketed addresses are taken. */
static bool is_host(nx_bytes host)
{
    if (!host.len) return false;
    if (host.data[0] == '[')
        return host.len > 3 && host.data[host.len - 1] == ']' &&
               all_of(nx_slice(host.data + 1, host.len - 2), ":.") &&
               memchr(host.data, ':', host.len);
    return host.data[0] != '.' && all_of(host, "-._");
}

/* "host" or "host:port" in its two parts. */
static bool authority_split(nx_bytes authority, nx_bytes *host, nx_bytes *port)
{
    const char *bracket = authority.len ? memchr(authority.data, ']', authority.len) : NULL;
    size_t from = bracket ? (size_t)(bracket - authority.data) : 0;
    const char *colon =
        authority.len ? memchr(authority.data + from, ':', authority.len - from) : NULL;
    size_t len = colon ? (size_t)(colon - authority.data) : authority.len;
    *host = nx_slice(authority.data, len);
    *port = colon ? nx_slice(colon + 1, authority.len - len - 1) : nx_str("");
    return is_host(*host) && (!colon || is_port(*port));
}

static size_t scheme_of(nx_bytes text)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (text.len > len && strncasecmp(text.data, schemes[i], len) == 0) return len;
    }
    return 0;
}

/* What may stand in a URL as it is: RFC 3986 2.2 and 2.3, and "%". */
static bool is_plain(char c)
{
    return c && (strchr(letters, c) || strchr("-._~:/?#[]@!$&'()*+,;=%", c));
}

nx_err url_check(nx_bytes text, nx_bytes own, char **out)
{
    static const char hex[] = "0123456789ABCDEF";
    nx_bytes host, port, own_host, own_port;
    if (!text.len || text.len > URL_MOST)
        return nx_fail(NX_EINVAL, "a URL has 1 to %d bytes", URL_MOST);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= ' ' || text.data[i] == 0x7f)
            return nx_fail(NX_EINVAL, "a URL has no spaces, line breaks or control characters");
    size_t begin = scheme_of(text), end = begin;
    if (!begin) return nx_fail(NX_EINVAL, "a URL begins with http:// or https://");
    while (end < text.len && !strchr("/?#", text.data[end])) end++;
    nx_bytes authority = nx_slice(text.data + begin, end - begin);
    if (authority.len && memchr(authority.data, '@', authority.len))
        return nx_fail(NX_EINVAL, "a URL has no user name before its host");
    if (!authority_split(authority, &host, &port))
        return nx_fail(NX_EINVAL, "\"%.*s\" is no host (write other letters as xn--...)",
                       (int)(authority.len < 80 ? authority.len : 80), authority.data);
    if (authority_split(own, &own_host, &own_port) && host.len == own_host.len &&
        strncasecmp(host.data, own_host.data, host.len) == 0)
        return nx_fail(NX_EINVAL, "the URL leads back to this site");
    char *url = nx_alloc(3 * text.len + 1), *at = url;
    if (!url) return NX_ENOMEM;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_plain(text.data[i])) {
            *at++ = text.data[i];
        } else {
            *at++ = '%';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
    }
    *at = '\0';
    *out = url;
    return NX_OK;
}

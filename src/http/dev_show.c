/* nexus dev: who may see the inside of the program. */
#include "http/dev.h"

#include <arpa/inet.h>
#include <strings.h>

static bool ends(nx_bytes name, const char *end)
{
    size_t len = strlen(end);
    return name.len > len && strncasecmp(name.data + name.len - len, end, len) == 0;
}

static bool is_address(nx_bytes name)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (name.len >= sizeof text) return false;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

/* Nobody can register these (RFC 6761, RFC 6762, RFC 8375), nor a name without a dot. */
static bool is_local(nx_bytes name)
{
    static const char *const domains[] = {".localhost", ".test", ".local", ".internal",
                                          ".home.arpa"};
    if (!name.len || !memchr(name.data, '.', name.len)) return true;
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++)
        if (ends(name, domains[i])) return true;
    return false;
}

/* What is before the port. */
static nx_bytes name_of(nx_bytes authority)
{
    const char *colon = authority.len ? memchr(authority.data, ':', authority.len) : NULL;
    return colon ? nx_slice(authority.data, (size_t)(colon - authority.data)) : authority;
}

static bool host_shows(nx_bytes host)
{
    if (host.len && host.data[0] == '[') return true; /* an IPv6 address */
    return is_local(name_of(host)) || is_address(name_of(host));
}

/* "null", of a frame in a sandbox, is nobody's; addresses of other machines may be anybody's. */
static bool origin_shows(nx_bytes origin, nx_bytes host)
{
    if (!origin.len) return true;
    const char *at = memmem(origin.data, origin.len, "://", 3);
    if (!at) return false;
    size_t scheme = (size_t)(at + 3 - origin.data);
    nx_bytes authority = nx_slice(at + 3, origin.len - scheme);
    if (authority.len == host.len && strncasecmp(authority.data, host.data, host.len) == 0)
        return true;
    nx_bytes name = name_of(authority);
    bool loopback = is_address(name) && memcmp(name.data, "127.", 4) == 0;
    return name.len && name.data[0] != '[' && (is_local(name) || loopback);
}

bool nx__http_dev_shows(nx_bytes host, nx_bytes origin)
{
    return host_shows(host) && origin_shows(origin, host);
}

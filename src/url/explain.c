/* Why a text is no URL. The library has refused it; here it is read once more, loosely, for the
 * first thing that section 4.4 of the standard refuses. */
#include "url/explain.h"
#include "base/error.h"

/* Bytes as they stand in the text, so that places can be told. */
struct span {
    const char *at, *end;
};

static nx_err refuse(nx_bytes text, const char *reason)
{
    char shown[NX__QUOTED];
    return nx__error_set(NX_EINVAL, "cannot read the URL \"%s\": %s", nx__quoted(shown, text),
                         reason);
}

static nx_err refuse_at(nx_bytes text, const char *what, const char *at, const char *reason)
{
    char shown[NX__QUOTED];
    return nx__error_set(NX_EINVAL, "cannot read the URL \"%s\": the %s at character %zu %s",
                         nx__quoted(shown, text), what, (size_t)(at - text.data) + 1, reason);
}

static bool is_alpha(char c)
{
    char l = (char)(c | 0x20);
    return l >= 'a' && l <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes "scheme:" off; false if there is none. */
static bool take_scheme(struct span *rest, struct span *scheme)
{
    const char *p = rest->at;
    if (p == rest->end || !is_alpha(*p)) return false;
    while (p < rest->end && (is_alpha(*p) || is_digit(*p) || *p == '+' || *p == '-' || *p == '.'))
        p++;
    if (p == rest->end || *p != ':') return false;
    *scheme = (struct span){rest->at, p};
    rest->at = p + 1;
    return true;
}

static bool is_special(struct span scheme, bool *file)
{
    static const char *const names[] = {"file", "ftp", "http", "https", "ws", "wss"};
    char name[6] = "";
    size_t len = (size_t)(scheme.end - scheme.at);
    if (len >= sizeof name) return false;
    for (size_t i = 0; i < len; i++) name[i] = (char)(scheme.at[i] | 0x20);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *file = i == 0;
        if (strcmp(name, names[i]) == 0) return true;
    }
    *file = false;
    return false;
}

/* Splits the port off the host; false where its colon is that of an IPv6 address. */
static bool split_port(struct span *host, struct span *port)
{
    const char *from = host->at;
    bool inside = from < host->end && *from == '[';
    for (const char *p = host->at; p < host->end; p++)
        if (*p == ']') {
            from = p;
            inside = false;
        }
    if (inside) return false;
    for (const char *p = from; p < host->end; p++)
        if (*p == ':') {
            *port = (struct span){p + 1, host->end};
            host->end = p;
            return true;
        }
    return false;
}

static nx_err explain_port(nx_bytes text, struct span port)
{
    unsigned number = 0;
    for (const char *p = port.at; p < port.end; p++) {
        if (!is_digit(*p)) return refuse_at(text, "port", port.at, "is no number");
        number = number * 10 + (unsigned)(*p - '0');
        if (number > UINT16_MAX) return refuse_at(text, "port", port.at, "is over 65535");
    }
    return NX_OK;
}

static nx_err explain_host(nx_bytes text, struct span host, bool special)
{
    if (*host.at == '[') {
        return refuse_at(text, "IPv6 address", host.at,
                         memchr(host.at, ']', (size_t)(host.end - host.at)) ? "is none"
                                                                            : "has no \"]\"");
    }
    for (const char *p = host.at; p < host.end; p++) {
        /* Behind a "%" the decoded character is judged: what follows says enough. */
        bool bad = (unsigned char)*p <= 0x20 || strchr("#/:<>?@[\\]^|\x7f", *p);
        if (bad) return refuse_at(text, "character", p, "may not stand in a host");
    }
    if (!special) return refuse_at(text, "host", host.at, "is none");
    const char *label = host.end;
    if (label > host.at && label[-1] == '.') label--;
    while (label > host.at && label[-1] != '.') label--;
    if (label < host.end && is_digit(*label))
        return refuse_at(text, "host", host.at, "ends in a number, but is no IPv4 address");
    return refuse_at(text, "host", host.at, "is no domain name");
}

nx_err nx__url_explain(nx_bytes text, bool has_base)
{
    struct span rest = {text.data, text.data + text.len}, scheme, host, port = {0};
    bool file = false;
    while (rest.at < rest.end && (unsigned char)*rest.at <= 0x20) rest.at++;
    while (rest.at < rest.end && (unsigned char)rest.end[-1] <= 0x20) rest.end--;
    bool absolute = take_scheme(&rest, &scheme);
    if (!absolute && !has_base)
        return refuse(text,
                      rest.at == rest.end ? "it is empty" : "it has no scheme, such as \"https:\"");
    bool special = !absolute || is_special(scheme, &file);
    const char *slashes = rest.at;
    while (rest.at < rest.end && (*rest.at == '/' || (special && *rest.at == '\\'))) {
        if (!special && rest.at - slashes == 2) break;
        rest.at++;
    }
    if (!absolute && rest.at - slashes < 2)
        return refuse(text, "nothing but a fragment can be relative to a base without a path");
    host = rest;
    for (const char *p = host.at; p < host.end; p++)
        if (*p == '/' || *p == '?' || *p == '#' || (special && *p == '\\')) host.end = p;
    bool named = false;
    for (const char *p = host.end; p > host.at && !named; p--)
        if (p[-1] == '@') {
            host.at = p;
            named = true;
        }
    bool ported = split_port(&host, &port);
    if (host.at == host.end && (special || named || ported)) return refuse(text, "it has no host");
    if (ported) NX_TRY(explain_port(text, port));
    if (host.at == host.end) return refuse(text, "it is none");
    return explain_host(text, host, special);
}

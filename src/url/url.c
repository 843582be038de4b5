/* URLs, by the library ada: parsed, resolved, changed, and as paths of files. */
#include "base/error.h"
#include "url/explain.h"
#include "url/library.h"
#include <nexus/url.h>

/* ---- What the library has, as a value */

static nx_bytes text_of(ada_string s)
{
    return nx_slice(s.data ? s.data : "", s.length);
}

static nx_bytes part(const char *href, size_t from, size_t to)
{
    return nx_slice(href + from, to - from);
}

static uint16_t default_port(nx_bytes scheme)
{
    if (nx_bytes_is(scheme, "https") || nx_bytes_is(scheme, "wss")) return 443;
    if (nx_bytes_is(scheme, "http") || nx_bytes_is(scheme, "ws")) return 80;
    return nx_bytes_is(scheme, "ftp") ? 21 : 0;
}

/*
 * https://user:pass@example.com:1234/foo/bar?baz#quux
 *       |     |    |          | ^^^^|       |   |
 *       |     |    |          | |   |       |   `----- hash_start
 *       |     |    |          | |   |       `--------- search_start
 *       |     |    |          | |   `----------------- pathname_start
 *       |     |    |          | `--------------------- port
 *       |     |    |          `----------------------- host_end
 *       |     |    `---------------------------------- host_start
 *       |     `--------------------------------------- username_end
 *       `--------------------------------------------- protocol_end
 */
static void take_parts(nx_url *url, const ada_url_components *at, uint8_t host_kind)
{
    const char *href = url->href.data;
    size_t end = url->href.len, path = at->pathname_start, host = at->host_start;
    size_t query = at->search_start == ada_url_omitted ? end : at->search_start;
    size_t fragment = at->hash_start == ada_url_omitted ? end : at->hash_start;
    if (query > fragment) query = fragment;
    url->scheme = part(href, 0, at->protocol_end - 1);
    url->path = part(href, path, query);
    if (query < fragment) url->query = part(href, query + 1, fragment);
    if (fragment < end) url->fragment = part(href, fragment + 1, end);
    /* "//" stands before a host, even an empty one; a path may begin with it too, behind "/.". */
    bool has_authority = at->username_end >= at->protocol_end + 2u && path >= at->host_end &&
                         at->host_end >= at->protocol_end + 2u &&
                         memcmp(href + at->protocol_end, "//", 2) == 0;
    if (has_authority) {
        size_t user = at->protocol_end + 2u;
        if (host < at->host_end && href[host] == '@') {
            url->username = part(href, user, at->username_end);
            if (at->username_end < host) url->password = part(href, at->username_end + 1u, host);
            host++;
        }
        url->host = part(href, host, at->host_end);
        size_t port_end = at->host_end;
        while (port_end < path && href[port_end] != '/') port_end++;
        url->host_port = part(href, host, port_end);
        url->host_kind = !url->host.len   ? NX_URL_NO_HOST
                         : host_kind == 1 ? NX_URL_IPV4
                         : host_kind == 2 ? NX_URL_IPV6
                                          : NX_URL_NAME;
    }
    url->port = at->port == ada_url_omitted ? default_port(url->scheme) : (uint16_t)at->port;
}

/* A call into the library: from `text` (and `base`) to `*out`, with a part changed on the way. */
struct work {
    nx_bytes text;
    const nx_bytes *base;
    const nx_bytes *value; /* of `part`, if one is changed */
    nx_url_part part;
    nx_url *out;
};

static nx_err deliver(ada_url url, nx_url *out)
{
    nx_bytes href = text_of(ada_get_href(url));
    if (href.len > NX_URL_MAX_SIZE)
        return nx__error_set(NX_ETOOBIG, "the URL is longer than %zu bytes", NX_URL_MAX_SIZE);
    char *copy = nx_copy(href);
    if (!copy) return NX_ENOMEM;
    nx_url result = {.href = {copy, href.len}};
    take_parts(&result, ada_get_components(url), ada_get_host_type(url));
    *out = result;
    return NX_OK;
}

static bool change(ada_url url, nx_url_part which, nx_bytes value)
{
    const char *data = value.data ? value.data : "";
    switch (which) {
    case NX_URL_HREF: return ada_set_href(url, data, value.len);
    case NX_URL_SCHEME: return ada_set_protocol(url, data, value.len);
    case NX_URL_USERNAME: return ada_set_username(url, data, value.len);
    case NX_URL_PASSWORD: return ada_set_password(url, data, value.len);
    case NX_URL_HOST: return ada_set_hostname(url, data, value.len);
    case NX_URL_HOST_PORT: return ada_set_host(url, data, value.len);
    case NX_URL_PORT: return ada_set_port(url, data, value.len);
    case NX_URL_PATH: return ada_set_pathname(url, data, value.len);
    case NX_URL_QUERY: ada_set_search(url, data, value.len); return true;
    case NX_URL_FRAGMENT: ada_set_hash(url, data, value.len); return true;
    }
    return false;
}

static nx_err refuse_change(const nx_url *url, nx_url_part which, nx_bytes value)
{
    static const char *const names[] = {"href", "scheme", "username", "password", "host",
                                        "host", "port",   "path",     "query",    "fragment"};
    char shown[NX__QUOTED], of[NX__QUOTED];
    if ((unsigned)which >= sizeof names / sizeof *names)
        return nx__error_set(NX_EINVAL, "a URL has no part %d", (int)which);
    return nx__error_set(NX_EINVAL, "cannot set the %s of \"%s\" to \"%s\"", names[which],
                         nx__quoted(of, url->href), nx__quoted(shown, value));
}

static nx_err work_parse(void *arg)
{
    struct work *work = arg;
    const char *text = work->text.data ? work->text.data : "";
    ada_url url = work->base
                      ? ada_parse_with_base(text, work->text.len, work->base->data, work->base->len)
                      : ada_parse(text, work->text.len);
    if (!ada_is_valid(url)) return nx__url_explain(nx_slice(text, work->text.len), work->base);
    if (work->value) {
        if (work->part == NX_URL_HREF && !ada_can_parse(work->value->data, work->value->len))
            return nx__url_explain(*work->value, false);
        if (!change(url, work->part, *work->value))
            return refuse_change(work->out, work->part, *work->value);
    }
    return deliver(url, work->out);
}

static nx_err run(struct work *work)
{
    if (work->text.len > NX_URL_MAX_SIZE || (work->value && work->value->len > NX_URL_MAX_SIZE))
        return nx__error_set(NX_ETOOBIG, "the URL is longer than %zu bytes", NX_URL_MAX_SIZE);
    return nx__ada_run(work_parse, work);
}

nx_err nx_url_parse(nx_bytes text, nx_url *out)
{
    return run(&(struct work){.text = text, .out = out});
}

nx_err nx_url_resolve(const nx_url *base, nx_bytes text, nx_url *out)
{
    nx_bytes href = base->href;
    return run(&(struct work){.text = text, .base = &href, .out = out});
}

nx_err nx_url_set(nx_url *url, nx_url_part which, nx_bytes value)
{
    if (!value.data) value = nx_slice("", 0);
    return run(&(struct work){.text = url->href, .part = which, .value = &value, .out = url});
}

static nx_err work_can_parse(void *arg)
{
    struct work *work = arg;
    bool can = work->base ? ada_can_parse_with_base(work->text.data, work->text.len,
                                                    work->base->data, work->base->len)
                          : ada_can_parse(work->text.data, work->text.len);
    return can ? NX_OK : NX_EINVAL;
}

bool nx_url_can_parse(nx_bytes text, const nx_url *base)
{
    struct work work = {.text = nx_slice(text.data ? text.data : "", text.len),
                        .base = base ? &base->href : NULL};
    return text.len <= NX_URL_MAX_SIZE && nx__ada_run(work_can_parse, &work) == NX_OK;
}

/* ---- What is told of one */

struct told {
    nx_bytes text, *out;
};

static nx_err keep(ada_owned_string s, nx_bytes *out)
{
    char *copy = nx_copy(nx_slice(s.data ? s.data : "", s.length));
    if (!copy) return NX_ENOMEM;
    *out = nx_slice(copy, s.length);
    return NX_OK;
}

static nx_err work_origin(void *arg)
{
    struct told *told = arg;
    return keep(ada_get_origin(ada_parse(told->text.data, told->text.len)), told->out);
}

nx_err nx_url_origin(const nx_url *url, nx_bytes *out)
{
    return nx__ada_run(work_origin, &(struct told){url->href, out});
}

static nx_err work_host_text(void *arg)
{
    struct told *told = arg;
    return keep(ada_idna_to_unicode(told->text.data, told->text.len), told->out);
}

nx_err nx_url_host_text(const nx_url *url, nx_bytes *out)
{
    nx_bytes host = url->host.data ? url->host : nx_slice("", 0);
    return nx__ada_run(work_host_text, &(struct told){host, out});
}

/* ---- Files */

nx_err nx_url_to_path(const nx_url *url, nx_bytes *out)
{
    char shown[NX__QUOTED];
    const char *reason = NULL;
    nx_bytes path;
    if (!nx_bytes_is(url->scheme, "file"))
        reason = "it is no file: URL";
    else if (url->host.len)
        reason = "it names another host";
    for (size_t i = 0; i + 2 < url->path.len && !reason; i++) {
        if (url->path.data[i] != '%') continue;
        char low = (char)(url->path.data[i + 2] | 0x20), high = url->path.data[i + 1];
        if (high == '2' && low == 'f') reason = "a name in it holds an escaped \"/\"";
        if (high == '0' && url->path.data[i + 2] == '0') reason = "it holds a NUL";
    }
    if (reason)
        return nx__error_set(NX_EINVAL, "\"%s\" is no path: %s", nx__quoted(shown, url->href),
                             reason);
    NX_TRY(nx_percent_decode(url->path, &path));
    *out = path;
    return NX_OK;
}

/* What a path's names may hold, and would mean something in a URL. */
static bool is_plain(char c)
{
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("/-._~!$&'()*+,;=:@", c));
}

nx_err nx_url_from_path(nx_bytes path, nx_url *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char shown[NX__QUOTED];
    if (!path.len || path.data[0] != '/' || memchr(path.data, '\0', path.len))
        return nx__error_set(NX_EINVAL, "\"%s\" is no path from \"/\" on", nx__quoted(shown, path));
    if (path.len > NX_URL_MAX_SIZE)
        return nx__error_set(NX_ETOOBIG, "the path is longer than %zu bytes", NX_URL_MAX_SIZE);
    char *text = nx_alloc(path.len * 3 + 8), *to = text;
    if (!text) return NX_ENOMEM;
    memcpy(to, "file://", 7);
    to += 7;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.data[i];
        /* "/C|/" and "/C:/" would be drives of another system. */
        bool drive = c == ':' && i == 2;
        if (is_plain((char)c) && !drive) {
            *to++ = (char)c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    return nx_url_parse(nx_slice(text, (size_t)(to - text)), out);
}

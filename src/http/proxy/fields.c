/* What of a head goes through a proxy, and what it adds. */
#include "http/proxy/proxy.h"

#include "http/data.h"
#include "http/h1/parse.h"
#include <stdio.h>

enum { ADDED = 8 }; /* fields of the proxy's own */

bool nx__hop_by_hop(nx_bytes name, nx_bytes connection)
{
    static const char *const own[] = {"connection",
                                      "keep-alive",
                                      "proxy-connection",
                                      "proxy-authenticate",
                                      "proxy-authorization",
                                      "te",
                                      "trailer",
                                      "transfer-encoding",
                                      "upgrade",
                                      "content-length",
                                      "expect",
                                      "http2-settings"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (nx__text_ieq(name, own[i])) return true;
    size_t at = 0, len;
    const char *option;
    while (connection.len &&
           nx__h1_next_element(connection.data, connection.len, &at, &option, &len))
        if (len && len == name.len && nx__ascii_ieq(option, name.data, len)) return true;
    return false;
}

/* What a client says of whom it speaks for: only who is trusted is believed. */
static bool is_claim(nx_bytes name)
{
    static const char *const claims[] = {"forwarded", "x-forwarded-for", "x-forwarded-host",
                                         "x-forwarded-proto", "x-real-ip"};
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        if (nx__text_ieq(name, claims[i])) return true;
    return false;
}

static void add(struct nx__fields *out, const char *name, nx_bytes value)
{
    if (out->count < out->capacity)
        out->items[out->count++] = (struct nx__field){.name = nx_str(name), .value = value};
}

/* All fields of that name as one list; empty where there is none. NULL when memory is out. */
static const char *joined(const nx_request *req, const char *name)
{
    const char *all = "";
    nx_bytes field, value;
    for (size_t i = 0; all && nx_request_header_at(req, i, &field, &value); i++)
        if (nx__text_ieq(field, name))
            all = *all ? nx_format("%s, %.*s", all, NX_FMT(value)) : nx_copy(value);
    return all;
}

static const char *with(const char *list, const char *last)
{
    return !list || !last ? NULL : *list ? nx_format("%s, %s", list, last) : last;
}

/* RFC 7239 4, 6: an IPv6 address in quotes and brackets; what is no address is unknown. */
static const char *forwarded_make(nx_bytes peer, nx_bytes scheme, nx_bytes host)
{
    bool v6 = peer.len && memchr(peer.data, ':', peer.len);
    bool address = peer.len && (v6 || nx__h1_is_digit(*peer.data));
    const char *node = !address ? "unknown"
                       : v6     ? nx_format("\"[%.*s]\"", NX_FMT(peer))
                                : nx_copy(peer);
    return node ? nx_format("for=%s;host=\"%.*s\";proto=%.*s", node, NX_FMT(host), NX_FMT(scheme))
                : NULL;
}

nx_err nx__proxy_request_fields(nx_request *req, const nx_proxy_options *o, struct nx__fields *out)
{
    size_t count = nx_request_header_count(req);
    const char *connection = joined(req, "connection"), *via = joined(req, "via");
    bool trusted = nx__request_from_proxy(req);
    nx_bytes peer = req->driver->peer(req), scheme = nx_request_scheme(req),
             host = nx_request_host(req), name, value;
    out->capacity = (uint32_t)(count + ADDED);
    out->count = 0;
    out->items = nx_alloc(out->capacity * sizeof *out->items);
    const char *others = trusted ? joined(req, "x-forwarded-for") : "";
    const char *list = with(others, nx_copy(peer));
    via = with(via, "1.1 nexus");
    if (!out->items || !connection || !list || !via)
        return nx__error_set(NX_ENOMEM, "cannot ask the upstream: out of memory");
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++)
        if (!nx__hop_by_hop(name, nx_str(connection)) && !is_claim(name) &&
            !nx__text_ieq(name, "host") && !nx__text_ieq(name, "via"))
            out->items[out->count++] = (struct nx__field){.name = name, .value = value};
    add(out, "x-forwarded-for", nx_str(list));
    add(out, "x-forwarded-host", host);
    add(out, "x-forwarded-proto", scheme);
    add(out, "via", nx_str(via));
    if (o->forwarded) {
        const char *before = trusted ? joined(req, "forwarded") : "";
        const char *all = with(before, forwarded_make(peer, scheme, host));
        if (!all) return nx__error_set(NX_ENOMEM, "cannot ask the upstream: out of memory");
        add(out, "forwarded", nx_str(all));
    }
    return NX_OK;
}

bool nx__proxy_takes_trailers(const nx_request *req)
{
    nx_bytes name, value;
    for (size_t i = 0; nx_request_header_at(req, i, &name, &value); i++) {
        size_t at = 0, len;
        const char *coding;
        if (!nx__text_ieq(name, "te")) continue;
        while (nx__h1_next_element(value.data, value.len, &at, &coding, &len))
            if (NX__ASCII_IS(coding, len, "trailers")) return true;
    }
    return false;
}

nx_err nx__proxy_request_trailers(nx_request *req, struct nx__fields *out)
{
    nx_bytes lines = req->driver->trailers(req);
    *out = (struct nx__fields){0};
    if (!lines.len) return NX_OK;
    const char *line = lines.data, *end = line + lines.len, *next;
    size_t most = 0;
    for (size_t i = 0; i < lines.len; i++) most += lines.data[i] == '\n';
    out->items = nx__arena_alloc(nx__request_arena(req), most * sizeof *out->items);
    if (!out->items) return nx__error_set(NX_ENOMEM, "cannot ask the upstream: out of memory");
    for (; line < end && (next = memchr(line, '\n', (size_t)(end - line))); line = next + 1) {
        struct nx__h1_header h;
        size_t len = (size_t)(next - line);
        if (len && line[len - 1] == '\r') len--;
        if (!nx__h1_parse_field(line, len, &h)) continue;
        nx_bytes name = nx_slice(line + h.name_off, h.name_len);
        if (nx__hop_by_hop(name, (nx_bytes){0}) || is_claim(name)) continue;
        out->items[out->count++] =
            (struct nx__field){.name = name, .value = nx_slice(line + h.value_off, h.value_len)};
    }
    return NX_OK;
}

/* What goes no further. Where else the upstream is (RFC 7838) is nothing to a client of ours. */
static bool of_connection(const struct nx__answer *answer, nx_bytes name)
{
    if (nx__hop_by_hop(name, (nx_bytes){0}) || nx__text_ieq(name, "alt-svc")) return true;
    for (uint32_t i = 0; i < answer->field_count; i++)
        if (nx__text_ieq(answer->fields[i].name, "connection") &&
            nx__hop_by_hop(name, answer->fields[i].value))
            return true;
    return false;
}

void nx__proxy_answer_fields(nx_response *res, const struct nx__answer *answer)
{
    for (uint32_t i = 0; i < answer->field_count; i++) {
        const struct nx__field *f = &answer->fields[i];
        if (of_connection(answer, f->name)) continue;
        const char *name = nx_copy(f->name), *value = nx_copy(f->value);
        /* One that is NULL for want of memory makes the answer fail. */
        nx_response_header_add(res, name, value);
    }
}

/* Cookies (RFC 6265): reading, setting, and those that are signed or encrypted. */
#include "http/data.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "http/h1/syntax.h"
#include <stdio.h>
#include <stdlib.h>

/* ---- Reading */

static bool is_blank(char c)
{
    return nx__h1_is(c, NX__H1_BLANK);
}

static nx_bytes trim(nx_bytes text)
{
    while (text.len && is_blank(text.data[0])) text = nx_slice(text.data + 1, text.len - 1);
    while (text.len && is_blank(text.data[text.len - 1])) text.len--;
    return text;
}

bool nx__cookie_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value)
{
    while (rest->len) {
        const char *end = memchr(rest->data, ';', rest->len);
        nx_bytes pair = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
        size_t used = pair.len + (end ? 1 : 0);
        *rest = nx_slice(rest->data + used, rest->len - used);
        const char *equals = pair.len ? memchr(pair.data, '=', pair.len) : NULL;
        if (!equals) continue;
        *name = trim(nx_slice(pair.data, (size_t)(equals - pair.data)));
        /* "=__Host-sid=x" is a cookie without a name, not one called __Host-sid. */
        if (!name->len) continue;
        *value = trim(nx_slice(equals + 1, (size_t)(pair.data + pair.len - equals - 1)));
        if (value->len >= 2 && value->data[0] == '"' && value->data[value->len - 1] == '"')
            *value = nx_slice(value->data + 1, value->len - 2);
        return true;
    }
    return false;
}

/* The next pair of all cookie fields, from `*field` on; `*rest` is what is left of that field. */
static bool next(const nx_request *req, size_t *field, nx_bytes *rest, nx_bytes *name,
                 nx_bytes *value)
{
    for (;;) {
        if (nx__cookie_next(rest, name, value)) return true;
        nx_bytes header;
        do
            if (!nx_request_header_at(req, (*field)++, &header, rest)) return false;
        while (!NX__ASCII_IS(header.data, header.len, "cookie"));
    }
}

/* As it was set with nx_response_cookie: others than us may put anything into a cookie, and the
 * browser keeps sending it, so what is no percent-encoding stands for itself. */
static nx_bytes decoded(nx_request *req, nx_bytes raw)
{
    if (raw.len && memchr(raw.data, '%', raw.len)) {
        char *out = nx__arena_alloc(nx__request_arena(req), raw.len + 1);
        size_t len;
        if (out && nx__text_decode(raw, false, out, &len)) {
            out[len] = '\0';
            return nx_slice(out, len);
        }
    }
    return nx__utf8_valid(raw.data, raw.len) ? raw : (nx_bytes){0};
}

static nx_bytes raw_cookie(const nx_request *req, const char *wanted)
{
    size_t field = 0;
    nx_bytes rest = {0}, name, value;
    while (next(req, &field, &rest, &name, &value))
        if (nx_bytes_is(name, wanted)) return value;
    return (nx_bytes){0};
}

nx_bytes nx_request_cookie(nx_request *req, const char *name)
{
    nx_bytes raw = raw_cookie(req, name);
    return raw.data ? decoded(req, raw) : raw;
}

/* All of them, once: going through them by index would else read the field again for each. */
static const struct nx__params *all(nx_request *req)
{
    static const struct nx__params none;
    struct nx__request_data *data = nx__request_data(req);
    if (!data) return &none;
    size_t field = 0;
    nx_bytes rest = {0};
    struct nx__param cookie;
    while (!data->cookies_parsed && next(req, &field, &rest, &cookie.name, &cookie.value)) {
        cookie.value = decoded(req, cookie.value);
        if (cookie.value.data && nx__params_add(&data->cookies, cookie, nx__request_arena(req)))
            break;
    }
    data->cookies_parsed = true;
    return &data->cookies;
}

bool nx_request_cookie_at(nx_request *req, size_t index, nx_bytes *name, nx_bytes *value)
{
    const struct nx__params *cookies = all(req);
    if (index >= cookies->count) return false;
    *name = cookies->items[index].name;
    *value = cookies->items[index].value;
    return true;
}

/* ---- Setting */

char *nx__cookie_encode(nx_bytes value, struct nx__arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    if (value.len > NX_HTTP_MAX_COOKIE) value.len = NX_HTTP_MAX_COOKIE + 1; /* refused later */
    char *out = nx__arena_alloc(arena, value.len * 3 + 1), *at = out;
    if (!out) return NULL;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c > 0x20 && c < 0x7f && !memchr("\",;\\%", c, 5)) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
    }
    *at = '\0';
    return out;
}

static bool is_token(const char *s)
{
    if (!*s) return false;
    while (nx__h1_is(*s, NX__H1_TOKEN)) s++;
    return !*s;
}

/* The value of an attribute: nothing that ends it. */
static bool is_attribute(const char *s)
{
    while ((unsigned char)*s >= 0x20 && (unsigned char)*s < 0x7f && *s != ';') s++;
    return !*s;
}

static const char *mistake_of(const char *name, const nx_cookie_options *o)
{
    if (!name || !is_token(name)) return "a cookie's name is a token (letters, digits, dashes)";
    if (!is_attribute(o->path) || (o->domain && !is_attribute(o->domain)))
        return "a cookie's path and domain are ASCII without \";\"";
    if (o->max_age < 0)
        return "a cookie's max_age is negative; nx_response_cookie_clear removes one";
    if (o->same_site == NX_SAME_SITE_NONE && !o->secure)
        return "a cookie with same_site none has to be secure, or browsers drop it";
    if (o->partitioned && !o->secure)
        return "a partitioned cookie has to be secure, or browsers drop it";
    if (strncasecmp(name, "__Secure-", 9) == 0 && !o->secure)
        return "a cookie whose name begins with __Secure- has to be secure, or browsers drop it";
    if (strncasecmp(name, "__Host-", 7) == 0 &&
        (!o->secure || o->domain || strcmp(o->path, "/") != 0))
        return "a cookie whose name begins with __Host- has to be secure, without a domain and with the path \"/\", or browsers drop it";
    return NULL;
}

static nx_cookie_options options_of(const nx_cookie_options *given)
{
    nx_cookie_options o = {0};
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    if (!o.path) o.path = "/";
    return o;
}

/* Whole seconds, rounded up: an age of 0 would remove the cookie. */
static int64_t seconds(nx_duration span)
{
    return span / NX_S(1) + (span % NX_S(1) ? 1 : 0);
}

/* `value` is in the form that a cookie holds; NULL when memory was out. */
static void set(nx_response *res, const char *name, const char *value, const nx_cookie_options *o,
                bool clear)
{
    static const char *const sites[] = {"Lax", "Strict", "None"};
    const char *mistake = mistake_of(name, o);
    if (!value || mistake) {
        nx__response_mistake(res, mistake ? NX_EINVAL : NX_ENOMEM,
                             mistake ? mistake : "out of memory");
        return;
    }
    char age[64] = "", line[NX_HTTP_MAX_COOKIE + 1];
    if (clear)
        (void)snprintf(age, sizeof age, "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    else if (o->max_age)
        (void)snprintf(age, sizeof age, "; Max-Age=%lld", (long long)seconds(o->max_age));
    int n = snprintf(line, sizeof line, "%s=%s; Path=%s%s%s%s; SameSite=%s%s%s%s", name, value,
                     o->path, o->domain ? "; Domain=" : "", o->domain ? o->domain : "", age,
                     sites[o->same_site <= NX_SAME_SITE_NONE ? o->same_site : 0],
                     o->http_only ? "; HttpOnly" : "", o->secure ? "; Secure" : "",
                     o->partitioned ? "; Partitioned" : "");
    if (n < 0 || (size_t)n >= sizeof line)
        nx__response_mistake(res, NX_EINVAL,
                             "a cookie is larger than 4,096 bytes, and browsers drop it");
    else
        nx_response_header_add(res, "set-cookie", line);
}

void nx_response_cookie_with(nx_response *res, const char *name, nx_bytes value,
                             const nx_cookie_options *options)
{
    nx_cookie_options o = options_of(options);
    if (!nx__utf8_valid(value.data, value.len) ||
        (value.len && memchr(value.data, '\0', value.len))) {
        nx__response_mistake(
            res, NX_EINVAL,
            "a cookie's value is UTF-8 without NUL; an encrypted one takes any bytes");
        return;
    }
    set(res, name, nx__cookie_encode(value, nx__request_arena(res->req)), &o, false);
}

void nx_response_cookie_clear_with(nx_response *res, const char *name,
                                   const nx_cookie_options *options)
{
    nx_cookie_options o = options_of(options);
    o.max_age = 0;
    set(res, name, "", &o, true);
}

/* ---- Signed and encrypted */

static const struct nx__cookie_keys *keys_of(nx_response *res)
{
    const struct nx__cookie_keys *keys = res->req->server->cookie_keys;
    if (!keys)
        nx__response_mistake(
            res, NX_ESTATE,
            "signed and encrypted cookies take keys: nx_http_cookie_keys(server, getenv(\"COOKIE_KEY\"))");
    return keys;
}

static uint64_t now_seconds(void)
{
    return (uint64_t)(nx__clock_wall() / NX_S(1));
}

static uint64_t expiry(const nx_cookie_options *o)
{
    return now_seconds() + (uint64_t)seconds(o->max_age > 0 ? o->max_age : NX_HTTP_COOKIE_LIFE);
}

void nx_response_cookie_signed_with(nx_response *res, const char *name, nx_bytes value,
                                    const nx_cookie_options *options)
{
    nx_cookie_options o = options_of(options);
    const struct nx__cookie_keys *keys = keys_of(res);
    if (!keys) return;
    if (!nx__utf8_valid(value.data, value.len) ||
        (value.len && memchr(value.data, '\0', value.len))) {
        nx__response_mistake(
            res, NX_EINVAL,
            "a cookie's value is UTF-8 without NUL; an encrypted one takes any bytes");
        return;
    }
    set(res, name,
        nx__cookie_sign(keys, name ? name : "", value, expiry(&o), nx__request_arena(res->req)), &o,
        false);
}

void nx_response_cookie_encrypted_with(nx_response *res, const char *name, nx_bytes value,
                                       const nx_cookie_options *options)
{
    nx_cookie_options o = options_of(options);
    o.http_only = true;
    const struct nx__cookie_keys *keys = keys_of(res);
    if (!keys) return;
    set(res, name,
        nx__cookie_encrypt(keys, name ? name : "", value, expiry(&o), nx__request_arena(res->req)),
        &o, false);
}

nx_bytes nx_request_cookie_signed(nx_request *req, const char *name)
{
    const struct nx__cookie_keys *keys = keys_of(&req->response);
    nx_bytes raw = keys ? raw_cookie(req, name) : (nx_bytes){0};
    return raw.data ? nx__cookie_verify(keys, name, raw, now_seconds(), nx__request_arena(req))
                    : raw;
}

nx_bytes nx_request_cookie_encrypted(nx_request *req, const char *name)
{
    const struct nx__cookie_keys *keys = keys_of(&req->response);
    nx_bytes raw = keys ? raw_cookie(req, name) : (nx_bytes){0};
    return raw.data ? nx__cookie_decrypt(keys, name, raw, now_seconds(), nx__request_arena(req))
                    : raw;
}

void nx_http_cookie_keys_of(nx_http_server *server, const char *const *secrets, size_t count)
{
    if (!server) return; /* out of memory: nx_http_listen says so */
    const char *reason = NULL;
    struct nx__cookie_keys *keys = nx__cookie_keys_new(secrets, count, &reason);
    if (!keys) {
        if (server->failed) return;
        server->failed = NX_EINVAL;
        (void)snprintf(server->failure, sizeof server->failure, "cannot use these cookie keys: %s",
                       reason);
        return;
    }
    nx__cookie_keys_free(server->cookie_keys);
    server->cookie_keys = keys;
}

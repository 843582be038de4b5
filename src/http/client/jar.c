/* The cookie jar. */
#include "http/client/jar.h"

#include "base/buffer.h"
#include "base/clock.h"

#include "http/data.h"
#include "http/h1/syntax.h"
#include <nexus/fs.h>
#include <nexus/url.h>
#include <stdlib.h>

struct cookie {
    struct nx__list link; /* in jar->cookies, the one that was used last first */
    nx_bytes name, value, domain, path;
    int64_t expires, created; /* seconds; `created` is an order */
    bool secure, http_only, host_only;
    char text[];
};

struct nx_cookie_jar {
    struct nx__list cookies;
    size_t count;
    int64_t order;
};

/* ---- A field */

static nx_bytes trimmed(nx_bytes b)
{
    while (b.len && nx__h1_is(*b.data, NX__H1_BLANK)) b = nx_slice(b.data + 1, b.len - 1);
    while (b.len && nx__h1_is(b.data[b.len - 1], NX__H1_BLANK)) b.len--;
    return b;
}

static nx_bytes cut(nx_bytes *rest, char at)
{
    const char *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    nx_bytes first = nx_slice(rest->data, len);
    *rest = end ? nx_slice(end + 1, rest->len - len - 1) : nx_slice(rest->data + len, 0);
    return first;
}

/* ---- A date as RFC 6265 5.1.1 has it: whatever looks like time, day, month and year, in any order
 */

static bool digits(const char *text, size_t len, int *out)
{
    *out = 0;
    if (!len || len > 4) return false;
    for (size_t i = 0; i < len; i++) {
        if (!nx__h1_is_digit(text[i])) return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

static bool time_read(nx_bytes token, int hms[3])
{
    nx_bytes rest = token;
    for (int i = 0; i < 3; i++) {
        nx_bytes part = cut(&rest, ':');
        if (part.len > 2 || !digits(part.data, part.len, &hms[i])) return false;
    }
    return rest.len == 0 && hms[0] < 24 && hms[1] < 60 && hms[2] < 60;
}

static bool is_delimiter(char c)
{
    return c == '\t' || (c >= 0x20 && c <= 0x2f) || (c >= 0x3b && c <= 0x40) ||
           (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
}

static int month_read(nx_bytes token)
{
    static const char months[12][4] = {"jan", "feb", "mar", "apr", "may", "jun",
                                       "jul", "aug", "sep", "oct", "nov", "dec"};
    for (int i = 0; i < 12; i++)
        if (token.len >= 3 && nx__ascii_ieq(token.data, months[i], 3)) return i + 1;
    return 0;
}

/* Days from 1970-01-01; the year is from 1601 to 9999. */
static int64_t days(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool date_read(nx_bytes text, int64_t *out)
{
    int hms[3] = {0}, day = 0, month = 0, year = -1, number;
    bool timed = false;
    size_t at = 0;
    while (at < text.len) {
        while (at < text.len && is_delimiter(text.data[at])) at++;
        size_t from = at;
        while (at < text.len && !is_delimiter(text.data[at])) at++;
        nx_bytes token = nx_slice(text.data + from, at - from);
        if (!timed && time_read(token, hms))
            timed = true;
        else if (!day && token.len <= 2 && digits(token.data, token.len, &number))
            day = number ? number : 99;
        else if (!month && (number = month_read(token)))
            month = number;
        else if (year < 0 && (token.len == 2 || token.len == 4) &&
                 digits(token.data, token.len, &number))
            year = number;
    }
    if (year >= 70 && year <= 99) year += 1900;
    if (year >= 0 && year <= 69) year += 2000;
    if (!timed || !month || day < 1 || year < 1601) return false;
    static const int lengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (day > lengths[month - 1]) return false;
    *out = days(year, month, day) * 86400 + hms[0] * 3600 + hms[1] * 60 + hms[2];
    return true;
}

static bool max_age_read(nx_bytes value, int64_t now, int64_t *expires)
{
    bool minus = value.len && *value.data == '-';
    nx_bytes number = minus ? nx_slice(value.data + 1, value.len - 1) : value;
    int64_t span = 0;
    if (!number.len) return false;
    for (size_t i = 0; i < number.len; i++) {
        if (!nx__h1_is_digit(number.data[i])) return false;
        if (span < INT64_MAX / 100) span = span * 10 + (number.data[i] - '0');
    }
    bool over = minus || !span;
    *expires = over ? INT64_MIN : span > INT64_MAX / 4 ? INT64_MAX - 1 : now + span;
    return true;
}

const char *nx__set_cookie_parse(nx_bytes text, int64_t now, struct nx__set_cookie *out)
{
    *out = (struct nx__set_cookie){.expires = INT64_MAX};
    if (text.len > NX_COOKIE_SIZE_MOST) return "it is longer than NX_COOKIE_SIZE_MOST";
    for (size_t i = 0; i < text.len; i++)
        if (!nx__h1_is(text.data[i], NX__H1_VALUE)) return "it has control characters";
    nx_bytes rest = text, pair = cut(&rest, ';');
    if (!memchr(pair.len ? pair.data : "", '=', pair.len)) return "it has no name";
    out->name = trimmed(cut(&pair, '='));
    out->value = trimmed(pair);
    if (!out->name.len) return "it has no name";
    bool aged = false;
    while (rest.len) {
        nx_bytes value = cut(&rest, ';'), name = trimmed(cut(&value, '='));
        value = trimmed(value);
        int64_t expires;
        if (nx__text_ieq(name, "expires")) {
            if (!aged && date_read(value, &expires))
                out->expires = expires <= now ? INT64_MIN : expires;
        } else if (nx__text_ieq(name, "max-age")) {
            if (max_age_read(value, now, &expires)) {
                aged = true;
                out->expires = expires;
            }
        } else if (nx__text_ieq(name, "domain")) {
            if (value.len && *value.data == '.') value = nx_slice(value.data + 1, value.len - 1);
            if (value.len) out->domain = value;
        } else if (nx__text_ieq(name, "path")) {
            out->path = value.len && *value.data == '/' ? value : (nx_bytes){0};
        } else if (nx__text_ieq(name, "secure")) {
            out->secure = true;
        } else if (nx__text_ieq(name, "httponly")) {
            out->http_only = true;
        }
    }
    /* What the names promise (RFC 6265bis 4.1.3). */
    if (out->name.len >= 9 && nx__ascii_ieq(out->name.data, "__secure-", 9) && !out->secure)
        return "its name begins with __Secure-, and it is not";
    if (out->name.len >= 7 && nx__ascii_ieq(out->name.data, "__host-", 7) &&
        (!out->secure || out->domain.len || !nx_bytes_is(out->path, "/")))
        return "its name begins with __Host-, and it is not Secure, has a Domain, or not the path /";
    return NULL;
}

/* ---- Where it goes */

static bool ieq(nx_bytes a, nx_bytes b)
{
    return a.len == b.len && nx__ascii_ieq(a.data, b.data, a.len);
}

bool nx__cookie_domain_match(nx_bytes host, nx_bytes domain)
{
    if (ieq(host, domain)) return true;
    return domain.len && host.len > domain.len && host.data[host.len - domain.len - 1] == '.' &&
           nx__ascii_ieq(host.data + host.len - domain.len, domain.data, domain.len);
}

bool nx__cookie_path_match(nx_bytes path, nx_bytes of_cookie)
{
    if (path.len < of_cookie.len || memcmp(path.data, of_cookie.data, of_cookie.len) != 0)
        return false;
    return path.len == of_cookie.len || of_cookie.data[of_cookie.len - 1] == '/' ||
           path.data[of_cookie.len] == '/';
}

bool nx__cookie_public_suffix(nx_bytes domain)
{
    /* Second levels by which countries sort their names. */
    static const char *const sorts[] = {"ac",  "co", "com", "edu", "go",  "gob", "gov", "gouv",
                                        "gv",  "id", "ltd", "mil", "me",  "ne",  "net", "nhs",
                                        "nom", "or", "org", "plc", "sch", "web"};
    nx_bytes rest = domain, first = cut(&rest, '.');
    if (!rest.len) return true;
    if (rest.len != 2 || memchr(rest.data, '.', rest.len)) return false;
    for (size_t i = 0; i < sizeof sorts / sizeof *sorts; i++)
        if (nx__text_ieq(first, sorts[i])) return true;
    return false;
}

/* RFC 6265 5.1.4. */
static nx_bytes path_default(nx_bytes path)
{
    size_t len = path.len;
    if (!len || *path.data != '/') return nx_str("/");
    while (path.data[len - 1] != '/') len--;
    return len > 1 ? nx_slice(path.data, len - 1) : nx_str("/");
}

/* ---- The jar */

nx_err nx_cookie_jar_new(nx_cookie_jar **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out) return nx__error_set(NX_ENOMEM, "cannot make a cookie jar: out of memory");
    nx__list_init(&(*out)->cookies);
    return NX_OK;
}

/* Not free() itself: the analyzer takes a list for one in which what was taken out still is. */
static void (*const cookie_free)(void *cookie) = free;

static void cookie_remove(nx_cookie_jar *jar, struct cookie *c)
{
    nx__list_remove(&c->link);
    jar->count--;
    cookie_free(c);
}

void nx_cookie_jar_clear(nx_cookie_jar *jar)
{
    while (!nx__list_empty(&jar->cookies))
        cookie_remove(jar, nx__container_of(jar->cookies.next, struct cookie, link));
}

void nx_cookie_jar_free(nx_cookie_jar *jar)
{
    if (!jar) return;
    nx_cookie_jar_clear(jar);
    free(jar);
}

#define EACH(jar, c, next)                                                                         \
    for (struct cookie *c = nx__container_of((jar)->cookies.next, struct cookie, link),            \
                       *next = nx__container_of(c->link.next, struct cookie, link);                \
         &c->link != &(jar)->cookies;                                                              \
         c = next, next = nx__container_of(c->link.next, struct cookie, link))

/* Makes room for one more of the domain. */
static void room_make(nx_cookie_jar *jar, nx_bytes domain, int64_t now)
{
    size_t of_domain = 0;
    struct cookie *last = NULL;
    EACH(jar, c, next)
    {
        if (c->expires <= now) {
            cookie_remove(jar, c);
        } else if (ieq(c->domain, domain)) {
            of_domain++;
            last = c;
        }
    }
    if (of_domain >= NX_COOKIES_PER_HOST)
        cookie_remove(jar, last);
    else if (jar->count >= NX_COOKIES_MOST)
        cookie_remove(jar, nx__container_of(jar->cookies.prev, struct cookie, link));
}

static nx_bytes text_put(char **at, nx_bytes text, bool lower)
{
    char *start = *at;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        start[i] = lower && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    *at = start + text.len;
    return nx_slice(start, text.len);
}

static const char *put(nx_cookie_jar *jar, const struct nx__set_cookie *set, nx_bytes domain,
                       nx_bytes path, bool host_only, bool secure_place, int64_t now)
{
    int64_t created = ++jar->order;
    EACH(jar, c, next)
    {
        /* What came over a secure connection is not overwritten by what did not (6265bis 5.7). */
        if (c->secure && !secure_place && nx_bytes_eq(c->name, set->name) &&
            (nx__cookie_domain_match(c->domain, domain) ||
             nx__cookie_domain_match(domain, c->domain)) &&
            nx__cookie_path_match(path, c->path))
            return "a secure one of that name is there";
        if (nx_bytes_eq(c->name, set->name) && ieq(c->domain, domain) &&
            nx_bytes_eq(c->path, path) && c->host_only == host_only) {
            created = c->created;
            cookie_remove(jar, c);
        }
    }
    if (set->expires <= now) return NULL;
    room_make(jar, domain, now);
    struct cookie *c = malloc(sizeof *c + set->name.len + set->value.len + domain.len + path.len);
    if (!c) return "out of memory";
    *c = (struct cookie){.expires = set->expires,
                         .created = created,
                         .secure = set->secure,
                         .http_only = set->http_only,
                         .host_only = host_only};
    char *at = c->text;
    c->name = text_put(&at, set->name, false);
    c->value = text_put(&at, set->value, false);
    c->domain = text_put(&at, domain, true);
    c->path = text_put(&at, path, false);
    nx__list_insert(jar->cookies.next, &c->link);
    jar->count++;
    return NULL;
}

const char *nx__jar_set(nx_cookie_jar *jar, const struct nx__cookie_place *place, nx_bytes text,
                        int64_t now)
{
    struct nx__set_cookie set;
    const char *reason = nx__set_cookie_parse(text, now, &set);
    if (reason) return reason;
    bool host_only = !set.domain.len;
    if (!host_only && (place->is_address || nx__cookie_public_suffix(set.domain))) {
        /* A host may name itself, whatever it is; the cookie is then its own alone. */
        if (!ieq(set.domain, place->host)) return "its Domain is a public suffix, or no name";
        host_only = true;
    }
    if (!host_only && !nx__cookie_domain_match(place->host, set.domain))
        return "its Domain does not have the host";
    if (!set.domain.len) set.domain = place->host;
    if (set.secure && !place->secure) return "it is Secure, and the connection is not";
    nx_bytes path = set.path.len ? set.path : path_default(place->path);
    return put(jar, &set, set.domain, path, host_only, place->secure, now);
}

static bool is_for(const struct cookie *c, const struct nx__cookie_place *place)
{
    if (c->secure && !place->secure) return false;
    if (!(c->host_only ? ieq(place->host, c->domain)
                       : nx__cookie_domain_match(place->host, c->domain)))
        return false;
    return nx__cookie_path_match(place->path, c->path);
}

/* Longer paths first, then the older ones (5.4). */
static int before(const void *a, const void *b)
{
    const struct cookie *x = *(struct cookie *const *)a, *y = *(struct cookie *const *)b;
    if (x->path.len != y->path.len) return x->path.len > y->path.len ? -1 : 1;
    return x->created < y->created ? -1 : x->created > y->created;
}

nx_bytes nx__jar_get(nx_cookie_jar *jar, const struct nx__cookie_place *place, int64_t now,
                     struct nx__arena *arena)
{
    enum { TOGETHER = NX_COOKIES_PER_HOST };
    struct cookie *found[TOGETHER];
    size_t count = 0, len = 0;
    EACH(jar, c, next)
    {
        if (c->expires <= now)
            cookie_remove(jar, c);
        else if (count < TOGETHER && is_for(c, place))
            found[count++] = c;
    }
    if (!count) return nx_str("");
    qsort(found, count, sizeof *found, before);
    for (size_t i = 0; i < count; i++) len += found[i]->name.len + found[i]->value.len + 3;
    char *text = nx__arena_alloc(arena, len), *at = text;
    if (!text) return (nx_bytes){0};
    for (size_t i = 0; i < count; i++) {
        if (i) {
            *at++ = ';';
            *at++ = ' ';
        }
        text_put(&at, found[i]->name, false);
        *at++ = '=';
        text_put(&at, found[i]->value, false);
        nx__list_remove(&found[i]->link);
        nx__list_insert(jar->cookies.next, &found[i]->link);
    }
    return nx_slice(text, (size_t)(at - text));
}

/* ---- By URL */

static nx_err place_of(const char *url, nx_url *parsed, struct nx__cookie_place *place)
{
    NX_TRY(nx_url_parse(nx_str(url), parsed));
    bool v6 = parsed->host_kind == NX_URL_IPV6;
    *place = (struct nx__cookie_place){
        .host = v6 ? nx_slice(parsed->host.data + 1, parsed->host.len - 2) : parsed->host,
        .path = parsed->path,
        .secure = nx_bytes_is(parsed->scheme, "https") || nx_bytes_is(parsed->scheme, "wss"),
        .is_address = parsed->host_kind != NX_URL_NAME};
    if (place->host.len) return NX_OK;
    return nx__error_set(NX_EINVAL, "a cookie's URL has a host; \"%.90s\" has none", url);
}

static int64_t now_seconds(void)
{
    return nx__clock_wall() / NX_S(1);
}

nx_err nx_cookie_jar_set(nx_cookie_jar *jar, const char *url, nx_bytes set_cookie)
{
    struct nx__cookie_place place;
    nx_url parsed;
    NX_TRY(place_of(url, &parsed, &place));
    const char *reason = nx__jar_set(jar, &place, set_cookie, now_seconds());
    if (!reason) return NX_OK;
    return nx__error_set(strcmp(reason, "out of memory") == 0 ? NX_ENOMEM : NX_EINVAL,
                         "the cookie is not kept: %s", reason);
}

nx_err nx_cookie_jar_get(nx_cookie_jar *jar, const char *url, nx_bytes *out)
{
    struct nx__cookie_place place;
    nx_url parsed;
    *out = (nx_bytes){0};
    NX_TRY(place_of(url, &parsed, &place));
    *out = nx__jar_get(jar, &place, now_seconds(), nx__scope_arena());
    return out->data ? NX_OK : nx__error_set(NX_ENOMEM, "cannot list cookies: out of memory");
}

size_t nx_cookie_jar_count(nx_cookie_jar *jar)
{
    int64_t now = now_seconds();
    EACH(jar, c, next) if (c->expires <= now) cookie_remove(jar, c);
    return jar->count;
}

/* ---- Files: domain, below it too, path, secure, expires, name, value; by tabs */

static bool line_read(nx_bytes line, struct nx__set_cookie *set, bool *host_only)
{
    static const char http_only[] = "#HttpOnly_";
    nx_bytes fields[7];
    if (line.len > sizeof http_only - 1 &&
        memcmp(line.data, http_only, sizeof http_only - 1) == 0) {
        set->http_only = true;
        line = nx_slice(line.data + sizeof http_only - 1, line.len - (sizeof http_only - 1));
    } else if (!line.len || *line.data == '#') {
        return false;
    }
    for (int i = 0; i < 6; i++) fields[i] = cut(&line, '\t');
    fields[6] = line;
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\t' || !nx__h1_is(line.data[i], NX__H1_VALUE)) return false;
    for (int i = 0; i < 6; i++)
        for (size_t k = 0; k < fields[i].len; k++)
            if (!nx__h1_is(fields[i].data[k], NX__H1_VALUE)) return false;
    *host_only = !nx__text_ieq(fields[1], "TRUE");
    set->domain = fields[0];
    if (set->domain.len && *set->domain.data == '.')
        set->domain = nx_slice(set->domain.data + 1, set->domain.len - 1);
    set->path = fields[2];
    set->secure = nx__text_ieq(fields[3], "TRUE");
    set->name = fields[5];
    set->value = fields[6];
    int64_t expires = 0;
    for (size_t i = 0; i < fields[4].len; i++) {
        if (!nx__h1_is_digit(fields[4].data[i])) return false;
        if (expires < INT64_MAX / 100) expires = expires * 10 + (fields[4].data[i] - '0');
    }
    set->expires = expires ? expires : INT64_MAX;
    return set->domain.len && set->name.len && set->path.len && *set->path.data == '/' &&
           set->name.len + set->value.len <= NX_COOKIE_SIZE_MOST;
}

nx_err nx_cookie_jar_load(nx_cookie_jar *jar, const char *path)
{
    nx_bytes text;
    nx_err err = nx_fs_read_file(path, &text);
    if (err) return err == NX_ENOENT ? NX_OK : err;
    int64_t now = now_seconds();
    while (text.len) {
        nx_bytes line = cut(&text, '\n');
        struct nx__set_cookie set = {0};
        bool host_only;
        if (line.len && line.data[line.len - 1] == '\r') line.len--;
        if (!line_read(line, &set, &host_only)) continue;
        if (!host_only && nx__cookie_public_suffix(set.domain)) continue;
        const char *reason = put(jar, &set, set.domain, set.path, host_only, true, now);
        if (reason) return nx__error_set(NX_ENOMEM, "cannot read \"%s\": %s", path, reason);
    }
    return NX_OK;
}

static nx_err jar_write(nx_cookie_jar *jar, struct nx__buffer *out)
{
    const size_t most = (size_t)NX_COOKIES_MOST * (NX_COOKIE_SIZE_MOST + 4096);
    NX_TRY(nx__buffer_printf(out, most, "# Netscape HTTP Cookie File\n"));
    /* The oldest first: reading puts them back in their order. */
    for (struct nx__list *link = jar->cookies.prev; link != &jar->cookies; link = link->prev) {
        const struct cookie *c = nx__container_of(link, struct cookie, link);
        if (c->value.len && memchr(c->value.data, '\t', c->value.len)) continue;
        NX_TRY(nx__buffer_printf(out, most, "%s%s%.*s\t%s\t%.*s\t%s\t%lld\t%.*s\t%.*s\n",
                                 c->http_only ? "#HttpOnly_" : "", c->host_only ? "" : ".",
                                 NX_FMT(c->domain), c->host_only ? "FALSE" : "TRUE",
                                 NX_FMT(c->path), c->secure ? "TRUE" : "FALSE",
                                 c->expires == INT64_MAX ? 0LL : (long long)c->expires,
                                 NX_FMT(c->name), NX_FMT(c->value)));
    }
    return NX_OK;
}

nx_err nx_cookie_jar_save(nx_cookie_jar *jar, const char *path)
{
    struct nx__buffer out = {0};
    (void)nx_cookie_jar_count(jar);
    nx_err err = jar_write(jar, &out);
    if (err)
        err = nx__error_set(err, "cannot write \"%s\": out of memory", path);
    else
        err = nx_fs_write_file(path, nx_slice(out.data, out.len));
    nx__buffer_free(&out);
    return err;
}

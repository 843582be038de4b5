/* The web platform tests of URLs, as the crate of the library carries them: every row of every
 * file, and how many rows there have to be. */
#include "suite.h"
#include <nexus/test.h>
#include <nexus/url.h>

#define WPT NX__VENDOR "/ada-url/tests/wpt/"

static bool is_surrogate(const char *s, const char *end, char from, char to)
{
    return end - s >= 6 && s[0] == '\\' && s[1] == 'u' && s[2] == 'd' && s[3] >= from && s[3] <= to;
}

/* A surrogate on its own is no text; a browser has U+FFFD for it where it makes UTF-8. */
static void mend_surrogates(char *s, const char *end)
{
    for (; s < end; s++) {
        if (is_surrogate(s, end, '8', 'b') && is_surrogate(s + 6, end, 'c', 'f'))
            s += 11;
        else if (is_surrogate(s, end, '8', 'f'))
            memcpy(s + 2, "fffd", 4);
    }
}

static nx_json suite(const char *path)
{
    nx_json json;
    nx_bytes text = suite_read(path);
    mend_surrogates((char *)(uintptr_t)text.data, text.data + text.len);
    nx_require_ok(nx_json_parse(text, &json));
    return json;
}

/* A part as the standard's getters give it: with what stands before or behind it. */
static const char *getter(const nx_url *url, const char *name)
{
    nx_bytes out = {0};
    if (strcmp(name, "href") == 0) out = url->href;
    if (strcmp(name, "protocol") == 0) return nx_format("%.*s:", NX_FMT(url->scheme));
    if (strcmp(name, "username") == 0) out = url->username;
    if (strcmp(name, "password") == 0) out = url->password;
    if (strcmp(name, "host") == 0) out = url->host_port;
    if (strcmp(name, "hostname") == 0) out = url->host;
    if (strcmp(name, "pathname") == 0) out = url->path;
    if (strcmp(name, "port") == 0 && url->host_port.len > url->host.len)
        return nx_format("%u", url->port);
    if (strcmp(name, "search") == 0)
        return url->query.len ? nx_format("?%.*s", NX_FMT(url->query)) : "";
    if (strcmp(name, "hash") == 0)
        return url->fragment.len ? nx_format("#%.*s", NX_FMT(url->fragment)) : "";
    if (strcmp(name, "origin") == 0) nx_require_ok(nx_url_origin(url, &out));
    return out.data ? nx_copy(out) : "";
}

/* Each part that the row names. */
static size_t compare(const nx_url *url, nx_json wanted)
{
    static const char *const names[] = {"href",   "protocol", "username", "password",
                                        "host",   "hostname", "port",     "pathname",
                                        "search", "hash",     "origin"};
    size_t compared = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nx_json value = nx_json_get(wanted, names[i]);
        if (!nx_json_is(value)) continue;
        compared++;
        /* An origin that is none is a null in some rows. */
        nx_expect_eq(getter(url, names[i]), nx_json_string(value, "null"));
    }
    return compared;
}

static void parse_rows(const char *path, size_t wanted)
{
    size_t rows = 0;
    for (nx_json_each each = nx_json_begin(suite(path)); nx_json_next(&each);) {
        if (nx_json_kind_of(each.value) == NX_JSON_STRING) continue; /* a comment */
        rows++;
        nx_subtest ("%zu", each.index) {
            nx_bytes input, base_text = {0};
            nx_url url = {0}, base = {0};
            nx_require_ok(nx_json_need(each.value, &input, "input"));
            nx_require_ok(nx_json_maybe(each.value, &base_text, "base"));
            nx_err err = base_text.data ? nx_url_parse(base_text, &base) : NX_OK;
            if (!err)
                err =
                    base_text.data ? nx_url_resolve(&base, input, &url) : nx_url_parse(input, &url);
            if (nx_json_bool(nx_json_get(each.value, "failure"), false)) {
                nx_expect_err(NX_EINVAL, err);
                nx_expect_contains(nx_error_last()->message, "cannot read the URL");
                nx_expect(!nx_url_can_parse(input, base.href.data ? &base : NULL) ||
                          (base_text.data && !base.href.data));
            } else {
                nx_require_ok(err);
                nx_expect(nx_url_can_parse(input, base_text.data ? &base : NULL));
                nx_expect_gt(compare(&url, each.value), 0);
                /* What is serialised is parsed to the same. */
                nx_url again = {0};
                nx_expect_ok(nx_url_parse(url.href, &again));
                nx_expect_eq(again.href, url.href);
            }
        }
    }
    nx_expect_eq(rows, wanted);
}

NX_TEST("urltestdata.json")
{
    parse_rows(WPT "urltestdata.json", 891);
}

NX_TEST("ada_extra_urltestdata.json")
{
    parse_rows(WPT "ada_extra_urltestdata.json", 28);
}

static void set_rows(const char *path, size_t wanted)
{
    static const struct {
        const char *name;
        nx_url_part part;
    } parts[] = {
        {"protocol", NX_URL_SCHEME}, {"username", NX_URL_USERNAME}, {"password", NX_URL_PASSWORD},
        {"host", NX_URL_HOST_PORT},  {"hostname", NX_URL_HOST},     {"port", NX_URL_PORT},
        {"pathname", NX_URL_PATH},   {"search", NX_URL_QUERY},      {"hash", NX_URL_FRAGMENT},
        {"href", NX_URL_HREF},
    };
    nx_json all = suite(path);
    size_t rows = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        nx_json list = nx_json_get(all, parts[i].name);
        for (nx_json_each each = nx_json_begin(list); nx_json_next(&each);) {
            rows++;
            nx_subtest ("%s %zu", parts[i].name, each.index) {
                nx_bytes href, value;
                nx_url url = {0};
                nx_require_ok(nx_json_need(each.value, &href, "href"));
                nx_require_ok(nx_json_need(each.value, &value, "new_value"));
                nx_require_ok(nx_url_parse(href, &url));
                /* What the standard ignores is an error here, and leaves the URL as it was too. */
                NX_IGNORE(nx_url_set(&url, parts[i].part, value));
                nx_expect_gt(compare(&url, nx_json_get(each.value, "expected")), 0);
            }
        }
    }
    nx_expect_eq(rows, wanted);
}

NX_TEST("setters_tests.json")
{
    set_rows(WPT "setters_tests.json", 278);
}

NX_TEST("ada_extra_setters_tests.json")
{
    set_rows(WPT "ada_extra_setters_tests.json", 18);
}

static void ascii_rows(const char *path, size_t wanted)
{
    size_t rows = 0;
    for (nx_json_each each = nx_json_begin(suite(path)); nx_json_next(&each);) {
        if (nx_json_kind_of(each.value) == NX_JSON_STRING) continue;
        rows++;
        nx_subtest ("%zu", each.index) {
            nx_bytes input, output = {0};
            nx_url url = {0}, changed = {0};
            nx_require_ok(nx_json_need(each.value, &input, "input"));
            nx_require_ok(nx_json_maybe(each.value, &output, "output"));
            const char *text = nx_format("https://%.*s/x", NX_FMT(input));
            nx_require(text);
            nx_require_ok(nx_url_parse(nx_str("https://x/x"), &changed));
            if (!input.len) {
                /* No host at all: the URL would be another one, and the setter refuses. */
                nx_expect_err(NX_EINVAL, nx_url_set(&changed, NX_URL_HOST_PORT, input));
            } else if (output.data) {
                nx_require_ok(nx_url_parse(nx_str(text), &url));
                nx_expect_eq(url.host_port, output);
                nx_expect_eq(url.path, "/x");
                nx_expect_ok(nx_url_set(&changed, NX_URL_HOST_PORT, input));
                nx_expect_eq(changed.host_port, output);
            } else {
                nx_expect_err(NX_EINVAL, nx_url_parse(nx_str(text), &url));
                NX_IGNORE(nx_url_set(&changed, NX_URL_HOST_PORT, input));
                nx_expect_eq(changed.host_port, "x");
            }
        }
    }
    nx_expect_eq(rows, wanted);
}

NX_TEST("toascii.json")
{
    ascii_rows(WPT "toascii.json", 87);
}

NX_TEST("IdnaTestV2.json")
{
    ascii_rows(WPT "IdnaTestV2.json", 2671);
}

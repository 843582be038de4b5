/* What comes with a request, decoded: parameters, cookies and their keys, attributes, negotiation.
 */
#include "base/arena.h"
#include "http/data.h"
#include <nexus/test.h>
#include <stdio.h>

static struct nx__arena arena;

/* ---- Parameters */

static struct nx__params parsed(const char *query)
{
    struct nx__params params;
    const char *reason = NULL;
    if (nx__params_parse(&params, nx_str(query), 100, &arena, &reason))
        nx_test_fail("%s: %s", query, reason);
    return params;
}

static const char *get(const char *query, const char *name)
{
    struct nx__params params = parsed(query);
    size_t at = 0;
    const struct nx__param *param = nx__params_find(&params, name, &at);
    return param ? param->value.data : NULL;
}

NX_TEST("params decoded")
{
    nx_expect_eq(get("a=1&b=2", "b"), "2");
    nx_expect_eq(get("a=x+y%20z%2B%26", "a"), "x y z+&");
    nx_expect_eq(get("a", "a"), "");
    nx_expect_eq(get("a=", "a"), "");
    nx_expect_eq(get("=v", ""), "v");
    nx_expect_eq(get("a=b=c", "a"), "b=c");
    nx_expect_eq(get("&&a=1&", "a"), "1");
    nx_expect_eq(get("%61=1", "a"), "1");
    nx_expect_eq(get("a=%e2%82%AC", "a"), "\xe2\x82\xac");
    nx_expect_eq(get("a=?/:@!$'()*,;", "a"), "?/:@!$'()*,;");
    nx_expect_eq(get("", "a"), NULL);
    nx_expect_eq(get("A=1", "a"), NULL);
    nx_expect_eq(get("ab=1", "a"), NULL);
    struct nx__params params = parsed("t=1&u=x&t=2&t=3");
    size_t at = 0;
    char seen[8] = "";
    for (const struct nx__param *p; (p = nx__params_find(&params, "t", &at));)
        seen[strlen(seen)] = p->value.data[0];
    nx_expect_eq(seen, "123");
    nx__arena_reset(&arena);
}

NX_TEST("params refused")
{
    static const char *const bad[] = {"a=%",      "a=%4",  "a=%4g",    "a=%u0041",    "a=%00",
                                      "%00=1",    "a=%ff", "a=%c0%80", "a=%ed%a0%80", "a=%e2%82",
                                      "a=1&b=%%", "%",     "a=\x80x",  "a=%-1",       "a=% 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        nx_subtest ("\"%s\"", bad[i]) {
            struct nx__params params;
            const char *reason = NULL;
            nx_expect_err(NX_EPROTO,
                          nx__params_parse(&params, nx_str(bad[i]), 100, &arena, &reason));
            nx_expect(reason && !params.count && !params.items);
        }
    char many[203];
    for (size_t i = 0; i < sizeof many; i += 2)
        memcpy(many + i, "a&", i + 2 <= sizeof many ? 2 : 1);
    struct nx__params params;
    const char *reason = NULL;
    nx_expect_ok(nx__params_parse(&params, nx_slice(many, 199), 100, &arena, &reason));
    nx_expect_eq(params.count, 100);
    nx_expect_err(NX_ETOOBIG, nx__params_parse(&params, nx_slice(many, 201), 100, &arena, &reason));
    nx__arena_reset(&arena);
}

NX_TEST("params numbers")
{
    struct nx__params p = parsed(
        "i=12&n=-5&big=9223372036854775808&u=18446744073709551615&f=1.5e1&s=x&e=&z=-0&sp=%201"
        "&plus=%2B1&hex=0x1&yes=yes&no=off&low=-9223372036854775808&lower=-9223372036854775809");
    nx_expect_eq(nx__params_int(&p, "i", 0), 12);
    nx_expect_eq(nx__params_int(&p, "n", 0), -5);
    nx_expect_eq(nx__params_int(&p, "z", 7), 0);
    nx_expect_eq(nx__params_int(&p, "low", 7), INT64_MIN);
    static const char *const none[] = {"big", "u",    "f",   "s",     "e",
                                       "sp",  "plus", "hex", "lower", "absent"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        nx_subtest ("%s", none[i]) nx_expect_eq(nx__params_int(&p, none[i], 7), 7);
    nx_expect_eq((int)nx__params_double(&p, "f", 0), 15);
    nx_expect_eq((int)nx__params_double(&p, "s", 3), 3);
    nx_expect_eq((int)nx__params_double(&p, "hex", 3), 3);
    nx_expect(nx__params_bool(&p, "yes", false) && nx__params_bool(&p, "e", false) &&
              !nx__params_bool(&p, "no", true));
    nx_expect(nx__params_bool(&p, "s", true) && !nx__params_bool(&p, "s", false));

    uint8_t small;
    uint64_t u;
    bool b;
    nx_bytes text;
    float f;
    nx_expect_ok(nx__params_take(&p, "parameter", "i", &small, NX__JSON_TYPE(&small), true));
    nx_expect_eq(small, 12);
    nx_expect_ok(nx__params_take(&p, "parameter", "u", &u, NX__JSON_TYPE(&u), true));
    nx_expect_eq(u, UINT64_MAX);
    nx_expect_ok(nx__params_take(&p, "parameter", "f", &f, NX__JSON_TYPE(&f), true));
    nx_expect_ok(nx__params_take(&p, "parameter", "no", &b, NX__JSON_TYPE(&b), true));
    nx_expect(!b);
    nx_expect_ok(nx__params_take(&p, "parameter", "s", &text, NX__JSON_TYPE(&text), true));
    nx_expect_eq(text, "x");
    nx_expect_err(NX_EPROTO,
                  nx__params_take(&p, "parameter", "n", &small, NX__JSON_TYPE(&small), true));
    nx_expect_eq(nx_error_last()->message,
                 "the parameter \"n\" has to be a whole number from 0 to 255, not \"-5\"");
    nx_expect(nx__error_is_peers(NX_EPROTO));
    nx_expect_err(NX_EPROTO, nx__params_take(&p, "field", "absent", &u, NX__JSON_TYPE(&u), true));
    nx_expect_eq(nx_error_last()->message, "the field \"absent\" is missing");
    nx_expect_ok(nx__params_take(&p, "field", "absent", &u, NX__JSON_TYPE(&u), false));
    nx__arena_reset(&arena);
}

/* ---- Cookies */

static const char *cookie(const char *field, const char *wanted)
{
    static char out[256];
    nx_bytes rest = nx_str(field), name, value;
    while (nx__cookie_next(&rest, &name, &value)) {
        if (!nx_bytes_is(name, wanted)) continue;
        snprintf(out, sizeof out, "%.*s", NX_FMT(value));
        return out;
    }
    return NULL;
}

NX_TEST("cookies read")
{
    nx_expect_eq(cookie("a=1; b=2", "b"), "2");
    nx_expect_eq(cookie("a=1;b=2", "b"), "2");
    nx_expect_eq(cookie("a=1; a=2", "a"), "1");
    nx_expect_eq(cookie("a=b=c", "a"), "b=c");
    nx_expect_eq(cookie(" a = 1 ;", "a"), "1");
    nx_expect_eq(cookie("a=\"q\"", "a"), "q");
    nx_expect_eq(cookie("a=\"", "a"), "\"");
    nx_expect_eq(cookie("a=", "a"), "");
    nx_expect_eq(cookie("a", "a"), NULL);
    nx_expect_eq(cookie("A=1", "a"), NULL);
    nx_expect_eq(cookie("=__Host-sid=evil", "__Host-sid"), NULL);
    nx_expect_eq(cookie("", "a"), NULL);
    nx_expect_eq(cookie(";;; ;", ""), NULL);
}

static const char *const old_key = "an older secret, of 32 bytes or more";
static const char *const new_key = "the newest secret, which has that many too";

static struct nx__cookie_keys *keys_of(const char *a, const char *b)
{
    const char *reason, *const secrets[] = {a, b};
    struct nx__cookie_keys *keys = nx__cookie_keys_new(secrets, b ? 2 : 1, &reason);
    nx_expect(keys != NULL);
    return keys;
}

/* What opens: as it was made, under its name, before its end, also with a newer key before. Nothing
 * else. */
NX_TEST("cookies sealed")
{
    struct nx__cookie_keys *old = keys_of(old_key, NULL), *both = keys_of(new_key, old_key),
                           *newest = keys_of(new_key, NULL);
    static const char *const values[] = {"", "17", "a.b.c", "\xc3\xa9; \"x\"%",
                                         "a very long value that goes on and on"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        nx_subtest ("\"%s\"", values[i]) {
            nx_bytes value = nx_str(values[i]);
            for (int encrypted = 0; encrypted < 2; encrypted++)
                nx_subtest ("%s", encrypted ? "encrypted" : "signed") {
                    char *(*make)(const struct nx__cookie_keys *, const char *, nx_bytes, uint64_t,
                                  struct nx__arena *) =
                        encrypted ? nx__cookie_encrypt : nx__cookie_sign;
                    nx_bytes (*open)(const struct nx__cookie_keys *, const char *, nx_bytes,
                                     uint64_t, struct nx__arena *) =
                        encrypted ? nx__cookie_decrypt : nx__cookie_verify;
                    char *text = make(old, "sid", value, 1000, &arena);
                    nx_expect_eq(open(old, "sid", nx_str(text), 999, &arena), value);
                    nx_expect_eq(open(both, "sid", nx_str(text), 999, &arena), value);
                    nx_expect(!open(newest, "sid", nx_str(text), 999, &arena).data);
                    nx_expect(!open(old, "sid", nx_str(text), 1000, &arena).data);
                    nx_expect(!open(old, "sie", nx_str(text), 999, &arena).data);
                    nx_expect(!open(old, "si", nx_str(text), 999, &arena).data);
                    for (const char *c = text; *c; c++)
                        nx_expect(*c > 0x20 && *c < 0x7f && !strchr("\",;\\", *c));
                    /* Every bit of it counts, and so does its end. */
                    size_t len = strlen(text);
                    for (size_t at = 0; at < len; at++) {
                        char kept = text[at];
                        for (int bit = 0; bit < 8; bit++) {
                            text[at] = (char)(kept ^ 1 << bit);
                            nx_bytes got = open(both, "sid", nx_slice(text, len), 999, &arena);
                            /* Two spellings of one percent-encoding, or of one base64, are one
                             * value. */
                            nx_expect(!got.data || nx_bytes_eq(got, value));
                        }
                        text[at] = kept;
                        nx_expect(!open(both, "sid", nx_slice(text, at), 999, &arena).data);
                    }
                    char longer[512];
                    snprintf(longer, sizeof longer, "%sA", text);
                    nx_expect(!open(both, "sid", nx_str(longer), 999, &arena).data);
                    snprintf(longer, sizeof longer, "%s=", text);
                    nx_expect(!open(both, "sid", nx_str(longer), 999, &arena).data);
                    nx__arena_reset(&arena);
                }
            /* One is not the other. */
            nx_expect(!nx__cookie_verify(old, "sid",
                                         nx_str(nx__cookie_encrypt(old, "sid", value, 9, &arena)),
                                         1, &arena)
                           .data);
            nx_expect(!nx__cookie_decrypt(old, "sid",
                                          nx_str(nx__cookie_sign(old, "sid", value, 9, &arena)), 1,
                                          &arena)
                           .data);
            /* And encrypting twice shows nothing. */
            nx_expect_ne(nx__cookie_encrypt(old, "sid", value, 9, &arena),
                         nx__cookie_encrypt(old, "sid", value, 9, &arena));
        }
    nx_bytes binary = nx_slice("\0\xff\0", 3);
    nx_expect_eq(nx__cookie_decrypt(
                     old, "b", nx_str(nx__cookie_encrypt(old, "b", binary, 9, &arena)), 1, &arena),
                 binary);
    nx__cookie_keys_free(old);
    nx__cookie_keys_free(both);
    nx__cookie_keys_free(newest);
    nx__arena_reset(&arena);
}

NX_TEST("keys of cookies refused")
{
    const char *reason;
    const char *const shorty[] = {"short"}, *const none[] = {NULL}, *const gone[] = {old_key, NULL},
                      *const late[] = {NULL, old_key};
    nx_expect(!nx__cookie_keys_new(shorty, 1, &reason) && strstr(reason, "32 bytes"));
    nx_expect(!nx__cookie_keys_new(none, 1, &reason) && strstr(reason, "32 bytes"));
    nx_expect(!nx__cookie_keys_new(late, 2, &reason));
    nx_expect(!nx__cookie_keys_new(none, 0, &reason) && reason);
    struct nx__cookie_keys *keys = nx__cookie_keys_new(gone, 2, &reason);
    nx_expect(keys != NULL);
    nx__cookie_keys_free(keys);
    nx__cookie_keys_free(NULL);
}

/* ---- Attributes */

static const char *attributes(const char *text)
{
    static char out[256];
    nx_bytes rest = nx_str(text), name, value;
    size_t len = 0;
    nx_bytes head = nx__attribute_head(&rest);
    len += (size_t)snprintf(out, sizeof out, "%.*s", NX_FMT(head));
    enum nx__attribute more;
    while ((more = nx__attribute_next(&rest, &name, &value)) == NX__ATTRIBUTE_FOUND)
        len += (size_t)snprintf(out + len, sizeof out - len, "|%.*s>%.*s", NX_FMT(name),
                                NX_FMT(value));
    if (more == NX__ATTRIBUTE_BAD) snprintf(out + len, sizeof out - len, "!");
    return out;
}

NX_TEST("attributes taken")
{
    nx_expect_eq(attributes("text/html"), "text/html");
    nx_expect_eq(attributes(" a/b ; x=1;y=\"2 ;3\""), "a/b|x>1|y>2 ;3");
    nx_expect_eq(attributes("a;x=\"\""), "a|x>");
    nx_expect_eq(attributes("a;;x=1;"), "a|x>1");
    nx_expect_eq(attributes("a;x=\"\\\"q\\\\\""), "a|x>\\\"q\\\\");
    nx_expect_eq(attributes("a;x=\"C:\\dir\\n\""), "a|x>C:\\dir\\n");
    nx_expect_eq(attributes("a;x"), "a!");
    nx_expect_eq(attributes("a;x="), "a!");
    nx_expect_eq(attributes("a;x=\"1"), "a!");
    nx_expect_eq(attributes("a;x=\"1\\\""), "a!");
    nx_expect_eq(attributes("a;x=1 y=2"), "a|x>1!");
    nx_expect_eq(attributes("a;x =1"), "a!");
}

/* ---- Negotiation */

static int quality(enum nx__accept kind, const char *field, const char *offer)
{
    int specific = -1;
    return nx__accept_quality(kind, nx_str(field), offer, &specific, -1);
}

NX_TEST("accept types")
{
    /* RFC 9110 12.5.1 */
    const char *rfc =
        "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5";
    nx_expect_eq(quality(NX__ACCEPT_TYPE, rfc, "text/plain;format=flowed"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, rfc, "text/plain"), 700);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, rfc, "text/html"), 300);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, rfc, "image/jpeg"), 500);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, rfc, "text/plain;format=fixed"), 400);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, rfc, "text/html;level=3"), 300);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "TEXT/HTML", "text/html"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html;q=0", "text/html"), 0);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html", "text/plain"), -1);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "*/*", "a/b"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "*", "a/b"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/*", "textual/x"), -1);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "a/b;x=\",q=0\", text/html", "text/html"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, ", ,text/html,", "text/html"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html;q=2", "text/html"), -1);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html;q=0.1234", "text/html"), -1);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html;q=", "text/html"), -1);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html;q=0.5;ext=1", "text/html"), 500);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "text/html;q=1.000", "text/html"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_TYPE, "", "text/html"), -1);
}

NX_TEST("accept others")
{
    nx_expect_eq(quality(NX__ACCEPT_LANGUAGE, "da, en-GB;q=0.8, en;q=0.7", "en-GB"), 800);
    nx_expect_eq(quality(NX__ACCEPT_LANGUAGE, "da, en-GB;q=0.8, en;q=0.7", "en-US"), 700);
    nx_expect_eq(quality(NX__ACCEPT_LANGUAGE, "de-AT", "de"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_LANGUAGE, "de-AT", "de-DE"), -1);
    nx_expect_eq(quality(NX__ACCEPT_LANGUAGE, "*;q=0.1, den", "de"), 100);
    nx_expect_eq(quality(NX__ACCEPT_CODING, "gzip;q=0.5, br", "br"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_CODING, "x-gzip", "gzip"), 1000);
    nx_expect_eq(quality(NX__ACCEPT_CODING, "*;q=0, gzip", "br"), 0);
    nx_expect_eq(quality(NX__ACCEPT_CODING, "gzip", "br"), -1);
}

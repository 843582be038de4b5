/* Text that comes with a request, decoded: percent-encoding, parameters, attributes. Pure but for
 * memory. */
#include "http/data.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "http/h1/syntax.h"
#include "url/percent.h"
#include "json/tree.h"

/* ---- Percent-encoding */

bool nx__text_decode(nx_bytes in, bool plus, char *out, size_t *len)
{
    size_t n = 0;
    bool ascii = true;
    for (size_t at = 0; at < in.len;) {
        char c;
        if (!nx__percent_byte(in, &at, plus, &c) || !c) return false;
        ascii &= (unsigned char)c < 0x80;
        out[n++] = c;
    }
    *len = n;
    return ascii || nx__utf8_valid(out, n);
}

/* ---- Parameters */

nx_err nx__params_add(struct nx__params *params, struct nx__param param, struct nx__arena *arena)
{
    if (params->count == params->capacity) {
        size_t capacity = params->capacity ? params->capacity * 2 : 16;
        struct nx__param *items = nx__arena_grow(
            arena, params->items, params->count * sizeof *items, capacity * sizeof *items);
        if (!items) return NX_ENOMEM;
        params->items = items;
        params->capacity = capacity;
    }
    params->items[params->count++] = param;
    return NX_OK;
}

static nx_bytes cut(nx_bytes *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    nx_bytes part = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    size_t used = part.len + (end ? 1 : 0);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return part;
}

/* Decodes to `*out`, ends it with a NUL there, and moves `*out` behind that. */
static bool decode(nx_bytes raw, char **out, nx_bytes *text)
{
    size_t len;
    if (!nx__text_decode(raw, true, *out, &len)) return false;
    (*out)[len] = '\0';
    *text = nx_slice(*out, len);
    *out += len + 1;
    return true;
}

nx_err nx__params_parse(struct nx__params *params, nx_bytes raw, size_t most,
                        struct nx__arena *arena, const char **reason)
{
    *params = (struct nx__params){0};
    if (!raw.len) return NX_OK;
    size_t count = 0;
    for (nx_bytes rest = raw; rest.len;)
        if (cut(&rest, '&').len && ++count > most) {
            *reason = "it has too many parameters";
            return NX_ETOOBIG;
        }
    /* Every separator is the room of a NUL; the last value, and a name without "=", take one more
     * each. */
    char *out = nx__arena_alloc(arena, raw.len + count + 1);
    params->items = nx__arena_alloc(arena, count * sizeof *params->items);
    if (!out || !params->items) {
        *reason = "out of memory";
        return NX_ENOMEM;
    }
    params->capacity = count;
    for (nx_bytes rest = raw; rest.len;) {
        nx_bytes value = cut(&rest, '&');
        if (!value.len) continue;
        nx_bytes name = cut(&value, '=');
        struct nx__param *param = &params->items[params->count];
        if (!decode(name, &out, &param->name) || !decode(value, &out, &param->value)) {
            *params = (struct nx__params){0};
            *reason = "it holds a bad percent-encoding, a NUL or text that is not UTF-8";
            return NX_EPROTO;
        }
        params->count++;
    }
    return NX_OK;
}

const struct nx__param *nx__params_find(const struct nx__params *params, const char *name,
                                        size_t *at)
{
    size_t len = strlen(name);
    while (*at < params->count) {
        const struct nx__param *param = &params->items[(*at)++];
        if (param->name.len == len && memcmp(param->name.data, name, len) == 0) return param;
    }
    return NULL;
}

static const struct nx__param *first(const struct nx__params *params, const char *name)
{
    size_t at = 0;
    return nx__params_find(params, name, &at);
}

/* A whole number: digits, with a "-" before them if it is below 0. */
static bool to_int(nx_bytes text, uint64_t *out, bool *negative)
{
    *negative = text.len && text.data[0] == '-';
    uint64_t n = 0;
    if (text.len == *negative) return false;
    for (size_t i = *negative; i < text.len; i++) {
        if (!nx__h1_is_digit(text.data[i]) || __builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(text.data[i] - '0'), &n))
            return false;
    }
    if (*negative && n > (uint64_t)INT64_MAX + 1) return false;
    if (!n) *negative = false;
    *out = *negative ? -n : n;
    return true;
}

static bool to_bool(nx_bytes text, bool *out)
{
    static const char *const words[] = {"0", "1", "false", "true", "no", "yes", "off", "on"};
    *out = true;
    if (!text.len) return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        *out = i & 1;
        if (nx_bytes_is(text, words[i])) return true;
    }
    return false;
}

int64_t nx__params_int(const struct nx__params *params, const char *name, int64_t fallback)
{
    const struct nx__param *param = first(params, name);
    uint64_t n;
    bool negative;
    int64_t out;
    return param && to_int(param->value, &n, &negative) &&
                   nx__json_store_int(&out, NX__JSON_SIGNED | 8, n, negative)
               ? out
               : fallback;
}

double nx__params_double(const struct nx__params *params, const char *name, double fallback)
{
    const struct nx__param *param = first(params, name);
    double out;
    return param && nx__json_number(param->value, &out) ? out : fallback;
}

bool nx__params_bool(const struct nx__params *params, const char *name, bool fallback)
{
    const struct nx__param *param = first(params, name);
    bool out;
    return param && to_bool(param->value, &out) ? out : fallback;
}

static bool store(nx_bytes value, int type, void *out)
{
    uint64_t n;
    bool negative;
    double real;
    switch (type & ~0xff) {
    case NX__JSON_SIGNED:
    case NX__JSON_UNSIGNED:
        return to_int(value, &n, &negative) && nx__json_store_int(out, type, n, negative);
    case NX__JSON_REAL:
        if (!nx__json_number(value, &real)) return false;
        if ((type & 0xff) == sizeof(float))
            *(float *)out = (float)real;
        else
            *(double *)out = real;
        return true;
    case NX__JSON_BOOL: return to_bool(value, out);
    case NX__JSON_BYTES: *(nx_bytes *)out = value; return true;
    default: return false;
    }
}

nx_err nx__params_take(const struct nx__params *params, const char *what, const char *name,
                       void *out, int type, bool needed)
{
    const struct nx__param *param = first(params, name);
    if (!param && !needed) return NX_OK;
    if (!param) return nx__error_peer(NX_EPROTO, "the %s \"%s\" is missing", what, name);
    if (store(param->value, type, out)) return NX_OK;
    char quoted[NX__QUOTED];
    return nx__error_peer(NX_EPROTO, "the %s \"%s\" has to be %s, not \"%s\"", what, name,
                          nx__json_type_text(type), nx__quoted(quoted, param->value));
}

/* ---- Attributes */

nx_bytes nx__list_cut(nx_bytes *rest, char separator)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < rest->len && (quoted || rest->data[i] != separator); i++) {
        if (rest->data[i] == '"') quoted = !quoted;
        if (quoted && rest->data[i] == '\\' && i + 1 < rest->len) i++;
    }
    nx_bytes out = nx_slice(rest->data, i);
    size_t used = i < rest->len ? i + 1 : i;
    *rest = nx_slice(rest->data + used, rest->len - used);
    return out;
}

static void blanks(nx_bytes *rest)
{
    while (rest->len && nx__h1_is(rest->data[0], NX__H1_BLANK))
        *rest = nx_slice(rest->data + 1, rest->len - 1);
}

static nx_bytes token(nx_bytes *rest)
{
    size_t len = 0;
    while (len < rest->len && nx__h1_is(rest->data[len], NX__H1_TOKEN)) len++;
    nx_bytes out = nx_slice(rest->data, len);
    *rest = nx_slice(rest->data + len, rest->len - len);
    return out;
}

nx_bytes nx__attribute_head(nx_bytes *rest)
{
    if (!rest->len) return *rest;
    const char *end = memchr(rest->data, ';', rest->len);
    nx_bytes head = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    *rest = nx_slice(rest->data + head.len, rest->len - head.len);
    blanks(&head);
    while (head.len && nx__h1_is(head.data[head.len - 1], NX__H1_BLANK)) head.len--;
    return head;
}

enum nx__attribute nx__attribute_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value)
{
    blanks(rest);
    /* A ";" with nothing behind it means nothing. */
    bool separated = false;
    while (rest->len && rest->data[0] == ';') {
        *rest = nx_slice(rest->data + 1, rest->len - 1);
        blanks(rest);
        separated = true;
    }
    if (!rest->len) return NX__ATTRIBUTE_END;
    *name = token(rest);
    if (!separated || !name->len || !rest->len || rest->data[0] != '=') return NX__ATTRIBUTE_BAD;
    *rest = nx_slice(rest->data + 1, rest->len - 1);
    if (!rest->len || rest->data[0] != '"') {
        *value = token(rest);
        return value->len ? NX__ATTRIBUTE_FOUND : NX__ATTRIBUTE_BAD;
    }
    for (size_t i = 1; i < rest->len; i++) {
        /* Old browsers send C:\dir\name, so a backslash escapes nothing but a quote and itself. */
        if (rest->data[i] == '\\' && i + 1 < rest->len &&
            (rest->data[i + 1] == '"' || rest->data[i + 1] == '\\')) {
            i++;
        } else if (rest->data[i] == '"') {
            *value = nx_slice(rest->data + 1, i - 1);
            *rest = nx_slice(rest->data + i + 1, rest->len - i - 1);
            return NX__ATTRIBUTE_FOUND;
        }
    }
    return NX__ATTRIBUTE_BAD;
}

bool nx__text_ieq(nx_bytes text, const char *wanted)
{
    size_t len = strlen(wanted);
    return text.len == len && nx__ascii_ieq(text.data, wanted, len);
}

/* Query strings: application/x-www-form-urlencoded, section 5 of the URL standard. */
#include "base/error.h"
#include "base/utf8.h"
#include "url/percent.h"
#include <nexus/url.h>
#include <stdio.h>

/* ---- Reading */

static nx_bytes cut(nx_bytes *rest, char separator)
{
    const char *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
    nx_bytes part = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    size_t used = part.len + (end ? 1 : 0);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return part;
}

bool nx_query_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value)
{
    while (rest->len) {
        nx_bytes pair = cut(rest, '&');
        if (!pair.len) continue;
        *name = cut(&pair, '=');
        *value = pair;
        return true;
    }
    return false;
}

/* How many bytes are one U+FFFD where no sequence is valid: as many as began one (section 4.1 of
 * the Encoding standard). */
static size_t bad_sequence(const char *s, const char *end)
{
    unsigned char first = (unsigned char)s[0], least = 0x80, most = 0xbf;
    size_t want = first >= 0xf0 && first <= 0xf4   ? 4
                  : first >= 0xe0 && first <= 0xef ? 3
                  : first >= 0xc2 && first <= 0xdf ? 2
                                                   : 1;
    if (first == 0xe0) least = 0xa0;
    if (first == 0xf0) least = 0x90;
    if (first == 0xed) most = 0x9f;
    if (first == 0xf4) most = 0x8f;
    size_t n = 1;
    for (; n < want && s + n < end; n++, least = 0x80, most = 0xbf)
        if ((unsigned char)s[n] < least || (unsigned char)s[n] > most) break;
    return n;
}

/* `out` has room for three times `len`. Returns how much it is then. */
static size_t mended(const char *s, size_t len, char *out)
{
    const char *end = s + len;
    char *to = out;
    while (s < end) {
        size_t n = nx__utf8_sequence(s, end);
        if (n) {
            memcpy(to, s, n);
            to += n;
        } else {
            n = bad_sequence(s, end);
            memcpy(to, "\xef\xbf\xbd", 3);
            to += 3;
        }
        s += n;
    }
    return (size_t)(to - out);
}

nx_err nx_query_decode(nx_bytes raw, nx_bytes *out)
{
    bool plain = true;
    for (size_t i = 0; i < raw.len && plain; i++)
        plain = raw.data[i] != '%' && raw.data[i] != '+' && (unsigned char)raw.data[i] < 0x80;
    if (plain) {
        *out = raw;
        return NX_OK;
    }
    char *text = nx_alloc(raw.len + 1);
    size_t len = 0;
    if (!text) return NX_ENOMEM;
    for (size_t at = 0; at < raw.len;) (void)nx__percent_byte(raw, &at, true, &text[len++]);
    if (!nx__utf8_valid(text, len)) {
        if (len > SIZE_MAX / 4) return nx__error_set(NX_ETOOBIG, "the query is too long");
        char *better = nx_alloc(len * 3 + 1);
        if (!better) return NX_ENOMEM;
        len = mended(text, len, better);
        text = better;
    }
    text[len] = '\0';
    *out = nx_slice(text, len);
    return NX_OK;
}

nx_err nx_query_parse(nx_bytes text, nx_query *out)
{
    nx_query query = {0};
    nx_bytes rest = text, name, value;
    if (rest.len && rest.data[0] == '?') rest = nx_slice(rest.data + 1, rest.len - 1);
    while (nx_query_next(&rest, &name, &value)) {
        NX_TRY(nx_query_decode(name, &name));
        NX_TRY(nx_query_decode(value, &value));
        NX_TRY(nx_query_add(&query, name, value));
    }
    *out = query;
    return NX_OK;
}

/* ---- The list */

nx_bytes nx_query_get(const nx_query *query, const char *name)
{
    size_t at = 0;
    nx_bytes value;
    return nx_query_each(query, name, &at, &value) ? value : (nx_bytes){0};
}

bool nx_query_each(const nx_query *query, const char *name, size_t *at, nx_bytes *value)
{
    while (*at < query->count) {
        const nx_query_pair *pair = &query->pairs[(*at)++];
        if (!nx_bytes_is(pair->name, name)) continue;
        *value = pair->value;
        return true;
    }
    *value = (nx_bytes){0};
    return false;
}

nx_err nx_query_add(nx_query *query, nx_bytes name, nx_bytes value)
{
    if (query->count == query->capacity) {
        if (query->count >= NX_QUERY_MAX_PAIRS)
            return nx__error_set(NX_ELIMIT, "the query has more than %d pairs", NX_QUERY_MAX_PAIRS);
        size_t capacity = query->capacity ? query->capacity * 2 : 8;
        if (capacity > NX_QUERY_MAX_PAIRS) capacity = NX_QUERY_MAX_PAIRS;
        nx_query_pair *pairs = nx_alloc(capacity * sizeof *pairs);
        if (!pairs) return NX_ENOMEM;
        if (query->count) memcpy(pairs, query->pairs, query->count * sizeof *pairs);
        query->pairs = pairs;
        query->capacity = capacity;
    }
    query->pairs[query->count++] =
        (nx_query_pair){name, value.data ? value : nx_slice("", 0)}; /* it is there, if empty */
    return NX_OK;
}

nx_err nx_query_set(nx_query *query, nx_bytes name, nx_bytes value)
{
    size_t kept = 0;
    bool given = false;
    for (size_t i = 0; i < query->count; i++) {
        nx_query_pair pair = query->pairs[i];
        if (nx_bytes_eq(pair.name, name)) {
            if (given) continue;
            given = true;
            pair.value = value.data ? value : nx_slice("", 0);
        }
        query->pairs[kept++] = pair;
    }
    query->count = kept;
    return given ? NX_OK : nx_query_add(query, name, value);
}

void nx_query_remove(nx_query *query, const char *name, nx_bytes value)
{
    size_t kept = 0;
    for (size_t i = 0; i < query->count; i++) {
        nx_query_pair pair = query->pairs[i];
        if (!nx_bytes_is(pair.name, name) || (value.data && !nx_bytes_eq(pair.value, value)))
            query->pairs[kept++] = pair;
    }
    query->count = kept;
}

/* UTF-8 sorts as code points do, UTF-16 puts what takes two units before U+E000: their first bytes
 * are 0xf0 to 0xf4, and 0xee and 0xef. */
static int weight(char c)
{
    unsigned char u = (unsigned char)c;
    return u == 0xee || u == 0xef ? u + 0x10 : u;
}

static int compare(nx_bytes a, nx_bytes b)
{
    size_t most = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < most; i++)
        if (a.data[i] != b.data[i]) return weight(a.data[i]) - weight(b.data[i]);
    return a.len < b.len ? -1 : a.len > b.len;
}

nx_err nx_query_sort(nx_query *query)
{
    /* Merged from below, so that it is stable. */
    nx_query_pair *from = query->pairs;
    nx_query_pair *to = nx_alloc((query->count + 1) * sizeof *to);
    if (!to) return NX_ENOMEM;
    for (size_t width = 1; width < query->count; width *= 2) {
        for (size_t start = 0; start < query->count; start += 2 * width) {
            size_t middle = start + width < query->count ? start + width : query->count;
            size_t end = middle + width < query->count ? middle + width : query->count;
            for (size_t i = start, a = start, b = middle; i < end; i++)
                to[i] = b == end || (a < middle && compare(from[a].name, from[b].name) <= 0)
                            ? from[a++]
                            : from[b++];
        }
        nx_query_pair *swap = from;
        from = to;
        to = swap;
    }
    if (from != query->pairs) memcpy(query->pairs, from, query->count * sizeof *from);
    return NX_OK;
}

/* ---- Writing */

nx_err nx_query_text(const nx_query *query, nx_bytes *out)
{
    size_t len = 0;
    nx_bytes *parts = nx_alloc((query->count * 2 + 1) * sizeof *parts);
    if (!parts) return NX_ENOMEM;
    for (size_t i = 0; i < query->count; i++) {
        nx_bytes *name = &parts[2 * i], *value = &parts[2 * i + 1];
        NX_TRY(nx_percent_encode(query->pairs[i].name, NX_PERCENT_FORM, name));
        NX_TRY(nx_percent_encode(query->pairs[i].value, NX_PERCENT_FORM, value));
        if (__builtin_add_overflow(len, name->len + value->len + 2, &len))
            return nx__error_set(NX_ETOOBIG, "the query is too long");
    }
    char *text = nx_alloc(len + 1), *to = text;
    if (!text) return NX_ENOMEM;
    for (size_t i = 0; i < query->count * 2; i++) {
        if (i) *to++ = i % 2 ? '=' : '&';
        if (parts[i].len) memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    *to = '\0';
    *out = nx_slice(text, (size_t)(to - text));
    return NX_OK;
}

static nx_err add_value(nx_query *query, nx_bytes name, const nx_value *value)
{
    const char *text;
    switch (value->kind) {
    case NX_VALUE_NULL: return NX_OK;
    case NX_VALUE_STRING:
        return nx_query_add(query, name, nx_slice(value->as.string.data, value->as.string.len));
    case NX_VALUE_BOOL: text = value->as.boolean ? "true" : "false"; break;
    case NX_VALUE_INT: text = nx_format("%lld", (long long)value->as.integer); break;
    case NX_VALUE_UINT: text = nx_format("%llu", (unsigned long long)value->as.uinteger); break;
    case NX_VALUE_DOUBLE: {
        nx_bytes json;
        NX_TRY(nx_json_write(*value, &json));
        return nx_query_add(query, name, json);
    }
    default:
        return nx__error_set(NX_EINVAL,
                             "cannot write the query: \"%.*s\" is no string, number, "
                             "bool or array of such",
                             NX_FMT(name));
    }
    return text ? nx_query_add(query, name, nx_str(text)) : NX_ENOMEM;
}

nx_err nx_query_write(nx_value object, nx_bytes *out)
{
    nx_query query = {0};
    if (object.kind != NX_VALUE_OBJECT)
        return nx__error_set(NX_EINVAL, "cannot write the query: the value is no object");
    for (size_t i = 0; i + 1 < object.as.list.count; i += 2) {
        const nx_value *name = &object.as.list.items[i], *value = name + 1;
        if (name->kind != NX_VALUE_STRING)
            return nx__error_set(NX_EINVAL, "cannot write the query: a name is no string");
        nx_bytes key = nx_slice(name->as.string.data, name->as.string.len);
        if (value->kind != NX_VALUE_ARRAY) {
            NX_TRY(add_value(&query, key, value));
            continue;
        }
        for (size_t j = 0; j < value->as.list.count; j++)
            NX_TRY(add_value(&query, key, &value->as.list.items[j]));
    }
    return nx_query_text(&query, out);
}

/* Accept-Encoding. */
#include "http/coding/accept.h"

const char *const nx__coding_names[NX__CODINGS] = {
    [NX__CODING_IDENTITY] = "identity",
    [NX__CODING_GZIP] = "gzip",
    [NX__CODING_BROTLI] = "br",
    [NX__CODING_ZSTD] = "zstd",
};

static bool is(nx_bytes a, const char *name)
{
    return a.len == strlen(name) && strncasecmp(a.data, name, a.len) == 0;
}

enum nx__coding nx__coding_named(nx_bytes name)
{
    for (int i = 0; i < NX__CODINGS; i++)
        if (is(name, nx__coding_names[i])) return (enum nx__coding)i;
    return is(name, "x-gzip") ? NX__CODING_GZIP : NX__CODINGS; /* RFC 9110 8.4.1.3 */
}

static nx_bytes trim(nx_bytes s)
{
    while (s.len && (*s.data == ' ' || *s.data == '\t')) s = nx_slice(s.data + 1, s.len - 1);
    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
    return s;
}

/* Cuts `rest` at the first `mark`; what is before it is returned. */
static nx_bytes cut(nx_bytes *rest, char mark)
{
    const char *at = rest->len ? memchr(rest->data, mark, rest->len) : NULL;
    nx_bytes part = nx_slice(rest->data, at ? (size_t)(at - rest->data) : rest->len);
    size_t used = part.len + (at ? 1 : 0);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return part;
}

/* "0.5" as 500; -1 for what is no qvalue (RFC 9110 12.4.2). */
static int qvalue(nx_bytes s)
{
    if (!s.len || s.len > 5 || (s.data[0] != '0' && s.data[0] != '1')) return -1;
    int q = (s.data[0] - '0') * 1000, unit = 100;
    if (s.len > 1 && s.data[1] != '.') return -1;
    for (size_t i = 2; i < s.len; i++, unit /= 10) {
        if (s.data[i] < '0' || s.data[i] > '9') return -1;
        q += (s.data[i] - '0') * unit;
    }
    return q > 1000 ? -1 : q;
}

void nx__accept_codings(nx_bytes value, uint16_t weight[NX__CODINGS])
{
    bool named[NX__CODINGS] = {0};
    int others = -1; /* what "*" says */
    memset(weight, 0, NX__CODINGS * sizeof *weight);
    weight[NX__CODING_IDENTITY] = 1;
    while (value.len) {
        nx_bytes member = cut(&value, ',');
        nx_bytes name = trim(cut(&member, ';'));
        int q = 1000;
        member = trim(member);
        if (member.len) {
            bool weighted =
                member.len > 2 && (member.data[0] | 0x20) == 'q' && member.data[1] == '=';
            q = weighted ? qvalue(nx_slice(member.data + 2, member.len - 2)) : -1;
        }
        if (q < 0 || !name.len) continue;
        if (nx_bytes_is(name, "*")) {
            others = q;
            continue;
        }
        enum nx__coding coding = nx__coding_named(name);
        if (coding == NX__CODINGS) continue;
        named[coding] = true;
        weight[coding] = (uint16_t)q;
    }
    for (int i = 0; i < NX__CODINGS && others >= 0; i++)
        if (!named[i]) weight[i] = (uint16_t)others;
}

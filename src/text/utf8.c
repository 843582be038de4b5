/* Text as UTF-8. */
#include "base/utf8.h"

#include "base/error.h"
#include <nexus/text.h>

/* Bytes of ASCII in front: 32 at a time, as most text has none of the others for long. */
static size_t ascii(const char *s, size_t len)
{
    const uint64_t high = UINT64_MAX / 0xff * 0x80;
    size_t at = 0;
    for (; len - at >= 32; at += 32) {
        uint64_t x[4];
        memcpy(x, s + at, sizeof x);
        if ((x[0] | x[1] | x[2] | x[3]) & high) break;
    }
    while (at < len && (unsigned char)s[at] < 0x80) at++;
    return at;
}

size_t nx_text_valid_len(nx_bytes text)
{
    size_t at = 0;
    while (at < text.len) {
        at += ascii(text.data + at, text.len - at);
        /* What is not ASCII seldom comes alone. */
        while (at < text.len && (unsigned char)text.data[at] >= 0x80) {
            size_t n = nx__utf8_sequence(text.data + at, text.data + text.len);
            if (!n) return at;
            at += n;
        }
    }
    return at;
}

bool nx_text_valid(nx_bytes text)
{
    return nx_text_valid_len(text) == text.len;
}

/* Of what is no sequence: as many bytes as are the beginning of one, 1 at least (Unicode 3.9,
 * "U+FFFD Substitution of Maximal Subparts"). */
static size_t beginning(nx_bytes text)
{
    char whole[4] = {text.data[0]};
    size_t n = 1;
    /* A beginning is what becomes a sequence with other bytes behind it. */
    for (; n < text.len && n < 3; n++) {
        whole[n] = text.data[n];
        memset(whole + n + 1, 0x80, sizeof whole - n - 1);
        if (!nx__utf8_sequence(whole, whole + sizeof whole)) break;
    }
    return n;
}

uint32_t nx_text_next(nx_bytes *rest)
{
    if (!rest->len) return 0;
    const unsigned char *u = (const unsigned char *)rest->data;
    size_t n = nx__utf8_sequence(rest->data, rest->data + rest->len);
    uint32_t c = 0xfffd;
    switch (n) {
    case 1: c = u[0]; break;
    case 2: c = (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu); break;
    case 3: c = (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu); break;
    case 4:
        c = (u[0] & 7u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
        break;
    default: n = beginning(*rest); break;
    }
    *rest = nx_slice(rest->data + n, rest->len - n);
    return c;
}

size_t nx_text_encode(uint32_t c, char out[4])
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* Bytes that begin a sequence: all but those of 10xxxxxx; eight at a time. */
static size_t beginnings(const char *s, size_t len)
{
    const uint64_t ones = UINT64_MAX / 0xff;
    size_t at = 0, count = 0;
    for (; len - at >= 8; at += 8) {
        uint64_t x;
        memcpy(&x, s + at, sizeof x);
        uint64_t others = (x >> 7) & (~x >> 6) & ones;
        count += 8 - (size_t)(others * ones >> 56);
    }
    for (; at < len; at++) count += ((unsigned char)s[at] & 0xc0) != 0x80;
    return count;
}

size_t nx_text_count(nx_bytes text)
{
    size_t good = nx_text_valid_len(text), count = beginnings(text.data, good);
    for (nx_bytes rest = nx_slice(text.data + good, text.len - good); rest.len; count++)
        (void)nx_text_next(&rest);
    return count;
}

nx_bytes nx_text_fit(nx_bytes text, size_t most)
{
    if (text.len <= most) return text;
    /* The sequence that reaches over the end, if one does, begins up to three bytes before. */
    for (size_t back = 1; back <= 3 && back <= most; back++) {
        const char *begin = text.data + most - back;
        if (((unsigned char)*begin & 0xc0) == 0x80) continue;
        if (nx__utf8_sequence(begin, text.data + text.len) > back) most -= back;
        break;
    }
    return nx_slice(text.data, most);
}

nx_err nx_text_repair(nx_bytes text, nx_bytes *out)
{
    size_t good = nx_text_valid_len(text);
    *out = text;
    if (good == text.len) return NX_OK;
    *out = (nx_bytes){0};
    size_t wrong = 0, len = good;
    for (nx_bytes rest = nx_slice(text.data + good, text.len - good); rest.len; wrong++) {
        (void)nx_text_next(&rest); /* what isn't UTF-8 */
        size_t n = nx_text_valid_len(rest);
        len += n;
        rest = nx_slice(rest.data + n, rest.len - n);
    }
    if (wrong > (SIZE_MAX - len - 1) / 3) return nx__error_set(NX_ETOOBIG, "the text is too long");
    char *copy = nx_alloc(len + 3 * wrong + 1), *at = copy;
    if (!copy) return NX_ENOMEM;
    for (nx_bytes rest = text;;) {
        size_t n = nx_text_valid_len(rest);
        if (n) memcpy(at, rest.data, n);
        at += n;
        rest = nx_slice(rest.data + n, rest.len - n);
        if (!rest.len) break;
        (void)nx_text_next(&rest);
        at += nx_text_encode(0xfffd, at);
    }
    *at = '\0';
    *out = nx_slice(copy, (size_t)(at - copy));
    return NX_OK;
}

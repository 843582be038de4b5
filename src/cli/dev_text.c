/* Text that is put together from what nobody vouches for. */
#include "cli/dev_text.h"

#include "base/markup.h"
#include "base/utf8.h"
#include "cli/dev.h"
#include <stdio.h>

void nx__text_bytes(struct nx__dev_text *out, nx_bytes text)
{
    if (!out->err && text.len)
        out->err = nx__buffer_append(&out->buffer, text.data, text.len, NX__DEV_PAGE_MOST);
}

void nx__text_put(struct nx__dev_text *out, const char *text)
{
    nx__text_bytes(out, nx_str(text));
}

void nx__text_printf(struct nx__dev_text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!out->err) out->err = nx__buffer_vprintf(&out->buffer, NX__DEV_PAGE_MOST, format, args);
    va_end(args);
}

/* Controls of either kind, and those that turn text around (U+202A to U+202E, U+2066 to U+2069), by
 * which a line can look like another. */
static bool is_harmful(const char *s, size_t n)
{
    unsigned char a = (unsigned char)s[0], b = n > 1 ? (unsigned char)s[1] : 0,
                  c = n > 2 ? (unsigned char)s[2] : 0;
    if (n == 1) return (a < 0x20 && a != '\t' && a != '\n') || a == 0x7f;
    if (n == 2) return a == 0xc2 && b < 0xa0;
    return n == 3 && a == 0xe2 &&
           ((b == 0x80 && c >= 0xaa && c <= 0xae) || (b == 0x81 && c >= 0xa6 && c <= 0xa9));
}

static bool is_plain_in_url(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && strchr("/-._~", c));
}

static void put_char(struct nx__dev_text *out, const char *s, size_t n, enum nx__text_for how)
{
    const char *instead = how == NX__TEXT_HTML && n == 1 ? nx__markup_entity(*s) : NULL;
    if (how == NX__TEXT_URL && !(n == 1 && is_plain_in_url(*s))) {
        for (size_t i = 0; i < n; i++) nx__text_printf(out, "%%%02X", (unsigned char)s[i]);
    } else if (how == NX__TEXT_JSON && n == 1 && (*s == '"' || *s == '\\' || *s < 0x20)) {
        if (*s == '\n')
            nx__text_put(out, "\\n");
        else if (*s == '\t')
            nx__text_put(out, "\\t");
        else
            nx__text_printf(out, "\\%c", *s);
    } else if (instead) {
        nx__text_put(out, instead);
    } else {
        nx__text_bytes(out, nx_slice(s, n));
    }
}

void nx__text_escaped(struct nx__dev_text *out, nx_bytes text, enum nx__text_for how)
{
    static const char replacement[] = "\xef\xbf\xbd";
    const char *s = text.data, *end = s + text.len;
    while (s < end) {
        size_t n = nx__utf8_sequence(s, end);
        /* A path is what it is. */
        if (how == NX__TEXT_URL)
            put_char(out, s, 1, how);
        else if (!n || is_harmful(s, n))
            put_char(out, replacement, sizeof replacement - 1, how);
        else
            put_char(out, s, n, how);
        s += n && how != NX__TEXT_URL ? n : 1;
    }
}

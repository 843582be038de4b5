/* Percent-encoding of whole texts. */
#include "url/percent.h"
#include "base/error.h"
#include <nexus/url.h>

/* The ASCII characters that each set has beyond controls and those of the sets that it holds:
 * section 1.3 of the standard, in its order. */
static bool in_set(unsigned char c, nx_percent_set set)
{
    if (c < 0x20 || c > 0x7e) return true;
    if (set == NX_PERCENT_CONTROLS) return false;
    if (strchr(" \"<>", c)) return true;
    if (set == NX_PERCENT_FRAGMENT) return c == '`';
    if (c == '#') return true;
    if (set == NX_PERCENT_QUERY) return false;
    if (strchr("?^`{}", c)) return true;
    if (set == NX_PERCENT_PATH) return false;
    if (strchr("/:;=@[\\]|", c)) return true;
    if (set == NX_PERCENT_USERINFO) return false;
    /* The standard takes "%" for granted: whoever encodes a component means the sign itself. */
    if (strchr("$%&+,", c)) return true;
    if (set == NX_PERCENT_COMPONENT) return false;
    return strchr("!'()~", c) != NULL;
}

nx_err nx_percent_encode(nx_bytes bytes, nx_percent_set set, nx_bytes *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    if (bytes.len > SIZE_MAX / 4) return nx__error_set(NX_ETOOBIG, "too many bytes to encode");
    for (size_t i = 0; i < bytes.len; i++)
        len += in_set((unsigned char)bytes.data[i], set) &&
                       !(set == NX_PERCENT_FORM && bytes.data[i] == ' ')
                   ? 3
                   : 1;
    char *text = nx_alloc(len + 1), *to = text;
    if (!text) return NX_ENOMEM;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (set == NX_PERCENT_FORM && c == ' ') {
            *to++ = '+';
        } else if (in_set(c, set)) {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        } else {
            *to++ = (char)c;
        }
    }
    *to = '\0';
    *out = nx_slice(text, len);
    return NX_OK;
}

nx_err nx_percent_decode(nx_bytes text, nx_bytes *out)
{
    char *bytes = nx_alloc(text.len + 1);
    size_t len = 0;
    if (!bytes) return NX_ENOMEM;
    for (size_t at = 0; at < text.len;) (void)nx__percent_byte(text, &at, false, &bytes[len++]);
    bytes[len] = '\0';
    *out = nx_slice(bytes, len);
    return NX_OK;
}

/* Text as it looks in an address. */
#include "./{{name}}.h"

nx_err {{ident}}_slug(nx_bytes text, const char **out)
{
    char *slug = nx_alloc(text.len + 1);
    if (!slug) return NX_ENOMEM;
    size_t len = 0;
    bool gap = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            if (gap && len) slug[len++] = '-'; /* there was a byte for it: the one in the gap */
            slug[len++] = c;
            gap = false;
        } else {
            gap = true;
        }
    }
    slug[len] = '\0';
    if (!len) return nx_fail(NX_EINVAL, "\"%.*s\" has no letter and no digit", NX_FMT(text));
    *out = slug;
    return NX_OK;
}

/* Putting text together. */
#include "base/error.h"
#include <nexus/text.h>

static nx_err too_long(void)
{
    return nx__error_set(NX_ETOOBIG, "the text would be too long");
}

/* Room for `len` bytes and a NUL, which `*out` becomes. */
static char *room(size_t len, nx_bytes *out)
{
    char *text = nx_alloc(len + 1);
    *out = (nx_bytes){0};
    if (!text) return NULL;
    text[len] = '\0';
    *out = nx_slice(text, len);
    return text;
}

static char *put(char *at, nx_bytes bytes)
{
    if (bytes.len) memcpy(at, bytes.data, bytes.len);
    return at + bytes.len;
}

/* Flips the case of the letters from `first` on. */
static nx_err with_case(nx_bytes text, char first, nx_bytes *out)
{
    char *copy = room(text.len, out);
    if (!copy) return NX_ENOMEM;
    for (size_t i = 0; i < text.len; i++) {
        unsigned letter = (unsigned char)text.data[i] - (unsigned)first;
        copy[i] = (char)(text.data[i] ^ (letter < 26 ? 0x20 : 0));
    }
    return NX_OK;
}

nx_err nx_text_lower(nx_bytes text, nx_bytes *out)
{
    return with_case(text, 'A', out);
}

nx_err nx_text_upper(nx_bytes text, nx_bytes *out)
{
    return with_case(text, 'a', out);
}

nx_err nx_text_replace(nx_bytes text, nx_bytes part, nx_bytes with, nx_bytes *out)
{
    *out = (nx_bytes){0};
    if (!part.len) return nx__error_set(NX_EINVAL, "nothing can't be replaced: it is everywhere");
    size_t count = 0, len;
    nx_bytes rest = text, piece, behind;
    for (; nx_text_cut(rest, part, &piece, &behind); rest = behind) count++;
    if (__builtin_mul_overflow(count, with.len, &len) ||
        __builtin_add_overflow(len, text.len - count * part.len, &len) || len == SIZE_MAX)
        return too_long();
    char *at = room(len, out);
    if (!at) return NX_ENOMEM;
    for (rest = text; nx_text_cut(rest, part, &piece, &behind); rest = behind)
        at = put(put(at, piece), with);
    (void)put(at, rest);
    return NX_OK;
}

nx_err nx_text_join(const nx_bytes *pieces, size_t count, nx_bytes separator, nx_bytes *out)
{
    size_t len = 0;
    *out = (nx_bytes){0};
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(len, pieces[i].len, &len) ||
            (i && __builtin_add_overflow(len, separator.len, &len)) || len == SIZE_MAX)
            return too_long();
    char *at = room(len, out);
    if (!at) return NX_ENOMEM;
    for (size_t i = 0; i < count; i++) at = put(i ? put(at, separator) : at, pieces[i]);
    return NX_OK;
}

nx_err nx_text_repeat(nx_bytes text, size_t times, nx_bytes *out)
{
    size_t len;
    *out = (nx_bytes){0};
    if (__builtin_mul_overflow(text.len, times, &len) || len == SIZE_MAX) return too_long();
    char *at = room(len, out);
    if (!at) return NX_ENOMEM;
    for (size_t i = 0; text.len && i < times; i++) at = put(at, text);
    return NX_OK;
}

static nx_err pad(nx_bytes text, size_t width, char fill, bool before, nx_bytes *out)
{
    size_t have = nx_text_count(text), more = width > have ? width - have : 0, len;
    *out = (nx_bytes){0};
    if (__builtin_add_overflow(text.len, more, &len) || len == SIZE_MAX) return too_long();
    char *at = room(len, out);
    if (!at) return NX_ENOMEM;
    if (!before) at = put(at, text);
    memset(at, fill, more);
    if (before) (void)put(at + more, text);
    return NX_OK;
}

nx_err nx_text_pad_start(nx_bytes text, size_t width, char fill, nx_bytes *out)
{
    return pad(text, width, fill, true, out);
}

nx_err nx_text_pad_end(nx_bytes text, size_t width, char fill, nx_bytes *out)
{
    return pad(text, width, fill, false, out);
}

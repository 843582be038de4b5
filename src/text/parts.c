/* Looking for things in text, and taking it apart. */
#include <nexus/text.h>

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without the first `n` bytes. */
static nx_bytes after(nx_bytes text, size_t n)
{
    return nx_slice(text.data + n, text.len - n);
}

/* ---- Looking */

static bool equal(const char *at, nx_bytes part)
{
    return !part.len || memcmp(at, part.data, part.len) == 0;
}

bool nx_text_starts(nx_bytes text, nx_bytes with)
{
    return with.len <= text.len && equal(text.data, with);
}

bool nx_text_ends(nx_bytes text, nx_bytes with)
{
    return with.len <= text.len && equal(text.data + (text.len - with.len), with);
}

size_t nx_text_find(nx_bytes text, nx_bytes part)
{
    if (!part.len) return 0;
    if (part.len > text.len) return NX_TEXT_NONE;
    const char *at = memmem(text.data, text.len, part.data, part.len);
    return at ? (size_t)(at - text.data) : NX_TEXT_NONE;
}

size_t nx_text_find_last(nx_bytes text, nx_bytes part)
{
    if (!part.len) return text.len;
    if (part.len > text.len) return NX_TEXT_NONE;
    for (size_t end = text.len - part.len + 1; end;) {
        const char *at = memrchr(text.data, part.data[0], end);
        if (!at) return NX_TEXT_NONE;
        end = (size_t)(at - text.data);
        if (equal(at, part)) return end;
    }
    return NX_TEXT_NONE;
}

bool nx_text_contains(nx_bytes text, nx_bytes part)
{
    return nx_text_find(text, part) != NX_TEXT_NONE;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool nx_text_same(nx_bytes a, nx_bytes b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i])) return false;
    return true;
}

/* ---- Taking apart */

nx_bytes nx_text_trim_start(nx_bytes text)
{
    while (text.len && is_blank(*text.data)) text = after(text, 1);
    return text;
}

nx_bytes nx_text_trim_end(nx_bytes text)
{
    while (text.len && is_blank(text.data[text.len - 1])) text.len--;
    return text;
}

nx_bytes nx_text_trim(nx_bytes text)
{
    return nx_text_trim_end(nx_text_trim_start(text));
}

bool nx_text_cut(nx_bytes text, nx_bytes separator, nx_bytes *before, nx_bytes *behind)
{
    size_t at = nx_text_find(text, separator);
    *before = text;
    *behind = nx_slice("", 0);
    if (at == NX_TEXT_NONE) return false;
    *before = nx_slice(text.data, at);
    *behind = after(text, at + separator.len);
    return true;
}

bool nx_text_split(nx_bytes *rest, nx_bytes separator, nx_bytes *piece)
{
    *piece = nx_slice("", 0);
    if (!rest->data) return false;
    if (!separator.len) {
        if (!rest->len) {
            *rest = (nx_bytes){0};
            return false;
        }
        *piece = nx_slice(rest->data, 1);
        *rest = after(*rest, 1);
        return true;
    }
    size_t at = nx_text_find(*rest, separator);
    if (at == NX_TEXT_NONE) {
        *piece = *rest;
        *rest = (nx_bytes){0};
    } else {
        *piece = nx_slice(rest->data, at);
        *rest = after(*rest, at + separator.len);
    }
    return true;
}

bool nx_text_line(nx_bytes *rest, nx_bytes *line)
{
    *line = nx_slice("", 0);
    if (!rest->len) {
        *rest = (nx_bytes){0};
        return false;
    }
    const char *end = memchr(rest->data, '\n', rest->len);
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    *line = nx_slice(rest->data, len);
    *rest = after(*rest, len + (end ? 1 : 0));
    if (end && len && line->data[len - 1] == '\r') line->len--;
    return true;
}

bool nx_text_word(nx_bytes *rest, nx_bytes *word)
{
    nx_bytes text = nx_text_trim_start(*rest);
    size_t len = 0;
    while (len < text.len && !is_blank(text.data[len])) len++;
    *word = len ? nx_slice(text.data, len) : nx_slice("", 0);
    *rest = len ? after(text, len) : (nx_bytes){0};
    return len > 0;
}

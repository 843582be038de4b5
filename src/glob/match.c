/* Matching: the components that a pattern can be at are a set of bits, so that no path makes it try
 * twice. */
#include "base/utf8.h"
#include "glob/glob.h"

/* The character at `s`, and past it; a byte that is no UTF-8 is one by itself, and none of the
 * others. */
static uint32_t character(const char **s, const char *end)
{
    const unsigned char *u = (const unsigned char *)*s;
    size_t n = nx__utf8_sequence(*s, end);
    *s += n ? n : 1;
    switch (n) {
    case 1: return u[0];
    case 2: return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    case 3: return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    case 4:
        return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
    default: return 0x110000u + u[0];
    }
}

/* A character of a class, which may stand behind a backslash. */
static uint32_t class_character(const char **p, const char *end)
{
    if (**p == '\\' && *p + 1 < end) (*p)++;
    return character(p, end);
}

/* Does the class that begins at `*p` have `c`? Goes past the class; it is known to end. */
static bool class_has(const char **p, const char *end, uint32_t c)
{
    const char *at = *p + 1;
    bool negated = *at == '!' || *at == '^', has = false;
    at += negated;
    for (bool first = true; first || *at != ']'; first = false) {
        uint32_t low = class_character(&at, end), high = low;
        if (at[0] == '-' && at[1] != ']') {
            at++;
            high = class_character(&at, end);
        }
        has |= low <= c && c <= high;
    }
    *p = at + 1;
    return has != negated;
}

/* One component of the pattern against one of the path. Where it fails behind a star, that takes
 * one character more; an earlier star need not. */
static bool component_matches(nx_bytes pattern, nx_bytes text, bool hidden)
{
    const char *p = pattern.data, *p_end = p + pattern.len;
    const char *t = text.data, *t_end = t + text.len;
    const char *star = NULL, *from = NULL;
    if (!hidden && t < t_end && *t == '.' && !(*p == '.' || (*p == '\\' && p[1] == '.')))
        return false;
    for (;;) {
        if (p < p_end && *p == '*') {
            star = ++p;
            from = t;
            continue;
        }
        if (t == t_end) return p == p_end;
        bool same = false;
        const char *after = t;
        if (p < p_end) {
            uint32_t c = character(&after, t_end);
            if (*p == '?')
                p++, same = true;
            else if (*p == '[')
                same = class_has(&p, p_end, c);
            else
                same = class_character(&p, p_end) == c;
        }
        if (same) {
            t = after;
            continue;
        }
        if (!star) return false;
        p = star;
        (void)character(&from, t_end);
        t = from;
    }
}

/* Where a ** is, it may also be over. */
static uint64_t settle(const struct nx__alternative *a, uint64_t at)
{
    return at | (at & a->deep) << 1;
}

/* The components that `a` can be at once `path` is gone through; bit a->count: the end. */
static uint64_t walk(const struct nx__alternative *a, nx_bytes path, bool hidden)
{
    uint64_t at = settle(a, 1);
    if (a->absolute != (path.len && path.data[0] == '/')) return 0;
    for (size_t i = 0; i < path.len && at;) {
        const char *slash = memchr(path.data + i, '/', path.len - i);
        size_t n = slash ? (size_t)(slash - path.data) - i : path.len - i;
        nx_bytes text = nx_slice(path.data + i, n);
        i += n + 1;
        if (!n || (n == 1 && text.data[0] == '.')) continue;
        uint64_t next = 0;
        for (unsigned c = 0; c < a->count; c++) {
            if (!(at >> c & 1)) continue;
            if (a->deep >> c & 1)
                next |= hidden || text.data[0] != '.' ? UINT64_C(1) << c : 0;
            else if (component_matches(a->components[c], text, hidden))
                next |= UINT64_C(1) << (c + 1);
        }
        at = settle(a, next);
    }
    return at;
}

bool nx_glob_matches(const nx_glob *glob, nx_bytes path)
{
    for (const struct nx__alternative *a = glob->alternatives; a; a = a->next)
        if (walk(a, path, glob->hidden) >> a->count & 1) return true;
    return false;
}

bool nx_glob_reaches(const nx_glob *glob, nx_bytes directory)
{
    for (const struct nx__alternative *a = glob->alternatives; a; a = a->next)
        if (walk(a, directory, glob->hidden) & ((UINT64_C(1) << a->count) - 1)) return true;
    return false;
}

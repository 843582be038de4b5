/* Patterns: what is wrong with them, braces, components. */
#include "base/error.h"
#include "glob/glob.h"
#include <stdlib.h>

/* ---- What is wrong with it */

/* Past the class that begins at `at`, 0 if it has no end in its component. */
static size_t class_end(const char *p, size_t at)
{
    at++;
    if (p[at] == '!' || p[at] == '^') at++;
    if (p[at] == ']') at++; /* in the first place it stands for itself */
    for (; p[at] && p[at] != ']' && p[at] != '/'; at++)
        if (p[at] == '\\' && p[at + 1] && p[at + 1] != '/') at++;
    return p[at] == ']' ? at + 1 : 0;
}

static nx_err wrong(const char *pattern, size_t at, const char *what)
{
    return nx__error_set(NX_EINVAL, "the pattern \"%.150s\" is wrong at character %zu: %s", pattern,
                         at + 1, what);
}

static nx_err check(const char *p)
{
    size_t open[NX_GLOB_COMPONENTS_MOST], depth = 0;
    for (size_t at = 0; p[at];) {
        switch (p[at]) {
        case '\\':
            if (!p[at + 1]) return wrong(p, at, "a \\ stands before nothing");
            at += 2;
            continue;
        case '[': {
            size_t end = class_end(p, at);
            if (!end) return wrong(p, at, "the [ is not closed");
            at = end;
            continue;
        }
        case '{':
            if (depth == sizeof open / sizeof *open)
                return wrong(p, at, "too many { in each other");
            open[depth++] = at;
            break;
        case '}':
            if (!depth) return wrong(p, at, "no { is open; \\} stands for the character");
            depth--;
            break;
        default: break;
        }
        at++;
    }
    return depth ? wrong(p, open[depth - 1], "the { is not closed") : NX_OK;
}

/* ---- Components */

static nx_err too_long(void)
{
    return nx__error_set(NX_ELIMIT, "a pattern is at most %d bytes long and %d components deep",
                         NX_GLOB_LENGTH_MOST, NX_GLOB_COMPONENTS_MOST);
}

static nx_err alternative_add(nx_glob *glob, const char *text, size_t len)
{
    size_t count = 1;
    for (size_t i = 0; i < len; i++) count += text[i] == '/';
    struct nx__alternative *a = malloc(sizeof *a + count * sizeof *a->components + len);
    if (!a) return nx__error_set(NX_ENOMEM, "cannot compile a pattern: out of memory");
    char *copy = (char *)(a->components + count);
    memcpy(copy, text, len);
    *a = (struct nx__alternative){.next = glob->alternatives, .absolute = len && copy[0] == '/'};
    glob->alternatives = a;
    for (size_t at = 0; at < len;) {
        const char *end = memchr(copy + at, '/', len - at);
        size_t n = end ? (size_t)(end - copy) - at : len - at;
        nx_bytes component = nx_slice(copy + at, n);
        at += n + 1;
        if (!n || (n == 1 && component.data[0] == '.')) continue;
        if (a->count == NX_GLOB_COMPONENTS_MOST) return too_long();
        bool deep = nx_bytes_is(component, "**");
        /* Two in a row are one. */
        if (deep && a->count && a->deep >> (a->count - 1) & 1) continue;
        if (deep) a->deep |= UINT64_C(1) << a->count;
        a->components[a->count++] = component;
    }
    return NX_OK;
}

/* ---- Braces */

struct expansion {
    nx_glob *glob;
    size_t made;
};

/* Past the brace that closes the one before `at`. */
static size_t brace_end(const char *p, size_t at)
{
    for (size_t depth = 1; depth;) {
        if (p[at] == '[') {
            at = class_end(p, at);
            continue;
        }
        if (p[at] == '\\')
            at++;
        else if (p[at] == '{')
            depth++;
        else if (p[at] == '}')
            depth--;
        at++;
    }
    return at;
}

/* Past the choice that begins at `at`: its comma, or the closing brace. */
static size_t choice_end(const char *p, size_t at)
{
    while (p[at] != ',' && p[at] != '}') {
        if (p[at] == '[')
            at = class_end(p, at);
        else if (p[at] == '{')
            at = brace_end(p, at + 1);
        else
            at += p[at] == '\\' ? 2 : 1;
    }
    return at;
}

/* Writes out the first brace, and so on with what that makes. */
static nx_err expand(struct expansion *e, const char *p)
{
    size_t at = 0, len = strlen(p);
    while (p[at] && p[at] != '{') {
        if (p[at] == '[')
            at = class_end(p, at);
        else
            at += p[at] == '\\' ? 2 : 1;
    }
    if (!p[at]) {
        if (e->made++ == NX_GLOB_ALTERNATIVES_MOST)
            return nx__error_set(NX_ELIMIT, "the braces of a pattern stand for more than %d others",
                                 NX_GLOB_ALTERNATIVES_MOST);
        return alternative_add(e->glob, p, len);
    }
    size_t end = brace_end(p, at + 1);
    char *text = malloc(len + 1);
    if (!text) return nx__error_set(NX_ENOMEM, "cannot compile a pattern: out of memory");
    memcpy(text, p, at);
    nx_err err = NX_OK;
    for (size_t from = at + 1; !err && from < end;) {
        size_t to = choice_end(p, from), n = to - from;
        memcpy(text + at, p + from, n);
        memcpy(text + at + n, p + end, len - end + 1);
        err = expand(e, text);
        from = to + 1;
    }
    free(text);
    return err;
}

nx_err nx_glob_new_with(nx_glob **out, const char *pattern, const nx_glob_options *options)
{
    NX__OPTIONS(nx_glob_options, o, options);
    *out = NULL;
    if (strlen(pattern) > NX_GLOB_LENGTH_MOST) return too_long();
    NX_TRY(check(pattern));
    nx_glob *glob = calloc(1, sizeof *glob);
    if (!glob) return nx__error_set(NX_ENOMEM, "cannot compile a pattern: out of memory");
    glob->hidden = o.hidden;
    nx_err err = expand(&(struct expansion){.glob = glob}, pattern);
    if (err)
        nx_glob_free(glob);
    else
        *out = glob;
    return err;
}

void nx_glob_free(nx_glob *glob)
{
    if (!glob) return;
    for (struct nx__alternative *a = glob->alternatives, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    free(glob);
}

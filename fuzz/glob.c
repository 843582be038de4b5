/* A pattern and a path, each a line: compiling ends, a match by the whole is one for every
 * directory on the way, and a plain matcher says the same of patterns without braces and classes.
 */
#include <nexus/glob.h>
#include <stdlib.h>

static void check(bool good)
{
    if (!good) abort();
}

/* Of one component, with `*`, `?` of ASCII and `\`: by trying everything. */
static bool plain(const char *p, size_t p_len, const char *t, size_t t_len)
{
    if (!p_len) return !t_len;
    if (*p == '*')
        return plain(p + 1, p_len - 1, t, t_len) || (t_len && plain(p, p_len, t + 1, t_len - 1));
    if (!t_len) return false;
    if (*p == '\\') {
        p++;
        p_len--;
    } else if (*p == '?') {
        return plain(p + 1, p_len - 1, t + 1, t_len - 1);
    }
    return *p == *t && plain(p + 1, p_len - 1, t + 1, t_len - 1);
}

static bool is_simple(const char *text, size_t len)
{
    unsigned stars = 0;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] >= 0x80 || strchr("/[]{},.", text[i])) return false;
        stars += text[i] == '*';
    }
    return len && len < 24 && stars < 5;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* In memory of its own, so that a read past the end is seen. */
    const uint8_t *line = memchr(data, '\n', size);
    if (!line || memchr(data, 0, (size_t)(line - data))) return 0;
    size_t pattern_len = (size_t)(line - data), path_len = size - pattern_len - 1;
    char *pattern = malloc(pattern_len + 1), *path = malloc(path_len ? path_len : 1);
    if (!pattern || !path) abort();
    memcpy(pattern, data, pattern_len);
    pattern[pattern_len] = '\0';
    if (path_len) memcpy(path, line + 1, path_len);
    nx_bytes text = nx_slice(path, path_len);
    nx_glob *glob, *hidden;
    nx_err err = nx_glob_new(&glob, pattern), again = nx_glob_new(&hidden, pattern, .hidden = true);
    check(err == again && (err == NX_OK || err == NX_EINVAL || err == NX_ELIMIT));
    if (!err) {
        bool matches = nx_glob_matches(glob, text);
        check(!matches || nx_glob_matches(hidden, text));
        for (size_t i = 1; matches && i + 1 < path_len; i++)
            if (path[i] == '/' && path[i - 1] != '/' && path[i + 1] != '/' && path[i + 1] != '.')
                check(nx_glob_reaches(glob, nx_slice(path, i)));
        if (is_simple(pattern, pattern_len) && is_simple(path, path_len))
            check(matches == plain(pattern, pattern_len, path, path_len));
    }
    nx_glob_free(glob);
    nx_glob_free(hidden);
    free(pattern);
    free(path);
    return 0;
}

/* Paths as the system would walk them. */
#include "permission/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Adds the components of `rest` to the absolute path in `out`. */
static bool append(char out[NX__PATH_MAX], const char *rest)
{
    size_t len = strlen(out);
    if (len == 1) len = 0; /* "/" */
    while (*rest) {
        size_t n = strcspn(rest, "/");
        if (n == 2 && rest[0] == '.' && rest[1] == '.') {
            while (len && out[--len] != '/') {}
        } else if (n && !(n == 1 && rest[0] == '.')) {
            if (len + 1 + n >= NX__PATH_MAX) return false;
            out[len++] = '/';
            memcpy(out + len, rest, n);
            len += n;
        }
        rest += n;
        rest += *rest == '/';
    }
    if (!len) out[len++] = '/';
    out[len] = '\0';
    return true;
}

bool nx__path_resolve(const char *path, char out[NX__PATH_MAX])
{
    char head[NX__PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof head) return false;
    memcpy(head, path, len + 1);
    while (!realpath(len ? head : path[0] == '/' ? "/" : ".", out)) {
        if (!len || (errno != ENOENT && errno != ENOTDIR && errno != EACCES)) return false;
        while (len && head[len - 1] == '/') len--;
        head[len] = '\0';
        struct stat st;
        if (len && lstat(head, &st) == 0 && S_ISLNK(st.st_mode)) return false;
        while (len && head[len - 1] != '/') len--;
        head[len] = '\0';
    }
    return append(out, path + len);
}

bool nx__path_resolve_parent(const char *path, char out[NX__PATH_MAX])
{
    char parent[NX__PATH_MAX];
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    size_t last = len;
    while (last && path[last - 1] != '/') last--;
    const char *name = path + last;
    size_t name_len = len - last;
    if (!name_len || len >= sizeof parent || (name_len == 1 && name[0] == '.') ||
        (name_len == 2 && name[0] == '.' && name[1] == '.'))
        return nx__path_resolve(path, out);
    memcpy(parent, path, last);
    parent[last] = '\0';
    if (!nx__path_resolve(last ? parent : ".", out)) return false;
    size_t at = strlen(out);
    if (at == 1) at = 0;
    if (at + 1 + name_len >= NX__PATH_MAX) return false;
    out[at++] = '/';
    memcpy(out + at, name, name_len);
    out[at + name_len] = '\0';
    return true;
}

bool nx__path_beneath(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (len == 1 && root[0] == '/') return path[0] == '/';
    return strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

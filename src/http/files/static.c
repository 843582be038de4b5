/* Directories of files under a path of the server. */
#include "http/files/files.h"

#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct nx__mount {
    struct nx__mount *next;
    struct nx__dir dir;
    nx_static_options options;
    size_t prefix_len; /* without a slash at the end */
    char cache_control[64];
    char *prefix, *index; /* behind them the directory's path, in one piece of memory */
};

/* ---- Paths */

/* Decodes one segment into `out`. False for what names no file of ours: dots that climb, hidden
 * names, an encoded slash or NUL, a backslash (which is a slash elsewhere), an empty segment. */
static bool segment(nx_bytes raw, bool first, bool dotfiles, char *out, size_t *len)
{
    if (!raw.len || !nx__percent_decode(raw, out, len) || *len > NAME_MAX) return false;
    for (size_t i = 0; i < *len; i++)
        if (out[i] == '/' || out[i] == '\\' || out[i] == '\0') return false;
    if (out[0] != '.') return true;
    if (*len == 1 || (*len == 2 && out[1] == '.')) return false;
    return dotfiles || (first && *len == 11 && memcmp(out, ".well-known", 11) == 0);
}

/* The path of the file that the rest of a request's path means; "" is the directory itself. */
static bool path_of(nx_bytes rest, bool dotfiles, char out[NX__FILE_PATH_MOST], size_t *out_len)
{
    size_t at = 0;
    bool first = true;
    if (rest.len >= NX__FILE_PATH_MOST - NAME_MAX - 2) return false;
    while (rest.len) {
        const char *slash = memchr(rest.data, '/', rest.len);
        size_t raw = slash ? (size_t)(slash - rest.data) : rest.len, len;
        if (!segment(nx_slice(rest.data, raw), first, dotfiles, out + at, &len)) return false;
        at += len;
        if (slash) out[at++] = '/';
        raw += slash ? 1 : 0;
        rest = nx_slice(rest.data + raw, rest.len - raw);
        first = false;
    }
    out[at] = '\0';
    *out_len = at;
    return true;
}

/* ---- Answering */

static nx_err not_found(void)
{
    (void)nx__error_set(NX_ENOENT, "there is no such file");
    return nx__error_status_set(404);
}

/* To the same with a slash, so that what the page names is beside it. */
static nx_err redirect(nx_request *req, nx_response *res)
{
    nx_bytes path = req->path, query = req->query;
    /* Two slashes in front would name another host. */
    while (path.len > 1 && path.data[0] == '/' && path.data[1] == '/')
        path = nx_slice(path.data + 1, path.len - 1);
    char *location = nx_format("%.*s/%s%.*s", NX_FMT(path), query.len ? "?" : "", NX_FMT(query));
    if (!location) return NX_ENOMEM;
    nx_response_header(res, "location", location);
    if (res->failed) return nx_response_end(res);
    res->status = 308;
    return req->driver->send(res, (nx_bytes){0});
}

static nx_err answer(nx_response *res, const struct nx__mount *mount, struct nx__file_entry *entry)
{
    struct nx__file_how how = {.cache_control = nx_str(mount->cache_control)};
    nx_err err = nx__file_answer(res, entry, &how);
    nx__file_release(entry);
    return err;
}

static int find(const struct nx__mount *mount, const char *path, struct nx__file_entry **entry)
{
    return nx__file_find(&mount->dir, path, mount->options.precompressed, entry);
}

/* The single page of an app that makes its paths in the browser. */
static nx_err spa(nx_response *res, const struct nx__mount *mount, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct nx__file_entry *entry;
    if (!mount->options.spa || strchr(slash ? slash : path, '.')) return not_found();
    int error = find(mount, mount->index, &entry);
    if (error || !entry) return not_found();
    return answer(res, mount, entry);
}

static nx_err serve(nx_request *req, nx_response *res, const struct nx__mount *mount, nx_bytes rest)
{
    char path[NX__FILE_PATH_MOST];
    size_t len;
    if (res->failed) return nx_response_end(res);
    if (!path_of(rest, mount->options.dotfiles, path, &len)) return not_found();
    struct nx__file_entry *entry;
    bool directory = !len || path[len - 1] == '/';
    int error = -ENOENT;
    if (!directory) {
        error = find(mount, path, &entry);
        if (!error && !entry) return redirect(req, res);
    } else if (*mount->index) {
        size_t index_len = strlen(mount->index);
        if (len + index_len >= sizeof path) return not_found();
        memcpy(path + len, mount->index, index_len + 1);
        error = find(mount, path, &entry);
        path[len] = '\0';
        if (!error && !entry) error = -ENOENT;
    }
    if (!error) return answer(res, mount, entry);
    if (error == -ENOENT && directory && mount->options.list)
        return nx__file_list(res, &mount->dir, path, mount->options.dotfiles);
    nx_err err = nx__file_failed(error, path);
    return nx__error_status(err) == 404 ? spa(res, mount, path) : err;
}

/* The mount with the longest prefix that the path has: the router has found one of them. */
static nx_err handler(nx_request *req, nx_response *res)
{
    const struct nx__mount *best = NULL;
    for (const struct nx__mount *m = req->server->mounts; m; m = m->next) {
        bool has = req->path.len >= m->prefix_len &&
                   memcmp(req->path.data, m->prefix, m->prefix_len) == 0 &&
                   (req->path.len == m->prefix_len || req->path.data[m->prefix_len] == '/');
        if (has && (!best || m->prefix_len > best->prefix_len)) best = m;
    }
    if (!best) return not_found();
    if (req->path.len == best->prefix_len) return redirect(req, res);
    size_t skipped = best->prefix_len + 1;
    return serve(req, res, best, nx_slice(req->path.data + skipped, req->path.len - skipped));
}

/* ---- Building */

static const char *wrong(const char *prefix, const char *directory, const nx_static_options *o)
{
    if (!prefix || prefix[0] != '/') return "the path does not begin with /";
    if (strstr(prefix, "//")) return "the path has an empty segment";
    if (strstr(prefix, "/:") || strstr(prefix, "/*")) return "the path has a parameter";
    if (!directory || !*directory) return "no directory is given";
    if (o->index && strchr(o->index, '/')) return "the index is a name, not a path";
    if (o->index && strlen(o->index) > NAME_MAX) return "the index's name is too long";
    if (o->max_age < 0) return "max_age is negative";
    if (o->spa && o->index && !*o->index) return "spa needs an index";
    return NULL;
}

static bool mount_add(nx_http_server *server, const char *prefix, const char *directory,
                      const nx_static_options *o)
{
    size_t prefix_len = strlen(prefix), directory_len = strlen(directory);
    const char *index = o->index ? o->index : "index.html";
    size_t index_len = strlen(index);
    struct nx__mount *mount = calloc(1, sizeof *mount + prefix_len + index_len + directory_len + 3);
    if (!mount) return false;
    while (prefix_len && prefix[prefix_len - 1] == '/') prefix_len--;
    mount->options = *o;
    mount->prefix = (char *)(mount + 1);
    mount->prefix_len = prefix_len;
    memcpy(mount->prefix, prefix, prefix_len);
    mount->index = mount->prefix + prefix_len + 1;
    memcpy(mount->index, index, index_len);
    char *path = mount->index + index_len + 1;
    memcpy(path, directory, directory_len);
    mount->dir = (struct nx__dir){.id = nx__dir_id(), .fd = -1, .path = path};
    nx__file_cache_control(mount->cache_control, sizeof mount->cache_control, o->max_age,
                           o->immutable);
    mount->next = server->mounts;
    server->mounts = mount;
    return true;
}

void nx_http_static_with(nx_http_server *server, const char *prefix, const char *directory,
                         const nx_static_options *options)
{
    if (!server) return; /* out of memory: nx_http_listen says so */
    nx_static_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    const char *reason = wrong(prefix, directory, &o);
    if (reason) {
        nx__server_mistake(server, NX_EINVAL, "cannot serve \"%s\" at \"%s\": %s",
                           directory ? directory : "(null)", prefix ? prefix : "(null)", reason);
        return;
    }
    char path[NX__ROUTER_MAX_PATH + 1];
    if (!mount_add(server, prefix, directory, &o)) {
        nx__server_mistake(server, NX_ENOMEM, "cannot serve \"%s\": out of memory", directory);
        return;
    }
    const struct nx__mount *mount = server->mounts;
    int n = snprintf(path, sizeof path, "%s/*file", mount->prefix);
    if (n < 0 || (size_t)n >= sizeof path) {
        nx__server_mistake(server, NX_EINVAL, "cannot serve \"%s\": its path is too long",
                           directory);
        return;
    }
    nx_http_route(server, "GET", path, handler);
    if (mount->prefix_len) nx_http_route(server, "GET", mount->prefix, handler);
}

nx_err nx__static_open(nx_http_server *server)
{
    for (struct nx__mount *m = server->mounts; m; m = m->next) {
        if (m->dir.fd >= 0) continue;
        NX_TRY(nx__permit(NX__PERMIT_READ, m->dir.path));
        m->dir.fd = open(m->dir.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (m->dir.fd < 0)
            return nx__error_system(errno, "cannot serve the directory \"%s\"", m->dir.path);
    }
    return NX_OK;
}

void nx__static_close(nx_http_server *server)
{
    for (struct nx__mount *m = server->mounts; m; m = m->next) {
        if (m->dir.fd >= 0) (void)close(m->dir.fd);
        m->dir.fd = -1;
    }
}

void nx__static_free(nx_http_server *server)
{
    nx__static_close(server);
    while (server->mounts) {
        struct nx__mount *mount = server->mounts;
        server->mounts = mount->next;
        free(mount);
    }
}

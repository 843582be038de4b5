/* Directories of files under a path of the server. */
#include "http/files/files.h"

#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the app has said; memory of the router. */
struct nx__directory {
    struct nx__directory *next;
    nx_static_options options;
    char cache_control[64];
    const char *index, *path;
};

/* A directory as a server has it open: routers may belong to more than one. */
struct nx__opened {
    struct nx__opened *next;
    const struct nx__directory *of;
    struct nx__dir dir;
};

/* Behind the prefix, in the routes. */
#define REST "/*file"

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

static nx_err answer(nx_response *res, const struct nx__opened *served,
                     struct nx__file_entry *entry)
{
    struct nx__file_how how = {.cache_control = nx_str(served->of->cache_control)};
    nx_err err = nx__file_answer(res, entry, &how);
    nx__file_release(entry);
    return err;
}

static int find(const struct nx__opened *served, const char *path, struct nx__file_entry **entry)
{
    return nx__file_find(&served->dir, path, served->of->options.precompressed, entry);
}

/* The single page of an app that makes its paths in the browser. */
static nx_err spa(nx_response *res, const struct nx__opened *served, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct nx__file_entry *entry;
    if (!served->of->options.spa || strchr(slash ? slash : path, '.')) return not_found();
    int error = find(served, served->of->index, &entry);
    if (error || !entry) return not_found();
    return answer(res, served, entry);
}

static nx_err serve(nx_request *req, nx_response *res, const struct nx__opened *served,
                    nx_bytes rest)
{
    char path[NX__FILE_PATH_MOST];
    size_t len;
    if (res->failed) return nx_response_end(res);
    if (!path_of(rest, served->of->options.dotfiles, path, &len)) return not_found();
    struct nx__file_entry *entry;
    bool directory = !len || path[len - 1] == '/';
    int error = -ENOENT;
    if (!directory) {
        error = find(served, path, &entry);
        if (!error && !entry) return redirect(req, res);
    } else if (*served->of->index) {
        size_t index_len = strlen(served->of->index);
        if (len + index_len >= sizeof path) return not_found();
        memcpy(path + len, served->of->index, index_len + 1);
        error = find(served, path, &entry);
        path[len] = '\0';
        if (!error && !entry) error = -ENOENT;
    }
    if (!error) return answer(res, served, entry);
    if (error == -ENOENT && directory && served->of->options.list)
        return nx__file_list(res, &served->dir, path, served->of->options.dotfiles);
    nx_err err = nx__file_failed(error, path);
    return nx__error_status(err) == 404 ? spa(res, served, path) : err;
}

/* The route's directory, as this server has it open. */
static const struct nx__opened *opened(const nx_request *req)
{
    const struct nx__opened *served = req->server->opened;
    const struct nx__directory *wanted = ((const struct nx__target *)req->match->data)->context;
    while (served && served->of != wanted) served = served->next;
    return served;
}

/* GET PREFIX/ *file, which is the route's last parameter. */
static nx_err below(nx_request *req, nx_response *res)
{
    const struct nx__opened *served = opened(req);
    if (!served) return not_found();
    size_t begin = req->match->params[req->match->param_count - 1].offset;
    return serve(req, res, served, nx_slice(req->path.data + begin, req->path.len - begin));
}

/* GET PREFIX */
static nx_err itself(nx_request *req, nx_response *res)
{
    const struct nx__opened *served = opened(req);
    if (!served) return not_found();
    if (req->path.data[req->path.len - 1] != '/') return redirect(req, res);
    return serve(req, res, served, (nx_bytes){"", 0});
}

/* ---- Building */

static const char *wrong(const char *prefix, const char *directory, const nx_static_options *o)
{
    if (!prefix || prefix[0] != '/') return "the path does not begin with /";
    if (strstr(prefix, "//")) return "the path has an empty segment";
    if (strstr(prefix, "/:") || strstr(prefix, "/*")) return "the path has a parameter";
    if (strlen(prefix) > NX__ROUTER_MAX_PATH - sizeof REST) return "the path is too long";
    if (!directory || !*directory) return "no directory is given";
    if (o->index && strchr(o->index, '/')) return "the index is a name, not a path";
    if (o->index && strlen(o->index) > NAME_MAX) return "the index's name is too long";
    if (o->max_age < 0) return "max_age is negative";
    if (o->spa && o->index && !*o->index) return "spa needs an index";
    return NULL;
}

void nx_http_static_with(nx_http_router *router, const char *prefix, const char *directory,
                         const nx_static_options *options)
{
    nx_static_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    const char *reason = wrong(prefix, directory, &o);
    if (reason) {
        nx__router_mistake(router, NX_EINVAL, "cannot serve \"%s\" at \"%s\": %s",
                           directory ? directory : "(null)", prefix ? prefix : "(null)", reason);
        return;
    }
    struct nx__directory *made = nx__router_keep(router, sizeof *made, NULL);
    if (!made) return;
    made->options = o;
    made->index = nx__router_keep_text(router, o.index ? o.index : "index.html");
    made->path = nx__router_keep_text(router, directory);
    if (!made->index || !made->path) return;
    nx__file_cache_control(made->cache_control, sizeof made->cache_control, o.max_age, o.immutable);
    made->next = router->directories;
    router->directories = made;

    char path[NX__ROUTER_MAX_PATH + 1];
    size_t len = strlen(prefix);
    while (len && prefix[len - 1] == '/') len--;
    memcpy(path, prefix, len);
    memcpy(path + len, REST, sizeof REST);
    nx__router_serve(router, "GET", path, below, made, false);
    path[len ? len : 1] = '\0';
    /* The app's own route for the directory's path goes before it. */
    nx__router_serve(router, "GET", path, itself, made, true);
}

/* ---- Opening */

static nx_err directory_open(nx_http_server *server, const struct nx__directory *directory)
{
    for (const struct nx__opened *known = server->opened; known; known = known->next)
        if (known->of == directory) return NX_OK;
    NX_TRY(nx__permit(NX__PERMIT_READ, directory->path));
    struct nx__opened *made = calloc(1, sizeof *made);
    if (!made)
        return nx__error_set(NX_ENOMEM, "cannot serve the directory \"%s\": out of memory",
                             directory->path);
    int fd = open(directory->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        free(made);
        return nx__error_system(errno, "cannot serve the directory \"%s\"", directory->path);
    }
    made->of = directory;
    made->dir = (struct nx__dir){.id = nx__dir_id(), .fd = fd, .path = directory->path};
    made->next = server->opened;
    server->opened = made;
    return NX_OK;
}

/* NX__APP_MAX_DEPTH routers deep at most: nx__sites_make has seen to it. */
static nx_err router_open(nx_http_server *server, const nx_http_router *router)
{
    for (const struct nx__directory *d = router->directories; d; d = d->next)
        NX_TRY(directory_open(server, d));
    for (const struct nx__entry *entry = router->entries; entry; entry = entry->next)
        if (entry->router) NX_TRY(router_open(server, entry->router));
    return NX_OK;
}

nx_err nx__static_open(nx_http_server *server)
{
    return router_open(server, server->root);
}

void nx__static_close(nx_http_server *server)
{
    while (server->opened) {
        struct nx__opened *served = server->opened;
        server->opened = served->next;
        (void)close(served->dir.fd);
        free(served);
    }
}

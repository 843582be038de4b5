/* Files over HTTP: a directory of them, and single ones as answers. */
#ifndef NEXUS_STATIC_H
#define NEXUS_STATIC_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_http_router nx_http_router;
typedef struct nx_response nx_response;

/* Zero means the default, which is named in the comment. */
typedef struct nx_static_options {
    size_t size;
    const char *index;   /* what a directory answers with, "index.html"; "" for nothing */
    nx_duration max_age; /* how long clients use a file without asking, in whole seconds; by default
                            they ask each time ("no-cache") */
    bool immutable;      /* with max_age: a file never changes under its name */
    bool precompressed;  /* "app.js.br", ".zst" or ".gz" beside "app.js" answer in its place to who
                            takes them; one that is older than the file by a second does not */
    bool spa;      /* a path that is no file and has no dot in its last segment answers with the
                      index of the root */
    bool list;     /* a directory without an index answers with a list of its files */
    bool dotfiles; /* serves names that begin with a dot; ".well-known" is served without */
} nx_static_options;

/* Serves the files below `directory` under the path `prefix` ("/" or "/assets") of a server or a
 * router, for GET and HEAD, behind its middleware. The directory is opened by nx_http_listen and
 * held: a request never leaves it, by dots or by links. A route of its own for a path goes first.
 * Validators, ranges and content types are seen to; what is no plain file is 404. The strings are
 * copied. Mistakes come out of nx_http_listen: NX_EPERM (needs --allow-read), NX_ENOENT, NX_EINVAL
 * (the prefix). Does not suspend. */
NX_API void nx_http_static_with(nx_http_router *router, const char *prefix, const char *directory,
                                const nx_static_options *options);
#define nx_http_static(at, prefix, directory, ...)                                                 \
    nx_http_static_with(NX__HTTP_ROUTER(at), (prefix), (directory),                                \
                        &(nx_static_options){.size = sizeof(nx_static_options), __VA_ARGS__})

typedef struct nx_file_options {
    size_t size;
    const char *root;    /* a directory that `path` may not leave, by dots or by links: give one
                            wherever a part of the path comes from the peer; none */
    const char *type;    /* content type; that of the name's ending */
    nx_duration max_age; /* as in nx_static_options */
    bool immutable, precompressed; /* as in nx_static_options */
} nx_file_options;

/* Answers with a file, the whole answer, as nx_http_static does: to a GET or HEAD with the status
 * 200 it minds validators and ranges. NX_ENOENT (nothing there, or no plain file), NX_EACCES,
 * NX_EPERM (needs --allow-read), NX_EMFILE, NX_EIO, NX_ENOMEM: then nothing has been sent, and an
 * error that the handler returns is answered with 404 for the first three. NX_EIO once sending has
 * begun: the file has shrunk, and the connection is closed. Otherwise as nx_response_send.
 * Suspends. */
NX_API NX_MUST_CHECK nx_err nx_response_file_with(nx_response *res, const char *path,
                                                  const nx_file_options *options);
#define nx_response_file(res, path, ...)                                                           \
    nx_response_file_with((res), (path),                                                           \
                          &(nx_file_options){.size = sizeof(nx_file_options), __VA_ARGS__})

/* The same for saving: the browser offers `name` (UTF-8; NULL: the last part of the path) to save
 * it under. */
NX_API NX_MUST_CHECK nx_err nx_response_file_as_download_with(nx_response *res, const char *path,
                                                              const char *name,
                                                              const nx_file_options *options);
#define nx_response_file_as_download(res, path, name, ...)                                         \
    nx_response_file_as_download_with(                                                             \
        (res), (path), (name), &(nx_file_options){.size = sizeof(nx_file_options), __VA_ARGS__})

#ifdef __cplusplus
}
#endif

#endif

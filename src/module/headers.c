/* The public headers: inside the runtime, laid into the cache at first use, so that the command
 * alone can compile programs. */
#include "module/embedded.h"
#include "module/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

enum { PATH_SIZE = 4200 };

/* All headers, one behind the other; the caller frees them. NULL: out of memory. */
static char *unpack(void)
{
    size_t packed = (size_t)(nx__headers_packed_end - nx__headers_packed);
    char *all = malloc(nx__headers_size);
    if (all &&
        ZSTD_decompress(all, nx__headers_size, nx__headers_packed, packed) != nx__headers_size) {
        free(all);
        return NULL;
    }
    return all;
}

/* True when the folder has each header as it is in the runtime: a crash may have torn one. */
static bool whole(const char *folder, const char *all)
{
    bool same = true;
    for (const struct nx__embedded *file = nx__headers; file->name && same; file++) {
        char path[PATH_SIZE];
        struct nx__buffer text = {0};
        same = snprintf(path, sizeof path, "%s/%s", folder, file->name) < PATH_SIZE &&
               access(path, R_OK) == 0 && nx__read_small(path, file->len + 4096, &text) == NX_OK &&
               text.len == file->len && memcmp(text.data, all + file->at, file->len) == 0;
        nx__buffer_free(&text);
    }
    return same;
}

static nx_err lay(const char *cache, const char *all, const char *final)
{
    char path[PATH_SIZE], *staging = NULL;
    nx_err err = nx__staging_make(cache, &staging);
    if (!err) {
        (void)snprintf(path, sizeof path, "%s/nexus", staging);
        if (mkdir(path, 0700) != 0) err = nx__cache_error(errno, path);
    }
    for (const struct nx__embedded *file = nx__headers; file->name && !err; file++) {
        (void)snprintf(path, sizeof path, "%s/%s", staging, file->name);
        err = nx__write_whole(path, all + file->at, file->len);
    }
    if (!err && access(final, F_OK) == 0 && !whole(final, all)) nx__staging_remove(final);
    if (!err && rename(staging, final) != 0) {
        if (errno != EEXIST && errno != ENOTEMPTY) err = nx__cache_error(errno, final);
        nx__staging_remove(staging); /* another run was first */
    }
    if (err && staging) nx__staging_remove(staging);
    free(staging);
    return err;
}

nx_err nx__headers_dir(const char *cache, char **out)
{
    char *final = NULL, *all = unpack();
    *out = NULL;
    nx_err err =
        !all || asprintf(&final, "%s/h/%.16s", cache, nx__headers_hash) < 0 ? NX_ENOMEM : NX_OK;
    if (!err && !whole(final, all)) err = lay(cache, all, final);
    free(all);
    if (err) {
        free(final);
        return err == NX_ENOMEM ? nx__error_set(err, "cannot compile: out of memory") : err;
    }
    *out = final;
    return NX_OK;
}

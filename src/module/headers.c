/* The public headers: inside the runtime, laid into the cache at first use, so that the command
 * alone can compile programs. */
#include "module/embedded.h"
#include "module/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

nx_err nx__headers_dir(char **out)
{
    *out = NULL;
    char *cache;
    NX_TRY(nx__cache_dir(&cache));
    /* The name tells the contents, and it is renamed into place whole: what is there is right. */
    char *final = NULL, *staging = NULL;
    nx_err err = asprintf(&final, "%s/h/%.16s", cache, nx__headers_hash) < 0 ? NX_ENOMEM : NX_OK;
    if (!err && access(final, R_OK) == 0) {
        *out = final;
        free(cache);
        return NX_OK;
    }
    if (!err) err = nx__staging_make(cache, &staging);
    char path[4200];
    if (!err) {
        (void)snprintf(path, sizeof path, "%s/nexus", staging);
        if (mkdir(path, 0700) != 0) err = nx__error_system(errno, "cannot write \"%.150s\"", path);
    }
    for (const struct nx__embedded *file = nx__headers; file->name && !err; file++) {
        (void)snprintf(path, sizeof path, "%s/%s", staging, file->name);
        err = nx__write_whole(path, file->start, (size_t)(file->end - file->start));
    }
    if (!err && rename(staging, final) != 0) {
        if (errno != EEXIST && errno != ENOTEMPTY)
            err = nx__error_system(errno, "cannot write \"%.150s\"", final);
        nx__staging_remove(staging); /* another run was first */
    }
    if (err && staging) nx__staging_remove(staging);
    free(staging);
    free(cache);
    if (err) {
        free(final);
        return err == NX_ENOMEM ? nx__error_set(err, "cannot compile: out of memory") : err;
    }
    *out = final;
    return NX_OK;
}

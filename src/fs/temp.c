/* Files and directories for a while. */
#include "fs/file.h"

#include "base/arena.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { TRIES_MOST = 8 };

static const char *directory_of(const nx_fs_temp_options *o)
{
    const char *directory = o->in ? o->in : getenv("TMPDIR");
    return directory && directory[0] ? directory : "/tmp";
}

/* A path that nothing has, in the scope's memory. 0 or -errno. */
static int64_t name_make(const nx_fs_temp_options *o, char **out)
{
    const char *directory = directory_of(o), *prefix = o->prefix ? o->prefix : "nexus-";
    uint64_t random = 0;
    if (strchr(prefix, '/')) return -EINVAL;
    if (getrandom(&random, sizeof random, 0) < 0) return -errno;
    size_t size = strlen(directory) + strlen(prefix) + 32;
    char *path = nx__arena_alloc(nx__scope_arena(), size);
    if (!path) return -ENOMEM;
    (void)snprintf(path, size, "%s%s%s%016llx", directory,
                   directory[strlen(directory) - 1] == '/' ? "" : "/", prefix,
                   (unsigned long long)random);
    *out = path;
    return 0;
}

nx_err nx_fs_temp_dir_with(const char **out, const nx_fs_temp_options *o)
{
    int64_t result = -EEXIST;
    *out = NULL;
    for (int i = 0; result == -EEXIST && i < TRIES_MOST; i++) {
        struct nx__parent parent;
        char *path;
        result = name_make(o, &path);
        if (result < 0) break;
        result = nx__fs_parent(NX__PLACE_WRITE, path, &parent);
        if (result == 0) result = nx__file_mkdir(parent.at, parent.name, 0700);
        nx__fs_parent_release(&parent);
        if (result == 0) *out = path;
    }
    return nx__fs_result(result, "make a directory in", directory_of(o));
}

/* One that has no name, if the file system makes such. */
static int64_t nameless(struct nx_file *file, const char *directory)
{
    struct open_how how = {.flags = O_RDWR | O_TMPFILE | O_EXCL, .mode = 0600};
    int64_t fd = nx__fs_open_path(NX__PLACE_WRITE, directory, &how);
    if (fd < 0) return fd;
    *file = (struct nx_file){.fd = (int)fd, .from_memory = true};
    return fstat(file->fd, &file->stat) == 0 ? 0 : -errno;
}

static int64_t named(struct nx_file *file, const nx_fs_temp_options *o, const char **path)
{
    int64_t result = -EEXIST;
    for (int i = 0; result == -EEXIST && i < TRIES_MOST; i++) {
        char *name = NULL;
        result = name_make(o, &name);
        if (result < 0) return result;
        struct open_how how = {.flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, .mode = 0600};
        result = nx__fs_open_path(NX__PLACE_WRITE, name, &how);
        if (result < 0) continue;
        *file = (struct nx_file){.fd = (int)result, .from_memory = true};
        *path = name;
        result = fstat(file->fd, &file->stat) == 0 ? 0 : -errno;
    }
    return result;
}

nx_err nx_fs_temp_file_with(nx_file **out, const char **path, const nx_fs_temp_options *o)
{
    const char *directory = directory_of(o), *name = NULL;
    size_t size = strlen(directory) + 48 + (o->prefix ? strlen(o->prefix) : 0);
    *out = NULL;
    if (path) *path = NULL;
    struct nx_file *file = malloc(sizeof *file + size);
    if (!file)
        return nx__error_set(NX_ENOMEM, "cannot make a file in \"%s\": out of memory", directory);
    int64_t result = path ? -EOPNOTSUPP : nameless(file, directory);
    if (result == -EOPNOTSUPP || result == -EISDIR || result == -EINVAL) {
        result = named(file, o, &name);
        /* At once: the fiber may be cancelled, and then nothing else may wait. */
        if (result == 0 && !path && name) (void)unlink(name);
    }
    if (result < 0) {
        free(file);
        return nx__fs_result(result, "make a file in", directory);
    }
    (void)snprintf(file->path, size, "%s", name ? name : directory);
    if (path) *path = name;
    *out = file;
    return NX_OK;
}

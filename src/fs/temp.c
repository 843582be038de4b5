/* Files and directories for a while. */
#include "fs/file.h"
#include "fs/fs.h"

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

nx_err nx_fs_temp_dir_with(const char **out, const nx_fs_temp_options *options)
{
    NX__OPTIONS(nx_fs_temp_options, o, options);
    int64_t result = -EEXIST;
    *out = NULL;
    for (int i = 0; result == -EEXIST && i < TRIES_MOST; i++) {
        struct nx__parent parent;
        char *path;
        result = name_make(&o, &path);
        if (result < 0) break;
        result = nx__fs_parent(NX__PLACE_WRITE, path, &parent);
        if (result == 0) result = nx__file_mkdir(parent.at, parent.name, 0700);
        nx__fs_parent_release(&parent);
        if (result == 0) *out = path;
    }
    return nx__fs_result(result, "make a directory in", directory_of(&o));
}

static int64_t open_named(const nx_fs_temp_options *o, char **path)
{
    static const struct open_how how = {.flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
                                        .mode = 0600};
    int64_t fd = -EEXIST;
    for (int i = 0; fd == -EEXIST && i < TRIES_MOST; i++) {
        fd = name_make(o, path);
        if (fd == 0) fd = nx__fs_open_path(NX__PLACE_WRITE, *path, &how);
    }
    return fd;
}

int64_t nx__fs_open_nameless(const char *directory)
{
    static const struct open_how how = {.flags = O_RDWR | O_TMPFILE | O_EXCL, .mode = 0600};
    const nx_fs_temp_options o = {.in = directory};
    char *path = NULL;
    int64_t fd = nx__fs_open_path(NX__PLACE_WRITE, directory_of(&o), &how);
    if (fd != -EOPNOTSUPP && fd != -EISDIR && fd != -EINVAL) return fd;
    /* Not every file system makes one without a name, so it loses that: at once, since the fiber
     * may be cancelled, and then nothing else may wait. */
    fd = open_named(&o, &path);
    if (fd >= 0 && path) (void)unlink(path);
    return fd;
}

nx_err nx_fs_temp_file_with(nx_file **out, const char **path, const nx_fs_temp_options *options)
{
    NX__OPTIONS(nx_fs_temp_options, o, options);
    const char *directory = directory_of(&o);
    char *name = NULL;
    *out = NULL;
    if (path) *path = NULL;
    int64_t fd = path ? open_named(&o, &name) : nx__fs_open_nameless(o.in);
    if (fd < 0) return nx__fs_result(fd, "make a file in", directory);
    const char *told = name ? name : directory;
    size_t size = strlen(told) + 1;
    struct nx_file *file = malloc(sizeof *file + size);
    if (!file) {
        if (name) (void)unlink(name);
        (void)close((int)fd);
        return nx__error_set(NX_ENOMEM, "cannot make a file in \"%s\": out of memory", directory);
    }
    *file = (struct nx_file){.fd = (int)fd, .from_memory = true};
    memcpy(file->path, told, size);
    if (path) *path = name;
    *out = file;
    return NX_OK;
}

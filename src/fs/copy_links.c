/* Files of several names, among what is copied. */
#include "fs/copy_links.h"

#include "loop/files.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nexus/fs.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 64 };
#define PATHS_MOST ((size_t)256 << 20)

struct nx__copy_link {
    dev_t device; /* of what was copied */
    ino_t inode;  /* 0: nothing is here */
    dev_t to_device;
    ino_t to_inode;
    size_t path;
};

/* Where it is, or would be. */
static struct nx__copy_link *find(const struct nx__copy_links *links, dev_t device, ino_t inode)
{
    uint64_t hash = (inode ^ device << 32) * 0x9E3779B97F4A7C15u;
    for (size_t i = hash >> 32;; i++) {
        struct nx__copy_link *link = &links->table[i & (links->capacity - 1)];
        if (!link->inode || (link->inode == inode && link->device == device)) return link;
    }
}

static bool grow(struct nx__copy_links *links)
{
    struct nx__copy_links larger = *links;
    larger.capacity = links->capacity ? links->capacity * 2 : FIRST_CAPACITY;
    larger.table = calloc(larger.capacity, sizeof *larger.table);
    if (!larger.table) return false;
    for (size_t i = 0; i < links->capacity; i++) {
        const struct nx__copy_link *link = &links->table[i];
        if (link->inode) *find(&larger, link->device, link->inode) = *link;
    }
    free(links->table);
    *links = larger;
    return true;
}

int64_t nx__copy_links_add(struct nx__copy_links *links, const struct stat *from,
                           const struct stat *to, const char *relative)
{
    struct nx__copy_link link = {from->st_dev, from->st_ino, to->st_dev, to->st_ino,
                                 links->paths.len};
    if (links->count == NX_FS_COPY_LINKS_MOST) return -NX__COPY_TOO_MANY;
    if (links->count * 2 >= links->capacity && !grow(links)) return -ENOMEM;
    nx_err err = nx__buffer_append(&links->paths, relative, strlen(relative) + 1, PATHS_MOST);
    if (err) return err == NX_ENOMEM ? -ENOMEM : -NX__COPY_TOO_MANY;
    struct nx__copy_link *place = find(links, link.device, link.inode);
    links->count += !place->inode;
    *place = link;
    return 0;
}

/* Its directory is opened by no link; what is found there is only taken if it is that file. */
static int64_t link_to(const struct nx__copy_links *links, const struct nx__copy_link *link,
                       int root, int at, const char *name)
{
    static const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    char directory[PATH_MAX];
    struct stat stat;
    const char *path = links->paths.data + link->path, *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    memcpy(directory, path, len);
    directory[len] = '\0';
    int64_t fd = nx__file_open_blocking(root, len ? directory : ".", &how);
    if (fd < 0) return fd;
    int64_t result = linkat((int)fd, slash ? slash + 1 : path, at, name, 0) == 0 ? 1 : -errno;
    (void)close((int)fd);
    if (result != 1 || (fstatat(at, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
                        stat.st_dev == link->to_device && stat.st_ino == link->to_inode))
        return result;
    (void)unlinkat(at, name, 0);
    return 0;
}

int64_t nx__copy_links_make(const struct nx__copy_links *links, const struct stat *from, int root,
                            int at, const char *name)
{
    if (!links->count) return 0;
    const struct nx__copy_link *link = find(links, from->st_dev, from->st_ino);
    if (!link->inode) return 0;
    int64_t result = link_to(links, link, root, at, name);
    /* Gone, or replaced, or more names than the file system lets it have. */
    bool anew = result == -ENOENT || result == -ENOTDIR || result == -ELOOP || result == -EMLINK;
    return anew ? 0 : result;
}

void nx__copy_links_free(struct nx__copy_links *links)
{
    free(links->table);
    nx__buffer_free(&links->paths);
    *links = (struct nx__copy_links){0};
}

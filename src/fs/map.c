/* Files as memory. */
#include "fs/file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct mapping {
    nx_map *map;
    const nx_file *file;
    uint64_t offset;
    bool write, private;
};

/* On a thread of the pool: what is mapped may have to be found on the disk. */
static int64_t map_run(void *arg)
{
    struct mapping *m = arg;
    int access = PROT_READ | (m->write || m->private ? PROT_WRITE : 0);
    void *data = mmap(NULL, m->map->len, access, m->private ? MAP_PRIVATE : MAP_SHARED, m->file->fd,
                      (off_t)m->offset);
    if (data == MAP_FAILED) return -errno;
    m->map->data = data;
    return 0;
}

nx_err nx_file_map_with(nx_file *file, nx_map *out, const nx_file_map_options *options)
{
    NX__OPTIONS(nx_file_map_options, o, options);
    *out = (nx_map){0};
    struct stat stat;
    if (fstat(file->fd, &stat) != 0) return nx__fs_result(-errno, "map", file->path);
    uint64_t size = (uint64_t)stat.st_size;
    if (!S_ISREG(stat.st_mode) || o.offset > size) return nx__fs_result(-EINVAL, "map", file->path);
    uint64_t len = o.len ? o.len : size - o.offset;
    if (len > size - o.offset)
        return nx__error_set(NX_EINVAL, "cannot map \"%s\": it ends before", file->path);
    if (!len) return NX_OK;
    out->len = len;
    struct mapping m = {out, file, o.offset, o.write, o.copy};
    int64_t result = nx__file_call(map_run, &m);
    if (result < 0) *out = (nx_map){0};
    return nx__fs_result(result, "map", file->path);
}

static int64_t sync_run(void *arg)
{
    nx_map *map = arg;
    return msync(map->data, map->len, MS_SYNC) == 0 ? 0 : -errno;
}

nx_err nx_map_sync(nx_map *map)
{
    if (!map->len) return NX_OK;
    return nx__fs_result(nx__file_call(sync_run, map), "sync", "a mapped file");
}

void nx_map_free(nx_map *map)
{
    if (map->len) (void)munmap(map->data, map->len);
    *map = (nx_map){0};
}

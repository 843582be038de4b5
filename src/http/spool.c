/* Bytes in memory, and past a cap in a file without a name. */
#include "http/spool.h"

#include "base/arena.h"
#include "base/error.h"
#include "fs/fs.h"
#include "fs/path.h"
#include <errno.h>
#include <unistd.h>

enum { FIRST_MEMORY = 4096, WRITE_LEAST = 64 * 1024 };

void nx__spool_init(struct nx__spool *spool, struct nx__arena *arena, const char *directory,
                    uint32_t most)
{
    *spool = (struct nx__spool){.arena = arena, .directory = directory, .most = most, .fd = -1};
}

static nx_err failed(const struct nx__spool *spool, int64_t result)
{
    return nx__fs_result(result, "keep a large file of the form in",
                         spool->directory ? spool->directory : "the temporary directory");
}

static nx_err open_file(struct nx__spool *spool)
{
    int64_t fd = nx__fs_open_nameless(spool->directory);
    if (fd < 0) return failed(spool, fd);
    spool->fd = (int)fd;
    return NX_OK;
}

static nx_err write_all(struct nx__spool *spool, nx_bytes bytes)
{
    while (bytes.len) {
        int64_t n = nx__file_write(spool->fd, bytes.data, bytes.len, spool->written);
        if (n <= 0) return failed(spool, n < 0 ? n : -EIO);
        spool->written += (uint64_t)n;
        bytes = nx_slice(bytes.data + n, bytes.len - (size_t)n);
    }
    return NX_OK;
}

static nx_err flush(struct nx__spool *spool)
{
    nx_bytes bytes = nx_slice(spool->memory, spool->len);
    spool->len = 0;
    return write_all(spool, bytes);
}

/* Keeps the bytes in memory. */
static nx_err keep(struct nx__spool *spool, nx_bytes bytes, size_t most)
{
    if (spool->len + bytes.len >= spool->capacity) { /* one more, for the NUL */
        size_t capacity = spool->capacity ? spool->capacity : FIRST_MEMORY;
        while (capacity <= spool->len + bytes.len) capacity *= 2;
        if (capacity > most + 1) capacity = most + 1;
        char *memory = nx__arena_grow(spool->arena, spool->memory, spool->len, capacity);
        if (!memory)
            return nx__error_set(NX_ENOMEM, "cannot keep a file of the form: out of memory");
        spool->memory = memory;
        spool->capacity = capacity;
    }
    memcpy(spool->memory + spool->len, bytes.data, bytes.len);
    spool->len += bytes.len;
    spool->memory[spool->len] = '\0';
    return NX_OK;
}

nx_err nx__spool_add(struct nx__spool *spool, nx_bytes bytes)
{
    if (!bytes.len) return NX_OK;
    if (spool->fd < 0) {
        if (bytes.len <= spool->most && spool->len <= spool->most - bytes.len)
            return keep(spool, bytes, spool->most);
        NX_TRY(open_file(spool));
    }
    /* Pieces are small, and a write is a trip to the kernel or another thread. */
    size_t most = spool->most > WRITE_LEAST ? spool->most : WRITE_LEAST;
    if (bytes.len > most - spool->len) NX_TRY(flush(spool));
    if (bytes.len > most) return write_all(spool, bytes);
    return keep(spool, bytes, most);
}

nx_err nx__spool_end(struct nx__spool *spool)
{
    return spool->fd < 0 ? NX_OK : flush(spool);
}

int64_t nx__spool_read(const struct nx__spool *spool, uint64_t offset, void *data, size_t size)
{
    if (spool->fd >= 0) return nx__file_read(spool->fd, data, size, offset);
    if (offset >= spool->len) return 0;
    size_t left = spool->len - (size_t)offset, n = left < size ? left : size;
    memcpy(data, spool->memory + offset, n);
    return (int64_t)n;
}

void nx__spool_close(struct nx__spool *spool)
{
    if (spool->fd >= 0) (void)close(spool->fd);
    spool->fd = -1;
}

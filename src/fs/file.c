/* Open files: reading and writing. */
#include "fs/file.h"

#include "base/arena.h"
#include <errno.h>
#include <fcntl.h>
#include <nexus/timer.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_READ = 4096, PIECES_ON_STACK = 16 };
static const nx_duration wait_first = NX_MS(1), wait_most = NX_MS(50);

/* ---- Opening */

static unsigned kinds_of(uint64_t flags)
{
    unsigned access = (unsigned)flags & O_ACCMODE, kinds = 0;
    if (access != O_WRONLY) kinds |= NX__PLACE_READ;
    if (access != O_RDONLY || flags & (O_CREAT | O_TRUNC)) kinds |= NX__PLACE_WRITE;
    return kinds;
}

/* 1, 0, or -errno. */
static int64_t is_pipe(unsigned kinds, const char *path, const struct open_how *how)
{
    struct stat stat;
    int64_t fd = nx__fs_open_path(kinds, path,
                                  &(struct open_how){.flags = O_PATH | (how->flags & O_NOFOLLOW)});
    if (fd < 0) return fd;
    int64_t result = fstat((int)fd, &stat) == 0 ? S_ISFIFO(stat.st_mode) : -errno;
    (void)close((int)fd);
    return result;
}

/* Opens; to write into a pipe it waits for one who reads, by looking again and again: a thread that
 * waited in the kernel could not be told to stop. */
static int64_t open_heard(unsigned kinds, const char *path, const struct open_how *how)
{
    nx_duration wait = wait_first;
    for (;;) {
        int64_t fd = nx__fs_open_path(kinds, path, how);
        if (fd != -ENXIO) return fd;
        int64_t pipe = is_pipe(kinds, path, how);
        if (pipe != 1) return pipe < 0 ? pipe : fd;
        nx_err err = nx_sleep(wait);
        if (err) return err == NX_ELIMIT ? -ELIMIT_OPERATIONS : -ECANCELED;
        wait = wait * 2 < wait_most ? wait * 2 : wait_most;
    }
}

int64_t nx__fs_file_begin(struct nx_file *file, const char *path, uint64_t flags, mode_t mode)
{
    struct open_how how = {.flags = flags | O_NOCTTY | O_NONBLOCK,
                           .mode = flags & O_CREAT ? mode : 0};
    int64_t fd = open_heard(kinds_of(flags), path, &how);
    if (fd < 0) return fd;
    *file = (struct nx_file){.fd = (int)fd, .append = flags & O_APPEND, .nonblocking = true};
    if (fstat(file->fd, &file->stat) != 0) {
        int error = errno;
        (void)close(file->fd);
        return -error;
    }
    mode_t type = file->stat.st_mode & S_IFMT;
    file->streams = type == S_IFIFO || type == S_IFSOCK || type == S_IFCHR;
    file->unheard = type == S_IFIFO && (flags & O_ACCMODE) == O_RDONLY;
    file->from_memory = !file->streams;
    return 0;
}

void nx__fs_file_end(struct nx_file *file)
{
    (void)close(file->fd);
}

nx_err nx_fs_open_with(nx_file **out, const char *path, const nx_fs_open_options *options)
{
    NX__OPTIONS(nx_fs_open_options, o, options);
    bool write = o.write || o.append || o.create || o.exclusive || o.truncate;
    uint64_t flags = !write ? O_RDONLY : o.read ? O_RDWR : O_WRONLY;
    if (o.append) flags |= O_APPEND;
    if (o.create || o.exclusive) flags |= O_CREAT;
    if (o.exclusive) flags |= O_EXCL;
    if (o.truncate) flags |= O_TRUNC;
    if (o.no_follow) flags |= O_NOFOLLOW;
    size_t size = strlen(path) + 1;
    struct nx_file *file = malloc(sizeof *file + size);
    *out = NULL;
    if (!file) return nx__error_set(NX_ENOMEM, "cannot open \"%s\": out of memory", path);
    int64_t result = nx__fs_file_begin(file, path, flags, o.mode ? o.mode : 0666);
    if (result == 0 && S_ISDIR(file->stat.st_mode)) {
        nx__fs_file_end(file);
        result = -EISDIR;
    }
    if (result < 0) {
        free(file);
        return nx__fs_result(result, "open", path);
    }
    memcpy(file->path, path, size);
    *out = file;
    return NX_OK;
}

struct closing {
    int fd;
    bool done;
};

static int64_t close_run(void *arg)
{
    struct closing *c = arg;
    c->done = true;
    return close(c->fd) == 0 ? 0 : -errno;
}

int64_t nx__fs_file_close(struct nx_file *file)
{
    struct closing c = {.fd = file->fd};
    int64_t result = 0;
    /* On a network, closing writes; and a fiber that is cancelled closes all the same. */
    if ((fcntl(file->fd, F_GETFL) & O_ACCMODE) != O_RDONLY) result = nx__file_call(close_run, &c);
    if (c.done) return result;
    nx__fs_file_end(file);
    return 0;
}

nx_err nx_file_close(nx_file *file)
{
    if (!file) return NX_OK;
    nx_err err = nx__fs_result(nx__fs_file_close(file), "close", file->path);
    free(file);
    return err;
}

int nx_file_descriptor(const nx_file *file)
{
    return file->fd;
}

/* ---- Once */

/* Of a pipe or a terminal. */
static int64_t stream(struct nx_file *file, const struct iovec *pieces, int count, bool write)
{
    if (nx__fiber_canceled(nx__fiber_running())) return -ECANCELED;
    if (file->unheard && !write) {
        int64_t result = nx__fd_wait(file->fd, NX__READABLE);
        if (result < 0) return result;
        file->unheard = false;
    }
    struct iovec first = pieces[0];
    if (!write && first.iov_len > NX__READ_NOW_MOST) { /* of /dev/zero as much as one likes */
        first.iov_len = NX__READ_NOW_MOST;
        pieces = &first;
        count = 1;
    }
    for (;;) {
        ssize_t n = write ? writev(file->fd, pieces, count) : readv(file->fd, pieces, count);
        if (n >= 0) return n;
        if (errno == EINTR) continue;
        if (errno != EAGAIN) return -errno;
        int64_t result = nx__fd_wait(file->fd, write ? NX__WRITABLE : NX__READABLE);
        if (result < 0) return result;
    }
}

void nx__fs_file_block(struct nx_file *file)
{
    if (!file->nonblocking) return;
    (void)fcntl(file->fd, F_SETFL, file->append ? O_APPEND : 0);
    file->nonblocking = false;
}

int64_t nx__fs_file_read(struct nx_file *file, const struct iovec *pieces, int count,
                         uint64_t offset)
{
    if (file->streams) return stream(file, pieces, count, false);
    if (file->from_memory) {
        struct iovec first = pieces[0];
        int some = 1;
        size_t len = first.iov_len;
        while (some < count && len + pieces[some].iov_len <= NX__READ_NOW_MOST)
            len += pieces[some++].iov_len;
        if (first.iov_len > NX__READ_NOW_MOST) first.iov_len = NX__READ_NOW_MOST;
        int64_t turn = nx__file_turn(len < NX__READ_NOW_MOST ? len : NX__READ_NOW_MOST);
        if (turn < 0) return turn;
        int64_t n = nx__file_read_now(file->fd, some == 1 ? &first : pieces, some, offset);
        if (n != -EAGAIN && n != -EOPNOTSUPP && n != -ENOSYS) return n;
        if (n != -EAGAIN) file->from_memory = false;
    }
    nx__fs_file_block(file);
    return nx__file_readv(file->fd, pieces, count, offset);
}

int64_t nx__fs_file_write(struct nx_file *file, const struct iovec *pieces, int count,
                          uint64_t offset)
{
    if (file->streams) return stream(file, pieces, count, true);
    nx__fs_file_block(file);
    return nx__file_writev(file->fd, pieces, count, file->append ? NX__FILE_POSITION : offset);
}

/* ---- All of it */

/* Moves `pieces` on by `n` bytes; how many are left. */
static int advance(struct iovec **pieces, int count, size_t n)
{
    while (count && n >= (*pieces)->iov_len) {
        n -= (*pieces)->iov_len;
        (*pieces)++;
        count--;
    }
    if (count) {
        (*pieces)->iov_base = (char *)(*pieces)->iov_base + n;
        (*pieces)->iov_len -= n;
    }
    return count;
}

static int64_t read_all(struct nx_file *file, struct iovec *pieces, int count, uint64_t offset,
                        size_t *got)
{
    *got = 0;
    count = advance(&pieces, count, 0);
    while (count) {
        int64_t n = nx__fs_file_read(file, pieces, count, offset + *got);
        if (n < 0) return n;
        *got += (size_t)n;
        if (n == 0 || file->streams) return 0;
        count = advance(&pieces, count, (size_t)n);
        if (n != NX__READ_NOW_MOST && file->stat.st_size > 0 &&
            offset + *got == (uint64_t)file->stat.st_size)
            return 0; /* the end, and no call to hear it */
    }
    return 0;
}

static int64_t write_all(struct nx_file *file, struct iovec *pieces, int count, uint64_t offset)
{
    count = advance(&pieces, count, 0);
    while (count) {
        int64_t n = nx__fs_file_write(file, pieces, count, offset);
        if (n < 0) return n;
        if (n == 0) return -EIO;
        offset += (uint64_t)n;
        count = advance(&pieces, count, (size_t)n);
    }
    return 0;
}

int64_t nx__fs_file_write_all(struct nx_file *file, nx_bytes bytes, uint64_t offset)
{
    struct iovec piece = {(void *)(uintptr_t)bytes.data, bytes.len};
    return write_all(file, &piece, 1, offset);
}

/* Whatever size the file said it had: those under /proc say 0, others grow. */
int64_t nx__fs_file_read_rest(struct nx_file *file, nx_bytes *out)
{
    struct nx__arena *arena = nx__scope_arena();
    bool plain = S_ISREG(file->stat.st_mode);
    uint64_t size = (uint64_t)file->stat.st_size;
    uint64_t hint = plain && size > file->position ? size - file->position : 0;
    if (hint > NX_FS_MAX_READ) return -EFBIG;
    size_t capacity = hint + 2; /* one more for the NUL, one so that the end is seen */
    if (capacity < FIRST_READ) capacity = FIRST_READ;
    size_t len = 0;
    char *data = nx__arena_alloc(arena, capacity);
    while (data) {
        struct iovec piece = {data + len, capacity - len - 1};
        size_t got;
        int64_t result = read_all(file, &piece, 1, file->position, &got);
        if (result < 0) return result;
        len += got;
        file->position += got;
        bool full = len == capacity - 1;
        if (!got || (!file->streams && !full)) {
            data[len] = '\0';
            *out = nx_slice(data, len);
            return 0;
        }
        if (!full) continue;
        if (len >= NX_FS_MAX_READ) return -EFBIG;
        data = nx__arena_grow(arena, data, capacity, capacity * 2);
        capacity *= 2;
    }
    return -ENOMEM;
}

/* ---- The public face */

static nx_err failed(const nx_file *file, int64_t result, const char *doing)
{
    return nx__fs_result(result, doing, file->path);
}

nx_err nx_file_read(nx_file *file, void *data, size_t len, size_t *got)
{
    struct iovec piece = {data, len};
    int64_t result = read_all(file, &piece, 1, file->position, got);
    file->position += *got;
    return failed(file, result, "read");
}

nx_err nx_file_read_at(nx_file *file, uint64_t offset, void *data, size_t len, size_t *got)
{
    struct iovec piece = {data, len};
    *got = 0;
    if (file->streams || offset > INT64_MAX)
        return failed(file, file->streams ? -ESPIPE : -EINVAL, "read");
    return failed(file, read_all(file, &piece, 1, offset, got), "read");
}

/* A copy that may be changed, on the caller's stack where it fits there. */
static struct iovec *pieces_copy(const void *data, size_t count, struct iovec *small)
{
    _Static_assert(sizeof(nx_space) == sizeof(struct iovec) &&
                       sizeof(nx_bytes) == sizeof(struct iovec) &&
                       offsetof(nx_space, len) == offsetof(struct iovec, iov_len) &&
                       offsetof(nx_bytes, len) == offsetof(struct iovec, iov_len),
                   "they are the same to the system");
    struct iovec *pieces = count <= PIECES_ON_STACK ? small : malloc(count * sizeof *pieces);
    if (pieces && count) memcpy(pieces, data, count * sizeof *pieces);
    return pieces;
}

static nx_err too_many(const nx_file *file, const char *doing)
{
    return nx__error_set(NX_ELIMIT, "cannot %s \"%s\": more than %d pieces at once", doing,
                         file->path, NX_FILE_PIECES_MOST);
}

nx_err nx_file_readv(nx_file *file, const nx_space *spaces, size_t count, size_t *got)
{
    struct iovec small[PIECES_ON_STACK];
    *got = 0;
    if (count > NX_FILE_PIECES_MOST) return too_many(file, "read");
    struct iovec *pieces = pieces_copy(spaces, count, small);
    int64_t result = pieces ? read_all(file, pieces, (int)count, file->position, got) : -ENOMEM;
    file->position += *got;
    if (pieces != small) free(pieces);
    return failed(file, result, "read");
}

nx_err nx_file_read_rest(nx_file *file, nx_bytes *out)
{
    *out = (nx_bytes){0};
    if (!file->streams && fstat(file->fd, &file->stat) != 0) return failed(file, -errno, "read");
    return failed(file, nx__fs_file_read_rest(file, out), "read");
}

nx_err nx_file_write(nx_file *file, nx_bytes bytes)
{
    int64_t result = nx__fs_file_write_all(file, bytes, file->position);
    if (result == 0) file->position += bytes.len;
    return failed(file, result, "write");
}

nx_err nx_file_write_at(nx_file *file, uint64_t offset, nx_bytes bytes)
{
    if (file->streams || file->append || offset > INT64_MAX)
        return failed(file, file->streams ? -ESPIPE : -EINVAL, "write");
    return failed(file, nx__fs_file_write_all(file, bytes, offset), "write");
}

nx_err nx_file_writev(nx_file *file, const nx_bytes *bytes, size_t count)
{
    struct iovec small[PIECES_ON_STACK];
    size_t len = 0;
    if (count > NX_FILE_PIECES_MOST) return too_many(file, "write");
    struct iovec *pieces = pieces_copy(bytes, count, small);
    for (size_t i = 0; i < count; i++) len += bytes[i].len;
    int64_t result = pieces ? write_all(file, pieces, (int)count, file->position) : -ENOMEM;
    if (result == 0) file->position += len;
    if (pieces != small) free(pieces);
    return failed(file, result, "write");
}

nx_err nx_file_seek(nx_file *file, int64_t offset, nx_seek from, uint64_t *position)
{
    if (file->streams) return failed(file, -ESPIPE, "seek in");
    uint64_t base = from == NX_SEEK_CURRENT ? file->position : 0;
    if (from == NX_SEEK_END) {
        if (fstat(file->fd, &file->stat) != 0) return failed(file, -errno, "seek in");
        base = (uint64_t)file->stat.st_size;
    }
    int64_t to;
    if (__builtin_add_overflow((int64_t)base, offset, &to) || to < 0)
        return failed(file, -EINVAL, "seek in");
    file->position = (uint64_t)to;
    if (position) *position = file->position;
    return NX_OK;
}

/* Going through directories: a thread of the pool reads ahead, some entries while others are used.
 */
#include "fs/file.h"
#include "fs/filter.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "loop/uring.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* Bytes of entries that are read before the fiber gets them: few at first, for who wants few,
     * and twice as many each time, so that a large tree takes few trips to the pool. */
    AHEAD_FIRST = 16 * 1024,
    AHEAD_LAST = 256 * 1024,
    KERNEL = 32 * 1024, /* bytes asked of the kernel at once */
};
#define AHEAD_MOST ((size_t)64 << 20) /* a whole answer of the kernel's with its paths has room */

/* What is handed over, before its path and a NUL. */
struct record {
    uint32_t len, name; /* of the path; where its last part begins */
    uint32_t depth;
    uint8_t type;
    nx_err error;
};

/* A directory that waits, after its path, relative and with a NUL. */
struct waiting {
    uint32_t len, depth;
};

struct nx_walk {
    /* The pool's while it reads ahead. */
    int root;
    unsigned depth;
    size_t prefix; /* length of `path` before what is relative */
    struct nx__filter filter;
    struct nx__buffer waiting, next;
    size_t amount;                      /* to read into `next` */
    size_t path_len;                    /* of the directory and its slash */
    char path[PATH_MAX + NAME_MAX + 2]; /* of the directory, with a slash, and then of an entry */
    bool checked;                       /* something below may be denied */
    int directory;                      /* that is being read, or -1 */
    uint32_t directory_depth;
    /* Between the two. */
    enum { IDLE, BUSY, FILLED } reading; /* `next` */
    atomic_bool stop;
    struct nx__file job;
    int64_t filled; /* FILLED: what came of it */
    /* The fiber's. */
    struct nx__buffer ahead;
    size_t at;                 /* in `ahead` */
    int64_t result;            /* of reading ahead */
    struct nx__buffer skipped; /* paths with a NUL: nothing below these comes out of... */
    unsigned skips;            /* ... so many of `ahead`, `next` */
    bool ended;
    bool last_is_directory;
    const char *last; /* path of what came last */
};

/* ---- On a thread of the pool */

/* Puts a structure and a path with its NUL into a buffer, the path `first` or last: both, or where
 * there is no room neither. */
static nx_err put(struct nx__buffer *buffer, const void *structure, size_t size, const char *path,
                  size_t path_size, bool first, size_t most)
{
    NX_TRY(nx__buffer_reserve(buffer, size + path_size, most));
    char *end = buffer->data + buffer->len;
    memcpy(first ? end : end + size, path, path_size);
    memcpy(first ? end + path_size : end, structure, size);
    buffer->len += size + path_size;
    return NX_OK;
}

static int64_t record_add(struct nx_walk *w, size_t name, size_t len, uint32_t depth, uint8_t type,
                          nx_err error)
{
    struct record record = {
        .len = (uint32_t)len, .name = (uint32_t)name, .depth = depth, .type = type, .error = error};
    return put(&w->next, &record, sizeof record, w->path, len + 1, false, AHEAD_MOST) ? -ENOMEM : 0;
}

static int64_t wait_add(struct nx_walk *w, const char *relative, uint32_t depth)
{
    struct waiting waiting = {.len = (uint32_t)strlen(relative) + 1, .depth = depth};
    nx_err err = put(&w->waiting, &waiting, sizeof waiting, relative, waiting.len, true,
                     NX_WALK_WAITING_MOST);
    return !err ? 0 : err == NX_ENOMEM ? -ENOMEM : -E2BIG;
}

static int64_t directory_open(struct nx_walk *w, const char *relative)
{
    static const uint64_t flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    struct open_how how = {.flags = flags, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
    if (w->checked) {
        struct nx__place place;
        enum nx__permit_kind refused;
        if (nx__place_walk(NX__PLACE_READ, w->path, true, &place, &refused) != NX__GRANTED)
            return -ENOT_GRANTED;
        how.resolve = place.resolve;
        return nx__file_open_blocking(place.at, place.path, &how);
    }
    return nx__file_open_blocking(w->root, relative, &how);
}

/* Opens the next that waits; 0 where there is none. */
static int64_t directory_next(struct nx_walk *w)
{
    while (w->waiting.len) {
        struct waiting next;
        char *end = w->waiting.data + w->waiting.len - sizeof next;
        memcpy(&next, end, sizeof next);
        char *relative = end - next.len;
        w->path_len = w->prefix + next.len - 1;
        memcpy(w->path + w->prefix, relative, next.len);
        w->waiting.len -= sizeof next + next.len;
        int64_t fd = directory_open(w, *relative ? relative : ".");
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) continue; /* it was one a moment ago */
        if (fd < 0 && next.depth == 0) return fd;
        if (fd < 0) {
            size_t name = (size_t)(strrchr(w->path, '/') + 1 - w->path);
            nx_err error = fd == -ENOT_GRANTED ? NX_EPERM : nx__error_from_errno((int)-fd);
            int64_t result = record_add(w, name, w->path_len, next.depth, DT_DIR, error);
            if (result < 0) return result;
            continue;
        }
        if (w->path_len > w->prefix) w->path[w->path_len++] = '/';
        w->directory = (int)fd;
        w->directory_depth = next.depth;
        return 1;
    }
    return 0;
}

static uint8_t type_of(int directory, const char *name, uint8_t type)
{
    struct stat stat;
    if (type != DT_UNKNOWN || fstatat(directory, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return type;
    return (uint8_t)IFTODT(stat.st_mode);
}

static int64_t entry_take(struct nx_walk *w, const char *name, uint8_t type)
{
    size_t len = strlen(name);
    uint32_t depth = w->directory_depth + 1;
    if (w->path_len + len >= sizeof w->path || w->path_len + len >= PATH_MAX + w->prefix)
        return 0; /* deeper than any call could name it */
    memcpy(w->path + w->path_len, name, len + 1);
    const char *relative = w->path + w->prefix;
    if (nx__filter_ignores(&w->filter, relative, name)) return 0;
    type = type_of(w->directory, name, type);
    int64_t result = 0;
    if (nx__filter_has(&w->filter, relative, name))
        result = record_add(w, w->path_len, w->path_len + len, depth, type, NX_OK);
    if (result == 0 && type == DT_DIR && (!w->depth || depth < w->depth) &&
        nx__filter_reaches(&w->filter, relative))
        result = wait_add(w, relative, depth);
    return result;
}

struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* Reads on in the directory; how much the kernel said, 0 at its end. */
static int64_t directory_read(struct nx_walk *w)
{
    _Alignas(8) char buffer[KERNEL];
    long len = syscall(SYS_getdents64, w->directory, buffer, sizeof buffer);
    if (len < 0) return -errno;
    for (long at = 0; at < len;) {
        const struct kernel_entry *entry = (const struct kernel_entry *)(const void *)(buffer + at);
        at += entry->size;
        const char *name = entry->name;
        if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) continue;
        int64_t result = entry_take(w, name, entry->type);
        if (result < 0) return result;
    }
    return len;
}

static int64_t read_ahead(void *arg)
{
    struct nx_walk *w = arg;
    w->next.len = 0;
    while (w->next.len < w->amount && !atomic_load_explicit(&w->stop, memory_order_relaxed)) {
        int64_t n = w->directory < 0 ? directory_next(w) : directory_read(w);
        if (w->directory >= 0 && n <= 0) {
            (void)close(w->directory);
            w->directory = -1;
            if (n == -ENOENT) n = 0; /* removed while it was read */
            if (n == 0) continue;
        }
        if (n < 0) return n;
        if (n == 0) return 0;
    }
    return 1;
}

/* ---- On the loop */

static nx_err walk_begin(struct nx_walk *w, const char *path, const nx_fs_walk_options *o)
{
    size_t len = strlen(path);
    NX_TRY(nx__filter_init(&w->filter, o->match, o->ignore, o->no_hidden));
    if (len + 1 >= PATH_MAX) return nx__fs_result(-ENAMETOOLONG, "read", path);
    memcpy(w->path, path, len + 1);
    if (len && path[len - 1] != '/') w->path[len++] = '/';
    w->prefix = len;
    int64_t fd =
        nx__fs_open_path(NX__PLACE_READ, path, &(struct open_how){.flags = O_PATH | O_DIRECTORY});
    if (fd < 0) return nx__fs_result(fd, "read", path);
    w->root = (int)fd;
    w->checked = nx__place_denies(NX__PLACE_READ);
    w->depth = o->depth;
    return nx__fs_result(wait_add(w, "", 0), "read", path);
}

nx_err nx_fs_walk_with(nx_walk **out, const char *path, const nx_fs_walk_options *options)
{
    NX__OPTIONS(nx_fs_walk_options, o, options);
    *out = NULL;
    struct nx_walk *w = calloc(1, sizeof *w);
    if (!w) return nx__error_set(NX_ENOMEM, "cannot read \"%s\": out of memory", path);
    w->root = w->directory = -1;
    w->amount = AHEAD_FIRST;
    nx_err err = walk_begin(w, path, &o);
    if (err)
        nx_walk_free(w);
    else
        *out = w;
    return err;
}

static bool is_skipped(const struct nx_walk *w, const char *path)
{
    for (size_t at = 0; at < w->skipped.len;) {
        const char *skipped = w->skipped.data + at;
        if (nx__path_beneath(path, skipped)) return true;
        at += strlen(skipped) + 1;
    }
    return false;
}

/* Starts reading, if nothing is read. What it comes to here comes again where it is waited for. */
static int64_t ahead_begin(struct nx_walk *w)
{
    if (w->reading != IDLE) return 0;
    int64_t result = nx__file_call_begin(&w->job, read_ahead, w);
    if (result == 0) w->reading = BUSY;
    return result;
}

static void settle(struct nx_walk *w)
{
    if (w->reading != BUSY) return;
    w->filled = nx__file_end(&w->job, false);
    w->reading = FILLED;
}

/* Takes what is read, and has the next read meanwhile. -ECANCELED and -ELIMIT_OPERATIONS, where
 * nothing has been; all other errors are the walk's, at the end of what is taken. */
static int64_t ahead_take(struct nx_walk *w)
{
    int64_t result = ahead_begin(w);
    if (result < 0) return result;
    if (w->reading == BUSY) w->filled = nx__file_end(&w->job, true);
    w->reading = IDLE;
    result = w->filled;
    if (result == -ECANCELED || result == -ELIMIT_OPERATIONS) return result;
    struct nx__buffer used = w->ahead;
    w->ahead = w->next;
    w->next = used;
    w->at = 0;
    if (w->skips && --w->skips == 0) w->skipped.len = 0;
    w->result = result < 0 ? result : 0;
    w->ended = result == 0;
    if (w->amount < AHEAD_LAST) w->amount *= 2;
    if (result > 0) (void)ahead_begin(w);
    return 0;
}

nx_err nx_walk_next(nx_walk *w, nx_fs_entry *entry)
{
    *entry = (nx_fs_entry){0};
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the caller's error was NX_OK */
    w->last = NULL;
    for (;;) {
        while (w->at < w->ahead.len) {
            struct record record;
            memcpy(&record, w->ahead.data + w->at, sizeof record);
            const char *path = w->ahead.data + w->at + sizeof record;
            w->at += sizeof record + record.len + 1;
            if (w->skipped.len && is_skipped(w, path)) continue;
            *entry = (nx_fs_entry){.path = path,
                                   .name = path + record.name,
                                   .relative = path + w->prefix,
                                   .type = nx__fs_type((unsigned)DTTOIF(record.type)),
                                   .depth = record.depth,
                                   .error = record.error};
            w->last = path;
            w->last_is_directory = record.type == DT_DIR;
            return NX_OK;
        }
        if (w->result == -E2BIG)
            return nx__error_set(NX_ELIMIT,
                                 "cannot read \"%.*s\": over %zu MiB of paths of directories wait",
                                 (int)w->prefix, w->path, NX_WALK_WAITING_MOST >> 20);
        if (w->result < 0) return nx__fs_result(w->result, "read", w->path);
        if (w->ended) return nx__error_set(NX_ECLOSED, "the walk is at its end");
        int64_t result = ahead_take(w);
        if (result < 0) return nx__fs_result(result, "read", w->path);
    }
}

/* Takes those that are beneath `relative` from what waits. From the end: what lies there tells how
 * long it is. */
static void waiting_drop(struct nx_walk *w, const char *relative)
{
    for (size_t end = w->waiting.len; end;) {
        struct waiting one;
        memcpy(&one, w->waiting.data + end - sizeof one, sizeof one);
        size_t begin = end - sizeof one - one.len;
        if (nx__path_beneath(w->waiting.data + begin, relative)) {
            memmove(w->waiting.data + begin, w->waiting.data + end, w->waiting.len - end);
            w->waiting.len -= end - begin;
        }
        end = begin;
    }
}

void nx_walk_skip(nx_walk *w)
{
    if (!w->last || !w->last_is_directory) return;
    settle(w);
    waiting_drop(w, w->last + w->prefix);
    if (w->directory >= 0) {
        w->path[w->path_len - 1] = '\0';
        if (nx__path_beneath(w->path, w->last)) {
            (void)close(w->directory);
            w->directory = -1;
        }
        w->path[w->path_len - 1] = '/';
    }
    w->skips = 2;
    if (nx__buffer_append(&w->skipped, w->last, strlen(w->last) + 1, NX_WALK_WAITING_MOST) != NX_OK)
        w->result = -ENOMEM;
}

void nx_walk_free(nx_walk *w)
{
    if (!w) return;
    atomic_store_explicit(&w->stop, true, memory_order_relaxed);
    settle(w);
    if (w->root >= 0) (void)close(w->root);
    if (w->directory >= 0) (void)close(w->directory);
    nx__filter_free(&w->filter);
    nx__buffer_free(&w->waiting);
    nx__buffer_free(&w->ahead);
    nx__buffer_free(&w->next);
    nx__buffer_free(&w->skipped);
    free(w);
}

/* ---- One directory */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const nx_fs_entry *)a)->name, ((const nx_fs_entry *)b)->name);
}

/* Copies what the walk gives into the scope's memory. */
static nx_err entries_collect(nx_walk *walk, nx_fs_entry **entries, size_t *count)
{
    struct nx__arena *arena = nx__scope_arena();
    size_t capacity = 0;
    for (;;) {
        nx_fs_entry entry;
        nx_err err = nx_walk_next(walk, &entry);
        if (err) return err == NX_ECLOSED ? NX_OK : err;
        if (*count == capacity) {
            size_t more = capacity ? capacity * 2 : 16;
            *entries =
                nx__arena_grow(arena, *entries, capacity * sizeof entry, more * sizeof entry);
            capacity = more;
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there is an entry */
        size_t len = strlen(entry.path) + 1;
        char *path = *entries ? nx__arena_alloc(arena, len) : NULL;
        if (!path) return nx__error_set(NX_ENOMEM, "cannot read a directory: out of memory");
        memcpy(path, entry.path, len);
        entry.name = path + (entry.name - entry.path);
        entry.relative = path + (entry.relative - entry.path);
        entry.path = path;
        (*entries)[(*count)++] = entry;
    }
}

nx_err nx_fs_list(const char *path, nx_fs_entry **entries, size_t *count)
{
    nx_walk *walk = NULL;
    *entries = NULL;
    *count = 0;
    NX_TRY(nx_fs_walk(&walk, path, .depth = 1));
    nx_err err = entries_collect(walk, entries, count);
    nx_walk_free(walk);
    if (*count && !err) qsort(*entries, *count, sizeof **entries, by_name);
    return err;
}

/* Copying a directory with all that is in it. */
#include "fs/copy_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    OPEN_MOST = 32, /* levels whose directories are open at once */
    ENTRIES = 512,  /* handled between two looks whether to go on */
};
#define WAITING_MOST ((size_t)64 << 20) /* of the names of directories that wait */
#define LEVELS_MOST  (PATH_MAX / 2 * sizeof(struct nx__copy_level)) /* bytes; no path is deeper */

static struct nx__copy_same same_of(const struct stat *stat)
{
    return (struct nx__copy_same){stat->st_dev, stat->st_ino};
}

static bool is_same(struct nx__copy_same a, struct nx__copy_same b)
{
    return a.device == b.device && a.inode == b.inode;
}

/* ---- Where it is */

static size_t depth(const struct nx__copy_tree *t)
{
    return t->levels.len / sizeof(struct nx__copy_level);
}

static struct nx__copy_level *level_at(const struct nx__copy_tree *t, size_t from_the_last)
{
    return (struct nx__copy_level *)(void *)t->levels.data + (depth(t) - 1 - from_the_last);
}

/* Both paths are of this in the last level from here on. */
static int64_t path_set(struct nx__copy_tree *t, size_t at, const char *name)
{
    size_t size = strlen(name) + 1;
    struct nx__copy_side *const sides[2] = {&t->from, &t->to};
    for (int i = 0; i < 2; i++) {
        char *end = sides[i]->path + sides[i]->prefix + at;
        if (sides[i]->prefix + at + size > PATH_MAX) return -ENAMETOOLONG;
        memcpy(end, name, size);
    }
    return 0;
}

int64_t nx__copy_refused(struct nx__copy_tree *t, enum nx__permit_kind kind,
                         enum nx__verdict verdict)
{
    t->refused = kind;
    t->verdict = verdict;
    return -ENOT_GRANTED;
}

static int64_t side_check(struct nx__copy_tree *t, bool checked, unsigned kind, const char *path)
{
    struct nx__place place;
    enum nx__permit_kind which;
    if (!checked) return 0;
    enum nx__verdict verdict = nx__place_walk(kind, path, false, &place, &which);
    return verdict == NX__GRANTED ? 0 : nx__copy_refused(t, which, verdict);
}

/* Is what the paths are of not denied? */
static int64_t check(struct nx__copy_tree *t)
{
    int64_t result = side_check(t, t->from_checked, NX__PLACE_READ, t->from.path);
    return result ? result : side_check(t, t->to_checked, NX__PLACE_WRITE, t->to.path);
}

/* ---- Directories */

static int64_t directory_open(int at, const char *name, uint64_t flags)
{
    int fd = openat(at, name, (int)flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static void level_close(struct nx__copy_level *level)
{
    if (level->from >= 0) (void)close(level->from);
    if (level->to >= 0) (void)close(level->to);
    level->from = level->to = -1;
}

/* Takes both descriptors, in any case. */
static int64_t level_add(struct nx__copy_tree *t, int from, int to, size_t path, bool made)
{
    struct stat to_stat;
    struct nx__copy_level level = {
        .from = from, .to = to, .waiting = t->waiting.len, .path = path, .made = made};
    int64_t result = fstat(from, &level.stat) == 0 && fstat(to, &to_stat) == 0 ? 0 : -errno;
    level.is[0] = same_of(&level.stat);
    level.is[1] = same_of(&to_stat);
    /* A mount can put the one into the other in a way that no ".." tells. */
    if (result == 0 && depth(t) && is_same(level.is[0], t->root_is)) {
        t->inside = true;
        result = -EINVAL;
    }
    if (result == 0 && nx__buffer_append(&t->levels, &level, sizeof level, LEVELS_MOST) != NX_OK)
        result = -ENOMEM;
    if (result < 0) {
        level_close(&level);
        return result;
    }
    t->reading = true;
    if (depth(t) > OPEN_MOST) level_close(level_at(t, OPEN_MOST));
    return 0;
}

/* Makes a directory, or finds it there. The descriptor, or -errno. */
static int64_t directory_make(int at, const char *name, mode_t mode, bool *made)
{
    *made = mkdirat(at, name, mode) == 0;
    if (!*made && errno != EEXIST) return -errno;
    int64_t fd = directory_open(at, name, O_PATH);
    return fd == -ENOTDIR || fd == -ELOOP ? -EEXIST : fd;
}

static int64_t level_enter(struct nx__copy_tree *t, const char *name)
{
    const struct nx__copy_level *above = nx__copy_level(t);
    size_t path = above->path;
    int64_t result = path_set(t, path, name);
    if (result == 0) result = check(t);
    if (result < 0) return result;
    int64_t from = directory_open(above->from, name, O_RDONLY);
    if (from == -ENOENT || from == -ENOTDIR || from == -ELOOP)
        return 0; /* it was one a moment ago */
    if (from < 0) return from;
    bool made;
    int64_t to = directory_make(above->to, name, 0700, &made);
    if (to < 0) {
        (void)close((int)from);
        return to;
    }
    result = level_add(t, (int)from, (int)to, path + strlen(name) + 1, made);
    return result ? result : path_set(t, path + strlen(name), "/");
}

/* Opens ".." of a directory, if it is what it was. */
static int64_t same_above(int below, struct nx__copy_same is)
{
    struct stat stat;
    int64_t fd = directory_open(below, "..", O_PATH);
    if (fd < 0) return fd;
    if (fstat((int)fd, &stat) == 0 && is_same(same_of(&stat), is)) return fd;
    (void)close((int)fd);
    return -ESTALE;
}

static int64_t above_open(const struct nx__copy_level *below, struct nx__copy_level *above)
{
    int64_t from = same_above(below->from, above->is[0]);
    if (from < 0) return from;
    above->from = (int)from;
    int64_t to = same_above(below->to, above->is[1]);
    if (to < 0) return to;
    above->to = (int)to;
    return 0;
}

/* At the end of a level: what nothing is put into any more gets its permissions and times. */
static int64_t level_leave(struct nx__copy_tree *t)
{
    struct nx__copy_level level = *nx__copy_level(t);
    int64_t result = path_set(t, level.path - (level.path > 0), "");
    if (result == 0 && level.made)
        result = nx__copy_facts(level.from, level.to, &level.stat, &t->options);
    else if (result == 0 && t->options.keep_times)
        result = nx__copy_times(level.to, &level.stat);
    if (result == 0 && depth(t) > 1 && level_at(t, 1)->from < 0)
        result = above_open(&level, level_at(t, 1));
    level_close(&level);
    t->levels.len -= sizeof level;
    return result;
}

/* ---- Entry by entry */

static int64_t entry_copy(struct nx__copy_tree *t, const char *name, uint8_t type)
{
    const struct nx__copy_level *level = nx__copy_level(t);
    struct stat stat;
    /* Not all file systems keep to the first. */
    int64_t result = strlen(name) > NAME_MAX ? -ENAMETOOLONG : path_set(t, level->path, name);
    if (result < 0) return result;
    if (nx__filter_ignores(&t->filter, nx__copy_relative(t), name)) return 0;
    if (type == DT_UNKNOWN) {
        if (fstatat(level->from, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? 0 : -errno;
        type = (uint8_t)IFTODT(stat.st_mode);
    }
    if (type == DT_DIR) {
        if (!nx__filter_reaches(&t->filter, nx__copy_relative(t))) return 0;
        nx_err err = nx__buffer_append(&t->waiting, name, strlen(name) + 1, WAITING_MOST);
        return !err ? 0 : err == NX_ENOMEM ? -ENOMEM : -NX__COPY_TOO_MANY;
    }
    if (!nx__filter_has(&t->filter, nx__copy_relative(t), name)) return 0;
    result = check(t);
    if (result < 0) return result;
    if (type == DT_REG) return nx__copy_file(t, name);
    return type == DT_LNK ? nx__copy_link(t, name) : nx__copy_special(t);
}

struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t size;
    uint8_t type;
    char name[];
};

/* The next entry of the last level: 1 while there are more to do. */
static int64_t entry_next(struct nx__copy_tree *t)
{
    if (t->at == t->len) {
        t->at = 0;
        t->len = syscall(SYS_getdents64, nx__copy_level(t)->from, t->entries, sizeof t->entries);
        int64_t result = t->len < 0 ? -errno : 1;
        if (result == -ENOENT) result = 1; /* removed while it was read */
        if (t->len <= 0) {
            t->len = 0;
            t->reading = false;
            (void)path_set(t, nx__copy_level(t)->path, "");
        }
        return result;
    }
    const struct kernel_entry *entry =
        (const struct kernel_entry *)(const void *)(t->entries + t->at);
    t->at += entry->size;
    const char *name = entry->name;
    if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) return 1;
    int64_t result = entry_copy(t, name, entry->type);
    return result < 0 ? result : 1;
}

/* Takes the last of the directories that wait in the last level: false where there is none. */
static bool waiting_take(struct nx__copy_tree *t, char name[NAME_MAX + 1])
{
    if (t->waiting.len == nx__copy_level(t)->waiting) return false;
    size_t at = t->waiting.len - 1;
    while (at > nx__copy_level(t)->waiting && t->waiting.data[at - 1]) at--;
    memcpy(name, t->waiting.data + at, t->waiting.len - at);
    t->waiting.len = at;
    return true;
}

/* On a thread of the pool: 1 while there is more to do. */
static int64_t copy_some(void *arg)
{
    struct nx__copy_tree *t = arg;
    char name[NAME_MAX + 1];
    for (int i = 0; i < ENTRIES; i++) {
        int64_t result;
        if (t->file.busy) {
            result = nx__copy_file_go_on(t);
            if (result == 1) return 1; /* so much at once */
        } else if (t->reading)
            result = entry_next(t);
        else
            result = waiting_take(t, name) ? level_enter(t, name) : level_leave(t);
        if (result < 0) return result;
        if (!depth(t)) return 0;
    }
    return 1;
}

/* ---- Its beginning */

/* Is the directory the one that is copied, or in it? Above a directory's handle is only "..". */
static int64_t is_inside(int directory, struct nx__copy_same from)
{
    struct stat stat;
    struct nx__copy_same before = {0};
    int at = directory;
    int64_t result = -ELOOP;
    for (int i = 0; i < PATH_MAX; i++) {
        if (fstat(at, &stat) != 0) {
            result = -errno;
            break;
        }
        bool root = i && is_same(same_of(&stat), before);
        if (root || is_same(same_of(&stat), from)) {
            result = !root;
            break;
        }
        before = same_of(&stat);
        int64_t above = directory_open(at, "..", O_PATH);
        if (at != directory) (void)close(at);
        at = -1;
        if (above < 0) {
            /* Whoever may not go up here could not have come down from above. */
            result = above == -EACCES ? 0 : above;
            break;
        }
        at = (int)above;
    }
    if (at >= 0 && at != directory) (void)close(at);
    return result;
}

struct beginning {
    struct nx__copy_tree *tree;
    int from, to, above; /* `to`: -1 where it is to be made, in `above` */
    struct nx__parent parent;
};

/* On a thread of the pool. Makes the directory if need be, and goes into it. */
static int64_t begin_run(void *arg)
{
    struct beginning *b = arg;
    struct nx__copy_tree *t = b->tree;
    struct stat stat;
    bool made = false;
    if (fstat(b->from, &stat) != 0) return -errno;
    int64_t result = is_inside(b->to >= 0 ? b->to : b->above, same_of(&stat));
    t->inside = result == 1;
    if (result) return result < 0 ? result : -EINVAL;
    if (b->to < 0) {
        result = directory_make(b->parent.at, b->parent.name, 0700, &made);
        if (result < 0) return result;
        b->to = (int)result;
    }
    if (fstat(b->to, &stat) != 0) return -errno;
    t->root_is = same_of(&stat);
    if (t->options.keep_links) t->root = fcntl(b->to, F_DUPFD_CLOEXEC, 0);
    if (t->options.keep_links && t->root < 0) return -errno;
    int from = b->from, to = b->to;
    b->from = b->to = -1;
    return level_add(t, from, to, 0, made);
}

/* Opens both ends, as the grants allow. */
static int64_t ends_open(struct beginning *b, const char *from, const char *to)
{
    static const struct open_how name = {.flags = O_PATH | O_DIRECTORY};
    uint64_t no_follow = b->tree->options.no_follow ? O_NOFOLLOW : 0;
    const struct open_how read = {.flags = O_RDONLY | O_DIRECTORY | O_NONBLOCK | no_follow};
    int64_t fd = nx__fs_open_path(NX__PLACE_READ, from, &read);
    if (fd < 0) return fd;
    b->from = (int)fd;
    fd = nx__fs_open_path(NX__PLACE_WRITE, to, &name);
    if (fd != -ENOENT && fd != -ENOTDIR) {
        b->to = (int)fd;
        return fd < 0 ? fd : 0;
    }
    int64_t result = nx__fs_parent(NX__PLACE_WRITE, to, &b->parent);
    if (result < 0) return result;
    fd = nx__fs_parent_open(&b->parent, O_PATH);
    b->above = (int)fd;
    return fd < 0 ? fd : 0;
}

static int64_t side_begin(struct nx__copy_side *side, const char *path)
{
    size_t len = strlen(path);
    if (len + 1 >= PATH_MAX) return -ENAMETOOLONG;
    memcpy(side->path, path, len + 1);
    if (len && path[len - 1] != '/') side->path[len++] = '/';
    side->path[len] = '\0';
    side->prefix = len;
    return 0;
}

static int64_t tree_begin(struct nx__copy_tree *t, const char *from, const char *to)
{
    struct beginning b = {.tree = t, .from = -1, .to = -1, .above = -1};
    struct nx__place place;
    t->guarded = !nx__place_guess(NX__PLACE_READ, from, &place) || place.resolve || place.inspect;
    t->from_checked = nx__place_denies(NX__PLACE_READ);
    t->to_checked = nx__place_denies(NX__PLACE_WRITE);
    int64_t result = side_begin(&t->from, from);
    if (result == 0) result = side_begin(&t->to, to);
    if (result == 0) result = ends_open(&b, from, to);
    if (result == 0) result = nx__file_call(begin_run, &b);
    if (b.from >= 0) (void)close(b.from);
    if (b.to >= 0) (void)close(b.to);
    if (b.above >= 0) (void)close(b.above);
    nx__fs_parent_release(&b.parent);
    return result;
}

static nx_err tree_result(const struct nx__copy_tree *t, int64_t result, const char *from,
                          const char *to)
{
    bool below = nx__copy_relative(t)[0];
    const char *inner_from = below ? t->from.path : from, *inner_to = below ? t->to.path : to;
    if (t->inside)
        return nx__error_set(
            NX_EINVAL, "cannot copy \"%s\" to \"%s\": it would be copied into itself", from, to);
    if (result == -NX__COPY_TOO_MANY)
        return nx__error_set(NX_ELIMIT,
                             "cannot copy \"%s\" to \"%s\": more directories wait, or files of "
                             "several names are in it, than are kept in memory",
                             inner_from, inner_to);
    if (result == -ENOT_GRANTED && t->verdict != NX__GRANTED)
        return nx__permit_refuse(t->refused, t->refused == NX__PERMIT_READ ? inner_from : inner_to,
                                 t->verdict);
    return nx__fs_pair_result(result, "copy", inner_from, inner_to);
}

nx_err nx__copy_tree(const char *from, const char *to, const nx_fs_copy_options *o)
{
    struct nx__copy_tree *t = calloc(1, sizeof *t);
    if (!t) return nx__fs_pair_result(-ENOMEM, "copy", from, to);
    t->options = *o;
    t->root = -1;
    t->verdict = NX__GRANTED;
    nx_err err = nx__filter_init(&t->filter, o->match, o->ignore, o->no_hidden);
    if (!err) {
        int64_t result = tree_begin(t, from, to);
        if (result == 0) {
            do result = nx__file_call(copy_some, t);
            while (result == 1);
        }
        /* At once: the fiber may be cancelled, and then nothing else may wait. */
        nx__copy_file_drop(t);
        err = tree_result(t, result, from, to);
    }
    while (t->levels.len) {
        level_close(nx__copy_level(t));
        t->levels.len -= sizeof(struct nx__copy_level);
    }
    if (t->root >= 0) (void)close(t->root);
    nx__copy_links_free(&t->links);
    nx__filter_free(&t->filter);
    nx__buffer_free(&t->levels);
    nx__buffer_free(&t->waiting);
    free(t);
    return err;
}

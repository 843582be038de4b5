/* Watching files: events of inotify put together, named and filtered. */
#include "fs/file.h"
#include "fs/watch_tree.h"

#include "base/clock.h"
#include "base/siphash.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    KERNEL = 4 * 1024, /* bytes of events that are read at once: on a stack that may be small */
    WAITING_MOST = 64 * 1024 /* events that are kept before it is called an overflow */
};

/* The other half of a rename is awaited so long. */
static const nx_duration rename_most = NX_MS(10);

/* What is to be told, in the order in which it happened. Paths are relative, in memory of its own.
 */
struct waiting {
    struct waiting *next, *before;
    uint64_t hash; /* of `path` */
    nx_fs_event_kind kind;
    bool directory, half; /* a rename that has not got its second half */
    uint32_t cookie;
    nx_duration at; /* when it came */
    int wd;         /* of the directory that has moved away, where that is watched; else 0 */
    char *from;     /* NULL, or in `path`, behind its end */
    char path[];
};

/* A set of hashes of paths; 0 is an empty place, 1 one that was taken out. */
struct found {
    uint64_t *hashes;
    size_t capacity, count;
};

struct nx_watcher {
    struct nx__watch_tree tree;
    struct nx__watch watch;
    struct nx__filter filter;
    struct nx_loop *loop;
    nx_duration debounce;
    unsigned kinds;   /* bits of nx_fs_event_kind */
    const char *only; /* a file's name, where that is all that is watched; in `prefix` */
    struct waiting *first, *last;
    size_t count;
    bool overflown, ended, heard; /* `heard`: nothing was left to read */
    bool asked, freed;            /* a fiber waits for an event; who then has to free it */
    nx_duration since, until; /* when the first of what waits came, and it may be told; 0: none */
    struct found found;       /* what a scan has told, and inotify may tell again */
    char *told;               /* the event that was returned last */
    size_t prefix_len;
    char prefix[]; /* the watch's own path, with a slash where there is more */
};

/* ---- What waits */

static uint64_t hash_of(const char *path)
{
    static const uint64_t key[2] = {1, 2}; /* to be quick, not to be safe */
    uint64_t hash = nx__siphash(key, path, strlen(path));
    return hash > 1 ? hash : 2;
}

static bool found_add(struct found *f, uint64_t hash)
{
    if (f->count * 2 >= f->capacity) {
        struct found more = {.capacity = f->capacity ? f->capacity * 2 : 64};
        more.hashes = calloc(more.capacity, sizeof *more.hashes);
        if (!more.hashes) return false;
        for (size_t i = 0; i < f->capacity; i++)
            if (f->hashes[i] > 1) (void)found_add(&more, f->hashes[i]);
        free(f->hashes);
        *f = more;
    }
    size_t i = hash & (f->capacity - 1);
    while (f->hashes[i]) i = (i + 1) & (f->capacity - 1);
    f->hashes[i] = hash;
    f->count++;
    return true;
}

/* Once. */
static bool found_take(struct found *f, uint64_t hash)
{
    if (!f->count) return false;
    size_t i = hash & (f->capacity - 1);
    while (f->hashes[i] && f->hashes[i] != hash) i = (i + 1) & (f->capacity - 1);
    if (!f->hashes[i]) return false;
    f->hashes[i] = 1;
    return true;
}

static void found_clear(struct found *f)
{
    free(f->hashes);
    *f = (struct found){0};
}

static struct waiting *waiting_find(struct nx_watcher *w, uint64_t hash, const char *path)
{
    struct waiting *e = w->last;
    /* What is told at once goes with what came last only. */
    for (; e; e = w->debounce ? e->before : NULL)
        if (e->hash == hash && strcmp(e->path, path) == 0) return e;
    return NULL;
}

static void waiting_drop(struct nx_watcher *w, struct waiting *e)
{
    if (e->before)
        e->before->next = e->next;
    else
        w->first = e->next;
    if (e->next)
        e->next->before = e->before;
    else
        w->last = e->before;
    w->count--;
    free(e);
}

static void waiting_clear(struct nx_watcher *w)
{
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the one before is out of the list */
    while (w->first) waiting_drop(w, w->first);
}

/* There has been quiet for long enough, or noise for too long. */
static void due_set(struct nx_watcher *w, nx_duration now)
{
    nx_duration quiet = now + w->debounce, most = w->since + 10 * w->debounce;
    w->until = quiet < most ? quiet : most;
}

static struct waiting *waiting_add(struct nx_watcher *w, nx_fs_event_kind kind, const char *path,
                                   const char *from, bool directory)
{
    size_t len = strlen(path) + 1, from_len = from ? strlen(from) + 1 : 0;
    struct waiting *e = w->count < WAITING_MOST ? malloc(sizeof *e + len + from_len) : NULL;
    if (!e) {
        w->overflown = true;
        return NULL;
    }
    *e = (struct waiting){
        .kind = kind, .directory = directory, .before = w->last, .hash = hash_of(path)};
    memcpy(e->path, path, len);
    if (from) {
        e->from = e->path + len;
        memcpy(e->from, from, from_len);
    }
    if (w->last)
        w->last->next = e;
    else
        w->first = e;
    w->last = e;
    w->count++;
    e->at = nx__clock_monotonic();
    if (!w->since) w->since = e->at;
    due_set(w, e->at);
    return e;
}

/* Is it told? A path that is left out is not, whatever happens to it. */
static bool is_wanted(const struct nx_watcher *w, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (w->only) return strcmp(path, w->only) == 0;
    return !nx__filter_ignores(&w->filter, path, name) && nx__filter_has(&w->filter, path, name);
}

static void event_add(struct nx_watcher *w, nx_fs_event_kind kind, const char *path, bool directory)
{
    if (!is_wanted(w, path)) return;
    struct waiting *e = waiting_find(w, hash_of(path), path);
    bool known = e && !e->half && e->kind != NX_FS_RENAME;
    if (known && kind == NX_FS_MODIFY && e->kind != NX_FS_REMOVE && w->kinds >> e->kind & 1) {
        due_set(w, nx__clock_monotonic());
        return;
    }
    if (known && w->debounce) {
        if (e->kind == NX_FS_CREATE && kind == NX_FS_REMOVE) {
            waiting_drop(w, e);
            return;
        }
        if (e->kind == NX_FS_REMOVE && kind == NX_FS_CREATE && !directory && !e->directory) {
            e->kind = NX_FS_MODIFY;
            return;
        }
        if (e->kind == NX_FS_MODIFY && kind == NX_FS_REMOVE) waiting_drop(w, e);
    }
    (void)waiting_add(w, kind, path, NULL, directory);
}

/* ---- What inotify says */

struct scan {
    struct nx_watcher *w;
    struct nx__watched *parent;
    const char *name;
};

/* On a thread of the pool, while the fiber waits: what a scan finds has been made. */
static void found(void *arg, const char *relative, bool directory)
{
    struct nx_watcher *w = arg;
    event_add(w, NX_FS_CREATE, relative, directory);
    if (!found_add(&w->found, hash_of(relative))) w->overflown = true;
}

static int64_t scan_run(void *arg)
{
    struct scan *s = arg;
    (void)nx__watch_tree_add(&s->w->tree, s->parent, s->name, found, s->w);
    return 0;
}

/* Of a new directory, and of one that was moved in. */
static void directory_enter(struct nx_watcher *w, struct nx__watched *parent, const char *name,
                            const char *path)
{
    if (!w->tree.recursive || nx__filter_ignores(&w->filter, path, name) ||
        !nx__filter_reaches(&w->filter, path))
        return;
    struct scan s = {w, parent, name};
    /* Of a fiber that is cancelled the directory would go unwatched. */
    if (nx__file_call(scan_run, &s) < 0) (void)scan_run(&s);
}

static struct waiting *half_find(struct nx_watcher *w, uint32_t cookie)
{
    for (struct waiting *e = w->last; e; e = e->before)
        if (e->half && e->cookie == cookie) return e;
    return NULL;
}

/* A rename whose other half is not of what is watched was a removal. */
static void half_settle(struct nx_watcher *w, struct waiting *half)
{
    char path[PATH_MAX];
    size_t len = strlen(half->path) + 1;
    memcpy(path, half->path, len);
    bool directory = half->directory;
    struct nx__watched *dir = half->wd ? nx__watch_tree_find(&w->tree, half->wd) : NULL;
    waiting_drop(w, half);
    if (dir) nx__watch_tree_remove(&w->tree, dir);
    event_add(w, NX_FS_REMOVE, path, directory);
}

static void moved_from(struct nx_watcher *w, struct nx__watched *parent, const char *path,
                       const struct inotify_event *event)
{
    struct nx__watched *dir =
        event->mask & IN_ISDIR ? nx__watched_child(parent, event->name) : NULL;
    struct waiting *half = waiting_add(w, NX_FS_RENAME, path, NULL, event->mask & IN_ISDIR);
    if (!half) return;
    half->half = true;
    half->cookie = event->cookie;
    half->wd = dir ? dir->wd : 0;
}

static void moved_to(struct nx_watcher *w, struct nx__watched *parent, const char *path,
                     const struct inotify_event *event)
{
    bool directory = event->mask & IN_ISDIR;
    struct waiting *half = half_find(w, event->cookie);
    struct nx__watched *dir = half && half->wd ? nx__watch_tree_find(&w->tree, half->wd) : NULL;
    if (dir) dir = nx__watch_tree_move(&w->tree, dir, parent, event->name);
    if (!half) {
        if (found_take(&w->found, hash_of(path))) return;
        event_add(w, NX_FS_CREATE, path, directory);
    } else {
        char from[PATH_MAX];
        memcpy(from, half->path, strlen(half->path) + 1);
        waiting_drop(w, half);
        bool both = is_wanted(w, from) && is_wanted(w, path);
        if (both && w->kinds >> NX_FS_RENAME & 1) {
            (void)waiting_add(w, NX_FS_RENAME, path, from, directory);
        } else {
            event_add(w, NX_FS_REMOVE, from, directory);
            event_add(w, NX_FS_CREATE, path, directory);
        }
    }
    if (directory && !dir) directory_enter(w, parent, event->name, path);
}

static void root_gone(struct nx_watcher *w)
{
    if (w->ended) return;
    w->ended = true;
    if (w->only)
        event_add(w, NX_FS_REMOVE, w->only, false);
    else
        (void)waiting_add(w, NX_FS_REMOVE, "", NULL, true);
}

static int64_t rescan_run(void *arg)
{
    struct nx_watcher *w = arg;
    while (w->tree.top->children) nx__watch_tree_remove(&w->tree, w->tree.top->children);
    if (w->tree.recursive) nx__watch_tree_scan(&w->tree, w->tree.top, NULL, NULL);
    return 0;
}

/* Some of what has happened is lost, so what is known of directories is not to be trusted. */
static void queue_overflown(struct nx_watcher *w)
{
    waiting_clear(w);
    found_clear(&w->found);
    if (nx__file_call(rescan_run, w) < 0) (void)rescan_run(w);
    w->overflown = true;
}

static void event_take(struct nx_watcher *w, const struct inotify_event *event)
{
    char path[PATH_MAX];
    if (event->mask & IN_Q_OVERFLOW) {
        queue_overflown(w);
        return;
    }
    struct nx__watched *dir = nx__watch_tree_find(&w->tree, event->wd);
    if (event->wd == w->tree.above && nx__watch_tree_is_gone(&w->tree)) root_gone(w);
    if (!dir) return;
    if (event->mask & IN_IGNORED) {
        if (dir == w->tree.top)
            root_gone(w);
        else
            nx__watch_tree_remove(&w->tree, dir);
        return;
    }
    if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) {
        if (dir == w->tree.top) root_gone(w);
        return;
    }
    if (!event->len || !nx__watched_path(dir, event->name, path)) return;
    bool directory = event->mask & IN_ISDIR;
    if (event->mask & IN_MODIFY) event_add(w, NX_FS_MODIFY, path, directory);
    if (event->mask & IN_MOVED_FROM) moved_from(w, dir, path, event);
    if (event->mask & IN_MOVED_TO) moved_to(w, dir, path, event);
    if (event->mask & IN_CREATE && !found_take(&w->found, hash_of(path))) {
        event_add(w, NX_FS_CREATE, path, directory);
        if (directory) directory_enter(w, dir, event->name, path);
    }
    if (event->mask & IN_DELETE) {
        struct nx__watched *child = directory ? nx__watched_child(dir, event->name) : NULL;
        if (child) nx__watch_tree_remove(&w->tree, child);
        event_add(w, NX_FS_REMOVE, path, directory);
    }
}

/* Reads what there is. */
static nx_err hear(struct nx_watcher *w)
{
    _Alignas(struct inotify_event) char buffer[KERNEL];
    for (;;) {
        ssize_t n = read(w->tree.inotify, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN)
            return nx__error_system(errno, "cannot watch \"%s\"", w->prefix);
        if (n <= 0) break;
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event =
                (const struct inotify_event *)(const void *)(buffer + at);
            at += (ssize_t)(sizeof *event + event->len);
            event_take(w, event);
        }
    }
    found_clear(&w->found);
    w->heard = true;
    return NX_OK;
}

/* ---- The public face */

static nx_err limit_reached(const struct nx_watcher *w)
{
    return nx__error_set(NX_ELIMIT,
                         "cannot watch \"%.100s\": the system's limit of watches is reached "
                         "(sysctl fs.inotify.max_user_watches)",
                         w->prefix);
}

static nx_err tree_error(struct nx_watcher *w)
{
    int64_t error = w->tree.error;
    w->tree.error = 0;
    if (error == -ENOSPC) return limit_reached(w);
    return nx__fs_result(error, "watch", w->prefix);
}

static int64_t begin_run(void *arg)
{
    struct nx_watcher *w = arg;
    int64_t result = nx__watch_tree_init(&w->tree);
    if (result == 0 && w->tree.recursive) nx__watch_tree_scan(&w->tree, w->tree.top, NULL, NULL);
    return result ? result : w->tree.error;
}

/* Opens what is watched: the directory, or that of a file. */
static int64_t root_open(struct nx_watcher *w, const char *path)
{
    struct nx__parent parent;
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY};
    int64_t fd = nx__fs_open_path(NX__PLACE_READ, path, &how);
    if (fd != -ENOTDIR) {
        size_t len = strlen(w->prefix);
        if (len && w->prefix[len - 1] != '/') memcpy(w->prefix + len, "/", 2);
        w->prefix_len = strlen(w->prefix);
        return fd;
    }
    char *slash = strrchr(w->prefix, '/');
    w->only = slash ? slash + 1 : w->prefix;
    w->prefix_len = (size_t)(w->only - w->prefix);
    w->tree.recursive = false;
    fd = nx__fs_parent(NX__PLACE_READ, path, &parent);
    if (fd == 0) fd = nx__fs_parent_open(&parent, O_PATH);
    nx__fs_parent_release(&parent);
    return fd;
}

static nx_err watch_begin(struct nx_watcher *w, const char *path, const nx_fs_watch_options *o)
{
    w->kinds = (o->create ? 1u << NX_FS_CREATE : 0) | (o->modify ? 1u << NX_FS_MODIFY : 0) |
               (o->remove ? 1u << NX_FS_REMOVE : 0) | (o->rename ? 1u << NX_FS_RENAME : 0);
    if (!w->kinds) w->kinds = ~0u;
    w->kinds |= 1u << NX_FS_OVERFLOW;
    w->debounce = o->debounce > 0 ? o->debounce : 0;
    w->tree.recursive = o->recursive;
    NX_TRY(nx__filter_init(&w->filter, o->match, o->ignore, o->no_hidden));
    int64_t fd = root_open(w, path);
    if (fd < 0) return nx__fs_result(fd, "watch", path);
    w->tree.root = (int)fd;
    w->tree.checked = nx__place_denies(NX__PLACE_READ);
    w->tree.prefix = w->prefix;
    w->tree.inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->tree.inotify < 0 && errno == EMFILE)
        return nx__error_set(NX_EMFILE,
                             "cannot watch \"%.100s\": too many watchers or open files (sysctl "
                             "fs.inotify.max_user_instances, --max-open-files)",
                             path);
    if (w->tree.inotify < 0) return nx__fs_result(-errno, "watch", path);
    NX_TRY(nx__poller_add(&w->loop->poller, &w->watch, w->tree.inotify, NX__READABLE));
    int64_t result = nx__file_call(begin_run, w);
    if (result == -ENOSPC) return limit_reached(w);
    return nx__fs_result(result, "watch", path);
}

nx_err nx_fs_watch_with(nx_watcher **out, const char *path, const nx_fs_watch_options *options)
{
    NX__OPTIONS(nx_fs_watch_options, o, options);
    *out = NULL;
    size_t len = strlen(path);
    if (len + 2 >= PATH_MAX) return nx__fs_result(-ENAMETOOLONG, "watch", path);
    struct nx_watcher *w = calloc(1, sizeof *w + len + 2);
    if (!w) return nx__error_set(NX_ENOMEM, "cannot watch \"%s\": out of memory", path);
    memcpy(w->prefix, path, len + 1);
    w->tree.inotify = w->tree.root = w->tree.above = -1;
    w->watch = (struct nx__watch){.ready = nx__watch_unheard, .fd = -1};
    w->tree.filter = &w->filter;
    w->loop = nx__loop();
    nx_err err = watch_begin(w, path, &o);
    if (err)
        nx_watcher_free(w);
    else
        *out = w;
    return err;
}

/* Hands out the first, with whole paths. */
static nx_err tell(struct nx_watcher *w, nx_fs_event *event)
{
    struct waiting *e = w->first;
    size_t prefix = w->prefix_len, len = strlen(e->path), from = e->from ? strlen(e->from) : 0;
    free(w->told);
    w->told = malloc(2 * prefix + len + from + 2);
    if (!w->told) return nx__error_set(NX_ENOMEM, "cannot tell of a change: out of memory");
    char *path = w->told, *old = w->told + prefix + len + 1;
    memcpy(path, w->prefix, prefix);
    memcpy(path + prefix, e->path, len + 1);
    /* Of the directory itself without the slash. */
    if (!len && prefix > 1 && path[prefix - 1] == '/') path[prefix - 1] = '\0';
    if (e->from) {
        memcpy(old, w->prefix, prefix);
        memcpy(old + prefix, e->from, from + 1);
    }
    *event = (nx_fs_event){.kind = e->kind,
                           .path = path,
                           .relative = len ? path + prefix : "",
                           .from = e->from ? old : NULL,
                           .directory = e->directory};
    waiting_drop(w, e);
    if (!w->first) w->since = w->until = 0;
    return NX_OK;
}

/* What may be told by now, without what nobody asked for. */
static bool is_due(struct nx_watcher *w, nx_duration now)
{
    while (w->first) {
        struct waiting *e = w->first;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): as above */
        if (e->half) {
            if (now < e->at + rename_most) return false;
            half_settle(w, e);
        } else if (now < w->until && !w->ended) {
            return false;
        } else if (w->kinds >> e->kind & 1) {
            return true;
        } else {
            waiting_drop(w, e);
        }
    }
    w->since = w->until = 0;
    return false;
}

static nx_err next_event(nx_watcher *w, nx_fs_event *event)
{
    *event = (nx_fs_event){0};
    while (!w->freed) {
        if (!w->heard || !w->first || w->debounce) NX_TRY(hear(w));
        nx_duration now = nx__clock_monotonic();
        if (is_due(w, now)) return tell(w, event);
        if (w->overflown) {
            w->overflown = false;
            *event = (nx_fs_event){
                .kind = NX_FS_OVERFLOW, .path = w->prefix, .relative = "", .directory = true};
            return NX_OK;
        }
        if (w->tree.error) return tree_error(w);
        if (w->ended && !w->first)
            return nx__error_set(NX_ECLOSED, "\"%.150s\" is gone", w->prefix);
        nx_duration until = !w->first        ? NX_FOREVER
                            : w->first->half ? w->first->at + rename_most
                                             : w->until;
        w->heard = false;
        nx_err err = nx__wait_fd(&w->watch, NX__READABLE, until);
        if (err && err != NX_ETIMEDOUT) return err;
    }
    return NX_OK;
}

static void watcher_end(nx_watcher *w)
{
    if (w->watch.fd >= 0) nx__poller_remove(&w->loop->poller, &w->watch);
    waiting_clear(w);
    nx__watch_tree_free(&w->tree);
    nx__filter_free(&w->filter);
    found_clear(&w->found);
    free(w->told);
    free(w);
}

void nx_watcher_free(nx_watcher *w)
{
    if (!w) return;
    if (!w->asked) {
        watcher_end(w);
        return;
    }
    w->freed = true;
    nx__watch_wake(&w->watch);
}

nx_err nx_watcher_next(nx_watcher *w, nx_fs_event *event)
{
    if (w->asked)
        return nx__error_set(NX_ESTATE, "another fiber waits for changes of \"%.150s\"", w->prefix);
    w->asked = true;
    nx_err err = next_event(w, event);
    w->asked = false;
    if (!w->freed) return err;
    watcher_end(w);
    *event = (nx_fs_event){0};
    return nx__error_set(NX_ECLOSED, "the watcher was freed");
}

const char *nx_fs_event_name(nx_fs_event_kind kind)
{
    static const char *const names[] = {[NX_FS_CREATE] = "create",
                                        [NX_FS_MODIFY] = "modify",
                                        [NX_FS_REMOVE] = "remove",
                                        [NX_FS_RENAME] = "rename",
                                        [NX_FS_OVERFLOW] = "overflow"};
    return kind <= NX_FS_OVERFLOW ? names[kind] : "unknown";
}

/* Files that were found lately: each loop keeps some, and looks once a turn whether they are still
 * what they were. */
#include "http/files/files.h"

#include "loop/threads.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BUCKETS = 256,
    ENTRIES_MOST = 512,
    DESCRIPTORS_MOST = 128,
    MEMORY_MOST = 4 << 20,
    ROOTS_MOST = 64,
};
#define SIBLINGS_SPAN NX_S(1)  /* how long a compressed sibling is trusted without a look at it */
#define UNUSED_SPAN   NX_S(10) /* then it is closed: a file that was deleted keeps its disk space */

struct root {
    struct nx__dir dir; /* first */
    struct root *next;  /* in the cache, latest opened first */
    uint32_t refs;
    char path[];
};

struct cache {
    struct nx__file_entry *buckets[BUCKETS];
    struct nx__list used;
    struct root *roots;
    size_t entries, descriptors, memory;
    struct nx__timer timer;
};

static NX__THREAD_LOCAL struct cache *cache;

uint64_t nx__dir_id(void)
{
    static _Atomic uint64_t last;
    return ++last;
}

/* ---- Entries */

static uint32_t hash_of(uint64_t dir, const char *path, size_t len)
{
    uint32_t hash = 2166136261u ^ (uint32_t)dir;
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)path[i]) * 16777619u;
    return hash;
}

void nx__file_release(struct nx__file_entry *entry)
{
    if (entry && !--entry->refs) nx__file_entry_free(entry);
}

static void forget(struct nx__file_entry *entry)
{
    struct nx__file_entry **at = &cache->buckets[entry->hash % BUCKETS];
    while (*at != entry) at = &(*at)->chain;
    *at = entry->chain;
    nx__list_remove(&entry->used);
    cache->entries--;
    cache->descriptors -= entry->descriptors;
    cache->memory -= entry->memory;
    nx__file_release(entry);
}

static struct nx__file_entry *oldest(void)
{
    return nx__container_of(cache->used.next, struct nx__file_entry, used);
}

static void unused(struct nx__timer *timer)
{
    struct nx_loop *loop = nx__loop();
    while (!nx__list_empty(&cache->used) && loop->now - oldest()->used_at >= UNUSED_SPAN)
        forget(oldest());
    if (!nx__list_empty(&cache->used))
        NX_IGNORE(nx__timer_set(&loop->timers, timer, oldest()->used_at + UNUSED_SPAN));
}

static bool cache_ready(void)
{
    if (nx__likely(cache != NULL)) return true;
    cache = calloc(1, sizeof *cache);
    if (!cache) return false;
    nx__list_init(&cache->used);
    cache->timer.fire = unused;
    return true;
}

static struct nx__file_entry *kept(const struct nx__dir *dir, const char *path, size_t len,
                                   bool precompressed, uint32_t hash)
{
    struct nx__file_entry *entry = cache->buckets[hash % BUCKETS];
    while (entry && !(entry->hash == hash && entry->dir == dir->id && entry->key_len == len &&
                      entry->precompressed == precompressed && memcmp(entry->key, path, len) == 0))
        entry = entry->chain;
    return entry;
}

static void keep(struct nx_loop *loop, struct nx__file_entry *entry, uint32_t hash)
{
    entry->hash = hash;
    entry->refs++;
    entry->chain = cache->buckets[hash % BUCKETS];
    cache->buckets[hash % BUCKETS] = entry;
    nx__list_insert(&cache->used, &entry->used);
    cache->entries++;
    cache->descriptors += entry->descriptors;
    cache->memory += entry->memory;
    entry->checked_at = entry->siblings_checked_at = entry->used_at = loop->now;
    while (cache->entries > ENTRIES_MOST || cache->descriptors > DESCRIPTORS_MOST ||
           cache->memory > MEMORY_MOST)
        forget(oldest());
    if (!cache->timer.place)
        NX_IGNORE(nx__timer_set(&loop->timers, &cache->timer, loop->now + UNUSED_SPAN));
}

/* ---- The pool */

struct work {
    struct nx__job job;
    int64_t (*run)(void *arg);
    void *arg;
};

static int64_t work_run(struct nx__job *job)
{
    struct work *work = nx__container_of(job, struct work, job);
    return work->run(work->arg);
}

int64_t nx__file_blocking(int64_t (*run)(void *arg), void *arg)
{
    if (nx__fiber_canceled(nx__loop()->running)) return -ECANCELED;
    struct work work = {
        .job = {.run = work_run, .op.cancel = nx__job_cancel}, .run = run, .arg = arg};
    if (nx__job_submit(&work.job)) return run(arg);
    return nx__op_wait(&work.job.op);
}

static int64_t load_run(void *arg)
{
    return nx__file_load(arg, false);
}

static int load(struct nx__file_lookup *lookup)
{
    int result = nx__file_load(lookup, true);
    if (result == -EAGAIN) {
        result = (int)nx__file_blocking(load_run, lookup);
        if (result == -ELIMIT_OPERATIONS) result = -EAGAIN;
    }
    return result;
}

/* ---- Finding */

NX__HOT int nx__file_find(const struct nx__dir *dir, const char *path, bool precompressed,
                          struct nx__file_entry **out)
{
    *out = NULL;
    if (!cache_ready()) return -ENOMEM;
    struct nx_loop *loop = nx__loop();
    size_t len = strlen(path);
    uint32_t hash = hash_of(dir->id, path, len);
    struct nx__file_entry *entry = kept(dir, path, len, precompressed, hash);
    if (entry) {
        bool good = entry->checked_at == loop->now ||
                    (!(precompressed && loop->now - entry->siblings_checked_at > SIBLINGS_SPAN) &&
                     nx__file_unchanged(dir, entry));
        if (nx__likely(good)) {
            entry->checked_at = entry->used_at = loop->now;
            nx__list_remove(&entry->used);
            nx__list_insert(&cache->used, &entry->used);
            entry->refs++;
            *out = entry;
            return 0;
        }
        forget(entry);
    }
    struct nx__file_lookup lookup = {.dir = dir, .path = path, .precompressed = precompressed};
    int result = load(&lookup);
    if ((result == -EMFILE || result == -ENFILE) && cache && cache->descriptors) {
        while (!nx__list_empty(&cache->used)) forget(oldest());
        result = load(&lookup);
    }
    if (result) return result;
    if (lookup.entry && cache_ready()) {
        /* Somebody else may have looked meanwhile. */
        entry = kept(dir, path, len, precompressed, hash);
        if (entry) forget(entry);
        keep(loop, lookup.entry, hash);
    }
    *out = lookup.entry;
    return 0;
}

/* ---- Roots */

static int64_t root_open(void *arg)
{
    struct root *root = arg;
    int fd = open(root->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void root_drop(struct root *root)
{
    if (--root->refs) return;
    if (root->dir.fd >= 0) (void)close(root->dir.fd);
    free(root);
}

static struct root *root_kept(const char *path)
{
    struct root *root = cache->roots;
    while (root && strcmp(root->path, path) != 0) root = root->next;
    return root;
}

/* Drops those past the first `most`. */
static void roots_cut(size_t most)
{
    struct root **at = &cache->roots;
    while (*at && most--) at = &(*at)->next;
    struct root *root = *at;
    *at = NULL;
    while (root) {
        struct root *next = root->next;
        root_drop(root);
        root = next;
    }
}

int nx__file_root(const char *path, const struct nx__dir **dir)
{
    if (!cache_ready()) return -ENOMEM;
    struct root *root = root_kept(path);
    if (root) {
        root->refs++;
        *dir = &root->dir;
        return 0;
    }
    size_t len = strlen(path);
    root = malloc(sizeof *root + len + 1);
    if (!root) return -ENOMEM;
    memcpy(root->path, path, len + 1);
    root->refs = 1;
    root->dir = (struct nx__dir){.id = nx__dir_id(), .path = root->path};
    root->dir.fd = (int)nx__file_blocking(root_open, root);
    if (root->dir.fd < 0) {
        int error = root->dir.fd;
        free(root);
        return error;
    }
    *dir = &root->dir;
    if (!cache_ready() || root_kept(path)) return 0; /* this one is used once */
    root->refs++;
    root->next = cache->roots;
    cache->roots = root;
    roots_cut(ROOTS_MOST);
    return 0;
}

void nx__file_root_release(const struct nx__dir *dir)
{
    root_drop((struct root *)(uintptr_t)dir);
}

void nx__file_cache_clear(void)
{
    if (!cache) return;
    while (!nx__list_empty(&cache->used)) forget(oldest());
    roots_cut(0);
    nx__timer_clear(&nx__loop()->timers, &cache->timer);
    free(cache);
    cache = NULL;
}

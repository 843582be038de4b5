/* The compile cache: m/ has manifests, o/ compiled programs, h/ the public headers, s/ what is
 * being made. */
#include "module/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    STALE_SECONDS = 3600,
    FULL_BELOW = 64 << 10, /* bytes: the compilers' own temporary files need room too */
    PATH_SIZE = 4096,
};
#define DEFAULT_LIMIT (UINT64_C(512) << 20)

nx_err nx__cache_error(int error, const char *path)
{
    return nx__error_system(
        error, "cannot use the compile cache \"%.120s\" (set NEXUS_CACHE to another folder)", path);
}

bool nx__cache_full(const char *path)
{
    struct statvfs fs;
    return statvfs(path, &fs) == 0 && fs.f_blocks &&
           (uint64_t)fs.f_bavail * fs.f_frsize < FULL_BELOW;
}

static nx_err make_dir(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return NX_OK;
    return nx__cache_error(errno, path);
}

static nx_err make_dirs(char *path)
{
    for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST;
        int error = errno;
        *slash = '/';
        if (failed) return nx__cache_error(error, path);
    }
    return make_dir(path);
}

/* What lies in the cache is run, so nobody else may be able to put anything there. */
static nx_err check_owner(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return nx__cache_error(errno, path);
    if (!S_ISDIR(st.st_mode)) return nx__cache_error(ENOTDIR, path);
    if (st.st_uid != geteuid() || (st.st_mode & 022))
        return nx__error_set(
            NX_EACCES,
            "the compile cache \"%.120s\" belongs to, or can be written by, somebody else; make it yours alone (chmod 700) or set NEXUS_CACHE",
            path);
    return NX_OK;
}

nx_err nx__cache_dir(char **out)
{
    *out = NULL;
    const char *own = getenv("NEXUS_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    char *path = NULL;
    int n = own && *own            ? asprintf(&path, "%s", own)
            : xdg && *xdg == '/'   ? asprintf(&path, "%s/nexus", xdg)
            : home && *home == '/' ? asprintf(&path, "%s/.cache/nexus", home)
                                   : asprintf(&path, "/tmp/nexus-cache-%u", (unsigned)geteuid());
    if (n < 0) return nx__error_set(NX_ENOMEM, "cannot use the compile cache: out of memory");
    if (path[0] != '/') {
        char here[PATH_SIZE], *absolute = NULL;
        if (!getcwd(here, sizeof here) || asprintf(&absolute, "%s/%s", here, path) < 0) {
            free(path);
            return nx__error_set(NX_ENOENT,
                                 "cannot use the compile cache: the current directory is gone");
        }
        free(path);
        path = absolute;
    }
    nx_err err = NX_OK;
    struct stat st;
    char m[PATH_SIZE];
    (void)snprintf(m, sizeof m, "%s/m", path);
    if (stat(m, &st) != 0) { /* made last, so the rest is there when it is */
        err = make_dirs(path);
        static const char *const folders[] = {"o", "h", "s", "m"};
        for (size_t i = 0; i < 4 && !err; i++) {
            (void)snprintf(m, sizeof m, "%s/%s", path, folders[i]);
            err = make_dir(m);
        }
    }
    if (!err) err = check_owner(path);
    if (err) {
        free(path);
        return err;
    }
    *out = path;
    return NX_OK;
}

uint64_t nx__cache_limit(void)
{
    const char *text = getenv("NEXUS_CACHE_MAX");
    if (!text || !*text) return DEFAULT_LIMIT;
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    return n ? (uint64_t)n << shift : DEFAULT_LIMIT;
}

nx_err nx__read_small(const char *path, size_t most, struct nx__buffer *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return nx__error_system(errno, "cannot read \"%.150s\"", path);
    nx_err err = NX_OK;
    for (;;) {
        err = nx__buffer_reserve(out, 4096, most);
        if (err) {
            (void)nx__error_set(err, "cannot read \"%.150s\": %s", path, nx_err_text(err));
            break;
        }
        ssize_t n = read(fd, out->data + out->len, out->capacity - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) err = nx__error_system(errno, "cannot read \"%.150s\"", path);
        if (n <= 0) break;
        out->len += (size_t)n;
    }
    (void)close(fd);
    return err;
}

int nx__write_aside(const char *aside, const char *path, mode_t mode, const void *data, size_t len)
{
    int fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return errno;
    int error = 0;
    for (size_t done = 0; done < len && !error;) {
        ssize_t n = write(fd, (const char *)data + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            error = n == 0 ? ENOSPC : errno;
    }
    if (close(fd) != 0 && !error) error = errno;
    if (!error && rename(aside, path) != 0) error = errno;
    if (error) (void)unlink(aside);
    return error;
}

nx_err nx__write_whole(const char *path, const void *data, size_t len)
{
    char aside[PATH_SIZE];
    unsigned random;
    if (getrandom(&random, sizeof random, 0) != sizeof random) return nx__cache_error(errno, path);
    if (snprintf(aside, sizeof aside, "%s.%08x.new", path, random) >= (int)sizeof aside)
        return nx__cache_error(ENAMETOOLONG, path);
    int error = nx__write_aside(aside, path, 0600, data, len);
    return error ? nx__cache_error(error, path) : NX_OK;
}

/* ---- Staging */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void nx__staging_remove(const char *path)
{
    remove_tree(path);
}

/* Folders that a crash has left. */
static void sweep(const char *staging)
{
    DIR *dir = opendir(staging);
    if (!dir) return;
    time_t now = time(NULL);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[PATH_SIZE];
        struct stat st;
        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof path, "%s/%s", staging, entry->d_name) >= (int)sizeof path)
            continue;
        if (lstat(path, &st) == 0 && now - st.st_mtime > STALE_SECONDS) remove_tree(path);
    }
    (void)closedir(dir);
}

nx_err nx__staging_make(const char *cache, char **out)
{
    char all[PATH_SIZE];
    (void)snprintf(all, sizeof all, "%s/s", cache);
    sweep(all);
    if (asprintf(out, "%s/XXXXXX", all) < 0) {
        *out = NULL;
        return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
    }
    if (mkdtemp(*out)) return NX_OK;
    int error = errno;
    free(*out);
    *out = NULL;
    return nx__cache_error(error, cache);
}

/* True when nobody else can put another folder in the place of one that is made there. */
static bool is_safe(const char *folder)
{
    struct stat st;
    if (folder[0] != '/' || stat(folder, &st) != 0 || !S_ISDIR(st.st_mode)) return false;
    return (st.st_mode & S_ISVTX) ||
           (!(st.st_mode & 022) && (st.st_uid == geteuid() || st.st_uid == 0));
}

bool nx__temporary_make(size_t *place, char **out)
{
    /* The last is memory: there where nothing else is, in a container whose disk is read-only. */
    const char *places[] = {getenv("TMPDIR"), "/tmp", "/var/tmp", getenv("XDG_RUNTIME_DIR"),
                            "/dev/shm"};
    while (*place < sizeof places / sizeof *places) {
        const char *folder = places[(*place)++];
        char path[PATH_SIZE], part[PATH_SIZE + 2];
        if (!folder || !is_safe(folder) ||
            snprintf(path, sizeof path, "%s/nexus-XXXXXX", folder) >= (int)sizeof path ||
            nx__cache_full(folder) || !mkdtemp(path))
            continue;
        bool made = true;
        for (const char *name = "hs"; *name; name++) { /* headers, staging */
            (void)snprintf(part, sizeof part, "%s/%c", path, *name);
            made &= mkdir(part, 0700) == 0;
        }
        if (made && (*out = strdup(path))) return true;
        remove_tree(path);
    }
    return false;
}

/* ---- Size */

struct entry {
    char *path;
    uint64_t bytes;
    time_t used;
};

struct listing {
    struct entry *entries;
    size_t count, capacity;
    uint64_t bytes;
};

static nx_err list(const char *cache, struct listing *l)
{
    static const char *const folders[] = {"o", "m"};
    for (size_t f = 0; f < 2; f++) {
        char folder[PATH_SIZE];
        (void)snprintf(folder, sizeof folder, "%s/%s", cache, folders[f]);
        DIR *dir = opendir(folder);
        if (!dir) continue;
        for (struct dirent *entry; (entry = readdir(dir));) {
            char path[PATH_SIZE];
            struct stat st;
            if (entry->d_name[0] == '.' ||
                snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path)
                continue;
            if (lstat(path, &st) != 0) continue;
            if (l->count == l->capacity) {
                size_t capacity = l->capacity ? l->capacity * 2 : 64;
                struct entry *entries = realloc(l->entries, capacity * sizeof *entries);
                if (!entries) {
                    (void)closedir(dir);
                    return nx__error_set(NX_ENOMEM, "cannot read the compile cache: out of memory");
                }
                l->entries = entries;
                l->capacity = capacity;
            }
            char *copy = strdup(path);
            if (!copy) continue;
            l->entries[l->count++] = (struct entry){copy, (uint64_t)st.st_size, st.st_mtime};
            l->bytes += (uint64_t)st.st_size;
        }
        (void)closedir(dir);
    }
    return NX_OK;
}

static void listing_free(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) free(l->entries[i].path);
    free(l->entries);
}

static int older(const void *a, const void *b)
{
    time_t x = ((const struct entry *)a)->used, y = ((const struct entry *)b)->used;
    return x < y ? -1 : x > y;
}

nx_err nx__cache_info(size_t *entries, uint64_t *bytes)
{
    char *cache;
    NX_TRY(nx__cache_dir(&cache));
    struct listing l = {0};
    nx_err err = list(cache, &l);
    *entries = 0;
    for (size_t i = 0; i < l.count; i++) *entries += strstr(l.entries[i].path, ".so") != NULL;
    *bytes = l.bytes;
    listing_free(&l);
    free(cache);
    return err;
}

nx_err nx__cache_prune(uint64_t limit)
{
    char *cache;
    NX_TRY(nx__cache_dir(&cache));
    struct listing l = {0};
    nx_err err = list(cache, &l);
    if (!err && l.count) qsort(l.entries, l.count, sizeof *l.entries, older);
    for (size_t i = 0; i < l.count && !err && l.bytes > limit; i++) {
        if (unlink(l.entries[i].path) == 0) l.bytes -= l.entries[i].bytes;
    }
    listing_free(&l);
    free(cache);
    return err;
}

nx_err nx__cache_clear(void)
{
    NX_TRY(nx__cache_prune(0));
    char *cache;
    NX_TRY(nx__cache_dir(&cache));
    static const char *const folders[] = {"h", "s"};
    for (size_t f = 0; f < 2; f++) {
        char folder[PATH_SIZE];
        (void)snprintf(folder, sizeof folder, "%s/%s", cache, folders[f]);
        remove_tree(folder);
        (void)mkdir(folder, 0700);
    }
    free(cache);
    return NX_OK;
}

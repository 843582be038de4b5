/* Finding files beneath a directory and loading them. */
#include "http/files/files.h"

#include "base/clock.h"
#include "http/files/types.h"
#include "loop/files.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <nexus/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* A file that changed so lately may change again without its times showing it: they move with the
 * clock's tick, or in steps of two seconds. */
#define RACY_SPAN NX_S(2)

/* ---- Opening */

int nx__file_open_beneath(const struct nx__dir *dir, const char *path, int flags, bool now)
{
    static atomic_bool missing; /* there is no openat2 */
    if (!*path) path = ".";
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC)};
    if (dir->fd != AT_FDCWD) how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    if (now) how.resolve |= RESOLVE_CACHED;
    if (!atomic_load_explicit(&missing, memory_order_relaxed)) {
        for (;;) {
            long fd = syscall(SYS_openat2, dir->fd, path, &how, sizeof how);
            if (fd >= 0) return (int)fd;
            if (errno == EINTR) continue;
            if (errno == EINVAL && now) return -EAGAIN; /* a kernel before RESOLVE_CACHED */
            /* EAGAIN without `now`: a rename raced with the walk. */
            if (errno == EAGAIN && !now) continue;
            if (errno != ENOSYS && !(errno == EPERM && dir->fd == AT_FDCWD)) return -errno;
            break;
        }
        if (errno == ENOSYS) atomic_store_explicit(&missing, true, memory_order_relaxed);
    }
    if (now) return -EAGAIN;
    if (dir->fd != AT_FDCWD) return (int)nx__file_open_no_links(dir->fd, path, flags, 0);
    int fd = openat(AT_FDCWD, path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* ---- Loading */

static struct nx__file_identity identity_of(const struct stat *st)
{
    return (struct nx__file_identity){.device = st->st_dev,
                                      .inode = st->st_ino,
                                      .size = st->st_size,
                                      .modified = st->st_mtim,
                                      .changed = st->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static nx_duration span_of(struct timespec t)
{
    return NX_S(t.tv_sec) + t.tv_nsec;
}

static bool is_racy(const struct nx__file_identity *id)
{
    nx_duration now = nx__clock_wall();
    return now - span_of(id->changed) < RACY_SPAN || now - span_of(id->modified) < RACY_SPAN;
}

/* Hashed, so that it tells nobody the inode. */
static void etag_write(char out[NX__FILE_ETAG_MOST], const struct nx__file_identity *id, bool weak)
{
    struct {
        uint64_t device, inode, size, modified, modified_ns, changed, changed_ns;
    } plain = {(uint64_t)id->device,
               (uint64_t)id->inode,
               (uint64_t)id->size,
               (uint64_t)id->modified.tv_sec,
               (uint64_t)id->modified.tv_nsec,
               (uint64_t)id->changed.tv_sec,
               (uint64_t)id->changed.tv_nsec};
    nx_digest hash;
    NX_IGNORE(nx_hash_of(NX_BLAKE3, nx_slice(&plain, sizeof plain), &hash)); /* takes no memory */
    uint64_t bits;
    memcpy(&bits, hash.bytes, sizeof bits);
    (void)snprintf(out, NX__FILE_ETAG_MOST, "%s\"%016llx\"", weak ? "W/" : "",
                   (unsigned long long)bits);
}

static void field(struct nx__file_variant *v, const char *name, nx_bytes value)
{
    v->fields[v->field_count++] = (struct nx__field){.name = nx_str(name), .value = value};
}

static void fields_fill(struct nx__file_variant *v, const char *path, enum nx__coding coding,
                        bool vary)
{
    const char *slash = strrchr(path, '/');
    field(v, "content-type", nx__type_of(nx_str(slash ? slash + 1 : path)));
    if (coding) field(v, "content-encoding", nx_str(nx__coding_names[coding]));
    field(v, "etag", v->validator.etag);
    if (v->validator.dated) field(v, "last-modified", nx_str(v->modified));
    field(v, "accept-ranges", nx_str("bytes"));
    field(v, "x-content-type-options", nx_str("nosniff"));
    if (vary) field(v, "vary", nx_str("accept-encoding"));
}

/* Reads a small file whole. 0, -EAGAIN with `now`, -errno; a file that has become shorter is
 * -ESTALE. */
static int read_small(int fd, char *out, size_t size, bool now)
{
    for (size_t done = 0; done < size;) {
        struct iovec iov = {out + done, size - done};
        ssize_t n = now ? preadv2(fd, &iov, 1, (off_t)done, RWF_NOWAIT)
                        : pread(fd, out + done, size - done, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return now && errno == EOPNOTSUPP ? -EAGAIN : -errno;
        if (n == 0) return -ESTALE;
        done += (size_t)n;
    }
    return 0;
}

/* Opens and loads one representation; what it is must be a plain file. */
static int variant_load(const struct nx__dir *dir, const char *path, bool now,
                        struct nx__file_identity *identity, struct nx__file_variant **out)
{
    /* Not blocking: between the look at what it is and this, a pipe may have come in its place. */
    int fd = nx__file_open_beneath(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, now);
    if (fd < 0) return fd;
    struct stat st;
    int result = fstat(fd, &st) == 0 ? 0 : -errno;
    if (!result && !S_ISREG(st.st_mode)) result = -ENOENT;
    struct nx__file_variant *v = NULL;
    bool small = !result && st.st_size <= NX__FILE_SMALL;
    if (!result) {
        v = malloc(sizeof *v + (small ? (size_t)st.st_size : 0));
        if (!v) result = -ENOMEM;
    }
    if (!result) {
        *identity = identity_of(&st);
        memset(v, 0, sizeof *v);
        v->fd = fd;
        v->size = (uint64_t)st.st_size;
        etag_write(v->etag, identity, is_racy(identity));
        v->validator =
            (struct nx__validator){.etag = nx_str(v->etag), .modified = st.st_mtim.tv_sec};
        /* A date in the future would be a lie (RFC 9110 8.8.2.1). */
        v->validator.dated = NX_S(st.st_mtim.tv_sec) <= nx__clock_wall() &&
                             nx__http_date_write(v->modified, st.st_mtim.tv_sec);
        if (small) {
            char *bytes = (char *)(v + 1);
            result = read_small(fd, bytes, (size_t)st.st_size, now);
            v->bytes = bytes;
            v->fd = -1;
        }
    }
    if (result || small) (void)close(fd);
    if (result) {
        free(v);
        return result;
    }
    *out = v;
    return 0;
}

static void siblings_load(struct nx__file_lookup *l, struct nx__file_entry *entry, bool now,
                          int *result)
{
    static const char *const endings[NX__CODINGS] = {
        [NX__CODING_GZIP] = ".gz", [NX__CODING_BROTLI] = ".br", [NX__CODING_ZSTD] = ".zst"};
    char path[NX__FILE_PATH_MOST + 8];
    for (int i = 1; i < NX__CODINGS && !*result; i++) {
        int n = snprintf(path, sizeof path, "%s%s", l->path, endings[i]);
        if (n < 0 || (size_t)n >= sizeof path) return;
        struct nx__file_identity identity;
        struct nx__file_variant *v = NULL;
        int error = variant_load(l->dir, path, now, &identity, &v);
        if (error == -EAGAIN || error == -ENOMEM) *result = error;
        if (error) continue;
        if (identity.modified.tv_sec < entry->identity.modified.tv_sec - 1)
            nx__file_variant_free(v); /* made of what the file was before */
        else
            entry->variants[i] = v;
    }
}

/* What lies at the path, by a descriptor that opens nothing: a pipe's writer or a device would
 * notice. */
static int look(const struct nx__dir *dir, const char *path, bool now, struct stat *st)
{
    int fd = nx__file_open_beneath(dir, path, O_PATH, now);
    if (fd < 0) return fd;
    int result = fstat(fd, st) == 0 ? 0 : -errno;
    (void)close(fd);
    return result;
}

/* The grants were held against the directory; a deny may name something in it. */
static int permit(const struct nx__file_lookup *l)
{
    if (l->dir->fd == AT_FDCWD) return nx__permit(NX__PERMIT_READ, l->path) ? -EPERM : 0;
    char path[2 * NX__FILE_PATH_MOST];
    int n = snprintf(path, sizeof path, "%s/%s", l->dir->path, l->path);
    if (n < 0 || (size_t)n >= sizeof path) return -ENAMETOOLONG;
    return nx__permit(NX__PERMIT_READ, path) ? -EPERM : 0;
}

int nx__file_load(struct nx__file_lookup *l, bool now)
{
    struct stat st;
    l->entry = NULL;
    l->directory = false;
    int result = permit(l);
    if (!result) result = look(l->dir, l->path, now, &st);
    if (result) return result;
    l->directory = S_ISDIR(st.st_mode);
    if (l->directory) return 0;
    if (!S_ISREG(st.st_mode)) return -ENOENT;
    size_t len = strlen(l->path);
    struct nx__file_entry *entry = calloc(1, sizeof *entry + len + 1);
    if (!entry) return -ENOMEM;
    memcpy(entry->key, l->path, len + 1);
    entry->key_len = len;
    entry->dir = l->dir->id;
    entry->refs = 1;
    entry->precompressed = l->precompressed;
    nx__list_init(&entry->used);
    /* One that changes while it is read is read anew. */
    int tries = 3;
    do
        result = variant_load(l->dir, l->path, now, &entry->identity,
                              &entry->variants[NX__CODING_IDENTITY]);
    while (result == -ESTALE && --tries);
    entry->racy = !result && is_racy(&entry->identity);
    if (!result && l->precompressed) siblings_load(l, entry, now, &result);
    if (result) {
        nx__file_entry_free(entry);
        return result == -ESTALE ? -EIO : result;
    }
    entry->memory = sizeof *entry + len;
    bool vary = false;
    for (int i = 1; i < NX__CODINGS; i++) vary |= entry->variants[i] != NULL;
    for (int i = 0; i < NX__CODINGS; i++) {
        struct nx__file_variant *v = entry->variants[i];
        if (!v) continue;
        fields_fill(v, l->path, (enum nx__coding)i, vary);
        entry->memory += sizeof *v + (v->bytes ? (size_t)v->size : 0);
        entry->descriptors += v->fd >= 0;
    }
    l->entry = entry;
    return 0;
}

bool nx__file_unchanged(const struct nx__dir *dir, const struct nx__file_entry *entry)
{
    struct stat st;
    /* Follows links wherever they lead, and only compares: what is the same has been let in before.
     */
    if (entry->racy || fstatat(dir->fd, entry->key, &st, 0) != 0) return false;
    const struct nx__file_identity *id = &entry->identity;
    return st.st_ino == id->inode && st.st_dev == id->device && st.st_size == id->size &&
           same_time(st.st_mtim, id->modified) && same_time(st.st_ctim, id->changed);
}

void nx__file_variant_free(struct nx__file_variant *variant)
{
    if (!variant) return;
    if (variant->fd >= 0) (void)close(variant->fd);
    free(variant);
}

void nx__file_entry_free(struct nx__file_entry *entry)
{
    for (int i = 0; i < NX__CODINGS; i++) nx__file_variant_free(entry->variants[i]);
    free(entry);
}

/* Files as answers: finding one beneath a directory, keeping what was found, answering with it. */
#ifndef NX__FILES_HTTP_H
#define NX__FILES_HTTP_H

#include "base/list.h"
#include "date/date.h"
#include "http/coding/accept.h"
#include "http/files/conditions.h"
#include "http/server.h"
#include <sys/stat.h>

enum {
    NX__FILE_SMALL = 16 * 1024, /* bytes of a file whose contents are kept in memory; a driver
                                   sends so much in one go */
    NX__FILE_PATH_MOST = 4096,  /* bytes of a path, with the NUL */
    NX__FILE_ETAG_MOST = 40,
    NX__FILE_FIELDS_MOST = 8,
};

/* A directory that requests resolve beneath. */
struct nx__dir {
    uint64_t id;      /* no other of the process has it, ever */
    int fd;           /* AT_FDCWD for the paths that the program gives: those may go anywhere */
    const char *path; /* as the program gave it; for permissions and messages */
};

/* What a file is recognised by, without opening it. */
struct nx__file_identity {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* A representation of a file: itself, or a compressed sibling. */
struct nx__file_variant {
    int fd; /* -1 where `bytes` has it all */
    uint64_t size;
    const char *bytes; /* behind the struct */
    struct nx__validator validator;
    uint32_t field_count; /* all that a 200 has, but for cache-control */
    struct nx__field fields[NX__FILE_FIELDS_MOST];
    char etag[NX__FILE_ETAG_MOST];
    char modified[NX__HTTP_DATE_LEN + 1];
};

/* A file that has been found. */
struct nx__file_entry {
    uint32_t refs; /* of the cache and of those who answer with it */
    uint32_t hash;
    struct nx__file_entry *chain;
    struct nx__list used; /* in the cache, latest used last */
    nx_duration used_at, checked_at, siblings_checked_at;
    struct nx__file_identity identity;
    bool racy;          /* changed so lately that the next change may not show in its times */
    bool precompressed; /* siblings were looked for */
    size_t memory;
    uint32_t descriptors;
    struct nx__file_variant *variants[NX__CODINGS]; /* NULL where there is none */
    uint64_t dir;
    size_t key_len;
    char key[]; /* its path, NUL behind */
};

/* ---- open.c: nothing here suspends; it may block, unless told not to */

/* Opens `path` (relative, without "..") beneath the directory, or as it is for AT_FDCWD. Links may
 * not lead out. With `now`, -EAGAIN where the disk would have to be waited for. Returns the
 * descriptor, close-on-exec, or -errno. */
int nx__file_open_beneath(const struct nx__dir *dir, const char *path, int flags, bool now);

/* What a lookup is to find, and what it found. */
struct nx__file_lookup {
    const struct nx__dir *dir;
    const char *path;
    bool precompressed;
    struct nx__file_entry *entry; /* the caller's; NULL unless it is a plain file */
    bool directory;
};

/* Looks the path up and loads what is small. Returns 0 (a file or a directory), -ENOENT for what is
 * neither, -EPERM without permission, -errno; -EAGAIN with `now` as above. Any thread. */
int nx__file_load(struct nx__file_lookup *lookup, bool now);

/* True when the path still leads to the file of the entry, unchanged. */
bool nx__file_unchanged(const struct nx__dir *dir, const struct nx__file_entry *entry);

void nx__file_entry_free(struct nx__file_entry *entry);
void nx__file_variant_free(struct nx__file_variant *variant);

/* ---- cache.c: entries of the calling thread's loop */

/* Finds a file: kept, or looked up, on the blocking pool where that may wait for the disk. `*entry`
 * is held until nx__file_release; NULL with 0 for a directory. 0 or -errno as nx__file_load. May
 * suspend. */
int nx__file_find(const struct nx__dir *dir, const char *path, bool precompressed,
                  struct nx__file_entry **entry);
void nx__file_release(struct nx__file_entry *entry);

/* A directory by its path, opened at its first use and kept; given back with nx__file_root_release.
 * 0 or -errno. May suspend. */
int nx__file_root(const char *path, const struct nx__dir **dir);
void nx__file_root_release(const struct nx__dir *dir);

/* Makes an id for a directory. Any thread. */
uint64_t nx__dir_id(void);

/* Forgets everything; what is still held goes with its last holder. */
void nx__file_cache_clear(void);

/* Runs work that may block on the pool, or in place when the pool takes nothing. Suspends. */
int64_t nx__file_blocking(int64_t (*run)(void *arg), void *arg);

/* ---- answer.c */

struct nx__file_how {
    nx_bytes cache_control; /* the field's value; empty: none */
    nx_bytes type;          /* instead of the ending's; empty: that */
};

/* Answers with the entry, minding preconditions and ranges. Suspends. */
NX_MUST_CHECK nx_err nx__file_answer(nx_response *res, const struct nx__file_entry *entry,
                                     const struct nx__file_how *how);

/* "no-cache", "max-age=60", "max-age=60, immutable" into `out`. */
void nx__file_cache_control(char *out, size_t size, nx_duration max_age, bool immutable);

/* Records the error of a lookup, and which status it is to become. */
NX_MUST_CHECK nx_err nx__file_failed(int error, const char *path);

/* ---- list.c */

/* Answers with a page that lists the directory. Suspends. */
NX_MUST_CHECK nx_err nx__file_list(nx_response *res, const struct nx__dir *dir, const char *path,
                                   bool dotfiles);

/* ---- static.c */

/* Opens the directories of the server's routers, those that are not open yet. NX_EPERM, NX_ENOENT,
 * NX_EACCES, NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__static_open(nx_http_server *server);
void nx__static_close(nx_http_server *server);

#endif

/* Files and directories. */
#ifndef NEXUS_FS_H
#define NEXUS_FS_H

#include <nexus/base.h>
#include <nexus/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is common to all: a path that is not absolute is of the current directory. Every call passes
 * the grants first (NX_EPERM, with the flag that would allow it); all suspend the calling fiber and
 * none blocks its loop, unless said otherwise. NX_ENOENT, NX_EACCES, NX_EIO, NX_ENOMEM, NX_ELIMIT,
 * NX_ECANCELED and NX_EMFILE come out of most of them; nx_error_last()->system has the errno, where
 * two share a code. */

/* ---- Whole files */

/* Reads a whole file into memory of the current scope; a NUL byte follows the last. NX_EPERM (needs
 * --allow-read), NX_ETOOBIG (over NX_FS_MAX_READ). */
NX_API NX_MUST_CHECK nx_err nx_fs_read_file(const char *path, nx_bytes *out);
#define NX_FS_MAX_READ ((size_t)1 << 30)

/* Replaces a file's contents, keeping its permissions, or makes it (mode 0666 less the umask).
 * Readers see the old contents or the new, never half: it is written aside, synced and renamed, and
 * its directory synced. NX_EPERM (needs --allow-write), NX_EINVAL (a device, pipe or socket),
 * NX_ENOSPC, NX_ECANCELED (then the old contents stay). */
NX_API NX_MUST_CHECK nx_err nx_fs_write_file(const char *path, nx_bytes contents);

/* Adds to the end of a file, or makes it; not synced. What several write at once does not mix, on a
 * local disk. NX_EPERM (needs --allow-write), NX_ENOSPC. */
NX_API NX_MUST_CHECK nx_err nx_fs_append_file(const char *path, nx_bytes contents);

/* ---- Open files */

typedef struct nx_file nx_file;

typedef struct nx_fs_open_options {
    size_t size;
    bool read, write; /* neither: read */
    bool append;      /* write, and always at the end */
    bool create;      /* write, and make it where there is none */
    bool exclusive;   /* make it; NX_EEXIST where there is one */
    bool truncate;    /* write, and begin with nothing */
    bool no_follow;   /* a link is not followed where it is the last part */
    unsigned mode;    /* of a new one, less the umask; 0: 0666 */
} nx_fs_open_options;

/* Opens a file: NX_TRY(nx_fs_open(&file, "log", .append = true, .create = true)). The caller closes
 * it. NX_EPERM (needs --allow-read, --allow-write, or both), NX_EEXIST. */
NX_API NX_MUST_CHECK nx_err nx_fs_open_with(nx_file **out, const char *path,
                                            const nx_fs_open_options *options);
#define nx_fs_open(out, path, ...)                                                                 \
    nx_fs_open_with((out), (path),                                                                 \
                    &(nx_fs_open_options){.size = sizeof(nx_fs_open_options), __VA_ARGS__})

/* Closes it; NULL is nothing. What a network file system could not write comes out here. The file
 * is gone in either case. No fiber may be in a call on it. */
NX_API NX_MUST_CHECK nx_err nx_file_close(nx_file *file);
static inline void nx_file_auto(nx_file **file)
{
    NX_IGNORE(nx_file_close(*file));
    *file = NULL;
}

/* Memory to read into. */
typedef struct nx_space {
    void *data;
    size_t len;
} nx_space;

/* Reads at the file's position and moves it: as much as fits unless the end comes first; of a pipe
 * or a terminal, what is there, and waits for something to be. `*got` is 0 at the end. Straight
 * into the caller's memory. */
NX_API NX_MUST_CHECK nx_err nx_file_read(nx_file *file, void *data, size_t len, size_t *got);
/* The same at `offset` bytes from the beginning, leaving the position. */
NX_API NX_MUST_CHECK nx_err nx_file_read_at(nx_file *file, uint64_t offset, void *data, size_t len,
                                            size_t *got);
/* The same into several places by turns, at the position; at most NX_FILE_PIECES_MOST. */
NX_API NX_MUST_CHECK nx_err nx_file_readv(nx_file *file, const nx_space *spaces, size_t count,
                                          size_t *got);
/* What is left, as nx_fs_read_file has it. */
NX_API NX_MUST_CHECK nx_err nx_file_read_rest(nx_file *file, nx_bytes *out);

/* Writes all of it at the position, and moves that. NX_ENOSPC; part of it may be written then. */
NX_API NX_MUST_CHECK nx_err nx_file_write(nx_file *file, nx_bytes bytes);
NX_API NX_MUST_CHECK nx_err nx_file_write_at(nx_file *file, uint64_t offset, nx_bytes bytes);
NX_API NX_MUST_CHECK nx_err nx_file_writev(nx_file *file, const nx_bytes *pieces, size_t count);
#define NX_FILE_PIECES_MOST 1024

typedef enum nx_seek { NX_SEEK_START, NX_SEEK_CURRENT, NX_SEEK_END } nx_seek;

/* Moves the position; where it is then goes to `*position`, if that is not NULL. NX_EINVAL (before
 * the beginning, or a pipe). Suspends for NX_SEEK_END only. */
NX_API NX_MUST_CHECK nx_err nx_file_seek(nx_file *file, int64_t offset, nx_seek from,
                                         uint64_t *position);

/* Cuts the file, or fills it up with zeros. */
NX_API NX_MUST_CHECK nx_err nx_file_truncate(nx_file *file, uint64_t size);

/* Returns when the disk has what was written; of `data` alone, its times may not be there yet. */
NX_API NX_MUST_CHECK nx_err nx_file_sync(nx_file *file);
NX_API NX_MUST_CHECK nx_err nx_file_sync_data(nx_file *file);

/* Its descriptor, the file's to close; for what is not here. Does not suspend. */
NX_API int nx_file_descriptor(const nx_file *file);

typedef struct nx_file_lock_options {
    size_t size;
    bool shared; /* with others that are shared */
    bool now;    /* NX_EAGAIN instead of waiting */
} nx_file_lock_options;

/* Locks the file against others that lock it, in this program or another (flock). Held until it is
 * unlocked or closed. Waiting looks again after 1 ms, and later each 50 ms. */
NX_API NX_MUST_CHECK nx_err nx_file_lock_with(nx_file *file, const nx_file_lock_options *options);
#define nx_file_lock(file, ...)                                                                    \
    nx_file_lock_with((file),                                                                      \
                      &(nx_file_lock_options){.size = sizeof(nx_file_lock_options), __VA_ARGS__})
/* Does not suspend. */
NX_API void nx_file_unlock(nx_file *file);

typedef struct nx_map {
    char *data; /* NULL where `len` is 0 */
    size_t len;
} nx_map;

typedef struct nx_file_map_options {
    size_t size;
    uint64_t offset; /* a multiple of the page size */
    uint64_t len;    /* 0: to the end */
    bool write; /* what is written goes to the file, which must be open for reading and writing */
    bool copy;  /* it may be written, and stays in memory */
} nx_file_map_options;

/* Maps a file into memory, which the caller frees; the file may be closed before. Touching a page
 * that is not in memory blocks the loop, and one that the file has lost meanwhile (it was cut) ends
 * the program with SIGBUS: for files that nobody else writes. NX_EINVAL. */
NX_API NX_MUST_CHECK nx_err nx_file_map_with(nx_file *file, nx_map *out,
                                             const nx_file_map_options *options);
#define nx_file_map(file, out, ...)                                                                \
    nx_file_map_with((file), (out),                                                                \
                     &(nx_file_map_options){.size = sizeof(nx_file_map_options), __VA_ARGS__})
/* Returns when the disk has what was written into it. */
NX_API NX_MUST_CHECK nx_err nx_map_sync(nx_map *map);
NX_API void nx_map_free(nx_map *map);
static inline void nx_map_auto(nx_map *map)
{
    nx_map_free(map);
}

/* ---- What is known of a file */

typedef enum nx_file_type {
    NX_FILE_UNKNOWN,
    NX_FILE_REGULAR,
    NX_FILE_DIRECTORY,
    NX_FILE_LINK,
    NX_FILE_FIFO,
    NX_FILE_SOCKET,
    NX_FILE_CHARACTER,
    NX_FILE_BLOCK
} nx_file_type;

typedef struct nx_stat {
    nx_file_type type;
    unsigned mode; /* permissions: 0 to 07777 */
    uint32_t user, group;
    uint64_t size;      /* bytes */
    uint64_t allocated; /* bytes on the disk */
    uint64_t links;
    uint64_t inode, device; /* the same in both: the same file */
    nx_time accessed, modified, changed;
    nx_time created; /* 0 where the file system does not keep it */
} nx_stat;

/* Needs --allow-read; nx_fs_lstat is of a link itself, not of what it leads to. */
NX_API NX_MUST_CHECK nx_err nx_fs_stat(const char *path, nx_stat *out);
NX_API NX_MUST_CHECK nx_err nx_fs_lstat(const char *path, nx_stat *out);
NX_API NX_MUST_CHECK nx_err nx_file_stat(nx_file *file, nx_stat *out);

/* Is there such a file, and may the program know? False too where --allow-read does not grant it:
 * nx_fs_stat tells the two apart. Whoever is about to open it had better do so, and see. */
NX_API bool nx_fs_exists(const char *path);

/* All need --allow-write, and are about what a link leads to but for nx_fs_lchown. */
NX_API NX_MUST_CHECK nx_err nx_fs_chmod(const char *path, unsigned mode);
NX_API NX_MUST_CHECK nx_err nx_file_chmod(nx_file *file, unsigned mode);
/* NX_FS_KEEP keeps a user or a group as it is. */
#define NX_FS_KEEP UINT32_MAX
NX_API NX_MUST_CHECK nx_err nx_fs_chown(const char *path, uint32_t user, uint32_t group);
NX_API NX_MUST_CHECK nx_err nx_fs_lchown(const char *path, uint32_t user, uint32_t group);
NX_API NX_MUST_CHECK nx_err nx_file_chown(nx_file *file, uint32_t user, uint32_t group);
/* The times of the last reading and writing; NX_TIME_NOW, and NX_TIME_KEEP for one that stays. */
#define NX_TIME_NOW  INT64_MAX
#define NX_TIME_KEEP INT64_MIN
NX_API NX_MUST_CHECK nx_err nx_fs_utimes(const char *path, nx_time accessed, nx_time modified);
NX_API NX_MUST_CHECK nx_err nx_file_utimes(nx_file *file, nx_time accessed, nx_time modified);
NX_API NX_MUST_CHECK nx_err nx_fs_truncate(const char *path, uint64_t size);

/* Space of the file system that a path is on, bytes. Needs --allow-read. */
typedef struct nx_fs_space {
    uint64_t total, free, available; /* `available` without the system's reserve */
    uint64_t files, files_free;      /* 0 where it has no limit of them */
} nx_fs_space;
NX_API NX_MUST_CHECK nx_err nx_fs_space_of(const char *path, nx_fs_space *out);

/* ---- Names */

typedef struct nx_fs_mkdir_options {
    size_t size;
    bool parents;  /* makes what is missing above it too, and is content if it is there */
    unsigned mode; /* less the umask; 0: 0777 */
} nx_fs_mkdir_options;

/* Needs --allow-write. NX_EEXIST. */
NX_API NX_MUST_CHECK nx_err nx_fs_mkdir_with(const char *path, const nx_fs_mkdir_options *options);
#define nx_fs_mkdir(path, ...)                                                                     \
    nx_fs_mkdir_with((path),                                                                       \
                     &(nx_fs_mkdir_options){.size = sizeof(nx_fs_mkdir_options), __VA_ARGS__})

typedef struct nx_fs_rename_options {
    size_t size;
    bool no_replace; /* NX_EEXIST where `to` is there */
    bool exchange;   /* each gets the other's name, at once */
} nx_fs_rename_options;

/* Gives `from` the name `to`, in place of what has it. Needs --allow-read and --allow-write for
 * `from`, --allow-write for `to` (both for an exchange). NX_ESTATE where they are on two file
 * systems.
 */
NX_API NX_MUST_CHECK nx_err nx_fs_rename_with(const char *from, const char *to,
                                              const nx_fs_rename_options *options);
#define nx_fs_rename(from, to, ...)                                                                \
    nx_fs_rename_with((from), (to),                                                                \
                      &(nx_fs_rename_options){.size = sizeof(nx_fs_rename_options), __VA_ARGS__})

/* Removes a file, a link, or an empty directory. Needs --allow-write. */
NX_API NX_MUST_CHECK nx_err nx_fs_remove(const char *path);

/* Removes it with all that is in it; content if there is nothing. Links are removed, not followed,
 * also such as are put in the way meanwhile. Goes on where something can't be removed, and returns
 * the first error. Needs --allow-write. */
NX_API NX_MUST_CHECK nx_err nx_fs_remove_all(const char *path);

/* Another name for the same file. Needs --allow-read and --allow-write for `from`, --allow-write
 * for `to`. */
NX_API NX_MUST_CHECK nx_err nx_fs_link(const char *from, const char *to);
/* A link at `path` that leads to `target`, which may be anything. Needs --allow-write for `path`.
 */
NX_API NX_MUST_CHECK nx_err nx_fs_symlink(const char *target, const char *path);
/* Where a link leads, as it is written; memory of the current scope, NUL-terminated. Needs
 * --allow-read. NX_EINVAL where it is none. */
NX_API NX_MUST_CHECK nx_err nx_fs_read_link(const char *path, nx_bytes *out);
/* The absolute path without links. Needs --allow-read for where it leads. */
NX_API NX_MUST_CHECK nx_err nx_fs_real_path(const char *path, nx_bytes *out);

/* ---- For a while */

typedef struct nx_fs_temp_options {
    size_t size;
    const char *in;     /* directory; NULL: $TMPDIR, or else /tmp */
    const char *prefix; /* of the name; NULL: "nexus-" */
} nx_fs_temp_options;

/* Makes an empty directory that only its owner may use (0700). The path is memory of the current
 * scope; removing it is the caller's. Needs --allow-write for the directory that it is made in. */
NX_API NX_MUST_CHECK nx_err nx_fs_temp_dir_with(const char **path,
                                                const nx_fs_temp_options *options);
#define nx_fs_temp_dir(path, ...)                                                                  \
    nx_fs_temp_dir_with((path),                                                                    \
                        &(nx_fs_temp_options){.size = sizeof(nx_fs_temp_options), __VA_ARGS__})

/* Makes an empty file (0600), open for reading and writing. Where `path` is NULL it has no name,
 * and is gone when it is closed, or with the program. Otherwise as above. */
NX_API NX_MUST_CHECK nx_err nx_fs_temp_file_with(nx_file **out, const char **path,
                                                 const nx_fs_temp_options *options);
#define nx_fs_temp_file(out, path, ...)                                                            \
    nx_fs_temp_file_with((out), (path),                                                            \
                         &(nx_fs_temp_options){.size = sizeof(nx_fs_temp_options), __VA_ARGS__})

/* ---- Copies */

typedef struct nx_fs_copy_options {
    size_t size;
    bool recursive;       /* a directory, with all that is in it */
    bool no_follow;       /* where `from` is a link, a link is made that leads where it does */
    bool no_replace;      /* NX_EEXIST where a file is there */
    bool keep_newer;      /* a file that is there stays, unless it is older */
    bool keep_times;      /* of the last reading and writing */
    bool keep_attributes; /* the extended ones of users ("user.…") */
    bool skip_special;    /* leaves out pipes, sockets and devices, NX_EINVAL otherwise */
    bool keep_links;      /* two names of one file in a directory become two names of one file */
    const char *match;    /* what of a directory, as nx_fs_walk has it */
    const char *const *ignore;
    bool no_hidden;
} nx_fs_copy_options;

/* Copies a file's contents and permissions to `to`, in place of what is there: by sharing its
 * blocks where the file system can, else inside the kernel, holes left out. Half of it may be there
 * after an error. Needs --allow-read for `from`, --allow-write for `to`. NX_EINVAL (the same file,
 * or no plain file).
 *
 * With `recursive` a directory is copied with what is in it, into one that is there or a new one,
 * of the same permissions. Links in it are copied as they are written, and none is followed, in
 * `to` neither. A file that is there is replaced at once, when all of its contents are. The first
 * error ends it, its message names the file in question, and what was copied before stays, but for
 * half of a file; so it is with NX_ECANCELED, which comes out between files and within large ones.
 * What is denied below `from` or `to` is such an error, unless it is ignored. NX_EINVAL (`to` is
 * `from`, or in it), NX_EEXIST (something else is where a directory is to be), NX_ELIMIT (over
 * NX_FS_COPY_LINKS_MOST files of several names, with `keep_links`). */
NX_API NX_MUST_CHECK nx_err nx_fs_copy_with(const char *from, const char *to,
                                            const nx_fs_copy_options *options);
#define NX_FS_COPY_LINKS_MOST ((size_t)1 << 20)
#define nx_fs_copy(from, to, ...)                                                                  \
    nx_fs_copy_with((from), (to),                                                                  \
                    &(nx_fs_copy_options){.size = sizeof(nx_fs_copy_options), __VA_ARGS__})

/* ---- Streams, as <nexus/stream.h> has them; errors come out where they are used */

/* Reads a file from its beginning. Needs --allow-read. */
NX_API nx_stream *nx_fs_reader(const char *path);

typedef struct nx_fs_writer_options {
    size_t size;
    bool append;    /* behind what is there, instead of in its place */
    bool exclusive; /* NX_EEXIST where there is a file */
    bool sync;      /* finished when the disk has it */
    unsigned mode;  /* of a new one, less the umask; 0: 0666 */
} nx_fs_writer_options;

/* Writes a file, which it makes, or empties. Needs --allow-write. */
NX_API nx_stream *nx_fs_writer_with(const char *path, const nx_fs_writer_options *options);
#define nx_fs_writer(...)        NX__FS_WRITER(__VA_ARGS__, .size = sizeof(nx_fs_writer_options))
#define NX__FS_WRITER(path, ...) nx_fs_writer_with((path), &(nx_fs_writer_options){__VA_ARGS__})

/* ---- Directories */

/* One of a directory. Both strings last as the call says that gave it. */
typedef struct nx_fs_entry {
    const char *path;     /* from where the call's own path was from: "src/http/h1/parser.c" */
    const char *name;     /* its last part: "parser.c" */
    const char *relative; /* below the directory that the call was given: "http/h1/parser.c" */
    nx_file_type type;    /* of a link NX_FILE_LINK, wherever it leads */
    unsigned depth;       /* 1: in that directory itself */
    nx_err error; /* of a directory that can't be read (its second coming): why; else NX_OK */
} nx_fs_entry;

/* What a directory has in it, but for "." and "..", sorted by the bytes of the names; memory of the
 * current scope. Needs --allow-read. */
NX_API NX_MUST_CHECK nx_err nx_fs_list(const char *path, nx_fs_entry **entries, size_t *count);

typedef struct nx_walk nx_walk;

typedef struct nx_fs_walk_options {
    size_t size;
    const char *match; /* a pattern of <nexus/glob.h> that the relative path of what comes matches,
                          or the name where there is no "/" in the pattern; NULL: everything */
    const char *const *ignore; /* such patterns, NULL at the end: what does not come, nor what is in
                                  it */
    unsigned depth;            /* how deep to go, 0: all the way */
    bool no_hidden;            /* nothing whose name begins with a dot */
} nx_fs_walk_options;

/* Goes through a directory and those in it: a directory before what is in it, else in no order.
 * Links are not followed, also such as are put in the way meanwhile. What comes or goes while it
 * walks may be seen or not. The caller frees it. Needs --allow-read; what is denied below comes as
 * an entry with an error. NX_EINVAL (a pattern). */
NX_API NX_MUST_CHECK nx_err nx_fs_walk_with(nx_walk **out, const char *path,
                                            const nx_fs_walk_options *options);
#define nx_fs_walk(out, path, ...)                                                                 \
    nx_fs_walk_with((out), (path),                                                                 \
                    &(nx_fs_walk_options){.size = sizeof(nx_fs_walk_options), __VA_ARGS__})

/* The next entry, valid until the call after; NX_ECLOSED at the end, NX_ELIMIT (over
 * NX_WALK_WAITING_MOST bytes of paths of directories that are still to be read). */
NX_API NX_MUST_CHECK nx_err nx_walk_next(nx_walk *walk, nx_fs_entry *entry);
#define NX_WALK_WAITING_MOST ((size_t)64 << 20)

/* Does not go into the directory that came last. Suspends while what is read ahead is read. */
NX_API void nx_walk_skip(nx_walk *walk);
/* Suspends for a moment where something is read ahead; that is given up. NULL is nothing. */
NX_API void nx_walk_free(nx_walk *walk);
static inline void nx_walk_auto(nx_walk **walk)
{
    nx_walk_free(*walk);
    *walk = NULL;
}

/* ---- Watching */

typedef enum nx_fs_event_kind {
    NX_FS_CREATE,
    NX_FS_MODIFY, /* its contents */
    NX_FS_REMOVE,
    NX_FS_RENAME,  /* `from` has become `path` */
    NX_FS_OVERFLOW /* more has happened than the system could keep: look for yourself */
} nx_fs_event_kind;

typedef struct nx_fs_event {
    nx_fs_event_kind kind;
    const char *path;     /* from where the watch's own path was from; valid until the next call */
    const char *relative; /* below the directory that is watched; "" for itself */
    const char *from;     /* NX_FS_RENAME: the path that it had; else NULL */
    bool directory;       /* it is one */
} nx_fs_event;

typedef struct nx_fs_watch_options {
    size_t size;
    bool recursive;
    bool create, modify, remove, rename; /* what to tell; none: everything */
    const char *match;                   /* as those of nx_fs_walk */
    const char *const *ignore;
    bool no_hidden;
    nx_duration debounce; /* tells when there has been quiet for so long, ten times that at most: a
                             file that is written often comes once, one that comes and goes not at
                             all; 0: at once */
} nx_fs_watch_options;

typedef struct nx_watcher nx_watcher;

/* Watches a directory, with `recursive` all below it, or a file; links are not followed. From here
 * on no change is missed: what is in a new directory before it could be watched comes as created. A
 * rename that crosses the border of what is watched, matched or told is a NX_FS_CREATE or
 * NX_FS_REMOVE. The caller frees it, on the loop where it was made. Needs --allow-read; nothing is
 * told of what lies in a directory that is denied. NX_ELIMIT
 * (the system's limit of watches, with its name), NX_EINVAL (a pattern). */
NX_API NX_MUST_CHECK nx_err nx_fs_watch_with(nx_watcher **out, const char *path,
                                             const nx_fs_watch_options *options);
#define nx_fs_watch(out, path, ...)                                                                \
    nx_fs_watch_with((out), (path),                                                                \
                     &(nx_fs_watch_options){.size = sizeof(nx_fs_watch_options), __VA_ARGS__})

/* Waits for the next event. NX_ECLOSED once what is watched is gone (its NX_FS_REMOVE comes
 * before), NX_ELIMIT where a new directory can't be watched, what is in it being missed from then
 * on, NX_ESTATE (another fiber waits already). */
NX_API NX_MUST_CHECK nx_err nx_watcher_next(nx_watcher *watcher, nx_fs_event *event);
/* Ends it; a fiber that waits for its next event gets NX_ECLOSED. NULL is nothing. */
NX_API void nx_watcher_free(nx_watcher *watcher);
static inline void nx_watcher_auto(nx_watcher **watcher)
{
    nx_watcher_free(*watcher);
    *watcher = NULL;
}

/* "create", "modify", "remove", "rename", "overflow"; static storage. Does not suspend. */
NX_API const char *nx_fs_event_name(nx_fs_event_kind kind);

#ifdef __cplusplus
}
#endif

#endif

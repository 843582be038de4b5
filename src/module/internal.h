/* What the parts of the module loader share. */
#ifndef NX__MODULE_INTERNAL_H
#define NX__MODULE_INTERNAL_H

#include "base/buffer.h"
#include "module/module.h"
#include <sys/stat.h>

enum {
    NX__HASH_BYTES = 32,
    NX__HASH_TEXT = NX__HASH_BYTES * 2 + 1,
    NX__INPUTS_MOST = 4096,      /* files in one program */
    NX__SOURCE_MOST = 256 << 20, /* bytes of one file */
    NX__MANIFEST_MOST = 4 * 1024 * 1024,
    NX__COMPILERS_MOST = 4,
    NX__COMPILER_PATH = 1024,
};
#define NX__RACE_WINDOW                                                                            \
    INT64_C(20000000) /* ns: two changes so close together may leave the same times */

/* A time of a file, in nanoseconds. */
static inline int64_t nx__file_time(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- hash.c: BLAKE2b, as text. */
struct nx__hash;
void nx__hash_bytes(const void *data, size_t len, char out[NX__HASH_TEXT]);
/* Hashes a file's contents, or as many bytes from its start; -errno on failure. */
int nx__hash_file(int fd, char out[NX__HASH_TEXT]);
int nx__hash_part(int fd, uint64_t size, char out[NX__HASH_TEXT]);

/* ---- find.c: the C compilers that there are. */
enum nx__compiler_kind {
    NX__COMPILER_TCC,
    NX__COMPILER_GCC,
    NX__COMPILER_CLANG,
    NX__COMPILER_ZIG,
    NX__COMPILER_WASM, /* nexus-wasmc, our own, for WebAssembly */
};

struct nx__compiler {
    enum nx__compiler_kind kind;
    size_t folders; /* of the PATH, counted from its start: those that it and all before it in the
                       list were looked for in */
    uint64_t size;  /* size and time change with an upgrade */
    int64_t mtime_ns;
    char path[NX__COMPILER_PATH];
};

struct nx__compilers {
    struct nx__compiler items[NX__COMPILERS_MOST];
    size_t count;
    size_t folders;      /* of the PATH that have been looked at */
    bool blind;          /* something may become a compiler without its folder changing */
    int64_t searched_ns; /* when the search began, by the clock of file times */
};

/* Those to try, in this order: `chosen` alone where it is given (by `chosen_by`, "CC" or a flag,
 * for messages), else tcc, gcc, clang, zig cc on the PATH. tcc neither optimises nor describes a
 * program so that debuggers read it, so it is none of them where one of that is `wanted`. NX_ENOENT
 * with how to get one, NX_EINVAL. */
enum nx__wanted { NX__WANTED_ANY, NX__WANTED_RELEASE, NX__WANTED_DEBUG };
NX_MUST_CHECK nx_err nx__compilers_find(struct nx__compilers *compilers, const char *chosen,
                                        const char *chosen_by, enum nx__wanted wanted);

/* The one for WebAssembly, which comes with Nexus. NX_ENOTSUP where it does not. */
NX_MUST_CHECK nx_err nx__compilers_find_wasm(struct nx__compilers *compilers);

/* What a request wants of the compiler. */
static inline enum nx__wanted nx__wanted(const struct nx__compile_request *request)
{
    return request->debug     ? NX__WANTED_DEBUG
           : request->release ? NX__WANTED_RELEASE
                              : NX__WANTED_ANY;
}

/* The outcome of a search, as it is remembered: the compilers that were asked to make a program, of
 * which the last one did. Of each there are path, size and time, of the last one `folders` too. */
struct nx__found {
    struct nx__compilers compilers;
    char folders[NX__HASH_TEXT]; /* hash of the PATH and of what its folders were like */
};

/* Remembers the search that found the first `count` of `compilers`. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__found_note(struct nx__found *found, const struct nx__compilers *compilers,
                                    size_t count);

/* True when a search would find them again: none of them has changed, and nothing has come, gone or
 * been replaced in the folders where they were looked for. One stat each, no search. */
bool nx__found_again(const struct nx__found *found, const char *chosen);

/* True when the list begins with the very compilers of `found`. */
bool nx__found_among(const struct nx__found *found, const struct nx__compilers *compilers);

/* ---- manifest.c: what a compiled program was made of. */
struct nx__input {
    char *path; /* absolute */
    uint64_t dev, ino, size;
    int64_t mtime_ns, ctime_ns;
    char hash[NX__HASH_TEXT];
};

struct nx__manifest {
    char key[NX__HASH_TEXT];     /* names the compiled file */
    char so_hash[NX__HASH_TEXT]; /* of its contents */
    uint64_t so_size;
    struct nx__found found;
    struct nx__input *inputs; /* the first is the program's main file */
    size_t count, capacity;
};

/* Reads the text of a manifest, whatever it holds. False when it is not one; the caller frees it in
 * every case. */
bool nx__manifest_parse(struct nx__manifest *manifest, const char *text, size_t len);
NX_MUST_CHECK nx_err nx__manifest_format(const struct nx__manifest *manifest,
                                         struct nx__buffer *out);
/* Adds a copy, unless the path is there already. NX_ELIMIT, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__manifest_add(struct nx__manifest *manifest, const struct nx__input *input);
bool nx__manifest_has(const struct nx__manifest *manifest, const char *path);
void nx__manifest_free(struct nx__manifest *manifest);

/* ---- inputs.c: the files that go in. */
void nx__input_stat(struct nx__input *input, const struct stat *st);
/* Stats and hashes a file; `input->path` is `path` itself. */
NX_MUST_CHECK nx_err nx__input_read(const char *path, struct nx__input *input);
/* Adds each file that a depfile names, with its contents. */
NX_MUST_CHECK nx_err nx__inputs_depfile(const char *path, struct nx__manifest *manifest);
/* The same from what `tcc -vv` lists ("->  HEADER"), since its depfiles leave out the system's
 * headers and do not escape spaces. */
NX_MUST_CHECK nx_err nx__inputs_listing(const char *path, const char *source,
                                        struct nx__manifest *manifest);

/* ---- cache.c */
/* Records why the cache cannot be used. */
nx_err nx__cache_error(int error, const char *path);
/* True when the disk has no room for even a small program. */
bool nx__cache_full(const char *path);
/* A new private folder, with the parts of a cache that a compilation needs, in the first temporary
 * place from the `*place`th on that has one; `*place` goes past it. False when there is none. The
 * caller frees the path, and removes it with nx__staging_remove. */
bool nx__temporary_make(size_t *place, char **out);
/* The public headers, laid into the cache at first use. The caller frees the path. */
NX_MUST_CHECK nx_err nx__headers_dir(const char *cache, char **out);
NX_MUST_CHECK nx_err nx__read_small(const char *path, size_t most, struct nx__buffer *out);
/* Writes the file at `aside`, which is not there yet, and makes it `path`, which was another's or
 * none until then. 0, or the errno; nothing stays at `aside` then. */
NX_MUST_CHECK int nx__write_aside(const char *aside, const char *path, mode_t mode,
                                  const void *data, size_t len);
/* The same for a file of the cache, which its owner alone may read. */
NX_MUST_CHECK nx_err nx__write_whole(const char *path, const void *data, size_t len);
/* A new folder in the cache for one compilation; the caller frees the path, and removes it with
 * nx__staging_remove. */
NX_MUST_CHECK nx_err nx__staging_make(const char *cache, char **out);
void nx__staging_remove(const char *path);

/* ---- object.c: compiled files. */
/* Opens one of the cache; -1 when it is not what the manifest says. Machine code is run, so it is
 * checked: ours, nobody else's to write, and whole. */
int nx__object_open(const char *path, const struct nx__manifest *manifest);
/* False for a new one that was cut short: tcc does not notice a full disk. The section headers are
 * its end. */
bool nx__object_is_whole(int fd, uint64_t size);
/* Copies one into memory that nobody can write to any more, since the folder that it lies in goes
 * away, and may be one that nothing can be run from. The hash names it. Sets `so_fd` and `so_path`.
 * NX_ENOMEM, NX_EFAILED and others, recorded. */
NX_MUST_CHECK nx_err nx__object_into_memory(int from, uint64_t size, const char *hash,
                                            struct nx__compiled *out);

/* ---- attempt.c */
/* How compilers are told a file, so that their messages name it as the user would: below the folder
 * of the path `given` of the program, whose real path is `main_path`. The caller frees it; NULL
 * when memory is out. */
char *nx__path_shown(const char *given, const char *main_path, const char *real);

/* ---- resolve.c */
/* Lists for a message the nexus_modules that are looked in from a folder on: `in
 * "/a/nexus_modules"`, or that there are none. */
void nx__modules_list(const char *from, char *out, size_t size);

/* ---- sandbox.c: one run of a compiler, sealed. */
struct nx__tool_run {
    char **argv;
    const char *staging;   /* the only place where it may write */
    const char **readable; /* folders that it may read, NULL at the end, besides the system's */
    int output;            /* its stderr, and its stdout too without `listing` */
    const char *listing;   /* a file for its stdout, or NULL */
    int seconds;           /* after which it is killed; 0: two minutes */
};
/* Runs it to its end. `*status` as from waitpid. Blocks the calling thread, and needs no descriptor
 * to keep the time. */
NX_MUST_CHECK nx_err nx__tool_run(const struct nx__tool_run *run, int *status);
/* True when the kernel holds the compiler to its folders. */
bool nx__tool_sealed(void);

#endif

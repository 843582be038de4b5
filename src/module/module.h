/* Turning C programs into loadable ones: resolving, compiling, caching, loading. In the launcher:
 * blocking, one thread. */
#ifndef NX__MODULE_H
#define NX__MODULE_H

#include "base/buffer.h"
#include "base/error.h"

struct nx__compile_request {
    const char *path;         /* as the user gave it */
    bool release;             /* optimised, never with tcc */
    bool debug;               /* for a debugger, never with tcc */
    bool refresh;             /* whatever the cache has */
    bool program;             /* it has to have a main */
    bool no_warnings;         /* a compiler that succeeds is not heard */
    const char *compiler;     /* the one to take, may be NULL */
    const char *compiler_by;  /* who chose it, for messages: "CC" (as NULL is) or a flag */
    const char *const *flags; /* more for the compiler, not for tcc; NULL at the end; may be NULL.
                                 They belong to the key */
    const char *notes;        /* folder for the *.gcno that it makes; may be NULL */
    struct nx__buffer *said;  /* gets what the compiler has said of what it refuses; may be NULL */
};

/* A file that went in. */
struct nx__module_input {
    char *path;
    bool own; /* neither the system's nor the runtime's */
};

struct nx__compiled {
    char *so_path; /* in the cache, or as /proc/self/maps names what lies in memory; tells it from
                      every other */
    int so_fd;     /* open for reading, checked; -1 on failure */
    struct nx__module_input *inputs;
    size_t input_count;
    bool from_cache;
    char *compiler;
    char *warnings_path; /* file in the cache for what compilers warn of in it; NULL without one */
    char *warning;       /* why the result is not kept in the cache; NULL when it is */
};

/* Compiles the program with all that it includes, or finds it in the cache. Where the cache can't
 * be used it is compiled in a temporary folder that is gone afterwards, and `warning` says why; the
 * result lies in memory then. The caller frees `*out` in every case. NX_ENOENT, NX_EACCES (no
 * source), NX_ECOMPILE (the compiler's words are on stderr; inputs are filled as far as known),
 * NX_ENOTSUP (no compiler), NX_ENOSPC, NX_EIO, NX_ENOMEM, recorded. */
NX_MUST_CHECK nx_err nx__module_compile(const struct nx__compile_request *request,
                                        struct nx__compiled *out);
void nx__compiled_free(struct nx__compiled *compiled);

/* True for the name of WebAssembly: "x.wasm", "x.wat", "x.cwasm". nx__module_compile takes such a
 * file too; the last is compiled already (module/artifact.h). */
bool nx__is_wasm(const char *name);

/* Flags of WebAssembly's compiler for code that counts fuel. */
extern const char *const nx__wasm_metered[];

/* Finds a file that is installed with Nexus in its lib/: in $NEXUS_LIBDIR, or beside the folder of
 * the running program. `*out` is NULL where there is none; the caller frees it. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__part_find(const char *name, char **out);

/* ---- Warnings: gcc and clang say them when they compile. tcc has none, so one of them is asked
 * later. */

/* Adds what is known that compilers warn of in the program. NX_ENOENT and others when it is not
 * known yet. */
NX_MUST_CHECK nx_err nx__module_warnings(const struct nx__compiled *compiled,
                                         struct nx__buffer *out);

/* Asks gcc or clang about a program that is in the cache, adds what it warns of, and remembers it.
 * Takes as long as compiling it. NX_EAGAIN when there is no such compiler or no such program,
 * NX_ENOMEM and others. */
NX_MUST_CHECK nx_err nx__module_check(const struct nx__compile_request *request,
                                      struct nx__buffer *out);

/* ---- Cache */

/* The cache's folder ($NEXUS_CACHE, $XDG_CACHE_HOME/nexus, ~/.cache/nexus), made with mode 0700.
 * NX_EACCES when it belongs to, or can be written by, somebody else: what lies in it is run. The
 * caller frees it. */
NX_MUST_CHECK nx_err nx__cache_dir(char **out);

/* Number of compiled programs and the bytes of everything. */
NX_MUST_CHECK nx_err nx__cache_info(size_t *entries, uint64_t *bytes);

/* Removes what was used longest ago until `limit` bytes are left; 0 removes everything. */
NX_MUST_CHECK nx_err nx__cache_prune(uint64_t limit);
NX_MUST_CHECK nx_err nx__cache_clear(void);

/* Bytes that the cache may grow to: $NEXUS_CACHE_MAX, else 512 MiB. */
uint64_t nx__cache_limit(void);

/* ---- Resolving and loading */

/* True for the name of a native library: "libx.so", "/usr/lib/libx.so.6". */
bool nx__is_library(const char *name);

/* Finds what `from_file` means by `name`: "./x.c" (or without its ending, or a folder with
 * index.c), an absolute path, a package in the nearest nexus_modules, or one of the system's
 * libraries ("libm.so.6"). Links are followed. The caller frees it.
 * NX_ENOENT, NX_EINVAL, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__resolve(const char *from_file, const char *name, char **path_out);

/* The program of a project: the path of "main" in the nexus.toml of that folder. The caller frees
 * it. NX_ENOENT (no nexus.toml), NX_EINVAL (it names none), NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__project_main(const char *folder, char **out);

/* Loads a compiled program. `so_fd` may be -1: then by path. It stays loaded. NX_EINVAL with the
 * loader's words. */
NX_MUST_CHECK nx_err nx__module_load(int so_fd, const char *so_path, void **handle);

/* Loads a compiled program and finds its main. `so_fd` may be -1: then by path. NX_ECOMPILE (it has
 * no main, or needs a name that nothing has), NX_EINVAL with the loader's words. */
NX_MUST_CHECK nx_err nx__module_load_app(int so_fd, const char *so_path,
                                         int (**entry)(int, char **));

#endif

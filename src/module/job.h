/* A program on its way to being compiled: what compile.c, which knows the cache, and attempt.c,
 * which knows the compilers, share. */
#ifndef NX__JOB_H
#define NX__JOB_H

#include "module/compiler.h"
#include "module/internal.h"

enum { NX__JOB_PATH = 4096 };

struct nx__job {
    const struct nx__compile_request *request;
    char *cache; /* where it is made: the cache, or a temporary folder */
    bool temporary;
    bool no_place; /* what has failed is the place, so another may do */
    char *headers, *main_path, *manifest_path;
    struct nx__compilers compilers; /* empty before a search */
    struct nx__manifest old;        /* what is known from the last time */
    bool has_old, several;          /* several: it had more than one source */
    bool wasm;                      /* the program is WebAssembly */
    char root[NX__JOB_PATH];        /* the project's folder */
};

/* Whether a header of the program's, by its real path, has a .c file beside it, whose real path is
 * stored; that is a part of the program too, and in the manifest once it is compiled. */
bool nx__job_brings(const struct nx__job *job, const char *header, char source[NX__JOB_PATH]);

/* Compiles with one compiler into the folder `staging`, again where a file changed meanwhile, so
 * that what was compiled is what was hashed. Fills the manifest but for what was found and made;
 * after NX_ECOMPILE, too, as far as it is known. What the compiler said is in the file `output`.
 * `*settled` is false when the files never kept still. NX_ECOMPILE, NX_ENOMEM, NX_ELIMIT and
 * others, recorded but for the first. */
NX_MUST_CHECK nx_err nx__job_attempts(struct nx__job *job, const struct nx__compiler *compiler,
                                      const char *staging, int output, struct nx__manifest *m,
                                      bool *settled);

#endif

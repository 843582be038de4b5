/* Headers of WebAssembly modules: `#include "./compute.wasm.h"` is made of compute.wasm, so that
 * its functions are called with their own types. */
#ifndef NX__TYPED_H
#define NX__TYPED_H

#include "module/job.h"

/* Where the headers for a program lie, in the cache. False where that is too long. */
bool nx__typed_dir(const char *cache, const char *main_path, char out[NX__JOB_PATH]);

/* Makes those that a source includes, as it would name them, and adds the modules to what the
 * program is made of. Why one can't be made is written to `output`, for the compiler then does not
 * find it. `*made` becomes true if there was one. NX_ENOMEM, NX_EIO and others, recorded. */
NX_MUST_CHECK nx_err nx__typed_make(const struct nx__job *job, const char *source, int output,
                                    struct nx__manifest *m, bool *made);

/* The text of one, for the fuzzer too: a type and functions named after `stem`, of the module that
 * the program opens as `path`. Errors of nx__exports_each, NX_ETOOBIG. */
NX_MUST_CHECK nx_err nx__typed_text(nx_bytes module, const char *stem, const char *path,
                                    struct nx__buffer *out);

#endif

/* The functions that a WebAssembly module exports, from its bytes. */
#ifndef NX__EXPORTS_H
#define NX__EXPORTS_H

#include <nexus/base.h>

enum { NX__EXPORT_TYPES = 32 /* parameters and results of a function that is listed */ };

struct nx__export {
    nx_bytes name; /* in the module's bytes */
    /* What is a number in C: "i32", "i64", "f32" or "f64", by its byte in the module. */
    uint8_t types[NX__EXPORT_TYPES];
    uint8_t params, results;
};

/* Calls `use` for each exported function whose parameters and results are numbers, in the module's
 * order, until it returns an error, which is returned. Those of other types are left out. The bytes
 * may be anything: NX_EINVAL, not recorded, where they are no module that can be read so far.
 * NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__exports_each(nx_bytes module,
                                      nx_err (*use)(void *arg, const struct nx__export *function),
                                      void *arg);

/* The word for such a byte, and the type in C; NULL for all others. */
const char *nx__export_word(uint8_t type);
const char *nx__export_c_type(uint8_t type);

#endif

/* Writing JSON straight into memory that the caller has. */
#ifndef NX__JSON_H
#define NX__JSON_H

#include <nexus/json.h>

/* Writes the value as compact JSON to `out` as far as `cap` bytes reach, and returns the length of
 * the whole; when that is over `cap` the output is incomplete. `out` may be NULL if `cap` is 0.
 * `*err` is NX_OK, or NX_EINVAL (recorded) for what JSON can't say. One pass, no allocation. */
size_t nx__json_write(nx_value value, char *out, size_t cap, nx_err *err);

#endif

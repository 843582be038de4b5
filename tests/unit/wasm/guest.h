/* Guests for tests, from their text. */
#ifndef NX__TEST_GUEST_H
#define NX__TEST_GUEST_H

#include <nexus/fs.h>
#include <nexus/test.h>
#include <nexus/wasm.h>

/* Lets this test find the engine of its tree, and a cache of its own. */
void guest_prepare(void);

/* Writes `(module TEXT)` into the test's folder, whose cache it is compiled into. Returns its path.
 */
const char *guest_file(const char *text);

/* The same, as it is. */
const char *guest_file_named(const char *name, nx_bytes content);

/* Opens it; closed when the test ends. */
nx_wasm *guest_open(const char *text, const nx_wasm_options *options);

#define guest(text, ...)                                                                           \
    guest_open((text), &(nx_wasm_options){.size = sizeof(nx_wasm_options), __VA_ARGS__})

#endif

/* A program that is WebAssembly, in the app's process. */
#ifndef NX__WASM_APP_H
#define NX__WASM_APP_H

#include "cli/options.h"

/* What stands for the main of a compiled WebAssembly program; takes the descriptor. */
int (*nx__wasm_app(const struct nx__run *run, int fd))(int argc, char **argv);

#endif

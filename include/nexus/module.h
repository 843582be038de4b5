/* Loading modules while the program runs. */
#ifndef NEXUS_MODULE_H
#define NEXUS_MODULE_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A loaded module; stays loaded until the program ends. Importing the same again gives the same. */
typedef struct nx_module nx_module;

/* Loads "./x.c" (compiled, with what it includes), a native library ("./x.so", "/opt/libx.so.6",
 * the system's "libm.so.6"), an installed package by name, or a part of the runtime such as
 * "nexus:http". Relative names are relative to the program's file. NX_EPERM (needs --allow-ffi for
 * a native library), NX_ENOENT, NX_ECOMPILE (the compiler's words go to stderr), NX_EINVAL (no
 * loadable module), NX_ENOTSUP. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_import(nx_module **out, const char *name);

/* The address of what the module exports under that name. NX_ENOENT. Does not suspend.
 *   int (*add)(int, int); NX_TRY(nx_module_symbol(m, "add", &add)); */
NX_API NX_MUST_CHECK nx_err nx_module_symbol(nx_module *module, const char *name,
                                             void *address_out);

#ifdef __cplusplus
}
#endif

#endif

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
 * loadable module, or it needs a library or symbol that is not there), NX_ENOTSUP. Suspends; the
 * library's own constructors run on the loop's thread meanwhile. */
NX_API NX_MUST_CHECK nx_err nx_import(nx_module **out, const char *name);

/* Sets a pointer, to a function or a variable, to what the module or the libraries that it needs
 * export under that name:
 *   double (*cosine)(double); NX_TRY(nx_symbol(m, "cos", &cosine));
 * The type is the variable's own, and nobody can check it: it has to be that of the library's
 * header. That it is a pointer is checked when it is compiled. NX_ENOENT, with the name that is
 * nearest. The pointer is set on success alone, and good until the program ends. Does not suspend.
 */
#define nx_symbol(module, name, pointer)                                                           \
    nx_module_symbol((module), (name),                                                             \
                     (pointer) + 0 * sizeof(char[sizeof(*(pointer)) == sizeof(void *) ? 1 : -1]))

/* The same without that check. */
NX_API NX_MUST_CHECK nx_err nx_module_symbol(nx_module *module, const char *name,
                                             void *address_out);

#ifdef __cplusplus
}
#endif

#endif

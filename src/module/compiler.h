/* How each C compiler is asked. */
#ifndef NX__COMPILER_DRIVER_H
#define NX__COMPILER_DRIVER_H

#include "module/internal.h"

enum { NX__SOURCES_MOST = 256, NX__ROOT_MOST = 4096 };

/* Grows with every change of what compilers are told and of what is taken from them: part of the
 * cache key. */
enum { NX__COMPILER_ARGUMENTS = 7 };

/* The project of a program: the nearest folder with a nexus.toml, or else where the program lies.
 */
void nx__project_root(const char *main_path, char root[NX__ROOT_MOST]);

/* One compilation; all it makes lies in `staging`: out.so, N.o, and N.d, which tells what went in
 * (tcc: its listing). */
struct nx__build {
    const struct nx__compiler *compiler;
    bool release;
    const char *headers;   /* folder of the public headers */
    const char *typed;     /* folder of headers that were made of modules, or NULL */
    const char *main_path; /* absolute: packages are looked for from there upwards */
    const char *root;      /* the project's folder */
    const char *staging;
    const char *const *flags; /* more of them, not for tcc; may be NULL */
    int output;               /* for the compiler's words */
    bool no_undefined;        /* names that nothing has are an error, the runtime's among them */
};

/* Each NX_OK, NX_ECOMPILE (it said no), or what kept it from running. */
NX_MUST_CHECK nx_err nx__build_whole(const struct nx__build *build,
                                     const char *source); /* one source: out.so and 0.d */
NX_MUST_CHECK nx_err nx__build_object(const struct nx__build *build, const char *source,
                                      size_t number);
NX_MUST_CHECK nx_err nx__build_link(const struct nx__build *build, size_t objects);

/* WebAssembly: out.so, which depends on that file alone. */
NX_MUST_CHECK nx_err nx__build_wasm(const struct nx__build *build, const char *source);

/* What the compiler is told of the language and of where headers are, NULL at the end; valid until
 * the next call of any of these. NX_ELIMIT. */
NX_MUST_CHECK nx_err nx__build_arguments(const struct nx__build *build, const char *const **out);

/* Copies the *.gcno that the compiler has left in `staging`. NX_EIO and others, recorded. */
NX_MUST_CHECK nx_err nx__notes_keep(const char *staging, const char *folder);

/* Reads a source for its warnings alone; makes nothing. gcc or clang. */
NX_MUST_CHECK nx_err nx__build_check(const struct nx__build *build, const char *source);

/* ---- symbols.c */

/* Looks whether the runtime and the system have every name that out.so needs, and out.so a main
 * where it is a program; says what is missing, by file and line where the compiler can. It was made
 * of `source`, or of so many objects. NX_ECOMPILE, and what keeps out.so from being read. */
NX_MUST_CHECK nx_err nx__symbols_check(const struct nx__build *build, const char *source,
                                       size_t objects, bool program);

/* ---- stack.c */

/* Makes out.so say that the stack need not be executable, where it says nothing; where it wants one
 * that is, says so. NX_ECOMPILE, NX_EIO and others, recorded. */
NX_MUST_CHECK nx_err nx__stack_check(const struct nx__build *build);

/* ---- constructors.c */

/* Says so in `output` where the source, by its text, has functions that tcc would not run:
 * NX_ECOMPILE.
 */
NX_MUST_CHECK nx_err nx__constructors_check(const char *path, int output);

/* ---- hints.c */

/* True when the compiler has said so. */
bool nx__output_says(int output, const char *words);

/* Adds to what the compiler said in `output` of a program that does not compile what it does not
 * know: where packages are looked for, and what it may read. */
void nx__compile_hints(const char *main_path, const char *root, int output);

#endif

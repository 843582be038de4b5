/* Patterns of paths. */
#ifndef NEXUS_GLOB_H
#define NEXUS_GLOB_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `*` is any run of characters but "/", `?` one of them, `[a-z]` and `[!a-z]` one of a class,
 * `{a,b}` either text, which may be patterns too, `**` as a whole component any number of
 * components, none included; `\` makes the next character stand for itself. Characters are those of
 * UTF-8. What begins with a dot is hidden: only a dot in the pattern matches it. A "./" at the
 * beginning, and a "/" at the end or twice, are as if they weren't there. Matching takes time in
 * proportion to the product of both lengths at most, whatever the pattern. */
typedef struct nx_glob nx_glob;

typedef struct nx_glob_options {
    size_t size;
    bool hidden; /* a leading dot is a character like others */
} nx_glob_options;

/* Compiles a pattern; the caller frees it. NX_EINVAL (what is wrong, and at which character),
 * NX_ELIMIT (more than NX_GLOB_ALTERNATIVES_MOST by braces, NX_GLOB_COMPONENTS_MOST components, or
 * NX_GLOB_LENGTH_MOST bytes), NX_ENOMEM. None of these suspends; a compiled pattern may be used by
 * several threads. */
NX_API NX_MUST_CHECK nx_err nx_glob_new_with(nx_glob **out, const char *pattern,
                                             const nx_glob_options *options);
#define nx_glob_new(out, pattern, ...)                                                             \
    nx_glob_new_with((out), (pattern),                                                             \
                     &(nx_glob_options){.size = sizeof(nx_glob_options), __VA_ARGS__})
NX_API void nx_glob_free(nx_glob *glob);
static inline void nx_glob_auto(nx_glob **glob)
{
    nx_glob_free(*glob);
    *glob = NULL;
}
#define NX_GLOB_ALTERNATIVES_MOST 256
#define NX_GLOB_COMPONENTS_MOST   63
#define NX_GLOB_LENGTH_MOST       4096

/* Does the whole path match? */
NX_API bool nx_glob_matches(const nx_glob *glob, nx_bytes path);

/* Could something below this directory match? So that a search need not go there. */
NX_API bool nx_glob_reaches(const nx_glob *glob, nx_bytes directory);

#ifdef __cplusplus
}
#endif

#endif

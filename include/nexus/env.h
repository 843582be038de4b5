/* Environment variables: read, typed, set, listed, and read from .env files. */
#ifndef NEXUS_ENV_H
#define NEXUS_ENV_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A program under `nexus run` has the variables that --allow-env grants, and those that say no more
 * than where it runs: HOME, LANG, LC_*, LANGUAGE, LOGNAME, PATH, PWD, SHELL, TERM, TMPDIR, TZ,
 * USER, XDG_*, those about colours and the terminal's size, NEXUS_*. Others are taken from it
 * before its first line runs, so that getenv has none of them either. A call for one of those is
 * NX_EPERM, which names the flag.
 *
 * The environment is one for the whole process. These calls may be made on any thread with a scope,
 * also at the same time; getenv of another thread may not while a variable is set. */

/* The variable's value, in memory of the current scope; NULL where it isn't set (NX_ENOENT is left
 * as the last error), is not granted (NX_EPERM), or memory is out. Does not suspend. */
NX_API const char *nx_env(const char *name);

/* ---- Typed
 *
 * Each reads the variable into `*out`, which keeps what it has where the variable isn't set:
 *   int64_t port = 3000;
 *   NX_TRY(nx_env_int("PORT", &port, .least = 1, .most = 65535));
 * One that is set but empty counts as not set, but for nx_env_text.
 *
 * NX_EINVAL: `cannot use PORT="80a": expected a whole number from 1 to 65535`. NX_ENOENT (it is
 * `.required` and not set), NX_EPERM, NX_ENOMEM. None suspends. */

typedef struct nx_env_options {
    size_t size;
    bool required;
    /* For whole numbers, spans and sizes. Both 0: any; `most` 0 above a positive `least`: any from
     * there on. */
    int64_t least, most;
} nx_env_options;
#define NX__ENV(...)                                                                               \
    &(nx_env_options)                                                                              \
    {                                                                                              \
        .size = sizeof(nx_env_options), __VA_ARGS__                                                \
    }

/* As it is, in memory of the current scope. */
NX_API NX_MUST_CHECK nx_err nx_env_text_with(const char *name, const char **out,
                                             const nx_env_options *options);
#define nx_env_text(name, out, ...) nx_env_text_with((name), (out), NX__ENV(__VA_ARGS__))

/* A whole number: digits, with a sign or without. */
NX_API NX_MUST_CHECK nx_err nx_env_int_with(const char *name, int64_t *out,
                                            const nx_env_options *options);
#define nx_env_int(name, out, ...) nx_env_int_with((name), (out), NX__ENV(__VA_ARGS__))

/* A number: "0.5", "-1e3". */
NX_API NX_MUST_CHECK nx_err nx_env_number_with(const char *name, double *out,
                                               const nx_env_options *options);
#define nx_env_number(name, out, ...) nx_env_number_with((name), (out), NX__ENV(__VA_ARGS__))

/* 1, true, yes, on; 0, false, no, off; whatever the case. */
NX_API NX_MUST_CHECK nx_err nx_env_bool_with(const char *name, bool *out,
                                             const nx_env_options *options);
#define nx_env_bool(name, out, ...) nx_env_bool_with((name), (out), NX__ENV(__VA_ARGS__))

/* A span of time: "250ms", "1.5h", "1h30m", as nx_duration_parse of <nexus/date.h> has it; not
 * below 0, unless `least` is. */
NX_API NX_MUST_CHECK nx_err nx_env_duration_with(const char *name, nx_duration *out,
                                                 const nx_env_options *options);
#define nx_env_duration(name, out, ...) nx_env_duration_with((name), (out), NX__ENV(__VA_ARGS__))

/* A size in bytes: "512", "64K", "64KiB", "2G"; K, M, G and T stand for powers of 1,024. */
NX_API NX_MUST_CHECK nx_err nx_env_size_with(const char *name, int64_t *out,
                                             const nx_env_options *options);
#define nx_env_size(name, out, ...) nx_env_size_with((name), (out), NX__ENV(__VA_ARGS__))

/* ---- Setting and listing */

/* Sets or removes a variable for the whole process, and for the programs that it starts from then
 * on. The text is copied. NX_EINVAL (no name, or "=" in it), NX_EPERM, NX_ENOMEM. Not while another
 * thread calls getenv: best at the start of the program. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_env_set(const char *name, const char *value);
NX_API NX_MUST_CHECK nx_err nx_env_unset(const char *name);

typedef struct nx_env_variable {
    const char *name, *value;
} nx_env_variable;

/* All that the program may read, by name, in memory of the current scope. NX_ENOMEM. Does not
 * suspend. */
NX_API NX_MUST_CHECK nx_err nx_env_list(nx_env_variable **out, size_t *count);

/* ---- Files */

/* Reads the text of a .env file; what comes later goes before what came earlier when it is set. The
 * result is memory of the current scope, in the file's order. Lines are
 *
 *   NAME=value of one line      # the comment begins behind a blank
 *   export NAME='as it is, $HOME too, over
 *   as many lines as it takes'
 *   NAME="\n \r \t \\ \" \$ mean what they do in C; other backslashes stay"
 *
 * `value` stands as 'value' does. Nothing is replaced and no command is run. Names are letters,
 * digits and "_", not with a digit first. NX_EINVAL, with the number of the line; NX_ETOOBIG (over
 * NX_ENV_FILE_MOST bytes), NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_env_parse(nx_bytes text, nx_env_variable **out, size_t *count);
#define NX_ENV_FILE_MOST ((size_t)1 << 20)

typedef struct nx_env_load_options {
    size_t size;
    bool override; /* sets those too that are set already */
} nx_env_load_options;

/* Reads the file and sets its variables, but for those that are set already: who starts the program
 * has the last word. All or, with an error, none: errors of nx_fs_read_file, nx_env_parse and
 * nx_env_set, and NX_ETOOBIG for more than NX_ENV_FILE_VARIABLES_MOST. Suspends.
 * nx_env_load(".env") */
NX_API NX_MUST_CHECK nx_err nx_env_load_with(const char *path, const nx_env_load_options *options);
#define nx_env_load(path, ...)                                                                     \
    nx_env_load_with((path),                                                                       \
                     &(nx_env_load_options){.size = sizeof(nx_env_load_options), __VA_ARGS__})
#define NX_ENV_FILE_VARIABLES_MOST ((size_t)4096)

#ifdef __cplusplus
}
#endif

#endif

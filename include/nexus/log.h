/* Logs: a message and typed fields, levels, text for people or JSON for machines. */
#ifndef NEXUS_LOG_H
#define NEXUS_LOG_H

#include <nexus/base.h>
#include <nexus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum nx_log_level {
    NX_LOG_TRACE = 1,
    NX_LOG_DEBUG,
    NX_LOG_INFO,
    NX_LOG_WARN,
    NX_LOG_ERROR,
    NX_LOG_FATAL,
    NX_LOG_OFF /* as the least level: nothing is logged */
} nx_log_level;

/* ---- Writing lines
 *
 * nx_log_info("user logged in", "id", 42, "name", name);   a message, and names with their values
 * nx_logf_info("%s: %s", name, path);                      a message in printf's format
 *
 * A field's name is a string literal (so a format in the wrong call does not compile), its value
 * any that nx_val takes; 16 fields at most. A disabled level costs one load and a branch, and does
 * not evaluate the arguments. The lines are statements. Any thread; never suspends; keeps errno and
 * nx_error_last(). NX_LOG_FATAL also waits until the line is written, and ends nothing by itself.
 */

#define nx_log_trace(...) NX__LOG(NX_LOG_TRACE, __VA_ARGS__)
#define nx_log_debug(...) NX__LOG(NX_LOG_DEBUG, __VA_ARGS__)
#define nx_log_info(...)  NX__LOG(NX_LOG_INFO, __VA_ARGS__)
#define nx_log_warn(...)  NX__LOG(NX_LOG_WARN, __VA_ARGS__)
#define nx_log_error(...) NX__LOG(NX_LOG_ERROR, __VA_ARGS__)
#define nx_log_fatal(...) NX__LOG(NX_LOG_FATAL, __VA_ARGS__)

#define nx_logf_trace(...) NX__LOGF(NX_LOG_TRACE, __VA_ARGS__)
#define nx_logf_debug(...) NX__LOGF(NX_LOG_DEBUG, __VA_ARGS__)
#define nx_logf_info(...)  NX__LOGF(NX_LOG_INFO, __VA_ARGS__)
#define nx_logf_warn(...)  NX__LOGF(NX_LOG_WARN, __VA_ARGS__)
#define nx_logf_error(...) NX__LOGF(NX_LOG_ERROR, __VA_ARGS__)
#define nx_logf_fatal(...) NX__LOGF(NX_LOG_FATAL, __VA_ARGS__)

/* What the macros call once the level is enabled; for fields that are known at run time only.
 * `items` alternate, name and value, as in nx_value_object. Nothing is kept after the call. */
NX_API void nx_log_fields(nx_log_level level, const char *message, const nx_value *items,
                          size_t count);
NX_API void nx_log_format(nx_log_level level, const char *format, ...) NX_PRINTF(2, 3);

/* A line with its newline is at most this long. What does not fit is cut: the text that reaches the
 * end, and the fields after it; the line says so by "truncated". */
#define NX_LOG_LINE_MAX ((size_t)64 * 1024)

/* ---- Levels */

/* The least level that is logged, 0 before the first line. Read it through nx_log_enabled. */
NX_API extern int nx_log_least;

/* Whether a line of this level would be logged. */
static inline bool nx_log_enabled(nx_log_level level)
{
    return (int)level >= NX_LOAD_RELAXED(&nx_log_least);
}

/* Changes the least level from now on, whatever was set before and by whom. Any thread. */
NX_API void nx_log_set_level(nx_log_level level);

/* The level of this name ("debug", in any case), 0 when there is none. */
NX_API int nx_log_level_named(const char *name);

/* ---- Where lines go, and how they look */

typedef enum nx_log_style {
    NX_LOG_TEXT = 1, /* for people; coloured on a terminal, unless NO_COLOR is set */
    NX_LOG_JSON      /* an object a line */
} nx_log_style;

typedef enum nx_log_full {
    NX_LOG_DROP = 1, /* what does not fit into the buffer is counted, and the count is logged */
    NX_LOG_BLOCK     /* the thread waits until there is room, however long that takes */
} nx_log_full;

/* Lines that are not written yet, in bytes. */
#define NX_LOG_BUFFER ((size_t)1 << 20)

typedef struct nx_log_options {
    size_t size;
    nx_log_level level; /* where neither --log-level nor NEXUS_LOG says one; default NX_LOG_INFO */
    nx_log_style style; /* where NEXUS_LOG does not say one; default NX_LOG_TEXT */
    nx_log_full when_full; /* default NX_LOG_DROP */
    const char *file;      /* appended to; default: the standard error */
    uint64_t max_size;     /* of the file, in bytes; then it becomes file.1, and file.1 becomes
                              file.2; default: no limit; at least NX_LOG_FILE_LEAST */
    unsigned keep;         /* old files that stay; default NX_LOG_KEEP, at most NX_LOG_KEEP_MOST */
} nx_log_options;
#define NX_LOG_FILE_LEAST ((uint64_t)64 * 1024)
#define NX_LOG_KEEP       4
#define NX_LOG_KEEP_MOST  99

/* Says where lines go and how they look; lines that were logged before are written first. May be
 * called again. With a file, a SIGHUP from anybody but the terminal reopens it, unless the program
 * handles that signal itself. NX_EPERM (a file needs --allow-write, with max_size for file.1 and so
 * on too), NX_ENOENT, NX_EACCES, NX_EINVAL. Does not suspend.
 * NX_TRY(nx_log_setup(.style = NX_LOG_JSON, .file = "app.log")); */
NX_API NX_MUST_CHECK nx_err nx_log_setup_with(const nx_log_options *options);
#define nx_log_setup(...)                                                                          \
    nx_log_setup_with(&(nx_log_options){.size = sizeof(nx_log_options), __VA_ARGS__})

/* Opens the file again by its name, soon: for those who move it away. Any thread, and signal
 * handlers too. */
NX_API void nx_log_reopen(void);

/* Waits until all lines so far are written. NX_ECANCELED; NX_EIO (they can't be written). Suspends;
 * outside of a fiber, blocks the thread. */
NX_API nx_err nx_log_flush(void);

/* How many lines were dropped since the program's start. Any thread. */
NX_API uint64_t nx_log_dropped(void);

/* ---- How the macros work */

#define NX__LOGF(level, ...)                                                                       \
    do {                                                                                           \
        if (nx_log_enabled(level)) nx_log_format(level, __VA_ARGS__);                              \
    } while (0)

#define NX__LOG(level, ...)                                                                        \
    do {                                                                                           \
        if (nx_log_enabled(level)) {                                                               \
            NX__LOG_PICK(NX__VALUES(__VA_ARGS__), level, __VA_ARGS__);                             \
        }                                                                                          \
    } while (0)
#define NX__LOG_PICK(count, level, ...)  NX__LOG_PICK_(count, level, __VA_ARGS__)
#define NX__LOG_PICK_(count, level, ...) NX__LOG_##count(level, __VA_ARGS__)
#define NX__LOG_SEND(level, message, n, ...)                                                       \
    nx_log_fields(level, message, (const nx_value[n]){__VA_ARGS__}, n)

/* Only a literal can stand beside "". */
#define NX__FIELD_1(name, value)                                                                   \
    nx_value_bytes(nx_slice("" name, sizeof("" name) - 1)), nx_val(value)
#define NX__FIELD_2(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_1(__VA_ARGS__)
#define NX__FIELD_3(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_2(__VA_ARGS__)
#define NX__FIELD_4(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_3(__VA_ARGS__)
#define NX__FIELD_5(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_4(__VA_ARGS__)
#define NX__FIELD_6(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_5(__VA_ARGS__)
#define NX__FIELD_7(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_6(__VA_ARGS__)
#define NX__FIELD_8(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_7(__VA_ARGS__)
#define NX__FIELD_9(name, value, ...)  NX__FIELD_1(name, value), NX__FIELD_8(__VA_ARGS__)
#define NX__FIELD_10(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_9(__VA_ARGS__)
#define NX__FIELD_11(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_10(__VA_ARGS__)
#define NX__FIELD_12(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_11(__VA_ARGS__)
#define NX__FIELD_13(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_12(__VA_ARGS__)
#define NX__FIELD_14(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_13(__VA_ARGS__)
#define NX__FIELD_15(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_14(__VA_ARGS__)
#define NX__FIELD_16(name, value, ...) NX__FIELD_1(name, value), NX__FIELD_15(__VA_ARGS__)

/* By the number of arguments behind the message. */
#define NX__LOG_0(level, message)       nx_log_fields(level, message, NULL, 0)
#define NX__LOG_2(level, message, ...)  NX__LOG_SEND(level, message, 2, NX__FIELD_1(__VA_ARGS__))
#define NX__LOG_4(level, message, ...)  NX__LOG_SEND(level, message, 4, NX__FIELD_2(__VA_ARGS__))
#define NX__LOG_6(level, message, ...)  NX__LOG_SEND(level, message, 6, NX__FIELD_3(__VA_ARGS__))
#define NX__LOG_8(level, message, ...)  NX__LOG_SEND(level, message, 8, NX__FIELD_4(__VA_ARGS__))
#define NX__LOG_10(level, message, ...) NX__LOG_SEND(level, message, 10, NX__FIELD_5(__VA_ARGS__))
#define NX__LOG_12(level, message, ...) NX__LOG_SEND(level, message, 12, NX__FIELD_6(__VA_ARGS__))
#define NX__LOG_14(level, message, ...) NX__LOG_SEND(level, message, 14, NX__FIELD_7(__VA_ARGS__))
#define NX__LOG_16(level, message, ...) NX__LOG_SEND(level, message, 16, NX__FIELD_8(__VA_ARGS__))
#define NX__LOG_18(level, message, ...) NX__LOG_SEND(level, message, 18, NX__FIELD_9(__VA_ARGS__))
#define NX__LOG_20(level, message, ...) NX__LOG_SEND(level, message, 20, NX__FIELD_10(__VA_ARGS__))
#define NX__LOG_22(level, message, ...) NX__LOG_SEND(level, message, 22, NX__FIELD_11(__VA_ARGS__))
#define NX__LOG_24(level, message, ...) NX__LOG_SEND(level, message, 24, NX__FIELD_12(__VA_ARGS__))
#define NX__LOG_26(level, message, ...) NX__LOG_SEND(level, message, 26, NX__FIELD_13(__VA_ARGS__))
#define NX__LOG_28(level, message, ...) NX__LOG_SEND(level, message, 28, NX__FIELD_14(__VA_ARGS__))
#define NX__LOG_30(level, message, ...) NX__LOG_SEND(level, message, 30, NX__FIELD_15(__VA_ARGS__))
#define NX__LOG_32(level, message, ...) NX__LOG_SEND(level, message, 32, NX__FIELD_16(__VA_ARGS__))

/* A name without a value. */
#define NX__LOG_ODD                                                                                \
    _Static_assert(0,                                                                              \
                   "nx_log_* takes a message, then names with values; for a format use nx_logf_*")
#define NX__LOG_1(level, ...)  NX__LOG_ODD
#define NX__LOG_3(level, ...)  NX__LOG_ODD
#define NX__LOG_5(level, ...)  NX__LOG_ODD
#define NX__LOG_7(level, ...)  NX__LOG_ODD
#define NX__LOG_9(level, ...)  NX__LOG_ODD
#define NX__LOG_11(level, ...) NX__LOG_ODD
#define NX__LOG_13(level, ...) NX__LOG_ODD
#define NX__LOG_15(level, ...) NX__LOG_ODD
#define NX__LOG_17(level, ...) NX__LOG_ODD
#define NX__LOG_19(level, ...) NX__LOG_ODD
#define NX__LOG_21(level, ...) NX__LOG_ODD
#define NX__LOG_23(level, ...) NX__LOG_ODD
#define NX__LOG_25(level, ...) NX__LOG_ODD
#define NX__LOG_27(level, ...) NX__LOG_ODD
#define NX__LOG_29(level, ...) NX__LOG_ODD
#define NX__LOG_31(level, ...) NX__LOG_ODD

#ifdef __cplusplus
}
#endif

#endif

/* What every Nexus program shares: errors, byte slices, memory of a scope. */
#ifndef NEXUS_BASE_H
#define NEXUS_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Compiler: the only GNU extensions that public headers use, one macro each. */

#if defined(__TINYC__)
#define NX_MUST_CHECK
#define NX_PRINTF(fmt, args)
#define NX_LOAD_RELAXED(p) (*(const volatile __typeof__(*(p)) *)(p))
#else
/* The result may not be dropped; NX_IGNORE(x) says that it is meant. */
#define NX_MUST_CHECK        __attribute__((warn_unused_result))
/* Argument number `fmt` is a printf format for the arguments from `args` on. */
#define NX_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
/* Reads a variable that another thread may be writing: an ordinary load. */
#define NX_LOAD_RELAXED(p)   __atomic_load_n((p), __ATOMIC_RELAXED)
#endif

/* The call does not return. */
#define NX_NORETURN __attribute__((noreturn))

/* Exported from the runtime. */
#define NX_API __attribute__((visibility("default")))

/* NX_AUTO(nx_thing) *t = NULL; closes the thing on every way out of the block. tcc before 0.9.28
 * would ignore it in silence; refusing it hands the program to the next compiler. */
#if defined(__TINYC__) && __TINYC__ < 928
#define NX_AUTO(type) this_tcc_has_no_NX_AUTO_use_gcc_or_clang type
#else
#define NX_AUTO(type) __attribute__((cleanup(type##_auto))) type
#endif

/* ---- Errors */

/* Every error of the runtime: name, number, text. Numbers never change and stay within 0..125,
 * so that `return nx_http_listen(server)` is a good exit code. */
#define NX_ERRORS(X)                                                                               \
    X(NX_OK, 0, "success")                                                                         \
    X(NX_EFAILED, 1, "failed")                                                                     \
    X(NX_EUSAGE, 2, "wrong usage")                                                                 \
    X(NX_ENOMEM, 3, "out of memory")                                                               \
    X(NX_EINVAL, 4, "invalid argument")                                                            \
    X(NX_ECANCELED, 5, "canceled")                                                                 \
    X(NX_ETIMEDOUT, 6, "deadline exceeded")                                                        \
    X(NX_EPERM, 7, "permission not granted")                                                       \
    X(NX_ENOENT, 8, "no such file")                                                                \
    X(NX_EEXIST, 9, "already exists")                                                              \
    X(NX_EACCES, 10, "access denied by the system")                                                \
    X(NX_EADDRINUSE, 11, "address in use")                                                         \
    X(NX_ECLOSED, 12, "closed")                                                                    \
    X(NX_ELIMIT, 13, "limit reached")                                                              \
    X(NX_EPROTO, 14, "protocol error")                                                             \
    X(NX_EIO, 15, "input or output error")                                                         \
    X(NX_ENOSPC, 16, "no space left")                                                              \
    X(NX_EMFILE, 17, "too many open files")                                                        \
    X(NX_ECOMPILE, 18, "does not compile")                                                         \
    X(NX_ENOTSUP, 19, "not supported")                                                             \
    X(NX_EWOULDSUSPEND, 20, "would suspend where it may not")                                      \
    X(NX_ESTATE, 21, "not possible in this state")                                                 \
    X(NX_ETOOBIG, 22, "too large")                                                                 \
    X(NX_EAGAIN, 23, "not ready")                                                                  \
    X(NX_ERESET, 24, "connection reset")                                                           \
    X(NX_ETYPE, 25, "wrong type")                                                                  \
    X(NX_EDEADLOCK, 26, "all fibers wait for each other")                                          \
    X(NX_EREFUSED, 27, "connection refused")                                                       \
    X(NX_EUNREACH, 28, "cannot be reached")                                                        \
    X(NX_ENONAME, 29, "no such name")                                                              \
    X(NX_ECRASHED, 30, "crashed")

typedef enum nx_err {
#define NX__ERROR_ENUM(name, number, text) name = number,
    NX_ERRORS(NX__ERROR_ENUM)
#undef NX__ERROR_ENUM
} nx_err;

/* The last error of the calling fiber. */
typedef struct nx_error {
    nx_err code;
    int system;          /* errno behind it, 0 where there is none */
    const char *message; /* what failed, on what, why; never NULL */
} nx_error;

/* Returns the calling fiber's last error. The record and its message last until the fiber's next
 * failing call. Never suspends; never fails. */
NX_API const nx_error *nx_error_last(void);

/* Returns the error's name ("NX_ENOMEM") or its text ("out of memory"); static storage. For another
 * number "NX_E77" and "unknown error 77", until the thread's next call for such a one. */
NX_API const char *nx_err_name(nx_err code);
NX_API const char *nx_err_text(nx_err code);

/* Records an error for the calling fiber, as the runtime's own calls do, and returns `code`:
 * `return nx_fail(NX_EINVAL, "id %d is unknown", id)`. Text past 240 bytes is cut. */
NX_API nx_err nx_fail(nx_err code, const char *format, ...) NX_PRINTF(2, 3);

/* Leaves the calling function with the error, if the expression is one. */
#define NX_TRY(expr)                                                                               \
    do {                                                                                           \
        nx_err nx_try_ = (expr);                                                                   \
        if (nx_try_ != NX_OK) return nx_try_;                                                      \
    } while (0)

/* Says that an error is dropped on purpose. */
#define NX_IGNORE(expr)                                                                            \
    do {                                                                                           \
        if (expr) {}                                                                               \
    } while (0)

/* ---- Bytes */

/* A slice of memory that somebody else owns; not terminated by NUL unless said so. */
typedef struct nx_bytes {
    const char *data;
    size_t len;
} nx_bytes;

/* printf("%.*s", NX_FMT(bytes)) */
#define NX_FMT(b) (int)(b).len, (b).data

/* A slice over a C string, which may be NULL (empty slice). */
static inline nx_bytes nx_str(const char *text)
{
    nx_bytes b;
    b.data = text ? text : "";
    b.len = text ? strlen(text) : 0;
    return b;
}

/* A slice over `len` bytes at `data`. */
static inline nx_bytes nx_slice(const void *data, size_t len)
{
    nx_bytes b;
    b.data = (const char *)data;
    b.len = len;
    return b;
}

static inline bool nx_bytes_eq(nx_bytes a, nx_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool nx_bytes_is(nx_bytes a, const char *text)
{
    return nx_bytes_eq(a, nx_str(text));
}

/* ---- Time spans */

/* Spans are nanoseconds. Zero as a deadline means the default, NX_FOREVER none. */
typedef int64_t nx_duration;
#define NX_FOREVER INT64_MAX
#define NX_US(n)   ((nx_duration)(n)*1000)
#define NX_MS(n)   ((nx_duration)(n)*1000000)
#define NX_S(n)    ((nx_duration)(n)*1000000000)

/* A point in time: nanoseconds since the beginning of 1970, UTC. */
typedef int64_t nx_time;

/* ---- Memory of the current scope: a request, a spawned task, an inner scope.
 * It is released as a whole when the scope ends; there is nothing to free. None of these suspends.
 * All return NULL when memory is out (and record NX_ENOMEM). */

/* `size` bytes aligned for any type, not initialised. */
NX_API void *nx_alloc(size_t size);
/* `count * size` zero bytes; NULL on overflow too. */
NX_API void *nx_alloc_zero(size_t count, size_t size);
/* A NUL-terminated copy. */
NX_API char *nx_copy(nx_bytes bytes);
/* Formatted text, NUL-terminated. */
NX_API char *nx_format(const char *format, ...) NX_PRINTF(1, 2);

/* Where a call takes an allocator, NULL stands for the current scope. */
typedef struct nx_allocator {
    /* Grows, shrinks, allocates (old NULL) or frees (size 0) as realloc would. */
    void *(*resize)(void *context, void *old, size_t old_size, size_t size);
    void *context;
} nx_allocator;

/* ---- Version */
#define NX_VERSION "0.1.0"
/* Grows when a program compiled before can no longer be loaded. Part of the cache key. */
#define NX_ABI 1
/* The version of the runtime that runs, static storage. */
NX_API const char *nx_version(void);

#ifdef __cplusplus
}
#endif

#endif

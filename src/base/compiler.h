/* GNU extensions that the sources use, one macro each. */
#ifndef NX__COMPILER_H
#define NX__COMPILER_H

#include <stddef.h>
#include <string.h>

#define nx__likely(x)   __builtin_expect(!!(x), 1)
#define nx__unlikely(x) __builtin_expect(!!(x), 0)
/* Writes a variable that others read by NX_LOAD_RELAXED. */
#define nx__store_relaxed(p, value) __atomic_store_n((p), (value), __ATOMIC_RELAXED)
/* The number of zero bits below the lowest one; `x` is not 0. */
#define nx__ctz64(x) __builtin_ctzll(x)
#define NX__INLINE   inline __attribute__((always_inline))
#define NX__NOINLINE __attribute__((noinline))
#define NX__COLD     __attribute__((cold, noinline))
/* Part of every request: the linker puts these side by side. */
#define NX__HOT      __attribute__((hot))
#define NX__NORETURN __attribute__((noreturn))
/* Gives way to another definition, where the linker meets one. */
#define NX__WEAK   __attribute__((weak))
#define NX__UNUSED __attribute__((unused))
/* Local-exec would be wrong in a shared object; initial-exec costs the same single instruction. */
#define NX__THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
/* Reads memory that is nobody's variable: a stack, word by word. */
#define NX__READS_ANYTHING __attribute__((no_sanitize_address))
#define NX__FALLTHROUGH    __attribute__((fallthrough))

/* Declares `o` as the caller's options, who may have been compiled when there were fewer. */
#define NX__OPTIONS(type, o, options)                                                              \
    type o = {0};                                                                                  \
    memcpy(&(o), (options), (options)->size < sizeof(o) ? (options)->size : sizeof(o))

/* A type of so many bytes whose operators are those of its parts, side by side. */
#define NX__VECTOR(bytes) __attribute__((vector_size(bytes)))

/* The structure that `ptr`, a pointer to its field `member`, is part of. */
#define nx__container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#if defined(__SANITIZE_ADDRESS__)
#define NX__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NX__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define NX__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NX__TSAN 1
#endif
#endif

#endif

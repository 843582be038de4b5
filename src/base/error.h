/* The last error, kept per fiber, and the context that carries it. */
#ifndef NX__ERROR_H
#define NX__ERROR_H

#include "base/compiler.h"
#include <nexus/base.h>

#define NX__ERROR_MESSAGE_MAX 240

/* The part of a fiber that the lowest floor knows. A thread without fibers has one of its own. */
struct nx__context {
    nx_error error;
    bool of_peer;    /* see nx__error_peer */
    bool looked_at;  /* by the program, which has had its say then */
    uint16_t status; /* see nx__error_status_set */
    char message[NX__ERROR_MESSAGE_MAX];
};

/* The running fiber's context; changed by the fiber switch. Never NULL once read through
 * nx__context(). */
extern NX__THREAD_LOCAL struct nx__context *nx__context_current;

/* Set where --max-memory holds the process: then errors for want of memory name it. */
extern bool nx__memory_limited;

/* Returns the running context. Any thread. */
struct nx__context *nx__context(void);

/* The last error, as nx_error_last() has it, for the runtime's own use: the program has not looked
 * at it. */
const nx_error *nx__error_last(void);

/* Records the error with a formatted message and returns `code`. Does not allocate. */
nx_err nx__error_set(nx_err code, const char *format, ...) NX_PRINTF(2, 3);

/* The same for something wrong with what a peer sent: it may be told the message, which therefore
 * has nothing secret in it. An HTTP handler that
 * returns the error answers 400 (NX_EPROTO), 413 (NX_ETOOBIG) or 415 (NX_ENOTSUP) with it. */
nx_err nx__error_peer(nx_err code, const char *format, ...) NX_PRINTF(2, 3);

nx_err nx__error_peer_v(nx_err code, const char *format, va_list args);

/* Whether the calling fiber's last error is `code`, and was recorded by nx__error_peer. */
bool nx__error_is_peers(nx_err code);

/* Says which status the error that was just recorded becomes where a protocol has such, instead of
 * the one that goes with its code. Returns the code. */
nx_err nx__error_status_set(unsigned status);

/* That status, if the calling fiber's last error is `code`; else 0. */
unsigned nx__error_status(nx_err code);

/* Records what another context, such as that of a fiber that has ended with `code`, says of it.
 * Returns the code. */
nx_err nx__error_take(const struct nx__context *from, nx_err code);

/* Text of a peer's for a message: what is not printable ASCII becomes "?", and past 40 bytes it is
 * cut. The memory is `out`. */
enum { NX__QUOTED = 44 };
const char *nx__quoted(char out[NX__QUOTED], nx_bytes text);

/* The same for a failed system call: the code is taken from `system` (an errno), whose text is
 * added after
 * ": " — nx__error_system(errno, "cannot read \"%s\"", path). */
nx_err nx__error_system(int system, const char *format, ...) NX_PRINTF(2, 3);

/* The runtime's error for an errno. */
nx_err nx__error_from_errno(int system);

/* A short text for an errno: the runtime's own words where it has some, else libc's. */
const char *nx__errno_text(int system);

#endif

/* A growable run of bytes with a cap: every buffer that a peer can make grow is one of these. */
#ifndef NX__BUFFER_H
#define NX__BUFFER_H

#include <nexus/base.h>
#include <stdarg.h>

/* All zero is an empty buffer without memory. */
struct nx__buffer {
    char *data;
    size_t len;
    size_t capacity;
};

/* Makes room for `more` bytes behind `len`. Grows by doubling, to `cap` at most: NX_ETOOBIG past
 * it, NX_ENOMEM. Records no message. */
NX_MUST_CHECK nx_err nx__buffer_reserve(struct nx__buffer *buffer, size_t more, size_t cap);

/* Adds bytes behind the last. Errors as nx__buffer_reserve. */
NX_MUST_CHECK nx_err nx__buffer_append(struct nx__buffer *buffer, const void *data, size_t len,
                                       size_t cap);

/* Adds formatted text. NX_ETOOBIG, NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__buffer_printf(struct nx__buffer *buffer, size_t cap, const char *format,
                                       ...) NX_PRINTF(3, 4);

/* The same with the arguments of a function that is itself one of these. */
NX_MUST_CHECK nx_err nx__buffer_vprintf(struct nx__buffer *buffer, size_t cap, const char *format,
                                        va_list args) NX_PRINTF(3, 0);

/* Drops the first `n` bytes. */
void nx__buffer_consume(struct nx__buffer *buffer, size_t n);

/* Gives the memory back and leaves an empty buffer. */
void nx__buffer_free(struct nx__buffer *buffer);

/* A copy with a NUL behind it, the caller's to free(); NULL when memory is out. */
char *nx__bytes_dup(nx_bytes bytes);

#endif

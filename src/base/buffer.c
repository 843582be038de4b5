/* A growable run of bytes with a cap. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAPACITY = 256 };

nx_err nx__buffer_reserve(struct nx__buffer *buffer, size_t more, size_t cap)
{
    if (more <= buffer->capacity - buffer->len) return NX_OK;
    if (buffer->len > cap || more > cap - buffer->len) return NX_ETOOBIG;
    size_t need = buffer->len + more;
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    while (capacity < need && capacity <= SIZE_MAX / 2) capacity *= 2;
    if (capacity > cap) capacity = cap;
    if (capacity < need) capacity = need;
    char *data = realloc(buffer->data, capacity);
    if (!data) return NX_ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return NX_OK;
}

nx_err nx__buffer_append(struct nx__buffer *buffer, const void *data, size_t len, size_t cap)
{
    if (!len) return NX_OK;
    NX_TRY(nx__buffer_reserve(buffer, len, cap));
    memcpy(buffer->data + buffer->len, data, len);
    buffer->len += len;
    return NX_OK;
}

nx_err nx__buffer_vprintf(struct nx__buffer *buffer, size_t cap, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0) return NX_EINVAL;
    NX_TRY(nx__buffer_reserve(buffer, (size_t)n + 1, cap));
    (void)vsnprintf(buffer->data + buffer->len, (size_t)n + 1, format, args);
    buffer->len += (size_t)n;
    return NX_OK;
}

nx_err nx__buffer_printf(struct nx__buffer *buffer, size_t cap, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = nx__buffer_vprintf(buffer, cap, format, args);
    va_end(args);
    return err;
}

void nx__buffer_consume(struct nx__buffer *buffer, size_t n)
{
    if (n < buffer->len) memmove(buffer->data, buffer->data + n, buffer->len - n);
    buffer->len -= n;
}

void nx__buffer_free(struct nx__buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct nx__buffer){0};
}

char *nx__bytes_dup(nx_bytes bytes)
{
    char *copy = malloc(bytes.len + 1);
    if (!copy) return NULL;
    if (bytes.len) memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

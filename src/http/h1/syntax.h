/* What HTTP/1.1 is spelled with: classes of bytes (RFC 9110 5.6, RFC 9112 3), and comparing
 * whatever the case. */
#ifndef NX__H1_SYNTAX_H
#define NX__H1_SYNTAX_H

#include "base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum nx__h1_class {
    NX__H1_TOKEN = 1, /* tchar: methods, field names, codings */
    NX__H1_LABEL = 2, /* letters, digits, "-", ".": nearly every field name and host */
    NX__H1_TARGET =
        4, /* request target: visible ASCII but "#". More than the grammar, which browsers break */
    NX__H1_PLAIN = 8,  /* those of a target that mean nothing to the parser: neither "?" nor "\" */
    NX__H1_VALUE = 16, /* field value: all but controls; tab is fine, and so is what is not ASCII */
    NX__H1_HOST = 32,  /* reg-name of a host, but "%", and "," which would hide a list */
    NX__H1_HEX = 64,
    NX__H1_BLANK = 128, /* OWS: space and tab */
};

extern const uint8_t nx__h1_classes[256];

/* True if the byte is in one of the classes. */
static inline bool nx__h1_is(char c, unsigned classes)
{
    return (nx__h1_classes[(unsigned char)c] & classes) != 0;
}

static inline bool nx__h1_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Upper case ASCII letters made lower case, in eight bytes at once; exact for all others. */
static inline uint64_t nx__ascii_lower8(uint64_t x)
{
    const uint64_t ones = UINT64_MAX / 255;
    uint64_t low = x & ones * 0x7f;
    /* The top bit of each byte: is it at least 'A', is it past 'Z'? */
    uint64_t upper =
        (low + ones * (0x80 - 'A')) & ~(low + ones * (0x80 - 'Z' - 1)) & ~x & ones * 0x80;
    return x | upper >> 2;
}

/* The 1 to 8 bytes at `p` as a number: equal if and only if they are, for equal `len`. */
static inline uint64_t nx__ascii_word(const char *p, size_t len)
{
    if (len == 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        return word;
    }
    if (len >= 4) {
        uint32_t head, tail;
        memcpy(&head, p, 4);
        memcpy(&tail, p + len - 4, 4);
        return (uint64_t)head << 32 | tail;
    }
    return (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len / 2] << 8 |
           (unsigned char)p[len - 1];
}

/* Are the `len` bytes equal but for the case of ASCII letters? */
static NX__INLINE bool nx__ascii_ieq(const char *a, const char *b, size_t len)
{
    for (; len > 8; a += 8, b += 8, len -= 8)
        if (nx__ascii_lower8(nx__ascii_word(a, 8)) != nx__ascii_lower8(nx__ascii_word(b, 8)))
            return false;
    return len == 0 ||
           nx__ascii_lower8(nx__ascii_word(a, len)) == nx__ascii_lower8(nx__ascii_word(b, len));
}

/* The same with a string literal, which compilers compare in registers. */
#define NX__ASCII_IS(text, len, literal)                                                           \
    ((len) == sizeof(literal) - 1 && nx__ascii_ieq((text), (literal), sizeof(literal) - 1))

#endif

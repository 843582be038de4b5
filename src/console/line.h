/* A line of the log, as text for people or as JSON: bytes in, bytes out. */
#ifndef NX__LINE_H
#define NX__LINE_H

#include <nexus/log.h>

enum nx__line_style { NX__LINE_TEXT = 1, NX__LINE_COLOR, NX__LINE_JSON };

struct nx__line {
    nx_log_level level;
    nx_duration time;  /* ns since 1970, UTC */
    const char *fiber; /* NULL: none */
    nx_bytes activity; /* empty: none */
    nx_bytes message;
    const nx_value *items; /* name and value in turn */
    size_t count;
};

/* Writes the line with its newline to `out`, whose `cap` is NX__LINE_LEAST or more, and returns its
 * length. Whatever bytes it is made of, it is one line of valid UTF-8 without control characters
 * (but for the colours), and of valid JSON in that style. What does not fit is cut; the line then
 * says "truncated", and `*whole` is false. Allocates nothing. */
size_t nx__line_write(enum nx__line_style style, const struct nx__line *line, char *out, size_t cap,
                      bool *whole);
enum { NX__LINE_LEAST = 512, NX__LINE_DEPTH = 32 /* of nested values */ };

/* The level's name: "info". */
const char *nx__level_name(nx_log_level level);

/* Writes text with everything that could steer a terminal escaped, as far as `cap` bytes reach;
 * returns the length. */
size_t nx__text_safe(char *out, size_t cap, nx_bytes text);

#endif

/* Values as people write them: in the environment, on the command line, in files. */
#ifndef NX__VALUES_H
#define NX__VALUES_H

#include <nexus/base.h>

enum nx__value_kind {
    NX__VALUE_BOOL,     /* yes, no, true, false, on, off, 1, 0; whatever the case */
    NX__VALUE_INT,      /* digits, a sign before them */
    NX__VALUE_REAL,     /* as in C, but neither infinite nor none at all */
    NX__VALUE_DURATION, /* as nx_duration_parse has it; in nanoseconds, not below 0 unless the range
                           is */
    NX__VALUE_SIZE,     /* "512", "64K", "64KiB", "2G": powers of 1,024, up to T; in bytes */
};

union nx__value {
    bool yes;
    int64_t number; /* of all that are whole */
    double real;
};

/* Where whole numbers have to lie. Both 0: anywhere; `most` 0 above a positive `least`: no limit.
 */
struct nx__value_range {
    int64_t least, most;
};

/* Reads the text, whole; false where it is no such value, or out of range: the caller sets the
 * error. Any thread. */
bool nx__value_parse(enum nx__value_kind kind, const char *text, struct nx__value_range range,
                     union nx__value *out);

/* What is expected, for a message: "a whole number from 1 to 65535". Returns `out`. */
enum { NX__VALUE_WANTED = 96 };
const char *nx__value_wanted(enum nx__value_kind kind, struct nx__value_range range,
                             char out[NX__VALUE_WANTED]);

/* A whole value as it would be written: "5s", "64M", "3000". Returns `out`. */
enum { NX__VALUE_TEXT = 32 };
const char *nx__value_text(enum nx__value_kind kind, int64_t number, char out[NX__VALUE_TEXT]);

#endif

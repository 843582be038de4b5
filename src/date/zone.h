/* Time zones: what the files of RFC 8536 and the rules of POSIX say. Pure. */
#ifndef NX__ZONE_H
#define NX__ZONE_H

#include "date/date.h"

enum {
    NX__ZONE_FILE_MOST = 256 << 10, /* bytes; the system's largest have some 4 KiB */
    NX__ZONE_TIMES_MOST = 4096,     /* changes of the clock in a file */
    NX__ZONE_KINDS_MOST = 256,      /* a byte says which */
    NX__ZONE_NAME_MOST = 64,        /* "America/Argentina/ComodRivadavia" */
    NX__ZONE_SHORT_MOST = 15,       /* "CEST", "+0545" */
};

/* What a clock is set to. */
struct nx__zone_kind {
    int offset;
    char name[NX__ZONE_SHORT_MOST + 1];
};

/* A day of each year, and the clock at it. */
struct nx__zone_day {
    enum { NX__ZONE_JULIAN, NX__ZONE_YEARDAY, NX__ZONE_WEEKDAY } form; /* Jn, n, Mm.w.d */
    int month, week, day;
    int seconds; /* since its midnight; within a week, either way */
};

/* What POSIX writes "CET-1CEST,M3.5.0,M10.5.0/3". */
struct nx__zone_rule {
    struct nx__zone_kind standard, summer;
    bool has_summer;
    struct nx__zone_day begin, end; /* of summer */
};

struct nx_zone {
    struct nx_zone *next;
    char name[NX__ZONE_NAME_MOST + 1];
    bool has_rule;
    struct nx__zone_rule rule; /* behind the last change */
    size_t time_count, kind_count;
    int64_t *times; /* seconds since 1970 at which the clock was set, rising */
    uint8_t *which; /* to what */
    struct nx__zone_kind *kinds;
};

/* Reads such a rule; NULL, or what is wrong with it. */
const char *nx__zone_rule_read(nx_bytes text, struct nx__zone_rule *out);

/* What it says of a point in time, in seconds since 1970. */
const struct nx__zone_kind *nx__zone_rule_at(const struct nx__zone_rule *rule, int64_t seconds);

/* What is "wrong" where it is memory that is missing. */
extern const char nx__zone_no_memory[];

/* Reads a file of RFC 8536, versions 1 to 4, without leap seconds. NULL, or what is wrong with it.
 * What is allocated goes by nx__zone_free, in each case. */
const char *nx__zone_file_read(nx_bytes bytes, nx_zone *out);

/* What the clock is set to at a point in time. */
const struct nx__zone_kind *nx__zone_at(const nx_zone *zone, int64_t seconds);

/* Frees what it holds, not the zone. */
void nx__zone_free(nx_zone *zone);

#endif

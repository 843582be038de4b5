/* TOML 1.1: configuration that people write. */
#ifndef NEXUS_TOML_H
#define NEXUS_TOML_H

#include <nexus/base.h>
#include <nexus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A value, or none (all zero). Every call takes none for an answer, so look-ups chain:
 * nx_toml_int(nx_toml_get(config, "server", "port"), 3000). It lasts as long as the scope in which
 * it was read, and so do the strings in it. */
typedef struct nx_toml {
    const struct nx__toml_doc *doc;
    const struct nx__toml_value *at;
} nx_toml;

typedef enum nx_toml_kind {
    NX_TOML_NONE, /* there is no such value */
    NX_TOML_BOOL,
    NX_TOML_INT,
    NX_TOML_FLOAT,
    NX_TOML_STRING,
    NX_TOML_DATE, /* or a time, or both */
    NX_TOML_ARRAY,
    NX_TOML_TABLE
} nx_toml_kind;

/* A date, a time of day, both, or both with an offset from UTC: what it is says what it has. */
typedef struct nx_toml_date {
    bool has_date, has_time, has_offset;
    int16_t year;
    uint8_t month, day;           /* from 1 */
    uint8_t hour, minute, second; /* a leap second is 60 */
    uint32_t nanosecond;
    int16_t offset; /* minutes, east of UTC */
} nx_toml_date;

/* Zero means the default. */
typedef struct nx_toml_options {
    size_t size;
    const char *name;   /* what messages call the text, "TOML"; not copied */
    uint64_t max_size;  /* bytes, NX_TOML_MAX_SIZE */
    uint32_t max_depth; /* arrays and tables in each other, NX_TOML_MAX_DEPTH; 256 at most */
} nx_toml_options;
#define NX_TOML_MAX_SIZE  ((uint64_t)1 << 20)
#define NX_TOML_MAX_DEPTH 64

/* Reads TOML into memory of the current scope; `text` is not needed after that. The result is a
 * table. NX_EINVAL with line and column, `app.toml:3:7: expected "="`; NX_ETOOBIG (max_size,
 * max_depth), NX_ENOMEM. Does not suspend. nx_toml_parse(text, &config, .name = "settings") */
NX_API NX_MUST_CHECK nx_err nx_toml_parse_with(nx_bytes text, nx_toml *out,
                                               const nx_toml_options *options);
#define nx_toml_parse(text, out, ...)                                                              \
    nx_toml_parse_with((text), (out),                                                              \
                       &(nx_toml_options){.size = sizeof(nx_toml_options), __VA_ARGS__})
/* The same for a file, by whose path messages call it. Also the errors of nx_fs_read_file, as which
 * it suspends. */
NX_API NX_MUST_CHECK nx_err nx_toml_read(const char *path, nx_toml *out);

/* The value at the end of a path of names and array indexes (up to 32), none if there is none:
 * nx_toml_get(config, "users", 0, "name"). An index n takes n steps. */
#define nx_toml_get(toml, ...) nx_toml_at((toml), NX__PATH(__VA_ARGS__))
NX_API nx_toml nx_toml_at(nx_toml toml, const nx_value *path, size_t count);

NX_API nx_toml_kind nx_toml_kind_of(nx_toml toml);
static inline bool nx_toml_is(nx_toml toml)
{
    return toml.at != NULL;
}
/* Items of an array, members of a table, 0 for all else. */
NX_API size_t nx_toml_count(nx_toml toml);

/* The value, or `fallback` where there is none or it is of another type. A whole number is a double
 * too. */
NX_API int64_t nx_toml_int(nx_toml toml, int64_t fallback);
NX_API double nx_toml_double(nx_toml toml, double fallback);
NX_API bool nx_toml_bool(nx_toml toml, bool fallback);
/* NUL-terminated (it may hold NULs, too); `fallback` may be NULL. */
NX_API nx_bytes nx_toml_string(nx_toml toml, const char *fallback);
NX_API nx_toml_date nx_toml_date_of(nx_toml toml, nx_toml_date fallback);

/* Stores what is at the end of the path in `*out`, by the type of that: bool, any integer, float,
 * double, nx_bytes, nx_toml_date, or nx_toml for whatever it is. NX_EINVAL, with the place and the
 * path, where the value is missing, of another type, or does not fit: `app.toml:2:8: server.port
 * has to be a whole number from 0 to 65535`. nx_toml_maybe leaves `*out` as it was where it is
 * missing. NX_TRY(nx_toml_need(config, &port, "server", "port")) */
#define nx_toml_need(toml, out, ...)                                                               \
    nx_toml_take((toml), (out), NX__TOML_TYPE(out), true, NX__PATH(__VA_ARGS__))
#define nx_toml_maybe(toml, out, ...)                                                              \
    nx_toml_take((toml), (out), NX__TOML_TYPE(out), false, NX__PATH(__VA_ARGS__))
NX_API NX_MUST_CHECK nx_err nx_toml_take(nx_toml toml, void *out, int type, bool needed,
                                         const nx_value *path, size_t count);
enum { NX__TOML_DATE = 0x700 };
#define NX__TOML_TYPE(out)                                                                         \
    (_Generic((out), bool *: NX__JSON_BOOL, signed char *: NX__JSON_SIGNED,                        \
         unsigned char *: NX__JSON_UNSIGNED, short *: NX__JSON_SIGNED,                             \
         unsigned short *: NX__JSON_UNSIGNED, int *: NX__JSON_SIGNED, unsigned *: NX__JSON_UNSIGNED, \
         long *: NX__JSON_SIGNED, unsigned long *: NX__JSON_UNSIGNED,                              \
         long long *: NX__JSON_SIGNED, unsigned long long *: NX__JSON_UNSIGNED,                    \
         float *: NX__JSON_REAL, double *: NX__JSON_REAL, nx_bytes *: NX__JSON_BYTES,              \
         nx_toml_date *: NX__TOML_DATE, nx_toml *: NX__JSON_ANY) |                                 \
     (int)sizeof(*(out)))

/* for (nx_toml_each each = nx_toml_begin(table); nx_toml_next(&each);) use(each.value); */
typedef struct nx_toml_each {
    nx_bytes name; /* of a member; `data` is NULL in an array */
    nx_toml value;
    size_t index;
    const struct nx__toml_value *next;
} nx_toml_each;

/* The items of an array or members of a table, in the order in which they first occur; nothing for
 * all else. */
NX_API nx_toml_each nx_toml_begin(nx_toml toml);
NX_API bool nx_toml_next(nx_toml_each *each);

/* Records NX_EINVAL for a value that the program does not take, with its place in front, and
 * returns it: return nx_toml_fail(value, "there is no level \"%.*s\"", NX_FMT(level)). */
NX_API nx_err nx_toml_fail(nx_toml toml, const char *format, ...) NX_PRINTF(2, 3);

#ifdef __cplusplus
}
#endif

#endif

/* JSON: values made in place, nx_obj("name", name, "age", 42, "tags", nx_arr("a", "b")), and
 * reading, as a tree or event by event. */
#ifndef NEXUS_JSON_H
#define NEXUS_JSON_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum nx_value_kind {
    NX_VALUE_NULL,
    NX_VALUE_BOOL,
    NX_VALUE_INT,
    NX_VALUE_UINT,
    NX_VALUE_DOUBLE,
    NX_VALUE_STRING,
    NX_VALUE_ARRAY,
    NX_VALUE_OBJECT, /* items alternate: name, value */
    NX_VALUE_RAW,    /* JSON text, written as it is */
    NX_VALUE_NONE    /* no value: there was no memory for it, or JSON has nothing like it */
} nx_value_kind;

/* A value. Strings are not copied: it lives as long as they do. */
typedef struct nx_value {
    nx_value_kind kind;
    union {
        bool boolean;
        int64_t integer;
        uint64_t uinteger;
        double real;
        struct {
            const char *data;
            size_t len;
        } string;
        struct {
            const struct nx_value *items;
            size_t count;
        } list;
    } as;
} nx_value;

/* Writes the value as compact JSON (RFC 8259) into memory of the current scope. A NaN or an
 * infinity, invalid UTF-8, an object name that is no string, and nesting past NX_JSON_MAX_DEPTH are
 * NX_EINVAL, with the reason in nx_error_last(). NX_ENOMEM. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_json_write(nx_value value, nx_bytes *out);
#define NX_JSON_MAX_DEPTH 64

static inline nx_value nx_value_int(int64_t n)
{
    nx_value v;
    v.kind = NX_VALUE_INT;
    v.as.integer = n;
    return v;
}

static inline nx_value nx_value_uint(uint64_t n)
{
    nx_value v;
    v.kind = NX_VALUE_UINT;
    v.as.uinteger = n;
    return v;
}

static inline nx_value nx_value_double(double n)
{
    nx_value v;
    v.kind = NX_VALUE_DOUBLE;
    v.as.real = n;
    return v;
}

/* true and false; a C comparison is an int and would be written as 0 or 1. */
static inline nx_value nx_bool(bool b)
{
    nx_value v;
    v.kind = NX_VALUE_BOOL;
    v.as.boolean = b;
    return v;
}

static inline nx_value nx_null(void)
{
    nx_value v;
    v.kind = NX_VALUE_NULL;
    v.as.integer = 0;
    return v;
}

/* A string; a slice without data (nothing was there) becomes null. */
static inline nx_value nx_value_bytes(nx_bytes b)
{
    nx_value v;
    v.kind = b.data ? NX_VALUE_STRING : NX_VALUE_NULL;
    v.as.string.data = b.data;
    v.as.string.len = b.len;
    return v;
}

/* A string; NULL becomes null. */
static inline nx_value nx_value_string(const char *s)
{
    return s ? nx_value_bytes(nx_str(s)) : nx_null();
}

/* JSON text that is already written; trusted to be valid. */
static inline nx_value nx_raw(nx_bytes json)
{
    nx_value v = nx_value_bytes(json);
    if (json.data) v.kind = NX_VALUE_RAW;
    return v;
}

static inline nx_value nx_value_self(nx_value v)
{
    return v;
}

/* NULL becomes null; a pointer to anything else is no JSON. */
static inline nx_value nx_value_pointer(const void *p)
{
    nx_value v = nx_null();
    if (p) v.kind = NX_VALUE_NONE;
    return v;
}

/* `count` values as an array; they are not copied. */
static inline nx_value nx_list(const nx_value *items, size_t count)
{
    nx_value v;
    v.kind = NX_VALUE_ARRAY;
    v.as.list.items = items;
    v.as.list.count = count;
    return v;
}

static inline nx_value nx_value_object(const nx_value *items, size_t count)
{
    nx_value v = nx_list(items, count);
    v.kind = NX_VALUE_OBJECT;
    return v;
}

/* An array or an object of `count` items (names and values in turn), which are copied into memory
 * of the current scope. Without memory NX_VALUE_NONE, which makes the call that writes it fail.
 * Does not suspend. */
NX_API nx_value nx_value_copy(nx_value_kind kind, const nx_value *items, size_t count);

/* A C expression as a value, by its type. */
#define nx_val(x)                                                                                  \
    _Generic((x), bool: nx_bool, char: nx_value_int, signed char: nx_value_int,                    \
        unsigned char: nx_value_uint, short: nx_value_int, unsigned short: nx_value_uint,          \
        int: nx_value_int, unsigned: nx_value_uint, long: nx_value_int,                            \
        unsigned long: nx_value_uint, long long: nx_value_int, unsigned long long: nx_value_uint,  \
        float: nx_value_double, double: nx_value_double, char *: nx_value_string,                  \
        const char *: nx_value_string, void *: nx_value_pointer, const void *: nx_value_pointer,   \
        nx_bytes: nx_value_bytes, nx_value: nx_value_self)(x)

/* An object of names and values, up to 16 pairs; larger ones with nx_value_object. Lasts as long as
 * the current scope. */
#define nx_obj(...) NX__OBJECT_FIRST(__VA_ARGS__)
#define NX__OBJECT(...)                                                                            \
    nx_value_copy(                                                                                 \
        NX_VALUE_OBJECT, NX__ITEMS(__VA_ARGS__),                                                   \
        NX__VALUES(__VA_ARGS__) +                                                                  \
            0 * sizeof(struct {                                                                    \
                char a_name_in_nx_obj_has_no_value[1 - 2 * (NX__VALUES(__VA_ARGS__) % 2)];         \
            }))

/* An array of values, up to 32; larger ones with nx_list. Lasts as long as the current scope. */
#define nx_arr(...) NX__ARRAY_FIRST(__VA_ARGS__)
#define NX__ARRAY(...)                                                                             \
    nx_value_copy(NX_VALUE_ARRAY, NX__ITEMS(__VA_ARGS__), NX__VALUES(__VA_ARGS__))

/* A first argument that does not count, so that there may be none. Those beside ## are not
 * expanded, so a nested nx_obj has to be before; tcc does expand it, and loses sight on the way of
 * there being none. */
#define NX__OBJECT_FIRST(...) NX__OBJECT(0, ##__VA_ARGS__)
#define NX__ARRAY_FIRST(...)  NX__ARRAY(0, ##__VA_ARGS__)
#ifdef __TINYC__
#undef nx_obj
#undef nx_arr
#define nx_obj(...) NX__OBJECT(0, ##__VA_ARGS__)
#define nx_arr(...) NX__ARRAY(0, ##__VA_ARGS__)
#endif

/* Behind it: how many there are, and all as values, with one more. */
#define NX__VALUES(...)                                                                            \
    NX__VALUES_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,   \
                15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
#define NX__VALUES_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16,     \
                    a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31,     \
                    a32, count, ...)                                                               \
    count
#define NX__ITEMS(...)                                                                             \
    (const nx_value[NX__VALUES(__VA_ARGS__) + 1])                                                  \
    {                                                                                              \
        NX__EACH(NX__VALUES(__VA_ARGS__), __VA_ARGS__) nx_null()                                   \
    }
#define NX__EACH(count, ...)  NX__EACH_(count, __VA_ARGS__)
#define NX__EACH_(count, ...) NX__EACH_##count(__VA_ARGS__)
#define NX__EACH_0(z)
#define NX__EACH_1(z, x)       nx_val(x),
#define NX__EACH_2(z, x, ...)  nx_val(x), NX__EACH_1(z, __VA_ARGS__)
#define NX__EACH_3(z, x, ...)  nx_val(x), NX__EACH_2(z, __VA_ARGS__)
#define NX__EACH_4(z, x, ...)  nx_val(x), NX__EACH_3(z, __VA_ARGS__)
#define NX__EACH_5(z, x, ...)  nx_val(x), NX__EACH_4(z, __VA_ARGS__)
#define NX__EACH_6(z, x, ...)  nx_val(x), NX__EACH_5(z, __VA_ARGS__)
#define NX__EACH_7(z, x, ...)  nx_val(x), NX__EACH_6(z, __VA_ARGS__)
#define NX__EACH_8(z, x, ...)  nx_val(x), NX__EACH_7(z, __VA_ARGS__)
#define NX__EACH_9(z, x, ...)  nx_val(x), NX__EACH_8(z, __VA_ARGS__)
#define NX__EACH_10(z, x, ...) nx_val(x), NX__EACH_9(z, __VA_ARGS__)
#define NX__EACH_11(z, x, ...) nx_val(x), NX__EACH_10(z, __VA_ARGS__)
#define NX__EACH_12(z, x, ...) nx_val(x), NX__EACH_11(z, __VA_ARGS__)
#define NX__EACH_13(z, x, ...) nx_val(x), NX__EACH_12(z, __VA_ARGS__)
#define NX__EACH_14(z, x, ...) nx_val(x), NX__EACH_13(z, __VA_ARGS__)
#define NX__EACH_15(z, x, ...) nx_val(x), NX__EACH_14(z, __VA_ARGS__)
#define NX__EACH_16(z, x, ...) nx_val(x), NX__EACH_15(z, __VA_ARGS__)
#define NX__EACH_17(z, x, ...) nx_val(x), NX__EACH_16(z, __VA_ARGS__)
#define NX__EACH_18(z, x, ...) nx_val(x), NX__EACH_17(z, __VA_ARGS__)
#define NX__EACH_19(z, x, ...) nx_val(x), NX__EACH_18(z, __VA_ARGS__)
#define NX__EACH_20(z, x, ...) nx_val(x), NX__EACH_19(z, __VA_ARGS__)
#define NX__EACH_21(z, x, ...) nx_val(x), NX__EACH_20(z, __VA_ARGS__)
#define NX__EACH_22(z, x, ...) nx_val(x), NX__EACH_21(z, __VA_ARGS__)
#define NX__EACH_23(z, x, ...) nx_val(x), NX__EACH_22(z, __VA_ARGS__)
#define NX__EACH_24(z, x, ...) nx_val(x), NX__EACH_23(z, __VA_ARGS__)
#define NX__EACH_25(z, x, ...) nx_val(x), NX__EACH_24(z, __VA_ARGS__)
#define NX__EACH_26(z, x, ...) nx_val(x), NX__EACH_25(z, __VA_ARGS__)
#define NX__EACH_27(z, x, ...) nx_val(x), NX__EACH_26(z, __VA_ARGS__)
#define NX__EACH_28(z, x, ...) nx_val(x), NX__EACH_27(z, __VA_ARGS__)
#define NX__EACH_29(z, x, ...) nx_val(x), NX__EACH_28(z, __VA_ARGS__)
#define NX__EACH_30(z, x, ...) nx_val(x), NX__EACH_29(z, __VA_ARGS__)
#define NX__EACH_31(z, x, ...) nx_val(x), NX__EACH_30(z, __VA_ARGS__)
#define NX__EACH_32(z, x, ...) nx_val(x), NX__EACH_31(z, __VA_ARGS__)

/* ---- Reading: a tree */

/* A value in a tree, or none (all zero). Every call takes none for an answer, so look-ups chain:
 * nx_json_int(nx_json_get(order, "items", 0, "count"), 1). It lasts as long as the scope in which
 * the tree was read, and so do the strings in it. */
typedef struct nx_json {
    const struct nx__json_doc *doc;
    const void *at;
} nx_json;

typedef enum nx_json_kind {
    NX_JSON_NONE, /* there is no such value */
    NX_JSON_NULL,
    NX_JSON_BOOL,
    NX_JSON_NUMBER,
    NX_JSON_STRING,
    NX_JSON_ARRAY,
    NX_JSON_OBJECT
} nx_json_kind;

/* What becomes of an object that has a name twice. */
typedef enum nx_json_duplicates {
    NX_JSON_DUPLICATES_REFUSED, /* an error: two readers would see two things in it */
    NX_JSON_DUPLICATES_FIRST,   /* the first counts */
    NX_JSON_DUPLICATES_LAST     /* the last counts, as in JavaScript */
} nx_json_duplicates;

/* Zero means the default. */
typedef struct nx_json_options {
    size_t size;
    uint64_t max_size;  /* bytes of the text, NX_JSON_MAX_SIZE */
    uint32_t max_depth; /* arrays and objects in each other, NX_JSON_MAX_DEPTH; 256 at most */
    nx_json_duplicates duplicates; /* refused */
    bool any_type;                 /* nx_request_json: read it whatever its content-type says */
} nx_json_options;
#define NX_JSON_MAX_SIZE ((uint64_t)64 << 20)

/* Reads JSON (RFC 8259), UTF-8 without a byte order mark, into memory of the current scope; `text`
 * is not needed after that. NX_EINVAL, with line, column and what was expected there in
 * nx_error_last(); NX_ETOOBIG (max_size, max_depth), NX_ENOMEM. Does not suspend.
 * nx_json_parse(text, &tree, .max_depth = 8) */
NX_API NX_MUST_CHECK nx_err nx_json_parse_with(nx_bytes text, nx_json *out,
                                               const nx_json_options *options);
#define nx_json_parse(text, out, ...)                                                              \
    nx_json_parse_with((text), (out),                                                              \
                       &(nx_json_options){.size = sizeof(nx_json_options), __VA_ARGS__})

/* The value at the end of a path of names and array indexes (up to 32), none if there is none:
 * nx_json_get(tree, "users", 0, "name"). A name in an object of n members takes n comparisons. */
#define nx_json_get(json, ...) nx_json_at((json), NX__PATH(__VA_ARGS__))
NX_API nx_json nx_json_at(nx_json json, const nx_value *path, size_t count);
#define NX__PATH(...) NX__ITEMS(0, ##__VA_ARGS__), NX__VALUES(0, ##__VA_ARGS__)

NX_API nx_json_kind nx_json_kind_of(nx_json json);
/* Whether there is a value at all; null is one. */
static inline bool nx_json_is(nx_json json)
{
    return json.at != NULL;
}
/* Items of an array, members of an object, 0 for all else. */
NX_API size_t nx_json_count(nx_json json);

/* The value, or `fallback` where there is none or it is of another type (for integers also where it
 * is out of range or has a fraction; 1.0 and 1e3 are fine). */
NX_API int64_t nx_json_int(nx_json json, int64_t fallback);
NX_API uint64_t nx_json_uint(nx_json json, uint64_t fallback);
NX_API double nx_json_double(nx_json json, double fallback);
NX_API bool nx_json_bool(nx_json json, bool fallback);
/* The string, NUL-terminated (it may hold NULs, too); `fallback` may be NULL. */
NX_API nx_bytes nx_json_string(nx_json json, const char *fallback);

/* Stores what is at the end of the path in `*out`, by the type of that: bool, any integer, float,
 * double, nx_bytes, or nx_json for whatever it is. An error names the path and what is wrong: the
 * value is missing, of another type, or does not fit. It is NX_EINVAL; for JSON of a request
 * NX_EPROTO, which becomes a 400 when the handler returns it: NX_TRY(nx_json_need(tree, &age,
 * "user", "age")). Without a path it is about the value itself. nx_json_maybe takes a missing value
 * or a null for an answer too, and leaves `*out` as it was. */
#define nx_json_need(json, out, ...)                                                               \
    nx_json_take((json), (out), NX__JSON_TYPE(out), true, NX__PATH(__VA_ARGS__))
#define nx_json_maybe(json, out, ...)                                                              \
    nx_json_take((json), (out), NX__JSON_TYPE(out), false, NX__PATH(__VA_ARGS__))
NX_API NX_MUST_CHECK nx_err nx_json_take(nx_json json, void *out, int type, bool needed,
                                         const nx_value *path, size_t count);
enum {
    NX__JSON_SIGNED = 0x100, /* with the size in bytes */
    NX__JSON_UNSIGNED = 0x200,
    NX__JSON_REAL = 0x300,
    NX__JSON_BOOL = 0x400,
    NX__JSON_BYTES = 0x500,
    NX__JSON_ANY = 0x600
};
#define NX__JSON_TYPE(out)                                                                         \
    (_Generic((out), bool *: NX__JSON_BOOL, signed char *: NX__JSON_SIGNED,                        \
         unsigned char *: NX__JSON_UNSIGNED, short *: NX__JSON_SIGNED,                             \
         unsigned short *: NX__JSON_UNSIGNED, int *: NX__JSON_SIGNED, unsigned *: NX__JSON_UNSIGNED, \
         long *: NX__JSON_SIGNED, unsigned long *: NX__JSON_UNSIGNED,                              \
         long long *: NX__JSON_SIGNED, unsigned long long *: NX__JSON_UNSIGNED,                    \
         float *: NX__JSON_REAL, double *: NX__JSON_REAL, nx_bytes *: NX__JSON_BYTES,              \
         nx_json *: NX__JSON_ANY) |                                                                \
     (int)sizeof(*(out)))

/* for (nx_json_each each = nx_json_begin(array); nx_json_next(&each);) use(each.value); */
typedef struct nx_json_each {
    nx_bytes name; /* of a member; `data` is NULL in an array */
    nx_json value;
    size_t index;
    const void *next;
    size_t left;
} nx_json_each;

/* The items of an array or members of an object, in their order; nothing for all else. */
NX_API nx_json_each nx_json_begin(nx_json json);
NX_API bool nx_json_next(nx_json_each *each);

/* Whether both say the same: members in any order, numbers by value (1 and 1.0 are equal). None
 * equals none alone. Two objects of n members in another order take n * n comparisons. */
NX_API bool nx_json_equal(nx_json a, nx_json b);

/* The value as compact JSON in memory of the current scope: for nx_raw, storing, logging.
 * NX_ENOMEM, and NX_EINVAL past the depth that nx_json_write takes. Does not suspend. */
NX_API NX_MUST_CHECK nx_err nx_json_text(nx_json json, nx_bytes *out);

/* ---- Reading: event by event, for what is larger than memory */

typedef struct nx_json_reader nx_json_reader;

typedef enum nx_json_event_kind {
    NX_JSON_END,   /* of the text */
    NX_JSON_VALUE, /* null, a bool, a number or a string */
    NX_JSON_OBJECT_BEGIN,
    NX_JSON_OBJECT_END,
    NX_JSON_ARRAY_BEGIN,
    NX_JSON_ARRAY_END
} nx_json_event_kind;

/* Lasts until the reader is used again. */
typedef struct nx_json_event {
    nx_json_event_kind kind;
    uint32_t depth; /* how many arrays and objects it is in */
    nx_bytes name;  /* of the member that it is or begins; `data` is NULL elsewhere */
    nx_json value;  /* with NX_JSON_VALUE */
} nx_json_event;

/* Gives the next piece of the text, empty at its end. The piece has to last until the next call. */
typedef nx_err (*nx_json_source)(void *from, nx_bytes *piece);

/* Zero means the default. */
typedef struct nx_json_reader_options {
    size_t size;
    uint32_t max_depth; /* NX_JSON_MAX_DEPTH; 256 at most */
    size_t max_token;   /* bytes of one string, name or number, 1 MiB */
    size_t max_tree;    /* bytes of the text of one nx_json_reader_tree, 1 MiB */
    bool many;          /* the text is any number of values, one after another (NDJSON) */
} nx_json_reader_options;

/* Makes a reader; it belongs to the current scope. NX_ENOMEM, NX_EINVAL (options). Does not
 * suspend. For the body of a request: nx_request_json_reader. */
NX_API NX_MUST_CHECK nx_err nx_json_reader_new_with(nx_json_reader **out, nx_json_source source,
                                                    void *from,
                                                    const nx_json_reader_options *options);
#define nx_json_reader_new(out, source, from, ...)                                                 \
    nx_json_reader_new_with(                                                                       \
        (out), (source), (from),                                                                   \
        &(nx_json_reader_options){.size = sizeof(nx_json_reader_options), __VA_ARGS__})

/* Reads on to the next event. NX_EINVAL with line and column (NX_EPROTO for a request's body),
 * NX_ETOOBIG (a cap), NX_ENOMEM, the source's errors, NX_ESTATE after any of them. A name that
 * occurs twice is reported twice. Suspends where the source does. */
NX_API NX_MUST_CHECK nx_err nx_json_reader_next(nx_json_reader *reader, nx_json_event *event);

/* Behind an event that began an array or object: passes over the rest of it, its end included.
 * Behind any other it does nothing. Errors as nx_json_reader_next. */
NX_API NX_MUST_CHECK nx_err nx_json_reader_skip(nx_json_reader *reader);

/* Behind an event that began an array or object: reads all of it as a tree, in memory of the
 * current scope. Behind NX_JSON_VALUE it gives that value, which lasts until the next event. Errors
 * as nx_json_reader_next; NX_ESTATE behind any other event. */
NX_API NX_MUST_CHECK nx_err nx_json_reader_tree(nx_json_reader *reader, nx_json *out);

#ifdef __cplusplus
}
#endif

#endif

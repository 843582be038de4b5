/* JSON values made in place: nx_obj("name", name, "age", 42, "tags", nx_arr("a", "b")). */
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
                15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
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

#ifdef __cplusplus
}
#endif

#endif

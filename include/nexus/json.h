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
    NX_VALUE_RAW     /* JSON text, written as it is */
} nx_value_kind;

/* A value by reference: strings and items are not copied, so it lives as long as what it points to
 * (a nested nx_obj: until the end of the enclosing block). */
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

static inline nx_value nx_value_bytes(nx_bytes b)
{
    nx_value v;
    v.kind = NX_VALUE_STRING;
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
    v.kind = NX_VALUE_RAW;
    return v;
}

static inline nx_value nx_value_self(nx_value v)
{
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

/* A C expression as a value, by its type. */
#define nx_val(x)                                                                                  \
    _Generic((x), bool: nx_bool, char: nx_value_int, signed char: nx_value_int,                    \
        unsigned char: nx_value_uint, short: nx_value_int, unsigned short: nx_value_uint,          \
        int: nx_value_int, unsigned: nx_value_uint, long: nx_value_int,                            \
        unsigned long: nx_value_uint, long long: nx_value_int, unsigned long long: nx_value_uint,  \
        float: nx_value_double, double: nx_value_double, char *: nx_value_string,                  \
        const char *: nx_value_string, nx_bytes: nx_value_bytes, nx_value: nx_value_self)(x)

/* An object of names and values, up to 16 pairs; larger ones with nx_value_object. */
#define nx_obj(...)                                                                                \
    nx_value_object(                                                                               \
        (nx_value[NX__VALUES(__VA_ARGS__)]){NX__EACH(NX__VALUES(__VA_ARGS__), __VA_ARGS__)},       \
        NX__VALUES(__VA_ARGS__))

/* An array of values, up to 32; larger ones with nx_list. */
#define nx_arr(...)                                                                                \
    nx_list((nx_value[NX__VALUES(__VA_ARGS__)]){NX__EACH(NX__VALUES(__VA_ARGS__), __VA_ARGS__)},   \
            NX__VALUES(__VA_ARGS__))

/* How many arguments, and nx_val over each. */
#define NX__VALUES(...)                                                                            \
    NX__VALUES_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,   \
                15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define NX__VALUES_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17,    \
                    a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32,     \
                    count, ...)                                                                    \
    count
#define NX__EACH(count, ...)  NX__EACH_(count, __VA_ARGS__)
#define NX__EACH_(count, ...) NX__EACH_##count(__VA_ARGS__)
#define NX__EACH_1(x)         nx_val(x)
#define NX__EACH_2(x, ...)    nx_val(x), NX__EACH_1(__VA_ARGS__)
#define NX__EACH_3(x, ...)    nx_val(x), NX__EACH_2(__VA_ARGS__)
#define NX__EACH_4(x, ...)    nx_val(x), NX__EACH_3(__VA_ARGS__)
#define NX__EACH_5(x, ...)    nx_val(x), NX__EACH_4(__VA_ARGS__)
#define NX__EACH_6(x, ...)    nx_val(x), NX__EACH_5(__VA_ARGS__)
#define NX__EACH_7(x, ...)    nx_val(x), NX__EACH_6(__VA_ARGS__)
#define NX__EACH_8(x, ...)    nx_val(x), NX__EACH_7(__VA_ARGS__)
#define NX__EACH_9(x, ...)    nx_val(x), NX__EACH_8(__VA_ARGS__)
#define NX__EACH_10(x, ...)   nx_val(x), NX__EACH_9(__VA_ARGS__)
#define NX__EACH_11(x, ...)   nx_val(x), NX__EACH_10(__VA_ARGS__)
#define NX__EACH_12(x, ...)   nx_val(x), NX__EACH_11(__VA_ARGS__)
#define NX__EACH_13(x, ...)   nx_val(x), NX__EACH_12(__VA_ARGS__)
#define NX__EACH_14(x, ...)   nx_val(x), NX__EACH_13(__VA_ARGS__)
#define NX__EACH_15(x, ...)   nx_val(x), NX__EACH_14(__VA_ARGS__)
#define NX__EACH_16(x, ...)   nx_val(x), NX__EACH_15(__VA_ARGS__)
#define NX__EACH_17(x, ...)   nx_val(x), NX__EACH_16(__VA_ARGS__)
#define NX__EACH_18(x, ...)   nx_val(x), NX__EACH_17(__VA_ARGS__)
#define NX__EACH_19(x, ...)   nx_val(x), NX__EACH_18(__VA_ARGS__)
#define NX__EACH_20(x, ...)   nx_val(x), NX__EACH_19(__VA_ARGS__)
#define NX__EACH_21(x, ...)   nx_val(x), NX__EACH_20(__VA_ARGS__)
#define NX__EACH_22(x, ...)   nx_val(x), NX__EACH_21(__VA_ARGS__)
#define NX__EACH_23(x, ...)   nx_val(x), NX__EACH_22(__VA_ARGS__)
#define NX__EACH_24(x, ...)   nx_val(x), NX__EACH_23(__VA_ARGS__)
#define NX__EACH_25(x, ...)   nx_val(x), NX__EACH_24(__VA_ARGS__)
#define NX__EACH_26(x, ...)   nx_val(x), NX__EACH_25(__VA_ARGS__)
#define NX__EACH_27(x, ...)   nx_val(x), NX__EACH_26(__VA_ARGS__)
#define NX__EACH_28(x, ...)   nx_val(x), NX__EACH_27(__VA_ARGS__)
#define NX__EACH_29(x, ...)   nx_val(x), NX__EACH_28(__VA_ARGS__)
#define NX__EACH_30(x, ...)   nx_val(x), NX__EACH_29(__VA_ARGS__)
#define NX__EACH_31(x, ...)   nx_val(x), NX__EACH_30(__VA_ARGS__)
#define NX__EACH_32(x, ...)   nx_val(x), NX__EACH_31(__VA_ARGS__)

#ifdef __cplusplus
}
#endif

#endif

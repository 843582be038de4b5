/* Calls into guests: by name and prepared, their types, memory, globals, tables. */
#include "guest.h"

#include <nexus/fiber.h>

#define ARITHMETIC                                                                                 \
    "(func (export \"add\") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)"         \
    "(func (export \"add64\") (param i64 i64) (result i64) local.get 0 local.get 1 i64.add)"       \
    "(func (export \"half\") (param f64) (result f64) local.get 0 f64.const 0.5 f64.mul)"          \
    "(func (export \"halff\") (param f32) (result f32) local.get 0 f32.const 0.5 f32.mul)"         \
    "(func (export \"nothing\"))"                                                                  \
    "(func (export \"swap\") (param i32 i64) (result i64 i32) local.get 1 local.get 0)"            \
    "(func (export \"splat\") (param i32) (result v128) local.get 0 i32x4.splat)"

NX_TEST("calls with C values")
{
    nx_wasm *wasm = guest(ARITHMETIC);
    int32_t i = 0;
    uint32_t u = 0;
    int64_t l = 0;
    double d = 0;
    float f = 0;
    nx_expect_ok(nx_wasm_call(wasm, "add", &i, 2, 40));
    nx_expect_eq(i, 42);
    nx_expect_ok(nx_wasm_call(wasm, "add", &u, UINT32_MAX, 0));
    nx_expect_eq(u, UINT32_MAX);
    nx_expect_ok(nx_wasm_call(wasm, "add", &i, INT32_MIN, true));
    nx_expect_eq(i, INT32_MIN + 1);
    nx_expect_ok(nx_wasm_call(wasm, "add64", &l, 1, INT64_C(1) << 40));
    nx_expect_eq(l, (INT64_C(1) << 40) + 1);
    nx_expect_ok(nx_wasm_call(wasm, "half", &d, 5));
    nx_expect_eq(d, 2.5);
    nx_expect_ok(nx_wasm_call(wasm, "halff", &f, 1.5));
    nx_expect_eq(f, 0.75F);
    nx_expect_ok(nx_wasm_call(wasm, "nothing", NULL));
}

NX_TEST("what does not fit is refused before the call")
{
    nx_wasm *wasm = guest(ARITHMETIC);
    int32_t i = 7;
    int64_t l = 7;
    nx_expect_err(NX_ENOENT, nx_wasm_call(wasm, "ad", &i, 1, 2));
    nx_expect_contains(nx_error_last()->message, "did you mean \"add\"?");
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", &i, 1));
    nx_expect_contains(nx_error_last()->message, "\"i32, i32 -> i32\": there are 1 arguments");
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", &l, 1, 2));
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", NULL, 1, 2));
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "nothing", &i));
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", &i, 1, INT64_C(1) << 32));
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", &i, 1, (int64_t)INT32_MIN - 1));
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", &i, 1, 2.0));
    nx_expect_contains(nx_error_last()->message, "argument 2 does not fit");
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "add", &i, "1", 2));
    nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "swap", &l, 1, 2));
    nx_expect_contains(nx_error_last()->message, "nx_wasm_find");
    nx_expect_eq(i, 7);
    nx_expect_eq(l, 7);
}

NX_TEST("prepared functions")
{
    nx_wasm *wasm = guest(ARITHMETIC);
    nx_wasm_func add, swap, splat;
    nx_require_ok(nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32"));
    nx_require_ok(nx_wasm_find(&swap, wasm, "swap", "i32,i64->i64,i32"));
    nx_require_ok(nx_wasm_find(&splat, wasm, "splat", " i32 -> v128 "));
    nx_wasm_value v[2] = {{.i32 = 1}, {.i32 = 2}};
    nx_expect_ok(nx_wasm_invoke(&add, v));
    nx_expect_eq(v[0].i32, 3);
    v[0].i32 = 5;
    v[1].i64 = -6;
    nx_expect_ok(nx_wasm_invoke(&swap, v));
    nx_expect_eq(v[0].i64, -6);
    nx_expect_eq(v[1].i32, 5);
    v[0].i32 = 0x01020304;
    nx_expect_ok(nx_wasm_invoke(&splat, v));
    nx_expect_eq(v[0].v128[0], 4);
    nx_expect_eq(v[0].v128[15], 1);
    nx_expect_err(NX_ENOENT, nx_wasm_find(&add, wasm, "addd", "i32, i32 -> i32"));
    nx_expect_err(NX_ETYPE, nx_wasm_find(&add, wasm, "add", "i32 -> i32"));
    nx_expect_contains(nx_error_last()->message, "is \"i32, i32 -> i32\", not \"i32 -> i32\"");
    static const char *const wrong[] = {"",         "i32",    "i32 i32 ->", "-> i32,", "i33 ->",
                                        "-> i32 x", "str ->", "->->",       ", ->",    "I32 ->"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        nx_subtest ("%s", wrong[i]) {
            nx_expect_err(NX_EINVAL, nx_wasm_find(&add, wasm, "add", wrong[i]));
        }
}

NX_TEST("a trap says why and where, and the guest goes on")
{
    nx_wasm *wasm =
        guest("(func $divide (param i32 i32) (result i32) local.get 0 local.get 1 i32.div_s)"
              "(func $outer (export \"outer\") (param i32) (result i32)"
              "  i32.const 100 local.get 0 call $divide)"
              "(func (export \"never\") unreachable)");
    int32_t n = 0;
    for (int round = 0; round < 3; round++) {
        nx_expect_err(NX_ECRASHED, nx_wasm_call(wasm, "outer", &n, 0));
        nx_expect_contains(nx_error_last()->message, "integer divide by zero");
        nx_expect_contains(nx_error_last()->message, "in divide, called by outer");
        nx_bytes trace = nx_wasm_trace(wasm);
        nx_expect_contains(trace, "divide at 0x");
        nx_expect_contains(trace, "\nouter at 0x");
        nx_expect_ok(nx_wasm_call(wasm, "outer", &n, 4));
        nx_expect_eq(n, 25);
        nx_expect_err(NX_ECRASHED, nx_wasm_call(wasm, "never", NULL));
        nx_expect_contains(nx_error_last()->message, "unreachable");
    }
}

#define MEMORY                                                                                     \
    "(memory (export \"memory\") 1 4)"                                                             \
    "(data (i32.const 8) \"hello\")"                                                               \
    "(func (export \"grow\") (param i32) (result i32) local.get 0 memory.grow)"                    \
    "(func (export \"load\") (param i32) (result i32) local.get 0 i32.load8_u)"

NX_TEST("memory")
{
    nx_wasm *wasm = guest(MEMORY);
    nx_wasm_memory memory;
    nx_require_ok(nx_wasm_memory_find(&memory, wasm, NULL));
    nx_bytes slice;
    int32_t n = 0;
    char five[5];
    nx_expect_eq(nx_wasm_memory_view(&memory).len, 65536);
    nx_expect_ok(nx_wasm_memory_slice(&memory, 8, 5, &slice));
    nx_expect_eq(slice, "hello");
    nx_expect_ok(nx_wasm_memory_write(&memory, 8, nx_str("jello")));
    nx_expect_ok(nx_wasm_memory_read(&memory, 8, five, 5));
    nx_expect_eq(nx_slice(five, 5), "jello");
    nx_expect_ok(nx_wasm_call(wasm, "load", &n, 8));
    nx_expect_eq(n, 'j');
    static const struct {
        uint64_t at, len;
    } outside[] = {{65536, 1}, {65535, 2}, {UINT64_MAX, 1}, {1, UINT64_MAX}, {0, 65537}};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        nx_expect_err(NX_EINVAL,
                      nx_wasm_memory_slice(&memory, outside[i].at, outside[i].len, &slice));
    nx_expect_ok(nx_wasm_memory_slice(&memory, 65536, 0, &slice));
    nx_expect_err(NX_EINVAL, nx_wasm_memory_write(&memory, 65534, nx_str("abc")));
    nx_expect_err(NX_EINVAL, nx_wasm_memory_read(&memory, UINT64_MAX, five, 5));
    nx_expect_err(NX_ENOENT, nx_wasm_memory_find(&memory, wasm, "other"));
    nx_require_ok(nx_wasm_memory_find(&memory, wasm, "memory"));
    /* Growth from either side is seen by both. */
    nx_expect_ok(nx_wasm_call(wasm, "grow", &n, 1));
    nx_expect_eq(n, 1);
    nx_expect_eq(nx_wasm_memory_view(&memory).len, 2 * 65536);
    nx_expect_ok(nx_wasm_memory_grow(&memory, 1));
    nx_expect_ok(nx_wasm_call(wasm, "grow", &n, 0));
    nx_expect_eq(n, 3);
    nx_expect_err(NX_ELIMIT, nx_wasm_memory_grow(&memory, 2));
    nx_expect_err(NX_ELIMIT, nx_wasm_memory_grow(&memory, UINT64_MAX));
    nx_expect_ok(nx_wasm_call(wasm, "grow", &n, 2));
    nx_expect_eq(n, -1);
    nx_expect_err(NX_ECRASHED, nx_wasm_call(wasm, "load", &n, 4 * 65536));
    nx_expect_contains(nx_error_last()->message, "out of bounds memory access");
}

NX_TEST("globals and tables")
{
    nx_wasm *wasm = guest("(global (export \"count\") (mut i32) (i32.const 5))"
                          "(global (export \"fixed\") f64 (f64.const 2.5))"
                          "(table (export \"table\") 3 funcref)"
                          "(func $seven (result i32) i32.const 7)"
                          "(elem (i32.const 1) $seven)");
    nx_wasm_value value;
    nx_expect_ok(nx_wasm_global_get(wasm, "count", NX_WASM_I32, &value));
    nx_expect_eq(value.i32, 5);
    value.i32 = 9;
    nx_expect_ok(nx_wasm_global_set(wasm, "count", NX_WASM_I32, value));
    nx_expect_ok(nx_wasm_global_get(wasm, "count", NX_WASM_I32, &value));
    nx_expect_eq(value.i32, 9);
    nx_expect_err(NX_ETYPE, nx_wasm_global_get(wasm, "count", NX_WASM_I64, &value));
    nx_expect_err(NX_ENOENT, nx_wasm_global_get(wasm, "none", NX_WASM_I64, &value));
    nx_expect_ok(nx_wasm_global_get(wasm, "fixed", NX_WASM_F64, &value));
    nx_expect_eq(value.f64, 2.5);
    nx_expect_err(NX_ETYPE, nx_wasm_global_set(wasm, "fixed", NX_WASM_F64, value));
    uint64_t size = 0;
    nx_expect_ok(nx_wasm_table_size(wasm, "table", &size));
    nx_expect_eq(size, 3);
    nx_expect_err(NX_ENOENT, nx_wasm_table_size(wasm, "count", &size));
    nx_wasm_func seven;
    nx_require_ok(nx_wasm_find_element(&seven, wasm, "table", 1, "-> i32"));
    nx_expect_ok(nx_wasm_invoke(&seven, &value));
    nx_expect_eq(value.i32, 7);
    nx_expect_err(NX_ENOENT, nx_wasm_find_element(&seven, wasm, "table", 0, "-> i32"));
    nx_expect_err(NX_ENOENT, nx_wasm_find_element(&seven, wasm, "table", 3, "-> i32"));
    nx_expect_err(NX_ETYPE, nx_wasm_find_element(&seven, wasm, "table", 1, "-> i64"));
}

/* Recursion to a depth that takes about 400 KiB of stack. */
#define DEEP                                                                                       \
    "(func $deep (export \"deep\") (param i32) (result i32)"                                       \
    "  local.get 0 i32.eqz if (result i32) i32.const 0 else"                                       \
    "  local.get 0 i32.const 1 i32.sub call $deep i32.const 1 i32.add end)"

static nx_err dive(void *wasm)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "deep", &n, 5000));
    nx_expect_eq(n, 5000);
    nx_expect_err(NX_ECRASHED, nx_wasm_call(wasm, "deep", &n, 10000000));
    nx_expect_contains(nx_error_last()->message, "512 KiB of stack");
    return NX_OK;
}

NX_TEST("a guest has its whole stack on the thread's and on a fiber's")
{
    nx_wasm *wasm = guest(DEEP);
    nx_expect_ok(dive(wasm));
    for (int i = 0; i < 10; i++) {
        nx_fiber *fiber;
        nx_require_ok(nx_spawn(&fiber, dive, wasm));
        nx_expect_ok(nx_join(fiber));
    }
}

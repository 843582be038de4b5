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

NX_TEST("calls with C values", .deadline = NX_S(60))
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

NX_TEST("what does not fit is refused before the call", .deadline = NX_S(60))
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

NX_TEST("prepared functions", .deadline = NX_S(60))
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

#define BATCHES                                                                                    \
    ARITHMETIC                                                                                     \
    "(func $div (export \"div\") (param i32 i32) (result i32)"                                     \
    "  local.get 0 local.get 1 i32.div_s)"                                                         \
    "(global $n (mut i32) (i32.const 0))"                                                          \
    "(func (export \"next\") (result i32)"                                                         \
    "  global.get $n i32.const 1 i32.add global.set $n global.get $n)"                             \
    "(func (export \"keep\") (param i32) local.get 0 global.set $n)"                               \
    "(func (export \"five\") (param i32 i32 i32 i32 i32) (result i32)"                             \
    "  local.get 0 local.get 4 i32.sub)"                                                           \
    "(func (export \"four\") (param i64 f32 f64 i32) (result f64)"                                 \
    "  local.get 0 f64.convert_i64_s local.get 1 f64.promote_f32 f64.add local.get 2 f64.add"      \
    "  local.get 3 f64.convert_i32_s f64.add)"                                                     \
    "(table (export \"t\") 1 funcref) (elem (i32.const 0) $div)"

/* More than two whole batches of the engine's. */
enum { MANY = 37 };

NX_TEST("many calls at once", .deadline = NX_S(60))
{
    nx_wasm *wasm = guest(BATCHES);
    nx_wasm_func add, next, keep, five, four, swap, div, element;
    static nx_wasm_value v[5 * MANY];
    size_t done = 0;
    nx_require_ok(nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32"));
    nx_require_ok(nx_wasm_find(&next, wasm, "next", "-> i32"));
    nx_require_ok(nx_wasm_find(&keep, wasm, "keep", "i32 ->"));
    nx_require_ok(nx_wasm_find(&five, wasm, "five", "i32, i32, i32, i32, i32 -> i32"));
    nx_require_ok(nx_wasm_find(&four, wasm, "four", "i64, f32, f64, i32 -> f64"));
    nx_require_ok(nx_wasm_find(&swap, wasm, "swap", "i32, i64 -> i64, i32"));
    nx_require_ok(nx_wasm_find(&div, wasm, "div", "i32, i32 -> i32"));
    nx_require_ok(nx_wasm_find_element(&element, wasm, "t", 0, "i32, i32 -> i32"));
    static const size_t counts[] = {0, 1, 15, 16, 17, 32, MANY};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        size_t count = counts[c];
        nx_subtest ("%zu calls", count) {
            for (size_t i = 0; i < count; i++) {
                v[2 * i].i32 = (int32_t)i;
                v[2 * i + 1].i32 = 1000;
            }
            nx_expect_ok(nx_wasm_invoke_many(&add, v, count, &done));
            nx_expect_eq(done, count);
            for (size_t i = 0; i < count; i++) nx_expect_eq(v[i].i32, (int32_t)i + 1000);

            for (size_t i = 0; i < count; i++) {
                v[4 * i].i64 = (int64_t)i;
                v[4 * i + 1].f32 = 0.5F;
                v[4 * i + 2].f64 = 0.25;
                v[4 * i + 3].i32 = -1;
            }
            nx_expect_ok(nx_wasm_invoke_many(&four, v, count, NULL));
            for (size_t i = 0; i < count; i++) nx_expect_eq(v[i].f64, (double)i - 0.25);

            for (size_t i = 0; i < count; i++)
                for (size_t k = 0; k < 5; k++) v[5 * i + k].i32 = (int32_t)(i * k);
            nx_expect_ok(nx_wasm_invoke_many(&five, v, count, NULL));
            for (size_t i = 0; i < count; i++) nx_expect_eq(v[i].i32, -4 * (int32_t)i);

            for (size_t i = 0; i < count; i++) {
                v[2 * i].i32 = (int32_t)i;
                v[2 * i + 1].i64 = -(int64_t)i;
            }
            nx_expect_ok(nx_wasm_invoke_many(&swap, v, count, NULL));
            for (size_t i = 0; i < count; i++) {
                nx_expect_eq(v[2 * i].i64, -(int64_t)i);
                nx_expect_eq(v[2 * i + 1].i32, (int32_t)i);
            }

            v[0].i32 = 10;
            nx_expect_ok(nx_wasm_invoke(&keep, v));
            nx_expect_ok(nx_wasm_invoke_many(&next, v, count, NULL));
            for (size_t i = 0; i < count; i++) nx_expect_eq(v[i].i32, 11 + (int32_t)i);
        }
    }
    /* One that traps: what came whole before it is there. */
    const nx_wasm_func *both[] = {&div, &element};
    static const size_t whole[] = {16, 20};
    for (size_t c = 0; c < 2; c++) {
        for (size_t i = 0; i < MANY; i++) {
            v[2 * i].i32 = 100;
            v[2 * i + 1].i32 = i == 20 ? 0 : 4;
        }
        nx_expect_err(NX_ECRASHED, nx_wasm_invoke_many(both[c], v, MANY, &done));
        nx_expect_contains(nx_error_last()->message, "integer divide by zero, in div");
        nx_expect_eq(done, whole[c]);
        for (size_t i = 0; i < done; i++) nx_expect_eq(v[i].i32, 25);
    }
    /* They are the engine's own, and nobody sees them. */
    NX_AUTO(nx_wasm_module) *module = NULL;
    const nx_wasm_item *items;
    size_t count;
    nx_require_ok(nx_wasm_load(&module, guest_file("(func (export \"f\") (param i32))")));
    nx_require_ok(nx_wasm_module_exports(module, &items, &count));
    nx_expect_eq(count, 1);
    nx_wasm *other = guest("(func (export \"nexus:16:f\") (param i32))"
                           "(func (export \"f\") (param i32) (result i32) local.get 0)");
    nx_require_ok(nx_wasm_find(&add, other, "f", "i32 -> i32"));
    for (size_t i = 0; i < MANY; i++) v[i].i32 = (int32_t)i;
    nx_expect_ok(nx_wasm_invoke_many(&add, v, MANY, NULL));
    for (size_t i = 0; i < MANY; i++) nx_expect_eq(v[i].i32, (int32_t)i);
}

NX_TEST("many calls of a module with all that a module may have", .deadline = NX_S(60))
{
    /* What is imported and what types there are moves the numbers of the engine's own functions. */
    const char *file =
        guest_file("(type $pair (func (param i64 i64) (result i64 i64)))"
                   "(memory (export \"memory\") 1 2) (table 2 10 funcref) (tag $t (param i32))"
                   "(global $g (mut i64) (i64.const 5)) (data $d \"abc\")"
                   "(func $first (type $pair) local.get 1 local.get 0)"
                   "(func (export \"scale\") (param i64) (result i64)"
                   "  local.get 0 global.get $g i64.mul)"
                   "(func (export \"ref\") (param funcref externref) (result i32) i32.const 1)"
                   "(elem (i32.const 0) $first)");
    nx_wasm_imports *imports = nx_wasm_imports_new();
    nx_require(imports != NULL);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(&wasm, file, .imports = imports));
    nx_wasm_func scale;
    nx_wasm_value v[MANY];
    nx_require_ok(nx_wasm_find(&scale, wasm, "scale", "i64 -> i64"));
    for (size_t i = 0; i < MANY; i++) v[i].i64 = (int64_t)i;
    nx_expect_ok(nx_wasm_invoke_many(&scale, v, MANY, NULL));
    for (size_t i = 0; i < MANY; i++) nx_expect_eq(v[i].i64, (int64_t)i * 5);
    nx_wasm_imports_free(imports);
}

NX_TEST("a trap says why and where, and the guest goes on", .deadline = NX_S(60))
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

NX_TEST("memory", .deadline = NX_S(60))
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

NX_TEST("globals and tables", .deadline = NX_S(60))
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

NX_TEST("a guest has its whole stack on the thread's and on a fiber's", .deadline = NX_S(60))
{
    nx_wasm *wasm = guest(DEEP);
    nx_expect_ok(dive(wasm));
    for (int i = 0; i < 10; i++) {
        nx_fiber *fiber;
        nx_require_ok(nx_spawn(&fiber, dive, wasm));
        nx_expect_ok(nx_join(fiber));
    }
}

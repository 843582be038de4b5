/* Functions of the program's that guests call. */
#include "faults.h"
#include "guest.h"

#include <nexus/fiber.h>
#include <nexus/timer.h>

static nx_wasm_imports *imports(void)
{
    guest_prepare();
    nx_wasm_imports *i = nx_wasm_imports_new();
    nx_require(i != NULL);
    return i;
}

/* A guest that allocates: by cabi_realloc, or as C does. */
#define ALLOCATES                                                                                  \
    "(memory (export \"memory\") 1 4)"                                                             \
    "(global $top (mut i32) (i32.const 4096))"                                                     \
    "(global $freed (export \"freed\") (mut i32) (i32.const 0))"                                   \
    "(func $take (param $n i32) (result i32) (local $at i32)"                                      \
    "  (local.set $at (global.get $top))"                                                          \
    "  (global.set $top (i32.and (i32.add (local.get $at) (i32.add (local.get $n) (i32.const 7)))" \
    "    (i32.const -8)))"                                                                         \
    "  (local.get $at))"
#define BY_REALLOC                                                                                 \
    ALLOCATES "(func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32)"               \
              "  local.get 3 call $take)"
#define BY_MALLOC                                                                                  \
    ALLOCATES "(func (export \"malloc\") (param i32) (result i32) local.get 0 call $take)"         \
              "(func (export \"free\") (param i32)"                                                \
              "  (global.set $freed (i32.add (global.get $freed) (i32.const 1))))"

static int32_t freed(nx_wasm *wasm)
{
    nx_wasm_value value = {.i32 = -1};
    nx_expect_ok(nx_wasm_global_get(wasm, "freed", NX_WASM_I32, &value));
    return value.i32;
}

NX_TEST("texts and bytes into guests, and out of them", .deadline = NX_S(60))
{
    static const char *const both[] = {BY_REALLOC, BY_MALLOC};
    for (size_t i = 0; i < 2; i++)
        nx_subtest ("%s", i ? "malloc" : "cabi_realloc") {
            nx_wasm *wasm = guest(nx_format(
                "%s (func (export \"sum\") (param $at i32) (param $n i32) (result i32) (local $s i32)"
                "  (block $end (loop $l (br_if $end (i32.eqz (local.get $n)))"
                "    (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $at))))"
                "    (local.set $at (i32.add (local.get $at) (i32.const 1)))"
                "    (local.set $n (i32.sub (local.get $n) (i32.const 1))) (br $l))) (local.get $s))"
                "(func (export \"second\") (param i32 i32 i64 i32 i32) (result i32)"
                "  (i32.store (i32.const 16) (local.get 3)) (i32.store (i32.const 20) (local.get 4))"
                "  (i32.const 16))"
                "(func (export \"cabi_post_second\") (param i32)"
                "  (global.set $freed (i32.add (global.get $freed) (local.get 0))))"
                "(func (export \"pair\") (param i32 i32) (result i32 i32) local.get 0 local.get 1)"
                "(func (export \"wild\") (result i32) i32.const -4)"
                "(func (export \"far\") (result i32 i32) i32.const 65530 i32.const 100)",
                both[i]));
            int32_t n = 0;
            nx_bytes out;
            nx_expect_ok(nx_wasm_call(wasm, "sum", &n, "abc"));
            nx_expect_eq(n, 'a' + 'b' + 'c');
            nx_expect_eq(freed(wasm), i ? 1 : 0);
            nx_expect_ok(nx_wasm_call(wasm, "sum", &n, ""));
            nx_expect_eq(n, 0);
            nx_expect_ok(nx_wasm_call(wasm, "sum", &n, nx_value_bytes(nx_slice("\0\1\2", 3))));
            nx_expect_eq(n, 3);
            nx_expect_ok(nx_wasm_call(wasm, "sum", &n, 4096, 2)); /* by hand */
            nx_expect_eq(n, 'a' + 'b');
            int32_t before = freed(wasm);
            nx_expect_ok(nx_wasm_call(wasm, "second", &out, "one", 5, "zwei"));
            nx_expect_eq(out, "zwei");
            nx_expect_eq(freed(wasm) - before, 16 + (i ? 2 : 0));
            nx_expect_ok(nx_wasm_call(wasm, "pair", &out, "both"));
            nx_expect_eq(out, "both");
            nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "wild", &out));
            nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "far", &out));
            nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "sum", &n, "abc", 1));
            nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "second", &out, "a", "b", 1));
            nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "pair", &n, "both"));
            nx_expect_err(NX_ETYPE, nx_wasm_call(wasm, "sum", &n, NULL));
        }
    /* Memory that is not there, or not the guest's. */
    nx_wasm *none = guest("(memory (export \"memory\") 1) (func (export \"f\") (param i32 i32))");
    nx_expect_err(NX_ENOENT, nx_wasm_call(none, "f", NULL, "text"));
    nx_expect_contains(nx_error_last()->message, "cabi_realloc");
    static const char *const bad[] = {"i32.const 0", "i32.const 65534", "i32.const -1",
                                      "unreachable"};
    static const nx_err codes[] = {NX_ENOMEM, NX_EINVAL, NX_EINVAL, NX_ECRASHED};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        none = guest(nx_format("(memory (export \"memory\") 1)"
                               "(func (export \"malloc\") (param i32) (result i32) %s)"
                               "(func (export \"f\") (param i32 i32))",
                               bad[i]));
        nx_expect_err(codes[i], nx_wasm_call(none, "f", NULL, "text"));
    }
}

static nx_err upper(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)wasm;
    (void)arg;
    char *copy = nx_copy(v[0].bytes);
    if (!copy) return NX_ENOMEM;
    for (size_t i = 0; i < v[0].bytes.len; i++)
        if (copy[i] >= 'a' && copy[i] <= 'z') copy[i] -= 32;
    v[0].bytes = nx_slice(copy, v[0].bytes.len);
    return NX_OK;
}

static nx_err twice(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)wasm;
    (void)arg;
    size_t count = v[0].bytes.len / sizeof(int32_t);
    int32_t *list = nx_alloc(count * sizeof *list);
    if (!list) return NX_ENOMEM;
    memcpy(list, v[0].bytes.data, v[0].bytes.len);
    for (size_t i = 0; i < count; i++) list[i] *= 2;
    v[0].bytes = nx_slice(list, count * sizeof *list);
    return NX_OK;
}

static nx_err crooked(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)wasm;
    (void)arg;
    v[0].bytes = nx_str("abc");
    return NX_OK;
}

NX_TEST("lists, and results that are texts or lists", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "upper", "str -> str", upper, NULL);
    nx_wasm_import(i, "env", "twice", "i32[] -> i32[]", twice, NULL);
    nx_wasm_import(i, "env", "crooked", "-> f64[]", crooked, NULL);
    const char *text =
        "(import \"env\" \"upper\" (func $upper (param i32 i32 i32)))"
        "(import \"env\" \"twice\" (func $twice (param i32 i32 i32)))"
        "(import \"env\" \"crooked\" (func $crooked (param i32)))" BY_MALLOC
        "(func (export \"shout\") (param i32 i32) (result i32)"
        "  (call $upper (local.get 0) (local.get 1) (i32.const 32)) (i32.const 32))"
        "(func (export \"twice\") (param i32 i32) (result i32)"
        "  (call $twice (local.get 0) (local.get 1) (i32.const 32)) (i32.load (i32.const 36)))"
        "(func (export \"result\") (param i32) (result i32)"
        "  (i32.load (i32.add (i32.load (i32.const 32)) (local.get 0))))"
        "(func (export \"crooked\") (call $crooked (i32.const 32)))"
        "(func (export \"nowhere\") (call $upper (i32.const 0) (i32.const 1) (i32.const 65535)))";
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(&wasm, guest_file(text), .imports = i));
    nx_bytes out;
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "shout", &out, "loud and clear"));
    nx_expect_eq(out, "LOUD AND CLEAR");
    nx_expect_ok(nx_wasm_call(wasm, "shout", &out, ""));
    nx_expect_eq(out.len, 0);
    static const int32_t numbers[] = {1, -2, 300};
    nx_wasm_memory memory;
    nx_require_ok(nx_wasm_memory_find(&memory, wasm, NULL));
    nx_expect_ok(nx_wasm_memory_write(&memory, 64, nx_slice(numbers, sizeof numbers)));
    nx_expect_ok(nx_wasm_call(wasm, "twice", &n, 64, 3));
    nx_expect_eq(n, 3);
    nx_expect_ok(nx_wasm_call(wasm, "result", &n, 8));
    nx_expect_eq(n, 600);
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "twice", &n, 66, 3));
    nx_expect_contains(nx_error_last()->message, "not aligned");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "twice", &n, 64, 0x40000001));
    nx_expect_contains(nx_error_last()->message, "out of memory");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "crooked", NULL));
    nx_expect_contains(nx_error_last()->message, "no list");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "nowhere", NULL));
}

struct point {
    int16_t layer;
    double x, y;
};

/* All points, moved by the first parameter, and how far they reach together. */
static nx_err span(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)wasm;
    const struct point *by = (const void *)v[0].bytes.data, *points = (const void *)v[1].bytes.data;
    size_t count = v[1].bytes.len / sizeof *points;
    struct point *most = nx_alloc(sizeof *most);
    if (!most) return NX_ENOMEM;
    *most = *by;
    *(size_t *)arg = v[0].bytes.len;
    for (size_t i = 0; i < count; i++) {
        if (points[i].layer > most->layer) most->layer = points[i].layer;
        most->x += points[i].x;
        most->y += points[i].y;
    }
    v[0].bytes = nx_slice(most, sizeof *most);
    return NX_OK;
}

static nx_err both(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    static const struct point two[] = {{.layer = 1, .x = 2}, {.layer = 3, .y = 4}};
    (void)wasm;
    (void)arg;
    (void)v;
    v[0].bytes = nx_slice(two, sizeof two);
    return NX_OK;
}

#define SPAN(name) "(import \"env\" \"" name "\" (func $" name " (param i32 i32 i32 i32)))"

NX_TEST("structures, and lists of them", .deadline = NX_S(60))
{
    size_t len = 0;
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "span", "{i16, f64, f64}, { i16 ,f64,f64 }[] -> {i16, f64, f64}", span,
                   &len);
    nx_wasm_import(i, "env", "both", "-> {i16, f64, f64}[]", both, NULL);
    nx_wasm_import(i, "env", "wrong", "{i8} -> {i8, i64}", crooked, NULL);
    nx_wasm_import(i, "env", "uneven", "-> {i16}[]", crooked, NULL);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(
        &wasm,
        guest_file(SPAN(
            "span") "(import \"env\" \"both\" (func $both (param i32)))"
                    "(import \"env\" \"wrong\" (func $wrong (param i32 i32)))"
                    "(import \"env\" \"uneven\" (func $uneven (param i32)))" BY_MALLOC
                    "(func (export \"span\") (param i32 i32 i32)"
                    "  (call $span (local.get 0) (local.get 1) (local.get 2) (i32.const 512)))"
                    "(func (export \"both\") (result i32) (call $both (i32.const 32)) (i32.load (i32.const 36)))"
                    "(func (export \"wrong\") (call $wrong (i32.const 3) (i32.const 32)))"
                    "(func (export \"uneven\") (call $uneven (i32.const 32)))"),
        .imports = i));
    static const struct point points[] = {{2, 1, 10}, {7, 2, 20}, {5, 3, 30}};
    struct point most;
    nx_wasm_memory memory;
    nx_require_ok(nx_wasm_memory_find(&memory, wasm, NULL));
    nx_expect_ok(nx_wasm_memory_write(&memory, 128, nx_slice(points, sizeof points)));
    nx_expect_ok(nx_wasm_call(wasm, "span", NULL, 128, 152, 2));
    nx_expect_eq(len, sizeof most);
    nx_expect_ok(nx_wasm_memory_read(&memory, 512, &most, sizeof most));
    nx_expect_eq(most.layer, 7);
    nx_expect_eq(most.x, 6);
    nx_expect_eq(most.y, 60);
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "both", &n));
    nx_expect_eq(n, 2);
    nx_expect_ok(nx_wasm_memory_read(&memory, 32, &n, sizeof n));
    nx_expect_ok(nx_wasm_memory_read(&memory, (uint32_t)n + sizeof most, &most, sizeof most));
    nx_expect_eq(most.y, 4);
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "span", NULL, 132, 152, 2));
    nx_expect_contains(nx_error_last()->message, "a structure that is not aligned: parameter 1");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "span", NULL, 128, 156, 2));
    nx_expect_contains(nx_error_last()->message, "a list that is not aligned: parameter 2");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "span", NULL, 65520, 152, 2));
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "span", NULL, 128, 152, 0x10000000));
    nx_expect_contains(nx_error_last()->message, "out of memory");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "wrong", NULL));
    nx_expect_contains(nx_error_last()->message, "3 bytes, which are no such structure");
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "uneven", NULL));
    nx_expect_contains(nx_error_last()->message, "no list");
}

NX_TEST("what is no structure is refused", .deadline = NX_S(60))
{
    static const char *const types[] = {"{} ->",     "{i32 ->",   "{i32,} ->", "{str} ->",
                                        "{i32}[ ->", "{{i8}} ->", "{v128} ->", "-> i32, {i32}"};
    nx_wasm *wasm;
    guest_prepare();
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        NX_AUTO(nx_wasm_imports) *i = imports();
        nx_wasm_import(i, "env", "f", types[k], both, NULL);
        nx_expect_err(NX_EINVAL, nx_wasm_open(&wasm, guest_file(""), .imports = i));
        nx_expect_contains(nx_error_last()->message, "is no type");
    }
}

static nx_err add_to(nx_wasm *wasm, void *sum, nx_wasm_value *v)
{
    (void)wasm;
    *(int64_t *)sum += v[0].i32 + v[1].i64;
    v[0].f64 = (double)*(int64_t *)sum;
    return NX_OK;
}

NX_TEST("numbers both ways", .deadline = NX_S(60))
{
    int64_t sum = 0;
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "add", "i32, i64 -> f64", add_to, &sum);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(
        nx_wasm_open(&wasm,
                     guest_file("(import \"env\" \"add\" (func $add (param i32 i64) (result f64)))"
                                "(func (export \"run\") (param i32) (result f64)"
                                "  local.get 0 i64.const 100 call $add)"),
                     .imports = i));
    double d = 0;
    nx_expect_ok(nx_wasm_call(wasm, "run", &d, -1));
    nx_expect_eq(d, 99);
    nx_expect_ok(nx_wasm_call(wasm, "run", &d, 1));
    nx_expect_eq(d, 200);
}

static nx_err keep(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)wasm;
    nx_bytes *kept = arg;
    kept[0] = nx_str(nx_copy(v[0].bytes));
    kept[0].len = v[0].bytes.len;
    kept[1].len = v[1].bytes.len;
    v[0].i32 = v[2].i32 + 1;
    return NX_OK;
}

#define KEEPER                                                                                     \
    "(import \"env\" \"keep\" (func $keep (param i32 i32 i32 i32 i32) (result i32)))"              \
    "(memory (export \"memory\") 1)"                                                               \
    "(data (i32.const 16) \"caf\\c3\\a9\") (data (i32.const 32) \"\\ff\\fe\")"                     \
    "(func (export \"run\") (param i32 i32 i32 i32 i32) (result i32)"                              \
    "  local.get 0 local.get 1 local.get 2 local.get 3 local.get 4 call $keep)"

NX_TEST("texts and bytes are views, and are checked", .deadline = NX_S(60))
{
    nx_bytes kept[2];
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "keep", "str, bytes, i32 -> i32", keep, kept);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(&wasm, guest_file(KEEPER), .imports = i));
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "run", &n, 16, 5, 32, 2, 41));
    nx_expect_eq(n, 42);
    nx_expect_eq(kept[0], "caf\xc3\xa9");
    nx_expect_eq(kept[1].len, 2);
    nx_expect_ok(nx_wasm_call(wasm, "run", &n, 65536, 0, 0, 65536, 0));
    nx_expect_err(NX_EINVAL, nx_wasm_call(wasm, "run", &n, 32, 2, 0, 0, 0));
    nx_expect_contains(nx_error_last()->message, "not UTF-8: parameter 1");
    static const uint32_t outside[][2] = {
        {65536, 1}, {65530, 7}, {UINT32_MAX, 1}, {1, UINT32_MAX}, {UINT32_MAX, UINT32_MAX}};
    for (size_t k = 0; k < sizeof outside / sizeof *outside; k++) {
        nx_expect_err(NX_EINVAL,
                      nx_wasm_call(wasm, "run", &n, 16, 5, outside[k][0], outside[k][1], 0));
        nx_expect_contains(nx_error_last()->message,
                           "env.keep was called with a pointer out of memory: parameter 2");
    }
    nx_expect_ok(nx_wasm_call(wasm, "run", &n, 16, 5, 32, 2, 1));
}

static nx_err refuse(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)arg;
    nx_bytes trace = nx_wasm_trace(wasm);
    nx_expect_contains(trace, "middle");
    nx_expect_contains(trace, "run");
    return v[0].i32 ? nx_fail(NX_EPERM, "no more than %d", v[0].i32) : NX_OK;
}

NX_TEST("errors cross the guest with their text", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "refuse", "i32 ->", refuse, NULL);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(
        &wasm,
        guest_file("(import \"env\" \"refuse\" (func $refuse (param i32)))"
                   "(func $middle (param i32) local.get 0 call $refuse)"
                   "(func $run (export \"run\") (param i32) local.get 0 call $middle)"),
        .imports = i));
    nx_expect_err(NX_EPERM, nx_wasm_call(wasm, "run", NULL, 3));
    nx_expect_eq(nx_error_last()->message, "no more than 3");
    nx_expect_ok(nx_wasm_call(wasm, "run", NULL, 0));
    nx_expect_eq(nx_wasm_trace(wasm).len > 0, true); /* that of the failure before */
}

static nx_err again(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)arg;
    int32_t n = v[0].i32;
    return n ? nx_wasm_call(wasm, "run", &v[0].i32, n - 1) : NX_OK;
}

#define REENTRANT                                                                                  \
    "(import \"env\" \"again\" (func $again (param i32) (result i32)))"                            \
    "(func (export \"run\") (param i32) (result i32)"                                              \
    "  local.get 0 call $again local.get 0 i32.add)"

static nx_err run_reentrant(void *wasm)
{
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "run", &n, 10));
    nx_expect_eq(n, 55);
    return NX_OK;
}

NX_TEST("a host function may call its guest again", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "again", "i32 -> i32", again, NULL);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(&wasm, guest_file(REENTRANT), .imports = i));
    nx_expect_ok(run_reentrant(wasm));
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, run_reentrant, wasm));
    nx_expect_ok(nx_join(fiber));
}

/* A chain over two guests: a, b, and a again, which is on another stack where b needed one. */
struct pair {
    nx_wasm *a, *b;
};

static nx_err to_b(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    const struct pair *pair = arg;
    int32_t n = v[0].i32;
    if (wasm == pair->a) return nx_wasm_call(pair->b, "run", &v[0].i32, n);
    nx_err err = nx_wasm_call(pair->a, "one", &v[0].i32);
    return err == NX_ESTATE ? NX_OK : err;
}

static nx_err run_pair(void *arg)
{
    const struct pair *pair = arg;
    int32_t n = 0;
    for (int i = 0; i < 3; i++) nx_expect_ok(nx_wasm_call(pair->a, "run", &n, 1));
    nx_expect_ok(nx_wasm_call(pair->a, "one", &n));
    nx_expect_eq(n, 1);
    return NX_OK;
}

NX_TEST("two guests that call each other", .deadline = NX_S(60))
{
    struct pair pair = {NULL, NULL};
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "other", "i32 -> i32", to_b, &pair);
    const char *path =
        guest_file("(import \"env\" \"other\" (func $other (param i32) (result i32)))"
                   "(func (export \"run\") (param i32) (result i32) local.get 0 call $other)"
                   "(func (export \"one\") (result i32) i32.const 1)");
    NX_AUTO(nx_wasm) *a = NULL;
    NX_AUTO(nx_wasm) *b = NULL;
    nx_require_ok(nx_wasm_open(&a, path, .imports = i));
    nx_require_ok(nx_wasm_open(&b, path, .imports = i));
    pair.a = a;
    pair.b = b;
    nx_expect_ok(run_pair(&pair));
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, run_pair, &pair));
    nx_expect_ok(nx_join(fiber));
}

static nx_err sleepy(nx_wasm *wasm, void *arg, nx_wasm_value *v)
{
    (void)wasm;
    (void)arg;
    (void)v;
    nx_expect_err(NX_EWOULDSUSPEND, nx_yield());
    return nx_sleep(NX_MS(1));
}

NX_TEST("a host function can't suspend", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_imports) *i = imports();
    nx_wasm_import(i, "env", "sleep", "->", sleepy, NULL);
    NX_AUTO(nx_wasm) *wasm = NULL;
    nx_require_ok(nx_wasm_open(&wasm,
                               guest_file("(import \"env\" \"sleep\" (func $sleep))"
                                          "(func (export \"run\") call $sleep)"),
                               .imports = i));
    nx_expect_err(NX_EWOULDSUSPEND, nx_wasm_call(wasm, "run", NULL));
    nx_expect_contains(nx_error_last()->message, "a WebAssembly guest is in the middle of a call");
    nx_expect_ok(nx_sleep(NX_MS(1)));
}

static nx_err started(nx_wasm *wasm, void *count, nx_wasm_value *v)
{
    nx_wasm_memory memory;
    (void)v;
    ++*(int *)count;
    nx_expect_err(NX_ENOENT, nx_wasm_memory_find(&memory, wasm, NULL)); /* not yet */
    return NX_OK;
}

NX_TEST("what is missing, of another type, or wrong is named", .deadline = NX_S(60))
{
    const char *path = guest_file("(import \"env\" \"f\" (func $f (param i32))) (start $g)"
                                  "(func $g i32.const 1 call $f) (memory (export \"memory\") 1)");
    nx_wasm *wasm = NULL;
    nx_expect_err(NX_ENOENT, nx_wasm_open(&wasm, path));
    nx_expect_contains(nx_error_last()->message, "env::f");
    nx_expect(!wasm);
    int count = 0;
    NX_AUTO(nx_wasm_imports) *other = imports();
    nx_wasm_import(other, "env", "f", "i64 ->", started, &count);
    nx_expect_err(NX_ETYPE, nx_wasm_open(&wasm, path, .imports = other));
    NX_AUTO(nx_wasm_imports) *wrong = imports();
    nx_wasm_import(wrong, "env", "f", "i32 -> what", started, &count);
    nx_wasm_import(wrong, "env", "g", "i32 ->", started, &count);
    nx_expect_err(NX_EINVAL, nx_wasm_open(&wasm, path, .imports = wrong));
    nx_expect_contains(nx_error_last()->message,
                       "cannot let a guest call env.f: \"i32 -> what\" is no type");
    nx_expect_eq(count, 0);
    NX_AUTO(nx_wasm_imports) *right = imports();
    nx_wasm_import(right, "env", "f", "i32 ->", started, &count);
    nx_expect_ok(nx_wasm_open(&wasm, path, .imports = right));
    nx_expect_eq(count, 1);
    nx_wasm_close(wasm);
}

static nx_wasm_module *shared;

static nx_err make_and_call(void)
{
    nx_wasm *wasm;
    nx_wasm_func add;
    nx_wasm_value v[2] = {{.i32 = 1}, {.i32 = 2}};
    NX_TRY(nx_wasm_new(&wasm, shared, .policy.max_cpu_time = NX_S(60)));
    nx_err err = nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32");
    if (!err) err = nx_wasm_invoke(&add, v);
    nx_wasm_close(wasm);
    return err;
}

static nx_err make_imports(void)
{
    nx_wasm_imports *i = nx_wasm_imports_new();
    if (!i) return nx_error_last()->code;
    nx_wasm_import(i, "env", "add", "i32, i64 -> f64", add_to, NULL);
    nx_wasm_import(i, "env", "keep", "str, bytes, i32 -> i32", keep, NULL);
    nx_wasm *wasm = NULL;
    nx_err err = nx_wasm_new(&wasm, shared, .imports = i);
    nx_wasm_close(wasm);
    nx_wasm_imports_free(i);
    return err;
}

/* It keeps what it was linked with as long as it lives. */
static void load_shared(void)
{
    nx_wasm_module_free(shared);
    shared = NULL;
    nx_require_ok(
        nx_wasm_load(&shared, guest_file("(func (export \"add\") (param i32 i32) (result i32)"
                                         "  local.get 0 local.get 1 i32.add)")));
}

NX_TEST("memory that runs out is an error, and leaves nothing behind", .deadline = NX_S(60))
{
    static const struct faults_scenario scenarios[] = {{.name = "a guest", .run = make_and_call},
                                                       {.name = "imports", .run = make_imports}};
    load_shared();
    faults_run(FAULTS_MEMORY, scenarios, 1);
    faults_run(FAULTS_NO_MEMORY, scenarios, 1);
    for (int what = FAULTS_NO_MEMORY; what <= FAULTS_MEMORY; what++) {
        for (struct faults_rounds rounds = {.what = what}; faults_next(&rounds);) {
            nx_err err = make_imports();
            const char *failed = faults_stop();
            nx_expect(err == (failed ? NX_ENOMEM : NX_OK));
        }
    }
    nx_wasm_module_free(shared);
}

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

static nx_err add_to(nx_wasm *wasm, void *sum, nx_wasm_value *v)
{
    (void)wasm;
    *(int64_t *)sum += v[0].i32 + v[1].i64;
    v[0].f64 = (double)*(int64_t *)sum;
    return NX_OK;
}

NX_TEST("numbers both ways")
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

NX_TEST("texts and bytes are views, and are checked")
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

NX_TEST("errors cross the guest with their text")
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

NX_TEST("a host function may call its guest again")
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

NX_TEST("two guests that call each other")
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

NX_TEST("a host function can't suspend")
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

NX_TEST("what is missing, of another type, or wrong is named")
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

NX_TEST("memory that runs out is an error, and leaves nothing behind")
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

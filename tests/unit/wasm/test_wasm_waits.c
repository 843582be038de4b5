/* Guests whose host functions suspend: other fibers run meanwhile, limits on time hold, and nobody
 * else gets into the guest. */
#include "guest.h"

#include <nexus/fiber.h>
#include <nexus/timer.h>

#define NAPPER                                                                                     \
    "(import \"env\" \"nap\" (func $nap (param i32) (result i32)))"                                \
    "(memory (export \"memory\") 1)"                                                               \
    "(func (export \"naps\") (param $n i32) (result i32) (local $sum i32)"                         \
    "  (loop $l (local.set $sum (i32.add (local.get $sum) (call $nap (local.get $n))))"            \
    "    (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $sum))"      \
    "(func (export \"one\") (result i32) i32.const 1)"                                             \
    "(func $spin (export \"spin\") (drop (call $nap (i32.const 1))) (loop $l br $l))"

static unsigned others_ran;

static nx_err nap(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    (void)wasm;
    NX_TRY(nx_sleep(arg ? *(nx_duration *)arg : NX_MS(1)));
    values[0].i32 *= 10;
    return NX_OK;
}

static nx_wasm_imports *naps(nx_duration *span)
{
    guest_prepare();
    nx_wasm_imports *i = nx_wasm_imports_new();
    nx_require(i != NULL);
    nx_wasm_import(i, "env", "nap", "i32 -> i32", nap, span);
    return i;
}

static nx_err other(void *arg)
{
    for (const bool *done = arg; !*done; others_ran++) NX_TRY(nx_sleep(NX_US(100)));
    return NX_OK;
}

NX_TEST("others run while a guest waits", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_imports) *imports = naps(NULL);
    bool done = false;
    int32_t sum = 0;
    nx_fiber *fiber;
    nx_wasm *wasm = guest(NAPPER, .imports = imports, .may_wait = true);
    others_ran = 0;
    nx_require_ok(nx_spawn(&fiber, other, &done));
    nx_expect_ok(nx_wasm_call(wasm, "naps", &sum, 20));
    done = true;
    nx_expect_ok(nx_join(fiber));
    nx_expect_eq(sum, 2100);
    nx_expect(others_ran >= 20);
}

struct caller {
    nx_wasm *wasm;
    int32_t sum;
};

static nx_err call_naps(void *arg)
{
    struct caller *c = arg;
    return nx_wasm_call(c->wasm, "naps", &c->sum, 3);
}

NX_TEST("many guests wait at once, on one thread", .deadline = NX_S(60))
{
    enum { GUESTS = 50 };
    NX_AUTO(nx_wasm_imports) *imports = naps(NULL);
    NX_AUTO(nx_wasm_module) *module = NULL;
    struct caller callers[GUESTS];
    nx_fiber *fibers[GUESTS];
    nx_require_ok(nx_wasm_load(&module, guest_file(NAPPER)));
    for (size_t i = 0; i < GUESTS; i++) {
        callers[i] = (struct caller){0};
        nx_require_ok(nx_wasm_new(&callers[i].wasm, module, .imports = imports, .may_wait = true));
        nx_require_ok(nx_spawn(&fibers[i], call_naps, &callers[i]));
    }
    for (size_t i = 0; i < GUESTS; i++) {
        nx_expect_ok(nx_join(fibers[i]));
        nx_expect_eq(callers[i].sum, 60);
        nx_wasm_close(callers[i].wasm);
    }
}

static nx_err call_one(void *arg)
{
    int32_t n;
    nx_wasm_memory memory;
    nx_expect_err(NX_ESTATE, nx_wasm_call(arg, "one", &n));
    nx_expect_ok(nx_wasm_memory_find(&memory, arg, NULL));
    nx_expect_err(NX_ESTATE, nx_wasm_memory_grow(&memory, 1));
    return NX_OK;
}

static nx_err let_in(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    (void)arg;
    nx_fiber *fiber;
    int32_t n = 0;
    NX_TRY(nx_spawn(&fiber, call_one, wasm));
    NX_TRY(nx_join(fiber));
    NX_TRY(nx_wasm_call(wasm, "one", &n)); /* this fiber is in it, and may */
    values[0].i32 = n;
    return NX_OK;
}

NX_TEST("nobody else gets into a guest that waits", .deadline = NX_S(60))
{
    guest_prepare();
    NX_AUTO(nx_wasm_imports) *imports = nx_wasm_imports_new();
    nx_wasm_import(imports, "env", "nap", "i32 -> i32", let_in, NULL);
    nx_wasm *wasm = guest(NAPPER, .imports = imports, .may_wait = true);
    int32_t sum = 0;
    for (int i = 0; i < 2; i++) {
        nx_expect_ok(nx_wasm_call(wasm, "naps", &sum, 3));
        nx_expect_eq(sum, 3);
    }
}

NX_TEST("a deadline reaches a guest that waits", .deadline = NX_S(60))
{
    nx_duration hour = NX_S(3600);
    NX_AUTO(nx_wasm_imports) *imports = naps(&hour);
    int32_t sum;
    nx_wasm *wasm =
        guest(NAPPER, .imports = imports, .may_wait = true, .policy.deadline = NX_MS(50));
    for (int i = 0; i < 2; i++) {
        nx_expect_err(NX_ETIMEDOUT, nx_wasm_call(wasm, "naps", &sum, 1));
        nx_expect_contains(nx_error_last()->message, "deadline of 50 ms");
        nx_expect_ok(nx_wasm_call(wasm, "one", &sum));
    }
}

static nx_err burn(void *unused)
{
    (void)unused;
    for (nx_duration until = nx_now() + NX_MS(300); nx_now() < until;) {}
    return NX_OK;
}

NX_TEST("what others compute is not the guest's, what it computes is", .deadline = NX_S(60))
{
    nx_duration span = NX_MS(20);
    NX_AUTO(nx_wasm_imports) *imports = naps(&span);
    int32_t sum = 0;
    nx_fiber *fiber;
    nx_wasm *wasm =
        guest(NAPPER, .imports = imports, .may_wait = true, .policy.max_cpu_time = NX_MS(100));
    nx_require_ok(nx_spawn(&fiber, burn, NULL));
    nx_expect_ok(nx_wasm_call(wasm, "naps", &sum, 2));
    nx_expect_ok(nx_join(fiber));
    nx_expect_err(NX_ETIMEDOUT, nx_wasm_call(wasm, "spin", NULL));
    nx_expect_contains(nx_error_last()->message, "max_cpu_time, 100 ms");
    nx_expect_ok(nx_wasm_call(wasm, "one", &sum));
}

static nx_err canceled(void *arg)
{
    struct caller *c = arg;
    nx_expect_err(NX_ECANCELED, nx_wasm_call(c->wasm, "naps", &c->sum, 1));
    return NX_OK;
}

NX_TEST("a fiber that is cancelled leaves its guest usable", .deadline = NX_S(60))
{
    nx_duration hour = NX_S(3600);
    NX_AUTO(nx_wasm_imports) *imports = naps(&hour);
    struct caller c = {.wasm = guest(NAPPER, .imports = imports, .may_wait = true)};
    nx_fiber *fiber;
    int32_t n = 0;
    nx_require_ok(nx_spawn(&fiber, canceled, &c));
    nx_require_ok(nx_sleep(NX_MS(2)));
    nx_cancel(fiber);
    nx_expect_ok(nx_join(fiber));
    nx_expect_ok(nx_wasm_call(c.wasm, "one", &n));
    nx_expect_eq(n, 1);
}

/* ---- Calls inside one another */

static nx_err descend(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    unsigned *deepest = arg;
    int32_t n = 0;
    ++*deepest;
    NX_TRY(nx_wasm_call(wasm, "down", &n, values[0].i32 - 1));
    values[0].i32 = n + 1;
    return NX_OK;
}

#define DESCENDER                                                                                  \
    "(import \"env\" \"descend\" (func $descend (param i32) (result i32)))"                        \
    "(func (export \"down\") (param i32) (result i32)"                                             \
    "  (if (result i32) (local.get 0) (then (call $descend (local.get 0))) (else (i32.const 0))))"

NX_TEST("calls inside one another have a limit", .deadline = NX_S(60))
{
    guest_prepare();
    NX_AUTO(nx_wasm_imports) *imports = nx_wasm_imports_new();
    unsigned deepest = 0;
    int32_t n = 0;
    nx_wasm_import(imports, "env", "descend", "i32 -> i32", descend, &deepest);
    nx_wasm *wasm = guest(DESCENDER, .imports = imports, .may_wait = true);
    nx_expect_ok(nx_wasm_call(wasm, "down", &n, NX_WASM_MAX_NESTED));
    nx_expect_eq(n, NX_WASM_MAX_NESTED);
    deepest = 0;
    nx_expect_err(NX_ELIMIT, nx_wasm_call(wasm, "down", &n, 1000));
    nx_expect_contains(nx_error_last()->message, "inside one another more than 16 times");
    nx_expect_eq(deepest, NX_WASM_MAX_NESTED);
    nx_expect_ok(nx_wasm_call(wasm, "down", &n, 2));
}

NX_TEST("texts both ways, of a guest that waits", .deadline = NX_S(60))
{
    guest_prepare();
    NX_AUTO(nx_wasm_imports) *imports = nx_wasm_imports_new();
    unsigned deepest = 0;
    int32_t n = 0;
    nx_wasm_import(imports, "env", "descend", "i32 -> i32", descend, &deepest);
    /* It allocates by calling the host again and again. */
    nx_wasm *wasm = guest(DESCENDER "(memory (export \"memory\") 1)"
                                    "(func (export \"malloc\") (param i32) (result i32)"
                                    "  (drop (call $descend (i32.const 3))) (i32.const 1024))"
                                    "(func (export \"length\") (param i32 i32) (result i32)"
                                    "  (i32.load8_u (i32.add (local.get 0) (i32.const 1))))",
                          .imports = imports, .may_wait = true);
    nx_expect_ok(nx_wasm_call(wasm, "length", &n, "hello"));
    nx_expect_eq(n, 'e');
}

NX_TEST("a start function that waits", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_imports) *imports = naps(NULL);
    nx_wasm *wasm = guest("(import \"env\" \"nap\" (func $nap (param i32) (result i32)))"
                          "(global $slept (export \"slept\") (mut i32) (i32.const 0))"
                          "(func $start (global.set $slept (call $nap (i32.const 7))))"
                          "(start $start)",
                          .imports = imports, .may_wait = true);
    nx_wasm_value value = {.i32 = 0};
    nx_expect_ok(nx_wasm_global_get(wasm, "slept", NX_WASM_I32, &value));
    nx_expect_eq(value.i32, 70);
}

NX_TEST("many calls at once, and several results, of a guest that waits", .deadline = NX_S(60))
{
    enum { CALLS = 40 };
    NX_AUTO(nx_wasm_imports) *imports = naps(NULL);
    nx_wasm *wasm = guest("(func (export \"add\") (param i32 i32) (result i32)"
                          "  (i32.add (local.get 0) (local.get 1)))"
                          "(func (export \"swap\") (param i64 f64) (result f64 i64)"
                          "  local.get 1 local.get 0)",
                          .imports = imports, .may_wait = true);
    nx_wasm_func add, swap;
    nx_wasm_value v[2 * CALLS];
    size_t done = 0;
    for (int32_t i = 0; i < CALLS; i++) {
        v[2 * i].i32 = i;
        v[2 * i + 1].i32 = 100 * i;
    }
    nx_require_ok(nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32"));
    nx_require_ok(nx_wasm_find(&swap, wasm, "swap", "i64, f64 -> f64, i64"));
    nx_expect_ok(nx_wasm_invoke_many(&add, v, CALLS, &done));
    nx_expect_eq(done, CALLS);
    for (int32_t i = 0; i < CALLS; i++) nx_expect_eq(v[i].i32, 101 * i);
    v[0].i64 = INT64_MIN;
    v[1].f64 = 0.5;
    nx_expect_ok(nx_wasm_invoke(&swap, v));
    nx_expect(v[0].f64 == 0.5);
    nx_expect_eq(v[1].i64, INT64_MIN);
}

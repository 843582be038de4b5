/* What a guest may take: memory, tables, time, stack. After each limit the program goes on, and the
 * guest too where it can. */
#include "guest.h"

#include "wasm/internal.h"
#include <nexus/fiber.h>
#include <pthread.h>

#define SPINNER                                                                                    \
    "(func $spin (export \"spin\") (loop $l br $l))"                                               \
    "(func (export \"one\") (result i32) i32.const 1)"

static nx_err spins(nx_wasm *wasm, const char *limit)
{
    int32_t n = 0;
    for (int i = 0; i < 2; i++) {
        nx_expect_err(NX_ETIMEDOUT, nx_wasm_call(wasm, "spin", NULL));
        nx_expect_contains(nx_error_last()->message, limit);
        nx_expect_contains(nx_error_last()->message, "in spin");
        nx_expect_ok(nx_wasm_call(wasm, "one", &n));
        nx_expect_eq(n, 1);
    }
    return NX_OK;
}

static nx_err spins_fiber(void *wasm)
{
    return spins(wasm, "max_cpu_time, 30 ms");
}

NX_TEST("time of the processor, and of the clock", .deadline = NX_S(60))
{
    nx_wasm *cpu = guest(SPINNER, .policy.max_cpu_time = NX_MS(30));
    nx_wasm *wall = guest(SPINNER, .policy.deadline = NX_MS(30));
    nx_expect_ok(spins(cpu, "max_cpu_time, 30 ms"));
    nx_expect_ok(spins(wall, "deadline of 30 ms"));
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, spins_fiber, cpu));
    nx_expect_ok(nx_join(fiber));
    nx_wasm *none;
    nx_expect_err(NX_EINVAL, nx_wasm_open(&none, guest_file(SPINNER), .policy.deadline = -1));
    nx_expect_ok(nx_wasm_open(&none, guest_file(SPINNER), .policy.deadline = NX_FOREVER,
                              .policy.max_cpu_time = NX_FOREVER));
    nx_wasm_close(none);
}

NX_TEST("a start function that spins", .deadline = NX_S(60))
{
    nx_wasm *wasm = NULL;
    const char *path = guest_file("(start $spin) (func $spin (loop $l br $l))");
    nx_expect_err(NX_ETIMEDOUT, nx_wasm_open(&wasm, path, .policy.max_cpu_time = NX_MS(20)));
    nx_expect_contains(nx_error_last()->message, "starting");
    nx_expect(!wasm);
}

NX_TEST("memory")
{
    const char *grower =
        "(memory (export \"memory\") 1)"
        "(func $grow (export \"grow\") (param i32) (result i32) local.get 0 memory.grow)";
    nx_wasm *wasm = guest(grower, .policy.max_memory = 10 * 65536);
    nx_wasm_memory memory;
    int32_t n = 0;
    nx_require_ok(nx_wasm_memory_find(&memory, wasm, NULL));
    nx_expect_ok(nx_wasm_call(wasm, "grow", &n, 9));
    nx_expect_eq(n, 1);
    nx_expect_err(NX_ELIMIT, nx_wasm_call(wasm, "grow", &n, 1));
    nx_expect_contains(nx_error_last()->message, "max_memory, 655360 bytes, in grow");
    nx_expect_err(NX_ELIMIT, nx_wasm_memory_grow(&memory, 1));
    nx_expect_ok(nx_wasm_call(wasm, "grow", &n, 0));
    nx_expect_eq(n, 10);
    nx_wasm *none = NULL;
    nx_expect_err(NX_ELIMIT,
                  nx_wasm_open(&none, guest_file("(memory 20)"), .policy.max_memory = 65536));
    nx_expect_err(NX_ELIMIT, nx_wasm_open(&none, guest_file("(memory 32768)"))); /* the default */
    nx_expect(!none);
}

NX_TEST("table elements")
{
    nx_wasm *wasm = guest("(table (export \"t\") 10 funcref)"
                          "(func (export \"grow\") (param i32) (result i32)"
                          "  ref.null func local.get 0 table.grow 0)",
                          .policy.max_table_elements = 100);
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "grow", &n, 90));
    nx_expect_eq(n, 10);
    nx_expect_err(NX_ELIMIT, nx_wasm_call(wasm, "grow", &n, 1));
    nx_expect_contains(nx_error_last()->message, "max_table_elements, 100");
    nx_wasm *none = NULL;
    nx_expect_err(NX_ELIMIT, nx_wasm_open(&none, guest_file("(table 100000000 funcref)")));
}

NX_TEST("the stack, in a loop of two functions")
{
    nx_wasm *wasm = guest("(func $a (export \"a\") call $b) (func $b call $a)"
                          "(func (export \"one\") (result i32) i32.const 1)");
    int32_t n = 0;
    for (int i = 0; i < 3; i++) {
        nx_expect_err(NX_ECRASHED, nx_wasm_call(wasm, "a", NULL));
        nx_expect_contains(nx_error_last()->message, "stack");
        nx_expect_ok(nx_wasm_call(wasm, "one", &n));
    }
}

NX_TEST("fuel, the same each time")
{
    const char *counter =
        "(func (export \"count\") (param i32) (result i32) (local i32)"
        "  (loop $l (local.set 1 (i32.add (local.get 1) (i32.const 1)))"
        "    (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1))";
    nx_wasm *wasm = guest(counter, .policy.fuel = 2000);
    int32_t n = 0;
    uint64_t left = 0;
    for (int i = 0; i < 3; i++) {
        nx_expect_ok(nx_wasm_call(wasm, "count", &n, 100));
        nx_expect_eq(n, 100);
        if (i) nx_expect_eq(nx_wasm_fuel_left(wasm), left);
        left = nx_wasm_fuel_left(wasm);
        nx_expect(left > 0 && left < 2000);
        nx_expect_err(NX_ELIMIT, nx_wasm_call(wasm, "count", &n, 1000));
        nx_expect_contains(nx_error_last()->message, "used more than its fuel, 2000");
    }
    nx_wasm *none = NULL;
    nx_expect_err(NX_ELIMIT, nx_wasm_open(&none, guest_file("(start $s) (func $s (loop $l br $l))"),
                                          .policy.fuel = 100));
    nx_expect_contains(nx_error_last()->message, "starting");
    NX_AUTO(nx_wasm_module) *plain = NULL;
    NX_AUTO(nx_wasm_module) *metered = NULL;
    const char *path = guest_file(counter);
    nx_require_ok(nx_wasm_load(&plain, path));
    nx_require_ok(nx_wasm_load(&metered, path, .metered = true));
    nx_expect_err(NX_EINVAL, nx_wasm_new(&none, plain, .policy.fuel = 100));
    nx_expect_contains(nx_error_last()->message, ".metered");
    nx_require_ok(nx_wasm_new(&none, metered));
    nx_expect_ok(nx_wasm_call(none, "count", &n, 1000000));
    nx_expect_eq(nx_wasm_fuel_left(none), 0);
    nx_wasm_close(none);
}

NX_TEST("a smaller stack")
{
    const char *deep = "(func $a (export \"a\") call $a)";
    nx_wasm *wasm = guest(deep, .policy.max_stack = 50 << 10);
    nx_expect_err(NX_ECRASHED, nx_wasm_call(wasm, "a", NULL));
    nx_expect_contains(nx_error_last()->message, "64 KiB of stack");
    nx_wasm *none = NULL;
    nx_expect_err(NX_EINVAL, nx_wasm_open(&none, guest_file(deep), .policy.max_stack = 1 << 20));
    NX_AUTO(nx_wasm_module) *module = NULL;
    nx_require_ok(nx_wasm_load(&module, guest_file(deep), .max_stack = 1));
    nx_expect_err(NX_EINVAL, nx_wasm_new(&none, module, .policy.max_stack = 64 << 10));
    nx_expect_contains(nx_error_last()->message, "loaded for 32768");
    nx_expect_ok(nx_wasm_new(&none, module, .policy.max_stack = 32 << 10));
    nx_expect_err(NX_ECRASHED, nx_wasm_call(none, "a", NULL));
    nx_expect_contains(nx_error_last()->message, "32 KiB of stack");
    nx_wasm_close(none);
}

NX_TEST("instances of a module")
{
    NX_AUTO(nx_wasm_module) *module = NULL;
    nx_require_ok(nx_wasm_load(&module, guest_file(SPINNER)));
    nx_wasm *some[3] = {NULL}, *none = NULL;
    for (size_t i = 0; i < 3; i++)
        nx_require_ok(nx_wasm_new(&some[i], module, .policy.max_instances = 3));
    for (int i = 0; i < 2; i++) {
        nx_expect_err(NX_ELIMIT, nx_wasm_new(&none, module, .policy.max_instances = 3));
        nx_expect_contains(nx_error_last()->message, "max_instances of it, 3");
    }
    nx_wasm_close(some[0]);
    nx_expect_ok(nx_wasm_new(&none, module, .policy.max_instances = 3));
    nx_wasm_close(none);
    nx_wasm_close(some[1]);
    nx_wasm_close(some[2]);
}

static nx_err spin_unlimited(void *wasm)
{
    NX_TRY(nx_yield()); /* the loop turns, so it is watched */
    return nx_wasm_call(wasm, "spin", NULL);
}

NX_TEST("a guest without a limit does not block a loop for ever", .deadline = NX_S(60))
{
    nx_wasm *wasm = guest(SPINNER);
    nx_wasm *free_one =
        guest(SPINNER, .policy.max_cpu_time = NX_FOREVER, .policy.deadline = NX_S(1));
    nx_duration before = nx__wasm_cpu_most;
    nx__wasm_cpu_most = NX_MS(200);
    nx_fiber *fiber;
    nx_require_ok(nx_spawn(&fiber, spin_unlimited, wasm));
    nx_expect_err(NX_ETIMEDOUT, nx_join(fiber));
    int32_t n = 0;
    nx_expect_ok(nx_wasm_call(wasm, "one", &n));
    nx_expect_eq(n, 1);
    /* Who has taken it away is left alone. */
    nx_require_ok(nx_spawn(&fiber, spin_unlimited, free_one));
    nx_expect_err(NX_ETIMEDOUT, nx_join(fiber));
    nx_expect_contains(nx_error_last()->message, "deadline of 1000 ms");
    nx__wasm_cpu_most = before;
}

static void *thread(void *module)
{
    nx_wasm *wasm;
    for (int i = 0; i < 20; i++) {
        int32_t n = 0;
        if (nx_wasm_new(&wasm, module, .policy.max_cpu_time = NX_S(10))) return "cannot make one";
        if (nx_wasm_call(wasm, "one", &n) || n != 1) return "cannot call it";
        nx_wasm_close(wasm);
    }
    return NULL;
}

NX_TEST("one module in several threads", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_module) *module = NULL;
    nx_require_ok(nx_wasm_load(&module, guest_file(SPINNER)));
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        nx_require_eq(pthread_create(&threads[i], NULL, thread, module), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong = NULL;
        nx_require_eq(pthread_join(threads[i], &wrong), 0);
        nx_expect_eq((const char *)wrong, (const char *)NULL);
    }
}

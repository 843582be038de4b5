/* Calls a WebAssembly module: a function, its memory, and one of ours that it calls.
 *
 *     nexus run examples/wasm-call/app.c
 */
#include <nexus/wasm.h>
#include <stdio.h>

/* What the module imports as env.log. */
static nx_err log_text(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    (void)wasm;
    (void)arg;
    printf("the guest says: %.*s\n", NX_FMT(values[0].bytes));
    return NX_OK;
}

int main(void)
{
    nx_wasm_imports *imports = nx_wasm_imports_new();
    nx_wasm_import(imports, "env", "log", "str ->", log_text, NULL);

    nx_wasm *compute;
    NX_TRY(nx_wasm_open(&compute, "./compute.wat", .imports = imports,
                        .policy.max_memory = 16 << 20, .policy.max_cpu_time = NX_S(5)));

    int32_t n;
    NX_TRY(nx_wasm_call(compute, "hello", NULL));
    NX_TRY(nx_wasm_call(compute, "fibonacci", &n, 10));
    printf("fibonacci(10) = %d\n", (int)n);

    /* Its memory, and a function that was looked up once. */
    static const int32_t numbers[] = {1, 2, 3, 36};
    nx_wasm_memory memory;
    NX_TRY(nx_wasm_memory_find(&memory, compute, NULL));
    NX_TRY(nx_wasm_memory_write(&memory, 0, nx_slice(numbers, sizeof numbers)));
    nx_wasm_func sum;
    NX_TRY(nx_wasm_find(&sum, compute, "sum", "i32, i32 -> i64"));
    nx_wasm_value values[] = {{.i32 = 0}, {.i32 = 4}};
    NX_TRY(nx_wasm_invoke(&sum, values));
    printf("the sum of %zu numbers in %zu KiB of memory = %lld\n", sizeof numbers / sizeof *numbers,
           nx_wasm_memory_view(&memory).len / 1024, (long long)values[0].i64);

    nx_wasm_close(compute);
    nx_wasm_imports_free(imports);
    return NX_OK;
}

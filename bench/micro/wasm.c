/* The rows wasm_…: a call of a guest's function, one of 16 at once, one from a guest into the
 * program, and making a guest of a module that is there.
 *
 * usage: wasm.c [SCALE]: a tenth of all counts with 0.1. Prints
 * {"call":NS,"batch":NS,"host":NS,"instantiate":US}. */
#include <nexus/timer.h>
#include <nexus/wasm.h>
#include <stdio.h>
#include <stdlib.h>

static nx_err nop(nx_wasm *wasm, void *arg, nx_wasm_value *values)
{
    (void)wasm;
    (void)arg;
    (void)values;
    return NX_OK;
}

static nx_err calls(nx_wasm *wasm, int count, double *ns)
{
    nx_wasm_func add;
    NX_TRY(nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32"));
    nx_wasm_value v[2] = {{.i32 = 0}};
    nx_duration start = nx_now();
    for (int i = 0; i < count; i++) {
        v[1].i32 = 1;
        NX_TRY(nx_wasm_invoke(&add, v));
    }
    *ns = (double)(nx_now() - start) / count;
    return v[0].i32 == count ? NX_OK : nx_fail(NX_EFAILED, "the guest can't add");
}

static nx_err batches(nx_wasm *wasm, int count, double *ns)
{
    enum { BATCH = 16 };
    nx_wasm_func add;
    NX_TRY(nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32"));
    nx_wasm_value v[2 * BATCH] = {{.i32 = 0}};
    int32_t sum = 0;
    nx_duration start = nx_now();
    for (int i = 0; i < count; i += BATCH) {
        for (int k = 0; k < BATCH; k++) {
            v[2 * k].i32 = i;
            v[2 * k + 1].i32 = k;
        }
        NX_TRY(nx_wasm_invoke_many(&add, v, BATCH, NULL));
        sum = v[BATCH - 1].i32;
    }
    *ns = (double)(nx_now() - start) / count;
    return sum == (count - 1) / BATCH * BATCH + BATCH - 1
               ? NX_OK
               : nx_fail(NX_EFAILED, "the guest can't add");
}

static nx_err measure(double scale)
{
    int count = (int)(10000000 * scale), guests = (int)(20000 * scale);
    double call, batch, host, instantiate;
    nx_wasm_imports *imports = nx_wasm_imports_new();
    nx_wasm_module *module;
    nx_wasm *wasm;
    nx_wasm_import(imports, "env", "nop", "->", nop, NULL);
    NX_TRY(nx_wasm_load(&module, "./wasm.wat"));
    NX_TRY(nx_wasm_new(&wasm, module, .imports = imports));
    NX_TRY(calls(wasm, count, &call));
    NX_TRY(batches(wasm, count, &batch));

    nx_duration start = nx_now();
    NX_TRY(nx_wasm_call(wasm, "many", NULL, count));
    host = (double)(nx_now() - start) / count;
    nx_wasm_close(wasm);

    start = nx_now();
    for (int i = 0; i < guests; i++) {
        NX_TRY(nx_wasm_new(&wasm, module, .imports = imports));
        nx_wasm_close(wasm);
    }
    instantiate = (double)(nx_now() - start) / guests / 1000;
    printf("{\"call\":%.2f,\"batch\":%.2f,\"host\":%.2f,\"instantiate\":%.2f}\n", call, batch, host,
           instantiate);
    nx_wasm_module_free(module);
    nx_wasm_imports_free(imports);
    return NX_OK;
}

int main(int argc, char **argv)
{
    nx_err err = measure(argc > 1 ? strtod(argv[1], NULL) : 1);
    if (err) fprintf(stderr, "%s\n", nx_error_last()->message);
    return err;
}

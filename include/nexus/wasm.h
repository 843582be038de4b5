/* WebAssembly: modules loaded, called, and given functions to call. */
#ifndef NEXUS_WASM_H
#define NEXUS_WASM_H

#include <nexus/base.h>
#include <nexus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A module that runs: its memory, its globals, its tables, and what it may take. For one thread at
 * a time; calls into it don't suspend, and block the loop for as long as it computes. It lives
 * until nx_wasm_close.
 *
 *     NX_AUTO(nx_wasm) *wasm = NULL;
 *     NX_TRY(nx_wasm_open(&wasm, "./compute.wasm"));
 *     int32_t n;
 *     NX_TRY(nx_wasm_call(wasm, "fibonacci", &n, 10));
 */
typedef struct nx_wasm nx_wasm;

/* Its code alone, from which any number of them are made, in any thread. It lives until
 * nx_wasm_module_free, and the code as long as something made of it. */
typedef struct nx_wasm_module nx_wasm_module;

/* Functions of the program's that modules may import. */
typedef struct nx_wasm_imports nx_wasm_imports;

/* ---- Loading */

/* How a module is to be loaded; zero means the default. */
typedef struct nx_wasm_load_options {
    size_t size;
    bool metered;     /* its guests may be given fuel; counting it makes their code slower */
    size_t max_stack; /* bytes that the code of one of its guests may use, NX_WASM_MAX_STACK */
} nx_wasm_load_options;

/* The stack of guest code: what is less is taken as the next power of two, from 32 KiB on. */
#define NX_WASM_MAX_STACK ((size_t)512 << 10)

/* Loads a .wasm file, or a .wat, which is its text: nx_wasm_load(&module, "./x.wasm"). It is
 * compiled to machine code, once: the result is cached by content. In a program that was started
 * with `nexus run` a relative path is relative to the program's file, and neither the file nor the
 * compiler takes a grant. A .cwasm is machine code already, which `nexus compile` has made: it is
 * checked to be whole, of this version and for this processor, and takes the grant of native
 * libraries. The caller frees `*out`. Blocks while it is compiled. NX_ENOENT, NX_ECOMPILE (not
 * valid WebAssembly: the place is on stderr), NX_EINVAL, NX_EACCES and NX_EPERM (a .cwasm),
 * NX_ENOTSUP (built without WebAssembly, a component, or the engine is not there), NX_ENOMEM and
 * others. Any thread. */
NX_API NX_MUST_CHECK nx_err nx_wasm_load_with(nx_wasm_module **out, const char *path,
                                              const nx_wasm_load_options *options);
#define nx_wasm_load(out, path, ...)                                                               \
    nx_wasm_load_with((out), (path),                                                               \
                      &(nx_wasm_load_options){.size = sizeof(nx_wasm_load_options), __VA_ARGS__})

/* Frees it; NULL is nothing. Any thread. */
NX_API void nx_wasm_module_free(nx_wasm_module *module);
static inline void nx_wasm_module_auto(nx_wasm_module **module)
{
    nx_wasm_module_free(*module);
}

/* A directory that a guest has over WASI, with all that is below it; links and ".." don't lead out
 * of it. */
typedef struct nx_wasm_dir {
    const char *path;
    const char *guest; /* what the guest calls it; NULL: the same */
    bool write;        /* and not just reads */
} nx_wasm_dir;

/* Keys and values that guests share, of this program's run. */
typedef struct nx_wasm_kv nx_wasm_kv;

/* What a guest may take and may do. Zero means the default. */
typedef struct nx_wasm_policy {
    uint64_t max_memory;         /* bytes of all its memories, NX_WASM_MAX_MEMORY */
    uint64_t max_table_elements; /* of all its tables, NX_WASM_MAX_TABLE_ELEMENTS */
    uint64_t max_instances;      /* of its module that are there at once, itself among them; none */
    size_t max_stack;            /* bytes for its code, as its module was loaded for */
    nx_duration max_cpu_time;    /* of the processor that one call from outside may take, to a tick
                                    of NX_WASM_TICK; NX_WASM_MAX_CPU_TIME where it blocks a loop */
    nx_duration deadline;        /* the same by the clock; none */
    uint64_t fuel;               /* that one call from outside may use: about one for each
                                    instruction, exactly so each time; none. Its module has to be
                                    loaded as metered */
    /* Of guests with WASI. */
    uint32_t max_open_files;     /* files, directories and streams, NX_WASM_MAX_OPEN_FILES */
    const char *const *args;     /* NULL at the end; the first is the program's name */
    const char *const *env;      /* NAME=VALUE, NULL at the end */
    const nx_wasm_dir *allow_fs; /* the last one has no path */
    uint64_t random_seed; /* random bytes are made from it, the same each time; 0: the system's */
    nx_duration clock;    /* since 1970, at which its clocks stand still; 0: they run */
    /* Of guests with the functions of "nexus", for which allow_fs, max_open_files and clock hold
     * too. */
    const char *const *allow_net; /* hosts that it may ask, as --allow-connect names them, NULL at
                                     the end; "*": all that the program may. None */
    nx_wasm_kv *kv;               /* the keys and values that it has; its own, for as long as it is
                                     there */
    uint64_t max_kv;              /* bytes of its own keys and values, NX_WASM_MAX_KV */
} nx_wasm_policy;

/* Defaults. */
#define NX_WASM_MAX_MEMORY         ((uint64_t)1 << 30)
#define NX_WASM_MAX_TABLE_ELEMENTS ((uint64_t)1 << 20)
#define NX_WASM_MAX_CPU_TIME       NX_S(60)
#define NX_WASM_MAX_OPEN_FILES     1024
#define NX_WASM_MAX_KV             ((uint64_t)16 << 20)
/* How often a guest with a limit on its time is looked after. */
#define NX_WASM_TICK NX_MS(10)

/* Zero means the default. */
typedef struct nx_wasm_options {
    size_t size;
    const nx_wasm_imports *imports; /* what it may call; all that it imports has to be there */
    bool wasi;                      /* it may also import WASI 0.1, as far as the policy says */
    bool nexus;    /* and the functions of <nexus-guest.h>, the same; then it may wait, too */
    bool may_wait; /* the functions that it calls may suspend */
    nx_wasm_policy policy;
} nx_wasm_options;

/* Makes one of a module and runs its start function: nx_wasm_new(&wasm, module, .policy.max_memory
 * = 16 << 20). The caller closes `*out`. NX_ENOENT (it imports what is not there: the message says
 * what), NX_ETYPE (what is there has another type), NX_ELIMIT (the message names which),
 * NX_ECRASHED and others as nx_wasm_call, NX_EINVAL (its module was not loaded for such a policy),
 * NX_EPERM (a directory that the program may not read or write itself), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_wasm_new_with(nx_wasm **out, nx_wasm_module *module,
                                             const nx_wasm_options *options);
#define nx_wasm_new(out, module, ...)                                                              \
    nx_wasm_new_with((out), (module),                                                              \
                     &(nx_wasm_options){.size = sizeof(nx_wasm_options), __VA_ARGS__})

/* Loads and makes one at once, for who needs just one. Errors as nx_wasm_load and nx_wasm_new. */
NX_API NX_MUST_CHECK nx_err nx_wasm_open_with(nx_wasm **out, const char *path,
                                              const nx_wasm_options *options);
#define nx_wasm_open(out, path, ...)                                                               \
    nx_wasm_open_with((out), (path),                                                               \
                      &(nx_wasm_options){.size = sizeof(nx_wasm_options), __VA_ARGS__})

/* Frees it with all that it has; NULL is nothing. Not from a function that it calls, nor while one
 * waits. */
NX_API void nx_wasm_close(nx_wasm *wasm);
static inline void nx_wasm_auto(nx_wasm **wasm)
{
    nx_wasm_close(*wasm);
}

/* ---- Calling */

/* Calls an exported function with C values: up to 32 arguments, the result where `out` points,
 * which is NULL where there is none. Both are checked against the module: integers have to fit
 * their type, and reals are rounded to f32 where that is the type. For functions of several
 * results, SIMD and loops there is nx_wasm_find.
 *
 * A text (or an nx_bytes by nx_value_bytes) is a pointer and a length, both i32, to a copy in the
 * guest's "memory": its cabi_realloc makes room there and the copy is the guest's, or its malloc
 * and free do and it goes after the call. A result that is an nx_bytes is a pointer and a length,
 * or a pointer to the two, and is copied into memory of the current scope; then cabi_post_NAME is
 * called, where the guest has it:
 *
 *     nx_bytes loud;
 *     NX_TRY(nx_wasm_call(wasm, "shout", &loud, "hello"));
 *
 * NX_ENOENT (no such function; the message names the nearest), NX_ETYPE (other parameters or
 * result), NX_ECRASHED (it has trapped: the message says why and where, nx_wasm_trace has the whole
 * stack), NX_ELIMIT (memory, table, fuel, open files), NX_ETIMEDOUT (CPU time, deadline), the error
 * of a function of the program's that it called, or, over WASI, NX_EFAILED where it ended itself
 * with another exit code than 0. It may be called again after each of them, though a trap may
 * leave its memory half changed. Does not suspend. */
#define nx_wasm_call(wasm, name, out, ...)                                                         \
    nx_wasm_call_with((wasm), (name), (out), NX__WASM_OUT(out), NX__ITEMS(0, ##__VA_ARGS__),       \
                      NX__VALUES(0, ##__VA_ARGS__))
NX_API NX_MUST_CHECK nx_err nx_wasm_call_with(nx_wasm *wasm, const char *name, void *out,
                                              int out_type, const nx_value *args, size_t count);

/* Types of values. */
typedef enum nx_wasm_type {
    NX_WASM_NONE,
    NX_WASM_I32,
    NX_WASM_I64,
    NX_WASM_F32,
    NX_WASM_F64,
    NX_WASM_V128,
    NX_WASM_FUNCREF,
    NX_WASM_EXTERNREF,
    NX_WASM_ANYREF /* and all others of the garbage collected ones */
} nx_wasm_type;

#define NX__WASM_OUT(out)                                                                          \
    _Generic((out), int *: NX_WASM_I32, unsigned *: NX_WASM_I32, long *: NX_WASM_I64,              \
        unsigned long *: NX_WASM_I64, long long *: NX_WASM_I64, unsigned long long *: NX_WASM_I64, \
        float *: NX_WASM_F32, double *: NX_WASM_F64, nx_bytes *: NX__WASM_OUT_BYTES,               \
        void *: NX_WASM_NONE)
enum { NX__WASM_OUT_BYTES = 100 };

/* Where the guest was when it trapped last, a line for each function, innermost first, with its
 * place in the file: "divide at 0x52". Called from a function that the guest calls: where it is
 * now. Memory of the current scope, empty if there is nothing to tell. */
NX_API nx_bytes nx_wasm_trace(nx_wasm *wasm);

/* ---- Calling often */

/* One value. In a function of the program's a `str` or `bytes` is a view of the guest's memory. */
typedef union nx_wasm_value {
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    unsigned char v128[16];
    nx_bytes bytes;
} nx_wasm_value;

/* A function that was looked up and whose type was checked. It lasts as long as its nx_wasm, and
 * may be copied. */
typedef struct nx_wasm_func {
    nx_wasm *wasm;
    uint32_t params, results;
    uint64_t handle[2], batch[2];
    bool many;
} nx_wasm_func;

/* Looks an export up, once, and checks that it has that type: parameters, an arrow and results in
 * the words i32, i64, f32, f64, v128:
 *
 *     nx_wasm_func add;
 *     NX_TRY(nx_wasm_find(&add, wasm, "add", "i32, i32 -> i32"));
 *     nx_wasm_value v[] = {{.i32 = 1}, {.i32 = 2}};
 *     NX_TRY(nx_wasm_invoke(&add, v));
 *     use(v[0].i32);
 *
 * NX_ENOENT, NX_ETYPE (the message has its real type), NX_EINVAL (the text is no type). */
NX_API NX_MUST_CHECK nx_err nx_wasm_find(nx_wasm_func *out, nx_wasm *wasm, const char *name,
                                         const char *type);

/* The same for what an element of an exported table refers to: a guest's function pointer.
 * NX_ENOENT also where it refers to nothing. */
NX_API NX_MUST_CHECK nx_err nx_wasm_find_element(nx_wasm_func *out, nx_wasm *wasm,
                                                 const char *table, uint64_t index,
                                                 const char *type);

/* Calls it. `values` has the arguments before and the results after; there is room for the more of
 * both. Errors as nx_wasm_call, but for types, which nobody looks at any more. */
NX_API NX_MUST_CHECK nx_err nx_wasm_invoke(const nx_wasm_func *func, nx_wasm_value *values);

/* Calls it so often, entering guest code once for many calls, which is what a call costs: the more,
 * the cheaper is each. `values` has the arguments of all calls, one behind the other, and gets the
 * results in the same way from its start on; there is room for the more of both. After an error
 * `*done` says how many results are there, and calls behind those may have been made too; it may be
 * NULL. Limits hold for all calls together. Errors as nx_wasm_invoke.
 *
 *     nx_wasm_value v[] = {{.i32 = 1}, {.i32 = 2}, {.i32 = 3}, {.i32 = 4}};
 *     NX_TRY(nx_wasm_invoke_many(&add, v, 2, NULL));
 *     use(v[0].i32, v[1].i32); // 3 and 7
 */
NX_API NX_MUST_CHECK nx_err nx_wasm_invoke_many(const nx_wasm_func *func, nx_wasm_value *values,
                                                size_t count, size_t *done);

/* What is left of the fuel of the last call, 0 without a limit on it. */
NX_API uint64_t nx_wasm_fuel_left(nx_wasm *wasm);

/* ---- Memory */

/* An exported memory, looked up. It lasts as long as its nx_wasm. */
typedef struct nx_wasm_memory {
    nx_wasm *wasm;
    uint64_t handle[3];
} nx_wasm_memory;

/* NULL as the name is "memory", as compilers call it. NX_ENOENT. */
NX_API NX_MUST_CHECK nx_err nx_wasm_memory_find(nx_wasm_memory *out, nx_wasm *wasm,
                                                const char *name);

/* Its bytes as they are now. They are the guest's to change: the slice is good until guest code
 * runs again or the memory grows, which may move it. */
NX_API nx_bytes nx_wasm_memory_view(const nx_wasm_memory *memory);

/* A slice of it, under the same conditions. NX_EINVAL where any of it lies outside. */
NX_API NX_MUST_CHECK nx_err nx_wasm_memory_slice(const nx_wasm_memory *memory, uint64_t at,
                                                 uint64_t len, nx_bytes *out);

/* Copies out of it and into it. NX_EINVAL where any of it lies outside, and nothing is copied. */
NX_API NX_MUST_CHECK nx_err nx_wasm_memory_read(const nx_wasm_memory *memory, uint64_t at,
                                                void *out, size_t len);
NX_API NX_MUST_CHECK nx_err nx_wasm_memory_write(const nx_wasm_memory *memory, uint64_t at,
                                                 nx_bytes bytes);

/* Adds pages of 64 KiB. NX_ELIMIT past max_memory or the memory's own maximum; NX_ESTATE while a
 * call into the guest waits. */
NX_API NX_MUST_CHECK nx_err nx_wasm_memory_grow(const nx_wasm_memory *memory, uint64_t pages);

/* ---- Globals and tables */

/* An exported global. NX_ENOENT; NX_ETYPE where it is not of that type, or can't be changed. */
NX_API NX_MUST_CHECK nx_err nx_wasm_global_get(nx_wasm *wasm, const char *name, nx_wasm_type type,
                                               nx_wasm_value *out);
NX_API NX_MUST_CHECK nx_err nx_wasm_global_set(nx_wasm *wasm, const char *name, nx_wasm_type type,
                                               nx_wasm_value value);

/* Elements of an exported table. NX_ENOENT. */
NX_API NX_MUST_CHECK nx_err nx_wasm_table_size(nx_wasm *wasm, const char *name, uint64_t *out);

/* ---- What a guest may call */

/* A function of the program's. `values` has the arguments in their order and gets the results. An
 * error that it returns ends the guest's call, which returns it with the same message. It may call
 * the guest again (NX_ESTATE only from another guest that it calls meanwhile), and may not suspend:
 * what would returns NX_EWOULDSUSPEND.
 *
 * Of a guest with `may_wait` it may suspend, and with it the call into the guest: other fibers run
 * meanwhile, and may not use that guest (NX_ESTATE). What it takes of the processor, and what
 * others take, is not the guest's; the deadline goes on, and what waits past it returns
 * NX_ECANCELED. Fibers that it spawns and memory of the current scope last as long as the call from
 * outside. Calls of such a guest cost some hundred nanoseconds, and may be inside one another
 * NX_WASM_MAX_NESTED times (NX_ELIMIT). */
typedef nx_err (*nx_wasm_fn)(nx_wasm *wasm, void *arg, nx_wasm_value *values);
#define NX_WASM_MAX_NESTED 16

/* New, empty ones; the caller frees them when nothing that was made with them is left. NULL when
 * memory is out. */
NX_API nx_wasm_imports *nx_wasm_imports_new(void);
NX_API void nx_wasm_imports_free(nx_wasm_imports *imports);
static inline void nx_wasm_imports_auto(nx_wasm_imports **imports)
{
    nx_wasm_imports_free(*imports);
}

/* Adds a function by the names under which guests import it, with its type. Beside the types of
 * nx_wasm_find it may have parameters that stand for a pointer and a count, both i32, into the
 * guest's "memory": `bytes`, `str`, which is UTF-8, and lists `i32[]`, `i64[]`, `f32[]` and
 * `f64[]`, which are aligned, and whose `bytes.len` is of bytes. `{i16, f64}` stands for a pointer
 * to such a structure, of i8, i16, i32, i64, f32 and f64, which lie as they do in C, and
 * `{i16, f64}[]` for a list of them. All are checked before it is called, and are no copies:
 *
 *     nx_wasm_import(imports, "env", "log", "str ->", log_text, NULL);
 *
 * The single result may be one of these too. What the function leaves in values[0].bytes is copied
 * into memory that the guest's cabi_realloc, or else its malloc, has given, and is the guest's; the
 * guest's function has one parameter more, an i32 that points to where pointer and count are to be
 * stored; of a structure, where it is to be stored itself.
 *
 * Text and `arg` have to last as long as the imports. What is wrong with it, or that memory is out,
 * nx_wasm_new says. */
NX_API void nx_wasm_import(nx_wasm_imports *imports, const char *module, const char *name,
                           const char *type, nx_wasm_fn fn, void *arg);

/* ---- Keys and values */

/* A key, and a value, at most. */
#define NX_WASM_KV_MAX_KEY   ((size_t)1024)
#define NX_WASM_KV_MAX_VALUE ((size_t)1 << 20)

/* Makes an empty one, for guests of any thread: `.policy.kv`. `max` is bytes of keys and values
 * with 64 for each pair, 0: NX_WASM_MAX_KV. The caller frees it when no guest has it any more.
 * NX_ENOMEM. None of these suspends; all may be called by any thread. */
NX_API NX_MUST_CHECK nx_err nx_wasm_kv_new(nx_wasm_kv **out, uint64_t max);
NX_API void nx_wasm_kv_free(nx_wasm_kv *kv);
static inline void nx_wasm_kv_auto(nx_wasm_kv **kv)
{
    nx_wasm_kv_free(*kv);
}

/* Stores a value, copied, in place of what the key had. NX_ELIMIT past `max`, NX_ETOOBIG (the key,
 * the value), NX_ENOMEM; then the old value stays. */
NX_API NX_MUST_CHECK nx_err nx_wasm_kv_set(nx_wasm_kv *kv, nx_bytes key, nx_bytes value);

/* A copy of the value in memory of the current scope. NX_ENOENT, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_wasm_kv_get(nx_wasm_kv *kv, nx_bytes key, nx_bytes *value);

/* Takes it out; false: there was none. */
NX_API bool nx_wasm_kv_delete(nx_wasm_kv *kv, nx_bytes key);

/* ---- Looking into a module */

typedef enum nx_wasm_kind {
    NX_WASM_FUNCTION = 1,
    NX_WASM_MEMORY,
    NX_WASM_GLOBAL,
    NX_WASM_TABLE,
    NX_WASM_TAG
} nx_wasm_kind;

/* What it imports or exports. Texts are UTF-8 with a NUL behind, and may have others inside. */
typedef struct nx_wasm_item {
    nx_bytes module; /* of an import */
    nx_bytes name;
    nx_wasm_kind kind;
    uint8_t type; /* an nx_wasm_type: of a global, of a table's elements */
    bool mutable_, shared, is_64;
    const uint8_t *params; /* nx_wasm_type each, of a function */
    size_t param_count;
    const uint8_t *results;
    size_t result_count;
    uint64_t minimum, maximum; /* pages of a memory, elements of a table; UINT64_MAX: no maximum */
    uint64_t page_size;        /* bytes, of a memory */
} nx_wasm_item;

/* All of them, in the module's order; they last as long as the module. NX_ENOMEM. Any thread. */
NX_API NX_MUST_CHECK nx_err nx_wasm_module_imports(nx_wasm_module *module, const nx_wasm_item **out,
                                                   size_t *count);
NX_API NX_MUST_CHECK nx_err nx_wasm_module_exports(nx_wasm_module *module, const nx_wasm_item **out,
                                                   size_t *count);

/* A function's type as nx_wasm_find reads it; memory of the current scope, NULL when that is out.
 */
NX_API char *nx_wasm_type_text(const nx_wasm_item *function);

#ifdef __cplusplus
}
#endif

#endif

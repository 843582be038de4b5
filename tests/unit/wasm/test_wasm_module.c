/* Modules: what they import and export, what is no module, and machine code that has changed. */
#include "guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

NX_TEST("imports and exports", .deadline = NX_S(60))
{
    NX_AUTO(nx_wasm_module) *module = NULL;
    nx_require_ok(nx_wasm_load(
        &module,
        guest_file("(import \"env\" \"f\" (func (param i32 f64) (result i64)))"
                   "(import \"env\" \"g\" (global i64))"
                   "(memory (export \"memory\") 1 16)"
                   "(table (export \"table\") 5 funcref)"
                   "(global (export \"v\") (mut v128) (v128.const i64x2 0 0))"
                   "(func (export \"run \\22it\\22\") (result i32 i32) i32.const 1 i32.const 2)")));
    const nx_wasm_item *items;
    size_t count = 0;
    nx_require_ok(nx_wasm_module_imports(module, &items, &count));
    nx_require_eq(count, 2);
    nx_expect_eq(items[0].module, "env");
    nx_expect_eq(items[0].name, "f");
    nx_expect_eq(nx_wasm_type_text(&items[0]), "i32, f64 -> i64");
    nx_expect_eq(items[1].kind, NX_WASM_GLOBAL);
    nx_expect_eq(items[1].type, NX_WASM_I64);
    nx_expect(!items[1].mutable_);
    nx_require_ok(nx_wasm_module_exports(module, &items, &count));
    nx_require_eq(count, 4);
    nx_expect_eq(items[0].kind, NX_WASM_MEMORY);
    nx_expect_eq(items[0].minimum, 1);
    nx_expect_eq(items[0].maximum, 16);
    nx_expect_eq(items[0].page_size, 65536);
    nx_expect_eq(items[1].kind, NX_WASM_TABLE);
    nx_expect_eq(items[1].maximum, UINT64_MAX);
    nx_expect(items[2].mutable_);
    nx_expect_eq(items[3].name, "run \"it\"");
    nx_expect_eq(nx_wasm_type_text(&items[3]), "-> i32, i32");
}

/* What a compiler says goes nowhere. */
static nx_err load(nx_wasm_module **out, const char *path)
{
    int before = dup(2), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, 2);
    nx_err err = nx_wasm_load(out, path);
    (void)dup2(before, 2);
    (void)close(before);
    (void)close(null);
    return err;
}

NX_TEST("a component is no module", .deadline = NX_S(60))
{
    nx_wasm_module *module;
    guest_prepare();
    nx_expect_err(nx_wasm_load(&module, guest_file_named("part.wat", nx_str("(component)"))),
                  NX_ENOTSUP);
    nx_expect_contains(nx_error_last()->message, "it is a component");
    nx_expect(module == NULL);
}

NX_TEST("what is no module", .deadline = NX_S(60))
{
    guest_prepare();
    nx_wasm_module *module;
    static const struct {
        const char *name, *content;
        size_t len;
    } rows[] = {{"empty.wasm", "", 0},
                {"text.wasm", "hello", 5},
                {"magic.wasm", "\0asm", 4},
                {"version.wasm", "\0asm\2\0\0\0", 8},
                {"section.wasm", "\0asm\1\0\0\0\1\xff\xff\xff\xff\x0f", 14},
                {"syntax.wat", "(module (func", 13},
                {"type.wat", "(module (func (result i32) i64.const 1))", 40}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        nx_subtest ("%s", rows[i].name) {
            const char *path =
                guest_file_named(rows[i].name, nx_slice(rows[i].content, rows[i].len));
            nx_expect_err(NX_ECOMPILE, load(&module, path));
            nx_expect(!module);
        }
    nx_expect_err(NX_ENOENT, load(&module, nx_format("%s/none.wasm", nx_test_dir())));
    nx_expect_err(NX_EINVAL, load(&module, "x.c"));
    nx_expect_err(NX_EINVAL, load(&module, NULL));
}

/* The only compiled file of the test's cache. */
static const char *compiled(void)
{
    const char *folder = nx_format("%s/cache/o", nx_test_dir()), *found = NULL;
    DIR *dir = opendir(folder);
    nx_require(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strstr(entry->d_name, ".so")) found = nx_format("%s/%s", folder, entry->d_name);
    (void)closedir(dir);
    nx_require(found != NULL);
    return found;
}

static int32_t answer(const char *path)
{
    NX_AUTO(nx_wasm) *wasm = NULL;
    int32_t n = 0;
    nx_require_ok(nx_wasm_open(&wasm, path));
    nx_require_ok(nx_wasm_call(wasm, "answer", &n));
    return n;
}

NX_TEST("machine code that has changed is made anew", .deadline = NX_S(60))
{
    const char *path = guest_file("(func (export \"answer\") (result i32) i32.const 42)");
    nx_expect_eq(answer(path), 42);
    nx_bytes code, now;
    nx_require_ok(nx_fs_read_file(compiled(), &code));
    nx_require_gt(code.len, 1000);
    for (size_t at = 0; at < code.len; at += code.len / 7) {
        char *copy = nx_copy(code);
        nx_require(copy != NULL);
        copy[at] = (char)(copy[at] ^ 1);
        nx_require_ok(nx_fs_write_file(compiled(), nx_slice(copy, code.len)));
        nx_expect_eq(answer(path), 42);
        nx_require_ok(nx_fs_read_file(compiled(), &now));
        nx_expect_eq(nx_bytes_eq(now, code), true);
    }
    nx_require_ok(nx_fs_write_file(compiled(), nx_slice(code.data, code.len / 2)));
    nx_expect_eq(answer(path), 42);
    /* A cache that others may write to is not used at all. */
    nx_require_eq(chmod(nx_format("%s/cache", nx_test_dir()), 0777), 0);
    nx_expect_eq(answer(path), 42);
}

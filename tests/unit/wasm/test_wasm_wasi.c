/* What a guest has of WASI 0.1 by its policy, from C. */
#include "guest.h"

#include <stdlib.h>

#define WASI(name, params)                                                                         \
    "(import \"wasi_snapshot_preview1\" \"" name "\" (func $" name " (param " params               \
    ") (result i32)))"
/* Each hands a call on, whose results go to 0 and 4, and whose bytes to 1024. */
#define GUEST                                                                                      \
    WASI("args_sizes_get", "i32 i32")                                                              \
    WASI("args_get", "i32 i32")                                                                    \
    WASI("environ_sizes_get", "i32 i32")                                                           \
    WASI("environ_get", "i32 i32")                                                                 \
    WASI("random_get", "i32 i32")                                                                  \
    WASI("clock_time_get", "i32 i64 i32")                                                          \
    WASI("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32")                                       \
    "(memory (export \"memory\") 1)"                                                               \
    "(data (i32.const 512) \"note\")"                                                              \
    "(func (export \"args\") (result i32)"                                                         \
    "  (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))"                                  \
    "  (drop (call $args_get (i32.const 256) (i32.const 1024))) (i32.load (i32.const 4)))"         \
    "(func (export \"env\") (result i32)"                                                          \
    "  (drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))"                               \
    "  (drop (call $environ_get (i32.const 256) (i32.const 1024))) (i32.load (i32.const 4)))"      \
    "(func (export \"random\") (drop (call $random_get (i32.const 1024) (i32.const 32))))"         \
    "(func (export \"time\") (param i32) (result i64)"                                             \
    "  (drop (call $clock_time_get (local.get 0) (i64.const 1) (i32.const 0)))"                    \
    "  (i64.load (i32.const 0)))"                                                                  \
    "(func (export \"open\") (param $how i32) (param $rights i64) (result i32)"                    \
    "  (call $path_open (i32.const 3) (i32.const 0) (i32.const 512) (i32.const 4)"                 \
    "    (local.get $how) (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 0)))"
enum { CREATE = 1, READS = 2, WRITES = 64, EBADF_ = 8, EPERM_ = 63, ENOTCAPABLE_ = 76 };

static nx_bytes bytes_at(nx_wasm *wasm, uint64_t len)
{
    nx_wasm_memory memory;
    nx_bytes slice;
    nx_require_ok(nx_wasm_memory_find(&memory, wasm, NULL));
    nx_require_ok(nx_wasm_memory_slice(&memory, 1024, len, &slice));
    return nx_slice(nx_copy(slice), len);
}

NX_TEST("arguments and variables", .deadline = NX_S(60))
{
    static const char *const args[] = {"me", "--all", "", NULL}, *const env[] = {"A=b", NULL};
    nx_wasm *wasm = guest(GUEST, .wasi = true, .policy.args = args, .policy.env = env);
    nx_wasm *bare = guest(GUEST, .wasi = true);
    int32_t n = -1;
    nx_expect_ok(nx_wasm_call(wasm, "args", &n));
    nx_expect(nx_bytes_eq(bytes_at(wasm, (uint64_t)n), nx_slice("me\0--all\0", 10)));
    nx_expect_ok(nx_wasm_call(wasm, "env", &n));
    nx_expect(nx_bytes_eq(bytes_at(wasm, (uint64_t)n), nx_slice("A=b", 4)));
    for (int i = 0; i < 2; i++) {
        nx_expect_ok(nx_wasm_call(bare, i ? "env" : "args", &n));
        nx_expect_eq(n, 0);
    }
}

NX_TEST("random bytes and clocks", .deadline = NX_S(60))
{
    nx_wasm *some[4];
    nx_bytes bytes[4];
    int64_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        static const uint64_t seeds[] = {7, 7, 8, 0};
        some[i] = guest(GUEST, .wasi = true, .policy.random_seed = seeds[i],
                        .policy.clock = i ? NX_S(1700000000) : 0);
        nx_expect_ok(nx_wasm_call(some[i], "random", NULL));
        bytes[i] = bytes_at(some[i], 32);
    }
    nx_expect(nx_bytes_eq(bytes[0], bytes[1]));
    nx_expect(!nx_bytes_eq(bytes[0], bytes[2]));
    nx_expect(!nx_bytes_eq(bytes[0], bytes[3]) && !nx_bytes_eq(bytes[2], bytes[3]));
    for (int i = 0; i < 2; i++) {
        nx_expect_ok(nx_wasm_call(some[1], "time", &at, 0));
        nx_expect_eq(at, NX_S(1700000000));
        nx_expect_ok(nx_wasm_call(some[1], "time", &at, 1));
        nx_expect_eq(at, 0);
    }
    nx_expect_ok(nx_wasm_call(some[0], "time", &at, 0));
    nx_expect(at > NX_S(1700000000));
}

NX_TEST("directories, to read and to write", .deadline = NX_S(60))
{
    const char *at = nx_format("%s/files", nx_test_dir());
    nx_require_ok(nx_fs_mkdir(at));
    nx_require_ok(nx_fs_write_file(nx_format("%s/note", at), nx_str("of paper")));
    const nx_wasm_dir reads[] = {{.path = at, .guest = "data"}, {.path = NULL}};
    const nx_wasm_dir writes[] = {{.path = at, .guest = "data", .write = true}, {.path = NULL}};
    nx_wasm *none = guest(GUEST, .wasi = true);
    nx_wasm *reader = guest(GUEST, .wasi = true, .policy.allow_fs = reads);
    nx_wasm *writer = guest(GUEST, .wasi = true, .policy.allow_fs = writes);
    int32_t error = -1;
    nx_expect_ok(nx_wasm_call(none, "open", &error, 0, (int64_t)READS));
    nx_expect_eq(error, EBADF_);
    nx_expect_ok(nx_wasm_call(reader, "open", &error, 0, (int64_t)READS));
    nx_expect_eq(error, 0);
    nx_expect_ok(nx_wasm_call(reader, "open", &error, CREATE, (int64_t)WRITES));
    nx_expect(error == EPERM_ || error == ENOTCAPABLE_);
    nx_expect_ok(nx_wasm_call(writer, "open", &error, CREATE, (int64_t)WRITES));
    nx_expect_eq(error, 0);
    nx_wasm *gone = NULL;
    const nx_wasm_dir wrong[] = {{.path = "none"}, {.path = NULL}};
    nx_expect(nx_wasm_open(&gone, guest_file(GUEST), .wasi = true, .policy.allow_fs = wrong));
    nx_expect_contains(nx_error_last()->message, "cannot open the directory \"none\"");
}

NX_TEST("open files", .deadline = NX_S(60))
{
    const char *at = nx_format("%s/files", nx_test_dir());
    nx_require_ok(nx_fs_mkdir(at));
    nx_require_ok(nx_fs_write_file(nx_format("%s/note", at), nx_str("of paper")));
    const nx_wasm_dir reads[] = {{.path = at, .guest = "data"}, {.path = NULL}};
    nx_wasm *wasm =
        guest(GUEST, .wasi = true, .policy.allow_fs = reads, .policy.max_open_files = 20);
    int32_t error = 0;
    nx_err err = NX_OK;
    for (int i = 0; i < 20 && !err; i++)
        err = nx_wasm_call(wasm, "open", &error, 0, (int64_t)READS);
    nx_expect_eq(err, NX_ELIMIT);
    nx_expect_contains(nx_error_last()->message, "max_open_files, 20");
    nx_expect_ok(nx_wasm_call(wasm, "args", &error));
}

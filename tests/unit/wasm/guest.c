#include "guest.h"

#include "base/compiler.h"
#include "valgrind.h"
#include <nexus/fiber.h>
#include <stdlib.h>

#ifdef NX__TSAN
/* The engine's handler for a fault of guest code allocates, which it may: the fault is in no other
 * code. */
NX_API const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_signal_unsafe=0";
}
#endif

void guest_prepare(void)
{
    if (under_valgrind())
        nx_skip("machine code is made for the processor, of which valgrind shows another");
    nx_require_eq(setenv("NEXUS_CACHE", nx_format("%s/cache", nx_test_dir()), 1), 0);
    nx_require_eq(setenv("NEXUS_LIBDIR", NX__TEST_LIB, 1), 0);
}

const char *guest_file_named(const char *name, nx_bytes content)
{
    guest_prepare();
    const char *path = nx_format("%s/%s", nx_test_dir(), name);
    nx_require_ok(nx_fs_write_file(path, content));
    return path;
}

const char *guest_file(const char *text)
{
    static unsigned number;
    const char *name = nx_format("guest%u.wat", number++);
    return guest_file_named(name, nx_str(nx_format("(module %s)", text)));
}

static void close_guest(void *wasm)
{
    nx_wasm_close(wasm);
}

nx_wasm *guest_open(const char *text, const nx_wasm_options *options)
{
    nx_wasm *wasm;
    nx_require_ok(nx_wasm_open_with(&wasm, guest_file(text), options));
    nx_require_ok(nx_defer(close_guest, wasm));
    return wasm;
}

/* nexus run */
#include "cli/cli.h"
#include "cli/launcher.h"
#include "cli/permission_sets.h"
#include "cli/strict.h"
#include "console/log.h"
#include "env/env.h"
#include "module/module.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* What can't be run is said before a compiler says it in its own words. */
static nx_err check_file(const char *file)
{
    char clean[128];
    const char *extension = strrchr(file, '.');
    nx__printable(clean, sizeof clean, file);
    if (extension && strcmp(extension, ".zig") == 0)
        return nx__error_set(
            NX_ENOTSUP, "cannot run \"%s\": Zig comes in a later version; this one runs .c files",
            clean);
    if (access(file, R_OK) != 0) return nx__error_system(errno, "cannot read \"%s\"", clean);
    if (!nx__is_wasm(file) && (!extension || strcmp(extension, ".c") != 0))
        return nx__error_set(
            NX_EUSAGE,
            "cannot run \"%s\": the name of a C program ends in .c, that of WebAssembly in .wasm, .wat or .cwasm",
            clean);
    return NX_OK;
}

/* Limits that both have are those of the guest, whose process has nothing else in it. */
static nx_err wasm_limits(struct nx__run *run)
{
    if (!nx__is_wasm(run->file) && run->wasm_flag)
        return nx__error_set(NX_EUSAGE, "%s is for programs that are WebAssembly", run->wasm_flag);
    if (!nx__is_wasm(run->file) && run->serve.host)
        return nx__error_set(NX_EUSAGE,
                             "nexus serve takes WebAssembly; what serves in C is run by nexus run");
    if (!nx__is_wasm(run->file)) return NX_OK;
    uint64_t files = run->limits.max_open_files;
    run->wasm.max_memory = run->limits.max_memory;
    run->limits.max_memory = run->limits.max_open_files = 0;
    run->wasm.max_open_files = files < UINT32_MAX ? (uint32_t)files : UINT32_MAX;
    return NX_OK;
}

int nx__run_with(struct nx__run *options, const struct nx__command *command, int argc, char **argv)
{
    nx_err err = nx__run_parse(options, argc, argv);
    if (options->suggest) options->permissions.all = options->no_sets = true;
    if (options->help) return nx__cli_help(command);
    if (!err) err = check_file(options->file);
    if (!err) err = wasm_limits(options);
    if (!err && nx_limits_set_with(&options->limits))
        err = nx__error_set(NX_EUSAGE, "%s", nx__error_last()->message);
    if (!err) err = nx__permission_sets_read(options);
    if (!err) err = nx__strict_check(options);
    if (!err) err = nx__env_files(options->env_files, options->env_files_count);
    if (err) return nx__cli_fail(err);
    const char *cc = getenv("CC");
    if (!options->compiler && cc && *cc) {
        options->compiler = cc;
        options->compiler_by = "CC";
    }
    if (nx__takeover_is_check()) return NX_OK;
    nx__log_preset((nx_log_level)options->log_level); /* the app's process inherits it */
    return nx__launch(options);
}

static int run(int argc, char **argv)
{
    static struct nx__run options;
    return nx__run_with(&options, &nx__command_run, argc, argv);
}

const struct nx__command nx__command_run = {
    .name = "run",
    .summary = "compile a program and run it",
    .flags = nx__run_flags,
    .argument = NX__OFFER_SOURCES,
    .help =
        "Usage: nexus run [FLAGS] [FILE.c|FILE.wasm|FOLDER] [FLAGS] [ARGUMENTS] [-- ARGUMENTS]\n"
        "\n"
        "A folder, or nothing, stands for the main that its nexus.toml names.\n"
        "The flags go before or after the file; what follows --, and every word that is no flag, goes to the program.\n"
        "A program may do nothing outside itself unless a flag allows it.\n"
        "SIGHUP restarts a server without a lost connection; one that does not compile or does not listen changes nothing.\n"
        "\n"
        "  --watch                  start it anew when a file that went into it changes; connections wait\n"
        "  --release                compile for speed instead of a quick start\n"
        "  --compiler=NAME          tcc, gcc, clang, \"zig cc\" or a path (default: $CC, else the first found)\n"
        "  --refresh                compile even if the result is in the cache\n"
        "  --inspect[=[HOST:]PORT]  let an editor's debugger connect (127.0.0.1:4711); --inspect-wait also waits for it before main\n"
        "  --no-warnings            keep the compiler's warnings to itself\n"
        "\n"
        "  --allow-net[=LIST]       listen and connect: HOST, *.NAME, NETWORK/BITS, all with :PORT or not, :PORT, unix:/PATH\n"
        "  --allow-listen, --allow-connect: one of both\n"
        "  --allow-read[=PATHS]     read files and what is below directories; --allow-write[=PATHS] writes them\n"
        "  --allow-env[=NAMES]      read environment variables\n"
        "  --allow-run[=PROGRAMS]   start programs\n"
        "  --allow-ffi[=PATHS]      load native libraries; --allow-wasm[=PATHS] WebAssembly from outside the project\n"
        "  --allow-sys[=FACTS]      see hostname, os, cpus, memory, uptime, load, network, user\n"
        "  --allow-all              all of these\n"
        "  --deny-net[=LIST] ...    the same with deny: it wins over every allow\n"
        "  --permissions=NAME       take [permissions.NAME] of nexus.toml; none: not even [permissions]; strict: if the kernel holds all\n"
        "  --trace-permissions      say what the program asks for, and where; --audit-permissions=FILE writes it\n"
        "  --env-file=FILE          set the variables of a .env file that are not set already; --allow-env grants them\n"
        "  --dir HOST[::GUEST]      let WebAssembly have a directory, by its own name or GUEST\n"
        "  --dir-ro HOST[::GUEST]   the same, to read\n"
        "  --env NAME=VALUE         let WebAssembly have a variable\n"
        "  --no-prompt              refuse what is not allowed without asking on the terminal\n"
        "\n"
        "  --max-open-files=N       65536, or the system's limit\n"
        "  --max-memory=SIZE        of data, such as 512M (none)\n"
        "  --max-operations=N       in flight at once (10000)\n"
        "  --max-fibers=N           alive at once (100000)\n"
        "  --max-iterations=N       turns of the event loop before the program ends (none)\n"
        "  --stack-size=SIZE        of a fiber (256K)\n"
        "  --blocking-threads=N     for work that blocks (4)\n"
        "  --max-workers=N          alive at once (256)\n"
        "  --watchdog=MS            milliseconds of a blocked event loop before stderr says by what (100); 0: never\n"
        "  --restart-deadline=MS    that a new program has to listen after SIGHUP, before the old one is kept (30000); 0: any\n"
        "  --log-level=LEVEL        trace, debug, info, warn, error, fatal or off (info), as NEXUS_LOG=LEVEL\n"
        "  --profile[=FILE]         where CPU time goes, as a flame graph (app.svg) or for other tools (FILE.folded)\n"
        "  --profile-rate=N         samples a second of CPU time (997)\n"
        "\n"
        "  Of WebAssembly alone, which --max-memory and --max-open-files (1024) limit too:\n"
        "  --max-cpu-time=TIME      of the processor, such as 5s (none)\n"
        "  --deadline=TIME          by the clock (none)\n"
        "  --fuel=N                 instructions, about, such as 100M (none)\n"
        "  --max-stack=SIZE         for its code (512K); --max-kv=SIZE: of keys and values (16M)\n"
        "  --max-table-elements=N   of its tables (1048576)\n"
        "  --random-seed=N          random bytes are made from it\n"
        "  --clock=TIME             its clocks stand there, since 1970\n"
        "\n"
        "Exit code: the program's own, 128 plus the signal that ended it, 2 for wrong usage, 18 when it does not compile, or\n"
        "another error's number.\n"
        "\n"
        "Examples:\n"
        "  nexus run app.c\n"
        "  nexus run app.c --allow-net=127.0.0.1:3000 --watch\n"
        "  nexus run app.c --allow-read=/data input.txt\n"
        "  nexus run --release app.c -- --port 8080\n"
        "  nexus run --dir data::/data --env LEVEL=5 tool.wasm -- --all\n",
    .run = run,
};

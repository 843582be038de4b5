/* nexus compile */
#include "cli/cli.h"

#include "module/artifact.h"
#include "module/module.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FLAGS_MOST = 4, TARGET_MOST = 100, PATH_SIZE = 4096 };

struct options {
    const char *file, *output, *target;
    bool metered;
};

/* The processor of "aarch64-unknown-linux-gnu"; without a target, this one. */
static nx_err processor(const char *target, char out[NX__ARTIFACT_TARGET])
{
    memset(out, 0, NX__ARTIFACT_TARGET);
    if (!target) {
        nx__artifact_host(out);
        return NX_OK;
    }
    size_t len = strcspn(target, "-");
    size_t all =
        strspn(target, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    if (!len || len >= NX__ARTIFACT_TARGET || !target[len] || target[all] || all > TARGET_MOST)
        return nx__error_set(
            NX_EUSAGE,
            "\"%.100s\" is no target: it is a processor and a system, as in --target=aarch64-unknown-linux-gnu",
            target);
    memcpy(out, target, len);
    return NX_OK;
}

/* x.cwasm, beside x.wasm. */
static nx_err beside(const char *file, char out[PATH_SIZE])
{
    const char *ending = strrchr(file, '.');
    int n = snprintf(out, PATH_SIZE, "%.*s.cwasm", (int)(ending - file), file);
    return n > 0 && n < PATH_SIZE ? NX_OK : nx__error_set(NX_EINVAL, "the path is too long");
}

static nx_err compile(const struct options *o)
{
    struct nx__artifact what = {.metered = o->metered};
    struct nx__compiled compiled;
    const char *flags[FLAGS_MOST] = {NULL};
    char made[PATH_SIZE];
    size_t count = 0;
    if (!nx__is_wasm(o->file) || nx__is_artifact(o->file))
        return nx__error_set(
            NX_EUSAGE, "cannot compile \"%.150s\": the name of WebAssembly ends in .wasm or .wat",
            o->file);
    NX_TRY(processor(o->target, what.target));
    if (!o->output) NX_TRY(beside(o->file, made));
    const char *output = o->output ? o->output : made;
    if (!nx__is_artifact(output))
        return nx__error_set(
            NX_EUSAGE, "cannot write \"%.150s\": the name of compiled WebAssembly ends in .cwasm",
            output);
    if (o->metered) flags[count++] = nx__wasm_metered[0];
    if (o->target) {
        flags[count++] = "--target";
        flags[count++] = o->target;
    }
    const struct nx__compile_request request = {.path = o->file, .flags = count ? flags : NULL};
    nx_err err = nx__module_compile(&request, &compiled);
    if (!err) err = nx__artifact_write(output, compiled.so_fd, &what);
    nx__compiled_free(&compiled);
    return err;
}

/* A flag with a value, which stands behind "=" or is the next word. False, recorded, without one.
 */
static bool value_of(const char *flag, const char *value, int argc, char **argv, int *i,
                     const char **out)
{
    if (!value && *i + 1 < argc) value = argv[++*i];
    *out = value;
    if (value && *value) return true;
    (void)nx__error_set(NX_EUSAGE, "%s needs a value, as in: nexus compile x.wasm -o x.cwasm",
                        flag);
    return false;
}

static const struct nx__flag flags[] = {
    {.name = "--output",
     .summary = "the file to write, x.cwasm",
     .takes = NX__TAKES_VALUE,
     .offer = NX__OFFER_PATHS},
    {.name = "--target", .summary = "another processor and system", .takes = NX__TAKES_VALUE},
    {.name = "--fuel", .summary = "for a limit on fuel"},
    NX__FLAG_HELP,
    NX__FLAGS_END,
};

static nx_err parse(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        bool is_short = strcmp(argv[i], "-o") == 0;
        const struct nx__flag *flag = nx__flag_find(flags, is_short ? "--output" : argv[i], &value);
        if (!flag && argv[i][0] == '-')
            return nx__flag_unknown(flags, argv[i], "nexus compile --help lists them");
        if (!flag && o->file) return nx__error_set(NX_EUSAGE, "nexus compile takes one file");
        if (!flag) {
            o->file = argv[i];
        } else if (flag->takes == NX__TAKES_NOTHING) {
            o->metered = true;
        } else if (!value_of(argv[i], value, argc, argv, &i,
                             flag == &flags[0] ? &o->output : &o->target)) {
            return NX_EUSAGE;
        }
    }
    if (o->file) return NX_OK;
    return nx__error_set(NX_EUSAGE,
                         "nexus compile needs a file, as in: nexus compile x.wasm -o x.cwasm");
}

static int run(int argc, char **argv)
{
    struct options options = {.file = NULL};
    nx_err err = parse(&options, argc, argv);
    if (!err) err = compile(&options);
    return err ? nx__cli_fail(err) : 0;
}

const struct nx__command nx__command_compile = {
    .name = "compile",
    .summary = "compile WebAssembly to a file that runs as it is",
    .flags = flags,
    .argument = NX__OFFER_PATHS,
    .help =
        "Usage: nexus compile [-o OUTPUT.cwasm] [--target TRIPLE] [--fuel] FILE.wasm\n"
        "\n"
        "Writes machine code, which nexus run starts without compiling anything. It runs with the\n"
        "version of Nexus that made it, on such a processor; it is native code, so run only your own.\n"
        "\n"
        "  -o, --output=FILE   the file to write (FILE.cwasm, beside the other)\n"
        "  --target=TRIPLE     for another processor, where the compiler was built for it\n"
        "  --fuel              code that counts, for nexus run --fuel\n"
        "\n"
        "Examples:\n"
        "  nexus compile tool.wasm -o tool.cwasm && nexus run tool.cwasm\n"
        "  nexus compile --target=x86_64-unknown-linux-gnu tool.wasm\n",
    .run = run,
};

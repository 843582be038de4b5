/* The C compilers. */
#include "module/compiler.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, ARGUMENTS_MOST = NX__SOURCES_MOST + 64, PACKAGE_FOLDERS_MOST = 32 };

/* ---- Finding */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* On the PATH, but never in a folder that is relative: it would be the project's own. */
static bool on_path(const char *name, char out[NX__COMPILER_PATH])
{
    if (strchr(name, '/')) {
        char *real = realpath(name, NULL);
        bool ok = real && strlen(real) < NX__COMPILER_PATH && is_program(real);
        if (ok) memcpy(out, real, strlen(real) + 1);
        free(real);
        return ok;
    }
    const char *path = getenv("PATH");
    for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; at;
         at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        char found[NX__COMPILER_PATH];
        int len = (int)strcspn(at, ":");
        if (at[0] != '/' ||
            snprintf(found, sizeof found, "%.*s/%s", len, at, name) >= (int)sizeof found ||
            !is_program(found))
            continue;
        memcpy(out, found, sizeof found);
        return true;
    }
    return false;
}

static enum nx__compiler_kind kind_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strstr(name, "tcc")) return NX__COMPILER_TCC;
    if (strstr(name, "clang")) return NX__COMPILER_CLANG;
    if (strcmp(name, "zig") == 0) return NX__COMPILER_ZIG;
    return NX__COMPILER_GCC;
}

static bool add(struct nx__compilers *compilers, const char *name)
{
    struct nx__compiler *c = &compilers->items[compilers->count];
    struct stat st;
    char path[NX__COMPILER_PATH];
    if (!on_path(name, path) || stat(path, &st) != 0) return false;
    memcpy(c->path, path, sizeof path);
    c->kind = kind_of(path);
    (void)snprintf(c->identity, sizeof c->identity, "%s %lld %lld", path, (long long)st.st_size,
                   (long long)st.st_mtim.tv_sec);
    compilers->count++;
    return true;
}

nx_err nx__compilers_find(struct nx__compilers *compilers, const char *chosen, bool release)
{
    compilers->count = 0;
    if (chosen && *chosen) {
        if (add(compilers, chosen)) return NX_OK;
        return nx__error_set(
            NX_ENOENT,
            "cannot find the compiler \"%.100s\" that CC names; unset CC or set it to one that is installed",
            chosen);
    }
    if (!release) (void)add(compilers, "tcc");
    (void)add(compilers, "gcc");
    (void)add(compilers, "clang");
    if (compilers->count < NX__COMPILERS_MOST) (void)add(compilers, "zig");
    if (compilers->count) return NX_OK;
    return nx__error_set(
        NX_ENOENT,
        "cannot find a C compiler; install one (Debian: apt install tcc gcc; Fedora: dnf install tcc gcc) or set CC");
}

/* ---- Running */

struct command {
    char *argv[ARGUMENTS_MOST];
    size_t count;
    char memory[16 * PATH_SIZE]; /* for arguments that are made */
    size_t used;
    const char *readable[PACKAGE_FOLDERS_MOST + 4];
    size_t readable_count;
    bool full;
};

static void arg(struct command *c, const char *text)
{
    if (c->count + 1 >= ARGUMENTS_MOST) {
        c->full = true;
        return;
    }
    c->argv[c->count++] = (char *)(uintptr_t)text;
    c->argv[c->count] = NULL;
}

static const char *made(struct command *c, const char *format, ...) NX_PRINTF(2, 3);

static const char *made(struct command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = c->memory + c->used;
    size_t room = sizeof c->memory - c->used;
    int n = vsnprintf(text, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) {
        c->full = true;
        return "";
    }
    c->used += (size_t)n + 1;
    return text;
}

static void readable(struct command *c, const char *path)
{
    if (c->readable_count < PACKAGE_FOLDERS_MOST + 3) c->readable[c->readable_count++] = path;
}

/* The project is the nearest folder with a nexus.toml, or else where the program lies; each
 * nexus_modules above is searched. */
static void project(struct command *c, const struct nx__build *b)
{
    char folder[PATH_SIZE], probe[PATH_SIZE + 16];
    (void)snprintf(folder, sizeof folder, "%s", b->main_path);
    char *slash = strrchr(folder, '/');
    if (slash) *slash = '\0';
    const char *root = made(c, "%s", folder[0] ? folder : "/");
    bool found = false;
    while (folder[0]) {
        (void)snprintf(probe, sizeof probe, "%s/nexus.toml", folder);
        if (!found && access(probe, F_OK) == 0) {
            root = made(c, "%s", folder);
            found = true;
        }
        (void)snprintf(probe, sizeof probe, "%s/nexus_modules", folder);
        if (access(probe, F_OK) == 0 && c->readable_count < PACKAGE_FOLDERS_MOST) {
            const char *modules = made(c, "%s", probe);
            readable(c, modules);
            arg(c, "-I");
            arg(c, modules);
        }
        slash = strrchr(folder, '/');
        if (!slash) break;
        *slash = '\0';
    }
    readable(c, root);
}

static void start(struct command *c, const struct nx__build *b)
{
    c->count = c->used = c->readable_count = 0;
    c->full = false;
    arg(c, b->compiler->path);
    if (b->compiler->kind == NX__COMPILER_ZIG) arg(c, "cc");
    arg(c, "-g");
    arg(c, "-fPIC");
    if (b->compiler->kind == NX__COMPILER_TCC) return;
    arg(c, "-std=gnu17");
    arg(c, b->release ? "-O2" : "-O0");
    arg(c, "-fno-omit-frame-pointer"); /* crash reports walk them */
    if (isatty(STDERR_FILENO) && !getenv("NO_COLOR")) arg(c, "-fdiagnostics-color=always");
}

static void compile_args(struct command *c, const struct nx__build *b, size_t number)
{
    if (b->compiler->kind != NX__COMPILER_TCC) arg(c, "-Wall");
    arg(c, "-I");
    arg(c, b->headers);
    readable(c, b->headers);
    project(c, b);
    arg(c, "-MD");
    arg(c, "-MF");
    arg(c, made(c, "%s/%zu.d", b->staging, number));
}

static void out_args(struct command *c, const struct nx__build *b)
{
    arg(c, "-shared");
    arg(c, "-o");
    arg(c, made(c, "%s/out.so", b->staging));
}

static nx_err run(struct command *c, const struct nx__build *b)
{
    if (c->full)
        return nx__error_set(NX_ELIMIT,
                             "cannot compile: paths or sources are too long or too many");
    /* A compiler outside of the system's folders brings its own files: PREFIX/bin/cc reads PREFIX.
     */
    char prefix[NX__COMPILER_PATH];
    (void)snprintf(prefix, sizeof prefix, "%s", b->compiler->path);
    char *slash = strrchr(prefix, '/');
    if (slash) *slash = '\0';
    slash = strrchr(prefix, '/');
    if (slash && slash != prefix && strcmp(slash, "/bin") == 0) *slash = '\0';
    if (strcmp(prefix, "/usr") != 0 && strlen(prefix) > 1) readable(c, prefix);
    c->readable[c->readable_count] = NULL;
    struct nx__tool_run tool = {
        .argv = c->argv, .staging = b->staging, .readable = c->readable, .output = b->output};
    int status;
    NX_TRY(nx__tool_run(&tool, &status));
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return NX_OK;
    if (WIFSIGNALED(status))
        (void)dprintf(b->output, "nexus: the compiler %s was ended by signal %d\n",
                      b->compiler->path, WTERMSIG(status));
    return NX_ECOMPILE;
}

/* Commands are large; there is one at a time. */
static struct command command;

nx_err nx__build_whole(const struct nx__build *b, const char *source)
{
    start(&command, b);
    compile_args(&command, b, 0);
    out_args(&command, b);
    arg(&command, source);
    arg(&command, "-lm");
    return run(&command, b);
}

nx_err nx__build_object(const struct nx__build *b, const char *source, size_t number)
{
    start(&command, b);
    compile_args(&command, b, number);
    arg(&command, "-c");
    arg(&command, "-o");
    arg(&command, made(&command, "%s/%zu.o", b->staging, number));
    arg(&command, source);
    return run(&command, b);
}

nx_err nx__build_link(const struct nx__build *b, size_t objects)
{
    start(&command, b);
    out_args(&command, b);
    /* By a short name each: there may be many. */
    for (size_t i = 0; i < objects; i++) arg(&command, made(&command, "%s/%zu.o", b->staging, i));
    arg(&command, "-lm");
    return run(&command, b);
}

void nx__wasm_header_hint(const char *path)
{
    struct nx__buffer text = {0};
    if (nx__read_small(path, NX__SOURCE_MOST, &text) == NX_OK && text.len &&
        memmem(text.data, text.len, ".wasm.h\"", 8))
        (void)dprintf(
            STDERR_FILENO,
            "nexus: %s includes a .wasm.h header: WebAssembly modules come with a later version\n",
            path);
    nx__buffer_free(&text);
}

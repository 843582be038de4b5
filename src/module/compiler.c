/* How each C compiler is asked. */
#include "module/compiler.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_SIZE = 4096,
    ARGUMENTS_MOST = NX__SOURCES_MOST + 64,
    PACKAGE_FOLDERS_MOST = 32,
    READABLE_MOST = 128
};

struct command {
    char *argv[ARGUMENTS_MOST];
    size_t count;
    char memory[16 * PATH_SIZE]; /* for arguments that are made */
    size_t used;
    const char *readable[READABLE_MOST + 1];
    size_t readable_count;
    const char *listing; /* file for its stdout, or NULL */
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
    if (c->readable_count < READABLE_MOST) c->readable[c->readable_count++] = path;
}

void nx__project_root(const char *main_path, char root[NX__ROOT_MOST])
{
    char folder[PATH_SIZE], probe[PATH_SIZE + 16];
    (void)snprintf(folder, sizeof folder, "%s", main_path);
    for (bool first = true;; first = false) {
        char *slash = strrchr(folder, '/');
        if (!slash) return;
        *slash = '\0';
        if (first) (void)snprintf(root, NX__ROOT_MOST, "%s", folder[0] ? folder : "/");
        (void)snprintf(probe, sizeof probe, "%s/nexus.toml", folder);
        if (folder[0] && access(probe, F_OK) == 0) {
            (void)snprintf(root, NX__ROOT_MOST, "%s", folder);
            return;
        }
    }
}

/* Each nexus_modules from where the program lies upwards. */
static void packages(struct command *c, const struct nx__build *b)
{
    char folder[PATH_SIZE], probe[PATH_SIZE + 16];
    (void)snprintf(folder, sizeof folder, "%s", b->main_path);
    for (char *slash; (slash = strrchr(folder, '/'));) {
        *slash = '\0';
        (void)snprintf(probe, sizeof probe, "%s/nexus_modules", folder);
        if (access(probe, F_OK) != 0 || c->readable_count == PACKAGE_FOLDERS_MOST) continue;
        const char *modules = made(c, "%s", probe);
        readable(c, modules);
        arg(c, "-I");
        arg(c, modules);
    }
}

/* A program that lies in "/" has the files there for its project, not the whole system. */
static void files_of_root(struct command *c)
{
    DIR *dir = opendir("/");
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (entry->d_type == DT_REG) readable(c, made(c, "/%s", entry->d_name));
    (void)closedir(dir);
}

static void begin(struct command *c, const struct nx__build *b)
{
    c->count = c->used = c->readable_count = 0;
    c->listing = NULL;
    c->full = false;
    arg(c, b->compiler->path);
}

/* The files of the program's project. */
static void project_files(struct command *c, const struct nx__build *b)
{
    if (strcmp(b->root, "/") != 0)
        readable(c, b->root);
    else
        files_of_root(c);
}

static void start(struct command *c, const struct nx__build *b)
{
    begin(c, b);
    if (b->compiler->kind == NX__COMPILER_ZIG) arg(c, "cc");
    /* clang's DWARF 5 has forms that the valgrind of today's distributions gives up on. */
    bool llvm = b->compiler->kind == NX__COMPILER_CLANG || b->compiler->kind == NX__COMPILER_ZIG;
    arg(c, llvm ? "-gdwarf-4" : "-g");
    arg(c, "-fPIC");
    if (b->compiler->kind == NX__COMPILER_TCC) return;
    arg(c, "-std=gnu17");
    arg(c, b->release ? "-O2" : "-O0");
    if (b->release && b->compiler->kind == NX__COMPILER_GCC) {
        /* Loops over bytes, as clang does at this level; gcc would count the steps first. */
        arg(c, "-ftree-vectorize");
        arg(c, "-fvect-cost-model=dynamic");
    }
    arg(c, "-fno-omit-frame-pointer"); /* crash reports walk them */
    /* A slip inside nx_obj(…) is told at the user's line, not at each step of the macro. */
    arg(c, llvm ? "-fmacro-backtrace-limit=1" : "-ftrack-macro-expansion=0");
    if (isatty(STDERR_FILENO) && !getenv("NO_COLOR")) arg(c, "-fdiagnostics-color=always");
    for (const char *const *flag = b->flags; flag && *flag; flag++) arg(c, *flag);
}

static void include_args(struct command *c, const struct nx__build *b)
{
    if (b->compiler->kind != NX__COMPILER_TCC) arg(c, "-Wall");
    arg(c, "-I");
    arg(c, b->headers);
    readable(c, b->headers);
    if (b->typed) {
        arg(c, "-I");
        arg(c, b->typed);
        readable(c, b->typed);
    }
    project_files(c, b);
    packages(c, b);
}

static void compile_args(struct command *c, const struct nx__build *b, size_t number)
{
    include_args(c, b);
    c->listing = made(c, "%s/%zu.d", b->staging, number);
    if (b->compiler->kind == NX__COMPILER_TCC) {
        arg(c, "-vv"); /* lists every file that it opens */
        return;
    }
    arg(c, "-MD");
    arg(c, "-MT");
    arg(c, "made"); /* a target without a colon or a space */
    arg(c, "-MF");
    arg(c, c->listing);
    c->listing = NULL;
}

static void out_args(struct command *c, const struct nx__build *b)
{
    arg(c, "-shared");
    if (b->no_undefined) arg(c, "-Wl,--no-undefined");
    arg(c, "-o");
    arg(c, made(c, "%s/out.so", b->staging));
}

/* The mathematics are there for who uses them: loading them costs others a third of a megabyte, and
 * a tenth of a millisecond at each start. */
static void library_args(struct command *c, const struct nx__build *b)
{
    if (b->compiler->kind != NX__COMPILER_TCC) arg(c, "-Wl,--as-needed");
    arg(c, "-lm");
}

/* A compiler outside of the system's folders brings its own files: PREFIX/bin/cc reads PREFIX, but
 * ~/bin/cc not all of the user's. */
static void own_files(struct command *c, const char *path)
{
    char real[PATH_SIZE];
    const char *home = getenv("HOME");
    for (int resolved = 0; resolved < 2; resolved++) {
        if (!resolved)
            (void)snprintf(real, sizeof real, "%s", path);
        else if (!realpath(path, real))
            return;
        char *slash = strrchr(real, '/');
        if (slash) *slash = '\0'; /* its folder */
        slash = strrchr(real, '/');
        if (slash && strcmp(slash, "/bin") == 0) {
            *slash = '\0';
            if (slash == real || (home && strncmp(home, real, strlen(real)) == 0)) *slash = '/';
        }
        if (strcmp(real, "/usr") != 0) readable(c, made(c, "%s", real));
    }
}

static nx_err run(struct command *c, const struct nx__build *b)
{
    if (c->full)
        return nx__error_set(NX_ELIMIT,
                             "cannot compile: paths or sources are too long or too many");
    own_files(c, b->compiler->path);
    c->readable[c->readable_count] = NULL;
    struct nx__tool_run tool = {.argv = c->argv,
                                .staging = b->staging,
                                .readable = c->readable,
                                .output = b->output,
                                .listing = c->listing};
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

nx_err nx__build_arguments(const struct nx__build *b, const char *const **out)
{
    start(&command, b);
    include_args(&command, b);
    if (command.full)
        return nx__error_set(NX_ELIMIT, "the folders of the packages are too many or too long");
    /* Colour is for a terminal, not for who reads this. */
    size_t kept = 0;
    for (size_t i = 0; i < command.count; i++)
        if (strncmp(command.argv[i], "-fdiagnostics-color", 19) != 0)
            command.argv[kept++] = command.argv[i];
    command.argv[kept] = NULL;
    *out = (const char *const *)command.argv;
    return NX_OK;
}

nx_err nx__build_whole(const struct nx__build *b, const char *source)
{
    start(&command, b);
    compile_args(&command, b, 0);
    out_args(&command, b);
    arg(&command, source);
    library_args(&command, b);
    return run(&command, b);
}

nx_err nx__build_wasm(const struct nx__build *b, const char *source)
{
    begin(&command, b);
    project_files(&command, b);
    for (const char *const *flag = b->flags; flag && *flag; flag++) arg(&command, *flag);
    arg(&command, source);
    arg(&command, made(&command, "%s/out.so", b->staging));
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
    library_args(&command, b);
    return run(&command, b);
}

nx_err nx__build_check(const struct nx__build *b, const char *source)
{
    start(&command, b);
    include_args(&command, b);
    if (b->compiler->kind == NX__COMPILER_GCC) {
        /* With -fsyntax-only it does not see that a result is dropped. */
        arg(&command, "-S");
        arg(&command, "-o");
        arg(&command, "-");
        command.listing = "/dev/null";
    } else {
        arg(&command, "-fsyntax-only");
    }
    arg(&command, source);
    return run(&command, b);
}

/* Names that a compiled program needs and nothing has: the loader would find that out too late, and
 * says no line. */
#include "module/compiler.h"
#include "module/elf.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NAMES_MOST = 8, NAME_SIZE = 128, LINES_MOST = 1 << 20 };

struct symbols {
    char missing[NAMES_MOST][NAME_SIZE];
    size_t count;
    bool has_main;
    bool instrumented; /* flags may have brought in libraries, whose names begin with "__" */
};

/* Has the runtime or a library that every program gets this name? */
static bool is_known(const char *name)
{
    static void *math; /* linked with every program, not with the runtime */
    if (dlsym(RTLD_DEFAULT, name)) return true;
    /* A test of the loader's exports nothing, and cannot tell. */
    if (strncmp(name, "nx_", 3) == 0) return !dlsym(RTLD_DEFAULT, "nx_version");
    if (!math) math = dlopen("libm.so.6", RTLD_LAZY | RTLD_LOCAL);
    return math && dlsym(math, name);
}

static void symbol_read(void *arg, const ElfW(Sym) * symbol, const char *name)
{
    struct symbols *out = arg;
    unsigned bind = ELF64_ST_BIND(symbol->st_info);
    if (symbol->st_shndx != SHN_UNDEF) {
        out->has_main |= strcmp(name, "main") == 0;
        return;
    }
    if (out->instrumented && strncmp(name, "__", 2) == 0) return;
    if (bind != STB_GLOBAL || !name[0] || out->count == NAMES_MOST || is_known(name)) return;
    (void)snprintf(out->missing[out->count++], NAME_SIZE, "%s", name);
}

static nx_err symbols_read(const char *path, struct symbols *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return nx__error_system(errno, "cannot read what the compiler made");
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t len = (size_t)st.st_size;
        void *file = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            nx__elf_symbols(file, len, symbol_read, out);
            (void)munmap(file, len);
        }
    }
    (void)close(fd);
    return NX_OK;
}

/* Says a line of the linker's, "app.c:5: undefined reference to `x'", if it is about that name. */
static bool line_say(const char *line, const char *name, int output)
{
    static const char words[] = ": undefined reference to `";
    const char *at = strstr(line, words);
    size_t len = strlen(name);
    if (!at || strncmp(at + sizeof words - 1, name, len) != 0 || at[sizeof words - 1 + len] != '\'')
        return false;
    const char *space = at; /* "ld: " may come before the file */
    while (space > line && !(space[-1] == ' ' && space - line > 1 && space[-2] == ':')) space--;
    (void)dprintf(output, "%.*s: error: undefined reference to '%s'\n", (int)(at - space), space,
                  name);
    return true;
}

/* Says where the names are used, which the linker knows. */
static void missing_say(const struct nx__build *build, const char *source, size_t objects,
                        const struct symbols *symbols)
{
    struct nx__build again = *build;
    struct nx__buffer text = {0};
    char path[64];
    again.no_undefined = true;
    again.output = memfd_create("nexus-linker", MFD_CLOEXEC);
    if (again.output >= 0 && build->compiler->kind != NX__COMPILER_TCC) {
        NX_IGNORE(source ? nx__build_whole(&again, source) : nx__build_link(&again, objects));
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", again.output);
        if (nx__read_small(path, LINES_MOST, &text) == NX_OK &&
            nx__buffer_append(&text, "", 1, LINES_MOST + 1) != NX_OK)
            nx__buffer_free(&text);
    }
    if (again.output >= 0) (void)close(again.output);
    for (size_t i = 0; i < symbols->count; i++) {
        bool said = false;
        for (char *line = text.data, *end; line; line = end ? end + 1 : NULL) {
            end = strchr(line, '\n');
            if (end) *end = '\0';
            said |= line_say(line, symbols->missing[i], build->output);
            if (end) *end = '\n';
        }
        if (!said)
            (void)dprintf(build->output, "%s: error: undefined reference to '%s'\n",
                          build->main_path, symbols->missing[i]);
    }
    (void)dprintf(
        build->output,
        "nexus: no source that went in has %s; a header brings in the .c file beside it\n",
        symbols->count == 1 ? "it" : "them");
    nx__buffer_free(&text);
}

nx_err nx__symbols_check(const struct nx__build *build, const char *source, size_t objects,
                         bool program)
{
    struct symbols symbols = {.instrumented = build->flags && build->flags[0]};
    char path[NX__ROOT_MOST + 16];
    (void)snprintf(path, sizeof path, "%s/out.so", build->staging);
    NX_TRY(symbols_read(path, &symbols));
    if (symbols.count) {
        missing_say(build, source, objects, &symbols);
        return NX_ECOMPILE;
    }
    if (!program || symbols.has_main) return NX_OK;
    (void)dprintf(build->output, "%s: error: there is no main, where a program begins\n",
                  build->main_path);
    return NX_ECOMPILE;
}

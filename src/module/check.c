/* What gcc or clang warns of in a program that tcc has compiled, which warns of next to nothing. */
#include "module/compiler.h"
#include "module/typed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WARNINGS_MOST = 64 * 1024, PATH_SIZE = 4096 };

/* A source of the program's own: the main file, or one that its header has brought in. What is only
 * included is checked where it is. */
static bool is_source(const struct nx__compiled *compiled, size_t index)
{
    const char *path = compiled->inputs[index].path;
    size_t len = strlen(path);
    if (index == 0) return true;
    if (!compiled->inputs[index].own || len < 3 || strcmp(path + len - 2, ".c") != 0 ||
        strstr(path, "/nexus_modules/"))
        return false;
    for (size_t i = 0; i < compiled->input_count; i++) {
        const char *header = compiled->inputs[i].path;
        if (strlen(header) == len && memcmp(header, path, len - 1) == 0 && header[len - 1] == 'h')
            return true;
    }
    return false;
}

/* Runs the compiler over one source and adds what it warns of; an error is none, since the program
 * is compiled already. */
static nx_err source_check(struct nx__build *build, const char *source, struct nx__buffer *out)
{
    build->output = memfd_create("nexus-warnings", MFD_CLOEXEC);
    if (build->output < 0) return nx__error_system(errno, "cannot check the program");
    nx_err err = nx__build_check(build, source);
    char chunk[4096];
    off_t at = 0;
    for (ssize_t n; !err && (n = pread(build->output, chunk, sizeof chunk, at)) > 0; at += n)
        err = nx__buffer_append(out, chunk, (size_t)n, WARNINGS_MOST);
    (void)close(build->output);
    return err == NX_ECOMPILE || err == NX_ETOOBIG ? NX_OK : err;
}

static const struct nx__compiler *find(struct nx__compilers *compilers)
{
    if (nx__compilers_find(compilers, NULL, NULL, NX__WANTED_RELEASE)) return NULL;
    const struct nx__compiler *first = &compilers->items[0];
    return first->kind == NX__COMPILER_ZIG ? NULL : first; /* the first run of zig takes seconds */
}

nx_err nx__module_check(const struct nx__compile_request *request, struct nx__buffer *out)
{
    struct nx__compiled compiled;
    struct nx__compilers compilers;
    char root[NX__ROOT_MOST], *cache = NULL, *headers = NULL;
    nx_err err = nx__module_compile(request, &compiled);
    const struct nx__compiler *compiler = find(&compilers);
    /* Changed since: then another program is checked in a moment. */
    if (!err && (!compiled.from_cache || !compiler)) err = NX_EAGAIN;
    if (!err) err = nx__cache_dir(&cache);
    if (!err) err = nx__headers_dir(cache, &headers);
    if (!err) {
        const char *main_path = compiled.inputs[0].path;
        nx__project_root(main_path, root);
        struct nx__build build = {.compiler = compiler,
                                  .release = request->release,
                                  .headers = headers,
                                  .main_path = main_path,
                                  .root = root,
                                  .staging = "/dev/null"};
        char typed[NX__JOB_PATH];
        struct stat st;
        if (nx__typed_dir(cache, main_path, typed) && stat(typed, &st) == 0) build.typed = typed;
        for (size_t i = 0; i < compiled.input_count && !err; i++) {
            if (!is_source(&compiled, i)) continue;
            char *shown = nx__path_shown(request->path, main_path, compiled.inputs[i].path);
            if (!shown) err = nx__error_set(NX_ENOMEM, "cannot check the program: out of memory");
            if (!err) err = source_check(&build, shown, out);
            free(shown);
        }
        if (!err && compiled.warnings_path)
            err = nx__write_whole(compiled.warnings_path, out->data, out->len);
    }
    nx__compiled_free(&compiled);
    free(headers);
    free(cache);
    return err;
}

nx_err nx__module_warnings(const struct nx__compiled *compiled, struct nx__buffer *out)
{
    if (!compiled->warnings_path) return NX_ENOENT;
    return nx__read_small(compiled->warnings_path, WARNINGS_MOST, out);
}

/* Headers of WebAssembly modules. */
#include "module/typed.h"

#include "module/exports.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MOST = 4 << 20, NAME_MOST = 64, FUNCTIONS_MOST = 2000 };

/* ---- The text */

struct text {
    struct nx__buffer *out, names; /* names that are taken, each between two newlines */
    const char *stem;
    size_t count;
    bool calls; /* the second time: the functions, which stand behind the type */
};

static nx_err put(struct nx__buffer *out, const char *format, ...) NX_PRINTF(2, 3);

static nx_err put(struct nx__buffer *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nx_err err = nx__buffer_vprintf(out, TEXT_MOST, format, args);
    va_end(args);
    return err;
}

/* What of a name may stand in one of C. */
static void c_name(nx_bytes name, char out[NAME_MOST])
{
    size_t at = 0;
    for (size_t i = 0; i < name.len && at + 1 < NAME_MOST; i++) {
        char c = name.data[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out[at++] = good ? c : '_';
    }
    out[at] = '\0';
}

/* As a string of C, whatever is in it. */
static nx_err put_string(struct nx__buffer *out, nx_bytes text)
{
    NX_TRY(put(out, "\""));
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '?';
        NX_TRY(plain ? put(out, "%c", c) : put(out, "\\%03o", c));
    }
    return put(out, "\"");
}

/* False where another has that name already, or it can't be looked up by it. */
static bool name_take(struct text *t, nx_bytes name, char c[NAME_MOST], nx_err *err)
{
    static const char own[] = "\nopen\nopen_with\nbind\nclose\n";
    char line[NAME_MOST + 2];
    c_name(name, c);
    (void)snprintf(line, sizeof line, "\n%s\n", c);
    if (!name.len || memchr(name.data, '\0', name.len) || strstr(own, line)) return false;
    if (t->names.len && memmem(t->names.data, t->names.len, line, strlen(line))) return false;
    *err = nx__buffer_append(&t->names, line, strlen(line), TEXT_MOST);
    return !*err;
}

static nx_err put_type(struct nx__buffer *out, const struct nx__export *f)
{
    for (unsigned i = 0; i < f->params; i++)
        NX_TRY(put(out, "%s%s", i ? ", " : "", nx__export_word(f->types[i])));
    NX_TRY(put(out, " ->"));
    for (unsigned i = 0; i < f->results; i++)
        NX_TRY(put(out, "%s%s", i ? ", " : " ", nx__export_word(f->types[f->params + i])));
    return NX_OK;
}

static nx_err put_call(struct text *t, const struct nx__export *f, const char *name)
{
    const uint8_t *results = f->types + f->params;
    unsigned room = f->params > f->results ? f->params : f->results;
    NX_TRY(put(t->out, "\nstatic inline nx_err %s_%s(const %s *self", t->stem, name, t->stem));
    for (unsigned i = 0; i < f->results; i++)
        NX_TRY(put(t->out, ", %s *out%u", nx__export_c_type(results[i]), i));
    for (unsigned i = 0; i < f->params; i++)
        NX_TRY(put(t->out, ", %s p%u", nx__export_c_type(f->types[i]), i));
    NX_TRY(put(t->out, ")\n{\n    nx_wasm_value v[%u];\n", room ? room : 1));
    for (unsigned i = 0; i < f->params; i++)
        NX_TRY(put(t->out, "    v[%u].%s = p%u;\n", i, nx__export_word(f->types[i]), i));
    NX_TRY(put(t->out, "    NX_TRY(nx_wasm_invoke(&self->function[%zu], v));\n", t->count));
    for (unsigned i = 0; i < f->results; i++)
        NX_TRY(put(t->out, "    *out%u = v[%u].%s;\n", i, i, nx__export_word(results[i])));
    return put(t->out, "    return NX_OK;\n}\n");
}

static nx_err put_find(struct text *t, const struct nx__export *f)
{
    NX_TRY(put(t->out, "    NX_TRY(nx_wasm_find(&self->function[%zu], wasm, ", t->count));
    NX_TRY(put_string(t->out, f->name));
    NX_TRY(put(t->out, ", \""));
    NX_TRY(put_type(t->out, f));
    return put(t->out, "\"));\n");
}

static nx_err function(void *arg, const struct nx__export *f)
{
    struct text *t = arg;
    char name[NAME_MOST];
    nx_err err = NX_OK;
    if (t->count == FUNCTIONS_MOST || !name_take(t, f->name, name, &err)) return err;
    err = t->calls ? put_call(t, f, name) : put_find(t, f);
    t->count++;
    return err;
}

nx_err nx__typed_text(nx_bytes module, const char *stem, const char *path, struct nx__buffer *out)
{
    struct text t = {.out = out, .stem = stem};
    struct nx__buffer finds = {0}, calls = {0};
    t.out = &finds;
    nx_err err = nx__exports_each(module, function, &t);
    size_t count = t.count;
    t.out = &calls;
    t.count = t.names.len = 0;
    t.calls = true;
    if (!err) err = nx__exports_each(module, function, &t);
    if (!err)
        err = put(
            out,
            "/* Made of a WebAssembly module, and made anew when that changes. */\n"
            "#ifndef NX_TYPED_%s\n#define NX_TYPED_%s\n#include <nexus/wasm.h>\n\n"
            "typedef struct %s {\n    nx_wasm *wasm;\n    nx_wasm_func function[%zu];\n} %s;\n\n"
            "static inline nx_err %s_bind(%s *self, nx_wasm *wasm)\n{\n"
            "    self->wasm = wasm;\n",
            stem, stem, stem, count ? count : 1, stem, stem, stem);
    if (!err && finds.len) err = nx__buffer_append(out, finds.data, finds.len, TEXT_MOST);
    if (!err)
        err = put(out,
                  "    return NX_OK;\n}\n\n"
                  "static inline void %s_close(%s *self)\n{\n"
                  "    nx_wasm_close(self->wasm);\n    self->wasm = NULL;\n}\n\n"
                  "static inline nx_err %s_open_with(%s *self, const nx_wasm_options *options)\n{\n"
                  "    nx_wasm *wasm;\n    self->wasm = NULL;\n"
                  "    NX_TRY(nx_wasm_open_with(&wasm, ",
                  stem, stem, stem, stem);
    if (!err) err = put_string(out, nx_str(path));
    if (!err)
        err = put(out,
                  ", options));\n    nx_err err = %s_bind(self, wasm);\n"
                  "    if (err) %s_close(self);\n    return err;\n}\n"
                  "#define %s_open(self, ...) \\\n"
                  "    %s_open_with((self), &(nx_wasm_options){.size = sizeof(nx_wasm_options), "
                  "__VA_ARGS__})\n",
                  stem, stem, stem, stem);
    if (!err && calls.len) err = nx__buffer_append(out, calls.data, calls.len, TEXT_MOST);
    if (!err) err = put(out, "\n#endif\n");
    nx__buffer_free(&finds);
    nx__buffer_free(&calls);
    nx__buffer_free(&t.names);
    return err;
}

/* ---- The files */

bool nx__typed_dir(const char *cache, const char *main_path, char out[NX__JOB_PATH])
{
    char hash[NX__HASH_TEXT];
    nx__hash_bytes(main_path, strlen(main_path), hash);
    int n = snprintf(out, NX__JOB_PATH, "%s/h/typed-%.16s", cache, hash);
    return n > 0 && n < NX__JOB_PATH;
}

/* What the program opens at run time: relative to its own file, where the module is below that. */
static void path_of_program(const struct nx__job *job, const char *real, char out[NX__JOB_PATH])
{
    size_t folder = (size_t)(strrchr(job->main_path, '/') - job->main_path) + 1;
    bool below = strncmp(real, job->main_path, folder) == 0;
    (void)snprintf(out, NX__JOB_PATH, "%.2s%.4000s", below ? "./" : "",
                   real + (below ? folder : 0));
}

/* Writes it, unless it is there as it is. */
static nx_err write_text(const char *dir, const char *name, const struct nx__buffer *text)
{
    char path[NX__JOB_PATH];
    struct nx__buffer old = {0};
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || n >= (int)sizeof path)
        return nx__error_set(NX_ETOOBIG, "cannot compile: a path is too long");
    for (char *slash = path + strlen(dir); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST, error = errno;
        if (failed) return nx__cache_error(error, path);
        *slash = '/';
    }
    bool same = access(path, R_OK) == 0 && !nx__read_small(path, TEXT_MOST, &old) &&
                old.len == text->len && memcmp(old.data, text->data, old.len) == 0;
    nx__buffer_free(&old);
    return same ? NX_OK : nx__write_whole(path, text->data, text->len);
}

/* `name` is as it is included, "sub/compute.wasm.h"; the module, of which it is made, is `real`. */
static nx_err header_make(const struct nx__job *job, const char *name, const char *real, int output,
                          struct nx__manifest *m)
{
    char dir[NX__JOB_PATH], path[NX__JOB_PATH], stem[NAME_MOST], word[NAME_MOST + 1];
    struct nx__input input;
    struct nx__buffer module = {0}, text = {0};
    const char *base = strrchr(name, '/');
    base = base ? base + 1 : name;
    c_name(nx_slice(base, strlen(base) - strlen(".wasm.h")), stem);
    (void)snprintf(word, sizeof word, "%s%s", *stem >= '0' && *stem <= '9' ? "_" : "", stem);
    if (!nx__typed_dir(job->cache, job->main_path, dir))
        return nx__error_set(NX_ETOOBIG, "cannot compile: a path is too long");
    path_of_program(job, real, path);
    /* The first of them is the program's. */
    NX_TRY(nx__input_read(job->main_path, &input));
    NX_TRY(nx__manifest_add(m, &input));
    NX_TRY(nx__input_read(real, &input));
    NX_TRY(nx__manifest_add(m, &input));
    NX_TRY(nx__read_small(real, NX__SOURCE_MOST, &module));
    nx_err err = nx__typed_text(nx_slice(module.data, module.len), word, path, &text);
    if (err == NX_EINVAL) {
        (void)dprintf(output, "nexus: %s is no WebAssembly module, so there is no header of it\n",
                      real);
        err = NX_OK;
    } else if (!err) {
        err = write_text(dir, name, &text);
    } else {
        (void)nx__error_set(err, "cannot make a header of \"%.150s\": %s", real, nx_err_text(err));
    }
    nx__buffer_free(&module);
    nx__buffer_free(&text);
    return err;
}

/* True where no part of it leads up, or out. */
static bool stays(const char *name)
{
    if (*name == '/') return false;
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += *at == '/';
        if (strncmp(at, "..", 2) == 0 && (at[2] == '/' || !at[2])) return false;
    }
    return true;
}

static nx_err include(const struct nx__job *job, const char *source, const char *name, int output,
                      struct nx__manifest *m, bool *made)
{
    char path[NX__JOB_PATH], real[NX__JOB_PATH];
    const char *end = strrchr(source, '/');
    int folder = end ? (int)(end - source) + 1 : 0;
    int n = snprintf(path, sizeof path, "%.*s%s", folder, source, name);
    if (n < 0 || n >= (int)sizeof path || access(path, F_OK) == 0) return NX_OK; /* its own */
    path[n - 2] = '\0';
    if (!realpath(path, real)) {
        (void)dprintf(output, "nexus: there is no %s to make a header of\n", path);
        return NX_OK;
    }
    while (strncmp(name, "./", 2) == 0) name += 2;
    if (!stays(name)) {
        (void)dprintf(output, "nexus: a module's header can be included from below its folder\n");
        return NX_OK;
    }
    *made = true;
    return header_make(job, name, real, output, m);
}

/* `#include "NAME.wasm.h"` at the start of a line. */
static bool included(const char *at, const char *end, char name[NX__JOB_PATH])
{
    static const char ending[] = ".wasm.h", word[] = "include";
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    if (at == end || *at++ != '#') return false;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    if ((size_t)(end - at) < strlen(word) || memcmp(at, word, strlen(word)) != 0) return false;
    at += strlen(word);
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    if (at == end || *at++ != '"') return false;
    const char *close = memchr(at, '"', (size_t)(end - at));
    size_t len = close ? (size_t)(close - at) : 0;
    if (len <= strlen(ending) || len >= NX__JOB_PATH || memchr(at, '\0', len)) return false;
    memcpy(name, at, len);
    name[len] = '\0';
    return strcmp(name + len - strlen(ending), ending) == 0;
}

nx_err nx__typed_make(const struct nx__job *job, const char *source, int output,
                      struct nx__manifest *m, bool *made)
{
    char name[NX__JOB_PATH];
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(source, NX__SOURCE_MOST, &text);
    const char *at = text.data, *end = at + text.len;
    while (!err && text.len && at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        if (included(at, stop, name)) err = include(job, source, name, output, m, made);
        at = stop + 1;
    }
    nx__buffer_free(&text);
    return err;
}

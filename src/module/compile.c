/* Compiling a program with all that it includes, once for each content. */
#include "module/compiler.h"
#include "module/embedded.h"
#include "module/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };
#define RACE_WINDOW                                                                                \
    INT64_C(20000000) /* ns: two writes so close together may leave the same times */

void nx__compiled_free(struct nx__compiled *c)
{
    free(c->so_path);
    free(c->compiler);
    if (c->so_fd >= 0) (void)close(c->so_fd);
    for (size_t i = 0; i < c->input_count; i++) free(c->inputs[i].path);
    free(c->inputs);
    *c = (struct nx__compiled){.so_fd = -1};
}

static int64_t ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void input_stat(struct nx__input *in, const struct stat *st)
{
    in->dev = st->st_dev;
    in->ino = st->st_ino;
    in->size = (uint64_t)st->st_size;
    in->mtime_ns = ns(st->st_mtim);
    in->ctime_ns = ns(st->st_ctim);
}

/* Stats and hashes a file that went in. */
static nx_err input_read(const char *path, struct nx__input *in)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;
    if (fd < 0) return nx__error_system(errno, "cannot read \"%.150s\"", path);
    int error = fstat(fd, &st) != 0   ? errno
                : S_ISDIR(st.st_mode) ? EISDIR
                                      : -nx__hash_file(fd, in->hash);
    (void)close(fd);
    if (error) return nx__error_system(error, "cannot read \"%.150s\"", path);
    input_stat(in, &st);
    in->path = (char *)(uintptr_t)path;
    return NX_OK;
}

/* ---- The program that is being made */

struct job {
    const struct nx__compile_request *request;
    char *cache, *headers, *main_path, *manifest_path;
    struct nx__compilers compilers;
    struct nx__manifest old; /* what is known from the last time */
    bool has_old;
};

static void job_free(struct job *job)
{
    free(job->cache);
    free(job->headers);
    free(job->main_path);
    free(job->manifest_path);
    nx__manifest_free(&job->old);
}

/* Where the manifest of this program, made this way, lies. */
static nx_err manifest_place(struct job *job)
{
    struct nx__buffer text = {0};
    nx_err err = nx__buffer_printf(&text, 1 << 16, "%d %s %d %s\n", NX_ABI, nx__headers_hash,
                                   job->request->release, job->main_path);
    for (size_t i = 0; i < job->compilers.count && !err; i++)
        err = nx__buffer_printf(&text, 1 << 16, "%s\n", job->compilers.items[i].identity);
    char hash[NX__HASH_TEXT];
    if (!err) {
        nx__hash_bytes(text.data, text.len, hash);
        if (asprintf(&job->manifest_path, "%s/m/%.40s", job->cache, hash) < 0) err = NX_ENOMEM;
    }
    nx__buffer_free(&text);
    return err ? nx__error_set(NX_ENOMEM, "cannot compile: out of memory") : NX_OK;
}

static nx_err job_init(struct job *job, const struct nx__compile_request *request)
{
    *job = (struct job){.request = request};
    job->main_path = realpath(request->path, NULL);
    if (!job->main_path) return nx__error_system(errno, "cannot read \"%.150s\"", request->path);
    if (access(job->main_path, R_OK) != 0)
        return nx__error_system(errno, "cannot read \"%.150s\"", request->path);
    NX_TRY(nx__cache_dir(&job->cache));
    NX_TRY(nx__compilers_find(&job->compilers, request->compiler, request->release));
    NX_TRY(manifest_place(job));
    struct nx__buffer text = {0};
    if (nx__read_small(job->manifest_path, NX__MANIFEST_MOST, &text) == NX_OK)
        job->has_old = nx__manifest_parse(&job->old, text.data, text.len);
    nx__buffer_free(&text);
    return NX_OK;
}

static nx_err result_inputs(const struct nx__manifest *m, struct nx__compiled *out)
{
    out->inputs = calloc(m->count + 1, sizeof *out->inputs);
    if (!out->inputs) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
    for (size_t i = 0; i < m->count; i++) {
        out->inputs[i].path = strdup(m->inputs[i].path);
        if (!out->inputs[i].path) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
        out->input_count++;
    }
    return NX_OK;
}

/* ---- Finding it in the cache */

static nx_err so_path(const struct job *job, const struct nx__manifest *m, char **out)
{
    if (asprintf(out, "%s/o/%.40s-%.16s.so", job->cache, m->key, m->so_hash) >= 0) return NX_OK;
    *out = NULL;
    return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
}

/* True when every input is as it was. `*touched` when only times differ. */
static bool inputs_same(struct nx__manifest *m, int64_t written, bool *touched)
{
    for (size_t i = 0; i < m->count; i++) {
        struct nx__input *in = &m->inputs[i], now = {0};
        struct stat st;
        if (stat(in->path, &st) != 0) return false;
        input_stat(&now, &st);
        bool same = now.dev == in->dev && now.ino == in->ino && now.size == in->size &&
                    now.mtime_ns == in->mtime_ns && now.ctime_ns == in->ctime_ns;
        if (same && now.ctime_ns < written - RACE_WINDOW) continue;
        if (now.size != in->size || input_read(in->path, &now) || strcmp(now.hash, in->hash) != 0)
            return false;
        now.path = in->path;
        *in = now;
        *touched = true;
    }
    return true;
}

/* Machine code is run, so it is checked: ours, nobody else's to write, and whole. */
static int so_open(const char *path, const struct nx__manifest *m)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    char hash[NX__HASH_TEXT];
    if (fd < 0) return -1;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        !(st.st_mode & 022) && (uint64_t)st.st_size == m->so_size && nx__hash_file(fd, hash) == 0 &&
        strcmp(hash, m->so_hash) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static nx_err manifest_write(const struct job *job, const struct nx__manifest *m)
{
    struct nx__buffer text = {0};
    nx_err err = nx__manifest_format(m, &text);
    if (err)
        (void)nx__error_set(err, "cannot compile: %s", nx_err_text(err));
    else
        err = nx__write_whole(job->manifest_path, text.data, text.len);
    nx__buffer_free(&text);
    return err;
}

static nx_err lookup(struct job *job, struct nx__compiled *out)
{
    struct stat st;
    bool touched = false;
    if (!job->has_old || job->request->refresh || stat(job->manifest_path, &st) != 0)
        return NX_EAGAIN;
    if (!inputs_same(&job->old, ns(st.st_mtim), &touched)) return NX_EAGAIN;
    char *path;
    NX_TRY(so_path(job, &job->old, &path));
    int fd = so_open(path, &job->old);
    if (fd < 0) {
        free(path);
        return NX_EAGAIN;
    }
    if (touched) NX_IGNORE(manifest_write(job, &job->old)); /* or it is hashed again next time */
    struct stat so;
    if (fstat(fd, &so) == 0 && ns(st.st_mtim) - ns(so.st_mtim) > NX_S(3600))
        (void)futimens(fd, NULL);
    out->so_path = path;
    out->so_fd = fd;
    out->from_cache = true;
    out->compiler = strdup(job->old.compiler);
    return result_inputs(&job->old, out);
}

/* ---- Making it */

/* The names in a depfile, unescaped, each added with its contents. The first is the source itself.
 */
static nx_err depfile_read(const char *path, struct nx__manifest *m)
{
    struct nx__buffer text = {0};
    nx_err err = nx__read_small(path, NX__MANIFEST_MOST, &text);
    const char *at = text.data, *end = at + text.len;
    const char *colon = err || !text.len ? NULL : memchr(at, ':', text.len);
    for (at = colon ? colon + 1 : end; at < end && !err;) {
        char name[PATH_SIZE];
        size_t len = 0;
        while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r' ||
                            (*at == '\\' && at + 1 < end && (at[1] == '\n' || at[1] == '\r'))))
            at++;
        while (at < end && *at != ' ' && *at != '\t' && *at != '\n' && *at != '\r' &&
               len < sizeof name - 1) {
            if (*at == '\\' && at + 1 < end && (at[1] == ' ' || at[1] == '#' || at[1] == '\\'))
                at++;
            else if (*at == '\\' && at + 1 < end && (at[1] == '\n' || at[1] == '\r'))
                break;
            else if (*at == '$' && at + 1 < end && at[1] == '$')
                at++;
            name[len++] = *at++;
        }
        name[len] = '\0';
        if (!len) continue;
        char real[PATH_SIZE];
        struct nx__input input;
        if (!realpath(name, real)) err = nx__error_system(errno, "cannot read \"%.150s\"", name);
        if (!err) err = input_read(real, &input);
        if (!err) err = nx__manifest_add(m, &input);
    }
    nx__buffer_free(&text);
    return err;
}

struct sources {
    const char *paths[NX__SOURCES_MOST];
    size_t count;
};

/* A header of the user's with a .c file beside it brings that in. */
static nx_err siblings(const struct job *job, const struct nx__manifest *m, struct sources *sources)
{
    size_t headers_len = strlen(job->headers);
    for (size_t i = 0; i < m->count; i++) {
        const char *path = m->inputs[i].path;
        size_t len = strlen(path);
        if (len < 3 || strcmp(path + len - 2, ".h") != 0) continue;
        if (strncmp(path, "/usr/", 5) == 0 || strncmp(path, job->headers, headers_len) == 0)
            continue;
        char source[PATH_SIZE], real[PATH_SIZE];
        (void)snprintf(source, sizeof source, "%.*s.c", (int)(len - 2), path);
        if (access(source, R_OK) != 0 || !realpath(source, real)) continue;
        bool known = false;
        for (size_t s = 0; s < sources->count; s++) known |= strcmp(sources->paths[s], real) == 0;
        if (known || strcmp(real, job->main_path) == 0) continue;
        if (sources->count == NX__SOURCES_MOST)
            return nx__error_set(NX_ELIMIT, "the program has more than %d source files",
                                 NX__SOURCES_MOST);
        sources->paths[sources->count] = strdup(real);
        if (!sources->paths[sources->count])
            return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
        sources->count++;
    }
    return NX_OK;
}

static void sources_free(struct sources *sources)
{
    for (size_t i = 1; i < sources->count; i++) free((char *)(uintptr_t)sources->paths[i]);
}

/* Compiles with one compiler. NX_ECOMPILE when it says no; what it said is in `output`. */
static nx_err attempt(struct job *job, const struct nx__compiler *compiler, const char *staging,
                      int output, struct nx__manifest *m)
{
    struct sources sources = {.paths = {job->request->path}, .count = 1};
    struct nx__build build = {.compiler = compiler,
                              .release = job->request->release,
                              .headers = job->headers,
                              .main_path = job->main_path,
                              .staging = staging,
                              .output = output};
    nx_err err = NX_OK;
    size_t done = 0;
    /* What was needed last time is likely needed again: then one round is enough. */
    if (job->has_old) err = siblings(job, &job->old, &sources);
    while (!err && done < sources.count) {
        size_t upto = sources.count;
        bool alone = done == 0 && upto == 1;
        for (; done < upto && !err; done++) {
            err = alone ? nx__build_whole(&build, sources.paths[0])
                        : nx__build_object(&build, sources.paths[done], done);
            if (err) break;
            char depfile[PATH_SIZE];
            (void)snprintf(depfile, sizeof depfile, "%s/%zu.d", staging, done);
            err = depfile_read(depfile, m);
        }
        if (!err) err = siblings(job, m, &sources);
        if (!err && alone && sources.count > 1) err = nx__build_object(&build, sources.paths[0], 0);
    }
    if (!err && sources.count > 1) err = nx__build_link(&build, sources.count);
    if (err == NX_ECOMPILE) {
        /* For --watch: at least what is known. */
        for (size_t i = 0; i < sources.count; i++) {
            struct nx__input input;
            char real[PATH_SIZE];
            if (realpath(sources.paths[i], real) && !input_read(real, &input))
                NX_IGNORE(nx__manifest_add(m, &input));
        }
    }
    sources_free(&sources);
    return err;
}

static void key_make(struct job *job, const struct nx__compiler *compiler, struct nx__manifest *m)
{
    struct nx__buffer text = {0};
    nx_err err = nx__buffer_printf(&text, NX__MANIFEST_MOST, "%d %s %d %s\n", NX_ABI,
                                   nx__headers_hash, job->request->release, compiler->identity);
    for (size_t i = 0; i < m->count && !err; i++)
        err = nx__buffer_printf(&text, NX__MANIFEST_MOST, "%s %s\n", m->inputs[i].hash,
                                m->inputs[i].path);
    nx__hash_bytes(text.data, text.len, m->key);
    nx__buffer_free(&text);
}

/* Moves the new file into the cache, and says in the manifest what it was made of. */
static nx_err install(struct job *job, const char *staging, struct nx__manifest *m,
                      struct nx__compiled *out)
{
    char made[PATH_SIZE];
    (void)snprintf(made, sizeof made, "%s/out.so", staging);
    int fd = open(made, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || fchmod(fd, 0600) != 0) {
        int error = errno;
        if (fd >= 0) (void)close(fd);
        return nx__error_system(error, "cannot read what the compiler made");
    }
    out->so_fd = fd;
    m->so_size = (uint64_t)st.st_size;
    int error = -nx__hash_file(fd, m->so_hash);
    if (error) return nx__error_system(error, "cannot read what the compiler made");
    NX_TRY(so_path(job, m, &out->so_path));
    if (rename(made, out->so_path) != 0)
        return nx__error_system(errno, "cannot write the compile cache \"%.120s\"", job->cache);
    return manifest_write(job, m);
}

static void say(int output)
{
    char chunk[4096];
    off_t at = 0;
    for (ssize_t n; (n = pread(output, chunk, sizeof chunk, at)) > 0; at += n)
        if (write(STDERR_FILENO, chunk, (size_t)n) < 0) return;
}

/* Where the compilers' words go until it is clear whose count. */
static nx_err output_make(int *output)
{
    *output = memfd_create("nexus-compiler", MFD_CLOEXEC);
    return *output >= 0 ? NX_OK : nx__error_system(errno, "cannot compile");
}

static nx_err make(struct job *job, struct nx__compiled *out)
{
    NX_TRY(nx__headers_dir(&job->headers));
    char *staging;
    NX_TRY(nx__staging_make(job->cache, &staging));
    size_t first = 0;
    /* One that could not compile it last time is not asked again. */
    for (size_t i = 0; job->has_old && i < job->compilers.count; i++)
        if (strcmp(job->compilers.items[i].path, job->old.compiler) == 0) first = i;
    nx_err err = NX_ECOMPILE;
    bool last = false;
    for (size_t i = first; i < job->compilers.count && err == NX_ECOMPILE && !last; i++) {
        const struct nx__compiler *compiler = &job->compilers.items[i];
        struct nx__manifest m = {.compiler = strdup(compiler->path)};
        int output = -1;
        err = m.compiler ? output_make(&output)
                         : nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
        if (!err) err = attempt(job, compiler, staging, output, &m);
        /* Only tcc knows too little C; what another refuses is the program's mistake. */
        last = compiler->kind != NX__COMPILER_TCC || i + 1 == job->compilers.count;
        if (!err || (err == NX_ECOMPILE && last)) say(output);
        if (!err) {
            key_make(job, compiler, &m);
            err = install(job, staging, &m, out);
            out->compiler = strdup(compiler->path);
        }
        if (!err || (err == NX_ECOMPILE && last)) {
            nx_err listed = result_inputs(&m, out);
            if (!err) err = listed;
        }
        if (output >= 0) (void)close(output);
        nx__manifest_free(&m);
    }
    nx__staging_remove(staging);
    free(staging);
    if (err == NX_ECOMPILE) {
        nx__wasm_header_hint(job->main_path);
        return nx__error_set(NX_ECOMPILE, "\"%.150s\" does not compile", job->request->path);
    }
    if (!err) NX_IGNORE(nx__cache_prune(nx__cache_limit()));
    return err;
}

nx_err nx__module_compile(const struct nx__compile_request *request, struct nx__compiled *out)
{
    *out = (struct nx__compiled){.so_fd = -1};
    struct job job;
    nx_err err = job_init(&job, request);
    if (!err) {
        err = lookup(&job, out);
        if (err == NX_EAGAIN) err = make(&job, out);
    }
    job_free(&job);
    return err;
}

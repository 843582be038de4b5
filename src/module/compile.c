/* Compiling a program with all that it includes, once for each content. */
#include "module/compiler.h"
#include "module/embedded.h"
#include "module/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    PATH_SIZE = 4096,
    ROUNDS_MOST = 4,     /* compilations of a program whose files change meanwhile */
    USED_SECONDS = 3600, /* precision of the time of the last use */
};

void nx__compiled_free(struct nx__compiled *c)
{
    free(c->so_path);
    free(c->compiler);
    free(c->warning);
    free(c->warnings_path);
    if (c->so_fd >= 0) (void)close(c->so_fd);
    for (size_t i = 0; i < c->input_count; i++) free(c->inputs[i].path);
    free(c->inputs);
    memset(c, 0, sizeof *c);
    c->so_fd = -1;
}

/* ---- The program that is being made */

struct job {
    const struct nx__compile_request *request;
    char *cache; /* where it is made: the cache, or a temporary folder */
    bool temporary;
    bool no_place; /* what has failed is the place, so another may do */
    char *headers, *main_path, *manifest_path;
    struct nx__compilers compilers; /* empty before a search */
    struct nx__manifest old;        /* what is known from the last time */
    bool has_old, several;          /* several: it had more than one source */
    char root[PATH_SIZE];           /* the project's folder */
};

static void job_free(struct job *job)
{
    free(job->cache);
    free(job->headers);
    free(job->main_path);
    free(job->manifest_path);
    nx__manifest_free(&job->old);
}

/* Where the manifest of this program, made in this way, lies. */
static nx_err manifest_place(struct job *job)
{
    struct nx__buffer text = {0};
    const char *chosen = job->request->compiler;
    int way = job->request->release | job->request->debug << 1;
    nx_err err =
        nx__buffer_printf(&text, 1 << 16, "%d %d %s %d %s\n%s\n", NX_ABI, NX__COMPILER_ARGUMENTS,
                          nx__headers_hash, way, job->main_path, chosen ? chosen : "");
    for (const char *const *flag = job->request->flags; flag && *flag && !err; flag++)
        err = nx__buffer_printf(&text, 1 << 16, "%s\n", *flag);
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
    struct stat st;
    int error = stat(job->main_path, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
    if (error) return nx__error_system(error, "cannot read \"%.150s\"", request->path);
    if (!S_ISREG(st.st_mode))
        return nx__error_set(NX_EINVAL, "cannot read \"%.150s\": not a regular file",
                             request->path);
    if (access(job->main_path, R_OK) != 0)
        return nx__error_system(errno, "cannot read \"%.150s\"", request->path);
    nx__project_root(job->main_path, job->root);
    return NX_OK;
}

/* The place has failed; what has, is recorded. */
static nx_err no_place(struct job *job, nx_err err)
{
    job->no_place = err && err != NX_ENOMEM;
    return err;
}

/* Opens the cache and reads what it knows of the program. */
static nx_err cache_open(struct job *job)
{
    nx_err err = nx__cache_dir(&job->cache);
    if (err) return no_place(job, err);
    NX_TRY(manifest_place(job));
    struct nx__buffer text = {0};
    if (nx__read_small(job->manifest_path, NX__MANIFEST_MOST, &text) == NX_OK)
        job->has_old = nx__manifest_parse(&job->old, text.data, text.len);
    nx__buffer_free(&text);
    for (size_t i = 1; job->has_old && i < job->old.count; i++) {
        const char *path = job->old.inputs[i].path;
        size_t len = strlen(path);
        job->several |= len > 2 && strcmp(path + len - 2, ".c") == 0;
    }
    return NX_OK;
}

static nx_err result_inputs(const struct job *job, const struct nx__manifest *m,
                            struct nx__compiled *out)
{
    out->inputs = calloc(m->count + 1, sizeof *out->inputs);
    if (!out->inputs) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
    for (size_t i = 0; i < m->count; i++) {
        const char *path = m->inputs[i].path;
        out->inputs[i].path = strdup(path);
        out->inputs[i].own =
            strncmp(path, "/usr/", 5) != 0 && strncmp(path, job->cache, strlen(job->cache)) != 0;
        if (!out->inputs[i].path) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
        out->input_count++;
    }
    return NX_OK;
}

/* ---- Finding it in the cache */

/* NULL, recorded, when memory is out. */
static char *so_path(const struct job *job, const struct nx__manifest *m)
{
    char *path;
    if (asprintf(&path, "%s/o/%.40s-%.16s.so", job->cache, m->key, m->so_hash) >= 0) return path;
    (void)nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
    return NULL;
}

/* Beside the compiled file. Without memory for it there are no warnings. */
static char *warnings_path(const char *so_path)
{
    char *path;
    return asprintf(&path, "%.*s.w", (int)(strlen(so_path) - strlen(".so")), so_path) >= 0 ? path
                                                                                           : NULL;
}

/* True when every input is as it was. `*touched` when only times differ. */
static bool inputs_same(struct nx__manifest *m, int64_t written, bool *touched)
{
    for (size_t i = 0; i < m->count; i++) {
        struct nx__input *in = &m->inputs[i], now = {0};
        struct stat st;
        if (stat(in->path, &st) != 0) return false;
        nx__input_stat(&now, &st);
        bool same = now.dev == in->dev && now.ino == in->ino && now.size == in->size &&
                    now.mtime_ns == in->mtime_ns && now.ctime_ns == in->ctime_ns;
        if (same && now.ctime_ns < written - NX__RACE_WINDOW) continue;
        if (now.size != in->size || nx__input_read(in->path, &now) ||
            strcmp(now.hash, in->hash) != 0)
            return false;
        now.path = in->path;
        *in = now;
        *touched = true;
    }
    return true;
}

/* A header of the program's with a .c file beside it brings that in; each is in the manifest once
 * it is compiled. */
static bool brings(const struct job *job, const char *header, char source[PATH_SIZE])
{
    size_t len = strlen(header), root = strlen(job->root);
    if (len < 3 || len >= PATH_SIZE || strcmp(header + len - 2, ".h") != 0) return false;
    bool ours = root == 1 ? strncmp(header, "/usr/", 5) != 0
                          : strncmp(header, job->root, root) == 0 && header[root] == '/';
    if (!ours && !strstr(header, "/nexus_modules/")) return false;
    char beside[PATH_SIZE];
    struct stat st;
    (void)snprintf(beside, sizeof beside, "%.*s.c", (int)(len - 2), header);
    return stat(beside, &st) == 0 && S_ISREG(st.st_mode) && realpath(beside, source);
}

/* True when a source has come beside a header since. */
static bool has_new_source(const struct job *job)
{
    char source[PATH_SIZE];
    for (size_t i = 0; i < job->old.count; i++)
        if (brings(job, job->old.inputs[i].path, source) && !nx__manifest_has(&job->old, source))
            return true;
    return false;
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

static nx_err search(struct job *job)
{
    if (job->compilers.count) return NX_OK;
    return nx__compilers_find(&job->compilers, job->request->compiler, job->request->compiler_by,
                              nx__wanted(job->request));
}

/* NX_OK when the compiler that made it would be taken again, NX_EAGAIN when another. `*touched`
 * when that took a search. */
static nx_err compiler_same(struct job *job, bool *touched)
{
    struct nx__found *found = &job->old.found;
    if (nx__found_again(found, job->request->compiler)) return NX_OK;
    NX_TRY(search(job));
    if (!nx__found_among(found, &job->compilers)) return NX_EAGAIN;
    *touched = true;
    return nx__found_note(found, &job->compilers, found->compilers.count);
}

static nx_err lookup(struct job *job, struct nx__compiled *out)
{
    struct stat st;
    bool touched = false;
    if (!job->has_old || job->request->refresh || stat(job->manifest_path, &st) != 0)
        return NX_EAGAIN;
    NX_TRY(compiler_same(job, &touched));
    if (!inputs_same(&job->old, nx__file_time(st.st_mtim), &touched) || has_new_source(job))
        return NX_EAGAIN;
    char *path = so_path(job, &job->old);
    if (!path) return NX_ENOMEM;
    int fd = nx__object_open(path, &job->old);
    if (fd < 0) {
        free(path);
        return NX_EAGAIN;
    }
    if (touched) NX_IGNORE(manifest_write(job, &job->old)); /* or it is hashed again next time */
    /* The cache forgets what was used longest ago. All has just been checked, so the manifest may
     * look younger too. */
    struct stat so;
    if (fstat(fd, &so) == 0 && time(NULL) - so.st_mtim.tv_sec > USED_SECONDS) {
        (void)futimens(fd, NULL);
        (void)utimensat(AT_FDCWD, job->manifest_path, NULL, 0);
    }
    out->so_path = path;
    out->so_fd = fd;
    out->from_cache = true;
    out->warnings_path = warnings_path(path);
    const struct nx__compilers *asked = &job->old.found.compilers;
    out->compiler = strdup(asked->items[asked->count - 1].path);
    return result_inputs(job, &job->old, out);
}

/* ---- Making it */

struct sources {
    char *paths[NX__SOURCES_MOST]; /* as the compiler is told; the first is the program's file */
    size_t count;
};

char *nx__path_shown(const char *given, const char *main_path, const char *real)
{
    const char *given_end = strrchr(given, '/');
    size_t folder = (size_t)(strrchr(main_path, '/') - main_path) + 1;
    char path[PATH_SIZE], back[PATH_SIZE];
    int given_len = given_end ? (int)(given_end - given) + 1 : 0;
    if (strncmp(real, main_path, folder) == 0 &&
        snprintf(path, sizeof path, "%.*s%s", given_len, given, real + folder) < PATH_SIZE &&
        realpath(path, back) && strcmp(back, real) == 0)
        return strdup(path);
    return strdup(real);
}

static nx_err sources_add(const struct job *job, const struct nx__manifest *m,
                          struct sources *sources)
{
    for (size_t i = 0; i < m->count; i++) {
        char real[PATH_SIZE];
        if (!brings(job, m->inputs[i].path, real) || strcmp(real, job->main_path) == 0) continue;
        char *path = nx__path_shown(job->request->path, job->main_path, real);
        if (!path) return nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
        bool known = false;
        for (size_t s = 0; s < sources->count; s++) known |= strcmp(sources->paths[s], path) == 0;
        /* One that is included is in already. */
        if (known || nx__manifest_has(m, real)) {
            free(path);
            continue;
        }
        if (sources->count == NX__SOURCES_MOST) {
            free(path);
            return nx__error_set(NX_ELIMIT, "the program has more than %d source files",
                                 NX__SOURCES_MOST);
        }
        sources->paths[sources->count++] = path;
    }
    return NX_OK;
}

/* For --watch, when it does not compile: what is known to go in, and what went in the last time. */
static void inputs_known(const struct job *job, const struct sources *sources,
                         struct nx__manifest *m)
{
    for (size_t i = 0; i < sources->count; i++) {
        struct nx__input input;
        char real[PATH_SIZE];
        if (realpath(sources->paths[i], real) && !nx__input_read(real, &input))
            NX_IGNORE(nx__manifest_add(m, &input));
    }
    for (size_t i = 0; job->has_old && i < job->old.count; i++)
        NX_IGNORE(nx__manifest_add(m, &job->old.inputs[i]));
}

/* Compiles with one compiler. NX_ECOMPILE when it says no; what it said is in `output`. */
static nx_err attempt(struct job *job, const struct nx__compiler *compiler, const char *staging,
                      int output, struct nx__manifest *m)
{
    struct sources sources = {.count = 0};
    struct nx__build build = {.compiler = compiler,
                              .release = job->request->release,
                              .headers = job->headers,
                              .main_path = job->main_path,
                              .root = job->root,
                              .staging = staging,
                              .flags = job->request->flags,
                              .output = output};
    bool listing = compiler->kind == NX__COMPILER_TCC;
    /* One file is compiled and linked in one go; that the last time there were more is a sign that
     * there are again. Notes lie beside an object. */
    bool whole = !job->several && !job->request->notes;
    nx_err err = NX_OK;
    sources.paths[0] = strdup(job->request->path);
    if (sources.paths[0])
        sources.count = 1;
    else
        err = nx__error_set(NX_ENOMEM, "cannot compile: out of memory");
    for (size_t i = 0; i < sources.count && !err; i++) {
        err = whole && i == 0 ? nx__build_whole(&build, sources.paths[0])
                              : nx__build_object(&build, sources.paths[i], i);
        char made[PATH_SIZE];
        (void)snprintf(made, sizeof made, "%s/%zu.d", staging, i);
        nx_err read = NX_OK;
        if (listing)
            read = nx__inputs_listing(made, sources.paths[i], m);
        else if (!err)
            read = nx__inputs_depfile(made, m);
        if (!err) err = read;
        if (!err) err = sources_add(job, m, &sources);
    }
    if (!err && whole && sources.count > 1) err = nx__build_object(&build, sources.paths[0], 0);
    if (!err && (!whole || sources.count > 1)) err = nx__build_link(&build, sources.count);
    /* tcc says that a name is defined twice, links all the same, and exits with 0. */
    if (!err && listing && nx__output_says(output, ": error: ")) err = NX_ECOMPILE;
    if (!err)
        err = nx__symbols_check(&build, whole && sources.count == 1 ? sources.paths[0] : NULL,
                                sources.count, job->request->program);
    if (err == NX_ECOMPILE) inputs_known(job, &sources, m);
    for (size_t i = 0; i < sources.count; i++) free(sources.paths[i]);
    return err;
}

/* True for the runtime's own headers. */
static bool is_public(const struct job *job, const char *path)
{
    return strncmp(path, job->headers, strlen(job->headers)) == 0;
}

static nx_err key_make(struct job *job, const struct nx__compiler *compiler, struct nx__manifest *m)
{
    struct nx__buffer text = {0};
    nx_err err = nx__buffer_printf(&text, NX__MANIFEST_MOST, "%d %d %s %d %s %llu %lld\n", NX_ABI,
                                   NX__COMPILER_ARGUMENTS, nx__headers_hash, job->request->release,
                                   compiler->path, (unsigned long long)compiler->size,
                                   (long long)compiler->mtime_ns);
    for (const char *const *flag = job->request->flags; flag && *flag && !err; flag++)
        err = nx__buffer_printf(&text, NX__MANIFEST_MOST, "%s\n", *flag);
    for (size_t i = 0; i < m->count && !err; i++) {
        if (is_public(job, m->inputs[i].path)) continue; /* nx__headers_hash stands for them */
        err = nx__buffer_printf(&text, NX__MANIFEST_MOST, "%s %s\n", m->inputs[i].hash,
                                m->inputs[i].path);
    }
    if (!err) nx__hash_bytes(text.data, text.len, m->key);
    nx__buffer_free(&text);
    return err ? nx__error_set(err, "cannot compile: %s", nx_err_text(err)) : NX_OK;
}

/* Hashes, before they are compiled, the files that were changed just now: their times may not tell
 * whether that was before or after. */
static nx_err hash_fresh(const struct job *job, int64_t begun, struct nx__manifest *before)
{
    struct nx__input input;
    NX_TRY(nx__input_read(job->main_path, &input));
    NX_TRY(nx__manifest_add(before, &input));
    for (size_t i = 0; job->has_old && i < job->old.count; i++) {
        const char *path = job->old.inputs[i].path;
        struct stat st;
        if (stat(path, &st) != 0 || nx__file_time(st.st_ctim) < begun - NX__RACE_WINDOW) continue;
        if (nx__input_read(path, &input) == NX_OK) NX_TRY(nx__manifest_add(before, &input));
    }
    return NX_OK;
}

/* True when a file may have changed since: then what the compiler read may not be what was hashed.
 * Not when it had the same hash before. */
static bool changed_since(const struct job *job, int64_t begun, const struct nx__manifest *m,
                          const struct nx__manifest *before)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct nx__input *in = &m->inputs[i];
        if (in->ctime_ns < begun) continue;
        if (is_public(job, in->path)) continue;
        bool same = false;
        for (size_t b = 0; b < before->count && !same; b++)
            same = strcmp(before->inputs[b].path, in->path) == 0 &&
                   strcmp(before->inputs[b].hash, in->hash) == 0;
        if (!same) return true;
    }
    return false;
}

/* Compiles, again where a file changed meanwhile, so that what was compiled is what was hashed.
 * `*settled` is false when the files never kept still. */
static nx_err attempts(struct job *job, const struct nx__compiler *compiler, const char *staging,
                       int output, struct nx__manifest *m, bool *settled)
{
    struct nx__manifest before = {0};
    nx_err err = NX_OK;
    *settled = false;
    for (int round = 0; round < ROUNDS_MOST && !*settled && !err; round++) {
        struct timespec now;
        (void)clock_gettime(CLOCK_REALTIME_COARSE, &now); /* the clock of file times */
        if (round == 0) {
            err = hash_fresh(job, nx__file_time(now), &before);
        } else {
            nx__manifest_free(&before);
            before = *m;
            *m = (struct nx__manifest){0};
        }
        if (!err && (ftruncate(output, 0) != 0 || lseek(output, 0, SEEK_SET) != 0))
            err = nx__error_system(errno, "cannot compile");
        if (!err) err = attempt(job, compiler, staging, output, m);
        if (!err) err = key_make(job, compiler, m);
        if (!err) *settled = !changed_since(job, nx__file_time(now), m, &before);
    }
    nx__manifest_free(&before);
    return err;
}

/* The run goes on without the cache, for the reason that is recorded. Without memory for the words,
 * it does so in silence. */
static void warn(struct nx__compiled *out, const char *reason)
{
    if (asprintf(&out->warning, "%s; the program is compiled for this run alone", reason) < 0)
        out->warning = NULL;
}

/* Moves the new file into the cache, and says in the manifest what it was made of; or into memory.
 */
static nx_err install(struct job *job, const char *staging, struct nx__manifest *m, bool settled,
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
    m->so_size = (uint64_t)st.st_size;
    nx_err err = NX_OK;
    int error;
    if (!nx__object_is_whole(fd, m->so_size))
        err = no_place(job, nx__cache_error(ENOSPC, job->cache));
    else if ((error = -nx__hash_file(fd, m->so_hash)))
        err = nx__error_system(error, "cannot read what the compiler made");
    /* The file names the temporary folder, so what it was made of says better whether it is the
     * same. */
    if (!err && job->temporary)
        err = nx__object_into_memory(fd, m->so_size, settled ? m->key : m->so_hash, out);
    if (err || job->temporary) {
        (void)close(fd);
        return err;
    }
    out->so_fd = fd;
    out->so_path = so_path(job, m);
    if (!out->so_path) return NX_ENOMEM;
    if (rename(made, out->so_path) != 0) return no_place(job, nx__cache_error(errno, job->cache));
    if (settled && manifest_write(job, m)) warn(out, nx__error_last()->message);
    if (settled && !out->warning) out->warnings_path = warnings_path(out->so_path);
    return NX_OK;
}

/* What the compiler that made it has warned of, for the runs that find it in the cache. */
static void warnings_keep(const struct nx__compiled *out, int output)
{
    struct stat st;
    if (!out->warnings_path || fstat(output, &st) != 0) return;
    size_t len = (size_t)st.st_size;
    void *text = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, output, 0) : NULL;
    if (text == MAP_FAILED) return;
    NX_IGNORE(nx__write_whole(out->warnings_path, text, len)); /* or they are asked for again */
    if (len) (void)munmap(text, len);
}

static void say(int output)
{
    char chunk[4096];
    off_t at = 0;
    for (ssize_t n; (n = pread(output, chunk, sizeof chunk, at)) > 0;) {
        ssize_t written = write(STDERR_FILENO, chunk, (size_t)n);
        if (written > 0)
            at += written;
        else if (errno != EINTR)
            return;
    }
}

/* Where the compilers' words go until it is clear whose count. */
static nx_err output_make(int *output)
{
    *output = memfd_create("nexus-compiler", MFD_CLOEXEC);
    return *output >= 0 ? NX_OK : nx__error_system(errno, "cannot compile");
}

/* True when the compiler failed for want of room. Its words count only where there is another place
 * to go: they may be the program's own. */
static bool is_full(const struct job *job, const char *staging, int output)
{
    return nx__cache_full(staging) ||
           (!job->temporary && nx__output_says(output, "No space left on device"));
}

static nx_err make(struct job *job, struct nx__compiled *out)
{
    NX_TRY(search(job));
    char *staging;
    nx_err err = nx__headers_dir(job->cache, &job->headers);
    if (!err) err = nx__staging_make(job->cache, &staging);
    if (err) return no_place(job, err);
    size_t first = 0;
    /* Those that could not compile it last time are not asked again. */
    if (job->has_old && nx__found_among(&job->old.found, &job->compilers))
        first = job->old.found.compilers.count - 1;
    err = NX_ECOMPILE;
    bool last = false;
    for (size_t i = first; i < job->compilers.count && err == NX_ECOMPILE && !last; i++) {
        const struct nx__compiler *compiler = &job->compilers.items[i];
        struct nx__manifest m = {0};
        int output = -1;
        bool settled = false;
        err = output_make(&output);
        if (!err) err = attempts(job, compiler, staging, output, &m, &settled);
        if (err == NX_ECOMPILE && is_full(job, staging, output))
            err = no_place(job, nx__cache_error(ENOSPC, job->cache));
        /* Only tcc knows too little C; what another refuses is the program's mistake. */
        last = compiler->kind != NX__COMPILER_TCC || i + 1 == job->compilers.count;
        if ((!err && !job->request->no_warnings) || (err == NX_ECOMPILE && last)) say(output);
        if (err == NX_ECOMPILE && last) nx__compile_hints(job->main_path, job->root, output);
        if (!err) err = nx__found_note(&m.found, &job->compilers, i + 1);
        if (!err && job->request->notes) err = nx__notes_keep(staging, job->request->notes);
        if (!err) {
            err = install(job, staging, &m, settled, out);
            out->compiler = strdup(compiler->path);
            if (!err && compiler->kind != NX__COMPILER_TCC) warnings_keep(out, output);
        }
        if (!err || (err == NX_ECOMPILE && last)) {
            nx_err listed = result_inputs(job, &m, out);
            if (!err) err = listed;
        }
        if (output >= 0) (void)close(output);
        nx__manifest_free(&m);
    }
    nx__staging_remove(staging);
    free(staging);
    if (err == NX_ECOMPILE) {
        return nx__error_set(NX_ECOMPILE, "\"%.150s\" does not compile", job->request->path);
    }
    if (!err && !job->temporary) NX_IGNORE(nx__cache_prune(nx__cache_limit()));
    return err;
}

/* Makes it somewhere else, since the cache has failed with `err`, which is recorded. */
static nx_err make_elsewhere(struct job *job, nx_err err, struct nx__compiled *out)
{
    char reason[NX__ERROR_MESSAGE_MAX];
    (void)snprintf(reason, sizeof reason, "%s", nx__error_last()->message);
    nx_err cause = err;
    job->temporary = true;
    for (size_t place = 0; job->no_place;) {
        free(job->cache);
        free(job->headers);
        job->cache = job->headers = NULL;
        if (!nx__temporary_make(&place, &job->cache))
            return nx__error_set(cause, "%s; nor is there room in a temporary folder ($TMPDIR)",
                                 reason);
        job->no_place = false;
        nx__compiled_free(out);
        err = make(job, out);
        nx__staging_remove(job->cache);
    }
    if (!err || err == NX_ECOMPILE) warn(out, reason);
    return err;
}

nx_err nx__module_compile(const struct nx__compile_request *request, struct nx__compiled *out)
{
    *out = (struct nx__compiled){.so_fd = -1};
    struct job job;
    nx_err err = job_init(&job, request);
    if (!err) err = cache_open(&job);
    if (!err) {
        err = lookup(&job, out);
        if (err == NX_EAGAIN) err = make(&job, out);
    }
    if (job.no_place) err = make_elsewhere(&job, err, out);
    job_free(&job);
    return err;
}

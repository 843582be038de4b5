/* Compiling a program with all that it includes, once for each content. */
#include "module/artifact.h"
#include "module/compiler.h"
#include "module/embedded.h"
#include "module/internal.h"
#include "module/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { USED_SECONDS = 3600 /* precision of the time of the last use */ };

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

static void job_free(struct nx__job *job)
{
    free(job->cache);
    free(job->headers);
    free(job->main_path);
    free(job->manifest_path);
    nx__manifest_free(&job->old);
}

/* Where the manifest of this program, made in this way, lies. */
static nx_err manifest_place(struct nx__job *job)
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

static nx_err job_init(struct nx__job *job, const struct nx__compile_request *request)
{
    *job = (struct nx__job){.request = request};
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
    job->wasm = nx__is_wasm(job->main_path);
    return NX_OK;
}

/* The place has failed; what has, is recorded. */
static nx_err no_place(struct nx__job *job, nx_err err)
{
    job->no_place = err && err != NX_ENOMEM;
    return err;
}

/* Opens the cache and reads what it knows of the program. */
static nx_err cache_open(struct nx__job *job)
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

static nx_err result_inputs(const struct nx__job *job, const struct nx__manifest *m,
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
static char *so_path(const struct nx__job *job, const struct nx__manifest *m)
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

/* True when a source has come beside a header since. */
static bool has_new_source(const struct nx__job *job)
{
    char source[NX__JOB_PATH];
    for (size_t i = 0; i < job->old.count; i++)
        if (nx__job_brings(job, job->old.inputs[i].path, source) &&
            !nx__manifest_has(&job->old, source))
            return true;
    return false;
}

static nx_err manifest_write(const struct nx__job *job, const struct nx__manifest *m)
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

static nx_err search(struct nx__job *job)
{
    if (job->compilers.count) return NX_OK;
    if (job->wasm) return nx__compilers_find_wasm(&job->compilers);
    return nx__compilers_find(&job->compilers, job->request->compiler, job->request->compiler_by,
                              nx__wanted(job->request));
}

/* NX_OK when the compiler that made it would be taken again, NX_EAGAIN when another. `*touched`
 * when that took a search. */
static nx_err compiler_same(struct nx__job *job, bool *touched)
{
    struct nx__found *found = &job->old.found;
    if (nx__found_again(found, job->wasm ? NULL : job->request->compiler)) return NX_OK;
    NX_TRY(search(job));
    if (!nx__found_among(found, &job->compilers)) return NX_EAGAIN;
    *touched = true;
    return nx__found_note(found, &job->compilers, found->compilers.count);
}

static nx_err lookup(struct nx__job *job, struct nx__compiled *out)
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

/* The run goes on without the cache, for the reason that is recorded. Without memory for the words,
 * it does so in silence. */
static void warn(struct nx__compiled *out, const char *reason)
{
    if (asprintf(&out->warning, "%s; the program is compiled for this run alone", reason) < 0)
        out->warning = NULL;
}

/* Moves the new file into the cache, and says in the manifest what it was made of; or into memory.
 */
static nx_err install(struct nx__job *job, const char *staging, struct nx__manifest *m,
                      bool settled, struct nx__compiled *out)
{
    char made[NX__JOB_PATH];
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

/* The same for who shows it elsewhere; what is too long is cut. */
static void say_to(struct nx__buffer *said, int output)
{
    enum { SAID_MOST = 1 << 20 };
    char chunk[4096];
    off_t at = 0;
    for (ssize_t n; said && (n = pread(output, chunk, sizeof chunk, at)) > 0; at += n)
        if (nx__buffer_append(said, chunk, (size_t)n, SAID_MOST)) return;
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
static bool is_full(const struct nx__job *job, const char *staging, int output)
{
    return nx__cache_full(staging) ||
           (!job->temporary && nx__output_says(output, "No space left on device"));
}

static nx_err make(struct nx__job *job, struct nx__compiled *out)
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
        if (!err) err = nx__job_attempts(job, compiler, staging, output, &m, &settled);
        if (err == NX_ECOMPILE && is_full(job, staging, output))
            err = no_place(job, nx__cache_error(ENOSPC, job->cache));
        /* Only tcc knows too little C; what another refuses is the program's mistake. */
        last = compiler->kind != NX__COMPILER_TCC || i + 1 == job->compilers.count;
        bool refused = err == NX_ECOMPILE && last;
        if (refused && !job->wasm) nx__compile_hints(job->main_path, job->root, output);
        if ((!err && !job->request->no_warnings) || refused) say(output);
        if (refused) {
            say_to(job->request->said, output);
            out->compiler = strdup(compiler->path);
        }
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
static nx_err make_elsewhere(struct nx__job *job, nx_err err, struct nx__compiled *out)
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

/* There is nothing to be done. */
static nx_err take_artifact(const char *path, struct nx__compiled *out)
{
    NX_TRY(nx__artifact_open(path, &out->so_fd));
    out->so_path = realpath(path, NULL);
    out->inputs = calloc(1, sizeof *out->inputs);
    if (out->inputs) out->inputs[0] = (struct nx__module_input){strdup(path), .own = true};
    if (!out->so_path || !out->inputs || !out->inputs[0].path)
        return nx__error_set(NX_ENOMEM, "cannot load \"%.150s\": out of memory", path);
    out->input_count = 1;
    out->from_cache = true;
    return NX_OK;
}

nx_err nx__module_compile(const struct nx__compile_request *request, struct nx__compiled *out)
{
    *out = (struct nx__compiled){.so_fd = -1};
    if (nx__is_artifact(request->path)) return take_artifact(request->path, out);
    struct nx__job job;
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

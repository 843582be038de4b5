/* One compiler's attempts at a program: its sources as they turn up, and what they were. */
#include "module/job.h"

#include "module/embedded.h"
#include "module/typed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MOST = 4 /* compilations of a program whose files change meanwhile */ };

/* ---- Sources */

bool nx__job_brings(const struct nx__job *job, const char *header, char source[NX__JOB_PATH])
{
    size_t len = strlen(header), root = strlen(job->root);
    if (len < 3 || len >= NX__JOB_PATH || strcmp(header + len - 2, ".h") != 0) return false;
    bool ours = root == 1 ? strncmp(header, "/usr/", 5) != 0
                          : strncmp(header, job->root, root) == 0 && header[root] == '/';
    if (!ours && !strstr(header, "/nexus_modules/")) return false;
    char beside[NX__JOB_PATH];
    struct stat st;
    (void)snprintf(beside, sizeof beside, "%.*s.c", (int)(len - 2), header);
    return stat(beside, &st) == 0 && S_ISREG(st.st_mode) && realpath(beside, source);
}

struct sources {
    char *paths[NX__SOURCES_MOST]; /* as the compiler is told; the first is the program's file */
    size_t count;
};

char *nx__path_shown(const char *given, const char *main_path, const char *real)
{
    const char *given_end = strrchr(given, '/');
    size_t folder = (size_t)(strrchr(main_path, '/') - main_path) + 1;
    char path[NX__JOB_PATH], back[NX__JOB_PATH];
    int given_len = given_end ? (int)(given_end - given) + 1 : 0;
    if (strncmp(real, main_path, folder) == 0 &&
        snprintf(path, sizeof path, "%.*s%s", given_len, given, real + folder) < NX__JOB_PATH &&
        realpath(path, back) && strcmp(back, real) == 0)
        return strdup(path);
    return strdup(real);
}

static nx_err sources_add(const struct nx__job *job, const struct nx__manifest *m,
                          struct sources *sources)
{
    for (size_t i = 0; i < m->count; i++) {
        char real[NX__JOB_PATH];
        if (!nx__job_brings(job, m->inputs[i].path, real) || strcmp(real, job->main_path) == 0)
            continue;
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
static void inputs_known(const struct nx__job *job, const struct sources *sources,
                         struct nx__manifest *m)
{
    for (size_t i = 0; i < sources->count; i++) {
        struct nx__input input;
        char real[NX__JOB_PATH];
        if (realpath(sources->paths[i], real) && !nx__input_read(real, &input))
            NX_IGNORE(nx__manifest_add(m, &input));
    }
    for (size_t i = 0; job->has_old && i < job->old.count; i++)
        NX_IGNORE(nx__manifest_add(m, &job->old.inputs[i]));
}

/* ---- Compiling */

/* True for the runtime's own headers. */
static bool is_public(const struct nx__job *job, const char *path)
{
    return strncmp(path, job->headers, strlen(job->headers)) == 0;
}

/* Of all that tcc has read but the system's. */
static nx_err constructors_check(const struct nx__job *job, const struct nx__manifest *m,
                                 int output)
{
    for (size_t i = 0; i < m->count; i++) {
        const char *path = m->inputs[i].path;
        if (!is_public(job, path) && strncmp(path, "/usr/", 5) != 0)
            NX_TRY(nx__constructors_check(path, output));
    }
    return NX_OK;
}

/* One file, whatever it is for. */
static nx_err attempt_wasm(const struct nx__job *job, const struct nx__build *build,
                           struct nx__manifest *m)
{
    struct nx__input input;
    NX_TRY(nx__input_read(job->main_path, &input));
    NX_TRY(nx__manifest_add(m, &input));
    return nx__build_wasm(build, job->request->path);
}

/* Compiles with one compiler. NX_ECOMPILE when it says no; what it said is in `output`. */
static nx_err attempt(struct nx__job *job, const struct nx__compiler *compiler, const char *staging,
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
    if (compiler->kind == NX__COMPILER_WASM) return attempt_wasm(job, &build, m);
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
    char typed[NX__JOB_PATH];
    if (!err && !nx__typed_dir(job->cache, job->main_path, typed))
        err = nx__error_set(NX_ETOOBIG, "cannot compile: a path is too long");
    for (size_t i = 0; i < sources.count && !err; i++) {
        bool any = false;
        err = nx__typed_make(job, sources.paths[i], output, m, &any);
        if (any) build.typed = typed;
        if (err) break;
        err = whole && i == 0 ? nx__build_whole(&build, sources.paths[0])
                              : nx__build_object(&build, sources.paths[i], i);
        char made[NX__JOB_PATH];
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
    if (!err && listing) err = constructors_check(job, m, output);
    if (!err)
        err = nx__symbols_check(&build, whole && sources.count == 1 ? sources.paths[0] : NULL,
                                sources.count, job->request->program);
    if (!err) err = nx__stack_check(&build);
    if (err == NX_ECOMPILE) inputs_known(job, &sources, m);
    for (size_t i = 0; i < sources.count; i++) free(sources.paths[i]);
    return err;
}

/* ---- What was compiled is what was hashed */

static nx_err key_make(struct nx__job *job, const struct nx__compiler *compiler,
                       struct nx__manifest *m)
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
static nx_err hash_fresh(const struct nx__job *job, int64_t begun, struct nx__manifest *before)
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
static bool changed_since(const struct nx__job *job, int64_t begun, const struct nx__manifest *m,
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

nx_err nx__job_attempts(struct nx__job *job, const struct nx__compiler *compiler,
                        const char *staging, int output, struct nx__manifest *m, bool *settled)
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

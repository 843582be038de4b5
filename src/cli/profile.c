/* What was sampled, named and written. It lies in memory that the program could write to:
 * everything in it is checked. */
#include "cli/profile.h"

#include "base/symbolize.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/flame.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static nx_err unwritable(const char *path, int error)
{
    return nx__error_system(error, "cannot write the profile to \"%.150s\"", path);
}

static bool is_folded(const char *path)
{
    size_t len = strlen(path);
    return len >= 7 && strcmp(path + len - 7, ".folded") == 0;
}

nx_err nx__profiling_prepare(struct nx__profiling *p, const char *value, const char *program)
{
    const char *base = strrchr(program, '/');
    base = base ? base + 1 : program;
    p->program = base;
    p->folded = -1;
    if (!value || !*value) {
        const char *dot = strrchr(base, '.');
        int len = dot ? (int)(dot - base) : (int)strlen(base);
        char *path = NULL;
        if (asprintf(&path, "%.*s.svg", len, base) < 0)
            return nx__error_set(NX_ENOMEM, "cannot profile the program: out of memory");
        value = path;
    }
    p->path = value;
    if (!p->rate) p->rate = NX__PROFILE_RATE;
    /* A mistake in the name is told now, and not after an hour. */
    char folder[PATH_MAX];
    const char *slash = strrchr(value, '/');
    struct stat st;
    int len = slash ? (int)(slash - value) + 1 : 1;
    if (snprintf(folder, sizeof folder, "%.*s", len, slash ? value : ".") >= PATH_MAX)
        return unwritable(value, ENAMETOOLONG);
    if (access(folder, W_OK) != 0) return unwritable(value, errno);
    if (stat(value, &st) == 0 && S_ISDIR(st.st_mode)) return unwritable(value, EISDIR);
    p->folded = memfd_create("nexus-profile", MFD_CLOEXEC);
    return p->folded < 0 ? unwritable(value, errno) : NX_OK;
}

/* ---- Names */

struct names {
    const struct nx__profile *profile;
    struct nx__place *places;
    uint64_t *words; /* sorted; place i is that of words[i] */
    size_t count;
    bool is_system[NX__CRASH_MODULES];
    char modules[NX__CRASH_MODULES][NX__CRASH_PATH];
    uint32_t module_count;
};

static int by_word(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t module_of(uint64_t word)
{
    return (uint32_t)((word & ~NX__PROFILE_RETURNS) >> NX__PROFILE_MODULE_AT);
}

/* Whether the entry may be read: what it says lies within bounds. */
static bool stack_is(const struct nx__profile_stack *s)
{
    return atomic_load(&s->ready) && atomic_load(&s->ticks) && s->label < NX__PROFILE_LABELS &&
           s->count <= NX__PROFILE_FRAMES + 1 && s->first <= NX__PROFILE_WORDS - s->count;
}

static nx_err names_find(struct names *n, const struct nx__profile *p, const char *so_path,
                         int so_fd)
{
    n->profile = p;
    n->module_count = atomic_load(&p->module_count);
    if (n->module_count > NX__CRASH_MODULES) n->module_count = NX__CRASH_MODULES;
    const char *files[NX__CRASH_MODULES];
    char by_fd[32];
    (void)snprintf(by_fd, sizeof by_fd, "/proc/self/fd/%d", so_fd);
    for (uint32_t i = 0; i < n->module_count; i++) {
        memcpy(n->modules[i], p->modules[i], NX__CRASH_PATH);
        nx__utf8_clean(n->modules[i], NX__CRASH_PATH);
        n->is_system[i] = !(nx__code_kind(n->modules[i], i, false) & NX__CODE_FRAMES);
        /* A program in memory has a path that cannot be opened. */
        bool in_memory = so_fd >= 0 && strncmp(so_path, "/memfd:", 7) == 0 &&
                         strncmp(n->modules[i], so_path, NX__CRASH_PATH) == 0;
        files[i] = in_memory ? by_fd : n->modules[i];
    }
    size_t used = atomic_load(&p->words_used);
    if (used > NX__PROFILE_WORDS) used = NX__PROFILE_WORDS;
    n->words = malloc((used ? used : 1) * sizeof *n->words);
    if (!n->words) return NX_ENOMEM;
    memcpy(n->words, p->words, used * sizeof *n->words);
    qsort(n->words, used, sizeof *n->words, by_word);
    for (size_t i = 0; i < used; i++)
        if (!i || n->words[i] != n->words[n->count - 1]) n->words[n->count++] = n->words[i];
    n->places = nx__places_new(n->count);
    if (!n->places) return NX_ENOMEM;
    for (size_t i = 0; i < n->count; i++) {
        n->places[i].module = module_of(n->words[i]);
        n->places[i].address = n->words[i] & NX__PROFILE_ADDRESS;
        n->places[i].is_return = n->words[i] & NX__PROFILE_RETURNS;
    }
    nx__places_name(n->places, n->count, files, n->module_count, geteuid(), getegid());
    return NX_OK;
}

/* ---- Folding */

struct fold {
    struct nx__buffer *out;
    nx_err err;
};

/* A frame; ';' and ' ' would end it, so they are replaced. */
static void frame_put(struct fold *f, char kind, const char *name)
{
    char text[200];
    int n = snprintf(text, sizeof text, "%c%s;", kind, name);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (size_t i = 1; i + 1 < len; i++)
        if (text[i] == ';' || text[i] == '\n') text[i] = ':';
    if (len) text[len - 1] = ';';
    if (!f->err) f->err = nx__buffer_append(f->out, text, len, NX__FLAME_MOST);
}

static char kind_of(const struct names *n, const struct nx__place *p)
{
    if (p->module == 0) return NX__FLAME_RUNTIME;
    if (p->module >= n->module_count || n->is_system[p->module]) return NX__FLAME_LIBRARY;
    return NX__FLAME_APP;
}

/* One frame, or two where the inner function is inlined into the outer; `*before` is the name of
 * the one further out, so that unnamed ones come once. */
static void place_put(struct fold *f, const struct names *n, uint64_t word, char *before,
                      size_t size)
{
    char name[160];
    if (module_of(word) == NX__PROFILE_KERNEL) {
        uint64_t number = word & NX__PROFILE_ADDRESS;
        const char *call = number ? nx__system_call_name((long)number - 1) : NULL;
        (void)snprintf(name, sizeof name, call ? "[kernel] %s" : "[kernel]", call);
        frame_put(f, NX__FLAME_KERNEL, name);
        return;
    }
    const uint64_t *found = bsearch(&word, n->words, n->count, sizeof word, by_word);
    if (!found) return;
    const struct nx__place *p = &n->places[found - n->words];
    char kind = kind_of(n, p);
    if (p->symbol.outer[0] && strcmp(p->symbol.outer, p->symbol.function) != 0)
        frame_put(f, kind, p->symbol.outer);
    if (p->symbol.function[0]) {
        (void)snprintf(name, sizeof name, "%s", p->symbol.function);
    } else {
        const char *path = p->module < n->module_count ? n->modules[p->module] : "unknown code";
        const char *base = strrchr(path, '/');
        base = kind == NX__FLAME_RUNTIME ? "nexus" : base ? base + 1 : path;
        (void)snprintf(name, sizeof name, "[%.*s]", (int)sizeof name - 3, base);
        if (strcmp(name, before) == 0) return;
    }
    frame_put(f, kind, name);
    (void)snprintf(before, size, "%s", name);
}

/* How many frames of the stack say something: not the runtime's own, from which the program's first
 * function was called. Without symbols those have no names. */
static uint32_t frames_told(const struct names *n, const struct nx__profile_stack *s)
{
    const uint64_t *words = n->profile->words + s->first;
    uint32_t told = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const uint64_t *found = bsearch(&words[i], n->words, n->count, sizeof *words, by_word);
        const struct nx__place *p = found ? &n->places[found - n->words] : NULL;
        if (p && i && nx__crash_is_bottom(p->symbol.function)) break;
        if (!p || p->module != 0 || p->symbol.function[0]) told = i + 1;
    }
    return told ? told : s->count;
}

static nx_err fold(const struct names *n, struct nx__buffer *out)
{
    struct fold f = {.out = out};
    for (size_t i = 0; i < NX__PROFILE_STACKS && !f.err; i++) {
        const struct nx__profile_stack *s = &n->profile->stacks[i];
        if (!stack_is(s)) continue;
        char label[NX__PROFILE_LABEL], before[160] = "";
        memcpy(label, n->profile->labels[s->label].text, sizeof label);
        nx__utf8_clean(label, sizeof label);
        frame_put(&f, NX__FLAME_ROOT, label[0] ? label : "?");
        if (s->deeper) frame_put(&f, NX__FLAME_LIBRARY, "[deeper]");
        for (uint32_t at = frames_told(n, s); at-- > 0;)
            place_put(&f, n, n->profile->words[s->first + at], before, sizeof before);
        out->data[out->len - 1] = ' '; /* instead of the last ';' */
        if (!f.err)
            f.err = nx__buffer_printf(out, NX__FLAME_MOST, "%llu\n",
                                      (unsigned long long)atomic_load(&s->ticks));
    }
    return f.err;
}

/* ---- Writing */

/* Beside it first, so that a full disk leaves what was there. */
static nx_err file_replace(const char *path, const struct nx__buffer *content)
{
    char aside[PATH_MAX];
    if (snprintf(aside, sizeof aside, "%s.%d.tmp", path, (int)getpid()) >= PATH_MAX)
        return unwritable(path, ENAMETOOLONG);
    struct stat st;
    bool plain = stat(path, &st) != 0 || S_ISREG(st.st_mode); /* not /dev/stdout */
    int fd = plain ? open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666)
                   : open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return unwritable(path, errno);
    int error = 0;
    for (size_t at = 0; !error && at < content->len;) {
        ssize_t n = write(fd, content->data + at, content->len - at);
        if (n > 0) at += (size_t)n;
        if (n < 0 && errno != EINTR) error = errno;
    }
    if (close(fd) != 0 && !error) error = errno;
    if (plain && !error && rename(aside, path) != 0) error = errno;
    if (plain && error) (void)unlink(aside);
    return error ? unwritable(path, error) : NX_OK;
}

/* All that was folded so far, with the new at its end. */
static nx_err folded_read(const struct nx__profiling *p, struct nx__buffer *all)
{
    struct stat st;
    if (fstat(p->folded, &st) != 0) return nx__error_system(errno, "cannot read the profile");
    size_t size = (size_t)st.st_size;
    NX_TRY(nx__buffer_reserve(all, size + 1, NX__FLAME_MOST));
    while (all->len < size) {
        ssize_t n = pread(p->folded, all->data + all->len, size - all->len, (off_t)all->len);
        if (n <= 0) return nx__error_system(n < 0 ? errno : EIO, "cannot read the profile");
        all->len += (size_t)n;
    }
    return NX_OK;
}

static nx_err folded_append(const struct nx__profiling *p, const struct nx__buffer *lines)
{
    struct stat st;
    if (fstat(p->folded, &st) != 0) return unwritable(p->path, errno);
    if ((size_t)st.st_size + lines->len > NX__FLAME_MOST) return unwritable(p->path, EFBIG);
    for (size_t at = 0; at < lines->len;) {
        ssize_t n = pwrite(p->folded, lines->data + at, lines->len - at, st.st_size + (off_t)at);
        if (n < 0) return unwritable(p->path, errno);
        at += (size_t)n;
    }
    return NX_OK;
}

static nx_err profile_write(struct nx__profiling *p, const struct nx__profile *profile,
                            const char *so_path, int so_fd)
{
    static struct names names;
    struct nx__buffer lines = {0}, all = {0}, out = {0};
    char title[256];
    uint64_t ticks = atomic_load(&profile->ticks), dropped = atomic_load(&profile->dropped);
    nx_err err = names_find(&names, profile, so_path, so_fd);
    if (!err) err = fold(&names, &lines);
    if (!err) err = folded_append(p, &lines);
    if (!err) err = folded_read(p, &all);
    nx_bytes folded = nx_slice(all.data, all.len);
    (void)snprintf(title, sizeof title, "%.150s: CPU time by route and fiber", p->program);
    if (!err)
        err = is_folded(p->path) ? nx__flame_folded(folded, &out)
                                 : nx__flame_svg(folded, title, &out);
    if (err == NX_ENOMEM || err == NX_ETOOBIG)
        err = nx__error_set(err, "cannot write the profile to \"%.150s\": %s", p->path,
                            nx_err_text(err));
    if (!err) err = file_replace(p->path, &out);
    if (!err && dropped)
        nx__cli_say(
            "%s: the profile has no place for %llu of %llu samples: more than %d different stacks",
            p->path, (unsigned long long)dropped, (unsigned long long)ticks, NX__PROFILE_STACKS);
    if (!err)
        nx__cli_say("%s: %.2f s of CPU time, %llu samples", p->path,
                    (double)ticks / (double)p->rate, (unsigned long long)ticks);
    return err;
}

void nx__profiling_add(struct nx__profiling *p, const struct nx__profile *profile,
                       const char *so_path, int so_fd)
{
    if (!p->path || !profile) return;
    /* Whatever the program has left there, the launcher goes on. */
    pid_t pid = fork();
    if (pid == 0) {
        nx_err err =
            profile->magic == NX__PROFILE_MAGIC
                ? profile_write(p, profile, so_path, so_fd)
                : nx__error_set(
                      NX_EINVAL,
                      "cannot write the profile to \"%.150s\": the program has overwritten it",
                      p->path);
        _exit(err ? nx__cli_fail(err) : 0);
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (pid < 0 || WIFSIGNALED(status)) nx__cli_say("cannot write the profile to \"%s\"", p->path);
}

/* nexus test --coverage: which lines have run, by way of gcov. */
#include "cli/test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINES_MOST = 1000000, /* of one source */
    NOT_CODE = -1,
    RANGES_SHOWN = 4,
    COUNTS_MOST = 500, /* files given to gcov at once */
};

struct source {
    char *path; /* real */
    int64_t *counts;
    size_t lines;
};

struct sources {
    struct source *items;
    size_t count;
};

nx_err nx__coverage_prepare(struct nx__tester *t, struct nx__test_file *file)
{
    if (!t->coverage_base[0]) NX_TRY(nx__temp_folder(t->coverage_base, "coverage"));
    if (asprintf(&file->coverage, "%s/%zu", t->coverage_base, (size_t)(file - t->files)) < 0) {
        file->coverage = NULL;
        return nx__error_set(NX_ENOMEM, "cannot measure the coverage: out of memory");
    }
    if (mkdir(file->coverage, 0700) == 0) return NX_OK;
    return nx__error_system(errno, "cannot make \"%.150s\"", file->coverage);
}

/* ---- What gcov says: "  COUNT:LINE:TEXT" for each line, and before them
 * "        -:    0:Source:PATH". */

/* The source of that path; NULL for what is not the project's own code: system headers, the public
 * headers, the tests themselves. */
static struct source *source_of(const struct nx__tester *t, const struct nx__test_file *file,
                                struct sources *sources, const char *name)
{
    char real[PATH_MAX], test[PATH_MAX];
    if (!realpath(name, real)) return NULL;
    size_t root = strlen(file->root);
    if (strncmp(real, file->root, root) != 0 || (root > 1 && real[root] != '/')) return NULL;
    for (size_t i = 0; i < t->file_count; i++)
        if (realpath(t->files[i].path, test) && strcmp(test, real) == 0) return NULL;
    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->items[i].path, real) == 0) return &sources->items[i];
    struct source *items = reallocarray(sources->items, sources->count + 1, sizeof *items);
    if (!items) return NULL;
    sources->items = items;
    items[sources->count] = (struct source){.path = strdup(real)};
    return items[sources->count].path ? &items[sources->count++] : NULL;
}

static void count_line(struct source *s, long line, int64_t count)
{
    if (line < 1 || line > LINES_MOST) return;
    if ((size_t)line > s->lines) {
        int64_t *counts = reallocarray(s->counts, (size_t)line, sizeof *counts);
        if (!counts) return;
        for (size_t i = s->lines; i < (size_t)line; i++) counts[i] = NOT_CODE;
        s->counts = counts;
        s->lines = (size_t)line;
    }
    int64_t *at = &s->counts[line - 1];
    *at = *at == NOT_CODE ? count : *at + count;
}

static void gcov_line(const struct nx__tester *t, const struct nx__test_file *file,
                      struct sources *sources, struct source **source, char *line)
{
    char *colon = strchr(line, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;
    if (!second) return;
    *colon = *second = '\0';
    char *count = line + strspn(line, " ");
    long number = strtol(colon + 1, NULL, 10);
    if (number == 0) {
        if (strncmp(second + 1, "Source:", 7) == 0)
            *source = source_of(t, file, sources, second + 8);
        return;
    }
    if (!*source || *count == '-') return;
    /* "#####" and "=====" have not run; a number may end in "*". */
    count_line(*source, number, *count == '#' || *count == '=' ? 0 : strtoll(count, NULL, 10));
}

static nx_err gcov_read(const struct nx__tester *t, const struct nx__test_file *file,
                        const char *const *argv, struct sources *sources)
{
    struct nx__buffer out = {0};
    nx_err err = nx__tool_output(argv, &out);
    if (!err && nx__buffer_append(&out, "\n", 1, SIZE_MAX)) err = NX_ENOMEM;
    struct source *source = NULL;
    for (size_t at = 0; !err && at < out.len;) {
        char *eol = memchr(out.data + at, '\n', out.len - at);
        *eol = '\0';
        gcov_line(t, file, sources, &source, out.data + at);
        at = (size_t)(eol - out.data) + 1;
    }
    nx__buffer_free(&out);
    return err;
}

/* gcov lies beside the compiler, with the same version behind its name. */
static nx_err gcov_path(const struct nx__tester *t, char path[PATH_MAX])
{
    char real[PATH_MAX];
    bool clang = t->kind == NX__COMPILER_CLANG;
    const char *tool = clang ? "llvm-cov" : "gcov";
    for (int resolved = 0; resolved < 2; resolved++) {
        (void)snprintf(real, sizeof real, "%s", t->compiler_path);
        if (resolved && !realpath(t->compiler_path, real)) break;
        char *slash = strrchr(real, '/');
        if (!slash) break;
        const char *version = strrchr(slash, '-');
        char suffix[32] = "";
        if (version && strspn(version + 1, "0123456789.") == strlen(version + 1))
            (void)snprintf(suffix, sizeof suffix, "%s", version);
        *slash = '\0';
        for (int with = 1; with >= 0; with--) {
            if (snprintf(path, PATH_MAX, "%s/%s%s", real, tool, with ? suffix : "") >= PATH_MAX)
                continue;
            if (access(path, X_OK) == 0) return NX_OK;
        }
    }
    return nx__error_set(NX_ENOTSUP, "--coverage needs %s beside %s; install it (Debian: %s)", tool,
                         t->compiler_path, clang ? "llvm" : "gcc");
}

/* Reads the counts of one test file; there are none when no test of it has run to its end. */
static nx_err file_read(const struct nx__tester *t, const struct nx__test_file *file,
                        struct sources *sources)
{
    char tool[PATH_MAX];
    NX_TRY(gcov_path(t, tool));
    const char *argv[COUNTS_MOST + 8] = {tool};
    size_t head = 1;
    if (t->kind == NX__COMPILER_CLANG) argv[head++] = "gcov";
    argv[head++] = "-t";
    size_t count = head;
    DIR *dir = opendir(file->coverage);
    if (!dir) return nx__error_system(errno, "cannot read \"%.150s\"", file->coverage);
    nx_err err = NX_OK;
    for (struct dirent *entry; (entry = readdir(dir)) && count < COUNTS_MOST;) {
        size_t len = strlen(entry->d_name);
        char *path;
        if (len < 6 || strcmp(entry->d_name + len - 5, ".gcda") != 0) continue;
        if (asprintf(&path, "%s/%s", file->coverage, entry->d_name) < 0) break;
        argv[count++] = path;
    }
    (void)closedir(dir);
    argv[count] = NULL;
    if (count > head) err = gcov_read(t, file, argv, sources);
    while (count > head) free((char *)(uintptr_t)argv[--count]);
    return err;
}

/* ---- The report */

static size_t count_if(const struct source *s, bool ran)
{
    size_t n = 0;
    for (size_t i = 0; i < s->lines; i++) n += ran ? s->counts[i] > 0 : s->counts[i] != NOT_CODE;
    return n;
}

static nx_err lcov_write(const struct sources *sources, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file) return nx__error_system(errno, "cannot write \"%.150s\"", path);
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *s = &sources->items[i];
        (void)fprintf(file, "TN:\nSF:%s\n", s->path);
        for (size_t line = 0; line < s->lines; line++)
            if (s->counts[line] != NOT_CODE)
                (void)fprintf(file, "DA:%zu,%lld\n", line + 1, (long long)s->counts[line]);
        (void)fprintf(file, "LF:%zu\nLH:%zu\nend_of_record\n", count_if(s, false),
                      count_if(s, true));
    }
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return nx__error_system(errno ? errno : EIO, "cannot write \"%.150s\"", path);
    return NX_OK;
}

/* The lines that have not run, as ranges. */
static void put_missing(const struct source *s)
{
    int shown = 0;
    for (size_t i = 0; i < s->lines;) {
        if (s->counts[i] != 0) {
            i++;
            continue;
        }
        size_t first = i, last = i;
        for (; i < s->lines && s->counts[i] <= 0; i++) /* what is no code does not end a range */
            if (s->counts[i] == 0) last = i;
        if (shown++ == RANGES_SHOWN) {
            (void)printf(", ...");
            return;
        }
        (void)printf(first == last ? "%s%zu" : "%s%zu-%zu", shown == 1 ? "  not run: " : ", ",
                     first + 1, last + 1);
    }
}

static void put_row(const char *name, size_t ran, size_t lines)
{
    double percent = lines ? 100.0 * (double)ran / (double)lines : 100;
    (void)printf("  %-40s %6.1f %%  %5zu of %zu lines", name, percent, ran, lines);
}

static void summary(const struct sources *sources)
{
    char here[PATH_MAX];
    size_t len = getcwd(here, sizeof here) ? strlen(here) : 0, ran = 0, lines = 0;
    (void)printf("\ncoverage:%s\n", sources->count ? "" : " no code of the project has run");
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *s = &sources->items[i];
        bool below = len && strncmp(s->path, here, len) == 0 && s->path[len] == '/';
        put_row(below ? s->path + len + 1 : s->path, count_if(s, true), count_if(s, false));
        put_missing(s);
        (void)printf("\n");
        ran += count_if(s, true);
        lines += count_if(s, false);
    }
    if (sources->count > 1) {
        put_row("all", ran, lines);
        (void)printf("\n");
    }
    (void)fflush(stdout);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->path, ((const struct source *)b)->path);
}

nx_err nx__coverage_report(struct nx__tester *t)
{
    struct sources sources = {0};
    nx_err err = NX_OK;
    for (size_t i = 0; i < t->file_count && !err; i++)
        if (t->files[i].coverage) err = file_read(t, &t->files[i], &sources);
    if (sources.count) qsort(sources.items, sources.count, sizeof *sources.items, by_path);
    if (!err) err = lcov_write(&sources, t->lcov);
    if (!err && !t->config.tap) summary(&sources);
    for (size_t i = 0; i < sources.count; i++) {
        free(sources.items[i].path);
        free(sources.items[i].counts);
    }
    free(sources.items);
    return err;
}

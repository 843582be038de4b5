/* nexus test: which files are tests. */
#include "cli/test.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { DEPTH_MOST = 32, FILES_MOST = 10000, SOURCE_MOST = 16 << 20 };

static nx_err add(struct nx__tester *t, const char *path)
{
    char real[PATH_MAX];
    if (!realpath(path, real)) return nx__error_system(errno, "cannot read \"%.150s\"", path);
    for (size_t i = 0; i < t->file_count; i++) {
        char other[PATH_MAX];
        if (realpath(t->files[i].path, other) && strcmp(other, real) == 0) return NX_OK;
    }
    if (t->file_count == FILES_MOST)
        return nx__error_set(NX_ELIMIT, "there are more than %d test files", FILES_MOST);
    struct nx__test_file *files = reallocarray(t->files, t->file_count + 1, sizeof *t->files);
    if (!files) return nx__error_set(NX_ENOMEM, "cannot find the tests: out of memory");
    t->files = files;
    while (strncmp(path, "./", 2) == 0) path += 2;
    struct nx__test_file *file = &files[t->file_count];
    *file = (struct nx__test_file){.tester = t, .path = strdup(path), .compiled.so_fd = -1};
    if (!file->path) return nx__error_set(NX_ENOMEM, "cannot find the tests: out of memory");
    nx__project_root(real, file->root);
    t->file_count++;
    return NX_OK;
}

/* THING_test.c or test_THING.c. */
static bool named_test(const char *name)
{
    size_t len = strlen(name);
    if (len < 3 || strcmp(name + len - 2, ".c") != 0) return false;
    return strncmp(name, "test_", 5) == 0 || (len > 7 && strcmp(name + len - 7, "_test.c") == 0);
}

/* Other programs have files of such names too. */
static bool has_tests(const char *path)
{
    struct nx__buffer text = {0};
    bool found =
        nx__read_small(path, SOURCE_MOST, &text) == NX_OK && text.len &&
        (memmem(text.data, text.len, "NX_TEST", 7) || memmem(text.data, text.len, "NX_BENCH", 8));
    nx__buffer_free(&text);
    return found;
}

static nx_err walk(struct nx__tester *t, const char *folder, int depth)
{
    DIR *dir = depth < DEPTH_MOST ? opendir(folder) : NULL;
    if (!dir) return NX_OK; /* what can't be read has no tests of ours */
    nx_err err = NX_OK;
    for (struct dirent *entry; !err && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        char path[PATH_MAX];
        struct stat st;
        if (name[0] == '.' || strcmp(name, "nexus_modules") == 0 ||
            strcmp(name, "node_modules") == 0 ||
            snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path ||
            lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            err = walk(t, path, depth + 1);
        else if (S_ISREG(st.st_mode) && named_test(name) && has_tests(path))
            err = add(t, path);
    }
    (void)closedir(dir);
    return err;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct nx__test_file *)a)->path, ((const struct nx__test_file *)b)->path);
}

nx_err nx__test_files_find(struct nx__tester *t)
{
    for (size_t i = 0; i < t->path_count; i++) {
        struct stat st;
        char folder[PATH_MAX];
        size_t len = strlen(t->paths[i]);
        if (stat(t->paths[i], &st) != 0 || len >= sizeof folder)
            return nx__error_system(len < sizeof folder ? errno : ENAMETOOLONG,
                                    "cannot read \"%.150s\"", t->paths[i]);
        memcpy(folder, t->paths[i], len + 1);
        while (len > 1 && folder[len - 1] == '/') folder[--len] = '\0';
        NX_TRY(S_ISDIR(st.st_mode) ? walk(t, folder, 0) : add(t, folder));
    }
    if (t->file_count) qsort(t->files, t->file_count, sizeof *t->files, by_path);
    return NX_OK;
}

void nx__test_files_free(struct nx__tester *t)
{
    for (size_t i = 0; i < t->file_count; i++) {
        struct nx__test_file *file = &t->files[i];
        nx__compiled_free(&file->compiled);
        nx__suite_free(&file->suite);
        nx__job_free(&file->job);
        free(file->coverage);
        free(file->path);
    }
    nx__test_grants_free(t);
    free(t->files);
    t->files = NULL;
    t->file_count = t->next_file = 0;
}

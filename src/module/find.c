/* The C compilers that there are, and whether a search would still find the same. */
#include "module/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PATHS_MOST = 1 << 20 };

/* No hash is this; where it stands, only a search tells. */
static const char never[NX__HASH_TEXT] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static const char *path_variable(void)
{
    const char *path = getenv("PATH");
    return path ? path : "/usr/local/bin:/usr/bin:/bin";
}

/* The next folder of the PATH from `*at` on, and its length; NULL at the end. Never one that is
 * relative: it would be the project's own. */
static const char *folder_next(const char **at, int *len)
{
    while (*at) {
        const char *folder = *at, *colon = strchr(folder, ':');
        *len = (int)(colon ? colon - folder : (ptrdiff_t)strlen(folder));
        *at = colon ? colon + 1 : NULL;
        if (folder[0] == '/') return folder;
    }
    return NULL;
}

/* ---- The search */

/* Looks along the PATH. `*blind` is set by what a folder's time would not tell the end of: a file
 * that is no program yet, a link that leads nowhere yet. */
static bool on_path(const char *name, char out[NX__COMPILER_PATH], size_t *folders, bool *blind)
{
    const char *at = path_variable(), *folder;
    *folders = 0;
    for (int len; (folder = folder_next(&at, &len));) {
        char found[NX__COMPILER_PATH];
        struct stat st;
        ++*folders;
        if (snprintf(found, sizeof found, "%.*s/%s", len, folder, name) >= (int)sizeof found)
            continue;
        if (is_program(found)) {
            memcpy(out, found, sizeof found);
            return true;
        }
        *blind |= lstat(found, &st) == 0;
    }
    return false;
}

static bool by_path(const char *path, char out[NX__COMPILER_PATH])
{
    char *real = realpath(path, NULL);
    bool ok = real && strlen(real) < NX__COMPILER_PATH && is_program(real);
    if (ok) memcpy(out, real, strlen(real) + 1);
    free(real);
    return ok;
}

/* "zig cc" is a program and an argument; no other has any. */
static void program_of(const char *chosen, char name[NX__COMPILER_PATH])
{
    const char *space = strchr(chosen, ' ');
    size_t len = space && strcmp(space, " cc") == 0 ? (size_t)(space - chosen) : strlen(chosen);
    if (len >= NX__COMPILER_PATH) len = 0;
    memcpy(name, chosen, len);
    name[len] = '\0';
}

static enum nx__compiler_kind kind_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    if (strstr(name, "tcc")) return NX__COMPILER_TCC;
    if (strstr(name, "clang")) return NX__COMPILER_CLANG;
    if (strcmp(name, "zig") == 0) return NX__COMPILER_ZIG;
    return NX__COMPILER_GCC;
}

static bool add(struct nx__compilers *compilers, const char *name)
{
    struct nx__compiler *c = &compilers->items[compilers->count];
    struct stat st;
    size_t folders = 0;
    bool there = strchr(name, '/') ? by_path(name, c->path)
                                   : on_path(name, c->path, &folders, &compilers->blind);
    if (folders > compilers->folders) compilers->folders = folders;
    if (!there || stat(c->path, &st) != 0) return false;
    char *real = realpath(c->path, NULL); /* "cc" is a link to one of them */
    c->kind = kind_of(real ? real : c->path);
    free(real);
    c->folders = compilers->folders;
    c->size = (uint64_t)st.st_size;
    c->mtime_ns = nx__file_time(st.st_mtim);
    compilers->count++;
    return true;
}

nx_err nx__compilers_find(struct nx__compilers *compilers, const char *chosen,
                          const char *chosen_by, enum nx__wanted wanted)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    *compilers = (struct nx__compilers){.searched_ns = nx__file_time(now)};
    if (chosen && *chosen) {
        char name[NX__COMPILER_PATH];
        const char *by = chosen_by ? chosen_by : "CC";
        program_of(chosen, name);
        if (name[0] && add(compilers, name)) {
            if (!wanted || compilers->items[0].kind != NX__COMPILER_TCC) return NX_OK;
            return nx__error_set(
                NX_EINVAL,
                wanted == NX__WANTED_RELEASE
                    ? "\"%.100s\", which %s names, does not optimise: --release takes gcc or clang"
                    : "\"%.100s\", which %s names, writes nothing that debuggers read: --inspect takes gcc or clang",
                chosen, by);
        }
        return nx__error_set(
            NX_ENOENT,
            strchr(name, ' ')
                ? "cannot find the compiler \"%.100s\" that %s names; it is the name or path of a program, without options"
                : "cannot find the compiler \"%.100s\" that %s names; nexus version --verbose lists those that are found",
            chosen, by);
    }
    if (!wanted) (void)add(compilers, "tcc");
    (void)add(compilers, "gcc");
    (void)add(compilers, "clang");
    (void)add(compilers, "zig");
    if (compilers->count) return NX_OK;
    if (wanted == NX__WANTED_DEBUG)
        return nx__error_set(
            NX_ENOENT,
            "cannot find gcc or clang, of which --inspect takes one; install one (Debian: apt install gcc; Fedora: dnf install gcc)");
    return nx__error_set(
        NX_ENOENT,
        "cannot find a C compiler; install one (Debian: apt install tcc gcc; Fedora: dnf install tcc gcc) or set CC");
}

nx_err nx__compilers_find_wasm(struct nx__compilers *compilers)
{
    static const char name[] = "nexus-wasmc";
    char *path = NULL;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    *compilers = (struct nx__compilers){.searched_ns = nx__file_time(now)};
    NX_TRY(nx__part_find(name, &path));
    bool there = path && add(compilers, path);
    free(path);
    compilers->items[0].kind = NX__COMPILER_WASM;
    if (there) return NX_OK;
    return nx__error_set(
        NX_ENOTSUP,
        "cannot find %s, which compiles WebAssembly: \"make\" builds it with cargo 1.95 or newer, into lib/ beside bin/nexus (or the folder that NEXUS_LIBDIR names)",
        name);
}

/* ---- Its outcome, remembered */

/* Hashes the PATH and what its first `count` folders are like. One that changed no earlier than
 * shortly before `searched_ns` may have changed after it as well and look the same: then the hash
 * is `never`. */
static nx_err folders_hash(size_t count, int64_t searched_ns, char out[NX__HASH_TEXT])
{
    struct nx__buffer text = {0};
    const char *at = path_variable(), *folder;
    bool settled = true;
    nx_err err = nx__buffer_printf(&text, PATHS_MOST, "%s\n", at);
    for (int len; count-- && !err && (folder = folder_next(&at, &len));) {
        char path[NX__COMPILER_PATH];
        struct stat st;
        if (snprintf(path, sizeof path, "%.*s", len, folder) >= (int)sizeof path ||
            stat(path, &st) != 0) {
            err = nx__buffer_printf(&text, PATHS_MOST, "-\n");
            continue;
        }
        int64_t ctime_ns = nx__file_time(st.st_ctim);
        settled &= ctime_ns < searched_ns - NX__RACE_WINDOW;
        err = nx__buffer_printf(&text, PATHS_MOST, "%llu %llu %lld %lld\n",
                                (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                                (long long)nx__file_time(st.st_mtim), (long long)ctime_ns);
    }
    if (!err && settled)
        nx__hash_bytes(text.data, text.len, out);
    else
        memcpy(out, never, sizeof never);
    nx__buffer_free(&text);
    return err == NX_ENOMEM ? nx__error_set(err, "cannot compile: out of memory") : NX_OK;
}

nx_err nx__found_note(struct nx__found *found, const struct nx__compilers *compilers, size_t count)
{
    found->compilers = *compilers;
    found->compilers.count = count;
    if (!compilers->blind)
        return folders_hash(compilers->items[count - 1].folders, compilers->searched_ns,
                            found->folders);
    memcpy(found->folders, never, sizeof never);
    return NX_OK;
}

bool nx__found_again(const struct nx__found *found, const char *chosen)
{
    const struct nx__compilers *known = &found->compilers;
    if (!known->count) return false;
    if (chosen && strchr(chosen, '/')) { /* a link may lead elsewhere today */
        char name[NX__COMPILER_PATH], path[NX__COMPILER_PATH];
        program_of(chosen, name);
        if (!by_path(name, path) || strcmp(path, known->items[0].path) != 0) return false;
    }
    for (size_t i = 0; i < known->count; i++) {
        const struct nx__compiler *c = &known->items[i];
        struct stat st;
        if (stat(c->path, &st) != 0 || !(st.st_mode & 0111) || (uint64_t)st.st_size != c->size ||
            nx__file_time(st.st_mtim) != c->mtime_ns)
            return false;
    }
    char folders[NX__HASH_TEXT];
    return folders_hash(known->items[known->count - 1].folders, known->searched_ns, folders) ==
               NX_OK &&
           strcmp(folders, found->folders) == 0 && strcmp(folders, never) != 0;
}

bool nx__found_among(const struct nx__found *found, const struct nx__compilers *compilers)
{
    const struct nx__compilers *known = &found->compilers;
    if (!known->count || known->count > compilers->count) return false;
    for (size_t i = 0; i < known->count; i++) {
        const struct nx__compiler *a = &known->items[i], *b = &compilers->items[i];
        if (a->size != b->size || a->mtime_ns != b->mtime_ns || strcmp(a->path, b->path) != 0)
            return false;
    }
    return true;
}

/* Which file an import means: Node's algorithm, with nexus_modules. */
#include "module/internal.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_SIZE = 4096, MAIN_SIZE = 256 };

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The path itself, with an ending, or the folder's index: what is there first. */
static bool candidate(const char *base, char out[PATH_SIZE])
{
    static const char *const endings[] = {"", ".c", ".so", ".wasm", "/index.c"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (snprintf(out, PATH_SIZE, "%s%s", base, endings[i]) < PATH_SIZE && is_file(out))
            return true;
    }
    return false;
}

/* Reads "main" of a folder's nexus.toml; empty where that names none. NX_ENOENT, not recorded,
 * without a nexus.toml; errors of nx__read_small. */
static nx_err main_of(const char *folder, char main_file[MAIN_SIZE])
{
    char path[PATH_SIZE];
    struct nx__buffer manifest = {0};
    main_file[0] = '\0';
    if (snprintf(path, sizeof path, "%s/nexus.toml", folder) >= PATH_SIZE || !is_file(path))
        return NX_ENOENT;
    nx_err err = nx__read_small(path, 1 << 20, &manifest);
    if (!err) {
        for (char *at = manifest.data, *end = at + manifest.len; at && at < end;) {
            char *stop = memchr(at, '\n', (size_t)(end - at));
            char line[512];
            size_t len = (size_t)((stop ? stop : end) - at);
            if (len < sizeof line) {
                memcpy(line, at, len);
                line[len] = '\0';
                if (sscanf(line, " main = \"%255[^\"]\"", main_file) == 1) break;
                main_file[0] = '\0';
            }
            at = stop ? stop + 1 : NULL;
        }
    }
    nx__buffer_free(&manifest);
    return err;
}

nx_err nx__project_main(const char *folder, char **out)
{
    char main_file[MAIN_SIZE];
    *out = NULL;
    nx_err err = main_of(folder, main_file);
    if (err == NX_ENOENT)
        return nx__error_set(NX_ENOENT, "there is no nexus.toml in \"%.150s\"", folder);
    if (err) return err;
    if (!main_file[0])
        return nx__error_set(
            NX_EINVAL, "\"%.150s/nexus.toml\" names no program to run, as in: main = \"app.c\"",
            folder);
    bool here = strcmp(folder, ".") == 0;
    const char *slash = here || folder[strlen(folder) - 1] == '/' ? "" : "/";
    if (asprintf(out, "%s%s%s", here ? "" : folder, slash, main_file) >= 0) return NX_OK;
    *out = NULL;
    return nx__error_set(NX_ENOMEM, "cannot run: out of memory");
}

/* A package's folder: "main" of its nexus.toml, NAME.c, or index.c. NX_ENOENT, not recorded; others
 * where its nexus.toml can't be read, which are. */
static nx_err package(const char *folder, const char *name, char out[PATH_SIZE])
{
    char path[PATH_SIZE], main_file[MAIN_SIZE];
    nx_err err = main_of(folder, main_file);
    if (err && err != NX_ENOENT) return err;
    if (!err && main_file[0] &&
        snprintf(path, sizeof path, "%s/%s", folder, main_file) < PATH_SIZE && candidate(path, out))
        return NX_OK;
    const char *base = strrchr(name, '/');
    if (snprintf(path, sizeof path, "%s/%s", folder, base ? base + 1 : name) < PATH_SIZE &&
        candidate(path, out))
        return NX_OK;
    bool there = snprintf(path, sizeof path, "%s/index", folder) < PATH_SIZE;
    return there && candidate(path, out) ? NX_OK : NX_ENOENT;
}

bool nx__is_library(const char *name)
{
    const char *base = strrchr(name, '/');
    for (const char *at = base ? base : name; (at = strstr(at, ".so")); at++)
        if (at[3] == '\0' || (at[3] == '.' && at[4 + strspn(at + 4, "0123456789.")] == '\0'))
            return true;
    return false;
}

/* A library by its bare name, in the folder that libc was loaded from and where else systems keep
 * theirs. */
static bool is_system_library(const char *name)
{
    return nx__is_library(name) && !strchr(name, '/');
}

/* Calls look(arg, folder) for each of those folders, until it returns true. */
static bool system_folders(bool (*look)(void *arg, const char *folder), void *arg)
{
    Dl_info libc;
    char folder[PATH_SIZE] = "/lib";
    void *in_libc = dlsym(RTLD_DEFAULT, "getauxval");
    if (in_libc && dladdr(in_libc, &libc) && libc.dli_fname && libc.dli_fname[0] == '/') {
        (void)snprintf(folder, sizeof folder, "%s", libc.dli_fname);
        *strrchr(folder, '/') = '\0';
    }
    const char *folders[] = {"/usr/local/lib", folder, "/usr/lib64", "/usr/lib", "/lib64", "/lib"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (look(arg, folders[i])) return true;
    return false;
}

struct library {
    const char *name;
    char *out; /* PATH_SIZE */
};

static bool has_library(void *arg, const char *folder)
{
    struct library *library = arg;
    return snprintf(library->out, PATH_SIZE, "%s/%s", folder, library->name) < PATH_SIZE &&
           is_file(library->out);
}

static bool system_library(const char *name, char out[PATH_SIZE])
{
    struct library library = {name, out};
    return is_system_library(name) && system_folders(has_library, &library);
}

/* Another version of it: "libz.so.1" for "libz.so" or "libz.so.2". */
static bool has_version(void *arg, const char *folder)
{
    struct library *library = arg;
    size_t len = (size_t)(strstr(library->name, ".so") - library->name) + 3;
    DIR *dir = opendir(folder);
    bool found = false;
    for (struct dirent *entry; !found && dir && (entry = readdir(dir));) {
        found = strncmp(entry->d_name, library->name, len) == 0 && nx__is_library(entry->d_name);
        if (found) (void)snprintf(library->out, PATH_SIZE, "%s", entry->d_name);
    }
    if (dir) (void)closedir(dir);
    return found;
}

static NX__COLD nx_err no_library(const char *name)
{
    char other[PATH_SIZE];
    struct library library = {name, other};
    bool found = system_folders(has_version, &library);
    return nx__error_set(NX_ENOENT,
                         "cannot import \"%.80s\": the system has no such library%s%.80s%s", name,
                         found ? "; did you mean \"" : " (a file's name begins with ./ or /)",
                         found ? other : "", found ? "\"?" : "");
}

void nx__modules_list(const char *from, char *out, size_t size)
{
    char folder[PATH_SIZE], path[PATH_SIZE];
    size_t len = 0;
    struct stat st;
    (void)snprintf(folder, sizeof folder, "%s", from);
    for (char *slash = folder; slash;) {
        if (snprintf(path, sizeof path, "%s/nexus_modules", folder) < PATH_SIZE &&
            stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            int n = snprintf(out + len, size - len, "%s\"%s\"", len ? ", " : "in ", path);
            if (n < 0 || (size_t)n >= size - len) { /* no room for this one */
                (void)snprintf(out + len, size - len, "%s", len ? "" : "in nexus_modules");
                return;
            }
            len += (size_t)n;
        }
        slash = strrchr(folder, '/');
        if (slash) *slash = '\0';
    }
    if (!len) (void)snprintf(out, size, "(there is no nexus_modules in \"%.80s\" or above)", from);
}

/* Why there is none, and what may have been meant. */
static NX__COLD nx_err not_found(const char *name, const char *from, const char *from_file)
{
    char base[PATH_SIZE], found[PATH_SIZE];
    bool relative = strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0;
    if (name[0] == '/' || relative)
        return nx__error_set(NX_ENOENT, "cannot import \"%.100s\": there is no such file%s%.100s%s",
                             name, relative ? ", seen from \"" : "", relative ? from_file : "",
                             relative ? "\"" : "");
    if (snprintf(base, sizeof base, "%s/%s", from, name) < PATH_SIZE && candidate(base, found))
        return nx__error_set(
            NX_ENOENT, "cannot import \"%.100s\": no such package; did you mean \"./%.100s\"?",
            name, name);
    if (is_system_library(name)) return no_library(name);
    char folders[160];
    nx__modules_list(from, folders, sizeof folders);
    return nx__error_set(NX_ENOENT, "cannot import \"%.60s\": no such package %s", name, folders);
}

nx_err nx__resolve(const char *from_file, const char *name, char **path_out)
{
    *path_out = NULL;
    char from[PATH_SIZE], base[PATH_SIZE], found[PATH_SIZE], folder[PATH_SIZE];
    if (!name || !*name) return nx__error_set(NX_EINVAL, "cannot import \"\": no name");
    if (!realpath(from_file, from))
        return nx__error_system(errno, "cannot import \"%.100s\" from \"%.100s\"", name, from_file);
    *strrchr(from, '/') = '\0';
    memcpy(folder, from, sizeof folder);
    bool ok = false;
    if (name[0] == '/') {
        ok = candidate(name, found);
    } else if (strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0) {
        ok = snprintf(base, sizeof base, "%s/%s", from, name) < PATH_SIZE && candidate(base, found);
    } else {
        if (strstr(name, ".."))
            return nx__error_set(NX_EINVAL, "cannot import \"%.150s\": not a package's name", name);
        for (;;) {
            struct stat st;
            if (snprintf(base, sizeof base, "%s/nexus_modules/%s", folder, name) < PATH_SIZE &&
                stat(base, &st) == 0) {
                nx_err err = S_ISDIR(st.st_mode)      ? package(base, name, found)
                             : candidate(base, found) ? NX_OK
                                                      : NX_ENOENT;
                if (err && err != NX_ENOENT) return err;
                ok = !err;
            }
            char *slash = strrchr(folder, '/');
            if (ok || !slash) break;
            *slash = '\0';
        }
        ok = ok || system_library(name, found);
    }
    if (!ok) return not_found(name, from, from_file);
    *path_out = realpath(found, NULL);
    return *path_out ? NX_OK : nx__error_system(errno, "cannot import \"%.100s\"", name);
}

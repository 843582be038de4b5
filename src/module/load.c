/* Loading compiled programs, and nx_import. */
#include "module/library.h"
#include "module/module.h"
#include <nexus/module.h>

#include "loop/crash.h"
#include "permission/broker.h"
#include "permission/permission.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct nx_module {
    struct nx_module *next;
    void *handle;
    char name[];
};

/* Of the program; they stay. The lock is not held while one is loaded, which may import others: two
 * threads that want the same at once load it twice, which the loader takes for once. */
static struct nx_module *modules;
static pthread_mutex_t modules_lock = PTHREAD_MUTEX_INITIALIZER;

/* The loader's words, without the name of a descriptor that says nothing to the user. */
static const char *loader_words(const char *path)
{
    const char *words = dlerror();
    size_t len = strlen(path);
    if (!words) return "the loader does not say why";
    bool named = strncmp(words, path, len) == 0 && strncmp(words + len, ": ", 2) == 0;
    return named ? words + len + 2 : words;
}

/* By the process's number, so that a debugger, which reads the name in the loader's list, opens the
 * same file by it. */
static void descriptor_path(char *out, size_t size, int fd)
{
    char self[16];
    ssize_t n = readlink("/proc/self", self, sizeof self); /* as this /proc numbers it */
    (void)snprintf(out, size, "/proc/%.*s/fd/%d", n > 0 ? (int)n : 4, n > 0 ? self : "self", fd);
}

nx_err nx__module_load(int so_fd, const char *so_path, void **out)
{
    char path[64];
    /* Through the descriptor that was checked, so that nothing can be put in its place. */
    if (so_fd >= 0) descriptor_path(path, sizeof path, so_fd);
    const char *name = so_fd >= 0 ? path : so_path;
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *words = loader_words(name);
        return nx__error_set(strncmp(words, "undefined symbol", 16) == 0 ? NX_ECOMPILE : NX_EINVAL,
                             "cannot load the program: %.180s", words);
    }
    *out = handle;
    nx__crash_modules_changed();
    return NX_OK;
}

nx_err nx__module_load_app(int so_fd, const char *so_path, int (**entry)(int, char **))
{
    void *handle = NULL;
    nx_err err = nx__module_load(so_fd, so_path, &handle);
    if (!handle) return err;
    /* Its own handle: the global scope has another. */
    void *symbol = dlsym(handle, "main");
    struct link_map *own = NULL;
    Dl_info found;
    bool has_main = symbol && dlinfo(handle, RTLD_DI_LINKMAP, &own) == 0 &&
                    dladdr(symbol, &found) && found.dli_fbase == (void *)own->l_addr;
    if (!has_main) {
        (void)dlclose(handle); /* or the loader would take it for the next one of this number */
        return nx__error_set(NX_ECOMPILE, "cannot run the program: it has no main");
    }
    memcpy(entry, &symbol, sizeof symbol);
    return NX_OK;
}

static nx_err module_open(const char *path, const char *name, void **handle)
{
    *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    return *handle ? NX_OK : nx__library_refused(name, loader_words(path ? path : ""));
}

static nx_err check_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return nx__error_system(errno, "cannot import \"%.150s\"", path);
    nx_err err = nx__library_check(fd, path);
    (void)close(fd);
    return err;
}

static nx_err import(const char *name, void **handle)
{
    if (strncmp(name, "nexus:", 6) == 0) {
        static const char *const parts[] = {
            "base",   "channel", "compress", "console", "csv",    "date", "encode", "events",
            "fiber",  "fs",      "glob",     "http",    "input",  "json", "log",    "middleware",
            "module", "runtime", "semver",   "static",  "stream", "test", "text",   "timer"};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            if (strcmp(name + 6, parts[i]) == 0) return module_open(NULL, name, handle);
        return nx__error_set(NX_ENOENT, "cannot import \"%.150s\": the runtime has no such part",
                             name);
    }
    if (nx__is_wasm(name))
        return nx__error_set(
            NX_ENOTSUP, "cannot import \"%.100s\": WebAssembly is opened by nx_wasm_open", name);
    if (nx__is_library(name) && nx__broker_fd() < 0) {
        NX_TRY(nx__permit(NX__PERMIT_FFI, name));
        if (strchr(name, '/')) NX_TRY(check_path(name));
        return module_open(name, name, handle);
    }
    int fd;
    nx_err err = nx__broker_import(name, NX__IMPORT_PLAIN, &fd);
    if (err == NX_ENOTSUP && nx__broker_fd() < 0)
        return nx__error_set(
            NX_ENOTSUP, "cannot import \"%.100s\": that needs a program started with nexus run",
            name);
    NX_TRY(err);
    char path[64];
    descriptor_path(path, sizeof path, fd);
    err = nx__library_check(fd, name);
    if (!err) err = module_open(path, name, handle);
    /* It stays open with the module: the loader knows modules by name, and the next descriptor must
     * not have this one's. */
    if (err) (void)close(fd);
    return err;
}

nx_err nx_import(nx_module **out, const char *name)
{
    *out = NULL;
    if (!name || !*name) return nx__error_set(NX_EINVAL, "cannot import \"\": no name");
    (void)pthread_mutex_lock(&modules_lock);
    struct nx_module *m = modules;
    while (m && strcmp(m->name, name) != 0) m = m->next;
    (void)pthread_mutex_unlock(&modules_lock);
    *out = m;
    if (m) return NX_OK;
    size_t len = strlen(name);
    m = malloc(sizeof *m + len + 1);
    if (!m) return nx__error_set(NX_ENOMEM, "cannot import \"%.150s\": out of memory", name);
    memcpy(m->name, name, len + 1);
    nx_err err = import(name, &m->handle);
    if (err) {
        free(m);
        return err;
    }
    nx__crash_modules_changed();
    (void)pthread_mutex_lock(&modules_lock);
    m->next = modules;
    modules = m;
    (void)pthread_mutex_unlock(&modules_lock);
    *out = m;
    return NX_OK;
}

nx_err nx_module_symbol(nx_module *module, const char *name, void *address_out)
{
    (void)dlerror();
    void *address = dlsym(module->handle, name);
    if (!address) {
        char near[NX__SYMBOL_MOST];
        bool found = nx__library_near(module->handle, name, near);
        return nx__error_set(NX_ENOENT, "cannot find \"%.60s\" in \"%.60s\"%s%.60s%s", name,
                             module->name, found ? ": did you mean \"" : "", near,
                             found ? "\"?" : "");
    }
    memcpy(address_out, &address, sizeof address);
    return NX_OK;
}

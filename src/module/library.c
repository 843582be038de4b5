/* Native libraries: what is wrong with one. */
#include "module/library.h"

#include "base/suggest.h"
#include "module/elf.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Before it is loaded */

/* This program's own header; false where /proc is not there. */
static bool own_header(ElfW(Ehdr) * out)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = pread(fd, out, sizeof *out, 0);
    (void)close(fd);
    return n == (ssize_t)sizeof *out;
}

nx_err nx__library_check(int fd, const char *name)
{
    struct stat st;
    ElfW(Ehdr) own;
    if (fstat(fd, &st) != 0) return nx__error_system(errno, "cannot import \"%.150s\"", name);
    if (!S_ISREG(st.st_mode))
        return nx__error_set(NX_EINVAL, "cannot import \"%.150s\": it is no file", name);
    if (!own_header(&own)) return NX_OK;
    size_t len = (size_t)st.st_size;
    char *file = len ? mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    if (file == MAP_FAILED) return nx__error_system(errno, "cannot import \"%.150s\"", name);
    const char *wrong = nx__elf_wrong(file, len, &own);
    if (file) (void)munmap(file, len);
    return wrong ? nx__error_set(NX_EINVAL, "cannot import \"%.120s\": %s", name, wrong) : NX_OK;
}

/* ---- When it is not loaded */

nx_err nx__library_refused(const char *name, const char *words)
{
    static const char missing[] = ": cannot open shared object file: No such file or directory",
                      undefined[] = "undefined symbol: ";
    const char *at = strstr(words, missing);
    if (strncmp(words, missing + 2, sizeof missing - 3) == 0)
        return nx__error_set(NX_ENOENT, "cannot import \"%.120s\": the system has no such library",
                             name);
    if (at)
        return nx__error_set(
            NX_EINVAL,
            "cannot import \"%.60s\": it needs \"%.*s\", which is not found; install "
            "it, or name its folder in LD_LIBRARY_PATH",
            name, at - words > 80 ? 80 : (int)(at - words), words);
    if (strncmp(words, undefined, sizeof undefined - 1) == 0)
        return nx__error_set(
            NX_EINVAL,
            "cannot import \"%.60s\": it needs \"%.80s\", which no library has that it names", name,
            words + sizeof undefined - 1);
    /* Which is what only the loader can tell of such a one. */
    if (strstr(words, "position-independent executable")) words = "it is a program, and no library";
    return nx__error_set(NX_EINVAL, "cannot import \"%.80s\": %.150s", name, words);
}

/* ---- Symbols */

struct search {
    struct nx__near near;
    char *out;
};

static void look(void *arg, const ElfW(Sym) * symbol, const char *name)
{
    struct search *search = arg;
    if (symbol->st_shndx == SHN_UNDEF || strlen(name) >= NX__SYMBOL_MOST) return;
    if (nx__near_try(&search->near, name)) memcpy(search->out, name, strlen(name) + 1);
}

bool nx__library_near(void *handle, const char *name, char out[NX__SYMBOL_MOST])
{
    struct link_map *map = NULL;
    struct stat st;
    struct search search = {nx__near(name), out};
    out[0] = '\0';
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || !map->l_name || !*map->l_name) return false;
    int fd = open(map->l_name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    if (fstat(fd, &st) == 0 && st.st_size > 0) {
        size_t len = (size_t)st.st_size;
        void *file = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            nx__elf_symbols(file, len, look, &search);
            (void)munmap(file, len);
        }
    }
    (void)close(fd);
    return out[0] != '\0';
}

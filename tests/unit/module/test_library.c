/* Native libraries: what is wrong with a file, symbols, and importing without a launcher. */
#include "module/elf.h"
#include "module/library.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <nexus/fs.h>
#include <nexus/module.h>
#include <nexus/test.h>
#include <stdlib.h>
#include <unistd.h>

/* A library of the system. */
static nx_bytes a_library(void)
{
    nx_bytes file;
    Dl_info info;
    void *math = dlopen("libm.so.6", RTLD_NOW);
    nx_require(math && dladdr(dlsym(math, "cos"), &info) && info.dli_fname);
    nx_require_ok(nx_fs_read_file(info.dli_fname, &file));
    nx_require(file.len > sizeof(ElfW(Ehdr)));
    return file;
}

static ElfW(Ehdr) header(nx_bytes file)
{
    ElfW(Ehdr) head;
    memcpy(&head, file.data, sizeof head);
    return head;
}

/* What is wrong with its first bytes, of which some are changed. */
static const char *wrong(nx_bytes file, size_t len, size_t at, char byte)
{
    const ElfW(Ehdr) head = header(file);
    char *copy = malloc(len ? len : 1); /* of its own, so that a read past the end is seen */
    nx_require(copy != NULL);
    memcpy(copy, file.data, len);
    if (at < len) copy[at] = byte;
    const char *result = nx__elf_wrong(copy, len, &head);
    free(copy);
    return result;
}

NX_TEST("files that are no library")
{
    nx_bytes file = a_library();
    const size_t none = SIZE_MAX;
    nx_expect_eq(wrong(file, file.len, none, 0), (const char *)NULL);
    nx_expect_eq(wrong(file, 0, none, 0), "the file is empty");
    nx_expect_contains(wrong(file, 3, none, 0), "does not begin as one");
    nx_expect_contains(wrong(file, file.len, 1, 'x'), "does not begin as one");
    nx_expect_eq(wrong(file, 10, none, 0), "the file is cut short");
    nx_expect_eq(wrong(file, sizeof(ElfW(Ehdr)) + 10, none, 0), "the file is cut short");
    nx_expect_eq(wrong(file, 4096, none, 0), "the file is cut short");
    nx_expect_contains(wrong(file, file.len, EI_CLASS, ELFCLASS32), "made for 32 bits");
    nx_expect_contains(wrong(file, file.len, EI_CLASS, 9), "another width");
    nx_expect_contains(wrong(file, file.len, EI_DATA, ELFDATA2MSB), "made for another machine");
    const size_t machine = offsetof(ElfW(Ehdr), e_machine), type = offsetof(ElfW(Ehdr), e_type);
    nx_expect_contains(wrong(file, file.len, machine, EM_386), "made for another machine");
    nx_expect_contains(wrong(file, file.len, type, ET_REL), "an object file");
    nx_expect_contains(wrong(file, file.len, type, ET_EXEC), "a program");
    nx_expect_eq(wrong(file, file.len, offsetof(ElfW(Ehdr), e_phentsize), 1),
                 "the file is cut short");
}

static void count(void *arg, const ElfW(Sym) * symbol, const char *name)
{
    (void)symbol;
    *(size_t *)arg += name[0] != '\0';
}

NX_TEST("symbols of a file that is cut anywhere are read no further")
{
    nx_bytes file = a_library();
    size_t all = 0;
    nx__elf_symbols(file.data, file.len, count, &all);
    nx_expect_gt(all, 10);
    for (size_t len = 0; len < file.len; len += file.len / 50 + 1) {
        size_t some = 0;
        char *copy = malloc(len ? len : 1);
        nx_require(copy != NULL);
        memcpy(copy, file.data, len);
        nx__elf_symbols(copy, len, count, &some);
        nx_expect_le(some, all);
        free(copy);
    }
}

NX_TEST("a library without a launcher")
{
    nx_module *math, *again, *none;
    double (*cosine)(double) = NULL;
    nx_require_ok(nx_import(&math, "libm.so.6"));
    nx_require_ok(nx_import(&again, "libm.so.6"));
    nx_expect(math == again);
    nx_require_ok(nx_symbol(math, "cos", &cosine));
    nx_expect_eq(cosine(0), 1.0);
    nx_expect_err(NX_ENOENT, nx_symbol(math, "coss", &cosine));
    nx_expect_eq(nx_error_last()->message,
                 "cannot find \"coss\" in \"libm.so.6\": did you mean \"cos\"?");
    nx_expect_eq(cosine(0), 1.0);
    nx_expect_err(NX_ENOENT, nx_symbol(math, "nothing_like_this", &cosine));
    nx_expect_eq(nx_error_last()->message, "cannot find \"nothing_like_this\" in \"libm.so.6\"");
    nx_expect_err(NX_ENOENT, nx_import(&none, "libnone-of-ours.so.1"));
    nx_expect_contains(nx_error_last()->message, "the system has no such library");
    nx_expect(!none);
    const char *path = nx_format("%s/x.so", nx_test_dir());
    nx_expect_err(NX_ENOENT, nx_import(&none, path));
    nx_require_ok(nx_fs_write_file(path, nx_str("no library")));
    nx_expect_err(NX_EINVAL, nx_import(&none, path));
    nx_expect_contains(nx_error_last()->message, "it is no library");
    nx_expect_err(NX_EINVAL, nx_import(&none, ""));
}

NX_TEST("the loader's words")
{
    static const struct {
        const char *words, *said;
        nx_err err;
    } rows[] = {
        {"liby.so.1: cannot open shared object file: No such file or directory",
         "cannot import \"./x.so\": it needs \"liby.so.1\", which is not found", NX_EINVAL},
        {"cannot open shared object file: No such file or directory",
         "cannot import \"./x.so\": the system has no such library", NX_ENOENT},
        {"undefined symbol: f", "it needs \"f\", which no library has that it names", NX_EINVAL},
        {"cannot dynamically load position-independent executable",
         "it is a program, and no library", NX_EINVAL},
        {"something else", "cannot import \"./x.so\": something else", NX_EINVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nx_expect_err(rows[i].err, nx__library_refused("./x.so", rows[i].words));
        nx_expect_contains(nx_error_last()->message, rows[i].said);
    }
}

NX_TEST("what is no file is not mapped")
{
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    nx_require(fd >= 0);
    nx_expect_err(NX_EINVAL, nx__library_check(fd, "x.so"));
    (void)close(fd);
}

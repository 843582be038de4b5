/* From addresses to names: debug information that is good, cut short, or garbage. */
#include <nexus/test.h>
#include <stdlib.h>

#include "base/symbolize.h"
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- STABS by hand */

enum { N_FUN = 0x24, N_SLINE = 0x44, N_SO = 0x64, N_SOL = 0x84, ENTRY = 12, ENTRIES = 12 };

static const char strings[] = "\0/app/\0app.c\0main:F1\0other.h\0second:F1";
enum { FOLDER = 1, FILE_NAME = 7, FIRST = 13, HEADER = 21, SECOND = 29 };

static size_t add(unsigned char *stab, size_t at, uint32_t text, uint8_t type, uint16_t line,
                  uint32_t value)
{
    memcpy(stab + at, &text, 4);
    stab[at + 4] = type;
    stab[at + 5] = 0;
    memcpy(stab + at + 6, &line, 2);
    memcpy(stab + at + 8, &value, 4);
    return at + ENTRY;
}

/* Two functions: 0x200 to 0x280, whose latter half is from a header, and 0x280 to 0x2a0. */
static size_t good(unsigned char stab[ENTRY * ENTRIES])
{
    size_t n = add(stab, 0, FOLDER, N_SO, 0, 0x200);
    n = add(stab, n, FILE_NAME, N_SO, 0, 0x200);
    n = add(stab, n, FIRST, N_FUN, 0, 0x200);
    n = add(stab, n, 0, N_SLINE, 3, 0);
    n = add(stab, n, 0, N_SLINE, 4, 0x10);
    n = add(stab, n, HEADER, N_SOL, 0, 0);
    n = add(stab, n, 0, N_SLINE, 9, 0x40);
    n = add(stab, n, 0, N_FUN, 0, 0x80);
    n = add(stab, n, FILE_NAME, N_SOL, 0, 0);
    n = add(stab, n, SECOND, N_FUN, 0, 0x280);
    n = add(stab, n, 0, N_SLINE, 20, 0);
    return add(stab, n, 0, N_FUN, 0, 0x20);
}

static struct nx__symbol symbol;

static bool find(const unsigned char *stab, size_t len, size_t strings_len, uint64_t address)
{
    symbol = (struct nx__symbol){0};
    return nx__stabs_find(stab, len, strings, strings_len, address, &symbol);
}

static void expect_place(uint64_t address, const char *function, const char *file, int line)
{
    unsigned char stab[ENTRY * ENTRIES];
    size_t len = good(stab);
    nx_expect_eq(find(stab, len, sizeof strings, address), function != NULL);
    if (!function) return;
    nx_expect_eq(symbol.function, function);
    nx_expect_eq(symbol.file, file);
    nx_expect_eq(symbol.line, line);
}

NX_TEST("stabs name the line")
{
    expect_place(0x1ff, NULL, NULL, 0);
    expect_place(0x200, "main", "/app/app.c", 3);
    expect_place(0x20f, "main", "/app/app.c", 3);
    expect_place(0x210, "main", "/app/app.c", 4);
    expect_place(0x27f, "main", "/app/other.h", 9);
    expect_place(0x280, "second", "/app/app.c", 20);
    expect_place(0x29f, "second", "/app/app.c", 20);
    expect_place(0x2a0, NULL, NULL, 0);
    expect_place(UINT64_MAX, NULL, NULL, 0);
}

/* In memory of just that size, so that a tool sees a read past it. */
NX_TEST("stabs that are cut short")
{
    unsigned char stab[ENTRY * ENTRIES];
    size_t len = good(stab);
    for (size_t cut = 0; cut <= len; cut++) {
        unsigned char *copy = malloc(cut + 1);
        if (!copy) abort();
        memcpy(copy + 1, stab, cut);
        (void)find(copy + 1, cut, sizeof strings, 0x27f);
        free(copy);
    }
    for (size_t cut = 0; cut <= sizeof strings; cut++) {
        char *copy = malloc(cut + 1);
        if (!copy) abort();
        memcpy(copy + 1, strings, cut);
        symbol = (struct nx__symbol){0};
        (void)nx__stabs_find(stab, len, copy + 1, cut, 0x27f, &symbol);
        free(copy);
    }
}

NX_TEST("stabs that are garbage")
{
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        unsigned char stab[ENTRY * ENTRIES];
        size_t len = good(stab);
        for (int i = 0; i < 4; i++) {
            random = random * 1664525 + 1013904223;
            stab[(random >> 8) % len] = (unsigned char)(random >> 24);
        }
        (void)find(stab, len, sizeof strings, 0x210);
        nx_expect(memchr(symbol.function, '\0', sizeof symbol.function) != NULL);
        nx_expect(memchr(symbol.file, '\0', sizeof symbol.file) != NULL);
    }
}

/* ---- Files */

NX_TEST("sections of a file")
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat st = {0};
    if (fd < 0 || fstat(fd, &st) != 0) abort();
    size_t size = (size_t)st.st_size;
    unsigned char *file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (file == MAP_FAILED) abort();
    nx_expect(nx__elf_section(file, size, ".text").len > 0);
    nx_expect(nx__elf_section(file, size, ".nothing").data == NULL);
    /* The table of sections lies at the end. */
    nx_expect(nx__elf_section(file, size - 1, ".text").data == NULL);
    for (size_t cut = 0; cut < 256; cut++)
        nx_expect(nx__elf_section(file, cut, ".text").data == NULL);
    (void)munmap(file, size);
}

static int own_base(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(uintptr_t *)data = info->dlpi_addr;
    return 1;
}

NX_TEST("a function of this program")
{
    uintptr_t base = 0;
    (void)dl_iterate_phdr(own_base, &base);
    nx_expect(nx__symbolize("/proc/self/exe", (uintptr_t)expect_place - base, &symbol));
    nx_expect_eq(symbol.function, "expect_place");
    nx_expect(strstr(symbol.file, "test_symbolize.c") != NULL);
    nx_expect(symbol.line > 0);
}

NX_TEST("no names where there is no file")
{
    nx_expect(!nx__symbolize("/nowhere/at/all", 0x1000, &symbol));
    nx_expect(!nx__symbolize("/", 0x1000, &symbol));
    nx_expect(!nx__symbolize("/dev/zero", 0x1000, &symbol));
    nx_expect(!nx__symbolize("", 0x1000, &symbol));
    nx_expect(!symbol.function[0] && !symbol.file[0]);
}

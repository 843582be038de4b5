/* From an address in a file to function, file and line. */
#include "base/symbolize.h"

#include "base/utf8.h"
#include <backtrace.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- DWARF */

static void ignore(void *data, const char *message, int error)
{
    (void)data;
    (void)message;
    (void)error;
}

static int line_found(void *data, uintptr_t pc, const char *file, int line, const char *function)
{
    struct nx__symbol *out = data;
    (void)pc;
    if (out->file[0]) { /* from the innermost of inlined functions outwards */
        (void)snprintf(out->outer, sizeof out->outer, "%s", function ? function : "");
        return 0;
    }
    if (function) (void)snprintf(out->function, sizeof out->function, "%s", function);
    if (file) (void)snprintf(out->file, sizeof out->file, "%s", file);
    if (file) out->line = line;
    return 0;
}

static void symbol_found(void *data, uintptr_t pc, const char *name, uintptr_t value,
                         uintptr_t size)
{
    struct nx__symbol *out = data;
    (void)pc;
    (void)value;
    (void)size;
    if (name && !out->function[0]) (void)snprintf(out->function, sizeof out->function, "%s", name);
}

static int main_base(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    *(uintptr_t *)data = info->dlpi_addr;
    return 1; /* the first is the program */
}

static void dwarf_find(const char *path, uint64_t address, struct nx__symbol *out)
{
    /* libbacktrace takes any file for the program's own, and places it where the program lies. */
    uintptr_t base = 0;
    (void)dl_iterate_phdr(main_base, &base);
    /* Neighbouring frames are mostly of one file, which is read once. */
    static struct backtrace_state *state;
    static char state_path[4096];
    if (!state || strcmp(path, state_path) != 0) {
        /* It keeps the pointer to the name. */
        (void)snprintf(state_path, sizeof state_path, "%s", path);
        state = backtrace_create_state(state_path, 0, ignore, NULL);
    }
    if (!state) return;
    (void)backtrace_pcinfo(state, base + address, line_found, ignore, out);
    (void)backtrace_syminfo(state, base + address, symbol_found, ignore, out);
}

/* ---- STABS */

struct nx__section nx__elf_section(const unsigned char *file, size_t size, const char *name)
{
    struct nx__section none = {0};
    Elf64_Ehdr head;
    if (size < sizeof head) return none;
    memcpy(&head, file, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_shentsize != sizeof(Elf64_Shdr))
        return none;
    size_t table = (size_t)head.e_shnum * sizeof(Elf64_Shdr);
    if (head.e_shoff > size || table > size - head.e_shoff || head.e_shstrndx >= head.e_shnum)
        return none;
    Elf64_Shdr names, section;
    memcpy(&names, file + head.e_shoff + (size_t)head.e_shstrndx * sizeof names, sizeof names);
    if (names.sh_offset > size || names.sh_size > size - names.sh_offset) return none;
    size_t want = strlen(name) + 1;
    for (size_t i = 0; i < head.e_shnum; i++) {
        memcpy(&section, file + head.e_shoff + i * sizeof section, sizeof section);
        if (section.sh_name > names.sh_size || names.sh_size - section.sh_name < want) continue;
        if (memcmp(file + names.sh_offset + section.sh_name, name, want) != 0) continue;
        if (section.sh_offset > size || section.sh_size > size - section.sh_offset) return none;
        return (struct nx__section){file + section.sh_offset, section.sh_size};
    }
    return none;
}

static void stabs_find(const char *path, uint64_t address, struct nx__symbol *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        size_t size = (size_t)st.st_size;
        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED) {
            struct nx__section stab = nx__elf_section(map, size, ".stab"),
                               strings = nx__elf_section(map, size, ".stabstr");
            if (stab.data && strings.data)
                (void)nx__stabs_find(stab.data, stab.len, (const char *)strings.data, strings.len,
                                     address, out);
            (void)munmap(map, size);
        }
    }
    (void)close(fd);
}

bool nx__symbolize(const char *path, uint64_t address, struct nx__symbol *out)
{
    *out = (struct nx__symbol){0};
    /* For a file that is not there libbacktrace would answer with this program's own names. */
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, R_OK) != 0) return false;
    dwarf_find(path, address, out);
    if (!out->file[0]) stabs_find(path, address, out);
    nx__utf8_clean(out->function, sizeof out->function);
    /* libc's own name for what a program calls. */
    if (strncmp(out->function, "__GI_", 5) == 0)
        memmove(out->function, out->function + 5, strlen(out->function + 5) + 1);
    nx__utf8_clean(out->outer, sizeof out->outer);
    nx__utf8_clean(out->file, sizeof out->file);
    /* clang's folder comes before a path that is absolute already. */
    const char *twice = strstr(out->file, "//");
    if (twice) memmove(out->file, twice + 1, strlen(twice));
    return out->function[0] || out->file[0];
}

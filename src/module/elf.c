/* Shared objects as files. */
#include "module/elf.h"

#include <string.h>

/* Section `index` of a file whose headers are all in it. They lie anywhere: tcc does not align
 * them. */
static ElfW(Shdr) section(const char *file, const ElfW(Ehdr) * head, size_t index)
{
    ElfW(Shdr) result;
    memcpy(&result, file + head->e_shoff + index * sizeof result, sizeof result);
    return result;
}

static bool is_inside(size_t offset, size_t size, size_t len)
{
    return offset <= len && size <= len - offset;
}

void nx__elf_symbols(const char *file, size_t len,
                     void (*fn)(void *arg, const ElfW(Sym) * symbol, const char *name), void *arg)
{
    ElfW(Ehdr) head;
    if (len < sizeof head) return;
    memcpy(&head, file, sizeof head);
    if (head.e_shoff > len || head.e_shentsize != sizeof(ElfW(Shdr)) ||
        head.e_shnum > (len - head.e_shoff) / sizeof(ElfW(Shdr)))
        return;
    for (size_t i = 0; i < head.e_shnum; i++) {
        ElfW(Shdr) table = section(file, &head, i);
        if (table.sh_type != SHT_DYNSYM || table.sh_link >= head.e_shnum) continue;
        ElfW(Shdr) names = section(file, &head, table.sh_link);
        if (!is_inside(table.sh_offset, table.sh_size, len) ||
            !is_inside(names.sh_offset, names.sh_size, len) || !names.sh_size ||
            file[names.sh_offset + names.sh_size - 1])
            continue;
        for (size_t s = 1; s < table.sh_size / sizeof(ElfW(Sym)); s++) {
            ElfW(Sym) symbol;
            memcpy(&symbol, file + table.sh_offset + s * sizeof symbol, sizeof symbol);
            if (symbol.st_name < names.sh_size)
                fn(arg, &symbol, file + names.sh_offset + symbol.st_name);
        }
    }
}

/* ---- Can it be loaded? */

static const char *wrong_machine(unsigned machine)
{
    switch (machine) {
    case EM_X86_64: return "it is made for x86-64, and this machine is another";
    case EM_AARCH64: return "it is made for aarch64, and this machine is another";
    case EM_RISCV: return "it is made for RISC-V, and this machine is another";
    default: return "it is made for another machine";
    }
}

const char *nx__elf_wrong(const char *file, size_t len, const ElfW(Ehdr) * own)
{
    ElfW(Ehdr) head;
    if (!len) return "the file is empty";
    if (len < SELFMAG || memcmp(file, ELFMAG, SELFMAG) != 0)
        return "it is no library: it does not begin as one (ELF)";
    if (len < sizeof head) return "the file is cut short";
    memcpy(&head, file, sizeof head);
    if (head.e_ident[EI_CLASS] != own->e_ident[EI_CLASS])
        return head.e_ident[EI_CLASS] == ELFCLASS32 ? "it is made for 32 bits, this program for 64"
                                                    : "it is made for another width of addresses";
    if (head.e_ident[EI_DATA] != own->e_ident[EI_DATA]) return wrong_machine(EM_NONE);
    if (head.e_machine != own->e_machine) return wrong_machine(head.e_machine);
    if (head.e_type != ET_DYN)
        return head.e_type == ET_REL ? "it is an object file; link it with -shared"
                                     : "it is a program, and no library";
    if (head.e_phentsize != sizeof(ElfW(Phdr)) ||
        !is_inside(head.e_phoff, head.e_phnum * sizeof(ElfW(Phdr)), len))
        return "the file is cut short";
    for (size_t i = 0; i < head.e_phnum; i++) {
        ElfW(Phdr) part;
        memcpy(&part, file + head.e_phoff + i * sizeof part, sizeof part);
        if (part.p_type == PT_LOAD && !is_inside(part.p_offset, part.p_filesz, len))
            return "the file is cut short";
    }
    return NULL;
}

/* Shared objects as files. Pure: nothing in them is believed. */
#ifndef NX__ELF_H
#define NX__ELF_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

/* Calls fn(arg, symbol, name) for each of the dynamic symbols, as far as the table makes sense. */
void nx__elf_symbols(const char *file, size_t len,
                     void (*fn)(void *arg, const ElfW(Sym) * symbol, const char *name), void *arg);

/* Why the loader can't load this as a library of the machine that `own`, this program's header, is
 * for; NULL where it may. It would say less, or read past the end of a file that is cut short. */
const char *nx__elf_wrong(const char *file, size_t len, const ElfW(Ehdr) * own);

#endif

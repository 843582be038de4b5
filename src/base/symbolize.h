/* From an address in a file to function, file and line: DWARF through libbacktrace, and the STABS
 * that tcc writes. */
#ifndef NX__SYMBOLIZE_H
#define NX__SYMBOLIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nx__symbol {
    char function[128]; /* empty when unknown */
    char file[256];     /* empty when unknown */
    int line;
};

/* Looks up the address (as in the file, not as loaded). False when nothing is known about it.
 * Allocates without giving back: meant for a process that reports and ends. */
bool nx__symbolize(const char *path, uint64_t address, struct nx__symbol *out);

struct nx__section {
    const unsigned char *data; /* NULL: there is none of that name */
    size_t len;
};

/* A section of the `size` bytes of an ELF file, whatever they hold. */
struct nx__section nx__elf_section(const unsigned char *file, size_t size, const char *name);

/* The STABS part: `stab` and `strings` are the two sections, whatever they hold. */
bool nx__stabs_find(const unsigned char *stab, size_t stab_len, const char *strings,
                    size_t strings_len, uint64_t address, struct nx__symbol *out);

#endif

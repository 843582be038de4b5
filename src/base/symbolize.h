/* From an address in a file to function, file and line: DWARF through libbacktrace, and the STABS
 * that tcc writes. */
#ifndef NX__SYMBOLIZE_H
#define NX__SYMBOLIZE_H

#include <nexus/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nx__symbol {
    char function[128]; /* empty when unknown; the innermost of inlined ones */
    char outer[64];     /* the one whose code it lies in, empty when unknown or the same */
    char file[256];     /* empty when unknown */
    int line;
};

/* Looks up the address (as in the file, not as loaded). False when nothing is known about it. The
 * texts are clean. Allocates without giving back: meant for a process that reports and ends. */
bool nx__symbolize(const char *path, uint64_t address, struct nx__symbol *out);

/* In such a process, first thing: whatever goes wrong with the debug information ends it, and so
 * does time. */
void nx__symbolize_apart(void);

/* An address in one of several files. */
struct nx__place {
    uint64_t address; /* in the file */
    uint32_t module;  /* which file */
    bool is_return;   /* the instruction before is meant */
    struct nx__symbol symbol;
};

/* `count` places, all zero, in memory that processes share; NULL when there is none. Freed by
 * nx__places_free. */
struct nx__place *nx__places_new(size_t count);
void nx__places_free(struct nx__place *places, size_t count);

/* Fills in the symbols that can be found, in a process of its own that ends in a few seconds; the
 * others stay empty. Faster with places of a file side by side. The process gives up the rights
 * of root for those of `owner` and `group`. */
void nx__places_name(struct nx__place *places, size_t count, const char *const *files,
                     size_t file_count, uid_t owner, gid_t group);

/* The name of a system call, "read"; NULL for one that is not known. */
const char *nx__system_call_name(long number);

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

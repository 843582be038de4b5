/* Fuzzes the reader of tcc's debug information: a whole file, and the two sections by themselves.
 */
#include "base/symbolize.h"
#include <stdlib.h>
#include <string.h>

static void look(const unsigned char *stab, size_t stab_len, const unsigned char *strings,
                 size_t strings_len)
{
    static const uint64_t addresses[] = {0, 1, 0x234, 0x1000, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct nx__symbol symbol = {0};
        bool found = nx__stabs_find(stab, stab_len, (const char *)strings, strings_len,
                                    addresses[i], &symbol);
        if (!memchr(symbol.function, '\0', sizeof symbol.function)) abort();
        if (!memchr(symbol.file, '\0', sizeof symbol.file)) abort();
        if (!found && symbol.line < 0) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nx__section stab = nx__elf_section(data, size, ".stab");
    struct nx__section strings = nx__elf_section(data, size, ".stabstr");
    if (stab.data && strings.data) look(stab.data, stab.len, strings.data, strings.len);
    /* The last twelfth or so as strings. */
    size_t entries = size - size / 12;
    look(data, entries, data + entries, size - entries);
    return 0;
}

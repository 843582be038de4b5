/* STABS: the debug format of tcc 0.9.27. */
#include "base/symbolize.h"

#include <stdio.h>
#include <string.h>

enum { ENTRY = 12, N_FUN = 0x24, N_SLINE = 0x44, N_SO = 0x64, N_SOL = 0x84 };

struct entry {
    uint32_t text;
    uint8_t type;
    uint16_t line;
    uint32_t value;
};

static struct entry entry_at(const unsigned char *p)
{
    struct entry e;
    memcpy(&e.text, p, 4);
    e.type = p[4];
    memcpy(&e.line, p + 6, 2);
    memcpy(&e.value, p + 8, 4);
    return e;
}

/* The string, "" when it does not lie whole in the section. */
static const char *text_at(const char *strings, size_t len, uint32_t at)
{
    if (at >= len || !memchr(strings + at, '\0', len - at)) return "";
    return strings + at;
}

bool nx__stabs_find(const unsigned char *stab, size_t stab_len, const char *strings,
                    size_t strings_len, uint64_t address, struct nx__symbol *out)
{
    const char *folder = "", *file = "", *function = "";
    uint64_t start = 0;
    bool inside = false, found = false;
    for (size_t at = 0; at + ENTRY <= stab_len; at += ENTRY) {
        struct entry e = entry_at(stab + at);
        const char *text = text_at(strings, strings_len, e.text);
        if (e.type == N_SO) {
            size_t len = strlen(text);
            if (len && text[len - 1] == '/')
                folder = text;
            else
                file = text;
            inside = false;
        } else if (e.type == N_SOL) {
            file = text;
        } else if (e.type == N_FUN && *text) {
            start = e.value;
            function = text;
            inside = address >= start;
        } else if (e.type == N_FUN) { /* its end; the value is the length */
            if (inside && address >= start + e.value) found = false;
            if (found) return true;
            inside = false;
        } else if (e.type == N_SLINE && inside && address >= start + e.value) {
            bool relative = file[0] != '/';
            (void)snprintf(out->function, sizeof out->function, "%.*s", (int)strcspn(function, ":"),
                           function);
            (void)snprintf(out->file, sizeof out->file, "%s%s", relative ? folder : "", file);
            out->line = e.line;
            found = true;
        }
    }
    return found;
}

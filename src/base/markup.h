/* What HTML and XML take for markup. */
#ifndef NX__MARKUP_H
#define NX__MARKUP_H

#include <stddef.h>

/* How the character is written in text and in quoted attributes; NULL: as it is. */
static inline const char *nx__markup_entity(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

#endif

/* What a terminal is, and whether it gets colours. */
#ifndef NX__STYLE_H
#define NX__STYLE_H

#include <nexus/console.h>

/* False where NO_COLOR is set or TERM is dumb. Looked up once. */
bool nx__style_wanted(void);

/* TERM is dumb: the cursor can't be moved. */
bool nx__terminal_dumb(void);

#endif

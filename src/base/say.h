/* What the runtime itself has to say to whoever runs the program. */
#ifndef NX__SAY_H
#define NX__SAY_H

#include <nexus/base.h>

enum nx__say {
    NX__SAY_WARNING,
    NX__SAY_ERROR,
    NX__SAY_LAST, /* the program ends by it */
};

/* Who takes it, such as the log; false if he does not, and NULL for nobody: then it goes to the
 * standard error, as a line that begins with "nexus: ". Set once, before the program runs. */
extern bool (*nx__say_to)(enum nx__say kind, const char *text);

/* Says it: one line without its end, cut at NX__SAY_MOST bytes. Keeps the last error; needs no
 * memory. Any thread; not in a signal handler. Does not suspend. */
enum { NX__SAY_MOST = 1024 };
void nx__say(enum nx__say kind, const char *format, ...) NX_PRINTF(2, 3);

#endif

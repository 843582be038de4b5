/* The runtime's own messages. */
#include "base/say.h"

#include <stdio.h>

bool (*nx__say_to)(enum nx__say kind, const char *text);

void nx__say(enum nx__say kind, const char *format, ...)
{
    char text[NX__SAY_MOST];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (nx__say_to && nx__say_to(kind, text))) return;
    (void)fprintf(stderr, "nexus: %s\n", text);
}

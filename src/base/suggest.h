/* What a misspelt word may have been meant for. None suspends; any thread. */
#ifndef NX__SUGGEST_H
#define NX__SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

/* The one of `words` (NULL at the end) that `word` is most likely a misspelling of; NULL when none
 * is near. */
const char *nx__suggest(const char *word, const char *const *words);

/* The same among words that come one after another. */
struct nx__near {
    const char *word;
    const char *best; /* the nearest so far; NULL while none is near */
    size_t distance;  /* the next has to be nearer than this */
};

struct nx__near nx__near(const char *word);
/* Looks at one more; true if it is the nearest so far, and `best`. */
bool nx__near_try(struct nx__near *near, const char *candidate);

#endif

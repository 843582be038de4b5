/* What a misspelt word was meant to be. */
#ifndef NX__NEAR_H
#define NX__NEAR_H

#include <stdbool.h>
#include <stddef.h>

/* A search among words, one after another. */
struct nx__near {
    const char *word;
    const char *best; /* the nearest so far; NULL while none is near */
    size_t distance;  /* the next has to be nearer than this */
};

struct nx__near nx__near(const char *word);

/* Looks at one more; true if it is the nearest so far, and `best`. */
bool nx__near_try(struct nx__near *near, const char *candidate);

#endif

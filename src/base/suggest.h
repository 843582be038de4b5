/* What a misspelt word may have been meant for. */
#ifndef NX__SUGGEST_H
#define NX__SUGGEST_H

/* The one of `words` (NULL at the end) that `word` is most likely a misspelling of; NULL when none
 * is near. Any thread. */
const char *nx__suggest(const char *word, const char *const *words);

#endif

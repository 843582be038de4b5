/* What a misspelt word may have been meant for. */
#include "base/suggest.h"

#include <string.h>

/* Insertions, removals, replacements and swaps of neighbours between two words; words past 32 bytes
 * are far from all. */
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    size_t la = strlen(a), lb = strlen(b);
    if (la > MOST || lb > MOST) return MOST;
    size_t rows[3][MOST + 1];
    for (size_t j = 0; j <= lb; j++) rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                above2[j - 2] + 1 < best)
                best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[la % 3][lb];
}

struct nx__near nx__near(const char *word)
{
    return (struct nx__near){.word = word, .distance = strlen(word) < 4 ? 2 : 3};
}

bool nx__near_try(struct nx__near *near, const char *candidate)
{
    size_t d = distance(near->word, candidate);
    if (d >= near->distance) return false;
    near->distance = d;
    near->best = candidate;
    return true;
}

const char *nx__suggest(const char *word, const char *const *words)
{
    struct nx__near near = nx__near(word);
    for (; *words; words++) (void)nx__near_try(&near, *words);
    return near.best;
}

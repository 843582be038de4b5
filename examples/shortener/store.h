/* The links: in memory for whoever follows them, in a journal for the next start. */
#ifndef STORE_H
#define STORE_H

#include <nexus/base.h>

enum {
    CODE_LEAST = 3, /* bytes of a code, of letters, digits, "-" and "_" */
    CODE_MOST = 32,
    CODE_RANDOM = 7, /* of one that is drawn: one of 58^7, which nobody guesses in a lifetime */
    LINKS_MOST = 1000000
};

/* Times are seconds since 1970. */
typedef struct shortlink {
    int64_t created, expires; /* 0: never */
    int64_t hits, last_hit;   /* 0: never */
    struct shortlink *newer, *older;
    struct shortlink *unsaved; /* the next one whose hits are not in the journal */
    bool in_unsaved;
    unsigned char state;
    char code[CODE_MOST + 1];
    char url[]; /* all of it printable ASCII */
} shortlink;

typedef struct store store;

/* Opens the store, with what the file has. Errors as journal_open. Suspends. */
NX_MUST_CHECK nx_err store_open(store **out, const char *path, int64_t now);

/* Saves the hits, and closes. NULL is fine. Suspends. */
void store_close(store *s);

/* Adds a link, and returns once it is on the disk. An empty code stands for a random one. `*out` is
 * valid until the caller suspends. NX_EINVAL (no code), NX_EEXIST (it is taken), NX_ELIMIT
 * (LINKS_MOST), and what journal_append returns: then there is no such link. Suspends. */
NX_MUST_CHECK nx_err store_add(store *s, nx_bytes code, nx_bytes url, int64_t now, int64_t expires,
                               const shortlink **out);

/* Takes a link out, and returns once that is on the disk. NX_ENOENT; else as store_add, and the
 * link stays. Suspends. */
NX_MUST_CHECK nx_err store_remove(store *s, nx_bytes code, int64_t now);

/* The link, NULL if there is none or it has expired. Valid until the caller suspends, as for the
 * next two. None of these suspends. */
const shortlink *store_find(const store *s, nx_bytes code, int64_t now);
/* Counts. Brought to the disk within a second, not waited for. */
void store_hit(store *s, const shortlink *link, int64_t now);
/* The next older link, the newest with `link` NULL; NULL behind the last. */
const shortlink *store_older(const store *s, const shortlink *link, int64_t now);

/* How many there are, those included that have expired within the last minute. */
size_t store_count(const store *s);

/* NX_OK while links can be saved. */
NX_MUST_CHECK nx_err store_check(const store *s);

#endif

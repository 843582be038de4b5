/* Paths that a program names, turned into what the system can be asked without the answer changing
 * under the question: a directory's handle and a path that may not lead out of it, or a path that
 * has no links in it and may not get one. */
#ifndef NX__PLACE_H
#define NX__PLACE_H

#include "permission/paths.h"
#include "permission/permission.h"

enum {
    NX__PLACE_READ = 1 << NX__PERMIT_READ,
    NX__PLACE_WRITE = 1 << NX__PERMIT_WRITE,
};

struct nx__place {
    int at;           /* directory descriptor, not the caller's to close, or AT_FDCWD */
    const char *path; /* from there: into `text`, or the caller's own */
    uint64_t resolve; /* for openat2 */
    bool inspect;     /* nx__place_is_inside is to be asked of what was opened */
    char text[NX__PATH_MAX];
};

/* Where the path lies if what the grants of all `kinds` (NX__PLACE_…) hold it to can be told from
 * its text; else false, and only a walk tells. A place with a `resolve` may turn out to lead
 * elsewhere by a link (EXDEV, ELOOP): then only a walk tells, too. Asks nothing of the disk. */
bool nx__place_guess(unsigned kinds, const char *path, struct nx__place *place);

/* Where the path leads, links followed, the last one only if `follow`, and what the grants say of
 * it; `place->path` has no links then. `*refused` is the kind that was not granted. May block on
 * the disk: for a thread of the pool. */
enum nx__verdict nx__place_walk(unsigned kinds, const char *path, bool follow,
                                struct nx__place *place, enum nx__permit_kind *refused);

/* Records NX_EPERM with the flag that would allow it. */
nx_err nx__permit_refuse(enum nx__permit_kind kind, const char *what, enum nx__verdict verdict);

/* The same in other words, "connecting to", than the kind's own. */
nx_err nx__permit_refuse_doing(const char *doing, enum nx__permit_kind kind, const char *what,
                               enum nx__verdict verdict);

/* The same for all there are of a key. */
nx_err nx__permit_refuse_all(const struct nx__permission_key *key, enum nx__verdict verdict);

/* Set once the program has given something up, which a denial may be since then. */
extern _Atomic bool nx__permit_given_up;

/* Is something denied that a directory which is granted may have in it? */
bool nx__place_denies(unsigned kinds);

/* Is the descriptor a process's memory or environment? */
bool nx__place_is_inside(int fd);

#endif

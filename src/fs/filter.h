/* Which of the paths below a directory are asked for. */
#ifndef NX__FS_FILTER_H
#define NX__FS_FILTER_H

#include <nexus/glob.h>

enum { NX__IGNORED_MOST = 64 };

struct nx__filter {
    struct nx__pattern {
        nx_glob *glob;
        bool name_only;
    } match, ignore[NX__IGNORED_MOST];
    size_t ignored;
    bool no_hidden;
};

/* Patterns as those of nx_fs_walk. NX_EINVAL, NX_ELIMIT, NX_ENOMEM, recorded. All zero is a filter
 * too, and nx__filter_free is to be called in either case. */
NX_MUST_CHECK nx_err nx__filter_init(struct nx__filter *filter, const char *match,
                                     const char *const *ignore, bool no_hidden);
void nx__filter_free(struct nx__filter *filter);

/* Of a path and its last component: is it left out, with what is below? Does it match? Could
 * something below it? */
bool nx__filter_ignores(const struct nx__filter *filter, const char *relative, const char *name);
bool nx__filter_has(const struct nx__filter *filter, const char *relative, const char *name);
bool nx__filter_reaches(const struct nx__filter *filter, const char *relative);

#endif

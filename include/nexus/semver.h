/* Versions by Semantic Versioning 2.0, and ranges of them as npm has them. */
#ifndef NEXUS_SEMVER_H
#define NEXUS_SEMVER_H

#include <nexus/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* None of these suspends, and all may be called by several threads. */

/* ---- Versions */

#define NX_SEMVER_MOST        256              /* bytes of a version's text, as npm has it */
#define NX_SEMVER_NUMBER_MOST 9007199254740991 /* of its numbers: 2^53 - 1, as npm has it */

typedef struct nx_semver {
    uint64_t major, minor, patch;
    nx_bytes prerelease; /* "rc.1", empty if it is none; like the next, part of the text it is of */
    nx_bytes build;      /* "20261130" */
} nx_semver;

/* Reads "1.2.3-rc.1+build", strictly: no "v", no spaces, no part left out. Does not copy: the
 * version lasts as long as the text. NX_EINVAL, with the place; NX_ELIMIT (too long). */
NX_API NX_MUST_CHECK nx_err nx_semver_parse(nx_bytes text, nx_semver *out);

/* Writes it, as memory of the current scope with a NUL behind. NX_EINVAL (a prerelease or build
 * that is none, a number past its limit), NX_ELIMIT (too long), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_semver_text(const nx_semver *version, nx_bytes *out);

/* Below, equal to or above 0, as `a` is before, as good as or after `b` (section 11: what stands
 * behind + does not count). */
NX_API int nx_semver_compare(const nx_semver *a, const nx_semver *b);

typedef enum nx_semver_part {
    NX_SEMVER_MAJOR,
    NX_SEMVER_MINOR,
    NX_SEMVER_PATCH,
    NX_SEMVER_PREMAJOR, /* the first prerelease of the next major version */
    NX_SEMVER_PREMINOR,
    NX_SEMVER_PREPATCH,
    NX_SEMVER_PRERELEASE, /* the next prerelease; of a version that is none, the first of the next
                             patch */
} nx_semver_part;

/* Makes it the next one, as `npm version` does: a prerelease becomes the version that it is one of,
 * where that is what is asked for. `identifier` names prereleases ("beta": 1.2.3-beta.0), NULL:
 * they are numbers. A new prerelease is memory of the current scope. NX_EINVAL (an identifier that
 * is none), NX_ELIMIT (a number past its limit), NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_semver_increment(nx_semver *version, nx_semver_part part,
                                                const char *identifier);

/* ---- Ranges */

#define NX_SEMVER_RANGE_MOST       1024 /* bytes of its text */
#define NX_SEMVER_COMPARATORS_MOST 256  /* that it comes down to */

/* Versions that fit:
 *   ">=1.2.7 <1.3.0", "1.2.3", "=1.2"     comparators, of which all hold
 *   "1.2.7 || >=1.2.9 <2"                 … or all of one of these
 *   "1.2.3 - 2.3"                         from, up to and with
 *   "1.2.x", "1.*", "2", "*", ""          whatever is left out
 *   "~1.2.3", "~1"                        the patch may be higher; or the minor, if it is left out
 *   "^1.2.3", "^0.2.3", "^0.0.3"          all but the first number that is not 0 may be higher */
typedef struct nx_semver_range nx_semver_range;

typedef struct nx_semver_range_options {
    size_t size;
    bool prereleases; /* they are versions like others; otherwise one fits only where the range
                         names a prerelease of the same three numbers */
} nx_semver_range_options;

/* Reads a range; the caller frees it. It copies what it needs. NX_EINVAL, with the place;
 * NX_ELIMIT, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_semver_range_new_with(nx_semver_range **out, nx_bytes text,
                                                     const nx_semver_range_options *options);
#define nx_semver_range_new(out, text, ...)                                                        \
    nx_semver_range_new_with(                                                                      \
        (out), (text),                                                                             \
        &(nx_semver_range_options){.size = sizeof(nx_semver_range_options), __VA_ARGS__})
NX_API void nx_semver_range_free(nx_semver_range *range);
static inline void nx_semver_range_auto(nx_semver_range **range)
{
    nx_semver_range_free(*range);
    *range = NULL;
}

/* Does the version fit? */
NX_API bool nx_semver_fits(const nx_semver_range *range, const nx_semver *version);

/* The highest of `count` versions that fits, the first of equals; NULL if none does. */
NX_API const nx_semver *nx_semver_best(const nx_semver_range *range, const nx_semver *versions,
                                       size_t count);

#ifdef __cplusplus
}
#endif

#endif

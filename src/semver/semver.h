/* What versions and ranges of them share. */
#ifndef NX__SEMVER_H
#define NX__SEMVER_H

#include "base/text_reader.h"
#include <nexus/semver.h>

/* Reads a number without zeros in front. */
uint64_t nx__semver_number(struct nx__text_reader *r);

/* Reads what may stand behind the patch: "-rc.1+build". */
void nx__semver_rest(struct nx__text_reader *r, nx_semver *out);

#endif

/* Columns that text takes on a terminal. */
#ifndef NX__WIDTH_H
#define NX__WIDTH_H

#include <nexus/base.h>

/* Length in bytes of the first characters that fit into `columns`; `*used` is how many columns they
 * take. What combines with the last one that fits belongs to it. */
size_t nx__width_fit(nx_bytes text, size_t columns, size_t *used);

#endif

/* Content types by the endings of file names. */
#ifndef NX__TYPES_H
#define NX__TYPES_H

#include <nexus/base.h>

/* The content type (with its charset, for text) of the name's ending, whatever its case; static
 * storage. "application/octet-stream" for what is not known. */
nx_bytes nx__type_of(nx_bytes name);

/* True when bytes of the content type (parameters and all) get smaller by compression. */
bool nx__type_compressible(nx_bytes type);

#endif

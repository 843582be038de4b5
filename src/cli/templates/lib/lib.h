/* Text as it looks in an address. */
#ifndef {{IDENT}}_H
#define {{IDENT}}_H

#include <nexus/base.h>

/* Makes "Hello, world!" into "hello-world": ASCII letters and digits in lower case, a dash for all
 * that is between them. Stores it in `*out`, in memory of the current scope. NX_EINVAL when nothing
 * is left of the text, NX_ENOMEM. Does not suspend. */
NX_MUST_CHECK nx_err {{ident}}_slug(nx_bytes text, const char **out);

#endif

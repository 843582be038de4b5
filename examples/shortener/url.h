/* Where a link may lead. */
#ifndef URL_H
#define URL_H

#include <nexus/base.h>

enum { URL_MOST = 2048 }; /* bytes */

/* Checks that the text is an absolute http or https URL, and stores it as it goes into a Location
 * field: in printable ASCII, what else it holds percent-encoded; memory of the current scope.
 * `own` is the host that the links are at: what leads back there is refused. NX_EINVAL, with a
 * reason for the user; NX_ENOMEM. Does not suspend. */
NX_MUST_CHECK nx_err url_check(nx_bytes text, nx_bytes own, char **out);

#endif

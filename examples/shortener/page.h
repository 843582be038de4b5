/* The two pages that people see. */
#ifndef PAGE_H
#define PAGE_H

#include <nexus/http.h>

/* The form; after a mistake with what is wrong (else NULL) and what was typed. May suspend. */
NX_MUST_CHECK nx_err page_form(nx_response *res, const char *wrong, nx_bytes url, nx_bytes alias);

/* What a link is: where it leads, and how often somebody went. Strings as they are: the page
 * escapes them. `expires` may be NULL. May suspend. */
NX_MUST_CHECK nx_err page_link(nx_response *res, const char *shown, const char *url, int64_t hits,
                               const char *created, const char *expires);

#endif

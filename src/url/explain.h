/* Why a text is no URL: the library only says that it is none. */
#ifndef NX__URL_EXPLAIN_H
#define NX__URL_EXPLAIN_H

#include <nexus/base.h>

/* Records NX_EINVAL with the reason, and the place where there is one, and returns it. */
nx_err nx__url_explain(nx_bytes text, bool has_base);

#endif

/* Cookies that a client keeps (RFC 6265). Pure but for the memory: the time is given. */
#ifndef NX__JAR_H
#define NX__JAR_H

#include "base/arena.h"
#include "base/list.h"
#include "loop/loop.h"
#include <nexus/fetch.h>

/* A Set-Cookie field, taken apart; slices of it. */
struct nx__set_cookie {
    nx_bytes name, value;
    nx_bytes domain; /* without a dot before it; empty: none */
    nx_bytes path;   /* begins with "/"; else empty: the default */
    int64_t expires; /* seconds since 1970; INT64_MIN: it is over; INT64_MAX: with the session */
    bool secure, http_only;
};

/* Takes it apart as RFC 6265 5.2 has it. NULL, or what is wrong with it; static. */
const char *nx__set_cookie_parse(nx_bytes text, int64_t now, struct nx__set_cookie *out);

/* What a cookie is for. */
struct nx__cookie_place {
    nx_bytes host; /* in small letters, without brackets */
    nx_bytes path; /* of the request */
    bool secure;
    bool is_address; /* the host is one */
};

/* Whether the host is the domain or below it (RFC 6265 5.1.3). */
bool nx__cookie_domain_match(nx_bytes host, nx_bytes domain);
/* Whether the path is the cookie's or below it (5.1.4). */
bool nx__cookie_path_match(nx_bytes path, nx_bytes of_cookie);
/* Names below which anybody can have a host, as far as that can be told without a list. */
bool nx__cookie_public_suffix(nx_bytes domain);

/* Keeps, replaces or removes it. NULL; or why it is refused, static; "out of memory" too. */
const char *nx__jar_set(nx_cookie_jar *jar, const struct nx__cookie_place *place, nx_bytes text,
                        int64_t now);

/* The Cookie field, in the arena; empty where there is none; `data` is NULL when memory is out. */
nx_bytes nx__jar_get(nx_cookie_jar *jar, const struct nx__cookie_place *place, int64_t now,
                     struct nx__arena *arena);

#endif

/* URLs as the web has them (the WHATWG URL standard): parsing, resolving, changing; query strings;
 * percent-encoding. */
#ifndef NEXUS_URL_H
#define NEXUS_URL_H

#include <nexus/base.h>
#include <nexus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Nothing here suspends, and all of it may be called by several threads. What is returned is memory
 * of the current scope, with a NUL behind its last byte where it is a slice of its own. */

typedef enum nx_url_host_kind {
    NX_URL_NO_HOST, /* mailto:me@example.com, file:///etc/hosts */
    NX_URL_NAME,    /* a domain name; for schemes that the standard does not know, any host */
    NX_URL_IPV4,
    NX_URL_IPV6
} nx_url_host_kind;

/* A URL, serialised, and where its parts are in it. A plain value: copy it, compare two by `href`.
 * It lasts as long as the scope in which it was parsed. Parts are as they stand in the URL, that
 * is, percent-encoded: nx_percent_decode. A part that the URL does not have is a slice without
 * data, one that is empty has data and no length ("http://a/?" has an empty query). */
typedef struct nx_url {
    nx_bytes href;     /* all of it; NUL-terminated */
    nx_bytes scheme;   /* "https", in small letters, without ":" */
    nx_bytes username; /* before the first ":" of what stands before "@" */
    nx_bytes password;
    nx_bytes host;      /* a name is in ASCII ("xn--..."), an IPv6 address in brackets */
    nx_bytes host_port; /* with ":" and the port, if that is not the scheme's default: for Host */
    nx_bytes path;      /* "/a/b" */
    nx_bytes query;     /* "a=1&b=2", without "?" */
    nx_bytes fragment;  /* "top", without "#" */
    uint16_t port; /* what to connect to: the URL's, else the scheme's default; 0 where none is */
    nx_url_host_kind host_kind;
} nx_url;

/* A longer text, and a longer URL, is NX_ETOOBIG. */
#define NX_URL_MAX_SIZE ((size_t)1 << 20)

/* Parses an absolute URL. NX_EINVAL, with the reason and the place in nx_error_last();
 * NX_ETOOBIG, NX_ENOMEM. Then `*out` is as it was. */
NX_API NX_MUST_CHECK nx_err nx_url_parse(nx_bytes text, nx_url *out);
/* The same for one that may be relative to `base`: "../b", "?page=2", "//host/". The base may be
 * `*out` itself. */
NX_API NX_MUST_CHECK nx_err nx_url_resolve(const nx_url *base, nx_bytes text, nx_url *out);
/* Whether it would parse, relative to `base` if that is not NULL. */
NX_API bool nx_url_can_parse(nx_bytes text, const nx_url *base);

/* What nx_url_set changes. */
typedef enum nx_url_part {
    NX_URL_HREF,     /* all of it */
    NX_URL_SCHEME,   /* ":" and what is behind it is passed over */
    NX_URL_USERNAME, /* encoded as needed, as the following are */
    NX_URL_PASSWORD,
    NX_URL_HOST, /* without a port; IDNA is applied */
    NX_URL_HOST_PORT,
    NX_URL_PORT, /* empty: the scheme's default */
    NX_URL_PATH,
    NX_URL_QUERY,   /* with or without "?"; empty: none */
    NX_URL_FRAGMENT /* with or without "#"; empty: none */
} nx_url_part;

/* Changes a part as the setters of the standard do (section 6.1): `*url` becomes another URL in
 * memory of the current scope. NX_EINVAL where the part can't be that, or this URL has no such part
 * (a port for file:), NX_ETOOBIG, NX_ENOMEM; then it is as it was. */
NX_API NX_MUST_CHECK nx_err nx_url_set(nx_url *url, nx_url_part part, nx_bytes value);

/* The origin: "https://example.com:8080", or "null" for what has none of its own (file:, data:).
 * NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_url_origin(const nx_url *url, nx_bytes *out);

/* The host as people read it, "bücher.example" for "xn--bcher-kva.example" (UTS 46). Names that
 * look alike are not told apart: show it, but compare `host`. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_url_host_text(const nx_url *url, nx_bytes *out);

/* A file: URL as a path. NX_EINVAL for another scheme, a host, and an escaped "/" or NUL, which no
 * name of a file holds; NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_url_to_path(const nx_url *url, nx_bytes *out);
/* A path, which begins with "/", as a file: URL. Any bytes but NUL; "." and ".." are resolved as
 * text. NX_EINVAL, NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_url_from_path(nx_bytes path, nx_url *out);

/* ---- Query strings (application/x-www-form-urlencoded, section 5 of the standard). Any text is a
 * query: what is no escape stays as it is, and what is not UTF-8 becomes U+FFFD. For the query of a
 * request, which is held to more, see nx_request_query_get. */

/* Cuts the next pair off `*rest`; false at the end. Nothing is allocated, so nothing is decoded:
 * for (nx_bytes rest = url.query; nx_query_next(&rest, &name, &value);) */
NX_API bool nx_query_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value);
/* Such a name or value decoded; the same slice where nothing is encoded. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_decode(nx_bytes raw, nx_bytes *out);

typedef struct nx_query_pair {
    nx_bytes name, value;
} nx_query_pair;

/* The pairs of a query, decoded, in their order. All zero is one without pairs. What is added is
 * not copied: the pairs need their text as long as they are. The list itself is memory of the scope
 * in which it was last added to. */
typedef struct nx_query {
    nx_query_pair *pairs;
    size_t count, capacity;
} nx_query;

/* Past that many, nx_query_parse and nx_query_add are NX_ELIMIT. */
#define NX_QUERY_MAX_PAIRS 10000

/* A "?" at the beginning is passed over. NX_ELIMIT, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_parse(nx_bytes text, nx_query *out);
/* The first value of that name; `data` is NULL if there is none. */
NX_API nx_bytes nx_query_get(const nx_query *query, const char *name);
/* All values of a name, one a call, until it returns false:
 * for (size_t at = 0; nx_query_each(&query, "tag", &at, &tag);) */
NX_API bool nx_query_each(const nx_query *query, const char *name, size_t *at, nx_bytes *value);
/* Adds a pair behind the others. NX_ELIMIT, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_add(nx_query *query, nx_bytes name, nx_bytes value);
/* Gives the first pair of that name the value and removes the others, or adds one. NX_ELIMIT,
 * NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_set(nx_query *query, nx_bytes name, nx_bytes value);
/* Removes all pairs of that name; with a value (whose `data` is not NULL), those that have it. */
NX_API void nx_query_remove(nx_query *query, const char *name, nx_bytes value);
/* By name, in the order of UTF-16 code units as in browsers; pairs of one name keep theirs.
 * NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_sort(nx_query *query);
/* "a=1&b=two+words". NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_text(const nx_query *query, nx_bytes *out);

/* The same of values made in place: nx_query_write(nx_obj("page", 2, "tag", nx_arr("a", "b")),
 * &text) is "page=2&tag=a&tag=b". Strings, numbers and bools; a null is left out. NX_EINVAL for
 * what else there is; NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_query_write(nx_value object, nx_bytes *out);

/* ---- Percent-encoding (section 1.3 of the standard) */

/* What is encoded, each with all before it. Everything that is not ASCII always is. */
typedef enum nx_percent_set {
    NX_PERCENT_CONTROLS,
    NX_PERCENT_FRAGMENT,
    NX_PERCENT_QUERY,     /* not "`", which is the fragment's alone */
    NX_PERCENT_PATH,      /* whole paths: "/" stays */
    NX_PERCENT_USERINFO,  /* user names and passwords */
    NX_PERCENT_COMPONENT, /* one name of a path, one value of a query: as encodeURIComponent */
    NX_PERCENT_FORM       /* of a form or query; a space becomes "+" */
} nx_percent_set;

/* "%" itself is encoded from NX_PERCENT_COMPONENT on; before it, what is encoded stays so.
 * NX_ETOOBIG, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_percent_encode(nx_bytes bytes, nx_percent_set set, nx_bytes *out);
/* A "%" without two digits stays, as does "+". The result may be any bytes, NUL and what is not
 * UTF-8 too. NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_percent_decode(nx_bytes text, nx_bytes *out);

#ifdef __cplusplus
}
#endif

#endif

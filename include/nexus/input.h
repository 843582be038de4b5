/* What comes with a request, made handy: query, cookies, forms and uploads, JSON, content
 * negotiation. Part of <nexus/http.h>.
 *
 * What is decoded here (query, form fields, names of files) is UTF-8 without NUL, and
 * NUL-terminated. Errors of the kind "the peer sent something wrong" become a 400, 413 or 415 with
 * their message when the handler returns them. */
#ifndef NEXUS_INPUT_H
#define NEXUS_INPUT_H

#include <nexus/base.h>
#include <nexus/json.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct nx_http_server nx_http_server;
typedef struct nx_request nx_request;
typedef struct nx_response nx_response;

/* ---- Query ("?page=2&tag=a&tag=b"), decoded at first use. Slices last as long as the request;
 * nothing here suspends.
 *
 * A query with a bad escape, a NUL, text that is not UTF-8 or more than NX_HTTP_MAX_QUERY
 * parameters is as if it had none, and then the answer, whatever it is, fails with NX_EPROTO, which
 * becomes a 400. A handler that does something before it answers asks nx_request_query_check first,
 * or takes what it wants with nx_request_query_need. */
#define NX_HTTP_MAX_QUERY 1000

/* The first value of that name; `data` is NULL if there is none. "?a" gives a the empty value. */
NX_API nx_bytes nx_request_query_get(nx_request *req, const char *name);
/* The same as a number, or `fallback` where there is none, or it is no number or does not fit. */
NX_API int64_t nx_request_query_int(nx_request *req, const char *name, int64_t fallback);
NX_API double nx_request_query_double(nx_request *req, const char *name, double fallback);
/* The same as yes (1, true, yes, on, or empty: "?verbose") or no (0, false, no, off). */
NX_API bool nx_request_query_bool(nx_request *req, const char *name, bool fallback);
/* All values of a name, one a call, until it returns false:
 * for (size_t at = 0; nx_request_query_each(req, "tag", &at, &tag);) */
NX_API bool nx_request_query_each(nx_request *req, const char *name, size_t *at, nx_bytes *value);
/* All parameters in their order; false past the end. */
NX_API bool nx_request_query_at(nx_request *req, size_t index, nx_bytes *name, nx_bytes *value);
/* NX_OK if the query can be decoded; NX_EPROTO, NX_ENOMEM. */
NX_API NX_MUST_CHECK nx_err nx_request_query_check(nx_request *req);
/* Stores the first value in `*out`, by its type: bool, any integer, float, double, nx_bytes.
 * NX_EPROTO, with a message that names the parameter, if it is missing or no such thing;
 * nx_request_query_maybe leaves `*out` as it was where it is missing.
 * NX_TRY(nx_request_query_need(req, "id", &id)) */
#define nx_request_query_need(req, name, out)                                                      \
    nx_request_query_take((req), (name), (out), NX__JSON_TYPE(out), true)
#define nx_request_query_maybe(req, name, out)                                                     \
    nx_request_query_take((req), (name), (out), NX__JSON_TYPE(out), false)
NX_API NX_MUST_CHECK nx_err nx_request_query_take(nx_request *req, const char *name, void *out,
                                                  int type, bool needed);

/* ---- Cookies (RFC 6265). None of these suspends. */

/* The first cookie of that name, percent-decoded; `data` is NULL if there is none, or it is not
 * UTF-8. Memory of the request. */
NX_API nx_bytes nx_request_cookie(nx_request *req, const char *name);
/* All cookies that are UTF-8 in their order; false past the end. */
NX_API bool nx_request_cookie_at(nx_request *req, size_t index, nx_bytes *name, nx_bytes *value);

typedef enum nx_same_site { NX_SAME_SITE_LAX, NX_SAME_SITE_STRICT, NX_SAME_SITE_NONE } nx_same_site;

/* Zero means the default. */
typedef struct nx_cookie_options {
    size_t size;
    nx_duration max_age;    /* how long the browser keeps it; until it is closed */
    const char *path;       /* "/" */
    const char *domain;     /* this host alone */
    bool http_only;         /* scripts don't see it */
    bool secure;            /* over HTTPS only */
    bool partitioned;       /* a jar for each top-level site (CHIPS) */
    nx_same_site same_site; /* lax; NX_SAME_SITE_NONE takes .secure = true */
} nx_cookie_options;
#define NX_HTTP_MAX_COOKIE 4096 /* bytes of a set-cookie field: browsers drop larger ones */

/* Sets a cookie: nx_response_cookie(res, "theme", "dark", .max_age = NX_S(86400)). `value` is a
 * string or nx_bytes of UTF-8; what a cookie can't hold is percent-encoded. Mistakes (a name that
 * is no token, options that contradict each other or the prefix __Host- or __Secure-, too large)
 * make the answer fail with NX_EINVAL, as nx_response_header. */
#define nx_response_cookie(res, name, value, ...)                                                  \
    nx_response_cookie_with((res), (name), NX__TEXT(value),                                        \
                            &(nx_cookie_options){.size = sizeof(nx_cookie_options), __VA_ARGS__})
NX_API void nx_response_cookie_with(nx_response *res, const char *name, nx_bytes value,
                                    const nx_cookie_options *options);
/* Has the browser forget it; path and domain have to be those that it was set with. */
#define nx_response_cookie_clear(res, name, ...)                                                   \
    nx_response_cookie_clear_with(                                                                 \
        (res), (name), &(nx_cookie_options){.size = sizeof(nx_cookie_options), __VA_ARGS__})
NX_API void nx_response_cookie_clear_with(nx_response *res, const char *name,
                                          const nx_cookie_options *options);

/* Gives the server the secrets that cookies are signed and encrypted with: the newest first, which
 * new ones are made with; those behind it still open old cookies, so that keys can be changed
 * without logging anybody out. Each is a string of 32 bytes or more that nobody can guess (`openssl
 * rand -hex 32`), NX_HTTP_MAX_COOKIE_KEYS at most; all are copied. What is wrong comes out of
 * nx_http_listen. nx_http_cookie_keys(server, getenv("COOKIE_KEY")) */
#define nx_http_cookie_keys(server, ...) nx_http_cookie_keys_of((server), NX__TEXTS(__VA_ARGS__))
NX_API void nx_http_cookie_keys_of(nx_http_server *server, const char *const *secrets,
                                   size_t count);
#define NX_HTTP_MAX_COOKIE_KEYS 8

/* The same with a signature (HMAC-SHA-512/256): who has the cookie can read it, but not change it,
 * nor use it as another cookie, nor longer than it was meant: `max_age`, or NX_HTTP_COOKIE_LIFE
 * where that is not given. What is not as it was made is as if it were not there. Without
 * nx_http_cookie_keys the answer fails with NX_ESTATE. */
#define nx_response_cookie_signed(res, name, value, ...)                                           \
    nx_response_cookie_signed_with(                                                                \
        (res), (name), NX__TEXT(value),                                                            \
        &(nx_cookie_options){.size = sizeof(nx_cookie_options), __VA_ARGS__})
NX_API void nx_response_cookie_signed_with(nx_response *res, const char *name, nx_bytes value,
                                           const nx_cookie_options *options);
NX_API nx_bytes nx_request_cookie_signed(nx_request *req, const char *name);
#define NX_HTTP_COOKIE_LIFE NX_S(30 * 86400)

/* The same encrypted (XChaCha20-Poly1305): nobody can read it either. Any bytes; always http_only.
 */
#define nx_response_cookie_encrypted(res, name, value, ...)                                        \
    nx_response_cookie_encrypted_with(                                                             \
        (res), (name), NX__TEXT(value),                                                            \
        &(nx_cookie_options){.size = sizeof(nx_cookie_options), __VA_ARGS__})
NX_API void nx_response_cookie_encrypted_with(nx_response *res, const char *name, nx_bytes value,
                                              const nx_cookie_options *options);
NX_API nx_bytes nx_request_cookie_encrypted(nx_request *req, const char *name);

/* ---- Forms: application/x-www-form-urlencoded and multipart/form-data (RFC 7578) */

typedef struct nx_form nx_form;

/* A file of a form. `name` is the field's, `filename` what the browser says, without folders (never
 * "." or ".."), `type` its content-type ("application/octet-stream" if it says none). None of these
 * can be trusted. */
typedef struct nx_upload {
    nx_bytes name, filename, type;
    uint64_t size;
    struct nx__spool *spool;
} nx_upload;

/* Zero means the default. Past a cap: NX_ETOOBIG, which becomes a 413. */
typedef struct nx_form_options {
    size_t size;
    uint64_t max_size;        /* bytes of the body, the server's max_body */
    uint32_t max_fields;      /* fields, 1,000 */
    uint32_t max_fields_size; /* bytes of all fields, their names too, 1 MiB */
    uint32_t max_files;       /* files, 32 */
    uint64_t max_file;        /* bytes of a file, max_size */
    uint32_t max_name;        /* bytes of a name or file name, 255 */
    uint32_t max_part_head;   /* bytes of the header fields of a part, 4,096 */
    uint32_t file_memory;  /* bytes of a file kept in memory, 64 KiB; a larger one goes to disk */
    const char *directory; /* where to, as a file without a name: $TMPDIR, else /tmp */
} nx_form_options;

/* Reads the body as a form: nx_request_form(req, &form, .max_file = 10 << 20). All belongs to the
 * request and is gone with it, files on disk too; calling it again gives the same form. NX_EPROTO
 * (not what it says it is), NX_ENOTSUP (no form: a 415), NX_ETOOBIG, NX_ENOSPC, NX_EPERM (large
 * files take --allow-write for the directory), NX_ENOMEM, errors of nx_request_read. Suspends. */
#define nx_request_form(req, out, ...)                                                             \
    nx_request_form_with((req), (out),                                                             \
                         &(nx_form_options){.size = sizeof(nx_form_options), __VA_ARGS__})
NX_API NX_MUST_CHECK nx_err nx_request_form_with(nx_request *req, nx_form **out,
                                                 const nx_form_options *options);

/* The fields, as the functions of the query's parameters. None suspends. */
NX_API nx_bytes nx_form_get(const nx_form *form, const char *name);
NX_API int64_t nx_form_int(const nx_form *form, const char *name, int64_t fallback);
NX_API double nx_form_double(const nx_form *form, const char *name, double fallback);
NX_API bool nx_form_bool(const nx_form *form, const char *name, bool fallback);
NX_API bool nx_form_each(const nx_form *form, const char *name, size_t *at, nx_bytes *value);
NX_API bool nx_form_at(const nx_form *form, size_t index, nx_bytes *name, nx_bytes *value);
#define nx_form_need(form, name, out) nx_form_take((form), (name), (out), NX__JSON_TYPE(out), true)
#define nx_form_maybe(form, name, out)                                                             \
    nx_form_take((form), (name), (out), NX__JSON_TYPE(out), false)
NX_API NX_MUST_CHECK nx_err nx_form_take(const nx_form *form, const char *name, void *out, int type,
                                         bool needed);

/* The first file of that field, NULL if there is none or the user chose none. */
NX_API const nx_upload *nx_form_file(const nx_form *form, const char *name);
/* All files in their order; NULL past the end. */
NX_API const nx_upload *nx_form_file_at(const nx_form *form, size_t index);

/* All of the file: where it is, or read into memory of the current scope. NX_ENOMEM, NX_EIO.
 * Suspends if it is on disk. */
NX_API NX_MUST_CHECK nx_err nx_upload_bytes(const nx_upload *upload, nx_bytes *out);
/* Up to `size` bytes from `offset` on; `*got` is 0 at the end. NX_EIO. Suspends if it is on disk.
 */
NX_API NX_MUST_CHECK nx_err nx_upload_read(const nx_upload *upload, uint64_t offset, void *data,
                                           size_t size, size_t *got);
/* Writes it to `path`, as nx_fs_write_file does: whole or not at all. Make the path yourself, or
 * from `filename` only behind a folder of its own. Errors as nx_fs_write_file. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_upload_save(const nx_upload *upload, const char *path);

/* ---- The same part by part, as it comes, with nothing kept */

typedef struct nx_multipart nx_multipart;

/* The head of a part; lasts until the next. */
typedef struct nx_part {
    nx_bytes name;
    nx_bytes filename; /* `data` is NULL where it is a field; otherwise as nx_upload has it, or ""
                          if none was chosen */
    nx_bytes type;
} nx_part;

/* Begins to read a multipart body; it belongs to the request. max_fields_size and file_memory mean
 * nothing here, and max_file is for each part. Errors as nx_request_form. Does not suspend. */
#define nx_request_multipart(req, out, ...)                                                        \
    nx_request_multipart_with((req), (out),                                                        \
                              &(nx_form_options){.size = sizeof(nx_form_options), __VA_ARGS__})
NX_API NX_MUST_CHECK nx_err nx_request_multipart_with(nx_request *req, nx_multipart **out,
                                                      const nx_form_options *options);
/* The next part, NULL behind the last; what was not read of the one before is passed over. Errors
 * as nx_request_form. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_multipart_next(nx_multipart *multipart, const nx_part **part);
/* The next piece of the part, empty at its end; lasts until the next call. Suspends. */
NX_API NX_MUST_CHECK nx_err nx_multipart_read(nx_multipart *multipart, nx_bytes *piece);

/* ---- JSON */

/* Reads the body as JSON into a tree, in memory of the current scope: nx_request_json(req, &order,
 * .max_depth = 8). NX_EPROTO (with line and column), NX_ENOTSUP (its content-type is neither
 * application/json nor ends with +json: a 415), NX_ETOOBIG, errors of nx_request_body. Suspends. */
#define nx_request_json(req, out, ...)                                                             \
    nx_request_json_with((req), (out),                                                             \
                         &(nx_json_options){.size = sizeof(nx_json_options), __VA_ARGS__})
NX_API NX_MUST_CHECK nx_err nx_request_json_with(nx_request *req, nx_json *out,
                                                 const nx_json_options *options);

/* Reads the body event by event, however large: nothing but the event is kept, and max_body does
 * not count. The content-type is not looked at. Does not suspend. */
#define nx_request_json_reader(req, out, ...)                                                      \
    nx_request_json_reader_with(                                                                   \
        (req), (out),                                                                              \
        &(nx_json_reader_options){.size = sizeof(nx_json_reader_options), __VA_ARGS__})
NX_API NX_MUST_CHECK nx_err nx_request_json_reader_with(nx_request *req, nx_json_reader **out,
                                                        const nx_json_reader_options *options);

/* ---- Content negotiation (RFC 9110 12.5): which of these, best first for us, does the peer like
 * best? Its index, or -1 if none is acceptable: switch (nx_request_accepts(req, "application/json",
 * "text/html")). Say `vary: accept` in the answer. */

/* Media types, against Accept. Without the field: 0. */
#define nx_request_accepts(req, ...) nx_request_accepts_of((req), NX__TEXTS(__VA_ARGS__))
NX_API int nx_request_accepts_of(const nx_request *req, const char *const *types, size_t count);
/* Languages ("en", "de-AT"), against Accept-Language; "de" and "de-AT" stand in for each other
 * where nothing fits better. Without the field: 0. */
#define nx_request_accepts_language(req, ...)                                                      \
    nx_request_accepts_language_of((req), NX__TEXTS(__VA_ARGS__))
NX_API int nx_request_accepts_language_of(const nx_request *req, const char *const *tags,
                                          size_t count);
/* Content codings ("br", "gzip", "identity"), against Accept-Encoding. Without the field: where
 * "identity" is, else -1, which always means: send it as it is. */
#define nx_request_accepts_encoding(req, ...)                                                      \
    nx_request_accepts_encoding_of((req), NX__TEXTS(__VA_ARGS__))
NX_API int nx_request_accepts_encoding_of(const nx_request *req, const char *const *codings,
                                          size_t count);

/* A string or bytes as bytes; strings as an array and its length. */
static inline nx_bytes nx__bytes_self(nx_bytes bytes)
{
    return bytes;
}
#define NX__TEXT(x)                                                                                \
    _Generic((x), char * : nx_str, const char * : nx_str, nx_bytes : nx__bytes_self)(x)
#define NX__TEXTS(...)                                                                             \
    (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)

#ifdef __cplusplus
}
#endif

#endif

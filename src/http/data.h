/* What comes with a request, decoded: shared by query, cookies, forms, JSON and negotiation. */
#ifndef NX__HTTP_DATA_H
#define NX__HTTP_DATA_H

#include "http/server.h"

/* ---- Parameters: names and values of a query or a form's fields, in their order */

struct nx__param {
    nx_bytes name, value; /* decoded, NUL-terminated */
};

struct nx__params {
    struct nx__param *items;
    size_t count, capacity;
};

/* Decodes "a=1&b=2" (application/x-www-form-urlencoded) into memory of the arena. NX_EPROTO with a
 * static
 * `*reason` for a bad escape, a NUL, or text that is not UTF-8; NX_ETOOBIG with more than `most`;
 * NX_ENOMEM. Pure. */
NX_MUST_CHECK nx_err nx__params_parse(struct nx__params *params, nx_bytes raw, size_t most,
                                      struct nx__arena *arena, const char **reason);

/* Adds one. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__params_add(struct nx__params *params, struct nx__param param,
                                    struct nx__arena *arena);

/* The first parameter of that name from `*at` on, which is moved behind it; NULL if there is none.
 */
const struct nx__param *nx__params_find(const struct nx__params *params, const char *name,
                                        size_t *at);

/* As nx_request_query_int and its like, for the first of that name. */
int64_t nx__params_int(const struct nx__params *params, const char *name, int64_t fallback);
double nx__params_double(const struct nx__params *params, const char *name, double fallback);
bool nx__params_bool(const struct nx__params *params, const char *name, bool fallback);

/* As nx_request_query_take; `what` is "parameter" or "field". NX_EPROTO (the peer's). */
NX_MUST_CHECK nx_err nx__params_take(const struct nx__params *params, const char *what,
                                     const char *name, void *out, int type, bool needed);

/* ---- Percent-encoding (RFC 3986 2.1) */

/* Decodes %XX, and "+" as a space if `plus`, into `out`, which holds in.len bytes. False for a bad
 * escape, a NUL however it is written, or what is not UTF-8 in the end. */
bool nx__text_decode(nx_bytes in, bool plus, char *out, size_t *len);

/* ---- Attributes of a header field: `; name=token; name="quoted"` (RFC 9110 5.6.6) */

enum nx__attribute { NX__ATTRIBUTE_END, NX__ATTRIBUTE_FOUND, NX__ATTRIBUTE_BAD };

/* Takes the next one from `*rest`, which begins where one ends. `*value` is what is between the
 * quotes, with its backslashes. Pure. */
enum nx__attribute nx__attribute_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value);

/* Cuts the next element of a list off `*rest`, at a separator that is not in quotes. Pure. */
nx_bytes nx__list_cut(nx_bytes *rest, char separator);

/* Cuts the value before the attributes off `*rest`: "text/html" of "text/html; q=1". */
nx_bytes nx__attribute_head(nx_bytes *rest);

/* Whether the two are equal but for the case of ASCII letters. */
bool nx__text_ieq(nx_bytes text, const char *wanted);

/* ---- Of a request */

struct nx__request_data {
    struct nx__params query;
    bool query_parsed;
    nx_err query_failed;
    const char *query_reason;
    struct nx__params cookies;
    bool cookies_parsed;
    nx_form *form;
};

/* Made at the first call; NULL when memory is out (recorded). */
struct nx__request_data *nx__request_data(nx_request *req);

/* The memory of the request. */
static inline struct nx__arena *nx__request_arena(nx_request *req)
{
    return &req->fiber->own.arena;
}

/* fn(arg) when the request ends, in whatever scope this is called. NX_ENOMEM. */
NX_MUST_CHECK nx_err nx__request_defer(nx_request *req, void (*fn)(void *arg), void *arg);

/* The next piece of the body, or all of it where it has been read already; empty at the end.
 * `*whole` is set by it. */
NX_MUST_CHECK nx_err nx__request_piece(nx_request *req, bool *given, nx_bytes *piece);

/* The first mistake of the answer comes out of the call that sends it. `reason` has to last. */
static inline void nx__response_mistake(nx_response *res, nx_err err, const char *reason)
{
    if (res->failed) return;
    res->failed = err;
    res->failure = reason;
}

/* ---- Cookies */

struct nx__cookie_keys;

/* Wipes and frees; NULL is fine. */
void nx__cookie_keys_free(struct nx__cookie_keys *keys);

/* Takes the next pair from a cookie field (RFC 6265 5.4), as lenient as browsers are: what has no
 * name is passed over. False at the end. Pure. */
bool nx__cookie_next(nx_bytes *rest, nx_bytes *name, nx_bytes *value);

/* What is signed or encrypted is text that a cookie can hold. `expires` is wall-clock seconds.
 * Making: NULL when memory is out. Opening: `data` is NULL unless one of the keys made it for that
 * name, and `now` is before its end. */
struct nx__cookie_keys *nx__cookie_keys_new(const char *const *secrets, size_t count,
                                            const char **reason);
char *nx__cookie_sign(const struct nx__cookie_keys *keys, const char *name, nx_bytes value,
                      uint64_t expires, struct nx__arena *arena);
nx_bytes nx__cookie_verify(const struct nx__cookie_keys *keys, const char *name, nx_bytes text,
                           uint64_t now, struct nx__arena *arena);
char *nx__cookie_encrypt(const struct nx__cookie_keys *keys, const char *name, nx_bytes value,
                         uint64_t expires, struct nx__arena *arena);
nx_bytes nx__cookie_decrypt(const struct nx__cookie_keys *keys, const char *name, nx_bytes text,
                            uint64_t now, struct nx__arena *arena);
/* Percent-encodes what a cookie's value can't hold (RFC 6265 4.1.1). NULL when memory is out. */
char *nx__cookie_encode(nx_bytes value, struct nx__arena *arena);

/* ---- Negotiation: how much the field's list likes the offer, from 0 (not acceptable) to 1,000
 * (q=1), -1 if it does not say. Pure. */

enum nx__accept { NX__ACCEPT_TYPE, NX__ACCEPT_LANGUAGE, NX__ACCEPT_CODING };

/* `*specific` is how exactly it says so; pass it on from field to field, -1 at first, with the
 * result so far. */
int nx__accept_quality(enum nx__accept kind, nx_bytes field, const char *offer, int *specific,
                       int quality);

#endif

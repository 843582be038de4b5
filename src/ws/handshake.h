/* The opening handshake (RFC 6455 4), as far as it is text. */
#ifndef NX__WS_HANDSHAKE_H
#define NX__WS_HANDSHAKE_H

#include <nexus/base.h>

enum {
    NX__WS_KEY = 24,    /* characters of a key */
    NX__WS_ACCEPT = 28, /* and of its answer */
};

/* Whether the field is a key: 16 bytes as base64. */
bool nx__ws_key_valid(nx_bytes key);

/* A new key, from random bytes; NUL-terminated. */
void nx__ws_key_make(char out[NX__WS_KEY + 1]);

/* What proves that the key was read (RFC 6455 4.2.2); NUL-terminated. NX_ENOMEM and others of
 * hashing, recorded. */
NX_MUST_CHECK nx_err nx__ws_accept_key(nx_bytes key, char out[NX__WS_ACCEPT + 1]);

/* The head of a server's answer. Slices are of the head; `data` is NULL for a field that is not
 * there. */
struct nx__ws_answer {
    int status;
    nx_bytes upgrade, connection, accept, protocol, extensions;
    bool twice; /* one of the last three is there more than once */
};

/* Reads it, up to the empty line, strictly; false when it is none. */
bool nx__ws_answer_read(struct nx__ws_answer *answer, nx_bytes head);

/* Cuts the next element of a list off `*rest`, without spaces round it; empty at the end. */
nx_bytes nx__ws_list_next(nx_bytes *rest);

/* Whether the list has the token, whatever its case. */
bool nx__ws_list_has(nx_bytes list, const char *token);

/* Whether the page's origin is one of the list: "https://a.example, http://localhost:3000"; a star
 * in the place of the first labels is any name below the others, and alone it is any origin. */
bool nx__ws_origin_allowed(const char *list, nx_bytes origin);

/* Whether the origin is that of `host` ("example.org:3000"), whatever its scheme. */
bool nx__ws_origin_is_own(nx_bytes origin, nx_bytes host);

#endif

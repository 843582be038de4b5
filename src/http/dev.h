/* What `nexus dev` adds to the servers of a program: a line for each request, pages that tell what
 * has failed, connections that the launcher takes over. */
#ifndef NX__HTTP_DEV_H
#define NX__HTTP_DEV_H

#include <nexus/http.h>

/* Paths below this are the runtime's own under `nexus dev`. */
#define NX__DEV_PATH "/.nexus/"
/* A stream of events, "change" each time that the program does; "?N" asks for those since N. */
#define NX__DEV_LIVE NX__DEV_PATH "live"
/* The script that loads a page again then; "?N" tells what the page was made by. */
#define NX__DEV_LIVE_SCRIPT NX__DEV_PATH "live.js"

/* It, with %.*s for the digits of N. */
#define NX__DEV_LIVE_CODE                                                                          \
    "new EventSource('" NX__DEV_LIVE "?%.*s').addEventListener('change', () => "                   \
    "location.reload());\n"

/* What a page of `nexus dev` may do: a format of its nonce, twice. */
#define NX__DEV_POLICY                                                                             \
    "default-src 'none'; style-src 'nonce-%.40s'; script-src 'nonce-%.40s'; "                      \
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

/* Bytes of the nonce, with its NUL, that is at the head of a page as the launcher hands it over. */
enum { NX__DEV_NONCE = 40 };

struct nx__http_dev {
    /* Called by each server before it listens. */
    nx_err (*prepare)(nx_http_server *server);
    /* Answers with the page of a failure; an error when it can't. May suspend. */
    nx_err (*page)(nx_response *res, const nx_http_failure *failure);
};

/* NULL but under `nexus dev`. A pointer, so that a program of its own links none of it. */
extern const struct nx__http_dev *nx__http_dev;

struct nx__http_dev_options {
    int log;          /* a pipe that never blocks, for lines about requests; -1: none */
    bool color;       /* in them */
    bool reload;      /* pages of the app's own load again after a change */
    uint64_t version; /* of what runs, as NX__DEV_LIVE counts */
};

/* Turns it on, before the program starts. */
void nx__http_dev_begin(const struct nx__http_dev_options *options);

/* ---- dev_show.c */

/* Whether pages that tell the inside of the program may go to who asks: not to scripts of another
 * site. One whose name was made to lead here (DNS rebinding) is told by the Host field, since
 * developers use an address or a name of no public domain; one that the program's own CORS lets
 * read, by the Origin. Both are as they came, and empty where there is none. */
bool nx__http_dev_shows(nx_bytes host, nx_bytes origin);

/* ---- dev_reload.c */

/* Has the request's answer, where it is a whole page, end with the script, which lasts. Without
 * memory for it, it does not. */
void nx__http_dev_reload(nx_request *req, nx_bytes script);

#endif

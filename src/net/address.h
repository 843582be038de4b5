/* Socket addresses, and what programs name to connect to or to listen at. */
#ifndef NX__ADDRESS_H
#define NX__ADDRESS_H

#include "net/sockaddr.h"

struct nx__target {
    const char *path; /* of a Unix socket; else NULL, and these: */
    nx_bytes host;    /* without brackets */
    uint16_t port;
};

/* Reads "host:port", "[v6]:port", "unix:/path". NX_EINVAL, recorded: `cannot DOING "TEXT": …`. */
NX_MUST_CHECK nx_err nx__target_parse(struct nx__target *out, const char *text, const char *doing);

#endif

/* The head of an HTTP/1.1 answer: bytes in, slices out. Pure: no I/O, no clock, no allocation.
 * Strict RFC 9112, as the parser of requests is: what two readers could take for different messages
 * is refused. */
#ifndef NX__ANSWER_H
#define NX__ANSWER_H

#include "http/h1/parser.h"

struct nx__answer_head {
    uint16_t status;          /* 100 to 999 */
    uint8_t minor;            /* HTTP/1.minor: 0 or 1 */
    bool has_length;          /* there is a Content-Length; `length` counts */
    bool chunked;             /* never with a length */
    bool keep_alive;          /* the connection may go on after it (RFC 9112 9.3) */
    bool upgrade;             /* Upgrade field, and Connection says so */
    struct nx__h1_slice text; /* the reason phrase, which nobody has to believe */
    uint16_t header_count;
    uint16_t head_len;  /* bytes up to and with the empty line */
    const char *reason; /* NX__H1_ERROR: why; static */
    uint64_t length;
};

/* Parses the head at the start of the `len` bytes at `buf`, as nx__h1_parse does that of a request;
 * max_target does not count. */
enum nx__h1_status nx__answer_parse(const char *buf, size_t len, size_t resume,
                                    const struct nx__h1_limits *limits,
                                    struct nx__h1_header *headers, struct nx__answer_head *head);

enum nx__answer_body {
    NX__ANSWER_EMPTY,
    NX__ANSWER_LENGTH, /* `length` bytes */
    NX__ANSWER_CHUNKED,
    NX__ANSWER_CLOSE,  /* until the peer closes */
    NX__ANSWER_TUNNEL, /* what follows is no HTTP any more */
};

/* Where the body of a final answer ends (RFC 9112 6.3). */
enum nx__answer_body nx__answer_body(const struct nx__answer_head *head, bool to_head,
                                     bool to_connect);

#endif

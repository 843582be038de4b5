/* The HTTP/1.1 request head parser: bytes in, slices out. Pure: no I/O, no clock, no allocation.
 * Strict RFC 9112. What it takes and refuses is in docs/internals/http1-parser.md. */
#ifndef NX__H1_PARSER_H
#define NX__H1_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* Caps that hold whatever a caller asks for. */
    NX__H1_MAX_HEADERS = 256,
    NX__H1_MAX_HEAD = 65535, /* offsets have 16 bits */
    NX__H1_MAX_METHOD = 32,  /* bytes; past it 501 */

    /* What nx_http_server_options has by default. */
    NX__H1_DEFAULT_MAX_TARGET = 8192,
    NX__H1_DEFAULT_MAX_HEADERS = 100,
    NX__H1_DEFAULT_MAX_HEAD = 16384,
};

enum nx__h1_status { NX__H1_DONE, NX__H1_PARTIAL, NX__H1_ERROR };

enum nx__method {
    NX__METHOD_OTHER,
    NX__METHOD_GET,
    NX__METHOD_HEAD,
    NX__METHOD_POST,
    NX__METHOD_PUT,
    NX__METHOD_DELETE,
    NX__METHOD_PATCH,
    NX__METHOD_OPTIONS,
    NX__METHOD_CONNECT,
    NX__METHOD_TRACE,
};

/* RFC 9112 3.2 */
enum nx__target_form {
    NX__TARGET_ORIGIN,    /* /path?query */
    NX__TARGET_ABSOLUTE,  /* http://host/path?query */
    NX__TARGET_AUTHORITY, /* host:port, of CONNECT alone */
    NX__TARGET_ASTERISK,  /* *, of OPTIONS alone */
};

/* Part of the head, as offset from its first byte. */
struct nx__h1_slice {
    uint16_t off, len;
};

/* A field line. The value is without the white space round it, and may be empty. */
struct nx__h1_header {
    uint16_t name_off, name_len, value_off, value_len;
};

struct nx__h1_limits {
    uint32_t max_target;  /* bytes; past it 414 */
    uint32_t max_headers; /* fields, NX__H1_MAX_HEADERS at most; past it 431 */
    uint32_t max_head;    /* bytes, NX__H1_MAX_HEAD at most; past it 431 */
};

struct nx__h1_head {
    struct nx__h1_slice method, target;
    struct nx__h1_slice
        path; /* of the target, without the query; never empty but in authority-form */
    struct nx__h1_slice query; /* behind the first "?", which is not part of it */
    struct nx__h1_slice host;  /* with its port: of the target, if it has one, else of the Host
                                  field; HTTP/1.0 may have none */
    enum nx__method method_id;
    enum nx__target_form form;
    uint8_t minor;           /* HTTP/1.minor: 0 or 1 */
    bool has_query;          /* there was a "?" */
    bool has_content_length; /* content_length counts; the body has so many bytes */
    bool chunked; /* the body has the chunked coding; never with a content_length. Neither: no body
                   */
    bool keep_alive;      /* the connection may go on after this request (RFC 9112 9.3) */
    bool expect_continue; /* the peer waits for 100 (Continue) before it sends the body that it has
                             announced */
    bool upgrade;         /* Upgrade field, and Connection says so: the field tells the protocols */
    bool te_trailers;     /* the peer takes trailers (RFC 9110 10.1.4) */
    uint16_t header_count;
    uint16_t head_len;  /* bytes up to and with the empty line */
    uint16_t error;     /* NX__H1_ERROR: the status to answer with: 400, 414, 417, 431, 501, 505 */
    const char *reason; /* and why; static */
    uint64_t content_length; /* at most INT64_MAX */
};

/* Parses the head at the start of the `len` bytes at `buf`. NX__H1_DONE: `*head` is filled and
 * `headers`, which has room for limits->max_headers, has header_count fields. NX__H1_PARTIAL: call
 * again with more bytes behind the same, and `resume` set to this `len`; it is 0 at first.
 * NX__H1_ERROR: head->error and head->reason say why, and where the next request would begin is
 * unknown. A head gives the same answer however it is cut into pieces: the first mistake in it
 * counts. Time is linear in the bytes, and a head is read anew at most once a line. Reads nothing
 * outside of `buf`. */
enum nx__h1_status nx__h1_parse(const char *buf, size_t len, size_t resume,
                                const struct nx__h1_limits *limits, struct nx__h1_header *headers,
                                struct nx__h1_head *head);

/* The same without vector instructions; for tests that hold the two together (parser_scalar.c, no
 * part of the runtime). */
enum nx__h1_status nx__h1_parse_scalar(const char *buf, size_t len, size_t resume,
                                       const struct nx__h1_limits *limits,
                                       struct nx__h1_header *headers, struct nx__h1_head *head);

/* Parses one field line without its CRLF (a trailer), as strictly. False when it is malformed;
 * offsets are from `line`. */
bool nx__h1_parse_field(const char *line, size_t len, struct nx__h1_header *out);

/* True when the field may not stand in a trailer section: it frames, routes, modifies or
 * authenticates the request, or says what its content is (RFC 9110 6.5.1). */
bool nx__h1_forbidden_trailer(const char *name, size_t len);

/* The first field of that name, whatever its case; NULL if there is none. `base` is what the
 * offsets count from. */
const struct nx__h1_header *nx__h1_find(const struct nx__h1_header *headers, size_t count,
                                        const char *base, const char *name, size_t name_len);

#endif

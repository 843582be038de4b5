/* The HTTP/1.1 request head parser: bytes in, slices out. Pure: no I/O, no clock, no allocation. Strict RFC 9112. */
#ifndef NX__H1_PARSER_H
#define NX__H1_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Caps that hold whatever a caller asks for. */
enum {
    NX__H1_MAX_HEADERS = 256,
    NX__H1_MAX_HEAD = 65535, /* offsets have 16 bits */
    NX__H1_MAX_METHOD = 32,
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
enum nx__target_form { NX__TARGET_ORIGIN, NX__TARGET_ABSOLUTE, NX__TARGET_AUTHORITY, NX__TARGET_ASTERISK };

/* Part of the head, as offset from its first byte. */
struct nx__h1_slice {
    uint16_t off, len;
};

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
    struct nx__h1_slice path;  /* of the target, without the query; empty for authority-form */
    struct nx__h1_slice query; /* behind '?', which is not part of it */
    struct nx__h1_slice host;  /* of the target in absolute-form, else of the Host field */
    enum nx__method method_id;
    enum nx__target_form form;
    uint8_t minor; /* HTTP/1.minor: 0 or 1 */
    bool has_content_length, chunked, keep_alive, expect_continue, upgrade;
    uint16_t header_count;
    uint16_t head_len;  /* bytes up to and with the empty line */
    uint16_t error;     /* NX__H1_ERROR: the status to answer with */
    const char *reason; /* and why; static */
    uint64_t content_length;
};

/* Parses the head at the start of the `len` bytes at `buf`. NX__H1_DONE: `*head` is filled and `headers` has header_count
 * fields. NX__H1_PARTIAL: call again with more bytes behind the same, and `resume` set to this `len`. NX__H1_ERROR:
 * head->error and head->reason say why. Time is linear in the head, however it is cut into pieces: a head is read anew at most once a
 * line. */
enum nx__h1_status nx__h1_parse(const char *buf, size_t len, size_t resume, const struct nx__h1_limits *limits,
                                struct nx__h1_header *headers, struct nx__h1_head *head);

/* The same without vector instructions; for tests that hold the two together. */
enum nx__h1_status nx__h1_parse_scalar(const char *buf, size_t len, size_t resume, const struct nx__h1_limits *limits,
                                       struct nx__h1_header *headers, struct nx__h1_head *head);

/* Parses one field line without its CRLF (a trailer). False when it is malformed; offsets are from `line`. */
bool nx__h1_parse_field(const char *line, size_t len, struct nx__h1_header *out);

/* True when the field may not stand in a trailer section (framing, routing; RFC 9110 6.5.1). */
bool nx__h1_forbidden_trailer(const char *name, size_t len);

/* The first field of that name, whatever its case; NULL if there is none. `base` is what the offsets count from. */
const struct nx__h1_header *nx__h1_find(const struct nx__h1_header *headers, size_t count, const char *base, const char *name,
                                        size_t name_len);

#endif

/* What the parts of the head parser share. parser.c takes what is well-formed, fast; request_line.c
 * and fields.c decide the rest. */
#ifndef NX__H1_PARSE_H
#define NX__H1_PARSE_H

#include "base/compiler.h"
#include "http/h1/parser.h"
#include "http/h1/syntax.h"

/* What has been seen so far. */
enum {
    NX__SEEN_HOST = 1,
    NX__SEEN_LENGTH = 2,
    NX__SEEN_ENCODING = 4,
    NX__SEEN_EXPECT = 8,
    NX__SEEN_UPGRADE = 16,
    NX__SEEN_CLOSE = 32, /* options of Connection from here */
    NX__SEEN_KEEP_ALIVE = 64,
    NX__SEEN_UPGRADE_OPTION = 128,
};

struct nx__parse {
    const char *buf;
    size_t len; /* as far as anybody looks: max_head at most */
    const struct nx__h1_limits *limits;
    struct nx__h1_head *head;
    unsigned seen;
};

static inline struct nx__h1_slice nx__h1_slice(size_t from, size_t to)
{
    return (struct nx__h1_slice){(uint16_t)from, (uint16_t)(to - from)};
}

/* Puts the error into the head. */
NX__COLD enum nx__h1_status nx__h1_fail(const struct nx__parse *parse, int status,
                                        const char *reason);

/* The bytes end before the head does: NX__H1_PARTIAL, or 431 when it has no right to be longer. */
NX__COLD enum nx__h1_status nx__h1_incomplete(const struct nx__parse *parse);

/* ---- request_line.c */

/* Parses the request line at `*at`, byte by byte, and moves `*at` behind it. Takes all that are
 * well-formed. */
NX__COLD enum nx__h1_status nx__h1_request_line(struct nx__parse *parse, size_t *at);

/* Which method it is; methods are case-sensitive (RFC 9110 9.1). */
enum nx__method nx__h1_method(const char *name, size_t len);

/* Is it uri-host [ ":" port ] (RFC 3986 3.2.2, 3.2.3), without userinfo? */
bool nx__h1_valid_host(const char *text, size_t len);

/* ---- fields.c */

/* Says what is wrong with the field line at `at`: NX__H1_ERROR, or that it has no end yet, if all
 * is well so far. */
NX__COLD enum nx__h1_status nx__h1_bad_line(const struct nx__parse *parse, size_t at);

/* What is wrong with the field line at the start of the `len` bytes; NULL if nothing is before they
 * end, or before the line does. For heads of answers too, as the next two. */
NX__COLD const char *nx__h1_line_reason(const char *line, size_t len);

/* One value of digits, at most INT64_MAX: lists, signs and leading zeros are ways to smuggle (RFC
 * 9112 6.3). */
bool nx__h1_parse_length(const char *value, size_t len, uint64_t *out);

/* The next element of a list, without white space round it, and moves `*at` behind its comma. False
 * at the end of the list. */
bool nx__h1_next_element(const char *list, size_t len, size_t *at, const char **element,
                         size_t *element_len);

/* Could the field decide about the message? A filter that is nearly exact: lengths of names are
 * unique among those that do. */
static inline bool nx__h1_may_decide(const char *name, size_t len)
{
    static const char first[32] = {
        [2] = 't', [4] = 'h', [6] = 'e', [7] = 'u', [10] = 'c', [14] = 'c', [17] = 't'};
    return (*name | 0x20) == first[len & 31];
}

/* Takes note of a field that decides about the message. */
enum nx__h1_status nx__h1_field(struct nx__parse *parse, const struct nx__h1_header *field);

/* What the fields mean together, once all are there. */
enum nx__h1_status nx__h1_conclude(const struct nx__parse *parse);

#endif

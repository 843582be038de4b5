/* Holds the head parser to itself: with and without vectors, whole and in pieces, alone and with
 * bytes behind. Used by unit tests and by the fuzzer. */
#ifndef NX_TEST_H1_COMPARE_H
#define NX_TEST_H1_COMPARE_H

#include "http/h1/parser.h"
#include "http/h1/syntax.h"
#include <stdlib.h>
#include <string.h>

struct h1_result {
    enum nx__h1_status status;
    struct nx__h1_head head;
    struct nx__h1_header headers[NX__H1_MAX_HEADERS];
};

typedef enum nx__h1_status h1_parse_fn(const char *buf, size_t len, size_t resume,
                                       const struct nx__h1_limits *limits,
                                       struct nx__h1_header *headers, struct nx__h1_head *head);

/* Parses a copy of exactly `len` bytes, so that a sanitizer sees each byte that is read behind
 * them. */
static inline void h1_parse_with(h1_parse_fn *parse, const char *text, size_t len, size_t resume,
                                 const struct nx__h1_limits *limits, struct h1_result *result)
{
    char *copy = malloc(len ? len : 1);
    if (!copy) abort();
    memcpy(copy, text, len);
    result->head = (struct nx__h1_head){0};
    result->status = parse(copy, len, resume, limits, result->headers, &result->head);
    free(copy);
}

/* Parses the text with more bytes behind it. */
static inline void h1_parse_behind(const char *text, size_t len, const char *more, size_t more_len,
                                   size_t resume, const struct nx__h1_limits *limits,
                                   struct h1_result *result)
{
    char *both = malloc(len + more_len);
    if (!both) abort();
    memcpy(both, text, len);
    memcpy(both + len, more, more_len);
    h1_parse_with(nx__h1_parse, both, len + more_len, resume, limits, result);
    free(both);
}

static inline bool h1_slice_eq(struct nx__h1_slice a, struct nx__h1_slice b)
{
    return a.off == b.off && a.len == b.len;
}

static inline bool h1_result_eq(const struct h1_result *a, const struct h1_result *b)
{
    const struct nx__h1_head *x = &a->head, *y = &b->head;
    if (a->status != b->status) return false;
    if (a->status == NX__H1_PARTIAL) return true;
    if (a->status == NX__H1_ERROR) return x->error == y->error && strcmp(x->reason, y->reason) == 0;
    return h1_slice_eq(x->method, y->method) && h1_slice_eq(x->target, y->target) &&
           h1_slice_eq(x->path, y->path) && h1_slice_eq(x->query, y->query) &&
           h1_slice_eq(x->host, y->host) && x->method_id == y->method_id && x->form == y->form &&
           x->minor == y->minor && x->has_query == y->has_query &&
           x->has_content_length == y->has_content_length && x->chunked == y->chunked &&
           x->keep_alive == y->keep_alive && x->expect_continue == y->expect_continue &&
           x->upgrade == y->upgrade && x->te_trailers == y->te_trailers &&
           x->header_count == y->header_count && x->head_len == y->head_len &&
           x->content_length == y->content_length &&
           memcmp(a->headers, b->headers, x->header_count * sizeof *a->headers) == 0;
}

static inline bool h1_inside(uint16_t off, uint16_t len, size_t from, size_t to)
{
    return off >= from && (size_t)off + len <= to;
}

/* What holds for every head that is taken, whatever the parser did to take it; NULL or what
 * doesn't. */
static inline const char *h1_invariants(const char *text, size_t len,
                                        const struct nx__h1_limits *limits,
                                        const struct h1_result *result)
{
    const struct nx__h1_head *h = &result->head;
    size_t end = h->head_len;
    if (end > len || end > limits->max_head || h->header_count > limits->max_headers)
        return "a cap";
    if (h->target.len == 0 || h->target.len > limits->max_target) return "length of the target";
    if (end < 16 || memcmp(text + end - 4, "\r\n\r\n", 4) != 0) return "end of the head";
    size_t lines = 0, start = text[0] == '\r' ? 2 : 0;
    for (size_t i = start; i < end; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\r' && text[i + 1] != '\n') return "CR without LF";
        if (c == '\n' && text[i - 1] != '\r') return "LF without CR";
        if (c == '\n') lines++;
        if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f)
            return "a control character";
    }
    if (lines != h->header_count + 2u) return "number of lines";
    if (h->method.off != start || h->target.off != h->method.off + h->method.len + 1)
        return "the request line";
    if (h->form == NX__TARGET_ORIGIN &&
        (h->path.off != h->target.off || text[h->path.off] != '/' ||
         h->path.len + h->has_query + h->query.len != h->target.len))
        return "path and query";
    if (!h1_inside(h->path.off, h->path.len, 0, end) ||
        !h1_inside(h->query.off, h->query.len, 0, end) ||
        !h1_inside(h->host.off, h->host.len, 0, end))
        return "a slice outside of the head";
    if (h->minor == 1 && h->host.len == 0) return "HTTP/1.1 without a host";
    if (h->chunked && (h->has_content_length || h->minor == 0)) return "framing";
    if (h->content_length && !h->has_content_length) return "content-length";
    size_t at = (size_t)h->target.off + h->target.len + sizeof " HTTP/1.1\r\n" - 1;
    for (size_t i = 0; i < h->header_count; i++) {
        const struct nx__h1_header *f = &result->headers[i];
        if (f->name_off != at || f->name_len == 0 || text[at + f->name_len] != ':')
            return "a field's name";
        for (size_t k = 0; k < f->name_len; k++)
            if (!nx__h1_is(text[at + k], NX__H1_TOKEN)) return "a byte of a field's name";
        const char *eol = memchr(text + at, '\r', end - at);
        if (!h1_inside(f->value_off, f->value_len, at + f->name_len + 1, (size_t)(eol - text)))
            return "a field's value";
        if (f->value_len && (strchr(" \t", text[f->value_off]) ||
                             strchr(" \t", text[f->value_off + f->value_len - 1])))
            return "white space round a value";
        at = (size_t)(eol - text) + 2;
    }
    return at + 2 == end ? NULL : "the end of the fields";
}

/* Parses the text in every way that must give the same answer, which goes into `*whole`.
 * `every_cut` tries each length before `len`, in time that grows with its square. NULL, or which
 * way differs. */
static inline const char *h1_compare(const char *text, size_t len, bool every_cut,
                                     const struct nx__h1_limits *limits, struct h1_result *whole)
{
    static struct h1_result other, prefix;
    h1_parse_with(nx__h1_parse, text, len, 0, limits, whole);
    h1_parse_with(nx__h1_parse_scalar, text, len, 0, limits, &other);
    if (!h1_result_eq(whole, &other)) return "the scalar twin differs";
    if (whole->status == NX__H1_DONE) {
        const char *broken = h1_invariants(text, len, limits, whole);
        if (broken) return broken;
    }
    if (whole->status != NX__H1_PARTIAL) {
        /* What comes behind a head is not looked at. */
        static const char more[80] = {1, 2, 3};
        h1_parse_behind(text, whole->status == NX__H1_DONE ? whole->head.head_len : len, more,
                        sizeof more, 0, limits, &other);
        if (!h1_result_eq(whole, &other)) return "bytes behind change the answer";
    }
    if (!every_cut) return NULL;
    bool decided[2] = {false, false};
    h1_parse_fn *const parsers[2] = {nx__h1_parse, nx__h1_parse_scalar};
    for (size_t cut = 0; cut < len; cut++) {
        bool complete = whole->status == NX__H1_DONE && cut >= whole->head.head_len;
        h1_parse_with(nx__h1_parse, text, cut, 0, limits, &prefix);
        if (prefix.status != NX__H1_PARTIAL && !h1_result_eq(whole, &prefix))
            return "a prefix has another answer";
        if (complete && prefix.status != NX__H1_DONE) return "a whole head is not seen";
        /* In two pieces. */
        if (prefix.status == NX__H1_PARTIAL && cut) {
            h1_parse_with(nx__h1_parse, text, len, cut, limits, &other);
            /* A mistake may be told as late as at the end of the line. */
            if (other.status == NX__H1_PARTIAL && whole->status == NX__H1_ERROR)
                h1_parse_behind(text, len, "\n", 1, len, limits, &other);
            if (!h1_result_eq(whole, &other)) return "two pieces differ from the whole";
        }
        /* Byte by byte. */
        for (int k = 0; k < 2 && cut; k++) {
            if (decided[k]) continue;
            h1_parse_with(parsers[k], text, cut, cut - 1, limits, &other);
            decided[k] = other.status != NX__H1_PARTIAL;
            if (decided[k] && !h1_result_eq(whole, &other))
                return "byte by byte differs from the whole";
            if (complete && !decided[k]) return "byte by byte misses the end";
        }
    }
    return NULL;
}

#endif

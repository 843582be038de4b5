/* Fuzzes the heads of answers: whole and byte by byte they give one result, but that a mistake in a
 * line may be told at its end only; and what is taken out lies in the head. */
#include "http/client/answer.h"
#include "http/h1/syntax.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good) abort();
}

enum { HEADERS = 16, CUT_MOST = 256 };

struct result {
    enum nx__h1_status status;
    struct nx__answer_head head;
    struct nx__h1_header headers[HEADERS];
};

static void parse(struct result *r, const char *text, size_t len, size_t resume,
                  const struct nx__h1_limits *limits)
{
    char *copy = malloc(len ? len : 1); /* ends where the bytes do */
    if (!copy) abort();
    if (len) memcpy(copy, text, len);
    r->status = nx__answer_parse(copy, len, resume, limits, r->headers, &r->head);
    if (r->status == NX__H1_DONE) {
        check(r->head.head_len <= len && r->head.header_count <= limits->max_headers);
        check(!memcmp(copy + r->head.head_len - 2, "\r\n", 2));
        check(r->head.status >= 100 && r->head.status <= 999);
        check(!(r->head.chunked && r->head.has_length));
        check(r->head.length <= INT64_MAX);
        for (size_t i = 0; i < r->head.header_count; i++) {
            const struct nx__h1_header *h = &r->headers[i];
            check(h->name_len && h->value_off + h->value_len <= r->head.head_len);
            for (size_t k = 0; k < h->name_len; k++)
                check(nx__h1_is(copy[h->name_off + k], NX__H1_TOKEN));
            for (size_t k = 0; k < h->value_len; k++)
                check(nx__h1_is(copy[h->value_off + k], NX__H1_VALUE));
        }
    } else if (r->status == NX__H1_ERROR) {
        check(r->head.reason != NULL);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct nx__h1_limits limits[] = {
        {.max_headers = HEADERS, .max_head = 4096},
        {.max_headers = 2, .max_head = 80},
    };
    static struct result whole, piece;
    const char *text = (const char *)data;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        parse(&whole, text, size, 0, &limits[i]);
        size_t resume = 0;
        for (size_t len = size <= CUT_MOST ? 1 : size; len <= size; len++) {
            parse(&piece, text, len, resume, &limits[i]);
            if (piece.status != NX__H1_PARTIAL) break;
            resume = len;
        }
        if (!size) continue;
        if (whole.status == NX__H1_ERROR && piece.status == NX__H1_PARTIAL) continue;
        check(piece.status == whole.status);
        if (whole.status == NX__H1_DONE) check(piece.head.head_len == whole.head.head_len);
        if (whole.status == NX__H1_ERROR) check(piece.head.reason == whole.head.reason);
    }
    return 0;
}

/* The head of an HTTP/1.1 answer. */
#include "http/client/answer.h"

#include "http/h1/parse.h"
#include "http/h1/scan.h"

struct reading {
    const char *buf;
    size_t len; /* as far as anybody looks */
    struct nx__answer_head *head;
    unsigned seen;
};

static NX__COLD enum nx__h1_status fail(const struct reading *r, const char *reason)
{
    r->head->reason = reason;
    return NX__H1_ERROR;
}

static enum nx__h1_status incomplete(const struct reading *r, const struct nx__h1_limits *limits)
{
    if (r->len < limits->max_head && r->len < NX__H1_MAX_HEAD) return NX__H1_PARTIAL;
    return fail(r, "the head is too large");
}

/* Something else is refused before its line ends, which it may never do. */
static const char version[] = "HTTP/1.";

/* "HTTP/1.1 200 OK"; servers leave out the space where they have nothing to say. */
static enum nx__h1_status status_line(struct reading *r, struct nx__scan *scan,
                                      const struct nx__h1_limits *limits, size_t *at)
{
    enum { VERSION = sizeof "HTTP/1.1" - 1, SHORTEST = sizeof "HTTP/1.1 200" - 1 };
    const char *buf = r->buf;
    size_t known = r->len < sizeof version - 1 ? r->len : sizeof version - 1;
    if (memcmp(buf, version, known) != 0) return fail(r, "it is no HTTP/1.1 or HTTP/1.0");
    size_t eol = nx__scan_control(scan, 0);
    if (eol + 1 >= r->len && (eol == r->len || buf[eol] == '\r')) return incomplete(r, limits);
    if (buf[eol] != '\r' || buf[eol + 1] != '\n')
        return fail(r, "control character in the status line");
    if (eol < SHORTEST || (buf[VERSION - 1] != '0' && buf[VERSION - 1] != '1') ||
        buf[VERSION] != ' ')
        return fail(r, "bad status line");
    const char *code = buf + VERSION + 1;
    if (code[0] < '1' || code[0] > '9' || !nx__h1_is_digit(code[1]) || !nx__h1_is_digit(code[2]) ||
        (eol > SHORTEST && code[3] != ' '))
        return fail(r, "bad status");
    r->head->minor = (uint8_t)(buf[VERSION - 1] - '0');
    r->head->status = (uint16_t)((code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0'));
    r->head->text = nx__h1_slice(eol > SHORTEST ? SHORTEST + 1 : eol, eol);
    *at = eol + 2;
    return NX__H1_DONE;
}

/* ---- Fields that decide where the message ends */

static enum nx__h1_status content_length(struct reading *r, const char *value, size_t len)
{
    if (r->seen & NX__SEEN_LENGTH) return fail(r, "more than one Content-Length");
    r->seen |= NX__SEEN_LENGTH;
    if (!nx__h1_parse_length(value, len, &r->head->length)) return fail(r, "bad Content-Length");
    r->head->has_length = true;
    return NX__H1_DONE;
}

static enum nx__h1_status transfer_encoding(struct reading *r, const char *value, size_t len)
{
    if (r->seen & NX__SEEN_ENCODING) return fail(r, "more than one Transfer-Encoding");
    r->seen |= NX__SEEN_ENCODING;
    if (!NX__ASCII_IS(value, len, "chunked")) return fail(r, "Transfer-Encoding but chunked");
    r->head->chunked = true;
    return NX__H1_DONE;
}

static void connection(struct reading *r, const char *value, size_t len)
{
    size_t at = 0, option_len;
    const char *option;
    while (nx__h1_next_element(value, len, &at, &option, &option_len)) {
        if (NX__ASCII_IS(option, option_len, "close")) r->seen |= NX__SEEN_CLOSE;
        if (NX__ASCII_IS(option, option_len, "keep-alive")) r->seen |= NX__SEEN_KEEP_ALIVE;
        if (NX__ASCII_IS(option, option_len, "upgrade")) r->seen |= NX__SEEN_UPGRADE_OPTION;
    }
}

static enum nx__h1_status field_read(struct reading *r, const struct nx__h1_header *field)
{
    const char *name = r->buf + field->name_off, *value = r->buf + field->value_off;
    size_t len = field->name_len, value_len = field->value_len;
    switch (len) {
    case 7:
        if (NX__ASCII_IS(name, len, "upgrade")) r->seen |= NX__SEEN_UPGRADE;
        break;
    case 10:
        if (NX__ASCII_IS(name, len, "connection")) connection(r, value, value_len);
        break;
    case 14:
        if (NX__ASCII_IS(name, len, "content-length")) return content_length(r, value, value_len);
        break;
    case 17:
        if (NX__ASCII_IS(name, len, "transfer-encoding"))
            return transfer_encoding(r, value, value_len);
        break;
    default: break;
    }
    return NX__H1_DONE;
}

static enum nx__h1_status fields(struct reading *r, struct nx__scan *scan,
                                 const struct nx__h1_limits *limits, struct nx__h1_header *headers,
                                 size_t *at)
{
    const char *buf = r->buf;
    size_t line = *at;
    uint32_t count = 0, most = limits->max_headers;
    if (most > NX__H1_MAX_HEADERS) most = NX__H1_MAX_HEADERS;
    for (;;) {
        size_t eol = nx__scan_control(scan, line);
        size_t colon = nx__scan_label(buf, line, r->len);
        while (colon < r->len && buf[colon] != ':' && nx__h1_is(buf[colon], NX__H1_TOKEN)) colon++;
        if (nx__unlikely(r->len - eol < 2 || buf[eol] != '\r' || buf[eol + 1] != '\n' ||
                         (eol != line && (colon == line || colon > eol || buf[colon] != ':')))) {
            const char *reason = nx__h1_line_reason(buf + line, r->len - line);
            return reason ? fail(r, reason) : incomplete(r, limits);
        }
        if (eol == line) break;
        size_t value = colon + 1, end = eol;
        while (nx__h1_is(buf[value], NX__H1_BLANK)) value++;
        while (end > value && nx__h1_is(buf[end - 1], NX__H1_BLANK)) end--;
        if (nx__unlikely(count == most)) return fail(r, "too many header fields");
        struct nx__h1_header *field = &headers[count++];
        *field = (struct nx__h1_header){(uint16_t)line, (uint16_t)(colon - line), (uint16_t)value,
                                        (uint16_t)(end - value)};
        enum nx__h1_status status = field_read(r, field);
        if (nx__unlikely(status != NX__H1_DONE)) return status;
        line = eol + 2;
    }
    r->head->header_count = (uint16_t)count;
    *at = line + 2;
    return NX__H1_DONE;
}

enum nx__h1_status nx__answer_parse(const char *buf, size_t len, size_t resume,
                                    const struct nx__h1_limits *limits,
                                    struct nx__h1_header *headers, struct nx__answer_head *head)
{
    size_t most = limits->max_head < NX__H1_MAX_HEAD ? limits->max_head : NX__H1_MAX_HEAD;
    *head = (struct nx__answer_head){0};
    if (!len) return NX__H1_PARTIAL;
    if (resume >= sizeof version - 1 && len < most && !nx__scan_news(buf, len, resume))
        return NX__H1_PARTIAL;
    struct reading r = {.buf = buf, .len = len < most ? len : most, .head = head};
    struct nx__scan scan;
    nx__scan_init(&scan, buf, r.len);
    size_t at = 0;
    enum nx__h1_status status = status_line(&r, &scan, limits, &at);
    if (status == NX__H1_DONE) status = fields(&r, &scan, limits, headers, &at);
    if (status != NX__H1_DONE) return status;
    head->head_len = (uint16_t)at;
    if (head->chunked && head->has_length)
        return fail(&r, "both Content-Length and Transfer-Encoding");
    if (head->chunked && head->minor == 0) return fail(&r, "Transfer-Encoding in HTTP/1.0");
    head->keep_alive =
        head->minor ? !(r.seen & NX__SEEN_CLOSE)
                    : (r.seen & (NX__SEEN_KEEP_ALIVE | NX__SEEN_CLOSE)) == NX__SEEN_KEEP_ALIVE;
    const unsigned upgrade = NX__SEEN_UPGRADE | NX__SEEN_UPGRADE_OPTION;
    head->upgrade = (r.seen & upgrade) == upgrade;
    return NX__H1_DONE;
}

enum nx__answer_body nx__answer_body(const struct nx__answer_head *head, bool to_head,
                                     bool to_connect)
{
    if (head->status == 101 || (to_connect && head->status / 100 == 2)) return NX__ANSWER_TUNNEL;
    if (to_head || head->status / 100 == 1 || head->status == 204 || head->status == 304)
        return NX__ANSWER_EMPTY;
    if (head->chunked) return NX__ANSWER_CHUNKED;
    if (head->has_length) return head->length ? NX__ANSWER_LENGTH : NX__ANSWER_EMPTY;
    return NX__ANSWER_CLOSE;
}

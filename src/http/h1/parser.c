/* The HTTP/1.1 request head parser: the way of what is well-formed. What isn't, or is rare, is left
 * to request_line.c and fields.c. */
#include "http/h1/parse.h"
#include "http/h1/scan.h"

static inline bool is(const char *p, const char *text, size_t len)
{
    return memcmp(p, text, len) == 0;
}

/* The usual methods, with their space; 8 bytes can be read. The length, or 0. */
static inline size_t usual_method(const char *p, enum nx__method *method)
{
    if (nx__likely(is(p, "GET ", 4))) return *method = NX__METHOD_GET, 3;
    if (is(p, "POST ", 5)) return *method = NX__METHOD_POST, 4;
    if (is(p, "PUT ", 4)) return *method = NX__METHOD_PUT, 3;
    if (is(p, "HEAD ", 5)) return *method = NX__METHOD_HEAD, 4;
    if (is(p, "DELETE ", 7)) return *method = NX__METHOD_DELETE, 6;
    if (is(p, "PATCH ", 6)) return *method = NX__METHOD_PATCH, 5;
    return 0;
}

/* Takes a request line of a usual method with a target in origin-form, and returns the offset
 * behind it; 0 if it is something else. */
static NX__INLINE size_t usual_request_line(const struct nx__parse *parse, struct nx__scan *scan,
                                            size_t at)
{
    enum { SHORTEST = sizeof "GET / HTTP/1.1" - 1, VERSION = sizeof " HTTP/1.1" - 1 };
    const char *buf = parse->buf;
    struct nx__h1_head *head = parse->head;
    size_t eol = nx__scan_control(scan, at);
    if (nx__unlikely(parse->len - eol < 2 || eol - at < SHORTEST || !is(buf + eol, "\r\n", 2)))
        return 0;
    size_t end = eol - VERSION;
    if (nx__likely(is(buf + end + 1, "HTTP/1.1", 8)))
        head->minor = 1;
    else if (!is(buf + end + 1, "HTTP/1.0", 8))
        return 0;

    size_t method_len = usual_method(buf + at, &head->method_id);
    size_t target = at + method_len + 1;
    if (nx__unlikely(!method_len || buf[target] != '/')) return 0;
    size_t path_end = nx__scan_plain(buf, target, parse->len), p = path_end;
    if (buf[p] == '?' && p < end) {
        do p = nx__scan_plain(buf, p + 1, parse->len);
        while (nx__h1_is(buf[p], NX__H1_TARGET) && p < end);
        head->has_query = true;
        head->query = nx__h1_slice(path_end + 1, p);
    }
    if (nx__unlikely(p != end || buf[p] != ' ' || end - target > parse->limits->max_target))
        return 0;
    head->method = nx__h1_slice(at, target - 1);
    head->target = nx__h1_slice(target, end);
    head->path = nx__h1_slice(target, path_end);
    return eol + 2;
}

/* Are the `len` bytes before `end` a port below 60000? Eight bytes can be read there. */
static inline bool is_port(const char *end, size_t len)
{
    if (len > 5 || (len == 5 && end[-5] > '5')) return false;
    uint64_t word, ones = UINT64_MAX / 255;
    memcpy(&word, end - 8, 8);
    /* Digits come out as zero: 0x30 to 0x39 is what has this high half before and after 6 more. */
    word = (word ^ ones * '0') | ((word + ones * 6) ^ ones * '0');
    return len == 0 || !((word & ones * 0xf0) >> (64 - 8 * len));
}

/* Is it a host of letters, digits, "-" and ".", maybe with a port below 60000? */
static inline bool is_usual_host(const char *buf, size_t at, size_t end, size_t len)
{
    size_t p = nx__scan_label(buf, at, len);
    if (nx__unlikely(p > end || p == at)) return false;
    if (p == end) return true;
    return buf[p] == ':' && is_port(buf + end, end - p - 1);
}

/* Takes the field lines and the empty one; `*at` moves behind it. */
static inline enum nx__h1_status fields(struct nx__parse *parse, struct nx__scan *scan,
                                        struct nx__h1_header *headers, size_t *at)
{
    const char *buf = parse->buf;
    size_t len = parse->len, line = *at;
    uint32_t count = 0, most = parse->limits->max_headers;
    if (most > NX__H1_MAX_HEADERS) most = NX__H1_MAX_HEADERS;
    for (;;) {
        size_t eol = nx__scan_control(scan, line);
        if (nx__unlikely(len - eol < 2 || !is(buf + eol, "\r\n", 2)))
            return nx__h1_bad_line(parse, line);
        if (eol == line) break;

        /* CR is in none of the classes, so nothing below runs past the line. */
        size_t colon = nx__scan_label(buf, line, len);
        while (nx__unlikely(buf[colon] != ':')) {
            if (!nx__h1_is(buf[colon], NX__H1_TOKEN)) return nx__h1_bad_line(parse, line);
            colon++;
        }
        if (nx__unlikely(colon == line)) return nx__h1_bad_line(parse, line);
        size_t value = colon + 1, end = eol;
        while (nx__h1_is(buf[value], NX__H1_BLANK)) value++;
        while (end > value && nx__unlikely(nx__h1_is(buf[end - 1], NX__H1_BLANK))) end--;

        if (nx__unlikely(count == most)) return nx__h1_fail(parse, 431, "too many header fields");
        struct nx__h1_header *field = &headers[count++];
        *field = (struct nx__h1_header){(uint16_t)line, (uint16_t)(colon - line), (uint16_t)value,
                                        (uint16_t)(end - value)};
        if (nx__h1_may_decide(buf + line, colon - line)) {
            if (NX__ASCII_IS(buf + line, colon - line, "host") &&
                nx__likely(!(parse->seen & NX__SEEN_HOST)) && is_usual_host(buf, value, end, len)) {
                parse->seen |= NX__SEEN_HOST;
                if (nx__likely(!parse->head->host.len))
                    parse->head->host = nx__h1_slice(value, end);
                line = eol + 2;
                continue;
            }
            enum nx__h1_status status = nx__h1_field(parse, field);
            if (nx__unlikely(status != NX__H1_DONE)) return status;
        }
        line = eol + 2;
    }
    parse->head->header_count = (uint16_t)count;
    *at = line + 2;
    return NX__H1_DONE;
}

enum nx__h1_status nx__h1_parse(const char *buf, size_t len, size_t resume,
                                const struct nx__h1_limits *limits, struct nx__h1_header *headers,
                                struct nx__h1_head *head)
{
    size_t most = limits->max_head < NX__H1_MAX_HEAD ? limits->max_head : NX__H1_MAX_HEAD;
    if (nx__unlikely(resume && len < most && !nx__scan_news(buf, len, resume)))
        return NX__H1_PARTIAL;
    *head = (struct nx__h1_head){0};
    struct nx__parse parse = {
        .buf = buf, .len = len < most ? len : most, .limits = limits, .head = head};
    struct nx__scan scan;
    nx__scan_init(&scan, buf, parse.len);

    size_t at = 0;
    /* One empty line before is forgiven (RFC 9112 2.2). */
    if (nx__unlikely(parse.len >= 2 && is(buf, "\r\n", 2))) at = 2;
    size_t behind = usual_request_line(&parse, &scan, at);
    enum nx__h1_status status;
    if (nx__likely(behind)) {
        at = behind;
    } else {
        *head = (struct nx__h1_head){0};
        status = nx__h1_request_line(&parse, &at);
        if (status != NX__H1_DONE) return status;
    }
    status = fields(&parse, &scan, headers, &at);
    if (nx__unlikely(status != NX__H1_DONE)) return status;
    head->head_len = (uint16_t)at;
    if (nx__likely(head->minor == 1 &&
                   (parse.seen & ~(unsigned)NX__SEEN_KEEP_ALIVE) == NX__SEEN_HOST)) {
        head->keep_alive = true;
        return NX__H1_DONE;
    }
    return nx__h1_conclude(&parse);
}

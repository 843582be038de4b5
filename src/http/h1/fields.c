/* Field lines: what is wrong with a bad one, and what those that frame, route and steer the request
 * say (RFC 9112 6, 9). */
#include "http/h1/parse.h"

enum nx__h1_status nx__h1_fail(const struct nx__parse *parse, int status, const char *reason)
{
    parse->head->error = (uint16_t)status;
    parse->head->reason = reason;
    return NX__H1_ERROR;
}

enum nx__h1_status nx__h1_incomplete(const struct nx__parse *parse)
{
    if (parse->len < parse->limits->max_head && parse->len < NX__H1_MAX_HEAD) return NX__H1_PARTIAL;
    return nx__h1_fail(parse, 431, "the request head is too large");
}

/* ---- Lines */

static const char bare_cr[] = "CR without LF";
static const char bare_lf[] = "LF without CR";

/* What is wrong with the name, up to and with its colon, at the start of the line; NULL if nothing
 * is. `*colon` becomes its offset, or `len` if the line ends too early to tell. */
static const char *bad_name(const char *line, size_t len, size_t *colon)
{
    size_t p = 0;
    while (p < len && nx__h1_is(line[p], NX__H1_TOKEN)) p++;
    *colon = p;
    if (p == len || (line[p] == ':' && p > 0)) return NULL;
    if (line[p] == ':') return "empty header name";
    if (nx__h1_is(line[p], NX__H1_BLANK))
        return p ? "white space in a header name or before its colon"
                 : "header line that begins with white space";
    if (line[p] == '\n') return bare_lf;
    if (line[p] != '\r') return "bad character in a header name";
    if (p + 1 < len) return line[p + 1] == '\n' ? "header line without a colon" : bare_cr;
    *colon = len;
    return NULL;
}

/* What is wrong with the value; NULL if nothing is before `len`, where the bytes end, or before the
 * line does. */
static const char *bad_value(const char *line, size_t len, size_t p)
{
    while (p < len && nx__h1_is(line[p], NX__H1_VALUE)) p++;
    if (p == len) return NULL;
    if (line[p] == '\n') return bare_lf;
    if (line[p] != '\r') return "control character in a header";
    return p + 1 == len || line[p + 1] == '\n' ? NULL : bare_cr;
}

const char *nx__h1_line_reason(const char *line, size_t len)
{
    size_t colon;
    const char *reason = bad_name(line, len, &colon);
    return reason ? reason : bad_value(line, len, colon);
}

enum nx__h1_status nx__h1_bad_line(const struct nx__parse *parse, size_t at)
{
    const char *reason = nx__h1_line_reason(parse->buf + at, parse->len - at);
    return reason ? nx__h1_fail(parse, 400, reason) : nx__h1_incomplete(parse);
}

bool nx__h1_parse_field(const char *line, size_t len, struct nx__h1_header *out)
{
    size_t colon, end = len;
    if (len > NX__H1_MAX_HEAD || bad_name(line, len, &colon) || colon == len) return false;
    size_t value = colon + 1;
    for (size_t p = value; p < end; p++)
        if (!nx__h1_is(line[p], NX__H1_VALUE)) return false;
    while (value < end && nx__h1_is(line[value], NX__H1_BLANK)) value++;
    while (end > value && nx__h1_is(line[end - 1], NX__H1_BLANK)) end--;
    *out = (struct nx__h1_header){0, (uint16_t)colon, (uint16_t)value, (uint16_t)(end - value)};
    return true;
}

/* ---- Fields that decide about the message. Each gets its value without white space round it. */

static enum nx__h1_status host(struct nx__parse *parse, size_t at, const char *value, size_t len)
{
    if (parse->seen & NX__SEEN_HOST) return nx__h1_fail(parse, 400, "more than one Host");
    parse->seen |= NX__SEEN_HOST;
    if (!nx__h1_valid_host(value, len)) return nx__h1_fail(parse, 400, "bad Host");
    /* What the target says goes before (RFC 9112 3.2.2). */
    if (!parse->head->host.len) parse->head->host = nx__h1_slice(at, at + len);
    return NX__H1_DONE;
}

bool nx__h1_parse_length(const char *value, size_t len, uint64_t *out)
{
    uint64_t number = 0;
    bool good = len > 0 && len <= 19 && !(len > 1 && *value == '0'); /* 19 digits can't overflow */
    for (size_t i = 0; good && i < len; i++) {
        good = nx__h1_is_digit(value[i]);
        number = number * 10 + (uint64_t)(value[i] - '0');
    }
    *out = number;
    return good && number <= INT64_MAX;
}

static enum nx__h1_status content_length(struct nx__parse *parse, const char *value, size_t len)
{
    uint64_t number;
    if (parse->seen & NX__SEEN_LENGTH)
        return nx__h1_fail(parse, 400, "more than one Content-Length");
    parse->seen |= NX__SEEN_LENGTH;
    if (!nx__h1_parse_length(value, len, &number))
        return nx__h1_fail(parse, 400, "bad Content-Length");
    parse->head->has_content_length = true;
    parse->head->content_length = number;
    return NX__H1_DONE;
}

bool nx__h1_next_element(const char *list, size_t len, size_t *at, const char **element,
                         size_t *element_len)
{
    size_t p = *at, end;
    if (p > len) return false;
    while (p < len && nx__h1_is(list[p], NX__H1_BLANK)) p++;
    for (end = p; end < len && list[end] != ',';) end++;
    *at = end + 1;
    while (end > p && nx__h1_is(list[end - 1], NX__H1_BLANK)) end--;
    *element = list + p;
    *element_len = end - p;
    return true;
}

static bool is_token(const char *text, size_t len)
{
    size_t p = 0;
    while (p < len && nx__h1_is(text[p], NX__H1_TOKEN)) p++;
    return len > 0 && p == len;
}

/* "chunked" alone. Where something else comes last, the length of the body is unknown (RFC
 * 9112 6.3); where it comes last behind another coding, only that one is not served here. */
static enum nx__h1_status transfer_encoding(struct nx__parse *parse, const char *value, size_t len)
{
    if (parse->seen & NX__SEEN_ENCODING)
        return nx__h1_fail(parse, 400, "more than one Transfer-Encoding");
    parse->seen |= NX__SEEN_ENCODING;
    if (NX__ASCII_IS(value, len, "chunked")) {
        parse->head->chunked = true;
        return NX__H1_DONE;
    }
    size_t at = 0, coding_len;
    const char *coding;
    bool chunked = false;
    while (nx__h1_next_element(value, len, &at, &coding, &coding_len)) {
        if (!is_token(coding, coding_len)) return nx__h1_fail(parse, 400, "bad Transfer-Encoding");
        if (chunked)
            return nx__h1_fail(parse, 400, "Transfer-Encoding with chunked before another coding");
        chunked = NX__ASCII_IS(coding, coding_len, "chunked");
    }
    if (!chunked) return nx__h1_fail(parse, 400, "Transfer-Encoding that does not end in chunked");
    return nx__h1_fail(parse, 501, "only chunked is served as Transfer-Encoding");
}

static enum nx__h1_status connection(struct nx__parse *parse, const char *value, size_t len)
{
    size_t at = 0, option_len;
    const char *option;
    while (nx__h1_next_element(value, len, &at, &option, &option_len)) {
        if (!option_len) continue; /* RFC 9110 5.6.1.2 */
        if (!is_token(option, option_len)) return nx__h1_fail(parse, 400, "bad Connection");
        if (NX__ASCII_IS(option, option_len, "close")) parse->seen |= NX__SEEN_CLOSE;
        if (NX__ASCII_IS(option, option_len, "keep-alive")) parse->seen |= NX__SEEN_KEEP_ALIVE;
        if (NX__ASCII_IS(option, option_len, "upgrade")) parse->seen |= NX__SEEN_UPGRADE_OPTION;
    }
    return NX__H1_DONE;
}

static enum nx__h1_status expect(struct nx__parse *parse, const char *value, size_t len)
{
    if (!NX__ASCII_IS(value, len, "100-continue"))
        return nx__h1_fail(parse, 417, "only 100-continue can be expected");
    parse->seen |= NX__SEEN_EXPECT;
    return NX__H1_DONE;
}

static void te(struct nx__parse *parse, const char *value, size_t len)
{
    size_t at = 0, element_len;
    const char *element;
    while (nx__h1_next_element(value, len, &at, &element, &element_len))
        if (NX__ASCII_IS(element, element_len, "trailers")) parse->head->te_trailers = true;
}

enum nx__h1_status nx__h1_field(struct nx__parse *parse, const struct nx__h1_header *field)
{
    const char *name = parse->buf + field->name_off, *value = parse->buf + field->value_off;
    size_t len = field->name_len, value_len = field->value_len;
    if (NX__ASCII_IS(name, len, "host")) return host(parse, field->value_off, value, value_len);
    if (NX__ASCII_IS(name, len, "connection")) return connection(parse, value, value_len);
    if (NX__ASCII_IS(name, len, "content-length")) return content_length(parse, value, value_len);
    if (NX__ASCII_IS(name, len, "transfer-encoding"))
        return transfer_encoding(parse, value, value_len);
    if (NX__ASCII_IS(name, len, "expect")) return expect(parse, value, value_len);
    if (NX__ASCII_IS(name, len, "upgrade")) parse->seen |= NX__SEEN_UPGRADE;
    if (NX__ASCII_IS(name, len, "te")) te(parse, value, value_len);
    return NX__H1_DONE;
}

enum nx__h1_status nx__h1_conclude(const struct nx__parse *parse)
{
    struct nx__h1_head *head = parse->head;
    const unsigned seen = parse->seen, upgrade = NX__SEEN_UPGRADE | NX__SEEN_UPGRADE_OPTION;
    bool body = head->chunked || head->content_length > 0;
    if (nx__unlikely(body)) {
        if (head->chunked && head->has_content_length)
            return nx__h1_fail(parse, 400, "both Content-Length and Transfer-Encoding");
        if (head->chunked && head->minor == 0)
            return nx__h1_fail(parse, 400, "Transfer-Encoding in HTTP/1.0");
        /* Neither has content (RFC 9110 9.3.6, 9.3.8), and who thinks so takes the body for the
         * next request. */
        if (head->method_id == NX__METHOD_TRACE || head->method_id == NX__METHOD_CONNECT)
            return nx__h1_fail(parse, 400, "a body where the method has none");
    }
    if (nx__unlikely(head->minor == 0)) {
        /* Neither expectations nor upgrades (RFC 9110 7.8, 10.1.1). */
        head->keep_alive = (seen & (NX__SEEN_KEEP_ALIVE | NX__SEEN_CLOSE)) == NX__SEEN_KEEP_ALIVE;
        return NX__H1_DONE;
    }
    if (!(seen & NX__SEEN_HOST)) return nx__h1_fail(parse, 400, "no Host");
    head->keep_alive = !(seen & NX__SEEN_CLOSE);
    head->expect_continue = body && (seen & NX__SEEN_EXPECT);
    head->upgrade = (seen & upgrade) == upgrade;
    return NX__H1_DONE;
}

/* ---- Fields by name */

bool nx__h1_forbidden_trailer(const char *name, size_t len)
{
    static const struct {
        uint8_t len;
        char name[20];
    } forbidden[] = {
#define NAME(text) {sizeof(text) - 1, text}
        NAME("transfer-encoding"),
        NAME("content-length"),
        NAME("host"),
        NAME("connection"),
        NAME("keep-alive"),
        NAME("proxy-connection"),
        NAME("upgrade"),
        NAME("te"),
        NAME("trailer"),
        NAME("expect"),
        NAME("max-forwards"),
        NAME("cache-control"),
        NAME("pragma"),
        NAME("range"),
        NAME("if-match"),
        NAME("if-none-match"),
        NAME("if-modified-since"),
        NAME("if-unmodified-since"),
        NAME("if-range"),
        NAME("authorization"),
        NAME("proxy-authorization"),
        NAME("cookie"),
        NAME("set-cookie"),
        NAME("content-encoding"),
        NAME("content-type"),
        NAME("content-range"),
#undef NAME
    };
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (forbidden[i].len == len && nx__ascii_ieq(name, forbidden[i].name, len)) return true;
    return false;
}

const struct nx__h1_header *nx__h1_find(const struct nx__h1_header *headers, size_t count,
                                        const char *base, const char *name, size_t name_len)
{
    for (size_t i = 0; i < count; i++)
        if (headers[i].name_len == name_len &&
            nx__ascii_ieq(base + headers[i].name_off, name, name_len))
            return &headers[i];
    return NULL;
}

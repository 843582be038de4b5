/* The HTTP/1.1 request head parser. */
#include "http/h1/parser.h"

#include "base/compiler.h"
#include "http/h1/scan.h"
#include <string.h>

/* RFC 9110 5.6.2: what a token (method, field name) is made of. */
static const bool token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1, ['^'] = 1,
    ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,
    ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1,
    ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1,
    ['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
    ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,
    ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

static bool is_token(char c) { return token_char[(unsigned char)c]; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_blank(char c) { return c == ' ' || c == '\t'; }
static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

/* `lowercase` has as many bytes. */
static bool equals(const char *text, const char *lowercase, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower(text[i]) != lowercase[i]) return false;
    return true;
}

#define IS(text, len, literal) ((len) == sizeof(literal) - 1 && equals((text), (literal), sizeof(literal) - 1))

/* What is being parsed, and what has been seen that decides the framing. */
struct parse {
    const char *buf, *end;
    const struct nx__h1_limits *limits;
    struct nx__h1_head *head;
    unsigned hosts, lengths, encodings;
    bool close, keep_alive;
};

static NX__COLD enum nx__h1_status fail(struct parse *parse, int status, const char *reason)
{
    parse->head->error = (uint16_t)status;
    parse->head->reason = reason;
    return NX__H1_ERROR;
}

static NX__COLD enum nx__h1_status partial(struct parse *parse, bool in_target)
{
    if ((size_t)(parse->end - parse->buf) < parse->limits->max_head) return NX__H1_PARTIAL;
    return in_target ? fail(parse, 414, "the request target is too long") : fail(parse, 431, "the request head is too large");
}

static struct nx__h1_slice slice(const struct parse *parse, const char *from, const char *to)
{
    return (struct nx__h1_slice){(uint16_t)(from - parse->buf), (uint16_t)(to - from)};
}

static enum nx__method method_id(const char *m, size_t len)
{
    /* Methods are case-sensitive (RFC 9110 9.1). */
    switch (len) {
    case 3: return !memcmp(m, "GET", 3) ? NX__METHOD_GET : !memcmp(m, "PUT", 3) ? NX__METHOD_PUT : NX__METHOD_OTHER;
    case 4: return !memcmp(m, "POST", 4) ? NX__METHOD_POST : !memcmp(m, "HEAD", 4) ? NX__METHOD_HEAD : NX__METHOD_OTHER;
    case 5: return !memcmp(m, "PATCH", 5) ? NX__METHOD_PATCH : !memcmp(m, "TRACE", 5) ? NX__METHOD_TRACE : NX__METHOD_OTHER;
    case 6: return !memcmp(m, "DELETE", 6) ? NX__METHOD_DELETE : NX__METHOD_OTHER;
    case 7:
        return !memcmp(m, "OPTIONS", 7)   ? NX__METHOD_OPTIONS
               : !memcmp(m, "CONNECT", 7) ? NX__METHOD_CONNECT
                                          : NX__METHOD_OTHER;
    default: return NX__METHOD_OTHER;
    }
}

/* uri-host [ ":" port ] (RFC 3986 3.2.2), without userinfo. May be empty. */
static bool valid_host(const char *p, const char *end)
{
    if (p < end && *p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));
        if (!close || close == p + 1) return false;
        for (const char *q = p + 1; q < close; q++) {
            bool hex = is_digit(*q) || (lower(*q) >= 'a' && lower(*q) <= 'f');
            if (!hex && *q != ':' && *q != '.') return false;
        }
        p = close + 1;
    } else {
        for (; p < end && *p != ':'; p++) {
            bool good = is_digit(*p) || (lower(*p) >= 'a' && lower(*p) <= 'z') || memchr("-._~%!$&'()*+,;=", *p, 16);
            if (!good) return false;
        }
    }
    if (p == end) return true;
    if (*p++ != ':') return false;
    if (end - p > 5) return false;
    for (; p < end; p++)
        if (!is_digit(*p)) return false;
    return true;
}

/* Splits the target and checks its form against the method (RFC 9112 3.2). */
static enum nx__h1_status target(struct parse *parse, const char *p, const char *end)
{
    struct nx__h1_head *head = parse->head;
    head->target = slice(parse, p, end);
    if (nx__unlikely(head->method_id == NX__METHOD_CONNECT)) {
        head->form = NX__TARGET_AUTHORITY;
        if (!valid_host(p, end) || !memchr(p, ':', (size_t)(end - p))) return fail(parse, 400, "CONNECT needs host:port");
        head->host = head->target;
        return NX__H1_DONE;
    }
    if (nx__unlikely(*p != '/')) {
        if (end - p == 1 && *p == '*') {
            if (head->method_id != NX__METHOD_OPTIONS) return fail(parse, 400, "only OPTIONS takes *");
            head->form = NX__TARGET_ASTERISK;
            head->path = head->target;
            return NX__H1_DONE;
        }
        size_t scheme = end - p > 7 && equals(p, "http://", 7) ? 7 : end - p > 8 && equals(p, "https://", 8) ? 8 : 0;
        if (!scheme) return fail(parse, 400, "the request target is no path");
        head->form = NX__TARGET_ABSOLUTE;
        const char *authority = p + scheme;
        for (p = authority; p < end && *p != '/' && *p != '?';) p++;
        if (p == authority || !valid_host(authority, p)) return fail(parse, 400, "bad host in the request target");
        head->host = slice(parse, authority, p);
    }
    const char *path = p, *query = NULL;
    for (; p < end; p++) {
        if (nx__unlikely(*p == '?') && !query) query = p;
        if (nx__unlikely(*p == '#')) return fail(parse, 400, "fragment in the request target");
    }
    head->path = slice(parse, path, query ? query : end);
    if (query) head->query = slice(parse, query + 1, end);
    return NX__H1_DONE;
}

/* ---- Fields that decide about the message */

static enum nx__h1_status content_length(struct parse *parse, const char *p, const char *end)
{
    /* One value, digits only: lists, signs and leading zeros are ways to smuggle (RFC 9112 6.3). */
    if (parse->lengths++) return fail(parse, 400, "more than one content-length");
    if (p == end || end - p > 19 || (*p == '0' && end - p > 1)) return fail(parse, 400, "bad content-length");
    uint64_t n = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) return fail(parse, 400, "bad content-length");
        n = n * 10 + (uint64_t)(*p - '0');
    }
    parse->head->has_content_length = true;
    parse->head->content_length = n;
    return NX__H1_DONE;
}

static enum nx__h1_status transfer_encoding(struct parse *parse, const char *p, const char *end)
{
    if (parse->encodings++) return fail(parse, 400, "more than one transfer-encoding");
    if (!IS(p, (size_t)(end - p), "chunked")) {
        for (const char *q = p; q < end; q++)
            if (!is_token(*q)) return fail(parse, 400, "bad transfer-encoding");
        return p == end ? fail(parse, 400, "bad transfer-encoding") : fail(parse, 501, "this transfer-encoding is not supported");
    }
    parse->head->chunked = true;
    return NX__H1_DONE;
}

static enum nx__h1_status connection(struct parse *parse, const char *p, const char *end)
{
    while (p < end) {
        while (p < end && (is_blank(*p) || *p == ',')) p++;
        const char *token = p;
        while (p < end && is_token(*p)) p++;
        size_t len = (size_t)(p - token);
        if (IS(token, len, "close")) parse->close = true;
        if (IS(token, len, "keep-alive")) parse->keep_alive = true;
        if (IS(token, len, "upgrade")) parse->head->upgrade = true;
        while (p < end && is_blank(*p)) p++;
        if (p < end && *p != ',') return fail(parse, 400, "bad connection field");
    }
    return NX__H1_DONE;
}

static enum nx__h1_status field(struct parse *parse, const char *name, size_t len, const char *value, const char *end)
{
    switch (len) {
    case 4:
        if (!IS(name, len, "host")) break;
        if (parse->hosts++) return fail(parse, 400, "more than one host");
        if (!valid_host(value, end)) return fail(parse, 400, "bad host");
        /* The target in absolute-form goes before (RFC 9112 3.2.2). */
        if (parse->head->form == NX__TARGET_ORIGIN || parse->head->form == NX__TARGET_ASTERISK)
            parse->head->host = slice(parse, value, end);
        break;
    case 6:
        if (!IS(name, len, "expect")) break;
        if (!IS(value, (size_t)(end - value), "100-continue")) return fail(parse, 417, "only 100-continue can be expected");
        parse->head->expect_continue = true;
        break;
    case 10:
        if (IS(name, len, "connection")) return connection(parse, value, end);
        break;
    case 14:
        if (IS(name, len, "content-length")) return content_length(parse, value, end);
        break;
    case 17:
        if (IS(name, len, "transfer-encoding")) return transfer_encoding(parse, value, end);
        break;
    default: break;
    }
    return NX__H1_DONE;
}

/* What the fields mean together. */
static enum nx__h1_status conclude(struct parse *parse)
{
    struct nx__h1_head *head = parse->head;
    if (head->chunked && head->has_content_length) return fail(parse, 400, "both content-length and transfer-encoding");
    if (head->minor == 0) {
        if (head->chunked) return fail(parse, 400, "transfer-encoding in HTTP/1.0");
        head->expect_continue = false; /* RFC 9110 10.1.1 */
        head->keep_alive = parse->keep_alive && !parse->close;
        return NX__H1_DONE;
    }
    if (!parse->hosts) return fail(parse, 400, "no host");
    head->keep_alive = !parse->close;
    return NX__H1_DONE;
}

/* ---- Lines */

/* The request line; `*at` moves behind it. */
static enum nx__h1_status request_line(struct parse *parse, const char **at)
{
    const char *p = *at, *end = parse->end, *start = p;
    while (p < end && is_token(*p)) p++;
    if (p - start > NX__H1_MAX_METHOD) return fail(parse, 501, "the method is too long");
    if (p == end) return partial(parse, false);
    if (p == start || *p != ' ') return fail(parse, 400, "bad method");
    parse->head->method = slice(parse, start, p);
    parse->head->method_id = method_id(start, (size_t)(p - start));

    start = ++p;
    p = nx__scan_target(p, end);
    if ((size_t)(p - start) > parse->limits->max_target) return fail(parse, 414, "the request target is too long");
    if (p == end) return partial(parse, true);
    if (p == start || *p != ' ') return fail(parse, 400, "bad request target");
    enum nx__h1_status status = target(parse, start, p);
    if (nx__unlikely(status != NX__H1_DONE)) return status;

    p++;
    size_t have = (size_t)(end - p), check = have < 8 ? have : 8;
    static const char version[] = "HTTP/1.1";
    for (size_t i = 0; i < check; i++) {
        if (p[i] == version[i] || (i == 7 && p[i] == '0')) continue;
        bool other = (i == 5 || i == 7) && is_digit(p[i]);
        return other ? fail(parse, 505, "only HTTP/1.0 and HTTP/1.1 are served here") : fail(parse, 400, "bad HTTP version");
    }
    if (have > 8 && p[8] != '\r') return fail(parse, 400, "bad end of the request line");
    if (have > 9 && p[9] != '\n') return fail(parse, 400, "CR without LF");
    if (have < 10) return partial(parse, false);
    parse->head->minor = p[7] == '1';
    *at = p + 10;
    return NX__H1_DONE;
}

/* The field lines and the empty one; `*at` moves behind it. */
static enum nx__h1_status fields(struct parse *parse, struct nx__h1_header *headers, const char **at)
{
    const char *p = *at, *end = parse->end;
    uint32_t most = parse->limits->max_headers < NX__H1_MAX_HEADERS ? parse->limits->max_headers : NX__H1_MAX_HEADERS;
    uint32_t count = 0;
    for (;;) {
        if (p == end) return partial(parse, false);
        if (*p == '\r') {
            if (p + 1 == end) return partial(parse, false);
            if (p[1] != '\n') return fail(parse, 400, "CR without LF");
            p += 2;
            break;
        }
        const char *name = p;
        while (p < end && is_token(*p)) p++;
        if (p == end) return partial(parse, false);
        if (nx__unlikely(*p != ':' || p == name)) {
            if (*p == '\n') return fail(parse, 400, "LF without CR");
            if (p == name) return fail(parse, 400, is_blank(*p) ? "folded header line" : "bad header name");
            return fail(parse, 400, is_blank(*p) ? "space before the colon of a header" : "bad header name");
        }
        size_t name_len = (size_t)(p - name);
        p++;
        while (p < end && is_blank(*p)) p++;
        const char *value = p;
        p = nx__scan_value(p, end);
        if (p == end) return partial(parse, false);
        if (nx__unlikely(*p != '\r')) return fail(parse, 400, *p == '\n' ? "LF without CR" : "control character in a header");
        if (p + 1 == end) return partial(parse, false);
        if (nx__unlikely(p[1] != '\n')) return fail(parse, 400, "CR without LF");
        const char *value_end = p;
        while (value_end > value && is_blank(value_end[-1])) value_end--;
        p += 2;
        if (nx__unlikely((size_t)(p - parse->buf) > parse->limits->max_head)) return fail(parse, 431, "the request head is too large");
        if (nx__unlikely(count == most)) return fail(parse, 431, "too many header fields");
        headers[count++] = (struct nx__h1_header){(uint16_t)(name - parse->buf), (uint16_t)name_len, (uint16_t)(value - parse->buf),
                                                  (uint16_t)(value_end - value)};
        enum nx__h1_status status = field(parse, name, name_len, value, value_end);
        if (nx__unlikely(status != NX__H1_DONE)) return status;
    }
    if (nx__unlikely((size_t)(p - parse->buf) > parse->limits->max_head)) return fail(parse, 431, "the request head is too large");
    parse->head->header_count = (uint16_t)count;
    *at = p;
    return NX__H1_DONE;
}

enum nx__h1_status nx__h1_parse(const char *buf, size_t len, size_t resume, const struct nx__h1_limits *limits,
                                struct nx__h1_header *headers, struct nx__h1_head *head)
{
    *head = (struct nx__h1_head){0};
    struct parse parse = {.buf = buf, .end = buf + len, .limits = limits, .head = head};
    /* Nothing is decided before a line ends, so until then there is nothing to read anew. */
    if (resume && resume < len && len < limits->max_head && !memchr(buf + resume, '\n', len - resume)) return NX__H1_PARTIAL;
    const char *p = buf;
    if (nx__unlikely(len && *p == '\r')) { /* one empty line before is forgiven (RFC 9112 2.2) */
        if (len == 1) return NX__H1_PARTIAL;
        if (p[1] != '\n') return fail(&parse, 400, "CR without LF");
        p += 2;
    }
    if (p == parse.end) return NX__H1_PARTIAL;
    enum nx__h1_status status = request_line(&parse, &p);
    if (status == NX__H1_DONE) status = fields(&parse, headers, &p);
    if (status == NX__H1_DONE) status = conclude(&parse);
    if (status == NX__H1_DONE) head->head_len = (uint16_t)(p - buf);
    return status;
}

#ifndef NX__H1_SCALAR

bool nx__h1_parse_field(const char *line, size_t len, struct nx__h1_header *out)
{
    const char *p = line, *end = line + len;
    while (p < end && is_token(*p)) p++;
    if (p == line || p == end || *p != ':' || len > NX__H1_MAX_HEAD) return false;
    size_t name_len = (size_t)(p - line);
    p++;
    while (p < end && is_blank(*p)) p++;
    const char *value = p;
    if (nx__scan_value(p, end) != end) return false;
    while (end > value && is_blank(end[-1])) end--;
    *out = (struct nx__h1_header){0, (uint16_t)name_len, (uint16_t)(value - line), (uint16_t)(end - value)};
    return true;
}

bool nx__h1_forbidden_trailer(const char *name, size_t len)
{
    static const char *const forbidden[] = {"transfer-encoding", "content-length", "host",   "connection", "content-encoding",
                                            "content-type",      "content-range",  "cookie", "set-cookie", "authorization",
                                            "expect",            "trailer",        "te",     "upgrade",    "cache-control"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (strlen(forbidden[i]) == len && equals(name, forbidden[i], len)) return true;
    return false;
}

const struct nx__h1_header *nx__h1_find(const struct nx__h1_header *headers, size_t count, const char *base, const char *name,
                                        size_t name_len)
{
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name_len != name_len) continue;
        const char *have = base + headers[i].name_off;
        size_t at = 0;
        while (at < name_len && lower(have[at]) == lower(name[at])) at++;
        if (at == name_len) return &headers[i];
    }
    return NULL;
}

#endif

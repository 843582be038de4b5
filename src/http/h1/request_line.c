/* The request line in all its forms, byte by byte (RFC 9112 3). parser.c takes the usual ones
 * itself. */
#include "http/h1/parse.h"

enum nx__method nx__h1_method(const char *name, size_t len)
{
    static const struct {
        char name[8];
        uint8_t len;
        uint8_t method;
    } known[] = {
        {"GET", 3, NX__METHOD_GET},         {"HEAD", 4, NX__METHOD_HEAD},
        {"POST", 4, NX__METHOD_POST},       {"PUT", 3, NX__METHOD_PUT},
        {"DELETE", 6, NX__METHOD_DELETE},   {"PATCH", 5, NX__METHOD_PATCH},
        {"OPTIONS", 7, NX__METHOD_OPTIONS}, {"CONNECT", 7, NX__METHOD_CONNECT},
        {"TRACE", 5, NX__METHOD_TRACE},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].len == len && memcmp(name, known[i].name, len) == 0)
            return (enum nx__method)known[i].method;
    return NX__METHOD_OTHER;
}

/* ---- Hosts */

/* The 1 to 4 hexadecimal digits of a group; how many. */
static size_t hex_digits(const char *p, const char *end)
{
    size_t n = 0;
    while (n < 4 && p + n < end && nx__h1_is(p[n], NX__H1_HEX)) n++;
    return n;
}

/* dotted-decimal, as the end of an IPv6 address has it: four numbers up to 255, without leading
 * zeros. */
static bool valid_ipv4(const char *p, const char *end)
{
    for (int i = 0; i < 4; i++) {
        if (i && (p == end || *p++ != '.')) return false;
        int number = 0, digits = 0;
        for (; p < end && nx__h1_is_digit(*p); p++) {
            if (++digits > 3 || (digits == 2 && number == 0)) return false;
            number = number * 10 + (*p - '0');
        }
        if (!digits || number > 255) return false;
    }
    return p == end;
}

/* RFC 3986 3.2.2: eight groups, of which "::" once stands for one or more, and an IPv4 address for
 * the last two. No zone. */
static bool valid_ipv6(const char *p, const char *end)
{
    int groups = 0;
    bool gap = false;
    if (end - p >= 2 && p[0] == ':' && p[1] == ':') {
        gap = true;
        p += 2;
    }
    while (p < end) {
        size_t n = hex_digits(p, end);
        if (p + n < end && p[n] == '.')
            return groups + 2 <= (gap ? 7 : 8) && (gap || groups == 6) && valid_ipv4(p, end);
        if (!n || ++groups > 8) return false;
        p += n;
        if (p == end) break;
        if (*p++ != ':' || p == end) return false; /* a single ":" at the end */
        if (*p == ':') {
            if (gap) return false;
            gap = true;
            p++;
        }
    }
    return gap ? groups <= 7 : groups == 8;
}

bool nx__h1_valid_host(const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    if (p < end && *p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));
        if (!close || !valid_ipv6(p + 1, close)) return false;
        p = close + 1;
    } else {
        for (; p < end; p++) {
            if (nx__likely(nx__h1_is(*p, NX__H1_HOST))) continue;
            if (*p != '%' || end - p < 3 || !nx__h1_is(p[1], NX__H1_HEX) ||
                !nx__h1_is(p[2], NX__H1_HEX))
                break;
            p += 2;
        }
        if (p == text) return false; /* http has no empty hosts (RFC 9110 4.2.1) */
    }
    if (p == end) return true;
    if (*p++ != ':') return false;
    unsigned port = 0;
    for (; p < end && nx__h1_is_digit(*p) && port <= UINT16_MAX; p++)
        port = port * 10 + (unsigned)(*p - '0');
    return p == end && port <= UINT16_MAX;
}

/* ---- Targets */

/* A target without its scheme and authority: splits it at the first "?". `at` is where the path
 * begins, `slash` the offset of a
 * "/" that stands for a path that is empty. */
static enum nx__h1_status path_and_query(struct nx__parse *parse, size_t at, size_t end,
                                         size_t slash)
{
    struct nx__h1_head *head = parse->head;
    size_t p = at;
    /* Some take it for "/" (WHATWG URL), so that it could lead out of a folder. */
    for (; p < end && parse->buf[p] != '?'; p++)
        if (parse->buf[p] == '\\')
            return nx__h1_fail(parse, 400, "backslash in the request target");
    head->path = p > at ? nx__h1_slice(at, p) : nx__h1_slice(slash, slash + 1);
    if (p < end) {
        head->has_query = true;
        head->query = nx__h1_slice(p + 1, end);
    }
    return NX__H1_DONE;
}

/* scheme "://" authority path-abempty [ "?" query ] */
static enum nx__h1_status absolute_form(struct nx__parse *parse, size_t at, size_t end)
{
    const char *buf = parse->buf;
    size_t scheme = 0;
    if (end - at > 7 && nx__ascii_ieq(buf + at, "http://", 7)) scheme = 7;
    if (end - at > 8 && nx__ascii_ieq(buf + at, "https://", 8)) scheme = 8;
    if (!scheme)
        return nx__h1_fail(parse, 400, "the request target is neither a path nor an http address");
    size_t authority = at + scheme, p = authority;
    while (p < end && buf[p] != '/' && buf[p] != '?') p++;
    if (!nx__h1_valid_host(buf + authority, p - authority))
        return nx__h1_fail(parse, 400, "bad host in the request target");
    parse->head->form = NX__TARGET_ABSOLUTE;
    parse->head->host = nx__h1_slice(authority, p);
    return path_and_query(parse, p, end, authority - 1);
}

/* uri-host ":" port */
static enum nx__h1_status authority_form(struct nx__parse *parse, size_t at, size_t end)
{
    const char *text = parse->buf + at;
    size_t len = end - at, host = len;
    while (host && nx__h1_is_digit(text[host - 1])) host--;
    if (host < 2 || host == len || text[host - 1] != ':' || !nx__h1_valid_host(text, len))
        return nx__h1_fail(parse, 400, "CONNECT needs host:port");
    parse->head->form = NX__TARGET_AUTHORITY;
    parse->head->host = nx__h1_slice(at, end);
    return NX__H1_DONE;
}

static enum nx__h1_status target_form(struct nx__parse *parse, size_t at, size_t end)
{
    const char *buf = parse->buf;
    struct nx__h1_head *head = parse->head;
    head->target = nx__h1_slice(at, end);
    if (head->method_id == NX__METHOD_CONNECT) return authority_form(parse, at, end);
    if (buf[at] == '/') return path_and_query(parse, at, end, at);
    if (end - at > 1 || buf[at] != '*') return absolute_form(parse, at, end);
    if (head->method_id != NX__METHOD_OPTIONS)
        return nx__h1_fail(parse, 400, "only OPTIONS takes *");
    head->form = NX__TARGET_ASTERISK;
    head->path = head->target;
    return NX__H1_DONE;
}

/* ---- The line */

static enum nx__h1_status version(struct nx__parse *parse, size_t at)
{
    static const char shape[] = "HTTP/0.0\r\n";
    const char *buf = parse->buf;
    for (size_t i = 0; i < sizeof shape - 1; i++, at++) {
        if (at == parse->len) return nx__h1_incomplete(parse);
        if (shape[i] == '0' ? nx__h1_is_digit(buf[at]) : buf[at] == shape[i]) continue;
        if (shape[i] == '\n') return nx__h1_fail(parse, 400, "CR without LF");
        if (shape[i] != '\r') return nx__h1_fail(parse, 400, "bad HTTP version");
        return nx__h1_fail(parse, 400,
                           buf[at] == '\n' ? "LF without CR" : "bad end of the request line");
    }
    const char *digits = buf + at - sizeof "0.0\r\n" + 1;
    if (digits[0] != '1' || digits[2] > '1')
        return nx__h1_fail(parse, 505, "only HTTP/1.0 and HTTP/1.1 are served here");
    parse->head->minor = digits[2] == '1';
    return NX__H1_DONE;
}

enum nx__h1_status nx__h1_request_line(struct nx__parse *parse, size_t *at)
{
    const char *buf = parse->buf;
    size_t len = parse->len, p = *at, start = p;
    struct nx__h1_head *head = parse->head;
    if (p == len) return nx__h1_incomplete(parse);
    if (buf[p] == '\r') {
        if (p + 1 == len) return nx__h1_incomplete(parse);
        return nx__h1_fail(parse, 400,
                           buf[p + 1] == '\n' ? "empty lines before the request" : "CR without LF");
    }
    while (p < len && nx__h1_is(buf[p], NX__H1_TOKEN) && p - start <= NX__H1_MAX_METHOD) p++;
    if (p - start > NX__H1_MAX_METHOD) return nx__h1_fail(parse, 501, "the method is too long");
    if (p == len) return nx__h1_incomplete(parse);
    if (p == start || buf[p] != ' ')
        return nx__h1_fail(parse, 400, buf[p] == '\n' ? "LF without CR" : "bad method");
    head->method = nx__h1_slice(start, p);
    head->method_id = nx__h1_method(buf + start, p - start);

    start = ++p;
    while (p < len && nx__h1_is(buf[p], NX__H1_TARGET) && p - start <= parse->limits->max_target)
        p++;
    if (p - start > parse->limits->max_target)
        return nx__h1_fail(parse, 414, "the request target is too long");
    if (p == len) {
        enum nx__h1_status status = nx__h1_incomplete(parse);
        return status == NX__H1_PARTIAL ? status
                                        : nx__h1_fail(parse, 414, "the request target is too long");
    }
    if (buf[p] == '#') return nx__h1_fail(parse, 400, "fragment in the request target");
    if (buf[p] == '\r' || buf[p] == '\n')
        return nx__h1_fail(parse, 400, "no HTTP version in the request line");
    if (p == start)
        return nx__h1_fail(parse, 400, "more than one space, or no target, in the request line");
    if (buf[p] != ' ') return nx__h1_fail(parse, 400, "bad character in the request target");
    /* First the version: who speaks HTTP/2 ("PRI * HTTP/2.0") is told so. */
    enum nx__h1_status status = version(parse, p + 1);
    if (status != NX__H1_DONE) return status;
    *at = p + sizeof " HTTP/1.1\r\n" - 1;
    return target_form(parse, start, p);
}

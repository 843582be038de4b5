/* A request from the input, and an answer that goes nowhere: for what looks at fields and sets
 * some, such as middleware. */
#ifndef NX_FUZZ_REQUEST_H
#define NX_FUZZ_REQUEST_H

#include "http/h1/parser.h"
#include "http/server.h"
#include "memory.h"

static inline nx_bytes line_next(nx_bytes *rest)
{
    const char *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    nx_bytes line = nx_slice(rest->data, end ? (size_t)(end - rest->data) : rest->len);
    size_t used = line.len + (end ? 1 : 0);
    *rest = nx_slice(rest->data + used, rest->len - used);
    return line;
}

/* Takes the next word of a line, with a NUL behind it in memory of the fiber; NULL at its end. */
static inline char *word_next(nx_bytes *line)
{
    while (line->len && *line->data == ' ') *line = nx_slice(line->data + 1, line->len - 1);
    size_t len = 0;
    while (len < line->len && line->data[len] != ' ') len++;
    if (!len) return NULL;
    char *word = nx_copy(nx_slice(line->data, len));
    *line = nx_slice(line->data + len, line->len - len);
    return word;
}

/* ---- A driver that only notes */

struct sink {
    nx_request req; /* first */
    nx_bytes peer;
    unsigned answers; /* whole ones */
    struct nx__h1_header headers[NX__H1_DEFAULT_MAX_HEADERS];
};

static inline nx_err sink_done(nx_response *res)
{
    ((struct sink *)(void *)res->req)->answers++;
    res->state = NX__RESPONSE_DONE;
    return NX_OK;
}
static inline nx_err sink_send(nx_response *res, nx_bytes body)
{
    (void)body;
    return sink_done(res);
}
static inline nx_err sink_send_json(nx_response *res, nx_value value)
{
    (void)value;
    return sink_done(res);
}
static inline nx_bytes sink_peer(nx_request *req)
{
    return ((struct sink *)(void *)req)->peer;
}
static const struct nx__http_driver sink_driver = {
    .send = sink_send, .send_json = sink_send_json, .end = sink_done, .peer = sink_peer};

/* ---- Requests */

/* Makes a request of lines "name: value". False if the parser refuses it. `first` is the request
 * line without its CRLF. */
static inline bool request_make(struct sink *sink, nx_http_server *server, const char *first,
                                nx_bytes fields)
{
    static const struct nx__h1_limits limits = {
        NX__H1_DEFAULT_MAX_TARGET, NX__H1_DEFAULT_MAX_HEADERS, NX__H1_DEFAULT_MAX_HEAD};
    static struct nx__route_match match;
    static struct nx__scope scope;
    static struct nx__target target = {.scope = &scope};
    char *head = nx_alloc(strlen(first) + 64 + 2 * fields.len), *at = head;
    if (!head) return false;
    at = stpcpy(stpcpy(at, first), "\r\nHost: own.example:80\r\n");
    while (fields.len) {
        nx_bytes line = line_next(&fields);
        if (!line.len) continue;
        memcpy(at, line.data, line.len);
        at = stpcpy(at + line.len, "\r\n");
    }
    at = stpcpy(at, "\r\n");
    struct nx__h1_head parsed;
    *sink = (struct sink){.peer = {"", 0}};
    if (nx__h1_parse(head, (size_t)(at - head), 0, &limits, sink->headers, &parsed) !=
            NX__H1_DONE ||
        parsed.head_len != at - head)
        return false;
    nx_request *req = &sink->req;
    match.data = &target;
    req->driver = &sink_driver;
    req->server = server;
    req->fiber = &fuzz_fiber;
    req->method = nx_slice(head + parsed.method.off, parsed.method.len);
    req->path = nx_slice(head + parsed.path.off, parsed.path.len);
    req->query = nx_slice(head + parsed.query.off, parsed.query.len);
    req->head = head;
    req->headers = sink->headers;
    req->header_count = parsed.header_count;
    req->match = &match;
    req->response.req = req;
    req->response.status = 200;
    return true;
}

/* The field of the answer, whose number is stored; `data` NULL without one. */
static inline nx_bytes answer_field(const nx_response *res, const char *name, unsigned *count)
{
    nx_bytes found = {0};
    *count = 0;
    for (uint32_t i = 0; i < res->fields.count; i++) {
        if (strcasecmp(res->fields.items[i].name.data, name) != 0) continue;
        found = res->fields.items[i].value;
        ++*count;
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif

/* CORS: no page of an origin that is not allowed may read an answer, whatever it sends. The input
 * is a line of origins that are allowed (none: any; "credentials" among them sets that), then
 * header fields. A reader of its own decides what is right. */
#include "request.h"

#include <ctype.h>

enum { ORIGINS_MOST = 4 };

struct allowed {
    const char *origins[ORIGINS_MOST + 1];
    size_t count;
    bool credentials;
};

/* By the letter of the documentation: the same bytes, or labels before what is behind "*". */
static bool is_allowed(const struct allowed *allowed, nx_bytes origin)
{
    if (!allowed->count) return true;
    for (size_t i = 0; i < allowed->count; i++) {
        const char *wanted = allowed->origins[i], *star = strstr(wanted, "://*.");
        if (!star) {
            if (origin.len == strlen(wanted) && memcmp(origin.data, wanted, origin.len) == 0)
                return true;
            continue;
        }
        size_t scheme = (size_t)(star - wanted) + 3, tail = strlen(star + 4);
        if (origin.len <= scheme + tail || memcmp(origin.data, wanted, scheme) != 0 ||
            memcmp(origin.data + origin.len - tail, star + 4, tail) != 0)
            continue;
        bool labels = true;
        for (size_t k = scheme; k < origin.len - tail; k++) {
            unsigned char c = (unsigned char)origin.data[k];
            labels &= isalnum(c) || c == '-' || c == '.';
        }
        if (labels) return true;
    }
    return false;
}

static unsigned handled;

static nx_err handler(nx_request *req, nx_response *res, void *context)
{
    (void)req;
    (void)context;
    handled++;
    return nx_response_send(res, "ok");
}

static void weigh(const struct allowed *allowed, const nx_request *req, bool preflight)
{
    static const char *const rest[] = {
        "access-control-allow-credentials", "access-control-allow-methods",
        "access-control-allow-headers", "access-control-expose-headers", "access-control-max-age"};
    const nx_response *res = &req->response;
    unsigned count, others = 0;
    nx_bytes origin = nx_request_header(req, "origin");
    nx_bytes answer = answer_field(res, "access-control-allow-origin", &count);
    bool good = origin.data && is_allowed(allowed, origin);
    check(!res->failed && count <= 1);
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        (void)answer_field(res, rest[i], &count);
        check(count <= 1);
        others += count;
    }
    if (!good) check(!answer.data && !others);
    if (answer.data) check(allowed->count ? nx_bytes_eq(answer, origin) : nx_bytes_is(answer, "*"));
    if (good) check(answer.data != NULL);
    nx_bytes credentials = answer_field(res, "access-control-allow-credentials", &count);
    check((count == 1) == (good && allowed->credentials));
    if (count) check(nx_bytes_is(credentials, "true") && !nx_bytes_is(answer, "*"));
    /* A cache may not give one origin's answer to another. */
    bool varies = false;
    for (uint32_t i = 0; i < res->fields.count; i++)
        varies |= strcasecmp(res->fields.items[i].name.data, "vary") == 0 &&
                  nx_bytes_is(res->fields.items[i].value, "origin");
    check(varies == (allowed->count != 0));
    for (uint32_t i = 0; i < res->fields.count; i++)
        for (size_t k = 0; k < res->fields.items[i].value.len; k++)
            check((unsigned char)res->fields.items[i].value.data[k] >= 0x20 ||
                  res->fields.items[i].value.data[k] == '\t');
    check(handled == !preflight);
    check(((const struct sink *)(const void *)req)->answers == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_begin();
    nx_bytes input = nx_slice(data, size), first = line_next(&input);
    struct allowed allowed = {0};
    for (char *word; allowed.count < ORIGINS_MOST && (word = word_next(&first));) {
        if (strcmp(word, "credentials") == 0)
            allowed.credentials = true;
        else
            allowed.origins[allowed.count++] = word;
    }
    nx_http_server *server = nx_http_server_new(.port = 1);
    if (!server) return 0;
    nx_http_cors(server, .origins = allowed.count ? allowed.origins : NULL,
                 .credentials = allowed.credentials, .expose = "x-total");
    static const char *const methods[] = {"GET / HTTP/1.1", "OPTIONS / HTTP/1.1"};
    for (int i = 0; i < 2 && !server->root->failed; i++) {
        struct sink sink;
        if (!request_make(&sink, server, methods[i], input)) break;
        const struct nx__http_step steps[] = {server->root->steps[0], {handler, NULL}};
        sink.req.place.next = steps;
        handled = 0;
        bool preflight = i && nx_request_header(&sink.req, "origin").data &&
                         nx_request_header(&sink.req, "access-control-request-method").data;
        check(nx_http_next(&sink.req, &sink.req.response) == NX_OK);
        weigh(&allowed, &sink.req, preflight);
    }
    nx_http_server_free(server);
    memory_end();
    return 0;
}

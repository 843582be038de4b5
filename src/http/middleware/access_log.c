/* The access log: a line for each request, once it is answered. */
#include "http/server.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "console/outlet.h"
#include "loop/fiber.h"
#include <nexus/console.h>
#include <stdio.h>
#include <unistd.h>

enum {
    /* Bytes of a field that are shown; what is longer ends with "...". */
    TARGET_MOST = 2048,
    FIELD_MOST = 512,
    ESCAPED = 6, /* bytes that one may become */
    FIXED = 512, /* of a line, beside the fields */
    REFUSAL_MOST = FIXED + FIXED / 2 + ESCAPED * FIELD_MOST,
    NOTICES_MOST = 64, /* of refusals that wait for the app's `write`; more are lost */
};

struct access {
    nx_http_log_format format;
    void (*write)(nx_bytes line, void *context);
    void *context;
};

struct request_log {
    const struct access *access;
    nx_duration start;
};

/* ---- Text that can't be anything but text */

struct line {
    char *at, *end;
};

static void put(struct line *line, nx_bytes text)
{
    if (text.len > (size_t)(line->end - line->at)) return;
    memcpy(line->at, text.data, text.len);
    line->at += text.len;
}

static void put_text(struct line *line, const char *text)
{
    put(line, nx_str(text));
}

static void put_byte(struct line *line, const char *format, unsigned char c)
{
    char text[8];
    (void)snprintf(text, sizeof text, format, c);
    put_text(line, text);
}

/* As nginx does: what is not printable ASCII, quotes and backslashes become \xHH. */
static void put_escaped(struct line *line, nx_bytes text, size_t most)
{
    for (size_t i = 0; i < text.len && i < most; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            put_byte(line, "\\x%02X", c);
        else
            put(line, nx_slice(&text.data[i], 1));
    }
    if (text.len > most) put_text(line, "...");
}

/* Between the quotes of JSON. What is not UTF-8 is taken for Latin-1, and the controls of either
 * are escaped: some terminals obey those past 0x7f as well. */
static void put_json(struct line *line, nx_bytes text, size_t most)
{
    const char *s = text.data, *end = s + (text.len < most ? text.len : most);
    while (s < end) {
        size_t n = nx__utf8_sequence(s, end);
        unsigned char c = (unsigned char)*s, second = n == 2 ? (unsigned char)s[1] : 0;
        if (c == '"' || c == '\\') {
            put(line, nx_slice("\\", 1));
            put(line, nx_slice(s, 1));
        } else if (c < 0x20 || c == 0x7f || !n) {
            put_byte(line, "\\u%04x", c);
        } else if (c == 0xc2 && second < 0xa0) {
            put_byte(line, "\\u%04x", second);
        } else {
            put(line, nx_slice(s, n));
        }
        s += n ? n : 1;
    }
    if (text.len > most) put_text(line, "...");
}

/* ---- Lines */

/* The time of day as the format wants it, made once a second. */
static const char *time_text(bool json, nx_duration wall)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static NX__THREAD_LOCAL char text[2][40];
    static NX__THREAD_LOCAL time_t known[2];
    time_t now = (time_t)(wall / NX_S(1));
    if (known[json] == now && text[json][0]) return text[json];
    struct tm t;
    (void)gmtime_r(&now, &t);
    if (json)
        (void)snprintf(text[1], sizeof text[1], "%04d-%02d-%02dT%02d:%02d:%02d",
                       (t.tm_year + 1900) % 10000, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
                       t.tm_sec);
    else
        (void)snprintf(text[0], sizeof text[0], "%02d/%.3s/%04d:%02d:%02d:%02d +0000", t.tm_mday,
                       months + 3 * t.tm_mon, (t.tm_year + 1900) % 10000, t.tm_hour, t.tm_min,
                       t.tm_sec);
    known[json] = now;
    return text[json];
}

static void put_or_dash(struct line *line, nx_bytes text)
{
    if (text.len)
        put_escaped(line, text, FIELD_MOST);
    else
        put_text(line, "-");
}

static void put_quoted(struct line *line, nx_bytes text)
{
    put_text(line, " \"");
    put_or_dash(line, text);
    put_text(line, "\"");
}

static void write_combined(struct line *line, nx_request *req, const nx_response *res,
                           nx_duration took, bool common)
{
    char text[64];
    nx_bytes user = nx_request_user(req);
    put_or_dash(line, nx_request_peer(req));
    put_text(line, " - ");
    /* A blank would shift what follows. */
    if (user.len && memchr(user.data, ' ', user.len))
        put_text(line, "?");
    else
        put_or_dash(line, user);
    put_text(line, " [");
    put_text(line, time_text(false, nx__clock_wall()));
    put_text(line, "] \"");
    put_escaped(line, req->method, FIELD_MOST);
    put_text(line, " ");
    put_escaped(line, req->path, TARGET_MOST);
    if (req->query.len) put_text(line, "?");
    put_escaped(line, req->query, TARGET_MOST);
    put_text(line, " ");
    put(line, req->driver->protocol(req));
    (void)snprintf(text, sizeof text, "\" %d %llu", nx_response_status_sent(res),
                   (unsigned long long)nx_response_bytes_sent(res));
    put_text(line, text);
    if (!common) {
        put_quoted(line, nx_request_header(req, "referer"));
        put_quoted(line, nx_request_header(req, "user-agent"));
        (void)snprintf(text, sizeof text, " %.3f ", (double)took / (double)NX_MS(1));
        put_text(line, text);
        put_or_dash(line, nx_request_id(req));
    }
}

static void put_member(struct line *line, const char *name, nx_bytes text, size_t most)
{
    if (!text.len) return;
    put_text(line, ",\"");
    put_text(line, name);
    put_text(line, "\":\"");
    put_json(line, text, most);
    put_text(line, "\"");
}

static void write_json(struct line *line, nx_request *req, const nx_response *res, nx_duration took)
{
    char text[128];
    nx_duration wall = nx__clock_wall();
    (void)snprintf(text, sizeof text, "{\"time\":\"%s.%03dZ\"", time_text(true, wall),
                   (int)(wall / NX_MS(1) % 1000));
    put_text(line, text);
    put_member(line, "id", nx_request_id(req), FIELD_MOST);
    put_member(line, "peer", nx_request_peer(req), FIELD_MOST);
    put_member(line, "user", nx_request_user(req), FIELD_MOST);
    put_member(line, "method", req->method, FIELD_MOST);
    put_member(line, "host", nx_request_host(req), FIELD_MOST);
    put_member(line, "path", req->path, TARGET_MOST);
    put_member(line, "query", req->query, TARGET_MOST);
    (void)snprintf(text, sizeof text, ",\"status\":%d,\"bytes\":%llu,\"ms\":%.3f",
                   nx_response_status_sent(res), (unsigned long long)nx_response_bytes_sent(res),
                   (double)took / (double)NX_MS(1));
    put_text(line, text);
    put_member(line, "referer", nx_request_header(req, "referer"), FIELD_MOST);
    put_member(line, "agent", nx_request_header(req, "user-agent"), FIELD_MOST);
    put_text(line, "}");
}

/* How long the line may become. */
static size_t line_most(nx_request *req)
{
    const nx_bytes targets[] = {req->path, req->query};
    const nx_bytes fields[] = {req->method,
                               nx_request_peer(req),
                               nx_request_user(req),
                               nx_request_id(req),
                               nx_request_host(req),
                               nx_request_header(req, "referer"),
                               nx_request_header(req, "user-agent")};
    size_t most = FIXED;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        most += ESCAPED * (targets[i].len < TARGET_MOST ? targets[i].len : TARGET_MOST);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        most += ESCAPED * (fields[i].len < FIELD_MOST ? fields[i].len : FIELD_MOST);
    return most;
}

static void request_ended(nx_request *req, nx_response *res, void *context)
{
    const struct request_log *log = context;
    const struct access *access = log->access;
    nx_duration took = nx__clock_monotonic() - log->start;
    size_t most = line_most(req);
    char *memory = nx__arena_alloc(&req->fiber->own.arena, most);
    if (!memory) return;
    struct line line = {memory, memory + most - 1};
    if (access->format == NX_HTTP_LOG_JSON)
        write_json(&line, req, res, took);
    else
        write_combined(&line, req, res, took, access->format == NX_HTTP_LOG_COMMON);
    *line.at++ = '\n';
    nx_bytes text = nx_slice(memory, (size_t)(line.at - memory));
    if (access->write)
        access->write(text, access->context);
    else
        NX_IGNORE(nx_print_bytes(NX_STDOUT, text)); /* what can't be written is lost */
}

/* ---- What was refused before it was a request */

/* The first line of what has come, as nginx shows it. */
static nx_bytes first_line(nx_bytes head)
{
    while (head.len && (*head.data == '\r' || *head.data == '\n'))
        head = nx_slice(head.data + 1, head.len - 1);
    size_t len = 0;
    while (len < head.len && head.data[len] != '\r' && head.data[len] != '\n') len++;
    return nx_slice(head.data, len);
}

static void write_refusal(struct line *line, const struct access *access,
                          const struct nx__refusal *r)
{
    char text[160];
    nx_duration wall = nx__clock_wall();
    double ms = (double)r->took / (double)NX_MS(1);
    if (access->format == NX_HTTP_LOG_JSON) {
        (void)snprintf(text, sizeof text, "{\"time\":\"%s.%03dZ\"", time_text(true, wall),
                       (int)(wall / NX_MS(1) % 1000));
        put_text(line, text);
        put_member(line, "peer", r->peer, FIELD_MOST);
        (void)snprintf(text, sizeof text, ",\"status\":%d,\"bytes\":%llu,\"ms\":%.3f", r->status,
                       (unsigned long long)r->sent, ms);
        put_text(line, text);
        put_member(line, "refused", nx_str(r->reason), FIELD_MOST);
        put_member(line, "line", first_line(r->head), FIELD_MOST);
        put_text(line, "}");
        return;
    }
    put_or_dash(line, r->peer);
    put_text(line, " - - [");
    put_text(line, time_text(false, wall));
    put_text(line, "]");
    put_quoted(line, first_line(r->head));
    (void)snprintf(text, sizeof text, " %d %llu", r->status, (unsigned long long)r->sent);
    put_text(line, text);
    if (access->format == NX_HTTP_LOG_COMMON) return;
    (void)snprintf(text, sizeof text, " \"-\" \"-\" %.3f -", ms);
    put_text(line, text);
}

/* A line for the app's `write`, which may suspend. */
struct notice {
    nx_http_server *server;
    void (*write)(nx_bytes line, void *context);
    void *context;
    size_t len;
    char text[];
};

static nx_err notice_main(void *arg)
{
    struct notice *notice = arg;
    notice->write(nx_slice(notice->text, notice->len), notice->context);
    notice->server->notices--;
    nx__server_closed(notice->server);
    return NX_OK;
}

static void notice_start(const struct access *access, nx_http_server *server, nx_bytes text)
{
    if (server->notices == NOTICES_MOST) return;
    nx_fiber *fiber = nx__fiber_new(notice_main, NULL, "access log");
    if (!fiber) return;
    struct notice *notice = nx__arena_alloc(&fiber->own.arena, sizeof *notice + text.len);
    if (!notice) {
        nx__fiber_release(fiber);
        return;
    }
    *notice = (struct notice){server, access->write, access->context, text.len};
    memcpy(notice->text, text.data, text.len);
    fiber->arg = notice;
    server->notices++;
    nx__fiber_resume(fiber);
}

/* Nobody waits here for who reads: a flood of what is no request may lose lines, and says so. */
static void refused(const struct nx__refusal *refusal, const void *context)
{
    const struct access *access = context;
    char memory[REFUSAL_MOST];
    struct line line = {memory, memory + sizeof memory - 1};
    write_refusal(&line, access, refusal);
    *line.at++ = '\n';
    nx_bytes text = nx_slice(memory, (size_t)(line.at - memory));
    if (access->write) {
        notice_start(access, refusal->server, text);
        return;
    }
    struct nx__outlet *out = nx__outlet_standard(STDOUT_FILENO);
    if (out) NX_IGNORE(nx__outlet_put(out, text.data, text.len, NX__FULL_DROP));
}

/* ---- Middleware */

static nx_err access_run(nx_request *req, nx_response *res, void *context)
{
    struct request_log *log = nx__arena_alloc(&req->fiber->own.arena, sizeof *log);
    if (!log) return nx__error_set(NX_ENOMEM, "cannot log the request: out of memory");
    *log = (struct request_log){context, nx__clock_monotonic()};
    NX_TRY(nx_request_on_end(req, request_ended, log));
    return nx_http_next(req, res);
}

void nx_http_access_log_with(nx_http_router *router, const nx_http_access_log_options *options)
{
    nx_http_access_log_options o = {0};
    memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    struct access *access = nx__router_keep(router, sizeof *access, NULL);
    if (!access) return;
    if ((unsigned)o.format > NX_HTTP_LOG_JSON)
        nx__router_mistake(router, NX_EINVAL, "nx_http_access_log: there is no such format");
    *access = (struct access){.format = o.format, .write = o.write, .context = o.context};
    nx_http_router_use(router, access_run, access);
    nx__router_on_refusal(router, refused, access);
}

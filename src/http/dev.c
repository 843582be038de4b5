/* nexus dev, in the program's process. */
#include "http/dev.h"

#include "base/clock.h"
#include "http/server.h"
#include "loop/trace.h"
#include "permission/broker.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_MOST = 1024,  /* bytes: what a pipe takes whole or not at all */
    TARGET_MOST = 160, /* of the target in a line; what is longer ends with "..." */
    PAGE_MOST = 4 << 20,
};

static struct nx__http_dev_options options;
static char reload_script[96]; /* at the end of pages, with --reload */

/* ---- Lines about requests */

static _Atomic uint64_t unlogged; /* lines for which the pipe had no room */

static void line_write(char *line, size_t size, int len)
{
    size_t n = len < 0 ? 0 : (size_t)len < size ? (size_t)len : size - 1;
    if (n && line[n - 1] != '\n') line[n - 1] = '\n';
    if (write(options.log, line, n) != (ssize_t)n)
        atomic_fetch_add_explicit(&unlogged, 1, memory_order_relaxed);
}

static void missing_tell(void)
{
    char line[64];
    uint64_t count = atomic_exchange_explicit(&unlogged, 0, memory_order_relaxed);
    if (!count) return;
    int len = snprintf(line, sizeof line, "  ... and %llu more\n", (unsigned long long)count);
    if (write(options.log, line, (size_t)len) != len)
        atomic_fetch_add_explicit(&unlogged, count, memory_order_relaxed);
}

/* Printable ASCII, the rest as \xHH. */
static size_t put_text(char *out, size_t cap, nx_bytes text)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len && i < TARGET_MOST && len + 5 < cap; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c > 0x20 && c < 0x7f)
            out[len++] = (char)c;
        else
            len += (size_t)snprintf(out + len, cap - len, "\\x%02X", c);
    }
    if (text.len > TARGET_MOST) len += (size_t)snprintf(out + len, cap - len, "...");
    out[len] = '\0';
    return len;
}

static const char *color_of(int status)
{
    if (!options.color) return "";
    return status >= 500 || !status ? "\033[1;31m"
           : status >= 400          ? "\033[33m"
           : status >= 300          ? "\033[36m"
                                    : "\033[32m";
}

/* Not by colour alone. */
static const char *mark_of(int status)
{
    return status >= 500 || !status ? "✗" : status >= 400 ? "!" : " ";
}

static void put_span(char out[32], nx_duration took)
{
    double ms = (double)took / (double)NX_MS(1);
    if (ms < 1000)
        (void)snprintf(out, 32, ms < 10 ? "%.2f ms" : "%.0f ms", ms);
    else
        (void)snprintf(out, 32, "%.1f s", ms / 1000);
}

static void put_size(char out[32], uint64_t bytes)
{
    if (bytes < 1024)
        (void)snprintf(out, 32, "%llu B", (unsigned long long)bytes);
    else if (bytes < 1 << 20)
        (void)snprintf(out, 32, "%.1f KiB", (double)bytes / 1024);
    else
        (void)snprintf(out, 32, "%.1f MiB", (double)bytes / (1 << 20));
}

static void request_ended(nx_request *req, nx_response *res, void *context)
{
    const nx_duration *start = context;
    if (req->logged) return; /* the program says it itself */
    char line[LINE_MOST], target[TARGET_MOST * 4 + 8], method[64], number[8] = "---";
    char took[32], size[32];
    int status = nx_response_status_sent(res);
    if (status) (void)snprintf(number, sizeof number, "%d", status);
    (void)put_text(method, sizeof method, req->method);
    /* As it came, up to the version. */
    const char *at = req->method.data + req->method.len + 1;
    (void)put_text(target, sizeof target, nx_slice(at, strcspn(at, " \r\n")));
    put_span(took, nx__clock_monotonic() - *start);
    put_size(size, nx_response_bytes_sent(res));
    missing_tell();
    line_write(line, sizeof line,
               snprintf(line, sizeof line, "%s%s %s%s %s %s  %s%s  %s%s\n", color_of(status),
                        mark_of(status), number, options.color ? "\033[0m" : "", method, target,
                        options.color ? "\033[2m" : "", took, size,
                        options.color ? "\033[0m" : ""));
}

/* A program that has an access log says it itself. */
static void refused(const struct nx__refusal *refusal, const void *context)
{
    char line[LINE_MOST];
    (void)context;
    if (refusal->server->root->refusal_observers->next) return;
    line_write(line, sizeof line,
               snprintf(line, sizeof line, "%s%s %d%s (no request) %s\n", color_of(refusal->status),
                        mark_of(refusal->status), refusal->status, options.color ? "\033[0m" : "",
                        refusal->reason));
}

/* ---- The runtime's own paths */

static uint32_t wants_of(const nx_request *req)
{
    nx_bytes accept = nx_request_header(req, "accept");
    if (!accept.len) return NX__WANTS_TEXT;
    if (memmem(accept.data, accept.len, "text/html", 9)) return NX__WANTS_HTML;
    return memmem(accept.data, accept.len, "json", 4) ? NX__WANTS_JSON : NX__WANTS_TEXT;
}

/* The version is the page's: the script may come from a program that is newer already. */
static nx_err live_script(nx_request *req, nx_response *res)
{
    char script[160];
    size_t digits = req->query.len ? strspn(req->query.data, "0123456789") : 0;
    (void)snprintf(script, sizeof script, NX__DEV_LIVE_CODE, (int)(digits < 20 ? digits : 20),
                   req->query.data ? req->query.data : "");
    nx_response_header(res, "content-type", "text/javascript; charset=utf-8");
    nx_response_header(res, "cache-control", "no-store");
    return nx_response_send(res, script);
}

static nx_err own_path(nx_request *req, nx_response *res)
{
    char since[32];
    if (nx_bytes_is(req->path, NX__DEV_LIVE_SCRIPT)) return live_script(req, res);
    if (!nx_bytes_is(req->path, NX__DEV_LIVE)) return nx_response_error(res, 404, NULL);
    (void)snprintf(since, sizeof since, "%.*s", (int)(req->query.len < 20 ? req->query.len : 20),
                   req->query.data ? req->query.data : "");
    int fd = req->driver->descriptor(req);
    if (fd < 0 || !nx__broker_hand(NX__BROKER_LIVE, fd, 0, since))
        return nx_response_error(res, 503, NULL);
    req->driver->leave(req);
    return NX_OK;
}

/* Goes before all else of a server. */
static nx_err middleware(nx_request *req, nx_response *res, void *context)
{
    (void)context;
    if (req->path.len > 8 && memcmp(req->path.data, NX__DEV_PATH, 8) == 0)
        return own_path(req, res);
    if (options.reload) nx__http_dev_reload(req, nx_str(reload_script));
    nx_duration *start =
        options.log >= 0 ? nx__arena_alloc(&req->fiber->own.arena, sizeof *start) : NULL;
    if (start) {
        *start = nx__clock_monotonic();
        NX_IGNORE(nx_request_on_end(req, request_ended, start));
    }
    return nx_http_next(req, res);
}

static nx_err prepare(nx_http_server *server)
{
    nx_http_router *root = server->root;
    if (root->step_count && root->steps[0].fn == middleware) return NX_OK; /* it listens again */
    nx_http_router_use(root, middleware, NULL);
    if (options.log >= 0) nx__router_on_refusal(root, refused, NULL);
    if (root->failed) return nx__error_set(root->failed, "%s", root->failure);
    struct nx__http_step own = root->steps[root->step_count - 1];
    memmove(root->steps + 1, root->steps, (root->step_count - 1) * sizeof own);
    root->steps[0] = own;
    return NX_OK;
}

/* ---- Failures */

static bool shows(const nx_request *req)
{
    return nx__http_dev_shows(nx__request_own_host(req), nx_request_header(req, "origin"));
}

static nx_err page_read(int fd, nx_bytes *out)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size <= NX__DEV_NONCE || st.st_size > PAGE_MOST) return NX_EIO;
    size_t len = (size_t)st.st_size;
    char *text = nx_alloc(len);
    if (!text) return NX_ENOMEM;
    if (pread(fd, text, len, 0) != (ssize_t)len) return NX_EIO;
    *out = nx_slice(text, len);
    return NX_OK;
}

static nx_err page(nx_response *res, const nx_http_failure *failure)
{
    static const struct nx__line *const types[] = {&nx__type_text, &nx__type_json, &nx__type_html};
    nx_request *req = res->req;
    if (!shows(req)) return NX_EPERM;
    struct nx__crash_report *report = nx_alloc(sizeof *report);
    if (!report) return NX_ENOMEM;
    memset(report, 0, sizeof *report);
    report->magic = NX__CRASH_MAGIC;
    report->kind = NX__CRASH_FAILED;
    report->signal = failure->status;
    report->code = (int32_t)failure->err;
    report->wants = wants_of(req);
    /* As the usual page has it. */
    if (report->wants == NX__WANTS_TEXT &&
        nx_request_accepts(req, "application/json", "text/plain") != 1)
        report->wants = NX__WANTS_JSON;
    const char *text = failure->detail;
    if (text && strcmp(text, nx_err_text(failure->err)) != 0)
        (void)snprintf(report->message, sizeof report->message, "%s", text);
    (void)snprintf(report->fiber, sizeof report->fiber, "%s", req->fiber->name);
    (void)snprintf(report->activity, sizeof report->activity, "%.*s", NX_FMT(req->fiber->activity));
    nx__trace_report(report, failure->err,
                     (uintptr_t)((const struct nx__target *)req->match->data)->handler);
    int fd;
    char policy[320];
    NX_TRY(nx__broker_page(report, sizeof *report, &fd));
    nx_bytes body = {0};
    nx_err err = page_read(fd, &body);
    (void)close(fd);
    NX_TRY(err);
    const char *nonce = body.data;
    body = nx_slice(body.data + NX__DEV_NONCE, body.len - NX__DEV_NONCE);
    nx_response_header_add(res, "vary", "accept");
    nx_response_header(res, "cache-control", "no-store");
    if (report->wants == NX__WANTS_HTML) {
        (void)snprintf(policy, sizeof policy, NX__DEV_POLICY, nonce, nonce);
        nx_response_header(res, "content-security-policy", policy);
        nx_response_header(res, "x-content-type-options", "nosniff");
    }
    res->failed = NX_OK; /* a page without a field is better than none */
    res->content_type = types[report->wants];
    return req->driver->send(res, body);
}

/* The request that the crashed fiber serves, by itself or for the one that has spawned it. What the
 * crash has left of it is followed at the risk of another crash, which ends the process. */
static const nx_request *crashed_request(void)
{
    const struct nx_loop *loop = nx__loop_current;
    const nx_fiber *fiber = loop ? loop->running : NULL;
    while (fiber && !fiber->activity.data) fiber = fiber->owner ? fiber->owner->fiber : NULL;
    return fiber ? fiber->arg : NULL; /* only requests have an activity */
}

static void farewell(void)
{
    const nx_request *req = crashed_request();
    int fd = req ? req->driver->descriptor(req) : -1;
    if (fd >= 0 && shows(req)) (void)nx__broker_hand(NX__BROKER_CRASHED, fd, wants_of(req), "");
}

static const struct nx__http_dev dev = {.prepare = prepare, .page = page};

void nx__http_dev_begin(const struct nx__http_dev_options *given)
{
    options = *given;
    (void)snprintf(reload_script, sizeof reload_script,
                   "<script src=\"" NX__DEV_LIVE_SCRIPT "?%llu\" async></script>\n",
                   (unsigned long long)options.version);
    nx__http_dev = &dev;
    nx__trace_errors();
    atomic_store(&nx__crash_farewell, farewell);
}

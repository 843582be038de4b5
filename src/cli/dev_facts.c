/* What a page of nexus dev says, whatever it is written in. */
#include "cli/dev.h"

#include "cli/cli.h"
#include "http/server.h"
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/wait.h>

/* Further from NULL a pointer was most likely something else. */
enum { NULL_PAGES = 16 * 4096 };

static bool crashed(const struct nx__dev_page *page)
{
    return page->trouble == NX__DEV_CRASHED && page->report;
}

nx_bytes nx__dev_kind_name(const struct nx__dev_page *page)
{
    switch (page->trouble) {
    case NX__DEV_UNCOMPILED: return nx_str("Does not compile");
    case NX__DEV_CRASHED: return nx_str("Crashed");
    case NX__DEV_FAILED: return nx__status_text(page->status);
    default: return nx_str("Ended");
    }
}

static const char *signal_name(int signo)
{
    const char *name = sigabbrev_np(signo);
    return name ? name : "?";
}

/* For who has not seen such a crash before. */
static const char *guess(const struct nx__crash_report *r)
{
    switch (r->kind) {
    case NX__CRASH_OVERFLOW:
    case NX__CRASH_OVERFLOW_MAIN:
        return "a function that calls itself without end, or a very large local variable";
    default: break;
    }
    switch (r->signal) {
    case SIGSEGV:
        return r->fault < NULL_PAGES ? "a pointer that is NULL was followed"
                                     : "memory was used that is not there: freed, or past an end";
    case SIGFPE: return "a division by zero";
    case SIGABRT: return "an assertion has failed, or the memory of malloc was overwritten";
    case SIGILL:
        return "code was reached that cannot be, such as the end of a function without "
               "its return";
    default: return NULL;
    }
}

/* ---- The title */

static void title_of_crash(struct nx__dev_page *page)
{
    const struct nx__crash_report *r = page->report;
    char *out = page->title;
    size_t size = sizeof page->title;
    if (r->kind == NX__CRASH_OVERFLOW || r->kind == NX__CRASH_OVERFLOW_MAIN) {
        (void)snprintf(out, size, "Stack overflow");
        return;
    }
    int n = snprintf(out, size, "%s", nx__crash_what(r->signal));
    out[0] = (char)(out[0] >= 'a' && out[0] <= 'z' ? out[0] - 'a' + 'A' : out[0]);
    if (r->signal == SIGSEGV || r->signal == SIGBUS)
        (void)snprintf(out + n, size - (size_t)n, " at address %#llx",
                       (unsigned long long)r->fault);
}

static void title_of_end(struct nx__dev_page *page)
{
    const struct nx__launcher *l = page->launcher;
    int status = l->dev->status;
    if (WIFSIGNALED(status)) {
        (void)snprintf(page->title, sizeof page->title, "%.200s was ended by a signal: %s",
                       l->run->file, sigdescr_np(WTERMSIG(status)));
        return;
    }
    int code = WEXITSTATUS(status);
    (void)snprintf(page->title, sizeof page->title, "%.200s has ended with exit code %d",
                   l->run->file, code);
}

static void title_make(struct nx__dev_page *page)
{
    const struct nx__launcher *l = page->launcher;
    const struct nx__dev_diagnostics *d = &page->diagnostics;
    switch (page->trouble) {
    case NX__DEV_UNCOMPILED:
        for (size_t i = 0; i < d->count; i++) {
            if (d->items[i].kind != NX__DEV_ERROR) continue;
            (void)snprintf(page->title, sizeof page->title, "%.*s", NX_FMT(d->items[i].text));
            return;
        }
        (void)snprintf(page->title, sizeof page->title, "%s", l->dev->why);
        return;
    case NX__DEV_CRASHED:
        if (page->report) {
            title_of_crash(page);
            return;
        }
        break;
    case NX__DEV_FAILED:
        (void)snprintf(page->title, sizeof page->title, "%s",
                       page->report->message[0] ? page->report->message
                                                : nx_err_text((nx_err)page->report->code));
        return;
    default: break;
    }
    title_of_end(page);
}

static void lead_make(struct nx__dev_page *page)
{
    const struct nx__crash_report *r = page->report;
    if (!r) return;
    const char *why = crashed(page) ? guess(r) : NULL;
    (void)snprintf(page->lead, sizeof page->lead, "%s%s%s%s%s%s",
                   r->activity[0] ? "While serving " : "", r->activity, r->activity[0] ? ". " : "",
                   why ? "Most likely " : "", why ? why : "", why ? "." : "");
}

static void next_make(struct nx__dev_page *page)
{
    const char *text = "Save a change, and the program starts again.";
    if (page->trouble == NX__DEV_UNCOMPILED)
        text = "The program does not run until a change makes it compile.";
    else if (page->trouble == NX__DEV_FAILED)
        text = "The program runs on.";
    else if (page->of_request)
        text = "The program has been started again.";
    (void)snprintf(page->next, sizeof page->next, "%s", text);
}

/* ---- The page */

static void nonce_make(char nonce[NX__DEV_NONCE])
{
    unsigned char bytes[16];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        nonce[0] = '\0'; /* then neither style nor script counts */
        return;
    }
    for (size_t i = 0; i < sizeof bytes; i++) (void)snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
}

static nx_bytes method_of(const struct nx__crash_report *report)
{
    return nx_slice(report->activity, strcspn(report->activity, " "));
}

void nx__dev_page_init(struct nx__dev_page *page, const struct nx__launcher *l,
                       enum nx__dev_trouble trouble, const struct nx__crash_report *report,
                       const struct nx__crash_story *story)
{
    memset(page, 0, sizeof *page);
    page->launcher = l;
    page->trouble = trouble;
    page->report = report;
    page->story = story;
    page->status = trouble == NX__DEV_FAILED ? report->signal : 503;
    bool import_failed = trouble == NX__DEV_ENDED && l->import_error[0];
    if (trouble == NX__DEV_UNCOMPILED || import_failed)
        (void)nx__dev_diagnostics(&page->diagnostics, l->dev->said.data, l->dev->said.len);
    page->of_request = trouble == NX__DEV_FAILED;
    if (page->of_request) page->method = method_of(report);
    nonce_make(page->nonce);
    title_make(page);
    lead_make(page);
    next_make(page);
}

void nx__dev_page_of_request(struct nx__dev_page *page)
{
    page->of_request = true;
    page->status = 500;
    page->method = method_of(page->report);
    next_make(page);
}

void nx__dev_page_free(struct nx__dev_page *page)
{
    nx__dev_diagnostics_free(&page->diagnostics);
}

void nx__dev_render(const struct nx__dev_page *page, enum nx__broker_wants wants,
                    struct nx__dev_text *out)
{
    switch (wants) {
    case NX__WANTS_HTML: nx__dev_html(page, out); break;
    case NX__WANTS_JSON: nx__dev_json(page, out); break;
    default: nx__dev_plain(page, out); break;
    }
}

/* ---- Facts */

struct facts {
    void (*tell)(const char *name, nx_bytes value, void *context);
    void *context;
};

static NX_PRINTF(3, 4) void tell(const struct facts *f, const char *name, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    f->tell(name, nx_str(text), f->context);
}

static void tell_error(const struct facts *f, int code)
{
    const char *name = nx_err_name((nx_err)code);
    if (code > 0 && code <= NX_ECRASHED)
        tell(f, "Code", "%s (%d): %s", name, code, nx_err_text((nx_err)code));
    else
        tell(f, "Exit code", "%d", code);
}

void nx__dev_facts(const struct nx__dev_page *page,
                   void (*told)(const char *name, nx_bytes value, void *context), void *context)
{
    const struct facts f = {told, context};
    const struct nx__dev *dev = page->launcher->dev;
    const struct nx__crash_report *r = page->report;
    tell(&f, "Program", "%s", page->launcher->run->file);
    if (page->trouble == NX__DEV_UNCOMPILED && dev->compiler[0])
        tell(&f, "Compiler", "%s", dev->compiler);
    if (page->trouble == NX__DEV_ENDED && WIFEXITED(dev->status))
        tell_error(&f, WEXITSTATUS(dev->status));
    if (page->trouble == NX__DEV_ENDED && page->launcher->import_error[0])
        tell(&f, "Import", "%s", page->launcher->import_error);
    if (!r) return;
    if (page->trouble == NX__DEV_FAILED) tell_error(&f, r->code);
    if (r->activity[0]) tell(&f, "Request", "%s", r->activity);
    tell(&f, "Fiber", "%s", r->fiber[0] ? r->fiber : "none: a thread without a loop");
    if (!crashed(page)) {
        if (!r->message[0])
            tell(&f, "Hint", "no message was recorded; nx_fail(code, \"…\") records one");
        return;
    }
    tell(&f, "Signal", "SIG%s (%d): %s", signal_name(r->signal), r->signal,
         nx__crash_what(r->signal));
    if (r->kind != NX__CRASH_SIGNAL)
        tell(&f, "Stack", "%llu KiB; %s sets another", (unsigned long long)(r->stack_size / 1024),
             r->kind == NX__CRASH_OVERFLOW ? "--stack-size=SIZE" : "ulimit -s");
}

nx_bytes nx__dev_last_output(const struct nx__dev_page *page)
{
    if (page->trouble == NX__DEV_UNCOMPILED) return (nx_bytes){0};
    return nx__dev_output_last(&page->launcher->dev->output);
}

void nx__dev_uncolored(struct nx__dev_text *out, nx_bytes text, enum nx__text_for how)
{
    const char *s = text.data, *end = s + text.len;
    while (s < end) {
        const char *escape = memchr(s, '\033', (size_t)(end - s));
        size_t plain = (size_t)((escape ? escape : end) - s);
        nx__text_escaped(out, nx_slice(s, plain), how);
        s += plain;
        if (escape) s += nx__dev_escape_length(s, (size_t)(end - s));
    }
}

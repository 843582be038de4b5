/* Printing reports of crashes, for people. */
#include "loop/crash.h"

#include "base/symbolize.h"
#include "base/utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXCERPT_MOST = 120 };

/* Without memory of the heap, as dprintf has it: the caller may be a signal handler. */
static NX_PRINTF(2, 3) void say(int fd, const char *format, ...)
{
    if (fd < 0) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    for (size_t at = 0; at < len;) {
        ssize_t wrote = write(fd, text + at, len - at);
        if (wrote < 0 && errno != EINTR) return;
        if (wrote > 0) at += (size_t)wrote;
    }
}

const char *nx__crash_what(int signo)
{
    switch (signo) {
    case SIGSEGV: return "segmentation fault";
    case SIGBUS: return "bus error";
    case SIGILL: return "illegal instruction";
    case SIGFPE: return "arithmetic error (division by zero?)";
    case SIGABRT: return "abort";
    default: return "fatal signal";
    }
}

static void excerpt(int fd, const char *path, int line)
{
    struct stat st;
    int source = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (source < 0) return;
    FILE *file = fstat(source, &st) == 0 && S_ISREG(st.st_mode) ? fdopen(source, "r") : NULL;
    if (!file) {
        (void)close(source);
        return;
    }
    char text[512];
    for (int n = 1; fgets(text, sizeof text, file); n++) {
        if (n != line) continue;
        text[strcspn(text, "\r\n")] = '\0';
        for (char *tab = text; (tab = strchr(tab, '\t'));) *tab = ' ';
        nx__utf8_clean(text, sizeof text);
        const char *code = text + strspn(text, " ");
        say(fd, "        %5d | %.*s\n", line, EXCERPT_MOST, code);
        break;
    }
    (void)fclose(file);
}

bool nx__crash_is_bottom(const char *function)
{
    static const char *const names[] = {"fiber_main",   "nx__switch_entry",  "nx__switch",
                                        "request_main", "nx__request_serve", "nx__program_run",
                                        "callback_run", "apart_work",        "apart_main"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(function, names[i]) == 0) return true;
    return false;
}

/* How many frames say something: without symbols the runtime's own, from which the program's first
 * function was called, have no names either. */
static uint32_t frames_told(const struct nx__crash_report *r)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < r->frame_count; i++)
        if (r->frames[i].module != 0 && r->frames[i].module < r->module_count) last = i + 1;
    return last;
}

/* Without names, which takes no memory. */
static void print_addresses(const struct nx__crash_report *r, int fd)
{
    uint32_t told = frames_told(r);
    for (uint32_t i = 0; i < (told ? told : r->frame_count); i++) {
        const struct nx__crash_frame *f = &r->frames[i];
        bool known = f->module < r->module_count;
        say(fd, "    %s+%#llx\n", known ? r->modules[f->module] : "?",
            (unsigned long long)f->address);
    }
}

/* Writes the frame's line and stores where its source is. False at the runtime's own end of the
 * stack. */
static bool describe(const struct nx__crash_report *r, const struct nx__crash_frame *f, char *text,
                     size_t size, struct nx__symbol *symbol)
{
    *symbol = (struct nx__symbol){0};
    unsigned long long address = f->address;
    if (f->module >= r->module_count) {
        (void)snprintf(text, size, "%#llx in no known code", address);
        return true;
    }
    const char *path = r->modules[f->module], *base = strrchr(path, '/');
    /* The call, not what comes after it. */
    if (!nx__symbolize(path, f->address - (f->is_return ? 1 : 0), symbol)) {
        (void)snprintf(text, size, "%s+%#llx", path, address);
        return true;
    }
    if (nx__crash_is_bottom(symbol->function)) return false;
    const char *name = symbol->function[0] ? symbol->function : "?";
    if (symbol->file[0])
        (void)snprintf(text, size, "%-24s %s:%d", name, symbol->file, symbol->line);
    else
        (void)snprintf(text, size, "%-24s %s", name, base ? base + 1 : path);
    return true;
}

/* Notes for a story what is known of the frame; `path` tells where its code lies. */
static void note(struct nx__crash_story *story, const struct nx__crash_report *r,
                 const struct nx__crash_frame *f, const struct nx__symbol *symbol)
{
    if (!story || story->count == NX__CRASH_FRAMES) return;
    struct nx__crash_told *told = &story->frames[story->count++];
    const char *path = f->module < r->module_count ? r->modules[f->module] : "";
    const char *base = strrchr(path, '/');
    (void)snprintf(told->function, sizeof told->function, "%s", symbol->function);
    (void)snprintf(told->file, sizeof told->file, "%s", symbol->file);
    (void)snprintf(told->module, sizeof told->module, "%.*s", (int)sizeof told->module - 1,
                   base ? base + 1 : path);
    told->line = symbol->line;
    told->runtime = f->module == 0;
}

static void print_frames(const struct nx__crash_report *r, int fd, struct nx__crash_story *story)
{
    uint32_t told = frames_told(r);
    char line[640], last[640] = "";
    bool excerpted = false;
    unsigned same = 0;
    for (uint32_t i = 0; i <= r->frame_count; i++) {
        struct nx__symbol symbol;
        bool end = i == r->frame_count || !describe(r, &r->frames[i], line, sizeof line, &symbol) ||
                   (i >= told && told && !symbol.function[0]);
        if (!end && strcmp(line, last) == 0) {
            same++;
            if (story && story->count) story->frames[story->count - 1].same++;
            continue;
        }
        if (same) say(fd, "    ... %u more of the same\n", same);
        if (end) break;
        same = 0;
        memcpy(last, line, sizeof last);
        say(fd, "    %s\n", line);
        note(story, r, &r->frames[i], &symbol);
        if (!excerpted && r->frames[i].module != 0 && symbol.file[0] == '/') {
            if (fd >= 0) excerpt(fd, symbol.file, symbol.line);
            excerpted = true;
        }
    }
}

static void print_head(const struct nx__crash_report *r, int fd)
{
    char where[sizeof r->fiber + sizeof r->thread + 64];
    if (r->fiber[0] && r->workers > 1)
        (void)snprintf(where, sizeof where, "fiber \"%s\" of worker %u", r->fiber, r->worker);
    else if (r->fiber[0] && r->thread[0] && !(r->apart && r->kind == NX__CRASH_SIGNAL))
        (void)snprintf(where, sizeof where, "fiber \"%s\" of worker \"%s\"", r->fiber, r->thread);
    else if (r->fiber[0])
        (void)snprintf(where, sizeof where, "fiber \"%s\"", r->fiber);
    else
        (void)snprintf(where, sizeof where, "a thread without a loop");
    switch (r->kind) {
    case NX__CRASH_BLOCKED:
        say(fd, "nexus: %s has blocked the loop for %llu ms", where,
            (unsigned long long)r->blocked_ms);
        break;
    case NX__CRASH_OVERFLOW:
        say(fd,
            "nexus: stack overflow in %s (its stack is %llu KiB; --stack-size=BYTES sets another)",
            where, (unsigned long long)(r->stack_size / 1024));
        break;
    case NX__CRASH_OVERFLOW_MAIN:
        say(fd, "nexus: stack overflow in %s (its stack is %llu KiB; see ulimit -s)", where,
            (unsigned long long)(r->stack_size / 1024));
        break;
    default:
        if (r->apart)
            say(fd, "nexus: worker \"%s\" crashed in %s: %s", r->thread, where,
                nx__crash_what(r->signal));
        else
            say(fd, "nexus: the program crashed in %s: %s", where, nx__crash_what(r->signal));
        if (r->signal == SIGSEGV || r->signal == SIGBUS)
            say(fd, " at address %#llx", (unsigned long long)r->fault);
    }
    say(fd, r->activity[0] ? ", serving %s\n" : "%s\n", r->activity);
}

bool nx__crash_check(const void *packet, size_t len, struct nx__crash_report *out)
{
    if (len != sizeof *out) return false;
    memcpy(out, packet, len);
    if (out->magic != NX__CRASH_MAGIC || out->kind >= NX__CRASH_KINDS) return false;
    if (out->module_count > NX__CRASH_MODULES || out->frame_count > NX__CRASH_FRAMES) return false;
    nx__utf8_clean(out->fiber, sizeof out->fiber);
    nx__utf8_clean(out->thread, sizeof out->thread);
    nx__utf8_clean(out->activity, sizeof out->activity);
    nx__utf8_clean(out->message, sizeof out->message);
    for (uint32_t i = 0; i < out->module_count; i++)
        nx__utf8_clean(out->modules[i], NX__CRASH_PATH);
    return true;
}

/* What the child has noted, which may have gone wrong anywhere. */
static void story_check(struct nx__crash_story *story)
{
    if (story->count > NX__CRASH_FRAMES) story->count = 0;
    for (uint32_t i = 0; i < story->count; i++) {
        struct nx__crash_told *told = &story->frames[i];
        nx__utf8_clean(told->function, sizeof told->function);
        nx__utf8_clean(told->file, sizeof told->file);
        nx__utf8_clean(told->module, sizeof told->module);
    }
}

/* False when the names could not be found out. */
static bool frames_tell(const struct nx__crash_report *report, int fd,
                        struct nx__crash_story *shared)
{
    pid_t pid = _Fork();
    if (pid == 0) {
        nx__symbolize_apart();
        print_frames(report, fd, shared);
        _exit(0);
    }
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    /* Where SIGCHLD is ignored the status is not known, but then the lines are most likely out. */
    return pid > 0 && (status == 0 || status == -1);
}

void nx__crash_print(const void *report, size_t len, int fd)
{
    static struct nx__crash_report copy; /* too large for a handler's stack */
    if (!nx__crash_check(report, len, &copy)) {
        say(fd, "nexus: the program has sent a report that is none\n");
        return;
    }
    print_head(&copy, fd);
    if (!frames_tell(&copy, fd, NULL)) print_addresses(&copy, fd);
}

void nx__crash_tell(const struct nx__crash_report *report, int fd, struct nx__crash_story *story)
{
    memset(story, 0, sizeof *story);
    struct nx__crash_story *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) shared = NULL;
    print_head(report, fd);
    if (!frames_tell(report, fd, shared) && fd >= 0) print_addresses(report, fd);
    if (!shared) return;
    memcpy(story, shared, sizeof *story);
    (void)munmap(shared, sizeof *shared);
    story_check(story);
}

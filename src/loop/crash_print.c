/* Printing reports of crashes, for people. */
#include "loop/crash.h"

#include "base/symbolize.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXCERPT_MOST = 120 };

static const char *what(int signo)
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

/* What came from outside must not steer the terminal. */
static void clean(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
}

static void excerpt(int fd, const char *path, int line)
{
    FILE *file = fopen(path, "re");
    if (!file) return;
    char text[512];
    for (int n = 1; fgets(text, sizeof text, file); n++) {
        if (n != line) continue;
        text[strcspn(text, "\n")] = '\0';
        clean(text, sizeof text);
        const char *code = text + strspn(text, " ");
        (void)dprintf(fd, "        %5d | %.*s\n", line, EXCERPT_MOST, code);
        break;
    }
    (void)fclose(file);
}

/* Frames that are the runtime's own machinery below the app's first function say nothing to the
 * reader. */
static bool is_bottom(const char *function)
{
    static const char *const names[] = {"fiber_main",   "nx__switch_entry",  "nx__switch",
                                        "request_main", "nx__request_serve", "nx__program_run",
                                        "callback_run"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(function, names[i]) == 0) return true;
    return false;
}

static void print_frames(struct nx__crash_report *r, int fd)
{
    bool shown = false;
    for (uint32_t i = 0; i < r->frame_count; i++) {
        const struct nx__crash_frame *f = &r->frames[i];
        if (f->module >= r->module_count) {
            (void)dprintf(fd, "    %#llx in no known code\n", (unsigned long long)f->address);
            continue;
        }
        const char *path = r->modules[f->module];
        struct nx__symbol symbol;
        uint64_t address =
            f->address - (f->is_return ? 1 : 0); /* the call, not what comes after it */
        if (!nx__symbolize(path, address, &symbol)) {
            (void)dprintf(fd, "    %s+%#llx\n", path, (unsigned long long)f->address);
            continue;
        }
        clean(symbol.function, sizeof symbol.function);
        clean(symbol.file, sizeof symbol.file);
        /* clang's folder comes before a path that is absolute already. */
        const char *file = strstr(symbol.file, "//") ? strstr(symbol.file, "//") + 1 : symbol.file;
        if (is_bottom(symbol.function)) break;
        const char *name = symbol.function[0] ? symbol.function : "?";
        if (!symbol.file[0]) {
            const char *base = strrchr(path, '/');
            (void)dprintf(fd, "    %-24s %s\n", name, base ? base + 1 : path);
            continue;
        }
        (void)dprintf(fd, "    %-24s %s:%d\n", name, file, symbol.line);
        if (!shown && f->module != 0 && file[0] == '/') {
            excerpt(fd, file, symbol.line);
            shown = true;
        }
    }
}

static void print(struct nx__crash_report *r, int fd)
{
    clean(r->fiber, sizeof r->fiber);
    clean(r->activity, sizeof r->activity);
    for (size_t i = 0; i < NX__CRASH_MODULES; i++) r->modules[i][NX__CRASH_PATH - 1] = '\0';
    if (r->module_count > NX__CRASH_MODULES) r->module_count = NX__CRASH_MODULES;
    if (r->frame_count > NX__CRASH_FRAMES) r->frame_count = NX__CRASH_FRAMES;
    const char *fiber = r->fiber[0] ? r->fiber : "loop";
    switch (r->kind) {
    case NX__CRASH_BLOCKED:
        (void)dprintf(fd, "nexus: fiber \"%s\" has blocked the loop for %llu ms", fiber,
                      (unsigned long long)r->blocked_ms);
        break;
    case NX__CRASH_OVERFLOW:
        (void)dprintf(
            fd,
            "nexus: stack overflow in fiber \"%s\" (its stack is %llu KiB; --stack-size=BYTES sets another)",
            fiber, (unsigned long long)(r->stack_size / 1024));
        break;
    default:
        (void)dprintf(fd, "nexus: the program crashed in fiber \"%s\": %s", fiber, what(r->signal));
        if (r->signal == SIGSEGV || r->signal == SIGBUS)
            (void)dprintf(fd, " at address %#llx", (unsigned long long)r->fault);
    }
    (void)dprintf(fd, r->activity[0] ? ", serving %s\n" : "%s\n", r->activity);
    print_frames(r, fd);
}

void nx__crash_print(const void *report, size_t len, int fd)
{
    static struct nx__crash_report copy;
    if (len != sizeof copy || (memcpy(&copy, report, len), copy.magic != NX__CRASH_MAGIC)) {
        (void)dprintf(fd, "nexus: the program has sent a report that is none\n");
        return;
    }
    /* Reading debug information takes memory, and the files may be anything: in a process of its
     * own. */
    pid_t pid = _Fork();
    if (pid == 0) {
        print(&copy, fd);
        _exit(0);
    }
    if (pid < 0)
        print(&copy, fd);
    else
        while (waitpid(pid, NULL, 0) < 0) {}
}

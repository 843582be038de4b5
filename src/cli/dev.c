/* nexus dev: run with watch, and tell the developer all there is to tell. */
#include "cli/dev.h"

#include "base/clock.h"
#include "cli/cli.h"
#include "http/dev.h"
#include "module/compiler.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The launcher's life */

nx_err nx__dev_open(struct nx__launcher *l)
{
    static struct nx__dev dev; /* large, and there is one */
    NX_TRY(nx__dev_output_open(&dev.output, !l->run->no_log));
    char *real = realpath(l->run->file, NULL);
    if (real) nx__project_root(real, dev.root);
    free(real);
    l->dev = &dev;
    return NX_OK;
}

struct nx__buffer *nx__dev_said(struct nx__launcher *l)
{
    return l->dev ? &l->dev->said : NULL;
}

void nx__dev_compiled(struct nx__launcher *l, const struct nx__compiled *compiled, nx_err err)
{
    struct nx__dev *dev = l->dev;
    const char *name = compiled->compiler ? strrchr(compiled->compiler, '/') : NULL;
    (void)snprintf(dev->compiler, sizeof dev->compiler, "%s", name ? name + 1 : "");
    dev->display_columns = !strstr(dev->compiler, "clang") && !strstr(dev->compiler, "zig");
    dev->from_cache = compiled->from_cache;
    dev->built = nx__clock_monotonic() - l->begun;
    if (!err) return;
    dev->trouble = NX__DEV_UNCOMPILED;
    (void)snprintf(dev->why, sizeof dev->why, "%s", nx__error_last()->message);
}

static void changed(struct nx__launcher *l)
{
    l->dev->version++;
    nx__standin_tell(l);
}

void nx__dev_refused(struct nx__launcher *l)
{
    /* What a browser shows is the source as it is: an answer of the program before would say that
     * all is well. */
    nx__generation_retire(l, &l->next, true);
    nx__generation_retire(l, &l->current, true);
    changed(l);
}

void nx__dev_starting(struct nx__launcher *l)
{
    struct nx__dev *dev = l->dev;
    nx__dev_output_relay(&dev->output);
    dev->output.tail_len = 0;
    dev->pending |= l->crash_count == 0; /* else it is the same program again */
}

void nx__dev_listening(struct nx__launcher *l)
{
    if (l->dev->pending) changed(l);
    l->dev->pending = false;
}

void nx__dev_ended(struct nx__launcher *l, int status)
{
    struct nx__dev *dev = l->dev;
    bool told = dev->crash_known && dev->crash_of == l->generations;
    nx__dev_output_relay(&dev->output);
    dev->status = status;
    dev->trouble = WIFSIGNALED(status) && told ? NX__DEV_CRASHED : NX__DEV_ENDED;
    dev->pending = false;
    changed(l);
}

void nx__dev_poll(const struct nx__launcher *l, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = l->dev ? l->dev->output.from : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = l->dev ? l->dev->output.log_from : -1, .events = POLLIN};
}

void nx__dev_relay(struct nx__launcher *l)
{
    nx__dev_output_relay(&l->dev->output);
}

void nx__dev_resized(const struct nx__launcher *l)
{
    nx__dev_output_resize(&l->dev->output);
}

/* ---- What the program sends */

/* The page in a file, behind its nonce. -1 when it can't be made. */
static int page_file(const struct nx__dev_page *page, enum nx__broker_wants wants)
{
    struct nx__dev_text text = {0};
    int fd = memfd_create("nexus-page", MFD_CLOEXEC);
    char nonce[NX__DEV_NONCE] = {0};
    memcpy(nonce, page->nonce, strlen(page->nonce));
    nx__text_bytes(&text, nx_slice(nonce, sizeof nonce));
    nx__dev_render(page, wants, &text);
    bool whole = fd >= 0 && !text.err &&
                 write(fd, text.buffer.data, text.buffer.len) == (ssize_t)text.buffer.len;
    nx__buffer_free(&text.buffer);
    if (whole || fd < 0) return fd;
    (void)close(fd);
    return -1;
}

static int failure_page(struct nx__launcher *l, const struct nx__crash_report *report)
{
    static struct nx__crash_story story;
    struct nx__dev_page page;
    nx__crash_tell(report, -1, &story);
    nx__dev_page_init(&page, l, NX__DEV_FAILED, report, &story);
    int fd = page_file(&page, report->wants <= NX__WANTS_HTML ? (enum nx__broker_wants)report->wants
                                                              : NX__WANTS_TEXT);
    nx__dev_page_free(&page);
    return fd;
}

bool nx__dev_report(struct nx__launcher *l, const struct nx__generation *generation,
                    const void *packet, size_t len, int *page)
{
    static struct nx__crash_report report;
    struct nx__dev *dev = l->dev;
    *page = -1;
    nx__dev_output_relay(&dev->output); /* what it has said before comes before */
    if (!nx__crash_check(packet, len, &report) || report.kind == NX__CRASH_BLOCKED) {
        nx__crash_print(packet, len, STDERR_FILENO);
        return false;
    }
    if (report.kind == NX__CRASH_FAILED) { /* the program waits, an old one too */
        *page = failure_page(l, &report);
        return true;
    }
    dev->crash = report;
    nx__crash_tell(&dev->crash, STDERR_FILENO, &dev->story);
    dev->crash_known = true;
    dev->crash_of = generation->number;
    return false;
}

/* ---- Who asks */

void nx__dev_page_now(const struct nx__launcher *l, struct nx__dev_page *page)
{
    const struct nx__dev *dev = l->dev;
    bool crash = dev->trouble == NX__DEV_CRASHED;
    nx__dev_page_init(page, l, dev->trouble, crash ? &dev->crash : NULL,
                      crash ? &dev->story : NULL);
}

void nx__dev_crashed(struct nx__launcher *l, int fd, uint32_t wants)
{
    struct nx__dev_page page;
    const struct nx__dev *dev = l->dev;
    if (!dev->crash_known || wants > NX__WANTS_HTML) {
        (void)close(fd);
        return;
    }
    nx__dev_page_init(&page, l, NX__DEV_CRASHED, &dev->crash, &dev->story);
    nx__dev_page_of_request(&page);
    nx__standin_answer(l, fd, &page, (enum nx__broker_wants)wants);
    nx__dev_page_free(&page);
}

/* ---- The terminal */

static void browser_open(const char *url)
{
    const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    if (!(x11 && *x11) && !(wayland && *wayland)) {
        nx__cli_say("there is no desktop here that could open %s", url);
        return;
    }
    /* A child of a child: nobody waits for it. */
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() != 0) _exit(0);
        sigset_t none;
        int null = open("/dev/null", O_RDWR);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        for (int i = 0; i < 3; i++) (void)dup2(null, i);
        (void)syscall(SYS_close_range, 3, ~0u, 0);
        (void)execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    }
    if (pid > 0) (void)waitpid(pid, NULL, 0);
}

/* Some of the names, and how many others there are. */
static void files_list(const struct nx__watcher *w, char *out, size_t size)
{
    enum { NAMED = 4 };
    size_t count = nx__watch_count(w), named = 0, len = 0;
    for (size_t i = 0; i < w->count && named < NAMED; i++) {
        char clean[64];
        if (!w->files[i].own) continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s", named ? ", " : "",
                                nx__printable(clean, sizeof clean, w->files[i].name));
        named++;
    }
    if (count > named) (void)snprintf(out + len, size - len, " and %zu more", count - named);
}

void nx__dev_banner(struct nx__launcher *l, const char *url)
{
    struct nx__dev *dev = l->dev;
    char files[320] = "", file[128];
    nx__cli_say("%s", url);
    if (dev->banner) return;
    dev->banner = true;
    nx_duration all = nx__clock_monotonic() - l->begun;
    files_list(&l->watcher, files, sizeof files);
    nx__printable(file, sizeof file, l->run->file);
    if (dev->from_cache)
        nx__cli_say("%s was in the cache, started in %.0f ms; watching %s", file, (double)all / 1e6,
                    files);
    else
        nx__cli_say("%s built in %.0f ms by %s, started in %.0f ms; watching %s", file,
                    (double)dev->built / 1e6, dev->compiler, (double)(all - dev->built) / 1e6,
                    files);
    if (l->run->open) browser_open(url);
}

/* ---- The program's process */

nx_err nx__dev_app_begin(const struct nx__launcher *l, int log)
{
    const struct nx__dev *dev = l->dev;
    if (dup2(dev->output.to, STDERR_FILENO) < 0 ||
        (dev->output.log_to >= 0 && dup3(dev->output.log_to, log, O_CLOEXEC) < 0))
        return nx__error_system(errno, "cannot start the program");
    const struct nx__http_dev_options options = {
        .log = dev->output.log_to >= 0 ? log : -1,
        .color = nx__cli_color(STDERR_FILENO),
        .reload = l->run->reload,
        .version = dev->version + dev->pending,
    };
    nx__http_dev_begin(&options);
    return NX_OK;
}

/* ---- The command */

static int run(int argc, char **argv)
{
    static struct nx__run options = {.dev = true, .watch = true};
    return nx__run_with(&options, &nx__command_dev, argc, argv);
}

const struct nx__command nx__command_dev = {
    .name = "dev",
    .summary = "run a program while you work on it: watch, error pages in the browser, request log",
    .flags = nx__dev_flags,
    .argument = NX__OFFER_SOURCES,
    .help =
        "Usage: nexus dev [FLAGS] [FILE.c|FOLDER] [FLAGS] [ARGUMENTS] [-- ARGUMENTS]\n"
        "\n"
        "Does what nexus run --watch does and takes the same flags. When the program does not compile, crashes, or a handler\n"
        "returns an error, the browser shows where and why, and loads the page again once that is mended; other clients get the\n"
        "same as text or JSON. Each request is a line on the terminal.\n"
        "Not for production: it shows the inside of the program to whoever can connect.\n"
        "\n"
        "  --open                   open the browser, where there is a desktop\n"
        "  --no-log                 no line for each request\n"
        "  --reload                 pages of the program's own load again after each change too\n"
        "  ...                      and the flags of nexus run: see nexus help run\n"
        "\n"
        "NEXUS_EDITOR_URL is what links to files open: vscode://file{file}:{line}:{column} unless set; empty for no links.\n"
        "\n"
        "Examples:\n"
        "  nexus dev app.c --allow-net=127.0.0.1:3000\n"
        "  nexus dev --open --reload\n"
        "  NEXUS_EDITOR_URL='idea://open?file={file}&line={line}' nexus dev app.c\n",
    .run = run,
};

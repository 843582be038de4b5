/* The warnings of the program that runs: shown from the cache, or found out beside it by a process
 * of their own, so that no start waits for them. */
#include "cli/launcher.h"

#include "base/buffer.h"
#include "cli/cli.h"
#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NICENESS = 10,
    END_WAIT = 300, /* ms: a program may be through before its compiler is */
};

/* Somebody is there to read them; what runs unattended has been compiled before, or its log is its
 * own. */
static bool is_wanted(const struct nx__launcher *l)
{
    return !l->run->no_warnings && (l->watcher.fd >= 0 || isatty(STDERR_FILENO));
}

/* Writes them, without their colours where there are none. */
static void show(struct nx__buffer *text)
{
    size_t len = text->len;
    if (!nx__cli_color(STDERR_FILENO)) {
        len = 0;
        for (size_t i = 0; i < text->len; i++) {
            if (text->data[i] != '\033') {
                text->data[len++] = text->data[i];
                continue;
            }
            while (i + 1 < text->len && text->data[i] != 'm' && text->data[i] != 'K') i++;
        }
    }
    for (size_t at = 0; at < len;) {
        ssize_t n = write(STDERR_FILENO, text->data + at, len - at);
        if (n < 0 && errno != EINTR) return;
        if (n > 0) at += (size_t)n;
    }
}

void nx__warnings_recall(struct nx__launcher *l, const struct nx__compiled *compiled)
{
    struct nx__buffer text = {0};
    l->unchecked = false;
    if (!is_wanted(l) || !compiled->warnings_path) return;
    if (nx__module_warnings(compiled, &text))
        l->unchecked = true;
    else if (compiled->from_cache && text.len) /* else the compiler has just said them */
        show(&text);
    nx__buffer_free(&text);
}

static NX__NORETURN void check(const struct nx__launcher *l)
{
    struct nx__buffer text = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != l->pid) _exit(0);
    /* The sockets above all: as long as they are open here, they listen. */
    (void)syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    struct nx__compile_request request = {
        .path = l->run->file, .release = l->run->release, .compiler = l->run->compiler};
    if (nx__module_check(&request, &text) == NX_OK) show(&text);
    _exit(0);
}

void nx__warnings_check(struct nx__launcher *l)
{
    if (l->checker) (void)kill(l->checker, SIGKILL); /* it checks what does not run any more */
    l->checker = 0;
    if (!l->unchecked) return;
    l->unchecked = false;
    pid_t pid = fork(); /* without memory for it, there are no warnings */
    if (pid == 0) check(l);
    l->checker = pid > 0 ? pid : 0;
}

void nx__warnings_finish(struct nx__launcher *l)
{
    if (!l->checker || l->stop_signal) return;
    int fd = (int)syscall(SYS_pidfd_open, l->checker, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd >= 0) (void)poll(&ended, 1, END_WAIT);
}

/* What the program of `nexus dev` says comes by the launcher: it shows it, and keeps the last of it
 * for the page of a crash. */
#include "cli/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum {
    PIPE_SIZE = 1 << 20, /* the launcher does not read while it compiles */
    READS_MOST = 64,     /* in one go */
};

/* A terminal of the program's own, so that it finds there what it would find on ours. */
static bool terminal_open(struct nx__dev_output *o)
{
    char name[64];
    struct termios settings;
    o->from = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (o->from < 0) return false;
    if (grantpt(o->from) == 0 && unlockpt(o->from) == 0 &&
        ptsname_r(o->from, name, sizeof name) == 0)
        o->to = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (o->to >= 0 && tcgetattr(o->to, &settings) == 0) {
        cfmakeraw(&settings); /* ours does what is to be done with it */
        (void)tcsetattr(o->to, TCSANOW, &settings);
        nx__dev_output_resize(o);
        return true;
    }
    (void)close(o->from);
    if (o->to >= 0) (void)close(o->to);
    o->from = o->to = -1;
    return false;
}

/* Neither end is waited for where `patient` is false. */
static nx_err pipe_open(int *from, int *to, bool patient)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return nx__error_system(errno, "cannot start nexus dev");
    (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE); /* or less */
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    if (!patient) (void)fcntl(ends[1], F_SETFL, O_NONBLOCK);
    *from = ends[0];
    *to = ends[1];
    return NX_OK;
}

/* Above where the program's process puts what it inherits, which would take their place. */
static nx_err lift(int *fd)
{
    enum { ABOVE = 16 };
    int up = fcntl(*fd, F_DUPFD_CLOEXEC, ABOVE);
    if (up < 0) return nx__error_system(errno, "cannot start nexus dev");
    (void)close(*fd);
    *fd = up;
    return NX_OK;
}

nx_err nx__dev_output_open(struct nx__dev_output *o, bool log)
{
    o->from = o->to = o->log_from = o->log_to = -1;
    if (!isatty(STDERR_FILENO) || !terminal_open(o)) NX_TRY(pipe_open(&o->from, &o->to, true));
    NX_TRY(lift(&o->to));
    if (!log) return NX_OK;
    NX_TRY(pipe_open(&o->log_from, &o->log_to, false));
    return lift(&o->log_to);
}

void nx__dev_output_resize(const struct nx__dev_output *o)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0) (void)ioctl(o->to, TIOCSWINSZ, &size);
}

static void show(const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, data, len);
        if (n < 0 && errno != EINTR) return;
        if (n <= 0) continue;
        data += n;
        len -= (size_t)n;
    }
}

static void keep(struct nx__dev_output *o, const char *data, size_t len)
{
    if (len > NX__DEV_TAIL_MOST) {
        data += len - NX__DEV_TAIL_MOST;
        len = NX__DEV_TAIL_MOST;
    }
    if (o->tail_len + len > NX__DEV_TAIL_MOST) {
        size_t drop = o->tail_len + len - NX__DEV_TAIL_MOST;
        memmove(o->tail, o->tail + drop, o->tail_len - drop);
        o->tail_len -= drop;
    }
    memcpy(o->tail + o->tail_len, data, len);
    o->tail_len += len;
}

static void relay(struct nx__dev_output *o, int from, bool kept)
{
    /* What the program has not ended yet is not to run into a line about a request. */
    bool midline = !kept && o->tail_len && o->tail[o->tail_len - 1] != '\n';
    char data[16 * 1024];
    ssize_t n;
    for (int i = 0; i < READS_MOST && from >= 0; i++) {
        n = read(from, data, sizeof data);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        if (midline) show("\n", 1);
        midline = false;
        show(data, (size_t)n);
        if (kept) keep(o, data, (size_t)n);
    }
}

void nx__dev_output_relay(struct nx__dev_output *o)
{
    relay(o, o->from, true);
    relay(o, o->log_from, false);
}

nx_bytes nx__dev_output_last(const struct nx__dev_output *o)
{
    size_t at = o->tail_len;
    int lines = 0;
    while (at && (o->tail[at - 1] != '\n' || at == o->tail_len || ++lines < NX__DEV_TAIL_LINES))
        at--;
    return nx_slice(o->tail + at, o->tail_len - at);
}

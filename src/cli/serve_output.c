/* What guests of nexus serve print. */
#include "cli/serve_output.h"

#include "base/clock.h"
#include "base/sigpipe.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    KEPT_MOST = 1 << 20, /* bytes that wait for somebody to take them */
    PIECE = 4096,        /* a pipe that takes anything takes as much */
    NOTE = 128,
};
static const nx_duration END_MOST = NX_S(1);

/* One for each place that is written to. */
struct relay {
    int from, to;
    pthread_t thread;
    char *kept;
    size_t begin, len;
    unsigned long long lost;
    bool gone; /* nobody will take any more */
};
static struct relay relays[2];
static size_t relay_count;
static int places[2]; /* which relay stdout and stderr go to, -1: none */

static void keep(struct relay *r, const char *data, size_t len)
{
    if (r->begin && r->begin + r->len + len > KEPT_MOST) {
        memmove(r->kept, r->kept + r->begin, r->len);
        r->begin = 0;
    }
    size_t room = KEPT_MOST - r->begin - r->len, taken = len < room ? len : room;
    if (r->gone) return;
    memcpy(r->kept + r->begin + r->len, data, taken);
    r->len += taken;
    r->lost += len - taken;
}

/* Does not wait: there is room for a piece. */
static void give(struct relay *r)
{
    char note[NOTE];
    ssize_t n = write(r->to, r->kept + r->begin, r->len < PIECE ? r->len : PIECE);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    r->gone = n < 0;
    r->len = n < 0 ? 0 : r->len - (size_t)n;
    r->begin = r->len ? r->begin + (size_t)n : 0;
    if (r->len || !r->lost || r->gone) return;
    int size = snprintf(
        note, sizeof note,
        "\nnexus: %llu bytes of what guests have printed are lost, since nobody read\n", r->lost);
    r->lost = 0;
    keep(r, note, (size_t)size);
}

static void *pass_on(void *arg)
{
    struct relay *r = arg;
    static const int forever = -1;
    char piece[PIECE];
    nx_duration until = 0; /* when what is left is given up; 0: more may come */
    for (;;) {
        struct pollfd fds[] = {{.fd = until ? -1 : r->from, .events = POLLIN},
                               {.fd = r->len ? r->to : -1, .events = POLLOUT}};
        nx_duration left = until ? until - nx__clock_monotonic() : 0;
        if (until && (!r->len || left <= 0)) return NULL;
        if (poll(fds, 2, until ? (int)(left / NX_MS(1)) + 1 : forever) < 0 && errno != EINTR)
            return NULL;
        if (fds[1].revents) give(r);
        if (!fds[0].revents) continue;
        ssize_t n = read(r->from, piece, sizeof piece);
        if (n > 0)
            keep(r, piece, (size_t)n);
        else if (n == 0 || errno != EINTR)
            until = nx__clock_monotonic() + END_MOST;
    }
}

static bool thread_start(struct relay *r)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_BLOCK, &all, &before) != 0) return false;
    bool started = pthread_create(&r->thread, NULL, pass_on, r) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/* A relay in front of the descriptor; false: it stays as it is. */
static bool relay_start(struct relay *r, int fd)
{
    int ends[2] = {-1, -1};
    *r = (struct relay){.from = -1, .to = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
    r->kept = malloc(KEPT_MOST);
    if (r->kept && r->to >= 0 && pipe2(ends, O_CLOEXEC) == 0) {
        bool put = dup2(ends[1], fd) >= 0;
        r->from = ends[0];
        (void)close(ends[1]);
        if (put && thread_start(r)) return true;
        if (put) (void)dup2(r->to, fd);
        (void)close(r->from);
    }
    if (r->to >= 0) (void)close(r->to);
    free(r->kept);
    return false;
}

static bool may_stand_still(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && (S_ISFIFO(st->st_mode) || S_ISSOCK(st->st_mode));
}

void nx__serve_output_begin(void)
{
    struct stat out, err;
    bool of_out = may_stand_still(STDOUT_FILENO, &out),
         of_err = may_stand_still(STDERR_FILENO, &err);
    bool same = of_out && of_err && out.st_ino == err.st_ino && out.st_dev == err.st_dev;
    places[0] = places[1] = -1;
    nx__sigpipe_quiet();
    (void)fflush(stdout);
    if (of_out && relay_start(&relays[relay_count], STDOUT_FILENO)) places[0] = (int)relay_count++;
    if (same && places[0] >= 0 && dup2(STDOUT_FILENO, STDERR_FILENO) >= 0)
        places[1] = places[0]; /* in the order in which it is written */
    else if (of_err && !same && relay_start(&relays[relay_count], STDERR_FILENO))
        places[1] = (int)relay_count++;
}

void nx__serve_output_end(void)
{
    (void)fflush(stdout);
    for (int i = 0; i < 2; i++)
        if (places[i] >= 0) (void)dup2(relays[places[i]].to, STDOUT_FILENO + i);
    for (size_t i = 0; i < relay_count; i++) {
        struct relay *r = &relays[i];
        (void)pthread_join(r->thread, NULL);
        (void)close(r->from);
        (void)close(r->to);
        free(r->kept);
    }
    relay_count = 0;
}

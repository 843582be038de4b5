/* The log's file: opened for appending, opened again on request, made anew when it is full. */
#include "console/log.h"

#include "base/clock.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_MOST = 4096, SUFFIX_MOST = 12 };

struct place {
    char path[PATH_MOST];
    uint64_t max_size; /* 0: none */
    unsigned keep;
};

static struct {
    pthread_mutex_t lock;
    struct nx__outlet outlet;
    atomic_bool opened;  /* the outlet is */
    atomic_bool reopen;  /* asked for */
    atomic_bool changed; /* next_fd and next are to be taken over */
    int next_fd;
    struct place next;
    /* The writer's own. */
    struct place now;
    uint64_t size;
} file = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- On the writer's thread */

static int open_path(const char *path)
{
    /* Without waiting for somebody to open the other end, should it be a pipe. */
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
    if (flags >= 0) (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

/* To the standard error, as a line. */
static void complain(const char *message, const char *path, int error)
{
    struct nx__outlet *o = nx__outlet_standard(STDERR_FILENO);
    if (!o) return;
    nx_value items[] = {nx_val("file"), nx_val(path), nx_val("error"),
                        nx_val(nx__errno_text(error))};
    struct nx__line line = {.level = NX_LOG_ERROR,
                            .time = nx__clock_wall(),
                            .message = nx_str(message),
                            .items = items,
                            .count = sizeof items / sizeof *items};
    char text[1024];
    bool whole;
    size_t len = nx__line_write(nx__log_style(o), &line, text, sizeof text, &whole);
    (void)nx__outlet_put(o, text, len, NX__FULL_DROP);
}

static uint64_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

static void take(struct nx__outlet *o, int fd)
{
    (void)close(o->fd);
    o->fd = fd;
    file.size = size_of(fd);
    atomic_store(&o->error, 0);
    o->failing = false;
}

static void reopen(struct nx__outlet *o)
{
    int fd = open_path(file.now.path);
    if (fd >= 0) {
        take(o, fd);
        return;
    }
    complain("cannot open the log again; it goes on as it was", file.now.path, errno);
    file.size = 0; /* one that is full is left when as much has come once more */
}

/* "app.log" with number 2 is "app.log.2", with 0 itself. */
static void numbered(char out[PATH_MOST + SUFFIX_MOST], const char *path, unsigned number)
{
    (void)snprintf(out, PATH_MOST + SUFFIX_MOST, number ? "%s.%u" : "%s", path, number);
}

/* Each file takes the next number, the last one's is lost. */
static void rotate(struct nx__outlet *o)
{
    char from[PATH_MOST + SUFFIX_MOST], to[PATH_MOST + SUFFIX_MOST];
    int error = 0;
    for (unsigned i = file.now.keep; i-- > 0;) {
        numbered(from, file.now.path, i);
        numbered(to, file.now.path, i + 1);
        if (rename(from, to) != 0 && errno != ENOENT) error = errno;
    }
    if (error) {
        complain("the log is full, and can't be moved aside; it goes on", file.now.path, error);
        file.size = 0; /* to try again when as much has come */
        return;
    }
    reopen(o);
}

static void prepare(struct nx__outlet *o, size_t len)
{
    if (nx__unlikely(atomic_load(&file.changed))) {
        (void)pthread_mutex_lock(&file.lock);
        atomic_store(&file.changed, false);
        file.now = file.next;
        take(o, file.next_fd);
        (void)pthread_mutex_unlock(&file.lock);
    }
    if (nx__unlikely(atomic_exchange(&file.reopen, false))) reopen(o);
    if (file.now.max_size && len && file.size && file.size + len > file.now.max_size) rotate(o);
    file.size += len;
}

static void failed(struct nx__outlet *o, int error)
{
    (void)o;
    complain("cannot write the log", file.now.path, error);
}

static size_t lost(struct nx__outlet *o, char out[NX__OUTLET_LOST], uint64_t lines)
{
    return nx__log_hooks.lost(o, out, lines);
}

static const struct nx__outlet_hooks hooks = {.prepare = prepare, .lost = lost, .failed = failed};

/* ---- SIGHUP */

static struct sigaction before;

static void hangup(int signo, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    if (info->si_code == SI_KERNEL) { /* the terminal is gone, which is nothing to do with logs */
        if (before.sa_handler == SIG_IGN) return;
        (void)sigaction(signo, &before, NULL);
        (void)raise(signo); /* once this handler has returned */
        return;
    }
    nx__log_file_reopen();
    errno = saved;
}

static void hangup_handle(void)
{
    if (sigaction(SIGHUP, NULL, &before) != 0 || (before.sa_flags & SA_SIGINFO) ||
        (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN))
        return; /* the program's own affair */
    struct sigaction action = {.sa_sigaction = hangup, .sa_flags = SA_SIGINFO | SA_RESTART};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGHUP, &action, NULL);
}

void nx__log_file_reopen(void)
{
    atomic_store(&file.reopen, true);
    if (atomic_load(&file.opened)) nx__outlet_wake(&file.outlet);
}

/* ---- Opening */

static nx_err permit(const struct place *place)
{
    char path[PATH_MOST + SUFFIX_MOST];
    for (unsigned i = 0; i <= (place->max_size ? place->keep : 0); i++) {
        numbered(path, place->path, i);
        NX_TRY(nx__permit(NX__PERMIT_WRITE, path));
    }
    return NX_OK;
}

nx_err nx__log_file_open(const nx_log_options *options, struct nx__outlet **out)
{
    struct place place = {.max_size = options->max_size,
                          .keep = options->keep ? options->keep : NX_LOG_KEEP};
    size_t len = strlen(options->file);
    if (len == 0 || len >= sizeof place.path)
        return nx__error_set(NX_EINVAL,
                             "cannot write the log: its file's name is empty or too long");
    memcpy(place.path, options->file, len + 1);
    NX_TRY(permit(&place));
    int fd = open_path(place.path);
    if (fd < 0) return nx__error_system(errno, "cannot write the log \"%s\"", place.path);
    (void)pthread_mutex_lock(&file.lock);
    nx_err err = NX_OK;
    if (atomic_load(&file.opened)) {
        if (atomic_load(&file.changed)) (void)close(file.next_fd); /* two calls at once */
        file.next = place;
        file.next_fd = fd;
        atomic_store(&file.changed, true);
    } else {
        file.now = place;
        file.size = size_of(fd);
        err = nx__outlet_open(&file.outlet, fd, NX__OUTLET_CAPACITY, &hooks);
        atomic_store(&file.opened, !err);
        if (err)
            (void)close(fd);
        else
            hangup_handle();
    }
    (void)pthread_mutex_unlock(&file.lock);
    if (err) return nx__error_set(err, "cannot write the log: out of memory");
    nx__outlet_wake(&file.outlet);
    *out = &file.outlet;
    return NX_OK;
}

/* A new version of nexus takes the launcher's place: the process executes it, and hands it what the
 * launcher holds. Descriptors stay open over that, and so do the app's processes its children; the
 * new version then restarts the program as on any SIGHUP. */
#include "cli/launcher.h"

#include "cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ARGUMENTS_MOST = 256 * 1024, /* bytes of the command line */
    CHECK_WAIT = 5000,           /* milliseconds for the new version to say that it will do */
};

static const char VARIABLE[] = "NEXUS_TAKE_OVER"; /* a descriptor, or CHECK */
static const char CHECK[] = "check";
/* Found in the file of a version that can take over from this one. It changes with the text below,
 * and with what the app and the launcher say to each other. */
static const char MARK[] = "nexus launcher state 5";

/* ---- What there is to hand over, as text: a line for each thing, what may have spaces last */

static bool state_write(struct nx__launcher *l, FILE *out)
{
    uint64_t mask = 0;
    for (int signo = 1; signo < 64; signo++)
        if (sigismember(&l->mask, signo) == 1) mask |= 1ull << signo;
    (void)fprintf(out, "%s\nlauncher %" PRIx64 " %u\n", MARK, mask, l->generations);
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        const struct nx__generation *g = nx__generation_at(l, i);
        if (!g->number) continue;
        (void)fprintf(out, "generation %zu %u %u %d %" PRId64 " %" PRId64 " %d %s\n", i, g->number,
                      g->count, g->listened, g->patience, g->kill_at, g->so_fd, g->so_path);
        for (uint32_t k = 0; k < g->count; k++)
            (void)fprintf(out, "process %zu %u %d %d %d %" PRId64 "\n", i, k,
                          (int)g->workers[k].pid, g->workers[k].broker, g->workers[k].listened,
                          g->workers[k].restart_at);
        if (strchr(g->so_path, '\n')) return false;
    }
    for (size_t i = 0; i < l->helper_count; i++) {
        const struct nx__helper *h = &l->helpers[i];
        (void)fprintf(out, "helper %d %d %d %u %d\n", (int)h->pid, h->broker, h->status, h->of,
                      h->killed);
    }
    for (size_t i = 0; i < l->held_count; i++) {
        const struct nx__held *h = &l->held[i];
        (void)fprintf(out, "held %d %d %d %u %u %u %u %d %" PRIx64 " %s\n", h->fd, h->handed_in,
                      h->handed_out, h->bound_port, h->worker, h->generation, h->place, h->given,
                      h->owners, h->address);
        if (strchr(h->address, '\n')) return false;
    }
    return fflush(out) == 0 && !ferror(out);
}

/* The text behind the last field; a copy, NULL without memory. */
static char *rest_of(char *line, int at)
{
    line[strcspn(line, "\n")] = '\0';
    return strdup(line + at);
}

/* False for a line that is none of ours. */
static bool line_read(struct nx__launcher *l, char *line)
{
    uint64_t mask;
    size_t i;
    uint32_t k, number, count;
    int listened, at = 0, pid, broker, status, killed, given;
    struct nx__generation g = {.so_fd = -1};
    struct nx__held h = {0};
    unsigned port;
    if (sscanf(line, "launcher %" SCNx64 " %u", &mask, &l->generations) == 2) {
        (void)sigemptyset(&l->mask);
        for (int signo = 1; signo < 64; signo++)
            if (mask & 1ull << signo) (void)sigaddset(&l->mask, signo);
        return true;
    }
    if (sscanf(line, "generation %zu %u %u %d %" SCNd64 " %" SCNd64 " %d %n", &i, &number, &count,
               &listened, &g.patience, &g.kill_at, &g.so_fd, &at) == 7) {
        g.number = number;
        g.count = count;
        g.listened = listened;
        if (i >= NX__GENERATIONS || count > NX__WORKERS_MAX) return false;
        for (k = 0; k < count; k++) g.workers[k].broker = -1;
        g.so_path = rest_of(line, at);
        *nx__generation_at(l, i) = g;
        return g.so_path != NULL;
    }
    struct nx__process p = {0};
    if (sscanf(line, "process %zu %u %d %d %d %" SCNd64, &i, &k, &pid, &broker, &listened,
               &p.restart_at) == 6) {
        if (i >= NX__GENERATIONS || k >= nx__generation_at(l, i)->count) return false;
        p.pid = pid;
        p.broker = broker;
        p.listened = listened;
        nx__generation_at(l, i)->workers[k] = p;
        return true;
    }
    if (sscanf(line, "helper %d %d %d %u %d", &pid, &broker, &status, &number, &killed) == 5) {
        if (l->helper_count == NX__HELPERS_MAX) return false;
        l->helpers[l->helper_count++] = (struct nx__helper){
            .pid = pid, .broker = broker, .status = status, .of = number, .killed = killed};
        l->helpers[l->helper_count - 1].run = l->run;
        return true;
    }
    if (sscanf(line, "held %d %d %d %u %u %u %u %d %" SCNx64 " %n", &h.fd, &h.handed_in,
               &h.handed_out, &port, &h.worker, &h.generation, &h.place, &given, &h.owners,
               &at) == 9) {
        h.given = given;
        line[strcspn(line, "\n")] = '\0';
        if (l->held_count == NX__HELD_MAX || strlen(line + at) >= sizeof h.address) return false;
        h.bound_port = (uint16_t)port;
        memcpy(h.address, line + at, strlen(line + at) + 1);
        l->held[l->held_count++] = h;
        return true;
    }
    return false;
}

/* What stays open when the new version is executed. */
static void keep_open(struct nx__launcher *l, bool open)
{
    int flags = open ? 0 : FD_CLOEXEC;
    for (size_t i = 0; i < l->held_count; i++) {
        (void)fcntl(l->held[i].fd, F_SETFD, flags);
        (void)fcntl(l->held[i].handed_in, F_SETFD, flags);
        (void)fcntl(l->held[i].handed_out, F_SETFD, flags);
    }
    for (size_t i = 0; i < l->helper_count; i++) {
        if (l->helpers[i].broker >= 0) (void)fcntl(l->helpers[i].broker, F_SETFD, flags);
        (void)fcntl(l->helpers[i].status, F_SETFD, flags);
    }
    for (size_t i = 0; i < NX__GENERATIONS; i++) {
        const struct nx__generation *g = nx__generation_at(l, i);
        if (g->number && g->so_fd >= 0) (void)fcntl(g->so_fd, F_SETFD, flags);
        for (uint32_t k = 0; k < g->count; k++)
            if (g->workers[k].broker >= 0) (void)fcntl(g->workers[k].broker, F_SETFD, flags);
    }
}

/* ---- Giving */

/* True when another file lies where ours was; its path. */
static bool find_new(char path[PATH_MAX])
{
    static const char deleted[] = " (deleted)";
    struct stat own, there;
    const char *called = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    if (called && called[0] == '/' && strlen(called) < PATH_MAX) {
        memcpy(path, called, strlen(called) + 1); /* as a link, it may point to another version */
    } else {
        ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
        if (n <= 0) return false;
        path[n] = '\0';
        size_t len = (size_t)n, tail = sizeof deleted - 1;
        if (len > tail && strcmp(path + len - tail, deleted) == 0) path[len - tail] = '\0';
    }
    return stat("/proc/self/exe", &own) == 0 && stat(path, &there) == 0 &&
           (own.st_ino != there.st_ino || own.st_dev != there.st_dev);
}

/* A version that does not know how to take over would start the program a second time. */
static bool has_mark(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &st) == 0 && st.st_size > 0)
        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    (void)close(fd);
    if (bytes == MAP_FAILED) return false;
    bool found = memmem(bytes, (size_t)st.st_size, MARK, sizeof MARK - 1) != NULL;
    (void)munmap(bytes, (size_t)st.st_size);
    return found;
}

/* The command line as it came; argv's order is another by now. The caller frees it and `*text`. */
static char **arguments(char **text)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    size_t len = 0, count = 0;
    char *bytes = malloc(ARGUMENTS_MOST + 1), **argv = NULL;
    *text = bytes;
    if (fd < 0) return NULL;
    for (ssize_t n = 1; bytes && n > 0 && len<ARGUMENTS_MOST; len += n> 0 ? (size_t)n : 0)
        n = read(fd, bytes + len, ARGUMENTS_MOST - len);
    (void)close(fd);
    if (!bytes || len == ARGUMENTS_MOST) return NULL;
    bytes[len] = '\0';
    for (size_t i = 0; i < len; i++) count += !bytes[i];
    argv = calloc(count + 1, sizeof *argv);
    if (!argv) return NULL;
    for (size_t at = 0, i = 0; i < count; at += strlen(bytes + at) + 1) argv[i++] = bytes + at;
    return argv;
}

/* Lets the new version look at the command line, and whether it runs here at all. */
static bool will_do(const struct nx__launcher *l, const char *path, char **argv)
{
    int status = -1;
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
        (void)sigprocmask(SIG_SETMASK, &l->mask, NULL);
        if (setenv(VARIABLE, CHECK, 1) == 0) (void)execv(path, argv);
        _exit(127);
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd >= 0 && poll(&ended, 1, CHECK_WAIT) != 1) (void)kill(pid, SIGKILL);
    if (fd >= 0) (void)close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Returns where it fails only. */
static void hand_over(struct nx__launcher *l, const char *path, char **argv)
{
    char number[16];
    int fd = memfd_create("nexus-state", MFD_CLOEXEC);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w+");
    if (out && state_write(l, out) && lseek(fd, 0, SEEK_SET) == 0) {
        (void)snprintf(number, sizeof number, "%d", fd);
        (void)fcntl(fd, F_SETFD, 0);
        keep_open(l, true);
        if (setenv(VARIABLE, number, 1) == 0) (void)execv(path, argv);
        keep_open(l, false);
        (void)unsetenv(VARIABLE);
    }
    if (out)
        (void)fclose(out);
    else if (fd >= 0)
        (void)close(fd);
}

void nx__takeover(struct nx__launcher *l)
{
    char path[PATH_MAX], clean[256];
    /* A developer's flags have more to hand over, and he can start it anew. */
    if (l->watcher.fd >= 0 || l->run->profile || l->run->inspect.on || !find_new(path)) return;
    nx__printable(clean, sizeof clean, path);
    char *text = NULL, **argv = arguments(&text);
    if (!argv || !has_mark(path) || !will_do(l, path, argv)) {
        nx__cli_say(
            "\"%s\" is another version of nexus, which cannot take over: going on with the one that runs",
            clean);
    } else {
        if (l->asking) nx__serve_asked(l, false);
        hand_over(l, path, argv);
        nx__cli_say("cannot execute \"%s\": going on with the version of nexus that runs", clean);
    }
    free(argv);
    free(text);
}

/* ---- Taking */

bool nx__takeover_is_check(void)
{
    const char *value = getenv(VARIABLE);
    return value && strcmp(value, CHECK) == 0;
}

nx_err nx__takeover_resume(struct nx__launcher *l, bool *resumed)
{
    const char *value = getenv(VARIABLE);
    *resumed = false;
    if (!value) return NX_OK;
    char *end, line[PATH_MAX + 512];
    long fd = strtol(value, &end, 10);
    FILE *in = *end || fd < 3 || fd > INT32_MAX ? NULL : fdopen((int)fd, "r");
    (void)unsetenv(VARIABLE);
    bool good = in && fgets(line, sizeof line, in) && strncmp(line, MARK, sizeof MARK - 1) == 0;
    while (good && fgets(line, sizeof line, in)) good = line_read(l, line);
    if (in) (void)fclose(in);
    if (!good)
        return nx__error_set(
            NX_EINVAL,
            "cannot go on with what another nexus has begun: %s is set to no state of one",
            VARIABLE);
    keep_open(l, false);
    *resumed = true;
    return NX_OK;
}

/* Processes that run at the same time. */
#include "test/jobs.h"

#include "base/clock.h"
#include "loop/crash.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OUTPUT_HEAD = 32 * 1024, /* of the output, kept */
    OUTPUT_TAIL = 64 * 1024, /* of its end, half of it at least */
    REPORT_MOST = 64 * 1024,
    TREE_DEPTH = 16, /* descriptors that removing a tree may take */
};

/* From SIGABRT, which makes it tell where it is, to SIGKILL. */
static const nx_duration LAST_WORDS = NX_S(2);

nx_err nx__pool_init(struct nx__pool *pool)
{
    sigset_t ours;
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGCHLD);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGTERM);
    pool->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (pool->signals < 0) return nx__error_system(errno, "cannot receive signals");
    (void)sigaddset(&ours, SIGPIPE);
    (void)signal(SIGCHLD, SIG_DFL); /* a parent may have had it ignored */
    (void)sigprocmask(SIG_BLOCK, &ours, &pool->mask);
    return NX_OK;
}

/* ---- Starting */

static NX__NORETURN void enter(const struct nx__pool *pool, struct nx__job *job, int packets,
                               int output)
{
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigprocmask(SIG_SETMASK, &pool->mask, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) (void)dup2(null, STDIN_FILENO);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
    }
    job->enter(job, packets);
    _exit(NX_EFAILED);
}

static nx_err start(struct nx__pool *pool, struct nx__job *job)
{
    int pair[2] = {-1, -1}, out[2] = {-1, -1};
    job->packets = job->pipe = -1;
    (void)fflush(NULL); /* or both would write it */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
        (!job->uncaptured && pipe2(out, O_CLOEXEC) != 0))
        goto failed;
    job->started = nx__clock_monotonic();
    job->pid = fork();
    if (job->pid == 0) enter(pool, job, pair[1], out[1]);
    if (job->pid < 0) goto failed;
    (void)setpgid(job->pid, job->pid);
    (void)close(pair[1]);
    if (out[1] >= 0) (void)close(out[1]);
    if (out[0] >= 0) (void)fcntl(out[0], F_SETFL, O_NONBLOCK);
    job->packets = pair[0];
    job->pipe = out[0];
    job->kill_at = job->limit ? job->started + job->limit : NX_FOREVER;
    pool->running[pool->count++] = job;
    return NX_OK;

failed:;
    nx_err err = nx__error_system(errno, "cannot start a process for a test");
    for (int i = 0; i < 2; i++) {
        if (pair[i] >= 0) (void)close(pair[i]);
        if (out[i] >= 0) (void)close(out[i]);
    }
    job->pid = 0;
    return err;
}

/* ---- What they say */

/* Keeps the beginning and the end. */
static void output_add(struct nx__job *job, const char *data, size_t len)
{
    struct nx__buffer *b = &job->output;
    if (nx__buffer_append(b, data, len, SIZE_MAX)) return;
    if (!job->output_head && b->len < OUTPUT_HEAD + OUTPUT_TAIL) return;
    job->output_head = OUTPUT_HEAD;
    if (b->len < OUTPUT_HEAD + OUTPUT_TAIL) return;
    size_t drop = b->len - OUTPUT_HEAD - OUTPUT_TAIL / 2;
    char *from = b->data + OUTPUT_HEAD;
    memmove(from, from + drop, b->len - OUTPUT_HEAD - drop);
    b->len -= drop;
    job->dropped += drop;
}

static void output_read(struct nx__job *job)
{
    static char chunk[16 * 1024];
    /* A bound, so that one that never stops writing does not keep us from its deadline. */
    for (int i = 0; i < 64 && job->pipe >= 0; i++) {
        ssize_t n = read(job->pipe, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n > 0) {
            output_add(job, chunk, (size_t)n);
            continue;
        }
        (void)close(job->pipe);
        job->pipe = -1;
    }
}

/* The report as text, by way of a file in memory. */
static void report_add(struct nx__job *job, const void *report, size_t len)
{
    int fd = memfd_create("nexus-report", MFD_CLOEXEC);
    if (fd < 0) return;
    nx__crash_print(report, len, fd);
    off_t size = lseek(fd, 0, SEEK_END);
    if (size > 0 && size < REPORT_MOST &&
        !nx__buffer_reserve(&job->report, (size_t)size, 4 * REPORT_MOST)) {
        ssize_t n = pread(fd, job->report.data + job->report.len, (size_t)size, 0);
        if (n > 0) job->report.len += (size_t)n;
    }
    (void)close(fd);
}

/* False when there is no packet now. */
static bool packet_read(struct nx__job *job)
{
    static union {
        struct nx__test_packet packet;
        struct nx__crash_report report;
        uint32_t magic;
    } p;
    if (job->packets < 0) return false;
    ssize_t n = recv(job->packets, &p.magic, sizeof p.magic, MSG_DONTWAIT | MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        (void)close(job->packets);
        job->packets = -1;
        return false;
    }
    bool ours =
        n == (ssize_t)sizeof p.magic && (p.magic == NX__TEST_MAGIC || p.magic == NX__CRASH_MAGIC);
    if (!ours && job->request) {
        job->request(job);
        return job->packets >= 0;
    }
    n = recv(job->packets, &p, sizeof p, MSG_DONTWAIT);
    if (n <= 0 || !ours) return n > 0;
    if (p.magic == NX__CRASH_MAGIC)
        report_add(job, &p, (size_t)n);
    else if (nx__test_packet_check(&p.packet, (size_t)n))
        job->packet(job, &p.packet);
    return true;
}

static void packets_read(struct nx__job *job)
{
    for (int i = 0; i < 256 && packet_read(job); i++) {}
}

/* ---- Ending */

static void reap(struct nx__pool *pool, unsigned index)
{
    struct nx__job *job = pool->running[index];
    pid_t pid;
    do {
        pid = waitpid(job->pid, &job->status, WNOHANG);
    } while (pid < 0 && errno == EINTR);
    if (pid == 0) return;
    job->took = nx__clock_monotonic() - job->started;
    while (packet_read(job)) {}
    output_read(job);
    (void)kill(-job->pid, SIGKILL); /* what it has started and left */
    int *const descriptors[] = {&job->packets, &job->pipe};
    for (size_t i = 0; i < 2; i++) {
        if (*descriptors[i] >= 0) (void)close(*descriptors[i]);
        *descriptors[i] = -1;
    }
    pool->running[index] = pool->running[--pool->count];
    job->ended(job);
    job->pid = 0;
}

static void expire(struct nx__job *job, nx_duration now)
{
    if (now < job->kill_at) return;
    if (!job->timed_out) {
        job->timed_out = true;
        job->kill_at = now + LAST_WORDS;
        (void)kill(job->pid, SIGABRT);
        return;
    }
    job->killed = true;
    job->kill_at = NX_FOREVER;
    (void)kill(-job->pid, SIGKILL);
}

bool nx__pool_signals(struct nx__pool *pool)
{
    bool ended = false;
    struct signalfd_siginfo info;
    while (read(pool->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            ended = true;
            continue;
        }
        pool->stop_signal = (int)info.ssi_signo;
        pool->stop = true;
    }
    return ended;
}

static void turn(struct nx__pool *pool)
{
    enum { EACH = 2 };
    static struct pollfd fds[1 + EACH * NX__JOBS_MOST + NX__BESIDE_MOST];
    fds[0] = (struct pollfd){.fd = pool->signals, .events = POLLIN};
    nx_duration next = NX_FOREVER;
    for (unsigned i = 0; i < pool->count; i++) {
        const struct nx__job *job = pool->running[i];
        fds[1 + EACH * i] = (struct pollfd){.fd = job->packets, .events = POLLIN};
        fds[2 + EACH * i] = (struct pollfd){.fd = job->pipe, .events = POLLIN};
        if (job->kill_at < next) next = job->kill_at;
    }
    nx_duration now = nx__clock_monotonic();
    nx_duration left = next == NX_FOREVER ? -1 : next > now ? (next - now) / NX_MS(1) + 1 : 0;
    struct pollfd *beside = &fds[1 + EACH * pool->count];
    size_t others = pool->beside ? pool->beside_poll(pool->beside, beside) : 0;
    if (poll(fds, 1 + EACH * pool->count + others, left > INT32_MAX ? INT32_MAX : (int)left) < 0)
        return;
    bool ended = fds[0].revents && nx__pool_signals(pool);
    if (pool->beside) pool->beside_turn(pool->beside, beside, others, ended);
    now = nx__clock_monotonic();
    /* Backwards: one that ends gives its place to the last. */
    for (unsigned i = pool->count; i-- > 0;) {
        struct nx__job *job = pool->running[i];
        if (fds[1 + EACH * i].revents) packets_read(job);
        if (fds[2 + EACH * i].revents) output_read(job);
        expire(job, now);
        if (ended) reap(pool, i);
    }
}

void nx__pool_run(struct nx__pool *pool)
{
    for (;;) {
        struct nx__job *job;
        while (!pool->stop && pool->count < pool->parallel && (job = pool->next(pool)) != NULL) {
            if (!start(pool, job)) continue;
            NX_IGNORE(
                nx__buffer_printf(&job->report, REPORT_MOST, "%s\n", nx_error_last()->message));
            job->status = NX_EFAILED << 8;
            job->ended(job);
        }
        if (pool->stop)
            for (unsigned i = 0; i < pool->count; i++) (void)kill(-pool->running[i]->pid, SIGKILL);
        if (!pool->count) return;
        turn(pool);
    }
}

void nx__job_free(struct nx__job *job)
{
    nx__buffer_free(&job->output);
    nx__buffer_free(&job->report);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    (void)remove(path); /* what can't be removed stays */
    return 0;
}

nx_err nx__temp_folder(char out[NX__TEMP_FOLDER], const char *what)
{
    const char *tmp = getenv("TMPDIR");
    if (!tmp || tmp[0] != '/' || strlen(tmp) > NX__TEMP_FOLDER - 64) tmp = "/tmp";
    (void)snprintf(out, NX__TEMP_FOLDER, "%s/nexus-%s-XXXXXX", tmp, what);
    if (mkdtemp(out)) return NX_OK;
    out[0] = '\0';
    return nx__error_system(errno, "cannot make a folder in \"%.150s\"", tmp);
}

void nx__remove_tree(const char *path)
{
    (void)nftw(path, remove_entry, TREE_DEPTH, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* What the app asks of its launcher: the app's side. */
#include "permission/broker.h"

#include "base/descriptors.h"
#include "loop/crash.h"
#include "permission/activation.h"
#include "permission/notify.h"
#include "permission/permission.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool nx__broker_asks;
static int launcher = -1;
static uint32_t worker;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* one question at a time */

void nx__broker_connect(int fd)
{
    launcher = fd;
}

void nx__broker_worker(uint32_t index)
{
    worker = index;
}

uint32_t nx__broker_worker_index(void)
{
    return worker;
}

int nx__broker_fd(void)
{
    return launcher;
}

bool nx__broker_report(const void *report, size_t len)
{
    return launcher >= 0 &&
           send(launcher, report, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

void nx__broker_notify(unsigned what, const char *text)
{
    struct nx__broker_request request = {
        .magic = NX__BROKER_MAGIC, .kind = NX__BROKER_NOTIFY, .wants = what};
    size_t len = strnlen(text, NX__NOTIFY_TEXT_MOST - 1);
    memcpy(request.text, text, len);
    (void)send(launcher, &request, offsetof(struct nx__broker_request, text) + len + 1,
               MSG_NOSIGNAL | MSG_DONTWAIT);
}

void nx__broker_access(struct nx__broker_access access)
{
    struct nx__broker_request request = {.magic = NX__BROKER_MAGIC,
                                         .kind = NX__BROKER_ACCESS,
                                         .port = access.kind,
                                         .sockets = access.use,
                                         .wants = access.granted,
                                         .address = access.address};
    size_t module = strnlen(access.module, NX__BROKER_MODULE_MAX - 1);
    size_t room = sizeof request.text - module - 2, len = strnlen(access.what, room);
    memcpy(request.text, access.module, module);
    memcpy(request.text + module + 1, access.what, len);
    size_t size = offsetof(struct nx__broker_request, text) + module + len + 2;
    while (launcher >= 0 && send(launcher, &request, size, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

bool nx__broker_hand(unsigned kind, int fd, unsigned wants, const char *text)
{
    struct nx__broker_request request = {.magic = NX__BROKER_MAGIC, .kind = kind, .wants = wants};
    size_t len = strnlen(text, sizeof request.text - 1);
    memcpy(request.text, text, len);
    const struct iovec part = {&request, offsetof(struct nx__broker_request, text) + len + 1};
    return launcher >= 0 && nx__descriptors_send(launcher, &part, 1, &fd, 1, MSG_DONTWAIT) > 0;
}

bool nx__broker_keep(int listener)
{
    return nx__broker_hand(NX__BROKER_KEEP, listener, 0, "");
}

static nx_err lost(int system)
{
    return nx__error_system(system, "cannot reach the launcher");
}

/* Descriptors that go with a request, or come with an answer. */
struct descriptors {
    int fds[NX__BROKER_FDS];
    unsigned count;
};

static nx_err request_send(struct nx__broker_request *request, const char *text,
                           const struct descriptors *with)
{
    size_t len = strlen(text) + 1;
    if (len > sizeof request->text)
        return nx__error_set(NX_EINVAL, "a name of %zu bytes is too long", len - 1);
    memcpy(request->text, text, len);
    request->magic = NX__BROKER_MAGIC;
    size_t size = offsetof(struct nx__broker_request, text) + len;
    const struct iovec part = {request, size};
    long n;
    do
        n = nx__descriptors_send(launcher, &part, 1, with ? with->fds : NULL,
                                 with ? with->count : 0, 0);
    while (n == -EINTR);
    return n == (long)size ? NX_OK : lost(n < 0 ? (int)-n : EIO);
}

static void descriptors_close(struct descriptors *came)
{
    nx__descriptors_close(came->fds, came->count);
    came->count = 0;
}

static nx_err answer_receive(struct nx__broker_answer *answer, struct descriptors *came)
{
    const struct iovec part = {answer, sizeof *answer - 1};
    size_t count;
    bool cut;
    long n;
    do {
        count = NX__BROKER_FDS;
        n = nx__descriptors_receive(launcher, &part, 1, came->fds, &count, &cut, 0);
    } while (n == -EINTR);
    came->count = (unsigned)count;
    if (n < (long)offsetof(struct nx__broker_answer, message))
        return lost(n < 0 ? (int)-n : ECONNRESET);
    ((char *)answer)[n] = '\0';
    /* Where the process may not open as many, none is of use: nobody would serve the others. */
    if (cut) descriptors_close(came);
    return NX_OK;
}

/* Asks and waits. `with` goes along, NULL: none do; `came` are the descriptors that came. */
static nx_err call_with(struct nx__broker_request *request, const char *text,
                        const struct descriptors *with, struct nx__broker_answer *answer,
                        struct descriptors *came)
{
    came->count = 0;
    (void)pthread_mutex_lock(&turn);
    nx_err err = request_send(request, text, with);
    if (!err) err = answer_receive(answer, came);
    (void)pthread_mutex_unlock(&turn);
    if (err || !answer->code) return err;
    NX_IGNORE(nx__error_set((nx_err)answer->code, "%s", answer->message));
    nx__context()->error.system = answer->system;
    return (nx_err)answer->code;
}

static nx_err call(struct nx__broker_request *request, const char *text,
                   struct nx__broker_answer *answer, struct descriptors *came)
{
    return call_with(request, text, NULL, answer, came);
}

nx_err nx__broker_fork(const char *name, const char *package, int control, int status)
{
    char text[256];
    const struct descriptors with = {{control, status}, NX__BROKER_SENT_FDS};
    struct nx__broker_request request = {.kind = NX__BROKER_FORK};
    struct nx__broker_answer answer;
    struct descriptors none;
    int n = snprintf(text, sizeof text, "%s\n%.31s", package ? package : "", name);
    if (n < 0 || (size_t)n >= sizeof text)
        return nx__error_set(NX_EINVAL, "cannot start worker \"%s\": no package has such a name",
                             name);
    return call_with(&request, text, &with, &answer, &none);
}

nx_err nx__broker_page(const void *report, size_t len, int *fd)
{
    struct nx__broker_answer answer = {.code = NX_ENOTSUP};
    struct descriptors came = {.count = 0};
    *fd = -1;
    if (launcher < 0) return NX_ENOTSUP;
    (void)pthread_mutex_lock(&turn);
    nx_err err = nx__broker_report(report, len) ? answer_receive(&answer, &came) : NX_EIO;
    (void)pthread_mutex_unlock(&turn);
    if (came.count) *fd = came.fds[0];
    if (!err) err = (nx_err)answer.code;
    if (!err && *fd < 0) err = NX_EIO;
    return err;
}

enum nx__asked nx__broker_ask(const char *address, enum nx__ask what)
{
    if (launcher < 0) return NX__ASKED_NO;
    struct nx__broker_request request = {.kind = NX__BROKER_ASK, .wants = what};
    struct nx__broker_answer answer;
    struct descriptors none;
    if (call(&request, address, &answer, &none)) return NX__ASKED_NO;
    return answer.port == 1 ? NX__ASKED_ONCE : NX__ASKED_YES;
}

nx_err nx__broker_begin(void)
{
    if (launcher < 0) return NX_OK;
    struct nx__broker_request request = {.kind = NX__BROKER_BEGIN};
    struct nx__broker_answer answer;
    struct descriptors none;
    return call(&request, "", &answer, &none);
}

static void listener_close(struct nx__listener *listener)
{
    int *fds[] = {&listener->fd, &listener->handed_in, &listener->handed_out};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

/* ---- Without a launcher */

/* What a service manager has made for this process; asked for at the first listening, and kept. */
static struct nx__activated *activated(void)
{
    static struct nx__activated own;
    static bool taken;
    if (!taken) nx__activation_take(&own);
    taken = true;
    return &own;
}

/* A copy of the one that listens at the address: the manager's stays where it is, for the next
 * time. */
static bool listen_given(const struct nx__listen_options *o, int *fd, uint16_t *port)
{
    const struct nx__activated *given = activated();
    for (unsigned i = 0; i < given->count; i++) {
        if (!nx__listen_is_at(given->fds[i], o->host, o->port, port)) continue;
        *fd = fcntl(given->fds[i], F_DUPFD_CLOEXEC, 0);
        return *fd >= 0;
    }
    return false;
}

static bool is_given(int fd)
{
    const struct nx__activated *given = activated();
    struct stat own, other;
    if (!given->count || fstat(fd, &own) != 0) return false;
    for (unsigned i = 0; i < given->count; i++)
        if (fstat(given->fds[i], &other) == 0 && own.st_ino == other.st_ino) return true;
    return false;
}

static nx_err listen_here(const struct nx__listen_options *o, unsigned want,
                          struct nx__listeners *out)
{
    struct nx__listener *items = out->items;
    for (unsigned i = 0; i < want; i++)
        items[i] = (struct nx__listener){.fd = -1, .handed_in = -1, .handed_out = -1};
    if (!listen_given(o, &items->fd, &out->port))
        NX_TRY(nx__listen(o->host, o->port, o->backlog, o->unix_mode,
                          o->reuse ? NX__LISTEN_JOIN : NX__LISTEN_ALONE, &items->fd, &out->port));
    out->count = 1;
    while (out->count < want &&
           nx__listen_beside(items->fd, o->backlog, &items[out->count].fd) == NX_OK)
        out->count++;
    nx__notify(NX__NOTIFY_READY, NULL);
    return NX_OK;
}

static nx_err may_listen(const struct nx__listen_options *o, char address[NX__LISTEN_ADDRESS_MAX])
{
    if (nx__crash_worker)
        return nx__error_set(NX_ENOTSUP,
                             "worker \"%s\" can't listen: a process worker serves its program",
                             nx__crash_worker);
    NX_TRY(nx__listen_address(o->host, o->port, address));
    return nx__permit(NX__PERMIT_NET, address);
}

nx_err nx__broker_may_listen(const struct nx__listen_options *options)
{
    char address[NX__LISTEN_ADDRESS_MAX];
    return may_listen(options, address);
}

nx_err nx__broker_listen(const struct nx__listen_options *o, struct nx__listeners *out)
{
    char address[NX__LISTEN_ADDRESS_MAX];
    unsigned want = o->sockets < 1                   ? 1
                    : o->sockets > NX__LISTENERS_MAX ? NX__LISTENERS_MAX
                                                     : o->sockets;
    out->count = 0;
    NX_TRY(may_listen(o, address));
    if (launcher < 0 && o->workers > 1)
        return nx__error_set(
            NX_ENOTSUP,
            "cannot listen on %s with worker processes: the program was not started by nexus run; without .worker_processes the workers are threads",
            address);
    if (launcher < 0) return listen_here(o, want, out);
    struct nx__broker_request request = {
        .kind = NX__BROKER_LISTEN,
        .port = o->port,
        .backlog = o->backlog,
        .unix_mode = o->unix_mode,
        .sockets = want,
        .workers = o->workers,
        .wants = (o->tls ? NX__LISTENS_TLS : 0) | (o->reuse ? NX__LISTENS_REUSE : 0),
        .drain_ms = o->drain == NX_FOREVER ? UINT64_MAX : (uint64_t)(o->drain / NX_MS(1)),
    };
    struct nx__broker_answer answer;
    struct descriptors came;
    NX_TRY(call(&request, o->host, &answer, &came));
    for (unsigned i = 0; i + 2 < came.count; i += 3)
        out->items[out->count++] = (struct nx__listener){
            .fd = came.fds[i], .handed_in = came.fds[i + 1], .handed_out = came.fds[i + 2]};
    out->port = (uint16_t)answer.port;
    if (out->count) return NX_OK;
    return nx__error_set(
        NX_EMFILE,
        "cannot listen on %s: no descriptor came from the launcher (see --max-open-files)",
        address);
}

void nx__broker_leave(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
    } name = {0};
    socklen_t len = sizeof name;
    if (launcher < 0) {
        if (getsockname(fd, &name.any, &len) == 0 && name.any.sa_family == AF_UNIX &&
            name.local.sun_path[0] && !is_given(fd))
            (void)unlink(name.local.sun_path);
    } else {
        /* By its number: a descriptor under way would keep the socket listening. */
        struct stat st;
        if (fstat(fd, &st) == 0) {
            struct nx__broker_request request = {
                .magic = NX__BROKER_MAGIC, .kind = NX__BROKER_UNLISTEN, .socket = st.st_ino};
            (void)send(launcher, &request, offsetof(struct nx__broker_request, text) + 1,
                       MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    }
}

void nx__broker_unlisten(struct nx__listener *listener)
{
    nx__broker_leave(listener->fd);
    listener_close(listener);
}

nx_err nx__broker_import(const char *name, enum nx__import how, int *so_fd)
{
    *so_fd = -1;
    if (launcher < 0)
        return nx__error_set(
            NX_ENOTSUP, "cannot import \"%.100s\": the program was not started by nexus run", name);
    struct nx__broker_request request = {.kind = NX__BROKER_IMPORT, .wants = how};
    struct nx__broker_answer answer;
    struct descriptors came;
    NX_TRY(call(&request, name, &answer, &came));
    if (!came.count)
        return nx__error_set(
            NX_EMFILE, "cannot import \"%.100s\": no descriptor came from the launcher", name);
    *so_fd = came.fds[0];
    return NX_OK;
}

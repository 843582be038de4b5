/* What the app asks of its launcher: the app's side. */
#include "permission/broker.h"

#include "permission/listen.h"
#include "permission/permission.h"
#include <errno.h>
#include <nexus/runtime.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

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

uint32_t nx_worker_index(void)
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

static nx_err lost(int system)
{
    return nx__error_system(system, "cannot reach the launcher");
}

static nx_err request_send(struct nx__broker_request *request, const char *text)
{
    size_t len = strlen(text) + 1;
    if (len > sizeof request->text)
        return nx__error_set(NX_EINVAL, "a name of %zu bytes is too long", len - 1);
    memcpy(request->text, text, len);
    request->magic = NX__BROKER_MAGIC;
    size_t size = offsetof(struct nx__broker_request, text) + len;
    ssize_t n;
    do n = send(launcher, request, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)size ? NX_OK : lost(n < 0 ? errno : EIO);
}

/* Fills `fds`; those that did not come are -1. */
static nx_err answer_receive(struct nx__broker_answer *answer, int fds[NX__BROKER_FDS])
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(NX__BROKER_FDS * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = answer, .iov_len = sizeof *answer - 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t n;
    do n = recvmsg(launcher, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < (ssize_t)offsetof(struct nx__broker_answer, message))
        return lost(n < 0 ? errno : ECONNRESET);
    ((char *)answer)[n] = '\0';
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    return NX_OK;
}

/* Asks and waits. */
static nx_err call(struct nx__broker_request *request, const char *text,
                   struct nx__broker_answer *answer, int fds[NX__BROKER_FDS])
{
    for (int i = 0; i < NX__BROKER_FDS; i++) fds[i] = -1;
    (void)pthread_mutex_lock(&turn);
    nx_err err = request_send(request, text);
    if (!err) err = answer_receive(answer, fds);
    (void)pthread_mutex_unlock(&turn);
    if (err || !answer->code) return err;
    NX_IGNORE(nx__error_set((nx_err)answer->code, "%s", answer->message));
    nx__context()->error.system = answer->system;
    return (nx_err)answer->code;
}

bool nx__broker_ask(const char *address)
{
    if (launcher < 0) return false;
    struct nx__broker_request request = {.kind = NX__BROKER_ASK};
    struct nx__broker_answer answer;
    int fds[NX__BROKER_FDS];
    return call(&request, address, &answer, fds) == NX_OK;
}

nx_err nx__broker_begin(void)
{
    if (launcher < 0) return NX_OK;
    struct nx__broker_request request = {.kind = NX__BROKER_BEGIN};
    struct nx__broker_answer answer;
    int fds[NX__BROKER_FDS];
    return call(&request, "", &answer, fds);
}

static void listener_close(struct nx__listener *listener)
{
    int *fds[] = {&listener->fd, &listener->handed_in, &listener->handed_out};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

nx_err nx__broker_listen(const struct nx__listen_options *o, struct nx__listener *out)
{
    char address[NX__LISTEN_ADDRESS_MAX];
    *out = (struct nx__listener){.fd = -1, .handed_in = -1, .handed_out = -1};
    NX_TRY(nx__listen_address(o->host, o->port, address));
    NX_TRY(nx__permit(NX__PERMIT_NET, address));
    if (launcher < 0 && o->workers > 1)
        return nx__error_set(
            NX_ENOTSUP,
            "cannot listen on %s with worker processes: the program was not started by nexus run; without .worker_processes the workers are threads",
            address);
    if (launcher < 0)
        return nx__listen(o->host, o->port, o->backlog, o->unix_mode, NX__LISTEN_ALONE, &out->fd,
                          &out->port);
    struct nx__broker_request request = {
        .kind = NX__BROKER_LISTEN,
        .port = o->port,
        .backlog = o->backlog,
        .unix_mode = o->unix_mode,
        .workers = o->workers,
        .drain_ms = o->drain == NX_FOREVER ? UINT64_MAX : (uint64_t)(o->drain / NX_MS(1)),
    };
    struct nx__broker_answer answer;
    int fds[NX__BROKER_FDS];
    NX_TRY(call(&request, o->host, &answer, fds));
    *out = (struct nx__listener){
        .fd = fds[0], .port = (uint16_t)answer.port, .handed_in = fds[1], .handed_out = fds[2]};
    if (out->handed_out >= 0) return NX_OK; /* the last one: they are all there */
    listener_close(out);
    return nx__error_set(
        NX_EMFILE,
        "cannot listen on %s: no descriptor came from the launcher (see --max-open-files)",
        address);
}

void nx__broker_unlisten(struct nx__listener *listener)
{
    int fd = listener->fd;
    union {
        struct sockaddr any;
        struct sockaddr_un local;
    } name = {0};
    socklen_t len = sizeof name;
    if (launcher < 0) {
        if (getsockname(fd, &name.any, &len) == 0 && name.any.sa_family == AF_UNIX &&
            name.local.sun_path[0])
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
    listener_close(listener);
}

nx_err nx__broker_import(const char *name, int *so_fd)
{
    *so_fd = -1;
    if (launcher < 0)
        return nx__error_set(
            NX_ENOTSUP, "cannot import \"%.100s\": the program was not started by nexus run", name);
    struct nx__broker_request request = {.kind = NX__BROKER_IMPORT};
    struct nx__broker_answer answer;
    int fds[NX__BROKER_FDS];
    NX_TRY(call(&request, name, &answer, fds));
    *so_fd = fds[0];
    return *so_fd >= 0
               ? NX_OK
               : nx__error_set(NX_EMFILE,
                               "cannot import \"%.100s\": no descriptor came from the launcher",
                               name);
}

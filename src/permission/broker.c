/* What the app asks of its launcher: the app's side. */
#include "permission/broker.h"

#include "permission/permission.h"
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int launcher = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* one question at a time */

void nx__broker_connect(int fd)
{
    launcher = fd;
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

bool nx__broker_hand(unsigned kind, int fd, unsigned wants, const char *text)
{
    struct nx__broker_request request = {.magic = NX__BROKER_MAGIC, .kind = kind, .wants = wants};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(sizeof(int))}};
    size_t len = strnlen(text, sizeof request.text - 1);
    memcpy(request.text, text, len);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    struct iovec part = {.iov_base = &request,
                         .iov_len = offsetof(struct nx__broker_request, text) + len + 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    return launcher >= 0 && sendmsg(launcher, &message, MSG_NOSIGNAL | MSG_DONTWAIT) > 0;
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

static void fds_close(struct nx__listeners *fds)
{
    while (fds->count) (void)close(fds->fds[--fds->count]);
}

static nx_err answer_receive(struct nx__broker_answer *answer, struct nx__listeners *fds)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof fds->fds)];
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
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        size_t len = header->cmsg_len - CMSG_LEN(0);
        memcpy(fds->fds, CMSG_DATA(header), len);
        fds->count = (unsigned)(len / sizeof *fds->fds);
    }
    /* Where the process may not open as many, none is of use: nobody would serve the others. */
    if (message.msg_flags & MSG_CTRUNC) fds_close(fds);
    return NX_OK;
}

/* Asks and waits. `fds` are the descriptors that came. */
static nx_err call(struct nx__broker_request *request, const char *text,
                   struct nx__broker_answer *answer, struct nx__listeners *fds)
{
    fds->count = 0;
    (void)pthread_mutex_lock(&turn);
    nx_err err = request_send(request, text);
    if (!err) err = answer_receive(answer, fds);
    (void)pthread_mutex_unlock(&turn);
    if (err || !answer->code) return err;
    NX_IGNORE(nx__error_set((nx_err)answer->code, "%s", answer->message));
    nx__context()->error.system = answer->system;
    return (nx_err)answer->code;
}

nx_err nx__broker_page(const void *report, size_t len, int *fd)
{
    struct nx__broker_answer answer = {.code = NX_ENOTSUP};
    struct nx__listeners fds = {.count = 0};
    *fd = -1;
    if (launcher < 0) return NX_ENOTSUP;
    (void)pthread_mutex_lock(&turn);
    nx_err err = nx__broker_report(report, len) ? answer_receive(&answer, &fds) : NX_EIO;
    (void)pthread_mutex_unlock(&turn);
    if (fds.count) *fd = fds.fds[0];
    if (!err) err = (nx_err)answer.code;
    if (!err && *fd < 0) err = NX_EIO;
    return err;
}

bool nx__broker_ask(const char *address)
{
    if (launcher < 0) return false;
    struct nx__broker_request request = {.kind = NX__BROKER_ASK};
    struct nx__broker_answer answer;
    struct nx__listeners none;
    return call(&request, address, &answer, &none) == NX_OK;
}

nx_err nx__broker_begin(void)
{
    if (launcher < 0) return NX_OK;
    struct nx__broker_request request = {.kind = NX__BROKER_BEGIN};
    struct nx__broker_answer answer;
    struct nx__listeners none;
    return call(&request, "", &answer, &none);
}

nx_err nx__broker_listen(const char *host, uint16_t port, unsigned backlog, unsigned unix_mode,
                         unsigned want, struct nx__listeners *listeners)
{
    char address[NX__LISTEN_ADDRESS_MAX];
    if (want > NX__LISTENERS_MAX) want = NX__LISTENERS_MAX;
    NX_TRY(nx__listen_address(host, port, address));
    NX_TRY(nx__permit(NX__PERMIT_NET, address));
    if (launcher < 0) {
        int *fds = listeners->fds;
        NX_TRY(nx__listen(host, port, backlog, unix_mode, fds, &listeners->port));
        listeners->count = 1;
        while (listeners->count < want &&
               nx__listen_beside(fds[0], backlog, &fds[listeners->count]) == NX_OK)
            listeners->count++;
        return NX_OK;
    }
    struct nx__broker_request request = {.kind = NX__BROKER_LISTEN,
                                         .port = port,
                                         .backlog = backlog,
                                         .unix_mode = unix_mode,
                                         .count = want};
    struct nx__broker_answer answer;
    NX_TRY(call(&request, host, &answer, listeners));
    if (!listeners->count)
        return nx__error_set(
            NX_EMFILE,
            "cannot listen on %s: no descriptor came from the launcher (see --max-open-files)",
            address);
    listeners->port = (uint16_t)answer.port;
    return NX_OK;
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
}

void nx__broker_unlisten(int fd)
{
    nx__broker_leave(fd);
    (void)close(fd);
}

nx_err nx__broker_import(const char *name, int *so_fd)
{
    *so_fd = -1;
    if (launcher < 0)
        return nx__error_set(
            NX_ENOTSUP, "cannot import \"%.100s\": the program was not started by nexus run", name);
    struct nx__broker_request request = {.kind = NX__BROKER_IMPORT};
    struct nx__broker_answer answer;
    struct nx__listeners fds;
    NX_TRY(call(&request, name, &answer, &fds));
    if (!fds.count)
        return nx__error_set(
            NX_EMFILE, "cannot import \"%.100s\": no descriptor came from the launcher", name);
    *so_fd = fds.fds[0];
    return NX_OK;
}
